//! Why tangents could not be made or read.

use crate::groups::GroupError;
use std::{io, path::PathBuf};
use tributary_lora::{AdapterError, TrainError};
use tributary_protocol::ContentHash;

/// Why tangents could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum TangentError {
    /// The observer asked to stop.
    #[error("retraining was stopped before its end; hint: started again, it goes on where it was")]
    Stopped,
    /// The run has no such step.
    #[error("the result is of step {step}, and the run has steps 1 to {steps}")]
    ResultStep {
        /// The step.
        step: u64,
        /// The run's last.
        steps: u64,
    },
    /// It is said of too many or too few samples whether they take part.
    #[error("it is said of {found} samples whether they take part, and there are {samples}")]
    Included {
        /// Of how many.
        found: usize,
        /// How many there are.
        samples: usize,
    },
    /// A setting is out of range.
    #[error("the setting {0} is out of range")]
    Settings(String),
    /// The groups are not those of the training samples.
    #[error("the groups were made of other training samples")]
    OtherSamples,
    /// The groups make no sense.
    #[error(transparent)]
    Groups(#[from] GroupError),
    /// An adapter, or a gradient, has another number of parameters.
    #[error("{what} has {found} parameters, the tangents are of {expected}")]
    Parameters {
        /// What has.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many the tangents are of.
        expected: usize,
    },
    /// An adapter or a gradient has a number that is none.
    #[error("{what} is not finite; hint: the training has diverged")]
    NotFinite {
        /// What is not.
        what: &'static str,
    },
    /// The tangents belong to another model or adapter.
    #[error("the tangents were made for {what} {found}, not for {expected}")]
    Other {
        /// "base model" or "adapter".
        what: &'static str,
        /// What they were made for.
        found: ContentHash,
        /// What they are used with.
        expected: ContentHash,
    },
    /// No random halves were trained, and their tangents are asked for.
    #[error("there are no tangents from random halves; hint: retrain halves, or use those of leaving one out")]
    NoHalves,
    /// The file is damaged, or none of tangents.
    #[error("the tangents cannot be read: {reason}")]
    Damaged {
        /// What is wrong with it.
        reason: String,
    },
    /// The file is of a later format.
    #[error("the tangents have format {found}, this program reads {expected}; hint: use a newer version")]
    Format {
        /// Its format.
        found: u32,
        /// The format known here.
        expected: u32,
    },
    /// A file could not be read or written.
    #[error("cannot access {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A run failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// An adapter could not be made, read or written.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
