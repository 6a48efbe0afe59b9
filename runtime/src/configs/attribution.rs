//! Revenue streams and the contributors' claims.

use super::balances::TreasuryAccount;
use crate::{
    Balance, Balances, Runtime, RuntimeHoldReason,
    constants::{MILLI_TRIB, deposit},
};
use frame_support::{PalletId, parameter_types};

parameter_types! {
    /// Names the account that holds the contributors' pools.
    pub const PoolId: PalletId = PalletId(*b"trb/pool");
    /// The least sale: 10^9 of the smallest units, of which the contributors usually get half: about as many as a stream has shares.
    pub const FundMin: Balance = MILLI_TRIB;
    /// The record of a leaf that has claimed: its row; the leaf's account and numbers.
    pub const ClaimDeposit: Balance = deposit(1, 100);
}

impl pallet_attribution::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Treasury = TreasuryAccount;
    type PalletId = PoolId;
    type FundMin = FundMin;
    type ClaimDeposit = ClaimDeposit;
    type WeightInfo = pallet_attribution::weights::SubstrateWeight<Runtime>;
}
