//! The pallet's invariants.

use crate::{AnswerClaims, Claims, Config, HoldReason, Ledgers, Pallet, Streams};
use alloc::collections::BTreeMap;
use frame_support::{ensure, traits::fungible::InspectHold};
use sp_core::U256;
use sp_runtime::TryRuntimeError;
use tributary_protocol::{
    Amount, ModelId,
    epoch::Ledger,
    share::{self, REVENUE_SCALE},
    stream::{SHARE_LEAVES_MAX, SHARE_UNITS, Stream},
};

impl<T: Config> Pallet<T> {
    /// Checks what must hold between calls:
    ///
    /// 1. What the pool account has on hold is, over all streams, what contributors were funded and have not claimed.
    /// 2. A stream's split is whole, and its root holds [`SHARE_UNITS`] in 1 to [`SHARE_LEAVES_MAX`] leaves.
    /// 3. A stream has not paid out more than its contributors' part, nor is that part more than all that was paid in.
    /// 4. Revenue per unit, times the units, plus the carry is exactly the contributors' part; the carry is less than one
    ///    unit's worth.
    /// 5. What a stream has paid out is the sum of what its leaves had earned when each last claimed.
    /// 6. Every claim belongs to a stream, to a leaf within its root, and to revenue that the stream has had.
    /// 7. What an account has on hold for claims is the sum of its claims' deposits, on streams and on ledgers.
    /// 8. What the pool account has on hold for answers is, over all ledgers, what operators paid in and nobody has claimed.
    /// 9. A ledger belongs to a stream with an attributed part. What was claimed is at most what the accepted epoch gives,
    ///    that at most what the pending one gives, and that at most what was paid in; what was claimed is the sum of what
    ///    its leaves were paid.
    /// 10. An audit's count is that of its bits, and no epoch is numbered beyond its ledger's.
    /// 11. What accounts have on hold as deposits of ledgers, bonds of epochs and bonds of challenges are the sums of those.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let streams: BTreeMap<ModelId, Stream<T::AccountId>> = Streams::<T>::iter().collect();
        let mut pool: Amount = 0;
        for stream in streams.values() {
            let owed = stream.contributors_funded.checked_sub(stream.claimed).ok_or("3: more claimed than funded")?;
            pool = pool.checked_add(owed).ok_or("1: the pools overflow")?;
        }
        let held = T::Currency::balance_on_hold(&HoldReason::ContributorPool.into(), &Self::pool_account());
        ensure!(held == pool, "1: the pool's hold differs from what streams owe");

        let mut paid: BTreeMap<ModelId, Amount> = BTreeMap::new();
        for (model, stream) in &streams {
            Self::check_stream(stream)?;
            paid.insert(*model, 0);
        }

