//! Money, and the treasury's account.

use crate::{
    AccountId, Balance, Balances, Runtime, RuntimeEvent, RuntimeFreezeReason, RuntimeHoldReason, System,
    constants::EXISTENTIAL_DEPOSIT,
};
use frame_support::{
    PalletId, parameter_types,
    traits::{ConstU32, ConstU128, VariantCountOf, tokens::imbalance::ResolveTo},
};
use sp_runtime::traits::AccountIdConversion;

/// Names the treasury's account.
pub const TREASURY: PalletId = PalletId(*b"trb/trsy");

parameter_types! {
    /// The treasury: an account without a key, which takes fees, dust and the treasury's part of sales. Only governance
    /// (until there is one, sudo where the chain has it) can spend from it.
    pub TreasuryAccount: AccountId = TREASURY.into_account_truncating();
}

/// Puts what it is given into the treasury, so that fees and dust leave the issuance as it is.
pub type ToTreasury = ResolveTo<TreasuryAccount, Balances>;

impl pallet_balances::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeHoldReason = RuntimeHoldReason;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type WeightInfo = pallet_balances::weights::SubstrateWeight<Runtime>;
    type Balance = Balance;
    type DustRemoval = ToTreasury;
    type ExistentialDeposit = ConstU128<EXISTENTIAL_DEPOSIT>;
    type AccountStore = System;
    // Locks and reserves are the older ways of holding money; nothing here uses them.
    type ReserveIdentifier = [u8; 8];
    type MaxLocks = ConstU32<0>;
    type MaxReserves = ConstU32<0>;
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
    type DoneSlashHandler = ();
}
