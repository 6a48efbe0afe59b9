//! Keeping a lease: heartbeats from a task of their own, so that no training step can delay one.

use crate::chain::{Action, JobChain};
use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tributary_client::{Failure, JobState, SubmitError};
use tributary_protocol::{JobId, amount::BLOCK_MS, job::Progress};

/// Heartbeats under way at a time: one takes some blocks until it is final, and the next cannot wait for that.
const IN_FLIGHT_MAX: usize = 4;

/// Why a lease is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It ran out, or somebody else holds the job now.
    Lapsed(String),
    /// The data may not be used any more.
    Revoked(String),
}

/// A lease that is kept until dropped.
pub(crate) struct Lease {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    chain: Arc<dyn JobChain>,
    job: JobId,
    progress: Mutex<Progress>,
    lost: OnceLock<Loss>,
    /// Cancelled when the lease is lost.
    stop: CancellationToken,
}

/// What a look at the chain says of a lease.
enum Standing {
    /// It holds; this is what the chain last heard, and how long it will still hold.
    Held { heard: Progress, blocks_left: u32 },
    /// It has served: the job was reported.
    Served,
    /// It is gone.
    Lost(Loss),
}

impl Lease {
    /// Keeps the lease that the account has on `job`; cancels `stop` when it is lost.
    pub fn keep(chain: Arc<dyn JobChain>, job: JobId, stop: CancellationToken) -> Self {
        let shared = Arc::new(Shared { chain, job, progress: Mutex::default(), lost: OnceLock::new(), stop });
        let task = tokio::spawn(beat(shared.clone()));
        Self { shared, task }
    }

    /// How far the run is, for the next heartbeat. May be called from any thread.
    pub fn reporter(&self) -> impl Fn(Progress) + Send + Sync + 'static {
        let shared = self.shared.clone();
        move |progress| *shared.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress
    }

    /// Why the lease is gone, if it is.
    pub fn loss(&self) -> Option<Loss> {
        self.shared.lost.get().cloned()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn beat(shared: Arc<Shared>) {
    let mut in_flight = JoinSet::new();
    let mut sent = Progress::default();
    let (mut turn, mut lease_blocks) = (0, 0);
    let mut next = Instant::now();
    loop {
        tokio::select! {
            () = sleep_until(next) => {}
            Some(ended) = in_flight.join_next() => {
                match ended {
                    Ok(Some(loss)) => return shared.lose(loss),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(job = %shared.job, "a heartbeat failed: {error}"),
                }
                continue;
            }
        }
        next = Instant::now() + period(lease_blocks);
        let heard = match shared.standing().await {
            Ok(Standing::Held { heard, blocks_left }) => {
                // The most that is ever left is the closest one gets to how long a lease is.
                lease_blocks = lease_blocks.max(blocks_left);
                next = Instant::now() + period(lease_blocks);
                heard
            }
            Ok(Standing::Served) => return,
            Ok(Standing::Lost(loss)) => return shared.lose(loss),
            Err(error) => {
                tracing::warn!(job = %shared.job, "the lease cannot be looked up: {error}");
                continue;
            }
        };
        // Two heartbeats can fall on one height while finality stands still; each needs a number of its own.
        turn = (turn + 1).max(*shared.chain.finalised().borrow());
        if in_flight.len() < IN_FLIGHT_MAX {
            sent = at_least(shared.now(), at_least(sent, heard));
            let (shared, turn) = (shared.clone(), turn);
            in_flight.spawn(async move { shared.send(turn, sent).await });
        }
    }
}

/// A third of a lease: two heartbeats in a row may fail.
fn period(lease_blocks: u32) -> Duration {
    Duration::from_millis(BLOCK_MS * u64::from((lease_blocks / 3).max(1)))
}

impl Shared {
    fn now(&self) -> Progress {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, loss: Loss) {
        tracing::warn!(job = %self.job, ?loss, "the lease is lost");
        // Only this task sets it.
        let _ = self.lost.set(loss);
        self.stop.cancel();
    }

    async fn standing(&self) -> Result<Standing, tributary_client::ChainError> {
        let height = *self.chain.finalised().borrow();
        let me = self.chain.account();
        let lapsed = |reason: String| Standing::Lost(Loss::Lapsed(reason));
        let Some(job) = self.chain.job(self.job).await? else {
            return Ok(lapsed("the job is gone".into()));
        };
        Ok(match job.state {
            JobState::Leased { trainer, until, progress, .. } if trainer == me => {
                if until < height {
                    lapsed(format!("it ran out in block {until}, and block {height} is final"))
                } else {
                    Standing::Held { heard: progress, blocks_left: until - height }
                }
            }
            JobState::Reported { trainer, .. }
            | JobState::Disputed { trainer, .. }
            | JobState::Settled { trainer, .. }
                if trainer == me =>
            {
                Standing::Served
            }
            state => lapsed(format!("the job is {} and not this trainer's", state.stage())),
        })
    }

    /// Sends one heartbeat, and says whether it showed that the lease is gone.
    async fn send(&self, turn: u32, progress: Progress) -> Option<Loss> {
        let error = match self.chain.submit(self.job, turn, &Action::Heartbeat(progress)).await {
            Ok(()) => {
                tracing::debug!(job = %self.job, step = progress.step, steps = progress.steps, "heartbeat");
                return None;
            }
            Err(error) => error,
        };
        match &error {
            SubmitError::Failed { failure, .. } if is_about_grants(failure) => Some(Loss::Revoked(error.to_string())),
            SubmitError::Failed { failure, .. } if failure.is("Jobs", "LeaseLapsed") => {
                Some(Loss::Lapsed(error.to_string()))
            }
            // Others are explained by the job's state, which the next tick looks at.
            _ => {
                tracing::warn!(job = %self.job, "a heartbeat was not taken: {error}");
                None
            }
        }
    }
}

/// Whether a heartbeat was refused because a grant no longer covers the job.
fn is_about_grants(failure: &Failure) -> bool {
    matches!(failure, Failure::Pallet { pallet, .. } if pallet == "Grants")
}

/// `new`, or `old` where `new` would fall back behind it: after a restart the run begins at its checkpoint, which lies
/// behind what the chain has heard, and the chain takes no smaller number.
fn at_least(new: Progress, old: Progress) -> Progress {
    if old.steps == 0 {
        new
    } else if new.steps != old.steps || new.step < old.step {
        old
    } else {
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_never_falls_back_and_the_number_of_steps_stays() {
        let progress = |step, steps| Progress { step, steps };
        assert_eq!(at_least(progress(3, 9), progress(0, 0)), progress(3, 9));
        assert_eq!(at_least(progress(0, 0), progress(5, 9)), progress(5, 9));
        assert_eq!(at_least(progress(4, 9), progress(5, 9)), progress(5, 9));
        assert_eq!(at_least(progress(6, 9), progress(5, 9)), progress(6, 9));
    }
}
