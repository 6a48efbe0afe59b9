//! An operator's epochs from the first receipt to the contributors' claims.

use super::{
    audit::{OPENINGS_MAX, openings},
    chain::{Action, EpochChain, Position},
    record::{EpochFault, EpochInputs, EpochRecord, domain},
};
use crate::receipts::{
    shares::{Method, ResultError, Results},
    store::{ReceiptStore, StoreError},
};
use codec::{Decode, Encode};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tributary_client::{AnswerLedger, ChainError, Head, SubmitError};
use tributary_daemon::BundleError;
use tributary_protocol::{
    Amount, BlockNumber, ContentHash, ModelId, Ppm,
    amount::TRIB,
    epoch::{AmountTree, Audit, PendingEpoch},
    sum_tree::SumLeaf,
};

/// Blocks from one look at the epochs to the next: a minute. Their windows are hours.
const LOOK_BLOCKS: BlockNumber = 20;

/// What a model's epochs are made from, beside receipts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ModelShares {
    /// The leaves of the model's shares.
    pub leaves: Vec<SumLeaf>,
    /// How its answers' shares are made when all goes well: the hash of a [`Method`].
    pub method: ContentHash,
}

/// When epochs are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochConfig {
    /// Blocks after a payment in which it is divided at the latest.
    pub blocks_max: BlockNumber,
    /// What is divided at once, however soon, in 10^-12 TRIB.
    pub amount_min: Amount,
    /// Blocks after which what was not divided is given to the contributors by their shares, if no epoch can be made. The
    /// chain allows it after 30 days.
    pub release_blocks: BlockNumber,
    /// Blocks after a challenge in which the challenger may draw the audit before the operator does. Drawing too early is
    /// refused and costs its fee.
    pub draw_blocks: BlockNumber,
}

impl Default for EpochConfig {
    fn default() -> Self {
        // A day; an amount at which a bond is worth moving; 30 days; two hours, in which a session ends.
        Self { blocks_max: 28_800, amount_min: 1_000 * TRIB, release_blocks: 30 * 28_800 + 1, draw_blocks: 2_400 }
    }
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is to be done now.
    Idle,
    /// An epoch was posted.
    Published {
        /// Its number.
        epoch: u32,
        /// What it newly divides.
        amount: Amount,
        /// How many receipts it counts.
        receipts: u64,
    },
    /// The chain did not take the epoch, since more was paid in meanwhile. The next step makes another.
    Outdated {
        /// Its number.
        epoch: u32,
    },
    /// The points of an audit were drawn.
    Drawn {
        /// The epoch.
        epoch: u32,
    },
    /// Leaves were opened.
    Opened {
        /// The epoch.
        epoch: u32,
        /// How many.
        leaves: usize,
    },
    /// An epoch's windows were over, and it ended.
    Resolved {
        /// The epoch.
        epoch: u32,
    },
    /// What was not divided went to the contributors by their shares.
    Released {
        /// How much.
        amount: Amount,
    },
    /// An audit was not answered in time: the bond is lost.
    Lost {
        /// The epoch.
        epoch: u32,
    },
}

/// Why a step failed. The next one begins where this one ended.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(Box<ChainError>),
    /// The chain did not do it.
    #[error(transparent)]
    Submit(Box<SubmitError>),
    /// There is no epoch to post.
    #[error(transparent)]
    Fault(Box<EpochFault>),
    /// The result of the model's job is not at hand.
    #[error("the result of the job that made model {model} is not at hand, and its epoch needs the shares in it")]
    NoBundle {
        /// The model.
        model: ModelId,
    },
    /// The result cannot be read.
    #[error(transparent)]
    Result(#[from] ResultError),
    /// Its bundle cannot be read.
    #[error(transparent)]
    Bundle(Box<BundleError>),
    /// The work was not finished, since the process ends.
    #[error("making an epoch was interrupted: {reason}")]
    Interrupted {
        /// By what.
        reason: String,
    },
    /// The chain has an epoch of this operator that it does not know.
    #[error(
        "epoch {epoch} of model {model} is on the chain, and its leaves are not in this operator's store: if it is challenged, \
         the bond is lost\nhint: restore the store from its backup"
    )]
    Unknown {
        /// The model.
        model: ModelId,
        /// The epoch.
        epoch: u32,
    },
}

macro_rules! boxed {
    ($($variant:ident($error:ty)),*) => {$(
        impl From<$error> for EpochError {
            fn from(error: $error) -> Self {
                Self::$variant(Box::new(error))
            }
        }
    )*};
}
boxed!(Chain(ChainError), Submit(SubmitError), Fault(EpochFault), Bundle(BundleError));

impl From<StoreError> for EpochError {
    fn from(error: StoreError) -> Self {
        EpochFault::from(error).into()
    }
}

