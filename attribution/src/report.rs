//! The report of an attribution: the evidence that is kept, and the root that goes on chain.

use crate::{
    corpus::{Corpus, Part, Standing},
    error::{AttributionError, EvidenceError},
    estimator::{Inputs, Observer},
    exact,
    training::{Kept, TrainingScores, training_scores},
    units::{ContributionUnits, apportion_units},
};
use serde::{Deserialize, Serialize};
use tributary_protocol::{
    ContentHash, ContributionId, Ppm,
    answer::{Accuracy, Rule, SampleScore, Scores, attributed_part, share},
    recipe::AttributionMethod,
    stream::ContributionRoot,
    sum_tree::{Domain, SumLeaf, SumTree},
};

/// The format of evidence files that this program writes and reads.
const FORMAT: u32 = 3;

/// The rule by which trainings are shared: all is attributed, and what falls to the base pool is divided like the rest.
pub const TRAINING_RULE: Rule = Rule::new(Ppm::ONE);

/// A checkpoint that was scored at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointEvidence {
    /// Its step, from 1.
    pub step: u64,
    /// The learning rate of that step.
    #[serde(with = "exact")]
    pub learning_rate: f64,
    /// BLAKE3 of its adapter's weights file.
    pub adapter: ContentHash,
}

/// A training sample's score and what it was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleEvidence {
    /// The sample's hash.
    pub sample: ContentHash,
    /// The hash of the first sample that says the same in other words; its own, mostly.
    pub cluster: ContentHash,
    /// How similar it is to the most similar sample of the cluster before it; 0 for the first.
    pub similarity: Ppm,
    /// The group that it was left out with.
    pub group: u16,
    /// How much it helped on the validation samples, in a unit that all samples of the report share.
    pub score: i64,
    /// Its units by the rule, of 10^9.
    pub units: u64,
}

/// One contribution's scores and units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContributionEvidence {
    /// The contribution.
    pub contribution: ContributionId,
    /// The account that made it, in hexadecimal digits.
    pub contributor: ContentHash,
    /// Samples of its own.
    pub samples: u32,
    /// Samples that an earlier contribution holds already, or nearly; they were not trained on again.
    pub copies: u32,
    /// Its units of 10^9: in proportion to the sum of its samples'.
    pub units: u64,
    /// Its training samples.
    pub training: Vec<SampleEvidence>,
}

impl ContributionEvidence {
    /// BLAKE3 of this part of the evidence file: its JSON, as there.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&serde_json::to_vec(self).expect("strings, numbers and lists have a JSON form"))
    }
}

/// What an attribution found, and from what: the evidence file.
///
/// Its bytes are JSON without spaces, the fields in the order of declaration and every float as its shortest exact decimal,
/// so that one report has one file and one hash. Scores are integers: from them on, everything is exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributionReport {
    format: u32,
    /// The method, with its settings.
    pub method: AttributionMethod,
    /// Hash of the base model's folder; zero for a model that is in no folder.
    pub base: ContentHash,
    /// The checkpoints, by step.
    pub checkpoints: Vec<CheckpointEvidence>,
    /// Hash of the embeddings' file, if the method makes embeddings.
    pub embeddings: Option<ContentHash>,
    /// Hash of the tangents' file, if the method makes tangents.
    pub tangents: Option<ContentHash>,
    /// How right the attribution was found to be, if that was measured.
    pub accuracy: Option<Accuracy>,
    /// The validation samples.
    pub validation: Vec<ContentHash>,
    /// How much each group of samples helped.
    pub groups: Vec<i64>,
    /// What samples that were never trained on would have scored.
    pub ghosts: Vec<i64>,
    /// Whether no sample was shown to have helped, so that the units went by the number of samples.
    pub by_samples: bool,
    /// The contributions, by number.
    pub contributions: Vec<ContributionEvidence>,
}

/// Scores the samples of `corpus` by `method`, and divides the units. `inputs` must hold the corpus' samples.
pub fn attribute(
    method: AttributionMethod,
    inputs: &Inputs<'_>,
    kept: Kept<'_>,
    corpus: &Corpus,
    observer: Observer<'_>,
) -> Result<AttributionReport, AttributionError> {
    let owner = |sample: &tributary_lora::EncodedSample| corpus.owner(&sample.id());
    let owners = inputs.dataset.training().iter().map(owner).collect::<Result<Vec<_>, _>>()?;
    let TrainingScores { groups, of_sample, samples, ghosts } = training_scores(method, inputs, kept, observer)?;
    let mut contributions: Vec<ContributionEvidence> = corpus
        .parts()
        .iter()
        .map(|part| ContributionEvidence {
            contribution: part.contribution,
            contributor: ContentHash(part.contributor),
            samples: part.samples,
            copies: part.copies,
            units: 0,
            training: Vec::new(),
        })
        .collect();
    for ((sample, owner), (group, score)) in
        inputs.dataset.training().iter().zip(owners).zip(of_sample.iter().zip(samples))
    {
        if let Some(contribution) = contributions.get_mut(owner) {
            let Standing { cluster, similarity } = corpus.standing(&sample.id());
            let (sample, group) = (sample.id(), *group);
            contribution.training.push(SampleEvidence { sample, cluster, similarity, group, score, units: 0 });
        }
    }
    let mut checkpoints = Vec::with_capacity(inputs.snapshots.len());
    for snapshot in inputs.snapshots {
        checkpoints.push(CheckpointEvidence {
            step: snapshot.point.step,
            learning_rate: snapshot.point.learning_rate,
            adapter: snapshot.adapter.content_hash()?,
        });
    }
    let mut report = AttributionReport {
        format: FORMAT,
        method,
        base: inputs.model.content_hash().unwrap_or_default(),
        checkpoints,
        embeddings: kept.embeddings.map(crate::Embeddings::hash),
        tangents: kept.tangents.map(crate::Tangents::hash),
        accuracy: None,
        validation: inputs.dataset.validation().iter().map(|sample| sample.id()).collect(),
        groups,
        ghosts,
        by_samples: false,
        contributions,
    };
    report.divide()?;
    Ok(report)
}

