//! OpenAI's HTTP API over the engine, so that programs written for it work unchanged.
//!
//! ```text
//! bytes -> fields          body, fields: bounded, nothing ignored, errors with their place
//! fields -> ask            chat, completions, settings: a prompt as in training, how tokens are chosen
//! ask -> running           ask: context, the till's leave, the engine; sale: the account
//! running -> response      form, wire: one object; stream: pieces as they come
//! files, fine-tuning       files, tuning, pages: OpenAI's shapes over Jobs
//! ```
//!
//! # Invariants
//! - A field that is not understood is refused by its name. A model that is not served is an error; no other answers for it.
//! - Nothing is generated beyond what the [`Till`](crate::Till) admits, and what was delivered is settled once.
//! - Prompts and answers are written to no log.

mod ask;
mod body;
mod chat;
mod clients;
mod completions;
mod error;
mod fields;
mod files;
mod form;
mod local;
mod metrics;
mod pages;
mod pieces;
mod routes;
mod sale;
mod server;
mod settings;
mod stream;
mod tuning;
mod wire;

pub(crate) use error::ApiError;
pub use local::{FolderCatalogue, FolderError, OpenTill};
pub use server::{Api, ApiLimits, Server};
