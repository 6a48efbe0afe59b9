//! Accounts, blocks and events.

use crate::{
    AccountId, Balance, Block, BlockNumber, PalletInfo, Runtime, RuntimeCall, RuntimeEvent, RuntimeOrigin, RuntimeTask,
    VERSION,
    constants::{RuntimeBlockLength, RuntimeBlockWeights},
};
use frame_support::{derive_impl, parameter_types, traits::ConstU16, weights::constants::ParityDbWeight};
use sp_version::RuntimeVersion;
use tributary_protocol::amount::SS58_PREFIX;

parameter_types! {
    /// How many block hashes are kept, and so how long a mortal transaction may live: 3.4 hours.
    pub const BlockHashCount: BlockNumber = 4_096;
    /// This runtime's version.
    pub const Version: RuntimeVersion = VERSION;
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type AccountId = AccountId;
    type AccountData = pallet_balances::AccountData<Balance>;
    type Block = Block;
    type BlockWeights = RuntimeBlockWeights;
    type BlockLength = RuntimeBlockLength;
    type BlockHashCount = BlockHashCount;
    // The node is built without RocksDB.
    type DbWeight = ParityDbWeight;
    type Version = Version;
    type SS58Prefix = ConstU16<SS58_PREFIX>;
    type SystemWeightInfo = frame_system::weights::SubstrateWeight<Runtime>;
    type ExtensionsWeightInfo = frame_system::SubstrateExtensionsWeight<Runtime>;
}
