//! Whether a bundle is what was reported.

use super::{Bundle, BundleError};
use crate::recipe::Recipe;
use tributary_attribution::{Embeddings, EvidenceError, Tangents};
use tributary_protocol::{ContentHash, answer::attributed_part, job::Report, sum_tree::Domain};

/// Why a bundle is not what was reported.
#[derive(Debug, thiserror::Error)]
pub enum BundleMismatch {
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
}

/// Checks that `bytes` are the reported bundle and that everything in it is what the report commits to. Does not look at
/// data or model. Cost: hashing the bundle.
pub fn verify_bundle(
    bytes: &[u8],
    report: &Report,
    recipe: &Recipe,
    domain: &Domain,
) -> Result<Bundle, BundleMismatch> {
    let same = |part, expected: ContentHash, found: ContentHash| {
        if expected == found { Ok(()) } else { Err(BundleMismatch::Hash { part, expected, found }) }
    };
    let fits = |fits: bool, what| if fits { Ok(()) } else { Err(BundleMismatch::Contradiction { what }) };
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
