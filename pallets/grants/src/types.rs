//! What the pallet stores beside the protocol's nouns.

use codec::{Decode, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use tributary_protocol::{BlockNumber, grant::Grant};

/// A grant on this chain.
pub type GrantOf<T> = Grant<<T as frame_system::Config>::AccountId>;

/// How many grants a grantee or a Datanet has. Absent from storage where none is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Tally {
    /// The place that the next one gets in the list. Never falls while any is stored.
    pub next_place: u32,
    /// How many are stored.
    pub stored: u32,
}

impl Tally {
    /// One more at the end of the list.
    pub(crate) fn with_one(self) -> Option<Self> {
        Some(Self { next_place: self.next_place.checked_add(1)?, stored: self.stored.checked_add(1)? })
    }

    /// One less; `None` where none is left.
    pub(crate) fn without_one(self) -> Option<Self> {
        let stored = self.stored.saturating_sub(1);
        (stored > 0).then_some(Self { stored, ..self })
    }

    /// Where a page of `from` on starts, and how many entries it skips from there. Without gaps, a place is a rank.
    pub(crate) fn start(self, from: u32) -> (u32, u32) {
        if self.stored == self.next_place { (from, 0) } else { (0, from) }
    }
}

/// Where a grant stands in the lists that name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Places {
    /// In its grantee's.
    pub of_grantee: u32,
    /// In its Datanet's.
    pub on_datanet: u32,
}

/// From which signed offer a grant came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Presented {
    /// The offer's number.
    pub nonce: u64,
    /// The last block in which the offer could be presented.
    pub valid_until: BlockNumber,
}
