//! Whose sample is it: all contributions of a job as one list in which every sample stands once.

use crate::error::AttributionError;
use std::collections::{BTreeMap, HashMap, HashSet, hash_map::Entry};
use tributary_protocol::{ContentHash, ContributionId, sample::CanonicalLine};

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

/// The samples of several contributions, each once.
///
/// Contributions are ordered by number, which is the order of submission; a sample belongs to the first that holds it.
/// Two samples are the same if prompt and completion are, spaces around them and metadata apart: what the model learns
/// from them is the same then. So copying somebody's samples earns nothing, however often it is done.
#[derive(Clone, Debug)]
pub struct Corpus {
    parts: Vec<Part>,
    lines: Vec<CanonicalLine>,
    owners: HashMap<ContentHash, usize>,
}

impl Corpus {
    /// The corpus of `contributions`, in any order. One that is named twice, because several of a job's versions hold it,
    /// counts once.
    pub fn new(contributions: impl IntoIterator<Item = ContributionSamples>) -> Self {
        let ordered: BTreeMap<ContributionId, ContributionSamples> =
            contributions.into_iter().map(|samples| (samples.contribution, samples)).collect();
        let mut corpus = Self { parts: Vec::with_capacity(ordered.len()), lines: Vec::new(), owners: HashMap::new() };
        let mut seen = HashSet::new();
        for (owner, samples) in ordered.into_values().enumerate() {
            let (mut own, mut copies) = (0u32, 0u32);
            for line in samples.lines {
                let sample = line.sample();
                if seen.insert((sample.prompt.trim().to_owned(), sample.completion.trim().to_owned())) {
                    corpus.owners.insert(line.hash(), owner);
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

    /// The corpus of samples that are known by their hashes only, such as conversations from local files. It has no
    /// [`Corpus::lines`]; whoever read the files has the dataset. A hash that stands in two contributions belongs to the
    /// first of them.
    pub fn of_hashes(contributions: impl IntoIterator<Item = ContributionHashes>) -> Self {
        let ordered: BTreeMap<ContributionId, ContributionHashes> =
            contributions.into_iter().map(|hashes| (hashes.contribution, hashes)).collect();
        let mut corpus = Self { parts: Vec::with_capacity(ordered.len()), lines: Vec::new(), owners: HashMap::new() };
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

    /// The samples, by contribution and within it in the file's order; none of [`Corpus::of_hashes`].
    pub fn lines(&self) -> &[CanonicalLine] {
        &self.lines
    }

    /// The contributions, by number.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The place in [`Corpus::parts`] of the contribution that a sample belongs to.
    pub fn owner(&self, sample: &ContentHash) -> Result<usize, AttributionError> {
        self.owners.get(sample).copied().ok_or(AttributionError::Unowned { sample: *sample })
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

    #[test]
    fn a_strange_sample_has_no_owner() {
        let error = Corpus::new([]).owner(&ContentHash::of(b"x")).unwrap_err();
        assert!(matches!(error, AttributionError::Unowned { .. }), "{error}");
    }
}
