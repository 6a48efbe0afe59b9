//! From the samples' units to the contributions'.

use crate::corpus::Part;
use tributary_protocol::{share::apportion, stream::SHARE_UNITS};

/// What the contributions get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContributionUnits {
    /// Units of each contribution, summing to [`SHARE_UNITS`].
    pub units: Vec<u64>,
    /// Whether no sum was above zero, so that the units went by the number of samples.
    pub by_samples: bool,
}

/// Divides [`SHARE_UNITS`] in proportion to the sums of the contributions' samples. If all are zero, the units go by the
/// number of samples that each holds, and the result says so. Returns `None` if there are no contributions, or not one sum
/// for each.
pub fn apportion_units(sums: &[u128], parts: &[Part]) -> Option<ContributionUnits> {
    if sums.len() != parts.len() {
        return None;
    }
    let by_samples = sums.iter().all(|sum| *sum == 0);
    let weights: Vec<u128> = match by_samples {
        true => parts.iter().map(|part| u128::from(part.samples)).collect(),
        false => sums.to_vec(),
    };
    let units = apportion(&weights, SHARE_UNITS)?.units;
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
    fn without_any_good_the_samples_count_and_it_is_said() {
        let result = apportion_units(&[0, 0, 0], &parts(&[6, 2, 0])).unwrap();
        assert_eq!(result, ContributionUnits { units: vec![750_000_000, 250_000_000, 0], by_samples: true });
    }

    #[test]
    fn nothing_to_divide_among_is_said() {
        assert_eq!(apportion_units(&[], &[]), None);
        assert_eq!(apportion_units(&[1], &[]), None);
    }

    proptest! {
        #[test]
        fn splitting_a_contribution_gains_at_most_rounding(whole in 1u64..1 << 30, other in 1u64..1 << 30, part in 0u64..1 << 30) {
            let part = part.min(whole);
            let together = apportion_units(&[whole.into(), other.into()], &parts(&[2, 2])).unwrap();
            let apart = apportion_units(&[part.into(), (whole - part).into(), other.into()], &parts(&[1, 1, 2])).unwrap();
            let (before, after) = (together.units[0], apart.units[0] + apart.units[1]);
            prop_assert_eq!(together.units.iter().sum::<u64>(), SHARE_UNITS);
            // One unit of remainder each.
            prop_assert!(after.abs_diff(before) <= 2, "{} {}", before, after);
        }
    }
}
