//! What always holds between two calls.
//!
//! 1. Every Datanet's number is below [`NextDatanet`], every contribution's below [`NextContribution`], and each contribution
//!    belongs to a Datanet.
//! 2. Each owner has on hold exactly the deposits of its Datanets, each contributor those of its contributions.
//! 3. [`ByPlace`] and [`Places`] lead to each other and list exactly the contributions; a Datanet's tally counts them, those
//!    that wait, and lies beyond every place; the queue is within its bound.
//! 4. The accepted set holds exactly the accepted contributions, in ascending order; [`Blobs`] exactly the files of those
//!    that wait or are accepted.
//! 5. A Datanet has the versions 1 up to its count and no others; each lists at least one contribution, in ascending order,
//!    all of them stored and accepted or withdrawn; its root and its sums are those of its contributions, and it differs
//!    from the one before.

use crate::{
    Accepted, Blobs, ByPlace, Config, Contributions, Datanets, HoldReason, NextContribution, NextDatanet, Pallet,
    Places, Tallies, Versions, types::Tally,
};
use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::{
    ensure,
    traits::{Get, fungible::InspectHold},
};
use sp_runtime::TryRuntimeError;
use tributary_protocol::{
    Amount, DatanetId, VersionRef,
    content::version_root,
    datanet::{ContributionStatus, VersionEntry},
};

impl<T: Config> Pallet<T> {
    /// Checks the invariants named at the top of this file, in that order.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let mut owners = BTreeMap::<T::AccountId, Amount>::new();
        let mut contributors = BTreeMap::<T::AccountId, Amount>::new();
        for (id, datanet) in Datanets::<T>::iter() {
            ensure!(id < NextDatanet::<T>::get(), "a Datanet is numbered beyond the next one");
            let held = owners.entry(datanet.owner).or_default();
            *held = held.checked_add(datanet.deposit).ok_or("deposits overflow")?;
        }
        for (id, contribution) in Contributions::<T>::iter() {
            ensure!(id < NextContribution::<T>::get(), "a contribution is numbered beyond the next one");
            ensure!(Datanets::<T>::contains_key(contribution.datanet), "a contribution has no Datanet");
            let held = contributors.entry(contribution.contributor).or_default();
            *held = held.checked_add(contribution.deposit).ok_or("deposits overflow")?;
        }
        for (reason, holders) in [(HoldReason::Datanet, owners), (HoldReason::Contribution, contributors)] {
            for (who, deposits) in holders {
                let held = T::Currency::balance_on_hold(&reason.into(), &who);
                ensure!(held == deposits, "an account's hold is not the sum of its deposits");
            }
        }
        Self::check_places()?;
        Self::check_sets()?;
        Self::check_versions()
    }

    fn check_places() -> Result<(), TryRuntimeError> {
        let mut tallies = BTreeMap::<DatanetId, Tally>::new();
        for (id, contribution) in Contributions::<T>::iter() {
            let place = Places::<T>::get(id).ok_or("a contribution has no place")?;
            ensure!(ByPlace::<T>::get(contribution.datanet, place) == Some(id), "a place leads elsewhere");
            ensure!(place < Tallies::<T>::get(contribution.datanet).next_place, "a place is beyond the next one");
            let tally = tallies.entry(contribution.datanet).or_default();
            // Sums here saturate: one too large for its type equals nothing that is stored or held, and is found below.
            tally.stored = tally.stored.saturating_add(1);
            tally.pending = tally.pending.saturating_add((contribution.status == ContributionStatus::Pending).into());
        }
        let stored = Contributions::<T>::iter_keys().count();
        ensure!(Places::<T>::iter_keys().count() == stored, "a place has no contribution");
        ensure!(ByPlace::<T>::iter_keys().count() == stored, "a place lists no contribution");
        ensure!(Tallies::<T>::iter_keys().count() == tallies.len(), "a tally counts nothing");
        for (datanet, tally) in tallies {
            let Tally { stored, pending, .. } = Tallies::<T>::get(datanet);
            ensure!(stored == tally.stored && pending == tally.pending, "a tally is wrong");
            ensure!(pending <= T::MaxPending::get(), "a queue is longer than its bound");
        }
        Ok(())
    }

    fn check_sets() -> Result<(), TryRuntimeError> {
        let mut accepted = BTreeMap::<DatanetId, BTreeSet<_>>::new();
        let mut blobs = 0usize;
        for (id, contribution) in Contributions::<T>::iter() {
            let in_play = match contribution.status {
                ContributionStatus::Pending => true,
                ContributionStatus::Accepted => accepted.entry(contribution.datanet).or_default().insert(id),
                ContributionStatus::Rejected { .. } | ContributionStatus::Withdrawn => false,
            };
            let known = Blobs::<T>::get(contribution.datanet, contribution.samples.blob) == Some(id);
            ensure!(known == in_play, "a file is not known exactly while it waits or is accepted");
            // Sums here saturate: one too large for its type equals nothing that is stored or held, and is found below.
            blobs = blobs.saturating_add(in_play.into());
        }
        ensure!(Blobs::<T>::iter_keys().count() == blobs, "a known file has no contribution");
        ensure!(Accepted::<T>::iter_keys().count() == accepted.len(), "an accepted set is empty");
        for (datanet, expected) in accepted {
            ensure!(Accepted::<T>::get(datanet).iter().eq(expected.iter()), "an accepted set is wrong");
        }
        Ok(())
    }

    fn check_versions() -> Result<(), TryRuntimeError> {
        let mut count = 0usize;
        for (datanet, record) in Datanets::<T>::iter() {
            let mut before = None;
            for number in 1..=record.versions {
                let version = Versions::<T>::get(VersionRef { datanet, number }).ok_or("a version is missing")?;
                ensure!(!version.contributions.is_empty(), "a version is empty");
                ensure!(version.contributions.is_sorted_by(|a, b| a < b), "a version is out of order");
                let (mut samples, mut bytes, mut entries) = (0u64, 0u64, alloc::vec::Vec::new());
                for id in &version.contributions {
                    let contribution = Contributions::<T>::get(id).ok_or("a version lists what is not stored")?;
                    ensure!(
                        matches!(contribution.status, ContributionStatus::Accepted | ContributionStatus::Withdrawn),
                        "a version lists what was not accepted"
                    );
                    // Sums here saturate: one too large for its type equals nothing that is stored or held, and is found below.
                    samples = samples.saturating_add(contribution.samples.samples.into());
                    bytes = bytes.saturating_add(contribution.samples.bytes);
                    entries.push(VersionEntry { contribution: *id, samples: contribution.samples });
                }
                ensure!((samples, bytes) == (version.samples, version.bytes), "a version's sums are wrong");
                ensure!(version_root(entries) == version.root, "a version's root is wrong");
                ensure!(before.as_ref() != Some(&version.contributions), "a version repeats the one before");
                before = Some(version.contributions);
                // Sums here saturate: one too large for its type equals nothing that is stored or held, and is found below.
                count = count.saturating_add(1);
            }
        }
        ensure!(Versions::<T>::iter_keys().count() == count, "a version has no Datanet");
        Ok(())
    }
}
