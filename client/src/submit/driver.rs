//! From an intent to a finalised block: the one loop through which every submission goes, new or recovered.

use super::{
    ATTEMPTS_MAX, Ledger, PERIOD, Phase, STALL, SubmitError, Submitter,
    journal::{Entry, Pending},
    ledger::{Rejection, SendError, SignOrChainError, Status},
};
use crate::{
    call::Call,
    events::Receipt,
    head::{BlockHash, Head},
};
use futures::stream::{BoxStream, StreamExt};
use subxt::config::{Hasher, substrate::BlakeTwo256};

pub(super) type Progress<'a> = &'a (dyn Fn(Phase) + Send + Sync);
type News = BoxStream<'static, Status>;

/// When a caller is content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The transaction is in a block, and did what it should there.
    InBlock,
    /// The block is final.
    Finalised,
}

/// What ended a wait.
enum Waited {
    /// A block was finalised.
    Finalised,
    /// The transaction is in this block, which may still be replaced.
    InBlock(BlockHash),
}

/// What became of a transaction, as the finalised blocks tell.
enum Fate {
    /// It is in this block, at this place.
    Included(Head, u32),
    /// It can never be included.
    Dead,
    /// Either is still possible.
    Open,
}

impl From<SignOrChainError> for SubmitError {
    fn from(error: SignOrChainError) -> Self {
        match error {
            SignOrChainError::Sign(error) => error.into(),
            SignOrChainError::Chain(error) => error.into(),
        }
    }
}

impl<L: Ledger> Submitter<L> {
    /// Signs, writes down and sends the first transaction for an intent, and sees it through.
    pub(super) async fn begin(
        &self,
        intent: &str,
        call: &Call,
        until: Until,
        progress: Progress<'_>,
    ) -> Result<Receipt, SubmitError> {
        let (pending, news) = self.launch(intent, call, 0, progress).await?;
        self.drive(intent, pending, news, until, progress).await
    }

    /// Signs a transaction with the next nonce, writes it down, and sends it. Signs again while others take the nonce
    /// first. A transaction that the node refuses at its first sight exists nowhere else: it is taken out of the journal.
    async fn launch(
        &self,
        intent: &str,
        call: &Call,
        attempts: u32,
        progress: Progress<'_>,
    ) -> Result<(Pending, Option<News>), SubmitError> {
        let _in_order = self.lane.lock().await;
        for attempts in attempts + 1..=ATTEMPTS_MAX {
            let birth = *self.ledger.heads().borrow();
            let nonce = self.ledger.next_nonce(self.account()).await?;
            let transaction = self.ledger.sign(&self.key, call, nonce, birth).await?;
            let extrinsic_hash = BlakeTwo256.hash(&transaction).0;
            let pending = Pending {
                account: self.account(),
                call: call.clone(),
                transaction,
                extrinsic_hash,
                nonce,
                birth,
                attempts,
            };
            self.journal.put(intent, Entry::Pending(pending.clone()))?;
            progress(Phase::Signed { extrinsic_hash, nonce });
            let refusal = match self.ledger.send(&pending.transaction).await {
                Ok(news) => return Ok((pending, Some(news))),
                Err(SendError::Unknown(reason)) => {
                    tracing::debug!("{call} may not have reached the node: {reason}");
                    return Ok((pending, None));
                }
                Err(SendError::Rejected(Rejection::Known)) => return Ok((pending, None)),
                Err(SendError::Rejected(refusal)) => refusal,
            };
            self.journal.remove(intent)?;
            let call = call.to_string();
            match refusal {
                Rejection::CannotPay => return Err(SubmitError::CannotPay { account: self.account(), call }),
                Rejection::Other(reason) => return Err(SubmitError::Rejected { call, reason }),
                Rejection::NonceTaken | Rejection::Known => {}
            }
        }
        Err(SubmitError::NotIncluded { call: call.to_string(), attempts: ATTEMPTS_MAX })
    }

    /// Sees a transaction of the journal through to a finalised block: looks for it, sends it as long as it may still be
    /// included, and replaces it when it no longer can.
    pub(super) async fn drive(
        &self,
        intent: &str,
        mut pending: Pending,
        mut news: Option<News>,
        until: Until,
        progress: Progress<'_>,
    ) -> Result<Receipt, SubmitError> {
        let mut heads = self.ledger.heads();
        let mut looked_at = pending.birth.number;
        loop {
            let head = *heads.borrow_and_update();
            match self.fate(&pending, &mut looked_at, head).await? {
                Fate::Included(block, index) => {
                    progress(Phase::Finalised(block));
                    return self.conclude(intent, pending, block, index).await;
                }
                Fate::Dead => {
                    let (next, its_news) = self.launch(intent, &pending.call, pending.attempts, progress).await?;
                    (pending, news) = (next, its_news);
                    looked_at = pending.birth.number;
                    continue;
                }
                Fate::Open => {}
            }
            if news.is_none() {
                // A refusal says nothing here: the bytes may have been sent before, and be in a block by now.
                match self.ledger.send(&pending.transaction).await {
                    Ok(its_news) => news = Some(its_news),
                    Err(error) => tracing::debug!("{} was not sent again: {error}", pending.call),
                }
            }
            while let Waited::InBlock(block) = self.wait(&pending, &mut heads, &mut news, progress).await? {
                if until == Until::InBlock
                    && let Some(receipt) = self.provisional(&pending, block).await
                {
                    return Ok(receipt);
                }
            }
        }
    }

