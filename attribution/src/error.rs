//! One error type per operation.

use crate::{
    embedding::EmbeddingError,
    explain::ExplainError,
    influence::{SketchError, TrajectoryError},
    tangents::TangentError,
};
use tributary_lora::{AdapterError, TrainError};
use tributary_protocol::{ContentHash, ContributionId, answer::AnswerError, sum_tree::SumTreeError};

/// Why contributions could not be scored.
#[derive(Debug, thiserror::Error)]
pub enum AttributionError {
    /// The observer asked to stop.
    #[error("attribution was stopped before its end")]
    Stopped,
    /// There is no checkpoint to score at.
    #[error("there are no checkpoints to score at; hint: the training must keep at least one")]
    NoCheckpoints,
    /// A score is not a number.
    #[error("the score of sample {sample} at step {step} is not finite; hint: the training has diverged")]
    NotFinite {
        /// The sample.
        sample: ContentHash,
        /// The checkpoint's step.
        step: u64,
    },
    /// A sample's gradient has elements that are not finite.
    #[error("the gradient of sample {sample} at step {step} is not finite; hint: the training has diverged")]
    GradientNotFinite {
        /// The sample.
        sample: ContentHash,
        /// The checkpoint's step.
        step: u64,
    },
    /// A query's gradient has elements that are not finite.
    #[error("the query's gradient is not finite")]
    QueryNotFinite,
    /// There is nothing to score on.
    #[error("there is no validation sample to score on")]
    NoQuery,
    /// The query's gradient is that of another adapter.
    #[error("the query's gradient has {found} elements, the run's adapter has {expected} parameters")]
    OtherQuery {
        /// Elements of the gradient.
        found: usize,
        /// Parameters of the adapter.
        expected: usize,
    },
    /// The query's gradient is not there at every checkpoint.
    #[error("the query has gradients at {found} checkpoints, the method needs {expected}")]
    QueryCheckpoints {
        /// Checkpoints of the query.
        found: usize,
        /// Checkpoints of the run.
        expected: usize,
    },
    /// A damping that is no positive number.
    #[error("a damping of {found}; accepted are positive numbers")]
    Damping {
        /// What was asked for.
        found: f64,
    },
    /// A matrix has no inverse.
    #[error("the matrix of {method} has no inverse; hint: take a larger damping")]
    Singular {
        /// The method.
        method: &'static str,
    },
    /// The embeddings cannot be made or asked.
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    /// The trajectory cannot be used.
    #[error(transparent)]
    Trajectory(#[from] TrajectoryError),
    /// The sketch has sizes that it cannot have.
    #[error(transparent)]
    Sketch(#[from] SketchError),
    /// A training sample belongs to no contribution.
    #[error("sample {sample} was trained on but belongs to no contribution")]
    Unowned {
        /// The sample.
        sample: ContentHash,
    },
    /// Something that the method needs was not kept of the run.
    #[error("the run kept no {what}, which its method of attribution needs")]
    NotKept {
        /// What is missing.
        what: &'static str,
    },
    /// What was kept of the run is of other samples.
    #[error("embeddings or tangents are those of other samples than the run's")]
    OtherSamples,
    /// Scores make no shares.
    #[error(transparent)]
    Rule(#[from] AnswerError),
    /// The tangents cannot be used.
    #[error(transparent)]
    Tangents(Box<TangentError>),
    /// No contribution holds a sample.
    #[error("there is no contribution to score")]
    NoContributions,
    /// A gradient could not be computed.
    #[error(transparent)]
    Gradient(#[from] TrainError),
    /// A checkpoint's adapter could not be hashed.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl From<TangentError> for AttributionError {
    fn from(error: TangentError) -> Self {
        Self::Tangents(Box::new(error))
    }
}

impl From<ExplainError> for EvidenceError {
    fn from(error: ExplainError) -> Self {
        Self::Explain(Box::new(error))
    }
}

/// Why an evidence file does not show what it should.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// It is not an evidence file.
    #[error("the evidence cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It is of a later format.
    #[error("the evidence has format {found}, this program reads {expected}; hint: use a newer version")]
    Format {
        /// Its format.
        found: u32,
        /// The format known here.
        expected: u32,
    },
    /// Its units are not what its own scores give.
    #[error("the evidence gives contribution {contribution} {found} units, its own scores give {expected}")]
    Units {
        /// The contribution.
        contribution: ContributionId,
        /// What the file says.
        found: u64,
        /// What follows from the file's scores.
        expected: u64,
    },
    /// It was made from other inputs.
    #[error("the evidence was made from other inputs: its {what} differ")]
    OtherInputs {
        /// What differs.
        what: &'static str,
    },
    /// Its units make no tree.
    #[error("the units make no tree: {0}")]
    Tree(SumTreeError),
    /// The scores could not be computed again.
    #[error(transparent)]
    Attribution(#[from] AttributionError),
    /// The answer could not be explained again.
    #[error(transparent)]
    Explain(Box<ExplainError>),
}

/// Why the training tokens could not be indexed, or an index not be read.
#[derive(Debug, thiserror::Error)]
pub enum SpanError {
    /// A token id is too large.
    #[error("sample {sample} has the token {token}, an index holds tokens below {limit}")]
    Token {
        /// The sample.
        sample: ContentHash,
        /// The token.
        token: u32,
        /// The first that is too large.
        limit: u32,
    },
    /// There are too many tokens.
    #[error("an index holds fewer than {limit} tokens; hint: index parts of the samples one by one")]
    TooLarge {
        /// The first number that is too large.
        limit: usize,
    },
    /// A sample belongs to no contribution.
    #[error("sample {sample} was trained on but belongs to no contribution")]
    Unowned {
        /// The sample.
        sample: ContentHash,
    },
    /// The suffixes could not be sorted.
    #[error("the suffixes cannot be sorted: {reason}")]
    Sort {
        /// What the library says.
        reason: String,
    },
    /// The file is something else.
    #[error("this is no span index: it does not begin with \"tribspan\"")]
    Magic,
    /// The file is of a later format.
    #[error("the span index has format {found}, this program reads {expected}; hint: build it again")]
    Format {
        /// Its format.
        found: u32,
        /// The format known here.
        expected: u32,
    },
    /// The file is not what was written.
    #[error("the span index is damaged: its {what} is wrong; hint: build it again")]
    Damaged {
        /// What does not fit.
        what: &'static str,
    },
    /// It cannot be read or written.
    #[error("the span index cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
}
