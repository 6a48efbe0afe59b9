//! What must hold before a call writes anything.

use crate::{
    Config, Error, Pallet,
    money::plus,
    types::{JobOf, Lease},
};
use alloc::collections::BTreeSet;
use frame_support::{dispatch::DispatchResult, ensure, traits::Get};
use pallet_support::{BaseModelInspect, DatanetInspect, GrantGate, now};
use sp_runtime::DispatchError;
use tributary_protocol::{
    Amount, BlockNumber, ContentHash, JobId,
    grant::{GrantRefusal, Use},
    job::{JOB_VERSIONS_MAX, JobSpec, JobState, Progress, Report, Stage, Transition},
    model::DataUse,
    recipe::{AttributionMethod, RecipeFault},
    stream::{SHARE_LEAVES_MAX, SHARE_UNITS},
};

/// What each Datanet of a job is paid, in the order of its specification.
pub type DataFees = frame_support::BoundedVec<Amount, frame_support::traits::ConstU32<JOB_VERSIONS_MAX>>;

impl<T: Config> Pallet<T> {
    /// The job of this number.
    pub(crate) fn entry(id: JobId) -> Result<JobOf<T>, DispatchError> {
        crate::Jobs::<T>::get(id).ok_or_else(|| Error::<T>::JobUnknown.into())
    }

    /// Whether a specification makes sense by itself and names a base model that exists.
    pub(crate) fn ensure_sound(spec: &JobSpec) -> DispatchResult {
        spec.check().map_err(|fault| match fault {
            RecipeFault::Rank => Error::<T>::RecipeRank,
            RecipeFault::Targets => Error::<T>::RecipeTargets,
            RecipeFault::LearningRate => Error::<T>::RecipeLearningRate,
            RecipeFault::Size => Error::<T>::RecipeSize,
            RecipeFault::Sequence => Error::<T>::RecipeSequence,
            RecipeFault::Validation => Error::<T>::RecipeValidation,
            RecipeFault::Checkpoints => Error::<T>::RecipeCheckpoints,
            RecipeFault::Dropout => Error::<T>::RecipeDropout,
            RecipeFault::LoraPlus => Error::<T>::RecipeLoraPlus,
            RecipeFault::Neftune => Error::<T>::RecipeNeftune,
            RecipeFault::Patience => Error::<T>::RecipePatience,
            RecipeFault::AdamEpsilon => Error::<T>::RecipeAdamEpsilon,
            RecipeFault::Groups => Error::<T>::RecipeGroups,
            RecipeFault::Halves => Error::<T>::RecipeHalves,
            RecipeFault::Coalitions => Error::<T>::RecipeCoalitions,
            RecipeFault::Questions => Error::<T>::RecipeQuestions,
        })?;
        ensure!(spec.split.is_whole(), Error::<T>::SplitNotWhole);
        ensure!(spec.price >= T::PriceMin::get(), Error::<T>::PriceTooLow);
        // A block that is over is as far ahead as this one: not at all.
        let ahead = spec.deadline.saturating_sub(now::<T>());
        ensure!((1..=T::DeadlineBlocksMax::get()).contains(&ahead), Error::<T>::DeadlineOutOfRange);
        let window = T::AcceptanceBlocksMin::get()..=T::AcceptanceBlocksMax::get();
        ensure!(window.contains(&spec.acceptance_blocks), Error::<T>::AcceptanceOutOfRange);
        ensure!(T::BaseModels::base_owner(spec.base).is_some(), Error::<T>::BaseModelUnknown);
        Ok(())
    }

    /// What each version of a specification costs now, if all of them may be asked for and the sum is at most `sum_max`.
    pub(crate) fn quote(spec: &JobSpec, sum_max: Amount) -> Result<DataFees, DispatchError> {
        ensure!(!spec.data.is_empty(), Error::<T>::NoData);
        let distinct = spec.data.iter().map(|data| data.version).collect::<BTreeSet<_>>();
        ensure!(distinct.len() == spec.data.len(), Error::<T>::VersionTwice);
        let mut fees = DataFees::default();
        let mut sum: Amount = 0;
        for data in &spec.data {
            let facts = T::Datanets::version(data.version).ok_or(Error::<T>::VersionUnknown)?;
            ensure!(facts.active, Error::<T>::DatanetRetired);
            ensure!(spec.split.contributors >= facts.terms.royalty_floor, Error::<T>::RoyaltyBelowFloor);
            // As many fees as versions fit, since both lists have the same bound.
            fees.try_push(facts.terms.price).map_err(|_| Error::<T>::NoData)?;
            sum = plus(sum, facts.terms.price)?;
        }
        ensure!(sum <= sum_max, Error::<T>::DataFeesAboveMax);
        Ok(fees)
    }

    /// The use that a job makes of one version.
    pub(crate) fn wanted(requester: &T::AccountId, spec: &JobSpec, data: &DataUse) -> Use<T::AccountId> {
        Use { grantee: requester.clone(), version: data.version, purpose: spec.purpose, base_model: spec.base }
    }

