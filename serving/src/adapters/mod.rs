//! Adapters from wherever they are to where they are used: source, disk, memory.
//!
//! An adapter is known by the hash of its weights file everywhere. What a source hands over is checked against it, and so is what
//! the disk gives back: a damaged file is never served, and nothing else in its place.

mod cache;
mod disk;
mod loader;

pub use cache::AdapterCounts;
pub(crate) use cache::{AdapterCache, SharedAdapters};
pub use disk::{AdapterDisk, DiskError};
pub(crate) use loader::{Loader, Notify};
use std::path::Path;
use tributary_lora::AdapterError;
use tributary_protocol::ContentHash;

/// Where adapters come from that are not on the disk.
pub trait AdapterSource: Send + Sync {
    /// Writes the adapter's two files, as PEFT names them, to the empty folder `into`. Called on a thread that may wait.
    fn fetch(&self, adapter: &ContentHash, into: &Path) -> Result<(), SourceError>;
}

/// Why a source has no adapter to give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is none with this hash.
    #[error("no such adapter")]
    Unknown,
    /// It cannot be had now.
    #[error("{reason}")]
    Unavailable {
        /// Why not.
        reason: String,
    },
}

/// A source that has nothing: only adapters that are on the disk are served.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSource;

impl AdapterSource for NoSource {
    fn fetch(&self, _: &ContentHash, _: &Path) -> Result<(), SourceError> {
        Err(SourceError::Unknown)
    }
}

/// Why an adapter cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AdapterFailure {
    /// Nobody has it.
    #[error("unknown adapter {adapter}")]
    Unknown {
        /// Its hash.
        adapter: ContentHash,
    },
    /// It could not be fetched.
    #[error("adapter {adapter} cannot be fetched: {reason}")]
    Unavailable {
        /// Its hash.
        adapter: ContentHash,
        /// Why not.
        reason: String,
    },
    /// What was fetched is something else.
    #[error("adapter {adapter} is damaged: its weights file has the hash {found}")]
    Corrupted {
        /// Its hash.
        adapter: ContentHash,
        /// That of what is there.
        found: ContentHash,
    },
    /// It cannot be used with the base model.
    #[error("adapter {adapter} cannot be used: {source}")]
    Unusable {
        /// Its hash.
        adapter: ContentHash,
        /// Why not.
        source: AdapterError,
    },
    /// It does not fit in the memory that adapters may take.
    #[error("adapter {adapter} takes {bytes} bytes, adapters may take {bytes_max}")]
    TooLarge {
        /// Its hash.
        adapter: ContentHash,
        /// What it takes.
        bytes: u64,
        /// What all together may take.
        bytes_max: u64,
    },
    /// The disk failed.
    #[error("adapter {adapter}: {source}")]
    Disk {
        /// Its hash.
        adapter: ContentHash,
        /// What is wrong.
        source: DiskError,
    },
}

impl AdapterFailure {
    /// The adapter that it is about.
    pub fn adapter(&self) -> &ContentHash {
        match self {
            Self::Unknown { adapter }
            | Self::Unavailable { adapter, .. }
            | Self::Corrupted { adapter, .. }
            | Self::Unusable { adapter, .. }
            | Self::TooLarge { adapter, .. }
            | Self::Disk { adapter, .. } => adapter,
        }
    }
}
