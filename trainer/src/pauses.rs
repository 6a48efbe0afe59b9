//! Pausing a run at its requester's word.
//!
//! A run that is paused has written a checkpoint and freed its memory; its lease is kept, so the trainer takes no other job
//! meanwhile. That costs the trainer, so it bounds how long all pauses of a job may take together. A trainer that starts again
//! goes on with a paused run.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tributary_client::Account;
use tributary_daemon::{RunOrder, RunOrderError, RunWish};
use tributary_protocol::JobId;

/// Why an order is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PauseError {
    /// It does not count.
    #[error(transparent)]
    Order(#[from] RunOrderError),
    /// The job is not in work here.
    #[error("this trainer does not work on job {0} now")]
    NotInWork(JobId),
    /// A later one was followed already.
    #[error("a later request was followed already\nhint: sign again")]
    Repeated,
    /// The job has been paused for as long as the trainer allows.
    #[error("job {job} has been paused for {seconds} s, which is all that this trainer allows")]
    UsedUp {
        /// The job.
        job: JobId,
        /// What the trainer allows.
        seconds: u64,
    },
}

/// How a run stands after an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Standing {
    /// Whether it waits.
    pub paused: bool,
    /// For how many seconds it may still.
    pub left_seconds: u64,
}

/// The job in work, and what its requester wants of it. Shared by the engine and the window.
pub(crate) struct Pauses {
    genesis: [u8; 32],
    allowed: Duration,
    run: Mutex<Option<Run>>,
    changed: watch::Sender<()>,
}

struct Run {
    job: JobId,
    requester: Account,
    paused_at: Option<Instant>,
    /// Of pauses that are over.
    used: Duration,
    /// When the newest order was signed that was followed.
    heard: u64,
    is_in_work: bool,
}

impl Run {
    fn left(&self, allowed: Duration) -> Duration {
        let now = self.paused_at.map_or(Duration::ZERO, |since| since.elapsed());
        allowed.saturating_sub(self.used).saturating_sub(now)
    }
}

