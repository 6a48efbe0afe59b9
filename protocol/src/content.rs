//! Commitments to lists of bytes: samples of a contribution, contributions of a version, steps of a training run.
//!
//! A tree has the shape of [RFC 9162, section 2.1](https://www.rfc-editor.org/rfc/rfc9162#section-2.1): the left subtree
//! of `n` leaves holds the largest power of two below `n`, so appending never rewrites a complete subtree and a
//! [`ConsistencyProof`] can show that a newer tree extends an older one. The hash is BLAKE3 in key derivation mode, with
//! one context per role ([`Contexts`]): a leaf cannot be passed off as a node, nor a sample as a contribution.
//!
//! [`TreeAccumulator`] computes a root in `O(log n)` memory (the chain uses it); [`MerkleTree`] keeps all hashes and
//! makes proofs (the daemons use it).

use crate::{datanet::VersionEntry, ids::ContentHash};
use alloc::{vec, vec::Vec};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::{fmt, marker::PhantomData};
use scale_info::TypeInfo;

/// Most hashes in an inclusion proof: enough for a tree of 2^32 leaves.
pub const INCLUSION_PATH_MAX: u32 = 32;
/// Most hashes in a consistency proof: one more than the depth.
pub const CONSISTENCY_PATH_MAX: u32 = 33;

/// How a tree hashes its leaves and nodes.
pub trait TreeHasher {
    /// The root of the tree without leaves.
    fn empty() -> ContentHash;
    /// The hash of a leaf's bytes.
    fn leaf(data: &[u8]) -> ContentHash;
    /// The hash of a node over its two subtrees.
    fn node(left: &ContentHash, right: &ContentHash) -> ContentHash;
}

/// The BLAKE3 key derivation contexts of one kind of tree. Whoever has them has a [`TreeHasher`].
pub trait Contexts {
    /// Context of the empty tree's root.
    const EMPTY: &'static str;
    /// Context of a leaf.
    const LEAF: &'static str;
    /// Context of a node.
    const NODE: &'static str;
}

impl<C: Contexts> TreeHasher for C {
    fn empty() -> ContentHash {
        derive(C::EMPTY, &[])
    }

    fn leaf(data: &[u8]) -> ContentHash {
        derive(C::LEAF, &[data])
    }

    fn node(left: &ContentHash, right: &ContentHash) -> ContentHash {
        derive(C::NODE, &[&left.0, &right.0])
    }
}

/// BLAKE3 in key derivation mode over the concatenation of `parts`. Of the parts, only the last may vary in length,
/// so that no two inputs of a context share a concatenation.
pub(crate) fn derive(context: &'static str, parts: &[&[u8]]) -> ContentHash {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    ContentHash(*hasher.finalize().as_bytes())
}

/// The tree over the canonical lines of a contribution; see [`crate::sample`].
#[derive(Clone, Copy, Debug)]
pub enum SampleTree {}

impl Contexts for SampleTree {
    const EMPTY: &'static str = "tributary.network 2026-11 sample-tree empty v1";
    const LEAF: &'static str = "tributary.network 2026-11 sample-tree leaf v1";
    const NODE: &'static str = "tributary.network 2026-11 sample-tree node v1";
}

/// The tree over the contributions of a version; see [`version_root`].
#[derive(Clone, Copy, Debug)]
pub enum VersionTree {}

impl Contexts for VersionTree {
    const EMPTY: &'static str = "tributary.network 2026-11 version-tree empty v1";
    const LEAF: &'static str = "tributary.network 2026-11 version-tree leaf v1";
    const NODE: &'static str = "tributary.network 2026-11 version-tree node v1";
}

/// The leaf hash of a public sample: what the sample is known by.
pub fn sample_leaf(line: &[u8]) -> ContentHash {
    SampleTree::leaf(line)
}

/// The leaf hash of a sample of a private Datanet. Without the salt, nobody can test a guess of the line against it.
pub fn salted_sample_leaf(salt: &[u8; 32], line: &[u8]) -> ContentHash {
    derive("tributary.network 2026-11 sample-tree salted leaf v1", &[salt, line])
}

