//! From receipts to an epoch's amounts: what all answers so far have earned each contribution.
//!
//! An operator makes its epochs by this rule, and whoever has its receipts makes them again. Vouchers are redeemed long after
//! the answers that they pay for, so no payment belongs to one answer. Instead, each contribution is *due*, of all that was
//! ever paid in, its part by all answers ever given; and what was newly paid in goes to those that the accepted epoch gave
//! less than they are due. So nothing is taken back, and a payment that comes late goes where it would have gone in time.
//!
//! # Invariant
//! Integers only, and the amounts sum to what was paid in.

use crate::{
    amount::{Amount, Ppm},
    epoch::AmountLeaf,
    ids::ContentHash,
    receipt::{Receipt, ReceiptFault},
    stream::SHARE_UNITS,
    sum_tree::SumLeaf,
};
use alloc::{vec, vec::Vec};
use core::fmt;
use primitive_types::{U256, U512};

/// Why receipts give no amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarningsError {
    /// The shares of the model's training are none: they do not sum to [`SHARE_UNITS`].
    TrainingNotWhole,
    /// A receipt's shares are none.
    Receipt {
        /// The receipt's number.
        number: u64,
        /// What is wrong with it.
        fault: ReceiptFault,
    },
    /// A receipt names a contribution that the model does not have.
    UnknownLeaf {
        /// The receipt's number.
        number: u64,
        /// The leaf's index.
        index: u32,
    },
    /// A receipt attributes more of its answer than the model's attribution is trusted with.
    TooMuchAttributed {
        /// The receipt's number.
        number: u64,
        /// What it leaves to the base pool.
        base: u64,
        /// What must be left to it at least.
        base_min: u64,
    },
    /// The accepted epoch has another number of leaves than the model's shares.
    OtherLeaves {
        /// How many it has.
        found: usize,
        /// How many there are.
        expected: usize,
    },
    /// The accepted epoch gives more than was ever paid in.
    AboveFunded,
    /// The numbers are too large.
    Overflow,
}

impl fmt::Display for EarningsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TrainingNotWhole => write!(f, "the shares of the training do not sum to {SHARE_UNITS}"),
            Self::Receipt { number, fault } => write!(f, "receipt {number}: {fault}"),
            Self::UnknownLeaf { number, index } => {
                write!(f, "receipt {number} names leaf {index}, which the model's shares do not have")
            }
            Self::TooMuchAttributed { number, base, base_min } => {
                write!(f, "receipt {number} leaves {base} units to the base pool, and must leave it {base_min}")
            }
            Self::OtherLeaves { found, expected } => {
                write!(f, "the accepted epoch has {found} leaves, and the model's shares {expected}")
            }
            Self::AboveFunded => f.write_str("the accepted epoch gives more than was paid in"),
            Self::Overflow => f.write_str("the amounts are too large to divide"),
        }
    }
}

impl core::error::Error for EarningsError {}

/// What an operator's answers with a model have earned its contributions, in proportion.
///
/// An answer counts by its price. Of its units, those that are not attributed at all have been paid already, by the shares
/// of training; the rest of the base pool's goes by those shares, and the others as the receipt says.
#[derive(Clone, Debug)]
pub struct Earnings {
    /// Units of the training, by leaf. They sum to [`SHARE_UNITS`].
    training: Vec<u64>,
    /// What receipts must at least leave to the base pool.
    base_min: u64,
    /// Prices times units, by leaf.
    of_answers: Vec<U256>,
    /// Prices times what is left of the base pool's units.
    of_base: U256,
    /// How many receipts were added.
    receipts: u64,
}

impl Earnings {
    /// Nothing earned yet, with a model whose contributions have `training` units by its training, and whose attribution is
    /// trusted with `attributed`: see [`crate::stream::ContributionRoot`].
    pub fn new(training: Vec<u64>, attributed: Ppm) -> Result<Self, EarningsError> {
        let sum = training.iter().try_fold(0u64, |sum, units| sum.checked_add(*units));
        if sum != Some(SHARE_UNITS) {
            return Err(EarningsError::TrainingNotWhole);
        }
        let attributed = u64::try_from(attributed.of(SHARE_UNITS.into())).map_err(|_| EarningsError::Overflow)?;
        let base_min = SHARE_UNITS.checked_sub(attributed).ok_or(EarningsError::Overflow)?;
        Ok(Self {
            of_answers: vec![U256::zero(); training.len()],
            of_base: U256::zero(),
            receipts: 0,
            training,
            base_min,
        })
    }

