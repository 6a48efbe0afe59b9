//! A runtime with balances and this pallet, and stand-ins for the pallets it meets.

use crate as pallet_models;
use frame_support::{
    assert_ok, derive_impl,
    dispatch::DispatchResult,
    parameter_types,
    traits::fungible::{Inspect, InspectHold},
};
use pallet_support::{DatanetInspect, GrantGate, ModelRegistry, NewModel, RewardSink};
use sp_runtime::{BuildStorage, DispatchError, bounded_vec};
use std::collections::BTreeMap;
use tributary_protocol::{
    Amount, BaseModelId, ContentHash, DatanetId, GrantId, JobId, ModelId, Ppm, VersionRef,
    datanet::{
        AccessPolicy, Admission, Datanet, DatanetStatus, Name, Purpose, PurposeSet, Schema, Terms, VersionFacts,
    },
    grant::{GrantRefusal, Use},
    job::Metrics,
    model::{DataUse, Lineage, Model, ModelFamily, Prices},
    stream::{ContributionRoot, Parties, Split},
};

pub type Account = u64;

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
    pub type ModelsPallet = pallet_models;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlockU32<Test>;
    type AccountData = pallet_balances::AccountData<Amount>;
}

/// The existential deposit.
pub const ED: Amount = 1_000_000;
/// What each account begins with.
pub const ENDOWMENT: Amount = 1_000_000 * ED;
pub const BASE_DEPOSIT: Amount = 1_000 * ED;
pub const DEPLOYMENT_DEPOSIT: Amount = 100 * ED;
pub const BYTE_DEPOSIT: Amount = ED;

parameter_types! {
    pub const ExistentialDeposit: Amount = ED;
    pub const BaseModelDeposit: Amount = BASE_DEPOSIT;
    pub const DeploymentDeposit: Amount = DEPLOYMENT_DEPOSIT;
    pub const ByteDeposit: Amount = BYTE_DEPOSIT;

    /// How the stand-in for grants refuses, by grant.
    pub storage Refusals: BTreeMap<GrantId, GrantRefusal> = BTreeMap::new();
    /// The streams that the stand-in for attribution was asked to open.
    pub storage Streams: BTreeMap<ModelId, (JobId, Parties<Account>, Split, ContributionRoot)> = BTreeMap::new();
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Amount;
    type ExistentialDeposit = ExistentialDeposit;
    type AccountStore = System;
}

impl pallet_models::Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Datanets = FiveDatanets;
    type Grants = RefusedGrants;
    type Rewards = RecordedStreams;
    type BaseModelDeposit = BaseModelDeposit;
    type DeploymentDeposit = DeploymentDeposit;
    type ByteDeposit = ByteDeposit;
    type WeightInfo = ();
}

/// Datanets 0 to 4, each owned by account 100 and up.
pub struct FiveDatanets;

pub fn datanet_owner(id: u32) -> Account {
    100 + u64::from(id)
}

fn terms() -> Terms {
    Terms {
        price: 0,
        purposes: PurposeSet::ALL,
        royalty_floor: Ppm::ZERO,
        admission: Admission::Anyone,
        access: AccessPolicy::Open,
        grant_blocks_max: 100,
        grant_uses_max: 1,
        licence: name("CC0-1.0"),
    }
}

impl DatanetInspect<Account> for FiveDatanets {
    fn datanet(id: DatanetId) -> Option<Datanet<Account>> {
        (id.0 < 5).then(|| Datanet {
            owner: datanet_owner(id.0),
            name: name("cases"),
            domain: name("legal"),
            description: Default::default(),
            schema: Schema::PromptCompletion,
            terms: terms(),
            curators: Default::default(),
            status: DatanetStatus::Active,
            versions: 9,
            deposit: 0,
            registered_at: 0,
        })
    }

    fn version(version: VersionRef) -> Option<VersionFacts<Account>> {
        Self::datanet(version.datanet).map(|datanet| VersionFacts {
            version,
            owner: datanet.owner,
            terms: datanet.terms,
            active: true,
        })
    }

    fn holds(_: VersionRef, _: ContentHash) -> bool {
        false
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_version(_: &Account) -> VersionRef {
        VersionRef { datanet: DatanetId(0), number: 1 }
    }
}

/// Grants that all cover everything but those in [`Refusals`].
pub struct RefusedGrants;

impl GrantGate<Account> for RefusedGrants {
    fn take(grant: GrantId, wanted: &Use<Account>) -> DispatchResult {
        Self::check(grant, wanted).map_err(Self::refuse)
    }

    fn check(grant: GrantId, wanted: &Use<Account>) -> Result<(), GrantRefusal> {
        #[cfg(not(feature = "runtime-benchmarks"))]
        assert_eq!((wanted.grantee, wanted.purpose), (OWNER, Purpose::Research), "the grant is the requester's");
        #[cfg(feature = "runtime-benchmarks")]
        let _ = wanted;
        Refusals::get().get(&grant).map_or(Ok(()), |refusal| Err(*refusal))
    }

    fn give_back(_: GrantId) {}

