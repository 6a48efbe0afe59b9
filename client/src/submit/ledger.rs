//! What a submitter needs of a chain. [`ChainClient`] is one; the tests have another, which crashes on purpose.

use crate::{
    account::Account,
    call::Call,
    chain::{ChainClient, absent},
    error::{ChainError, Failure},
    events::Event,
    head::{BlockHash, Head},
    keys::Keypair,
    runtime::SignError,
    submit::PERIOD,
};
use async_trait::async_trait;
use codec::{DecodeAll, Encode};
use futures::stream::{BoxStream, StreamExt};
use subxt::utils::AccountId32;
use subxt_rpcs::methods::legacy::TransactionStatus;
use tokio::sync::watch;

/// A chain, as far as submitting is concerned.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The latest finalised block, kept current.
    fn heads(&self) -> watch::Receiver<Head>;

    /// The hash of the finalised block at this height, or `None` above the finalised head.
    async fn hash_at(&self, number: u32) -> Result<Option<BlockHash>, ChainError>;

    /// A block and its transactions, as they were sent.
    async fn block(&self, block: BlockHash) -> Result<(Head, Vec<Vec<u8>>), ChainError>;

    /// The account's nonce in the state of a block: how many transactions it has made.
    async fn nonce_at(&self, account: Account, block: BlockHash) -> Result<u64, ChainError>;

    /// The account's next nonce, counting what waits in the node's pool.
    async fn next_nonce(&self, account: Account) -> Result<u64, ChainError>;

    /// Signs a call that is valid in the [`PERIOD`] blocks after `birth`.
    async fn sign(&self, key: &Keypair, call: &Call, nonce: u64, birth: Head) -> Result<Vec<u8>, SignOrChainError>;

    /// Sends a transaction, once, and follows it while the connection lasts.
    async fn send(&self, transaction: &[u8]) -> Result<BoxStream<'static, Status>, SendError>;

    /// What a transaction of a block did.
    async fn outcome(&self, block: Head, index: u32) -> Result<Outcome, ChainError>;
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its events.
    pub events: Vec<Event>,
    /// Why it did nothing, if so.
    pub failure: Option<Failure>,
}

/// News of a transaction that was sent. Hints only: what counts is the finalised blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The node has it.
    Taken,
    /// It is in a block.
    InBlock(BlockHash),
    /// The node no longer has it.
    Lost(String),
}

/// Why a node did not take a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The account cannot pay the fee.
    CannotPay,
    /// Its nonce is used, or another transaction in the pool has it.
    NonceTaken,
    /// The node has it already.
    Known,
    /// Anything else, in the node's words.
    Other(String),
}

/// Why sending failed.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The node did not take it.
    #[error("the node did not take the transaction: {0:?}")]
    Rejected(Rejection),
    /// The connection broke; it may have arrived.
    #[error("the connection broke while sending: {0}")]
    Unknown(String),
}

/// Why signing failed.
#[derive(Debug, thiserror::Error)]
pub enum SignOrChainError {
    /// The transaction could not be made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

#[async_trait]
impl Ledger for ChainClient {
    fn heads(&self) -> watch::Receiver<Head> {
        self.finalised_heads()
    }

    async fn hash_at(&self, number: u32) -> Result<Option<BlockHash>, ChainError> {
        self.finalised_hash(number).await
    }

    async fn block(&self, block: BlockHash) -> Result<(Head, Vec<Vec<u8>>), ChainError> {
        ChainClient::block(self, block).await
    }

    async fn nonce_at(&self, account: Account, block: BlockHash) -> Result<u64, ChainError> {
        const FUNCTION: &str = "AccountNonceApi_account_nonce";
        let answer = self.state_call(FUNCTION, &account.encode(), block).await?;
        u32::decode_all(&mut answer.as_slice())
            .map(u64::from)
            .map_err(|error| ChainError::Malformed { method: FUNCTION, reason: error.to_string() })
    }

    async fn next_nonce(&self, account: Account) -> Result<u64, ChainError> {
        let account = AccountId32(account.0);
        self.ask("system_accountNextIndex", || self.rpc().system_account_next_index(&account)).await
    }

    async fn sign(&self, key: &Keypair, call: &Call, nonce: u64, birth: Head) -> Result<Vec<u8>, SignOrChainError> {
        let runtime = self.runtime_at(birth.hash).await?;
        Ok(runtime.sign(key, call, nonce, birth, PERIOD)?)
    }

    async fn send(&self, transaction: &[u8]) -> Result<BoxStream<'static, Status>, SendError> {
        const METHOD: &str = "author_submitAndWatchExtrinsic";
        let sending = self.rpc().author_submit_and_watch_extrinsic(transaction);
        let updates = match tokio::time::timeout(self.patience(), sending).await {
            Ok(Ok(updates)) => updates,
            Ok(Err(error)) => {
                return Err(match absent(METHOD, error) {
                    Ok(reason) => SendError::Unknown(reason),
                    Err(ChainError::Refused { code, message, .. }) => SendError::Rejected(rejection(code, message)),
                    Err(other) => SendError::Unknown(other.to_string()),
                });
            }
            Err(_) => return Err(SendError::Unknown("no answer".to_owned())),
        };
        let lost = |reason: &str| Status::Lost(reason.to_owned());
        let news = updates.map(move |update| match update {
            Ok(TransactionStatus::Future | TransactionStatus::Ready | TransactionStatus::Broadcast(_)) => Status::Taken,
            Ok(TransactionStatus::Retracted(_)) => Status::Taken,
            Ok(TransactionStatus::InBlock(hash) | TransactionStatus::Finalized(hash)) => Status::InBlock(hash),
            Ok(TransactionStatus::FinalityTimeout(hash)) => Status::InBlock(hash),
            Ok(TransactionStatus::Usurped(_)) => lost("another transaction took its place"),
            Ok(TransactionStatus::Dropped) => lost("the pool was full"),
            Ok(TransactionStatus::Invalid) => lost("it became invalid"),
            Err(error) => Status::Lost(error.to_string()),
        });
        Ok(news.boxed())
    }

    async fn outcome(&self, block: Head, index: u32) -> Result<Outcome, ChainError> {
        let events = self.events_of(block, index).await?;
        let failure = self.runtime_at(block.hash).await?.failure(&events);
        Ok(Outcome { events, failure })
    }
}

/// What a node's refusal means. The codes are those of `sc-rpc-api`'s author errors; for an invalid transaction (1010)
/// only the text says why.
fn rejection(code: i32, message: String) -> Rejection {
    match code {
        1010 if message.contains("pay some fees") => Rejection::CannotPay,
        1010 if message.contains("outdated") => Rejection::NonceTaken,
        1013 => Rejection::Known,
        1014 => Rejection::NonceTaken,
        _ => Rejection::Other(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_code_and_text() {
        let fees = "Invalid Transaction: Inability to pay some fees (e.g. account balance too low)";
        assert_eq!(rejection(1010, fees.into()), Rejection::CannotPay);
        assert_eq!(rejection(1010, "Invalid Transaction: Transaction is outdated".into()), Rejection::NonceTaken);
        assert_eq!(rejection(1013, "Already imported".into()), Rejection::Known);
        assert_eq!(rejection(1014, "Priority is too low".into()), Rejection::NonceTaken);
        assert_eq!(rejection(1016, "Immediately dropped".into()), Rejection::Other("Immediately dropped".into()));
    }
}
