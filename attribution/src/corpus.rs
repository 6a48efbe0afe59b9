//! Whose sample is it: all contributions of a job as one list in which every sample stands once.

use crate::{
    duplicates::{Member, Verdict, find_duplicates},
    error::AttributionError,
    report::{AttributionReport, ContributionEvidence},
};
use std::collections::{BTreeMap, HashMap, HashSet, hash_map::Entry};
use tributary_protocol::{ContentHash, ContributionId, amount::Ppm, sample::CanonicalLine};

/// One contribution's samples, as fetched.
#[derive(Clone, Debug)]
pub struct ContributionSamples {
    /// The contribution.
    pub contribution: ContributionId,
    /// The account that made it.
    pub contributor: [u8; 32],
    /// Its samples, in the file's order.
    pub lines: Vec<CanonicalLine>,
}

/// One contribution's samples by their hashes, already read from files and without copies.
#[derive(Clone, Debug)]
pub struct ContributionHashes {
    /// The contribution.
    pub contribution: ContributionId,
    /// The account that made it.
    pub contributor: [u8; 32],
    /// Its samples that no earlier contribution holds.
    pub samples: Vec<ContentHash>,
    /// Samples that were left out since they are copies.
    pub copies: u32,
}

/// One contribution's part in a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The contribution.
    pub contribution: ContributionId,
    /// The account that made it.
    pub contributor: [u8; 32],
    /// Samples that are its own.
    pub samples: u32,
    /// Samples that an earlier contribution holds already.
    pub copies: u32,
}

/// How a sample resembles an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resemblance {
    /// The same, spaces and metadata apart: not trained on.
    Exact,
    /// Nearly the same: not trained on.
    Near,
    /// Much the same in other words: trained on, and in one pool with the earlier one.
    Paraphrase,
}

/// A sample by whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnedSample {
    /// The contribution.
    pub contribution: ContributionId,
    /// The sample's hash.
    pub sample: ContentHash,
    /// Its place in the contribution's file, from 0.
    pub index: u32,
}

/// A sample that says what an earlier one says, as curators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The later sample.
    pub later: OwnedSample,
    /// The earlier one that it resembles most.
    pub earlier: OwnedSample,
    /// How.
    pub resemblance: Resemblance,
    /// How much: [`Ppm::ONE`] for an exact copy.
    pub similarity: Ppm,
}

/// Where a sample stands in its cluster of paraphrases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The hash of the cluster's first sample.
    pub cluster: ContentHash,
    /// How similar the sample is to the most similar one of the cluster before it; 0 for the first.
    pub similarity: Ppm,
}

/// The samples of several contributions, each once.
///
/// Contributions are ordered by number, which is the order of submission; a sample belongs to the first that holds it.
/// Two samples are the same if prompt and completion are, spaces around them and metadata apart: what the model learns
/// from them is the same then. So copying somebody's samples earns nothing, however often it is done.
/// [`Corpus::intake`] leaves out near copies too, and knows which of the rest paraphrase each other.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    parts: Vec<Part>,
    lines: Vec<CanonicalLine>,
    owners: HashMap<ContentHash, usize>,
    /// Where in its contribution's file each sample stands, from 0, if the corpus was made from files.
    places: HashMap<ContentHash, u32>,
    findings: Vec<Finding>,
    /// The first sample of the cluster, and the similarity to those before, for every sample that is in one with others.
    clusters: HashMap<ContentHash, (ContentHash, Ppm)>,
}

impl Corpus {
    /// The corpus of `contributions`, in any order. One that is named twice, because several of a job's versions hold it,
    /// counts once.
    pub fn new(contributions: impl IntoIterator<Item = ContributionSamples>) -> Self {
        let ordered: BTreeMap<ContributionId, ContributionSamples> =
            contributions.into_iter().map(|samples| (samples.contribution, samples)).collect();
        let mut corpus = Self { parts: Vec::with_capacity(ordered.len()), ..Self::default() };
        let mut seen = HashSet::new();
        for (owner, samples) in ordered.into_values().enumerate() {
            let (mut own, mut copies) = (0u32, 0u32);
            for (place, line) in (0u32..).zip(samples.lines) {
                let sample = line.sample();
                if seen.insert((sample.prompt.trim().to_owned(), sample.completion.trim().to_owned())) {
                    corpus.owners.insert(line.hash(), owner);
                    corpus.places.insert(line.hash(), place);
                    corpus.lines.push(line);
                    own = own.saturating_add(1);
                } else {
                    copies = copies.saturating_add(1);
                }
            }
            let ContributionSamples { contribution, contributor, .. } = samples;
            corpus.parts.push(Part { contribution, contributor, samples: own, copies });
        }
        corpus
    }

