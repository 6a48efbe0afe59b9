//! Fine-tuning over the chain: files and jobs of OpenAI's API become private Datanets and jobs that any trainer may take.
//!
//! ```text
//! upload --> file on the disk            create --> read as a run reads it, priced, set aside from the budgets
//!                                                        |
//!   file:  register Datanet, submit, accept and publish  v
//!   job:   present a grant --> post --> queued --> running --> reported --> checked, accepted --> published, served
//! ```
//!
//! Whoever operates the server pays: from its own account, or from one that is kept for this. A key may do so only up to a budget
//! that it was given, and all keys together up to another.
//!
//! # Reading order
//! [`TuningConfig`], [`rows`](FileRow) (what is kept), [`Book`] (where), [`TuningChain`] and [`Outside`] (what is asked of others),
//! `plan` and `material` (what a job becomes), `drive` (a job's way), [`Tuning`] (what clients see of it).
//!
//! # Invariants
//! - What goes into a transaction is on the disk before it is sent, and is sent for one intent: a kill anywhere loses nothing and
//!   makes nothing twice. A job has a grant of its own, by which it is found again on the chain whatever else was lost.
//! - The samples of a file are open to the trainers of its jobs, by grants, and to nobody else.
//! - What all jobs of a key may still cost is never more than its budget; what all jobs may, never more than the server's.
//! - Nobody sees files and jobs of another key.

mod book;
mod chain;
mod config;
mod desk;
mod drive;
mod material;
mod plan;
mod rows;

pub use book::{Book, BookError};
pub use chain::{LiveTuningChain, Step, TuningChain};
pub use config::{TuningConfig, TuningLimits};
pub use desk::{Tuning, TuningError, TuningParts};
pub use rows::{End, FileRow, JobRow, Phase, Published, SignedOffer};

use crate::door::{Credentials, Refusal};
use async_trait::async_trait;
use tributary_client::{Account, Job};
use tributary_lora::Record;
use tributary_protocol::{Amount, JobId, ModelId, job::Report};

/// Who asks, as far as files and jobs are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The key's id.
    pub id: String,
    /// What its jobs may cost in all.
    pub budget: Amount,
}

/// Why a report is not accepted now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inspection {
    /// What was made cannot be had at the moment.
    #[error("{reason}")]
    Unavailable {
        /// Why not.
        reason: String,
    },
    /// It is not what was reported.
    #[error("{reason}")]
    Mismatch {
        /// What is wrong.
        reason: String,
    },
}

/// What fine-tuning needs beside chain and disk.
#[async_trait]
pub trait Outside: Send + Sync + 'static {
    /// Who shows these credentials.
    fn holder(&self, who: &Credentials) -> Result<Holder, Refusal>;

    /// Keeps a file for the trainers that the chain lets read it. Blocks. A second time changes nothing.
    fn provide(&self, canonical: &[u8]) -> Result<(), String>;

    /// What a run tells of itself behind the event with this number. `None`: nobody who could be asked has the run.
    async fn told(&self, trainer: Account, job: JobId, after: u64) -> Option<Vec<Record>>;

    /// Whether what a job made is what its trainer reported.
    async fn inspect(&self, id: JobId, job: &Job, report: &Report) -> Result<(), Inspection>;

    /// Serves a model that was made and published. A second time changes nothing.
    ///
    /// Errors: why it is not served, for its requester.
    async fn serve(&self, model: ModelId) -> Result<(), String>;
}
