//! The loop: the sole owner of a trainer's state.
//!
//! ```text
//!        +-------------------- nothing to do: wait for the next finalised block
//!        v                                                                     |
//!     claim --> fetch --> train --> report --> (served, watched until settled) +
//!                 |         |         |
//!                 +---------+---------+--> lease lost: back to claim; the work stays for another lease on the job
//!                                     +--> fault for good: the job is given up, and never claimed again
//! ```

use crate::{
    bases::Bases,
    chain::{Action, JobChain},
    config::TrainerConfig,
    error::{Fault, TrainerError, WorkError},
    events,
    lease::{Lease, Loss},
    metrics::{Ending, Metrics, Phase},
    pauses::Pauses,
    phase::{
        Activity,
        claim::{Market, Wishes},
        fetch::fetch,
        persist, report,
        suspects::{SUSPECTS_FILE, suspects},
        train::{self, Order},
    },
    state::State,
};
use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tributary_attribution::Corpus;
use tributary_client::{Job, JobState, SubmitError};
use tributary_daemon::{
    Bundle, Recipe,
    files::{at, read_if_there, remove_folder, write_atomically},
};
use tributary_exchange::Node;
use tributary_lora::Event;
use tributary_protocol::{
    ContentHash, JobId,
    job::{Progress, Report, Stage},
    sum_tree::Domain,
};

/// How many blocks after the window a job may stay unsettled before the trainer settles it itself.
const SETTLE_AFTER_BLOCKS: u32 = 20;
/// The pause after a fault that keeps the trainer from looking for jobs.
const CLAIM_PAUSE: Duration = Duration::from_secs(5);

/// What the engine works with.
pub(crate) struct Parts {
    pub chain: Arc<dyn JobChain>,
    pub node: Node,
    pub bases: Bases,
    pub metrics: Arc<Metrics>,
    pub pauses: Arc<Pauses>,
    pub config: TrainerConfig,
    pub shutdown: CancellationToken,
}

/// A trainer at work.
pub(crate) struct Engine {
    parts: Parts,
    state: State,
    market: Market,
}

/// A job that this trainer holds.
struct Held {
    id: JobId,
    job: Job,
}

impl Engine {
    pub fn new(parts: Parts, state: State) -> Self {
        Self { parts, state, market: Market::default() }
    }

    /// Runs until the shutdown token is cancelled.
    pub async fn run(mut self) -> Result<(), TrainerError> {
        let shutdown = self.parts.shutdown.clone();
        let mut heights = self.parts.chain.finalised();
        while !shutdown.is_cancelled() {
            match self.next_job().await {
                Ok(Some(held)) => {
                    self.work(held).await?;
                    continue;
                }
                Ok(None) => {}
                Err(Fault::Stopped) => break,
                Err(fault) => {
                    tracing::error!("no job can be looked for: {fault}");
                    let _ = shutdown.run_until_cancelled(sleep(CLAIM_PAUSE)).await;
                }
            }
            match shutdown.run_until_cancelled(heights.changed()).await {
                Some(Ok(())) => {}
                Some(Err(_)) => return Err(TrainerError::ChainGone),
                None => break,
            }
        }
        tracing::info!("trainer stopped");
        Ok(())
    }

    /// The job to work on: the one begun, or a newly claimed one. `None` if there is nothing to do at this block.
    async fn next_job(&mut self) -> Result<Option<Held>, Fault> {
        if let Some(id) = self.state.current() {
            if let Some(held) = self.held(id).await? {
                return Ok(Some(held));
            }
            self.leave(id).await?;
        }
        self.parts.metrics.set_phase(Phase::Claim);
        self.follow_reported().await?;
        self.sweep().await?;
        let wishes = Wishes {
            account: self.parts.chain.account(),
            price_min: self.parts.config.price_min,
            bases: &self.parts.bases,
        };
        let shutdown = self.parts.shutdown.clone();
        let claiming = self.market.claim_one(self.parts.chain.as_ref(), &wishes, &self.state);
        let claimed = shutdown.run_until_cancelled(claiming).await.ok_or(Fault::Stopped)??;
        let Some(id) = claimed else { return Ok(None) };
        self.parts.metrics.claims.inc();
        self.set_current(Some(id))?;
        self.held(id).await
    }