/// The salt of the sample at `index` (from 0), derived from the contributor's `secret`: showing the salt of one sample
/// reveals that of no other.
pub fn sample_salt(secret: &[u8; 32], index: u64) -> [u8; 32] {
    derive("tributary.network 2026-11 sample-tree salt v1", &[secret, &index.to_le_bytes()]).0
}

/// The leaf hash of a contribution in a version's tree: over the SCALE encoding of its entry, of fixed length.
pub fn version_leaf(entry: &VersionEntry) -> ContentHash {
    VersionTree::leaf(&entry.encode())
}

/// The root over a version's contributions, in ascending order of their ids. It commits to the samples through their
/// roots. A version that only adds newer contributions extends the one before, and a consistency proof shows it; one
/// from which a contribution was withdrawn does not. Cost: `2n` hashes of at most 85 bytes.
pub fn version_root(entries: impl IntoIterator<Item = VersionEntry>) -> ContentHash {
    let mut tree = TreeAccumulator::<VersionTree>::new();
    for entry in entries {
        tree.push_hash(version_leaf(&entry));
    }
    tree.root()
}

/// A tree's root and how many leaves it has. Proofs are checked against both.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct TreeHead {
    /// The root.
    pub root: ContentHash,
    /// How many leaves.
    pub leaves: u64,
}

/// Computes a root leaf by leaf, holding only the roots of the complete subtrees so far.
#[derive(Clone, Debug)]
pub struct TreeAccumulator<H> {
    /// Roots of complete subtrees, largest first: one for every set bit of `leaves`.
    peaks: Vec<ContentHash>,
    leaves: u64,
    hasher: PhantomData<H>,
}

impl<H> Default for TreeAccumulator<H> {
    fn default() -> Self {
        Self { peaks: Vec::new(), leaves: 0, hasher: PhantomData }
    }
}

impl<H: TreeHasher> TreeAccumulator<H> {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a leaf.
    pub fn push(&mut self, data: &[u8]) {
        self.push_hash(H::leaf(data));
    }

    /// Appends a leaf by its hash.
    pub fn push_hash(&mut self, leaf: ContentHash) {
        let mut node = leaf;
        // As in binary counting: every trailing one is a subtree as large as the one just completed.
        for _ in 0..self.leaves.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            node = H::node(&left, &node);
        }
        self.peaks.push(node);
        // 2^64 leaves cannot be pushed in any real time.
        self.leaves = self.leaves.saturating_add(1);
    }

    /// How many leaves were pushed.
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The root over the leaves so far.
    pub fn root(&self) -> ContentHash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => H::empty(),
            Some(last) => peaks.fold(*last, |right, left| H::node(left, &right)),
        }
    }

    /// The root with the number of leaves.
    pub fn head(&self) -> TreeHead {
        TreeHead { root: self.root(), leaves: self.leaves }
    }
}

/// The root of the tree over `leaves`.
pub fn tree_root<H: TreeHasher, T: AsRef<[u8]>>(leaves: impl IntoIterator<Item = T>) -> TreeHead {
    let mut tree = TreeAccumulator::<H>::new();
    for leaf in leaves {
        tree.push(leaf.as_ref());
    }
    tree.head()
}

/// Shows that a leaf stands at an index of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct InclusionProof {
    /// The leaf's index, from 0.
    pub index: u64,
    /// The hashes beside the path, from the leaf up.
    pub path: BoundedVec<ContentHash, ConstU32<INCLUSION_PATH_MAX>>,
}

/// Shows that a tree's first leaves are exactly those of an older tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct ConsistencyProof {
    /// The hashes of RFC 9162's PROOF(m, D_n), in its order; empty if the older tree is empty or the same.
    pub path: BoundedVec<ContentHash, ConstU32<CONSISTENCY_PATH_MAX>>,
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum ProofError {
    /// The index is not in the tree, or the older tree is the larger.
    OutOfRange,
    /// The path is longer or shorter than the tree's shape implies.
    WrongLength,
    /// The path does not lead to the root.
    WrongRoot,
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfRange => "the proof's index or size is outside the tree",
            Self::WrongLength => "the proof's length does not fit the tree's size",
            Self::WrongRoot => "the proof does not lead to the root",
        })
    }
}

