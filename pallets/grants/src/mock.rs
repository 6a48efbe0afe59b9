//! A chain with this pallet and balances, and a plain stand-in for the Datanets.

use crate as pallet_grants;
use alloc::collections::BTreeMap;
use frame_support::{
    assert_ok, derive_impl, parameter_types,
    traits::{ConstU32, ConstU128, fungible::Inspect, fungible::InspectHold},
};
use frame_system::mocking::MockBlockU32;
use pallet_support::DatanetInspect;
use sp_core::{H256, Pair, sr25519};
use sp_runtime::{AccountId32, BuildStorage, MultiSignature, traits::IdentityLookup};
use tributary_protocol::{
    Amount, BaseModelId, BlockNumber, ContentHash, DatanetId, GrantId, Ppm, VersionRef,
    datanet::{
        AccessPolicy, Admission, Datanet, DatanetStatus, Name, Purpose, PurposeSet, Schema, Terms, Text, VersionFacts,
    },
    grant::{BaseModelScope, GrantOffer, GrantTerms, Use, VersionScope},
};

pub type AccountId = AccountId32;

/// The people of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Owns the Datanets.
    Owner,
    /// Asks for grants.
    Ann,
    /// Asks, too.
    Bob,
    /// Has nothing to do with anything.
    Stranger,
}

/// Everyone who starts with money.
pub const PEOPLE: [Who; 4] = [Who::Owner, Who::Ann, Who::Bob, Who::Stranger];

impl Who {
    /// The key that this person signs with.
    pub fn pair(self) -> sr25519::Pair {
        let byte = match self {
            Self::Owner => 1,
            Self::Ann => 2,
            Self::Bob => 3,
            Self::Stranger => 4,
        };
        sr25519::Pair::from_seed(&[byte; 32])
    }

    pub fn id(self) -> AccountId {
        self.pair().public().into()
    }
}

pub const ED: Amount = 1_000_000;
pub const UNIT: Amount = 1_000 * ED;
/// What each of [`PEOPLE`] starts with.
pub const ENDOWMENT: Amount = 1_000_000 * UNIT;
/// How many requests of one account may wait on a Datanet.
pub const REQUESTS_MAX: u32 = 3;
/// How long a grant may live.
pub const BLOCKS_MAX: BlockNumber = 100;
/// How many uses a grant may have.
pub const USES_MAX: u32 = 5;

/// Gives grants to whoever asks.
pub const OPEN: DatanetId = DatanetId(1);
/// Whose owner decides.
pub const GUARDED: DatanetId = DatanetId(2);

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
    pub type Permits = pallet_grants;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId;
    type Lookup = IdentityLookup<AccountId>;
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
    pub storage Nets: BTreeMap<DatanetId, Datanet<AccountId>> = BTreeMap::new();
}

impl pallet_grants::Config for Test {
    type RuntimeHoldReason = RuntimeHoldReason;
    type Currency = Balances;
    type Datanets = Neighbours;
    type OfferSignature = MultiSignature;
    type GrantDeposit = ConstU128<UNIT>;
    type DepositPerByte = ConstU128<ED>;
    type OfferDeposit = ConstU128<{ 2 * UNIT }>;
    type MaxOpenRequests = ConstU32<REQUESTS_MAX>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = OwnerSigns;
    type WeightInfo = ();
}

/// The Datanets.
pub struct Neighbours;

impl DatanetInspect<AccountId> for Neighbours {
    fn datanet(id: DatanetId) -> Option<Datanet<AccountId>> {
        Nets::get().get(&id).cloned()
    }

    fn version(_: VersionRef) -> Option<VersionFacts<AccountId>> {
        unreachable!("grants ask for no version")
    }

