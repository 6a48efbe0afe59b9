//! Benchmarks of every call, at its worst.

use super::*;
use crate::Pallet as Attribution;
use alloc::vec::Vec;
use frame_benchmarking::v2::*;
use frame_support::traits::{Get, fungible::Mutate};
use frame_system::RawOrigin;
use pallet_support::RewardSink;
use sp_runtime::traits::Zero;
use tributary_protocol::{
    Amount, ContentHash, ContributionId, DatanetId, JobId, ModelId,
    amount::TRIB,
    job::JOB_VERSIONS_MAX,
    stream::{ContributionRoot, Parties, Split},
    sum_tree::{self, SUM_DEPTH_MAX, SumLeaf, SumNode, SumProof},
};

const MODEL: ModelId = ModelId(1);
const JOB: JobId = JobId(1);
const PRICE: Amount = 1_000 * TRIB;

fn endowed<T: Config>(name: &'static str, index: u32) -> T::AccountId {
    let account = account(name, index, 0);
    T::Currency::set_balance(&account, 10 * PRICE);
    account
}

/// Opens a stream that pays the most distinct parties, with a tree of 2^depth leaves of which the caller has the first.
fn open<T: Config>(caller: &T::AccountId, depth: u32) -> (SumLeaf, SumProof) {
    T::Currency::set_balance(&Attribution::<T>::pool_account(), 10 * PRICE);
    T::Currency::set_balance(&T::Treasury::get(), 10 * PRICE);
    let leaf = SumLeaf {
        index: 0,
        contribution: ContributionId(1),
        contributor: caller.clone().into(),
        units: SHARE_UNITS - u64::from(depth),
    };
    // No tree so large is built: the siblings are made up, and the root follows from them.
    let siblings: Vec<_> = (0..depth).map(|n| SumNode { hash: ContentHash::of(&n.to_le_bytes()), sum: 1 }).collect();
    let proof = SumProof { siblings: siblings.try_into().expect("no deeper than SUM_DEPTH_MAX") };
    let shares = sum_tree::implied_root(&Attribution::<T>::proof_domain(JOB), 1 << depth, &leaf, &proof)
        .expect("the path fits the first leaf of a full tree");
    let owners: Vec<_> = (0..JOB_VERSIONS_MAX).map(|n| (DatanetId(n), endowed::<T>("datanet", n))).collect();
    let parties = Parties {
        base_owner: endowed::<T>("base", 0),
        trainer: endowed::<T>("trainer", 0),
        model_owner: endowed::<T>("owner", 0),
        datanet_owners: owners.try_into().expect("as many as fit"),
    };
    let contributions = ContributionRoot { shares, evidence: ContentHash::of(b"evidence") };
    Attribution::<T>::open_stream(MODEL, JOB, parties, Split::DEFAULT, contributions).expect("the model has no stream");
    (leaf, proof)
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn fund() {
        let payer = endowed::<T>("payer", 0);
        open::<T>(&payer, SUM_DEPTH_MAX);

        #[extrinsic_call]
        _(RawOrigin::Signed(payer), MODEL, PRICE);

        assert_eq!(Streams::<T>::get(MODEL).map(|stream| stream.funded), Some(PRICE));
    }

    /// `d`: the proof's siblings.
    #[benchmark]
    fn claim(d: Linear<0, { SUM_DEPTH_MAX }>) -> Result<(), BenchmarkError> {
        let payer = endowed::<T>("payer", 0);
        let caller = endowed::<T>("caller", 0);
        let (leaf, proof) = open::<T>(&caller, d);
        Attribution::<T>::fund(RawOrigin::Signed(payer).into(), MODEL, PRICE)?;

        #[extrinsic_call]
        _(RawOrigin::Signed(caller), MODEL, leaf, proof);

        assert!(Streams::<T>::get(MODEL).is_some_and(|stream| !stream.claimed.is_zero()));
        Ok(())
    }

    impl_benchmark_test_suite!(Attribution, crate::mock::ExtBuilder::default().build(), crate::mock::Test);
}
