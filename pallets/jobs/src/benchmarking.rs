//! What each call costs at worst: jobs over [`JOB_VERSIONS_MAX`] versions, trainers with as many jobs as they may have,
//! agendas that are full.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot set itself up must stop")]

use crate::{AGENDA_SEARCH_BLOCKS, ActiveJobs, Agenda, Call, Config, Jobs, NextJob, Pallet, SettlesAt, Trainers};
use alloc::vec::Vec;
use frame_benchmarking::{BenchmarkError, account, v2::*};
use frame_support::{
    BoundedVec,
    traits::{EnsureOrigin, Get, fungible::Mutate},
};
use frame_system::{RawOrigin, pallet_prelude::BlockNumberFor};
use pallet_support::{BaseModelInspect, DatanetInspect, GrantGate, now};
use tributary_protocol::{
    Amount, BlockNumber, ContentHash, JobId, Ppm,
    amount::TRIB,
    answer::Accuracy,
    datanet::Purpose,
    grant::Use,
    job::{JOB_VERSIONS_MAX, JobSpec, JobState, Metrics, Progress, Report, Stage, Verdict},
    model::DataUse,
    recipe::{AttributionMethod, Hyperparameters, Method, Schedule, TangentWay, TargetLayers},
    stream::{ContributionRoot, SHARE_LEAVES_MAX, SHARE_UNITS, Split},
    sum_tree::SumRoot,
};

/// What every account of a benchmark has: far more than any price, deposit or bond.
const WEALTH: Amount = 1_000_000_000_000 * TRIB;

fn rich<T: Config>(name: &'static str, index: u32) -> T::AccountId {
    let who = account(name, index, 0);
    T::Currency::mint_into(&who, WEALTH).unwrap();
    who
}

fn go_to<T: Config>(block: BlockNumber) {
    frame_system::Pallet::<T>::set_block_number(BlockNumberFor::<T>::from(block));
}

/// A job over `versions` versions of as many Datanets, whose deadline is the end of a lease given now.
fn specification<T: Config>(requester: &T::AccountId, versions: u32) -> JobSpec {
    let base = T::BaseModels::benchmark_base(requester);
    let purpose = Purpose::Commercial;
    let data: Vec<_> = (0..versions)
        .map(|index| {
            let version = T::Datanets::benchmark_version(&rich::<T>("owner", index));
            let wanted = Use { grantee: requester.clone(), version, purpose, base_model: base };
            DataUse { version, grant: T::Grants::benchmark_grant(&wanted) }
        })
        .collect();
    JobSpec {
        base,
        data: data.try_into().unwrap(),
        purpose,
        method: Method::Lora,
        hyperparameters: Hyperparameters {
            rank: 8,
            alpha: 16,
            targets: TargetLayers::ALL,
            learning_rate_nano: 1_000_000,
            epochs: 1,
            batch_size: 4,
            accumulation: 1,
            sequence_tokens: 256,
            schedule: Schedule::Cosine,
            warmup: Ppm::ZERO,
            weight_decay_micro: 0,
            gradient_norm_max_micro: 0,
            validation: Ppm::from_percent(10),
            seed: 0,
            ..Hyperparameters::DEFAULT
        },
        attribution: AttributionMethod::GroupTangents { groups: 64, halves: 0, coalitions: 100, way: TangentWay::Loss },
        // Above every royalty floor.
        split: Split {
            treasury: Ppm::ZERO,
            base_owner: Ppm::ZERO,
            trainer: Ppm::ZERO,
            model_owner: Ppm::ZERO,
            datanet_owners: Ppm::ZERO,
            contributors: Ppm::ONE,
        },
        price: T::PriceMin::get(),
        deadline: now::<T>() + T::LeaseBlocks::get(),
        acceptance_blocks: T::AcceptanceBlocksMin::get(),
    }
}

fn full_report() -> Report {
    Report {
        adapter: ContentHash([1; 32]),
        bundle: ContentHash([2; 32]),
        trace: ContentHash([3; 32]),
        metrics: Metrics { steps: 1, tokens: 1, ..Metrics::default() },
        contributions: ContributionRoot {
            shares: SumRoot { root: ContentHash([4; 32]), total: SHARE_UNITS, leaves: SHARE_LEAVES_MAX },
            evidence: ContentHash([5; 32]),
            attributed: Ppm::ZERO,
        },
        accuracy: Some(Accuracy { coalition_count: 100, ..Accuracy::default() }),
    }
}

