//! The Merkle-sum tree: who shaped a model, and by how many units, as one root of fixed size.
//!
//! Every node hashes its two subtrees together with their sums, so a leaf that proves against a root proves that all
//! leaves together hold exactly the root's total: shares cannot be handed out twice, however the tree was made. Shape and
//! position follow [`crate::content`]: the index and the number of leaves fix the depth and the side of every sibling.
//! All hashes bind the chain's genesis and the job ([`Domain`]), so no proof serves on another chain or stream.

use crate::{
    content::{Side, derive, sibling_sides},
    ids::{ContentHash, ContributionId, JobId},
    stream::SHARE_LEAVES_MAX,
};
use alloc::{vec, vec::Vec};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Most siblings in a proof: the depth of a tree of [`SHARE_LEAVES_MAX`] leaves.
pub const SUM_DEPTH_MAX: u32 = SHARE_LEAVES_MAX.next_power_of_two().trailing_zeros();

const EMPTY: &str = "tributary.network 2026-11 sum-tree empty v1";
const LEAF: &str = "tributary.network 2026-11 sum-tree leaf v1";
const NODE: &str = "tributary.network 2026-11 sum-tree node v1";
const ROOT: &str = "tributary.network 2026-11 sum-tree root v1";

/// Where a tree belongs.
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

/// One contribution's part.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct SumLeaf {
    /// Its place in the tree, from 0.
    pub index: u32,
    /// The contribution.
    pub contribution: ContributionId,
    /// The account that made it, and claims for it: its 32 bytes.
    pub contributor: [u8; 32],
    /// How many units.
    pub units: u64,
}

/// What the chain keeps of a tree.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct SumRoot {
    /// The root hash. It binds domain, total and number of leaves.
    pub root: ContentHash,
    /// The units of all leaves.
    pub total: u64,
    /// How many leaves.
    pub leaves: u32,
}

/// A subtree as its parent sees it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct SumNode {
    /// Its hash.
    pub hash: ContentHash,
    /// The units of its leaves.
    pub sum: u64,
}

/// Shows that a leaf is in a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct SumProof {
    /// The subtrees beside the path, from the leaf up.
    pub siblings: BoundedVec<SumNode, ConstU32<SUM_DEPTH_MAX>>,
}

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
    /// The units of all leaves exceed a `u64`.
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
            Self::TotalOverflow => f.write_str("the units of all leaves exceed a u64"),
            Self::TooManyLeaves { leaves } => write!(f, "at most {SHARE_LEAVES_MAX} leaves fit a tree, not {leaves}"),
        }
    }
}

impl core::error::Error for SumTreeError {}

impl Domain {
    fn leaf(&self, leaf: &SumLeaf) -> SumNode {
        let hash = derive(
            LEAF,
            &[
                &self.genesis,
                &self.job.0.to_le_bytes(),
                &leaf.index.to_le_bytes(),
                &leaf.contribution.0.to_le_bytes(),
                &leaf.contributor,
                &leaf.units.to_le_bytes(),
            ],
        );
        SumNode { hash, sum: leaf.units }
    }

    /// The parent of two subtrees; `None` if their sums overflow.
    fn node(&self, left: &SumNode, right: &SumNode) -> Option<SumNode> {
        let sum = left.sum.checked_add(right.sum)?;
        let hash = derive(
            NODE,
            &[
                &self.genesis,
                &self.job.0.to_le_bytes(),
                &left.hash.0,
                &left.sum.to_le_bytes(),
                &right.hash.0,
                &right.sum.to_le_bytes(),
            ],
        );
        Some(SumNode { hash, sum })
    }

    fn root(&self, top: &SumNode, leaves: u32) -> SumRoot {
        let root = derive(
            ROOT,
            &[&self.genesis, &self.job.0.to_le_bytes(), &top.hash.0, &top.sum.to_le_bytes(), &leaves.to_le_bytes()],
        );
        SumRoot { root, total: top.sum, leaves }
    }
}

