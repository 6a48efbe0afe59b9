//! The phases of a job. Each looks at what is already there and goes on from it, so that a phase can be entered any number
//! of times: after a fault, a restart, or another lease on the same job.

pub(crate) mod attribute;
pub(crate) mod claim;
pub(crate) mod fetch;
pub(crate) mod report;
pub(crate) mod suspects;
pub(crate) mod train;

use crate::{
    error::{Fault, Remedy},
    metrics::Metrics,
};
use std::{future::Future, ops::ControlFlow, time::Duration};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tributary_lora::Event;

/// The pause before the second attempt at a phase; it doubles from there.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What is told while the synchronous phases run.
#[derive(Clone, Debug, PartialEq)]
pub enum Activity {
    /// Something happened in the run. It is in the run's `events.jsonl` too.
    Training(Event),
    /// The validation samples are being looked at.
    Evaluation {
        /// Samples done.
        done: usize,
        /// Samples in all.
        total: usize,
    },
    /// The run is being done again without some of its samples.
    Retraining {
        /// Runs done.
        done: usize,
        /// Runs in all.
        total: usize,
    },
    /// Contributions are being scored.
    Attribution {
        /// Gradients done.
        done: usize,
        /// Gradients in all.
        total: usize,
    },
}

/// Is told what goes on, from several threads, and says whether it shall go on.
pub type Observer<'a> = &'a (dyn Fn(Activity) -> ControlFlow<()> + Sync);

/// Runs a phase until it ends, is stopped, fails for good, or `patience` with passing faults is over.
pub(crate) async fn persist<T, F>(
    name: &'static str,
    patience: Duration,
    stop: &CancellationToken,
    metrics: &Metrics,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    let mut pause = PAUSE;
    let mut trouble: Option<Instant> = None;
    loop {
        let fault = match attempt().await {
            Ok(value) => return Ok(value),
            Err(fault) => fault,
        };
        if stop.is_cancelled() {
            return Err(Fault::Stopped);
        }
        match fault.remedy() {
            Remedy::Wait => {}
            Remedy::Retry if trouble.get_or_insert_with(Instant::now).elapsed() < patience => {}
            Remedy::Retry | Remedy::GiveUp | Remedy::Stop => return Err(fault),
        }
        tracing::warn!(phase = name, "{fault}; next attempt in {} s", pause.as_secs());
        metrics.retries.inc();
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return Err(Fault::Stopped);
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
