//! Revenue streams: every sale of a model is divided once, and whoever shaped the model claims with a proof.
//!
//! # Overview
//!
//! When a model is made, the chain opens a stream for it. The stream remembers who gets which part of each sale, and one
//! fingerprint (the contribution root) of a list that says how much each contribution shaped the model. When somebody pays
//! for the model, the payment is divided on the spot: the treasury, the owner of the base model, the trainer, the model's
//! owner and the owners of the data are paid at once. The contributors' part goes to a common pool. Each contributor takes
//! their part out of the pool whenever they like, by showing their line of the list and a short proof that it is in it.
//! A payment costs the same work whether a model has three contributors or sixteen million.
//!
//! # Terminology
//!
//! - *Stream*: where one model's revenue flows. It has the model's number.
//! - *Unit*: a contribution root divides a model into [`SHARE_UNITS`] units. A *leaf* gives some of them to a contribution.
//! - *Revenue per unit*: what each unit has earned since the stream was opened, scaled by 2^64.
//! - *Carry*: what is left from dividing a funding by the units: less than one unit's worth; joins the next funding.
//! - *Pool*: the account that has the contributors' unclaimed parts on hold.
//!
//! # Calls
//!
//! | call | who | what |
//! |---|---|---|
//! | [`fund`](Pallet::fund) | anyone | pays for a model: divides the amount by the stream's split |
//! | [`claim`](Pallet::claim) | the leaf's contributor | takes what the leaf has earned since its last claim |
//!
//! Streams are opened through [`RewardSink`](pallet_support::RewardSink), by the pallet that records models.
//!
//! # Example
//!
//! `tests/claim.rs`, `claim_pays_each_contributor_by_units`: a stream with three leaves is funded and all three claim.
//!
//! # Design
//!
//! - *Dividing.* A part is its millionths of the amount, rounded down; the Datanets' part is divided equally among their
//!   owners, rounded down. All that rounding leaves joins the contributors' part, so the parts sum to the amount exactly.
//! - *Payees that cannot receive.* A part that would leave its payee's account below the existential deposit goes to the
//!   treasury; where the treasury cannot receive its sum either, that joins the contributors' part. A sale is never refused
//!   because of a payee.
//! - *Claims.* A leaf has earned `units x revenue_per_unit / 2^64`, rounded down, and is paid the difference to what it had
//!   earned when it last claimed. So claiming often or seldom pays the same in the end, and all leaves together never get
//!   more than the contributors' part. At most one smallest unit (10^-12 TRIB) per leaf stays in the pool for good.
//! - *Proofs.* The root binds genesis and job, each node binds the sums of its subtrees, and a leaf's index fixes its path. A
//!   proof for another leaf, stream or chain does not lead to the root.
//! - *Deposits.* A leaf's first claim takes a deposit for the record that remembers it. The record must stay as long as the
//!   stream, or the leaf could claim again, so the deposit stays on hold too; the payout may serve as the deposit. A
//!   stream's own storage is covered by the deposit of the job that made the model.
//!
//! # Limits
//!
//! - Shares are those of training. Shares per answer, by epochs of an operator with a challenge window, are not here: they
//!   need receipts and vouchers, and will credit the same streams.
//! - The pool account must be endowed with the existential deposit (the genesis presets do so); until then `fund` refuses.
//! - Parties are fixed when the stream is opened. Selling a Datanet does not move its part of earlier models.
//! - Whether the root is right is not checked here but by whoever recomputes it while the job's report may be disputed.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::float_arithmetic))]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[deny(clippy::as_conversions)] // Not crate-wide: the pallet macro's own code uses `as`.
mod logic;
#[cfg(test)]
mod mock;
#[deny(clippy::as_conversions)]
mod reads;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "try-state", test))]
mod try_state;
mod types;
pub mod weights;

