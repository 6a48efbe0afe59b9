//! Answers from many adapters on one base model.
//!
//! [`Engine`] is the state machine: requests in, events out, one step after the other. [`EngineThread`] puts it on a thread of its
//! own for whoever serves the network. Each step runs one batch of rows through the base model, in which every row has the adapter
//! of its request or none ([`tributary_lora::Model::next_logits`]).
//!
//! # Reading order
//! [`Request`] and [`Event`] (what goes in and out), [`Sampling`] (how tokens are chosen), [`Constraint`]
//! (which may be), [`Engine`] (what is computed when),
//! [`AdapterDisk`] and [`AdapterSource`] (where adapters come from), [`EngineThread`] and [`Answers`] (from outside), [`api`]
//! (OpenAI's HTTP API), [`Catalogue`], [`Till`] and [`Jobs`] (who operates it), [`operator`] and [`tuning`] (over the chain).
//!
//! # Invariants
//! - An answer does not depend on what is computed beside it: the same request gets the same tokens alone and in any crowd, with
//!   any cache. Randomness comes from the request's seed only.
//! - An adapter is known by the hash of its weights and by nothing else. One that cannot be had is an error of its requests; the
//!   base never answers in its place, and it is never merged into the base.
//! - Memory for keys and values and for adapters is bounded from the beginning; what does not fit waits.
//! - The engine knows no chain and no HTTP; the API knows no chain and no money, but a [`Catalogue`] and a [`Till`].
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod adapters;
pub mod api;
mod constraint;
mod door;
mod engine;
mod jobs;
pub mod operator;
mod prefix;
pub mod receipts;
mod request;
mod sampling;
mod text;
mod thread;
pub mod tuning;

pub use adapters::{AdapterCounts, AdapterDisk, AdapterFailure, AdapterSource, DiskError, NoSource, SourceError};
pub use constraint::{Constraint, Schema, SchemaError, Vocabulary};
pub use door::{Admission, Catalogue, Credentials, Refusal, Served, Settled, Sold, Ticket, Till, TillHealth, Wanted};
pub use engine::{Engine, EngineConfig, EngineCounts, EngineError};
pub use jobs::{
    Hyperparameters, JobCheckpoint, JobError, JobEvent, JobStatus, Jobs, Level, Page, Paged, StoredFile, TuningJob,
    Upload, WantedJob,
};
pub use request::{Event, FinishReason, Request, RequestError, RequestId, Usage};
pub use sampling::{Chosen, Logprob, NotFinite, Sampling, SamplingError, TOP_LOGPROBS_MAX};
pub use thread::{Answers, EVENTS_MAX, EngineThread};
