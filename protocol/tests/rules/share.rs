//! Apportionment, splits and accrual against exact oracles.

use primitive_types::{U256, U512};
use proptest::prelude::*;
use tributary_protocol::{
    Amount, Ppm,
    share::{Accrual, REVENUE_SCALE, accrue, apportion, claimable, earned, split},
};

/// Hamilton's method by the book, one unit at a time, in numbers twice as wide.
fn oracle(scores: &[u128], total: u64) -> Vec<u64> {
    let sum = scores.iter().fold(U512::zero(), |sum, score| sum + U512::from(*score));
    let quota = |score: &u128| (U512::from(*score) * U512::from(total)).div_mod(sum);
    let mut units: Vec<u64> = scores.iter().map(|score| quota(score).0.as_u64()).collect();
    let mut remainders: Vec<U512> = scores.iter().map(|score| quota(score).1).collect();
    let mut left = total - units.iter().sum::<u64>();
    while left > 0 {
        let largest = *remainders.iter().max().unwrap();
        let index = remainders.iter().position(|remainder| *remainder == largest).unwrap();
        units[index] += 1;
        remainders[index] = U512::zero();
        left -= 1;
    }
    units
}

fn scores() -> impl Strategy<Value = Vec<u128>> {
    let score = prop_oneof![Just(0u128), 0u128..20, 0u128..1_000_000, any::<u128>(), Just(u128::MAX)];
    prop::collection::vec(score, 1..60).prop_filter("some score", |scores| scores.iter().any(|score| *score > 0))
}

fn parts() -> impl Strategy<Value = [Ppm; 5]> {
    prop::array::uniform4(0u32..=1_000_000).prop_map(|mut cuts| {
        cuts.sort_unstable();
        let ends = [cuts[0], cuts[1], cuts[2], cuts[3], 1_000_000];
        let starts = [0, cuts[0], cuts[1], cuts[2], cuts[3]];
        core::array::from_fn(|at| Ppm::new(ends[at] - starts[at]).unwrap())
    })
}

proptest! {
    #[test]
    fn apportionment_equals_the_oracle(scores in scores(), total in prop_oneof![0u64..50, Just(1_000_000_000), any::<u64>()]) {
        let result = apportion(&scores, total).unwrap();
        prop_assert!(!result.equal_split);
        prop_assert_eq!(result.units.iter().map(|units| u128::from(*units)).sum::<u128>(), u128::from(total));
        prop_assert_eq!(result.units, oracle(&scores, total));
    }

    #[test]
    fn a_split_loses_nothing(amount: Amount, parts in parts(), rest_to in 0usize..5) {
        let amounts = split(amount, parts, rest_to).unwrap();
        let sum = amounts.iter().try_fold(0u128, |sum, part| sum.checked_add(*part));
        prop_assert_eq!(sum, Some(amount));
        for (at, (got, part)) in amounts.iter().zip(parts).enumerate() {
            let exact = U256::from(amount) * U256::from(part.parts()) / U256::from(1_000_000);
            let over = U256::from(*got) - exact;
            let most = if at == rest_to { U256::from(4) } else { U256::zero() };
            prop_assert!(over <= most);
        }
    }

    #[test]
    fn accrual_is_exact(amount: Amount, units in 1u64.., carry: u64) {
        let carry = U256::from(carry % units);
        let Accrual { per_unit, carry: next } = accrue(amount, units, carry).unwrap();
        prop_assert!(next < U256::from(units));
        let scaled = U512::from(amount) * U512::from(REVENUE_SCALE) + U512::from(carry);
        prop_assert_eq!(U512::from(per_unit) * U512::from(units) + U512::from(next), scaled);
    }

    /// Many fundings, and claims at arbitrary moments: what is claimed never exceeds what was paid in, misses it by less
    /// than one smallest unit per claimant (and the carry), and does not depend on when one claims.
    #[test]
    fn claims_never_exceed_funding_and_do_not_depend_on_their_times(
        scores in prop::collection::vec(0u128..1000, 1..12),
        fundings in prop::collection::vec((0u128..1 << 100, any::<u16>()), 1..30),
    ) {
        let shares = apportion(&scores, 1_000_000_000).unwrap().units;
        let (mut per_unit, mut carry, mut funded) = (U256::zero(), U256::zero(), 0u128);
        let mut last = vec![U256::zero(); shares.len()];
        let mut claimed = vec![0u128; shares.len()];
        for (amount, who_claims) in fundings {
            let accrual = accrue(amount, 1_000_000_000, carry).unwrap();
            per_unit += accrual.per_unit;
            carry = accrual.carry;
            funded += amount;
            for at in (0..shares.len()).filter(|at| who_claims >> at & 1 == 1) {
                claimed[at] += claimable(shares[at], per_unit, last[at]).unwrap();
                last[at] = per_unit;
            }
            prop_assert!(claimed.iter().sum::<u128>() <= funded);
        }
        for at in 0..shares.len() {
            claimed[at] += claimable(shares[at], per_unit, last[at]).unwrap();
            prop_assert_eq!(claimed[at], earned(shares[at], per_unit).unwrap());
            prop_assert_eq!(claimable(shares[at], per_unit, per_unit), Some(0));
        }
        let paid = claimed.iter().sum::<u128>();
        prop_assert!(paid <= funded && funded - paid <= shares.len() as u128);
    }

    /// Two half shares never earn more than the whole one.
    #[test]
    fn splitting_a_share_gains_nothing(units in 2u64..1_000_000_000, cut: prop::sample::Index, revenue in any::<[u64; 3]>()) {
        let now = U256([revenue[0], revenue[1], revenue[2] >> 32, 0]);
        let one = 1 + cut.index(units as usize - 1) as u64;
        if let Some(whole) = earned(units, now) {
            prop_assert!(earned(one, now).unwrap() + earned(units - one, now).unwrap() <= whole);
        }
    }
}

#[test]
fn ties_go_to_the_lower_index() {
    assert_eq!(apportion(&[1, 1, 1], 10).unwrap().units, [4, 3, 3]);
    assert_eq!(apportion(&[1, 1, 1], 11).unwrap().units, [4, 4, 3]);
    assert_eq!(apportion(&[0, 2, 2], 1).unwrap().units, [0, 1, 0]);
}

#[test]
fn all_zero_scores_split_equally_and_say_so() {
    let result = apportion(&[0, 0, 0], 10).unwrap();
    assert_eq!((result.units, result.equal_split), (vec![4, 3, 3], true));
    assert_eq!(apportion(&[], 10), None);
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    let result = apportion(&[u128::MAX; 3], u64::MAX).unwrap();
    assert_eq!(result.units, [u64::MAX / 3; 3]);
    let accrual = accrue(u128::MAX, 1, U256::zero()).unwrap();
    assert_eq!(claimable(1, accrual.per_unit, U256::zero()), Some(u128::MAX));
    assert_eq!(claimable(2, accrual.per_unit, U256::zero()), None);
    assert_eq!(earned(u64::MAX, U256::MAX), None);
}

#[test]
fn nonsense_is_refused() {
    assert_eq!(accrue(1, 0, U256::zero()), None);
    assert_eq!(accrue(1, 1, U256::MAX), None);
    assert_eq!(claimable(0, U256::zero(), U256::one()), None);
    let half = Ppm::from_percent(50);
    assert_eq!(split(100, [half, half, half], 0), None);
    assert_eq!(split(100, [half], 0), None);
    assert_eq!(split(100, [half, half], 2), None);
    assert_eq!(split(101, [half, half], 1), Some([50, 51]));
}
