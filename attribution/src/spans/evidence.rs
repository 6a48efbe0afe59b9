//! What spans count for: little.

use super::search::Span;
use std::collections::BTreeMap;
use tributary_protocol::{ContentHash, amount::Ppm, share::apportion};

/// The most that spans can move of a sample's share.
pub const SPAN_PART: Ppm = Ppm::from_percent(20);

/// The information of an answer's spans, by sample: each span's is divided evenly among the places that are listed,
/// rounded down.
pub fn span_evidence(spans: &[Span]) -> BTreeMap<ContentHash, u64> {
    let mut evidence = BTreeMap::new();
    for span in spans {
        let places = span.places.len().max(1) as u64;
        for place in &span.places {
            let sum: &mut u64 = evidence.entry(place.sample).or_default();
            *sum = sum.saturating_add(span.information / places);
        }
    }
    evidence
}

/// Moves `shares` towards what `evidence` says, by at most a fifth ([`SPAN_PART`]) of each, up or down. Pure integers.
///
/// With `T` the sum of the shares and `E` that of the evidence, each share `s` wants to be `floor(T e / E)`, but changes by
/// no more than `floor(s / 5)`. What some want to gain and what others can give differ; the greater of the two sums is cut
/// down to the smaller by [`apportion`]. So the sum stays the same, a share of zero stays zero, and without evidence
/// nothing changes.
///
/// One entry stands for one sample. An owner's share is the sum of their samples' shares afterwards, so that no division
/// of samples among accounts matters; with one entry for each account it would.
///
/// Returns `None` if the lists differ in length or the shares' sum exceeds a u64. Cost: `n log n`.
pub fn with_span_evidence(shares: &[u64], evidence: &[u64]) -> Option<Vec<u64>> {
    let total = shares.iter().try_fold(0u64, |sum, share| sum.checked_add(*share))?;
    if shares.len() != evidence.len() {
        return None;
    }
    let all: u128 = evidence.iter().copied().map(u128::from).sum();
    if all == 0 {
        return Some(shares.to_vec());
    }
    let (mut gains, mut gifts) = (vec![0u128; shares.len()], vec![0u128; shares.len()]);
    for (((share, evidence), gain), gift) in shares.iter().zip(evidence).zip(&mut gains).zip(&mut gifts) {
        let share = u128::from(*share);
        let wanted = u128::from(total) * u128::from(*evidence) / all;
        *gain = wanted.saturating_sub(share).min(SPAN_PART.of(share));
        *gift = share.saturating_sub(wanted).min(SPAN_PART.of(share));
    }
    let moved = gains.iter().sum::<u128>().min(gifts.iter().sum());
    if moved == 0 {
        return Some(shares.to_vec());
    }
    // Each sum is at least what is moved, so a quota is at most what it is the quota of, rounding up included.
    let moved = u64::try_from(moved).ok()?;
    let (gains, gifts) = (apportion(&gains, moved)?.units, apportion(&gifts, moved)?.units);
    let changed = shares.iter().zip(gains).zip(gifts).map(|((share, gain), gift)| (share - gift).checked_add(gain));
    changed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fifth_moves_and_no_more() {
        assert_eq!(with_span_evidence(&[500, 500], &[1, 0]), Some(vec![600, 400]));
        assert_eq!(with_span_evidence(&[900, 100], &[0, 7]), Some(vec![880, 120]));
        assert_eq!(with_span_evidence(&[500, 500, 0], &[0, 0, 9]), Some(vec![500, 500, 0]));
        assert_eq!(with_span_evidence(&[500, 500], &[0, 0]), Some(vec![500, 500]));
        assert_eq!(with_span_evidence(&[], &[]), Some(vec![]));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(with_span_evidence(&[1], &[]), None);
        assert_eq!(with_span_evidence(&[u64::MAX, 1], &[1, 1]), None);
    }

    proptest! {
        #[test]
        fn the_sum_stays_and_each_moves_at_most_a_fifth(
            rows in prop::collection::vec((0u64..1 << 58, prop_oneof![Just(0u64), any::<u64>(), 0u64..100]), 0..40),
        ) {
            let (shares, evidence): (Vec<u64>, Vec<u64>) = rows.into_iter().unzip();
            let changed = with_span_evidence(&shares, &evidence).unwrap();
            prop_assert_eq!(changed.iter().sum::<u64>(), shares.iter().sum::<u64>());
            for (before, after) in shares.iter().zip(&changed) {
                prop_assert!(before.abs_diff(*after) <= before / 5, "{before} {after}");
            }
        }

        #[test]
        fn nobody_gains_by_less_evidence(
            rows in prop::collection::vec((0u64..1 << 30, 0u64..1 << 20), 2..12), less in 0u64..1 << 20,
        ) {
            let (shares, mut evidence): (Vec<u64>, Vec<u64>) = rows.into_iter().unzip();
            let before = with_span_evidence(&shares, &evidence).unwrap();
            evidence[0] = evidence[0].saturating_sub(less);
            let after = with_span_evidence(&shares, &evidence).unwrap();
            // But for one unit of remainder; and no evidence at all changes nothing instead of everything.
            prop_assert!(evidence.iter().all(|e| *e == 0) || after[0] <= before[0] + 1, "{} {}", before[0], after[0]);
        }

        #[test]
        fn evidence_that_agrees_changes_nothing(shares in prop::collection::vec(0u64..1 << 40, 1..20)) {
            prop_assert_eq!(with_span_evidence(&shares, &shares).unwrap(), shares);
        }
    }
}
