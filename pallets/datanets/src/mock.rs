//! A chain with this pallet and balances.

use crate as pallet_datanets;
use frame_support::{
    assert_ok, derive_impl,
    traits::{ConstU32, ConstU64, ConstU128, fungible::Inspect, fungible::InspectHold},
};
use frame_system::mocking::MockBlockU32;
use sp_runtime::BuildStorage;
use tributary_protocol::{
    Amount, ContentHash, ContributionId, DatanetId, Ppm, VersionRef,
    datanet::{AccessPolicy, Admission, Name, PurposeSet, SampleCommitment, Schema, Terms, Text},
};

pub type AccountId = u64;

/// Owns [`DATANET`].
pub const OWNER: AccountId = 1;
/// Judges contributions to [`DATANET`].
pub const CURATOR: AccountId = 2;
/// Contributes.
pub const ANN: AccountId = 3;
/// Contributes, too.
pub const BOB: AccountId = 4;
/// Has nothing to do with anything.
pub const STRANGER: AccountId = 5;
/// Everyone who starts with money.
pub const PEOPLE: [AccountId; 5] = [OWNER, CURATOR, ANN, BOB, STRANGER];

pub const ED: Amount = 1_000_000;
pub const UNIT: Amount = 1_000 * ED;
/// What each of [`PEOPLE`] starts with.
pub const ENDOWMENT: Amount = 1_000_000 * UNIT;
/// How many contributions of a Datanet may wait.
pub const QUEUE: u32 = 4;

/// The Datanet of [`ExtBuilder::build`].
pub const DATANET: DatanetId = DatanetId(0);

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
    pub type Nets = pallet_datanets;
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

impl pallet_datanets::Config for Test {
    type RuntimeHoldReason = RuntimeHoldReason;
    type Currency = Balances;
    type DatanetDeposit = ConstU128<{ 10 * UNIT }>;
    type VersionDeposit = ConstU128<{ 5 * UNIT }>;
    type ContributionDeposit = ConstU128<UNIT>;
    type DepositPerByte = ConstU128<ED>;
    type DepositPerKibibyte = ConstU128<{ 2 * ED }>;
    type SizeDepositMax = ConstU128<{ 100 * UNIT }>;
    type ContributionBytesMax = ConstU64<{ 1 << 30 }>;
    type MaxPending = ConstU32<QUEUE>;
    type WeightInfo = ();
}

pub fn name(text: &str) -> Name {
    text.as_bytes().to_vec().try_into().unwrap()
}

pub fn text(text: &str) -> Text {
    text.as_bytes().to_vec().try_into().unwrap()
}

/// Terms that admit anyone to anything.
pub fn terms() -> Terms {
    Terms {
        price: 7 * UNIT,
        purposes: PurposeSet::ALL,
        royalty_floor: Ppm::from_percent(30),
        admission: Admission::Anyone,
        access: AccessPolicy::Open,
        grant_blocks_max: 1_000,
        grant_uses_max: 10,
        licence: name("CC-BY-4.0"),
    }
}

/// Ten samples in 3,000 bytes whose file is `file`.
pub fn samples(file: u8) -> SampleCommitment {
    SampleCommitment { root: ContentHash([file; 32]), blob: ContentHash::of(&[file]), samples: 10, bytes: 3_000 }
}

pub fn signed(who: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(who)
}

/// Has `who` submit the file `file` to [`DATANET`].
pub fn submit(who: AccountId, file: u8) -> ContributionId {
    let id = crate::NextContribution::<Test>::get();
    assert_ok!(Nets::submit_contribution(signed(who), DATANET, samples(file), name("CC-BY-4.0")));
    id
}

/// Has `who` submit the file `file` to [`DATANET`], and the owner accept it.
pub fn accepted(who: AccountId, file: u8) -> ContributionId {
    let id = submit(who, file);
    assert_ok!(Nets::accept(signed(OWNER), id));
    id
}

/// Has the owner publish the next version of [`DATANET`].
pub fn published() -> VersionRef {
    assert_ok!(Nets::publish_version(signed(OWNER), DATANET));
    VersionRef { datanet: DATANET, number: crate::Datanets::<Test>::get(DATANET).unwrap().versions }
}

/// What an account has on hold for a reason.
pub fn held(reason: crate::HoldReason, who: AccountId) -> Amount {
    Balances::balance_on_hold(&reason.into(), &who)
}

/// What an account has free.
pub fn free(who: AccountId) -> Amount {
    Balances::balance(&who)
}

/// The pallet's newest event.
pub fn last_event() -> crate::Event<Test> {
    System::events()
        .into_iter()
        .rev()
        .find_map(|record| match record.event {
            RuntimeEvent::Nets(event) => Some(event),
            _ => None,
        })
        .unwrap()
}

/// Checks every invariant, and that all money is free or on hold.
pub fn check() {
    Nets::do_try_state().unwrap();
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
        Self { balances: PEOPLE.iter().map(|who| (*who, ENDOWMENT)).collect() }
    }
}

impl ExtBuilder {
    /// Gives `who` another balance to start with.
    pub fn balance(mut self, who: AccountId, amount: Amount) -> Self {
        self.balances.retain(|(account, _)| *account != who);
        self.balances.push((who, amount));
        self
    }

    /// A chain at block 1 without a Datanet.
    pub fn empty(self) -> sp_io::TestExternalities {
        let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
        pallet_balances::GenesisConfig::<Test> { balances: self.balances, ..Default::default() }
            .assimilate_storage(&mut storage)
            .unwrap();
        let mut chain = sp_io::TestExternalities::new(storage);
        chain.execute_with(|| System::set_block_number(1));
        chain
    }

    /// A chain at block 1 with [`DATANET`] of [`OWNER`], judged by [`CURATOR`].
    pub fn build(self) -> sp_io::TestExternalities {
        let mut chain = self.empty();
        chain.execute_with(|| {
            assert_ok!(Nets::register(
                signed(OWNER),
                name("Clinic"),
                name("medical"),
                text("Questions of patients."),
                Schema::PromptCompletion,
                terms(),
            ));
            assert_ok!(Nets::set_curators(signed(OWNER), DATANET, vec![CURATOR].try_into().unwrap()));
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
    ExtBuilder::default().empty()
}
