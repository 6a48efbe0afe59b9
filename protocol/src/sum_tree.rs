//! The Merkle-sum tree: who has which part of a whole, as one root of fixed size.
//!
//! Two things are such a whole: the units of a model's contributions ([`Domain`], units of 64 bits), and the amounts that
//! an operator's answers have earned them ([`crate::epoch::EpochDomain`], amounts of 128 bits).
//!
//! Every node hashes its two subtrees together with their sums, so a leaf that proves against a root proves that all
//! leaves together hold exactly the root's total: shares cannot be handed out twice, however the tree was made. Shape and
//! position follow [`crate::content`]: the index and the number of leaves fix the depth and the side of every sibling.
//! All hashes bind where the tree belongs ([`TreeDomain`]), so no proof serves on another chain, stream or epoch.

use crate::{
    content::{Side, derive, sibling_sides},
    ids::{ContentHash, ContributionId, JobId},
    stream::SHARE_LEAVES_MAX,
};
use alloc::{vec, vec::Vec};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::{fmt, marker::PhantomData};
use scale_info::TypeInfo;

/// Most siblings in a proof: the depth of a tree of [`SHARE_LEAVES_MAX`] leaves.
pub const SUM_DEPTH_MAX: u32 = SHARE_LEAVES_MAX.next_power_of_two().trailing_zeros();

/// What a tree adds up.
pub trait Units: Copy + Default + Ord + fmt::Debug {
    /// The sum; `None` if it overflows.
    fn plus(self, more: Self) -> Option<Self>;

    /// As hashed: little-endian, of fixed length.
    fn bytes(self) -> impl AsRef<[u8]>;
}

impl Units for u64 {
    fn plus(self, more: Self) -> Option<Self> {
        self.checked_add(more)
    }

    fn bytes(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
}

impl Units for u128 {
    fn plus(self, more: Self) -> Option<Self> {
        self.checked_add(more)
    }

    fn bytes(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
}

/// The BLAKE3 derive_key contexts of a kind of tree: no hash of one kind serves in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contexts {
    /// Of the tree without leaves.
    pub empty: &'static str,
    /// Of a leaf.
    pub leaf: &'static str,
    /// Of a node.
    pub node: &'static str,
    /// Of the root.
    pub root: &'static str,
}

/// Where a tree belongs: every hash of it binds this.
pub trait TreeDomain {
    /// What its leaves hold.
    type Units: Units;

    /// The contexts of its hashes.
    const CONTEXTS: Contexts;

    /// What comes first in each hash. Of fixed length for each kind of tree.
    fn prefix(&self) -> Vec<u8>;
}

/// Where a tree of a model's shares belongs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Domain {
    /// Hash of the chain's genesis block.
    pub genesis: [u8; 32],
    /// The job whose report carries the root. The model's stream remembers it.
    pub job: JobId,
}

impl TreeDomain for Domain {
    type Units = u64;

    const CONTEXTS: Contexts = Contexts {
        empty: "tributary.network 2026-11 sum-tree empty v2",
        leaf: "tributary.network 2026-11 sum-tree leaf v2",
        node: "tributary.network 2026-11 sum-tree node v2",
        root: "tributary.network 2026-11 sum-tree root v2",
    };

    fn prefix(&self) -> Vec<u8> {
        [self.genesis.as_slice(), &self.job.0.to_le_bytes()].concat()
    }
}

/// One contribution's part.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Leaf<U> {
    /// Its place in the tree, from 0.
    pub index: u32,
    /// The contribution.
    pub contribution: ContributionId,
    /// The account that made it, and claims for it: its 32 bytes.
    pub contributor: [u8; 32],
    /// How many units.
    pub units: U,
    /// BLAKE3 of the evidence for this leaf's units, from which they can be computed again.
    pub evidence: ContentHash,
}

/// A leaf of a tree of shares.
pub type SumLeaf = Leaf<u64>;

/// What the chain keeps of a tree.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Root<U> {
    /// The root hash. It binds domain, total and number of leaves.
    pub root: ContentHash,
    /// The units of all leaves.
    pub total: U,
    /// How many leaves.
    pub leaves: u32,
}

/// What the chain keeps of a tree of shares.
pub type SumRoot = Root<u64>;

/// A subtree as its parent sees it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Node<U> {
    /// Its hash.
    pub hash: ContentHash,
    /// The units of its leaves.
    pub sum: U,
}

/// A subtree of a tree of shares.
pub type SumNode = Node<u64>;

