//! Sending calls so that each happens exactly once, whatever crashes on the way.
//!
//! A caller names what it wants by an *intent*, such as `report/job/7`. The signed transaction is written to the
//! [`Journal`] before it is sent. From then on only those bytes are sent for the intent, as often as it takes: the chain
//! accepts them at most once, because they carry a nonce. A new transaction is signed for the intent only when the old
//! one can never be included any more: its last block, or another transaction with its nonce, is finalised, and it is in
//! none of the finalised blocks since its birth. Those are at most [`PERIOD`] blocks, so looking costs little.
//!
//! Limits: a transaction that a runtime upgrade makes unsignable is replaced only when its period is over. Two processes
//! that use one key are safe but slow each other down. One process must own one journal.

mod driver;
mod journal;
mod ledger;
#[cfg(test)]
mod tests;

pub use journal::{Journal, JournalError};
pub use ledger::{Ledger, Outcome, Rejection, SendError, SignOrChainError, Status};

use crate::{
    account::Account,
    call::Call,
    chain::{ChainClient, ChainKind},
    error::{ChainError, Failure},
    events::Receipt,
    head::{BlockHash, Head},
    keys::Keypair,
    runtime::SignError,
};
use driver::{Progress, Until};
use journal::Entry;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tributary_protocol::amount::BLOCK_MS;

/// How many blocks a transaction may wait for inclusion: 64, some three minutes. A power of two, as eras must be.
pub const PERIOD: u32 = 64;
/// How often a transaction is signed anew for one intent before its caller is told.
pub const ATTEMPTS_MAX: u32 = 4;
/// For how many blocks a receipt is kept: a day's worth. After that the intent may be used again.
pub const RECEIPT_BLOCKS: u32 = 28_800;
/// How long finality may stand still before a caller is told: 100 blocks' time.
const STALL: Duration = Duration::from_millis(100 * BLOCK_MS);

/// How far a submission is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is signed and in the journal.
    Signed {
        /// BLAKE2-256 of its bytes.
        extrinsic_hash: [u8; 32],
        /// Its nonce.
        nonce: u64,
    },
    /// The node has taken it.
    Broadcast,
    /// It is in a block that may still be replaced.
    InBlock(BlockHash),
    /// It is in a block that stays.
    Finalised(Head),
}

/// Why a submission did not end in a receipt.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The call is in a finalised block, but was refused there. It cost its fee and did nothing else.
    #[error("{call} was refused by {failure}")]
    Failed {
        /// The call.
        call: String,
        /// Why.
        failure: Box<Failure>,
        /// Where.
        block: Head,
    },
    /// The account cannot pay the fee. Nothing was sent.
    #[error("{account} cannot pay the fee of {call}\nhint: transfer some funds to it")]
    CannotPay {
        /// The account.
        account: Account,
        /// The call.
        call: String,
    },
    /// The node did not take the transaction. Nothing was sent.
    #[error("the node did not take {call}: {reason}")]
    Rejected {
        /// The call.
        call: String,
        /// Why, in the node's words.
        reason: String,
    },
    /// Every transaction signed for the call missed its time.
    #[error(
        "{call} was not included in {attempts} attempts of {PERIOD} blocks each\nhint: is the chain overloaded, or the key used by several processes?"
    )]
    NotIncluded {
        /// The call.
        call: String,
        /// How many transactions were signed.
        attempts: u32,
    },
    /// The chain stands still. The submission is in the journal; submitting the intent again goes on with it.
    #[error("no block was finalised for {} s while {call} waited\nhint: are enough validators online?", STALL.as_secs())]
    Stalled {
        /// The call.
        call: String,
    },
    /// The call is in a finalised block, but the node no longer knows what it did there.
    #[error("{call} is in finalised block {}, but what it did cannot be read: {source}\nhint: look at the record itself, then forget intent {intent}", block.number)]
    OutcomeUnknown {
        /// The intent.
        intent: String,
        /// The call.
        call: String,
        /// Where.
        block: Head,
        /// Why.
        source: Box<ChainError>,
    },
    /// The intent is already used for something else.
    #[error("intent {intent} is in use for another call, {call}")]
    IntentReused {
        /// The intent.
        intent: String,
        /// The call it is used for.
        call: String,
    },
    /// Everybody knows the key, and the chain is not a development chain.
    #[error(
        "{account} is a development account, whose secret everybody knows; {chain} is not a development chain\nhint: make a key of your own"
    )]
    DevelopmentKey {
        /// The account.
        account: Account,
        /// The chain's name.
        chain: String,
    },
    /// The journal failed; nothing was sent that is not in it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The transaction could not be made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The chain could not be asked. If the submission is in the journal, submitting the intent again goes on with it.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl SubmitError {
    /// Why the chain refused the call, if that is what happened.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed { failure, .. } => Some(failure),
            _ => None,
        }
    }
}

