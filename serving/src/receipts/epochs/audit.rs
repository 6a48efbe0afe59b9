//! What a challenged operator must show.

use tributary_protocol::{
    Amount,
    epoch::{AUDIT_DRAWS, AmountLeaf, AmountProof, AmountTree, Audit, covers},
};

/// Most leaves that one transaction opens: some 20 kB with the longest proofs.
pub const OPENINGS_MAX: usize = 16;

/// A leaf, and the draws whose points it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The leaf.
    pub leaf: AmountLeaf,
    /// Its proof.
    pub proof: AmountProof,
    /// The draws, ascending.
    pub draws: Vec<u16>,
}

/// The leaves that cover all points of an audit, by their places, however much of it is opened already. Cost: a walk over the
/// leaves.
pub fn openings(tree: &AmountTree, audit: &Audit) -> Vec<Opening> {
    let total = tree.root().total;
    let mut points: Vec<(Amount, u16)> =
        (0..AUDIT_DRAWS).filter_map(|draw| Some((audit.point(draw, total)?, draw))).collect();
    points.sort_unstable();
    let mut points = points.into_iter().peekable();
    let (mut openings, mut before) = (Vec::new(), 0 as Amount);
    for leaf in tree.leaves() {
        let mut draws = Vec::new();
        while let Some((_, draw)) = points.next_if(|(point, _)| covers(before, leaf.units, *point)) {
            draws.push(draw);
        }
        if let Some(proof) = tree.prove(leaf.index).filter(|_| !draws.is_empty()) {
            draws.sort_unstable();
            openings.push(Opening { leaf: *leaf, proof, draws });
        }
        // The leaves' sum is the tree's total, which fits.
        before = before.saturating_add(leaf.units);
    }
    openings
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tributary_protocol::{ContributionId, epoch::EpochDomain, sum_tree::verify};

    proptest! {
        #[test]
        fn every_point_is_opened_once_by_a_leaf_that_covers_it(
            amounts in prop::collection::vec(prop_oneof![Just(0u128), 1u128..1 << 90], 1..60),
            seed in any::<[u8; 32]>(),
        ) {
            prop_assume!(amounts.iter().any(|amount| *amount > 0));
            let domain = EpochDomain { epoch: 3, ..EpochDomain::default() };
            let leaf = |(index, units): (u32, u128)| AmountLeaf {
                index, contribution: ContributionId(index.into()), units, ..AmountLeaf::default()
            };
            let tree = AmountTree::new(&domain, (0..).zip(amounts).map(leaf).collect()).unwrap();
            let mut audit = Audit::new(seed, 9);
            // As the pallet does.
            for Opening { leaf, proof, draws } in openings(&tree, &audit) {
                let before = verify(&domain, &tree.root(), &leaf, &proof).unwrap();
                for draw in draws {
                    let point = audit.point(draw, tree.root().total).unwrap();
                    prop_assert!(covers(before, leaf.units, point));
                    prop_assert!(audit.open(draw), "draw {} twice", draw);
                }
            }
            prop_assert!(audit.is_complete());
        }
    }
}
