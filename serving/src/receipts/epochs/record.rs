//! An epoch as its operator keeps it: made from receipts, checked as the chain would, shown to whoever asks.

use crate::receipts::store::{ReceiptStore, StoreError};
use codec::{Decode, Encode};
use tributary_client::{AnswerLedger, Stream};
use tributary_protocol::{
    Amount, ContentHash, ModelId,
    content::{MerkleTree, TreeHead},
    earnings::{Earnings, EarningsError, epoch_leaves},
    epoch::{AcceptedEpoch, AmountLeaf, AmountTree, EpochDomain, EpochRoot, takes_back},
    receipt::ReceiptTree,
    sum_tree::{SumLeaf, SumTreeError},
};

/// What was posted, or will be, with all its leaves.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EpochRecord {
    /// Its number among the operator's of the model, from 1.
    pub number: u32,
    /// What the chain gets.
    pub root: EpochRoot,
    /// What each contribution has earned with all answers so far.
    pub leaves: Vec<AmountLeaf>,
}

/// Why there is no epoch to post.
#[derive(Debug, thiserror::Error)]
pub enum EpochFault {
    /// An epoch is in its window.
    #[error("epoch {epoch} is in its challenge window")]
    Pending {
        /// Its number.
        epoch: u32,
    },
    /// Nothing was paid in since the accepted epoch.
    #[error("nothing was paid in since the accepted epoch")]
    NothingNew,
    /// Its number is not the next.
    #[error("the next epoch is {expected}, not {found}")]
    Number {
        /// Its number.
        found: u32,
        /// The next.
        expected: u32,
    },
    /// Its amounts are not what was paid in.
    #[error("the amounts sum to {found}, and {funded} was paid in")]
    TotalNotFunded {
        /// What they sum to.
        found: Amount,
        /// What was paid in.
        funded: Amount,
    },
    /// The shares at hand are not those of the model.
    #[error("the shares at hand are not those that the chain has of the model: their root is another")]
    OtherShares,
    /// A leaf is not that of the model's shares at the same place.
    #[error("leaf {index} is another contribution's, or another account's, than in the model's shares")]
    OtherLeaf {
        /// The leaf's index.
        index: u32,
    },
    /// It takes back what was given.
    #[error("leaf {index} would take back what the accepted epoch gave")]
    TakesBack {
        /// The leaf's index.
        index: u32,
    },
    /// The accepted epoch is not here, or another one is.
    #[error(
        "epoch {epoch} is accepted on the chain, and its leaves are not in this operator's store\nhint: restore the store from \
         its backup; what was paid in waits on the chain"
    )]
    AcceptedUnknown {
        /// Its number.
        epoch: u32,
    },
    /// The receipts that the accepted epoch counts are not the first ones here.
    #[error(
        "the store has other receipts than the {counted} that the accepted epoch counts\nhint: restore the store from its \
         backup"
    )]
    OtherReceipts {
        /// How many it counts.
        counted: u64,
    },
    /// Leaves or receipts were changed after the root was made.
    #[error("the epoch's leaves or receipts do not make its root")]
    OtherRoot,
    /// The receipts give no amounts.
    #[error(transparent)]
    Earnings(#[from] EarningsError),
    /// The amounts make no tree.
    #[error(transparent)]
    Tree(#[from] SumTreeError),
    /// The store failed.
    #[error(transparent)]
    Store(Box<StoreError>),
}

impl From<StoreError> for EpochFault {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

/// What an epoch is made for, as one finalised block has it.
#[derive(Clone, Copy, Debug)]
pub struct EpochInputs<'a> {
    /// The model.
    pub model: ModelId,
    /// Its stream.
    pub stream: &'a Stream,
    /// The operator's ledger.
    pub ledger: &'a AnswerLedger,
    /// The leaves of the model's shares.
    pub shares: &'a [SumLeaf],
}

impl EpochRecord {
    /// The next epoch: all receipts in the store, and all that was paid in. It is checked as [`EpochRecord::check`] does.
    /// Cost: decoding every receipt, and a hash for each and for each leaf.
    pub fn make(store: &ReceiptStore, inputs: &EpochInputs<'_>, method: ContentHash) -> Result<Self, EpochFault> {
        let EpochInputs { model, stream, ledger, shares } = *inputs;
        if ledger.pending.is_some() {
            return Err(EpochFault::Pending { epoch: ledger.epoch });
        }
        let accepted = accepted(store, inputs)?;
        let before: Vec<Amount> = accepted.iter().flat_map(|record| &record.leaves).map(|leaf| leaf.units).collect();
        let training = shares.iter().map(|leaf| leaf.units).collect();
        let mut earnings = Earnings::new(training, stream.contributions.attributed)?;
        let count = store.count(model)?;
        store.each(model, count, |receipt| earnings.add(receipt).map_err(EpochFault::from))?;
        let amounts = earnings.amounts(&before, ledger.funded)?;
        let receipts = receipts_tree(store, model, count)?.head();
        let number = ledger.epoch.saturating_add(1);
        let leaves = epoch_leaves(shares, &amounts, receipts.root).ok_or(EpochFault::OtherShares)?;
        let tree = AmountTree::new(&domain(store, model, number), leaves)?;
        let root = EpochRoot { amounts: tree.root(), receipts, method };
        let record = Self { number, root, leaves: tree.leaves().to_vec() };
        record.check(store, inputs)?;
        Ok(record)
    }

    /// Whether the chain would take it, nobody could refute it, and everybody finds its receipts: the rules of the pallet
    /// `attribution`, and what its challengers look at.
    pub fn check(&self, store: &ReceiptStore, inputs: &EpochInputs<'_>) -> Result<(), EpochFault> {
        let EpochInputs { model, stream, ledger, shares } = *inputs;
        let Self { number, root, leaves } = self;
        if ledger.pending.is_some() {
            return Err(EpochFault::Pending { epoch: ledger.epoch });
        }
        let expected = ledger.epoch.saturating_add(1);
        if *number != expected {
            return Err(EpochFault::Number { found: *number, expected });
        }
        if root.amounts.total != ledger.funded {
            return Err(EpochFault::TotalNotFunded { found: root.amounts.total, funded: ledger.funded });
        }
        if root.amounts.leaves != stream.contributions.shares.leaves || leaves.len() != shares.len() {
            return Err(EpochFault::OtherShares);
        }
        let accepted = accepted(store, inputs)?;
        let allotted = ledger.accepted.map_or(0, |accepted| accepted.root.amounts.total);
        if ledger.funded <= allotted {
            return Err(EpochFault::NothingNew);
        }
        for (share, leaf) in shares.iter().zip(leaves) {
            if (share.index, share.contribution, share.contributor) != (leaf.index, leaf.contribution, leaf.contributor)
            {
                return Err(EpochFault::OtherLeaf { index: leaf.index });
            }
        }
        let before = accepted.iter().flat_map(|record| &record.leaves);
        if let Some((old, _)) = before.zip(leaves).find(|(old, new)| takes_back(old, new)) {
            return Err(EpochFault::TakesBack { index: old.index });
        }
        let tree = AmountTree::new(&domain(store, model, *number), leaves.clone())?;
        if tree.root() != root.amounts || receipts_tree(store, model, root.receipts.leaves)?.head() != root.receipts {
            return Err(EpochFault::OtherRoot);
        }
        Ok(())
    }
}

/// Where an epoch's tree belongs.
pub(crate) fn domain(store: &ReceiptStore, model: ModelId, epoch: u32) -> EpochDomain {
    let owner = store.owner();
    EpochDomain { genesis: owner.genesis, model, operator: owner.operator.0, epoch }
}

/// The tree over a model's first receipts.
pub(crate) fn receipts_tree(
    store: &ReceiptStore,
    model: ModelId,
    count: u64,
) -> Result<MerkleTree<ReceiptTree>, StoreError> {
    Ok(MerkleTree::from_hashes(store.leaves(model, count)?))
}

/// The accepted epoch with its leaves, if there is one. The receipts that it counts must still be the first ones.
fn accepted(store: &ReceiptStore, inputs: &EpochInputs<'_>) -> Result<Option<EpochRecord>, EpochFault> {
    let Some(AcceptedEpoch { epoch, root }) = inputs.ledger.accepted else { return Ok(None) };
    let record = store.epoch(inputs.model, epoch)?.filter(|record| record.root == root);
    let record = record.ok_or(EpochFault::AcceptedUnknown { epoch })?;
    let TreeHead { leaves: counted, .. } = root.receipts;
    if receipts_tree(store, inputs.model, counted)?.head() != root.receipts {
        return Err(EpochFault::OtherReceipts { counted });
    }
    Ok(Some(record))
}
