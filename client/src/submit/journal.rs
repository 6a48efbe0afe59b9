//! What was begun, on disk before it is sent.

use crate::{account::Account, call::Call, events::Receipt, head::Head};
use codec::{Decode, DecodeAll, Encode};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, backends::InMemoryBackend};
use std::path::{Path, PathBuf};

/// Intent to SCALE of [`Stored`].
const ENTRIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("entries");

/// Why the journal failed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened.
    #[error("journal {} cannot be opened: {source}\nhint: does another process use it?", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the store says.
        source: Box<redb::Error>,
    },
    /// Reading or writing failed, for want of space for example.
    #[error("the journal failed: {0}\nhint: is the disk full?")]
    Store(#[source] Box<redb::Error>),
    /// An entry is damaged.
    #[error("journal entry {intent} cannot be read: {reason}")]
    Damaged {
        /// The intent.
        intent: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A transaction that was signed and may have been sent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Pending {
    pub account: Account,
    pub call: Call,
    /// What is sent, byte for byte.
    pub transaction: Vec<u8>,
    pub extrinsic_hash: [u8; 32],
    pub nonce: u64,
    /// The finalised block it was signed at; it can be in the blocks after it only.
    pub birth: Head,
    /// How many transactions were signed for the intent.
    pub attempts: u32,
}

/// Where an intent stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum Entry {
    /// Not final.
    Pending(Pending),
    /// Final, and done.
    Done { account: Account, call: Call, receipt: Receipt },
}

/// An entry as it lies on disk: versioned, so that a later program can read an earlier one's.
#[derive(Encode, Decode)]
enum Stored {
    V1(Entry),
}

impl Entry {
    pub(super) fn call(&self) -> &Call {
        match self {
            Self::Pending(pending) => &pending.call,
            Self::Done { call, .. } => call,
        }
    }

    pub(super) fn account(&self) -> Account {
        match self {
            Self::Pending(pending) => pending.account,
            Self::Done { account, .. } => *account,
        }
    }
}

/// The durable memory of a [`crate::Submitter`]. Every change is on disk when its function returns.
#[derive(Debug)]
pub struct Journal {
    database: Database,
}

impl Journal {
    /// Opens a journal, or makes one. One process at a time can have it open.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |error: redb::Error| JournalError::Open { path: path.into(), source: Box::new(error) };
        let database = Database::create(path).map_err(|error| failed(error.into()))?;
        Ok(Self { database })
    }

    /// A journal that forgets: for commands that a person runs and watches.
    pub fn in_memory() -> Result<Self, JournalError> {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).map_err(store)?;
        Ok(Self { database })
    }

    pub(super) fn get(&self, intent: &str) -> Result<Option<Entry>, JournalError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = match read.open_table(ENTRIES) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(store(error)),
        };
        let found = table.get(intent).map_err(store)?;
        found.map(|bytes| decode(intent, bytes.value())).transpose()
    }

    pub(super) fn put(&self, intent: &str, entry: Entry) -> Result<(), JournalError> {
        let bytes = Stored::V1(entry).encode();
        let write = self.database.begin_write().map_err(store)?;
        write.open_table(ENTRIES).map_err(store)?.insert(intent, bytes.as_slice()).map_err(store)?;
        // The default durability waits for the disk.
        write.commit().map_err(store)
    }

    pub(super) fn remove(&self, intent: &str) -> Result<(), JournalError> {
        let write = self.database.begin_write().map_err(store)?;
        write.open_table(ENTRIES).map_err(store)?.remove(intent).map_err(store)?;
        write.commit().map_err(store)
    }

    /// What of an account is not final, by nonce.
    pub(super) fn pending(&self, account: Account) -> Result<Vec<(String, Entry)>, JournalError> {
        let mut pending = Vec::new();
        for (intent, entry) in self.all()? {
            if let Entry::Pending(Pending { nonce, account: signer, .. }) = &entry
                && *signer == account
            {
                pending.push((*nonce, intent, entry));
            }
        }
        pending.sort_by_key(|(nonce, ..)| *nonce);
        Ok(pending.into_iter().map(|(_, intent, entry)| (intent, entry)).collect())
    }

    /// Drops the receipts of blocks below `height`.
    pub(super) fn prune(&self, height: u32) -> Result<(), JournalError> {
        let old = self
            .all()?
            .into_iter()
            .filter(|(_, entry)| matches!(entry, Entry::Done { receipt, .. } if receipt.block.number < height));
        let write = self.database.begin_write().map_err(store)?;
        {
            let mut table = write.open_table(ENTRIES).map_err(store)?;
            for (intent, _) in old {
                table.remove(intent.as_str()).map_err(store)?;
            }
        }
        write.commit().map_err(store)
    }

    fn all(&self) -> Result<Vec<(String, Entry)>, JournalError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = match read.open_table(ENTRIES) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(store(error)),
        };
        let mut all = Vec::new();
        for row in table.iter().map_err(store)? {
            let (intent, bytes) = row.map_err(store)?;
            all.push((intent.value().to_owned(), decode(intent.value(), bytes.value())?));
        }
        Ok(all)
    }
}

fn store(error: impl Into<redb::Error>) -> JournalError {
    JournalError::Store(Box::new(error.into()))
}

fn decode(intent: &str, mut bytes: &[u8]) -> Result<Entry, JournalError> {
    match Stored::decode_all(&mut bytes) {
        Ok(Stored::V1(entry)) => Ok(entry),
        Err(error) => Err(JournalError::Damaged { intent: intent.to_owned(), reason: error.to_string() }),
    }
}
