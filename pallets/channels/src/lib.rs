//! Payment channels: an app prepays a serving operator once, pays for each answer with a signed voucher, and the operator
//! redeems what it likes when it likes.
//!
//! # Overview
//!
//! A transaction for each answer would cost more than the answer. So an app puts money aside for an operator in a *channel*,
//! and with each request sends a *voucher*: a signed note that says what all its answers of that model have cost so far. The
//! operator keeps the newest and shows it to the chain now and then. The chain pays the difference to what it paid before: the
//! model's price to the model's revenue stream, where it is divided as every sale is, and the rest to the operator. When the
//! app has had enough, it closes the channel, the operator has some time to show its last vouchers, and what is left goes back.
//!
//! # Terminology
//!
//! - *Operator*: who runs servers that answer. *App*: who asks and pays.
//! - *Offer*: the prices at which an operator answers with a model. Good for a limited time, and so is the model's price in it.
//! - *Escrow*: what a channel holds that is not redeemed. It stays on hold in the app's own account.
//! - *Voucher key*: an sr25519 key of the app's that signs vouchers. It can spend a channel's escrow with its operator, no more.
//! - *Window*: the blocks after the app's wish to close in which the operator may still redeem.
//!
//! # Calls
//!
//! | call | who | what |
//! |---|---|---|
//! | [`offer`](Pallet::offer) | an operator that serves the model | says at which prices, for a deposit |
//! | [`withdraw_offer`](Pallet::withdraw_offer) | the operator | takes that back and gets the deposit back |
//! | [`open`](Pallet::open) | an app | puts money aside for an operator |
//! | [`top_up`](Pallet::top_up) | the channel's app | adds to it |
//! | [`redeem`](Pallet::redeem) | the channels' operator | is paid what vouchers newly say, models first |
//! | [`close`](Pallet::close) | the app, or the operator | begins the window, or ends the channel at once |
//! | [`finalise`](Pallet::finalise) | anyone | ends a channel whose window is over |
//! | [`force_close`](Pallet::force_close) | [`Config::ForceOrigin`] | ends a channel at once, unredeemed |
//!
//! # Example
//!
//! `tests/redeem.rs`, `redeem_pays_the_model_its_price_and_the_operator_the_rest`.
//!
//! # Design
//!
//! - *What a voucher binds*: chain, operator, channel, model, tokens, amount (`tributary_protocol::voucher`). Channels' numbers
//!   are never given twice, so no voucher outlives its channel.
//! - *Vouchers add up per model*, so that each model's stream gets its own; the escrow bounds them all together. Redeeming one
//!   twice, or an older one, is refused. A voucher that is never shown costs its operator, and nobody else.
//! - *Division.* The model's part is its price for the tokens that the voucher newly counts, rounded up, at most the whole; the
//!   operator has the rest. The app signs the tokens, so an operator alone cannot make them fewer; and the model's price is that of the
//!   operator's offer while it holds, so its owner cannot raise the price of answers that were given.
//! - *Batches.* Redeeming takes many vouchers of many channels; each model's stream is paid once for all of them. All are taken,
//!   or none.
//! - *Withdrawn models.* Answers that were given are paid, so redeeming asks only that the model exists. Whether an operator
//!   may answer *now* is [`may_serve`](Pallet::may_serve), which servers read at each finalised block.
//! - *Deposits.* The app has one on hold for a channel's record at its largest, the operator for each offer. Both come back.
//!
//! # Limits
//!
//! - An app and an operator who agree to cheat a model can count too few tokens, as they can trade without the chain. Receipts,
//!   which the operator's epochs commit to, show it to whoever compares.
//! - An app that loses the voucher key's secret can lose the escrow to the operator of that channel.
//! - A model whose owner asks nothing for it gets nothing: all that apps pay is the operator's.
//! - Who forces a channel closed takes from the operator what was not redeemed.
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
pub use types::Ending;
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use frame_support::{
        pallet_prelude::*,
        traits::fungible::{Inspect, InspectHold, Mutate, MutateHold},
    };
    use frame_system::pallet_prelude::*;
    use pallet_support::{AnswerSink, ServedModels};
    use tributary_protocol::{
        Amount, BlockNumber, ChannelId, ModelId,
        channel::{Channel, ChannelState, Offer},
        model::Prices,
        voucher::{REDEEM_MAX, SignedVoucher, Voucher},
    };

    /// The layout of storage that this code reads and writes.
    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What the runtime decides. Accounts and block hashes are 32 bytes: vouchers bind them.
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

        /// Where models are looked up.
        type Models: ServedModels<Self::AccountId>;

        /// Where the models' part of what is redeemed goes.
        type Answers: AnswerSink<Self::AccountId>;

        /// Who may end a channel at once.
        type ForceOrigin: EnsureOrigin<Self::RuntimeOrigin>;

        /// The least that a channel is opened or topped up with, in the smallest unit.
        #[pallet::constant]
        type EscrowMin: Get<Amount>;

        /// What an app has on hold for a channel's record, in the smallest unit.
        #[pallet::constant]
        type ChannelDeposit: Get<Amount>;

        /// What an operator has on hold for an offer's record, in the smallest unit.
        #[pallet::constant]
        type OfferDeposit: Get<Amount>;

        /// For how many blocks after an app's wish to close its operator may redeem.
        #[pallet::constant]
        type DisputeWindow: Get<BlockNumber>;

        /// For how many blocks an offer may hold.
        #[pallet::constant]
        type OfferBlocksMax: Get<BlockNumber>;

        /// Weights from benchmarks.
        type WeightInfo: WeightInfo;
    }

    /// Why money is on hold.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// What channels hold that is not redeemed, in the apps' accounts.
        Escrow,
        /// The deposit for a channel's record.
        Channel,
        /// The deposit for an offer.
        Offer,
    }

    /// The offers, by model and operator. Models' numbers are given by the chain; anyone may make accounts at will, so their
    /// hasher is Blake2. The operator has a deposit on hold for each.
    #[pallet::storage]
    pub type Offers<T: Config> = StorageDoubleMap<_, Twox64Concat, ModelId, Blake2_128Concat, T::AccountId, Offer>;

    /// The number of the next channel.
    #[pallet::storage]
    pub type NextChannel<T> = StorageValue<_, ChannelId, ValueQuery>;

    /// The channels that have not ended. Numbers are given in order by the chain and cannot be ground, so Twox64 serves. The
    /// app has a deposit on hold for each.
    #[pallet::storage]
    pub type Channels<T: Config> = StorageMap<_, Twox64Concat, ChannelId, Channel<T::AccountId>>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// An operator offers answers of a model, at these prices from now on.
        OfferMade {
            /// The model.
            model: ModelId,
            /// The operator.
            operator: T::AccountId,
            /// What the operator asks, what the model has of it, until when, and the deposit.
            offer: Offer,
        },
        /// An operator took an offer back.
        OfferWithdrawn {
            /// The model.
            model: ModelId,
            /// The operator.
            operator: T::AccountId,
            /// What the operator got back.
            deposit: Amount,
        },
        /// An app opened a channel.
        ChannelOpened {
            /// The channel.
            channel: ChannelId,
            /// Who pays.
            app: T::AccountId,
            /// Who answers.
            operator: T::AccountId,
            /// Which sr25519 key signs vouchers.
            key: [u8; 32],
            /// How much was put in.
            amount: Amount,
            /// What the app has on hold for the record.
            deposit: Amount,
        },
        /// An app added to a channel.
        ChannelToppedUp {
            /// The channel.
            channel: ChannelId,
            /// How much was added.
            amount: Amount,
            /// How much was put in, all in all.
            funded: Amount,
        },
        /// An operator was paid for a voucher.
        VoucherRedeemed {
            /// What the voucher says.
            voucher: Voucher,
            /// Who was paid.
            operator: T::AccountId,
            /// What it newly paid.
            amount: Amount,
            /// How much of that is the model's. Sold to its stream at the end of the batch.
            model_part: Amount,
        },
        /// An app wants to close a channel.
        ChannelClosing {
            /// The channel.
            channel: ChannelId,
            /// The last block in which the operator may redeem.
            until: BlockNumber,
        },
        /// A channel ended.
        ChannelClosed {
            /// The channel.
            channel: ChannelId,
            /// By whom.
            ending: Ending,
            /// Who got the rest.
            app: T::AccountId,
            /// Who was paid before.
            operator: T::AccountId,
            /// What the operator had redeemed, its models' parts included.
            redeemed: Amount,
            /// What went back to the app of the escrow.
            returned: Amount,
            /// The deposit that went back with it.
            deposit: Amount,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// There is no model with this number.
        UnknownModel,
        /// The operator may not serve the model: it is not published, a grant that it was trained under was revoked, or the
        /// operator has not deployed it.
        NotServed,
        /// A price of the offer is below the model's own. The operator would have to pay for answering.
        PriceBelowModels,
        /// The offer ends in this block or before, or later than `OfferBlocksMax` from now.
        OfferEndInvalid,
        /// The operator has no offer for the model.
        UnknownOffer,
        /// An account has no channel to itself.
        OwnOperator,
        /// The amount is below `EscrowMin`.
        AmountBelowMinimum,
        /// The account cannot place the amount and the deposit.
        EscrowUnaffordable,
        /// There is no channel with this number: it has ended, or never was.
        UnknownChannel,
        /// Only the channel's app may do this.
        NotApp,
        /// Only the channel's operator may do this.
        NotOperator,
        /// Only the channel's app or its operator may do this.
        NotParty,
        /// The channel is closing already: it takes no more money.
        Closing,
        /// Nobody asked to close the channel.
        NotClosing,
        /// The operator may still redeem. Wait until the window is over.
        WindowOpen,
        /// The window of the closing channel is over: it pays no more.
        WindowOver,
        /// There is no voucher to redeem.
        NoVouchers,
        /// The channel's key did not sign this for this chain, operator, channel, model and amount.
        BadSignature,
        /// The channel has paid this model as much already: the voucher is a replay, or older than the newest.
        StaleVoucher,
        /// The voucher counts fewer tokens than one that was redeemed.
        TokensTakenBack,
        /// The channel does not hold so much.
        Overdrawn,
        /// The channel pays for as many models as it can.
        TooManyModels,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }

        fn integrity_test() {
            assert!(T::DisputeWindow::get() > 0, "an operator needs a block to redeem in");
            assert!(T::EscrowMin::get() > 0, "a channel without escrow pays nothing");
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Says at which prices the caller answers with a model, until when.
        ///
        /// # Origin
        /// Signed, by an operator that may serve the model.
        ///
        /// # Details
        /// The model's own prices of now are kept with the offer: while it holds, they are the model's part of what is redeemed.
        /// A later offer for the same model replaces the earlier. The first takes a deposit.
        ///
        /// # Errors
        /// `UnknownModel`, `NotServed`, `PriceBelowModels`, `OfferEndInvalid`; the currency's where the deposit is not affordable.
        ///
        /// # Events
        /// `OfferMade`.
        ///
        /// # Complexity
        /// O(g), where g is the number of grants that the model was trained under: at most 8.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::offer())]
        pub fn offer(origin: OriginFor<T>, model: ModelId, prices: Prices, until: BlockNumber) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            let model_prices = T::Models::prices(model).ok_or(Error::<T>::UnknownModel)?;
            ensure!(T::Models::may_serve(model, &operator), Error::<T>::NotServed);
            ensure!(prices.covers(&model_prices), Error::<T>::PriceBelowModels);
            let now = pallet_support::now::<T>();
            ensure!(until > now && until <= logic::later::<T>(T::OfferBlocksMax::get())?, Error::<T>::OfferEndInvalid);
            let offer = Self::do_offer(model, &operator, Offer { prices, model_prices, until, deposit: 0 })?;
            Self::deposit_event(Event::OfferMade { model, operator, offer });
            Ok(())
        }

        /// Takes the caller's offer for a model back, and gives the deposit back.
        ///
        /// # Origin
        /// Signed, by the operator.
        ///
        /// # Details
        /// Vouchers can still be redeemed; the model's part follows its prices of that block then.
        ///
        /// # Errors
        /// `UnknownOffer`.
        ///
        /// # Events
        /// `OfferWithdrawn`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::withdraw_offer())]
        pub fn withdraw_offer(origin: OriginFor<T>, model: ModelId) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            let offer = Offers::<T>::get(model, &operator).ok_or(Error::<T>::UnknownOffer)?;
            Self::do_withdraw_offer(model, &operator, &offer)?;
            Self::deposit_event(Event::OfferWithdrawn { model, operator, deposit: offer.deposit });
            Ok(())
        }

        /// Puts money aside for an operator.
        ///
        /// # Origin
        /// Signed, by the app.
        ///
        /// # Details
        /// `key` is the sr25519 key that will sign vouchers. The escrow and a deposit go on hold in the app's account. The
        /// operator owes nothing for it: it decides itself whether to answer.
        ///
        /// # Errors
        /// `OwnOperator`, `AmountBelowMinimum`, `EscrowUnaffordable`.
        ///
        /// # Events
        /// `ChannelOpened`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::open())]
        pub fn open(
            origin: OriginFor<T>,
            operator: T::AccountId,
            key: [u8; 32],
            #[pallet::compact] amount: Amount,
        ) -> DispatchResult {
            let app = ensure_signed(origin)?;
            ensure!(app != operator, Error::<T>::OwnOperator);
            ensure!(amount >= T::EscrowMin::get(), Error::<T>::AmountBelowMinimum);
            let deposit = T::ChannelDeposit::get();
            let channel = Self::do_open(&app, &operator, key, amount, deposit)?;
            Self::deposit_event(Event::ChannelOpened { channel, app, operator, key, amount, deposit });
            Ok(())
        }

        /// Adds to a channel.
        ///
        /// # Origin
        /// Signed, by the channel's app.
        ///
        /// # Errors
        /// `UnknownChannel`, `NotApp`, `Closing`, `AmountBelowMinimum`, `EscrowUnaffordable`.
        ///
        /// # Events
        /// `ChannelToppedUp`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::top_up())]
        pub fn top_up(origin: OriginFor<T>, channel: ChannelId, #[pallet::compact] amount: Amount) -> DispatchResult {
            let app = ensure_signed(origin)?;
            let record = Channels::<T>::get(channel).ok_or(Error::<T>::UnknownChannel)?;
            ensure!(record.app == app, Error::<T>::NotApp);
            ensure!(record.state == ChannelState::Open, Error::<T>::Closing);
            ensure!(amount >= T::EscrowMin::get(), Error::<T>::AmountBelowMinimum);
            let funded = Self::do_top_up(channel, record, amount)?;
            Self::deposit_event(Event::ChannelToppedUp { channel, amount, funded });
            Ok(())
        }

        /// Pays the caller what vouchers newly say, the models' parts to their streams.
        ///
        /// # Origin
        /// Signed, by the operator of all the channels.
        ///
        /// # Details
        /// Each voucher pays the difference to what its channel has paid for its model. The model's price of that goes to the
        /// model's stream, once for all vouchers together, and the rest to the operator. All vouchers are taken, or none. The
        /// first payment to a model whose attribution is measured takes a ledger's deposit from the operator, for which the money may
        /// serve.
        ///
        /// # Errors
        /// `NoVouchers`, `UnknownChannel`, `NotOperator`, `WindowOver`, `StaleVoucher`, `TokensTakenBack`, `Overdrawn`,
        /// `TooManyModels`, `UnknownModel`, `BadSignature`; those of [`Config::Answers`].
        ///
        /// # Events
        /// `VoucherRedeemed` for each voucher; then what [`Config::Answers`] says, for each model.
        ///
        /// # Complexity
        /// O(v + m), where v is the number of vouchers, each a signature, and m that of the models, each at most 12 transfers. What
        /// was charged for more models than there are is given back.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::redeem(
            u32::try_from(vouchers.len()).unwrap_or(u32::MAX),
            u32::try_from(vouchers.len()).unwrap_or(u32::MAX),
        ))]
        pub fn redeem(
            origin: OriginFor<T>,
            vouchers: BoundedVec<SignedVoucher, ConstU32<{ REDEEM_MAX }>>,
        ) -> DispatchResultWithPostInfo {
            let operator = ensure_signed(origin)?;
            ensure!(!vouchers.is_empty(), Error::<T>::NoVouchers);
            let batch = Self::check_vouchers(&operator, &vouchers)?;
            let models = Self::do_redeem(&operator, batch)?;
            let count = u32::try_from(vouchers.len()).unwrap_or(u32::MAX);
            Ok(Some(T::WeightInfo::redeem(count, models)).into())
        }

        /// Closes a channel: by its operator at once, by its app after a window in which the operator may redeem.
        ///
        /// # Origin
        /// Signed, by the channel's app or its operator.
        ///
        /// # Details
        /// Where it ends at once, what is left and the deposit go back to the app.
        ///
        /// # Errors
        /// `UnknownChannel`, `NotParty`; `Closing` where the app asked before.
        ///
        /// # Events
        /// `ChannelClosing` or `ChannelClosed`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::close_by_app().max(T::WeightInfo::close_by_operator()))]
        pub fn close(origin: OriginFor<T>, channel: ChannelId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let record = Channels::<T>::get(channel).ok_or(Error::<T>::UnknownChannel)?;
            if who == record.operator {
                return Self::do_end(channel, record, Ending::ByOperator);
            }
            ensure!(who == record.app, Error::<T>::NotParty);
            ensure!(record.state == ChannelState::Open, Error::<T>::Closing);
            let until = Self::do_begin_closing(channel, record)?;
            Self::deposit_event(Event::ChannelClosing { channel, until });
            Ok(())
        }

        /// Ends a channel whose window is over: what is left and the deposit go back to the app.
        ///
        /// # Origin
        /// Signed, by anyone.
        ///
        /// # Errors
        /// `UnknownChannel`, `NotClosing`, `WindowOpen`.
        ///
        /// # Events
        /// `ChannelClosed`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::finalise())]
        pub fn finalise(origin: OriginFor<T>, channel: ChannelId) -> DispatchResult {
            ensure_signed(origin)?;
            let record = Channels::<T>::get(channel).ok_or(Error::<T>::UnknownChannel)?;
            let ChannelState::Closing { until } = record.state else { return Err(Error::<T>::NotClosing.into()) };
            ensure!(pallet_support::now::<T>() > until, Error::<T>::WindowOpen);
            Self::do_end(channel, record, Ending::AfterWindow)
        }

        /// Ends a channel at once, whatever vouchers the operator has: what is left and the deposit go back to the app.
        ///
        /// # Origin
        /// [`Config::ForceOrigin`].
        ///
        /// # Errors
        /// `UnknownChannel`.
        ///
        /// # Events
        /// `ChannelClosed`.
        ///
        /// # Complexity
        /// O(1).
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::force_close())]
        pub fn force_close(origin: OriginFor<T>, channel: ChannelId) -> DispatchResult {
            T::ForceOrigin::ensure_origin(origin)?;
            let record = Channels::<T>::get(channel).ok_or(Error::<T>::UnknownChannel)?;
            Self::do_end(channel, record, Ending::Forced)
        }
    }
}