impl AttributionReport {
    /// The evidence file.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and lists have a JSON form")
    }

    /// Reads an evidence file, and checks that its units follow from its own scores.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        /// Read first, so that a later format is named as such.
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let Header { format } = serde_json::from_slice(bytes)?;
        if format != FORMAT {
            return Err(EvidenceError::Format { found: format, expected: FORMAT });
        }
        let report: Self = serde_json::from_slice(bytes)?;
        report.check_units()?;
        Ok(report)
    }

    /// BLAKE3 of the evidence file.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&self.to_bytes())
    }

    /// The contributions as leaves of the tree.
    pub fn leaves(&self) -> Vec<SumLeaf> {
        let leaf = |(index, evidence): (u32, &ContributionEvidence)| SumLeaf {
            index,
            contribution: evidence.contribution,
            contributor: evidence.contributor.0,
            units: evidence.units,
            evidence: evidence.hash(),
        };
        (0u32..).zip(&self.contributions).map(leaf).collect()
    }

    /// The tree from which contributors make their proofs, for one job on one chain.
    pub fn tree(&self, domain: &Domain) -> Result<SumTree, EvidenceError> {
        SumTree::new(domain, self.leaves()).map_err(EvidenceError::Tree)
    }

    /// What the trainer reports to the chain.
    pub fn contribution_root(&self, domain: &Domain) -> Result<ContributionRoot, EvidenceError> {
        let attributed = attributed_part(self.accuracy.as_ref());
        Ok(ContributionRoot { shares: self.tree(domain)?.root(), evidence: self.hash(), attributed })
    }

    /// Gives samples and contributions the units that follow from the scores: samples by [`TRAINING_RULE`], contributions
    /// in proportion to the sums of theirs. Where no sample gets any, the contributions' numbers of samples decide.
    fn divide(&mut self) -> Result<(), AttributionError> {
        let training = || self.contributions.iter().flat_map(|evidence| &evidence.training);
        let score = |of: &SampleEvidence| {
            let SampleEvidence { sample: id, cluster, similarity, group, score, .. } = *of;
            SampleScore { id, cluster, similarity, group, score }
        };
        let samples: Vec<SampleScore> = training().map(score).collect();
        let scores = Scores { groups: &self.groups, samples: &samples, ghosts: &self.ghosts };
        let mut units = share(&TRAINING_RULE, &scores)?.units.into_iter();
        for evidence in self.contributions.iter_mut().flat_map(|evidence| &mut evidence.training) {
            evidence.units = units.next().unwrap_or(0);
        }
        let sum =
            |evidence: &ContributionEvidence| evidence.training.iter().map(|sample| u128::from(sample.units)).sum();
        let sums: Vec<u128> = self.contributions.iter().map(sum).collect();
        let parts: Vec<Part> = self.contributions.iter().map(part).collect();
        let ContributionUnits { units, by_samples } =
            apportion_units(&sums, &parts).ok_or(AttributionError::NoContributions)?;
        self.by_samples = by_samples;
        for (evidence, units) in self.contributions.iter_mut().zip(units) {
            evidence.units = units;
        }
        Ok(())
    }

    fn check_units(&self) -> Result<(), EvidenceError> {
        let mut expected = self.clone();
        expected.divide()?;
        for (evidence, expected) in self.contributions.iter().zip(&expected.contributions) {
            if evidence.units != expected.units {
                let ContributionEvidence { contribution, units: found, .. } = *evidence;
                return Err(EvidenceError::Units { contribution, found, expected: expected.units });
            }
        }
        if expected != *self {
            return Err(EvidenceError::OtherInputs { what: "samples' units" });
        }
        Ok(())
    }
}

fn part(evidence: &ContributionEvidence) -> Part {
    Part {
        contribution: evidence.contribution,
        contributor: evidence.contributor.0,
        samples: evidence.samples,
        copies: evidence.copies,
    }
}
