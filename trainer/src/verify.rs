//! Checking a job's report: every hash in it, and its attribution by doing it again.

use crate::{
    error::WorkError,
    phase::{
        Activity, Observer,
        attribute::groups,
        train::{prepare, start},
    },
};
use std::path::Path;
use tributary_attribution::{
    AttributionReport, Comparison, ContributionSamples, Corpus, EvidenceError, Inputs, Kept, recompute,
};
use tributary_daemon::{BundleError, BundleMismatch, Recipe, verify_bundle};
use tributary_lora::{AdapterError, Snapshot};
use tributary_protocol::{job::Report, sum_tree::Domain};

/// What to verify, and against what.
#[derive(Clone, Copy, Debug)]
pub struct Verification<'a> {
    /// The report, as it is on chain.
    pub report: &'a Report,
    /// The recipe, as it is in the job.
    pub recipe: &'a Recipe,
    /// The chain and the job.
    pub domain: Domain,
    /// The bundle's bytes.
    pub bundle: &'a [u8],
    /// The base model's folder; its content hash must have been compared with the chain's.
    pub base: &'a Path,
    /// The samples of every version that the job uses.
    pub contributions: &'a [ContributionSamples],
    /// A folder for the snapshots while they are read.
    pub scratch: &'a Path,
}

/// What a verification found.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The attribution as reported.
    pub reported: AttributionReport,
    /// The attribution done again.
    pub recomputed: AttributionReport,
    /// How the two compare.
    pub comparison: Comparison,
}

/// Why a report does not stand, or could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The bundle is not what was reported.
    #[error(transparent)]
    Mismatch(#[from] BundleMismatch),
    /// The report contradicts what follows from its inputs.
    #[error("the report contradicts its inputs: {what}")]
    Contradiction {
        /// What does not fit.
        what: &'static str,
    },
    /// The bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The evidence does not fit its inputs.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// A snapshot cannot be read.
    #[error(transparent)]
    Snapshot(#[from] AdapterError),
    /// The inputs cannot be used.
    #[error(transparent)]
    Work(#[from] WorkError),
}

/// Checks everything that [`verify_bundle`] checks, that the checkpoints lie where the recipe puts them, and does the
/// attribution again. Blocks for as long as that takes: a gradient for each sample at each checkpoint.
///
/// That the training itself was done as asked is not shown by this; re-execution against the trace shows that.
pub fn verify_job(job: &Verification<'_>, progress: Observer<'_>) -> Result<Verdict, VerifyError> {
    let bundle = verify_bundle(job.bundle, job.report, job.recipe, &job.domain)?;
    let corpus = Corpus::intake(job.contributions.iter().cloned());
    let (model, dataset) = prepare(job.base, &corpus, job.recipe)?;
    let run = start(&model, &dataset, job.recipe).map_err(WorkError::from)?;
    bundle.extract(job.scratch)?;
    let snapshots = Snapshot::load_all(job.scratch, &model)?;
    let points: Vec<_> = snapshots.iter().map(|snapshot| snapshot.point).collect();
    // A run that keeps the best adapter ends with it, wherever that was; where it was is in the evidence, whose last
    // checkpoint is the adapter.
    let expected = match points.last() {
        Some(last) if run.config().keep_best => run.snapshot_points_until(last.step),
        _ => run.snapshot_points(),
    };
    if points != expected {
        return Err(VerifyError::Contradiction { what: "the checkpoints are not where the recipe puts them" });
    }
    let (embeddings, tangents) = (bundle.embeddings()?, bundle.tangents()?);
    if let Some(tangents) = &tangents {
        let expected = groups(&dataset, &corpus, job.recipe).map_err(WorkError::from)?;
        if expected.as_ref() != Some(tangents.groups()) {
            return Err(VerifyError::Contradiction { what: "the groups are not those of samples and seed" });
        }
    }
    let reported = bundle.evidence()?;
    let kept = Kept { embeddings: embeddings.as_ref(), tangents: tangents.as_ref() };
    let inputs = Inputs { model: &model, snapshots: &snapshots, dataset: &dataset };
    let observe =
        |done: tributary_attribution::Progress| progress(Activity::Attribution { done: done.done, total: done.total });
    let (recomputed, comparison) = recompute(&reported, &inputs, kept, &corpus, &observe)?;
    Ok(Verdict { reported, recomputed, comparison })
}