    /// As [`Self::new`], but a sample that is nearly the same as an earlier one counts as a copy too, within a contribution
    /// and across them, and samples that say much the same share a pool: see [`crate::duplicates`].
    ///
    /// A function of the samples and the contributions' numbers alone, so whoever trains and whoever checks get the same.
    pub fn intake(contributions: impl IntoIterator<Item = ContributionSamples>) -> Self {
        let ordered: BTreeMap<ContributionId, ContributionSamples> =
            contributions.into_iter().map(|samples| (samples.contribution, samples)).collect();
        let ordered: Vec<ContributionSamples> = ordered.into_values().collect();
        let lines = || ordered.iter().flat_map(|samples| &samples.lines);
        let found = find_duplicates(lines().map(CanonicalLine::sample));
        let origins = ordered.iter().flat_map(|samples| {
            (0u32..).zip(&samples.lines).map(|(index, line)| OwnedSample {
                contribution: samples.contribution,
                sample: line.hash(),
                index,
            })
        });
        let origins: Vec<OwnedSample> = origins.collect();

        let mut corpus = Self { parts: Vec::with_capacity(ordered.len()), ..Self::default() };
        for (later, verdict) in origins.iter().zip(&found.verdicts) {
            let (of, resemblance) = match *verdict {
                Verdict::Kept => continue,
                Verdict::ExactCopy { of } => (of, Resemblance::Exact),
                Verdict::NearCopy { of, .. } => (of, Resemblance::Near),
                Verdict::Paraphrase { of, .. } => (of, Resemblance::Paraphrase),
            };
            let (later, earlier) = (*later, origins[of]);
            corpus.findings.push(Finding { later, earlier, resemblance, similarity: verdict.similarity() });
        }
        for cluster in found.clusters {
            let sample = |member: &Member| origins[member.sample].sample;
            let Some(first) = cluster.first().map(sample) else { continue };
            corpus.clusters.extend(cluster.iter().map(|member| (sample(member), (first, member.similarity))));
        }
        let mut verdicts = found.verdicts.iter();
        for (owner, samples) in ordered.into_iter().enumerate() {
            let ContributionSamples { contribution, contributor, lines } = samples;
            let (mut own, mut copies) = (0u32, 0u32);
            for ((place, line), verdict) in (0u32..).zip(lines).zip(&mut verdicts) {
                if verdict.is_kept() {
                    corpus.owners.insert(line.hash(), owner);
                    corpus.places.insert(line.hash(), place);
                    corpus.lines.push(line);
                    own = own.saturating_add(1);
                } else {
                    copies = copies.saturating_add(1);
                }
            }
            corpus.parts.push(Part { contribution, contributor, samples: own, copies });
        }
        corpus
    }

    /// The corpus of samples that are known by their hashes only, such as conversations from local files. It has no
    /// [`Corpus::lines`]; whoever read the files has the dataset. A hash that stands in two contributions belongs to the
    /// first of them.
    pub fn of_hashes(contributions: impl IntoIterator<Item = ContributionHashes>) -> Self {
        let ordered: BTreeMap<ContributionId, ContributionHashes> =
            contributions.into_iter().map(|hashes| (hashes.contribution, hashes)).collect();
        let mut corpus = Self { parts: Vec::with_capacity(ordered.len()), ..Self::default() };
        for (owner, hashes) in ordered.into_values().enumerate() {
            let ContributionHashes { contribution, contributor, samples, mut copies } = hashes;
            let mut own = 0u32;
            for sample in samples {
                match corpus.owners.entry(sample) {
                    Entry::Vacant(free) => {
                        free.insert(owner);
                        own = own.saturating_add(1);
                    }
                    Entry::Occupied(_) => copies = copies.saturating_add(1),
                }
            }
            corpus.parts.push(Part { contribution, contributor, samples: own, copies });
        }
        corpus
    }

    /// The corpus that a report speaks of: owners and clusters of its training samples. It has no [`Corpus::lines`].
    pub fn of_report(report: &AttributionReport) -> Self {
        let mut corpus = Self::default();
        for (owner, evidence) in report.contributions.iter().enumerate() {
            let ContributionEvidence { contribution, contributor, samples, copies, .. } = *evidence;
            corpus.parts.push(Part { contribution, contributor: contributor.0, samples, copies });
            for training in &evidence.training {
                corpus.owners.insert(training.sample, owner);
                corpus.clusters.insert(training.sample, (training.cluster, training.similarity));
            }
        }
        corpus
    }

    /// The samples, by contribution and within it in the file's order; none of [`Corpus::of_hashes`].
    pub fn lines(&self) -> &[CanonicalLine] {
        &self.lines
    }

    /// The contributions, by number.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The samples that [`Corpus::intake`] found to say what an earlier one says, in the order of registration.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Where a sample stands among those that say the same in other words: in a cluster of its own, mostly, and always if the
    /// corpus knows samples by their hashes only.
    pub fn standing(&self, sample: &ContentHash) -> Standing {
        let alone = (*sample, Ppm::ZERO);
        let (cluster, similarity) = self.clusters.get(sample).copied().unwrap_or(alone);
        Standing { cluster, similarity }
    }

    /// The same of each of `samples`.
    pub fn standings(&self, samples: &[ContentHash]) -> Vec<Standing> {
        samples.iter().map(|sample| self.standing(sample)).collect()
    }

    /// The place in [`Corpus::parts`] of the contribution that a sample belongs to.
    pub fn owner(&self, sample: &ContentHash) -> Result<usize, AttributionError> {
        self.owners.get(sample).copied().ok_or(AttributionError::Unowned { sample: *sample })
    }

