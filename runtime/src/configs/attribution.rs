//! Revenue streams and the contributors' claims.

use super::balances::TreasuryAccount;
use crate::{
    AccountId, Balance, Balances, BlockNumber, Runtime, RuntimeHoldReason,
    constants::{DAY, HOUR, MILLI_TRIB, deposit},
};
use frame_support::{PalletId, parameter_types};
use frame_system::EnsureRoot;
use tributary_protocol::{Ppm, amount::TRIB};

parameter_types! {
    /// Names the account that holds the contributors' pools.
    pub const PoolId: PalletId = PalletId(*b"trb/pool");
    /// The least sale: 10^9 of the smallest units, of which the contributors usually get half: about as many as a stream has shares.
    pub const FundMin: Balance = MILLI_TRIB;
    /// The record of a leaf that has claimed: its row; the leaf's account and numbers.
    pub const ClaimDeposit: Balance = deposit(1, 100);
    /// An operator's ledger: its row; two epochs, a challenge and an audit.
    pub const LedgerDeposit: Balance = deposit(1, 500);
    /// What even a small epoch stakes.
    pub const EpochBondMin: Balance = 10 * TRIB;
    /// An operator can at most give everything to itself, so it stakes as much.
    pub const EpochBondPart: Ppm = Ppm::ONE;
    /// Pays the operator for opening 300 leaves, which costs less than half of it in fees.
    pub const ChallengeBond: Balance = 10 * TRIB;
    /// Less than an operator loses who challenges itself to get its own bond back.
    pub const ReporterPart: Ppm = Ppm::from_percent(25);
    /// Long enough for a contributor to compute the leaves again.
    pub const ChallengeWindow: BlockNumber = DAY;
    /// Long enough for an operator whose machine is down.
    pub const OpenWindow: BlockNumber = 12 * HOUR;
    /// What an operator does not divide for a month goes by the shares.
    pub const EpochTimeout: BlockNumber = 30 * DAY;
}

impl pallet_attribution::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Treasury = TreasuryAccount;
    type PalletId = PoolId;
    type FundMin = FundMin;
    type ClaimDeposit = ClaimDeposit;
    type LedgerDeposit = LedgerDeposit;
    type EpochBondMin = EpochBondMin;
    type EpochBondPart = EpochBondPart;
    type ChallengeBond = ChallengeBond;
    type ReporterPart = ReporterPart;
    type ChallengeWindow = ChallengeWindow;
    type OpenWindow = OpenWindow;
    type EpochTimeout = EpochTimeout;
    // Made by all authors of the last session, and known from its end: a challenge made before that cannot have seen it.
    type Randomness = pallet_babe::RandomnessFromOneEpochAgo<Runtime>;
    type DisputeOrigin = EnsureRoot<AccountId>;
    type WeightInfo = pallet_attribution::weights::SubstrateWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Sessions;
}

/// Whose ends make randomness known.
#[cfg(feature = "runtime-benchmarks")]
#[derive(Debug)]
pub struct Sessions;

#[cfg(feature = "runtime-benchmarks")]
impl pallet_attribution::BenchmarkHelper for Sessions {
    fn randomness_since(block: BlockNumber) {
        pallet_babe::EpochStart::<Runtime>::put((block, block));
    }
}
