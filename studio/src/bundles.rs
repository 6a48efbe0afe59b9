//! Bundles: fetched once for an account that may read them, kept, and given out as PEFT files.

use crate::error::StudioError;
use std::{path::Path, sync::Arc};
use tributary_client::{Account, ChainClient, Keypair};
use tributary_daemon::{Bundle, BundleError, KeySigner};
use tributary_exchange::{
    FetchError, FetchRequest, Identity, Multiaddr, Node, NodeConfig, Reader, Scope, Store, StoreError,
};
use tributary_protocol::{ContentHash, JobId};

/// Most bytes of fetched bundles; the store refuses more.
const QUOTA: u64 = 8 << 30;

/// Why a bundle cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BundlesError {
    /// The gateway has no account that may read it.
    #[error("the gateway may not read this bundle; hint: its owner fetches it with: tributary model fetch")]
    NotPermitted,
    /// No provider gave it.
    #[error("no provider has it: {0}")]
    Fetch(#[from] FetchError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is no bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A task of its own ended early.
    #[error("a task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// What fetches bundles. Clones share it.
#[derive(Clone)]
pub struct Bundles(Option<Arc<Inner>>);

struct Inner {
    node: Node,
    account: Account,
    providers: Vec<Multiaddr>,
}

impl Bundles {
    /// Fetches in the name of `reader`; nothing without one.
    pub async fn open(
        data: &Path,
        client: &ChainClient,
        reader: Option<Keypair>,
        providers: Vec<Multiaddr>,
    ) -> Result<Self, StudioError> {
        let Some(key) = reader else { return Ok(Self(None)) };
        let folder = data.join("bundles");
        let store = tokio::task::spawn_blocking(move || Store::open(folder, QUOTA)).await??;
        let account = key.account();
        let mut config = NodeConfig::new(Identity::Ephemeral, store);
        config.reader = Some(Reader { signer: Arc::new(KeySigner(key)), genesis: client.genesis().0 });
        Ok(Self(Some(Arc::new(Inner { node: Node::spawn(config).await?, account, providers }))))
    }

    /// The account in whose name bundles are fetched.
    pub fn account(&self) -> Option<Account> {
        self.0.as_ref().map(|inner| inner.account)
    }

    /// A job's bundle: what is kept, or what `trainers` and the configured providers have.
    pub async fn get(&self, job: JobId, blob: ContentHash, trainers: &[String]) -> Result<Vec<u8>, BundlesError> {
        let inner = self.0.as_ref().ok_or(BundlesError::NotPermitted)?;
        let store = inner.node.store().clone();
        if !store.contains(&blob.0)? {
            let theirs = trainers.iter().filter_map(|address| address.parse().ok());
            let providers: Vec<Multiaddr> = theirs.chain(inner.providers.iter().cloned()).collect();
            let request = FetchRequest { scope: Scope::Bundle { job: job.0 }, blob: blob.0, bytes: None };
            inner.node.fetch(&providers, request, |_| {}).await?;
        }
        Ok(tokio::task::spawn_blocking(move || store.read(&blob.0)).await??)
    }

    /// The adapter of a bundle as an archive of PEFT files.
    pub async fn adapter(bytes: Vec<u8>) -> Result<Vec<u8>, BundlesError> {
        let made = tokio::task::spawn_blocking(move || Bundle::from_bytes(&bytes)?.adapter_archive());
        Ok(made.await??)
    }
}