    /// Why a job may not use its data any more, if it may not. The requester's own renunciation is named only where
    /// nothing else is in the way, so that it cannot hide what the data's owner did.
    pub(crate) fn refusal(job: &JobOf<T>) -> Option<GrantRefusal> {
        let mut refusals = job
            .spec
            .data
            .iter()
            .filter_map(|data| T::Grants::check(data.grant, &Self::wanted(&job.requester, &job.spec, data)).err());
        let first = refusals.next()?;
        match first {
            GrantRefusal::Renounced => refusals.find(|refusal| *refusal != first).or(Some(first)),
            _ => Some(first),
        }
    }

    /// Whether every grant of a job covers its use now.
    pub(crate) fn ensure_covered(job: &JobOf<T>) -> DispatchResult {
        Self::refusal(job).map_or(Ok(()), |refusal| Err(T::Grants::refuse(refusal)))
    }

    /// Whether every grant of a running job covers its use now, or the requester itself gave it back.
    pub(crate) fn ensure_not_withdrawn(job: &JobOf<T>) -> DispatchResult {
        match Self::refusal(job) {
            None | Some(GrantRefusal::Renounced) => Ok(()),
            Some(refusal) => Err(T::Grants::refuse(refusal)),
        }
    }

    /// Whether a job's lease ran out and nobody has applied it yet.
    pub(crate) fn has_lapsed(job: &JobOf<T>) -> bool {
        matches!(job.state, JobState::Leased { until, .. } if until < now::<T>())
    }

    /// The live lease that `trainer` has on a job.
    pub(crate) fn ensure_lease(job: &JobOf<T>, trainer: &T::AccountId) -> Result<Lease<T::AccountId>, DispatchError> {
        let lease = Self::lease(job)?;
        ensure!(lease.trainer == *trainer, Error::<T>::NotLeaseHolder);
        ensure!(!Self::has_lapsed(job), Error::<T>::LeaseLapsed);
        Ok(lease)
    }

    /// The lease on a job, live or lapsed.
    pub(crate) fn lease(job: &JobOf<T>) -> Result<Lease<T::AccountId>, DispatchError> {
        match &job.state {
            JobState::Leased { trainer, progress, at_risk, .. } => {
                Ok(Lease { trainer: trainer.clone(), progress: *progress, at_risk: *at_risk })
            }
            _ => Err(Error::<T>::NotLeased.into()),
        }
    }

    /// Whether a trainer may say `new` after `old`.
    pub(crate) fn ensure_progress(old: &Progress, new: &Progress) -> DispatchResult {
        ensure!(new.step <= new.steps, Error::<T>::ProgressInvalid);
        ensure!(old.steps == 0 || old.steps == new.steps, Error::<T>::ProgressInvalid);
        ensure!(new.step >= old.step, Error::<T>::ProgressFellBack);
        Ok(())
    }

    /// Whether a report says all that settlement needs.
    pub(crate) fn ensure_complete(report: &Report, method: &AttributionMethod) -> DispatchResult {
        ensure!(report.adapter != ContentHash::default(), Error::<T>::NoAdapter);
        ensure!(report.metrics.steps > 0, Error::<T>::NoSteps);
        let shares = &report.contributions.shares;
        ensure!(shares.total == SHARE_UNITS, Error::<T>::SharesInvalid);
        ensure!((1..=SHARE_LEAVES_MAX).contains(&shares.leaves), Error::<T>::SharesInvalid);
        ensure!(report.measures_as(method), Error::<T>::AccuracyInvalid);
        Ok(())
    }

    /// The last block in which the requester may dispute a reported job.
    pub(crate) fn window_end(job: &JobOf<T>) -> Result<BlockNumber, DispatchError> {
        match job.state {
            JobState::Reported { accept_until, .. } => Ok(accept_until),
            _ => Err(Error::<T>::NotReported.into()),
        }
    }

    /// How `who` may cancel a job: as its requester, or since a grant no longer covers.
    pub(crate) fn ensure_may_cancel(job: &JobOf<T>, who: &T::AccountId) -> Result<Transition, DispatchError> {
        let stage = job.state.stage();
        ensure!(matches!(stage, Stage::Open | Stage::Leased), Error::<T>::NotOpen);
        let refusal = Self::refusal(job);
        let live = stage == Stage::Leased && !Self::has_lapsed(job);
        match refusal {
            Some(GrantRefusal::Renounced) if live => {
                ensure!(job.state.trainer() == Some(who), Error::<T>::NotOpen);
                Ok(Transition::Revoke)
            }
            Some(_) => Ok(Transition::Revoke),
            None => {
                ensure!(*who == job.requester, Error::<T>::NotRequester);
                ensure!(!live, Error::<T>::NotOpen);
                Ok(Transition::Cancel)
            }
        }
    }

    /// What a claim of a job of this price puts at risk.
    pub fn bond_required(price: Amount) -> Amount {
        T::BondMin::get().max(T::BondPart::get().of(price))
    }
}
