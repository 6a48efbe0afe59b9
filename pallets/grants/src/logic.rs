//! What the calls do once they are allowed.

use crate::{
    ByDatanet, ByGrantee, Config, DatanetTallies, Error, GrantPlaces, GranteeTallies, Grants, HoldReason, NextGrant,
    OfferNonces, Offers, OpenRequests, Pallet,
    types::{GrantOf, Places, Presented},
};
use alloc::vec::Vec;
use codec::MaxEncodedLen;
use frame_support::{
    dispatch::DispatchResult,
    ensure,
    traits::{Get, fungible::MutateHold, tokens::Precision},
};
use frame_system::pallet_prelude::BlockNumberFor;
use pallet_support::{DatanetInspect, now};
use sp_runtime::{
    DispatchError,
    traits::{Verify, Zero},
};
use tributary_protocol::{
    Amount, DatanetId, GrantId,
    datanet::{Datanet, Terms},
    grant::{Grant, GrantOffer, GrantStatus, GrantTerms, VersionScope},
};

/// Whether `text` says something: UTF-8, and more than blanks.
pub(crate) fn is_reason(text: &[u8]) -> bool {
    core::str::from_utf8(text).is_ok_and(|text| !text.trim().is_empty())
}

impl<T: Config> Pallet<T> {
    /// What a grant's record holds on its grantee, at the largest that the record can get.
    pub fn grant_deposit() -> Amount {
        // A length always fits; the widening of `usize` is just not known to the compiler. The rest are constants of the
        // runtime: if they were absurd, nobody could pay, which is the safe side.
        let bytes = Amount::try_from(GrantOf::<T>::max_encoded_len()).unwrap_or(Amount::MAX);
        T::DepositPerByte::get().saturating_mul(bytes).saturating_add(T::GrantDeposit::get())
    }

