//! The presets: what they endow, who validates, and that the parameters make sense together.

use crate::common::{account, ext, world::check};
use frame_support::traits::{IntegrityTest, fungible::Inspect};
use sp_keyring::Sr25519Keyring as Person;
use tributary_protocol::amount::TRIB;
use tributary_runtime::{
    AllPalletsWithSystem, Attribution, Balances, Runtime, RuntimeGenesisConfig, Session,
    configs::balances::TreasuryAccount,
    constants::EXISTENTIAL_DEPOSIT,
    genesis::{TEST_ENDOWMENT, preset_names},
};

const PRESETS: [(&str, usize); 2] = [("development", 1), ("local_testnet", 4)];

#[test]
fn the_presets_are_those_that_nodes_look_for() {
    assert_eq!(preset_names(), PRESETS.map(|(name, _)| name.to_owned()));
}

#[test]
fn each_preset_starts_with_its_validators() {
    for (preset, validators) in PRESETS {
        ext(preset).execute_with(|| {
            assert_eq!(Session::validators().len(), validators, "{preset}");
            assert_eq!(pallet_babe::Authorities::<Runtime>::get().len(), validators, "{preset}");
            assert_eq!(pallet_grandpa::Authorities::<Runtime>::get().len(), validators, "{preset}");
            // Session keys are apart from the stash.
            assert_eq!(Session::validators()[0], account(Person::AliceStash), "{preset}");
        });
    }
}

#[test]
fn each_preset_endows_people_and_pots_and_nothing_else() {
    for (preset, _) in PRESETS {
        ext(preset).execute_with(|| {
            for person in [Person::Alice, Person::Ferdie, Person::AliceStash, Person::FerdieStash] {
                assert_eq!(Balances::balance(&account(person)), TEST_ENDOWMENT, "{preset}");
            }
            assert_eq!(TEST_ENDOWMENT, 1_000_000 * TRIB);
            for pot in [TreasuryAccount::get(), Attribution::pool_account()] {
                assert_eq!(Balances::balance(&pot), EXISTENTIAL_DEPOSIT, "{preset}");
            }
            assert_eq!(Balances::total_issuance(), 12 * TEST_ENDOWMENT + 2 * EXISTENTIAL_DEPOSIT, "{preset}");
            let held_or_free: u128 = frame_system::Account::<Runtime>::iter_values()
                .map(|account| account.data.free + account.data.reserved)
                .sum();
            assert_eq!(held_or_free, Balances::total_issuance(), "{preset}");
        });
    }
}

#[test]
fn only_test_networks_have_sudo() {
    for (preset, _) in PRESETS {
        ext(preset).execute_with(|| {
            assert_eq!(pallet_sudo::Key::<Runtime>::get(), Some(account(Person::Alice)), "{preset}");
        });
    }
    assert_eq!(RuntimeGenesisConfig::default().sudo.key, None);
}

#[test]
fn the_parameters_pass_every_pallets_own_checks() {
    ext("development").execute_with(<AllPalletsWithSystem as IntegrityTest>::integrity_test);
}

#[test]
fn every_pallets_invariants_hold_at_genesis() {
    for (preset, _) in PRESETS {
        ext(preset).execute_with(check);
    }
}
