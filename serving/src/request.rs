//! What is asked of the engine, and what it answers.

use crate::adapters::AdapterFailure;
use crate::constraint::Constraint;
use crate::sampling::{Chosen, NotFinite, Sampling, SamplingError};
use std::sync::Arc;
use tributary_lora::TokenizerError;
use tributary_protocol::ContentHash;

/// Something to be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Tokens of the prompt, with the one that begins a sequence if the model uses one; not empty.
    pub prompt: Vec<u32>,
    /// The adapter that answers, by the hash of its weights file; `None`: the base model.
    pub adapter: Option<ContentHash>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Most tokens of each answer; `None`: as many as the context has room for.
    pub tokens_max: Option<usize>,
    /// Tokens that end an answer, and are no part of it.
    pub stop_tokens: Vec<u32>,
    /// Strings that end an answer, and are no part of it.
    pub stop_strings: Vec<String>,
    /// What an answer has to be; `None`: any text.
    pub constraint: Option<Constraint>,
    /// How many answers.
    pub choices: u32,
}

impl Request {
    /// A greedy answer to `prompt` from the base model.
    pub fn new(prompt: Vec<u32>) -> Self {
        Self {
            prompt,
            adapter: None,
            sampling: Sampling::default(),
            tokens_max: None,
            stop_tokens: Vec::new(),
            stop_strings: Vec::new(),
            constraint: None,
            choices: 1,
        }
    }
}

/// The number of a request in its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

/// A piece of an answer.
#[derive(Clone, Debug)]
pub enum Event {
    /// Another token of one of the answers.
    Token {
        /// Which answer, from 0.
        choice: u32,
        /// The token, with its probabilities if asked for.
        chosen: Chosen,
        /// Text that became complete with it; may be empty.
        text: String,
    },
    /// One of the answers is complete.
    Finished {
        /// Which answer, from 0.
        choice: u32,
        /// Text that was held back until now.
        text: String,
        /// Why it ended.
        reason: FinishReason,
        /// What it took.
        usage: Usage,
    },
    /// The request ended without an answer; nothing follows.
    Failed(RequestError),
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// At a stop token.
    StopToken(u32),
    /// At a stop string.
    StopString(String),
    /// The answer is what it has to be, and nothing may follow.
    Complete,
    /// At the most tokens allowed, or at the end of the context.
    Length,
}

/// What an answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Of these, tokens whose keys and values were there already.
    pub cached_tokens: usize,
    /// Tokens of the answer, without the one that ended it.
    pub answer_tokens: usize,
}

/// Why a request has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RequestError {
    /// The prompt has no tokens.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// No answers were asked for, or too many.
    #[error("{choices} answers were asked for; 1 to {choices_max} are accepted")]
    Choices {
        /// How many.
        choices: u32,
        /// The most.
        choices_max: u32,
    },
    /// The prompt and the most tokens of the answer are more than the context.
    #[error(
        "{prompt} tokens of the prompt and {answer} of the answer exceed the context of {positions_max}; hint: a shorter \
         prompt, or fewer tokens"
    )]
    ContextOverflow {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens that the answer may have, at least 1.
        answer: usize,
        /// Positions of the context.
        positions_max: usize,
    },
    /// A token that the model does not have.
    #[error("token {token} is none of the model's {vocab_size}")]
    Token {
        /// The token.
        token: u32,
        /// How many the model has.
        vocab_size: usize,
    },
    /// Stop strings where there is no text.
    #[error("stop strings need a tokenizer, and this model was loaded without one")]
    NoTokenizer,
    /// A sampling setting is out of range.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// Too many requests wait already.
    #[error("{waiting} requests wait already; hint: try again later")]
    Busy {
        /// How many.
        waiting: usize,
    },
    /// The adapter cannot be had. It is never replaced by another, nor by the base.
    #[error(transparent)]
    Adapter(Arc<AdapterFailure>),
    /// The model's output is not finite.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
    /// None of the tokens goes on with what the answer has to be.
    #[error("no token of this model goes on with an answer of the wanted format")]
    NoToken,
    /// Tokens could not be made text.
    #[error("{reason}")]
    Text {
        /// Why not.
        reason: String,
    },
    /// Whoever asked does not read the answer.
    #[error("{unread} pieces of the answer were left unread; hint: read answers as they come")]
    TooSlow {
        /// How many.
        unread: usize,
    },
    /// The engine has stopped.
    #[error("the engine has stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
}

impl From<TokenizerError> for RequestError {
    fn from(error: TokenizerError) -> Self {
        Self::Text { reason: error.to_string() }
    }
}
