//! Checking somebody else's attribution by doing it again.

use crate::{
    corpus::Corpus,
    embedding::Embeddings,
    error::EvidenceError,
    estimator::{Inputs, Observer},
    report::{AttributionReport, attribute},
    tangents::Tangents,
    training::Kept,
};
use std::fmt;
use tributary_protocol::ContributionId;

/// By how many units of 10^9 a recomputation on another machine may differ: a hundredth of a percent of the whole.
/// f32 gradients differ in their last bits where processors round and add in another order; over the sums of a score that
/// stays some orders of magnitude below this, while moving money to speak of takes more.
pub const UNITS_TOLERANCE: u64 = 100_000;

/// What a recomputation found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same, bit for bit.
    Identical,
    /// Not the same bits, but no contribution's units differ by more than [`UNITS_TOLERANCE`].
    Close {
        /// The largest difference, in units.
        units: u64,
    },
    /// Some contribution has other units.
    Different {
        /// The contribution that differs most.
        contribution: ContributionId,
        /// What the report gives it.
        reported: u64,
        /// What the recomputation gives it.
        recomputed: u64,
    },
}

impl Comparison {
    /// Whether the report stands.
    pub fn holds(&self) -> bool {
        !matches!(self, Self::Different { .. })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identical => f.write_str("identical, bit for bit"),
            Self::Close { units } => write!(
                f,
                "equal up to rounding: at most {units} of 10^9 units apart, {UNITS_TOLERANCE} are tolerated; the same \
                 machine with the same number of threads gives the same bits"
            ),
            Self::Different { contribution, reported, recomputed } => write!(
                f,
                "different: contribution {contribution} has {reported} units in the report and {recomputed} when recomputed"
            ),
        }
    }
}

/// Does the attribution of `report` again from its inputs and what was kept of the run, and compares. The accuracy is taken
/// from the report. Cost: that of the attribution, without what it takes to make embeddings or tangents.
///
/// Errors: the inputs are not those that the report names.
pub fn recompute(
    report: &AttributionReport,
    inputs: &Inputs<'_>,
    kept: Kept<'_>,
    corpus: &Corpus,
    observer: Observer<'_>,
) -> Result<(AttributionReport, Comparison), EvidenceError> {
    let other = |what| Err(EvidenceError::OtherInputs { what });
    if report.base != inputs.model.content_hash().unwrap_or_default() {
        return other("base models");
    }
    if !report.validation.iter().eq(inputs
        .dataset
        .validation()
        .iter()
        .map(|sample| sample.id())
        .collect::<Vec<_>>()
        .iter())
    {
        return other("validation samples");
    }
    if kept.embeddings.map(Embeddings::hash) != report.embeddings {
        return other("embeddings");
    }
    if kept.tangents.map(Tangents::hash) != report.tangents {
        return other("tangents");
    }
    let mut again = attribute(report.method, inputs, kept, corpus, observer)?;
    again.accuracy = report.accuracy;
    if again.checkpoints != report.checkpoints {
        return other("checkpoints");
    }
    let names = |report: &AttributionReport| -> Vec<_> {
        let of = |evidence: &crate::ContributionEvidence| {
            let name = |of: &crate::SampleEvidence| (of.sample, of.cluster, of.similarity, of.group);
            let samples: Vec<_> = evidence.training.iter().map(name).collect();
            (evidence.contribution, evidence.contributor, evidence.samples, evidence.copies, samples)
        };
        report.contributions.iter().map(of).collect()
    };
    if names(&again) != names(report) {
        return other("contributions");
    }
    let comparison = if again == *report { Comparison::Identical } else { compare(report, &again) };
    Ok((again, comparison))
}

fn compare(report: &AttributionReport, again: &AttributionReport) -> Comparison {
    let pairs = report.contributions.iter().zip(&again.contributions);
    let worst = pairs.max_by_key(|(reported, recomputed)| reported.units.abs_diff(recomputed.units));
    match worst {
        Some((reported, recomputed)) if reported.units.abs_diff(recomputed.units) > UNITS_TOLERANCE => {
            Comparison::Different {
                contribution: reported.contribution,
                reported: reported.units,
                recomputed: recomputed.units,
            }
        }
        Some((reported, recomputed)) => Comparison::Close { units: reported.units.abs_diff(recomputed.units) },
        None => Comparison::Close { units: 0 },
    }
}
