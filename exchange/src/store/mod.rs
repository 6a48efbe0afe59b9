//! Blobs on disk, named by their BLAKE3 hash.
//!
//! ```text
//! DIR/index.redb        what is complete, and what is verified of the rest
//! DIR/blobs/HASH.data   the bytes: all of them, or a sparse file with the verified groups
//! DIR/blobs/HASH.tree   hash pairs of the bao tree at 16 KiB groups, in post order
//! DIR/tmp/              imports under way; emptied on open
//! ```
//! Crash safety: data is synchronised before the index names it, the index changes in transactions, and on open every
//! file that the index does not name, and every name without a file, is removed. All calls block; async code wraps them in
//! `spawn_blocking`.

mod error;
mod index;
mod partial;

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bao_tree::io::{
    outboard::PostOrderOutboard,
    sync::{encode_ranges_validated, outboard_post_order},
};
use tokio::sync::watch;

pub(crate) use self::error::at;
use self::index::Index;
pub use self::{
    error::StoreError,
    partial::{PartialWriter, ReceiveError, SizeProof, WriteTarget, WriteTurn},
};
use crate::{
    access::BlobHash,
    geometry::{BLOB_BYTES_MAX, GroupRange, chunk_ranges, footprint, group_count, tree},
};

/// A store of blobs. Clones share it; one process at a time has it open.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    quota: u64,
    index: Index,
    state: Mutex<State>,
    /// Ticks whenever a partial blob's writer goes.
    released: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// Bytes reserved: complete blobs, partial blobs at their full size, imports under way.
    used: u64,
    /// Partial blobs that have a writer.
    writing: HashSet<BlobHash>,
}

/// A blob's name and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// BLAKE3 hash.
    pub hash: BlobHash,
    /// Size in bytes.
    pub bytes: u64,
}

/// How much of an unfinished blob is verified and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialInfo {
    /// Size of the blob.
    pub bytes: u64,
    /// Verified bytes.
    pub verified: u64,
}

impl Store {
    /// Opens the store in `folder`, made if absent, that holds at most `quota` bytes (data and hash pairs).
    /// Removes what a crash left half-done.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it open; I/O errors.
    pub fn open(folder: impl Into<PathBuf>, quota: u64) -> Result<Self, StoreError> {
        let folder = folder.into();
        for name in ["blobs", "tmp"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(at(&path))?;
        }
        let index = Index::open(folder.join("index.redb"))?;
        let inner = Inner { folder, quota, index, state: Mutex::default(), released: watch::Sender::new(0) };
        inner.clean()?;
        Ok(Self(Arc::new(inner)))
    }

    /// Copies a file into the store, hashing on the way. The file is read once.
    ///
    /// # Errors
    /// [`StoreError::QuotaExceeded`], [`StoreError::DiskFull`]: nothing was stored, nothing is left behind.
    /// [`StoreError::SourceChanged`] when the file's size changes meanwhile.
    pub fn import_file(&self, path: &Path) -> Result<BlobInfo, StoreError> {
        let file = File::open(path).map_err(at(path))?;
        let metadata = file.metadata().map_err(at(path))?;
        if !metadata.is_file() {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
            return Err(StoreError::Io { path: path.into(), source });
        }
        self.import(file, metadata.len())
    }

    /// Copies bytes into the store.
    ///
    /// # Errors
    /// As [`Store::import_file`].
    pub fn import_bytes(&self, bytes: &[u8]) -> Result<BlobInfo, StoreError> {
        self.import(bytes, bytes.len() as u64)
    }

