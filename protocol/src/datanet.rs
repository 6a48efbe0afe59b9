//! Datanets: curated data networks, the contributions people make to them, and their immutable versions.

use crate::{
    amount::{Amount, BlockNumber, Ppm},
    ids::{ContentHash, ContributionId, DatanetId, VersionRef},
};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Longest name, licence (an SPDX expression) or domain, in bytes of UTF-8.
pub const NAME_BYTES_MAX: u32 = 64;
/// Longest description or reason, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: u32 = 512;
/// Most curators of one Datanet.
pub const CURATORS_MAX: u32 = 16;
/// Most contributions in one version; bounds the work of publishing.
pub const VERSION_CONTRIBUTIONS_MAX: u32 = 256;

/// A short text: a name, a domain, an SPDX licence expression.
pub type Name = BoundedVec<u8, ConstU32<NAME_BYTES_MAX>>;
/// A longer text: a description, a curator's reason.
pub type Text = BoundedVec<u8, ConstU32<TEXT_BYTES_MAX>>;

/// What data may be used for.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Purpose {
    /// Non-commercial research.
    Research,
    /// Measuring models, not training them for use.
    Evaluation,
    /// Any commercial use.
    Commercial,
}

/// A set of purposes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct PurposeSet {
    /// Whether [`Purpose::Research`] is in the set.
    pub research: bool,
    /// Whether [`Purpose::Evaluation`] is in the set.
    pub evaluation: bool,
    /// Whether [`Purpose::Commercial`] is in the set.
    pub commercial: bool,
}

impl PurposeSet {
    /// Every purpose.
    pub const ALL: Self = Self { research: true, evaluation: true, commercial: true };

    /// Whether `purpose` is in the set.
    pub fn contains(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Research => self.research,
            Purpose::Evaluation => self.evaluation,
            Purpose::Commercial => self.commercial,
        }
    }

    /// Whether no purpose is in the set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Who may submit contributions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Admission {
    /// Anyone who places the deposit.
    Anyone,
    /// The owner and the curators only.
    Members,
}

/// How grants are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum AccessPolicy {
    /// A request that fits the terms is granted in the same block.
    Open,
    /// The owner decides each request.
    OnRequest,
}

/// On what terms a Datanet may be contributed to and used.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Terms {
    /// Paid to the owner by each job that uses a version.
    pub price: Amount,
    /// What the data may be used for.
    pub purposes: PurposeSet,
    /// The least part of a model's revenue that must go to contributors.
    pub royalty_floor: Ppm,
    /// Who may contribute.
    pub admission: Admission,
    /// How grants are given.
    pub access: AccessPolicy,
    /// Longest life of a grant, in blocks.
    pub grant_blocks_max: BlockNumber,
    /// Most jobs that one grant may serve.
    pub grant_uses_max: u32,
    /// The licence of the data: an SPDX expression.
    pub licence: Name,
}

/// What a sample of the Datanet looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Schema {
    /// A prompt and the completion to learn: `{prompt, completion}` or `{instruction, input?, output}`.
    PromptCompletion,
}

/// Whether a Datanet takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum DatanetStatus {
    /// Takes contributions, versions, grants and jobs.
    Active,
    /// Takes nothing new. Published versions stay, running jobs end, revenue goes on.
    Retired,
}

/// A curated data network with an owner.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Datanet<AccountId> {
    /// Sets terms and curators, publishes versions, decides grants, is paid for use.
    pub owner: AccountId,
    /// Its name.
    pub name: Name,
    /// Its field, such as `medical`.
    pub domain: Name,
    /// What it holds, for people.
    pub description: Text,
    /// What its samples look like.
    pub schema: Schema,
    /// On what terms.
    pub terms: Terms,
    /// Who judges contributions, beside the owner.
    pub curators: BoundedVec<AccountId, ConstU32<CURATORS_MAX>>,
    /// Whether it takes part.
    pub status: DatanetStatus,
    /// How many versions it has; the newest has this number.
    pub versions: u32,
    /// What the owner has on hold for it.
    pub deposit: Amount,
    /// When it was registered.
    pub registered_at: BlockNumber,
}

impl<AccountId: PartialEq> Datanet<AccountId> {
    /// Whether `account` may judge contributions.
    pub fn is_curator(&self, account: &AccountId) -> bool {
        self.owner == *account || self.curators.contains(account)
    }

    /// Whether it takes anything new.
    pub fn is_active(&self) -> bool {
        self.status == DatanetStatus::Active
    }
}

/// The samples of a contribution as the chain knows them. The samples themselves stay off chain.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct SampleCommitment {
    /// Root of the sample tree (see [`crate::content`]) over the canonical lines.
    pub root: ContentHash,
    /// BLAKE3 of the canonical file: every canonical line followed by a line feed.
    pub blob: ContentHash,
    /// How many samples.
    pub samples: u32,
    /// How many bytes the canonical file has.
    pub bytes: u64,
}

/// Where a contribution stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum ContributionStatus {
    /// Waits for a curator.
    Pending,
    /// Enters the next version.
    Accepted,
    /// Refused, and why.
    Rejected {
        /// The curator's reason.
        reason: Text,
    },
    /// Taken back by its contributor: absent from later versions.
    Withdrawn,
}

/// One batch of samples from one contributor.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Contribution<AccountId> {
    /// The Datanet it was made to.
    pub datanet: DatanetId,
    /// Who made it, and is paid for it.
    pub contributor: AccountId,
    /// Its samples.
    pub samples: SampleCommitment,
    /// Its licence: an SPDX expression.
    pub licence: Name,
    /// Where it stands.
    pub status: ContributionStatus,
    /// What the contributor has on hold for it.
    pub deposit: Amount,
    /// When it was submitted.
    pub submitted_at: BlockNumber,
}

/// An immutable snapshot of a Datanet's accepted contributions.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Version {
    /// Root of the tree over the contributions (see [`crate::content::version_root`]), in the order below.
    pub root: ContentHash,
    /// The contributions in it, in ascending order.
    pub contributions: BoundedVec<ContributionId, ConstU32<VERSION_CONTRIBUTIONS_MAX>>,
    /// How many samples it holds in all.
    pub samples: u64,
    /// How many bytes of canonical lines it holds in all.
    pub bytes: u64,
    /// When it was published.
    pub published_at: BlockNumber,
}

/// One contribution as a leaf of a version's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct VersionEntry {
    /// The contribution.
    pub contribution: ContributionId,
    /// Its samples.
    pub samples: SampleCommitment,
}

/// A version as another pallet needs to know it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct VersionFacts<AccountId> {
    /// Which version.
    pub version: VersionRef,
    /// The Datanet's owner.
    pub owner: AccountId,
    /// The Datanet's terms today.
    pub terms: Terms,
    /// Whether the Datanet still takes new jobs.
    pub active: bool,
}
