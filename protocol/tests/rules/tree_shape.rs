//! The sample tree's shape and proofs against an independent implementation of the same RFC (`ct-merkle`).

use codec::{Decode, Encode};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tributary_protocol::{
    ContentHash,
    content::{
        ConsistencyProof, InclusionProof, MerkleTree, ProofError, SampleTree, TreeAccumulator, TreeHasher, VersionTree,
        salted_sample_leaf, sample_leaf, sample_salt, tree_root, verify_consistency, verify_inclusion, version_leaf,
        version_root,
    },
    datanet::{SampleCommitment, VersionEntry},
    ids::ContributionId,
};

/// RFC 9162's own hash: SHA-256, 0x00 before a leaf and 0x01 before a node.
#[derive(Debug)]
enum Rfc {}

impl TreeHasher for Rfc {
    fn empty() -> ContentHash {
        ContentHash(Sha256::digest([]).into())
    }

    fn leaf(data: &[u8]) -> ContentHash {
        ContentHash(Sha256::new().chain_update([0]).chain_update(data).finalize().into())
    }

    fn node(left: &ContentHash, right: &ContentHash) -> ContentHash {
        ContentHash(Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into())
    }
}

fn leaves(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| format!("leaf {n}").into_bytes()).collect()
}

fn reference(count: usize) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    leaves(count).into_iter().for_each(|leaf| tree.push(leaf));
    tree
}

const SIZES: [usize; 14] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 100, 257];

#[test]
fn roots_equal_the_reference() {
    for count in (0..130).chain([255, 256, 257, 1000]) {
        let head = tree_root::<Rfc, _>(leaves(count));
        assert_eq!(&head.root.0[..], reference(count).root().as_bytes().as_slice(), "{count} leaves");
        assert_eq!(MerkleTree::<Rfc>::new(leaves(count)).head(), head);
    }
}

#[test]
fn inclusion_proofs_equal_the_reference() {
    for count in SIZES {
        let (ours, theirs) = (MerkleTree::<Rfc>::new(leaves(count)), reference(count));
        for index in 0..count {
            let proof = ours.prove_inclusion(index as u64).unwrap();
            let bytes: Vec<u8> = proof.path.iter().flat_map(|hash| hash.0).collect();
            assert_eq!(bytes, theirs.prove_inclusion(index).as_bytes(), "leaf {index} of {count}");
            assert_eq!(verify_inclusion::<Rfc>(&ours.head(), &ours.leaf_hashes()[index], &proof), Ok(()));
        }
        assert_eq!(ours.prove_inclusion(count as u64), None);
    }
}

#[test]
fn consistency_proofs_equal_the_reference() {
    for count in SIZES {
        let (ours, theirs) = (MerkleTree::<Rfc>::new(leaves(count)), reference(count));
        for old in 1..=count {
            let proof = ours.prove_consistency(old as u64).unwrap();
            let bytes: Vec<u8> = proof.path.iter().flat_map(|hash| hash.0).collect();
            assert_eq!(bytes, theirs.prove_consistency(count - old).as_bytes(), "{old} of {count}");
            let head = tree_root::<Rfc, _>(leaves(old));
            assert_eq!(verify_consistency::<Rfc>(&head, &ours.head(), &proof), Ok(()));
        }
        assert_eq!(ours.prove_consistency(count as u64 + 1), None);
    }
}

#[test]
fn the_empty_tree_is_extended_by_all_and_only_truthfully() {
    let empty = tree_root::<Rfc, Vec<u8>>([]);
    for count in [0, 1, 5] {
        let tree = MerkleTree::<Rfc>::new(leaves(count));
        let proof = tree.prove_consistency(0).unwrap();
        assert_eq!(verify_consistency::<Rfc>(&empty, &tree.head(), &proof), Ok(()));
        let mut liar = empty;
        liar.root.0[0] ^= 1;
        assert_eq!(verify_consistency::<Rfc>(&liar, &tree.head(), &proof), Err(ProofError::WrongRoot));
    }
}

#[test]
fn hostile_lengths_do_not_decode() {
    // An index and a compact length of 2^30 - 1 hashes with none behind it.
    let hostile = (7u64, codec::Compact(u32::MAX >> 2)).encode();
    assert!(InclusionProof::decode(&mut &hostile[..]).is_err());
    assert!(ConsistencyProof::decode(&mut &hostile[8..]).is_err());
    let too_long = (7u64, vec![ContentHash::default(); 33]).encode();
    assert!(InclusionProof::decode(&mut &too_long[..]).is_err());
}

#[test]
fn leaf_node_and_tree_are_separate_domains() {
    let (left, right) = (sample_leaf(b"a"), sample_leaf(b"b"));
    let node = SampleTree::node(&left, &right);
    assert_ne!(node, sample_leaf(&[left.0, right.0].concat()));
    assert_ne!(node, VersionTree::node(&left, &right));
    assert_ne!(sample_leaf(b"a"), VersionTree::leaf(b"a"));
    assert_ne!(SampleTree::empty(), sample_leaf(b""));
    assert_ne!(SampleTree::empty(), VersionTree::empty());
}