/// Checks that `leaf` is in the tree of `root`, made for `domain`, and that the path's sums end at the root's total.
/// Cost: at most [`SUM_DEPTH_MAX`] + 2 hashes of at most 120 bytes.
pub fn verify(domain: &Domain, root: &SumRoot, leaf: &SumLeaf, proof: &SumProof) -> Result<(), SumProofError> {
    let implied = implied_root(domain, root.leaves, leaf, proof)?;
    if implied.total != root.total {
        return Err(SumProofError::WrongTotal);
    }
    if implied.root == root.root { Ok(()) } else { Err(SumProofError::WrongRoot) }
}

/// The root of the one tree of `leaves` leaves, made for `domain`, in which `proof` shows `leaf`. It shows nothing by
/// itself, since any path leads somewhere: [`verify`] compares it with a root that is known.
/// Cost: as [`verify`].
pub fn implied_root(domain: &Domain, leaves: u32, leaf: &SumLeaf, proof: &SumProof) -> Result<SumRoot, SumProofError> {
    if leaf.index >= leaves {
        return Err(SumProofError::OutOfRange);
    }
    let mut siblings = proof.siblings.iter();
    let mut node = domain.leaf(leaf);
    for side in sibling_sides(leaf.index.into(), leaves.into()).flatten() {
        let sibling = siblings.next().ok_or(SumProofError::WrongLength)?;
        let parent = match side {
            Side::Left => domain.node(sibling, &node),
            Side::Right => domain.node(&node, sibling),
        };
        node = parent.ok_or(SumProofError::WrongTotal)?;
    }
    if siblings.next().is_some() {
        return Err(SumProofError::WrongLength);
    }
    Ok(domain.root(&node, leaves))
}

/// A tree with all its nodes, which makes proofs. Memory: about 120 bytes per leaf.
#[derive(Clone, Debug)]
pub struct SumTree {
    leaves: Vec<SumLeaf>,
    /// From the leaves up to the top node; one empty level if there are no leaves.
    levels: Vec<Vec<SumNode>>,
    root: SumRoot,
}

impl SumTree {
    /// The tree over `leaves`, whose indices must count from 0. A leaf may hold no units.
    pub fn new(domain: &Domain, leaves: Vec<SumLeaf>) -> Result<Self, SumTreeError> {
        let count = u32::try_from(leaves.len())
            .ok()
            .filter(|count| *count <= SHARE_LEAVES_MAX)
            .ok_or(SumTreeError::TooManyLeaves { leaves: leaves.len() })?;
        for ((position, leaf), index) in leaves.iter().enumerate().zip(0u32..) {
            if leaf.index != index {
                return Err(SumTreeError::IndexMismatch { position, index: leaf.index });
            }
        }
        let mut levels = vec![leaves.iter().map(|leaf| domain.leaf(leaf)).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let level = below
                .chunks(2)
                .filter_map(|pair| match pair {
                    [left, right] => Some(domain.node(left, right).ok_or(SumTreeError::TotalOverflow)),
                    [odd] => Some(Ok(*odd)),
                    _ => None,
                })
                .collect::<Result<Vec<_>, _>>()?;
            levels.push(level);
        }
        let top = levels.last().and_then(|level| level.first()).copied();
        let top = top.unwrap_or_else(|| SumNode { hash: derive(EMPTY, &[]), sum: 0 });
        Ok(Self { root: domain.root(&top, count), leaves, levels })
    }

    /// What the chain keeps of it.
    pub fn root(&self) -> SumRoot {
        self.root
    }

    /// The leaves, in order.
    pub fn leaves(&self) -> &[SumLeaf] {
        &self.leaves
    }

    /// Shows that the leaf at `index` is in the tree; `None` if there is none.
    pub fn prove(&self, index: u32) -> Option<SumProof> {
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
        Some(SumProof { siblings })
    }
}
