//! Writing a blob as its verified groups arrive.

use std::{fs::File, io::Read, os::unix::fs::FileExt, path::PathBuf};

use bao_tree::{
    ChunkNum,
    io::{
        BaoContentItem, DecodeError,
        outboard::PostOrderOutboard,
        sync::{DecodeResponseIter, OutboardMut, valid_ranges},
    },
};

use super::{Blob, Store, StoreError, at, index::PartialRecord};
use crate::{
    access::BlobHash,
    geometry::{BLOB_BYTES_MAX, GroupRange, GroupSet, chunk_ranges, footprint, group_count, group_of, tree},
};

/// Groups between two checkpoints: 8 MiB. A kill loses none of them (see [`Store::resume`]); a power cut loses at most these.
const CHECKPOINT_GROUPS: u32 = 512;

/// Why received bytes were not all stored.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The sender's bytes are not the blob's.
    #[error("the bytes do not belong to the blob ({detail})")]
    WrongBytes {
        /// The node or chunk that failed.
        detail: String,
    },
    /// The bytes ended early; what came before is stored.
    #[error("the bytes ended before the wanted ranges did")]
    Truncated,
    /// The store failed; what came before is stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DecodeError> for ReceiveError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::ParentNotFound(_) | DecodeError::LeafNotFound(_) | DecodeError::Io(_) => Self::Truncated,
            DecodeError::ParentHashMismatch(_) | DecodeError::LeafHashMismatch(_) => {
                Self::WrongBytes { detail: error.to_string() }
            }
        }
    }
}

/// Proof that a blob of this hash has this size: its last group, verified up to the root.
/// Without it a provider could make a reader set aside space for, and keep asking for, a size that never was.
pub struct SizeProof {
    hash: BlobHash,
    size: u64,
    items: Vec<BaoContentItem>,
}

impl SizeProof {
    /// What to ask a provider for.
    pub fn range(size: u64) -> GroupRange {
        let end = group_count(size.min(BLOB_BYTES_MAX));
        GroupRange { start: end - 1, end }
    }

    /// Verifies a provider's encoding of [`SizeProof::range`].
    ///
    /// # Errors
    /// [`ReceiveError::WrongBytes`] when the blob does not have this size, or these are not its bytes.
    pub fn verify(hash: BlobHash, size: u64, encoded: impl Read) -> Result<Self, ReceiveError> {
        if size > BLOB_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes: size }.into());
        }
        let chunks = chunk_ranges(&[Self::range(size)], group_count(size)).expect("the last group is inside the blob");
        let items =
            DecodeResponseIter::new(hash.into(), tree(size), encoded, &chunks).collect::<Result<Vec<_>, _>>()?;
        // An empty blob has no chunk that the decoder would check.
        if size == 0 && hash != *blake3::hash(&[]).as_bytes() {
            return Err(ReceiveError::WrongBytes { detail: "not the empty blob".into() });
        }
        Ok(Self { hash, size, items })
    }

    /// The proven size.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// The only writer of an unfinished blob. Dropping it keeps what is verified.
pub struct PartialWriter {
    /// Last to be dropped, so that the next writer sees all that this one recorded.
    turn: WriteTurn,
    size: u64,
    data: File,
    pairs: PostOrderOutboard<File>,
    have: GroupSet,
    /// Verified groups that the index does not know yet.
    unsaved: u32,
    complete: bool,
}

/// The right to be the one writer of a blob; gives way on drop.
pub struct WriteTurn {
    store: Store,
    hash: BlobHash,
}

/// Where a transfer of a blob stands.
pub enum WriteTarget {
    /// Nothing is there: the next step is to prove the size and [`WriteTurn::begin`].
    Fresh(WriteTurn),
    /// It was begun before.
    Partial(PartialWriter),
}

impl WriteTurn {
    fn take(store: &Store, hash: BlobHash) -> Result<Self, StoreError> {
        let mut state = store.0.state();
        if store.0.index.complete_size(&hash)?.is_some() {
            return Err(StoreError::AlreadyComplete { hash });
        }
        if !state.writing.insert(hash) {
            return Err(StoreError::Busy { hash });
        }
        Ok(Self { store: store.clone(), hash })
    }
}

