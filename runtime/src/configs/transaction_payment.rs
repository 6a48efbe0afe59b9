//! What a transaction costs.

use super::balances::ToTreasury;
use crate::{
    Balance, Balances, Runtime, RuntimeEvent,
    constants::{FEE_PER_BYTE, FEE_PER_PICOSECOND},
};
use frame_support::{
    parameter_types,
    traits::{ConstU8, ConstU128},
    weights::ConstantMultiplier,
};
use pallet_transaction_payment::{FungibleAdapter, Multiplier, TargetedFeeAdjustment};
use sp_runtime::{FixedPointNumber, Perquintill};

parameter_types! {
    /// How full blocks may be on average before fees rise.
    pub const TargetFullness: Perquintill = Perquintill::from_percent(25);
    /// How fast they move. A full block raises them by 0.75 x 0.0002 = 0.015 %, so a day of full blocks by a factor of 75,
    /// an hour by a fifth.
    pub AdjustmentPace: Multiplier = Multiplier::saturating_from_rational(2, 10_000);
    /// Never below the stated prices, so that the fee of a quiet chain is known in advance.
    pub MultiplierMin: Multiplier = Multiplier::from_u32(1);
    /// Never above a thousand times the stated prices.
    pub MultiplierMax: Multiplier = Multiplier::from_u32(1_000);
}

impl pallet_transaction_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    // Fees and tips go to the treasury: validators without stake have no claim on them.
    type OnChargeTransaction = FungibleAdapter<Balances, ToTreasury>;
    type WeightToFee = ConstantMultiplier<Balance, ConstU128<FEE_PER_PICOSECOND>>;
    type LengthToFee = ConstantMultiplier<Balance, ConstU128<FEE_PER_BYTE>>;
    type FeeMultiplierUpdate =
        TargetedFeeAdjustment<Self, TargetFullness, AdjustmentPace, MultiplierMin, MultiplierMax>;
    type OperationalFeeMultiplier = ConstU8<5>;
    type WeightInfo = pallet_transaction_payment::weights::SubstrateWeight<Runtime>;
}
