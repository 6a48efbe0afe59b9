//! Revenue streams: how a sale splits once, and what the contributors' part has grown to.

use crate::{
    amount::{Amount, Ppm},
    ids::{ContentHash, DatanetId, JobId},
    job::JOB_VERSIONS_MAX,
    sum_tree::SumRoot,
};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use primitive_types::U256;
use scale_info::TypeInfo;

/// Units that a model's contributions share.
pub const SHARE_UNITS: u64 = 1_000_000_000;
/// Most contributions that one model's root may hold.
pub const SHARE_LEAVES_MAX: u32 = 1 << 24;

/// How a sale splits. The parts sum to exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Split {
    /// To the treasury.
    pub treasury: Ppm,
    /// To the base model's owner.
    pub base_owner: Ppm,
    /// To the trainer.
    pub trainer: Ppm,
    /// To the model's owner.
    pub model_owner: Ppm,
    /// To the owners of the Datanets, in equal parts.
    pub datanet_owners: Ppm,
    /// To the contributors, by their units.
    pub contributors: Ppm,
}

impl Split {
    /// What a job gets that names no other: half to the contributors.
    pub const DEFAULT: Self = Self {
        treasury: Ppm::from_percent(2),
        base_owner: Ppm::from_percent(8),
        trainer: Ppm::from_percent(10),
        model_owner: Ppm::from_percent(20),
        datanet_owners: Ppm::from_percent(10),
        contributors: Ppm::from_percent(50),
    };

    /// Whether the parts sum to exactly one.
    pub fn is_whole(&self) -> bool {
        let parts =
            [self.treasury, self.base_owner, self.trainer, self.model_owner, self.datanet_owners, self.contributors];
        let mut sum = 0u64;
        for part in parts {
            // Six parts of at most 10^6 cannot overflow.
            sum = sum.saturating_add(u64::from(part.parts()));
        }
        sum == u64::from(Ppm::ONE.parts())
    }
}

/// Who a stream pays beside the contributors.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Parties<AccountId> {
    /// The base model's owner.
    pub base_owner: AccountId,
    /// The trainer.
    pub trainer: AccountId,
    /// The model's owner.
    pub model_owner: AccountId,
    /// The owners of the Datanets, one for each version the model was trained on.
    pub datanet_owners: BoundedVec<(DatanetId, AccountId), ConstU32<JOB_VERSIONS_MAX>>,
}

/// What a trainer commits to about who shaped a model.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct ContributionRoot {
    /// The Merkle-sum tree over the shares; its total is [`SHARE_UNITS`].
    pub shares: SumRoot,
    /// BLAKE3 of the evidence file from which the shares can be recomputed.
    pub evidence: ContentHash,
    /// The part of the contributors' part that answers may divide anew, by which contributions shaped each of them: as much
    /// as the model's attribution is measurably right. The rest goes by the shares.
    pub attributed: Ppm,
}

/// Where a model's revenue flows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Stream<AccountId> {
    /// The job that made the model. Its number is bound into the contribution root (see [`crate::sum_tree::Domain`]).
    pub job: JobId,
    /// Who it pays beside the contributors.
    pub parties: Parties<AccountId>,
    /// How a sale splits.
    pub split: Split,
    /// Who shaped the model.
    pub contributions: ContributionRoot,
    /// What every unit has earned since the stream was opened, scaled by 2^64.
    pub revenue_per_unit: U256,
    /// What is left over from dividing, scaled by 2^64: less than one unit's worth, carried to the next funding.
    pub carry: U256,
    /// All that was paid in.
    pub funded: Amount,
    /// The contributors' part of what was paid in.
    pub contributors_funded: Amount,
    /// What the contributors have claimed.
    pub claimed: Amount,
}
