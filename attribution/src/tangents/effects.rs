//! What leaving out single samples would do, from both that is known of an answer: what leaving out their groups did, and what an
//! estimator says of each sample.

use crate::groups::Groups;

/// What the estimator's scores count for beside what was measured.
///
/// Chosen on the benchmark's first three seeds; a half and one do nearly as well (docs/attribution-benchmark.md).
const ESTIMATED: f64 = 0.75;

/// Estimates the effects on an answer of leaving out any of the samples: to be added up over those that are left out. In the order
/// of `groups`' samples, as parts of what all groups are worth.
///
/// `measured` is of each group ([`Tangents::scores`](super::Tangents::scores) or its other ways), `estimated` of each sample (such
/// as [`Embeddings::scores`](crate::Embeddings::scores)), both above 0 for help, in any unit. A group's measured score is divided
/// among its samples by their estimates above 0, evenly if there are none; three quarters of the estimates are added, each list
/// relative to the sum of its sizes. The measurement knows what a group does and not who in it, the estimate knows samples and
/// errs in size: for groups of few samples both together foretell retrains better than either, and with many samples in a group
/// what was measured of it is better left alone. No answer is paid by this.
///
/// `None` if the lists do not fit the groups.
pub fn sample_effects(groups: &Groups, measured: &[f64], estimated: &[f64]) -> Option<Vec<f64>> {
    let of_sample = groups.of_sample();
    if measured.len() != groups.count() || estimated.len() != of_sample.len() {
        return None;
    }
    let (mut sums, mut sizes) = (vec![0f64; groups.count()], vec![0usize; groups.count()]);
    for (group, estimate) in of_sample.iter().zip(estimated) {
        sums[usize::from(*group)] += estimate.max(0.0);
        sizes[usize::from(*group)] += 1;
    }
    let (all_measured, all_estimated) = (size(measured), size(estimated));
    let effect = |(group, estimate): (&u16, &f64)| {
        let group = usize::from(*group);
        let part = if sums[group] > 0.0 { estimate.max(0.0) / sums[group] } else { 1.0 / sizes[group] as f64 };
        measured[group] * part / all_measured + ESTIMATED * estimate / all_estimated
    };
    Some(of_sample.iter().zip(estimated).map(effect).collect())
}

/// The sum of the values without their signs; 1 of nothing, by which nothing can be divided.
fn size(values: &[f64]) -> f64 {
    let sum: f64 = values.iter().map(|value| value.abs()).sum();
    if sum > 0.0 { sum } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::ContentHash;

    fn groups(of: &[u16], count: u16) -> Groups {
        let samples: Vec<(ContentHash, u16)> =
            (0u64..).zip(of).map(|(number, group)| (ContentHash::of(&number.to_le_bytes()), *group)).collect();
        Groups::of_samples(&samples, count).unwrap()
    }

    #[test]
    fn what_was_measured_is_divided_and_what_is_estimated_added() {
        let groups = groups(&[0, 0, 1, 1], 2);
        let found = sample_effects(&groups, &[6.0, -2.0], &[3.0, -1.0, 0.0, -4.0]).unwrap();
        // 6 / 8 to the first alone; -2 / 8 evenly; and 3 / 4 of each one's part of 8.
        let expected = [0.75 + 0.75 * 0.375, -0.75 * 0.125, -0.125, -0.125 - 0.75 * 0.5];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        // Units do not matter.
        let scaled = sample_effects(&groups, &[600.0, -200.0], &[0.3, -0.1, 0.0, -0.4]).unwrap();
        assert!(found.iter().zip(scaled).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn nothing_says_nothing_and_what_does_not_fit_is_refused() {
        let groups = groups(&[0, 1, 1], 2);
        assert_eq!(sample_effects(&groups, &[0.0, 0.0], &[0.0; 3]), Some(vec![0.0; 3]));
        assert_eq!(sample_effects(&groups, &[1.0, 1.0], &[0.0; 3]), Some(vec![0.5, 0.25, 0.25]));
        assert_eq!(sample_effects(&groups, &[1.0], &[0.0; 3]), None);
        assert_eq!(sample_effects(&groups, &[1.0, 1.0], &[0.0; 2]), None);
    }
}
