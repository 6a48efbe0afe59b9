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
    Amount, ContentHash, ContributionId, DatanetId, JobId, ModelId, Ppm,
    amount::TRIB,
    content::TreeHead,
    epoch::{AUDIT_DRAWS, AcceptedEpoch, AmountLeaf, AmountProof, Audit, Challenge, EpochRoot, PendingEpoch},
    job::JOB_VERSIONS_MAX,
    stream::{ContributionRoot, Parties, Split},
    sum_tree::{self, Node, SUM_DEPTH_MAX, SumLeaf, SumNode, SumProof},
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
        evidence: ContentHash::of(b"leaf"),
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
    let contributions = ContributionRoot { shares, evidence: ContentHash::of(b"evidence"), attributed: Ppm::ONE };
    Attribution::<T>::open_stream(MODEL, JOB, parties, Split::DEFAULT, contributions).expect("the model has no stream");
    (leaf, proof)
}

/// Opens a stream with a ledger of `operator` in it, and the path of an epoch's first leaf of 2^depth leaves, which has all but
/// one unit of each sibling.
fn paid<T: Config>(operator: &T::AccountId, depth: u32) -> Result<(AmountLeaf, AmountProof), BenchmarkError> {
    open::<T>(operator, depth);
    Attribution::<T>::fund_answers(RawOrigin::Signed(operator.clone()).into(), MODEL, PRICE)?;
    let funded = Ledgers::<T>::get(MODEL, operator).ok_or("there is a ledger")?.funded;
    let leaf = AmountLeaf {
        index: 0,
        contribution: ContributionId(1),
        contributor: operator.clone().into(),
        units: funded.saturating_sub(depth.into()),
        evidence: ContentHash::of(b"leaf"),
    };
    let siblings: Vec<_> = (0..depth).map(|n| Node { hash: ContentHash::of(&n.to_le_bytes()), sum: 1 }).collect();
    Ok((leaf, AmountProof { siblings: siblings.try_into().expect("no deeper than SUM_DEPTH_MAX") }))
}

/// What an operator posts whose epoch has this leaf.
fn posted<T: Config>(
    operator: &T::AccountId,
    epoch: u32,
    leaf: &AmountLeaf,
    proof: &AmountProof,
) -> Result<EpochRoot, BenchmarkError> {
    let leaves = 1 << proof.siblings.len();
    let domain = Attribution::<T>::epoch_domain(MODEL, operator, epoch);
    let amounts = sum_tree::implied_root(&domain, leaves, leaf, proof).map_err(|_| "the path fits the first leaf")?;
    Ok(EpochRoot { amounts, receipts: TreeHead::default(), method: ContentHash::default() })
}

/// Publishes that epoch, and challenges it.
fn challenged<T: Config>(
    operator: &T::AccountId,
    leaf: &AmountLeaf,
    proof: &AmountProof,
) -> Result<T::AccountId, BenchmarkError> {
    let root = posted::<T>(operator, 1, leaf, proof)?;
    Attribution::<T>::publish_epoch(RawOrigin::Signed(operator.clone()).into(), MODEL, root)?;
    let challenger = endowed::<T>("challenger", 0);
    Attribution::<T>::challenge(RawOrigin::Signed(challenger.clone()).into(), MODEL, operator.clone(), 1)?;
    Ok(challenger)
}

/// Changes the challenge of the pending epoch.
fn with_challenge<T: Config>(
    operator: &T::AccountId,
    change: impl FnOnce(&mut PendingEpoch<T::AccountId>),
) -> Result<(), BenchmarkError> {
    Ledgers::<T>::try_mutate(MODEL, operator, |ledger| {
        let pending = ledger.as_mut().and_then(|ledger| ledger.pending.as_mut()).ok_or("an epoch is pending")?;
        change(pending);
        Ok(())
    })
}

