//! Where uploads go, so that trainers find them: a store that the gateway serves itself, or the inbox of a data provider on
//! the same machine. The file comes first and its commitment on chain after, so that no commitment lacks its file.

use crate::{config::UploadsConfig, error::StudioError};
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};
use tributary_client::ChainClient;
use tributary_daemon::ChainGrants;
use tributary_exchange::{Identity, Node, NodeConfig, Store, StoreError};
use tributary_protocol::ContentHash;

/// Why a file cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The provider's folder.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing is kept here.
    #[error(
        "this gateway keeps no files; hint: put the file into your own data provider: tributary contribution submit"
    )]
    Off,
    /// A task of its own ended early.
    #[error("a task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl UploadError {
    /// Whether there is no room.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Store(StoreError::QuotaExceeded { .. } | StoreError::DiskFull { .. }))
    }
}

/// Where uploads go. Clones share it.
#[derive(Clone)]
pub struct Uploads(Arc<Keeper>);

enum Keeper {
    Own { store: Store, node: Node },
    Provider { folder: PathBuf },
    Off,
}

impl Uploads {
    /// Opens the store, and begins to serve it, if it is the gateway's own.
    pub async fn open(config: &UploadsConfig, data: &Path, client: &ChainClient) -> Result<Self, StudioError> {
        let keeper = match config {
            UploadsConfig::Off => Keeper::Off,
            UploadsConfig::Provider { store } => Keeper::Provider { folder: store.clone() },
            UploadsConfig::Own { listen, quota } => {
                let (folder, quota) = (data.join("store"), *quota);
                let opened = folder.clone();
                let store = tokio::task::spawn_blocking(move || Store::open(opened, quota)).await??;
                let mut config = NodeConfig::new(Identity::File(folder.join("node.key")), store.clone());
                config.listen = listen.clone();
                config.grants = Some(Arc::new(ChainGrants(client.clone())));
                Keeper::Own { store, node: Node::spawn(config).await? }
            }
        };
        Ok(Self(Arc::new(keeper)))
    }

    /// Whether files are kept here.
    pub fn is_on(&self) -> bool {
        !matches!(*self.0, Keeper::Off)
    }

    /// Where trainers fetch what is kept.
    pub fn addresses(&self) -> Vec<String> {
        match &*self.0 {
            Keeper::Own { node, .. } => node.addresses().iter().map(ToString::to_string).collect(),
            // The provider writes them there when it starts.
            Keeper::Provider { folder } => fs::read_to_string(folder.join("addresses"))
                .map(|text| text.lines().map(str::to_owned).collect())
                .unwrap_or_default(),
            Keeper::Off => Vec::new(),
        }
    }

    /// Keeps a file; says whether it was there before.
    pub async fn keep(&self, content: Vec<u8>) -> Result<bool, UploadError> {
        let keeper = self.0.clone();
        tokio::task::spawn_blocking(move || keeper.keep(&content)).await?
    }

    /// A file that is kept; `None` if it is not.
    pub async fn read(&self, blob: ContentHash) -> Result<Option<Vec<u8>>, UploadError> {
        let keeper = self.0.clone();
        tokio::task::spawn_blocking(move || keeper.read(blob)).await?
    }

    /// Whether a file is kept.
    pub fn holds(&self, blob: ContentHash) -> bool {
        match &*self.0 {
            Keeper::Own { store, .. } => store.contains(&blob.0).unwrap_or(false),
            Keeper::Provider { folder } => places(folder, blob).iter().any(|path| path.is_file()),
            Keeper::Off => false,
        }
    }

    /// Ends the serving.
    pub async fn stop(&self) {
        if let Keeper::Own { node, .. } = &*self.0 {
            node.clone().shutdown().await;
        }
    }
}

impl Keeper {
    fn keep(&self, content: &[u8]) -> Result<bool, UploadError> {
        let hash = ContentHash::of(content);
        match self {
            Self::Own { store, .. } => {
                let was_held = store.contains(&hash.0)?;
                if !was_held {
                    store.import_bytes(content)?;
                }
                Ok(was_held)
            }
            Self::Provider { folder } => {
                if places(folder, hash).iter().any(|path| path.is_file()) {
                    return Ok(true);
                }
                lay_in(folder, hash, content)?;
                Ok(false)
            }
            Self::Off => Err(UploadError::Off),
        }
    }

    fn read(&self, blob: ContentHash) -> Result<Option<Vec<u8>>, UploadError> {
        match self {
            Self::Own { store, .. } => match store.read(&blob.0) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(StoreError::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            },
            Self::Provider { folder } => {
                for path in places(folder, blob) {
                    match fs::read(&path) {
                        Ok(bytes) if ContentHash::of(&bytes) == blob => return Ok(Some(bytes)),
                        // Taken in between two looks, or not complete yet.
                        Ok(_) => {}
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        Err(source) => return Err(UploadError::Io { path, source }),
                    }
                }
                Ok(None)
            }
            Self::Off => Ok(None),
        }
    }
}

/// Where a provider's folder has a file: waiting, or taken in.
fn places(folder: &Path, blob: ContentHash) -> [PathBuf; 2] {
    [folder.join("inbox").join(blob.to_string()), folder.join("blobs").join(format!("{blob}.data"))]
}

/// Lays a file into a provider's inbox: complete, or not there at all.
fn lay_in(folder: &Path, hash: ContentHash, content: &[u8]) -> Result<(), UploadError> {
    let inbox = folder.join("inbox");
    let half = inbox.join(format!(".{hash}.studio"));
    let write = || -> io::Result<()> {
        fs::create_dir_all(&inbox)?;
        let mut file = fs::File::create(&half)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&half, inbox.join(hash.to_string()))
    };
    write().map_err(|source| {
        // What is half-written takes room; that it cannot be removed changes nothing.
        let _ = fs::remove_file(&half);
        UploadError::Io { path: inbox, source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_inbox_gets_each_file_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::Provider { folder: folder.path().to_owned() };
        let hash = ContentHash::of(b"sample\n");
        assert_eq!(keeper.read(hash).unwrap(), None);
        assert!(!keeper.keep(b"sample\n").unwrap());
        assert!(keeper.keep(b"sample\n").unwrap());
        assert_eq!(keeper.read(hash).unwrap().unwrap(), b"sample\n");
        // The provider takes it in.
        fs::create_dir_all(folder.path().join("blobs")).unwrap();
        let [waiting, taken] = places(folder.path(), hash);
        fs::rename(waiting, &taken).unwrap();
        assert!(keeper.keep(b"sample\n").unwrap());
        assert_eq!(keeper.read(hash).unwrap().unwrap(), b"sample\n");
        fs::write(taken, b"other").unwrap();
        assert_eq!(keeper.read(hash).unwrap(), None);
        assert!(matches!(Keeper::Off.keep(b"x"), Err(UploadError::Off)));
    }
}
