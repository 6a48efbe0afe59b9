//! What the calls do, once checked. Every change of a job's stage goes through [`Pallet::enter`].

use crate::{
    Agenda, Config, Disputes, Error, Event, HoldReason, Jobs, NextJob, Pallet, SettlesAt,
    checks::DataFees,
    money::plus,
    types::{AGENDA_SEARCH_BLOCKS, Ending, JobOf, Lease, Work},
    weights::WeightInfo,
};
use codec::Encode;
use frame_support::{dispatch::DispatchResult, ensure, storage::with_storage_layer, traits::Get, weights::Weight};
use pallet_support::{GrantGate, ModelRegistry, NewModel, now};
use sp_runtime::{ArithmeticError, DispatchError};
use tributary_protocol::{
    Amount, BlockNumber, ContentHash, JobId,
    job::{Job, JobSpec, JobState, Progress, Report, Transition, Verdict},
    model::Lineage,
};

impl<T: Config> Pallet<T> {
    /// Moves a job to `state`, if the state machine allows it.
    fn enter(job: &mut JobOf<T>, transition: Transition, state: JobState<T::AccountId>) -> DispatchResult {
        let legal = job.state.stage().after(transition) == Some(state.stage());
        ensure!(
            legal,
            match transition {
                Transition::Claim | Transition::Cancel | Transition::Expire | Transition::Revoke => Error::<T>::NotOpen,
                Transition::Heartbeat | Transition::Lapse | Transition::Report | Transition::Stop => {
                    Error::<T>::NotLeased
                }
                Transition::Settle | Transition::Dispute => Error::<T>::NotReported,
                Transition::Uphold | Transition::Overturn => Error::<T>::NotDisputed,
            }
        );
        job.state = state;
        Ok(())
    }

    /// Takes the grants' uses and the money, and opens the job. Returns its number and its escrow.
    pub(crate) fn do_post(
        requester: &T::AccountId,
        spec: JobSpec,
        data_fees: DataFees,
    ) -> Result<(JobId, Amount), DispatchError> {
        let id = NextJob::<T>::get();
        let escrow = data_fees.iter().try_fold(spec.price, |sum, fee| plus(sum, *fee))?;
        let deposit = Self::deposit_for(&spec)?;
        for data in &spec.data {
            T::Grants::take(data.grant, &Self::wanted(requester, &spec, data))?;
        }
        Self::hold(HoldReason::Escrow, requester, escrow)?;
        Self::hold(HoldReason::Job, requester, deposit)?;
        NextJob::<T>::put(id.next().ok_or(ArithmeticError::Overflow)?);
        let job = Job {
            requester: requester.clone(),
            spec,
            data_fees,
            escrow,
            deposit,
            state: JobState::Open,
            leases: 0,
            posted_at: now::<T>(),
        };
        Jobs::<T>::insert(id, job);
        Ok((id, escrow))
    }

    /// What the record of a job holds on its requester.
    fn deposit_for(spec: &JobSpec) -> Result<Amount, DispatchError> {
        let bytes = Amount::try_from(spec.encoded_size()).map_err(|_| ArithmeticError::Overflow)?;
        let variable = bytes.checked_mul(T::DepositPerByte::get()).ok_or(ArithmeticError::Overflow)?;
        plus(T::DepositBase::get(), variable)
    }

    /// Gives a job to a trainer and returns the last block of the lease.
    pub(crate) fn do_claim(id: JobId, mut job: JobOf<T>, trainer: &T::AccountId) -> Result<BlockNumber, DispatchError> {
        if Self::has_lapsed(&job) {
            Self::lapse(id, &mut job)?;
        }
        let at_risk = Self::bond_required(job.spec.price);
        Self::engage(id, trainer, at_risk)?;
        job.leases = job.leases.checked_add(1).ok_or(ArithmeticError::Overflow)?;
        let until = Self::lease_end(&job);
        let state = JobState::Leased { trainer: trainer.clone(), until, progress: Progress::default(), at_risk };
        Self::enter(&mut job, Transition::Claim, state)?;
        Jobs::<T>::insert(id, job);
        Ok(until)
    }

    /// The last block of a lease that is given or prolonged now.
    fn lease_end(job: &JobOf<T>) -> BlockNumber {
        now::<T>().saturating_add(T::LeaseBlocks::get()).min(job.spec.deadline)
    }

    /// Prolongs a lease and returns its last block.
    pub(crate) fn do_heartbeat(
        id: JobId,
        mut job: JobOf<T>,
        lease: Lease<T::AccountId>,
        progress: Progress,
    ) -> Result<BlockNumber, DispatchError> {
        let until = Self::lease_end(&job);
        let state = JobState::Leased { trainer: lease.trainer, until, progress, at_risk: lease.at_risk };
        Self::enter(&mut job, Transition::Heartbeat, state)?;
        Jobs::<T>::insert(id, job);
        Ok(until)
    }

