//! The market of training jobs.

use crate::{
    AccountId, Balance, Balances, BlockNumber, Datanets, Grants, Models, Runtime, RuntimeHoldReason,
    constants::{DAY, DEPOSIT_PER_BYTE, deposit},
};
use frame_support::parameter_types;
use frame_system::EnsureRoot;
use pallet_jobs::Event;
use tributary_protocol::{JobId, Ppm, amount::TRIB};

parameter_types! {
    /// A price below this is not worth a trainer's transactions: claim, heartbeats and report cost about a tenth of it.
    pub const PriceMin: Balance = TRIB;
    /// The least bond: ten of the least prices, so that a new name costs more than the job it would spoil.
    pub const BondMin: Balance = 10 * TRIB;
    /// A claim puts half the job's price at risk: more than a false report of one could gain if one in three is found out.
    pub const BondPart: Ppm = Ppm::from_percent(50);
    /// A silent trainer loses a tenth of what it put at risk: enough to make it give up jobs it cannot do, and little
    /// enough that a power cut does not ruin it.
    pub const LapseSlash: Ppm = Ppm::from_percent(10);
    pub const StopPartMin: Ppm = Ppm::from_percent(5);
    /// What a lost dispute costs: the trainer has waited and has had its bond frozen.
    pub const DisputeDeposit: Balance = 10 * TRIB;
    /// A job's record beside its specification: its row, its entry in the agenda and the way there, and some 300 bytes of
    /// state and report.
    pub const JobDeposit: Balance = deposit(3, 300);
    /// Each byte of a job's specification.
    pub const JobByteDeposit: Balance = DEPOSIT_PER_BYTE;
    /// A lease, and each heartbeat, lasts 30 s: a trainer that dies is replaced in half a minute, and one that lives says so
    /// three times as often.
    pub const LeaseBlocks: BlockNumber = 10;
    /// A deadline lies at most this far ahead: escrow must not be forgotten for ever.
    pub const DeadlineBlocksMax: BlockNumber = 30 * DAY;
    /// 15 s: enough for a program that checks reports by itself, as development networks have it.
    pub const AcceptanceBlocksMin: BlockNumber = 5;
    /// A trainer waits for its money at most this long.
    pub const AcceptanceBlocksMax: BlockNumber = 7 * DAY;
    /// Jobs that one trainer may hold at a time.
    pub const MaxActive: u32 = 16;
    /// Jobs that settle by themselves in one block. Each takes well below a millisecond, so all of them a small part of the
    /// block's second.
    pub const MaxSettlementsPerBlock: u32 = 16;
}

impl pallet_jobs::Config for Runtime {
    type RuntimeHoldReason = RuntimeHoldReason;
    type Currency = Balances;
    type Datanets = Datanets;
    type Grants = Grants;
    type BaseModels = Models;
    type Models = Models;
    // Until verifiers decide: governance, which on networks with sudo is sudo.
    type DisputeOrigin = EnsureRoot<AccountId>;
    type PriceMin = PriceMin;
    type BondMin = BondMin;
    type BondPart = BondPart;
    type LapseSlash = LapseSlash;
    type StopPartMin = StopPartMin;
    type DisputeDeposit = DisputeDeposit;
    type DepositBase = JobDeposit;
    type DepositPerByte = JobByteDeposit;
    type LeaseBlocks = LeaseBlocks;
    type DeadlineBlocksMax = DeadlineBlocksMax;
    type AcceptanceBlocksMin = AcceptanceBlocksMin;
    type AcceptanceBlocksMax = AcceptanceBlocksMax;
    type MaxActive = MaxActive;
    type MaxSettlementsPerBlock = MaxSettlementsPerBlock;
    type WeightInfo = pallet_jobs::weights::SubstrateWeight<Runtime>;
}

/// The job that an event is about; `None` for those about a trainer's bond alone.
pub fn job_of(event: &Event<Runtime>) -> Option<JobId> {
    match event {
        Event::JobPosted { job, .. }
        | Event::JobClaimed { job, .. }
        | Event::HeartbeatRecorded { job, .. }
        | Event::LeaseLapsed { job, .. }
        | Event::JobReported { job, .. }
        | Event::JobSettled { job, .. }
        | Event::SettlementFailed { job, .. }
        | Event::JobDisputed { job, .. }
        | Event::DisputeResolved { job, .. }
        | Event::JobCancelled { job, .. }
        | Event::JobStopped { job, .. }
        | Event::JobExpired { job, .. }
        | Event::JobForgotten { job, .. } => Some(*job),
        Event::Bonded { .. } | Event::Unbonded { .. } | Event::__Ignore(..) => None,
    }
}