impl Pauses {
    /// On this chain, with so much time for all pauses of a job.
    pub fn new(genesis: [u8; 32], allowed: Duration) -> Self {
        Self { genesis, allowed, run: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// The engine works on this job now. What was used of its time stays used.
    pub fn begin(&self, job: JobId, requester: Account) {
        let mut run = self.run();
        match run.as_mut().filter(|run| run.job == job) {
            Some(run) => run.is_in_work = true,
            None => {
                *run = Some(Run { job, requester, paused_at: None, used: Duration::ZERO, heard: 0, is_in_work: true })
            }
        }
    }

    /// The engine works on no job now.
    pub fn end(&self) {
        if let Some(run) = self.run().as_mut() {
            end_pause(run);
            run.is_in_work = false;
        }
        self.changed.send_replace(());
    }

    /// Follows an order about a job. `now` is in milliseconds since 1970 began.
    pub fn follow(&self, job: JobId, order: &RunOrder, now: u64) -> Result<Standing, PauseError> {
        let mut run = self.run();
        let run = run.as_mut().filter(|run| run.is_in_work && run.job == job).ok_or(PauseError::NotInWork(job))?;
        order.check(run.requester, job, &self.genesis, now)?;
        if order.signed_at <= run.heard {
            return Err(PauseError::Repeated);
        }
        match order.wish {
            RunWish::Resume => end_pause(run),
            RunWish::Pause if run.left(self.allowed).is_zero() => {
                return Err(PauseError::UsedUp { job, seconds: self.allowed.as_secs() });
            }
            RunWish::Pause => {
                run.paused_at.get_or_insert_with(Instant::now);
            }
        }
        run.heard = order.signed_at;
        self.changed.send_replace(());
        tracing::info!(%job, wish = ?order.wish, "the requester asks");
        Ok(self.standing(run))
    }

    /// Whether the job in work waits.
    pub fn is_paused(&self) -> bool {
        self.run().as_ref().is_some_and(|run| self.standing(run).paused)
    }

    /// Waits until the job in work may go on.
    pub async fn resumed(&self) {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            let until = match self.run().as_ref() {
                Some(run) if self.standing(run).paused => Instant::now() + run.left(self.allowed),
                _ => return,
            };
            tokio::select! {
                () = sleep_until(until) => {}
                // The sender lives as long as this.
                _ = changes.changed() => {}
            }
        }
    }

    fn standing(&self, run: &Run) -> Standing {
        let left = run.left(self.allowed);
        Standing { paused: run.paused_at.is_some() && !left.is_zero(), left_seconds: left.as_secs() }
    }

    fn run(&self) -> MutexGuard<'_, Option<Run>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_pause(run: &mut Run) {
    if let Some(since) = run.paused_at.take() {
        run.used = run.used.saturating_add(since.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_client::Keypair;

    const NOW: u64 = 1_000_000;
    const JOB: JobId = JobId(3);

    fn order(key: &Keypair, wish: RunWish, at: u64) -> RunOrder {
        RunOrder::sign(key, wish, JOB, &[7; 32], at)
    }

    /// As if the pause had begun so much earlier.
    fn pass(pauses: &Pauses, time: Duration) {
        if let Some(since) = pauses.run().as_mut().and_then(|run| run.paused_at.as_mut()) {
            *since = since.checked_sub(time).unwrap();
        }
    }

    #[tokio::test]
    async fn a_run_waits_until_it_is_told_or_its_time_is_used_up() {
        let key = Keypair::development("Alice").unwrap();
        let pauses = Pauses::new([7; 32], Duration::from_millis(60_900));
        let say = |wish, at| pauses.follow(JOB, &order(&key, wish, at), NOW);
        assert_eq!(say(RunWish::Pause, NOW), Err(PauseError::NotInWork(JOB)));
        pauses.begin(JOB, key.account());
        pauses.resumed().await;
        assert_eq!(say(RunWish::Pause, NOW), Ok(Standing { paused: true, left_seconds: 60 }));
        assert!(pauses.is_paused());
        pass(&pauses, Duration::from_secs(20));
        assert_eq!(say(RunWish::Resume, NOW + 1), Ok(Standing { paused: false, left_seconds: 40 }));
        pauses.resumed().await;
        // The first order, sent again by whoever saw it.
        assert_eq!(say(RunWish::Pause, NOW), Err(PauseError::Repeated));
        assert_eq!(say(RunWish::Pause, NOW + 2), Ok(Standing { paused: true, left_seconds: 40 }));
        pass(&pauses, Duration::from_secs(40));
        pauses.resumed().await;
        assert!(!pauses.is_paused());
        assert_eq!(say(RunWish::Pause, NOW + 3), Err(PauseError::UsedUp { job: JOB, seconds: 60 }));
    }

    #[tokio::test]
    async fn who_waits_hears_that_it_may_go_on() {
        let key = Keypair::development("Alice").unwrap();
        let pauses = Pauses::new([7; 32], Duration::from_secs(10_000));
        pauses.begin(JOB, key.account());
        pauses.follow(JOB, &order(&key, RunWish::Pause, NOW), NOW).unwrap();
        let resume = async {
            tokio::task::yield_now().await;
            pauses.follow(JOB, &order(&key, RunWish::Resume, NOW + 1), NOW).unwrap();
        };
        tokio::join!(pauses.resumed(), resume);
    }

    #[tokio::test]
    async fn a_lost_job_pauses_no_more_and_keeps_what_it_used() {
        let key = Keypair::development("Alice").unwrap();
        let pauses = Pauses::new([7; 32], Duration::from_millis(60_900));
        pauses.begin(JOB, key.account());
        pauses.follow(JOB, &order(&key, RunWish::Pause, NOW), NOW).unwrap();
        pass(&pauses, Duration::from_secs(10));
        pauses.end();
        pauses.resumed().await;
        assert!(!pauses.is_paused());
        pauses.begin(JOB, key.account());
        let again = pauses.follow(JOB, &order(&key, RunWish::Pause, NOW + 1), NOW);
        assert_eq!(again, Ok(Standing { paused: true, left_seconds: 50 }));
        // Another job has all of its own time.
        pauses.begin(JobId(4), key.account());
        assert!(!pauses.is_paused());
    }

    #[tokio::test]
    async fn a_stranger_pauses_nothing() {
        let (alice, bob) = (Keypair::development("Alice").unwrap(), Keypair::development("Bob").unwrap());
        let pauses = Pauses::new([7; 32], Duration::from_secs(60));
        pauses.begin(JOB, alice.account());
        let refused = pauses.follow(JOB, &order(&bob, RunWish::Pause, NOW), NOW);
        assert!(matches!(refused, Err(PauseError::Order(RunOrderError::Foreign { .. }))), "{refused:?}");
        assert!(!pauses.is_paused());
    }
}