    /// The bytes that a Datanet's owner signs to make an offer on this chain.
    pub fn offer_payload(offer: &GrantOffer<T::AccountId>) -> Vec<u8> {
        let genesis = frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero());
        offer.payload(genesis.into())
    }

    /// Whether `signature` is the owner's over the offer, plain or as wallets wrap what they sign.
    pub(crate) fn is_signed_by(
        owner: &T::AccountId,
        offer: &GrantOffer<T::AccountId>,
        signature: &T::OfferSignature,
    ) -> bool {
        let payload = Self::offer_payload(offer);
        if signature.verify(payload.as_slice(), owner) {
            return true;
        }
        let wrapped = [b"<Bytes>", payload.as_slice(), b"</Bytes>"].concat();
        signature.verify(wrapped.as_slice(), owner)
    }

    /// The Datanet, if it gives grants.
    pub(crate) fn active_datanet(id: DatanetId) -> Result<Datanet<T::AccountId>, DispatchError> {
        let datanet = T::Datanets::datanet(id).ok_or(Error::<T>::NoSuchDatanet)?;
        ensure!(datanet.is_active(), Error::<T>::DatanetRetired);
        Ok(datanet)
    }

    /// The grant with its Datanet, if `account` owns that.
    pub(crate) fn given_by(
        id: GrantId,
        account: &T::AccountId,
    ) -> Result<(GrantOf<T>, Datanet<T::AccountId>), DispatchError> {
        let grant = Grants::<T>::get(id).ok_or(Error::<T>::NoSuchGrant)?;
        let datanet = T::Datanets::datanet(grant.datanet).ok_or(Error::<T>::NoSuchDatanet)?;
        ensure!(datanet.owner == *account, Error::<T>::NotOwner);
        Ok((grant, datanet))
    }

    /// The grant, if it is `account`'s.
    pub(crate) fn held_by(id: GrantId, account: &T::AccountId) -> Result<GrantOf<T>, DispatchError> {
        let grant = Grants::<T>::get(id).ok_or(Error::<T>::NoSuchGrant)?;
        ensure!(grant.grantee == *account, Error::<T>::NotGrantee);
        Ok(grant)
    }

    /// Whether a Datanet on terms `offered` may now give a grant of terms `wanted`.
    pub(crate) fn check_terms(offered: &Terms, wanted: &GrantTerms) -> DispatchResult {
        ensure!(offered.purposes.contains(wanted.purpose), Error::<T>::PurposeNotOffered);
        let no_versions = matches!(wanted.versions, VersionScope::UpTo(0) | VersionScope::Only(0));
        ensure!(!no_versions, Error::<T>::NoVersions);
        ensure!(wanted.uses > 0, Error::<T>::NoUses);
        ensure!(wanted.uses <= offered.grant_uses_max, Error::<T>::TooManyUses);
        // A block that is over is as far ahead as this one: not at all.
        let blocks = wanted.expires_at.saturating_sub(now::<T>());
        ensure!(blocks > 0, Error::<T>::ExpiresTooSoon);
        ensure!(blocks <= offered.grant_blocks_max, Error::<T>::ExpiresTooLate);
        Ok(())
    }

    /// Whether no use can ever be taken or checked under the grant again, or it was never given.
    pub(crate) fn is_over(grant: &GrantOf<T>) -> bool {
        match grant.status {
            GrantStatus::Requested => false,
            GrantStatus::Active => now::<T>() > grant.terms.expires_at,
            GrantStatus::Denied { .. } | GrantStatus::Revoked { .. } | GrantStatus::Renounced => true,
        }
    }

    /// Stores a new grant in its lists; returns its number and its deposit.
    pub(crate) fn do_create(
        datanet: DatanetId,
        grantee: &T::AccountId,
        terms: GrantTerms,
        status: GrantStatus,
        offer: Option<Presented>,
    ) -> Result<(GrantId, Amount), DispatchError> {
        let id = NextGrant::<T>::get();
        let next = id.next().ok_or(Error::<T>::Overflow)?;
        let mut deposit = Self::grant_deposit();
        if offer.is_some() {
            deposit = deposit.checked_add(T::OfferDeposit::get()).ok_or(Error::<T>::Overflow)?;
        }
        let of_grantee = GranteeTallies::<T>::get(grantee).unwrap_or_default();
        let on_datanet = DatanetTallies::<T>::get(datanet).unwrap_or_default();
        let more_of_grantee = of_grantee.with_one().ok_or(Error::<T>::Overflow)?;
        let more_on_datanet = on_datanet.with_one().ok_or(Error::<T>::Overflow)?;
        T::Currency::hold(&HoldReason::Grant.into(), grantee, deposit)?;

        let places = Places { of_grantee: of_grantee.next_place, on_datanet: on_datanet.next_place };
        GranteeTallies::<T>::insert(grantee, more_of_grantee);
        DatanetTallies::<T>::insert(datanet, more_on_datanet);
        ByGrantee::<T>::insert(grantee, places.of_grantee, id);
        ByDatanet::<T>::insert(datanet, places.on_datanet, id);
        GrantPlaces::<T>::insert(id, places);
        if let Some(offer) = offer {
            OfferNonces::<T>::insert(datanet, offer.nonce, id);
            Offers::<T>::insert(id, offer);
        }
        if status == GrantStatus::Requested {
            // At most `MaxOpenRequests`: checked by the call.
            OpenRequests::<T>::mutate(datanet, grantee, |open| *open = open.saturating_add(1));
        }
        let requested_at = now::<T>();
        let grantee = grantee.clone();
        Grants::<T>::insert(id, Grant { datanet, grantee, terms, used: 0, status, deposit, requested_at });
        NextGrant::<T>::put(next);
        Ok((id, deposit))
    }

    /// Ends the wait of a request with `status`.
    pub(crate) fn do_decide(id: GrantId, grant: GrantOf<T>, status: GrantStatus) -> GrantOf<T> {
        OpenRequests::<T>::mutate_exists(grant.datanet, &grant.grantee, |open| {
            *open = open.and_then(|open| open.checked_sub(1)).filter(|open| *open > 0);
        });
        Self::do_end(id, grant, status)
    }

    /// Gives a grant another status.
    pub(crate) fn do_end(id: GrantId, grant: GrantOf<T>, status: GrantStatus) -> GrantOf<T> {
        let grant = Grant { status, ..grant };
        Grants::<T>::insert(id, &grant);
        grant
    }

    /// Removes a grant from everywhere and returns its deposit.
    pub(crate) fn do_prune(id: GrantId, grant: GrantOf<T>) -> DispatchResult {
        let places = GrantPlaces::<T>::take(id).ok_or(Error::<T>::Inconsistent)?;
        ByGrantee::<T>::remove(&grant.grantee, places.of_grantee);
        ByDatanet::<T>::remove(grant.datanet, places.on_datanet);
        GranteeTallies::<T>::mutate_exists(&grant.grantee, |tally| *tally = tally.and_then(|it| it.without_one()));
        DatanetTallies::<T>::mutate_exists(grant.datanet, |tally| *tally = tally.and_then(|it| it.without_one()));
        if let Some(offer) = Offers::<T>::take(id) {
            OfferNonces::<T>::remove(grant.datanet, offer.nonce);
        }
        Grants::<T>::remove(id);
        T::Currency::release(&HoldReason::Grant.into(), &grant.grantee, grant.deposit, Precision::Exact).map(drop)
    }
}
