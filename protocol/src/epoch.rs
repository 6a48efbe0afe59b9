//! Operators' epochs: what the answers of a model have earned its contributions, as one root that only grows.
//!
//! An operator answers with a model, and each answer is shaped by some contributions more than by others. From time to time
//! the operator posts how much each contribution has earned with all answers so far: a Merkle-sum tree of cumulative
//! amounts. Its total must be what the operator has paid in, so nothing can be handed out twice, and a contributor who
//! comes once a year claims everything with one proof.
//!
//! # Audits
//!
//! Whether the leaves are right is checked by whoever recomputes them, and that needs the leaves. An operator who is
//! challenged must open the leaves that cover [`AUDIT_DRAWS`] points, drawn uniformly from `0..total` by randomness that
//! was not known when the root was posted. Who gives `part` of the total to leaves that cannot be shown is caught with
//! probability `1 - (1 - part)^AUDIT_DRAWS`: 95 % for one percent.

use crate::{
    amount::{Amount, BlockNumber, Ppm},
    content::{TreeHead, derive},
    ids::{ContentHash, ModelId},
    sum_tree::{Contexts, Leaf, Proof, Root, SumLeaf, SumProof, Tree, TreeDomain},
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use primitive_types::U256;
use scale_info::TypeInfo;

/// Points that a challenged operator must open.
pub const AUDIT_DRAWS: u16 = 300;

/// Bytes of a bit for each of [`AUDIT_DRAWS`].
const OPENED_BYTES: usize = 38;

const DRAW: &str = "tributary.network 2026-11 epoch draw v1";

/// A leaf of an epoch: what a contribution has earned so far.
pub type AmountLeaf = Leaf<Amount>;
/// The root of an epoch's tree.
pub type AmountRoot = Root<Amount>;
/// A proof of an epoch's leaf.
pub type AmountProof = Proof<Amount>;
/// An epoch's tree.
pub type AmountTree = Tree<Amount>;

/// Where an epoch's tree belongs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct EpochDomain {
    /// Hash of the chain's genesis block.
    pub genesis: [u8; 32],
    /// The model that answered.
    pub model: ModelId,
    /// The operator's account: its 32 bytes.
    pub operator: [u8; 32],
    /// The number of the epoch among the operator's for this model, from 1.
    pub epoch: u32,
}

impl TreeDomain for EpochDomain {
    type Units = Amount;

    const CONTEXTS: Contexts = Contexts {
        empty: "tributary.network 2026-11 epoch-tree empty v1",
        leaf: "tributary.network 2026-11 epoch-tree leaf v1",
        node: "tributary.network 2026-11 epoch-tree node v1",
        root: "tributary.network 2026-11 epoch-tree root v1",
    };

    fn prefix(&self) -> Vec<u8> {
        [self.genesis.as_slice(), &self.model.0.to_le_bytes(), &self.operator, &self.epoch.to_le_bytes()].concat()
    }
}

/// What an operator posts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct EpochRoot {
    /// What each contribution has earned since the operator's first answer; the total is what the operator has paid in.
    pub amounts: AmountRoot,
    /// The tree over the receipts of all answers so far; its leaves are their number.
    pub receipts: TreeHead,
    /// BLAKE3 of the method of attribution with all its parameters.
    pub method: ContentHash,
}

/// An operator's account with a model's contributors.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Ledger<AccountId> {
    /// What the operator has paid in for contributors to claim by answers.
    pub funded: Amount,
    /// What contributors have claimed.
    pub claimed: Amount,
    /// The number of the newest epoch, accepted or not; 0 if there is none.
    pub epoch: u32,
    /// The newest epoch that was accepted.
    pub accepted: Option<AcceptedEpoch>,
    /// An epoch that may still be challenged.
    pub pending: Option<PendingEpoch<AccountId>>,
    /// The block from which on the operator owes an epoch: that of the first payment since the last accepted one.
    pub owed_since: BlockNumber,
    /// What the operator has on hold for this record.
    pub deposit: Amount,
}

/// An epoch from which contributors claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct AcceptedEpoch {
    /// Its number.
    pub epoch: u32,
    /// What was posted.
    pub root: EpochRoot,
}

/// An epoch in its challenge window.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct PendingEpoch<AccountId> {
    /// What was posted.
    pub root: EpochRoot,
    /// What the operator has on hold for it.
    pub bond: Amount,
    /// The last block in which it may be challenged or shown to be wrong.
    pub until: BlockNumber,
    /// The challenge, if there is one.
    pub challenge: Option<Challenge<AccountId>>,
}

