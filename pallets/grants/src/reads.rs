//! What the runtime API answers.

use crate::{
    ByDatanet, ByGrantee, Config, DatanetTallies, GranteeTallies, Grants, NextGrant, Pallet,
    types::{GrantOf, Tally},
};
use alloc::vec::Vec;
use pallet_support::now;
use tributary_protocol::{
    DatanetId, GrantId,
    grant::{GrantRefusal, Use},
};

/// Most entries of one page.
const PAGE_MAX: u32 = 100;
/// Most records that a page of all grants looks at.
const LOOKS_MAX: u64 = 1_000;

fn page(limit: u32) -> usize {
    usize::try_from(limit.min(PAGE_MAX)).unwrap_or_default()
}

impl<T: Config> Pallet<T> {
    /// A grant.
    pub fn grant(id: GrantId) -> Option<GrantOf<T>> {
        Grants::<T>::get(id)
    }

    /// A page of all grants. Looks at no more than 1,000 numbers: where many grants were pruned it may come back short.
    pub fn grants(from: GrantId, limit: u32) -> Vec<(GrantId, GrantOf<T>)> {
        let end = NextGrant::<T>::get().0.min(from.0.saturating_add(LOOKS_MAX));
        (from.0..end).map(GrantId).filter_map(Self::numbered).take(page(limit)).collect()
    }

    /// A page of a grantee's grants, `from` counting from 0 in the order of asking. Pruned grants do not count. Cost: O(1)
    /// reads for each entry while none was ever pruned; else the walk starts at the first.
    pub fn grants_of(grantee: T::AccountId, from: u32, limit: u32) -> Vec<(GrantId, GrantOf<T>)> {
        let tally = GranteeTallies::<T>::get(&grantee).unwrap_or_default();
        Self::listed(tally, from, limit, |place| ByGrantee::<T>::get(&grantee, place))
    }

    /// A page of a Datanet's grants, as [`Pallet::grants_of`].
    pub fn grants_on(datanet: DatanetId, from: u32, limit: u32) -> Vec<(GrantId, GrantOf<T>)> {
        let tally = DatanetTallies::<T>::get(datanet).unwrap_or_default();
        Self::listed(tally, from, limit, |place| ByDatanet::<T>::get(datanet, place))
    }

    /// Whether a use would be allowed in the next block.
    pub fn allows(id: GrantId, wanted: Use<T::AccountId>) -> Option<Result<(), GrantRefusal>> {
        let next = now::<T>().saturating_add(1);
        Grants::<T>::get(id).map(|grant| grant.allows(&wanted, next))
    }

    fn listed(tally: Tally, from: u32, limit: u32, at: impl Fn(u32) -> Option<GrantId>) -> Vec<(GrantId, GrantOf<T>)> {
        let (start, skip) = tally.start(from);
        (start..tally.next_place)
            .filter_map(at)
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .take(page(limit))
            .filter_map(Self::numbered)
            .collect()
    }

    fn numbered(id: GrantId) -> Option<(GrantId, GrantOf<T>)> {
        Grants::<T>::get(id).map(|grant| (id, grant))
    }
}
