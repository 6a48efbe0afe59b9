//! Where the API and whoever has models trained meet: files, and fine-tuning jobs.
//!
//! The API reads and writes OpenAI's shapes and checks what can be checked without knowing who trains. What a file is kept in,
//! and what a job becomes, is up to whoever implements [`Jobs`].

use crate::door::{Credentials, Refusal};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A file that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// What clients call it.
    pub id: String,
    /// What it was called where it came from.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// When it came, in seconds since 1970.
    pub created_s: u64,
}

/// A file to keep: lines of JSON, each an object, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// What it is called.
    pub name: String,
    /// What is in it.
    pub content: Bytes,
}

/// A job to begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WantedJob {
    /// The model to begin from, as clients call it.
    pub model: String,
    /// The file to train on.
    pub training_file: String,
    /// The file to measure on.
    pub validation_file: Option<String>,
    /// Part of the new model's name.
    pub suffix: Option<String>,
    /// Seed of the run.
    pub seed: Option<u64>,
    /// How it is trained.
    pub hyperparameters: Hyperparameters,
    /// The client's own notes.
    pub metadata: BTreeMap<String, String>,
}

/// How a model is trained; `None`: whoever trains decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hyperparameters {
    /// Passes over the file.
    pub epochs: Option<u32>,
    /// Samples of a step.
    pub batch_size: Option<u32>,
    /// A factor on the learning rate.
    pub learning_rate_multiplier: Option<f64>,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// Its files are being looked at.
    Validating,
    /// It waits for somebody who trains.
    Queued,
    /// It is being trained.
    Running,
    /// There is a model.
    Succeeded {
        /// What clients call it.
        model: String,
    },
    /// There will be none.
    Failed {
        /// The fact as a word.
        code: String,
        /// Why.
        reason: String,
    },
    /// Whoever began it ended it.
    Cancelled,
}

/// A job.
#[derive(Clone, Debug, PartialEq)]
pub struct TuningJob {
    /// What clients call it.
    pub id: String,
    /// What was asked for.
    pub wanted: WantedJob,
    /// How far it is.
    pub status: JobStatus,
    /// When it was begun, in seconds since 1970.
    pub created_s: u64,
    /// When it ended.
    pub finished_s: Option<u64>,
    /// When it will end, as far as that is known.
    pub estimated_finish_s: Option<u64>,
    /// Tokens that were trained on.
    pub trained_tokens: Option<u64>,
}

/// How grave an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For information.
    Info,
    /// Something may go wrong.
    Warning,
    /// Something went wrong.
    Error,
}

/// Something that happened in a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobEvent {
    /// Its name, by which lists go on.
    pub id: String,
    /// When, in seconds since 1970.
    pub created_s: u64,
    /// How grave.
    pub level: Level,
    /// What, for people.
    pub message: String,
    /// Numbers by name, such as `train_loss`; empty for what is only said.
    pub metrics: BTreeMap<String, f64>,
}

/// A model on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct JobCheckpoint {
    /// Its name, by which lists go on.
    pub id: String,
    /// When, in seconds since 1970.
    pub created_s: u64,
    /// What clients call it, to ask it.
    pub model: String,
    /// After which step.
    pub step: u64,
    /// Numbers by name, such as `train_loss`.
    pub metrics: BTreeMap<String, f64>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only what follows the one of this name.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A part of a list, and whether there is more.
#[derive(Clone, Debug, PartialEq)]
pub struct Paged<T> {
    /// In the list's order: the newest first.
    pub items: Vec<T>,
    /// Whether more follow.
    pub has_more: bool,
}

/// Why nothing comes of a request about files and jobs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Whoever asks may not.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no file or job of this name, or it is somebody else's.
    #[error("there is no {what} {id:?}")]
    Unknown {
        /// `file` or `job`.
        what: &'static str,
        /// The name.
        id: String,
    },
    /// A field cannot be what it is.
    #[error("{reason}")]
    Invalid {
        /// The field.
        param: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// It is too late, or too early: 409.
    #[error("{reason}")]
    Conflict {
        /// Why.
        reason: String,
    },
}

/// Who keeps files and has models trained. All of it is for one client at a time: nobody sees what is another's.
#[async_trait]
pub trait Jobs: Send + Sync + 'static {
    /// Keeps a file.
    async fn upload(&self, who: &Credentials, upload: Upload) -> Result<StoredFile, JobError>;

    /// The client's files.
    async fn files(&self, who: &Credentials, page: Page) -> Result<Paged<StoredFile>, JobError>;

    /// One of them.
    async fn file(&self, who: &Credentials, id: &str) -> Result<StoredFile, JobError>;

    /// What is in it.
    async fn content(&self, who: &Credentials, id: &str) -> Result<Bytes, JobError>;

    /// Forgets it.
    async fn delete(&self, who: &Credentials, id: &str) -> Result<(), JobError>;

    /// Begins a job.
    async fn create(&self, who: &Credentials, wanted: WantedJob) -> Result<TuningJob, JobError>;

    /// The client's jobs.
    async fn jobs(&self, who: &Credentials, page: Page) -> Result<Paged<TuningJob>, JobError>;

    /// One of them.
    async fn job(&self, who: &Credentials, id: &str) -> Result<TuningJob, JobError>;

    /// What happened in it.
    async fn events(&self, who: &Credentials, id: &str, page: Page) -> Result<Paged<JobEvent>, JobError>;

    /// The models on its way.
    async fn checkpoints(&self, who: &Credentials, id: &str, page: Page) -> Result<Paged<JobCheckpoint>, JobError>;

    /// Ends it.
    async fn cancel(&self, who: &Credentials, id: &str) -> Result<TuningJob, JobError>;
}
