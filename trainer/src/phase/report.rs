//! Reporting: who shaped the model, everything in one bundle, and what the chain is told. The part before the chain is
//! synchronous and shared with training without a chain.

use super::{
    Observer,
    attribute::{Attributed, assess},
    train::{Order, Trained},
};
use crate::error::WorkError;
use std::path::Path;
use tributary_attribution::AttributionReport;
use tributary_daemon::{
    Bundle, BundleContents, Shares,
    files::{read_if_there, write_atomically},
};
use tributary_lora::Snapshot;
use tributary_protocol::{
    ContentHash,
    job::Report,
    sum_tree::Domain,
    trace::{StepRecord, trace_root},
};

/// The bundle, below a job's folder.
pub(crate) const BUNDLE_FILE: &str = "bundle.tar";
/// The report, below a job's folder. Written last: where it is, everything it names is.
const REPORT_FILE: &str = "report.json";

/// What came of a job, before the chain is told.
pub(crate) struct Outcome {
    pub report: Report,
    pub attribution: AttributionReport,
}

/// Scores the contributions and writes bundle and report into the order's folder.
pub(crate) fn assemble(
    order: &Order<'_>,
    trained: &Trained,
    domain: &Domain,
    observer: Observer<'_>,
) -> Result<Outcome, WorkError> {
    let snapshots = Snapshot::load_all(order.folder, &trained.model)?;
    let Attributed { report: attribution, embeddings, tangents } = assess(order, trained, &snapshots, observer)?;
    let shares = Shares::new(&attribution, domain);
    let contents = BundleContents {
        recipe: order.recipe,
        metrics: &trained.metrics,
        trace: &trained.trace,
        attribution: &attribution,
        shares: &shares,
        embeddings: embeddings.as_ref(),
        tangents: tangents.as_ref(),
    };
    let bundle = Bundle::collect(order.folder, &contents)?.to_bytes()?;
    write_atomically(&order.folder.join(BUNDLE_FILE), &bundle)?;
    let report = Report {
        adapter: trained.adapter,
        bundle: ContentHash::of(&bundle),
        trace: trace_root(trained.trace.iter().map(StepRecord::leaf)).root,
        metrics: trained.metrics,
        contributions: attribution.contribution_root(domain)?,
        accuracy: attribution.accuracy,
    };
    let text = serde_json::to_vec_pretty(&report).map_err(WorkError::Report)?;
    write_atomically(&order.folder.join(REPORT_FILE), &text)?;
    Ok(Outcome { report, attribution })
}

/// The report that an earlier run of the trainer finished, if there is one and its bundle is whole.
pub(crate) fn finished(folder: &Path) -> Result<Option<Report>, WorkError> {
    let Some(bytes) = read_if_there(&folder.join(REPORT_FILE))? else { return Ok(None) };
    let report: Report = serde_json::from_slice(&bytes).map_err(WorkError::Report)?;
    let bundle = read_if_there(&folder.join(BUNDLE_FILE))?;
    Ok(bundle.is_some_and(|bundle| ContentHash::of(&bundle) == report.bundle).then_some(report))
}
