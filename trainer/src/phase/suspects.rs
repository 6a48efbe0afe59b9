//! Samples that look wrong, for curators. No money follows them, and nothing of the report does.

use super::{
    Activity, Observer,
    train::{Order, Trained},
};
use crate::error::WorkError;
use tributary_attribution::{AttributionError, Progress, ScreenSettings, Suspects, screen};
use tributary_daemon::files::{read_if_there, write_atomically};
use tributary_lora::Adapter;

/// What was found, below a job's folder.
pub(crate) const SUSPECTS_FILE: &str = "suspects.json";
/// Most samples that are screened: it takes as long as nearly two passes over them, and 16 KiB for each, and nobody pays for it.
const SCREENED_MAX: usize = 1 << 12;

/// Screens the samples of a finished run, and writes what was found into the order's folder. What is there already is kept.
///
/// Where a loss is no number nobody can be suspected: none is named then, and none of more than 2^12 samples.
pub(crate) fn suspects(order: &Order<'_>, trained: &Trained, observer: Observer<'_>) -> Result<(), WorkError> {
    let path = order.folder.join(SUSPECTS_FILE);
    let known = read_if_there(&path)?.and_then(|text| serde_json::from_slice::<Suspects>(&text).ok());
    if known.is_some() {
        return Ok(());
    }
    let samples = trained.dataset.training();
    let observe = |progress: Progress| observer(Activity::Attribution { done: progress.done, total: progress.total });
    let found = match samples.len() {
        0..=SCREENED_MAX => {
            let adapter = Adapter::load(order.folder, &trained.model)?;
            screen(&trained.model, &adapter, samples, ScreenSettings::default(), &observe)
        }
        _ => Ok(Vec::new()),
    };
    let found = match found {
        Err(error @ (AttributionError::NotFinite { .. } | AttributionError::Singular { .. })) => {
            tracing::warn!("no samples are named to curators: {error}");
            Vec::new()
        }
        found => found?,
    };
    let text = serde_json::to_vec_pretty(&Suspects::of(&found, order.corpus)).map_err(WorkError::Report)?;
    Ok(write_atomically(&path, &text)?)
}