        let mut deposits: BTreeMap<T::AccountId, Amount> = BTreeMap::new();
        for (model, index, claim) in Claims::<T>::iter() {
            let stream = streams.get(&model).ok_or("6: a claim on no stream")?;
            ensure!(index < stream.contributions.shares.leaves, "6: a claim outside the root");
            ensure!(claim.revenue_per_unit <= stream.revenue_per_unit, "6: a claim on revenue to come");
            let earned = share::earned(claim.units, claim.revenue_per_unit).ok_or("5: a leaf's revenue overflows")?;
            let sum = paid.get_mut(&model).ok_or("6: a claim on no stream")?;
            *sum = sum.checked_add(earned).ok_or("5: what leaves earned overflows")?;
            let sum = deposits.entry(claim.contributor).or_default();
            *sum = sum.checked_add(claim.deposit).ok_or("7: the deposits overflow")?;
        }
        for (model, stream) in &streams {
            ensure!(paid.get(model) == Some(&stream.claimed), "5: what was paid out is not what was earned");
        }
        Self::check_ledgers(&streams, &mut deposits)?;
        Self::check_holds(HoldReason::Claim, deposits, "7: a contributor's hold differs from the claims' deposits")
    }

    /// Invariants 8 to 11; adds the deposits of claims on ledgers to `deposits`.
    fn check_ledgers(
        streams: &BTreeMap<ModelId, Stream<T::AccountId>>,
        deposits: &mut BTreeMap<T::AccountId, Amount>,
    ) -> Result<(), TryRuntimeError> {
        let mut paid: BTreeMap<(ModelId, T::AccountId), Amount> = BTreeMap::new();
        for (ledger, index, claim) in AnswerClaims::<T>::iter() {
            let stream = streams.get(&ledger.0).ok_or("9: a claim on no stream")?;
            ensure!(index < stream.contributions.shares.leaves, "9: a claim outside the root");
            add_to(&mut paid, ledger, claim.paid)?;
            add_to(deposits, claim.contributor, claim.deposit)?;
        }
        let mut pool: Amount = 0;
        let (mut ledgers, mut epochs, mut challenges) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (model, operator, ledger) in Ledgers::<T>::iter() {
            let stream = streams.get(&model).ok_or("9: a ledger of no stream")?;
            ensure!(stream.contributions.attributed.parts() > 0, "9: a ledger of a stream without an attributed part");
            Self::check_ledger(&ledger)?;
            let owed = ledger.funded.checked_sub(ledger.claimed).ok_or("9: more claimed than paid in")?;
            pool = pool.checked_add(owed).ok_or("8: the ledgers overflow")?;
            let claimed = paid.remove(&(model, operator.clone())).unwrap_or_default();
            ensure!(claimed == ledger.claimed, "9: what was claimed is not what leaves were paid");
            add_to(&mut ledgers, operator.clone(), ledger.deposit)?;
            if let Some(pending) = ledger.pending {
                add_to(&mut epochs, operator, pending.bond)?;
                if let Some(challenge) = pending.challenge {
                    add_to(&mut challenges, challenge.challenger, challenge.bond)?;
                }
            }
        }
        ensure!(paid.is_empty(), "9: a claim on no ledger");
        let held = T::Currency::balance_on_hold(&HoldReason::AnswerPool.into(), &Self::pool_account());
        ensure!(held == pool, "8: the pool's hold differs from what ledgers owe");
        Self::check_holds(HoldReason::Ledger, ledgers, "11: an operator's hold differs from the ledgers' deposits")?;
        Self::check_holds(HoldReason::Epoch, epochs, "11: an operator's hold differs from the epochs' bonds")?;
        Self::check_holds(HoldReason::Challenge, challenges, "11: a challenger's hold differs from the bonds")
    }

    /// Invariants 9 and 10 of one ledger.
    fn check_ledger(ledger: &Ledger<T::AccountId>) -> Result<(), TryRuntimeError> {
        let accepted = ledger.accepted.map(|epoch| epoch.root.amounts.total).unwrap_or_default();
        let pending = ledger.pending.as_ref().map(|epoch| epoch.root.amounts.total).unwrap_or(accepted);
        ensure!(ledger.claimed <= accepted, "9: more claimed than the accepted epoch gives");
        ensure!(accepted <= pending, "9: a pending epoch that gives less than the accepted one");
        ensure!(pending <= ledger.funded, "9: an epoch that gives more than was paid in");
        ensure!(ledger.accepted.is_none_or(|epoch| epoch.epoch <= ledger.epoch), "10: an epoch beyond the newest");
        let challenge = ledger.pending.as_ref().and_then(|epoch| epoch.challenge.as_ref());
        let audit = challenge.and_then(|challenge| challenge.audit);
        ensure!(audit.is_none_or(|audit| audit.is_consistent()), "10: an audit's count is not that of its bits");
        Ok(())
    }

    /// Whether each account has on hold for `reason` what it should.
    fn check_holds(
        reason: HoldReason,
        expected: BTreeMap<T::AccountId, Amount>,
        fault: &'static str,
    ) -> Result<(), TryRuntimeError> {
        for (account, amount) in expected {
            ensure!(T::Currency::balance_on_hold(&reason.into(), &account) == amount, fault);
        }
        Ok(())
    }

    /// Invariants 2 to 4 of one stream.
    fn check_stream(stream: &Stream<T::AccountId>) -> Result<(), TryRuntimeError> {
        let shares = stream.contributions.shares;
        ensure!(stream.split.is_whole(), "2: a split is not whole");
        ensure!(shares.total == SHARE_UNITS, "2: a root does not hold all units");
        ensure!((1..=SHARE_LEAVES_MAX).contains(&shares.leaves), "2: a root's leaves are out of bounds");
        ensure!(stream.claimed <= stream.contributors_funded, "3: more claimed than funded");
        ensure!(stream.contributors_funded <= stream.funded, "3: the contributors' part exceeds the whole");
        let units = U256::from(SHARE_UNITS);
        let shared = stream.revenue_per_unit.checked_mul(units).and_then(|sum| sum.checked_add(stream.carry));
        let funded = U256::from(stream.contributors_funded).checked_mul(REVENUE_SCALE);
        ensure!(shared.is_some() && shared == funded, "4: revenue per unit and carry are not what was funded");
        ensure!(stream.carry < units, "4: the carry is not less than one unit's worth");
        Ok(())
    }
}

fn add_to<K: Ord>(sums: &mut BTreeMap<K, Amount>, key: K, amount: Amount) -> Result<(), TryRuntimeError> {
    let sum = sums.entry(key).or_default();
    *sum = sum.checked_add(amount).ok_or("a sum of holds overflows")?;
    Ok(())
}
