//! Datanets, contributions and versions.

use crate::{
    Balance, Balances, Runtime, RuntimeHoldReason,
    constants::{DEPOSIT_PER_BYTE, MILLI_TRIB, deposit},
};
use frame_support::parameter_types;
use tributary_protocol::{amount::TRIB, datanet::VERSION_CONTRIBUTIONS_MAX};

parameter_types! {
    /// A Datanet: its row, the tally and the set of accepted contributions.
    pub const DatanetDeposit: Balance = deposit(3, 32 + 8 * VERSION_CONTRIBUTIONS_MAX);
    /// A version: its row, with the longest list of contributions.
    pub const VersionDeposit: Balance = deposit(1, 64 + 8 * VERSION_CONTRIBUTIONS_MAX);
    /// A contribution: its row, its place in the Datanet's list and the entry by file.
    pub const ContributionDeposit: Balance = deposit(3, 100);
    /// Each byte of a record.
    pub const RecordByteDeposit: Balance = DEPOSIT_PER_BYTE;
    /// Each KiB of a file that waits for a verdict: nobody stores it on the chain, but a curator has to read it.
    pub const DepositPerKibibyte: Balance = MILLI_TRIB;
    /// As much as for 100 MiB.
    pub const SizeDepositMax: Balance = 100 * TRIB;
    /// 64 GiB. Larger collections come as several contributions.
    pub const ContributionBytesMax: u64 = 64 << 30;
    /// Contributions that wait at a time: some days' work for a curator, and no more for a flood of them.
    pub const MaxPending: u32 = 1_000;
}

impl pallet_datanets::Config for Runtime {
    type RuntimeHoldReason = RuntimeHoldReason;
    type Currency = Balances;
    type DatanetDeposit = DatanetDeposit;
    type VersionDeposit = VersionDeposit;
    type ContributionDeposit = ContributionDeposit;
    type DepositPerByte = RecordByteDeposit;
    type DepositPerKibibyte = DepositPerKibibyte;
    type SizeDepositMax = SizeDepositMax;
    type ContributionBytesMax = ContributionBytesMax;
    type MaxPending = MaxPending;
    type WeightInfo = pallet_datanets::weights::SubstrateWeight<Runtime>;
}
