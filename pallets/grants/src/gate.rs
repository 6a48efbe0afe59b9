//! How jobs take, check and give back uses.

use crate::{Config, Error, Event, Grants, Pallet};
use frame_support::dispatch::DispatchResult;
use pallet_support::{GrantGate, now};
use sp_runtime::DispatchError;
use tributary_protocol::{
    GrantId,
    grant::{Grant, GrantRefusal, Use},
};

impl<T: Config> GrantGate<T::AccountId> for Pallet<T> {
    fn take(id: GrantId, wanted: &Use<T::AccountId>) -> DispatchResult {
        let grant = Grants::<T>::get(id).ok_or(Error::<T>::NoSuchGrant)?;
        grant.allows(wanted, now::<T>()).map_err(Self::refuse)?;
        let used = grant.used.checked_add(1).ok_or(Error::<T>::UsedUp)?;
        Grants::<T>::insert(id, Grant { used, ..grant });
        Self::deposit_event(Event::UseTaken { grant: id, used });
        Ok(())
    }

    /// A grant that is gone was never given as far as anyone can tell: one with a taken use cannot be pruned.
    fn check(id: GrantId, wanted: &Use<T::AccountId>) -> Result<(), GrantRefusal> {
        Grants::<T>::get(id).ok_or(GrantRefusal::NotIssued)?.covers(wanted, now::<T>())
    }

    /// Giving back more than was taken changes nothing.
    fn give_back(id: GrantId) {
        let Some(grant) = Grants::<T>::get(id) else { return };
        let Some(used) = grant.used.checked_sub(1) else { return };
        Grants::<T>::insert(id, Grant { used, ..grant });
        Self::deposit_event(Event::UseGivenBack { grant: id, used });
    }

    fn refuse(refusal: GrantRefusal) -> DispatchError {
        match refusal {
            GrantRefusal::OtherDatanet => Error::<T>::OtherDatanet,
            GrantRefusal::OtherGrantee => Error::<T>::OtherGrantee,
            GrantRefusal::NotIssued => Error::<T>::NotIssued,
            GrantRefusal::Revoked => Error::<T>::Revoked,
            GrantRefusal::Renounced => Error::<T>::Renounced,
            GrantRefusal::Expired => Error::<T>::Expired,
            GrantRefusal::OtherVersion => Error::<T>::OtherVersion,
            GrantRefusal::OtherPurpose => Error::<T>::OtherPurpose,
            GrantRefusal::OtherBaseModel => Error::<T>::OtherBaseModel,
            GrantRefusal::UsedUp => Error::<T>::UsedUp,
        }
        .into()
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_grant(wanted: &Use<T::AccountId>) -> GrantId {
        crate::benchmarking::grant::<T>(wanted)
    }
}
