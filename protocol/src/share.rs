//! Dividing exactly: scores into units, an amount into parts, revenue over units. Nothing is lost and nothing is made.

use crate::amount::{Amount, Ppm};
use alloc::{vec, vec::Vec};
use primitive_types::U256;

/// 2^64: what a revenue per unit is scaled by.
pub const REVENUE_SCALE: U256 = U256([0, 1, 0, 0]);

/// Units apportioned to scores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Apportionment {
    /// The units, in the order of the scores. They sum to the total exactly.
    pub units: Vec<u64>,
    /// Whether all scores were zero, so that the units were split equally for want of anything better.
    pub equal_split: bool,
}

/// Divides `total` units in proportion to `scores` by the largest remainder (Hamilton's method): everybody gets the whole
/// part of their exact quota, and the units still left go one each to the largest remainders, the lower index first among
/// equals. If all scores are zero, all count as one and the result says so.
/// Returns `None` if there are no scores.
///
/// No input overflows: a score times the total is below 2^192, and so is the sum of fewer than 2^64 scores.
/// Cost: `n log n` comparisons; about 40 bytes of memory per score.
pub fn apportion(scores: &[u128], total: u64) -> Option<Apportionment> {
    if scores.is_empty() {
        return None;
    }
    if scores.iter().all(|score| *score == 0) {
        let equal = apportion(&vec![1; scores.len()], total)?;
        return Some(Apportionment { equal_split: true, ..equal });
    }
    let mut sum = U256::zero();
    for score in scores {
        sum = sum.checked_add((*score).into())?;
    }
    let mut units = Vec::with_capacity(scores.len());
    let mut remainders = Vec::with_capacity(scores.len());
    let mut left = total;
    for (index, score) in scores.iter().enumerate() {
        let product = U256::from(*score).checked_mul(total.into())?;
        let quota = product.checked_div(sum)?;
        let quota = u64::try_from(quota).ok()?;
        left = left.checked_sub(quota)?;
        units.push(quota);
        remainders.push((product.checked_rem(sum)?, index));
    }
    // Fewer units are left than there are non-zero remainders: the remainders sum to `left` times `sum`.
    remainders.sort_unstable_by(|(a, i), (b, j)| b.cmp(a).then(i.cmp(j)));
    for (_, index) in remainders.iter().take(usize::try_from(left).ok()?) {
        let unit = units.get_mut(*index)?;
        *unit = unit.checked_add(1)?;
    }
    Some(Apportionment { units, equal_split: false })
}

/// Splits `amount` by `parts`, each rounded down, and adds what rounding left over (less than one of the smallest units
/// per part) to the part at `rest_to`. The result sums to `amount` exactly. Returns `None` unless the parts sum to exactly
/// one and `rest_to` is one of them.
pub fn split<const N: usize>(amount: Amount, parts: [Ppm; N], rest_to: usize) -> Option<[Amount; N]> {
    let mut whole = 0u32;
    for part in parts {
        whole = whole.checked_add(part.parts())?;
    }
    if whole != Ppm::ONE.parts() {
        return None;
    }
    let mut amounts = parts.map(|part| part.of(amount));
    let mut rest = amount;
    for part in amounts {
        rest = rest.checked_sub(part)?;
    }
    let last = amounts.get_mut(rest_to)?;
    *last = last.checked_add(rest)?;
    Some(amounts)
}

/// What one funding adds to a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accrual {
    /// To add to the revenue per unit, scaled by [`REVENUE_SCALE`].
    pub per_unit: U256,
    /// What could not be divided, scaled by [`REVENUE_SCALE`]: less than `total_units`. Replaces the stream's carry.
    pub carry: U256,
}

/// Divides `amount` and the `carry` of the funding before over `total_units`. Exact:
/// `per_unit * total_units + carry' == amount * 2^64 + carry`. Returns `None` without units, or if `carry` is no
/// carry (it overflows with the amount).
pub fn accrue(amount: Amount, total_units: u64, carry: U256) -> Option<Accrual> {
    let units = U256::from(total_units);
    let scaled = U256::from(amount).checked_mul(REVENUE_SCALE)?.checked_add(carry)?;
    Some(Accrual { per_unit: scaled.checked_div(units)?, carry: scaled.checked_rem(units)? })
}

/// What `units` have earned since the stream was opened, rounded down, where each earned `per_unit`. Returns `None` if
/// that exceeds an [`Amount`].
pub fn earned(units: u64, per_unit: U256) -> Option<Amount> {
    let scaled = per_unit.checked_mul(units.into())?;
    scaled.checked_div(REVENUE_SCALE)?.try_into().ok()
}

/// What `units` may claim now, when each has earned `now` and had earned `last` at the claim before (zero if there was
/// none). It is the difference of two roundings, not the rounding of a difference, so claiming often or seldom pays the
/// same in the end, and the claims of all units of a tree never exceed what was paid in. Returns `None` if `now` is below
/// `last` or an amount overflows.
pub fn claimable(units: u64, now: U256, last: U256) -> Option<Amount> {
    if now < last {
        return None;
    }
    earned(units, now)?.checked_sub(earned(units, last)?)
}
