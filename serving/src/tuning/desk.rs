//! What clients see of fine-tuning: OpenAI's files and jobs.

use super::book::{Book, BookError};
use super::chain::TuningChain;
use super::config::TuningConfig;
use super::drive::drive;
use super::material::Reader;
use super::rows::{End, FileRow, JobRow, Order, Phase, Published};
use super::{Holder, Outside, plan};
use crate::door::{Credentials, Refusal};
use crate::jobs::{
    JobCheckpoint, JobError, JobEvent, Jobs, Level, Page, Paged, StoredFile, TuningJob, Upload, WantedJob,
};
use crate::operator::usual_name;
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tributary_client::ChainError;
use tributary_daemon::files::{FileError, at, write_atomically};
use tributary_lora::{Model, Tokenizer};
use tributary_protocol::{Amount, BaseModelId, ContentHash, amount::TRIB};

/// How long a cancelled job is waited for: a block and its finality take some seconds.
const CANCEL_PATIENCE: Duration = Duration::from_secs(60);

/// Why fine-tuning cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum TuningError {
    /// A file or folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// The book.
    #[error(transparent)]
    Book(Box<BookError>),
    /// A setting.
    #[error("a job's deadline is {found} blocks away; at most {max} are accepted")]
    Deadline {
        /// What was set.
        found: u32,
        /// What is accepted.
        max: u32,
    },
}

impl From<BookError> for TuningError {
    fn from(error: BookError) -> Self {
        Self::Book(Box::new(error))
    }
}

/// What fine-tuning works with.
pub struct TuningParts {
    /// The chain.
    pub chain: Arc<dyn TuningChain>,
    /// Everything else.
    pub outside: Arc<dyn Outside>,
    /// The base model that is tuned.
    pub model: Arc<Model>,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// Its content, by which the chain knows it.
    pub base: ContentHash,
}

/// Files and jobs of an operator's keys. Clones are the same.
#[derive(Clone)]
pub struct Tuning(Arc<Inner>);

pub(super) struct Inner {
    pub config: TuningConfig,
    pub chain: Arc<dyn TuningChain>,
    pub outside: Arc<dyn Outside>,
    reader: Reader,
    base: ContentHash,
    book: Arc<Book>,
    files: PathBuf,
    /// Held where files come and go, and where jobs begin.
    gate: tokio::sync::Mutex<()>,
    /// Counts changes of jobs.
    changes: watch::Sender<u64>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Tuning {
    /// Opens what is kept, and goes on with every job that has not ended.
    pub async fn start(config: TuningConfig, parts: TuningParts) -> Result<Self, TuningError> {
        let max = TuningConfig::DEADLINE_BLOCKS_MAX;
        if config.deadline_blocks > max {
            return Err(TuningError::Deadline { found: config.deadline_blocks, max });
        }
        let TuningParts { chain, outside, model, tokenizer, base } = parts;
        let files = config.folder.join("files");
        fs::create_dir_all(&files).map_err(at(&files))?;
        let book = Book::open(&config.folder.join("tuning.redb"), chain.genesis(), chain.account())?;
        let known = book.file_ids()?;
        for entry in fs::read_dir(&files).map_err(at(&files))? {
            let path = entry.map_err(at(&files))?.path();
            // Written before a kill, and not yet known to anybody.
            if !path.file_stem().and_then(|name| name.to_str()).is_some_and(|name| known.iter().any(|id| id == name)) {
                fs::remove_file(&path).map_err(at(&path))?;
            }
        }
        let jobs = book.all_jobs()?;
        let inner = Arc::new(Inner {
            config,
            chain,
            outside,
            reader: Reader::new(model, tokenizer),
            base,
            book: Arc::new(book),
            files,
            gate: tokio::sync::Mutex::default(),
            changes: watch::Sender::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        let mut made = Vec::new();
        for job in jobs {
            match job.end {
                None => Inner::go_on(&inner, job.id),
                Some(End::Succeeded(model)) => made.push(model),
                Some(_) => {}
            }
        }
        let own = inner.clone();
        inner.spawn(async move {
            for model in made {
                if let Err(reason) = own.outside.serve(model).await {
                    tracing::warn!(%model, "not served: {reason}");
                }
            }
        });
        Ok(Self(inner))
    }

    /// The name of the model that jobs begin from, if the chain has it.
    pub async fn base_name(&self) -> Result<Option<String>, ChainError> {
        Ok(self.0.base_model().await?.map(|(_, name)| name))
    }

    /// Ends the work on jobs. They go on at the next start.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Inner {
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        // What was being submitted is in the journal, and goes on at the next start.
        self.tasks.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }

    fn go_on(own: &Arc<Self>, id: String) {
        own.spawn(drive(own.clone(), id));
    }

    async fn base_model(&self) -> Result<Option<(BaseModelId, String)>, ChainError> {
        let at = *self.chain.heads().borrow();
        let found = self.chain.base(at, self.base).await?;
        Ok(found.map(|(id, base)| (id, String::from_utf8_lossy(&base.name).into_owned())))
    }

    async fn with_book<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Book) -> Result<T, BookError> + Send + 'static,
    ) -> Result<T, BookError> {
        let book = self.book.clone();
        let done = tokio::task::spawn_blocking(move || work(&book)).await;
        done.map_err(|error| BookError::Store { reason: error.to_string() })?
    }

