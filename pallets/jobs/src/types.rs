//! What the pallet's own code passes around; the stored types are the protocol's.

use tributary_protocol::{
    Amount, BlockNumber,
    job::{Job, Progress, Report},
};

/// In how many blocks a reported job looks for room on the agenda. Each is one more read in the worst case of a report;
/// eight blocks of settlements are more reports than one block can hold.
pub const AGENDA_SEARCH_BLOCKS: BlockNumber = 8;

/// A job on this chain.
pub type JobOf<T> = Job<<T as frame_system::Config>::AccountId>;

/// A lease, taken out of the state of a leased job.
pub struct Lease<AccountId> {
    /// The lease holder.
    pub trainer: AccountId,
    /// How far it is.
    pub progress: Progress,
    /// What of its bond is at risk.
    pub at_risk: Amount,
}

/// A report with its trainer, taken out of the state of a reported or disputed job.
pub struct Work<AccountId> {
    /// Who reported.
    pub trainer: AccountId,
    /// What.
    pub report: Report,
    /// What of its bond is at risk.
    pub at_risk: Amount,
}

/// How a trainer's part in a job ended: what its record says of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was paid.
    Settled,
    /// It fell silent.
    Lapsed,
    /// Its report was overturned.
    Overturned,
    /// It was let go through no fault of its own.
    Released,
}
