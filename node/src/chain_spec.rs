//! Chain specifications: the presets of the runtime, and files.

use sc_service::{ChainType, Properties};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tributary_protocol::amount::{SS58_PREFIX, TOKEN_DECIMALS, TOKEN_SYMBOL};
use tributary_runtime::WASM_BINARY;

/// What a specification holds beside the SDK's own fields.
#[derive(Clone, Debug, Default, Serialize, Deserialize, sc_chain_spec::ChainSpecExtension)]
#[serde(rename_all = "camelCase")]
pub struct Extensions {
    /// A finalised state to start from: lets light clients skip the history.
    pub light_sync_state: sc_sync_state_rpc::LightSyncStateExtension,
}

/// A Tributary chain's specification.
pub type ChainSpec = sc_service::GenericChainSpec<Extensions>;

/// The specification named `id`: `dev` (one validator, Alice), `local` or nothing (four validators), or a file.
pub fn load(id: &str) -> Result<Box<dyn sc_service::ChainSpec>, String> {
    Ok(Box::new(match id {
        "dev" => development()?,
        "" | "local" => local()?,
        path => ChainSpec::from_json_file(PathBuf::from(path))?,
    }))
}

fn development() -> Result<ChainSpec, String> {
    Ok(ChainSpec::builder(wasm()?, Extensions::default())
        .with_name("Tributary Development")
        .with_id("tributary_dev")
        .with_chain_type(ChainType::Development)
        .with_genesis_config_preset_name(sp_genesis_builder::DEV_RUNTIME_PRESET)
        .with_properties(properties())
        .build())
}

fn local() -> Result<ChainSpec, String> {
    Ok(ChainSpec::builder(wasm()?, Extensions::default())
        .with_name("Tributary Local Testnet")
        .with_id("tributary_local")
        .with_chain_type(ChainType::Local)
        .with_genesis_config_preset_name(sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET)
        .with_properties(properties())
        .build())
}

fn wasm() -> Result<&'static [u8], String> {
    WASM_BINARY
        .ok_or_else(|| "this node was built without the Wasm runtime; hint: build again without SKIP_WASM_BUILD".into())
}

/// How wallets show accounts and amounts.
fn properties() -> Properties {
    [
        ("tokenSymbol".into(), TOKEN_SYMBOL.into()),
        ("tokenDecimals".into(), TOKEN_DECIMALS.into()),
        ("ss58Format".into(), SS58_PREFIX.into()),
    ]
    .into_iter()
    .collect()
}
