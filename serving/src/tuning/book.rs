//! Files, jobs and their events on the disk.

use super::rows::{FileRow, JobRow};
use crate::jobs::JobEvent;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};
use tributary_client::Account;
use tributary_protocol::ContentHash;

/// A row's key: whose it is, and its number.
type Place<'a> = (&'a str, u64);
type Rows = TableDefinition<'static, Place<'static>, &'static [u8]>;

/// Place to JSON of [`FileRow`].
const FILES: Rows = TableDefinition::new("files");
/// Place to JSON of [`JobRow`].
const JOBS: Rows = TableDefinition::new("jobs");
/// A job's id and the event's number to JSON of [`JobEvent`].
const EVENTS: Rows = TableDefinition::new("events");
/// A file's or job's id to its place.
const PLACES: TableDefinition<'static, &'static str, Place<'static>> = TableDefinition::new("places");
/// `owner`: JSON of genesis hash and account. `next`: the next number.
const FACTS: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("facts");

/// Why the book failed.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The file cannot be opened.
    #[error("{} cannot be opened: {reason}\nhint: does another process use it?", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It is another account's, or of another chain.
    #[error("{} belongs to {account} on the chain with genesis {genesis}\nhint: another --state folder for this one", path.display())]
    OtherOwner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        account: Account,
        /// Of which chain.
        genesis: ContentHash,
    },
    /// Reading or writing failed.
    #[error("the book of files and jobs failed: {reason}\nhint: is the disk full?")]
    Store {
        /// Why.
        reason: String,
    },
    /// A row cannot be read.
    #[error("a row of the book of files and jobs is damaged: {reason}")]
    Damaged {
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such row.
    #[error("there is no {id:?} in the book")]
    Absent {
        /// Its id.
        id: String,
    },
}

macro_rules! store_errors {
    ($($source:ty),+) => { $(
        impl From<$source> for BookError {
            fn from(error: $source) -> Self {
                Self::Store { reason: error.to_string() }
            }
        }
    )+ };
}

store_errors!(redb::StorageError, redb::TransactionError, redb::CommitError, TableError);

/// The book. Every method blocks, for a write of the disk at most.
pub struct Book(Database);

impl Book {
    /// Opens an account's book on a chain, or makes one.
    pub fn open(path: &Path, genesis: [u8; 32], account: Account) -> Result<Self, BookError> {
        let failed = |reason: String| BookError::Open { path: path.into(), reason };
        let database = Database::create(path).map_err(|error| failed(error.to_string()))?;
        let owner = (ContentHash(genesis), account);
        let write = database.begin_write()?;
        let found: (ContentHash, Account) = {
            write.open_table(FILES)?;
            write.open_table(JOBS)?;
            write.open_table(EVENTS)?;
            write.open_table(PLACES)?;
            let mut facts = write.open_table(FACTS)?;
            let found = facts.get("owner")?.map(|found| from_json(found.value())).transpose()?;
            if found.is_none() {
                facts.insert("owner", to_json(&owner)?.as_slice())?;
            }
            found.unwrap_or(owner)
        };
        write.commit()?;
        match found == owner {
            true => Ok(Self(database)),
            false => Err(BookError::OtherOwner { path: path.into(), account: found.1, genesis: found.0 }),
        }
    }

