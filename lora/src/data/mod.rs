//! Training data: from files to samples, with a check before any run.
//!
//! ```text
//! file -> rows            read_file: JSON lines, JSON, CSV, TSV, Parquet
//! row  -> conversation    conversation(): prompt, alpaca, sharegpt, messages; columns mapped
//! conversation -> text    ChatTemplate, and locate(): which bytes the assistant says
//! text -> sample          Encoder: tokens, and which of them are trained
//! all of it               check(): a report; read_dataset(): what a run trains on
//! turns -> prompt         Prompter: tokens that ask for an answer
//! ```
//!
//! # Invariant
//! Nothing of a file is trusted: every length is bounded, and what is refused says where it stands, what is wrong and what is
//! accepted.

mod check;
mod conversation;
mod encode;
mod files;
mod locate;
mod pack;
mod prompt;
mod read;
mod report;
mod rows;
mod style;
mod template;

pub use check::{CheckConfig, CheckError, Checked, check};
pub use conversation::{Conversation, ConversationFault, Role, Turn};
pub use encode::{EncodeError, Encoded, Encoder, TrainOn};
pub use files::{FileSamples, TrainingFiles, read_dataset, sample_id};
pub use locate::{Located, locate};
pub use pack::pack;
pub use prompt::{Prompt, PromptError, Prompter};
pub use read::{
    FaultyRow, Fields, FileError, FileFormat, FileProblem, Place, RawRow, RawRows, RowFault, read_bytes, read_file,
};
pub use report::{Bucket, Distribution, FileReport, Finding, Findings, Preview, Report, Segment};
pub use rows::{FormFault, Mapping, MappingError, RowForm, conversation};
pub use template::{ChatTemplate, TemplateError};
