//! What the calls do once they are allowed.

use crate::{
    Accepted, Blobs, ByPlace, Config, Contributions, Datanets, Error, HoldReason, NextContribution, NextDatanet,
    Pallet, Places, Tallies, Versions,
    types::{AcceptedSet, ContributionOf, DatanetOf, Profile, Tally},
};
use alloc::collections::BTreeSet;
use codec::{Encode, MaxEncodedLen};
use frame_support::{
    dispatch::DispatchResult,
    ensure,
    traits::{Get, fungible::MutateHold, tokens::Precision},
};
use pallet_support::{DatanetInspect, now};
use sp_runtime::{BoundedVec, DispatchError};
use tributary_protocol::{
    Amount, ContentHash, ContributionId, DatanetId, VersionRef,
    content::version_root,
    datanet::{
        Contribution, ContributionStatus, Datanet, DatanetStatus, Name, SampleCommitment, Terms, Text, Version,
        VersionEntry, VersionFacts,
    },
};

/// Whether `text` says something: UTF-8, and more than blanks.
pub(crate) fn is_name(text: &[u8]) -> bool {
    core::str::from_utf8(text).is_ok_and(|text| !text.trim().is_empty())
}

impl<T: Config> Pallet<T> {
    /// What the record of a contribution holds on its contributor, at the largest that the record can get.
    pub fn record_deposit() -> Amount {
        let bytes = Self::bytes(ContributionOf::<T>::max_encoded_len());
        // Constants of the runtime. If they were absurd, nobody could pay: that is the safe side.
        T::DepositPerByte::get().saturating_mul(bytes).saturating_add(T::ContributionDeposit::get())
    }

    /// What a committed file of so many bytes holds on its contributor until the verdict.
    pub fn size_deposit(bytes: u64) -> Amount {
        let kibibytes = Amount::from(bytes.div_ceil(1024));
        // A product too large to count is above the most that is held anyway.
        T::DepositPerKibibyte::get().saturating_mul(kibibytes).min(T::SizeDepositMax::get())
    }

    /// What a Datanet holds on its owner: for the record as it is, and for its versions.
    fn datanet_deposit(datanet: &DatanetOf<T>) -> Result<Amount, DispatchError> {
        let record = T::DepositPerByte::get().checked_mul(Self::bytes(datanet.encoded_size()));
        let versions = T::VersionDeposit::get().checked_mul(Amount::from(datanet.versions));
        record
            .zip(versions)
            .and_then(|(record, versions)| record.checked_add(versions)?.checked_add(T::DatanetDeposit::get()))
            .ok_or_else(|| Error::<T>::Overflow.into())
    }

    fn bytes(len: usize) -> Amount {
        // A length always fits; the widening of `usize` is just not known to the compiler.
        Amount::try_from(len).unwrap_or(Amount::MAX)
    }

    /// Whether the terms leave something to grant.
    pub(crate) fn check_terms(terms: &Terms) -> DispatchResult {
        ensure!(!terms.purposes.is_empty(), Error::<T>::NoPurpose);
        ensure!(terms.grant_blocks_max > 0, Error::<T>::NoGrantBlocks);
        ensure!(terms.grant_uses_max > 0, Error::<T>::NoGrantUses);
        ensure!(is_name(&terms.licence), Error::<T>::BadName);
        Ok(())
    }

    /// Whether no account is named twice.
    pub(crate) fn all_differ(accounts: &[T::AccountId]) -> bool {
        accounts.iter().collect::<BTreeSet<_>>().len() == accounts.len()
    }

    /// The Datanet, if `account` owns it.
    pub(crate) fn owned(id: DatanetId, account: &T::AccountId) -> Result<DatanetOf<T>, DispatchError> {
        let datanet = Datanets::<T>::get(id).ok_or(Error::<T>::NoSuchDatanet)?;
        ensure!(datanet.owner == *account, Error::<T>::NotOwner);
        Ok(datanet)
    }

    /// The Datanet, if it takes anything new.
    pub(crate) fn active(id: DatanetId) -> Result<DatanetOf<T>, DispatchError> {
        let datanet = Datanets::<T>::get(id).ok_or(Error::<T>::NoSuchDatanet)?;
        ensure!(datanet.is_active(), Error::<T>::DatanetRetired);
        Ok(datanet)
    }

    /// The contribution with its Datanet, if `account` may judge it.
    pub(crate) fn judged_by(
        id: ContributionId,
        account: &T::AccountId,
    ) -> Result<(ContributionOf<T>, DatanetOf<T>), DispatchError> {
        let contribution = Contributions::<T>::get(id).ok_or(Error::<T>::NoSuchContribution)?;
        let datanet = Datanets::<T>::get(contribution.datanet).ok_or(Error::<T>::Inconsistent)?;
        ensure!(datanet.is_curator(account), Error::<T>::NotCurator);
        Ok((contribution, datanet))
    }