    fn import(&self, source: impl Read, size: u64) -> Result<BlobInfo, StoreError> {
        if size > BLOB_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes: size });
        }
        let reservation = self.0.reserve(footprint(size))?;
        let name = hex::encode(rand::random::<[u8; 16]>());
        let half = |suffix| Unfinished(self.0.folder.join("tmp").join(format!("{name}.{suffix}")));
        let (data, pairs) = (half("data"), half("tree"));

        let mut data_file = File::create(&data.0).map_err(at(&data.0))?;
        let pairs_file = File::create(&pairs.0).map_err(at(&pairs.0))?;
        let mut pairs_out = BufWriter::new(pairs_file);
        let mut tee = Tee { source, copy: &mut data_file };
        let root = outboard_post_order(&mut tee, tree(size), &mut pairs_out).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => StoreError::SourceChanged { expected: size },
            _ => at(&data.0)(error),
        })?;
        if tee.source.read(&mut [0]).map_err(at(&data.0))? != 0 {
            return Err(StoreError::SourceChanged { expected: size });
        }
        let pairs_file = pairs_out.into_inner().map_err(|error| at(&pairs.0)(error.into_error()))?;
        data_file.sync_all().map_err(at(&data.0))?;
        pairs_file.sync_all().map_err(at(&pairs.0))?;

        let info = BlobInfo { hash: *root.as_bytes(), bytes: size };
        // Held to the end: neither a removal nor another import of this blob comes between.
        let mut state = self.0.state();
        if self.0.index.complete_size(&info.hash)?.is_some() {
            return Ok(info);
        }
        let partial = self.0.index.partial(&info.hash)?;
        for (from, to) in [(&data.0, self.0.data_path(&info.hash)), (&pairs.0, self.0.tree_path(&info.hash))] {
            fs::rename(from, &to).map_err(at(&to))?;
        }
        self.0.sync_folder()?;
        self.0.index.set_complete(&info.hash, size)?;
        reservation.keep();
        if let Some(record) = partial {
            state.used = state.used.saturating_sub(footprint(record.size));
        }
        Ok(info)
    }

    /// Whether the blob is complete.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn contains(&self, hash: &BlobHash) -> Result<bool, StoreError> {
        Ok(self.0.index.complete_size(hash)?.is_some())
    }

    /// Opens a complete blob. The handle stays good if the blob is removed meanwhile.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Damaged`] when its files are gone or of another size.
    pub fn get(&self, hash: &BlobHash) -> Result<Blob, StoreError> {
        let bytes = self.0.index.complete_size(hash)?.ok_or(StoreError::NotFound { hash: *hash })?;
        let open = |path: &Path, expected: u64| {
            let damaged = || StoreError::Damaged { hash: *hash };
            let file = File::open(path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => damaged(),
                _ => at(path)(error),
            })?;
            let size = file.metadata().map_err(at(path))?.len();
            if size == expected { Ok(file) } else { Err(damaged()) }
        };
        let path = self.0.data_path(hash);
        Ok(Blob {
            data: open(&path, bytes)?,
            pairs: open(&self.0.tree_path(hash), tree(bytes).outboard_size())?,
            info: BlobInfo { hash: *hash, bytes },
            path,
        })
    }

    /// Reads a complete blob into memory and checks its hash.
    ///
    /// # Errors
    /// As [`Store::get`], and [`StoreError::Damaged`] when the bytes do not have the hash.
    pub fn read(&self, hash: &BlobHash) -> Result<Vec<u8>, StoreError> {
        let blob = self.get(hash)?;
        let mut bytes = Vec::with_capacity(usize::try_from(blob.info.bytes).unwrap_or(0));
        (&blob.data).read_to_end(&mut bytes).map_err(at(&blob.path))?;
        if blake3::hash(&bytes) == *hash { Ok(bytes) } else { Err(StoreError::Damaged { hash: *hash }) }
    }

    /// Removes a blob, complete or partial, and says whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while it is being written.
    pub fn remove(&self, hash: &BlobHash) -> Result<bool, StoreError> {
        let mut state = self.0.state();
        if state.writing.contains(hash) {
            return Err(StoreError::Busy { hash: *hash });
        }
        let size = match self.0.index.complete_size(hash)? {
            Some(size) => size,
            None => match self.0.index.partial(hash)? {
                Some(record) => record.size,
                None => return Ok(false),
            },
        };
        let remove_files =
            || [self.0.data_path(hash), self.0.tree_path(hash)].iter().try_for_each(|path| remove_if_there(path));
        // The index first: a crash in between leaves files without a name, which the next open removes.
        match self.0.index.remove(hash) {
            // A change takes room before it gives some back. On a full disk the files must make it: then a crash leaves a
            // name without files, which the next open removes, too.
            Err(StoreError::DiskFull { .. }) => {
                remove_files()?;
                self.0.index.remove(hash)?;
            }
            other => other?,
        }
        state.used = state.used.saturating_sub(footprint(size));
        remove_files()?;
        Ok(true)
    }

    /// All complete blobs.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn list(&self) -> Result<Vec<BlobInfo>, StoreError> {
        let rows = self.0.index.all_complete()?;
        Ok(rows.into_iter().map(|(hash, bytes)| BlobInfo { hash, bytes }).collect())
    }

    /// What is verified of an unfinished blob, as of its last checkpoint; `None` when nothing is.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn partial(&self, hash: &BlobHash) -> Result<Option<PartialInfo>, StoreError> {
        let record = self.0.index.partial(hash)?;
        Ok(record.map(|record| PartialInfo { bytes: record.size, verified: record.groups().bytes(record.size) }))
    }

    /// Bytes that the store's blobs take; partial blobs count in full.
    pub fn used_bytes(&self) -> u64 {
        self.0.state().used
    }

    /// The most that the store's blobs may take.
    pub fn quota_bytes(&self) -> u64 {
        self.0.quota
    }

    /// Changes whenever a writer of a partial blob goes: what to wait for after [`StoreError::Busy`].
    pub(crate) fn released(&self) -> watch::Receiver<u64> {
        self.0.released.subscribe()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the state valid, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn data_path(&self, hash: &BlobHash) -> PathBuf {
        self.folder.join("blobs").join(format!("{}.data", hex::encode(hash)))
    }

    fn tree_path(&self, hash: &BlobHash) -> PathBuf {
        self.folder.join("blobs").join(format!("{}.tree", hex::encode(hash)))
    }

    fn sync_folder(&self) -> Result<(), StoreError> {
        let path = self.folder.join("blobs");
        File::open(&path).and_then(|folder| folder.sync_all()).map_err(at(&path))
    }

    /// Takes `needed` bytes out of the quota until the reservation is dropped.
    fn reserve(&self, needed: u64) -> Result<Reservation<'_>, StoreError> {
        let mut state = self.state();
        let free = self.quota.saturating_sub(state.used);
        if needed > free {
            return Err(StoreError::QuotaExceeded { needed, free, quota: self.quota });
        }
        state.used += needed;
        Ok(Reservation { store: self, bytes: needed })
    }

    /// Removes files without a name in the index and names without files, and counts what the others take.
    fn clean(&self) -> Result<(), StoreError> {
        let mut sizes: Vec<(BlobHash, u64)> = self
            .index
            .all_partial()?
            .into_iter()
            .map(|(hash, record)| (hash, record.size))
            .chain(self.index.all_complete()?)
            .collect();
        // A file that cannot be looked at is not one that is gone.
        let is_gone = |hash: &BlobHash| matches!(self.data_path(hash).try_exists(), Ok(false));
        for (hash, _) in sizes.extract_if(.., |(hash, _)| is_gone(hash)) {
            self.index.remove(&hash)?;
        }
        let named: HashSet<PathBuf> =
            sizes.iter().flat_map(|(hash, _)| [self.data_path(hash), self.tree_path(hash)]).collect();
        for folder in ["tmp", "blobs"].map(|name| self.folder.join(name)) {
            for entry in fs::read_dir(&folder).map_err(at(&folder))? {
                let path = entry.map_err(at(&folder))?.path();
                if !named.contains(&path) {
                    remove_if_there(&path)?;
                }
            }
        }
        self.state().used = sizes.iter().fold(0, |used: u64, (_, size)| used.saturating_add(footprint(*size)));
        Ok(())
    }
}