/// Shows that a leaf is in a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Proof<U> {
    /// The subtrees beside the path, from the leaf up.
    pub siblings: BoundedVec<Node<U>, ConstU32<SUM_DEPTH_MAX>>,
}

/// A proof of a leaf of a tree of shares.
pub type SumProof = Proof<u64>;

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum SumProofError {
    /// The leaf's index is not in the tree.
    OutOfRange,
    /// The path is longer or shorter than index and number of leaves imply.
    WrongLength,
    /// The sums of the path overflow, or do not end at the total.
    WrongTotal,
    /// The path does not lead to the root: another leaf, job or chain, or a forged proof.
    WrongRoot,
}

impl fmt::Display for SumProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfRange => "the leaf's index is outside the tree",
            Self::WrongLength => "the proof's length does not fit the leaf's index and the tree's size",
            Self::WrongTotal => "the proof's units do not add up to the tree's total",
            Self::WrongRoot => "the proof does not lead to the root: it is for another leaf, job or chain",
        })
    }
}

impl core::error::Error for SumProofError {}

/// Why leaves make no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SumTreeError {
    /// The leaf at this position has another index.
    IndexMismatch {
        /// Where it stands.
        position: usize,
        /// What it says.
        index: u32,
    },
    /// The units of all leaves together are too large a number.
    TotalOverflow,
    /// There are more leaves than [`SHARE_LEAVES_MAX`].
    TooManyLeaves {
        /// How many there are.
        leaves: usize,
    },
}

impl fmt::Display for SumTreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IndexMismatch { position, index } => {
                write!(f, "the leaf at position {position} has the index {index}")
            }
            Self::TotalOverflow => f.write_str("the units of all leaves are too large a number together"),
            Self::TooManyLeaves { leaves } => write!(f, "at most {SHARE_LEAVES_MAX} leaves fit a tree, not {leaves}"),
        }
    }
}

impl core::error::Error for SumTreeError {}

/// The hashes of trees of one domain.
struct Hasher<'a, D> {
    prefix: Vec<u8>,
    domain: PhantomData<&'a D>,
}

impl<'a, D: TreeDomain> Hasher<'a, D> {
    fn new(domain: &'a D) -> Self {
        Self { prefix: domain.prefix(), domain: PhantomData }
    }

    fn leaf(&self, leaf: &Leaf<D::Units>) -> Node<D::Units> {
        let hash = derive(
            D::CONTEXTS.leaf,
            &[
                &self.prefix,
                &leaf.index.to_le_bytes(),
                &leaf.contribution.0.to_le_bytes(),
                &leaf.contributor,
                leaf.units.bytes().as_ref(),
                &leaf.evidence.0,
            ],
        );
        Node { hash, sum: leaf.units }
    }

    /// The parent of two subtrees; `None` if their sums overflow.
    fn node(&self, left: &Node<D::Units>, right: &Node<D::Units>) -> Option<Node<D::Units>> {
        let sum = left.sum.plus(right.sum)?;
        let hash = derive(
            D::CONTEXTS.node,
            &[&self.prefix, &left.hash.0, left.sum.bytes().as_ref(), &right.hash.0, right.sum.bytes().as_ref()],
        );
        Some(Node { hash, sum })
    }

    fn root(&self, top: &Node<D::Units>, leaves: u32) -> Root<D::Units> {
        let root =
            derive(D::CONTEXTS.root, &[&self.prefix, &top.hash.0, top.sum.bytes().as_ref(), &leaves.to_le_bytes()]);
        Root { root, total: top.sum, leaves }
    }
}

/// Checks that `leaf` is in the tree of `root`, made for `domain`, and that the path's sums end at the root's total.
/// Returns the units of all leaves before it. Cost: at most [`SUM_DEPTH_MAX`] + 2 hashes of at most 160 bytes.
pub fn verify<D: TreeDomain>(
    domain: &D,
    root: &Root<D::Units>,
    leaf: &Leaf<D::Units>,
    proof: &Proof<D::Units>,
) -> Result<D::Units, SumProofError> {
    let (implied, before) = implied(domain, root.leaves, leaf, proof)?;
    if implied.total != root.total {
        return Err(SumProofError::WrongTotal);
    }
    if implied.root == root.root { Ok(before) } else { Err(SumProofError::WrongRoot) }
}