    /// Ends a lapsed lease: the trainer pays for the delay and the job is open again. Where a grant no longer covers, the
    /// trainer could not have gone on, and pays nothing.
    fn lapse(id: JobId, job: &mut JobOf<T>) -> DispatchResult {
        let Lease { trainer, at_risk, .. } = Self::lease(job)?;
        let (slashed, ending) = match Self::refusal(job) {
            Some(_) => (0, Ending::Released),
            None => {
                let slash = T::LapseSlash::get().of(at_risk);
                (Self::slash(&trainer, &job.requester, slash)?, Ending::Lapsed)
            }
        };
        Self::disengage(id, &trainer, at_risk, slashed, ending)?;
        Self::enter(job, Transition::Lapse, JobState::Open)?;
        Self::deposit_event(Event::LeaseLapsed { job: id, trainer, slashed });
        Ok(())
    }

    /// Takes a report and returns the last block of the requester's window.
    pub(crate) fn do_report(
        id: JobId,
        mut job: JobOf<T>,
        lease: Lease<T::AccountId>,
        report: Report,
    ) -> Result<BlockNumber, DispatchError> {
        let window = job.spec.acceptance_blocks;
        let accept_until = now::<T>().checked_add(window).ok_or(ArithmeticError::Overflow)?;
        let state = JobState::Reported { trainer: lease.trainer, report, accept_until, at_risk: lease.at_risk };
        Self::enter(&mut job, Transition::Report, state)?;
        Jobs::<T>::insert(id, job);
        Self::schedule(id, accept_until);
        Ok(accept_until)
    }

    /// Puts a job on the agenda of the first block with room after its window. Where there is none, it settles by call only.
    fn schedule(id: JobId, accept_until: BlockNumber) {
        for after in 1..=AGENDA_SEARCH_BLOCKS {
            let Some(block) = accept_until.checked_add(after) else { return };
            if Agenda::<T>::try_mutate(block, |due| due.try_push(id)).is_ok() {
                SettlesAt::<T>::insert(id, block);
                return;
            }
        }
    }

    /// Takes a job off the agenda, if it is on it.
    fn unschedule(id: JobId) {
        let Some(block) = SettlesAt::<T>::take(id) else { return };
        Agenda::<T>::mutate_exists(block, |due| {
            *due = due
                .take()
                .map(|mut due| {
                    due.retain(|job| *job != id);
                    due
                })
                .filter(|due| !due.is_empty());
        });
    }

    /// Settles what is on the agenda of block `now`. A settlement that fails is rolled back and announced; the others and
    /// the block go on.
    pub(crate) fn settle_due(now: BlockNumber) -> Weight {
        let due = Agenda::<T>::take(now);
        for id in &due {
            SettlesAt::<T>::remove(id);
            let settled = with_storage_layer(|| Self::do_settle(*id, Self::entry(*id)?, Transition::Settle));
            if let Err(error) = settled {
                Self::deposit_event(Event::SettlementFailed { job: *id, error });
            }
        }
        T::WeightInfo::on_initialize(u32::try_from(due.len()).unwrap_or(u32::MAX))
    }

    /// Pays for a job, records its model and frees the trainer.
    pub(crate) fn do_settle(id: JobId, mut job: JobOf<T>, transition: Transition) -> DispatchResult {
        let Work { trainer, report, at_risk } = Self::work(&job)?;
        Self::unschedule(id);
        let data_fees = Self::pay(&mut job, &trainer)?;
        let model = T::Models::record(NewModel {
            owner: job.requester.clone(),
            adapter: report.adapter,
            lineage: Lineage {
                base: job.spec.base,
                job: id,
                trainer: trainer.clone(),
                data: job.spec.data.clone(),
                purpose: job.spec.purpose,
            },
            metrics: report.metrics,
            split: job.spec.split,
            contributions: report.contributions,
            accuracy: report.accuracy,
        })?;
        Self::disengage(id, &trainer, at_risk, 0, Ending::Settled)?;
        Self::enter(&mut job, transition, JobState::Settled { trainer: trainer.clone(), report, model })?;
        Jobs::<T>::insert(id, &job);
        Self::deposit_event(Event::JobSettled {
            job: id,
            model,
            requester: job.requester,
            trainer,
            price: job.spec.price,
            data_fees,
        });
        Ok(())
    }

    /// The report of a reported or disputed job.
    fn work(job: &JobOf<T>) -> Result<Work<T::AccountId>, DispatchError> {
        match &job.state {
            JobState::Reported { trainer, report, at_risk, .. }
            | JobState::Disputed { trainer, report, at_risk, .. } => {
                Ok(Work { trainer: trainer.clone(), report: *report, at_risk: *at_risk })
            }
            _ => Err(Error::<T>::NotReported.into()),
        }
    }