    /// How many receipts were added.
    pub fn receipts(&self) -> u64 {
        self.receipts
    }

    /// Counts an answer. Changes nothing if it is refused. Cost: a product for each of its shares.
    pub fn add(&mut self, receipt: &Receipt) -> Result<(), EarningsError> {
        let Receipt { number, base, .. } = *receipt;
        receipt.check().map_err(|fault| EarningsError::Receipt { number, fault })?;
        if let Some(share) = receipt
            .shares
            .iter()
            .find(|share| usize::try_from(share.index).map_or(true, |at| at >= self.training.len()))
        {
            return Err(EarningsError::UnknownLeaf { number, index: share.index });
        }
        let base_min = self.base_min;
        let of_base = base.checked_sub(base_min).ok_or(EarningsError::TooMuchAttributed { number, base, base_min })?;
        // All sums below are at most 2^30 times the sum of all prices: if that fits, so do they.
        let price = U256::from(receipt.price);
        let after = |sum: U256, units: u64| sum.checked_add(price.checked_mul(units.into())?);
        self.of_base = after(self.of_base, of_base).ok_or(EarningsError::Overflow)?;
        for share in &receipt.shares {
            let place = usize::try_from(share.index).ok().and_then(|at| self.of_answers.get_mut(at));
            if let Some(sum) = place {
                *sum = after(*sum, share.units).ok_or(EarningsError::Overflow)?;
            }
        }
        self.receipts = self.receipts.checked_add(1).ok_or(EarningsError::Overflow)?;
        Ok(())
    }

    /// What each contribution has earned when `funded` was paid in, where the accepted epoch gave it `accepted`; without an
    /// accepted epoch that is empty. The amounts sum to `funded`, and none is below what was accepted.
    ///
    /// With `S_i` what the answers so far earned leaf i in proportion, and `S` their sum, leaf i misses
    /// `max(0, funded S_i - accepted_i S)`; what is new is apportioned by that ([largest remainder](crate::share::apportion)).
    /// Without answers, or if all were free, the shares of training stand for `S_i`.
    ///
    /// Cost: `O(n log n)` for n leaves, in integers of 512 bits.
    pub fn amounts(&self, accepted: &[Amount], funded: Amount) -> Result<Vec<Amount>, EarningsError> {
        let leaves = self.training.len();
        let before = match accepted.len() {
            0 => vec![0; leaves],
            found if found == leaves => accepted.to_vec(),
            found => return Err(EarningsError::OtherLeaves { found, expected: leaves }),
        };
        let given = before.iter().try_fold(0 as Amount, |sum, amount| sum.checked_add(*amount));
        let new = funded.checked_sub(given.ok_or(EarningsError::Overflow)?).ok_or(EarningsError::AboveFunded)?;
        let missing = self.missing(&before, funded).ok_or(EarningsError::Overflow)?;
        let of_new = apportion(&missing, new).ok_or(EarningsError::Overflow)?;
        let sum = |(before, new): (&Amount, Amount)| before.checked_add(new).ok_or(EarningsError::Overflow);
        before.iter().zip(of_new).map(sum).collect()
    }

    /// By how much each leaf was given less than it is due, times the sum of the proportions.
    fn missing(&self, before: &[Amount], funded: Amount) -> Option<Vec<U512>> {
        let proportions = self.proportions()?;
        let sum = proportions.iter().try_fold(U256::zero(), |sum, part| sum.checked_add(*part))?;
        let of = |(part, before): (&U256, &Amount)| {
            let due = part.full_mul(U256::from(funded));
            due.saturating_sub(sum.full_mul(U256::from(*before)))
        };
        Some(proportions.iter().zip(before).map(of).collect())
    }

    fn proportions(&self) -> Option<Vec<U256>> {
        let nothing = self.of_base.is_zero() && self.of_answers.iter().all(U256::is_zero);
        let whole = U256::from(SHARE_UNITS);
        let of = |(answers, training): (&U256, &u64)| {
            let training = U256::from(*training);
            match nothing {
                true => Some(training),
                false => answers.checked_mul(whole)?.checked_add(self.of_base.checked_mul(training)?),
            }
        };
        self.of_answers.iter().zip(&self.training).map(of).collect()
    }
}

