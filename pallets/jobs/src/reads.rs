//! What the runtime API answers.

use crate::{ActiveJobs, Config, Jobs, NextJob, Pallet, Trainers, types::JobOf};
use alloc::vec::Vec;
use pallet_support::{DatanetInspect, GrantGate, ModelRegistry, now};
use tributary_protocol::{
    ContentHash, JobId, VersionRef,
    access::{ReadRequest, Scope},
    job::{JobState, Stage, TrainerRecord},
};

/// Most jobs of one page.
const PAGE_MAX: u32 = 100;
/// Most records that one page looks at: where a stage is rare, or many jobs have been forgotten, a page may come back short.
const LOOKS_MAX: u64 = 1_000;

impl<T: Config> Pallet<T> {
    /// A job.
    pub fn job(id: JobId) -> Option<JobOf<T>> {
        Jobs::<T>::get(id)
    }

    /// A page of jobs; with `stage`, only those in it. Looks at no more than 1,000 records.
    pub fn jobs(from: JobId, limit: u32, stage: Option<Stage>) -> Vec<(JobId, JobOf<T>)> {
        let limit = usize::try_from(limit.min(PAGE_MAX)).unwrap_or_default();
        let end = NextJob::<T>::get().0.min(from.0.saturating_add(LOOKS_MAX));
        (from.0..end)
            .map(JobId)
            .filter_map(|id| Jobs::<T>::get(id).map(|job| (id, job)))
            .filter(|(_, job)| stage.is_none_or(|stage| job.state.stage() == stage))
            .take(limit)
            .collect()
    }

    /// The number that the next job will have.
    pub fn next_job() -> JobId {
        NextJob::<T>::get()
    }

    /// A trainer's bond and record.
    pub fn trainer(account: T::AccountId) -> Option<TrainerRecord> {
        Trainers::<T>::get(account)
    }

    /// Whether `request` is allowed at this block.
    ///
    /// A version's file: its Datanet's owner and curators, and the holder of a live lease on a job that uses the version
    /// under a grant that still covers it. A job's bundle, once reported: its requester and its trainer; once
    /// settled, the operators that may serve its model too.
    pub fn may_read(request: ReadRequest<T::AccountId>) -> bool {
        let ReadRequest { account, scope, blob } = request;
        match scope {
            // The file is looked for last: it costs the most reads.
            Scope::Version(version) => {
                (Self::judges(&account, version) || Self::trains_on(&account, version))
                    && T::Datanets::holds(version, blob)
            }
            Scope::Bundle(id) => Self::shares_bundle(&account, id, blob),
        }
    }

    fn judges(account: &T::AccountId, version: VersionRef) -> bool {
        T::Datanets::datanet(version.datanet).is_some_and(|datanet| datanet.is_curator(account))
    }

    fn trains_on(account: &T::AccountId, version: VersionRef) -> bool {
        ActiveJobs::<T>::get(account).into_iter().filter_map(Jobs::<T>::get).any(|job| {
            let live = matches!(&job.state, JobState::Leased { trainer, until, .. }
                if trainer == account && *until >= now::<T>());
            live && job
                .spec
                .data
                .iter()
                .filter(|data| data.version == version)
                .any(|data| T::Grants::check(data.grant, &Self::wanted(&job.requester, &job.spec, data)).is_ok())
        })
    }

    fn shares_bundle(account: &T::AccountId, id: JobId, blob: ContentHash) -> bool {
        Jobs::<T>::get(id).is_some_and(|job| match &job.state {
            JobState::Reported { trainer, report, .. } | JobState::Disputed { trainer, report, .. } => {
                report.bundle == blob && (*account == job.requester || account == trainer)
            }
            JobState::Settled { trainer, report, model } => {
                report.bundle == blob
                    && (*account == job.requester || account == trainer || T::Models::may_serve(*model, account))
            }
            JobState::Open | JobState::Leased { .. } | JobState::Cancelled | JobState::Expired => false,
        })
    }
}
