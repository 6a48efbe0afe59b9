//! Where the API and whoever operates it meet: which models there are, who pays for an answer, and what is signed for it.
//!
//! The API knows HTTP and the engine. It knows neither chain nor money: it asks a [`Catalogue`] what a name stands for, and a
//! [`Till`] whether the answer is paid for.

use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use tributary_protocol::{ContentHash, ModelId, recipe::Template};

/// A model that clients may name.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// What clients call it.
    pub id: String,
    /// The model on chain; `None`: the base itself, or an adapter from a folder.
    pub model: Option<ModelId>,
    /// The adapter that answers, by the hash of its weights file; `None`: the base model.
    pub adapter: Option<ContentHash>,
    /// How it was trained to be asked.
    pub template: Template,
    /// When it came to be, in seconds since 1970.
    pub created_s: u64,
    /// Whose it is, for people to read.
    pub owner: String,
}

impl Served {
    /// The base itself.
    pub fn base(name: &str, template: Template) -> Self {
        Self { id: name.to_owned(), model: None, adapter: None, template, created_s: 0, owner: "base".to_owned() }
    }
}

/// What may be asked at this moment.
pub trait Catalogue: Send + Sync + 'static {
    /// All models, in the order in which they are listed.
    fn list(&self) -> Vec<Arc<Served>>;

    /// The model of this name. What was withdrawn, or lost a grant, is not found.
    fn find(&self, id: &str) -> Option<Arc<Served>>;
}

/// What a request says about who pays.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// What follows `Bearer` in the header `authorization`.
    pub bearer: Option<String>,
    /// The header `x-tributary-voucher`.
    pub voucher: Option<String>,
}

impl fmt::Debug for Credentials {
    /// Says what there is and not what it is: keys stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bearer, voucher } = self;
        f.debug_struct("Credentials").field("bearer", &bearer.is_some()).field("voucher", &voucher.is_some()).finish()
    }
}

/// What is to be paid for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What answers.
    pub served: Arc<Served>,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Most tokens of all answers together.
    pub answer_tokens_max: u32,
    /// How many answers share them.
    pub choices: u32,
    /// BLAKE3 of the request's body.
    pub request: ContentHash,
}

/// Leave to answer, with what was set aside for it.
pub struct Admission {
    /// Most tokens that all answers together may have: at most as many as wanted, and no more than is paid for.
    pub answer_tokens_max: u32,
    /// Settles the account afterwards.
    pub ticket: Box<dyn Ticket>,
}

/// What was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens of all answers together.
    pub answer_tokens: u32,
    /// The prompt's tokens, for who finds out what shaped the answers.
    pub prompt: Vec<u32>,
    /// The answers' tokens, in the order of the choices.
    pub answers: Vec<Vec<u32>>,
    /// BLAKE3 of the answers' text in UTF-8; of several, one after the other in the order of the choices.
    pub answer: ContentHash,
}

/// The account of one admitted request. Dropping it says that nothing was delivered, and gives back what was set aside.
#[async_trait]
pub trait Ticket: Send + 'static {
    /// Charges what was delivered, all of it or the part before the client went away.
    async fn settle(self: Box<Self>, sold: Sold) -> Result<Settled, Refusal>;
}

/// What the client gets for its records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settled {
    /// The object `tributary` of the response; `None` where nothing is paid.
    pub object: Option<serde_json::Value>,
    /// The header `x-tributary-receipt`, where it is known before the body is sent.
    pub header: Option<String>,
}

/// Who admits requests and settles accounts.
#[async_trait]
pub trait Till: Send + Sync + 'static {
    /// Sets aside what the answer may cost.
    async fn admit(&self, credentials: &Credentials, wanted: Wanted) -> Result<Admission, Refusal>;

    /// Whether whoever shows this may look at models, files and jobs, which cost nothing.
    async fn recognise(&self, credentials: &Credentials) -> Result<(), Refusal>;

    /// How it stands, for `/health`.
    fn health(&self) -> TillHealth {
        TillHealth { sells: true, details: None }
    }
}

/// Whether anything is sold at the moment.
#[derive(Clone, Debug, PartialEq)]
pub struct TillHealth {
    /// Requests are admitted, if they are paid for.
    pub sells: bool,
    /// What people should know.
    pub details: Option<serde_json::Value>,
}

/// Why a request is not answered. Each kind has its status and code in OpenAI's shape of errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Neither key nor voucher, or one that does not hold: 401.
    #[error("{reason}")]
    Unauthenticated {
        /// What is wrong with it.
        reason: String,
        /// The fact as a word, such as `invalid_api_key` or `bad_signature`.
        code: &'static str,
    },
    /// What was shown does not pay for the request: 402.
    #[error("{reason}")]
    Unpaid {
        /// What is missing.
        reason: String,
        /// The fact as a word, such as `stale_voucher`, `overdrawn` or `voucher_too_small`.
        code: &'static str,
        /// What a sufficient voucher would say, for the client to sign.
        quote: Option<serde_json::Value>,
    },
    /// The key's limit is reached: 429.
    #[error("{reason}")]
    Limited {
        /// Which limit.
        reason: String,
        /// When to come back, in seconds.
        retry_after_s: u64,
    },
    /// The model is not served any more: 404.
    #[error("the model {id:?} does not exist or is not served here")]
    Gone {
        /// Its name.
        id: String,
    },
    /// The operator cannot sell at the moment: 503.
    #[error("{reason}")]
    Unavailable {
        /// Why not.
        reason: String,
    },
}