pub use pallet::*;
pub use tributary_protocol::stream::SHARE_UNITS;
pub use types::{Claim, Distribution};
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use frame_support::{
        PalletId,
        pallet_prelude::*,
        traits::fungible::{Inspect, InspectHold, Mutate, MutateHold},
    };
    use frame_system::pallet_prelude::*;
    use tributary_protocol::{
        Amount, ContributionId, JobId, ModelId,
        stream::{ContributionRoot, Parties, Split, Stream},
        sum_tree::{SumLeaf, SumProof},
    };

    /// The layout of storage that this code reads and writes.
    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What the runtime decides. Accounts and block hashes are 32 bytes: leaves and proofs bind them.
    #[pallet::config]
    pub trait Config:
        frame_system::Config<RuntimeEvent: From<Event<Self>>, AccountId: Into<[u8; 32]>, Hash: Into<[u8; 32]>>
    {
        /// Money, with holds.
        type Currency: Inspect<Self::AccountId, Balance = Amount>
            + Mutate<Self::AccountId>
            + InspectHold<Self::AccountId, Reason = Self::RuntimeHoldReason>
            + MutateHold<Self::AccountId>;

        /// The reasons of the whole runtime.
        type RuntimeHoldReason: From<HoldReason>;

        /// The account that gets the treasury's part. Should exist from genesis.
        type Treasury: Get<Self::AccountId>;

        /// From which the pool's account is derived.
        #[pallet::constant]
        type PalletId: Get<PalletId>;

        /// The least that [`Pallet::fund`] takes, in the smallest unit.
        #[pallet::constant]
        type FundMin: Get<Amount>;

        /// What a contributor has on hold for the record of a leaf that has claimed, in the smallest unit.
        #[pallet::constant]
        type ClaimDeposit: Get<Amount>;

        /// Weights from benchmarks.
        type WeightInfo: WeightInfo;
    }

    /// Why money is on hold.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// The contributors' unclaimed parts, in the pool account.
        ContributorPool,
        /// The deposit for the record of a leaf that has claimed.
        Claim,
    }

    /// The streams. Numbers are given in order by the chain and cannot be ground, so Twox64 serves; a key can be read back.
    /// Covered by the deposit of the job that made the model.
    #[pallet::storage]
    pub type Streams<T: Config> = StorageMap<_, Twox64Concat, ModelId, Stream<T::AccountId>>;

    /// The leaves that have claimed, by model and index. An index is at most 2^24 and must be in a proven tree, too little to
    /// grind, so Twox64 serves. The contributor has a deposit on hold for each.
    #[pallet::storage]
    pub type Claims<T: Config> = StorageDoubleMap<_, Twox64Concat, ModelId, Twox64Concat, u32, Claim<T::AccountId>>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A model's stream was opened.
        StreamOpened {
            /// The model.
            model: ModelId,
            /// The job that made it.
            job: JobId,
            /// How a sale splits.
            split: Split,
            /// Who shaped the model.
            contributions: ContributionRoot,
            /// Who is paid beside the contributors.
            parties: Parties<T::AccountId>,
        },
        /// A sale was divided.
        StreamFunded {
            /// The model.
            model: ModelId,
            /// Who paid.
            payer: T::AccountId,
            /// How much.
            amount: Amount,
            /// Where it went; sums to `amount`.
            distribution: Distribution,
        },
        /// A contributor was paid.
        RewardClaimed {
            /// The model.
            model: ModelId,
            /// The leaf's place in the contribution root.
            index: u32,
            /// The contribution.
            contribution: ContributionId,
            /// Who made it and was paid.
            contributor: T::AccountId,
            /// The leaf's units.
            units: u64,
            /// How much.
            amount: Amount,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The model has no stream. Streams are opened when a job settles: check the model's number.
        UnknownStream,
        /// The model has a stream already; a stream is opened once.
        StreamExists,
        /// The parts of the split do not sum to exactly one million.
        SplitNotWhole,
        /// The contribution root's total is not the fixed number of units.
        NotShareUnits,
        /// The contribution root has no leaves, or too many.
        LeavesOutOfBounds,
        /// The amount is below `FundMin`, too little to divide with sense. Pay more at once.
        AmountBelowMinimum,
        /// The payer's free balance less the existential deposit is below the amount.
        BalanceTooLow,
        /// The pool account is below the existential deposit and can hold nothing. Anyone may send it that once.
        PoolNotEndowed,
        /// The leaf belongs to another account. Only the account in the leaf may claim for it.
        NotTheContributor,
        /// The leaf's index is outside the contribution root.
        LeafOutOfRange,
        /// The proof is longer or shorter than the leaf's index and the root's number of leaves imply.
        ProofLengthWrong,
        /// The proof's units do not add up to the root's total.
        ProofTotalWrong,
        /// The proof does not lead to the contribution root: it is for another leaf, stream or chain.
        ProofRootWrong,
        /// The leaf has earned less than one smallest unit since its last claim. Wait for the next sale.
        NothingToClaim,
        /// With the payout the account would still be below the existential deposit. Send it some balance first, or wait until
        /// more is due.
        PayoutBelowExistentialDeposit,
        /// The account, payout included, cannot place the deposit of a first claim. Send it some balance first, or wait until
        /// more is due.
        DepositUnaffordable,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }

        fn integrity_test() {
            // What a sale must at least come to, so that every party of a split by percents gets something.
            assert!(T::FundMin::get() >= 100, "FundMin must be at least 100 smallest units");
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Pays for a model: the amount is divided by the stream's split.
        ///
        /// # Origin
        /// Signed, by anyone.
        ///
        /// # Details
        /// Treasury, base model's owner, trainer, model's owner and Datanet owners are paid at once. The contributors' part goes
        /// on hold in the pool and raises the revenue per unit. What rounding leaves joins the contributors' part. A part that
        /// its payee's account cannot take goes to the treasury, or else to the contributors. The payer's account stays alive.
        ///
        /// # Errors
        /// `UnknownStream`, `AmountBelowMinimum`, `BalanceTooLow`, `PoolNotEndowed`.
        ///
        /// # Events
        /// `StreamFunded`.
        ///
        /// # Complexity
        /// O(1) in the number of contributors; at most 12 transfers: one for each of up to 8 Datanets.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::fund())]
        pub fn fund(origin: OriginFor<T>, model: ModelId, #[pallet::compact] amount: Amount) -> DispatchResult {
            let payer = ensure_signed(origin)?;
            let stream = Streams::<T>::get(model).ok_or(Error::<T>::UnknownStream)?;
            ensure!(amount >= T::FundMin::get(), Error::<T>::AmountBelowMinimum);
            ensure!(Self::can_pay(&payer, amount), Error::<T>::BalanceTooLow);
            ensure!(Self::pool_is_endowed(), Error::<T>::PoolNotEndowed);
            let distribution = Self::do_fund(model, stream, &payer, amount)?;
            Self::deposit_event(Event::StreamFunded { model, payer, amount, distribution });
            Ok(())
        }

        /// Takes what a leaf of a model's contribution root has earned since its last claim.
        ///
        /// # Origin
        /// Signed, by the leaf's contributor.
        ///
        /// # Details
        /// The leaf is proven against the root that the trainer reported. The first claim of a leaf also takes a deposit, for
        /// which the payout may serve.
        ///
        /// # Errors
        /// `UnknownStream`, `NotTheContributor`, `LeafOutOfRange`, `ProofLengthWrong`, `ProofTotalWrong`, `ProofRootWrong`,
        /// `NothingToClaim`, `PayoutBelowExistentialDeposit`, `DepositUnaffordable`.
        ///
        /// # Events
        /// `RewardClaimed`.
        ///
        /// # Complexity
        /// O(d), where d is the number of the proof's siblings: at most 24 hashes.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::claim(u32::try_from(proof.siblings.len()).unwrap_or(u32::MAX)))]
        pub fn claim(origin: OriginFor<T>, model: ModelId, leaf: SumLeaf, proof: SumProof) -> DispatchResult {
            let contributor = ensure_signed(origin)?;
            ensure!(contributor.clone().into() == leaf.contributor, Error::<T>::NotTheContributor);
            let stream = Streams::<T>::get(model).ok_or(Error::<T>::UnknownStream)?;
            Self::ensure_proven(&stream, &leaf, &proof)?;
            let amount = Self::due(model, &stream, leaf.index, leaf.units)?;
            ensure!(amount > 0, Error::<T>::NothingToClaim);
            ensure!(Self::can_receive(&contributor, amount), Error::<T>::PayoutBelowExistentialDeposit);
            Self::do_claim(model, stream, &contributor, &leaf, amount)?;
            Self::deposit_event(Event::RewardClaimed {
                model,
                index: leaf.index,
                contribution: leaf.contribution,
                contributor,
                units: leaf.units,
                amount,
            });
            Ok(())
        }
    }
}
