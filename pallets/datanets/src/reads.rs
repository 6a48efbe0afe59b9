//! What the runtime API answers.

use crate::{
    ByPlace, Config, Contributions, Datanets, NextDatanet, Pallet, Tallies, Versions,
    types::{ContributionOf, DatanetOf},
};
use alloc::vec::Vec;
use tributary_protocol::{
    ContributionId, DatanetId, VersionRef,
    datanet::{Version, VersionEntry},
};

/// Most entries of one page.
const PAGE_MAX: u32 = 100;

fn page(limit: u32) -> usize {
    usize::try_from(limit.min(PAGE_MAX)).unwrap_or_default()
}

impl<T: Config> Pallet<T> {
    /// A Datanet.
    pub fn datanet(id: DatanetId) -> Option<DatanetOf<T>> {
        Datanets::<T>::get(id)
    }

    /// A page of Datanets.
    pub fn datanets(from: DatanetId, limit: u32) -> Vec<(DatanetId, DatanetOf<T>)> {
        (from.0..NextDatanet::<T>::get().0)
            .map(DatanetId)
            .filter_map(|id| Datanets::<T>::get(id).map(|datanet| (id, datanet)))
            .take(page(limit))
            .collect()
    }

    /// A contribution.
    pub fn contribution(id: ContributionId) -> Option<ContributionOf<T>> {
        Contributions::<T>::get(id)
    }

    /// A page of a Datanet's contributions, `from` counting from 0 in the order of submission. Removed contributions do not
    /// count. Cost: O(1) reads for each entry while none was ever removed; else the walk starts at the first.
    pub fn contributions(datanet: DatanetId, from: u32, limit: u32) -> Vec<(ContributionId, ContributionOf<T>)> {
        let tally = Tallies::<T>::get(datanet);
        // Without gaps, an entry's place is its rank.
        let (start, skip) = if tally.stored == tally.next_place { (from, 0) } else { (0, from) };
        (start..tally.next_place)
            .filter_map(|place| ByPlace::<T>::get(datanet, place))
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .take(page(limit))
            .filter_map(|id| Contributions::<T>::get(id).map(|contribution| (id, contribution)))
            .collect()
    }

    /// A version.
    pub fn version(version: VersionRef) -> Option<Version> {
        Versions::<T>::get(version)
    }

    /// A version's contributions, each with its contributor, in the order of the version's tree. Empty where there is no such
    /// version.
    pub fn entries(version: VersionRef) -> Vec<(VersionEntry, T::AccountId)> {
        let Some(version) = Versions::<T>::get(version) else { return Vec::new() };
        version
            .contributions
            .iter()
            .filter_map(|id| {
                let contribution = Contributions::<T>::get(id)?;
                Some((VersionEntry { contribution: *id, samples: contribution.samples }, contribution.contributor))
            })
            .collect()
    }
}
