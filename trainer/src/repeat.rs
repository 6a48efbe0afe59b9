//! Doing a job's whole work again, which shows that it was done as asked.

use crate::{
    config::Cadence,
    error::WorkError,
    phase::{
        Observer, report,
        train::{Order, train},
    },
    verify::Verification,
};
use tributary_attribution::Corpus;
use tributary_protocol::job::Report;

/// Trains, leaves groups out and scores as the recipe says, in the scratch folder, and returns the report that comes of it.
/// Under `det-f32-v1` everything but the bundle's hash, which binds the name of the base's folder too, is that of an honest
/// report ([`differences`]); under `fast`, only on the trainer's own machine.
///
/// Blocks for as long as the job took; stopped or killed, it goes on where it was if the folder is kept.
pub fn repeat_job(job: &Verification<'_>, progress: Observer<'_>) -> Result<Report, WorkError> {
    let corpus = Corpus::intake(job.contributions.iter().cloned());
    let base_name = job.base.file_name().map_or_else(|| "base".into(), |name| name.to_string_lossy().into_owned());
    let order = Order {
        base: job.base,
        base_name: &base_name,
        corpus: &corpus,
        recipe: job.recipe,
        folder: job.scratch,
        cadence: Cadence::default(),
    };
    let trained = train(&order, progress)?;
    Ok(report::assemble(&order, &trained, &job.domain, progress)?.report)
}

/// What of a report is not as in one that was made again, by name.
pub fn differences(reported: &Report, again: &Report) -> Vec<&'static str> {
    let parts = [
        ("adapter", reported.adapter == again.adapter),
        ("trace", reported.trace == again.trace),
        ("metrics", reported.metrics == again.metrics),
        ("evidence", reported.contributions.evidence == again.contributions.evidence),
        ("contributions", reported.contributions.shares == again.contributions.shares),
        ("attributed part", reported.contributions.attributed == again.contributions.attributed),
        ("accuracy", reported.accuracy == again.accuracy),
    ];
    parts.into_iter().filter(|(_, equal)| !equal).map(|(name, _)| name).collect()
}