/// Draws the audit without randomness, with all but the last `missing` points opened.
fn drawn<T: Config>(operator: &T::AccountId, until: u32, missing: u16) -> Result<(), BenchmarkError> {
    with_challenge::<T>(operator, |pending| {
        let mut audit = Audit::new([7; 32], until);
        for draw in 0..AUDIT_DRAWS.saturating_sub(missing) {
            audit.open(draw);
        }
        pending.until = 0;
        if let Some(Challenge { audit: drawn, .. }) = &mut pending.challenge {
            *drawn = Some(audit);
        }
    })
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

    #[benchmark]
    fn fund_answers() {
        let operator = endowed::<T>("operator", 0);
        open::<T>(&operator, SUM_DEPTH_MAX);

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()), MODEL, PRICE);

        assert!(Ledgers::<T>::get(MODEL, operator).is_some_and(|ledger| !ledger.funded.is_zero()));
    }

    #[benchmark]
    fn publish_epoch() -> Result<(), BenchmarkError> {
        let operator = endowed::<T>("operator", 0);
        let (leaf, proof) = paid::<T>(&operator, SUM_DEPTH_MAX)?;
        let root = posted::<T>(&operator, 1, &leaf, &proof)?;

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()), MODEL, root);

        assert!(Ledgers::<T>::get(MODEL, operator).is_some_and(|ledger| ledger.pending.is_some()));
        Ok(())
    }

    #[benchmark]
    fn challenge() -> Result<(), BenchmarkError> {
        let (operator, challenger) = (endowed::<T>("operator", 0), endowed::<T>("challenger", 0));
        let (leaf, proof) = paid::<T>(&operator, SUM_DEPTH_MAX)?;
        let root = posted::<T>(&operator, 1, &leaf, &proof)?;
        Attribution::<T>::publish_epoch(RawOrigin::Signed(operator.clone()).into(), MODEL, root)?;

        #[extrinsic_call]
        _(RawOrigin::Signed(challenger), MODEL, operator.clone(), 1);

        let pending = Ledgers::<T>::get(MODEL, operator).and_then(|ledger| ledger.pending);
        assert!(pending.is_some_and(|pending| pending.challenge.is_some()));
        Ok(())
    }

    #[benchmark]
    fn draw() -> Result<(), BenchmarkError> {
        let operator = endowed::<T>("operator", 0);
        let (leaf, proof) = paid::<T>(&operator, SUM_DEPTH_MAX)?;
        let caller = challenged::<T>(&operator, &leaf, &proof)?;
        T::BenchmarkHelper::randomness_since(pallet_support::now::<T>().saturating_add(1));

        #[extrinsic_call]
        _(RawOrigin::Signed(caller), MODEL, operator.clone());

        let pending = Ledgers::<T>::get(MODEL, operator).and_then(|ledger| ledger.pending);
        assert!(pending.and_then(|pending| pending.challenge).is_some_and(|begun| begun.audit.is_some()));
        Ok(())
    }

    /// `d`: the proof's siblings; `n`: the draws.
    #[benchmark]
    fn open_leaf(d: Linear<0, { SUM_DEPTH_MAX }>, n: Linear<0, { AUDIT_DRAWS as u32 }>) -> Result<(), BenchmarkError> {
        let operator = endowed::<T>("operator", 0);
        let (leaf, proof) = paid::<T>(&operator, d)?;
        let caller = challenged::<T>(&operator, &leaf, &proof)?;
        drawn::<T>(&operator, u32::MAX, AUDIT_DRAWS)?;
        // The leaf has all but a few of 10^14 and more units, so it covers every draw.
        let draws: Vec<u16> = (0..AUDIT_DRAWS).take(n as usize).collect();
        let draws = draws.try_into().expect("as many as fit");

        #[extrinsic_call]
        _(RawOrigin::Signed(caller), MODEL, operator.clone(), leaf, proof, draws);

        let pending = Ledgers::<T>::get(MODEL, operator).and_then(|ledger| ledger.pending);
        let audit = pending.and_then(|pending| pending.challenge).and_then(|begun| begun.audit);
        assert_eq!(audit.map(|audit| u32::from(audit.count)), Some(n));
        Ok(())
    }

    /// `d`: the siblings of both proofs.
    #[benchmark]
    fn refute(d: Linear<0, { SUM_DEPTH_MAX }>) -> Result<(), BenchmarkError> {
        let operator = endowed::<T>("operator", 0);
        let (old, proof) = paid::<T>(&operator, d)?;
        // The same path with one unit less, and a total that is one unit less.
        let new = AmountLeaf { units: old.units.saturating_sub(1), ..old };
        let (accepted, posted) = (posted::<T>(&operator, 1, &old, &proof)?, posted::<T>(&operator, 2, &new, &proof)?);
        challenged::<T>(&operator, &old, &proof)?;
        Ledgers::<T>::mutate(MODEL, &operator, |ledger| {
            if let Some(ledger) = ledger {
                ledger.epoch = 2;
                ledger.accepted = Some(AcceptedEpoch { epoch: 1, root: accepted });
                if let Some(pending) = &mut ledger.pending {
                    pending.root = posted;
                }
            }
        });
        let against = Against::Accepted { leaf: old, proof: proof.clone() };
        let reporter = endowed::<T>("reporter", 0);

        #[extrinsic_call]
        _(RawOrigin::Signed(reporter), MODEL, operator.clone(), new, proof, against);

        assert!(Ledgers::<T>::get(MODEL, operator).is_some_and(|ledger| ledger.pending.is_none()));
        Ok(())
    }

    #[benchmark]
    fn resolve_accept() -> Result<(), BenchmarkError> {
        let operator = endowed::<T>("operator", 0);
        let (leaf, proof) = paid::<T>(&operator, SUM_DEPTH_MAX)?;
        let caller = challenged::<T>(&operator, &leaf, &proof)?;
        drawn::<T>(&operator, 0, 0)?;

        #[extrinsic_call]
        resolve(RawOrigin::Signed(caller), MODEL, operator.clone());

        assert!(Ledgers::<T>::get(MODEL, operator).is_some_and(|ledger| ledger.accepted.is_some()));
        Ok(())
    }

    #[benchmark]
    fn resolve_reject() -> Result<(), BenchmarkError> {
        let operator = endowed::<T>("operator", 0);
        let (leaf, proof) = paid::<T>(&operator, SUM_DEPTH_MAX)?;
        let caller = challenged::<T>(&operator, &leaf, &proof)?;
        drawn::<T>(&operator, 0, 1)?;

        #[extrinsic_call]
        resolve(RawOrigin::Signed(caller), MODEL, operator.clone());

        let ledger = Ledgers::<T>::get(MODEL, operator).ok_or("there is a ledger")?;
        assert!(ledger.accepted.is_none() && ledger.pending.is_none());
        Ok(())
    }

    /// `d`: the proof's siblings.
    #[benchmark]
    fn claim_answers(d: Linear<0, { SUM_DEPTH_MAX }>) -> Result<(), BenchmarkError> {
        let operator = endowed::<T>("operator", 0);
        let (leaf, proof) = paid::<T>(&operator, d)?;
        challenged::<T>(&operator, &leaf, &proof)?;
        drawn::<T>(&operator, 0, 0)?;
        frame_system::Pallet::<T>::set_block_number(1u32.into());
        Attribution::<T>::resolve(RawOrigin::Signed(operator.clone()).into(), MODEL, operator.clone())?;

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()), MODEL, operator.clone(), leaf, proof);

        assert!(Ledgers::<T>::get(MODEL, operator).is_some_and(|ledger| !ledger.claimed.is_zero()));
        Ok(())
    }

    #[benchmark]
    fn release() -> Result<(), BenchmarkError> {
        let operator = endowed::<T>("operator", 0);
        paid::<T>(&operator, SUM_DEPTH_MAX)?;
        let later = T::EpochTimeout::get().saturating_add(pallet_support::now::<T>()).saturating_add(1);
        frame_system::Pallet::<T>::set_block_number(later.into());

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()), MODEL, operator.clone());

        assert!(Ledgers::<T>::get(MODEL, operator).is_some_and(|ledger| ledger.funded.is_zero()));
        Ok(())
    }

    impl_benchmark_test_suite!(Attribution, crate::mock::ExtBuilder::default().build(), crate::mock::Test);
}