/// Submits the calls of one account.
pub struct Submitter<L = ChainClient> {
    ledger: L,
    key: Keypair,
    journal: Journal,
    /// Held while a transaction gets its nonce and reaches the node, so that nonces are sent in order.
    lane: tokio::sync::Mutex<()>,
    /// One lock per intent in work, so that two tasks with one intent make one transaction.
    intents: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Submitter {
    /// A submitter for `key`. Refuses development keys on chains that are none.
    pub fn new(client: ChainClient, key: Keypair, journal: Journal) -> Result<Self, SubmitError> {
        if key.is_development() && *client.kind() == ChainKind::Live {
            return Err(SubmitError::DevelopmentKey { account: key.account(), chain: client.chain_name().to_owned() });
        }
        Ok(Self::over(client, key, journal))
    }

    /// The connection.
    pub fn client(&self) -> &ChainClient {
        &self.ledger
    }
}

impl<L: Ledger> Submitter<L> {
    /// A submitter over any ledger.
    pub fn over(ledger: L, key: Keypair, journal: Journal) -> Self {
        Self { ledger, key, journal, lane: tokio::sync::Mutex::default(), intents: Mutex::default() }
    }

    /// The account that signs.
    pub fn account(&self) -> Account {
        self.key.account()
    }

    /// The key that signs.
    pub fn key(&self) -> &Keypair {
        &self.key
    }

    /// Makes `call` happen once for `intent`, and waits until it is final.
    ///
    /// Submitting an intent again, in this process or after a crash, goes on with what was begun, or returns the receipt.
    /// After an error of [`SubmitError::Failed`] the intent is free again. If the returned future is dropped, what was
    /// sent stays sent; submit the intent again, or [`Self::recover`].
    pub async fn submit(&self, intent: &str, call: &Call) -> Result<Receipt, SubmitError> {
        self.submit_with(intent, call, |_| {}).await
    }

    /// Submits as [`Self::submit`] does, but returns when the call is in a block and did what it should there. The block
    /// may still be replaced: for people who watch, not for decisions. [`Self::submit`] with the same intent, or
    /// [`Self::recover`], waits for the final receipt.
    pub async fn submit_in_block(&self, intent: &str, call: &Call) -> Result<Receipt, SubmitError> {
        self.submit_until(intent, call, Until::InBlock, &|_| {}).await
    }

    /// Submits as [`Self::submit`] does, and tells `progress` how far it is.
    pub async fn submit_with(
        &self,
        intent: &str,
        call: &Call,
        progress: impl Fn(Phase) + Send + Sync,
    ) -> Result<Receipt, SubmitError> {
        self.submit_until(intent, call, Until::Finalised, &progress).await
    }

    async fn submit_until(
        &self,
        intent: &str,
        call: &Call,
        until: Until,
        progress: Progress<'_>,
    ) -> Result<Receipt, SubmitError> {
        let lock = self.lock(intent);
        let result = {
            let _alone = lock.lock().await;
            self.submit_alone(intent, call, until, progress).await
        };
        self.unlock(intent, lock);
        result
    }

    async fn submit_alone(
        &self,
        intent: &str,
        call: &Call,
        until: Until,
        progress: Progress<'_>,
    ) -> Result<Receipt, SubmitError> {
        if let Some(entry) = self.journal.get(intent)? {
            if *entry.call() != *call || entry.account() != self.account() {
                return Err(SubmitError::IntentReused { intent: intent.to_owned(), call: entry.call().to_string() });
            }
            if let Some(result) = self.resume(intent, entry, until, progress).await? {
                return result;
            }
        }
        self.begin(intent, call, until, progress).await
    }

    /// Goes on with everything in the journal that is not final, in the order of nonces, and drops receipts older than
    /// [`RECEIPT_BLOCKS`]. To be called once at start.
    pub async fn recover(&self) -> Result<Vec<(String, Result<Receipt, SubmitError>)>, SubmitError> {
        let head = *self.ledger.heads().borrow();
        self.journal.prune(head.number.saturating_sub(RECEIPT_BLOCKS))?;
        let mut results = Vec::new();
        for (intent, entry) in self.journal.pending(self.account())? {
            let call = entry.call().clone();
            let result = self.submit(&intent, &call).await;
            results.push((intent, result));
        }
        Ok(results)
    }

    /// Forgets an intent, so that it can be used again. Whatever was sent for it stays sent.
    pub fn forget(&self, intent: &str) -> Result<(), SubmitError> {
        Ok(self.journal.remove(intent)?)
    }

    /// Goes on with what the journal says; `None` if that was for another chain and is dropped.
    async fn resume(
        &self,
        intent: &str,
        entry: Entry,
        until: Until,
        progress: Progress<'_>,
    ) -> Result<Option<Result<Receipt, SubmitError>>, SubmitError> {
        // A chain that was started anew can have the same genesis: blocks tell the two apart.
        let known = match &entry {
            Entry::Done { receipt, .. } => receipt.block,
            Entry::Pending(pending) => pending.birth,
        };
        let block = self.ledger.hash_at(known.number).await?;
        match entry {
            _ if block.is_some_and(|hash| hash != known.hash) => {
                tracing::warn!("intent {intent} belongs to a chain that is gone; it starts anew");
                self.journal.remove(intent)?;
                Ok(None)
            }
            Entry::Done { receipt, .. } => Ok(Some(Ok(receipt))),
            Entry::Pending(pending) => Ok(Some(self.drive(intent, pending, None, until, progress).await)),
        }
    }

    fn lock(&self, intent: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        intents.entry(intent.to_owned()).or_default().clone()
    }

    fn unlock(&self, intent: &str, lock: Arc<tokio::sync::Mutex<()>>) {
        let mut intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and ours: nobody else waits.
        if Arc::strong_count(&lock) == 2 {
            intents.remove(intent);
        }
    }
}
