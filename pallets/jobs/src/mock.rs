//! A chain with this pallet and balances, and plain stand-ins for its neighbours.
//!
//! The stand-ins keep their state in storage, so that a refused call rolls them back as it would the real pallets.

use crate as pallet_jobs;
use alloc::collections::BTreeMap;
use frame_support::{
    derive_impl,
    dispatch::DispatchResult,
    parameter_types,
    traits::{ConstU32, ConstU128, OnFinalize, OnInitialize, fungible::Inspect, fungible::InspectHold},
};
use frame_system::{EnsureRoot, mocking::MockBlockU32};
use pallet_support::{BaseModelInspect, DatanetInspect, GrantGate, ModelRegistry, NewModel, now};
use sp_runtime::{BuildStorage, DispatchError};
use tributary_protocol::{
    Amount, BaseModelId, BlockNumber, ContentHash, DatanetId, GrantId, JobId, ModelId, Ppm, VersionRef,
    answer::Accuracy,
    datanet::{
        AccessPolicy, Admission, Datanet, DatanetStatus, Name, Purpose, PurposeSet, Schema, Terms, Text, VersionFacts,
    },
    grant::{BaseModelScope, Grant, GrantRefusal, GrantStatus, GrantTerms, Use, VersionScope},
    job::{JobSpec, Metrics, Report},
    model::DataUse,
    recipe::{AttributionMethod, Hyperparameters, Method, Schedule, TargetLayers},
    stream::{ContributionRoot, SHARE_UNITS, Split},
    sum_tree::SumRoot,
};

pub type AccountId = u64;

/// Posts jobs.
pub const REQUESTER: AccountId = 1;
/// Trains.
pub const TRAINER: AccountId = 2;
/// Trains, too.
pub const RIVAL: AccountId = 3;
/// Owns [`DATANET`].
pub const OWNER: AccountId = 4;
/// Judges contributions to [`DATANET`].
pub const CURATOR: AccountId = 5;
/// Has nothing to do with anything.
pub const STRANGER: AccountId = 6;
/// Everyone who starts with money.
pub const PEOPLE: [AccountId; 6] = [REQUESTER, TRAINER, RIVAL, OWNER, CURATOR, STRANGER];

pub const ED: Amount = 1_000_000;
pub const UNIT: Amount = 1_000 * ED;
/// What each of [`PEOPLE`] starts with.
pub const ENDOWMENT: Amount = 10_000 * UNIT;
pub const PRICE: Amount = 100 * UNIT;
pub const FEE: Amount = 7 * UNIT;

pub const BASE: BaseModelId = BaseModelId(1);
pub const DATANET: DatanetId = DatanetId(1);
pub const VERSION: VersionRef = VersionRef { datanet: DATANET, number: 1 };
/// Covers [`VERSION`] for [`REQUESTER`].
pub const GRANT: GrantId = GrantId(1);
/// A file of every version in the mock.
pub const BLOB: ContentHash = ContentHash([9; 32]);

pub const DEADLINE: BlockNumber = 200;
pub const WINDOW: BlockNumber = 10;
pub const LEASE: BlockNumber = 20;

#[frame_support::runtime]
mod test_runtime {
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
    pub type JobMarket = pallet_jobs;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = MockBlockU32<Test>;
    type AccountData = pallet_balances::AccountData<Amount>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Amount;
    type ExistentialDeposit = ConstU128<ED>;
    type AccountStore = System;
}

parameter_types! {
    pub const BondPart: Ppm = Ppm::from_percent(50);
    pub const LapseSlash: Ppm = Ppm::from_percent(10);
    pub const StopPartMin: Ppm = Ppm::from_percent(5);
    /// How many jobs settle by themselves in a block.
    pub static SettlementsMax: u32 = 2;

    pub storage Datanets: BTreeMap<DatanetId, Datanet<AccountId>> = BTreeMap::new();
    pub storage Grants: BTreeMap<GrantId, Grant<AccountId>> = BTreeMap::new();
    pub storage Models: alloc::vec::Vec<(JobId, AccountId, ContentHash)> = alloc::vec::Vec::new();
    /// How accurate the attribution of each of them is.
    pub storage Accuracies: alloc::vec::Vec<Option<Accuracy>> = alloc::vec::Vec::new();
    /// Whether the registry refuses models.
    pub storage RegistryBroken: bool = false;
    /// Who serves which models.
    pub storage Served: alloc::vec::Vec<(ModelId, AccountId)> = alloc::vec::Vec::new();
}

