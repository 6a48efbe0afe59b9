//! How a chain starts: the presets that chain specifications are made of.
//!
//! There is none for a live network: its genesis is a file that its founders write and sign, without sudo.

use crate::{
    AccountId, Attribution, BabeConfig, Balance, BalancesConfig, RuntimeGenesisConfig, SessionConfig, SessionKeys,
    SudoConfig,
    configs::{babe::EPOCH_CONFIGURATION, balances::TreasuryAccount},
    constants::EXISTENTIAL_DEPOSIT,
};
use alloc::{string::ToString, vec, vec::Vec};
use frame_support::build_struct_json_patch;
use serde_json::Value;
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET, PresetId};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use tributary_protocol::amount::TRIB;

/// What each test account, and each of their stashes, starts with.
pub const TEST_ENDOWMENT: Balance = 1_000_000 * TRIB;

/// The people of the test networks. Their keys are published: whoever uses them on a network with value loses it.
const PEOPLE: [Sr25519Keyring; 12] = [
    Sr25519Keyring::Alice,
    Sr25519Keyring::Bob,
    Sr25519Keyring::Charlie,
    Sr25519Keyring::Dave,
    Sr25519Keyring::Eve,
    Sr25519Keyring::Ferdie,
    Sr25519Keyring::AliceStash,
    Sr25519Keyring::BobStash,
    Sr25519Keyring::CharlieStash,
    Sr25519Keyring::DaveStash,
    Sr25519Keyring::EveStash,
    Sr25519Keyring::FerdieStash,
];

/// A validator: the account that stands for it, and the keys of its node.
struct Validator {
    stash: AccountId,
    keys: SessionKeys,
}

impl Validator {
    fn new(stash: Sr25519Keyring, babe: Sr25519Keyring, grandpa: Ed25519Keyring) -> Self {
        Self {
            stash: stash.to_account_id(),
            keys: SessionKeys { babe: babe.public().into(), grandpa: grandpa.public().into() },
        }
    }

    fn alice() -> Self {
        Self::new(Sr25519Keyring::AliceStash, Sr25519Keyring::Alice, Ed25519Keyring::Alice)
    }

    fn bob() -> Self {
        Self::new(Sr25519Keyring::BobStash, Sr25519Keyring::Bob, Ed25519Keyring::Bob)
    }

    fn charlie() -> Self {
        Self::new(Sr25519Keyring::CharlieStash, Sr25519Keyring::Charlie, Ed25519Keyring::Charlie)
    }

    fn dave() -> Self {
        Self::new(Sr25519Keyring::DaveStash, Sr25519Keyring::Dave, Ed25519Keyring::Dave)
    }
}

/// A network of published keys, with Alice's as sudo.
fn test_network(validators: Vec<Validator>) -> Value {
    let people = PEOPLE.iter().map(|person| (person.to_account_id(), TEST_ENDOWMENT));
    // Accounts without a key must exist before they can be sent less than the existential deposit.
    let pots = [TreasuryAccount::get(), Attribution::pool_account()].map(|pot| (pot, EXISTENTIAL_DEPOSIT));
    build_struct_json_patch!(RuntimeGenesisConfig {
        balances: BalancesConfig { balances: people.chain(pots).collect::<Vec<_>>() },
        babe: BabeConfig { epoch_config: EPOCH_CONFIGURATION },
        session: SessionConfig {
            keys: validators
                .into_iter()
                .map(|validator| (validator.stash.clone(), validator.stash, validator.keys))
                .collect::<Vec<_>>(),
        },
        sudo: SudoConfig { key: Some(Sr25519Keyring::Alice.to_account_id()) },
    })
}

/// The preset named `id`, as a patch of the default genesis.
pub fn preset(id: &PresetId) -> Option<Vec<u8>> {
    let patch = match id.as_ref() {
        DEV_RUNTIME_PRESET => test_network(vec![Validator::alice()]),
        LOCAL_TESTNET_RUNTIME_PRESET => {
            test_network(vec![Validator::alice(), Validator::bob(), Validator::charlie(), Validator::dave()])
        }
        _ => return None,
    };
    Some(patch.to_string().into_bytes())
}

/// The presets' names.
pub fn preset_names() -> Vec<PresetId> {
    vec![PresetId::from(DEV_RUNTIME_PRESET), PresetId::from(LOCAL_TESTNET_RUNTIME_PRESET)]
}