    /// The job, if this trainer holds a live lease on it at the latest finalised block.
    async fn held(&self, id: JobId) -> Result<Option<Held>, Fault> {
        let height = *self.parts.chain.finalised().borrow();
        let Some(job) = self.parts.chain.job(id).await? else { return Ok(None) };
        Ok(match job.state {
            JobState::Leased { trainer, until, .. } if trainer == self.parts.chain.account() && until >= height => {
                Some(Held { id, job })
            }
            _ => None,
        })
    }

    /// The job in work is not held any more: it was reported before a crash, or the lease is gone.
    async fn leave(&mut self, id: JobId) -> Result<(), Fault> {
        let reported = self.parts.chain.job(id).await?.and_then(|job| match job.state {
            JobState::Reported { trainer, report, .. }
            | JobState::Disputed { trainer, report, .. }
            | JobState::Settled { trainer, report, .. }
                if trainer == self.parts.chain.account() =>
            {
                Some(report)
            }
            _ => None,
        });
        match reported {
            Some(report) => self.keep_reported(id, &report),
            None => {
                tracing::warn!(job = %id, "the lease has ended; the work is kept in case the job can be claimed again");
                self.parts.metrics.record_ending(Ending::Lost);
                self.set_current(None)
            }
        }
    }

    /// Works on a job to its end, whichever that is. Faults of the job are dealt with here; only those of the trainer
    /// itself come out.
    async fn work(&mut self, held: Held) -> Result<(), TrainerError> {
        let Held { id, ref job } = held;
        let stop = self.parts.shutdown.child_token();
        let lease = Lease::keep(self.parts.chain.clone(), id, stop.clone());
        self.parts.metrics.set_job(Some(id.0));
        self.parts.pauses.begin(id, job.requester);
        let result = self.phases(&held, &lease, &stop).await;
        self.parts.pauses.end();
        let loss = lease.loss();
        drop(lease);
        let ended = match (result, loss) {
            (Ok(report), _) => self.keep_reported(id, &report),
            (Err(fault), Some(loss)) => {
                tracing::warn!(job = %id, "stopped: {fault}");
                self.lose(id, job, loss).await
            }
            (Err(fault), None) if self.parts.shutdown.is_cancelled() => {
                tracing::info!(job = %id, "paused: {fault}; the lease stays, and the next start goes on");
                return Ok(());
            }
            (Err(fault), None) if is_lease_gone(&fault) => {
                tracing::warn!(job = %id, "the report was not taken: {fault}");
                self.leave(id).await
            }
            (Err(fault), None) => {
                tracing::error!(job = %id, "given up: {fault}");
                self.parts.metrics.record_ending(Ending::GivenUp);
                self.state.give_up(id, job, fault.to_string()).map_err(TrainerError::from)?;
                Ok(())
            }
        };
        self.parts.metrics.set_job(None);
        match ended {
            Ok(()) | Err(Fault::Stopped) => Ok(()),
            Err(fault) => {
                // The state did not take it; the loop looks at the job again.
                tracing::error!(job = %id, "{fault}");
                let _ = self.parts.shutdown.run_until_cancelled(sleep(CLAIM_PAUSE)).await;
                Ok(())
            }
        }
    }

