//! What the pallet stores beside the protocol's nouns.

use codec::{Decode, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::ConstU32;
use sp_runtime::BoundedVec;
use tributary_protocol::{
    ContributionId,
    datanet::{Contribution, Datanet, Name, Schema, Terms, Text, VERSION_CONTRIBUTIONS_MAX},
};

/// A Datanet on this chain.
pub type DatanetOf<T> = Datanet<<T as frame_system::Config>::AccountId>;

/// A contribution on this chain.
pub type ContributionOf<T> = Contribution<<T as frame_system::Config>::AccountId>;

/// Contributions in ascending order: what the next version will hold.
pub type AcceptedSet = BoundedVec<ContributionId, ConstU32<VERSION_CONTRIBUTIONS_MAX>>;

/// How many contributions a Datanet has. Absent from storage where nothing is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Tally {
    /// The place that the next one gets in the Datanet's list. Never falls while any is stored.
    pub next_place: u32,
    /// How many are stored.
    pub stored: u32,
    /// How many of them wait for a curator.
    pub pending: u32,
}

/// What a registration says of a Datanet.
pub(crate) struct Profile {
    pub name: Name,
    pub domain: Name,
    pub description: Text,
    pub schema: Schema,
    pub terms: Terms,
}