impl core::error::Error for ProofError {}

/// On which side of the path a sibling stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The sides of the siblings of leaf `index` among `leaves`, one item for every level from the leaves up. `None` where
/// the node is the odd one at the right edge and moves up alone.
pub(crate) fn sibling_sides(mut index: u64, leaves: u64) -> impl Iterator<Item = Option<Side>> {
    let mut width = leaves;
    core::iter::from_fn(move || {
        if width <= 1 {
            return None;
        }
        let side = if !index.is_multiple_of(2) {
            Some(Side::Left)
        } else if index.saturating_add(1) < width {
            Some(Side::Right)
        } else {
            None
        };
        index /= 2;
        width = width.div_ceil(2);
        Some(side)
    })
}

/// Checks that `leaf` (a leaf hash) stands at the proof's index of the tree `head`. Cost: at most
/// [`INCLUSION_PATH_MAX`] hashes.
pub fn verify_inclusion<H: TreeHasher>(
    head: &TreeHead,
    leaf: &ContentHash,
    proof: &InclusionProof,
) -> Result<(), ProofError> {
    if proof.index >= head.leaves {
        return Err(ProofError::OutOfRange);
    }
    let mut path = proof.path.iter();
    let mut node = *leaf;
    for side in sibling_sides(proof.index, head.leaves).flatten() {
        let sibling = path.next().ok_or(ProofError::WrongLength)?;
        node = match side {
            Side::Left => H::node(sibling, &node),
            Side::Right => H::node(&node, sibling),
        };
    }
    if path.next().is_some() {
        return Err(ProofError::WrongLength);
    }
    if node == head.root { Ok(()) } else { Err(ProofError::WrongRoot) }
}

/// Checks that the tree `new` begins with exactly the leaves of the tree `old`. Cost: at most twice
/// [`CONSISTENCY_PATH_MAX`] hashes. Source: RFC 9162, section 2.1.4.2; beyond it, every tree extends the empty one.
pub fn verify_consistency<H: TreeHasher>(
    old: &TreeHead,
    new: &TreeHead,
    proof: &ConsistencyProof,
) -> Result<(), ProofError> {
    if old.leaves > new.leaves {
        return Err(ProofError::OutOfRange);
    }
    if old.leaves == 0 || old.leaves == new.leaves {
        let expected = if old.leaves == 0 { H::empty() } else { new.root };
        return match (proof.path.is_empty(), old.root == expected) {
            (false, _) => Err(ProofError::WrongLength),
            (true, false) => Err(ProofError::WrongRoot),
            (true, true) => Ok(()),
        };
    }
    let mut path = proof.path.iter();
    // The path starts at the root of the largest complete subtree that ends where the old tree does. If that is the
    // whole old tree, its root is known and left out of the proof.
    let start = if old.leaves.is_power_of_two() { Some(&old.root) } else { path.next() };
    let start = *start.ok_or(ProofError::WrongLength)?;
    let (mut old_node, mut new_node) = (start, start);
    let complete_levels = old.leaves.trailing_zeros();
    let last = old.leaves.saturating_sub(1);
    for (level, side) in (0u32..).zip(sibling_sides(last, new.leaves)) {
        if level < complete_levels {
            continue;
        }
        let Some(side) = side else { continue };
        let sibling = path.next().ok_or(ProofError::WrongLength)?;
        match side {
            Side::Left => {
                old_node = H::node(sibling, &old_node);
                new_node = H::node(sibling, &new_node);
            }
            Side::Right => new_node = H::node(&new_node, sibling),
        }
    }
    if path.next().is_some() {
        return Err(ProofError::WrongLength);
    }
    if old_node == old.root && new_node == new.root { Ok(()) } else { Err(ProofError::WrongRoot) }
}

