//! Who votes that a block is final.

use super::babe::VALIDATORS_MAX;
use crate::{Runtime, RuntimeEvent};
use frame_support::traits::{ConstU32, ConstU64};

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = ConstU32<VALIDATORS_MAX>;
    type MaxNominators = ConstU32<0>;
    // As in `babe.rs`: nothing to slash, so nothing is reported and no old sets are kept.
    type MaxSetIdSessionEntries = ConstU64<0>;
    type KeyOwnerProof = sp_core::Void;
    type EquivocationReportSystem = ();
}
