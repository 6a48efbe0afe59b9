//! Adapters on the disk: one folder for each, named by its hash.
//!
//! # Invariants
//! - A folder with an adapter's name holds the whole adapter: it is made under another name, checked, and renamed.
//! - Folders together take at most the bytes allowed, but for one that was just asked for.

use super::{AdapterFailure, AdapterSource, SourceError};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::{fs, io};
use tributary_lora::{CONFIG_FILE, WEIGHTS_FILE};
use tributary_protocol::ContentHash;

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot access {path}: {source}")]
pub struct DiskError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The folder of all adapters, and the source of those that are not in it.
pub struct AdapterDisk {
    root: PathBuf,
    bytes_max: u64,
    source: Box<dyn AdapterSource>,
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    folders: HashMap<ContentHash, Folder>,
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Folder {
    bytes: u64,
    used: u64,
}

/// The bytes of an adapter's two files, of which the weights have the hash that was asked for.
pub(super) struct AdapterBytes {
    pub config: Vec<u8>,
    pub weights: Vec<u8>,
}

/// What folders are called while they are made.
const PARTIAL: &str = ".partial-";

impl AdapterDisk {
    /// Looks up what is in `root`, which is made if it is not there; leftovers of an interrupted fetch are removed.
    /// Folders take at most `bytes_max`; those not used for longest go first, in their order of age at the beginning.
    pub fn open(root: &Path, bytes_max: u64, source: Box<dyn AdapterSource>) -> Result<Self, DiskError> {
        let error = |source| DiskError { path: root.into(), source };
        fs::create_dir_all(root).map_err(error)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(root).map_err(error)? {
            let path = entry.map_err(error)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.starts_with(PARTIAL) {
                remove(&path)?;
            }
            let Ok(hash) = name.parse::<ContentHash>() else { continue };
            if let Some(bytes) = folder_bytes(&path) {
                let age = fs::metadata(&path).and_then(|data| data.modified()).map_err(error)?;
                found.push((age, hash, bytes));
            }
        }
        found.sort();
        let folders = found.into_iter().zip(0..).map(|((_, hash, bytes), used)| (hash, Folder { bytes, used }));
        let folders: HashMap<_, _> = folders.collect();
        let index = Index { clock: folders.len() as u64, folders };
        Ok(Self { root: root.into(), bytes_max, source, index: Mutex::new(index) })
    }

    /// Bytes of the adapter's weights, if it is on the disk.
    pub(super) fn bytes(&self, adapter: &ContentHash) -> Option<u64> {
        self.index().folders.get(adapter).map(|folder| folder.bytes)
    }

    /// Whether the adapter is on the disk.
    pub fn contains(&self, adapter: &ContentHash) -> bool {
        self.bytes(adapter).is_some()
    }

    /// Brings the adapter to the disk, if it is not there. Only one thread at a time may do so for the same adapter.
    pub(super) fn bring(&self, adapter: &ContentHash) -> Result<(), AdapterFailure> {
        if self.contains(adapter) {
            return Ok(());
        }
        let failed = |source| AdapterFailure::Disk { adapter: *adapter, source };
        let partial = self.root.join(format!("{PARTIAL}{adapter}"));
        remove(&partial).map_err(failed)?;
        let path = partial.clone();
        fs::create_dir(&partial).map_err(|source| failed(DiskError { path, source }))?;
        let brought = self.source.fetch(adapter, &partial).map_err(|error| match error {
            SourceError::Unknown => AdapterFailure::Unknown { adapter: *adapter },
            SourceError::Unavailable { reason } => AdapterFailure::Unavailable { adapter: *adapter, reason },
        });
        let checked = brought.and_then(|()| read_checked(adapter, &partial));
        if let Err(error) = checked {
            remove(&partial).map_err(failed)?;
            return Err(error);
        }
        let folder = self.folder(adapter);
        remove(&folder).map_err(failed)?;
        fs::rename(&partial, &folder).map_err(|source| failed(DiskError { path: folder.clone(), source }))?;
        let bytes = folder_bytes(&folder).unwrap_or(0);
        let mut index = self.index();
        index.clock += 1;
        let used = index.clock;
        index.folders.insert(*adapter, Folder { bytes, used });
        self.shrink(&mut index, adapter).map_err(failed)
    }

    /// The files of an adapter on the disk. A damaged one is removed, so that it is fetched the next time.
    pub(super) fn read(&self, adapter: &ContentHash) -> Result<AdapterBytes, AdapterFailure> {
        let read = read_checked(adapter, &self.folder(adapter));
        let mut index = self.index();
        index.clock += 1;
        let used = index.clock;
        match &read {
            Ok(_) => index.folders.entry(*adapter).and_modify(|folder| folder.used = used),
            Err(_) => {
                index.folders.remove(adapter);
                drop(index);
                remove(&self.folder(adapter)).map_err(|source| AdapterFailure::Disk { adapter: *adapter, source })?;
                return read;
            }
        };
        read
    }

    /// Removes what was not used for longest until the rest fits; `but` stays.
    fn shrink(&self, index: &mut Index, but: &ContentHash) -> Result<(), DiskError> {
        while index.folders.values().map(|folder| folder.bytes).sum::<u64>() > self.bytes_max {
            let others = index.folders.iter().filter(|(hash, _)| *hash != but);
            let Some(oldest) = others.min_by_key(|(_, folder)| folder.used).map(|(hash, _)| *hash) else { break };
            index.folders.remove(&oldest);
            remove(&self.folder(&oldest))?;
        }
        Ok(())
    }

    fn folder(&self, adapter: &ContentHash) -> PathBuf {
        self.root.join(adapter.to_string())
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Bytes of both files; `None` if one is not there.
fn folder_bytes(folder: &Path) -> Option<u64> {
    let of = |name| fs::metadata(folder.join(name)).ok().filter(fs::Metadata::is_file).map(|data| data.len());
    Some(of(CONFIG_FILE)? + of(WEIGHTS_FILE)?)
}

fn read_checked(adapter: &ContentHash, folder: &Path) -> Result<AdapterBytes, AdapterFailure> {
    let read = |name| {
        let path = folder.join(name);
        let failed = |source| AdapterFailure::Disk { adapter: *adapter, source };
        fs::read(&path).map_err(|source| failed(DiskError { path, source }))
    };
    let (config, weights) = (read(CONFIG_FILE)?, read(WEIGHTS_FILE)?);
    let found = ContentHash::of(&weights);
    match found == *adapter {
        true => Ok(AdapterBytes { config, weights }),
        false => Err(AdapterFailure::Corrupted { adapter: *adapter, found }),
    }
}

fn remove(folder: &Path) -> Result<(), DiskError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(DiskError { path: folder.into(), source: error }),
        _ => Ok(()),
    }
}
