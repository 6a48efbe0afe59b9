//! One file per call or pair of calls, a story, and random sequences of calls.

mod bond;
mod cancel;
mod claim;
mod dispute;
mod expire;
mod heartbeat;
mod invariants;
mod post;
mod reads;
mod report;
mod settle;
mod stop;
mod story;

use crate::{Call, Jobs, Trainers, mock::*};
use frame_support::{assert_ok, dispatch::DispatchResult};
use sp_runtime::traits::Dispatchable;
use tributary_protocol::{
    Amount, BlockNumber, ContentHash, JobId,
    job::{Job, JobSpec, JobState, Progress, Report, Stage, TrainerRecord, Verdict},
};

/// Sends a call as the chain would: a refused one leaves nothing behind.
fn send(who: AccountId, call: Call<Test>) -> DispatchResult {
    dispatch(RuntimeOrigin::signed(who), call)
}

fn dispatch(origin: RuntimeOrigin, call: Call<Test>) -> DispatchResult {
    RuntimeCall::from(call).dispatch(origin).map(|_| ()).map_err(|failed| failed.error)
}

fn bond(who: AccountId, amount: Amount) -> DispatchResult {
    send(who, Call::bond { amount })
}

fn unbond(who: AccountId, amount: Amount) -> DispatchResult {
    send(who, Call::unbond { amount })
}

fn post(spec: JobSpec) -> DispatchResult {
    send(REQUESTER, Call::post { spec, data_fees_max: Amount::MAX })
}

fn claim(who: AccountId, job: JobId) -> DispatchResult {
    send(who, Call::claim { job })
}

fn beat(who: AccountId, job: JobId, step: u32) -> DispatchResult {
    send(who, Call::heartbeat { job, progress: Progress { step, steps: 100 } })
}

fn hand_in(who: AccountId, job: JobId, report: Report) -> DispatchResult {
    send(who, Call::report { job, report })
}

fn accept(who: AccountId, job: JobId) -> DispatchResult {
    send(who, Call::accept { job })
}

fn dispute(who: AccountId, job: JobId) -> DispatchResult {
    send(who, Call::dispute { job, evidence: EVIDENCE })
}

fn settle(who: AccountId, job: JobId) -> DispatchResult {
    send(who, Call::settle { job })
}

fn cancel(who: AccountId, job: JobId) -> DispatchResult {
    send(who, Call::cancel { job })
}

fn stop(who: AccountId, job: JobId, pay_max: Amount) -> DispatchResult {
    send(who, Call::stop { job, pay_max })
}

fn expire(who: AccountId, job: JobId) -> DispatchResult {
    send(who, Call::expire { job })
}

fn resolve(job: JobId, verdict: Verdict) -> DispatchResult {
    dispatch(RuntimeOrigin::root(), Call::resolve { job, verdict })
}

fn forget(who: AccountId, job: JobId) -> DispatchResult {
    send(who, Call::forget { job })
}

const EVIDENCE: ContentHash = ContentHash([7; 32]);
/// What a trainer of the tests bonds: enough for three jobs of [`PRICE`].
const BOND: Amount = 150 * UNIT;
/// What a job of [`PRICE`] puts at risk.
const AT_RISK: Amount = PRICE / 2;
/// What a lapse of such a job costs.
const SLASH: Amount = AT_RISK / 10;

/// An open job.
fn posted() -> JobId {
    let id = JobMarket::next_job();
    assert_ok!(post(spec()));
    id
}

/// A job leased by [`TRAINER`].
fn leased() -> JobId {
    let id = posted();
    if !Trainers::<Test>::contains_key(TRAINER) {
        assert_ok!(bond(TRAINER, BOND));
    }
    assert_ok!(claim(TRAINER, id));
    id
}

/// A job reported by [`TRAINER`].
fn reported() -> JobId {
    let id = leased();
    assert_ok!(hand_in(TRAINER, id, report()));
    id
}

/// A disputed job.
fn disputed() -> JobId {
    let id = reported();
    assert_ok!(dispute(REQUESTER, id));
    id
}

fn job(id: JobId) -> Job<AccountId> {
    Jobs::<Test>::get(id).unwrap()
}

fn stage(id: JobId) -> Stage {
    job(id).state.stage()
}

fn record(who: AccountId) -> TrainerRecord {
    Trainers::<Test>::get(who).unwrap()
}

fn lease_until(id: JobId) -> BlockNumber {
    match job(id).state {
        JobState::Leased { until, .. } => until,
        state => panic!("not leased: {state:?}"),
    }
}

fn now() -> BlockNumber {
    System::block_number()
}
