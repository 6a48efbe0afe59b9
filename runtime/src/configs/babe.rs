//! Who writes which block, drawn by verifiable randomness.

use crate::{Babe, Runtime, Session, constants::SESSION_SLOTS};
use frame_support::traits::{ConstU32, ConstU64};
use sp_consensus_babe::{AllowedSlots, BabeConfiguration, BabeEpochConfiguration};
use tributary_protocol::amount::BLOCK_MS;

/// Most validators. Bounds what a change of sessions costs.
pub const VALIDATORS_MAX: u32 = 100;

impl pallet_babe::Config for Runtime {
    type EpochDuration = ConstU64<SESSION_SLOTS>;
    type ExpectedBlockTime = ConstU64<BLOCK_MS>;
    // The session pallet decides when an epoch ends.
    type EpochChangeTrigger = pallet_babe::ExternalTrigger;
    type DisabledValidators = Session;
    type WeightInfo = ();
    type MaxAuthorities = ConstU32<VALIDATORS_MAX>;
    type MaxNominators = ConstU32<0>;
    // Reporting an equivocation needs stakes to slash and historical sessions to prove against. The validators of this
    // runtime are fixed at genesis and have no stake, so there is no report to make yet.
    type KeyOwnerProof = sp_core::Void;
    type EquivocationReportSystem = ();
}

/// How BABE runs: what nodes ask for when they start, and what genesis stores.
pub fn configuration() -> BabeConfiguration {
    let epoch = pallet_babe::EpochConfig::<Runtime>::get().unwrap_or(EPOCH_CONFIGURATION);
    BabeConfiguration {
        slot_duration: Babe::slot_duration(),
        epoch_length: SESSION_SLOTS,
        c: epoch.c,
        authorities: Babe::authorities().to_vec(),
        randomness: Babe::randomness(),
        allowed_slots: epoch.allowed_slots,
    }
}

/// A primary author is drawn for a quarter of the slots; the others fall to a secondary one, who also adds randomness.
pub const EPOCH_CONFIGURATION: BabeEpochConfiguration =
    BabeEpochConfiguration { c: (1, 4), allowed_slots: AllowedSlots::PrimaryAndSecondaryVRFSlots };