    pub(crate) fn do_register(
        owner: T::AccountId,
        profile: Profile,
    ) -> Result<(DatanetId, DatanetOf<T>), DispatchError> {
        let id = NextDatanet::<T>::get();
        let next = id.next().ok_or(Error::<T>::Overflow)?;
        let mut datanet = Datanet {
            owner,
            name: profile.name,
            domain: profile.domain,
            description: profile.description,
            schema: profile.schema,
            terms: profile.terms,
            curators: BoundedVec::new(),
            status: DatanetStatus::Active,
            versions: 0,
            deposit: 0,
            registered_at: now::<T>(),
        };
        datanet.deposit = Self::do_change(id, datanet.clone())?;
        NextDatanet::<T>::put(next);
        Ok((id, datanet))
    }

    /// Stores a changed Datanet, prices its deposit anew and returns it. `datanet.deposit` is what was held before.
    pub(crate) fn do_change(id: DatanetId, mut datanet: DatanetOf<T>) -> Result<Amount, DispatchError> {
        let deposit = Self::datanet_deposit(&datanet)?;
        let held = core::mem::replace(&mut datanet.deposit, deposit);
        if let Some(more) = deposit.checked_sub(held) {
            T::Currency::hold(&HoldReason::Datanet.into(), &datanet.owner, more)?;
        } else {
            // Exact: here `deposit` is below `held`.
            Self::release(HoldReason::Datanet, &datanet.owner, held.saturating_sub(deposit))?;
        }
        Datanets::<T>::insert(id, datanet);
        Ok(deposit)
    }

    pub(crate) fn do_retire(id: DatanetId, datanet: DatanetOf<T>) {
        Datanets::<T>::insert(id, Datanet { status: DatanetStatus::Retired, ..datanet });
    }

    /// Puts a contribution in the queue; returns its number and its deposit.
    pub(crate) fn do_submit(
        datanet: DatanetId,
        contributor: &T::AccountId,
        samples: SampleCommitment,
        licence: Name,
    ) -> Result<(ContributionId, Amount), DispatchError> {
        let deposit =
            Self::record_deposit().checked_add(Self::size_deposit(samples.bytes)).ok_or(Error::<T>::Overflow)?;
        let id = NextContribution::<T>::get();
        let next = id.next().ok_or(Error::<T>::Overflow)?;
        let place = Tallies::<T>::get(datanet).next_place;
        Self::tally(datanet, |tally| {
            Some(Tally {
                next_place: tally.next_place.checked_add(1)?,
                stored: tally.stored.checked_add(1)?,
                pending: tally.pending.checked_add(1)?,
            })
        })?;
        T::Currency::hold(&HoldReason::Contribution.into(), contributor, deposit)?;
        Blobs::<T>::insert(datanet, samples.blob, id);
        ByPlace::<T>::insert(datanet, place, id);
        Places::<T>::insert(id, place);
        NextContribution::<T>::put(next);
        Contributions::<T>::insert(
            id,
            Contribution {
                datanet,
                contributor: contributor.clone(),
                samples,
                licence,
                status: ContributionStatus::Pending,
                deposit,
                submitted_at: now::<T>(),
            },
        );
        Ok((id, deposit))
    }

    /// Moves a contribution from the queue into the accepted set; returns what came free.
    pub(crate) fn do_accept(id: ContributionId, record: ContributionOf<T>) -> Result<Amount, DispatchError> {
        Accepted::<T>::try_mutate(record.datanet, |accepted| {
            let Err(place) = accepted.binary_search(&id) else { return Err(Error::<T>::Inconsistent) };
            accepted.try_insert(place, id).map_err(|_| Error::<T>::VersionFull)
        })?;
        Self::judge(id, record, ContributionStatus::Accepted)
    }

    /// Takes a contribution out of the queue for good; returns what came free.
    pub(crate) fn do_reject(
        id: ContributionId,
        record: ContributionOf<T>,
        reason: Text,
    ) -> Result<Amount, DispatchError> {
        Blobs::<T>::remove(record.datanet, record.samples.blob);
        Self::judge(id, record, ContributionStatus::Rejected { reason })
    }

    /// Writes a verdict, and releases what exceeds the record's deposit.
    fn judge(
        id: ContributionId,
        mut record: ContributionOf<T>,
        verdict: ContributionStatus,
    ) -> Result<Amount, DispatchError> {
        Self::tally(record.datanet, |tally| Some(Tally { pending: tally.pending.checked_sub(1)?, ..tally }))?;
        let kept = record.deposit.min(Self::record_deposit());
        // Exact: `kept` is at most the deposit.
        let released = record.deposit.saturating_sub(kept);
        Self::release(HoldReason::Contribution, &record.contributor, released)?;
        record.deposit = kept;
        record.status = verdict;
        Contributions::<T>::insert(id, record);
        Ok(released)
    }