/// Divides `total` in proportion to `scores` by the largest remainder, the lower index first among equals. `None` if no score
/// is above 0 while `total` is, or if a product overflows.
fn apportion(scores: &[U512], total: Amount) -> Option<Vec<Amount>> {
    if total == 0 {
        return Some(vec![0; scores.len()]);
    }
    let sum = scores.iter().try_fold(U512::zero(), |sum, score| sum.checked_add(*score))?;
    let mut amounts = Vec::with_capacity(scores.len());
    let mut remainders = Vec::with_capacity(scores.len());
    let mut left = total;
    for (index, score) in scores.iter().enumerate() {
        let product = score.checked_mul(U512::from(total))?;
        let quota = Amount::try_from(product.checked_div(sum)?).ok()?;
        left = left.checked_sub(quota)?;
        amounts.push(quota);
        remainders.push((product.checked_rem(sum)?, index));
    }
    remainders.sort_unstable_by(|(a, i), (b, j)| b.cmp(a).then(i.cmp(j)));
    // Fewer are left than there are remainders above zero: they sum to `left` times `sum`.
    for (_, index) in remainders.iter().take(usize::try_from(left).ok()?) {
        let amount = amounts.get_mut(*index)?;
        *amount = amount.checked_add(1)?;
    }
    Some(amounts)
}

