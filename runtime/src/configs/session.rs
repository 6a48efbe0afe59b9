//! Which keys the validators use, and when they change.

use crate::{AccountId, Babe, Balance, Balances, Runtime, RuntimeEvent, SessionKeys, constants::deposit};
use frame_support::parameter_types;
use sp_runtime::traits::{ConvertInto, OpaqueKeys};

parameter_types! {
    /// Held for registered keys: two rows for the keys' owners and one for the keys, 64 bytes each.
    pub const KeyDeposit: Balance = deposit(3, 3 * 64);
}

impl pallet_session::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId;
    type ValidatorIdOf = ConvertInto;
    type ShouldEndSession = Babe;
    type NextSessionRotation = Babe;
    // Never proposes another set, so the validators of genesis stay; each may still exchange its keys.
    type SessionManager = ();
    type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
    type Keys = SessionKeys;
    // Without offences there is nobody to disable.
    type DisablingStrategy = ();
    type WeightInfo = pallet_session::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    type KeyDeposit = KeyDeposit;
}
