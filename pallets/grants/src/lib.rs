//! Grants: revocable permission to use a Datanet's data, taken by jobs and asked for again by everyone who hands data out.
//!
//! # Overview
//! Data in a Datanet may be used by those who hold a *grant*: for one purpose, for certain versions and base models, for so
//! many jobs, until a block. Under open terms whoever asks gets one at once; else the Datanet's owner decides, or signs an
//! *offer* beforehand, off chain, which its grantee presents. The owner can take a grant back at any time: no job starts
//! under it any more, no provider hands out data for it, and models that came of it can be found.
//!
//! # Terminology
//! - **Grant**, **terms**, **use**, **refusal**: the types of [`tributary_protocol::grant`], and the rule that decides.
//! - **Grantee**: who may use the data. **Owner**: who owns the Datanet.
//! - **Offer**: a grant signed by the owner ahead ([`tributary_protocol::grant::GrantOffer`]). Its number (*nonce*) makes at
//!   most one grant.
//! - **Taken use**: a job under way or settled. A use is given back where no model comes of its job.
//!
//! # Calls
//! | call | who | status before -> after |
//! |---|---|---|
//! | [`request`](Pallet::request) | anyone who places the deposit | -> Requested; -> Active under open terms or for the owner |
//! | [`issue`](Pallet::issue) | the owner | Requested -> Active |
//! | [`deny`](Pallet::deny) | the owner | Requested -> Denied |
//! | [`revoke`](Pallet::revoke) | the owner | Active -> Revoked |
//! | [`renounce`](Pallet::renounce) | the grantee | Requested, Active -> Renounced |
//! | [`present`](Pallet::present) | the grantee of a signed offer | -> Active |
//! | [`prune`](Pallet::prune) | the grantee | over and without a taken use -> no record |
//!
//! # Example
//! `tests/story.rs` plays a grant from request over use to revocation, and one from an offer to its pruning.
//!
//! # Design
//! - **One rule**: [`tributary_protocol::grant::Grant::allows`], the same in the block, in the runtime API and in every
//!   provider. This pallet keeps the records; jobs take, check and give back uses through
//!   [`GrantGate`](pallet_support::GrantGate).
//! - **The terms of the day a grant is given bind it**: a request is checked against the Datanet's terms when it is made and
//!   again when it is issued. Later changes do not touch it. An offer is bound by the terms, too: contributors were told what
//!   their data may be used for, and the owner alone cannot widen that.
//! - **Offers** are signed over a context, this chain's genesis hash and all that the grant will be, so one cannot be
//!   presented on another chain, by another account, or with other terms. Wallets that wrap what they sign in
//!   `<Bytes>..</Bytes>` are understood.
//! - **Deposits.** A grantee has on hold what a grant's record can take at most (an owner's reason lengthens it, and no owner
//!   may make a grantee pay more), and [`Config::OfferDeposit`] for the note that an offer was presented. Both return when
//!   the grant is pruned.
//! - **What models rest on stays.** A grant with a taken use cannot be pruned: its job is under way, or a model names it in
//!   its lineage, and the owner may still revoke it. Nor can one whose offer is still valid: it could be presented again.
//! - **Revoking** needs no look at jobs or models: every check asks this record. It works on an expired grant as well, to
//!   mark what came of it.
//!
//! # Limits
//! - A revocation stops delivery from then on. It cannot take back what was handed out.
//! - Requests wait without end; the grantee can renounce one, and has at most [`Config::MaxOpenRequests`] on a Datanet.
//! - A page of a grantee's or a Datanet's grants walks over the places of pruned ones, see [`Pallet::grants_of`].
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
    not(any(test, feature = "runtime-benchmarks")),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::indexing_slicing)
)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[deny(clippy::as_conversions)]
mod gate;
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

