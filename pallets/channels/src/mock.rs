//! A runtime with balances and this pallet. Models and their streams are tables of the test's.

use crate as pallet_channels;
use crate::{Channels, Event, Pallet};
use frame_support::{
    derive_impl, parameter_types,
    traits::{
        ConstU32, ConstU128,
        fungible::{Inspect, InspectHold, Mutate},
        tokens::Preservation,
    },
};
use frame_system::EnsureRoot;
use pallet_support::{AnswerSink, ServedModels};
use sp_core::{H256, Pair, sr25519};
use sp_runtime::{AccountId32, BuildStorage, DispatchError, DispatchResult, traits::IdentityLookup};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};
use tributary_protocol::{
    Amount, ChannelId, ModelId,
    channel::Channel,
    model::Prices,
    voucher::{SignedVoucher, Voucher},
};

pub type Account = AccountId32;

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Test;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Balances = pallet_balances;
    #[runtime::pallet_index(2)]
    pub type ChannelsPallet = pallet_channels;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlockU32<Test>;
    type AccountId = Account;
    type Lookup = IdentityLookup<Account>;
    type AccountData = pallet_balances::AccountData<Amount>;
}

/// The existential deposit.
pub const ED: Amount = 1_000_000;
/// The least escrow.
pub const ESCROW_MIN: Amount = 100 * ED;
/// The deposit of a channel.
pub const CHANNEL_DEPOSIT: Amount = 20 * ED;
/// The deposit of an offer.
pub const OFFER_DEPOSIT: Amount = 10 * ED;
/// Blocks in which a closing channel may be redeemed.
pub const WINDOW: u32 = 10;
/// Blocks that an offer may hold.
pub const OFFER_BLOCKS: u32 = 100;
/// What each account of [`ExtBuilder::default`] begins with.
pub const ENDOWMENT: Amount = 1_000_000 * ED;
/// The hash of the genesis block.
pub const GENESIS: H256 = H256::repeat_byte(7);

parameter_types! {
    pub const ExistentialDeposit: Amount = ED;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Amount;
    type ExistentialDeposit = ExistentialDeposit;
    type AccountStore = System;
}

thread_local! {
    static PRICES: RefCell<BTreeMap<ModelId, Prices>> = const { RefCell::new(BTreeMap::new()) };
    static SERVED: RefCell<BTreeSet<(ModelId, Account)>> = const { RefCell::new(BTreeSet::new()) };
    static SALES: RefCell<Vec<(ModelId, Account, Amount)>> = const { RefCell::new(Vec::new()) };
}

/// Models as the test sets them.
pub struct TestModels;

impl ServedModels<Account> for TestModels {
    fn prices(model: ModelId) -> Option<Prices> {
        PRICES.with_borrow(|prices| prices.get(&model).copied())
    }

    fn may_serve(model: ModelId, operator: &Account) -> bool {
        SERVED.with_borrow(|served| served.contains(&(model, operator.clone())))
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_served(operator: &Account) -> ModelId {
        let model = ModelId(1_000 + PRICES.with_borrow(|prices| prices.len() as u64));
        set_prices(model, 1, 1);
        serve(model, operator, true);
        model
    }
}

/// Streams: one account that takes what is sold, and a list of the sales.
pub struct TestStreams;

impl AnswerSink<Account> for TestStreams {
    fn sell(model: ModelId, operator: &Account, amount: Amount) -> DispatchResult {
        if TestModels::prices(model).is_none() {
            return Err(DispatchError::Other("no stream"));
        }
        Balances::transfer(operator, &STREAMS, amount, Preservation::Preserve)?;
        SALES.with_borrow_mut(|sales| sales.push((model, operator.clone(), amount)));
        Ok(())
    }
}

/// Makes a model cost so much per 1,000 tokens.
pub fn set_prices(model: ModelId, input_per_1000: Amount, output_per_1000: Amount) {
    PRICES.with_borrow_mut(|prices| prices.insert(model, Prices { input_per_1000, output_per_1000 }));
}

/// Whether an operator may serve a model from now on.
pub fn serve(model: ModelId, operator: &Account, may: bool) {
    SERVED.with_borrow_mut(|served| match may {
        true => served.insert((model, operator.clone())),
        false => served.remove(&(model, operator.clone())),
    });
}

/// What was sold since this was asked last.
pub fn sales() -> Vec<(ModelId, Account, Amount)> {
    SALES.take()
}

impl pallet_channels::Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Models = TestModels;
    type Answers = TestStreams;
    type ForceOrigin = EnsureRoot<Account>;
    type EscrowMin = ConstU128<ESCROW_MIN>;
    type ChannelDeposit = ConstU128<CHANNEL_DEPOSIT>;
    type OfferDeposit = ConstU128<OFFER_DEPOSIT>;
    type DisputeWindow = ConstU32<WINDOW>;
    type OfferBlocksMax = ConstU32<OFFER_BLOCKS>;
    type WeightInfo = ();
}

pub const APP: Account = AccountId32::new([1; 32]);
pub const OTHER_APP: Account = AccountId32::new([2; 32]);
pub const OPERATOR: Account = AccountId32::new([3; 32]);
pub const OTHER_OPERATOR: Account = AccountId32::new([4; 32]);
pub const ANYONE: Account = AccountId32::new([5; 32]);
/// Where what models earn goes.
pub const STREAMS: Account = AccountId32::new([6; 32]);