    /// Freezes a reported job and returns the dispute's deposit.
    pub(crate) fn do_dispute(id: JobId, mut job: JobOf<T>, evidence: ContentHash) -> Result<Amount, DispatchError> {
        let Work { trainer, report, at_risk } = Self::work(&job)?;
        let deposit = T::DisputeDeposit::get();
        Self::hold(HoldReason::Dispute, &job.requester, deposit)?;
        Self::unschedule(id);
        Self::enter(&mut job, Transition::Dispute, JobState::Disputed { trainer, report, evidence, at_risk })?;
        Disputes::<T>::insert(id, deposit);
        Jobs::<T>::insert(id, job);
        Ok(deposit)
    }

    /// Ends a dispute as decided.
    pub(crate) fn do_resolve(id: JobId, mut job: JobOf<T>, verdict: Verdict) -> DispatchResult {
        let Work { trainer, at_risk, .. } = Self::work(&job)?;
        let requester = job.requester.clone();
        let deposit = Disputes::<T>::take(id).ok_or(Error::<T>::NotDisputed)?;
        let slashed = match verdict {
            Verdict::Uphold => {
                Self::do_settle(id, job, Transition::Uphold)?;
                Self::pay_held(HoldReason::Dispute, &requester, &trainer, deposit)?;
                0
            }
            Verdict::Overturn => {
                Self::release(HoldReason::Dispute, &requester, deposit)?;
                let slashed = Self::slash(&trainer, &requester, at_risk)?;
                Self::disengage(id, &trainer, at_risk, slashed, Ending::Overturned)?;
                let escrow = Self::close(&mut job, Transition::Overturn, JobState::Cancelled)?;
                Jobs::<T>::insert(id, job);
                Self::deposit_event(Event::JobCancelled { job: id, requester: requester.clone(), escrow });
                slashed
            }
        };
        Self::deposit_event(Event::DisputeResolved { job: id, verdict, requester, trainer, slashed });
        Ok(())
    }

    /// Ends an open or leased job. A lease that stands in the way has lapsed, or ends without loss since a grant no longer
    /// covers.
    pub(crate) fn do_cancel(id: JobId, mut job: JobOf<T>, transition: Transition) -> DispatchResult {
        if Self::has_lapsed(&job) {
            Self::lapse(id, &mut job)?;
        } else if let Ok(Lease { trainer, at_risk, .. }) = Self::lease(&job) {
            Self::disengage(id, &trainer, at_risk, 0, Ending::Released)?;
        }
        let escrow = Self::close(&mut job, transition, JobState::Cancelled)?;
        Jobs::<T>::insert(id, &job);
        Self::deposit_event(Event::JobCancelled { job: id, requester: job.requester, escrow });
        Ok(())
    }

    /// What the holder of a live lease gets for a job that is stopped now.
    pub(crate) fn worth_of(job: &JobOf<T>, lease: &Lease<T::AccountId>) -> Amount {
        let price = job.spec.price;
        lease.progress.part_of(price).max(T::StopPartMin::get().of(price))
    }

    /// Ends a job that somebody works on, and pays for what was done.
    pub(crate) fn do_stop(id: JobId, mut job: JobOf<T>, lease: Lease<T::AccountId>) -> DispatchResult {
        let worth = Self::worth_of(&job, &lease);
        let paid = Self::pay_part(&mut job, &lease.trainer, worth)?;
        Self::disengage(id, &lease.trainer, lease.at_risk, 0, Ending::Released)?;
        let escrow = Self::close(&mut job, Transition::Stop, JobState::Cancelled)?;
        Jobs::<T>::insert(id, &job);
        Self::deposit_event(Event::JobStopped {
            job: id,
            requester: job.requester,
            trainer: lease.trainer,
            paid,
            escrow,
        });
        Ok(())
    }

    /// Ends a lapsed lease, and the job with it if its deadline has passed.
    pub(crate) fn do_expire(id: JobId, mut job: JobOf<T>) -> DispatchResult {
        if Self::has_lapsed(&job) {
            Self::lapse(id, &mut job)?;
        }
        if now::<T>() <= job.spec.deadline {
            Jobs::<T>::insert(id, job);
            return Ok(());
        }
        let escrow = Self::close(&mut job, Transition::Expire, JobState::Expired)?;
        Jobs::<T>::insert(id, &job);
        Self::deposit_event(Event::JobExpired { job: id, requester: job.requester, escrow });
        Ok(())
    }

    /// Ends a job without a model: returns the escrow, whose amount it says, and gives back the grants' uses.
    fn close(
        job: &mut JobOf<T>,
        transition: Transition,
        state: JobState<T::AccountId>,
    ) -> Result<Amount, DispatchError> {
        Self::enter(job, transition, state)?;
        let escrow = core::mem::take(&mut job.escrow);
        Self::release(HoldReason::Escrow, &job.requester, escrow)?;
        for data in &job.spec.data {
            T::Grants::give_back(data.grant);
        }
        Ok(escrow)
    }

    /// Drops a job's record and returns its deposit, whose amount it says.
    pub(crate) fn do_forget(id: JobId, job: JobOf<T>) -> Result<Amount, DispatchError> {
        Self::release(HoldReason::Job, &job.requester, job.deposit)?;
        Jobs::<T>::remove(id);
        Ok(job.deposit)
    }
}