    pub(super) async fn job(&self, id: &str) -> Result<JobRow, BookError> {
        let id = id.to_owned();
        self.with_book(move |book| book.job(&id)?.ok_or(BookError::Absent { id })).await
    }

    pub(super) async fn file(&self, id: &str) -> Result<Option<FileRow>, BookError> {
        let id = id.to_owned();
        self.with_book(move |book| book.file(&id)).await
    }

    pub(super) async fn publish(
        &self,
        file: &str,
        change: impl FnOnce(&mut Published) + Send + 'static,
    ) -> Result<(), BookError> {
        let id = file.to_owned();
        self.with_book(move |book| book.change_file(&id, |row| change(&mut row.published))).await?;
        Ok(())
    }

    pub(super) async fn change(
        &self,
        id: &str,
        events: Vec<JobEvent>,
        change: impl FnOnce(&mut JobRow) + Send + 'static,
    ) -> Result<JobRow, BookError> {
        let id = id.to_owned();
        let row = self.with_book(move |book| book.change_job(&id, events, change)).await?;
        self.changes.send_modify(|count| *count += 1);
        Ok(row)
    }

    pub(super) async fn end(&self, id: &str, end: End, said: &str) -> Result<(), BookError> {
        let level = if matches!(end, End::Failed { .. }) { Level::Error } else { Level::Info };
        let event =
            JobEvent { id: String::new(), created_s: now_s(), level, message: said.into(), metrics: BTreeMap::new() };
        let change = move |row: &mut JobRow| {
            row.end = Some(end);
            row.finished_s = Some(now_s());
            row.estimated_finish_s = None;
            row.is_cancelling = false;
        };
        self.change(id, vec![event], change).await?;
        Ok(())
    }

    fn path(&self, id: &str) -> PathBuf {
        self.files.join(format!("{id}.jsonl"))
    }

    /// A key's file.
    async fn own_file(&self, holder: &Holder, id: &str) -> Result<FileRow, JobError> {
        let found = self.file(id).await.map_err(broken)?;
        found.filter(|row| row.owner == holder.id).ok_or_else(|| JobError::Unknown { what: "file", id: id.into() })
    }

    /// A key's job.
    async fn own_job(&self, holder: &Holder, id: &str) -> Result<JobRow, JobError> {
        let name = id.to_owned();
        let found = self.with_book(move |book| book.job(&name)).await.map_err(broken)?;
        found.filter(|row| row.owner == holder.id).ok_or_else(|| JobError::Unknown { what: "job", id: id.into() })
    }

    /// Who asks, if its key has a budget.
    fn payer(&self, who: &Credentials) -> Result<Holder, JobError> {
        let holder = self.outside.holder(who)?;
        match holder.budget {
            0 => Err(unpaid(
                "no_tuning_budget",
                "this key has no budget for fine-tuning; hint: only the operator gives one".into(),
            )),
            _ => Ok(holder),
        }
    }

