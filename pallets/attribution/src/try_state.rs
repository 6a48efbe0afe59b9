//! The pallet's invariants.

use crate::{Claims, Config, HoldReason, Pallet, Streams};
use alloc::collections::BTreeMap;
use frame_support::{ensure, traits::fungible::InspectHold};
use sp_core::U256;
use sp_runtime::TryRuntimeError;
use tributary_protocol::{
    Amount, ModelId,
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
    /// 7. What an account has on hold for claims is the sum of its claims' deposits.
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
        for (account, deposit) in deposits {
            let held = T::Currency::balance_on_hold(&HoldReason::Claim.into(), &account);
            ensure!(held == deposit, "7: a contributor's hold differs from the claims' deposits");
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
