//! Computing somebody else's epoch again, from the receipts and leaves that its operator shows.

use crate::receipts::verify::is_signed;
use tributary_protocol::{
    Amount, ModelId, Ppm,
    content::TreeAccumulator,
    earnings::{Earnings, EarningsError, epoch_leaves},
    epoch::{AmountLeaf, AmountTree, EpochDomain, EpochRoot},
    receipt::{ReceiptTree, SignedReceipt},
    sum_tree::{SumLeaf, SumTreeError},
};

/// Why an epoch does not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Its leaves are not those that were posted.
    #[error("the leaves that the operator shows do not make the epoch's root")]
    OtherLeaves,
    /// Its receipts are not those that were posted.
    #[error("the receipts that the operator shows do not make the epoch's root")]
    OtherReceipts,
    /// The operator did not give out a receipt that it counts, or gave another.
    #[error("receipt {number} is not signed by the operator, or is not of this model, or stands at another's place")]
    Receipt {
        /// Its place.
        number: u64,
    },
    /// The receipts give no amounts.
    #[error(transparent)]
    Earnings(#[from] EarningsError),
    /// The leaves make no tree.
    #[error(transparent)]
    Tree(#[from] SumTreeError),
    /// A leaf is not what follows from the receipts.
    #[error("leaf {index} has {found}, and {expected} follows from the receipts")]
    Leaf {
        /// Its index.
        index: u32,
        /// What it has.
        found: Amount,
        /// What it should have.
        expected: Amount,
    },
    /// A leaf belongs to another, or names other evidence, than the model's shares and the receipts say.
    #[error("leaf {index} is another contribution's, or another account's, than in the model's shares")]
    Owner {
        /// Its index.
        index: u32,
    },
}

/// An epoch as the chain has it, and what belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct PostedEpoch<'a> {
    /// Where its tree belongs.
    pub domain: EpochDomain,
    /// What the chain has.
    pub root: EpochRoot,
    /// The leaves of the model's shares, checked against the chain.
    pub shares: &'a [SumLeaf],
    /// The part of the contributors' part that goes by answers.
    pub attributed: Ppm,
    /// The leaves of the epoch that was accepted before it, checked against the chain; empty if there was none.
    pub accepted: &'a [AmountLeaf],
}

/// Counts the receipts of an operator, in the order of their numbers.
pub struct Recount {
    genesis: [u8; 32],
    model: ModelId,
    operator: [u8; 32],
    tree: TreeAccumulator<ReceiptTree>,
    earnings: Earnings,
}

impl PostedEpoch<'_> {
    /// Begins to count.
    pub fn recount(&self) -> Result<Recount, Wrong> {
        let training = self.shares.iter().map(|leaf| leaf.units).collect();
        let EpochDomain { genesis, model, operator, .. } = self.domain;
        let earnings = Earnings::new(training, self.attributed)?;
        Ok(Recount { genesis, model, operator, tree: TreeAccumulator::new(), earnings })
    }

    /// Whether `leaves` are the posted ones, and follow from all that was counted.
    pub fn check(&self, counted: &Recount, leaves: &[AmountLeaf]) -> Result<(), Wrong> {
        if AmountTree::new(&self.domain, leaves.to_vec())?.root() != self.root.amounts {
            return Err(Wrong::OtherLeaves);
        }
        if counted.tree.head() != self.root.receipts {
            return Err(Wrong::OtherReceipts);
        }
        let before: Vec<Amount> = self.accepted.iter().map(|leaf| leaf.units).collect();
        let amounts = counted.earnings.amounts(&before, self.root.amounts.total)?;
        let expected = epoch_leaves(self.shares, &amounts, self.root.receipts.root).ok_or(Wrong::OtherLeaves)?;
        for (leaf, expected) in leaves.iter().zip(&expected) {
            let AmountLeaf { index, units: found, .. } = *leaf;
            if found != expected.units {
                return Err(Wrong::Leaf { index, found, expected: expected.units });
            }
            if leaf != expected {
                return Err(Wrong::Owner { index });
            }
        }
        // As many leaves as the root has, which the pallet compares with the shares.
        if leaves.len() == expected.len() { Ok(()) } else { Err(Wrong::OtherLeaves) }
    }
}

impl Recount {
    /// The number of the next receipt.
    pub fn next(&self) -> u64 {
        self.tree.leaves()
    }