    /// Takes a contribution back; returns whether its record went, and what came free.
    pub(crate) fn do_withdraw(id: ContributionId, record: ContributionOf<T>) -> Result<(bool, Amount), DispatchError> {
        let datanet = record.datanet;
        let is_pending = record.status == ContributionStatus::Pending;
        let is_accepted = record.status == ContributionStatus::Accepted;
        if is_pending || is_accepted {
            Blobs::<T>::remove(datanet, record.samples.blob);
        }
        if is_accepted {
            Accepted::<T>::try_mutate_exists(datanet, |accepted| {
                let set = accepted.as_mut().ok_or(Error::<T>::Inconsistent)?;
                let place = set.binary_search(&id).map_err(|_| Error::<T>::Inconsistent)?;
                set.remove(place);
                if set.is_empty() {
                    *accepted = None;
                }
                Ok::<_, Error<T>>(())
            })?;
            if Self::is_published(datanet, id) {
                Contributions::<T>::insert(id, Contribution { status: ContributionStatus::Withdrawn, ..record });
                return Ok((false, 0));
            }
        }
        let place = Places::<T>::take(id).ok_or(Error::<T>::Inconsistent)?;
        ByPlace::<T>::remove(datanet, place);
        Self::tally(datanet, |tally| {
            Some(Tally {
                stored: tally.stored.checked_sub(1)?,
                pending: tally.pending.checked_sub(is_pending.into())?,
                ..tally
            })
        })?;
        Self::release(HoldReason::Contribution, &record.contributor, record.deposit)?;
        Contributions::<T>::remove(id);
        Ok((true, record.deposit))
    }

    /// Whether a version lists an accepted contribution. What is accepted stays in every later version until it is
    /// withdrawn, so the newest one tells.
    fn is_published(datanet: DatanetId, id: ContributionId) -> bool {
        Datanets::<T>::get(datanet)
            .and_then(|record| Versions::<T>::get(VersionRef { datanet, number: record.versions }))
            .is_some_and(|newest| newest.contributions.binary_search(&id).is_ok())
    }

    /// Stores the next version; returns it with the Datanet's deposit.
    pub(crate) fn do_publish(
        datanet: DatanetId,
        mut record: DatanetOf<T>,
        accepted: AcceptedSet,
    ) -> Result<(VersionRef, Version, Amount), DispatchError> {
        let (mut samples, mut bytes) = (0u64, 0u64);
        let mut entries = alloc::vec::Vec::with_capacity(accepted.len());
        for id in &accepted {
            let contribution = Contributions::<T>::get(id).ok_or(Error::<T>::Inconsistent)?;
            samples = samples.checked_add(contribution.samples.samples.into()).ok_or(Error::<T>::Overflow)?;
            bytes = bytes.checked_add(contribution.samples.bytes).ok_or(Error::<T>::Overflow)?;
            entries.push(VersionEntry { contribution: *id, samples: contribution.samples });
        }
        let version =
            Version { root: version_root(entries), contributions: accepted, samples, bytes, published_at: now::<T>() };
        record.versions = record.versions.checked_add(1).ok_or(Error::<T>::Overflow)?;
        let reference = VersionRef { datanet, number: record.versions };
        let deposit = Self::do_change(datanet, record)?;
        Versions::<T>::insert(reference, &version);
        Ok((reference, version, deposit))
    }

    /// Changes a Datanet's tally; one that counts nothing leaves storage.
    fn tally(datanet: DatanetId, change: impl FnOnce(Tally) -> Option<Tally>) -> DispatchResult {
        let tally = change(Tallies::<T>::get(datanet)).ok_or(Error::<T>::Overflow)?;
        if tally.stored == 0 {
            Tallies::<T>::remove(datanet);
        } else {
            Tallies::<T>::insert(datanet, tally);
        }
        Ok(())
    }

    fn release(reason: HoldReason, who: &T::AccountId, amount: Amount) -> DispatchResult {
        T::Currency::release(&reason.into(), who, amount, Precision::Exact).map(drop)
    }
}

impl<T: Config> DatanetInspect<T::AccountId> for Pallet<T> {
    fn datanet(id: DatanetId) -> Option<DatanetOf<T>> {
        Datanets::<T>::get(id)
    }

    fn version(version: VersionRef) -> Option<VersionFacts<T::AccountId>> {
        let datanet = Datanets::<T>::get(version.datanet)?;
        // Versions are numbered without gaps and never removed, so their records need not be read.
        (1..=datanet.versions).contains(&version.number).then(|| VersionFacts {
            version,
            active: datanet.is_active(),
            owner: datanet.owner,
            terms: datanet.terms,
        })
    }

    fn holds(version: VersionRef, blob: ContentHash) -> bool {
        Versions::<T>::get(version).is_some_and(|version| {
            version
                .contributions
                .iter()
                .filter_map(Contributions::<T>::get)
                .any(|contribution| contribution.samples.blob == blob)
        })
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_version(owner: &T::AccountId) -> VersionRef {
        crate::benchmarking::version::<T>(owner)
    }
}