    fn holds(_: VersionRef, _: ContentHash) -> bool {
        unreachable!("grants ask for no file")
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark_version(owner: &AccountId) -> VersionRef {
        let id = DatanetId(u32::try_from(Nets::get().len()).unwrap() + 100);
        add_datanet(id, owner.clone(), AccessPolicy::Open);
        VersionRef { datanet: id, number: 1 }
    }
}

pub fn text(text: &str) -> Text {
    text.as_bytes().to_vec().try_into().unwrap()
}

/// Puts a Datanet on the chain.
pub fn add_datanet(id: DatanetId, owner: AccountId, access: AccessPolicy) {
    let mut nets = Nets::get();
    nets.insert(
        id,
        Datanet {
            owner,
            name: Name::default(),
            domain: Name::default(),
            description: Text::default(),
            schema: Schema::PromptCompletion,
            terms: Terms {
                price: 0,
                purposes: PurposeSet { evaluation: false, ..PurposeSet::ALL },
                royalty_floor: Ppm::ZERO,
                admission: Admission::Anyone,
                access,
                grant_blocks_max: BLOCKS_MAX,
                grant_uses_max: USES_MAX,
                licence: Name::default(),
            },
            curators: Default::default(),
            status: DatanetStatus::Active,
            versions: 3,
            deposit: 0,
            registered_at: 0,
        },
    );
    Nets::set(&nets);
}

/// Changes a Datanet.
pub fn change_datanet(id: DatanetId, change: impl FnOnce(&mut Datanet<AccountId>)) {
    let mut nets = Nets::get();
    change(nets.get_mut(&id).unwrap());
    Nets::set(&nets);
}

/// Two uses for research on any version and base model, up to block 50.
pub fn terms() -> GrantTerms {
    GrantTerms {
        versions: VersionScope::All,
        purpose: Purpose::Research,
        base_models: BaseModelScope::Any,
        uses: 2,
        expires_at: 50,
    }
}

/// What [`terms`] on `datanet` allow `who`.
pub fn wanted(who: Who, datanet: DatanetId) -> Use<AccountId> {
    Use {
        grantee: who.id(),
        version: VersionRef { datanet, number: 1 },
        purpose: Purpose::Research,
        base_model: BaseModelId(0),
    }
}

/// The owner's offer of [`terms`] on [`GUARDED`] to `who`.
pub fn offer(who: Who, nonce: u64) -> GrantOffer<AccountId> {
    GrantOffer { datanet: GUARDED, grantee: who.id(), terms: terms(), nonce, valid_until: 20 }
}

/// `who`'s signature over an offer on this chain.
pub fn sign(who: Who, offer: &GrantOffer<AccountId>) -> MultiSignature {
    who.pair().sign(&Permits::offer_payload(offer)).into()
}

pub fn signed(who: Who) -> RuntimeOrigin {
    RuntimeOrigin::signed(who.id())
}

/// Has `who` ask for [`terms`] on `datanet`.
pub fn asked(who: Who, datanet: DatanetId) -> GrantId {
    let id = crate::NextGrant::<Test>::get();
    assert_ok!(Permits::request(signed(who), datanet, terms()));
    id
}

/// What an account has on hold for its grants.
pub fn held(who: Who) -> Amount {
    Balances::balance_on_hold(&crate::HoldReason::Grant.into(), &who.id())
}

/// What an account has free.
pub fn free(who: Who) -> Amount {
    Balances::balance(&who.id())
}

/// The pallet's newest event.
pub fn last_event() -> crate::Event<Test> {
    System::events()
        .into_iter()
        .rev()
        .find_map(|record| match record.event {
            RuntimeEvent::Permits(event) => Some(event),
            _ => None,
        })
        .unwrap()
}

/// Checks every invariant, and that all money is free or on hold.
pub fn check() {
    Permits::do_try_state().unwrap();
    let sum: Amount =
        frame_system::Account::<Test>::iter_values().map(|account| account.data.free + account.data.reserved).sum();
    assert_eq!(Balances::total_issuance(), sum, "money was made or lost");
}

/// Makes test chains.
pub struct ExtBuilder {
    balances: Vec<(AccountId, Amount)>,
}

impl Default for ExtBuilder {
    fn default() -> Self {
        Self { balances: PEOPLE.iter().map(|who| (who.id(), ENDOWMENT)).collect() }
    }
}

impl ExtBuilder {
    /// Gives `who` another balance to start with.
    pub fn balance(mut self, who: Who, amount: Amount) -> Self {
        self.balances.retain(|(account, _)| *account != who.id());
        self.balances.push((who.id(), amount));
        self
    }

    /// A chain at block 1 with [`OPEN`] and [`GUARDED`].
    pub fn build(self) -> sp_io::TestExternalities {
        let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
        pallet_balances::GenesisConfig::<Test> { balances: self.balances, ..Default::default() }
            .assimilate_storage(&mut storage)
            .unwrap();
        let mut chain = sp_io::TestExternalities::new(storage);
        chain.execute_with(|| {
            System::set_block_number(1);
            frame_system::BlockHash::<Test>::insert(0, H256([0xab; 32]));
            add_datanet(OPEN, Who::Owner.id(), AccessPolicy::Open);
            add_datanet(GUARDED, Who::Owner.id(), AccessPolicy::OnRequest);
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

/// What the benchmarks run on.
#[cfg(feature = "runtime-benchmarks")]
pub fn new_test_ext() -> sp_io::TestExternalities {
    ExtBuilder::default().build()
}

/// Signs without a keystore.
#[cfg(feature = "runtime-benchmarks")]
pub struct OwnerSigns;

#[cfg(feature = "runtime-benchmarks")]
impl pallet_grants::BenchmarkHelper<AccountId, MultiSignature> for OwnerSigns {
    fn signer() -> (AccountId, impl Fn(&[u8]) -> MultiSignature) {
        (Who::Owner.id(), |message: &[u8]| Who::Owner.pair().sign(message).into())
    }
}