/// A tree with all its hashes, which makes proofs. Memory: 64 bytes per leaf.
#[derive(Clone, Debug)]
pub struct MerkleTree<H> {
    /// From the leaf hashes up to the root; empty if there are no leaves.
    levels: Vec<Vec<ContentHash>>,
    hasher: PhantomData<H>,
}

impl<H: TreeHasher> MerkleTree<H> {
    /// The tree over the bytes of `leaves`.
    pub fn new<T: AsRef<[u8]>>(leaves: impl IntoIterator<Item = T>) -> Self {
        Self::from_hashes(leaves.into_iter().map(|leaf| H::leaf(leaf.as_ref())).collect())
    }

    /// The tree over leaf hashes.
    pub fn from_hashes(leaves: Vec<ContentHash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let level = below
                .chunks(2)
                .filter_map(|pair| match pair {
                    [left, right] => Some(H::node(left, right)),
                    [odd] => Some(*odd),
                    _ => None,
                })
                .collect();
            levels.push(level);
        }
        Self { levels, hasher: PhantomData }
    }

    /// The leaf hashes.
    pub fn leaf_hashes(&self) -> &[ContentHash] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// The root with the number of leaves.
    pub fn head(&self) -> TreeHead {
        let root = self.levels.last().and_then(|level| level.first()).copied();
        TreeHead { root: root.unwrap_or_else(H::empty), leaves: count(self.leaf_hashes()) }
    }

    /// Shows that the leaf at `index` is in the tree; `None` if there is none, or if the tree is deeper than
    /// [`INCLUSION_PATH_MAX`].
    pub fn prove_inclusion(&self, index: u64) -> Option<InclusionProof> {
        let leaves = count(self.leaf_hashes());
        if index >= leaves {
            return None;
        }
        let mut path = BoundedVec::new();
        let mut at = usize::try_from(index).ok()?;
        for (level, side) in self.levels.iter().zip(sibling_sides(index, leaves)) {
            let sibling = match side {
                Some(Side::Left) => at.checked_sub(1),
                Some(Side::Right) => at.checked_add(1),
                None => None,
            };
            if let Some(sibling) = sibling {
                path.try_push(*level.get(sibling)?).ok()?;
            }
            at /= 2;
        }
        Some(InclusionProof { index, path })
    }

    /// Shows that this tree extends the tree over its first `old_leaves` leaves; `None` if it has fewer, or if the tree
    /// is deeper than [`INCLUSION_PATH_MAX`]. Source: RFC 9162, section 2.1.4.1.
    pub fn prove_consistency(&self, old_leaves: u64) -> Option<ConsistencyProof> {
        let leaves = count(self.leaf_hashes());
        if old_leaves > leaves {
            return None;
        }
        if old_leaves == 0 {
            return Some(ConsistencyProof::default());
        }
        // SUBPROOF(m, D[start .. start + size], whole), top down; the proof lists its hashes bottom up.
        let mut path = Vec::new();
        let (mut start, mut size, mut old, mut whole) = (0u64, leaves, old_leaves, true);
        while old < size {
            let left = size.next_power_of_two() / 2;
            let middle = start.checked_add(left)?;
            let right = size.checked_sub(left)?;
            if old <= left {
                path.push(self.subtree(middle, right)?);
                size = left;
            } else {
                path.push(self.subtree(start, left)?);
                start = middle;
                size = right;
                old = old.checked_sub(left)?;
                whole = false;
            }
        }
        if !whole {
            path.push(self.subtree(start, size)?);
        }
        path.reverse();
        Some(ConsistencyProof { path: path.try_into().ok()? })
    }

    /// The root of the subtree over `size` leaves from `start`. Subtrees are aligned, and only one at the right edge may
    /// be incomplete, so each is a node of some level.
    fn subtree(&self, start: u64, size: u64) -> Option<ContentHash> {
        let level = size.next_power_of_two().trailing_zeros();
        let index = usize::try_from(start.checked_shr(level)?).ok()?;
        self.levels.get(usize::try_from(level).ok()?)?.get(index).copied()
    }
}

/// The length of a slice as the trees count.
fn count<T>(items: &[T]) -> u64 {
    // A slice is never longer than a u64 can say.
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}
