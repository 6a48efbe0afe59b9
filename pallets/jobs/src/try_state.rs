//! What always holds between two calls.
//!
//! 1. Every job's number is below [`NextJob`], and every job has one fee for each version.
//! 2. A job that is not over has price and fees in escrow; one that is over has nothing.
//! 3. Each requester has on hold exactly the escrows, the deposits and the open disputes of its jobs.
//! 4. A dispute is noted exactly for disputed jobs.
//! 5. A lease ends no later than its job's deadline.
//! 6. Each trainer's active jobs are exactly those that name it as leased, reported or disputed; its record counts them and
//!    what they put at risk; its bond covers that and is exactly what it has on hold.
//! 7. The agenda holds only reported jobs, each once, after its window and not in the past, and [`SettlesAt`] leads to each.

use crate::{ActiveJobs, Agenda, Config, Disputes, HoldReason, Jobs, NextJob, Pallet, SettlesAt, Trainers};
use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::{ensure, traits::fungible::InspectHold};
use pallet_support::now;
use sp_runtime::TryRuntimeError;
use tributary_protocol::{
    Amount, JobId,
    job::{JobState, Stage},
};

/// What one account should have, summed over jobs.
#[derive(Default)]
struct Sums {
    escrow: Amount,
    deposits: Amount,
    disputes: Amount,
    at_risk: Amount,
    active: BTreeSet<JobId>,
}

impl<T: Config> Pallet<T> {
    /// Checks the invariants named at the top of this file, in that order.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let mut accounts = BTreeMap::<T::AccountId, Sums>::new();
        let mut disputed = BTreeSet::new();
        for (id, job) in Jobs::<T>::iter() {
            ensure!(id < NextJob::<T>::get(), "a job is numbered beyond the next one");
            ensure!(job.data_fees.len() == job.spec.data.len(), "a job has not one fee for each version");

            // Sums here saturate: one too large for its type equals nothing that is stored or held, and is found below.
            let due = job.data_fees.iter().fold(job.spec.price, |sum, fee| sum.saturating_add(*fee));
            let stage = job.state.stage();
            let expected = if stage.is_final() { 0 } else { due };
            ensure!(job.escrow == expected, "a job's escrow is not what it would pay");

            let requester = accounts.entry(job.requester.clone()).or_default();
            // Sums here saturate: one too large for its type equals nothing that is stored or held, and is found below.
            requester.escrow = requester.escrow.saturating_add(job.escrow);
            requester.deposits = requester.deposits.saturating_add(job.deposit);
            if stage == Stage::Disputed {
                let deposit = Disputes::<T>::get(id).ok_or("a disputed job has no dispute")?;
                requester.disputes = requester.disputes.saturating_add(deposit);
                disputed.insert(id);
            }

            let engaged = match &job.state {
                JobState::Leased { trainer, at_risk, until, .. } => {
                    ensure!(*until <= job.spec.deadline, "a lease outlasts its job's deadline");
                    Some((trainer, at_risk))
                }
                JobState::Reported { trainer, at_risk, .. } | JobState::Disputed { trainer, at_risk, .. } => {
                    Some((trainer, at_risk))
                }
                _ => None,
            };
            if let Some((trainer, at_risk)) = engaged {
                let trainer = accounts.entry(trainer.clone()).or_default();
                // Sums here saturate: one too large for its type equals nothing that is stored or held, and is found below.
                trainer.at_risk = trainer.at_risk.saturating_add(*at_risk);
                trainer.active.insert(id);
            }
        }
        let noted = Disputes::<T>::iter_keys().collect::<BTreeSet<_>>();
        ensure!(noted == disputed, "a dispute is noted for a job that is not disputed");

        for (who, sums) in &accounts {
            let held = |reason: HoldReason| T::Currency::balance_on_hold(&reason.into(), who);
            ensure!(held(HoldReason::Escrow) == sums.escrow, "a requester's escrow is not on hold");
            ensure!(held(HoldReason::Job) == sums.deposits, "a requester's deposits are not on hold");
            ensure!(held(HoldReason::Dispute) == sums.disputes, "a requester's disputes are not on hold");
            ensure!(sums.active.is_empty() || Trainers::<T>::contains_key(who), "a trainer has no record");
        }

        for (who, record) in Trainers::<T>::iter() {
            let none = Sums::default();
            let sums = accounts.get(&who).unwrap_or(&none);
            let active = ActiveJobs::<T>::get(&who);
            let listed = active.iter().copied().collect::<BTreeSet<_>>();
            ensure!(listed.len() == active.len(), "a trainer's list names a job twice");
            ensure!(listed == sums.active, "a trainer's list differs from the jobs that name it");
            ensure!(usize::try_from(record.active) == Ok(active.len()), "a record miscounts its active jobs");
            ensure!(record.at_risk == sums.at_risk, "a record miscounts what is at risk");
            ensure!(record.bonded >= record.at_risk, "more is at risk than is bonded");
            let held = T::Currency::balance_on_hold(&HoldReason::Bond.into(), &who);
            ensure!(held == record.bonded, "a bond is not on hold");
        }
        for (who, jobs) in ActiveJobs::<T>::iter() {
            ensure!(!jobs.is_empty(), "an empty list is stored");
            ensure!(Trainers::<T>::contains_key(who), "a list without a trainer is stored");
        }

        let mut scheduled = BTreeMap::new();
        for (block, due) in Agenda::<T>::iter() {
            ensure!(!due.is_empty(), "an empty agenda is stored");
            ensure!(block > now::<T>(), "an agenda lies in the past");
            for id in due {
                ensure!(scheduled.insert(id, block).is_none(), "a job is on the agenda twice");
                let job = Jobs::<T>::get(id).ok_or("an unknown job is on the agenda")?;
                let JobState::Reported { accept_until, .. } = job.state else {
                    return Err("a job on the agenda is not reported".into());
                };
                ensure!(block > accept_until, "a job would settle within its window");
            }
        }
        let index = SettlesAt::<T>::iter().collect::<BTreeMap<_, _>>();
        ensure!(index == scheduled, "the index does not lead to the agenda");
        Ok(())
    }
}