/// The leaves of an epoch: the places, contributions and accounts of the model's shares with what they have earned. Their
/// evidence is the root over the receipts, from which everything follows. `None` unless there is one amount for each.
pub fn epoch_leaves(shares: &[SumLeaf], amounts: &[Amount], receipts: ContentHash) -> Option<Vec<AmountLeaf>> {
    let leaf = |(share, units): (&SumLeaf, &Amount)| AmountLeaf {
        index: share.index,
        contribution: share.contribution,
        contributor: share.contributor,
        units: *units,
        evidence: receipts,
    };
    (shares.len() == amounts.len()).then(|| shares.iter().zip(amounts).map(leaf).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::ModelId, receipt::ReceiptShare};
    use proptest::prelude::*;

    const TRAINING: [u64; 3] = [500_000_000, 300_000_000, 200_000_000];

    fn receipt(number: u64, price: Amount, base: u64, shares: &[(u32, u64)]) -> Receipt {
        let shares: Vec<_> =
            shares.iter().map(|(index, units)| ReceiptShare { index: *index, units: *units }).collect();
        Receipt {
            operator: [9; 32],
            model: ModelId(4),
            number,
            adapter: ContentHash::of(b"adapter"),
            request: ContentHash::of(b"request"),
            response: ContentHash::of(b"response"),
            input_tokens: 1,
            output_tokens: 1,
            price,
            method: ContentHash::of(b"method"),
            base,
            shares: shares.try_into().unwrap(),
        }
    }

    fn earnings(attributed: u8) -> Earnings {
        Earnings::new(TRAINING.to_vec(), Ppm::from_percent(attributed)).unwrap()
    }

    #[test]
    fn an_answer_pays_whom_its_receipt_names_and_the_base_pools_rest_by_training() {
        let mut answers = earnings(80);
        // All that may be attributed is: the base pool's 20 % were paid by the shares of training.
        answers.add(&receipt(0, 10, 200_000_000, &[(0, 300_000_000), (2, 500_000_000)])).unwrap();
        assert_eq!(answers.amounts(&[], 800), Ok(vec![300, 0, 500]));
        // Another of the same price that shaped nobody's: half of all goes by training.
        answers.add(&receipt(1, 10, SHARE_UNITS, &[])).unwrap();
        assert_eq!(answers.amounts(&[], 1_600), Ok(vec![300 + 400, 240, 500 + 160]));
        assert_eq!(answers.receipts(), 2);
    }

    #[test]
    fn late_payments_go_where_they_would_have_gone_in_time() {
        let mut answers = earnings(100);
        answers.add(&receipt(0, 3, 0, &[(1, SHARE_UNITS)])).unwrap();
        answers.add(&receipt(1, 1, 0, &[(2, SHARE_UNITS)])).unwrap();
        // A part of the vouchers is redeemed before the first epoch, the rest after it.
        let first = answers.amounts(&[], 40).unwrap();
        assert_eq!(first, [0, 30, 10]);
        assert_eq!(answers.amounts(&first, 100), answers.amounts(&[], 100));
        // What a later answer makes of the proportions takes nothing back, and the new goes to those that miss something.
        answers.add(&receipt(2, 96, 0, &[(0, SHARE_UNITS)])).unwrap();
        let second = answers.amounts(&first, 60).unwrap();
        assert_eq!(second, [20, 30, 10]);
        assert_eq!(answers.amounts(&second, 1_000), Ok(vec![960, 30, 10]));
    }

    #[test]
    fn without_answers_the_shares_of_training_divide() {
        assert_eq!(earnings(80).amounts(&[], 1_000), Ok(vec![500, 300, 200]));
        let mut free = earnings(80);
        free.add(&receipt(0, 0, 200_000_000, &[(2, 800_000_000)])).unwrap();
        assert_eq!(free.amounts(&[1, 0, 0], 1_001), Ok(vec![501, 300, 200]));
        assert_eq!(free.amounts(&[], 0), Ok(vec![0, 0, 0]));
    }

    #[test]
    fn what_cannot_be_is_refused_and_changes_nothing() {
        assert_eq!(Earnings::new(vec![1], Ppm::ONE).unwrap_err(), EarningsError::TrainingNotWhole);
        let mut answers = earnings(80);
        let unknown = receipt(0, 1, 999_999_999, &[(3, 1)]);
        assert_eq!(answers.add(&unknown), Err(EarningsError::UnknownLeaf { number: 0, index: 3 }));
        let short = answers.add(&receipt(0, 1, 1, &[]));
        assert!(matches!(short, Err(EarningsError::Receipt { fault: ReceiptFault::NotWhole { .. }, .. })), "{short:?}");
        let greedy = answers.add(&receipt(0, 1, 0, &[(0, SHARE_UNITS)]));
        let base_min = 200_000_000;
        assert_eq!(greedy, Err(EarningsError::TooMuchAttributed { number: 0, base: 0, base_min }));
        assert_eq!((answers.receipts(), answers.amounts(&[], 10)), (0, Ok(vec![5, 3, 2])));
        assert_eq!(answers.amounts(&[5, 3], 10), Err(EarningsError::OtherLeaves { found: 2, expected: 3 }));
        assert_eq!(answers.amounts(&[5, 3, 3], 10), Err(EarningsError::AboveFunded));
        assert_eq!(answers.amounts(&[Amount::MAX, 1, 0], 10), Err(EarningsError::Overflow));
    }

    #[test]
    fn the_largest_amounts_are_divided_exactly() {
        let mut answers = earnings(100);
        for number in 0..4 {
            answers.add(&receipt(number, Amount::MAX, 1, &[(0, 1), (2, SHARE_UNITS - 2)])).unwrap();
        }
        let amounts = answers.amounts(&[], Amount::MAX).unwrap();
        assert_eq!(amounts.iter().try_fold(0 as Amount, |sum, amount| sum.checked_add(*amount)), Some(Amount::MAX));
    }

    prop_compose! {
        fn any_receipt()(
            price in 0u128..1 << 70,
            parts in prop::collection::vec(0u64..300_000_000, 3),
        ) -> Receipt {
            let shares: Vec<(u32, u64)> = (0u32..).zip(parts).filter(|(_, units)| *units > 0).collect();
            let given: u64 = shares.iter().map(|(_, units)| units).sum();
            receipt(0, price, SHARE_UNITS - given, &shares)
        }
    }

    proptest! {
        #[test]
        fn amounts_sum_to_what_was_paid_in_and_only_grow(
            receipts in prop::collection::vec(any_receipt(), 0..12),
            payments in prop::collection::vec(0u128..1 << 80, 1..6),
        ) {
            let mut answers = earnings(90);
            let (mut accepted, mut funded) = (Vec::new(), 0u128);
            let mut receipts = receipts.into_iter();
            for payment in payments {
                for receipt in receipts.by_ref().take(3) {
                    answers.add(&receipt).unwrap();
                }
                funded += payment;
                let amounts = answers.amounts(&accepted, funded).unwrap();
                prop_assert_eq!(amounts.iter().sum::<u128>(), funded);
                for (before, after) in accepted.iter().zip(&amounts) {
                    prop_assert!(after >= before);
                }
                accepted = amounts;
            }
        }
    }
}