    /// What a job would be.
    async fn plan(&self, holder: &Holder, mut wanted: WantedJob) -> Result<(JobRow, Vec<u8>), JobError> {
        let invalid = |param, reason: &str| JobError::Invalid { param, reason: reason.to_owned() };
        if wanted.validation_file.is_some() {
            let reason = "validation_file is not supported: a part of the training file is kept for validation";
            return Err(invalid("validation_file", reason));
        }
        if wanted.suffix.is_some() {
            let reason =
                "suffix is not supported: models are called tributary-model-NUMBER, by their number on the chain";
            return Err(invalid("suffix", reason));
        }
        let unreachable =
            |error: ChainError| Refusal::Unavailable { reason: format!("the chain cannot be asked: {error}") };
        let (base, name) = self.base_model().await.map_err(unreachable)?.ok_or_else(|| Refusal::Unavailable {
            reason: "the base model of this server is not registered on the chain".into(),
        })?;
        if wanted.model != name {
            return Err(invalid("model", &format!("{:?} cannot be tuned here; {name:?} is accepted", wanted.model)));
        }
        let file = match self.own_file(holder, &wanted.training_file).await {
            Err(JobError::Unknown { .. }) => {
                return Err(invalid("training_file", &format!("there is no file {:?}", wanted.training_file)));
            }
            found => found?,
        };
        // As many seeds as the field may name.
        let seed = *wanted.seed.get_or_insert_with(|| u64::from(rand::random::<u32>() >> 1));
        let recipe = plan::recipe(&self.config.recipe, &wanted.hyperparameters, seed)?;
        let (reader, path, expected) = (self.reader.clone(), self.path(&file.id), file.content);
        let reading = move || {
            let bytes = fs::read(&path).map_err(|_| "the file cannot be read".to_owned())?;
            if ContentHash::of(&bytes) != expected {
                return Err("the file is damaged here; hint: upload it again".to_owned());
            }
            reader.read(&path, &recipe)
        };
        let read = tokio::task::spawn_blocking(reading).await;
        let material = read
            .map_err(|_| Refusal::Unavailable { reason: "the file could not be read".into() })?
            .map_err(|reason| JobError::Invalid { param: "training_file", reason })?;
        let least = self.chain.price_min().await.map_err(unreachable)?;
        let price = plan::price(material.tokens, recipe.hyperparameters.epochs, self.config.rate, least);
        let price = price.ok_or_else(|| invalid("training_file", "no amount pays for as many tokens"))?;
        let height = self.chain.heads().borrow().number;
        let order = Order {
            base,
            recipe,
            price,
            deadline: height.saturating_add(self.config.deadline_blocks),
            acceptance_blocks: self.config.acceptance_blocks,
            samples: material.samples.commitment(),
        };
        let row = JobRow {
            id: new_id("ftjob"),
            owner: holder.id.clone(),
            number: 0,
            wanted,
            order,
            created_s: now_s(),
            offer: None,
            grant: None,
            job: None,
            phase: Phase::Preparing,
            is_cancelling: false,
            seen: Default::default(),
            events: 0,
            refusals: 0,
            end: None,
            finished_s: None,
            estimated_finish_s: None,
            trained_tokens: None,
            result: None,
        };
        Ok((row, material.samples.canonical_file()))
    }

    /// Whether a job may begin beside all there are.
    fn allowed(&self, holder: &Holder, price: Amount, all: &[JobRow]) -> Result<(), JobError> {
        let own = || all.iter().filter(|job| job.owner == holder.id);
        let running = own().filter(|job| job.end.is_none()).count();
        if running >= self.config.limits.jobs_per_key {
            let reason =
                format!("{running} jobs of this key have not ended, which is the most; hint: wait, or cancel one");
            return Err(JobError::Conflict { reason });
        }
        let fits = |spent: Option<Amount>, budget: Amount| {
            spent.and_then(|spent| spent.checked_add(price)).is_some_and(|sum| sum <= budget)
        };
        let spent = own().map(JobRow::cost).try_fold(0, Amount::checked_add);
        if !fits(spent, holder.budget) {
            let left = holder.budget.saturating_sub(spent.unwrap_or(Amount::MAX));
            let reason = format!(
                "the job costs {} TRIB, and {} of this key's budget are left; hint: fewer epochs or rows, or ask the operator",
                trib(price),
                trib(left)
            );
            return Err(unpaid("tuning_budget_exceeded", reason));
        }
        if !fits(all.iter().map(JobRow::cost).try_fold(0, Amount::checked_add), self.config.budget) {
            let reason = "the operator's own budget for fine-tuning is spent; hint: ask the operator".to_owned();
            return Err(unpaid("tuning_budget_exceeded", reason));
        }
        Ok(())
    }
}

/// An amount for people, in TRIB to the thousandth, rounded up.
fn trib(amount: Amount) -> String {
    let milli = amount.div_ceil(TRIB / 1_000);
    format!("{}.{:03}", milli / 1_000, milli % 1_000)
}

fn unpaid(code: &'static str, reason: String) -> JobError {
    Refusal::Unpaid { reason, code, quote: None }.into()
}