/// A requester's open job over as many versions as a job may have.
fn posted<T: Config>(index: u32) -> (T::AccountId, JobId) {
    let requester = rich::<T>("requester", index);
    let spec = specification::<T>(&requester, JOB_VERSIONS_MAX);
    let id = NextJob::<T>::get();
    Pallet::<T>::post(RawOrigin::Signed(requester.clone()).into(), spec, Amount::MAX).unwrap();
    (requester, id)
}

/// A trainer with a bond for every job, and one job less than it may have.
fn busy_trainer<T: Config>(index: u32) -> T::AccountId {
    let trainer = rich::<T>("trainer", index);
    let bond = Pallet::<T>::bond_required(T::PriceMin::get()) * 2;
    Pallet::<T>::bond(RawOrigin::Signed(trainer.clone()).into(), bond).unwrap();
    let others = (1..T::MaxActive::get()).map(|other| JobId(u64::MAX - u64::from(other))).collect::<Vec<_>>();
    ActiveJobs::<T>::insert(&trainer, BoundedVec::truncate_from(others));
    trainer
}

fn leased<T: Config>(index: u32) -> (T::AccountId, T::AccountId, JobId) {
    let (requester, id) = posted::<T>(index);
    let trainer = busy_trainer::<T>(index);
    Pallet::<T>::claim(RawOrigin::Signed(trainer.clone()).into(), id).unwrap();
    (requester, trainer, id)
}

fn reported<T: Config>(index: u32) -> (T::AccountId, T::AccountId, JobId) {
    let (requester, trainer, id) = leased::<T>(index);
    Pallet::<T>::report(RawOrigin::Signed(trainer.clone()).into(), id, full_report()).unwrap();
    (requester, trainer, id)
}

/// Fills the agenda of a block with jobs that are not there.
fn fill_agenda<T: Config>(block: BlockNumber) {
    Agenda::<T>::mutate(block, |due| while due.try_push(JobId(u64::MAX)).is_ok() {});
}

fn disputed<T: Config>() -> (T::AccountId, T::AccountId, JobId) {
    let (requester, trainer, id) = reported::<T>(0);
    Pallet::<T>::dispute(RawOrigin::Signed(requester.clone()).into(), id, ContentHash([6; 32])).unwrap();
    (requester, trainer, id)
}

fn stage<T: Config>(id: JobId) -> Stage {
    Jobs::<T>::get(id).unwrap().state.stage()
}

/// Goes to the first block after a job's lease, which is the first after its deadline, too.
fn outlive<T: Config>(id: JobId) {
    go_to::<T>(Jobs::<T>::get(id).unwrap().spec.deadline + 1);
}

#[benchmarks]
mod benches {
    use super::*;

    #[benchmark]
    fn bond() {
        let trainer = rich::<T>("trainer", 0);
        #[extrinsic_call]
        _(RawOrigin::Signed(trainer.clone()), T::BondMin::get());
        assert_eq!(Trainers::<T>::get(trainer).unwrap().bonded, T::BondMin::get());
    }

    #[benchmark]
    fn unbond() {
        let trainer = rich::<T>("trainer", 0);
        Pallet::<T>::bond(RawOrigin::Signed(trainer.clone()).into(), T::BondMin::get()).unwrap();
        #[extrinsic_call]
        _(RawOrigin::Signed(trainer.clone()), T::BondMin::get());
        assert!(!Trainers::<T>::contains_key(trainer));
    }

    #[benchmark]
    fn post(v: Linear<1, JOB_VERSIONS_MAX>) {
        let requester = rich::<T>("requester", 0);
        let spec = specification::<T>(&requester, v);
        let id = NextJob::<T>::get();
        #[extrinsic_call]
        _(RawOrigin::Signed(requester), spec, Amount::MAX);
        assert_eq!(stage::<T>(id), Stage::Open);
    }

    /// Another trainer's lease has lapsed.
    #[benchmark]
    fn claim() {
        let (_, _, id) = leased::<T>(0);
        let trainer = busy_trainer::<T>(1);
        outlive::<T>(id);
        Jobs::<T>::mutate(id, |job| job.as_mut().unwrap().spec.deadline = now::<T>() + 1);
        #[extrinsic_call]
        _(RawOrigin::Signed(trainer.clone()), id);
        assert_eq!(Jobs::<T>::get(id).unwrap().state.trainer(), Some(&trainer));
    }

    #[benchmark]
    fn heartbeat() {
        let (_, trainer, id) = leased::<T>(0);
        let progress = Progress { step: 1, steps: 2 };
        #[extrinsic_call]
        _(RawOrigin::Signed(trainer), id, progress);
        let JobState::Leased { progress: recorded, .. } = Jobs::<T>::get(id).unwrap().state else {
            panic!("not leased")
        };
        assert_eq!(recorded, progress);
    }