/// Bytes taken out of the quota, given back on drop unless kept.
struct Reservation<'a> {
    store: &'a Inner,
    bytes: u64,
}

impl Reservation<'_> {
    fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let mut state = self.store.state();
            state.used = state.used.saturating_sub(self.bytes);
        }
    }
}

/// A file that goes away on drop unless it was renamed.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What cannot be removed now is removed on the next open.
        let _ = fs::remove_file(&self.0);
    }
}

fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// Copies all that is read from `source`.
struct Tee<'a, R> {
    source: R,
    copy: &'a mut File,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.copy.write_all(&buffer[..count])?;
        Ok(count)
    }
}

/// A complete blob, open for reading.
#[derive(Debug)]
pub struct Blob {
    info: BlobInfo,
    path: PathBuf,
    data: File,
    pairs: File,
}

impl Blob {
    /// Its hash and size.
    pub fn info(&self) -> BlobInfo {
        self.info
    }

    /// The file with its bytes, for readers that map or stream it. Not to be written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The hash pairs of its tree, in post order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tree_bytes(&self) -> Result<Vec<u8>, StoreError> {
        fs::read(self.path.with_extension("tree")).map_err(at(&self.path))
    }

    /// Number of groups.
    pub fn groups(&self) -> u32 {
        group_count(self.info.bytes)
    }

    /// Writes the bao encoding of `ranges`, each group checked before it is written.
    ///
    /// # Errors
    /// `InvalidInput` for ranges that are not ascending, apart and inside the blob; `InvalidData` when the files are damaged;
    /// the writer's own error.
    pub fn encode(&self, ranges: &[GroupRange], out: impl Write) -> io::Result<()> {
        let chunks = chunk_ranges(ranges, self.groups())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no valid ranges"))?;
        let outboard =
            PostOrderOutboard { root: self.info.hash.into(), tree: tree(self.info.bytes), data: &self.pairs };
        Ok(encode_ranges_validated(&self.data, outboard, &chunks, out)?)
    }
}
