//! Why a request fails, and the JSON-RPC code that says so.
//!
//! | code | name | what happened |
//! |---|---|---|
//! | 8001 | `NotFound` | there is no such thing at that block |
//! | 8002 | `PageTooLarge` | more entries were asked for than a page may have |
//! | 8003 | `UnknownBlock` | the node does not have that block, or no longer its state |
//! | 8004 | `Runtime` | the runtime could not answer; the node's log says more |
//! | 8005 | `BadParameter` | a parameter has the right shape and makes no sense |
//!
//! A parameter of the wrong shape is JSON-RPC's own -32602.

use jsonrpsee::types::ErrorObjectOwned;
use thiserror::Error;
use tributary_runtime_api::PAGE_MAX;

/// Why a request fails.
#[derive(Debug, Error)]
pub enum Error {
    /// There is no such thing at that block.
    #[error("{kind} {id} does not exist at this block")]
    NotFound {
        /// What was asked for.
        kind: &'static str,
        /// Which one.
        id: String,
    },
    /// More entries were asked for than a page may have.
    #[error("a page has at most {PAGE_MAX} entries, {asked} were asked for")]
    PageTooLarge {
        /// How many were asked for.
        asked: u32,
    },
    /// The node does not have that block, or no longer its state.
    #[error("block {block} is unknown to this node, or its state is pruned")]
    UnknownBlock {
        /// The block's hash.
        block: String,
    },
    /// The runtime could not answer.
    #[error("the runtime could not answer: {0}")]
    Runtime(#[from] sp_api::ApiError),
    /// A parameter has the right shape and makes no sense.
    #[error("{name}: {fault}")]
    BadParameter {
        /// Which parameter.
        name: &'static str,
        /// What is wrong with it.
        fault: String,
    },
}

impl Error {
    /// The JSON-RPC code.
    pub fn code(&self) -> i32 {
        match self {
            Self::NotFound { .. } => 8001,
            Self::PageTooLarge { .. } => 8002,
            Self::UnknownBlock { .. } => 8003,
            Self::Runtime(_) => 8004,
            Self::BadParameter { .. } => 8005,
        }
    }

    /// What the caller can do.
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::PageTooLarge { .. } => Some("hint: ask for fewer and follow `next`"),
            Self::UnknownBlock { .. } => {
                Some("hint: leave `at` out to read at the last finalised block, or ask an archive node")
            }
            Self::NotFound { .. } | Self::Runtime(_) | Self::BadParameter { .. } => None,
        }
    }
}

impl From<Error> for ErrorObjectOwned {
    fn from(error: Error) -> Self {
        Self::owned(error.code(), error.to_string(), error.hint())
    }
}
