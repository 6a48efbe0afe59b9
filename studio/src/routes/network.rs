//! The network, its blocks, and what pages need to know first.

use super::{Answer, Asked};
use crate::{
    app::App,
    chain::{Deposits, Limits},
    error::ApiError,
    index::reader::{Reader, Want},
    live,
    views::{
        Hex, Page,
        network::{self, BlockView, NetworkView},
        recipe::SplitView,
        search::{self, Hits},
    },
};
use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{KeepAlive, Sse},
    },
};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tributary_client::ChainKind;
use tributary_protocol::{
    BaseModelId,
    amount::{BLOCK_MS, SS58_PREFIX, TOKEN_DECIMALS, TOKEN_SYMBOL},
    recipe::Hyperparameters,
    sample::Limits as SampleLimits,
    stream::Split,
};

#[derive(Serialize)]
struct Token {
    symbol: &'static str,
    decimals: u8,
}

#[derive(Serialize)]
struct Chain {
    name: String,
    kind: &'static str,
    genesis: Hex,
    spec_version: u32,
    node_url: String,
    ss58_prefix: u16,
    block_ms: u64,
    token: Token,
}

#[derive(Serialize)]
struct Serving {
    is_configured: bool,
    base_url: &'static str,
}

#[derive(Serialize)]
struct UploadsView {
    is_enabled: bool,
    bytes_max: u64,
    provider_addresses: Vec<String>,
}

#[derive(Serialize)]
struct Defaults {
    hyperparameters: Hyperparameters,
    split: SplitView,
}

/// What pages need to know first.
#[derive(Serialize)]
pub struct Config {
    version: &'static str,
    chain: Chain,
    is_development: bool,
    serving: Serving,
    uploads: UploadsView,
    estimates: Vec<BaseModelId>,
    trainers: usize,
    deposits: Deposits,
    limits: Limits,
    defaults: Defaults,
}

pub async fn config(State(app): State<App>) -> Answer<Config> {
    let client = app.client();
    let bases = app.read(|reader| {
        reader.all("SELECT id, content FROM base_models ORDER BY id", (), |row| {
            Ok((BaseModelId(row.get(0)?), row.get::<_, [u8; 32]>(1)?))
        })
    });
    let estimates = bases.await?.into_iter().filter(|(_, content)| app.bases().with_content(*content).is_some());
    let constants = *app.constants();
    Ok(Json(Config {
        version: env!("CARGO_PKG_VERSION"),
        chain: Chain {
            name: client.chain_name().to_owned(),
            kind: match client.kind() {
                ChainKind::Development => "development",
                ChainKind::Local => "local",
                ChainKind::Live => "live",
            },
            genesis: Hex(app.genesis()),
            spec_version: client.spec_version().await?,
            node_url: app.config().public_node.clone(),
            ss58_prefix: SS58_PREFIX,
            block_ms: BLOCK_MS,
            token: Token { symbol: TOKEN_SYMBOL, decimals: TOKEN_DECIMALS },
        },
        is_development: app.is_development(),
        serving: Serving { is_configured: !app.serving().is_empty(), base_url: "/v1" },
        uploads: UploadsView {
            is_enabled: app.uploads().is_on(),
            bytes_max: file_bytes_max(&app),
            provider_addresses: app.uploads().addresses(),
        },
        estimates: estimates.map(|(id, _)| id).collect(),
        trainers: app.trainers().count(),
        deposits: constants.deposits,
        limits: constants.limits,
        defaults: Defaults { hyperparameters: Hyperparameters::DEFAULT, split: Split::DEFAULT.into() },
    }))
}

/// Most bytes of a file that is checked or kept.
pub fn file_bytes_max(app: &App) -> u64 {
    let parsed = u64::try_from(SampleLimits::DEFAULT.file_bytes).unwrap_or(u64::MAX);
    app.constants().limits.contribution_bytes_max.min(parsed)
}

pub async fn network(State(app): State<App>) -> Answer<NetworkView> {
    let height = app.client().finalised_head().number;
    let mut network = app.read(move |reader| network::network(reader, height)).await?;
    network.issuance.0 = app.client().latest().total_issuance().await?;
    Ok(Json(network))
}

pub async fn blocks(State(app): State<App>, Asked(want): Asked<Want>) -> Answer<Page<BlockView>> {
    Ok(Json(app.read(move |reader| network::blocks(reader, &want)).await?))
}

/// What is looked for.
#[derive(Deserialize)]
pub struct Question {
    q: String,
}

pub async fn search(State(app): State<App>, Asked(question): Asked<Question>) -> Answer<Hits> {
    Ok(Json(app.read(move |reader: &Reader<'_>| search::search(reader, &question.q)).await?))
}

/// From where on changes are wanted.
#[derive(Deserialize)]
pub struct From {
    after: Option<u32>,
}

pub async fn live(State(app): State<App>, Asked(from): Asked<From>, headers: HeaderMap) -> Result<Response, ApiError> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let place = app.stream_place()?;
    let events = live::events(app, last.or(from.after)).inspect(move |_| {
        // Given back with the stream.
        let _ = &place;
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}