impl Drop for WriteTurn {
    fn drop(&mut self) {
        let store = &self.store.0;
        store.state().writing.remove(&self.hash);
        store.released.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl WriteTarget {
    /// Verified bytes so far.
    pub fn verified_bytes(&self) -> u64 {
        match self {
            Self::Fresh(_) => 0,
            Self::Partial(writer) => writer.verified_bytes(),
        }
    }

    /// Size of the blob, once proven.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Fresh(_) => None,
            Self::Partial(writer) => Some(writer.size()),
        }
    }
}

impl WriteTurn {
    /// Starts the blob, whose size is proven.
    ///
    /// # Errors
    /// [`StoreError::QuotaExceeded`], [`StoreError::DiskFull`], I/O errors.
    ///
    /// # Panics
    /// If the proof is for another blob.
    pub fn begin(self, proof: SizeProof) -> Result<PartialWriter, StoreError> {
        assert_eq!(self.hash, proof.hash, "a proof is used for the blob it was asked for");
        let store = self.store.clone();
        let reservation = store.0.reserve(footprint(proof.size))?;
        let have = GroupSet::empty(group_count(proof.size));
        let record = PartialRecord::new(proof.size, false, &have);
        // The record before the files, so that the quota counts them whatever happens next.
        store.0.index.set_partial(&proof.hash, &record)?;
        reservation.keep();
        let mut writer = PartialWriter::open(self, proof.size, have, true)?;
        for item in proof.items {
            writer.store_item(item)?;
        }
        Ok(writer)
    }
}

impl Store {
    /// Takes the turn to write a blob, and goes on with it if it was begun before. After a crash this looks through
    /// the groups that the index does not know, and keeps those that verify: a kill costs no verified group.
    ///
    /// # Errors
    /// [`StoreError::AlreadyComplete`], [`StoreError::Busy`], I/O errors.
    pub fn resume(&self, hash: BlobHash) -> Result<WriteTarget, StoreError> {
        let turn = WriteTurn::take(self, hash)?;
        Ok(match self.0.index.partial(&hash)? {
            Some(record) => WriteTarget::Partial(PartialWriter::reopen(turn, record)?),
            None => WriteTarget::Fresh(turn),
        })
    }
}

impl PartialWriter {
    fn reopen(turn: WriteTurn, record: PartialRecord) -> Result<Self, StoreError> {
        let mut writer = Self::open(turn, record.size, record.groups(), false)?;
        if !record.settled {
            writer.recover()?;
        }
        writer.checkpoint(false)?;
        Ok(writer)
    }

    /// Opens the files, empty if `fresh`. Files that are gone or short hold nothing, whatever the bitmap says.
    fn open(turn: WriteTurn, size: u64, have: GroupSet, fresh: bool) -> Result<Self, StoreError> {
        let tree = tree(size);
        let open = |path: PathBuf, length: u64| -> Result<(File, bool), StoreError> {
            let file =
                File::options().read(true).write(true).create(true).truncate(fresh).open(&path).map_err(at(&path))?;
            let whole = file.metadata().map_err(at(&path))?.len() == length;
            // Sparse: groups take space as they come.
            file.set_len(length).map_err(at(&path))?;
            Ok((file, whole))
        };
        let (data, data_whole) = open(turn.store.0.data_path(&turn.hash), size)?;
        let (pairs, pairs_whole) = open(turn.store.0.tree_path(&turn.hash), tree.outboard_size())?;
        let have = if data_whole && pairs_whole { have } else { GroupSet::empty(have.groups()) };
        Ok(Self {
            size,
            data,
            pairs: PostOrderOutboard { root: turn.hash.into(), tree, data: pairs },
            have,
            unsaved: 0,
            complete: false,
            turn,
        })
    }

    fn data_path(&self) -> PathBuf {
        self.turn.store.0.data_path(&self.turn.hash)
    }

    fn tree_path(&self) -> PathBuf {
        self.turn.store.0.tree_path(&self.turn.hash)
    }