impl pallet_jobs::Config for Test {
    type RuntimeHoldReason = RuntimeHoldReason;
    type Currency = Balances;
    type Datanets = Neighbours;
    type Grants = Neighbours;
    type BaseModels = Neighbours;
    type Models = Neighbours;
    type DisputeOrigin = EnsureRoot<AccountId>;
    type PriceMin = ConstU128<UNIT>;
    type BondMin = ConstU128<{ 10 * UNIT }>;
    type BondPart = BondPart;
    type LapseSlash = LapseSlash;
    type StopPartMin = StopPartMin;
    type DisputeDeposit = ConstU128<{ 5 * UNIT }>;
    type DepositBase = ConstU128<UNIT>;
    type DepositPerByte = ConstU128<ED>;
    type LeaseBlocks = ConstU32<LEASE>;
    type DeadlineBlocksMax = ConstU32<1_000>;
    type AcceptanceBlocksMin = ConstU32<5>;
    type AcceptanceBlocksMax = ConstU32<100>;
    type MaxActive = ConstU32<4>;
    type MaxSettlementsPerBlock = SettlementsMax;
    type WeightInfo = ();
}

/// The pallets around this one.
pub struct Neighbours;

impl DatanetInspect<AccountId> for Neighbours {
    fn datanet(id: DatanetId) -> Option<Datanet<AccountId>> {
        Datanets::get().get(&id).cloned()
    }

    fn version(version: VersionRef) -> Option<VersionFacts<AccountId>> {
        let datanet = Self::datanet(version.datanet)?;
        (1..=datanet.versions).contains(&version.number).then(|| VersionFacts {
            version,
            owner: datanet.owner,
            active: datanet.is_active(),
            terms: datanet.terms,
        })
    }

    fn holds(version: VersionRef, blob: ContentHash) -> bool {
        Self::version(version).is_some() && blob == BLOB
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_version(owner: &AccountId) -> VersionRef {
        let id = DatanetId(1_000 + u32::try_from(Datanets::get().len()).unwrap());
        add_datanet(id, *owner, FEE, 1);
        VersionRef { datanet: id, number: 1 }
    }
}

impl Neighbours {
    fn change(id: GrantId, change: impl FnOnce(&mut Grant<AccountId>)) {
        let mut grants = Grants::get();
        if let Some(grant) = grants.get_mut(&id) {
            change(grant);
        }
        Grants::set(&grants);
    }
}

impl GrantGate<AccountId> for Neighbours {
    fn take(id: GrantId, wanted: &Use<AccountId>) -> DispatchResult {
        let grant = Grants::get().get(&id).cloned().ok_or(Self::refuse(GrantRefusal::NotIssued))?;
        grant.allows(wanted, now::<Test>()).map_err(Self::refuse)?;
        Self::change(id, |grant| grant.used += 1);
        Ok(())
    }

    fn check(id: GrantId, wanted: &Use<AccountId>) -> Result<(), GrantRefusal> {
        Grants::get().get(&id).ok_or(GrantRefusal::NotIssued)?.covers(wanted, now::<Test>())
    }

    fn give_back(id: GrantId) {
        Self::change(id, |grant| grant.used = grant.used.checked_sub(1).expect("a use was taken"));
    }

