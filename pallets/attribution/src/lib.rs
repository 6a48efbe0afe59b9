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
//! | [`fund_answers`](Pallet::fund_answers) | an operator | pays for answers: a part waits for the operator's epochs |
//! | [`publish_epoch`](Pallet::publish_epoch) | the operator | posts what the answers so far have earned each contribution |
//! | [`challenge`](Pallet::challenge) | anyone, with a bond | demands that drawn leaves of the epoch be opened |
//! | [`draw`](Pallet::draw) | anyone | draws them, once randomness from after the challenge is there |
//! | [`open_leaf`](Pallet::open_leaf) | anyone | opens a leaf at the points that it covers |
//! | [`refute`](Pallet::refute) | anyone | shows that a leaf takes back what was given, or names another account |
//! | [`resolve`](Pallet::resolve) | anyone | ends the epoch as its state says: accepted, or rejected and slashed |
//! | [`overturn`](Pallet::overturn) | [`Config::DisputeOrigin`] | rejects an epoch of which a leaf was computed wrongly |
//! | [`claim_answers`](Pallet::claim_answers) | the leaf's contributor | takes what the accepted epoch adds to the leaf |
//! | [`release`](Pallet::release) | anyone | gives what an operator never divided to the contributors by their shares |
//!
//! Streams are opened through [`RewardSink`](pallet_support::RewardSink), by the pallet that records models. What apps pay for
//! answers comes in through [`AnswerSink`](pallet_support::AnswerSink), by the pallet of payment channels.
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
//! - *Epochs.* An operator's payments for answers go to a ledger of that operator with that model, and its epochs say how
//!   they divide: a Merkle-sum tree of all that each contribution has earned so far, whose total must be what was paid in.
//!   An epoch that nobody challenges is accepted when its window ends. A challenged one needs the leaves opened that cover
//!   [`AUDIT_DRAWS`](tributary_protocol::epoch::AUDIT_DRAWS) points, drawn by randomness from after the challenge. Who loses
//!   pays: the challenger's bond to the operator, or the operator's bond to the treasury, a part of it to the reporter. A
//!   rejected epoch takes nothing from contributors: what was paid in waits for the next one, or for `release`.
//! - *How much answers divide* is the model's `attributed` part, which its measured accuracy has earned; the rest of the
//!   contributors' part goes by the shares, as with `fund`.
//!
//! # Limits
//!
//! - Whether an opened leaf is right is found by computing it again outside, and decided by [`Config::DisputeOrigin`].
//! - An audit draws from all that was ever given, so a theft in a late epoch is a smaller part of what is drawn from.
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
mod epochs;
#[deny(clippy::as_conversions)]
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
pub use tributary_protocol::epoch::Against;
pub use tributary_protocol::stream::SHARE_UNITS;
pub use types::{AnswerClaim, AnswerPayment, Claim, Distribution, Rejection};
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use frame_support::{
        PalletId,
        pallet_prelude::*,
        traits::{
            Randomness,
            fungible::{Inspect, InspectHold, Mutate, MutateHold},
        },
    };
    use frame_system::pallet_prelude::*;
    use tributary_protocol::{
        Amount, BlockNumber, ContentHash, ContributionId, JobId, ModelId, Ppm,
        epoch::{AUDIT_DRAWS, AmountLeaf, AmountProof, EpochRoot, Ledger},
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

        /// What an operator has on hold for the ledger with a model's contributors, in the smallest unit.
        #[pallet::constant]
        type LedgerDeposit: Get<Amount>;

        /// The least bond of an epoch, in the smallest unit.
        #[pallet::constant]
        type EpochBondMin: Get<Amount>;

        /// The bond of an epoch as a part of what it newly divides.
        #[pallet::constant]
        type EpochBondPart: Get<Ppm>;

        /// The bond of a challenge, in the smallest unit: should pay for opening
        /// [`AUDIT_DRAWS`] leaves.
        #[pallet::constant]
        type ChallengeBond: Get<Amount>;

        /// The part of a lost epoch's bond that goes to whoever brought it down.
        #[pallet::constant]
        type ReporterPart: Get<Ppm>;

        /// For how many blocks an epoch may be challenged.
        #[pallet::constant]
        type ChallengeWindow: Get<BlockNumber>;

        /// For how many blocks after the draw leaves may be opened.
        #[pallet::constant]
        type OpenWindow: Get<BlockNumber>;

        /// After how many blocks without an epoch what an operator has paid in may be released.
        #[pallet::constant]
        type EpochTimeout: Get<BlockNumber>;

        /// From which audits are drawn. Must say since when its value could be known.
        type Randomness: Randomness<Self::Hash, BlockNumberFor<Self>>;

        /// Who finds a leaf of an epoch wrong.
        type DisputeOrigin: EnsureOrigin<Self::RuntimeOrigin>;

        /// Weights from benchmarks.
        type WeightInfo: WeightInfo;

        /// What benchmarks ask of the runtime.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: BenchmarkHelper;
    }

    /// What benchmarks ask of the runtime.
    #[cfg(feature = "runtime-benchmarks")]
    pub trait BenchmarkHelper {
        /// Makes the randomness one that could be known since `block`.
        fn randomness_since(block: BlockNumber);
    }

    /// Why money is on hold.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// The contributors' unclaimed parts, in the pool account.
        ContributorPool,
        /// The deposit for the record of a leaf that has claimed.
        Claim,
        /// What operators paid in and contributors have not claimed by answers, in the pool account.
        AnswerPool,
        /// The deposit for an operator's ledger.
        Ledger,
        /// The bond of an epoch.
        Epoch,
        /// The bond of a challenge.
        Challenge,
    }

    /// The streams. Numbers are given in order by the chain and cannot be ground, so Twox64 serves; a key can be read back.
    /// Covered by the deposit of the job that made the model.
    #[pallet::storage]
    pub type Streams<T: Config> = StorageMap<_, Twox64Concat, ModelId, Stream<T::AccountId>>;

    /// The leaves that have claimed, by model and index. An index is at most 2^24 and must be in a proven tree, too little to
    /// grind, so Twox64 serves. The contributor has a deposit on hold for each.
    #[pallet::storage]
    pub type Claims<T: Config> = StorageDoubleMap<_, Twox64Concat, ModelId, Twox64Concat, u32, Claim<T::AccountId>>;

    /// What operators owe contributors, by model and operator. The operator has a deposit on hold for each; an account can be
    /// chosen at will, so its hash places it.
    #[pallet::storage]
    pub type Ledgers<T: Config> =
        StorageDoubleMap<_, Twox64Concat, ModelId, Blake2_128Concat, T::AccountId, Ledger<T::AccountId>>;

    /// The leaves of epochs that have claimed, by ledger and index. The contributor has a deposit on hold for each.
    #[pallet::storage]
    pub type AnswerClaims<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, (ModelId, T::AccountId), Twox64Concat, u32, AnswerClaim<T::AccountId>>;

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
        /// What answers sold for was divided.
        AnswersFunded {
            /// The model.
            model: ModelId,
            /// Who answered, and paid.
            operator: T::AccountId,
            /// How much.
            amount: Amount,
            /// Where it went.
            payment: AnswerPayment,
        },
        /// An operator posted an epoch.
        EpochPublished {
            /// The model.
            model: ModelId,
            /// The operator.
            operator: T::AccountId,
            /// Its number.
            epoch: u32,
            /// What was posted.
            root: EpochRoot,
            /// The operator's bond.
            bond: Amount,
            /// The last block in which it may be challenged.
            until: BlockNumber,
        },
        /// Leaves of an epoch must be opened.
        EpochChallenged {
            /// The model.
            model: ModelId,
            /// The operator.
            operator: T::AccountId,
            /// The epoch.
            epoch: u32,
            /// Who demands it.
            challenger: T::AccountId,
        },
        /// It is known which leaves.
        AuditDrawn {
            /// The model.
            model: ModelId,
            /// The operator.
            operator: T::AccountId,
            /// The epoch.
            epoch: u32,
            /// From which the points follow.
            seed: [u8; 32],
            /// The last block in which they may be opened.
            until: BlockNumber,
        },
        /// A leaf was opened.
        LeafOpened {
            /// The model.
            model: ModelId,
            /// The operator.
            operator: T::AccountId,
            /// The epoch.
            epoch: u32,
            /// The leaf.
            leaf: AmountLeaf,
            /// How many of the points are covered now.
            opened: u16,
        },
        /// An epoch stands: contributors may claim from it.
        EpochAccepted {
            /// The model.
            model: ModelId,
            /// The operator.
            operator: T::AccountId,
            /// The epoch.
            epoch: u32,
        },
        /// An epoch fell.
        EpochRejected {
            /// The model.
            model: ModelId,
            /// The operator.
            operator: T::AccountId,
            /// The epoch.
            epoch: u32,
            /// Why.
            reason: Rejection,
            /// What the operator lost.
            slashed: Amount,
            /// How much of that went to whoever brought it down.
            reward: Amount,
        },
        /// A contributor was paid for answers.
        AnswerRewardClaimed {
            /// The model.
            model: ModelId,
            /// The operator.
            operator: T::AccountId,
            /// The epoch.
            epoch: u32,
            /// The leaf's place.
            index: u32,
            /// The contribution.
            contribution: ContributionId,
            /// Who made it and was paid.
            contributor: T::AccountId,
            /// How much.
            amount: Amount,
        },
        /// What an operator never divided went to the contributors by their shares.
        AnswersReleased {
            /// The model.
            model: ModelId,
            /// The operator.
            operator: T::AccountId,
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
        /// The account cannot place the deposit: of a first claim, payout included, or of a first payment for answers. Send it
        /// some balance first, or wait until more is due.
        DepositUnaffordable,
        /// The model's attribution has not been measured to be right enough for answers to divide anything. Pay with `fund`.
        NotAttributed,
        /// The operator has never paid for answers of this model.
        UnknownLedger,
        /// An epoch is in its challenge window. Resolve it first.
        EpochPending,
        /// The operator has no epoch in a challenge window.
        NothingPending,
        /// The total of the epoch's amounts is not what the operator has paid in so far.
        TotalNotFunded,
        /// The epoch has more or fewer leaves than the model's shares: there must be one for each contribution.
        LeavesDiffer,
        /// The epoch has fewer receipts than the accepted one.
        ReceiptsTakenBack,
        /// Nothing was paid in since the accepted epoch.
        NothingNew,
        /// The account cannot place the bond.
        BondUnaffordable,
        /// The operator's newest epoch has another number.
        OtherEpoch,
        /// The epoch is challenged already; one audit is enough.
        ChallengedAlready,
        /// The time for this is over.
        WindowOver,
        /// The time for challenges, openings or epochs is not over yet.
        WindowOpen,
        /// Nobody has challenged the epoch.
        NotChallenged,
        /// The audit's points are not drawn yet: call `draw`.
        NotDrawn,
        /// The audit's points are drawn already.
        DrawnAlready,
        /// The newest randomness could be known before the challenge. Wait for the next session.
        RandomnessTooOld,
        /// There is no draw of this number.
        UnknownDraw,
        /// The leaf does not cover the draw's point.
        DrawNotCovered,
        /// The two leaves do not contradict each other.
        NoContradiction,
        /// No epoch of the operator was accepted yet.
        NothingAccepted,
        /// The ledger has paid out all that the accepted epoch gives.
        LedgerEmpty,
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
            let (distribution, _) = Self::do_fund(model, stream, &payer, amount, Ppm::ZERO)?;
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

        /// Pays for answers that the caller gave with a model: the amount is divided by the stream's split, and the attributed
        /// part of the contributors' part waits for the caller's epochs.
        ///
        /// # Origin
        /// Signed, by the operator.
        ///
        /// # Details
        /// As [`fund`](Pallet::fund). The first payment for a model also takes the ledger's deposit.
        ///
        /// # Errors
        /// `UnknownStream`, `NotAttributed`, `AmountBelowMinimum`, `BalanceTooLow`, `PoolNotEndowed`, `DepositUnaffordable`.
        ///
        /// # Events
        /// `AnswersFunded`.
        ///
        /// # Complexity
        /// As [`fund`](Pallet::fund).
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::fund_answers())]
        pub fn fund_answers(origin: OriginFor<T>, model: ModelId, #[pallet::compact] amount: Amount) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            let stream = Streams::<T>::get(model).ok_or(Error::<T>::UnknownStream)?;
            ensure!(stream.contributions.attributed > Ppm::ZERO, Error::<T>::NotAttributed);
            ensure!(amount >= T::FundMin::get(), Error::<T>::AmountBelowMinimum);
            ensure!(Self::can_pay(&operator, amount), Error::<T>::BalanceTooLow);
            ensure!(Self::pool_is_endowed(), Error::<T>::PoolNotEndowed);
            let payment = Self::do_fund_answers(model, stream, &operator, amount)?;
            Self::deposit_event(Event::AnswersFunded { model, operator, amount, payment });
            Ok(())
        }

        /// Posts what the caller's answers with a model have earned each contribution so far.
        ///
        /// # Origin
        /// Signed, by the operator.
        ///
        /// # Details
        /// The total must be what the operator has paid in so far, and there is a leaf for each leaf of the model's shares. A bond
        /// goes on hold until the epoch is accepted.
        ///
        /// # Errors
        /// `UnknownStream`, `UnknownLedger`, `EpochPending`, `TotalNotFunded`, `LeavesDiffer`, `ReceiptsTakenBack`, `NothingNew`,
        /// `BondUnaffordable`.
        ///
        /// # Events
        /// `EpochPublished`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::publish_epoch())]
        pub fn publish_epoch(origin: OriginFor<T>, model: ModelId, root: EpochRoot) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::do_publish_epoch(model, &operator, root)
        }

        /// Demands that drawn leaves of an operator's newest epoch be opened.
        ///
        /// # Origin
        /// Signed, by anyone.
        ///
        /// # Details
        /// A bond goes on hold: it pays the operator if everything is opened, and comes back if not.
        ///
        /// # Errors
        /// `UnknownLedger`, `NothingPending`, `OtherEpoch`, `ChallengedAlready`, `WindowOver`, `BondUnaffordable`.
        ///
        /// # Events
        /// `EpochChallenged`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::challenge())]
        pub fn challenge(
            origin: OriginFor<T>,
            model: ModelId,
            operator: T::AccountId,
            #[pallet::compact] epoch: u32,
        ) -> DispatchResult {
            let challenger = ensure_signed(origin)?;
            Self::do_challenge(model, &operator, epoch, &challenger)
        }

        /// Draws the points that a challenged operator must open.
        ///
        /// # Origin
        /// Signed, by anyone.
        ///
        /// # Details
        /// The randomness must have become known after the challenge.
        ///
        /// # Errors
        /// `UnknownLedger`, `NothingPending`, `NotChallenged`, `DrawnAlready`, `RandomnessTooOld`.
        ///
        /// # Events
        /// `AuditDrawn`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::draw())]
        pub fn draw(origin: OriginFor<T>, model: ModelId, operator: T::AccountId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_draw(model, &operator)
        }

        /// Opens a leaf of a challenged epoch at the draws whose points it covers.
        ///
        /// # Origin
        /// Signed, by anyone: that the leaf is public is what counts.
        ///
        /// # Errors
        /// `UnknownLedger`, `NothingPending`, `NotChallenged`, `NotDrawn`, `WindowOver`, `UnknownDraw`, `DrawNotCovered`, and those of
        /// proofs.
        ///
        /// # Events
        /// `LeafOpened`.
        ///
        /// # Complexity
        /// O(d + n), where d is the number of the proof's siblings, and n that of the draws.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::open_leaf(
            u32::try_from(proof.siblings.len()).unwrap_or(u32::MAX),
            u32::try_from(draws.len()).unwrap_or(u32::MAX),
        ))]
        pub fn open_leaf(
            origin: OriginFor<T>,
            model: ModelId,
            operator: T::AccountId,
            leaf: AmountLeaf,
            proof: AmountProof,
            draws: BoundedVec<u16, ConstU32<{ AUDIT_DRAWS as u32 }>>,
        ) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_open_leaf(model, &operator, &leaf, &proof, &draws)
        }

        /// Rejects a pending epoch by two leaves that contradict each other: what the accepted epoch gave was taken back, or a
        /// place of the model's shares belongs to another.
        ///
        /// # Origin
        /// Signed, by anyone.
        ///
        /// # Details
        /// The operator's bond is lost; the caller gets [`Config::ReporterPart`] of it.
        ///
        /// # Errors
        /// `UnknownLedger`, `NothingPending`, `NothingAccepted`, `NoContradiction`, and those of proofs.
        ///
        /// # Events
        /// `EpochRejected`.
        ///
        /// # Complexity
        /// O(d), where d is the number of both proofs' siblings: at most 48 hashes.
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::refute(u32::try_from(proof.siblings.len()).unwrap_or(u32::MAX)))]
        pub fn refute(
            origin: OriginFor<T>,
            model: ModelId,
            operator: T::AccountId,
            leaf: AmountLeaf,
            proof: AmountProof,
            against: Against,
        ) -> DispatchResult {
            let reporter = ensure_signed(origin)?;
            Self::do_refute(&reporter, model, &operator, &leaf, &proof, &against)
        }

        /// Ends an operator's pending epoch as its state says.
        ///
        /// # Origin
        /// Signed, by anyone.
        ///
        /// # Details
        /// Unchallenged, or opened at all drawn points, it is accepted when its windows are over: the operator's bond comes back, and
        /// the challenger's goes to the operator. Not opened in time, it is rejected: the operator's bond is lost, and the
        /// challenger gets [`Config::ReporterPart`] of it.
        ///
        /// # Errors
        /// `UnknownLedger`, `NothingPending`, `WindowOpen`, `NotDrawn`.
        ///
        /// # Events
        /// `EpochAccepted` or `EpochRejected`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(8)]
        #[pallet::weight(T::WeightInfo::resolve_accept().max(T::WeightInfo::resolve_reject()))]
        pub fn resolve(origin: OriginFor<T>, model: ModelId, operator: T::AccountId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_resolve(model, &operator)
        }

        /// Rejects a pending epoch of which a leaf was found to be computed wrongly.
        ///
        /// # Origin
        /// [`Config::DisputeOrigin`].
        ///
        /// # Details
        /// `evidence` is the BLAKE3 of what shows it; it is kept by the extrinsic alone.
        ///
        /// # Errors
        /// `UnknownLedger`, `NothingPending`.
        ///
        /// # Events
        /// `EpochRejected`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(9)]
        #[pallet::weight(T::WeightInfo::resolve_reject())]
        pub fn overturn(
            origin: OriginFor<T>,
            model: ModelId,
            operator: T::AccountId,
            evidence: ContentHash,
        ) -> DispatchResult {
            T::DisputeOrigin::ensure_origin(origin)?;
            let _ = evidence;
            Self::do_overturn(model, &operator)
        }

        /// Takes what a leaf of an operator's accepted epoch has earned since its last claim.
        ///
        /// # Origin
        /// Signed, by the leaf's contributor.
        ///
        /// # Details
        /// A pending epoch changes nothing: the accepted one pays until the next is accepted. The first claim of a leaf takes a
        /// deposit, for which the payout may serve.
        ///
        /// # Errors
        /// `UnknownLedger`, `NotTheContributor`, `NothingAccepted`, `NothingToClaim`, `PayoutBelowExistentialDeposit`,
        /// `DepositUnaffordable`, `LedgerEmpty`, and those of proofs.
        ///
        /// # Events
        /// `AnswerRewardClaimed`.
        ///
        /// # Complexity
        /// O(d), where d is the number of the proof's siblings: at most 24 hashes.
        #[pallet::call_index(10)]
        #[pallet::weight(T::WeightInfo::claim_answers(u32::try_from(proof.siblings.len()).unwrap_or(u32::MAX)))]
        pub fn claim_answers(
            origin: OriginFor<T>,
            model: ModelId,
            operator: T::AccountId,
            leaf: AmountLeaf,
            proof: AmountProof,
        ) -> DispatchResult {
            let contributor = ensure_signed(origin)?;
            ensure!(contributor.clone().into() == leaf.contributor, Error::<T>::NotTheContributor);
            Self::do_claim_answers(model, &operator, &contributor, &leaf, &proof)
        }

        /// Gives what an operator paid in and did not divide within [`Config::EpochTimeout`] to the model's contributors, by
        /// their shares.
        ///
        /// # Origin
        /// Signed, by anyone.
        ///
        /// # Errors
        /// `UnknownStream`, `UnknownLedger`, `EpochPending`, `NothingNew`, `WindowOpen`.
        ///
        /// # Events
        /// `AnswersReleased`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(11)]
        #[pallet::weight(T::WeightInfo::release())]
        pub fn release(origin: OriginFor<T>, model: ModelId, operator: T::AccountId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_release(model, &operator)
        }
    }
}