/// Keeps the epochs of one operator.
///
/// # Invariants
/// - An epoch is in the store before it is sent, and sent as it is there until the chain has taken or refused it: whatever
///   crashes, its leaves can be opened.
/// - Nothing is kept that [`EpochRecord::check`] refuses; where more was paid in before it was sent, the chain refuses it.
pub struct EpochKeeper<C> {
    chain: C,
    store: Arc<ReceiptStore>,
    results: Arc<dyn Results>,
    config: EpochConfig,
}

impl<C: EpochChain> EpochKeeper<C> {
    /// A keeper. Transactions that an earlier process began must have been [recovered](tributary_client::Submitter::recover).
    pub fn new(chain: C, store: Arc<ReceiptStore>, results: Arc<dyn Results>, config: EpochConfig) -> Self {
        Self { chain, store, results, config }
    }

    /// Does the next thing that is due for a model at the latest finalised block, if any is: to be called at each of them, one
    /// call at a time.
    pub async fn step(&self, model: ModelId) -> Result<Step, EpochError> {
        let Some(position) = self.chain.position(model).await? else { return Ok(Step::Idle) };
        let Some(ledger) = &position.ledger else { return Ok(Step::Idle) };
        if let Some(accepted) = &ledger.accepted {
            self.store.accept_epoch(model, accepted.epoch)?;
        }
        if let Err(error) = self.keep_shares(model, &position).await {
            tracing::warn!(%model, "the shares that its epochs are made from are not kept yet: {error}");
        }
        match &ledger.pending {
            Some(pending) => self.attend(model, position.block, ledger, pending).await,
            None => self.divide(model, &position, ledger).await,
        }
    }

