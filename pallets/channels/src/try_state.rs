//! The pallet's invariants.

use crate::{Channels, Config, HoldReason, NextChannel, Offers, Pallet};
use alloc::collections::BTreeMap;
use frame_support::{ensure, traits::fungible::InspectHold};
use sp_runtime::TryRuntimeError;
use tributary_protocol::{Amount, channel::Channel};

impl<T: Config> Pallet<T> {
    /// Checks what must hold between calls:
    ///
    /// 1. Every channel's number is below the next one to give; nobody has a channel to itself.
    /// 2. A channel has not paid more than was put in.
    /// 3. A channel's models are in ascending order, each was paid something, and together what the channel has paid.
    /// 4. What an account has on hold as escrow is, over all its channels, what was put in and not redeemed.
    /// 5. What accounts have on hold for channels and offers is the sum of the deposits.
    /// 6. An offer asks no less than the model.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let (mut escrows, mut deposits, mut offers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (id, channel) in Channels::<T>::iter() {
            ensure!(id < NextChannel::<T>::get(), "1: a channel's number was not given");
            Self::check_channel(&channel)?;
            let left = channel.funded.checked_sub(channel.redeemed).ok_or("2: more redeemed than put in")?;
            add_to(&mut escrows, channel.app.clone(), left)?;
            add_to(&mut deposits, channel.app, channel.deposit)?;
        }
        for (_, operator, offer) in Offers::<T>::iter() {
            ensure!(offer.prices.covers(&offer.model_prices), "6: an offer below the model's price");
            add_to(&mut offers, operator, offer.deposit)?;
        }
        Self::check_holds(HoldReason::Escrow, &escrows, "4: an escrow differs from what channels hold")?;
        Self::check_holds(HoldReason::Channel, &deposits, "5: a hold differs from the channels' deposits")?;
        Self::check_holds(HoldReason::Offer, &offers, "5: a hold differs from the offers' deposits")?;
        // An account without channels or offers has nothing on hold for them.
        for (account, _) in frame_system::Account::<T>::iter() {
            let held = |reason: HoldReason| T::Currency::balance_on_hold(&reason.into(), &account);
            ensure!(escrows.contains_key(&account) || held(HoldReason::Escrow) == 0, "4: an escrow without a channel");
            ensure!(deposits.contains_key(&account) || held(HoldReason::Channel) == 0, "5: a hold without a channel");
            ensure!(offers.contains_key(&account) || held(HoldReason::Offer) == 0, "5: a hold without an offer");
        }
        Ok(())
    }

    /// Invariants 1 to 3 of one channel.
    fn check_channel(channel: &Channel<T::AccountId>) -> Result<(), TryRuntimeError> {
        ensure!(channel.app != channel.operator, "1: a channel to its own app");
        ensure!(channel.redeemed <= channel.funded, "2: more redeemed than put in");
        ensure!(channel.paid.is_sorted_by(|a, b| a.model < b.model), "3: models are out of order");
        let mut paid: Amount = 0;
        for line in &channel.paid {
            ensure!(line.amount > 0, "3: a model that was paid nothing");
            paid = paid.checked_add(line.amount).ok_or("3: what was paid overflows")?;
        }
        ensure!(paid == channel.redeemed, "3: what models were paid is not what was redeemed");
        Ok(())
    }

    /// Whether each account has on hold for `reason` what it should.
    fn check_holds(
        reason: HoldReason,
        expected: &BTreeMap<T::AccountId, Amount>,
        fault: &'static str,
    ) -> Result<(), TryRuntimeError> {
        let reason = reason.into();
        for (account, amount) in expected {
            ensure!(T::Currency::balance_on_hold(&reason, account) == *amount, fault);
        }
        Ok(())
    }
}

fn add_to<K: Ord>(sums: &mut BTreeMap<K, Amount>, key: K, amount: Amount) -> Result<(), TryRuntimeError> {
    let sum = sums.entry(key).or_default();
    *sum = sum.checked_add(amount).ok_or("a sum of holds overflows")?;
    Ok(())
}
