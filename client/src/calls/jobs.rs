//! Jobs: post, claim, report, settle; and trainers' bonds.

use crate::call::Call;
use tributary_protocol::{
    Amount, ContentHash, JobId,
    job::{JobSpec, Progress, Report, Verdict},
};

const PALLET: &str = "Jobs";

/// Adds to the signer's bond.
pub fn bond(amount: Amount) -> Call {
    Call::new(PALLET, "bond").with(amount)
}

/// Takes back what of the signer's bond is not at risk.
pub fn unbond(amount: Amount) -> Call {
    Call::new(PALLET, "unbond").with(amount)
}

/// Posts a job; its price and data fees, the latter together at most `data_fees_max`, go into escrow.
pub fn post(spec: &JobSpec, data_fees_max: Amount) -> Call {
    Call::new(PALLET, "post").with(spec).with(data_fees_max)
}

/// Takes a job on a lease.
pub fn claim(job: JobId) -> Call {
    Call::new(PALLET, "claim").with(job)
}

/// Extends the lease and says how far the run is.
pub fn heartbeat(job: JobId, progress: Progress) -> Call {
    Call::new(PALLET, "heartbeat").with(job).with(progress)
}

/// Reports a finished run.
pub fn report(job: JobId, report: &Report) -> Call {
    Call::new(PALLET, "report").with(job).with(report)
}

/// Accepts a report: the trainer and the Datanets are paid.
pub fn accept(job: JobId) -> Call {
    Call::new(PALLET, "accept").with(job)
}

/// Disputes a report with evidence.
pub fn dispute(job: JobId, evidence: ContentHash) -> Call {
    Call::new(PALLET, "dispute").with(job).with(evidence)
}

/// Settles a job whose acceptance window is over; anyone may.
pub fn settle(job: JobId) -> Call {
    Call::new(PALLET, "settle").with(job)
}

/// Takes an unclaimed job back, or ends one whose grant no longer covers it.
pub fn cancel(job: JobId) -> Call {
    Call::new(PALLET, "cancel").with(job)
}

/// Takes back a job that a trainer works on, and pays it for what was done: at most `pay_max`.
pub fn stop(job: JobId, pay_max: Amount) -> Call {
    Call::new(PALLET, "stop").with(job).with(pay_max)
}

/// Applies a lapsed lease or a passed deadline; anyone may.
pub fn expire(job: JobId) -> Call {
    Call::new(PALLET, "expire").with(job)
}

/// Decides a dispute. For the chain's dispute origin: wrap it in [`super::sudo::sudo`].
pub fn resolve(job: JobId, verdict: &Verdict) -> Call {
    Call::new(PALLET, "resolve").with(job).with(verdict)
}

/// Removes the record of a cancelled or expired job, and returns its deposit.
pub fn forget(job: JobId) -> Call {
    Call::new(PALLET, "forget").with(job)
}