    async fn phases(&self, held: &Held, lease: &Lease, stop: &CancellationToken) -> Result<Report, Fault> {
        let Parts { chain, node, metrics, config, .. } = &self.parts;
        let Held { id, job } = held;
        let folder = self.state.enter_job_folder(*id, job).map_err(WorkError::from)?;
        let again = |name| (name, config.patience(), stop, metrics.as_ref());

        let report = match self.finished(folder.clone()).await? {
            Some(report) => report,
            None => {
                metrics.set_phase(Phase::Fetch);
                let (name, patience, stop, told) = again("fetch");
                let corpus = persist(name, patience, stop, told, || async {
                    let fetching = fetch(chain.as_ref(), node, &config.providers, job, metrics);
                    stop.run_until_cancelled(fetching).await.unwrap_or(Err(Fault::Stopped))
                })
                .await?;
                metrics.set_phase(Phase::Train);
                let corpus = Arc::new(corpus);
                let (name, patience, stop, told) = again("train");
                persist(name, patience, stop, told, || self.make(held, &corpus, lease, stop, folder.clone())).await?
            }
        };

        metrics.set_phase(Phase::Report);
        let (name, patience, stop, told) = again("report");
        persist(name, patience, stop, told, || async {
            self.import_bundle(*id, &folder, report.bundle).await?;
            // The lease's number tells a report on this lease from one on an earlier one that came too late.
            let action = Action::Report(Box::new(report));
            let submitting = chain.submit(*id, job.leases, &action);
            stop.run_until_cancelled(submitting).await.ok_or(Fault::Stopped)?.map_err(Fault::from)
        })
        .await?;
        tracing::info!(job = %id, adapter = %report.adapter, bundle = %report.bundle, "reported");
        Ok(report)
    }

    /// The report that an earlier run finished, if its bundle is whole.
    async fn finished(&self, folder: PathBuf) -> Result<Option<Report>, Fault> {
        let look = tokio::task::spawn_blocking(move || report::finished(&folder)).await;
        Ok(look.map_err(|error| WorkError::Thread { reason: error.to_string() })??)
    }

