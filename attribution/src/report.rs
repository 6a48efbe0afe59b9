//! The report of an attribution: the evidence that is kept, and the root that goes on chain.

use crate::{
    corpus::Corpus,
    error::{AttributionError, EvidenceError},
    estimator::{Estimator, Inputs, Observer},
    exact,
    units::{ContributionUnits, apportion_scores},
};
use serde::{Deserialize, Serialize};
use tributary_protocol::{
    ContentHash, ContributionId, Ppm,
    recipe::AttributionMethod,
    stream::ContributionRoot,
    sum_tree::{Domain, SumLeaf, SumTree},
};

/// The format of evidence files that this program writes and reads.
const FORMAT: u32 = 1;

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

/// A training sample's score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleScore {
    /// The sample's hash.
    pub sample: ContentHash,
    /// How much it helped on the validation samples.
    #[serde(with = "exact")]
    pub score: f64,
}

/// One contribution's scores and units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContributionEvidence {
    /// The contribution.
    pub contribution: ContributionId,
    /// The account that made it, in hexadecimal digits.
    pub contributor: ContentHash,
    /// Samples of its own.
    pub samples: u32,
    /// Samples that an earlier contribution holds already; they were not trained on again.
    pub copies: u32,
    /// The sum of its training samples' scores, in their order.
    #[serde(with = "exact")]
    pub score: f64,
    /// Its units of 10^9.
    pub units: u64,
    /// Its training samples.
    pub training: Vec<SampleScore>,
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
/// so that one report has one file and one hash.
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
    /// The validation samples.
    pub validation: Vec<ContentHash>,
    /// Whether no contribution's score was above zero, so that the units went by the number of samples.
    pub by_samples: bool,
    /// The contributions, by number.
    pub contributions: Vec<ContributionEvidence>,
}

/// Scores the samples of `corpus` by `estimator`, and divides the units. `inputs` must hold the corpus' samples.
pub fn attribute(
    estimator: &dyn Estimator,
    inputs: &Inputs<'_>,
    corpus: &Corpus,
    observer: Observer<'_>,
) -> Result<AttributionReport, AttributionError> {
    let mut contributions: Vec<ContributionEvidence> = corpus
        .parts()
        .iter()
        .map(|part| ContributionEvidence {
            contribution: part.contribution,
            contributor: ContentHash(part.contributor),
            samples: part.samples,
            copies: part.copies,
            score: 0.0,
            units: 0,
            training: Vec::new(),
        })
        .collect();
    let mut owners = Vec::with_capacity(inputs.dataset.training().len());
    for sample in inputs.dataset.training() {
        owners.push((corpus.owner(&sample.id())?, sample.id()));
    }
    let scores = estimator.scores(inputs, observer)?;
    for ((owner, sample), score) in owners.into_iter().zip(scores) {
        if let Some(contribution) = contributions.get_mut(owner) {
            contribution.score += score;
            contribution.training.push(SampleScore { sample, score });
        }
    }
    let totals: Vec<f64> = contributions.iter().map(|contribution| contribution.score).collect();
    let ContributionUnits { units, by_samples } =
        apportion_scores(&totals, corpus.parts()).ok_or(AttributionError::NoContributions)?;
    for (contribution, units) in contributions.iter_mut().zip(units) {
        contribution.units = units;
    }
    let mut checkpoints = Vec::with_capacity(inputs.snapshots.len());
    for snapshot in inputs.snapshots {
        checkpoints.push(CheckpointEvidence {
            step: snapshot.point.step,
            learning_rate: snapshot.point.learning_rate,
            adapter: snapshot.adapter.content_hash()?,
        });
    }
    Ok(AttributionReport {
        format: FORMAT,
        method: estimator.method(),
        base: inputs.model.content_hash().unwrap_or_default(),
        checkpoints,
        validation: inputs.dataset.validation().iter().map(|sample| sample.id()).collect(),
        by_samples,
        contributions,
    })
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
        Ok(ContributionRoot { shares: self.tree(domain)?.root(), evidence: self.hash(), attributed: Ppm::ZERO })
    }

    fn check_units(&self) -> Result<(), EvidenceError> {
        let mut scores = Vec::with_capacity(self.contributions.len());
        let mut parts = Vec::with_capacity(self.contributions.len());
        for evidence in &self.contributions {
            let sum = evidence.training.iter().fold(0f64, |sum, sample| sum + sample.score);
            if sum.to_bits() != evidence.score.to_bits() {
                return Err(EvidenceError::OtherInputs { what: "contributions' sums" });
            }
            scores.push(sum);
            parts.push(crate::Part {
                contribution: evidence.contribution,
                contributor: evidence.contributor.0,
                samples: evidence.samples,
                copies: evidence.copies,
            });
        }
        let expected = apportion_scores(&scores, &parts).ok_or(AttributionError::NoContributions)?;
        if expected.by_samples != self.by_samples {
            return Err(EvidenceError::OtherInputs { what: "fallback" });
        }
        for (evidence, expected) in self.contributions.iter().zip(expected.units) {
            if evidence.units != expected {
                let ContributionEvidence { contribution, units: found, .. } = *evidence;
                return Err(EvidenceError::Units { contribution, found, expected });
            }
        }
        Ok(())
    }
}