#[cfg(feature = "runtime-benchmarks")]
pub use benchmarking::BenchmarkHelper;
pub use pallet::*;
pub use types::{GrantOf, Places, Presented, Tally};
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use crate::{
        logic::is_reason,
        types::{GrantOf, Places, Presented, Tally},
        weights::WeightInfo,
    };
    use frame_support::{
        pallet_prelude::*,
        traits::fungible::{Inspect, Mutate, MutateHold},
    };
    use frame_system::pallet_prelude::*;
    use pallet_support::{DatanetInspect, now};
    use sp_runtime::traits::{IdentifyAccount, Verify};
    use tributary_protocol::{
        Amount, DatanetId, GrantId,
        datanet::{AccessPolicy, Text},
        grant::{GrantOffer, GrantStatus, GrantTerms},
    };

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What the runtime decides.
    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>, Hash: Into<[u8; 32]>> {
        /// The overarching hold reason.
        type RuntimeHoldReason: From<HoldReason>;

        /// The chain's money.
        type Currency: Inspect<Self::AccountId, Balance = Amount>
            + Mutate<Self::AccountId>
            + MutateHold<Self::AccountId, Reason = Self::RuntimeHoldReason>;

        /// Where Datanets, their owners and terms are looked up.
        type Datanets: DatanetInspect<Self::AccountId>;

        /// How owners sign offers.
        type OfferSignature: Verify<Signer: IdentifyAccount<AccountId = Self::AccountId>> + Member + Parameter;

        /// What a grant holds on its grantee, in units, beside [`Config::DepositPerByte`].
        #[pallet::constant]
        type GrantDeposit: Get<Amount>;

        /// What each byte of a grant's record, at its largest, holds on its grantee, in units.
        #[pallet::constant]
        type DepositPerByte: Get<Amount>;

        /// What a presented offer holds on its grantee, in units, beside the grant.
        #[pallet::constant]
        type OfferDeposit: Get<Amount>;

        /// Most requests of one account on one Datanet that wait for the owner at a time.
        #[pallet::constant]
        type MaxOpenRequests: Get<u32>;

        /// How benchmarks sign offers.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::BenchmarkHelper<Self::AccountId, Self::OfferSignature>;

        /// What the calls weigh.
        type WeightInfo: WeightInfo;
    }

    /// Why money is on hold.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// A grantee's grants.
        Grant,
    }

    /// The number that the next grant will have.
    #[pallet::storage]
    pub type NextGrant<T> = StorageValue<_, GrantId, ValueQuery>;

    /// The grants. The deposit is held on the grantee ([`HoldReason::Grant`]). Numbers are the chain's own, so a short hash
    /// does.
    #[pallet::storage]
    pub type Grants<T: Config> = StorageMap<_, Twox64Concat, GrantId, GrantOf<T>>;

    /// Where each grant stands in the lists below. Paid for by its deposit. Numbers are the chain's own.
    #[pallet::storage]
    pub type GrantPlaces<T> = StorageMap<_, Twox64Concat, GrantId, Places>;

    /// The grants of each grantee, in the order of asking; pruned ones leave gaps. Paid for by the grant's deposit. Accounts
    /// are chosen by their owners, so their hash must be cryptographic; places are the chain's own.
    #[pallet::storage]
    pub type ByGrantee<T: Config> = StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Twox64Concat, u32, GrantId>;

    /// How many grants each grantee has. Paid for by the grants' deposits. Accounts are chosen by their owners.
    #[pallet::storage]
    pub type GranteeTallies<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Tally>;

    /// The grants on each Datanet, in the order of asking; pruned ones leave gaps. Paid for by the grant's deposit. Numbers
    /// are the chain's own, so short hashes do.
    #[pallet::storage]
    pub type ByDatanet<T> = StorageDoubleMap<_, Twox64Concat, DatanetId, Twox64Concat, u32, GrantId>;

    /// How many grants each Datanet has. Paid for by the grants' deposits. Numbers are the chain's own.
    #[pallet::storage]
    pub type DatanetTallies<T> = StorageMap<_, Twox64Concat, DatanetId, Tally>;

    /// How many requests of an account on a Datanet wait. Paid for by the grants' deposits. Accounts are chosen by their
    /// owners, so their hash must be cryptographic.
    #[pallet::storage]
    pub type OpenRequests<T: Config> =
        StorageDoubleMap<_, Twox64Concat, DatanetId, Blake2_128Concat, T::AccountId, u32, ValueQuery>;

    /// Which grant each presented offer made. Paid for by [`Config::OfferDeposit`], which is part of the grant's deposit.
    /// Owners choose the numbers of their offers, so their hash must be cryptographic.
    #[pallet::storage]
    pub type OfferNonces<T> = StorageDoubleMap<_, Twox64Concat, DatanetId, Blake2_128Concat, u64, GrantId>;

    /// From which offer a grant came: the way from it to its entry in [`OfferNonces`]. Paid for likewise. Numbers are the
    /// chain's own.
    #[pallet::storage]
    pub type Offers<T> = StorageMap<_, Twox64Concat, GrantId, Presented>;

    /// What happened.
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A grant waits for the Datanet's owner.
        GrantRequested {
            /// Its number.
            grant: GrantId,
            /// The Datanet.
            datanet: DatanetId,
            /// What is asked for.
            terms: GrantTerms,
            /// Who asks.
            grantee: T::AccountId,
            /// What the grantee has on hold for it.
            deposit: Amount,
        },
        /// A grant is active: given at once under open terms, by the owner's decision, or by an offer.
        GrantIssued {
            /// Its number.
            grant: GrantId,
            /// The Datanet.
            datanet: DatanetId,
            /// The number of the offer, where it came of one.
            nonce: Option<u64>,
            /// What it allows.
            terms: GrantTerms,
            /// Who may use the data.
            grantee: T::AccountId,
            /// What the grantee has on hold for it.
            deposit: Amount,
        },
        /// An owner refused a request.
        GrantDenied {
            /// The grant.
            grant: GrantId,
            /// The Datanet.
            datanet: DatanetId,
            /// Why.
            reason: Text,
            /// Who asked.
            grantee: T::AccountId,
        },
        /// An owner took a grant back. Jobs and providers that check it refuse from now on.
        GrantRevoked {
            /// The grant.
            grant: GrantId,
            /// The Datanet.
            datanet: DatanetId,
            /// Why.
            reason: Text,
            /// Who had it.
            grantee: T::AccountId,
        },
        /// A grantee gave a grant, or a request, back.
        GrantRenounced {
            /// The grant.
            grant: GrantId,
            /// The Datanet.
            datanet: DatanetId,
            /// Who had it.
            grantee: T::AccountId,
        },
        /// A grantee removed a grant that nothing rests on.
        GrantPruned {
            /// The grant.
            grant: GrantId,
            /// The Datanet.
            datanet: DatanetId,
            /// Who had it.
            grantee: T::AccountId,
            /// What the grantee got back.
            released: Amount,
        },
        /// A job took a use.
        UseTaken {
            /// The grant.
            grant: GrantId,
            /// How many of its uses are taken now.
            used: u32,
        },
        /// A job ended without a model and gave its use back.
        UseGivenBack {
            /// The grant.
            grant: GrantId,
            /// How many of its uses are taken now.
            used: u32,
        },
    }

    /// Why a call was refused.
    #[pallet::error]
    pub enum Error<T> {
        /// There is no Datanet of this number.
        NoSuchDatanet,
        /// There is no grant of this number: never asked for, or pruned by its grantee.
        NoSuchGrant,
        /// The Datanet was retired and gives no grants.
        DatanetRetired,
        /// Only the Datanet's owner may do this.
        NotOwner,
        /// Only the grantee may do this.
        NotGrantee,
        /// The Datanet's terms do not allow this purpose. Ask for one that they do.
        PurposeNotOffered,
        /// The scope holds no version: they count from 1.
        NoVersions,
        /// A grant for no job is no grant. Ask for at least one use.
        NoUses,
        /// More uses than the Datanet's terms give to one grant. Ask for fewer; another grant can follow.
        TooManyUses,
        /// The last block lies in the past or is this one.
        ExpiresTooSoon,
        /// The grant would live longer than the Datanet's terms allow.
        ExpiresTooLate,
        /// Too many requests of this account wait on this Datanet. Renounce one, or wait for the owner.
        TooManyRequests,
        /// The grant does not wait for a decision: it was decided before, or given back.
        NotRequested,
        /// The grant is not active.
        NotActive,
        /// The grant is over already: denied, revoked or given back.
        AlreadyOver,
        /// A reason is empty or not UTF-8. Say why, so that the grantee can act.
        BadReason,
        /// The offer's last block has passed. Ask the owner for a new one.
        OfferExpired,
        /// The offer was presented before. Each number makes one grant.
        OfferUsed,
        /// The signature is not the owner's over this offer on this chain.
        BadSignature,
        /// The grant's offer is still valid: without this record it could be presented again. Prune after its last block.
        OfferStillValid,
        /// The grant is still running. Renounce it first, or wait until it expires.
        StillActive,
        /// Jobs took uses of the grant: one is under way, or a model names it in its lineage.
        InUse,
        /// A number space is at its end.
        Overflow,
        /// The chain's records contradict each other. Nothing was changed; please report it.
        Inconsistent,
        /// The grant is for another Datanet.
        OtherDatanet,
        /// The grant belongs to another account.
        OtherGrantee,
        /// The grant has not been issued: its owner has not decided, or has refused.
        NotIssued,
        /// The owner took the grant back. Ask for another.
        Revoked,
        /// The grantee gave the grant back. Ask for another.
        Renounced,
        /// The grant's last block has passed. Ask for another.
        Expired,
        /// The grant does not open this version.
        OtherVersion,
        /// The grant is for another purpose.
        OtherPurpose,
        /// The grant does not cover this base model.
        OtherBaseModel,
        /// Every use of the grant is taken. Ask for another.
        UsedUp,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(T::MaxOpenRequests::get() > 0, "a grantee could not ask");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call(weight = <T as Config>::WeightInfo)]
    impl<T: Config> Pallet<T> {
        /// Asks for a grant.
        ///
        /// Origin: signed, by who will be the grantee.
        /// Details: active at once where the Datanet's terms are open or its owner asks, since there is nobody else to decide;
        /// else it waits. Holds [`Pallet::grant_deposit`] on the grantee. `terms` may name versions that do not exist yet.
        /// Errors: [`Error::NoSuchDatanet`], [`Error::DatanetRetired`], [`Error::PurposeNotOffered`],
        /// [`Error::NoVersions`], [`Error::NoUses`], [`Error::TooManyUses`], [`Error::ExpiresTooSoon`],
        /// [`Error::ExpiresTooLate`], [`Error::TooManyRequests`]; too little money.
        /// Events: [`Event::GrantRequested`] or [`Event::GrantIssued`].
        /// Complexity: O(1).
        #[pallet::call_index(0)]
        pub fn request(origin: OriginFor<T>, datanet: DatanetId, terms: GrantTerms) -> DispatchResult {
            let grantee = ensure_signed(origin)?;
            let record = Self::active_datanet(datanet)?;
            Self::check_terms(&record.terms, &terms)?;
            let at_once = record.terms.access == AccessPolicy::Open || record.owner == grantee;
            if at_once {
                let (grant, deposit) = Self::do_create(datanet, &grantee, terms, GrantStatus::Active, None)?;
                Self::deposit_event(Event::GrantIssued { grant, datanet, nonce: None, terms, grantee, deposit });
            } else {
                let open = OpenRequests::<T>::get(datanet, &grantee);
                ensure!(open < T::MaxOpenRequests::get(), Error::<T>::TooManyRequests);
                let (grant, deposit) = Self::do_create(datanet, &grantee, terms, GrantStatus::Requested, None)?;
                Self::deposit_event(Event::GrantRequested { grant, datanet, terms, grantee, deposit });
            }
            Ok(())
        }

        /// Gives what was asked for.
        ///
        /// Origin: signed, by the Datanet's owner.
        /// Details: the request must fit the terms of today.
        /// Errors: [`Error::NoSuchGrant`], [`Error::NotOwner`], [`Error::NotRequested`], [`Error::DatanetRetired`], and those
        /// of the terms as in [`Pallet::request`].
        /// Events: [`Event::GrantIssued`].
        /// Complexity: O(1).
        #[pallet::call_index(1)]
        pub fn issue(origin: OriginFor<T>, grant: GrantId) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            let (record, datanet) = Self::given_by(grant, &owner)?;
            ensure!(record.status == GrantStatus::Requested, Error::<T>::NotRequested);
            ensure!(datanet.is_active(), Error::<T>::DatanetRetired);
            Self::check_terms(&datanet.terms, &record.terms)?;
            let record = Self::do_decide(grant, record, GrantStatus::Active);
            Self::deposit_event(Event::GrantIssued {
                grant,
                datanet: record.datanet,
                nonce: None,
                terms: record.terms,
                grantee: record.grantee,
                deposit: record.deposit,
            });
            Ok(())
        }

        /// Refuses what was asked for.
        ///
        /// Origin: signed, by the Datanet's owner.
        /// Details: the record stays with its reason until the grantee prunes it. Works on a retired Datanet.
        /// Errors: [`Error::NoSuchGrant`], [`Error::NotOwner`], [`Error::NotRequested`], [`Error::BadReason`].
        /// Events: [`Event::GrantDenied`].
        /// Complexity: O(1).
        #[pallet::call_index(2)]
        pub fn deny(origin: OriginFor<T>, grant: GrantId, reason: Text) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            let (record, _) = Self::given_by(grant, &owner)?;
            ensure!(record.status == GrantStatus::Requested, Error::<T>::NotRequested);
            ensure!(is_reason(&reason), Error::<T>::BadReason);
            let record = Self::do_decide(grant, record, GrantStatus::Denied { reason: reason.clone() });
            Self::deposit_event(Event::GrantDenied { grant, datanet: record.datanet, reason, grantee: record.grantee });
            Ok(())
        }

        /// Takes a grant back, at once and for good.
        ///
        /// Origin: signed, by the Datanet's owner.
        /// Details: uses taken before stay taken, but every check of them is refused from now on. Works on expired grants and
        /// on a retired Datanet.
        /// Errors: [`Error::NoSuchGrant`], [`Error::NotOwner`], [`Error::NotActive`], [`Error::BadReason`].
        /// Events: [`Event::GrantRevoked`].
        /// Complexity: O(1).
        #[pallet::call_index(3)]
        pub fn revoke(origin: OriginFor<T>, grant: GrantId, reason: Text) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            let (record, _) = Self::given_by(grant, &owner)?;
            ensure!(record.status == GrantStatus::Active, Error::<T>::NotActive);
            ensure!(is_reason(&reason), Error::<T>::BadReason);
            let revoked = GrantStatus::Revoked { reason: reason.clone(), at: now::<T>() };
            let record = Self::do_end(grant, record, revoked);
            Self::deposit_event(Event::GrantRevoked {
                grant,
                datanet: record.datanet,
                reason,
                grantee: record.grantee,
            });
            Ok(())
        }

        /// Gives a grant back, or takes a request back.
        ///
        /// Origin: signed, by the grantee.
        /// Details: the deposit stays until the grant is pruned.
        /// Errors: [`Error::NoSuchGrant`], [`Error::NotGrantee`], [`Error::AlreadyOver`].
        /// Events: [`Event::GrantRenounced`].
        /// Complexity: O(1).
        #[pallet::call_index(4)]
        pub fn renounce(origin: OriginFor<T>, grant: GrantId) -> DispatchResult {
            let grantee = ensure_signed(origin)?;
            let record = Self::held_by(grant, &grantee)?;
            let datanet = record.datanet;
            match record.status {
                GrantStatus::Requested => Self::do_decide(grant, record, GrantStatus::Renounced),
                GrantStatus::Active => Self::do_end(grant, record, GrantStatus::Renounced),
                GrantStatus::Denied { .. } | GrantStatus::Revoked { .. } | GrantStatus::Renounced => {
                    return Err(Error::<T>::AlreadyOver.into());
                }
            };
            Self::deposit_event(Event::GrantRenounced { grant, datanet, grantee });
            Ok(())
        }

        /// Turns an offer that the Datanet's owner signed off chain into an active grant.
        ///
        /// Origin: signed, by the offer's grantee.
        /// Details: `signature` is the owner's over [`GrantOffer::payload`] with this chain's genesis hash, plain or wrapped
        /// in `<Bytes>..</Bytes>`. Holds [`Pallet::grant_deposit`] and [`Config::OfferDeposit`] on the grantee.
        /// Errors: [`Error::NotGrantee`], [`Error::OfferExpired`], [`Error::OfferUsed`], [`Error::BadSignature`], and those
        /// of [`Pallet::request`] save [`Error::TooManyRequests`].
        /// Events: [`Event::GrantIssued`].
        /// Complexity: O(1), with at most two signature checks.
        #[pallet::call_index(5)]
        pub fn present(
            origin: OriginFor<T>,
            offer: GrantOffer<T::AccountId>,
            signature: T::OfferSignature,
        ) -> DispatchResult {
            let grantee = ensure_signed(origin)?;
            ensure!(offer.grantee == grantee, Error::<T>::NotGrantee);
            let record = Self::active_datanet(offer.datanet)?;
            ensure!(now::<T>() <= offer.valid_until, Error::<T>::OfferExpired);
            ensure!(!OfferNonces::<T>::contains_key(offer.datanet, offer.nonce), Error::<T>::OfferUsed);
            Self::check_terms(&record.terms, &offer.terms)?;
            ensure!(Self::is_signed_by(&record.owner, &offer, &signature), Error::<T>::BadSignature);
            let GrantOffer { datanet, terms, nonce, valid_until, .. } = offer;
            let presented = Some(Presented { nonce, valid_until });
            let (grant, deposit) = Self::do_create(datanet, &grantee, terms, GrantStatus::Active, presented)?;
            Self::deposit_event(Event::GrantIssued { grant, datanet, nonce: Some(nonce), terms, grantee, deposit });
            Ok(())
        }

        /// Removes a grant that is over and that nothing rests on; its deposit returns.
        ///
        /// Origin: signed, by the grantee.
        /// Details: over are denied, revoked, renounced and expired grants. A grant with a taken use stays; see the design.
        /// Errors: [`Error::NoSuchGrant`], [`Error::NotGrantee`], [`Error::StillActive`], [`Error::InUse`],
        /// [`Error::OfferStillValid`].
        /// Events: [`Event::GrantPruned`].
        /// Complexity: O(1).
        #[pallet::call_index(6)]
        pub fn prune(origin: OriginFor<T>, grant: GrantId) -> DispatchResult {
            let grantee = ensure_signed(origin)?;
            let record = Self::held_by(grant, &grantee)?;
            ensure!(Self::is_over(&record), Error::<T>::StillActive);
            ensure!(record.used == 0, Error::<T>::InUse);
            let replayable = Offers::<T>::get(grant).is_some_and(|offer| now::<T>() <= offer.valid_until);
            ensure!(!replayable, Error::<T>::OfferStillValid);
            let (datanet, released) = (record.datanet, record.deposit);
            Self::do_prune(grant, record)?;
            Self::deposit_event(Event::GrantPruned { grant, datanet, grantee, released });
            Ok(())
        }
    }
}