#[test]
fn a_salt_hides_the_line_and_differs_by_sample_and_secret() {
    let salt = sample_salt(&[1; 32], 0);
    assert_ne!(salt, sample_salt(&[1; 32], 1));
    assert_ne!(salt, sample_salt(&[2; 32], 0));
    assert_ne!(salted_sample_leaf(&salt, b"a"), sample_leaf(b"a"));
    assert_ne!(salted_sample_leaf(&salt, b"a"), salted_sample_leaf(&sample_salt(&[1; 32], 1), b"a"));
    // A salted leaf is no plain leaf over salt and line.
    assert_ne!(salted_sample_leaf(&salt, b"a"), sample_leaf(&[&salt[..], b"a"].concat()));
}

#[test]
fn a_version_extends_the_one_before() {
    let entry = |n: u64| VersionEntry {
        contribution: ContributionId(n),
        samples: SampleCommitment { samples: n as u32, ..SampleCommitment::default() },
    };
    let tree = MerkleTree::<VersionTree>::from_hashes((0..5).map(|n| version_leaf(&entry(n))).collect());
    assert_eq!(tree.head().root, version_root((0..5).map(entry)));
    let mut old = tree.head();
    (old.root, old.leaves) = (version_root((0..3).map(entry)), 3);
    let proof = tree.prove_consistency(3).unwrap();
    assert_eq!(verify_consistency::<VersionTree>(&old, &tree.head(), &proof), Ok(()));
    // The first contribution withdrawn: no longer an extension.
    old.root = version_root((1..4).map(entry));
    assert_eq!(verify_consistency::<VersionTree>(&old, &tree.head(), &proof), Err(ProofError::WrongRoot));
}

fn flip(hash: &mut ContentHash, bit: u8) {
    hash.0[usize::from(bit / 8)] ^= 1 << (bit % 8);
}

proptest! {
    #[test]
    fn a_changed_inclusion_proof_fails(count in 2u64..300, at: prop::sample::Index, hash: prop::sample::Index, bit: u8) {
        let tree = MerkleTree::<SampleTree>::new(leaves(count as usize));
        let index = at.index(count as usize) as u64;
        let (head, leaf) = (tree.head(), tree.leaf_hashes()[index as usize]);
        let proof = tree.prove_inclusion(index).unwrap();
        prop_assert_eq!(verify_inclusion::<SampleTree>(&head, &leaf, &proof), Ok(()));

        let mut other = proof.clone();
        let place = hash.index(other.path.len());
        flip(other.path.get_mut(place).unwrap(), bit);
        prop_assert_eq!(verify_inclusion::<SampleTree>(&head, &leaf, &other), Err(ProofError::WrongRoot));

        let mut other = proof.clone();
        other.path.pop();
        prop_assert_eq!(verify_inclusion::<SampleTree>(&head, &leaf, &other), Err(ProofError::WrongLength));

        let mut other = proof.clone();
        if other.path.try_push(leaf).is_ok() {
            prop_assert_eq!(verify_inclusion::<SampleTree>(&head, &leaf, &other), Err(ProofError::WrongLength));
        }

        for index in (0..count).filter(|other| *other != index) {
            let other = InclusionProof { index, ..proof.clone() };
            prop_assert!(verify_inclusion::<SampleTree>(&head, &leaf, &other).is_err());
        }
        let outside = InclusionProof { index: count, ..proof };
        prop_assert_eq!(verify_inclusion::<SampleTree>(&head, &leaf, &outside), Err(ProofError::OutOfRange));
    }

    #[test]
    fn a_changed_consistency_proof_fails(count in 2u64..300, at: prop::sample::Index, hash: prop::sample::Index, bit: u8) {
        let tree = MerkleTree::<SampleTree>::new(leaves(count as usize));
        let old_leaves = at.index(count as usize - 1) as u64 + 1;
        let (old, new) = (tree_root::<SampleTree, _>(leaves(old_leaves as usize)), tree.head());
        let proof = tree.prove_consistency(old_leaves).unwrap();
        prop_assert_eq!(verify_consistency::<SampleTree>(&old, &new, &proof), Ok(()));

        let mut other = proof.clone();
        let place = hash.index(other.path.len());
        flip(other.path.get_mut(place).unwrap(), bit);
        prop_assert_eq!(verify_consistency::<SampleTree>(&old, &new, &other), Err(ProofError::WrongRoot));

        let mut other = proof.clone();
        other.path.pop();
        prop_assert_eq!(verify_consistency::<SampleTree>(&old, &new, &other), Err(ProofError::WrongLength));

        for (old_bit, new_bit) in [(Some(bit), None), (None, Some(bit))] {
            let (mut old, mut new) = (old, new);
            if let Some(bit) = old_bit { flip(&mut old.root, bit) }
            if let Some(bit) = new_bit { flip(&mut new.root, bit) }
            prop_assert_eq!(verify_consistency::<SampleTree>(&old, &new, &proof), Err(ProofError::WrongRoot));
        }
        prop_assert_eq!(verify_consistency::<SampleTree>(&new, &old, &proof), Err(ProofError::OutOfRange));
    }

    #[test]
    fn the_accumulator_agrees_after_every_push(count in 0usize..80) {
        let mut tree = TreeAccumulator::<SampleTree>::new();
        for (n, leaf) in leaves(count).into_iter().enumerate() {
            tree.push(&leaf);
            prop_assert_eq!(tree.head(), MerkleTree::<SampleTree>::new(leaves(n + 1)).head());
        }
    }
}
