//! Checking a job's report: every hash in it, and its attribution by doing it again.

use crate::{
    bundle::{Bundle, BundleError},
    error::WorkError,
    phase::{
        Activity, Observer,
        attribute::groups,
        train::{prepare, start},
    },
    recipe::Recipe,
};
use std::path::Path;
use tributary_attribution::{
    AttributionReport, Comparison, ContributionSamples, Corpus, Embeddings, EvidenceError, Inputs, Kept, Tangents,
    recompute,
};
use tributary_lora::{AdapterError, Snapshot};
use tributary_protocol::{ContentHash, answer::attributed_part, job::Report, sum_tree::Domain};

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
    /// A part of the bundle is not the reported one.
    #[error("the {part} of the bundle does not have the reported hash: {found} instead of {expected}")]
    Hash {
        /// Which part.
        part: &'static str,
        /// The reported hash.
        expected: ContentHash,
        /// The hash of what is there.
        found: ContentHash,
    },
    /// Two parts of the bundle or the report contradict each other.
    #[error("the report contradicts itself: {what}")]
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

/// Checks that `bytes` are the reported bundle and that everything in it is what the report commits to. Does not look at
/// data or model. Cost: hashing the bundle.
pub fn verify_bundle(bytes: &[u8], report: &Report, recipe: &Recipe, domain: &Domain) -> Result<Bundle, VerifyError> {
    let same = |part, expected: ContentHash, found: ContentHash| {
        if expected == found { Ok(()) } else { Err(VerifyError::Hash { part, expected, found }) }
    };
    let fits = |fits: bool, what| if fits { Ok(()) } else { Err(VerifyError::Contradiction { what }) };
    same("whole", report.bundle, ContentHash::of(bytes))?;
    let bundle = Bundle::from_bytes(bytes)?;
    same("adapter", report.adapter, bundle.adapter()?)?;
    same("trace", report.trace, bundle.trace_root()?)?;
    same("evidence", report.contributions.evidence, bundle.evidence_hash()?)?;
    let evidence = bundle.evidence()?;
    let root = evidence.tree(domain)?.root();
    same("shares", report.contributions.shares.root, root.root)?;
    fits(report.contributions.shares == root, "shares and their root differ in total or number")?;
    fits(evidence.accuracy == report.accuracy, "the evidence has another accuracy")?;
    fits(
        report.contributions.attributed == attributed_part(report.accuracy.as_ref()),
        "the part that is attributed to answers does not follow from the accuracy",
    )?;
    let hash = |embeddings: Option<Embeddings>| embeddings.map(|embeddings| embeddings.hash());
    fits(evidence.embeddings == hash(bundle.embeddings()?), "the embeddings are not those of the evidence")?;
    let hash = |tangents: Option<Tangents>| tangents.map(|tangents| tangents.hash());
    fits(evidence.tangents == hash(bundle.tangents()?), "the tangents are not those of the evidence")?;
    let shares = bundle.shares()?;
    fits(shares.tree()?.root() == root, "the shares are not those of the evidence")?;
    fits(bundle.metrics()? == report.metrics, "the bundle's metrics are not the reported ones")?;
    fits(bundle.recipe()? == *recipe, "the bundle's recipe is not the job's")?;
    fits(evidence.method == recipe.attribution, "the evidence is by another method than the job's")?;
    let trace = bundle.trace()?;
    fits((1u32..).zip(&trace).all(|(step, record)| record.step == step), "the trace's steps do not count from 1")?;
    fits(trace.len() as u64 == u64::from(report.metrics.steps), "the trace has another number of steps")?;
    let last = evidence.checkpoints.last().map(|checkpoint| checkpoint.adapter);
    fits(last == Some(report.adapter), "the last checkpoint is not the adapter")?;
    Ok(bundle)
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
