//! How much the adapter moves with each group's presence, from runs on random halves of the groups.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// Random halves of `groups` groups: for each, whether every group takes part. They come in pairs that complete each other,
/// so that every group is in as often as it is out. An odd number of groups is divided unevenly, and the last of an odd
/// number of halves stands alone. The same seed gives the same halves.
pub fn random_halves(groups: usize, halves: usize, seed: u64) -> Vec<Vec<bool>> {
    drawn(groups, groups / 2, halves.div_ceil(2), seed, "tributary.network 2026-11 tangent halves v1")
        .into_iter()
        .flat_map(|half| {
            let rest = half.iter().map(|is_in| !is_in).collect();
            [half, rest]
        })
        .take(halves)
        .collect()
}

/// Random coalitions of `members` of `all`: for each, whether every one takes part. The same seed gives the same
/// coalitions, which are independent of [`random_halves`].
pub fn random_coalitions(all: usize, members: usize, count: usize, seed: u64) -> Vec<Vec<bool>> {
    drawn(all, members, count, seed, "tributary.network 2026-11 accuracy coalitions v1")
}

fn drawn(all: usize, members: usize, count: usize, seed: u64, purpose: &str) -> Vec<Vec<bool>> {
    let mut key = blake3::Hasher::new_derive_key(purpose);
    key.update(&seed.to_le_bytes());
    let mut random = ChaCha8Rng::from_seed(*key.finalize().as_bytes());
    let mut places: Vec<usize> = (0..all).collect();
    (0..count)
        .map(|_| {
            for last in (1..all).rev() {
                let at = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
                places.swap(last, at as usize);
            }
            let mut is_in = vec![false; all];
            places.iter().take(members).for_each(|place| is_in[*place] = true);
            is_in
        })
        .collect()
}

/// The matrix `W = (XᵀX + ridge·I)⁻¹ Xᵀ`, by group and run, where X has a row for each run and a column for each group:
/// whether it took part, less the mean over the runs. `W·Y` are the coefficients of the ridge regression of any values Y of
/// the runs on who took part. As the columns of X sum to 0, a constant in Y changes nothing.
///
/// Errors: `None` if `ridge` is not a positive number. Cost: `O(groups²·(groups + runs))`.
pub(crate) fn weights(runs: &[Vec<bool>], groups: usize, ridge: f64) -> Option<Vec<Vec<f64>>> {
    if !(ridge > 0.0 && ridge.is_finite()) {
        return None;
    }
    let presence = |is_in: &bool| f64::from(u8::from(*is_in));
    let mean: Vec<f64> = (0..groups)
        .map(|group| runs.iter().map(|run| presence(&run[group])).sum::<f64>() / runs.len().max(1) as f64)
        .collect();
    let x: Vec<Vec<f64>> =
        runs.iter().map(|run| run.iter().zip(&mean).map(|(is_in, mean)| presence(is_in) - mean).collect()).collect();
    let mut gram = vec![vec![0f64; groups]; groups];
    for (i, row) in gram.iter_mut().enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            *value = x.iter().map(|run| run[i] * run[j]).sum::<f64>() + if i == j { ridge } else { 0.0 };
        }
    }
    let lower = cholesky(gram)?;
    // Solve for each run's column, then put the solutions side by side.
    let solved: Vec<Vec<f64>> = x.iter().map(|run| solve(&lower, run)).collect();
    Some((0..groups).map(|group| solved.iter().map(|column| column[group]).collect()).collect())
}

/// The lower triangle L of `L·Lᵀ = a`; `None` if `a` is not positive definite.
fn cholesky(mut a: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    for i in 0..a.len() {
        for j in 0..=i {
            let sum = (0..j).fold(a[i][j], |sum, k| sum - a[i][k] * a[j][k]);
            a[i][j] = match i == j {
                true if sum > 0.0 => sum.sqrt(),
                true => return None,
                false => sum / a[j][j],
            };
        }
    }
    Some(a)
}

fn solve(lower: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let count = b.len();
    let mut y = b.to_vec();
    for i in 0..count {
        y[i] = (0..i).fold(y[i], |sum, k| sum - lower[i][k] * y[k]) / lower[i][i];
    }
    for i in (0..count).rev() {
        y[i] = (i + 1..count).fold(y[i], |sum, k| sum - lower[k][i] * y[k]) / lower[i][i];
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_are_halves_and_complete_each_other() {
        let halves = random_halves(7, 5, 3);
        assert_eq!(halves, random_halves(7, 5, 3));
        assert_ne!(halves, random_halves(7, 5, 4));
        let members = |half: &Vec<bool>| half.iter().filter(|is_in| **is_in).count();
        assert_eq!(halves.iter().map(members).collect::<Vec<_>>(), [3, 4, 3, 4, 3]);
        assert!((0..7).all(|group| halves[0][group] != halves[1][group]));
        let coalitions = random_coalitions(10, 8, 6, 3);
        assert!(coalitions.iter().all(|coalition| members(coalition) == 8));
        assert_eq!(random_halves(1, 2, 0), [[false], [true]]);
    }

    proptest! {
        #[test]
        fn additive_effects_are_found(
            effects in prop::collection::vec(-10.0f64..10.0, 2..12),
            constant in -100.0f64..100.0,
            seed: u64,
        ) {
            // So many that no draw leaves two sums of groups alike in all of them, as 40 did for one seed of six groups.
            let mut runs = random_halves(effects.len(), 200, seed);
            // Halves of one size cannot tell what all groups have in common; the whole can.
            runs.push(vec![true; effects.len()]);
            let value = |run: &Vec<bool>| {
                constant + run.iter().zip(&effects).filter(|(is_in, _)| **is_in).map(|(_, effect)| effect).sum::<f64>()
            };
            let values: Vec<f64> = runs.iter().map(value).collect();
            let weights = weights(&runs, effects.len(), 1e-7).unwrap();
            for (row, effect) in weights.iter().zip(&effects) {
                let found: f64 = row.iter().zip(&values).map(|(weight, value)| weight * value).sum();
                prop_assert!((found - effect).abs() < 1e-4, "{found} {effect}");
            }
        }
    }

    #[test]
    fn a_ridge_that_is_none_is_refused() {
        let runs = random_halves(3, 4, 1);
        assert!(weights(&runs, 3, 0.0).is_none() && weights(&runs, 3, f64::NAN).is_none());
        assert!(weights(&[], 3, 1.0).is_some_and(|weights| weights == vec![Vec::<f64>::new(); 3]));
    }
}
