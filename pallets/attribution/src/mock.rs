//! A runtime with balances and this pallet.

use crate as pallet_attribution;
use crate::{Pallet, Streams};
use frame_support::{
    PalletId, assert_ok, derive_impl, parameter_types,
    traits::{
        ConstU32, ConstU128, Randomness,
        fungible::{Inspect, InspectHold},
    },
};
use frame_system::EnsureRoot;
use pallet_support::RewardSink;
use sp_core::H256;
use sp_runtime::{AccountId32, BuildStorage, bounded_vec, traits::IdentityLookup};
use std::cell::Cell;
use tributary_protocol::{
    Amount, ContentHash, ContributionId, DatanetId, JobId, ModelId, Ppm,
    stream::{ContributionRoot, Parties, SHARE_UNITS, Split, Stream},
    sum_tree::{SumLeaf, SumProof, SumTree},
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
    pub type Attribution = pallet_attribution;
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
/// The deposit of a first claim.
pub const CLAIM_DEPOSIT: Amount = 10 * ED;
/// The deposit of an operator's ledger.
pub const LEDGER_DEPOSIT: Amount = 20 * ED;
/// The least bond of an epoch.
pub const EPOCH_BOND_MIN: Amount = 1_000 * ED;
/// The bond of a challenge.
pub const CHALLENGE_BOND: Amount = 100 * ED;
/// Blocks in which an epoch may be challenged.
pub const CHALLENGE_WINDOW: u32 = 10;
/// Blocks in which leaves may be opened.
pub const OPEN_WINDOW: u32 = 8;
/// Blocks until what was not divided may be released.
pub const EPOCH_TIMEOUT: u32 = 50;
/// The least funding.
pub const FUND_MIN: Amount = 1_000;
/// What each account of [`ExtBuilder::default`] begins with.
pub const ENDOWMENT: Amount = 1_000_000_000 * ED;

parameter_types! {
    pub const ExistentialDeposit: Amount = ED;
    pub const ClaimDeposit: Amount = CLAIM_DEPOSIT;
    pub const FundMin: Amount = FUND_MIN;
    pub const AttributionPalletId: PalletId = PalletId(*b"trb/pool");
    pub Treasury: Account = TREASURY;
    pub const EpochBondPart: Ppm = Ppm::ONE;
    pub const ReporterPart: Ppm = Ppm::from_percent(25);
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Amount;
    type ExistentialDeposit = ExistentialDeposit;
    type AccountStore = System;
}

/// What audits are drawn from, and since when it could be known.
pub struct TestRandomness;

thread_local! {
    static RANDOMNESS: Cell<(u8, u32)> = const { Cell::new((0, 0)) };
}

/// Makes the randomness one of `seed` that could be known since block `known_since`.
pub fn randomness(seed: u8, known_since: u32) {
    RANDOMNESS.set((seed, known_since));
}

impl Randomness<H256, u32> for TestRandomness {
    fn random(subject: &[u8]) -> (H256, u32) {
        let (seed, known_since) = RANDOMNESS.get();
        (sp_io::hashing::blake2_256(&[subject, &[seed]].concat()).into(), known_since)
    }
}

impl pallet_attribution::Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Treasury = Treasury;
    type PalletId = AttributionPalletId;
    type FundMin = FundMin;
    type ClaimDeposit = ClaimDeposit;
    type LedgerDeposit = ConstU128<LEDGER_DEPOSIT>;
    type EpochBondMin = ConstU128<EPOCH_BOND_MIN>;
    type EpochBondPart = EpochBondPart;
    type ChallengeBond = ConstU128<CHALLENGE_BOND>;
    type ReporterPart = ReporterPart;
    type ChallengeWindow = ConstU32<CHALLENGE_WINDOW>;
    type OpenWindow = ConstU32<OPEN_WINDOW>;
    type EpochTimeout = ConstU32<EPOCH_TIMEOUT>;
    type Randomness = TestRandomness;
    type DisputeOrigin = EnsureRoot<Account>;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = TestRandomness;
}

#[cfg(feature = "runtime-benchmarks")]
impl pallet_attribution::BenchmarkHelper for TestRandomness {
    fn randomness_since(block: u32) {
        randomness(0, block);
    }
}