    /// A key's files, the newest first.
    pub fn files(&self, owner: &str) -> Result<Vec<FileRow>, BookError> {
        self.of(FILES, owner)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> Result<u64, BookError> {
        let files: Vec<FileRow> = self.all(FILES)?;
        Ok(files.iter().map(|file| file.bytes).sum())
    }

    /// Every file's id.
    pub fn file_ids(&self) -> Result<Vec<String>, BookError> {
        let files: Vec<FileRow> = self.all(FILES)?;
        Ok(files.into_iter().map(|file| file.id).collect())
    }

    /// A file.
    pub fn file(&self, id: &str) -> Result<Option<FileRow>, BookError> {
        self.row(FILES, id)
    }

    /// Adds a file; it gets its number.
    pub fn add_file(&self, mut row: FileRow) -> Result<FileRow, BookError> {
        self.write(|write| {
            row.number = next(write)?;
            put(write, FILES, &row.id, (&row.owner, row.number), &row)?;
            Ok(row)
        })
    }

    /// Changes a file.
    pub fn change_file(&self, id: &str, change: impl FnOnce(&mut FileRow)) -> Result<FileRow, BookError> {
        self.write(|write| {
            let mut row: FileRow = get(write, FILES, id)?;
            change(&mut row);
            put(write, FILES, id, (&row.owner, row.number), &row)?;
            Ok(row)
        })
    }

    /// Forgets a file.
    pub fn remove_file(&self, id: &str) -> Result<(), BookError> {
        self.write(|write| {
            let row: FileRow = get(write, FILES, id)?;
            write.open_table(FILES)?.remove((row.owner.as_str(), row.number))?;
            write.open_table(PLACES)?.remove(id)?;
            Ok(())
        })
    }

    /// A key's jobs, the newest first.
    pub fn jobs(&self, owner: &str) -> Result<Vec<JobRow>, BookError> {
        self.of(JOBS, owner)
    }

    /// Every job.
    pub fn all_jobs(&self) -> Result<Vec<JobRow>, BookError> {
        self.all(JOBS)
    }

    /// A job.
    pub fn job(&self, id: &str) -> Result<Option<JobRow>, BookError> {
        self.row(JOBS, id)
    }

    /// Adds a job; it gets its number.
    pub fn add_job(&self, mut row: JobRow) -> Result<JobRow, BookError> {
        self.write(|write| {
            row.number = next(write)?;
            put(write, JOBS, &row.id, (&row.owner, row.number), &row)?;
            Ok(row)
        })
    }

    /// Changes a job, and adds what there is to tell of it.
    pub fn change_job(
        &self,
        id: &str,
        events: Vec<JobEvent>,
        change: impl FnOnce(&mut JobRow),
    ) -> Result<JobRow, BookError> {
        self.write(|write| {
            let mut row: JobRow = get(write, JOBS, id)?;
            change(&mut row);
            let mut table = write.open_table(EVENTS)?;
            for mut event in events {
                row.events += 1;
                event.id = format!("ftevent-{}-{}", id.trim_start_matches("ftjob-"), row.events);
                table.insert((id, row.events), to_json(&event)?.as_slice())?;
            }
            drop(table);
            put(write, JOBS, id, (&row.owner, row.number), &row)?;
            Ok(row)
        })
    }

    /// A job's events, the newest first.
    pub fn events(&self, id: &str) -> Result<Vec<JobEvent>, BookError> {
        self.of(EVENTS, id)
    }

    fn of<T: DeserializeOwned>(&self, rows: Rows, first: &str) -> Result<Vec<T>, BookError> {
        let read = self.0.begin_read()?;
        let table = read.open_table(rows)?;
        table.range((first, 0)..=(first, u64::MAX))?.rev().map(|row| from_json(row?.1.value())).collect()
    }

    fn all<T: DeserializeOwned>(&self, rows: Rows) -> Result<Vec<T>, BookError> {
        let read = self.0.begin_read()?;
        read.open_table(rows)?.iter()?.map(|row| from_json(row?.1.value())).collect()
    }

    fn row<T: DeserializeOwned>(&self, rows: Rows, id: &str) -> Result<Option<T>, BookError> {
        let read = self.0.begin_read()?;
        let places = read.open_table(PLACES)?;
        let Some(place) = places.get(id)? else { return Ok(None) };
        read.open_table(rows)?.get(place.value())?.map(|row| from_json(row.value())).transpose()
    }

    fn write<T>(&self, change: impl FnOnce(&WriteTransaction) -> Result<T, BookError>) -> Result<T, BookError> {
        let write = self.0.begin_write()?;
        let done = change(&write)?;
        write.commit()?;
        Ok(done)
    }
}

fn next(write: &WriteTransaction) -> Result<u64, BookError> {
    let mut facts = write.open_table(FACTS)?;
    let next: u64 = facts.get("next")?.map_or(Ok(0), |found| from_json(found.value()))?;
    facts.insert("next", to_json(&(next + 1))?.as_slice())?;
    Ok(next)
}

fn put(
    write: &WriteTransaction,
    rows: Rows,
    id: &str,
    place: Place<'_>,
    row: &impl Serialize,
) -> Result<(), BookError> {
    write.open_table(PLACES)?.insert(id, place)?;
    write.open_table(rows)?.insert(place, to_json(row)?.as_slice())?;
    Ok(())
}

fn get<T: DeserializeOwned>(write: &WriteTransaction, rows: Rows, id: &str) -> Result<T, BookError> {
    let absent = || BookError::Absent { id: id.to_owned() };
    let places = write.open_table(PLACES)?;
    let place = places.get(id)?.ok_or_else(absent)?;
    let table = write.open_table(rows)?;
    let row = table.get(place.value())?.ok_or_else(absent)?;
    from_json(row.value())
}

fn to_json(row: &impl Serialize) -> Result<Vec<u8>, BookError> {
    serde_json::to_vec(row).map_err(|error| BookError::Damaged { reason: error.to_string() })
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BookError> {
    serde_json::from_slice(bytes).map_err(|error| BookError::Damaged { reason: error.to_string() })
}