    fn refuse(refusal: GrantRefusal) -> DispatchError {
        DispatchError::Other(match refusal {
            GrantRefusal::OtherDatanet => "OtherDatanet",
            GrantRefusal::OtherGrantee => "OtherGrantee",
            GrantRefusal::NotIssued => "NotIssued",
            GrantRefusal::Revoked => "Revoked",
            GrantRefusal::Renounced => "Renounced",
            GrantRefusal::Expired => "Expired",
            GrantRefusal::OtherVersion => "OtherVersion",
            GrantRefusal::OtherPurpose => "OtherPurpose",
            GrantRefusal::OtherBaseModel => "OtherBaseModel",
            GrantRefusal::UsedUp => "UsedUp",
        })
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_grant(wanted: &Use<AccountId>) -> GrantId {
        let id = GrantId(1_000 + u64::try_from(Grants::get().len()).unwrap());
        add_grant(id, wanted.version.datanet, wanted.grantee);
        Self::change(id, |grant| grant.terms.purpose = wanted.purpose);
        id
    }
}

impl BaseModelInspect<AccountId> for Neighbours {
    fn base_owner(id: BaseModelId) -> Option<AccountId> {
        (id == BASE).then_some(STRANGER)
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_base(_: &AccountId) -> BaseModelId {
        BASE
    }
}

impl ModelRegistry<AccountId> for Neighbours {
    fn record(model: NewModel<AccountId>) -> Result<ModelId, DispatchError> {
        if RegistryBroken::get() {
            return Err(DispatchError::Other("RegistryBroken"));
        }
        let mut models = Models::get();
        models.push((model.lineage.job, model.owner, model.adapter));
        Accuracies::set(&[Accuracies::get(), alloc::vec![model.accuracy]].concat());
        let id = u64::try_from(models.len()).unwrap();
        Models::set(&models);
        Ok(ModelId(id))
    }

