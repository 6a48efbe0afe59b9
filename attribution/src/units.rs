//! From scores to units: where floats end.

use crate::corpus::Part;
use tributary_protocol::{share::apportion, stream::SHARE_UNITS};

/// The largest score becomes this integer: 2^32, so that a contribution of a four-billionth of the best still counts.
const FIXED_POINT_ONE: f64 = 4_294_967_296.0;

/// What the contributions get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContributionUnits {
    /// Units of each contribution, summing to [`SHARE_UNITS`].
    pub units: Vec<u64>,
    /// Whether no score was above zero, so that the units went by the number of samples.
    pub by_samples: bool,
}

/// Divides [`SHARE_UNITS`] in proportion to the contributions' scores. A contribution that did more harm than good gets
/// nothing. If none did good, the units go by the number of samples that each holds, and the result says so.
///
/// Scores become integers first: the nearest to `score / largest x 2^32`. Division, multiplication by a power of two and
/// rounding to the nearest are exact operations of IEEE 754, so equal scores give equal integers on every machine.
/// Returns `None` if there are no contributions, or `scores` are not one finite number for each.
pub fn apportion_scores(scores: &[f64], parts: &[Part]) -> Option<ContributionUnits> {
    if scores.len() != parts.len() || scores.iter().any(|score| !score.is_finite()) {
        return None;
    }
    let largest = scores.iter().copied().fold(0f64, f64::max);
    let by_samples = largest == 0.0;
    let fixed: Vec<u128> = if by_samples {
        parts.iter().map(|part| u128::from(part.samples)).collect()
    } else {
        scores.iter().map(|score| (score.max(0.0) / largest * FIXED_POINT_ONE).round_ties_even() as u128).collect()
    };
    let units = apportion(&fixed, SHARE_UNITS)?.units;
    Some(ContributionUnits { units, by_samples })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tributary_protocol::ContributionId;

    fn parts(samples: &[u32]) -> Vec<Part> {
        let part = |(number, samples): (u64, &u32)| Part {
            contribution: ContributionId(number),
            contributor: [0; 32],
            samples: *samples,
            copies: 0,
        };
        (0u64..).zip(samples).map(part).collect()
    }

    #[test]
    fn harm_earns_nothing_and_good_all() {
        let result = apportion_scores(&[3.0, -7.0, 1.0], &parts(&[1, 1, 1])).unwrap();
        assert_eq!(result, ContributionUnits { units: vec![750_000_000, 0, 250_000_000], by_samples: false });
    }

    #[test]
    fn without_any_good_the_samples_count_and_it_is_said() {
        let result = apportion_scores(&[0.0, -1.0, 0.0], &parts(&[6, 2, 0])).unwrap();
        assert_eq!(result, ContributionUnits { units: vec![750_000_000, 250_000_000, 0], by_samples: true });
    }

    #[test]
    fn nothing_to_divide_among_is_said() {
        assert_eq!(apportion_scores(&[], &[]), None);
        assert_eq!(apportion_scores(&[f64::NAN], &parts(&[1])), None);
        assert_eq!(apportion_scores(&[1.0], &[]), None);
    }

    proptest! {
        #[test]
        fn units_are_whole_ordered_as_the_scores_and_free_of_their_scale(
            scores in prop::collection::vec(-1e3f64..1e6, 1..40),
            exponent in -200i32..200,
        ) {
            let parts = parts(&vec![1; scores.len()]);
            let result = apportion_scores(&scores, &parts).unwrap();
            prop_assert_eq!(result.units.iter().sum::<u64>(), SHARE_UNITS);
            prop_assert_eq!(result.by_samples, scores.iter().all(|score| *score <= 0.0));
            if !result.by_samples {
                for (a, units_a) in scores.iter().zip(&result.units) {
                    prop_assert!(*a > 0.0 || *units_a == 0);
                    for (b, units_b) in scores.iter().zip(&result.units) {
                        // A remainder can put one unit between equals.
                        prop_assert!(a < b || units_a + 1 >= *units_b);
                    }
                }
            }
            // A power of two scales exactly, so it must change nothing.
            let scaled: Vec<f64> = scores.iter().map(|score| score * 2f64.powi(exponent)).collect();
            prop_assert_eq!(apportion_scores(&scaled, &parts).unwrap(), result);
        }

        #[test]
        fn splitting_a_contribution_gains_at_most_rounding(whole in 1e-6f64..1e3, other in 1e-6f64..1e3, part in 0.0f64..1.0) {
            let together = apportion_scores(&[whole, other], &parts(&[2, 2])).unwrap();
            let apart = apportion_scores(&[whole * part, whole - whole * part, other], &parts(&[1, 1, 2])).unwrap();
            let (before, after) = (together.units[0], apart.units[0] + apart.units[1]);
            // Rounding at 2^-32 of the largest score, and one unit of remainder each.
            prop_assert!(after.abs_diff(before) <= 4, "{} {}", before, after);
        }
    }
}
