//! `tributary provider`.

use super::{blocking, contribution};
use crate::{
    context::Context,
    inbox,
    output::{self, Output},
};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tributary_daemon::{ChainGrants, shutdown_on_signals};
use tributary_exchange::{Identity, Multiaddr, Node, NodeConfig, Store, StoreError};
use tributary_protocol::ContentHash;

/// How often the running provider looks into its inbox.
const INBOX_PERIOD: Duration = Duration::from_secs(1);

/// Commands for data providers.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the store's files to those whom the chain lets read them, until stopped
    Run(RunArgs),
    /// Put a JSONL file into a store, in canonical form; the provider may be running
    Import {
        /// One JSON object a line: {prompt, completion} or {instruction, input?, output}
        file: PathBuf,
        /// The store's folder
        #[arg(long, value_name = "DIR")]
        store: PathBuf,
    },
    /// List what a store holds; no provider may be running on it
    List {
        /// The store's folder
        #[arg(long, value_name = "DIR")]
        store: PathBuf,
    },
}

/// How to run a provider.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The store's folder
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Where to listen; may be given several times
    #[arg(long = "listen", value_name = "MULTIADDR", default_values = ["/ip4/0.0.0.0/tcp/4001", "/ip4/0.0.0.0/udp/4001/quic-v1"])]
    listen: Vec<Multiaddr>,
    /// Most gigabytes that the store may hold
    #[arg(long, value_name = "GB", default_value_t = 100)]
    quota_gb: u64,
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::Run(args) => run(context, args).await,
            Self::Import { file, store } => {
                let (samples, _) = blocking(move || contribution::read(&file, false)).await??;
                let commitment = samples.commitment();
                let held = store.clone();
                blocking(move || inbox::put(&held, &samples.canonical_file())).await??;
                let text = format!("{} samples, blob {}, in {}", commitment.samples, commitment.blob, store.display());
                Ok(Output::new(json!({ "samples": commitment }), text))
            }
            Self::List { store } => blocking(move || list(&store)).await?,
        }
    }
}

fn list(folder: &Path) -> anyhow::Result<Output> {
    let store = open(folder, u64::MAX)?;
    inbox::take_in(folder, &store)?;
    let blobs = store.list()?;
    let rows: Vec<_> =
        blobs.iter().map(|blob| vec![ContentHash(blob.hash).to_string(), blob.bytes.to_string()]).collect();
    let json: Vec<_> =
        blobs.iter().map(|blob| json!({ "blob": ContentHash(blob.hash), "bytes": blob.bytes })).collect();
    Ok(Output::new(json, if rows.is_empty() { "none".into() } else { output::table(&["blob", "bytes"], &rows) }))
}

fn open(folder: &Path, quota: u64) -> anyhow::Result<Store> {
    Store::open(folder, quota).map_err(|error| match error {
        StoreError::InUse { .. } => anyhow::Error::from(error).context("is a provider running on the store?"),
        error => error.into(),
    })
}

async fn run(context: &Context, args: RunArgs) -> anyhow::Result<Output> {
    let shutdown = shutdown_on_signals()?;
    let (folder, quota) = (args.store.clone(), args.quota_gb.saturating_mul(1_000_000_000));
    let store = blocking(move || {
        let store = open(&folder, quota)?;
        inbox::take_in(&folder, &store)?;
        anyhow::Ok(store)
    })
    .await??;
    let Some(client) = shutdown.run_until_cancelled(context.lasting_client()).await else {
        return Ok(Output::default());
    };
    let mut config = NodeConfig::new(Identity::File(args.store.join("node.key")), store.clone());
    config.listen = args.listen;
    config.grants = Some(Arc::new(ChainGrants(client?)));
    let node = Node::spawn(config).await?;
    let addresses: Vec<String> = node.addresses().iter().map(ToString::to_string).collect();
    if context.json() {
        output::json_line(&json!({ "peer": node.peer_id().to_string(), "addresses": addresses }));
    } else {
        output::line(&format!("serving {} files at\n{}", store.list()?.len(), addresses.join("\n")));
    }
    let path = args.store.join("addresses");
    std::fs::write(&path, addresses.join("\n") + "\n").with_context(|| format!("cannot write {}", path.display()))?;

    while shutdown.run_until_cancelled(tokio::time::sleep(INBOX_PERIOD)).await.is_some() {
        let (folder, store) = (args.store.clone(), store.clone());
        match blocking(move || inbox::take_in(&folder, &store)).await? {
            Ok(taken) => {
                for blob in taken {
                    tracing::info!(blob = %ContentHash(blob.hash), bytes = blob.bytes, "taken in");
                }
            }
            // A full disk or quota: what is there goes on being served.
            Err(error) => tracing::error!("the inbox cannot be taken in: {error:#}"),
        }
    }
    node.shutdown().await;
    Ok(Output::default())
}