    fn may_serve(model: ModelId, operator: &AccountId) -> bool {
        Served::get().contains(&(model, *operator))
    }
}

/// Puts a Datanet on the chain.
pub fn add_datanet(id: DatanetId, owner: AccountId, price: Amount, versions: u32) {
    let mut datanets = Datanets::get();
    datanets.insert(
        id,
        Datanet {
            owner,
            name: Name::default(),
            domain: Name::default(),
            description: Text::default(),
            schema: Schema::PromptCompletion,
            terms: Terms {
                price,
                purposes: PurposeSet::ALL,
                royalty_floor: Ppm::from_percent(30),
                admission: Admission::Anyone,
                access: AccessPolicy::Open,
                grant_blocks_max: 10_000,
                grant_uses_max: 10_000,
                licence: Name::default(),
            },
            curators: vec![CURATOR].try_into().unwrap(),
            status: DatanetStatus::Active,
            versions,
            deposit: 0,
            registered_at: 0,
        },
    );
    Datanets::set(&datanets);
}

/// Changes a Datanet.
pub fn change_datanet(id: DatanetId, change: impl FnOnce(&mut Datanet<AccountId>)) {
    let mut datanets = Datanets::get();
    change(datanets.get_mut(&id).unwrap());
    Datanets::set(&datanets);
}

/// Gives `grantee` a wide grant.
pub fn add_grant(id: GrantId, datanet: DatanetId, grantee: AccountId) {
    let mut grants = Grants::get();
    grants.insert(
        id,
        Grant {
            datanet,
            grantee,
            terms: GrantTerms {
                versions: VersionScope::All,
                purpose: Purpose::Commercial,
                base_models: BaseModelScope::Any,
                uses: 10_000,
                expires_at: 10_000,
            },
            used: 0,
            status: GrantStatus::Active,
            deposit: 0,
            requested_at: 0,
        },
    );
    Grants::set(&grants);
}

/// Has a grant revoked by its owner.
pub fn revoke(id: GrantId) {
    let at = now::<Test>();
    Neighbours::change(id, |grant| grant.status = GrantStatus::Revoked { reason: Text::default(), at });
}

/// Has a grant renounced by its grantee.
pub fn renounce(id: GrantId) {
    Neighbours::change(id, |grant| grant.status = GrantStatus::Renounced);
}

/// How many uses of a grant are taken.
pub fn uses(id: GrantId) -> u32 {
    Grants::get().get(&id).unwrap().used
}

/// A sound specification over [`VERSION`].
pub fn spec() -> JobSpec {
    JobSpec {
        base: BASE,
        data: vec![DataUse { version: VERSION, grant: GRANT }].try_into().unwrap(),
        purpose: Purpose::Commercial,
        method: Method::Lora,
        hyperparameters: Hyperparameters {
            rank: 8,
            alpha: 16,
            targets: TargetLayers::ALL,
            learning_rate_nano: 1_000_000,
            epochs: 1,
            batch_size: 4,
            accumulation: 1,
            sequence_tokens: 256,
            schedule: Schedule::Cosine,
            warmup: Ppm::from_percent(5),
            weight_decay_micro: 0,
            gradient_norm_max_micro: 1_000_000,
            validation: Ppm::from_percent(10),
            seed: 1,
            ..Hyperparameters::DEFAULT
        },
        attribution: AttributionMethod::TracInCp { checkpoints: 4 },
        split: Split::DEFAULT,
        price: PRICE,
        deadline: DEADLINE,
        acceptance_blocks: WINDOW,
    }
}

/// A complete report.
pub fn report() -> Report {
    Report {
        adapter: ContentHash([1; 32]),
        bundle: ContentHash([2; 32]),
        trace: ContentHash([3; 32]),
        metrics: Metrics { steps: 100, tokens: 10_000, ..Metrics::default() },
        contributions: ContributionRoot {
            shares: SumRoot { root: ContentHash([4; 32]), total: SHARE_UNITS, leaves: 3 },
            evidence: ContentHash([5; 32]),
            attributed: Ppm::ZERO,
        },
        accuracy: None,
    }
}

/// What an account has, free and on hold together.
pub fn worth(who: AccountId) -> Amount {
    Balances::total_balance(&who)
}

/// What an account has on hold for a reason.
pub fn held(reason: crate::HoldReason, who: AccountId) -> Amount {
    Balances::balance_on_hold(&reason.into(), &who)
}

/// The pallet's events since the last call of this.
pub fn events() -> Vec<crate::Event<Test>> {
    let events = System::events()
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::JobMarket(event) => Some(event),
            _ => None,
        })
        .collect();
    System::reset_events();
    events
}

/// Builds blocks up to `block`, hooks included.
pub fn run_to(block: BlockNumber) {
    while System::block_number() < block {
        JobMarket::on_finalize(System::block_number());
        System::set_block_number(System::block_number() + 1);
        JobMarket::on_initialize(System::block_number());
    }
}

/// Builds `count` more blocks.
pub fn run_on(count: BlockNumber) {
    run_to(System::block_number() + count);
}

/// Checks every invariant, and that all money is free or on hold.
pub fn check() {
    JobMarket::do_try_state().unwrap();
    let sum: Amount =
        frame_system::Account::<Test>::iter_values().map(|account| account.data.free + account.data.reserved).sum();
    assert_eq!(Balances::total_issuance(), sum, "money was made or lost");
}

/// Makes test chains: [`PEOPLE`] with [`ENDOWMENT`] each, [`DATANET`], [`GRANT`].
pub struct ExtBuilder;

impl ExtBuilder {
    /// A chain at block 1.
    pub fn build(self) -> sp_io::TestExternalities {
        SettlementsMax::set(2);
        let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
        let balances = PEOPLE.iter().map(|who| (*who, ENDOWMENT)).collect();
        pallet_balances::GenesisConfig::<Test> { balances, ..Default::default() }
            .assimilate_storage(&mut storage)
            .unwrap();
        let mut chain = sp_io::TestExternalities::new(storage);
        chain.execute_with(|| {
            System::set_block_number(1);
            add_datanet(DATANET, OWNER, FEE, 3);
            add_grant(GRANT, DATANET, REQUESTER);
        });
        chain
    }

    /// Runs `test` on such a chain and checks every invariant afterwards.
    pub fn build_and_execute(self, test: impl FnOnce()) {
        self.build().execute_with(|| {
            test();
            check();
        });
    }
}
