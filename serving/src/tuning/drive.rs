//! A job's way, from the file to the model. Every step is taken at a finalised block, and told before the next.

use super::book::BookError;
use super::chain::{PURPOSE, Step};
use super::desk::Inner;
use super::rows::{End, FileRow, JobRow, Outcome, Phase, Published, Seen};
use super::{Inspection, rows::SignedOffer};
use crate::jobs::{JobEvent, Level};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tributary_client::{ChainError, EventsUnreadable, GrantOffer, Head, Job, JobState, Receipt, SubmitError};
use tributary_lora::{Event, Record};
use tributary_protocol::{
    ContentHash, DatanetId, GrantId, JobId, ModelId, VersionRef,
    grant::{BaseModelScope, GrantTerms, VersionScope},
    job::{JobSpec, Report},
    model::{DataUse, ModelStatus},
    stream::Split,
};

/// How long a job waits after what may go better the next time.
const PAUSE: Duration = Duration::from_secs(10);
/// Steps of a run that are told, about; of a longer one every so many.
const STEPS_TOLD: u64 = 500;
/// Most events of a job that come from its trainer.
const EVENTS_MAX: u64 = 2_000;
/// Most steps of a job that the chain refuses, from posting on.
const REFUSALS_MAX: u32 = 5;
/// Longest reason of a trainer's that is passed on, in characters.
const REASON_MAX: usize = 300;

/// What comes after a step.
enum Next {
    /// Another one.
    Step,
    /// The next block.
    Block,
    /// Nothing.
    Ended,
}

/// Why a step was not taken.
enum Halt {
    /// It may go better the next time.
    Later(String),
    /// The chain will not have it.
    Refused(String),
}