/// Costs 1,000 and 2,000 units for 1,000 tokens: one unit for a token of a request, two for one of an answer.
pub const MODEL: ModelId = ModelId(7);
/// Costs as much.
pub const OTHER_MODEL: ModelId = ModelId(8);

/// The key that signs the vouchers of all channels of [`open`].
pub fn voucher_key() -> sr25519::Pair {
    sr25519::Pair::from_seed(&[9; 32])
}

/// Its public half.
pub fn public_key() -> [u8; 32] {
    voucher_key().public().0
}

/// Opens a channel.
pub fn open(app: &Account, operator: &Account, amount: Amount) -> ChannelId {
    let id = Pallet::<Test>::next_channel();
    ChannelsPallet::open(RuntimeOrigin::signed(app.clone()), operator.clone(), public_key(), amount).unwrap();
    id
}

/// A voucher for so many tokens of requests and of answers.
pub fn voucher(channel: ChannelId, model: ModelId, tokens: (u64, u64), amount: Amount) -> Voucher {
    Voucher { channel, model, input_tokens: tokens.0, output_tokens: tokens.1, amount }
}

/// Signs for this chain.
pub fn sign(voucher: Voucher, operator: &Account) -> SignedVoucher {
    let payload = voucher.payload(GENESIS.0, operator.clone().into());
    SignedVoucher { voucher, signature: voucher_key().sign(&payload).0 }
}

/// Redeems as `operator`, as a block does: what fails leaves nothing behind.
pub fn redeem(operator: &Account, vouchers: &[SignedVoucher]) -> DispatchResult {
    let vouchers = vouchers.to_vec().try_into().unwrap();
    frame_support::storage::with_storage_layer(|| {
        ChannelsPallet::redeem(RuntimeOrigin::signed(operator.clone()), vouchers)
            .map(|_| ())
            .map_err(|error| error.error)
    })
}

/// Signs and redeems one voucher of [`OPERATOR`]'s.
pub fn redeem_one(channel: ChannelId, model: ModelId, tokens: (u64, u64), amount: Amount) -> DispatchResult {
    redeem(&OPERATOR, &[sign(voucher(channel, model, tokens, amount), &OPERATOR)])
}

pub fn channel(id: ChannelId) -> Channel<Account> {
    Channels::<Test>::get(id).unwrap()
}

pub fn free(account: &Account) -> Amount {
    Balances::balance(account)
}

pub fn held(reason: crate::HoldReason, account: &Account) -> Amount {
    Balances::balance_on_hold(&reason.into(), account)
}

pub fn pass(blocks: u32) {
    System::set_block_number(System::block_number() + blocks);
}

/// Builds a chain to test on.
pub struct ExtBuilder {
    balances: Vec<(Account, Amount)>,
}

impl Default for ExtBuilder {
    /// Everybody is endowed; both operators serve both models.
    fn default() -> Self {
        let everyone = [APP, OTHER_APP, OPERATOR, OTHER_OPERATOR, ANYONE, STREAMS];
        Self { balances: everyone.into_iter().map(|account| (account, ENDOWMENT)).collect() }
    }
}

impl ExtBuilder {
    /// Leaves `account` without any balance.
    pub fn without(mut self, account: &Account) -> Self {
        self.balances.retain(|(endowed, _)| endowed != account);
        self
    }

    pub fn build(self) -> sp_io::TestExternalities {
        let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
        pallet_balances::GenesisConfig::<Test> { balances: self.balances, ..Default::default() }
            .assimilate_storage(&mut storage)
            .unwrap();
        PRICES.take();
        SERVED.take();
        SALES.take();
        for model in [MODEL, OTHER_MODEL] {
            set_prices(model, 1_000, 2_000);
            serve(model, &OPERATOR, true);
            serve(model, &OTHER_OPERATOR, true);
        }
        let mut chain = sp_io::TestExternalities::new(storage);
        chain.execute_with(|| {
            frame_system::BlockHash::<Test>::insert(0, GENESIS);
            // Block 0 records no events.
            System::set_block_number(1);
        });
        chain
    }

    /// Runs a test, then checks every invariant.
    pub fn build_and_execute<R>(self, test: impl FnOnce() -> R) -> R {
        self.build().execute_with(|| {
            let result = test();
            check();
            result
        })
    }
}

/// Checks the pallet's invariants, and that issuance is what all accounts have free and on hold.
pub fn check() {
    ChannelsPallet::do_try_state().unwrap();
    let total: Amount = frame_system::Account::<Test>::iter().map(|(_, a)| a.data.free + a.data.reserved).sum();
    assert_eq!(Balances::total_issuance(), total);
}

/// This pallet's events of the block, in order.
pub fn events() -> Vec<Event<Test>> {
    let ours = |record: frame_system::EventRecord<RuntimeEvent, H256>| match record.event {
        RuntimeEvent::ChannelsPallet(event) => Some(event),
        _ => None,
    };
    System::events().into_iter().filter_map(ours).collect()
}

/// This pallet's last event.
pub fn last_event() -> Event<Test> {
    events().pop().unwrap()
}
