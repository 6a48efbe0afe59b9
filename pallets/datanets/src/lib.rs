//! Datanets: curated data networks with an owner, the contributions people make to them, and their immutable versions.
//!
//! # Overview
//! Someone who wants good data of one field, say medical questions, registers a *Datanet* and becomes its *owner*. The
//! owner says on what terms data may be given and used, and names *curators*. Anyone whom the terms admit submits
//! *contributions*: the samples themselves stay off chain, and the chain gets what proves them later (a root, a hash, how
//! many). A curator accepts or rejects each with a reason. Publishing a *version* takes a snapshot of everything accepted
//! so far; models are trained on versions, so what they were trained on can always be said. A contributor may take a
//! contribution back at any time: it is then absent from later versions.
//!
//! # Terminology
//! - **Datanet**, **contribution**, **version**, **terms**: the types of [`tributary_protocol::datanet`].
//! - **Commitment**: what the chain knows of a contribution's samples.
//! - **Blob**: the canonical file of a contribution, known by its BLAKE3 hash.
//! - **Accepted set**: the contributions that the next version will hold.
//! - **Queue**: the contributions that wait for a curator, at most [`Config::MaxPending`] to a Datanet.
//!
//! # Calls
//! | call | who |
//! |---|---|
//! | [`register`](Pallet::register) | anyone who places the deposit |
//! | [`update_terms`](Pallet::update_terms), [`set_curators`](Pallet::set_curators), [`retire`](Pallet::retire) | the owner |
//! | [`submit_contribution`](Pallet::submit_contribution) | whom the terms admit: anyone, or owner and curators |
//! | [`accept`](Pallet::accept) | the owner; a curator, but not its own contribution |
//! | [`reject`](Pallet::reject) | the owner, a curator |
//! | [`withdraw`](Pallet::withdraw) | the contributor |
//! | [`publish_version`](Pallet::publish_version) | the owner, a curator |
//!
//! # Example
//! `tests/story.rs` plays a Datanet from registration to its second version, with a rejected and a withdrawn contribution.
//!
//! # Design
//! - **Versions are snapshots.** A version lists everything that is accepted, older contributions included. So a
//!   contribution is in some version exactly if it is in the newest, or was withdrawn after one; no index is needed.
//! - **Deposits.** A contributor has on hold what its record can take at most ([`Pallet::record_deposit`]: the curator's
//!   reason will lengthen it, and no curator may make a contributor pay more) and a part by the size of the committed file,
//!   which makes flooding a queue dear. The part by size returns with the verdict; the record's part stays as long as the
//!   record: a rejected contribution remains to be read with its reason until its contributor withdraws it. A withdrawn
//!   contribution that a version lists stays with its deposit, since models may have been trained on it.
//! - **The owner** has on hold a base, a part for each byte of the Datanet's record and a part for each version. It is
//!   priced anew whenever the record changes. Curators whom the owner appoints may publish, at the owner's cost.
//! - **A curator may not accept its own contribution**, unless it is the owner: curators are trusted with others' data, and
//!   a second pair of eyes is the point. The owner could appoint another account of its own, so a rule would not bind it.
//! - **Terms** bind later grants and jobs only. The royalty floor is a [`Ppm`](tributary_protocol::Ppm) and so never more
//!   than the whole.
//! - **A blob** is refused while the same one waits or is accepted in the same Datanet. A rejected or withdrawn one may be
//!   submitted again, by anyone: whose data it is, curators judge.
//!
//! # Limits
//! - Whether samples exist, are new, or fit the schema is not checked here: curators fetch and judge them.
//! - A Datanet's owner cannot be changed, and a retired Datanet not be revived.
//! - A page of contributions walks over the places of removed ones, see [`Pallet::contributions`].
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
    not(any(test, feature = "runtime-benchmarks")),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::indexing_slicing)
)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[deny(clippy::as_conversions)] // Not crate-wide: the pallet macro's own code uses `as`.
mod logic;
#[deny(clippy::as_conversions)]
mod reads;
#[cfg(any(feature = "try-state", test))]
mod try_state;
mod types;
pub mod weights;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use pallet::*;
pub use types::{AcceptedSet, ContributionOf, DatanetOf, Tally};
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use crate::{
        logic::is_name,
        types::{AcceptedSet, ContributionOf, DatanetOf, Profile, Tally},
        weights::WeightInfo,
    };
    use frame_support::{
        pallet_prelude::*,
        traits::fungible::{Inspect, Mutate, MutateHold},
    };
    use frame_system::pallet_prelude::*;
    use tributary_protocol::{
        Amount, ContentHash, ContributionId, DatanetId, VersionRef,
        datanet::{
            Admission, CURATORS_MAX, ContributionStatus, Name, SampleCommitment, Schema, Terms, Text,
            VERSION_CONTRIBUTIONS_MAX, Version,
        },
    };

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What the runtime decides.
    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The overarching hold reason.
        type RuntimeHoldReason: From<HoldReason>;

        /// The chain's money.
        type Currency: Inspect<Self::AccountId, Balance = Amount>
            + Mutate<Self::AccountId>
            + MutateHold<Self::AccountId, Reason = Self::RuntimeHoldReason>;

        /// What a Datanet holds on its owner, in units, beside [`Config::DepositPerByte`].
        #[pallet::constant]
        type DatanetDeposit: Get<Amount>;

        /// What each version holds on the Datanet's owner, in units. Covers the longest list of contributions.
        #[pallet::constant]
        type VersionDeposit: Get<Amount>;

        /// What a contribution holds on its contributor, in units, beside [`Config::DepositPerByte`] and
        /// [`Config::DepositPerKibibyte`].
        #[pallet::constant]
        type ContributionDeposit: Get<Amount>;

        /// What each byte of a record on chain holds on whoever it is for, in units.
        #[pallet::constant]
        type DepositPerByte: Get<Amount>;

        /// What each 1,024 bytes (or part of them) of a committed file hold on its contributor until the verdict, in units.
        #[pallet::constant]
        type DepositPerKibibyte: Get<Amount>;

        /// The most that a committed file's size holds, in units.
        #[pallet::constant]
        type SizeDepositMax: Get<Amount>;

        /// The largest committed file, in bytes.
        #[pallet::constant]
        type ContributionBytesMax: Get<u64>;

        /// Most contributions of one Datanet that wait for a curator at a time.
        #[pallet::constant]
        type MaxPending: Get<u32>;

        /// What the calls weigh.
        type WeightInfo: WeightInfo;
    }

    /// Why money is on hold.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// An owner's Datanets and their versions.
        Datanet,
        /// A contributor's contributions.
        Contribution,
    }

    /// The number that the next Datanet will have.
    #[pallet::storage]
    pub type NextDatanet<T> = StorageValue<_, DatanetId, ValueQuery>;

    /// The Datanets. The deposit is held on the owner ([`HoldReason::Datanet`]). Numbers are the chain's own, so a short hash
    /// does.
    #[pallet::storage]
    pub type Datanets<T: Config> = StorageMap<_, Twox64Concat, DatanetId, DatanetOf<T>>;

    /// The number that the next contribution will have.
    #[pallet::storage]
    pub type NextContribution<T> = StorageValue<_, ContributionId, ValueQuery>;

    /// The contributions. The deposit is held on the contributor ([`HoldReason::Contribution`]). Numbers are the chain's own,
    /// so a short hash does.
    #[pallet::storage]
    pub type Contributions<T: Config> = StorageMap<_, Twox64Concat, ContributionId, ContributionOf<T>>;

    /// How many contributions each Datanet has. Paid for by the Datanet's deposit. Numbers are the chain's own.
    #[pallet::storage]
    pub type Tallies<T> = StorageMap<_, Twox64Concat, DatanetId, Tally, ValueQuery>;

    /// The contributions of each Datanet by their place in the order of submission; withdrawn ones leave gaps. Paid for by
    /// the contribution's deposit. Numbers are the chain's own, so short hashes do.
    #[pallet::storage]
    pub type ByPlace<T> = StorageDoubleMap<_, Twox64Concat, DatanetId, Twox64Concat, u32, ContributionId>;

    /// The place of each contribution: the way from it to its entry in [`ByPlace`]. Paid for by the contribution's deposit.
    /// Numbers are the chain's own, so a short hash does.
    #[pallet::storage]
    pub type Places<T> = StorageMap<_, Twox64Concat, ContributionId, u32>;

    /// The files that wait or are accepted in each Datanet. Paid for by the contribution's deposit. A file's hash is whatever
    /// its submitter claims, so it must be hashed by a cryptographic function.
    #[pallet::storage]
    pub type Blobs<T> = StorageDoubleMap<_, Twox64Concat, DatanetId, Blake2_128Concat, ContentHash, ContributionId>;

    /// What the next version of each Datanet will hold. Paid for by the contributions' deposits. Numbers are the chain's own,
    /// so a short hash does.
    #[pallet::storage]
    pub type Accepted<T> = StorageMap<_, Twox64Concat, DatanetId, AcceptedSet, ValueQuery>;

    /// The versions. The deposit is part of the Datanet's. Numbers are the chain's own, so a short hash does.
    #[pallet::storage]
    pub type Versions<T> = StorageMap<_, Twox64Concat, VersionRef, Version>;

    /// What happened.
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A Datanet takes contributions.
        DatanetRegistered {
            /// Its number.
            datanet: DatanetId,
            /// Who owns it.
            owner: T::AccountId,
            /// Its name.
            name: Name,
            /// Its field.
            domain: Name,
            /// What it holds, for people.
            description: Text,
            /// What its samples look like.
            schema: Schema,
            /// On what terms.
            terms: Terms,
            /// What the owner has on hold for it.
            deposit: Amount,
        },
        /// An owner changed the terms for later grants and jobs.
        TermsUpdated {
            /// The Datanet.
            datanet: DatanetId,
            /// Its terms now.
            terms: Terms,
            /// What the owner now has on hold for it.
            deposit: Amount,
        },
        /// An owner named the curators.
        CuratorsSet {
            /// The Datanet.
            datanet: DatanetId,
            /// All of them now.
            curators: BoundedVec<T::AccountId, ConstU32<CURATORS_MAX>>,
            /// What the owner now has on hold for the Datanet.
            deposit: Amount,
        },
        /// A Datanet takes nothing new any more.
        DatanetRetired {
            /// The Datanet.
            datanet: DatanetId,
        },
        /// A contribution waits for a curator.
        ContributionSubmitted {
            /// Its number.
            contribution: ContributionId,
            /// The Datanet it was made to.
            datanet: DatanetId,
            /// Its samples.
            samples: SampleCommitment,
            /// Its licence.
            licence: Name,
            /// Who made it.
            contributor: T::AccountId,
            /// What the contributor has on hold for it.
            deposit: Amount,
        },
        /// A contribution enters the next version.
        ContributionAccepted {
            /// The contribution.
            contribution: ContributionId,
            /// Its Datanet.
            datanet: DatanetId,
            /// Who accepted it.
            curator: T::AccountId,
            /// What the contributor got back of the deposit.
            released: Amount,
        },
        /// A contribution was refused.
        ContributionRejected {
            /// The contribution.
            contribution: ContributionId,
            /// Its Datanet.
            datanet: DatanetId,
            /// Why.
            reason: Text,
            /// Who refused it.
            curator: T::AccountId,
            /// What the contributor got back of the deposit.
            released: Amount,
        },
        /// A contributor took a contribution back.
        ContributionWithdrawn {
            /// The contribution.
            contribution: ContributionId,
            /// Its Datanet.
            datanet: DatanetId,
            /// Whether its record is gone. It stays where a version lists it.
            removed: bool,
            /// Who made it.
            contributor: T::AccountId,
            /// What the contributor got back of the deposit.
            released: Amount,
        },
        /// A snapshot of the accepted contributions can be trained on.
        VersionPublished {
            /// The version.
            version: VersionRef,
            /// Root of the tree over its contributions.
            root: ContentHash,
            /// How many contributions it has: all that were accepted at this point.
            contributions: u32,
            /// How many samples.
            samples: u64,
            /// How many bytes.
            bytes: u64,
            /// Who published it.
            publisher: T::AccountId,
            /// What the owner now has on hold for the Datanet.
            deposit: Amount,
        },
    }

    /// Why a call was refused.
    #[pallet::error]
    pub enum Error<T> {
        /// There is no Datanet of this number. Look the number up in the event of its registration.
        NoSuchDatanet,
        /// There is no contribution of this number: never made, or removed by its contributor.
        NoSuchContribution,
        /// The Datanet was retired and takes nothing new.
        DatanetRetired,
        /// Only the Datanet's owner may do this.
        NotOwner,
        /// Only the Datanet's owner and its curators may do this. Ask the owner to be named.
        NotCurator,
        /// Only who made the contribution may take it back.
        NotContributor,
        /// A curator may not accept what it contributed itself. Another curator or the owner can.
        OwnContribution,
        /// The Datanet takes contributions of its owner and its curators only.
        NotAdmitted,
        /// A name, a domain or a licence is empty or not UTF-8.
        BadName,
        /// A description is not UTF-8.
        BadDescription,
        /// A reason is empty or not UTF-8. Say what is wrong, so that the contributor can do better.
        BadReason,
        /// The terms allow no purpose. Allow one, or retire the Datanet.
        NoPurpose,
        /// The terms give grants no life. Allow at least one block.
        NoGrantBlocks,
        /// The terms give grants no use. Allow at least one.
        NoGrantUses,
        /// A curator is named twice.
        DuplicateCurator,
        /// The contribution commits to no samples or no bytes.
        NoSamples,
        /// The committed file is larger than [`Config::ContributionBytesMax`]. Split it.
        TooManyBytes,
        /// The same file waits or is accepted in this Datanet already.
        DuplicateBlob,
        /// The Datanet's queue is full. Try again when curators have judged some.
        QueueFull,
        /// The contribution does not wait for a curator: it was judged before.
        NotPending,
        /// The contribution was withdrawn before, and stays because a version lists it.
        AlreadyWithdrawn,
        /// The Datanet's next version is full. A withdrawal would make room; else open another Datanet.
        VersionFull,
        /// Nothing is accepted, so there is nothing to publish.
        NothingAccepted,
        /// The next version would list what the newest one lists.
        NothingNew,
        /// A number space or a sum is at its end.
        Overflow,
        /// The chain's records contradict each other. Nothing was changed; please report it.
        Inconsistent,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(T::MaxPending::get() > 0, "a Datanet without a queue could take no contribution");
            assert!(T::ContributionBytesMax::get() > 0, "a contribution has at least one byte");
            // A version's bytes are a sum of this many.
            assert!(
                T::ContributionBytesMax::get().checked_mul(u64::from(VERSION_CONTRIBUTIONS_MAX)).is_some(),
                "the bytes of a full version must fit 64 bits"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call(weight = <T as Config>::WeightInfo)]
    impl<T: Config> Pallet<T> {
        /// Registers a Datanet; the caller becomes its owner.
        ///
        /// Origin: signed, by anyone.
        /// Details: holds [`Config::DatanetDeposit`] and [`Config::DepositPerByte`] for each byte of the record on the owner.
        /// Errors: [`Error::BadName`], [`Error::BadDescription`], [`Error::NoPurpose`], [`Error::NoGrantBlocks`],
        /// [`Error::NoGrantUses`]; too little money.
        /// Events: [`Event::DatanetRegistered`].
        /// Complexity: O(1).
        #[pallet::call_index(0)]
        pub fn register(
            origin: OriginFor<T>,
            name: Name,
            domain: Name,
            description: Text,
            schema: Schema,
            terms: Terms,
        ) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            ensure!(is_name(&name) && is_name(&domain), Error::<T>::BadName);
            ensure!(core::str::from_utf8(&description).is_ok(), Error::<T>::BadDescription);
            Self::check_terms(&terms)?;
            let profile = Profile { name, domain, description, schema, terms };
            let (datanet, record) = Self::do_register(owner, profile)?;
            Self::deposit_event(Event::DatanetRegistered {
                datanet,
                owner: record.owner,
                name: record.name,
                domain: record.domain,
                description: record.description,
                schema: record.schema,
                terms: record.terms,
                deposit: record.deposit,
            });
            Ok(())
        }

        /// Changes the terms for later grants and jobs. Grants and jobs that stand keep theirs.
        ///
        /// Origin: signed, by the owner.
        /// Details: prices the owner's deposit anew.
        /// Errors: [`Error::NoSuchDatanet`], [`Error::NotOwner`], [`Error::DatanetRetired`], and those of the terms as in
        /// [`Pallet::register`].
        /// Events: [`Event::TermsUpdated`].
        /// Complexity: O(1).
        #[pallet::call_index(1)]
        pub fn update_terms(origin: OriginFor<T>, datanet: DatanetId, terms: Terms) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            let record = Self::owned(datanet, &owner)?;
            ensure!(record.is_active(), Error::<T>::DatanetRetired);
            Self::check_terms(&terms)?;
            let deposit = Self::do_change(datanet, DatanetOf::<T> { terms: terms.clone(), ..record })?;
            Self::deposit_event(Event::TermsUpdated { datanet, terms, deposit });
            Ok(())
        }

        /// Names the curators, in place of those before.
        ///
        /// Origin: signed, by the owner.
        /// Details: prices the owner's deposit anew. A curator may judge, and publish versions at the owner's cost; it needs no
        /// consent, since being named obliges to nothing.
        /// Errors: [`Error::NoSuchDatanet`], [`Error::NotOwner`], [`Error::DuplicateCurator`].
        /// Events: [`Event::CuratorsSet`].
        /// Complexity: O(n log n) in the number of curators, at most [`CURATORS_MAX`].
        #[pallet::call_index(2)]
        #[pallet::weight(<T as Config>::WeightInfo::set_curators(u32::try_from(curators.len()).unwrap_or(CURATORS_MAX)))]
        pub fn set_curators(
            origin: OriginFor<T>,
            datanet: DatanetId,
            curators: BoundedVec<T::AccountId, ConstU32<CURATORS_MAX>>,
        ) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            let record = Self::owned(datanet, &owner)?;
            ensure!(Self::all_differ(&curators), Error::<T>::DuplicateCurator);
            let deposit = Self::do_change(datanet, DatanetOf::<T> { curators: curators.clone(), ..record })?;
            Self::deposit_event(Event::CuratorsSet { datanet, curators, deposit });
            Ok(())
        }

        /// Ends a Datanet: no new contributions, versions, grants or jobs, for good.
        ///
        /// Origin: signed, by the owner.
        /// Details: versions stay, running jobs end, revenue goes on; so the deposit stays on hold. Waiting contributions may
        /// still be rejected or withdrawn.
        /// Errors: [`Error::NoSuchDatanet`], [`Error::NotOwner`], [`Error::DatanetRetired`].
        /// Events: [`Event::DatanetRetired`].
        /// Complexity: O(1).
        #[pallet::call_index(3)]
        pub fn retire(origin: OriginFor<T>, datanet: DatanetId) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            let record = Self::owned(datanet, &owner)?;
            ensure!(record.is_active(), Error::<T>::DatanetRetired);
            Self::do_retire(datanet, record);
            Self::deposit_event(Event::DatanetRetired { datanet });
            Ok(())
        }

        /// Submits a contribution for a curator's judgement.
        ///
        /// Origin: signed, by whom the terms admit.
        /// Details: holds [`Pallet::record_deposit`] and [`Pallet::size_deposit`] on the contributor.
        /// Errors: [`Error::NoSuchDatanet`], [`Error::DatanetRetired`], [`Error::NotAdmitted`], [`Error::NoSamples`],
        /// [`Error::TooManyBytes`], [`Error::BadName`] (the licence), [`Error::DuplicateBlob`], [`Error::QueueFull`]; too
        /// little money.
        /// Events: [`Event::ContributionSubmitted`].
        /// Complexity: O(1).
        #[pallet::call_index(4)]
        pub fn submit_contribution(
            origin: OriginFor<T>,
            datanet: DatanetId,
            samples: SampleCommitment,
            licence: Name,
        ) -> DispatchResult {
            let contributor = ensure_signed(origin)?;
            let record = Self::active(datanet)?;
            let admitted = match record.terms.admission {
                Admission::Anyone => true,
                Admission::Members => record.is_curator(&contributor),
            };
            ensure!(admitted, Error::<T>::NotAdmitted);
            ensure!(samples.samples > 0 && samples.bytes > 0, Error::<T>::NoSamples);
            ensure!(samples.bytes <= T::ContributionBytesMax::get(), Error::<T>::TooManyBytes);
            ensure!(is_name(&licence), Error::<T>::BadName);
            ensure!(!Blobs::<T>::contains_key(datanet, samples.blob), Error::<T>::DuplicateBlob);
            ensure!(Tallies::<T>::get(datanet).pending < T::MaxPending::get(), Error::<T>::QueueFull);
            let (contribution, deposit) = Self::do_submit(datanet, &contributor, samples, licence.clone())?;
            Self::deposit_event(Event::ContributionSubmitted {
                contribution,
                datanet,
                samples,
                licence,
                contributor,
                deposit,
            });
            Ok(())
        }

        /// Lets a waiting contribution into the next version.
        ///
        /// Origin: signed, by the owner, or by a curator who did not make the contribution.
        /// Details: the part of the deposit that goes by size returns to the contributor.
        /// Errors: [`Error::NoSuchContribution`], [`Error::NotCurator`], [`Error::OwnContribution`],
        /// [`Error::DatanetRetired`], [`Error::NotPending`], [`Error::VersionFull`].
        /// Events: [`Event::ContributionAccepted`].
        /// Complexity: O(n) in the accepted contributions, at most [`VERSION_CONTRIBUTIONS_MAX`].
        #[pallet::call_index(5)]
        pub fn accept(origin: OriginFor<T>, contribution: ContributionId) -> DispatchResult {
            let curator = ensure_signed(origin)?;
            let (record, datanet) = Self::judged_by(contribution, &curator)?;
            ensure!(datanet.owner == curator || record.contributor != curator, Error::<T>::OwnContribution);
            ensure!(datanet.is_active(), Error::<T>::DatanetRetired);
            ensure!(record.status == ContributionStatus::Pending, Error::<T>::NotPending);
            let datanet = record.datanet;
            let released = Self::do_accept(contribution, record)?;
            Self::deposit_event(Event::ContributionAccepted { contribution, datanet, curator, released });
            Ok(())
        }

        /// Refuses a waiting contribution.
        ///
        /// Origin: signed, by the owner or a curator.
        /// Details: the record stays, with the reason, until its contributor withdraws it; the part of the deposit that goes
        /// by size returns now, that of the record then. Works in a retired Datanet, so that nobody waits for ever.
        /// Errors: [`Error::NoSuchContribution`], [`Error::NotCurator`], [`Error::NotPending`], [`Error::BadReason`].
        /// Events: [`Event::ContributionRejected`].
        /// Complexity: O(1).
        #[pallet::call_index(6)]
        pub fn reject(origin: OriginFor<T>, contribution: ContributionId, reason: Text) -> DispatchResult {
            let curator = ensure_signed(origin)?;
            let (record, _) = Self::judged_by(contribution, &curator)?;
            ensure!(record.status == ContributionStatus::Pending, Error::<T>::NotPending);
            ensure!(is_name(&reason), Error::<T>::BadReason);
            let datanet = record.datanet;
            let released = Self::do_reject(contribution, record, reason.clone())?;
            Self::deposit_event(Event::ContributionRejected { contribution, datanet, reason, curator, released });
            Ok(())
        }

        /// Takes a contribution back: it will be in no later version.
        ///
        /// Origin: signed, by the contributor.
        /// Details: where no version lists it, the record goes and all of the deposit returns. Where one does, models may
        /// have been trained on it: the record stays as withdrawn, and its deposit with it.
        /// Errors: [`Error::NoSuchContribution`], [`Error::NotContributor`], [`Error::AlreadyWithdrawn`].
        /// Events: [`Event::ContributionWithdrawn`].
        /// Complexity: O(n) in the accepted contributions, at most [`VERSION_CONTRIBUTIONS_MAX`].
        #[pallet::call_index(7)]
        pub fn withdraw(origin: OriginFor<T>, contribution: ContributionId) -> DispatchResult {
            let contributor = ensure_signed(origin)?;
            let record = Contributions::<T>::get(contribution).ok_or(Error::<T>::NoSuchContribution)?;
            ensure!(record.contributor == contributor, Error::<T>::NotContributor);
            ensure!(record.status != ContributionStatus::Withdrawn, Error::<T>::AlreadyWithdrawn);
            let datanet = record.datanet;
            let (removed, released) = Self::do_withdraw(contribution, record)?;
            Self::deposit_event(Event::ContributionWithdrawn { contribution, datanet, removed, contributor, released });
            Ok(())
        }

        /// Publishes everything that is accepted as the next version.
        ///
        /// Origin: signed, by the owner or a curator.
        /// Details: holds [`Config::VersionDeposit`] more on the owner, whoever calls: the owner chose its curators.
        /// Errors: [`Error::NoSuchDatanet`], [`Error::NotCurator`], [`Error::DatanetRetired`], [`Error::NothingAccepted`],
        /// [`Error::NothingNew`]; the owner has too little money.
        /// Events: [`Event::VersionPublished`].
        /// Complexity: O(n) reads and hashes in the accepted contributions, at most [`VERSION_CONTRIBUTIONS_MAX`]; charged
        /// at most, and what fewer contributions cost less is refunded.
        #[pallet::call_index(8)]
        #[pallet::weight(<T as Config>::WeightInfo::publish_version(VERSION_CONTRIBUTIONS_MAX))]
        pub fn publish_version(origin: OriginFor<T>, datanet: DatanetId) -> DispatchResultWithPostInfo {
            let publisher = ensure_signed(origin)?;
            let record = Self::active(datanet)?;
            ensure!(record.is_curator(&publisher), Error::<T>::NotCurator);
            let accepted = Accepted::<T>::get(datanet);
            ensure!(!accepted.is_empty(), Error::<T>::NothingAccepted);
            let newest = VersionRef { datanet, number: record.versions };
            let is_new = Versions::<T>::get(newest).is_none_or(|newest| newest.contributions != accepted);
            ensure!(is_new, Error::<T>::NothingNew);
            let (version, published, deposit) = Self::do_publish(datanet, record, accepted)?;
            let contributions = u32::try_from(published.contributions.len()).unwrap_or(VERSION_CONTRIBUTIONS_MAX);
            Self::deposit_event(Event::VersionPublished {
                version,
                root: published.root,
                contributions,
                samples: published.samples,
                bytes: published.bytes,
                publisher,
                deposit,
            });
            Ok(Some(<T as Config>::WeightInfo::publish_version(contributions)).into())
        }
    }
}