/// The book failed: its operator reads why.
fn broken(error: impl std::fmt::Display) -> JobError {
    tracing::error!("{error}");
    Refusal::Unavailable { reason: "files and jobs cannot be read or written at the moment".into() }.into()
}

impl From<BookError> for JobError {
    fn from(error: BookError) -> Self {
        broken(error)
    }
}

fn new_id(kind: &str) -> String {
    format!("{kind}-{:032x}", rand::random::<u128>())
}

pub(super) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A part of a list that has the newest first.
fn paged<T>(all: Vec<T>, page: &Page, id: impl Fn(&T) -> &str) -> Paged<T> {
    let from = match &page.after {
        Some(after) => all.iter().position(|item| id(item) == after).map_or(all.len(), |at| at + 1),
        None => 0,
    };
    let has_more = all.len() - from > page.limit;
    Paged { items: all.into_iter().skip(from).take(page.limit).collect(), has_more }
}

#[async_trait]
impl Jobs for Tuning {
    async fn upload(&self, who: &Credentials, upload: Upload) -> Result<StoredFile, JobError> {
        let own = &self.0;
        let holder = own.payer(who)?;
        let Upload { name, content } = upload;
        let (bytes, limits) = (content.len() as u64, own.config.limits);
        let _alone = own.gate.lock().await;
        let owner = holder.id.clone();
        let (files, all) = own.with_book(move |book| Ok((book.files(&owner)?, book.bytes()?))).await?;
        let held: u64 = files.iter().map(|file| file.bytes).sum();
        let full =
            |what: String| JobError::Conflict { reason: format!("{what}; hint: delete files that are not needed") };
        if files.len() >= limits.files_per_key {
            return Err(full(format!("{} files of this key are kept, which is the most", files.len())));
        }
        if held.saturating_add(bytes) > limits.bytes_per_key {
            return Err(full(format!(
                "{held} bytes of this key's files are kept, of {} at most",
                limits.bytes_per_key
            )));
        }
        if all.saturating_add(bytes) > limits.bytes {
            return Err(Refusal::Unavailable { reason: "no more files can be kept at the moment".into() }.into());
        }
        let row = FileRow {
            id: new_id("file"),
            owner: holder.id,
            number: 0,
            name,
            bytes,
            content: ContentHash::default(),
            created_s: now_s(),
            published: Published::default(),
        };
        let path = own.path(&row.id);
        let added = own.with_book(move |book| {
            // The file first: one that no row names is removed at the next start.
            write_atomically(&path, &content).map_err(|error| BookError::Store { reason: error.to_string() })?;
            book.add_file(FileRow { content: ContentHash::of(&content), ..row })
        });
        Ok(added.await?.into())
    }

    async fn files(&self, who: &Credentials, page: Page) -> Result<Paged<StoredFile>, JobError> {
        let holder = self.0.outside.holder(who)?;
        let files = self.0.with_book(move |book| book.files(&holder.id)).await?;
        let Paged { items, has_more } = paged(files, &page, |file| &file.id);
        Ok(Paged { items: items.into_iter().map(StoredFile::from).collect(), has_more })
    }

    async fn file(&self, who: &Credentials, id: &str) -> Result<StoredFile, JobError> {
        let holder = self.0.outside.holder(who)?;
        Ok(self.0.own_file(&holder, id).await?.into())
    }

    async fn content(&self, who: &Credentials, id: &str) -> Result<Bytes, JobError> {
        let holder = self.0.outside.holder(who)?;
        let file = self.0.own_file(&holder, id).await?;
        let path = self.0.path(&file.id);
        tokio::fs::read(&path).await.map(Bytes::from).map_err(broken)
    }

    async fn delete(&self, who: &Credentials, id: &str) -> Result<(), JobError> {
        let own = &self.0;
        let holder = own.outside.holder(who)?;
        let _alone = own.gate.lock().await;
        let file = own.own_file(&holder, id).await?;
        let jobs = own.with_book(move |book| book.jobs(&holder.id)).await?;
        if let Some(job) = jobs.iter().find(|job| job.end.is_none() && job.wanted.training_file == file.id) {
            return Err(JobError::Conflict { reason: format!("the job {} is not over, and trains on it", job.id) });
        }
        let path = own.path(&file.id);
        own.with_book(move |book| {
            // The row first: a file that no row names is removed at the next start.
            book.remove_file(&file.id)?;
            fs::remove_file(&path).map_err(|error| BookError::Store { reason: error.to_string() })
        })
        .await?;
        Ok(())
    }