    /// Looks at the epochs of every model that has receipts, once a minute of finalised blocks, until `stop`. What fails is
    /// logged and tried again.
    pub async fn run(&self, mut heads: watch::Receiver<Head>, stop: CancellationToken) {
        let mut next = 0;
        loop {
            let block = heads.borrow_and_update().number;
            if block >= next {
                next = block.saturating_add(LOOK_BLOCKS);
                // A transaction that is under way when the process is told to stop is in the journal.
                if stop.run_until_cancelled(self.look()).await.is_none() {
                    return;
                }
            }
            match stop.run_until_cancelled(heads.changed()).await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => return,
            }
        }
    }

    async fn look(&self) {
        let models = match self.store.models() {
            Ok(models) => models,
            Err(error) => return tracing::error!("epochs are not looked at: {error}"),
        };
        for model in models {
            match self.step(model).await {
                Ok(Step::Idle) => {}
                Ok(Step::Lost { epoch }) => {
                    tracing::error!(%model, epoch, "an audit was not answered in time: the bond is lost");
                }
                Ok(step) => tracing::info!(%model, ?step, "epoch"),
                Err(error) => tracing::error!(%model, "an epoch is not kept, and that is tried again: {error}"),
            }
        }
    }

    /// Keeps the shares that the model's epochs will be made from, while they can be had. One that has not been measured to be
    /// right has no epochs.
    async fn keep_shares(&self, model: ModelId, position: &Position) -> Result<(), EpochError> {
        let kept = self.store.shares(model)?;
        if kept.is_some() || position.stream.contributions.attributed == Ppm::ZERO {
            return Ok(());
        }
        let (store, results, position) = (Arc::clone(&self.store), Arc::clone(&self.results), position.clone());
        blocking(move || {
            // Without them a later step says what is missing.
            if let Some(shares) = model_shares(results.as_ref(), &position)? {
                store.put_shares(model, &shares)?;
            }
            Ok(())
        })
        .await
    }

    /// Posts an epoch if one is due, or gives up what cannot be divided.
    async fn divide(&self, model: ModelId, position: &Position, ledger: &AnswerLedger) -> Result<Step, EpochError> {
        let allotted = ledger.accepted.map_or(0, |accepted| accepted.root.amounts.total);
        let new = ledger.funded.saturating_sub(allotted);
        let waited = position.block.saturating_sub(ledger.owed_since);
        if new == 0 || (new < self.config.amount_min && waited < self.config.blocks_max) {
            return Ok(Step::Idle);
        }
        let record = match self.record(model, position, ledger).await {
            Ok(record) => record,
            Err(error) if waited < self.config.release_blocks => return Err(error),
            Err(error) => {
                tracing::error!(%model, %error, "no epoch can be made; what was paid in goes by the shares of training");
                let intent = format!("epoch/{model}/release/{}", ledger.owed_since);
                self.chain.act(&intent, model, &Action::Release).await?;
                return Ok(Step::Released { amount: new });
            }
        };
        let epoch = record.number;
        let intent = format!("epoch/{model}/{epoch}/publish");
        match self.chain.act(&intent, model, &Action::Publish { root: record.root }).await {
            Ok(()) => Ok(Step::Published { epoch, amount: new, receipts: record.root.receipts.leaves }),
            Err(error) if error.failure().is_some_and(|failure| failure.is("Attribution", "TotalNotFunded")) => {
                self.store.remove_epoch(model, epoch)?;
                Ok(Step::Outdated { epoch })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The next epoch: the one that was begun, or else a new one, which is kept.
    async fn record(
        &self,
        model: ModelId,
        position: &Position,
        ledger: &AnswerLedger,
    ) -> Result<EpochRecord, EpochError> {
        if let Some(begun) = self.store.epoch(model, ledger.epoch.saturating_add(1))? {
            return Ok(begun);
        }
        self.keep_shares(model, position).await?;
        let (store, stream, ledger) = (Arc::clone(&self.store), position.stream.clone(), ledger.clone());
        let make = move || -> Result<EpochRecord, EpochError> {
            let ModelShares { leaves, method } = store.shares(model)?.ok_or(EpochError::NoBundle { model })?;
            let inputs = EpochInputs { model, stream: &stream, ledger: &ledger, shares: &leaves };
            let record = EpochRecord::make(&store, &inputs, method)?;
            store.put_epoch(model, &record)?;
            Ok(record)
        };
        blocking(make).await
    }

    /// Sees a posted epoch through its window.
    async fn attend(
        &self,
        model: ModelId,
        now: BlockNumber,
        ledger: &AnswerLedger,
        pending: &PendingEpoch<tributary_client::Account>,
    ) -> Result<Step, EpochError> {
        let epoch = ledger.epoch;
        let (step, action, intent) = match &pending.challenge {
            None if now > pending.until => (Step::Resolved { epoch }, Action::Resolve, "resolve"),
            None => return Ok(Step::Idle),
            Some(challenge) => match &challenge.audit {
                None if now > challenge.at.saturating_add(self.config.draw_blocks) => {
                    (Step::Drawn { epoch }, Action::Draw, "draw")
                }
                None => return Ok(Step::Idle),
                Some(audit) if audit.is_complete() && now > pending.until.max(audit.until) => {
                    (Step::Resolved { epoch }, Action::Resolve, "resolve")
                }
                Some(audit) if audit.is_complete() => return Ok(Step::Idle),
                Some(audit) if now > audit.until => return Ok(Step::Lost { epoch }),
                Some(audit) => return self.open(model, epoch, pending, audit).await,
            },
        };
        self.chain.act(&format!("epoch/{model}/{epoch}/{intent}"), model, &action).await?;
        Ok(step)
    }

    /// Opens the leaves that an audit demands and that are not open yet. The same leaves are in the same transactions, whatever
    /// was opened before, so that a transaction that was begun is gone on with.
    async fn open(
        &self,
        model: ModelId,
        epoch: u32,
        pending: &PendingEpoch<tributary_client::Account>,
        audit: &Audit,
    ) -> Result<Step, EpochError> {
        let record = self.store.epoch(model, epoch)?.filter(|record| record.root == pending.root);
        let record = record.ok_or(EpochError::Unknown { model, epoch })?;
        let domain = domain(&self.store, model, epoch);
        let of_audit = *audit;
        let all = blocking(move || {
            let tree = AmountTree::new(&domain, record.leaves).map_err(EpochFault::from)?;
            Ok(openings(&tree, &of_audit))
        })
        .await?;
        let mut leaves = 0;
        for (number, batch) in all.chunks(OPENINGS_MAX).enumerate() {
            if batch.iter().flat_map(|opening| &opening.draws).all(|draw| audit.is_opened(*draw)) {
                continue;
            }
            let intent = format!("epoch/{model}/{epoch}/open/{number}");
            self.chain.act(&intent, model, &Action::Open { leaves: batch.to_vec() }).await?;
            leaves += batch.len();
        }
        Ok(Step::Opened { epoch, leaves })
    }
}

/// The shares of a model's training, checked against the chain; `None` if they are not at hand.
fn model_shares(results: &dyn Results, position: &Position) -> Result<Option<ModelShares>, EpochError> {
    let Some(bundle) = results.bundle(position.adapter)? else { return Ok(None) };
    let tree = bundle.shares()?.tree().map_err(BundleError::from)?;
    if tree.root() != position.stream.contributions.shares {
        return Err(EpochFault::OtherShares.into());
    }
    let method = Method::of_model(bundle.evidence()?.method, position.stream.contributions.attributed);
    Ok(Some(ModelShares { leaves: tree.leaves().to_vec(), method: method.hash(position.adapter) }))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EpochError> + Send + 'static,
) -> Result<T, EpochError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(EpochError::Interrupted { reason: error.to_string() }),
    }
}
