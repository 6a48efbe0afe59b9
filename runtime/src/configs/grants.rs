//! Revocable permissions to use Datanets.

use crate::{
    Balance, Balances, Datanets, Runtime, RuntimeHoldReason, Signature,
    constants::{DEPOSIT_PER_BYTE, deposit},
};
use frame_support::parameter_types;

parameter_types! {
    /// A grant: its row, and its places in the lists of its grantee and its Datanet.
    pub const GrantDeposit: Balance = deposit(3, 150);
    /// Each byte of a grant's record, an owner's reason included.
    pub const GrantByteDeposit: Balance = DEPOSIT_PER_BYTE;
    /// A presented offer: the row that keeps it from being presented twice, and the way there.
    pub const OfferDeposit: Balance = deposit(2, 100);
    /// Requests of one account that wait for the same owner at a time.
    pub const MaxOpenRequests: u32 = 8;
}

impl pallet_grants::Config for Runtime {
    type RuntimeHoldReason = RuntimeHoldReason;
    type Currency = Balances;
    type Datanets = Datanets;
    type OfferSignature = Signature;
    type GrantDeposit = GrantDeposit;
    type DepositPerByte = GrantByteDeposit;
    type OfferDeposit = OfferDeposit;
    type MaxOpenRequests = MaxOpenRequests;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
    type WeightInfo = pallet_grants::weights::SubstrateWeight<Runtime>;
}