/// The root of the one tree of `leaves` leaves, made for `domain`, in which `proof` shows `leaf`. It shows nothing by
/// itself, since any path leads somewhere: [`verify`] compares it with a root that is known.
/// Cost: as [`verify`].
pub fn implied_root<D: TreeDomain>(
    domain: &D,
    leaves: u32,
    leaf: &Leaf<D::Units>,
    proof: &Proof<D::Units>,
) -> Result<Root<D::Units>, SumProofError> {
    implied(domain, leaves, leaf, proof).map(|(root, _)| root)
}

/// The implied root, and the units of the leaves before this one.
fn implied<D: TreeDomain>(
    domain: &D,
    leaves: u32,
    leaf: &Leaf<D::Units>,
    proof: &Proof<D::Units>,
) -> Result<(Root<D::Units>, D::Units), SumProofError> {
    if leaf.index >= leaves {
        return Err(SumProofError::OutOfRange);
    }
    let hasher = Hasher::new(domain);
    let mut siblings = proof.siblings.iter();
    let mut node = hasher.leaf(leaf);
    let mut before = D::Units::default();
    for side in sibling_sides(leaf.index.into(), leaves.into()).flatten() {
        let sibling = siblings.next().ok_or(SumProofError::WrongLength)?;
        let parent = match side {
            Side::Left => {
                before = before.plus(sibling.sum).ok_or(SumProofError::WrongTotal)?;
                hasher.node(sibling, &node)
            }
            Side::Right => hasher.node(&node, sibling),
        };
        node = parent.ok_or(SumProofError::WrongTotal)?;
    }
    if siblings.next().is_some() {
        return Err(SumProofError::WrongLength);
    }
    Ok((hasher.root(&node, leaves), before))
}

/// A tree with all its nodes, which makes proofs. Memory: about 200 bytes per leaf.
#[derive(Clone, Debug)]
pub struct Tree<U> {
    leaves: Vec<Leaf<U>>,
    /// From the leaves up to the top node; one empty level if there are no leaves.
    levels: Vec<Vec<Node<U>>>,
    root: Root<U>,
}

/// A tree of shares.
pub type SumTree = Tree<u64>;

impl<U: Units> Tree<U> {
    /// The tree over `leaves`, whose indices must count from 0. A leaf may hold no units.
    pub fn new<D: TreeDomain<Units = U>>(domain: &D, leaves: Vec<Leaf<U>>) -> Result<Self, SumTreeError> {
        let count = u32::try_from(leaves.len())
            .ok()
            .filter(|count| *count <= SHARE_LEAVES_MAX)
            .ok_or(SumTreeError::TooManyLeaves { leaves: leaves.len() })?;
        for ((position, leaf), index) in leaves.iter().enumerate().zip(0u32..) {
            if leaf.index != index {
                return Err(SumTreeError::IndexMismatch { position, index: leaf.index });
            }
        }
        let hasher = Hasher::new(domain);
        let mut levels = vec![leaves.iter().map(|leaf| hasher.leaf(leaf)).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let level = below
                .chunks(2)
                .filter_map(|pair| match pair {
                    [left, right] => Some(hasher.node(left, right).ok_or(SumTreeError::TotalOverflow)),
                    [odd] => Some(Ok(*odd)),
                    _ => None,
                })
                .collect::<Result<Vec<_>, _>>()?;
            levels.push(level);
        }
        let top = levels.last().and_then(|level| level.first()).copied();
        let top = top.unwrap_or_else(|| Node { hash: derive(D::CONTEXTS.empty, &[]), sum: U::default() });
        Ok(Self { root: hasher.root(&top, count), leaves, levels })
    }

    /// What the chain keeps of it.
    pub fn root(&self) -> Root<U> {
        self.root
    }

    /// The leaves, in order.
    pub fn leaves(&self) -> &[Leaf<U>] {
        &self.leaves
    }

    /// Shows that the leaf at `index` is in the tree; `None` if there is none.
    pub fn prove(&self, index: u32) -> Option<Proof<U>> {
        if index >= self.root.leaves {
            return None;
        }
        let mut siblings = BoundedVec::new();
        let mut at = usize::try_from(index).ok()?;
        for (level, side) in self.levels.iter().zip(sibling_sides(index.into(), self.root.leaves.into())) {
            let sibling = match side {
                Some(Side::Left) => at.checked_sub(1),
                Some(Side::Right) => at.checked_add(1),
                None => None,
            };
            if let Some(sibling) = sibling {
                siblings.try_push(*level.get(sibling)?).ok()?;
            }
            at /= 2;
        }
        Some(Proof { siblings })
    }
}
