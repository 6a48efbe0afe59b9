//! Where the till and whoever signs receipts meet.

use crate::door::{Served, Sold};
use async_trait::async_trait;
use std::sync::Arc;
use tributary_protocol::{Amount, ContentHash, ModelId};

/// An answer that was charged.
#[derive(Clone, Debug, PartialEq)]
pub struct Sale {
    /// The operator's number for it. No two sales have the same, across restarts too.
    pub number: u64,
    /// The model as it was served.
    pub served: Arc<Served>,
    /// The model on chain.
    pub model: ModelId,
    /// The adapter that answered, by the hash of its weights file.
    pub adapter: ContentHash,
    /// BLAKE3 of the request's body.
    pub request: ContentHash,
    /// Tokens of prompt and answers, by count and one by one, and the answer's hash.
    pub sold: Sold,
    /// What the app was charged, in 10^-12 TRIB. For the holder of a key: what an app would have been charged.
    pub price: Amount,
}

/// What the app gets for a sale.
#[derive(Clone, Debug, PartialEq)]
pub struct Issued {
    /// The receipt: the SCALE bytes of [`tributary_protocol::receipt::Receipt`].
    pub receipt: Vec<u8>,
    /// The operator's signature of it.
    pub signature: [u8; 64],
    /// The same for people and programs: the member `receipt` of the response's object `tributary`.
    pub json: serde_json::Value,
    /// The header `x-tributary-receipt`.
    pub header: String,
}

/// Why there is no receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It could not be kept. The sale stays with the till, which asks again at the next start.
    #[error("the receipt cannot be kept: {reason}")]
    Store {
        /// Why not.
        reason: String,
    },
    /// The sale is none that a receipt can be given for, and never will be.
    #[error("no receipt can be given: {reason}")]
    Impossible {
        /// Why not.
        reason: String,
    },
}

/// Signs and keeps receipts.
#[async_trait]
pub trait Receipts: Send + Sync + 'static {
    /// The receipt for a sale, which is kept before this returns.
    ///
    /// A sale whose [`Sale::number`] was issued before gets the same receipt again, and no second one: after a crash the till
    /// asks for whatever it charged and has no answer to.
    async fn issue(&self, sale: Sale) -> Result<Issued, ReceiptError>;

    /// The number from which on no sale has a receipt: where a till begins that lost its own count.
    async fn next_sale(&self) -> Result<u64, ReceiptError>;
}
