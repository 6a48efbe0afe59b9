//! The Merkle-sum tree: every leaf proves, nothing else does, and no tree hands out more than its total.

use codec::{Decode, Encode, MaxEncodedLen};
use proptest::prelude::*;
use tributary_protocol::{
    ContentHash, ContributionId, JobId,
    stream::SHARE_LEAVES_MAX,
    sum_tree::{Domain, SUM_DEPTH_MAX, SumLeaf, SumProof, SumProofError, SumRoot, SumTree, SumTreeError, verify},
};

const DOMAIN: Domain = Domain { genesis: [7; 32], job: JobId(42) };

fn leaves(units: &[u64]) -> Vec<SumLeaf> {
    (0u32..)
        .zip(units)
        .map(|(index, units)| SumLeaf {
            index,
            contribution: ContributionId(u64::from(index) * 3 + 1),
            contributor: [index as u8; 32],
            units: *units,
            evidence: ContentHash([!(index as u8); 32]),
        })
        .collect()
}

fn units() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0u64..1_000_000, 1..200)
}

/// Every way to change one field of a leaf, a root or a domain.
fn altered(domain: Domain, root: SumRoot, leaf: SumLeaf, by: u64, bit: u8) -> Vec<(Domain, SumRoot, SumLeaf)> {
    let flipped = |mut bytes: [u8; 32]| {
        bytes[usize::from(bit / 8)] ^= 1 << (bit % 8);
        bytes
    };
    let by32 = (by as u32).max(1);
    vec![
        (Domain { genesis: flipped(domain.genesis), ..domain }, root, leaf),
        (Domain { job: JobId(domain.job.0.wrapping_add(by)), ..domain }, root, leaf),
        (domain, SumRoot { root: flipped(root.root.0).into(), ..root }, leaf),
        (domain, SumRoot { total: root.total.wrapping_add(by), ..root }, leaf),
        (domain, SumRoot { leaves: root.leaves.wrapping_add(by32), ..root }, leaf),
        (domain, root, SumLeaf { index: leaf.index.wrapping_add(by32), ..leaf }),
        (domain, root, SumLeaf { contribution: ContributionId(leaf.contribution.0.wrapping_add(by)), ..leaf }),
        (domain, root, SumLeaf { contributor: flipped(leaf.contributor), ..leaf }),
        (domain, root, SumLeaf { units: leaf.units.wrapping_add(by), ..leaf }),
        (domain, root, SumLeaf { evidence: flipped(leaf.evidence.0).into(), ..leaf }),
    ]
}