    fn refuse(_: GrantRefusal) -> DispatchError {
        DispatchError::Other("refused")
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_grant(_: &Use<Account>) -> GrantId {
        GrantId(0)
    }
}

/// Remembers what streams were opened; refuses a split that is not whole, as the real one does.
pub struct RecordedStreams;

impl RewardSink<Account> for RecordedStreams {
    fn open_stream(
        model: ModelId,
        job: JobId,
        parties: Parties<Account>,
        split: Split,
        contributions: ContributionRoot,
    ) -> DispatchResult {
        frame_support::ensure!(split.is_whole(), DispatchError::Other("not whole"));
        let mut streams = Streams::get();
        assert!(streams.insert(model, (job, parties, split, contributions)).is_none(), "a stream is opened once");
        Streams::set(&streams);
        Ok(())
    }
}

/// Takes a grant back, as its Datanet's owner would.
pub fn refuse(grant: GrantId, refusal: GrantRefusal) {
    let mut refusals = Refusals::get();
    refusals.insert(grant, refusal);
    Refusals::set(&refusals);
}

pub const BASE_OWNER: Account = 1;
pub const OWNER: Account = 2;
pub const TRAINER: Account = 3;
pub const OPERATOR: Account = 4;
pub const STRANGER: Account = 5;

pub fn name(text: &str) -> Name {
    text.as_bytes().to_vec().try_into().unwrap()
}

pub fn prices(input: Amount, output: Amount) -> Prices {
    Prices { input_per_1000: input, output_per_1000: output }
}

/// Registers a base model whose content is the hash of `text`.
pub fn register(owner: Account, text: &str) -> DispatchResult {
    ModelsPallet::register_base(
        RuntimeOrigin::signed(owner),
        name("tributary-tiny"),
        ModelFamily::Llama,
        ContentHash::of(text.as_bytes()),
        3_000_000,
        name("Apache-2.0"),
    )
}

/// What job `n` made: a model of [`OWNER`] from base model 0 and two versions.
pub fn made_by(n: u64) -> NewModel<Account> {
    NewModel {
        owner: OWNER,
        adapter: ContentHash::of(&n.to_le_bytes()),
        lineage: Lineage {
            base: BaseModelId(0),
            job: JobId(n),
            trainer: TRAINER,
            data: bounded_vec![data(0, 1, 10 * n), data(1, 2, 10 * n + 1)],
            purpose: Purpose::Research,
        },
        metrics: Metrics { steps: 100, tokens: 5_000, ..Metrics::default() },
        split: Split::DEFAULT,
        contributions: ContributionRoot::default(),
        accuracy: None,
    }
}

/// A use of a version under a grant.
pub fn data(datanet: u32, number: u32, grant: u64) -> DataUse {
    DataUse { version: version(datanet, number), grant: GrantId(grant) }
}

pub fn version(datanet: u32, number: u32) -> VersionRef {
    VersionRef { datanet: DatanetId(datanet), number }
}

/// Registers a base model and records the model of job 0.
pub fn recorded() -> ModelId {
    assert_ok!(register(BASE_OWNER, "base"));
    ModelsPallet::record(made_by(0)).unwrap()
}

/// As [`recorded`], and publishes the model.
pub fn published() -> ModelId {
    let id = recorded();
    assert_ok!(ModelsPallet::publish(RuntimeOrigin::signed(OWNER), id, prices(1, 2)));
    id
}

pub fn model(id: ModelId) -> Model<Account> {
    crate::Models::<Test>::get(id).unwrap()
}

pub fn free(account: Account) -> Amount {
    Balances::balance(&account)
}

pub fn held(reason: crate::HoldReason, account: Account) -> Amount {
    Balances::balance_on_hold(&reason.into(), &account)
}

/// Builds a chain to test on: accounts 1 to 9 are endowed.
#[derive(Default)]
pub struct ExtBuilder;

impl ExtBuilder {
    pub fn build(self) -> sp_io::TestExternalities {
        let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
        let balances = (1..10).map(|account| (account, ENDOWMENT)).collect();
        pallet_balances::GenesisConfig::<Test> { balances, ..Default::default() }
            .assimilate_storage(&mut storage)
            .unwrap();
        let mut chain = sp_io::TestExternalities::new(storage);
        // Block 0 records no events.
        chain.execute_with(|| System::set_block_number(1));
        chain
    }

    /// Runs a test, then checks every invariant.
    pub fn build_and_execute(self, test: impl FnOnce()) {
        self.build().execute_with(|| {
            test();
            check();
        });
    }
}

/// Checks the pallet's invariants, and that issuance is what all accounts have free and on hold.
pub fn check() {
    ModelsPallet::do_try_state().unwrap();
    let total: Amount = frame_system::Account::<Test>::iter().map(|(_, a)| a.data.free + a.data.reserved).sum();
    assert_eq!(Balances::total_issuance(), total);
}

/// The last event, of this pallet.
pub fn last_event() -> crate::Event<Test> {
    match System::events().pop().unwrap().event {
        RuntimeEvent::ModelsPallet(event) => event,
        other => panic!("another pallet's event is last: {other:?}"),
    }
}
