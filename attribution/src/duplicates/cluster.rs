//! Samples that say the same in other words, and the one pool they share.

use tributary_protocol::amount::Ppm;

/// Which of a list of items belong together. Each set is named by its first item.
#[derive(Clone, Debug)]
pub(crate) struct UnionFind {
    parents: Vec<usize>,
}

impl UnionFind {
    pub(crate) fn new(items: usize) -> Self {
        Self { parents: (0..items).collect() }
    }

    /// The first item of the set that holds `item`. Halves the path on the way.
    pub(crate) fn first(&mut self, mut item: usize) -> usize {
        while self.parents[item] != item {
            self.parents[item] = self.parents[self.parents[item]];
            item = self.parents[item];
        }
        item
    }

    /// Joins the sets of two items. The lower name stays, so that the first registered owns the cluster; with paths
    /// halved this costs `O(log n)` each, whatever the order.
    pub(crate) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.parents[a.max(b)] = a.min(b);
    }
}

/// A cluster's member, in the order of registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The sample: its place in the list that was given.
    pub sample: usize,
    /// How similar it is to the most similar sample before it; zero for the first.
    pub similarity: Ppm,
}

/// Shares one pool among a cluster's scored members. `scores` and `similarities` are in the order of registration.
///
/// The pool is what one sample is worth: the largest of the scores, or their sum where that is less. If it is above zero,
/// it is divided by novelty, `1 - similarity`; the first member counts as much as all others together, at least as
/// one whole. If not, all keep what they have: harm is not shared.
///
/// So however many paraphrases join, the cluster earns no more than its best member alone, and the first registered keeps
/// at least half. The sum never exceeds that of `scores`; remainders go to the first.
pub fn share_pool(scores: &[i64], similarities: &[Ppm]) -> Vec<i64> {
    let sum: i128 = scores.iter().copied().map(i128::from).sum();
    let largest = scores.iter().copied().max().map_or(0, i128::from);
    let pool = sum.min(largest);
    if pool <= 0 || scores.len() < 2 || scores.len() != similarities.len() {
        return scores.to_vec();
    }
    const ONE: i128 = 1_000_000;
    let novelty = |similarity: &Ppm| ONE - i128::from(similarity.parts());
    let others: i128 = similarities.iter().skip(1).map(novelty).sum();
    let total = others + others.max(ONE);
    // At most 2^63 times 10^6: no overflow. A part is below the pool, so it fits.
    let part = |similarity: &Ppm| i64::try_from(pool * novelty(similarity) / total).unwrap_or(i64::MAX);
    let mut parts: Vec<i64> = similarities.iter().map(part).collect();
    let given: i128 = parts.iter().skip(1).copied().map(i128::from).sum();
    if let Some(first) = parts.first_mut() {
        *first = i64::try_from(pool - given).unwrap_or(i64::MAX);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ppm(parts: u32) -> Ppm {
        Ppm::new(parts).unwrap()
    }

    #[test]
    fn a_paraphrase_gets_what_it_adds() {
        let shared = share_pool(&[1000, 1000], &[Ppm::ZERO, ppm(600_000)]);
        // Weights 1 and 0.4.
        assert_eq!(shared, [715, 285]);
    }

    #[test]
    fn seven_paraphrases_leave_the_first_half() {
        let similarities = [[Ppm::ZERO].as_slice(), &[ppm(500_000); 7]].concat();
        let shared = share_pool(&[700; 8], &similarities);
        assert_eq!((shared[0], shared.iter().sum::<i64>()), (350, 700));
    }

    #[test]
    fn harm_is_kept_by_who_did_it() {
        assert_eq!(share_pool(&[1, -5], &[Ppm::ZERO, ppm(600_000)]), [1, -5]);
        assert_eq!(share_pool(&[9, -5], &[Ppm::ZERO, ppm(500_000)]).iter().sum::<i64>(), 4);
    }

    proptest! {
        #[test]
        fn a_pool_is_one_samples_worth(
            members in prop::collection::vec((any::<i64>(), 0u32..=1_000_000), 1..30),
        ) {
            let scores: Vec<i64> = members.iter().map(|member| member.0).collect();
            let similarities: Vec<Ppm> = members.iter().map(|member| ppm(member.1)).collect();
            let wide = |scores: &[i64]| scores.iter().copied().map(i128::from).sum::<i128>();
            let shared = share_pool(&scores, &similarities);
            let (before, after) = (wide(&scores), wide(&shared));
            let best = i128::from(*scores.iter().max().unwrap());
            if scores.len() > 1 && before.min(best) > 0 {
                prop_assert_eq!(after, before.min(best));
                prop_assert!(shared.iter().all(|part| *part >= 0));
                prop_assert!(2 * i128::from(shared[0]) >= after);
            } else {
                prop_assert_eq!(shared, scores);
            }
        }

        #[test]
        fn sets_are_those_of_the_pairs(pairs in prop::collection::vec((0usize..40, 0usize..40), 0..60)) {
            let mut sets = UnionFind::new(40);
            let mut naive: Vec<usize> = (0..40).collect();
            for (a, b) in pairs {
                sets.join(a, b);
                let (a, b) = (naive[a], naive[b]);
                naive.iter_mut().filter(|name| **name == a.max(b)).for_each(|name| *name = a.min(b));
            }
            for (item, name) in naive.iter().enumerate() {
                prop_assert_eq!(sets.first(item), *name);
            }
        }
    }
}
