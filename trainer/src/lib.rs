//! The trainer: a daemon that claims jobs, fetches their data, trains, and reports.
//!
//! [`Trainer::run`] is the daemon. Its engine owns the state and goes through the phases of one job after the
//! other; every phase can be killed at any moment and is gone on with at the next start. Heartbeats, the exchange node and
//! the metrics server are tasks beside it.
//!
//! Two things are shared with commands that need no daemon: [`train_local`] trains without a chain, and [`verify_job`]
//! checks somebody's report. What a job made is read by [`tributary_daemon::Bundle`].
//!
//! # Invariant
//! What the chain decides is read at finalised blocks. What is submitted is submitted once, whatever crashes (see
//! [`tributary_client::Submitter`]). A lease that is lost stops the work; the work is kept.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bases;
mod chain;
mod config;
mod engine;
mod error;
mod events;
mod http;
mod lease;
mod local;
mod metrics;
mod pauses;
mod phase;
mod repeat;
mod state;
#[cfg(test)]
mod tests;
mod verify;

pub use config::{Cadence, TrainerConfig};
pub use error::{TrainerError, WorkError};
pub use local::{LocalError, LocalOutcome, estimate_local, train_local};
pub use phase::{Activity, Observer};
pub use repeat::{differences, repeat_job};
pub use state::StateError;
pub use tributary_attribution::{AttributionReport, Comparison, ContributionSamples};
pub use tributary_lora::{Estimate, Event, StepEvent};
pub use verify::{Verdict, Verification, VerifyError, verify_job};

use bases::Bases;
use chain::{JobChain, LiveChain};
use engine::{Engine, Parts};
use http::Window;
use metrics::Metrics;
use pauses::Pauses;
use state::State;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tributary_client::{ChainClient, Journal, Keypair, Submitter};
use tributary_daemon::{ChainGrants, KeySigner, files};
use tributary_exchange::{Identity, Node, NodeConfig, Reader, Store};

/// The daemon.
#[derive(Debug)]
pub struct Trainer;

impl Trainer {
    /// Runs a trainer for `key`'s account until `shutdown` is cancelled; then a running training writes a checkpoint, and
    /// the lease stays for the next start.
    ///
    /// Errors: what keeps a trainer from starting, or from going on at all. Whatever befalls a single job is logged.
    pub async fn run(config: TrainerConfig, key: Keypair, shutdown: CancellationToken) -> Result<(), TrainerError> {
        if config.bases.is_empty() {
            return Err(TrainerError::NoBases);
        }
        std::fs::create_dir_all(&config.state_dir).map_err(files::at(&config.state_dir))?;
        let folders = config.bases.clone();
        let bases = blocking(move || Bases::hash(&folders)).await??;
        let (folder, quota) = (config.state_dir.join("store"), config.store_bytes);
        let store = blocking(move || Store::open(folder, quota)).await??;
        let journal = Journal::open(&config.state_dir.join("journal.redb"))?;

        let connecting = ChainClient::connect(&config.node);
        let Some(client) = shutdown.run_until_cancelled(connecting).await else { return Ok(()) };
        let client = client?;
        let signer = Arc::new(KeySigner(key.clone()));
        let chain = Arc::new(LiveChain::new(Submitter::new(client.clone(), key, journal)?));
        let state = State::open(&config.state_dir, chain.genesis(), chain.account())?;

        let mut exchange = NodeConfig::new(Identity::File(config.state_dir.join("node.key")), store);
        exchange.listen = config.listen.clone();
        exchange.grants = Some(Arc::new(ChainGrants(client)));
        exchange.reader = Some(Reader { signer, genesis: chain.genesis() });
        let node = Node::spawn(exchange).await?;
        let addresses: Vec<String> = node.addresses().iter().map(ToString::to_string).collect();
        let text: String = addresses.iter().map(|address| format!("{address}\n")).collect();
        files::write_atomically(&config.state_dir.join("addresses"), text.as_bytes())?;

        let metrics = Arc::new(Metrics::default());
        let pauses = Arc::new(Pauses::new(chain.genesis(), config.pause()));
        if let Some(address) = config.http {
            let window = Window {
                metrics: metrics.clone(),
                pauses: pauses.clone(),
                account: chain.account(),
                addresses,
                state_dir: config.state_dir.clone(),
            };
            http::serve(address, window, shutdown.clone()).await?;
        }
        tracing::info!(account = %chain.account(), bases = bases.count(), node = %config.node, "trainer started");

        // Beside the engine: what an earlier run began to submit must not keep a lease from its next heartbeat.
        let recovering = tokio::spawn({
            let chain = chain.clone();
            async move {
                if let Err(error) = chain.recover().await {
                    tracing::error!("submissions of an earlier run cannot be recovered: {error}");
                }
            }
        });
        let parts = Parts { chain, node: node.clone(), bases, metrics, pauses, config, shutdown };
        let result = Engine::new(parts, state).run().await;
        recovering.abort();
        node.shutdown().await;
        result
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, TrainerError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| TrainerError::Task { reason: error.to_string() })
}
