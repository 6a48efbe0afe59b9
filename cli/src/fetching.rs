//! Fetching data and bundles for one command, with the account's own key.

use crate::{commands::blocking, context::Signer, progress::Task};
use anyhow::Context as _;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;
use tributary_daemon::{KeySigner, exchange_scope};
use tributary_exchange::{FetchRequest, Identity, Multiaddr, Node, NodeConfig, Reader, Store};
use tributary_protocol::{ContentHash, access::Scope};

/// A node that fetches and ends with its command. What it fetched ends with it.
pub struct Fetching {
    node: Node,
    providers: Vec<Multiaddr>,
    _folder: TempDir,
}

impl Fetching {
    /// Starts it for the signer's account.
    pub async fn start(signer: &Signer, providers: Vec<Multiaddr>) -> anyhow::Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("tributary-fetch-").tempdir().context("no folder for fetched files")?;
        let path = folder.path().to_owned();
        let store = blocking(move || Store::open(path, u64::MAX)).await??;
        let mut config = NodeConfig::new(Identity::Ephemeral, store);
        config.reader =
            Some(Reader { signer: Arc::new(KeySigner(signer.key().clone())), genesis: signer.client().genesis().0 });
        Ok(Self { node: Node::spawn(config).await?, providers, _folder: folder })
    }

    /// Fetches one file. `bytes` is its size, if known.
    pub async fn get(
        &self,
        name: &str,
        scope: Scope,
        blob: ContentHash,
        bytes: Option<u64>,
    ) -> anyhow::Result<Vec<u8>> {
        let task = Arc::new(Mutex::new(Task::bytes(format!("fetching {name}"), bytes.unwrap_or(1))));
        let told = task.clone();
        let request = FetchRequest { scope: exchange_scope(scope), blob: blob.0, bytes };
        let fetching = self.node.fetch(&self.providers, request, move |progress| {
            let mut task = told.lock().unwrap_or_else(PoisonError::into_inner);
            task.set_total(progress.total);
            task.set(progress.verified);
        });
        fetching.await.with_context(|| format!("{name} could not be fetched"))?;
        let store = self.node.store().clone();
        Ok(blocking(move || store.read(&blob.0)).await??)
    }

    /// Ends it.
    pub async fn stop(self) {
        self.node.shutdown().await;
    }
}