    /// Size of the blob.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The verified groups.
    pub fn have(&self) -> &GroupSet {
        &self.have
    }

    /// Verified bytes.
    pub fn verified_bytes(&self) -> u64 {
        self.have.bytes(self.size)
    }

    /// Reads the bao encoding of `ranges`, verifies each group, stores it and reports the verified bytes so far.
    ///
    /// # Errors
    /// As [`ReceiveError`] says; what was verified before the error is kept.
    pub fn receive(
        &mut self,
        ranges: &[GroupRange],
        encoded: impl Read,
        mut on_group: impl FnMut(u64),
    ) -> Result<(), ReceiveError> {
        let chunks = chunk_ranges(ranges, self.have.groups()).expect("a reader asks only for ranges of the blob");
        for item in DecodeResponseIter::new(self.turn.hash.into(), self.pairs.tree, encoded, &chunks) {
            if self.store_item(item?)? {
                on_group(self.verified_bytes());
            }
        }
        Ok(())
    }

    /// Stores a verified item and says whether it was a group.
    fn store_item(&mut self, item: BaoContentItem) -> Result<bool, StoreError> {
        match item {
            BaoContentItem::Parent(parent) => {
                let path = self.tree_path();
                self.pairs.save(parent.node, &parent.pair).map_err(at(&path))?;
                Ok(false)
            }
            BaoContentItem::Leaf(leaf) => {
                let path = self.data_path();
                self.data.write_all_at(&leaf.data, leaf.offset).map_err(at(&path))?;
                if self.have.insert(group_of(ChunkNum::full_chunks(leaf.offset))) {
                    self.unsaved += 1;
                }
                if self.unsaved >= CHECKPOINT_GROUPS {
                    self.checkpoint(false)?;
                }
                Ok(true)
            }
        }
    }

    /// Adds the groups on disk that verify but that the index does not know.
    fn recover(&mut self) -> Result<(), StoreError> {
        let missing = self.have.missing(usize::MAX);
        let Some(chunks) = chunk_ranges(&missing, self.have.groups()) else {
            return Ok(());
        };
        let path = self.data_path();
        let mut found = Vec::new();
        for range in valid_ranges(&self.pairs, &self.data, &chunks) {
            let range = range.map_err(at(&path))?;
            found.extend(group_of(range.start)..=group_of(ChunkNum(range.end.0.saturating_sub(1))));
        }
        for group in found {
            self.have.insert(group);
        }
        self.sync()
    }

    fn record(&self, settled: bool) -> PartialRecord {
        PartialRecord::new(self.size, settled, &self.have)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.data.sync_data().map_err(at(&self.data_path()))?;
        self.pairs.data.sync_data().map_err(at(&self.tree_path()))
    }

    /// Makes what is verified durable: the data first, then the index that vouches for it.
    fn checkpoint(&mut self, settled: bool) -> Result<(), StoreError> {
        self.sync()?;
        self.turn.store.0.index.set_partial(&self.turn.hash, &self.record(settled))?;
        self.unsaved = 0;
        Ok(())
    }

    /// Makes the blob a complete one.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] when groups are missing.
    pub fn finish(mut self) -> Result<Blob, StoreError> {
        if !self.have.is_full() {
            let missing = self.have.groups() - self.have.count();
            return Err(StoreError::Incomplete { hash: self.turn.hash, missing });
        }
        self.sync()?;
        self.turn.store.0.sync_folder()?;
        {
            // An import may have completed the blob meanwhile; it has then settled the quota as well.
            let _state = self.turn.store.0.state();
            if self.turn.store.0.index.complete_size(&self.turn.hash)?.is_none() {
                self.turn.store.0.index.set_complete(&self.turn.hash, self.size)?;
            }
        }
        self.complete = true;
        self.turn.store.get(&self.turn.hash)
    }
}

impl Drop for PartialWriter {
    fn drop(&mut self) {
        if !self.complete
            && let Err(error) = self.checkpoint(true)
        {
            // The record stays unsettled, so the next writer finds these groups by verifying them.
            tracing::warn!(blob = hex::encode(self.turn.hash), %error, "progress of a partial blob was not recorded");
        }
    }
}
