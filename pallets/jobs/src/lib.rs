//! The market of training jobs: escrow, leases, reports, disputes and settlement.
//!
//! # Overview
//! A *requester* asks for a model: a base model, the Datanet versions to tune it on, a recipe, a price. The price and the
//! Datanets' fees are taken aside (held on the requester's own account) when the job is posted. A *trainer*, who has put up
//! a bond, claims the job and gets a *lease*: the right, and the duty, to work on it until a block. It says from time to
//! time that it is alive, which prolongs the lease. When it is done it reports what it made. The requester accepts, or
//! disputes, or does nothing: then the job settles by itself when the window ends. Settling pays the trainer and the
//! Datanets from what was taken aside, and makes the model's record. A trainer that falls silent loses its lease and part of
//! its bond to the requester, and another trainer may claim.
//!
//! # Terminology
//! - **Job**: what is asked for, and where it stands ([`tributary_protocol::job`] has the types and the state machine).
//! - **Escrow**: price and data fees, held on the requester from post to the end of the job.
//! - **Bond**: what a trainer has on hold to answer for its work; each claim puts a part of it *at risk*.
//! - **Lease**: the trainer holds the job until a block; a lease that nobody prolonged has *lapsed*.
//! - **Window**: the blocks after a report in which the requester may dispute it.
//! - **Agenda**: the blocks in which reported jobs settle by themselves.
//!
//! # Calls
//! | call | who | stage before -> after |
//! |---|---|---|
//! | [`bond`](Pallet::bond), [`unbond`](Pallet::unbond) | a trainer | |
//! | [`post`](Pallet::post) | anyone who has the money and the grants | -> Open |
//! | [`claim`](Pallet::claim) | a bonded trainer, not the requester | Open, or Leased and lapsed -> Leased |
//! | [`heartbeat`](Pallet::heartbeat) | the lease holder | Leased -> Leased |
//! | [`report`](Pallet::report) | the lease holder | Leased -> Reported |
//! | [`accept`](Pallet::accept) | the requester | Reported -> Settled |
//! | [`dispute`](Pallet::dispute) | the requester, within the window | Reported -> Disputed |
//! | [`settle`](Pallet::settle) | anyone, after the window | Reported -> Settled |
//! | [`cancel`](Pallet::cancel) | the requester; anyone where a grant no longer covers | Open, or Leased -> Cancelled |
//! | [`stop`](Pallet::stop) | the requester, while somebody works on the job | Leased -> Cancelled |
//! | [`expire`](Pallet::expire) | anyone, when lease or deadline has passed | Leased -> Open; Open, Leased -> Expired |
//! | [`resolve`](Pallet::resolve) | [`Config::DisputeOrigin`] | Disputed -> Settled or Cancelled |
//! | [`forget`](Pallet::forget) | the requester | Cancelled, Expired -> no record |
//!
//! # Example
//! `tests/story.rs` plays a job from post to settlement with two trainers, one of which falls silent.
//!
//! # Design
//! - **Money never leaves the accounts it belongs to before it is due.** Escrow, bond and deposits are holds; nothing is kept
//!   in a pot. Every payment moves exactly what was held, in the same storage transaction that changes the job's stage, and
//!   nothing leads out of a final stage: a job is paid at most once. Payments disregard freezes, so that a requester cannot
//!   block one by freezing its balance.
//! - **Fees are fixed at post.** A Datanet that raises its price changes later jobs only. A fee goes to the Datanet's owner
//!   of the day of settlement. A fee that its owner's account cannot take in (it is below the existential deposit and the
//!   account holds nothing) stays with the requester: nobody's empty account can block a settlement.
//! - **Grants** are taken at post, checked again at claim and at each heartbeat, and given back where no model comes of the
//!   job. When one no longer covers its use, the job can be cancelled by anyone: the escrow returns and the trainer is freed
//!   without loss. A grant that the requester itself renounced frees only the trainer who asks for it: a requester cannot
//!   escape a running job that way. A report within the lease stands even if a grant has been revoked since the last
//!   heartbeat: the work was done under a valid one, and the model's lineage shows what became of it.
//! - **Partial work is paid by who wants no more of it, and by nobody else.** Progress is recorded in the lease and in
//!   [`Event::HeartbeatRecorded`], and ends with the lease: paying for it would need proof of work done, which a heartbeat is
//!   not. A requester who stops a running job needs none: it pays what the lease holder itself said, at least
//!   [`Config::StopPartMin`] of the price and at most what it consents to. Who says more than it did gains nothing by it,
//!   since only the requester can bring such a payment about.
//! - **A lapsed lease costs** [`Config::LapseSlash`] of what the claim put at risk; it goes to the requester for the delay.
//!   Nothing is taken where a grant no longer covers, since that is not the trainer's fault.
//! - **Automatic settlement** runs in `on_initialize`, at most [`Config::MaxSettlementsPerBlock`] jobs in a block. A job
//!   whose block is full takes the next free one within [`AGENDA_SEARCH_BLOCKS`]; beyond that, [`Pallet::settle`] is left to
//!   whoever wants it. A settlement that fails changes nothing, is announced by [`Event::SettlementFailed`], and can be tried
//!   again with [`Pallet::settle`].
//! - **A requester may not claim its own job**: it could otherwise buy a reputation by paying itself. A second account still
//!   can; a record says how often a trainer was paid, not by whom.
//! - **Records.** A settled job stays, with its deposit held on the requester, since models point to it. A cancelled or
//!   expired one stays until the requester drops it with [`Pallet::forget`]. A trainer's record stays as long as its bond.
//!
//! # Limits
//! - Whether a report is true is not checked here: [`Config::DisputeOrigin`] decides, and until it does, a disputed job stays
//!   frozen with all its money.
//! - A requester who also owns a Datanet of the job can revoke its own grant and so waste a trainer's work. It gains nothing
//!   by it, since only a report opens the bundle to the requester; a trainer sees who owns the data before it claims.
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
mod checks;
#[deny(clippy::as_conversions)]
mod logic;
#[deny(clippy::as_conversions)]
mod money;
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
pub use types::{AGENDA_SEARCH_BLOCKS, JobOf};
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use crate::{types::JobOf, weights::WeightInfo};
    use frame_support::{
        pallet_prelude::*,
        traits::fungible::{Inspect, Mutate, MutateHold},
    };
    use frame_system::pallet_prelude::*;
    use pallet_support::{BaseModelInspect, DatanetInspect, GrantGate, ModelRegistry, now};
    use tributary_protocol::{
        Amount, BaseModelId, BlockNumber, ContentHash, JobId, ModelId, Ppm,
        job::{JOB_VERSIONS_MAX, JobSpec, Progress, Report, Stage, TrainerRecord, Transition, Verdict},
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

        /// Where Datanets and their versions are looked up.
        type Datanets: DatanetInspect<Self::AccountId>;

        /// How uses of grants are taken, checked and given back.
        type Grants: GrantGate<Self::AccountId>;

        /// Where base models are looked up.
        type BaseModels: BaseModelInspect<Self::AccountId>;

        /// Where settled jobs put their models.
        type Models: ModelRegistry<Self::AccountId>;

        /// Who decides disputes.
        type DisputeOrigin: EnsureOrigin<Self::RuntimeOrigin>;

        /// The least price of a job, in units. At least the existential deposit, so that every trainer's account can take it in.
        #[pallet::constant]
        type PriceMin: Get<Amount>;

        /// The least that a claim puts at risk, and the least bond of a trainer, in units. At least the existential deposit.
        #[pallet::constant]
        type BondMin: Get<Amount>;

        /// The part of a job's price that a claim puts at risk.
        #[pallet::constant]
        type BondPart: Get<Ppm>;

        /// The part of what is at risk that a lapsed lease costs.
        #[pallet::constant]
        type LapseSlash: Get<Ppm>;

        /// The least part of its price that a lease holder gets for a job that the requester stops: it fetched data for it.
        #[pallet::constant]
        type StopPartMin: Get<Ppm>;

        /// What a dispute costs the requester if it is lost, in units. At least the existential deposit.
        #[pallet::constant]
        type DisputeDeposit: Get<Amount>;

        /// What a job's record holds on its requester, in units, beside [`Config::DepositPerByte`]. At least the existential
        /// deposit.
        #[pallet::constant]
        type DepositBase: Get<Amount>;

        /// What each byte of a job's encoded specification holds on its requester, in units.
        #[pallet::constant]
        type DepositPerByte: Get<Amount>;

        /// How many blocks a claim or a heartbeat gives a trainer.
        #[pallet::constant]
        type LeaseBlocks: Get<BlockNumber>;

        /// How many blocks ahead a deadline may lie.
        #[pallet::constant]
        type DeadlineBlocksMax: Get<BlockNumber>;

        /// The shortest window for accepting or disputing a report, in blocks.
        #[pallet::constant]
        type AcceptanceBlocksMin: Get<BlockNumber>;

        /// The longest window for accepting or disputing a report, in blocks.
        #[pallet::constant]
        type AcceptanceBlocksMax: Get<BlockNumber>;

        /// Most jobs that one trainer may hold at a time: leased, reported or disputed.
        #[pallet::constant]
        type MaxActive: Get<u32>;

        /// Most jobs that settle by themselves in one block.
        #[pallet::constant]
        type MaxSettlementsPerBlock: Get<u32>;

        /// What the calls weigh.
        type WeightInfo: WeightInfo;
    }

    /// Why money is on hold.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// A trainer's bond.
        Bond,
        /// Price and data fees of a requester's jobs.
        Escrow,
        /// The storage of a requester's jobs.
        Job,
        /// A requester's open disputes.
        Dispute,
    }

    /// The number that the next job will have.
    #[pallet::storage]
    pub type NextJob<T> = StorageValue<_, JobId, ValueQuery>;

    /// The jobs. The deposit is held on the requester ([`HoldReason::Job`]). Numbers are the chain's own, so a short hash does.
    #[pallet::storage]
    pub type Jobs<T: Config> = StorageMap<_, Twox64Concat, JobId, JobOf<T>>;

    /// The trainers' bonds and records. Paid for by the bond ([`HoldReason::Bond`]). Accounts are chosen by their owners, so
    /// the hash must be cryptographic.
    #[pallet::storage]
    pub type Trainers<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, TrainerRecord>;

    /// The jobs that each trainer holds: leased, reported or disputed. Paid for by the bond at risk in each. Accounts are
    /// chosen by their owners, so the hash must be cryptographic.
    #[pallet::storage]
    pub type ActiveJobs<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, BoundedVec<JobId, T::MaxActive>, ValueQuery>;

    /// Which jobs settle by themselves at the start of which block. Paid for by the jobs' deposits. Heights are the chain's
    /// own, so a short hash does.
    #[pallet::storage]
    pub type Agenda<T: Config> =
        StorageMap<_, Twox64Concat, BlockNumber, BoundedVec<JobId, T::MaxSettlementsPerBlock>, ValueQuery>;

    /// At the start of which block a reported job settles by itself: the way from a job to its entry in [`Agenda`]. Paid for
    /// by the job's deposit. Numbers are the chain's own, so a short hash does.
    #[pallet::storage]
    pub type SettlesAt<T: Config> = StorageMap<_, Twox64Concat, JobId, BlockNumber>;

    /// What the requester of a disputed job has on hold for the dispute ([`HoldReason::Dispute`]). Numbers are the chain's own,
    /// so a short hash does.
    #[pallet::storage]
    pub type Disputes<T: Config> = StorageMap<_, Twox64Concat, JobId, Amount>;

    /// What happened.
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A trainer added to its bond.
        Bonded {
            /// Who.
            trainer: T::AccountId,
            /// How much.
            amount: Amount,
            /// Its bond now.
            bonded: Amount,
        },
        /// A trainer took back a part of its bond.
        Unbonded {
            /// Who.
            trainer: T::AccountId,
            /// How much.
            amount: Amount,
            /// Its bond now.
            bonded: Amount,
        },
        /// A job waits for a trainer.
        JobPosted {
            /// Its number.
            job: JobId,
            /// Who pays.
            requester: T::AccountId,
            /// What is tuned.
            base: BaseModelId,
            /// What the trainer will get.
            price: Amount,
            /// Price and data fees, on hold.
            escrow: Amount,
        },
        /// A trainer took a job.
        JobClaimed {
            /// The job.
            job: JobId,
            /// Who.
            trainer: T::AccountId,
            /// The last block of the lease.
            until: BlockNumber,
        },
        /// A lease holder said that it is alive.
        HeartbeatRecorded {
            /// The job.
            job: JobId,
            /// Who.
            trainer: T::AccountId,
            /// How far it is.
            progress: Progress,
            /// The last block of the lease.
            until: BlockNumber,
        },
        /// A lease ran out; the job is open again.
        LeaseLapsed {
            /// The job.
            job: JobId,
            /// Who had it.
            trainer: T::AccountId,
            /// What the requester got of the trainer's bond.
            slashed: Amount,
        },
        /// A lease holder reported.
        JobReported {
            /// The job.
            job: JobId,
            /// Who.
            trainer: T::AccountId,
            /// BLAKE3 of the adapter.
            adapter: ContentHash,
            /// The last block in which the requester may dispute.
            accept_until: BlockNumber,
        },
        /// A job was paid and its model recorded.
        JobSettled {
            /// The job.
            job: JobId,
            /// The model it made.
            model: ModelId,
            /// Who paid.
            requester: T::AccountId,
            /// Who trained.
            trainer: T::AccountId,
            /// What the trainer got from the escrow.
            price: Amount,
            /// What the Datanets' owners got from the escrow, together.
            data_fees: Amount,
        },
        /// A job could not settle by itself. Nothing was changed; [`Pallet::settle`] tries again.
        SettlementFailed {
            /// The job.
            job: JobId,
            /// Why.
            error: DispatchError,
        },
        /// A requester disputes a report.
        JobDisputed {
            /// The job.
            job: JobId,
            /// Who.
            requester: T::AccountId,
            /// BLAKE3 of the reasons and the evidence.
            evidence: ContentHash,
            /// What the requester has on hold for it.
            deposit: Amount,
        },
        /// A dispute was decided. The job's end has an event of its own.
        DisputeResolved {
            /// The job.
            job: JobId,
            /// The outcome.
            verdict: Verdict,
            /// Who disputed.
            requester: T::AccountId,
            /// Whose report it was.
            trainer: T::AccountId,
            /// What the requester got of the trainer's bond.
            slashed: Amount,
        },
        /// A job ended without a model before its deadline; the escrow was returned.
        JobCancelled {
            /// The job.
            job: JobId,
            /// Who got the escrow back.
            requester: T::AccountId,
            /// How much.
            escrow: Amount,
        },
        /// A requester stopped a job in work: the lease holder was paid for what it said it had done, the rest was returned.
        JobStopped {
            /// The job.
            job: JobId,
            /// Who got the rest of the escrow back.
            requester: T::AccountId,
            /// Who worked on it.
            trainer: T::AccountId,
            /// What the trainer got of the price.
            paid: Amount,
            /// What returned of the escrow.
            escrow: Amount,
        },
        /// A job's deadline passed unreported; the escrow was returned.
        JobExpired {
            /// The job.
            job: JobId,
            /// Who got the escrow back.
            requester: T::AccountId,
            /// How much.
            escrow: Amount,
        },
        /// A job's record was dropped.
        JobForgotten {
            /// The job.
            job: JobId,
            /// Whose it was.
            requester: T::AccountId,
            /// The deposit returned.
            deposit: Amount,
        },
    }

    /// Why a call was refused. Refusals of grants come as errors of the grants pallet.
    #[pallet::error]
    pub enum Error<T> {
        /// There is no job of this number. It may have been forgotten; list the jobs.
        JobUnknown,
        /// The job does not wait for a trainer: it is leased, reported or over.
        NotOpen,
        /// The job is not leased: it waits for a trainer, has been reported, or is over.
        NotLeased,
        /// The job has no report that waits for acceptance.
        NotReported,
        /// The job is not disputed.
        NotDisputed,
        /// The job's record must stay: it is running, or a model came of it.
        RecordNeeded,
        /// More of the job is done than the requester wants to pay for. Look up its progress, and allow that.
        StopCostsMore,
        /// Only the job's requester may do this.
        NotRequester,
        /// Only the trainer who holds the job may do this.
        NotLeaseHolder,
        /// A requester may not train its own job.
        OwnJob,
        /// The lease ran out. Claim the job again if it is still open.
        LeaseLapsed,
        /// The job's deadline has passed, or is this block.
        DeadlinePassed,
        /// Neither the job's lease nor its deadline has passed.
        NotDue,
        /// The window for disputes has passed.
        WindowClosed,
        /// The requester may still dispute the report. Settle after the window.
        WindowOpen,

        /// There is no base model of this number.
        BaseModelUnknown,
        /// The parts of the split do not sum to one million.
        SplitNotWhole,
        /// The contributors' part of the split is below the royalty floor of a Datanet of the job.
        RoyaltyBelowFloor,
        /// The job names no data.
        NoData,
        /// There is no version of this number.
        VersionUnknown,
        /// The job names a version twice.
        VersionTwice,
        /// A Datanet of the job is retired and takes no new jobs.
        DatanetRetired,
        /// The data fees sum to more than the caller agreed to. Look at the Datanets' prices and post again.
        DataFeesAboveMax,
        /// The price is below the least price.
        PriceTooLow,
        /// The deadline is not ahead, or too far ahead.
        DeadlineOutOfRange,
        /// The acceptance window is too short or too long.
        AcceptanceOutOfRange,
        /// Rank or alpha is 0, or rank is above 1,024.
        RecipeRank,
        /// No layer is chosen.
        RecipeTargets,
        /// The learning rate is 0 or above 1.
        RecipeLearningRate,
        /// No epoch, an empty batch, or no accumulation step.
        RecipeSize,
        /// Sequences of fewer than 8 or more than 131,072 tokens.
        RecipeSequence,
        /// More than half of the samples are kept for validation.
        RecipeValidation,
        /// No checkpoint to score at, or more than 32.
        RecipeCheckpoints,
        /// Dropout above 90 %.
        RecipeDropout,
        /// A LoRA+ ratio below 1 or above 1,000; 0 means none.
        RecipeLoraPlus,
        /// A NEFTune alpha above 100; 0 means none.
        RecipeNeftune,
        /// An early end without validation samples, or without steps between evaluations.
        RecipePatience,

        /// The account has no bond. Bond first.
        NotBonded,
        /// The bond would be below the least bond. Bond more, or take back all of it.
        BondTooSmall,
        /// This part of the bond is at risk in jobs, or is not there.
        BondAtRisk,
        /// Too little of the bond is free to answer for this job. Bond more, or end other jobs first.
        BondShort,
        /// The trainer holds as many jobs as it may. End others first.
        TooManyJobs,

        /// More steps are done than there are, or the number of steps changed.
        ProgressInvalid,
        /// Fewer steps are done than said before. Say the most that was reached.
        ProgressFellBack,
        /// The report says that no step was made.
        NoSteps,
        /// The report names no adapter.
        NoAdapter,
        /// The report's shares do not sum to the whole, or there are none or too many of them.
        SharesInvalid,
        /// The accuracy was not measured on as many coalitions as the job asked for, or the part that is attributed to
        /// answers is another than follows from it.
        AccuracyInvalid,
        /// AdamW's epsilon is 0.
        RecipeAdamEpsilon,
        /// Group tangents need 2 to 64 groups.
        RecipeGroups,
        /// More than 192 random halves.
        RecipeHalves,
        /// Attribution is measured on 4 to 100 coalitions, or on none.
        RecipeCoalitions,
        /// Attribution is measured by asking the validation samples: keep some, or ask for no coalitions.
        RecipeQuestions,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Settles the jobs on this block's agenda: at most [`Config::MaxSettlementsPerBlock`].
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            Self::settle_due(now::<T>())
        }

        fn integrity_test() {
            let existential = T::Currency::minimum_balance();
            assert!(T::PriceMin::get() >= existential, "a price must be able to make an account");
            assert!(T::BondMin::get() >= existential, "a slashed bond must be able to make an account");
            assert!(T::DisputeDeposit::get() >= existential, "a lost deposit must be able to make an account");
            assert!(T::DepositBase::get() >= existential, "a returned deposit must be able to make an account");
            assert!(T::LeaseBlocks::get() > 0, "a lease must outlast its own block");
            assert!(T::AcceptanceBlocksMin::get() > 0, "a window must outlast the report's block");
            assert!(T::AcceptanceBlocksMin::get() <= T::AcceptanceBlocksMax::get(), "no window is allowed");
            assert!(T::MaxActive::get() > 0, "no trainer could hold a job");
            assert!(T::MaxSettlementsPerBlock::get() > 0, "no job could settle by itself");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Adds `amount` to the caller's bond, and makes it a trainer if it is none.
        ///
        /// Origin: signed, the trainer.
        ///
        /// Details: the amount is held on the caller. The whole bond is at least [`Config::BondMin`].
        ///
        /// Errors: [`Error::BondTooSmall`]; the currency's, if the caller has too little.
        ///
        /// Events: [`Event::Bonded`].
        ///
        /// Complexity: O(1).
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::bond())]
        pub fn bond(origin: OriginFor<T>, amount: Amount) -> DispatchResult {
            let trainer = ensure_signed(origin)?;
            let bonded = Self::do_bond(&trainer, amount)?;
            Self::deposit_event(Event::Bonded { trainer, amount, bonded });
            Ok(())
        }

        /// Takes back `amount` of the caller's bond.
        ///
        /// Origin: signed, the trainer.
        ///
        /// Details: only what no job puts at risk. What stays is nothing, or at least [`Config::BondMin`]. Where nothing
        /// stays, the trainer's record goes, too.
        ///
        /// Errors: [`Error::NotBonded`], [`Error::BondAtRisk`], [`Error::BondTooSmall`].
        ///
        /// Events: [`Event::Unbonded`].
        ///
        /// Complexity: O(1).
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::unbond())]
        pub fn unbond(origin: OriginFor<T>, amount: Amount) -> DispatchResult {
            let trainer = ensure_signed(origin)?;
            let bonded = Self::do_unbond(&trainer, amount)?;
            Self::deposit_event(Event::Unbonded { trainer, amount, bonded });
            Ok(())
        }

        /// Posts a job.
        ///
        /// Origin: signed, the requester.
        ///
        /// Details: takes one use of the grant of each version, and holds price, data fees (each Datanet's price of now) and
        /// a deposit for the record on the caller. `data_fees_max` bounds the fees' sum, so that an owner who raises a price
        /// while the call is on its way cannot take more than the caller agreed to.
        ///
        /// Errors: one for each thing that can be wrong with `spec`; [`Error::DataFeesAboveMax`]; the grants pallet's
        /// refusals; the currency's, if the caller has too little.
        ///
        /// Events: [`Event::JobPosted`].
        ///
        /// Complexity: O(v) in the number of versions, at most [`JOB_VERSIONS_MAX`]; O(v^2) comparisons in memory.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::post(u32::try_from(spec.data.len()).unwrap_or(JOB_VERSIONS_MAX)))]
        pub fn post(origin: OriginFor<T>, spec: JobSpec, data_fees_max: Amount) -> DispatchResult {
            let requester = ensure_signed(origin)?;
            Self::ensure_sound(&spec)?;
            let data_fees = Self::quote(&spec, data_fees_max)?;
            let (base, price) = (spec.base, spec.price);
            let (job, escrow) = Self::do_post(&requester, spec, data_fees)?;
            Self::deposit_event(Event::JobPosted { job, requester, base, price, escrow });
            Ok(())
        }

        /// Takes an open job.
        ///
        /// Origin: signed, a bonded trainer other than the requester.
        ///
        /// Details: checks each grant again and puts [`Pallet::bond_required`] of the bond at risk. The lease runs
        /// [`Config::LeaseBlocks`], but not beyond the deadline. Where an earlier lease has lapsed, its holder is made to pay
        /// first; the same trainer may claim again.
        ///
        /// Errors: [`Error::JobUnknown`], [`Error::OwnJob`], [`Error::DeadlinePassed`], [`Error::NotOpen`],
        /// [`Error::NotBonded`], [`Error::BondShort`], [`Error::TooManyJobs`]; the grants pallet's refusals.
        ///
        /// Events: [`Event::JobClaimed`]; before it [`Event::LeaseLapsed`] where a lease had lapsed.
        ///
        /// Complexity: O(v) in the job's versions, O(a) in the trainers' active jobs; weighed at the most of both.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::claim())]
        pub fn claim(origin: OriginFor<T>, job: JobId) -> DispatchResult {
            let trainer = ensure_signed(origin)?;
            let entry = Self::entry(job)?;
            ensure!(trainer != entry.requester, Error::<T>::OwnJob);
            ensure!(entry.state.stage() == Stage::Open || Self::has_lapsed(&entry), Error::<T>::NotOpen);
            ensure!(now::<T>() < entry.spec.deadline, Error::<T>::DeadlinePassed);
            Self::ensure_covered(&entry)?;
            let until = Self::do_claim(job, entry, &trainer)?;
            Self::deposit_event(Event::JobClaimed { job, trainer, until });
            Ok(())
        }

        /// Says that the caller works on the job, and how far it is; prolongs the lease.
        ///
        /// Origin: signed, the lease holder.
        ///
        /// Details: the lease then runs [`Config::LeaseBlocks`] from now, but not beyond the deadline. Refused where a grant
        /// no longer covers: the trainer must stop, and may [`Pallet::cancel`] to free its bond. A grant that the requester
        /// itself renounced stops nothing.
        ///
        /// Errors: [`Error::JobUnknown`], [`Error::NotLeased`], [`Error::NotLeaseHolder`], [`Error::LeaseLapsed`],
        /// [`Error::ProgressInvalid`], [`Error::ProgressFellBack`]; the grants pallet's refusals.
        ///
        /// Events: [`Event::HeartbeatRecorded`].
        ///
        /// Complexity: O(v) in the job's versions; weighed at the most.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::heartbeat())]
        pub fn heartbeat(origin: OriginFor<T>, job: JobId, progress: Progress) -> DispatchResult {
            let trainer = ensure_signed(origin)?;
            let entry = Self::entry(job)?;
            let lease = Self::ensure_lease(&entry, &trainer)?;
            Self::ensure_progress(&lease.progress, &progress)?;
            Self::ensure_not_withdrawn(&entry)?;
            let until = Self::do_heartbeat(job, entry, lease, progress)?;
            Self::deposit_event(Event::HeartbeatRecorded { job, trainer, progress, until });
            Ok(())
        }

        /// Reports what was made.
        ///
        /// Origin: signed, the lease holder, within the lease.
        ///
        /// Details: ends the lease and starts the requester's window. The bond stays at risk. The job settles by itself in
        /// the block after the window, or, where that block's agenda is full, soon after.
        ///
        /// Errors: [`Error::JobUnknown`], [`Error::NotLeased`] (also a second report), [`Error::NotLeaseHolder`],
        /// [`Error::LeaseLapsed`], [`Error::NoAdapter`], [`Error::NoSteps`], [`Error::SharesInvalid`],
        /// [`Error::AccuracyInvalid`].
        ///
        /// Events: [`Event::JobReported`].
        ///
        /// Complexity: O([`AGENDA_SEARCH_BLOCKS`](crate::AGENDA_SEARCH_BLOCKS)).
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::report())]
        pub fn report(origin: OriginFor<T>, job: JobId, report: Report) -> DispatchResult {
            let trainer = ensure_signed(origin)?;
            let entry = Self::entry(job)?;
            let lease = Self::ensure_lease(&entry, &trainer)?;
            Self::ensure_complete(&report, &entry.spec.attribution)?;
            let accept_until = Self::do_report(job, entry, lease, report)?;
            Self::deposit_event(Event::JobReported { job, trainer, adapter: report.adapter, accept_until });
            Ok(())
        }

        /// Accepts a report: settles at once.
        ///
        /// Origin: signed, the requester.
        ///
        /// Details: as [`Pallet::settle`].
        ///
        /// Errors: [`Error::JobUnknown`], [`Error::NotRequester`], [`Error::NotReported`]; the models pallet's.
        ///
        /// Events: [`Event::JobSettled`].
        ///
        /// Complexity: O(v) in the job's versions, O(a) in the trainer's active jobs; weighed at the most of both.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::accept())]
        pub fn accept(origin: OriginFor<T>, job: JobId) -> DispatchResult {
            let requester = ensure_signed(origin)?;
            let entry = Self::entry(job)?;
            ensure!(requester == entry.requester, Error::<T>::NotRequester);
            ensure!(entry.state.stage() == Stage::Reported, Error::<T>::NotReported);
            Self::do_settle(job, entry, Transition::Settle)
        }

        /// Disputes a report: freezes the job until the dispute is decided.
        ///
        /// Origin: signed, the requester, within the window.
        ///
        /// Details: holds [`Config::DisputeDeposit`] on the caller. It goes to the trainer if the report is upheld, and
        /// returns if it is overturned.
        ///
        /// Errors: [`Error::JobUnknown`], [`Error::NotRequester`], [`Error::NotReported`], [`Error::WindowClosed`]; the
        /// currency's, if the caller has too little.
        ///
        /// Events: [`Event::JobDisputed`].
        ///
        /// Complexity: O(1).
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::dispute())]
        pub fn dispute(origin: OriginFor<T>, job: JobId, evidence: ContentHash) -> DispatchResult {
            let requester = ensure_signed(origin)?;
            let entry = Self::entry(job)?;
            ensure!(requester == entry.requester, Error::<T>::NotRequester);
            ensure!(Self::window_end(&entry)? >= now::<T>(), Error::<T>::WindowClosed);
            let deposit = Self::do_dispute(job, entry, evidence)?;
            Self::deposit_event(Event::JobDisputed { job, requester, evidence, deposit });
            Ok(())
        }

        /// Settles a reported job whose window has passed.
        ///
        /// Origin: signed, anyone.
        ///
        /// Details: pays the trainer and the Datanets' owners from the escrow, records the model, frees the trainer's bond.
        /// A fee that its owner's account cannot take in stays with the requester.
        ///
        /// Errors: [`Error::JobUnknown`], [`Error::NotReported`], [`Error::WindowOpen`]; the models pallet's.
        ///
        /// Events: [`Event::JobSettled`].
        ///
        /// Complexity: O(v) in the job's versions, O(a) in the trainer's active jobs; weighed at the most of both.
        #[pallet::call_index(8)]
        #[pallet::weight(T::WeightInfo::settle())]
        pub fn settle(origin: OriginFor<T>, job: JobId) -> DispatchResult {
            ensure_signed(origin)?;
            let entry = Self::entry(job)?;
            ensure!(Self::window_end(&entry)? < now::<T>(), Error::<T>::WindowOpen);
            Self::do_settle(job, entry, Transition::Settle)
        }

        /// Takes a job back: the escrow returns.
        ///
        /// Origin: signed; the requester where nobody holds a live lease. Where a grant no longer covers: anyone, but if
        /// all that is in the way is that the requester itself renounced, only the holder of a live lease.
        ///
        /// Details: a lapsed lease lapses first. Where a grant no longer covers, the lease holder is freed without loss, and
        /// partial work is not paid.
        ///
        /// Errors: [`Error::JobUnknown`], [`Error::NotOpen`], [`Error::NotRequester`].
        ///
        /// Events: [`Event::JobCancelled`]; before it [`Event::LeaseLapsed`] where a lease had lapsed.
        ///
        /// Complexity: O(v) in the job's versions, O(a) in the trainer's active jobs; weighed at the most of both.
        #[pallet::call_index(9)]
        #[pallet::weight(T::WeightInfo::cancel())]
        pub fn cancel(origin: OriginFor<T>, job: JobId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let entry = Self::entry(job)?;
            let transition = Self::ensure_may_cancel(&entry, &who)?;
            Self::do_cancel(job, entry, transition)
        }

        /// Applies what time has done to a job: a lapsed lease, a passed deadline.
        ///
        /// Origin: signed, anyone.
        ///
        /// Details: before the deadline a job with a lapsed lease is open again. After it the job is over: the escrow returns
        /// and the uses of the grants are given back.
        ///
        /// Errors: [`Error::JobUnknown`], [`Error::NotOpen`], [`Error::NotDue`].
        ///
        /// Events: [`Event::LeaseLapsed`] where a lease had lapsed; [`Event::JobExpired`] after the deadline.
        ///
        /// Complexity: O(v) in the job's versions, O(a) in the trainer's active jobs; weighed at the most of both.
        #[pallet::call_index(10)]
        #[pallet::weight(T::WeightInfo::expire())]
        pub fn expire(origin: OriginFor<T>, job: JobId) -> DispatchResult {
            ensure_signed(origin)?;
            let entry = Self::entry(job)?;
            ensure!(matches!(entry.state.stage(), Stage::Open | Stage::Leased), Error::<T>::NotOpen);
            ensure!(Self::has_lapsed(&entry) || now::<T>() > entry.spec.deadline, Error::<T>::NotDue);
            Self::do_expire(job, entry)
        }

        /// Decides a dispute.
        ///
        /// Origin: [`Config::DisputeOrigin`].
        ///
        /// Details: [`Verdict::Uphold`] settles the job and gives the dispute's deposit to the trainer.
        /// [`Verdict::Overturn`] returns escrow, uses and deposit, and gives the requester what the trainer had at risk.
        ///
        /// Errors: bad origin, [`Error::JobUnknown`], [`Error::NotDisputed`]; the models pallet's.
        ///
        /// Events: [`Event::JobSettled`] or [`Event::JobCancelled`], then [`Event::DisputeResolved`].
        ///
        /// Complexity: O(v) in the job's versions, O(a) in the trainer's active jobs; weighed at the most of both.
        #[pallet::call_index(11)]
        #[pallet::weight(T::WeightInfo::resolve_uphold().max(T::WeightInfo::resolve_overturn()))]
        pub fn resolve(origin: OriginFor<T>, job: JobId, verdict: Verdict) -> DispatchResult {
            T::DisputeOrigin::ensure_origin(origin)?;
            let entry = Self::entry(job)?;
            ensure!(entry.state.stage() == Stage::Disputed, Error::<T>::NotDisputed);
            Self::do_resolve(job, entry, verdict)
        }

        /// Drops the record of a job that ended without a model.
        ///
        /// Origin: signed, the requester.
        ///
        /// Details: the record's deposit returns.
        ///
        /// Errors: [`Error::JobUnknown`], [`Error::NotRequester`], [`Error::RecordNeeded`].
        ///
        /// Events: [`Event::JobForgotten`].
        ///
        /// Complexity: O(1).
        #[pallet::call_index(12)]
        #[pallet::weight(T::WeightInfo::forget())]
        pub fn forget(origin: OriginFor<T>, job: JobId) -> DispatchResult {
            let requester = ensure_signed(origin)?;
            let entry = Self::entry(job)?;
            ensure!(requester == entry.requester, Error::<T>::NotRequester);
            ensure!(matches!(entry.state.stage(), Stage::Cancelled | Stage::Expired), Error::<T>::RecordNeeded);
            let deposit = Self::do_forget(job, entry)?;
            Self::deposit_event(Event::JobForgotten { job, requester, deposit });
            Ok(())
        }

        /// Takes back a job that somebody works on, and pays for what was done.
        ///
        /// Origin: signed, the requester.
        ///
        /// Details: the lease holder gets the part of the price that it last said it had done, and at least
        /// [`Config::StopPartMin`] of it; what its account cannot take in stays with the requester. The rest of the escrow
        /// returns, with all data fees; uses of grants are given back, and the lease holder is freed without loss. `pay_max`
        /// bounds what is paid: a heartbeat may come before the call does.
        ///
        /// Errors: [`Error::JobUnknown`], [`Error::NotRequester`], [`Error::NotLeased`], [`Error::LeaseLapsed`],
        /// [`Error::StopCostsMore`].
        ///
        /// Events: [`Event::JobStopped`].
        ///
        /// Complexity: O(v) in the job's versions, O(a) in the trainer's active jobs; weighed at the most of both.
        #[pallet::call_index(13)]
        #[pallet::weight(T::WeightInfo::stop())]
        pub fn stop(origin: OriginFor<T>, job: JobId, pay_max: Amount) -> DispatchResult {
            let requester = ensure_signed(origin)?;
            let entry = Self::entry(job)?;
            ensure!(requester == entry.requester, Error::<T>::NotRequester);
            let lease = Self::lease(&entry)?;
            ensure!(!Self::has_lapsed(&entry), Error::<T>::LeaseLapsed);
            ensure!(Self::worth_of(&entry, &lease) <= pay_max, Error::<T>::StopCostsMore);
            Self::do_stop(job, entry, lease)
        }
    }
}
