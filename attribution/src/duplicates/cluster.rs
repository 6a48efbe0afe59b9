//! Samples that say the same in other words.

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
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