    async fn create(&self, who: &Credentials, wanted: WantedJob) -> Result<TuningJob, JobError> {
        let own = &self.0;
        let holder = own.payer(who)?;
        let (row, canonical) = own.plan(&holder, wanted).await?;
        let _alone = own.gate.lock().await;
        // Once more: it may have been deleted while it was read.
        own.own_file(&holder, &row.wanted.training_file).await?;
        let server = own.clone();
        let adding = move || {
            server.allowed(&holder, row.order.price, &server.book.all_jobs()?)?;
            server.outside.provide(&canonical).map_err(broken)?;
            Ok::<_, JobError>(server.book.add_job(row)?)
        };
        let added = tokio::task::spawn_blocking(adding).await.map_err(broken)??;
        let said = format!(
            "Created fine-tuning job {}: {} samples, for {} TRIB. The file is published to its own private Datanet.",
            added.id,
            added.order.samples.samples,
            trib(added.order.price)
        );
        let event = JobEvent {
            id: String::new(),
            created_s: added.created_s,
            level: Level::Info,
            message: said,
            metrics: BTreeMap::new(),
        };
        let row = own.change(&added.id, vec![event], |_| ()).await?;
        Inner::go_on(own, row.id.clone());
        Ok(row.into())
    }

    async fn jobs(&self, who: &Credentials, page: Page) -> Result<Paged<TuningJob>, JobError> {
        let holder = self.0.outside.holder(who)?;
        let jobs = self.0.with_book(move |book| book.jobs(&holder.id)).await?;
        let Paged { items, has_more } = paged(jobs, &page, |job| &job.id);
        Ok(Paged { items: items.into_iter().map(TuningJob::from).collect(), has_more })
    }

    async fn job(&self, who: &Credentials, id: &str) -> Result<TuningJob, JobError> {
        let holder = self.0.outside.holder(who)?;
        Ok(self.0.own_job(&holder, id).await?.into())
    }

    async fn events(&self, who: &Credentials, id: &str, page: Page) -> Result<Paged<JobEvent>, JobError> {
        let holder = self.0.outside.holder(who)?;
        let job = self.0.own_job(&holder, id).await?.id;
        let events = self.0.with_book(move |book| book.events(&job)).await?;
        Ok(paged(events, &page, |event| &event.id))
    }

    /// The result is the one that can be asked: what a trainer keeps on the way is for attribution, and lies in the bundle.
    async fn checkpoints(&self, who: &Credentials, id: &str, page: Page) -> Result<Paged<JobCheckpoint>, JobError> {
        let holder = self.0.outside.holder(who)?;
        let job = self.0.own_job(&holder, id).await?;
        let last = match (&job.end, job.result) {
            (Some(End::Succeeded(model)), Some(result)) => Some(JobCheckpoint {
                id: job.id.replacen("ftjob", "ftckpt", 1),
                created_s: job.finished_s.unwrap_or(job.created_s),
                model: usual_name(*model),
                step: result.steps,
                metrics: BTreeMap::from([
                    ("step".to_owned(), result.steps as f64),
                    ("train_loss".to_owned(), result.training_loss),
                    ("valid_loss".to_owned(), result.validation_loss),
                ]),
            }),
            _ => None,
        };
        Ok(paged(last.into_iter().collect(), &page, |checkpoint| &checkpoint.id))
    }

    async fn cancel(&self, who: &Credentials, id: &str) -> Result<TuningJob, JobError> {
        let own = &self.0;
        let holder = own.outside.holder(who)?;
        let row = own.own_job(&holder, id).await?;
        let conflict = |reason: &str| JobError::Conflict { reason: reason.to_owned() };
        let taken = "a trainer works on the job, and is paid for it; it can be cancelled only before";
        match (&row.end, row.phase) {
            (Some(End::Cancelled), _) => return Ok(row.into()),
            (Some(_), _) => return Err(conflict("the job has ended")),
            (None, Phase::Preparing | Phase::Queued) => {}
            (None, _) => return Err(conflict(taken)),
        }
        let mut changes = own.changes.subscribe();
        let mut row = own.change(&row.id, Vec::new(), |row| row.is_cancelling = row.end.is_none()).await?;
        let ended = async {
            while row.is_cancelling && changes.changed().await.is_ok() {
                row = own.job(&row.id).await?;
            }
            Ok::<_, BookError>(())
        };
        if let Ok(ended) = timeout(CANCEL_PATIENCE, ended).await {
            ended?;
        }
        match row.end {
            None if !row.is_cancelling => Err(conflict(taken)),
            _ => Ok(row.into()),
        }
    }
}
