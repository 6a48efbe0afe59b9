//! What can go wrong in the store.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{access::BlobHash, geometry::BLOB_BYTES_MAX};

/// Why a store operation failed. None of these loses a blob or a verified group.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk under the store is full.
    #[error("the disk is full at {path}; hint: free space and repeat, what is verified is kept", path = path.display())]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The store's own limit leaves no room.
    #[error(
        "the store's quota of {quota} bytes leaves {free}, but {needed} are needed; hint: remove blobs or raise the quota"
    )]
    QuotaExceeded {
        /// Bytes the operation needs, hash pairs included.
        needed: u64,
        /// Bytes left.
        free: u64,
        /// The limit.
        quota: u64,
    },
    /// The blob is larger than any blob may be.
    #[error("a blob of {bytes} bytes exceeds {BLOB_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// There is no complete blob of this hash.
    #[error("no blob {}", hex::encode(hash))]
    NotFound {
        /// The hash asked for.
        hash: BlobHash,
    },
    /// Another transfer is writing this blob.
    #[error("blob {} is being written", hex::encode(hash))]
    Busy {
        /// The blob.
        hash: BlobHash,
    },
    /// The blob is complete, so there is nothing to write.
    #[error("blob {} is already complete", hex::encode(hash))]
    AlreadyComplete {
        /// The blob.
        hash: BlobHash,
    },
    /// Groups are missing.
    #[error("blob {} still lacks {missing} groups", hex::encode(hash))]
    Incomplete {
        /// The blob.
        hash: BlobHash,
        /// Groups not verified yet.
        missing: u32,
    },
    /// The bytes on disk are not what was stored.
    #[error("blob {} is damaged on disk; hint: remove it and fetch it again", hex::encode(hash))]
    Damaged {
        /// The blob.
        hash: BlobHash,
    },
    /// The file changed while it was read.
    #[error("the source has not the {expected} bytes it had at first; hint: import it when nobody writes it")]
    SourceChanged {
        /// Its size when the import began.
        expected: u64,
    },
    /// Another process has the store open.
    #[error("the store at {path} is in use by another process", path = path.display())]
    InUse {
        /// The store's folder.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The index could not be read or written.
    #[error("the index of the store: {0}")]
    Index(#[source] Box<redb::Error>),
}

/// Names the file in an I/O error, and tells a full disk from the rest.
pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> StoreError + '_ {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull { path: path.into() },
        _ => StoreError::Io { path: path.into(), source },
    }
}