proptest! {
    #[test]
    fn every_leaf_proves(units in units()) {
        let tree = SumTree::new(&DOMAIN, leaves(&units)).unwrap();
        prop_assert_eq!(tree.root().total, units.iter().sum::<u64>());
        for leaf in tree.leaves() {
            let proof = tree.prove(leaf.index).unwrap();
            let before = units.iter().take(leaf.index as usize).sum();
            prop_assert_eq!(verify(&DOMAIN, &tree.root(), leaf, &proof), Ok(before));
            prop_assert_eq!(SumProof::decode(&mut &proof.encode()[..]), Ok(proof));
        }
        prop_assert_eq!(tree.prove(tree.root().leaves), None);
    }

    #[test]
    fn any_other_leaf_root_or_domain_fails(units in units(), at: prop::sample::Index, by in 1u64.., bit: u8) {
        let tree = SumTree::new(&DOMAIN, leaves(&units)).unwrap();
        let leaf = *at.get(tree.leaves());
        let proof = tree.prove(leaf.index).unwrap();
        for (domain, root, leaf) in altered(DOMAIN, tree.root(), leaf, by, bit) {
            prop_assert!(verify(&domain, &root, &leaf, &proof).is_err(), "{:?} {:?} {:?}", domain, root, leaf);
        }
    }

    #[test]
    fn any_other_proof_fails(
        units in prop::collection::vec(0u64..1_000_000, 2..200),
        at: prop::sample::Index, level: prop::sample::Index, bit: u8, by in 1u64..,
    ) {
        let tree = SumTree::new(&DOMAIN, leaves(&units)).unwrap();
        let (root, leaf) = (tree.root(), *at.get(tree.leaves()));
        let proof = tree.prove(leaf.index).unwrap();
        let level = level.index(proof.siblings.len());

        let mut other = proof.clone();
        other.siblings.get_mut(level).unwrap().hash.0[usize::from(bit / 8)] ^= 1 << (bit % 8);
        prop_assert_eq!(verify(&DOMAIN, &root, &leaf, &other), Err(SumProofError::WrongRoot));

        let mut other = proof.clone();
        let sibling = other.siblings.get_mut(level).unwrap();
        sibling.sum = sibling.sum.wrapping_add(by);
        prop_assert!(verify(&DOMAIN, &root, &leaf, &other).is_err());

        let mut other = proof.clone();
        other.siblings.pop();
        prop_assert_eq!(verify(&DOMAIN, &root, &leaf, &other), Err(SumProofError::WrongLength));

        let mut other = proof.clone();
        other.siblings.try_push(Default::default()).unwrap();
        prop_assert_eq!(verify(&DOMAIN, &root, &leaf, &other), Err(SumProofError::WrongLength));
    }

    /// Moving units from one leaf to another (a different split of the same total) makes a different root, and a leaf
    /// that was given more in one tree does not prove in the other.
    #[test]
    fn another_split_of_the_same_total_is_another_tree(
        units in prop::collection::vec(1u64..1_000_000, 2..100), from: prop::sample::Index, to: prop::sample::Index,
    ) {
        let (from, to) = (from.index(units.len()), to.index(units.len()));
        prop_assume!(from != to);
        let mut moved = units.clone();
        moved[from] -= 1;
        moved[to] += 1;
        let (honest, other) = (SumTree::new(&DOMAIN, leaves(&units)).unwrap(), SumTree::new(&DOMAIN, leaves(&moved)).unwrap());
        prop_assert_eq!(honest.root().total, other.root().total);
        prop_assert_ne!(honest.root().root, other.root().root);
        let proof = other.prove(to as u32).unwrap();
        prop_assert_eq!(verify(&DOMAIN, &honest.root(), &other.leaves()[to], &proof), Err(SumProofError::WrongRoot));
    }

    /// A trainer may post any root it likes. Whatever total it names, only its true sum lets leaves prove.
    #[test]
    fn a_root_with_another_total_or_size_pays_nobody(units in units(), total: u64, count in 0u32..400) {
        let tree = SumTree::new(&DOMAIN, leaves(&units)).unwrap();
        let root = SumRoot { total, leaves: count, ..tree.root() };
        prop_assume!(root != tree.root());
        for leaf in tree.leaves() {
            prop_assert!(verify(&DOMAIN, &root, leaf, &tree.prove(leaf.index).unwrap()).is_err());
        }
    }
}

#[test]
fn sums_that_overflow_make_no_tree_and_no_proof() {
    assert_eq!(SumTree::new(&DOMAIN, leaves(&[u64::MAX, 1])).unwrap_err(), SumTreeError::TotalOverflow);
    let tree = SumTree::new(&DOMAIN, leaves(&[u64::MAX - 1, 1])).unwrap();
    assert_eq!(tree.root().total, u64::MAX);
    let mut proof = tree.prove(0).unwrap();
    assert_eq!(verify(&DOMAIN, &tree.root(), &tree.leaves()[0], &proof), Ok(0));
    proof.siblings.get_mut(0).unwrap().sum = 2;
    assert_eq!(verify(&DOMAIN, &tree.root(), &tree.leaves()[0], &proof), Err(SumProofError::WrongTotal));
}

#[test]
fn indices_must_count_from_zero() {
    let mut wrong = leaves(&[1, 2, 3]);
    wrong[2].index = 1;
    let error = SumTree::new(&DOMAIN, wrong).unwrap_err();
    assert_eq!(error, SumTreeError::IndexMismatch { position: 2, index: 1 });
}

#[test]
fn nothing_proves_in_an_empty_tree() {
    let tree = SumTree::new(&DOMAIN, Vec::new()).unwrap();
    assert_eq!((tree.root().total, tree.root().leaves), (0, 0));
    let leaf = SumLeaf::default();
    assert_eq!(verify(&DOMAIN, &tree.root(), &leaf, &SumProof::default()), Err(SumProofError::OutOfRange));
    assert_eq!(verify(&DOMAIN, &SumRoot::default(), &leaf, &SumProof::default()), Err(SumProofError::OutOfRange));
}

#[test]
fn proofs_are_bounded() {
    assert_eq!(1 << SUM_DEPTH_MAX, SHARE_LEAVES_MAX);
    assert_eq!(SumProof::max_encoded_len(), 1 + 24 * 40);
    let hostile = codec::Compact(u32::MAX).encode();
    assert!(SumProof::decode(&mut &hostile[..]).is_err());
    // A root that claims more leaves than a proof can reach pays nobody, and verifying it ends.
    let root = SumRoot { leaves: u32::MAX, ..SumRoot::default() };
    assert_eq!(verify(&DOMAIN, &root, &SumLeaf::default(), &SumProof::default()), Err(SumProofError::WrongLength));
}