    /// Counts the next receipt.
    pub fn add(&mut self, signed: &SignedReceipt) -> Result<(), Wrong> {
        let (receipt, number) = (&signed.receipt, self.next());
        let placed = (receipt.number, receipt.model, receipt.operator) == (number, self.model, self.operator);
        if !placed || !is_signed(signed, self.genesis) {
            return Err(Wrong::Receipt { number });
        }
        self.earnings.add(receipt)?;
        self.tree.push_hash(receipt.leaf(self.genesis));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipts::{
        epochs::{EpochInputs, EpochRecord, domain},
        fixtures::{MODEL, bundle, sell, store, stream},
    };
    use tributary_client::AnswerLedger;
    use tributary_protocol::{ContentHash, amount::TRIB, epoch::AcceptedEpoch};

    #[test]
    fn an_epoch_is_computed_again_from_what_its_operator_shows() {
        let store = store(&[0, 2, 2]);
        let (stream, shares) = (stream(), bundle().shares().unwrap().tree().unwrap());
        let mut ledger = AnswerLedger {
            funded: 70 * TRIB + 1,
            claimed: 0,
            epoch: 0,
            accepted: None,
            pending: None,
            owed_since: 1,
            deposit: 0,
        };
        let make = |ledger: &AnswerLedger| {
            let inputs = EpochInputs { model: MODEL, stream: &stream, ledger, shares: shares.leaves() };
            EpochRecord::make(&store, &inputs, ContentHash::of(b"method")).unwrap()
        };
        let first = make(&ledger);
        store.put_epoch(MODEL, &first).unwrap();
        sell(&store, 1);
        (ledger.epoch, ledger.accepted) = (1, Some(AcceptedEpoch { epoch: 1, root: first.root }));
        ledger.funded += 50 * TRIB;
        let second = make(&ledger);

        let posted = |record: &EpochRecord, accepted| PostedEpoch {
            domain: domain(&store, MODEL, record.number),
            root: record.root,
            shares: shares.leaves(),
            attributed: stream.contributions.attributed,
            accepted,
        };
        let count = |epoch: &PostedEpoch<'_>| {
            let mut counted = epoch.recount().unwrap();
            while counted.next() < epoch.root.receipts.leaves {
                counted.add(&store.receipt(MODEL, counted.next()).unwrap().unwrap()).unwrap();
            }
            counted
        };
        for (record, accepted) in [(&first, [].as_slice()), (&second, &first.leaves)] {
            let epoch = posted(record, accepted);
            assert_eq!(epoch.check(&count(&epoch), &record.leaves), Ok(()));
        }

        // Another hand in the leaves, under a root of its own.
        let epoch = posted(&second, &first.leaves);
        let mut leaves = second.leaves.clone();
        assert_eq!(epoch.check(&count(&epoch), &leaves[..2]), Err(Wrong::OtherLeaves));
        (leaves[0].units, leaves[2].units) = (leaves[0].units + 1, leaves[2].units - 1);
        assert_eq!(epoch.check(&count(&epoch), &leaves), Err(Wrong::OtherLeaves));
        let amounts = AmountTree::new(&epoch.domain, leaves.clone()).unwrap().root();
        let stolen = PostedEpoch { root: EpochRoot { amounts, ..epoch.root }, ..epoch };
        let wrong = stolen.check(&count(&epoch), &leaves).unwrap_err();
        assert!(matches!(wrong, Wrong::Leaf { index: 0, .. }), "{wrong}");
        let mut leaves = second.leaves.clone();
        leaves[1].contributor = [99; 32];
        let amounts = AmountTree::new(&epoch.domain, leaves.clone()).unwrap().root();
        let taken = PostedEpoch { root: EpochRoot { amounts, ..epoch.root }, ..epoch };
        assert_eq!(taken.check(&count(&epoch), &leaves), Err(Wrong::Owner { index: 1 }));

        // A receipt too few, a changed one, one at another's place.
        let mut short = epoch.recount().unwrap();
        short.add(&store.receipt(MODEL, 0).unwrap().unwrap()).unwrap();
        assert_eq!(epoch.check(&short, &second.leaves), Err(Wrong::OtherReceipts));
        let mut changed = store.receipt(MODEL, 1).unwrap().unwrap();
        changed.receipt.price += 1;
        assert_eq!(short.add(&changed), Err(Wrong::Receipt { number: 1 }));
        assert_eq!(short.add(&store.receipt(MODEL, 2).unwrap().unwrap()), Err(Wrong::Receipt { number: 1 }));
    }
}
