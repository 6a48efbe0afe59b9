//! What always holds between two calls.
//!
//! 1. Every grant's number is below [`NextGrant`], and no more uses are taken than it allows.
//! 2. Each grantee has on hold exactly the deposits of its grants.
//! 3. [`GrantPlaces`] leads each grant to its entries in [`ByGrantee`] and [`ByDatanet`], which list nothing else; the
//!    tallies count them and lie beyond every place.
//! 4. [`OpenRequests`] counts exactly the grants that wait, within its bound.
//! 5. [`Offers`] and [`OfferNonces`] lead to each other, for stored grants only.

use crate::{
    ByDatanet, ByGrantee, Config, DatanetTallies, GrantPlaces, GranteeTallies, Grants, HoldReason, NextGrant,
    OfferNonces, Offers, OpenRequests, Pallet,
};
use alloc::collections::BTreeMap;
use frame_support::{
    ensure,
    traits::{Get, fungible::InspectHold},
};
use sp_runtime::TryRuntimeError;
use tributary_protocol::{Amount, DatanetId, grant::GrantStatus};

impl<T: Config> Pallet<T> {
    /// Checks the invariants named at the top of this file, in that order.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let mut deposits = BTreeMap::<T::AccountId, Amount>::new();
        for (id, grant) in Grants::<T>::iter() {
            ensure!(id < NextGrant::<T>::get(), "a grant is numbered beyond the next one");
            ensure!(grant.used <= grant.terms.uses, "more uses are taken than allowed");
            let held = deposits.entry(grant.grantee).or_default();
            *held = held.checked_add(grant.deposit).ok_or("deposits overflow")?;
        }
        for (who, deposits) in deposits {
            let held = T::Currency::balance_on_hold(&HoldReason::Grant.into(), &who);
            ensure!(held == deposits, "an account's hold is not the sum of its deposits");
        }
        Self::check_lists()?;
        Self::check_requests()?;
        Self::check_offers()
    }

    fn check_lists() -> Result<(), TryRuntimeError> {
        let mut of_grantees = BTreeMap::<T::AccountId, u32>::new();
        let mut on_datanets = BTreeMap::<DatanetId, u32>::new();
        for (id, grant) in Grants::<T>::iter() {
            let places = GrantPlaces::<T>::get(id).ok_or("a grant has no place")?;
            let by_grantee = ByGrantee::<T>::get(&grant.grantee, places.of_grantee);
            let by_datanet = ByDatanet::<T>::get(grant.datanet, places.on_datanet);
            ensure!(by_grantee == Some(id) && by_datanet == Some(id), "a place leads elsewhere");
            let of_grantee = GranteeTallies::<T>::get(&grant.grantee).ok_or("a tally is missing")?;
            let on_datanet = DatanetTallies::<T>::get(grant.datanet).ok_or("a tally is missing")?;
            ensure!(
                places.of_grantee < of_grantee.next_place && places.on_datanet < on_datanet.next_place,
                "a place is beyond the next one"
            );
            for count in [of_grantees.entry(grant.grantee).or_default(), on_datanets.entry(grant.datanet).or_default()]
            {
                // Sums here saturate: one too large for its type equals nothing that is stored or held, and is found below.
                *count = count.saturating_add(1);
            }
        }
        let stored = Grants::<T>::iter_keys().count();
        ensure!(GrantPlaces::<T>::iter_keys().count() == stored, "a place has no grant");
        ensure!(ByGrantee::<T>::iter_keys().count() == stored, "a grantee's list names no grant");
        ensure!(ByDatanet::<T>::iter_keys().count() == stored, "a Datanet's list names no grant");
        ensure!(GranteeTallies::<T>::iter_keys().count() == of_grantees.len(), "a tally counts nothing");
        ensure!(DatanetTallies::<T>::iter_keys().count() == on_datanets.len(), "a tally counts nothing");
        for (who, stored) in of_grantees {
            ensure!(GranteeTallies::<T>::get(who).is_some_and(|it| it.stored == stored), "a tally is wrong");
        }
        for (datanet, stored) in on_datanets {
            ensure!(DatanetTallies::<T>::get(datanet).is_some_and(|it| it.stored == stored), "a tally is wrong");
        }
        Ok(())
    }

    fn check_requests() -> Result<(), TryRuntimeError> {
        let mut waiting = BTreeMap::<(DatanetId, T::AccountId), u32>::new();
        for grant in Grants::<T>::iter_values().filter(|grant| grant.status == GrantStatus::Requested) {
            let count = waiting.entry((grant.datanet, grant.grantee)).or_default();
            // Sums here saturate: one too large for its type equals nothing that is stored or held, and is found below.
            *count = count.saturating_add(1);
        }
        ensure!(OpenRequests::<T>::iter_keys().count() == waiting.len(), "requests are counted where none waits");
        for ((datanet, who), count) in waiting {
            ensure!(OpenRequests::<T>::get(datanet, who) == count, "waiting requests are miscounted");
            ensure!(count <= T::MaxOpenRequests::get(), "more requests wait than may");
        }
        Ok(())
    }

    fn check_offers() -> Result<(), TryRuntimeError> {
        for (id, offer) in Offers::<T>::iter() {
            let grant = Grants::<T>::get(id).ok_or("an offer has no grant")?;
            ensure!(OfferNonces::<T>::get(grant.datanet, offer.nonce) == Some(id), "an offer's number leads elsewhere");
        }
        let offers = Offers::<T>::iter_keys().count();
        ensure!(OfferNonces::<T>::iter_keys().count() == offers, "an offer's number has no offer");
        Ok(())
    }
}