pub const TREASURY: Account = AccountId32::new([100; 32]);
pub const BASE_OWNER: Account = AccountId32::new([101; 32]);
pub const TRAINER: Account = AccountId32::new([102; 32]);
pub const OWNER: Account = AccountId32::new([103; 32]);
pub const DATANET_OWNERS: [Account; 3] =
    [AccountId32::new([104; 32]), AccountId32::new([105; 32]), AccountId32::new([106; 32])];
pub const BUYER: Account = AccountId32::new([107; 32]);

/// The `n`th contributor.
pub const fn contributor(n: u8) -> Account {
    AccountId32::new([n; 32])
}

/// The part of the contributors' part that answers divide.
pub const ATTRIBUTED: Ppm = Ppm::from_percent(80);
pub const MODEL: ModelId = ModelId(7);
pub const JOB: JobId = JobId(70);

/// Everyone a stream of [`open`] pays beside contributors.
pub fn parties() -> Parties<Account> {
    let [first, second, third] = DATANET_OWNERS;
    Parties {
        base_owner: BASE_OWNER,
        trainer: TRAINER,
        model_owner: OWNER,
        datanet_owners: bounded_vec![(DatanetId(0), first), (DatanetId(1), second), (DatanetId(2), third)],
    }
}

/// A tree in which contributor `n` has the `n`th of `units`; they must sum to [`SHARE_UNITS`].
pub fn tree(job: JobId, units: &[u64]) -> SumTree {
    let leaves = (0u8..).zip(units).map(|(n, units)| SumLeaf {
        index: n.into(),
        contribution: ContributionId(u64::from(n) + 1_000),
        contributor: contributor(n).into(),
        units: *units,
        evidence: ContentHash::of(&[n]),
    });
    SumTree::new(&Pallet::<Test>::proof_domain(job), leaves.collect()).unwrap()
}

pub fn root(tree: &SumTree) -> ContributionRoot {
    ContributionRoot { shares: tree.root(), evidence: ContentHash::of(b"evidence"), attributed: ATTRIBUTED }
}

/// Opens the stream of `model` with [`parties`], the default split and these units.
pub fn open(model: ModelId, job: JobId, units: &[u64]) -> SumTree {
    let tree = tree(job, units);
    assert_ok!(Attribution::open_stream(model, job, parties(), Split::DEFAULT, root(&tree)));
    tree
}

/// Half, three tenths and a fifth.
pub const THREE: [u64; 3] = [SHARE_UNITS / 2, SHARE_UNITS / 10 * 3, SHARE_UNITS / 5];

pub fn shown(tree: &SumTree, index: u32) -> (SumLeaf, SumProof) {
    let leaf = *tree.leaves().get(usize::try_from(index).unwrap()).unwrap();
    (leaf, tree.prove(index).unwrap())
}

pub fn stream(model: ModelId) -> Stream<Account> {
    Streams::<Test>::get(model).unwrap()
}

pub fn free(account: &Account) -> Amount {
    Balances::balance(account)
}

pub fn held(reason: crate::HoldReason, account: &Account) -> Amount {
    Balances::balance_on_hold(&reason.into(), account)
}

/// Builds a chain to test on.
pub struct ExtBuilder {
    balances: Vec<(Account, Amount)>,
}

impl Default for ExtBuilder {
    /// Every named account and the first eight contributors are endowed; the pool has the existential deposit.
    fn default() -> Self {
        let named = [TREASURY, BASE_OWNER, TRAINER, OWNER, BUYER];
        let everyone = named.into_iter().chain(DATANET_OWNERS).chain((0..8).map(contributor));
        let mut balances: Vec<_> = everyone.map(|account| (account, ENDOWMENT)).collect();
        balances.push((Attribution::pool_account(), ED));
        Self { balances }
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
        let mut chain = sp_io::TestExternalities::new(storage);
        // Block 0 records no events.
        chain.execute_with(|| System::set_block_number(1));
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
    Attribution::do_try_state().unwrap();
    let total: Amount = frame_system::Account::<Test>::iter().map(|(_, a)| a.data.free + a.data.reserved).sum();
    assert_eq!(Balances::total_issuance(), total);
}

/// The last event, of this pallet.
pub fn last_event() -> crate::Event<Test> {
    match System::events().pop().unwrap().event {
        RuntimeEvent::Attribution(event) => event,
        other => panic!("another pallet's event is last: {other:?}"),
    }
}
