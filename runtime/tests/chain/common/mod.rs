//! What the runtime's tests share: a chain's state from a preset, people, signed transactions, whole blocks.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "test code")]

pub mod world;

use codec::Encode;
use frame_support::genesis_builder_helper::build_state;
use serde_json::Value;
use sp_consensus_babe::{
    BABE_ENGINE_ID,
    digests::{PreDigest, SecondaryPlainPreDigest},
};
use sp_core::Pair;
use sp_io::TestExternalities;
use sp_keyring::Sr25519Keyring;
use sp_runtime::{
    Digest, DigestItem, MultiSignature,
    generic::Era,
    traits::{Header as _, TransactionExtension},
};
use tributary_protocol::amount::BLOCK_MS;
use tributary_runtime::{
    AccountId, BlockNumber, Executive, Hash, Header, RuntimeCall, RuntimeGenesisConfig, SignedPayload, TxExtension,
    UncheckedExtrinsic, genesis,
};

/// The state that a preset starts with.
pub fn ext(preset: &str) -> TestExternalities {
    let patch = genesis::preset(&preset.into()).unwrap();
    let mut config = serde_json::to_value(RuntimeGenesisConfig::default()).unwrap();
    merge(&mut config, serde_json::from_slice(&patch).unwrap());
    let mut ext = TestExternalities::new_empty();
    ext.execute_with(|| build_state::<RuntimeGenesisConfig>(config.to_string().into_bytes()).unwrap());
    ext
}

/// Merges a patch into a document (RFC 7386), as nodes do with presets.
fn merge(document: &mut Value, patch: Value) {
    match (document, patch) {
        (Value::Object(document), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    document.remove(&key);
                } else {
                    merge(document.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (document, patch) => *document = patch,
    }
}

/// The account of a person.
pub fn account(person: Sr25519Keyring) -> AccountId {
    person.to_account_id()
}

/// A transaction that `person` signs, valid for ever.
pub fn signed(person: Sr25519Keyring, nonce: u32, call: RuntimeCall) -> UncheckedExtrinsic {
    let extension: TxExtension = (
        frame_system::AuthorizeCall::new(),
        frame_system::CheckNonZeroSender::new(),
        frame_system::CheckSpecVersion::new(),
        frame_system::CheckTxVersion::new(),
        frame_system::CheckGenesis::new(),
        frame_system::CheckMortality::from(Era::Immortal),
        frame_system::CheckNonce::from(nonce),
        frame_system::CheckWeight::new(),
        pallet_transaction_payment::ChargeTransactionPayment::from(0),
        frame_metadata_hash_extension::CheckMetadataHash::new(false),
        frame_system::WeightReclaim::new(),
    );
    let implicit = extension.implicit().unwrap();
    let payload = SignedPayload::from_raw(call.clone(), extension.clone(), implicit);
    let signature = payload.using_encoded(|bytes| person.pair().sign(bytes));
    UncheckedExtrinsic::new_signed(call, account(person).into(), MultiSignature::Sr25519(signature), extension)
}

/// Begins block `number`, by the first validator, in the slot of the same number, with its time set.
pub fn begin_block(number: BlockNumber, parent: Hash) {
    let slot = u64::from(number);
    let author = PreDigest::SecondaryPlain(SecondaryPlainPreDigest { authority_index: 0, slot: slot.into() });
    let digest = Digest { logs: vec![DigestItem::PreRuntime(BABE_ENGINE_ID, author.encode())] };
    Executive::initialize_block(&Header::new(number, Hash::zero(), Hash::zero(), parent, digest));
    let time = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now: slot * BLOCK_MS });
    Executive::apply_extrinsic(UncheckedExtrinsic::new_bare(time)).unwrap().unwrap();
}

/// Ends the block being built; returns its hash.
pub fn end_block() -> Hash {
    Executive::finalize_block().hash()
}
