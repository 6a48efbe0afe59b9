//! The index: which blobs are complete, and which groups of the others are verified.
//!
//! The index alone says what a blob's files are worth; files that it does not name are garbage.

use std::{
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use codec::{Decode, Encode};
use redb::{
    Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    WriteTransaction,
};

use super::error::{StoreError, at};
use crate::{
    access::BlobHash,
    geometry::{GroupSet, group_count},
};

/// Hash -> size of a complete blob.
const COMPLETE: TableDefinition<BlobHash, u64> = TableDefinition::new("complete");
/// Hash -> [`PartialRecord`], SCALE encoded.
const PARTIAL: TableDefinition<BlobHash, &[u8]> = TableDefinition::new("partial");

/// An unfinished blob.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct PartialRecord {
    /// Proven size of the blob.
    pub size: u64,
    /// Whether the bitmap is all that was verified. A writer clears it while it runs: a crash leaves it cleared,
    /// and the next writer looks for verified groups beyond the bitmap.
    pub settled: bool,
    /// Verified groups. Only groups whose data was synchronised are ever recorded.
    pub bitmap: Vec<u8>,
}

impl PartialRecord {
    pub(crate) fn new(size: u64, settled: bool, have: &GroupSet) -> Self {
        Self { size, settled, bitmap: have.bitmap().to_vec() }
    }

    /// The verified groups; a bitmap of the wrong shape counts as none.
    pub(crate) fn groups(&self) -> GroupSet {
        let groups = group_count(self.size);
        GroupSet::from_bitmap(groups, &self.bitmap).unwrap_or_else(|| GroupSet::empty(groups))
    }
}

pub(crate) struct Index {
    path: PathBuf,
    /// `None` only if reopening after a failed write failed too.
    database: RwLock<Option<Database>>,
}

type Outcome<T> = Result<T, redb::Error>;

impl Index {
    pub(crate) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let database = open_database(&path)?;
        let index = Self { path, database: RwLock::new(Some(database)) };
        index.write(|transaction| {
            transaction.open_table(COMPLETE)?;
            transaction.open_table(PARTIAL)?;
            Ok(())
        })?;
        Ok(index)
    }

    pub(crate) fn complete_size(&self, hash: &BlobHash) -> Result<Option<u64>, StoreError> {
        self.read(|transaction| Ok(transaction.open_table(COMPLETE)?.get(hash)?.map(|size| size.value())))
    }

    pub(crate) fn partial(&self, hash: &BlobHash) -> Result<Option<PartialRecord>, StoreError> {
        self.read(|transaction| {
            let table = transaction.open_table(PARTIAL)?;
            Ok(table.get(hash)?.and_then(|bytes| decode(bytes.value())))
        })
    }

    pub(crate) fn all_complete(&self) -> Result<Vec<(BlobHash, u64)>, StoreError> {
        self.read(|transaction| {
            let table = transaction.open_table(COMPLETE)?;
            let mut rows = Vec::new();
            for row in table.iter()? {
                let (hash, size) = row?;
                rows.push((hash.value(), size.value()));
            }
            Ok(rows)
        })
    }

    pub(crate) fn all_partial(&self) -> Result<Vec<(BlobHash, PartialRecord)>, StoreError> {
        self.read(|transaction| {
            let table = transaction.open_table(PARTIAL)?;
            let mut rows = Vec::new();
            for row in table.iter()? {
                let (hash, bytes) = row?;
                if let Some(record) = decode(bytes.value()) {
                    rows.push((hash.value(), record));
                }
            }
            Ok(rows)
        })
    }

    /// Records a blob as complete, and no longer as partial, in one step.
    pub(crate) fn set_complete(&self, hash: &BlobHash, size: u64) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.open_table(COMPLETE)?.insert(hash, size)?;
            transaction.open_table(PARTIAL)?.remove(hash)?;
            Ok(())
        })
    }

    /// Records what is verified of an unfinished blob; does nothing once the blob is complete.
    pub(crate) fn set_partial(&self, hash: &BlobHash, record: &PartialRecord) -> Result<(), StoreError> {
        let bytes = record.encode();
        self.write(|transaction| {
            if transaction.open_table(COMPLETE)?.get(hash)?.is_none() {
                transaction.open_table(PARTIAL)?.insert(hash, bytes.as_slice())?;
            }
            Ok(())
        })
    }

    pub(crate) fn remove(&self, hash: &BlobHash) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.open_table(COMPLETE)?.remove(hash)?;
            transaction.open_table(PARTIAL)?.remove(hash)?;
            Ok(())
        })
    }

    fn read<T>(&self, body: impl Fn(&ReadTransaction) -> Outcome<T>) -> Result<T, StoreError> {
        self.attempt(|database| body(&database.begin_read()?))
    }

    fn write<T>(&self, body: impl Fn(&WriteTransaction) -> Outcome<T>) -> Result<T, StoreError> {
        self.attempt(|database| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            let value = body(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
    }

    /// Runs a transaction. redb refuses all work after a failed write (a full disk, say) until the database is
    /// opened anew, so that is done here, once, before the transaction runs again.
    fn attempt<T>(&self, body: impl Fn(&Database) -> Outcome<T>) -> Result<T, StoreError> {
        let first = {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            database.as_ref().map(&body)
        };
        match first {
            Some(Ok(value)) => return Ok(value),
            Some(Err(redb::Error::PreviousIo)) | None => {}
            Some(Err(error)) => return Err(self.failure(error)),
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Dropped first: the open database holds the file's lock.
        *database = None;
        let reopened = database.insert(open_database(&self.path)?);
        body(reopened).map_err(|error| self.failure(error))
    }

    fn failure(&self, error: redb::Error) -> StoreError {
        match error {
            redb::Error::Io(source) => at(&self.path)(source),
            other => StoreError::Index(Box::new(other)),
        }
    }
}

fn decode(bytes: &[u8]) -> Option<PartialRecord> {
    PartialRecord::decode(&mut &*bytes).ok()
}

fn open_database(path: &Path) -> Result<Database, StoreError> {
    Database::create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.parent().unwrap_or(path).into() },
        DatabaseError::Storage(redb::StorageError::Io(source)) => at(path)(source),
        other => StoreError::Index(Box::new(other.into())),
    })
}
