//! The clock that block authors set.

use crate::{Babe, Runtime};
use frame_support::traits::ConstU64;
use tributary_protocol::amount::BLOCK_MS;

impl pallet_timestamp::Config for Runtime {
    type Moment = u64;
    type OnTimestampSet = Babe;
    // Half a slot: two blocks can never be closer, whatever their authors' clocks say.
    type MinimumPeriod = ConstU64<{ BLOCK_MS / 2 }>;
    type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Runtime>;
}