impl From<ChainError> for Halt {
    fn from(error: ChainError) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<BookError> for Halt {
    fn from(error: BookError) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<EventsUnreadable> for Halt {
    fn from(error: EventsUnreadable) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<SubmitError> for Halt {
    fn from(error: SubmitError) -> Self {
        match error {
            // What an unknown outcome was shows where the chain is asked for it.
            SubmitError::Failed { .. } | SubmitError::IntentReused { .. } | SubmitError::OutcomeUnknown { .. } => {
                Self::Refused(error.to_string())
            }
            _ => Self::Later(error.to_string()),
        }
    }
}

/// Goes a job's way to its end.
pub(super) async fn drive(own: Arc<Inner>, id: String) {
    let mut heads = own.chain.heads();
    loop {
        let at = *heads.borrow_and_update();
        match step(&own, &id, at).await {
            Ok(Next::Ended) => return,
            Ok(Next::Step) => continue,
            Ok(Next::Block) => {}
            Err(Halt::Later(reason)) => {
                tracing::warn!(job = id, "{reason}; it is tried again");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(Halt::Refused(reason)) => {
                tracing::error!(job = id, "{reason}");
                let failed = End::Failed { code: "chain_refused".into(), reason };
                if let Err(error) = own.end(&id, failed, "The chain refused the job.").await {
                    tracing::error!(job = id, "{error}");
                }
                return;
            }
        }
        if heads.changed().await.is_err() {
            return;
        }
    }
}

async fn step(own: &Inner, id: &str, at: Head) -> Result<Next, Halt> {
    let row = own.job(id).await?;
    match (&row.end, row.job) {
        (Some(_), _) => Ok(Next::Ended),
        (None, None) => prepare(own, row).await,
        (None, Some(job)) => Following { own, row, id: job, at }.follow().await,
    }
}

/// The next step before the job is on the chain.
async fn prepare(own: &Inner, row: JobRow) -> Result<Next, Halt> {
    if row.is_cancelling {
        own.end(&row.id, End::Cancelled, "The job was cancelled.").await?;
        return Ok(Next::Ended);
    }
    let file = own.file(&row.wanted.training_file).await?;
    let Some(FileRow { id: file, published, .. }) = file else {
        let failed = End::Failed { code: "file_gone".into(), reason: "the training file was deleted".into() };
        own.end(&row.id, failed, "The training file is gone.").await?;
        return Ok(Next::Ended);
    };
    match (published, row.grant) {
        (Published { datanet: None, .. }, _) => {
            let step = Step::Register { name: format!("tuning {file}") };
            let datanet = act(own, &file, "register", &step).await?.datanet()?;
            own.publish(&file, move |published| published.datanet = Some(datanet)).await?;
        }
        (Published { datanet: Some(datanet), contribution: None, .. }, _) => {
            let step = Step::Submit { datanet, samples: row.order.samples };
            let contribution = act(own, &file, "submit", &step).await?.contribution()?;
            own.publish(&file, move |published| published.contribution = Some(contribution)).await?;
        }
        (Published { datanet: Some(datanet), contribution: Some(contribution), version: None }, _) => {
            let step = Step::Publish { datanet, contribution };
            let version = act(own, &file, "publish", &step).await?.version()?;
            own.publish(&file, move |published| published.version = Some(version)).await?;
        }
        (Published { datanet: Some(datanet), version: Some(version), .. }, None) => {
            let offer = match row.offer.clone() {
                Some(offer) => offer,
                None => {
                    let signed = offer(own, &row, datanet, version);
                    own.change(&row.id, Vec::new(), move |row| row.offer = Some(signed))
                        .await?
                        .offer
                        .ok_or_else(|| Halt::Later("the offer that was written is not there".into()))?
                }
            };
            let grant = act(own, &row.id, "grant", &Step::Grant(offer)).await?.grant()?;
            own.change(&row.id, Vec::new(), move |row| row.grant = Some(grant)).await?;
        }
        (Published { version: Some(version), .. }, Some(grant)) => {
            let job = post(own, &row, DataUse { version, grant }).await?;
            let told = told(Level::Info, format!("Posted to the chain as job {job}; it waits for a trainer."));
            own.change(&row.id, vec![told], move |row| {
                row.job = Some(job);
                row.phase = Phase::Queued;
            })
            .await?;
        }
    }
    Ok(Next::Step)
}

/// For this job alone, and as long as it may run.
fn offer(own: &Inner, row: &JobRow, datanet: DatanetId, version: VersionRef) -> SignedOffer {
    let deadline = row.order.deadline;
    own.chain.sign(GrantOffer {
        datanet,
        grantee: own.chain.account(),
        terms: GrantTerms {
            versions: VersionScope::Only(version.number),
            purpose: PURPOSE,
            base_models: BaseModelScope::Only(row.order.base),
            uses: 1,
            expires_at: deadline,
        },
        nonce: row.number,
        valid_until: deadline,
    })
}

async fn post(own: &Inner, row: &JobRow, data: DataUse) -> Result<JobId, Halt> {
    let grant: GrantId = data.grant;
    let order = &row.order;
    let spec = JobSpec {
        base: order.base,
        data: vec![data].try_into().unwrap_or_default(),
        purpose: PURPOSE,
        method: order.recipe.method,
        hyperparameters: order.recipe.hyperparameters,
        attribution: order.recipe.attribution,
        split: Split::DEFAULT,
        price: order.price,
        deadline: order.deadline,
        acceptance_blocks: order.acceptance_blocks,
    };
    match act(own, &row.id, "post", &Step::Post(Box::new(spec))).await {
        Ok(receipt) => Ok(receipt.job()?),
        // A journal that was lost does not know that it was posted; the grant, which serves one job, does.
        Err(Halt::Refused(reason)) => {
            let at = *own.chain.heads().borrow();
            own.chain.job_with(at, grant).await?.ok_or(Halt::Refused(reason))
        }
        Err(later) => Err(later),
    }
}

async fn act(own: &Inner, of: &str, what: &str, step: &Step) -> Result<Receipt, Halt> {
    Ok(own.chain.act(&format!("tune/{of}/{what}"), step).await?)
}

fn told(level: Level, message: impl Into<String>) -> JobEvent {
    JobEvent {
        id: String::new(),
        created_s: super::desk::now_s(),
        level,
        message: message.into(),
        metrics: BTreeMap::new(),
    }
}

/// A job on the chain, at a block.
struct Following<'a> {
    own: &'a Inner,
    row: JobRow,
    id: JobId,
    at: Head,
}

impl Following<'_> {
    async fn follow(mut self) -> Result<Next, Halt> {
        // None before the block that it was posted in is seen.
        let Some(job) = self.own.chain.job(self.at, self.id).await? else { return Ok(Next::Block) };
        match &job.state {
            JobState::Open => self.open(&job).await,
            JobState::Leased { until, .. } => {
                if self.row.phase != Phase::Running {
                    self.enter(Phase::Running, Level::Info, "A trainer took the job: fine-tuning begins.").await?;
                }
                if self.row.is_cancelling {
                    self.keep().await?;
                }
                self.listen(&job).await?;
                if self.at.number > job.spec.deadline && self.at.number > *until {
                    self.attempt("expire", &Step::Expire(self.id)).await?;
                }
                Ok(Next::Block)
            }
            JobState::Reported { report, .. } => {
                if self.row.phase != Phase::Reported {
                    self.listen(&job).await?;
                    self.enter(Phase::Reported, Level::Info, "The trainer reported; what it made is being checked.")
                        .await?;
                }
                if self.row.is_cancelling {
                    self.keep().await?;
                }
                self.judge(&job, report).await
            }
            JobState::Disputed { .. } => {
                if self.row.phase != Phase::Disputed {
                    self.enter(Phase::Disputed, Level::Error, "The report is disputed; the network decides.").await?;
                }
                Ok(Next::Block)
            }
            JobState::Settled { report, model, .. } => self.settled(report, *model).await,
            JobState::Cancelled if self.row.is_cancelling => self.end(End::Cancelled, "The job was cancelled.").await,
            JobState::Cancelled => {
                let reason = "the job was cancelled on the chain, and the escrow returned".into();
                self.end(End::Failed { code: "cancelled_on_chain".into(), reason }, "The job came to nothing.").await
            }
            JobState::Expired => {
                let reason = "no trainer reported in time; the escrow returned".into();
                self.end(End::Failed { code: "deadline_passed".into(), reason }, "The job came to nothing.").await
            }
        }
    }

    async fn open(&mut self, job: &Job) -> Result<Next, Halt> {
        if self.row.phase != Phase::Queued {
            let said = "The trainer gave no sign of life any more; the job waits for another one.";
            self.enter(Phase::Queued, Level::Warning, said).await?;
        }
        if self.row.is_cancelling {
            self.attempt("cancel", &Step::Cancel(self.id)).await?;
        } else if self.at.number > job.spec.deadline {
            self.attempt("expire", &Step::Expire(self.id)).await?;
        }
        Ok(Next::Block)
    }

    /// It is too late to take the job back.
    async fn keep(&mut self) -> Result<(), Halt> {
        let said = told(Level::Warning, "The job cannot be cancelled any more: a trainer works on it.");
        self.row = self.own.change(&self.row.id, vec![said], |row| row.is_cancelling = false).await?;
        Ok(())
    }

    /// Takes a step that somebody else may have made needless. False: the chain refuses it. What it refused several times is
    /// not tried any more, for each time costs a fee.
    async fn attempt(&mut self, what: &str, step: &Step) -> Result<bool, Halt> {
        if self.row.refusals >= REFUSALS_MAX {
            return Ok(false);
        }
        match act(self.own, &self.row.id, what, step).await {
            Err(Halt::Refused(reason)) => {
                tracing::warn!(job = self.row.id, "{reason}");
                self.row = self.own.change(&self.row.id, Vec::new(), |row| row.refusals += 1).await?;
                Ok(false)
            }
            done => done.map(|_| true),
        }
    }

    async fn enter(&mut self, phase: Phase, level: Level, said: &str) -> Result<(), Halt> {
        self.row = self.own.change(&self.row.id, vec![told(level, said)], move |row| row.phase = phase).await?;
        Ok(())
    }

    /// Takes in what the run told of itself since the last time.
    async fn listen(&mut self, job: &Job) -> Result<(), Halt> {
        let Some(trainer) = job.state.trainer() else { return Ok(()) };
        let seen = match self.row.seen {
            seen if seen.lease == job.leases => seen,
            _ => Seen { lease: job.leases, sequence: 0 },
        };
        let Some(records) = self.own.outside.told(*trainer, self.id, seen.sequence).await else { return Ok(()) };
        let Some(last) = records.last().map(|record| record.sequence) else { return Ok(()) };
        let room = usize::try_from(EVENTS_MAX.saturating_sub(self.row.events)).unwrap_or(usize::MAX);
        let events: Vec<JobEvent> = records.iter().filter_map(event).take(room).collect();
        let left = records.iter().rev().find_map(|record| match &record.event {
            Event::Step(step) if step.eta_seconds.is_finite() => Some((record.time_ms / 1_000, step.eta_seconds)),
            _ => None,
        });
        // A float cast saturates.
        let finish = left.map(|(now_s, left_s)| now_s.saturating_add(left_s.max(0.0) as u64));
        let change = move |row: &mut JobRow| {
            row.seen = Seen { lease: seen.lease, sequence: last };
            row.estimated_finish_s = finish.or(row.estimated_finish_s);
        };
        self.row = self.own.change(&self.row.id, events, change).await?;
        Ok(())
    }

    async fn judge(&mut self, job: &Job, report: &Report) -> Result<Next, Halt> {
        match self.own.outside.inspect(self.id, job, report).await {
            Ok(()) => {
                self.attempt("accept", &Step::Accept(self.id)).await?;
            }
            Err(Inspection::Unavailable { reason }) => {
                // If it stays so, the job settles by itself at the end of its window.
                tracing::warn!(job = self.row.id, "what was made cannot be checked yet: {reason}");
            }
            Err(Inspection::Mismatch { reason }) => {
                tracing::error!(job = self.row.id, "what was made is not what was reported: {reason}");
                let evidence = ContentHash::of(reason.as_bytes());
                self.attempt("dispute", &Step::Dispute { job: self.id, evidence }).await?;
            }
        }
        Ok(Next::Block)
    }

    async fn settled(&mut self, report: &Report, model: ModelId) -> Result<Next, Halt> {
        if self.row.phase != Phase::Publishing {
            let metrics = report.metrics;
            let said = told(Level::Info, format!("The report is accepted: the result is model {model}."));
            let nats = |micro: u32| f64::from(micro) / 1e6;
            let change = move |row: &mut JobRow| {
                row.phase = Phase::Publishing;
                row.trained_tokens = Some(metrics.tokens);
                row.result = Some(Outcome {
                    steps: metrics.steps.into(),
                    training_loss: nats(metrics.training_loss_micro),
                    validation_loss: nats(metrics.validation_loss_micro),
                });
            };
            self.row = self.own.change(&self.row.id, vec![said], change).await?;
        }
        let Some(record) = self.own.chain.model(self.at, model).await? else { return Ok(Next::Block) };
        let prices = self.own.config.prices;
        let served = match record.status {
            // It is offered in a block that is seen later.
            ModelStatus::Private if self.attempt("offer", &Step::PublishModel { model, prices }).await? => {
                return Ok(Next::Block);
            }
            ModelStatus::Private => Err("the chain does not take it".to_owned()),
            ModelStatus::Published | ModelStatus::Withdrawn => self.own.outside.serve(model).await,
        };
        if let Err(reason) = served {
            let said = told(Level::Warning, format!("The model is not served here: {reason}"));
            self.own.change(&self.row.id, vec![said], |_| ()).await?;
        }
        self.own.end(&self.row.id, End::Succeeded(model), "The job has successfully completed.").await?;
        Ok(Next::Ended)
    }

    /// Without a model. The record's deposit comes back; a kill before leaves it where it is.
    async fn end(&self, end: End, said: &str) -> Result<Next, Halt> {
        self.own.end(&self.row.id, end, said).await?;
        if let Err(Halt::Later(reason) | Halt::Refused(reason)) =
            act(self.own, &self.row.id, "forget", &Step::Forget(self.id)).await
        {
            tracing::warn!(job = self.row.id, "its record stays on the chain: {reason}");
        }
        Ok(Next::Ended)
    }
}

/// What clients are told of an event of the run.
fn event(record: &Record) -> Option<JobEvent> {
    let finite = |pairs: &[(&str, f64)]| {
        let known = pairs.iter().filter(|(_, value)| value.is_finite());
        known.map(|(name, value)| ((*name).to_owned(), *value)).collect::<BTreeMap<_, _>>()
    };
    let (level, message, metrics) = match &record.event {
        Event::Step(step) => {
            let stride = step.steps.div_ceil(STEPS_TOLD).max(1);
            if step.step != 1 && step.step != step.steps && !step.step.is_multiple_of(stride) {
                return None;
            }
            let metrics = finite(&[
                ("step", step.step as f64),
                ("total_steps", step.steps as f64),
                ("train_loss", step.loss.into()),
                ("learning_rate", step.learning_rate),
            ]);
            (Level::Info, format!("Step {}/{}: training loss={:.4}", step.step, step.steps, step.loss), metrics)
        }
        Event::Evaluation { step, loss, .. } => {
            let metrics = finite(&[("step", *step as f64), ("valid_loss", (*loss).into())]);
            (Level::Info, format!("Step {step}: validation loss={loss:.4}"), metrics)
        }
        Event::Rewound { step, .. } => (
            Level::Warning,
            format!("The run goes on from step {step}: what came after does not count."),
            BTreeMap::new(),
        ),
        Event::Failed { step, reason, .. } => {
            let reason: String = reason.chars().take(REASON_MAX).collect();
            (Level::Error, format!("The run failed at step {step}: {reason}"), BTreeMap::new())
        }
        _ => return None,
    };
    Some(JobEvent { id: String::new(), created_s: record.time_ms / 1_000, level, message, metrics })
}