/// A demand to open leaves.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Challenge<AccountId> {
    /// Who demands it.
    pub challenger: AccountId,
    /// What the challenger has on hold for it.
    pub bond: Amount,
    /// The block of the challenge.
    pub at: BlockNumber,
    /// The audit; `None` until randomness from after the challenge is there.
    pub audit: Option<Audit>,
}

/// Which leaves must be opened, and which have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Audit {
    /// From which the points are drawn.
    pub seed: [u8; 32],
    /// The last block in which leaves may be opened.
    pub until: BlockNumber,
    /// How many points are covered by opened leaves.
    pub count: u16,
    /// A bit for each point.
    opened: [u8; OPENED_BYTES],
}

impl Audit {
    /// An audit of which nothing is opened.
    pub fn new(seed: [u8; 32], until: BlockNumber) -> Self {
        Self { seed, until, count: 0, opened: [0; OPENED_BYTES] }
    }

    /// The point in `0..total` that draw number `draw` demands; `None` unless `draw` is below [`AUDIT_DRAWS`] and `total`
    /// above 0. The bias of the remainder is below 2^-128.
    pub fn point(&self, draw: u16, total: Amount) -> Option<Amount> {
        if draw >= AUDIT_DRAWS {
            return None;
        }
        let hash = derive(DRAW, &[&self.seed, &draw.to_le_bytes()]);
        U256::from_little_endian(&hash.0).checked_rem(total.into())?.try_into().ok()
    }

    /// Whether the point of this draw is covered.
    pub fn is_opened(&self, draw: u16) -> bool {
        let (byte, bit) = place(draw);
        self.opened.get(byte).is_some_and(|bits| bits & bit != 0)
    }

    /// Notes that the point of this draw is covered. Returns whether it was not before; `false` for a number that is none.
    pub fn open(&mut self, draw: u16) -> bool {
        let (byte, bit) = place(draw);
        let fresh = draw < AUDIT_DRAWS && !self.is_opened(draw);
        if let Some(bits) = self.opened.get_mut(byte).filter(|_| fresh) {
            *bits |= bit;
            self.count = self.count.saturating_add(1);
        }
        fresh
    }

    /// Whether every point is covered.
    pub fn is_complete(&self) -> bool {
        self.count == AUDIT_DRAWS
    }

    /// Whether the count is that of the bits.
    pub fn is_consistent(&self) -> bool {
        let bits: u32 = self.opened.iter().map(|bits| bits.count_ones()).sum();
        bits == u32::from(self.count) && self.count <= AUDIT_DRAWS
    }
}

/// The byte and the bit of a draw.
fn place(draw: u16) -> (usize, u8) {
    (usize::from(draw / 8), 1u8.checked_shl(u32::from(draw % 8)).unwrap_or_default())
}

/// Whether a leaf of `units`, before which the tree holds `before`, covers `point`. A leaf without units covers none.
pub fn covers(before: Amount, units: Amount, point: Amount) -> bool {
    point.checked_sub(before).is_some_and(|offset| offset < units)
}

/// Whether an epoch that has `new` where the accepted one has `old` takes back what was given: the same place in the tree,
/// for another contribution or account, or with less.
pub fn takes_back(old: &AmountLeaf, new: &AmountLeaf) -> bool {
    old.index == new.index
        && (old.contribution != new.contribution || old.contributor != new.contributor || new.units < old.units)
}

/// What a leaf of a pending epoch contradicts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Against {
    /// The leaf at the same place in the accepted epoch, which had more, or belonged to another.
    Accepted {
        /// That leaf.
        leaf: AmountLeaf,
        /// Its proof.
        proof: AmountProof,
    },
    /// The leaf at the same place of the model's shares, which belongs to another contribution or account.
    Shares {
        /// That leaf.
        leaf: SumLeaf,
        /// Its proof.
        proof: SumProof,
    },
}

/// The part of a contributors' part that goes by answers and the part that goes by the shares of training, for a model whose
/// attribution is trusted with `attributed`. They sum to `amount`; rounding favours training.
pub fn divide(amount: Amount, attributed: Ppm) -> Option<(Amount, Amount)> {
    let by_answers = attributed.of(amount);
    Some((by_answers, amount.checked_sub(by_answers)?))
}