    /// The last block that is looked at is the first with room.
    #[benchmark]
    fn report() {
        let (_, trainer, id) = leased::<T>(0);
        let window_end = now::<T>() + T::AcceptanceBlocksMin::get();
        for after in 1..AGENDA_SEARCH_BLOCKS {
            fill_agenda::<T>(window_end + after);
        }
        #[extrinsic_call]
        _(RawOrigin::Signed(trainer), id, full_report());
        assert_eq!(SettlesAt::<T>::get(id), Some(window_end + AGENDA_SEARCH_BLOCKS));
    }

    #[benchmark]
    fn accept() {
        let (requester, _, id) = reported::<T>(0);
        fill_agenda::<T>(SettlesAt::<T>::get(id).unwrap());
        #[extrinsic_call]
        _(RawOrigin::Signed(requester), id);
        assert_eq!(stage::<T>(id), Stage::Settled);
    }

    #[benchmark]
    fn dispute() {
        let (requester, _, id) = reported::<T>(0);
        fill_agenda::<T>(SettlesAt::<T>::get(id).unwrap());
        #[extrinsic_call]
        _(RawOrigin::Signed(requester), id, ContentHash([6; 32]));
        assert_eq!(stage::<T>(id), Stage::Disputed);
    }

    #[benchmark]
    fn settle() {
        let (_, _, id) = reported::<T>(0);
        let due = SettlesAt::<T>::get(id).unwrap();
        fill_agenda::<T>(due);
        go_to::<T>(due);
        let caller = rich::<T>("caller", 0);
        #[extrinsic_call]
        _(RawOrigin::Signed(caller), id);
        assert_eq!(stage::<T>(id), Stage::Settled);
    }

    /// A lease has lapsed.
    #[benchmark]
    fn cancel() {
        let (requester, _, id) = leased::<T>(0);
        outlive::<T>(id);
        #[extrinsic_call]
        _(RawOrigin::Signed(requester), id);
        assert_eq!(stage::<T>(id), Stage::Cancelled);
    }

    /// The trainer gets a part that is not all, so that the rest returns too.
    #[benchmark]
    fn stop() {
        let (requester, _, id) = leased::<T>(0);
        #[extrinsic_call]
        _(RawOrigin::Signed(requester), id, Amount::MAX);
        assert_eq!(stage::<T>(id), Stage::Cancelled);
    }

    /// Lease and deadline have passed.
    #[benchmark]
    fn expire() {
        let (_, _, id) = leased::<T>(0);
        outlive::<T>(id);
        let caller = rich::<T>("caller", 0);
        #[extrinsic_call]
        _(RawOrigin::Signed(caller), id);
        assert_eq!(stage::<T>(id), Stage::Expired);
    }

    #[benchmark]
    fn resolve_uphold() -> Result<(), BenchmarkError> {
        let (_, _, id) = disputed::<T>();
        let origin = T::DisputeOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;
        #[extrinsic_call]
        resolve(origin as T::RuntimeOrigin, id, Verdict::Uphold);
        assert_eq!(stage::<T>(id), Stage::Settled);
        Ok(())
    }

    #[benchmark]
    fn resolve_overturn() -> Result<(), BenchmarkError> {
        let (_, _, id) = disputed::<T>();
        let origin = T::DisputeOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;
        #[extrinsic_call]
        resolve(origin as T::RuntimeOrigin, id, Verdict::Overturn);
        assert_eq!(stage::<T>(id), Stage::Cancelled);
        Ok(())
    }

    #[benchmark]
    fn forget() {
        let (requester, id) = posted::<T>(0);
        Pallet::<T>::cancel(RawOrigin::Signed(requester.clone()).into(), id).unwrap();
        #[extrinsic_call]
        _(RawOrigin::Signed(requester), id);
        assert!(!Jobs::<T>::contains_key(id));
    }

    /// `n` jobs settle by themselves.
    #[benchmark]
    fn on_initialize(n: Linear<0, { T::MaxSettlementsPerBlock::get() }>) {
        let ids: Vec<_> = (0..n).map(|index| reported::<T>(index).2).collect();
        let due = now::<T>() + T::AcceptanceBlocksMin::get() + 1;
        go_to::<T>(due);
        #[block]
        {
            Pallet::<T>::settle_due(due);
        }
        for id in ids {
            assert_eq!(stage::<T>(id), Stage::Settled);
        }
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::ExtBuilder.build(), crate::mock::Test);
}
