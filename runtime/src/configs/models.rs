//! Base models, the models made of them, and where they are offered.

use crate::{
    Attribution, Balance, Balances, Datanets, Grants, Runtime, RuntimeHoldReason,
    constants::{DEPOSIT_PER_BYTE, deposit},
};
use frame_support::parameter_types;

parameter_types! {
    /// A base model: its row and the entry by content; owner, hashes and numbers.
    pub const BaseModelDeposit: Balance = deposit(2, 150);
    /// A deployment: its row; numbers and the operator's key.
    pub const DeploymentDeposit: Balance = deposit(1, 80);
    /// Each byte of a name, a licence or an endpoint.
    pub const TextDeposit: Balance = DEPOSIT_PER_BYTE;
}

impl pallet_models::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Datanets = Datanets;
    type Grants = Grants;
    type Rewards = Attribution;
    type BaseModelDeposit = BaseModelDeposit;
    type DeploymentDeposit = DeploymentDeposit;
    type ByteDeposit = TextDeposit;
    type WeightInfo = pallet_models::weights::SubstrateWeight<Runtime>;
}