    /// The place of a sample in its contribution's file, from 0; `None` if the corpus knows it by its hash only.
    pub fn place(&self, sample: &ContentHash) -> Option<u32> {
        self.places.get(sample).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::sample::{Limits, ParsedSamples};

    fn samples(contribution: u64, rows: &[(&str, &str)]) -> ContributionSamples {
        let file: String =
            rows.iter().map(|(p, c)| format!("{{\"prompt\":\"{p}\",\"completion\":\"{c}\"}}\n")).collect();
        ContributionSamples {
            contribution: ContributionId(contribution),
            contributor: [contribution as u8; 32],
            lines: ParsedSamples::parse(file.as_bytes(), &Limits::DEFAULT).unwrap().into_lines(),
        }
    }

    #[test]
    fn a_copy_belongs_to_the_first_and_counts_nowhere_else() {
        let corpus =
            Corpus::new([samples(9, &[("a", "1"), (" b", "2 "), ("c", "3")]), samples(4, &[("b", "2"), ("d", "4")])]);
        let parts: Vec<_> =
            corpus.parts().iter().map(|part| (part.contribution.0, part.samples, part.copies)).collect();
        assert_eq!(parts, [(4, 2, 0), (9, 2, 1)]);
        assert_eq!(corpus.lines().len(), 4);
        let owners: Vec<_> = corpus.lines().iter().map(|line| corpus.owner(&line.hash()).unwrap()).collect();
        assert_eq!(owners, [0, 0, 1, 1]);
    }

    #[test]
    fn one_contribution_of_two_versions_counts_once() {
        let twice = samples(1, &[("a", "1")]);
        let corpus = Corpus::new([twice.clone(), twice]);
        assert_eq!((corpus.parts().len(), corpus.lines().len(), corpus.parts()[0].copies), (1, 1, 0));
    }

    #[test]
    fn hashes_have_the_owners_that_samples_have() {
        let files = [samples(0, &[("a", "1"), ("b", "2")]), samples(3, &[("c", "3")])];
        let hashes = files.iter().map(|file| ContributionHashes {
            contribution: file.contribution,
            contributor: file.contributor,
            samples: file.lines.iter().map(CanonicalLine::hash).collect(),
            copies: 1,
        });
        let (known, whole) = (Corpus::of_hashes(hashes.rev()), Corpus::new(files));
        for line in whole.lines() {
            assert_eq!(known.owner(&line.hash()).unwrap(), whole.owner(&line.hash()).unwrap());
        }
        let parts: Vec<_> = known.parts().iter().map(|part| (part.contribution.0, part.samples, part.copies)).collect();
        assert_eq!((parts, known.lines().len()), (vec![(0, 2, 1), (3, 1, 1)], 0));
    }

    /// Eighty words, of which some are replaced.
    fn story(changed: &[usize]) -> String {
        let word = |at: usize| if changed.contains(&at) { format!("other{at}") } else { format!("word{at}") };
        (0..80).map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn near_copies_are_left_out_and_paraphrases_share_a_pool() {
        let (original, near, again) = (story(&[]), story(&[40]), story(&[5, 15, 25, 35, 45, 55, 65]));
        let corpus = Corpus::intake([
            samples(7, &[("p", &near), ("p", &again), ("q", "something else")]),
            samples(2, &[("p", &original), ("p", &near)]),
            samples(9, &[(" p", &format!("{near} "))]),
        ]);
        let parts: Vec<_> =
            corpus.parts().iter().map(|part| (part.contribution.0, part.samples, part.copies)).collect();
        assert_eq!(parts, [(2, 1, 1), (7, 2, 1), (9, 0, 1)]);
        let findings: Vec<_> = corpus
            .findings()
            .iter()
            .map(|found| {
                (found.later.contribution.0, found.later.index, found.earlier.contribution.0, found.resemblance)
            })
            .collect();
        let expected = [
            (2, 1, 2, Resemblance::Near),
            (7, 0, 2, Resemblance::Exact),
            (7, 1, 2, Resemblance::Paraphrase),
            (9, 0, 2, Resemblance::Exact),
        ];
        assert_eq!(findings, expected);

        let clusters: Vec<_> = corpus.lines().iter().map(|line| corpus.standing(&line.hash()).cluster).collect();
        let hashes: Vec<_> = corpus.lines().iter().map(CanonicalLine::hash).collect();
        assert_eq!(clusters, [hashes[0], hashes[0], hashes[2]]);
    }

    #[test]
    fn without_near_copies_intake_is_new() {
        let files = [samples(9, &[("a", "1"), (" b", "2 "), ("c", "3")]), samples(4, &[("b", "2"), ("d", "4")])];
        let (intake, new) = (Corpus::intake(files.clone()), Corpus::new(files));
        assert_eq!((intake.parts(), intake.lines()), (new.parts(), new.lines()));
    }

    #[test]
    fn a_strange_sample_has_no_owner() {
        let error = Corpus::new([]).owner(&ContentHash::of(b"x")).unwrap_err();
        assert!(matches!(error, AttributionError::Unowned { .. }), "{error}");
    }
}