    /// Trains, scores and bundles, in a thread of its own; where the requester pauses the run, the thread ends, and another
    /// goes on from the checkpoint.
    async fn make(
        &self,
        held: &Held,
        corpus: &Arc<Corpus>,
        lease: &Lease,
        stop: &CancellationToken,
        folder: PathBuf,
    ) -> Result<Report, Fault> {
        let Parts { chain, bases, metrics, pauses, config, .. } = &self.parts;
        let spec = &held.job.spec;
        let no_base = || Fault::NoBase { base: spec.base };
        let base = chain.base_model(spec.base).await?.ok_or_else(no_base)?;
        let base_folder = bases.folder(&base.content).ok_or_else(no_base)?.to_owned();
        let base_name = String::from_utf8_lossy(&base.name).into_owned();
        let domain = Domain { genesis: chain.genesis(), job: held.id };
        let (recipe, cadence) = (Recipe::from(spec), config.checkpoints);

        let paused = Arc::new(AtomicBool::new(false));
        let (told, said, asked, say) = (metrics.clone(), stop.clone(), pauses.clone(), lease.reporter());
        let pausing = paused.clone();
        let observe = move |activity: Activity| {
            let metrics = &told;
            match activity {
                Activity::Training(Event::Step(event)) => {
                    metrics.record_step(&event);
                    let number = |value| u32::try_from(value).unwrap_or(u32::MAX);
                    say(Progress { step: number(event.step), steps: number(event.steps) });
                }
                Activity::Training(Event::Evaluation { loss, .. }) => metrics.record_validation(loss),
                Activity::Training(_) | Activity::Evaluation { .. } => {}
                Activity::Retraining { done, total } => {
                    metrics.set_phase(Phase::Report);
                    metrics.record_retraining(done, total);
                }
                Activity::Attribution { done, total } => {
                    if done == 1 {
                        metrics.set_phase(Phase::Report);
                    }
                    metrics.record_attribution(done, total);
                }
            }
            let pauses = asked.is_paused();
            pausing.fetch_or(pauses, Ordering::Relaxed);
            if pauses || said.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let corpus = corpus.clone();
        let work = Arc::new(move || -> Result<Report, WorkError> {
            let order = Order {
                base: &base_folder,
                base_name: &base_name,
                corpus: &corpus,
                recipe: &recipe,
                folder: &folder,
                cadence,
            };
            let trained = train::train(&order, &observe)?;
            // First, since whoever finds a report takes all for done.
            suspects(&order, &trained, &observe)?;
            Ok(report::assemble(&order, &trained, &domain, &observe)?.report)
        });
        loop {
            if pauses.is_paused() {
                tracing::info!(job = %held.id, "paused at the requester's word");
                metrics.set_phase(Phase::Pause);
                stop.run_until_cancelled(pauses.resumed()).await.ok_or(Fault::Stopped)?;
                metrics.set_phase(Phase::Train);
            }
            let work = work.clone();
            let made = tokio::task::spawn_blocking(move || work()).await;
            match made.map_err(|error| WorkError::Thread { reason: error.to_string() })? {
                // Each part of the work has an error of its own for being told to stop.
                Err(_) if paused.swap(false, Ordering::Relaxed) && !stop.is_cancelled() => {}
                result => return Ok(result?),
            }
        }
    }

    /// Puts the bundle into the store, from where it is served, and its shares and the samples that look wrong where everybody
    /// may read them. A second time changes nothing.
    async fn import_bundle(&self, id: JobId, folder: &Path, bundle: ContentHash) -> Result<(), Fault> {
        let (store, path) = (self.parts.node.store().clone(), folder.join(report::BUNDLE_FILE));
        let (shares_file, suspects_file) = (self.state.shares_file(id), self.state.suspects_file(id));
        let suspects = folder.join(SUSPECTS_FILE);
        let import = move || -> Result<(), Fault> {
            let bytes = fs::read(&path).map_err(at(&path)).map_err(WorkError::from)?;
            if ContentHash::of(&bytes) != bundle {
                return Err(WorkError::BundleChanged { path }.into());
            }
            let shares = Bundle::from_bytes(&bytes).and_then(|bundle| bundle.shares()).map_err(WorkError::from)?;
            let text = serde_json::to_vec_pretty(&shares).map_err(WorkError::Report)?;
            write_atomically(&shares_file, &text).map_err(WorkError::from)?;
            // A job that was assembled by an earlier version has none.
            if let Some(text) = read_if_there(&suspects).map_err(WorkError::from)? {
                write_atomically(&suspects_file, &text).map_err(WorkError::from)?;
            }
            if !store.contains(&bundle.0)? {
                store.import_bytes(&bytes)?;
            }
            Ok(())
        };
        let imported = tokio::task::spawn_blocking(import).await;
        imported.map_err(|error| WorkError::Thread { reason: error.to_string() })?
    }

    /// The job is reported: the bundle is served, and what it was made from goes.
    fn keep_reported(&mut self, id: JobId, report: &Report) -> Result<(), Fault> {
        self.parts.metrics.record_ending(Ending::Reported);
        self.state.set_reported(id, report.bundle).map_err(state_fault)?;
        events::keep(self.state.folder(), id).map_err(WorkError::from)?;
        remove_folder(&self.state.job_folder(id)).map_err(WorkError::from)?;
        Ok(())
    }

    /// The lease is gone. Where the data may not be used any more, the job is ended on chain, so that the bond is free.
    async fn lose(&mut self, id: JobId, job: &Job, loss: Loss) -> Result<(), Fault> {
        self.parts.metrics.record_ending(Ending::Lost);
        match loss {
            Loss::Lapsed(_) => self.set_current(None),
            Loss::Revoked(reason) => {
                self.state.give_up(id, job, reason).map_err(state_fault)?;
                match self.parts.chain.submit(id, job.leases, &Action::Cancel).await {
                    Ok(()) => tracing::info!(job = %id, "cancelled, since its data may not be used any more"),
                    Err(error) => tracing::warn!(job = %id, "not cancelled: {error}"),
                }
                Ok(())
            }
        }
    }

    /// Looks at reported jobs: settled ones are done, and one that nobody settled after its window is settled here.
    async fn follow_reported(&mut self) -> Result<(), Fault> {
        let height = *self.parts.chain.finalised().borrow();
        for id in self.state.reported().to_vec() {
            let Some(job) = self.parts.chain.job(id).await? else {
                self.state.set_ended(id, false).map_err(state_fault)?;
                continue;
            };
            match job.state {
                JobState::Settled { model, .. } => {
                    tracing::info!(job = %id, %model, "settled");
                    self.parts.metrics.record_ending(Ending::Settled);
                    self.state.set_ended(id, true).map_err(state_fault)?;
                }
                JobState::Reported { accept_until, .. }
                    if height > accept_until.saturating_add(SETTLE_AFTER_BLOCKS) =>
                {
                    match self.parts.chain.submit(id, height / SETTLE_AFTER_BLOCKS, &Action::Settle).await {
                        Ok(()) => {}
                        Err(SubmitError::Failed { failure, .. }) => tracing::warn!(job = %id, "not settled: {failure}"),
                        Err(error) => return Err(error.into()),
                    }
                }
                JobState::Reported { .. } | JobState::Disputed { .. } => {}
                state => {
                    tracing::warn!(job = %id, stage = %state.stage(), "the report came to nothing");
                    self.state.set_ended(id, false).map_err(state_fault)?;
                }
            }
        }
        Ok(())
    }

    /// Removes what no job needs any more: work on jobs that are over, and, when there is none left, fetched data. Having
    /// had permission to train on data is none to keep it.
    async fn sweep(&mut self) -> Result<(), Fault> {
        self.state.forget_given_up_before(self.market.first_unfinished()).map_err(state_fault)?;
        let me = self.parts.chain.account();
        let mut needed = false;
        for id in self.state.job_folders() {
            let open = self.parts.chain.job(id).await?.is_some_and(|job| {
                let stays = match job.state.stage() {
                    Stage::Open | Stage::Leased => true,
                    Stage::Reported | Stage::Disputed => {
                        job.state.trainer() == Some(&me) && !self.state.reported().contains(&id)
                    }
                    Stage::Settled | Stage::Cancelled | Stage::Expired => false,
                };
                stays && !self.state.is_given_up(id, &job)
            });
            if open {
                needed = true;
            } else {
                remove_folder(&self.state.job_folder(id)).map_err(WorkError::from)?;
            }
        }
        if needed {
            return Ok(());
        }
        let store = self.parts.node.store().clone();
        let blobs = {
            let store = store.clone();
            tokio::task::spawn_blocking(move || store.list()).await
        };
        let blobs = blobs.map_err(|error| WorkError::Thread { reason: error.to_string() })??;
        for blob in blobs.into_iter().filter(|blob| !self.state.is_bundle(&blob.hash)) {
            let store = store.clone();
            let removed = tokio::task::spawn_blocking(move || store.remove(&blob.hash)).await;
            removed.map_err(|error| WorkError::Thread { reason: error.to_string() })??;
        }
        Ok(())
    }

    fn set_current(&mut self, job: Option<JobId>) -> Result<(), Fault> {
        self.state.set_current(job).map_err(state_fault)
    }
}

/// A state that cannot be written is a disk that cannot be written.
fn state_fault(error: crate::state::StateError) -> Fault {
    match error {
        crate::state::StateError::File(error) => WorkError::File(error).into(),
        error => WorkError::Thread { reason: error.to_string() }.into(),
    }
}

/// Whether the chain refused a report because the lease is over, or has served already before a crash.
fn is_lease_gone(fault: &Fault) -> bool {
    let Fault::Submit(error) = fault else { return false };
    let facts = ["JobUnknown", "NotLeased", "NotLeaseHolder", "LeaseLapsed"];
    error.failure().is_some_and(|failure| facts.iter().any(|fact| failure.is("Jobs", fact)))
}
