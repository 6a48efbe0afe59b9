//! Adapters from the network: the bundle of a model's job, checked against the chain.

use super::catalogue::{ChainCatalogue, Origin};
use crate::adapters::{AdapterSource, SourceError};
use crate::receipts::shares::{ResultError, Results};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::runtime::Handle;
use tributary_daemon::{
    Bundle,
    files::{FileError, at, read_if_there, remove_folder, write_atomically},
    verify_bundle,
};
use tributary_exchange::{FetchRequest, Multiaddr, Node, Scope};
use tributary_protocol::{ContentHash, sum_tree::Domain};

/// A bundle's file, as trainers call it.
const BUNDLE_FILE: &str = "bundle.tar";

/// The bundles of the models that are served: on the disk, and fetched where they are not.
///
/// # Invariants
/// - What is handed out was checked as a whole against the report on the chain: weights and configuration of an adapter, and
///   what attribution needs, are of one bundle.
/// - Bundles take at most the bytes allowed, but for one that was just asked for; those not used for longest go first.
pub struct Bundles {
    folder: PathBuf,
    bytes_max: u64,
    genesis: [u8; 32],
    catalogue: Arc<ChainCatalogue>,
    node: Node,
    providers: Vec<Multiaddr>,
    /// Held while a bundle is brought here: the engine and whoever looks ahead may want the same one at the same time.
    fetching: tokio::sync::Mutex<()>,
}

impl Bundles {
    /// Bundles in `folder`, fetched by `node` from `providers` in order.
    pub fn new(
        folder: PathBuf,
        bytes_max: u64,
        genesis: [u8; 32],
        catalogue: Arc<ChainCatalogue>,
        node: Node,
        providers: Vec<Multiaddr>,
    ) -> Self {
        Self { folder, bytes_max, genesis, catalogue, node, providers, fetching: tokio::sync::Mutex::default() }
    }

    /// The bundle with an adapter that is served, wherever it is.
    pub async fn of_adapter(self: &Arc<Self>, adapter: &ContentHash) -> Result<Bundle, SourceError> {
        let origin = self.catalogue.origin(adapter).ok_or(SourceError::Unknown)?;
        if let Some(bundle) = self.look(&origin).await? {
            return Ok(bundle);
        }
        let _one_at_a_time = self.fetching.lock().await;
        if let Some(bundle) = self.look(&origin).await? {
            return Ok(bundle);
        }
        let blob = origin.report.bundle.0;
        let request = FetchRequest { scope: Scope::Bundle { job: origin.job.0 }, blob, bytes: None };
        let fetched = self.node.fetch(&self.providers, request, |_| {}).await;
        let fetched = fetched.map_err(|error| unavailable(format!("the bundle of job {}: {error}", origin.job)))?;
        tracing::info!(job = %origin.job, bytes = fetched.bytes, "bundle fetched");
        let own = self.clone();
        blocking(move || {
            let store = own.node.store();
            let bytes = store.read(&blob).map_err(|error| unavailable(error.to_string()))?;
            let bundle = own.check(&bytes, &origin).map_err(unavailable)?;
            own.keep(&origin.report.bundle, &bytes).map_err(|error| unavailable(error.to_string()))?;
            // It lies in this folder now.
            if let Err(error) = store.remove(&blob) {
                tracing::warn!("a fetched bundle stays in the store: {error}");
            }
            Ok(bundle)
        })
        .await
    }

    async fn look(self: &Arc<Self>, origin: &Arc<Origin>) -> Result<Option<Bundle>, SourceError> {
        let (own, wanted) = (self.clone(), origin.clone());
        blocking(move || own.kept(&wanted)).await
    }

    /// Whether the bundle of a job's result is on the disk.
    pub fn has(&self, origin: &Origin) -> bool {
        self.path(&origin.report.bundle).is_file()
    }

    /// A bundle on the disk. A damaged one is removed, and there is none then.
    fn kept(&self, origin: &Origin) -> Result<Option<Bundle>, SourceError> {
        let path = self.path(&origin.report.bundle);
        let bytes = read_if_there(&path).map_err(|error| unavailable(error.to_string()))?;
        let Some(bytes) = bytes else { return Ok(None) };
        match self.check(&bytes, origin) {
            Ok(bundle) => {
                // Only the order in which bundles go depends on it.
                let _ = File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                Ok(Some(bundle))
            }
            Err(reason) => {
                tracing::warn!("{} is damaged and removed: {reason}", path.display());
                let folder = self.folder.join(origin.report.bundle.to_string());
                remove_folder(&folder).map_err(|error| unavailable(error.to_string()))?;
                Ok(None)
            }
        }
    }

    fn check(&self, bytes: &[u8], origin: &Origin) -> Result<Bundle, String> {
        let domain = Domain { genesis: self.genesis, job: origin.job };
        verify_bundle(bytes, &origin.report, &origin.recipe, &domain).map_err(|error| error.to_string())
    }

    /// Keeps a bundle that was checked elsewhere.
    pub(super) fn keep(&self, hash: &ContentHash, bytes: &[u8]) -> Result<(), FileError> {
        write_atomically(&self.path(hash), bytes)?;
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(at(&self.folder))? {
            let folder = entry.map_err(at(&self.folder))?.path();
            // What is not there any more, or is not ours, takes no room here.
            if let Ok(facts) = fs::metadata(folder.join(BUNDLE_FILE)) {
                let used = facts.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                all.push((used, facts.len(), folder));
            }
        }
        all.sort();
        let mut bytes: u64 = all.iter().map(|(_, bytes, _)| bytes).sum();
        let own = self.folder.join(hash.to_string());
        for (_, size, folder) in all.into_iter().filter(|(_, _, folder)| *folder != own) {
            if bytes <= self.bytes_max {
                break;
            }
            remove_folder(&folder)?;
            bytes -= size;
        }
        Ok(())
    }

    fn path(&self, hash: &ContentHash) -> PathBuf {
        self.folder.join(hash.to_string()).join(BUNDLE_FILE)
    }
}

impl Results for Bundles {
    fn bundle(&self, adapter: ContentHash) -> Result<Option<Bundle>, ResultError> {
        let Some(origin) = self.catalogue.origin(&adapter) else { return Ok(None) };
        self.kept(&origin).map_err(|error| ResultError { adapter, reason: error.to_string() })
    }
}

fn unavailable(reason: String) -> SourceError {
    SourceError::Unavailable { reason }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(unavailable(error.to_string())))
}

/// The engine's source of adapters: both files of an adapter from its one bundle.
pub struct BundleSource {
    bundles: Arc<Bundles>,
    runtime: Handle,
}

impl BundleSource {
    /// A source that fetches on this runtime.
    pub fn new(bundles: Arc<Bundles>, runtime: Handle) -> Self {
        Self { bundles, runtime }
    }
}

impl AdapterSource for BundleSource {
    fn fetch(&self, adapter: &ContentHash, into: &Path) -> Result<(), SourceError> {
        let bundle = self.runtime.block_on(self.bundles.of_adapter(adapter))?;
        bundle.extract_adapter(into).map_err(|error| unavailable(error.to_string()))
    }
}