    /// The receipt of a transaction in a block that is not final; `None` if it did nothing there, or if the block cannot
    /// be read: the finalised blocks will tell.
    async fn provisional(&self, pending: &Pending, block: BlockHash) -> Option<Receipt> {
        let (block, transactions) = self.ledger.block(block).await.ok()?;
        let index = place(pending, &transactions)?;
        let outcome = self.ledger.outcome(block, index).await.ok()?;
        if outcome.failure.is_some() {
            return None;
        }
        Some(Receipt { block, index, extrinsic_hash: pending.extrinsic_hash, events: outcome.events })
    }

    /// Waits for the next finalised block, or for news of a block with the transaction; tells all news.
    async fn wait(
        &self,
        pending: &Pending,
        heads: &mut tokio::sync::watch::Receiver<Head>,
        news: &mut Option<News>,
        progress: Progress<'_>,
    ) -> Result<Waited, SubmitError> {
        let stalled = || SubmitError::Stalled { call: pending.call.to_string() };
        let deadline = tokio::time::sleep(STALL);
        tokio::pin!(deadline);
        loop {
            let item = async {
                match news.as_mut() {
                    Some(news) => news.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                changed = heads.changed() => return changed.map(|()| Waited::Finalised).map_err(|_| stalled()),
                item = item => match item {
                    Some(Status::Taken) => progress(Phase::Broadcast),
                    Some(Status::InBlock(block)) => {
                        progress(Phase::InBlock(block));
                        return Ok(Waited::InBlock(block));
                    }
                    Some(Status::Lost(reason)) => {
                        tracing::debug!("the node lost {}: {reason}", pending.call);
                        *news = None;
                    }
                    None => *news = None,
                },
                () = &mut deadline => return Err(stalled()),
            }
        }
    }

    /// Looks for a transaction in the finalised blocks from `looked_at` (exclusive) to `head`, and says what may still
    /// become of it. `looked_at` moves on with every block seen.
    async fn fate(&self, pending: &Pending, looked_at: &mut u32, head: Head) -> Result<Fate, SubmitError> {
        let last = pending.birth.number.saturating_add(PERIOD - 1);
        while *looked_at < head.number.min(last) {
            let number = *looked_at + 1;
            // The head may be newer than the node itself for a moment, when the node has just restarted.
            let Some(hash) = self.ledger.hash_at(number).await? else { return Ok(Fate::Open) };
            let (block, transactions) = self.ledger.block(hash).await?;
            if let Some(index) = place(pending, &transactions) {
                return Ok(Fate::Included(block, index));
            }
            *looked_at = number;
        }
        if head.number >= last {
            return Ok(Fate::Dead);
        }
        // Its nonce is used up at a block up to which it was looked for: another transaction has it.
        if head.number > pending.birth.number && self.ledger.nonce_at(pending.account, head.hash).await? > pending.nonce
        {
            return Ok(Fate::Dead);
        }
        Ok(Fate::Open)
    }

    /// Reads what an included transaction did, and writes that down.
    async fn conclude(&self, intent: &str, pending: Pending, block: Head, index: u32) -> Result<Receipt, SubmitError> {
        let call = pending.call.to_string();
        let outcome = self.ledger.outcome(block, index).await.map_err(|source| SubmitError::OutcomeUnknown {
            intent: intent.to_owned(),
            call: call.clone(),
            block,
            source: Box::new(source),
        })?;
        if let Some(failure) = outcome.failure {
            self.journal.remove(intent)?;
            return Err(SubmitError::Failed { call, failure: Box::new(failure), block });
        }
        let receipt = Receipt { block, index, extrinsic_hash: pending.extrinsic_hash, events: outcome.events };
        let done = Entry::Done { account: pending.account, call: pending.call, receipt: receipt.clone() };
        self.journal.put(intent, done)?;
        Ok(receipt)
    }
}

/// The place of a transaction among those of a block.
fn place(pending: &Pending, transactions: &[Vec<u8>]) -> Option<u32> {
    let index = transactions.iter().position(|bytes| *bytes == pending.transaction)?;
    u32::try_from(index).ok()
}
