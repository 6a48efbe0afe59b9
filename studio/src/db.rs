//! The database file: one writer, some readers, blocking work beside the async tasks.
//!
//! SQLite through `rusqlite`, with the library built in. sqlx was tried first: its features (`serde/rc`, `tokio-stream/fs`, `either/serde`)
//! are not those with which this workspace builds the Substrate SDK, so that taking it compiles the SDK anew for everybody.
//! Only this file and the SQL know which database it is.

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Semaphore;

/// Connections that read at a time; further questions wait.
const READERS_MAX: usize = 8;
/// How long a connection waits for another's lock, in milliseconds. With a write-ahead log only a checkpoint holds one.
const BUSY_MS: u64 = 10_000;

/// What makes the tables, in order. The file remembers how many were applied.
const MIGRATIONS: [&str; 2] =
    [include_str!("../migrations/0001_chain.sql"), include_str!("../migrations/0002_leaves.sql")];

/// Why the index could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// SQLite says so.
    #[error("the index in {path} fails: {source}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<rusqlite::Error>,
    },
    /// A row has not the form that this program writes.
    #[error("the index holds {what} that cannot be read\nhint: tributary studio reindex")]
    Damaged {
        /// What.
        what: String,
    },
    /// A later version of this program wrote it.
    #[error(
        "the index in {path} was made by a later version of this program ({found} > {known})\nhint: take that version, or: tributary studio reindex"
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// This program's.
        known: usize,
    },
    /// A task of its own ended early.
    #[error("a task on the index ended early: {reason}")]
    Task {
        /// Why.
        reason: String,
    },
}

/// What goes wrong inside one piece of work on the database.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// SQLite says so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A row has not the form that this program writes.
    #[error("{0}")]
    Damaged(String),
}

impl WorkError {
    /// `what` has not the form that this program writes.
    pub fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}

/// The database. Clones share it.
#[derive(Clone, Debug)]
pub struct Db(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    places: Semaphore,
}

impl Db {
    /// Opens the file, made if absent, and brings its tables up to date.
    pub fn open(path: &Path) -> Result<Self, DbError> {
        let failed = |source: rusqlite::Error| DbError::Sqlite { path: path.to_owned(), source: Box::new(source) };
        let mut writer = Connection::open(path).map_err(failed)?;
        prepare(&writer).map_err(failed)?;
        // Readers go on while a block is written. A power cut may lose the newest blocks, never a part of one.
        writer.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
        writer.pragma_update(None, "synchronous", "normal").map_err(failed)?;
        let found: usize = writer.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
        if found > MIGRATIONS.len() {
            return Err(DbError::TooNew { path: path.to_owned(), found, known: MIGRATIONS.len() });
        }
        for (number, migration) in MIGRATIONS.iter().enumerate().skip(found) {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
            transaction.execute_batch(migration).map_err(failed)?;
            transaction.pragma_update(None, "user_version", number + 1).map_err(failed)?;
            transaction.commit().map_err(failed)?;
        }
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            places: Semaphore::new(READERS_MAX),
        })))
    }

    /// Removes the file with what belongs to it.
    pub fn remove(path: &Path) -> std::io::Result<()> {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            match std::fs::remove_file(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads, all at one state of the database.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, DbError> {
        let inner = self.0.clone();
        let place = self.0.places.acquire().await.map_err(|error| DbError::Task { reason: error.to_string() })?;
        let result = blocking(move || inner.read(work)).await;
        drop(place);
        result
    }

    /// Writes all of it or nothing.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, DbError> {
        let inner = self.0.clone();
        blocking(move || inner.write(work)).await
    }
}

impl Inner {
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, WorkError>) -> Result<T, DbError> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                Connection::open_with_flags(&self.path, flags)
                    .and_then(|connection| prepare(&connection).map(|()| connection))
                    .map_err(|error| self.failed(error.into()))?
            }
        };
        let result = connection.unchecked_transaction().map_err(WorkError::from).and_then(|transaction| {
            let value = work(&transaction)?;
            transaction.finish()?;
            Ok(value)
        });
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result.map_err(|error| self.failed(error))
    }

    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, WorkError>) -> Result<T, DbError> {
        // A transaction that a panic ended was rolled back: the connection is good.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let done = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(WorkError::from).and_then(
            |transaction| {
                let value = work(&transaction)?;
                transaction.commit()?;
                Ok(value)
            },
        );
        done.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: WorkError) -> DbError {
        match error {
            WorkError::Sqlite(source) => DbError::Sqlite { path: self.path.clone(), source: Box::new(source) },
            WorkError::Damaged(what) => DbError::Damaged { what },
        }
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, DbError> + Send + 'static) -> Result<T, DbError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| DbError::Task { reason: error.to_string() })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_write_leaves_nothing_and_reads_see_whole_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.sqlite");
        let db = Db::open(&path).unwrap();
        let insert = "INSERT INTO changes (block, kind, id) VALUES (1, 'job', '1')";
        let failed = db.write(move |t| {
            t.execute(insert, [])?;
            Err::<(), _>(WorkError::damaged("a test"))
        });
        assert!(matches!(failed.await, Err(DbError::Damaged { .. })));
        let count = |db: Db| async move {
            let count = db.read(|c| Ok(c.query_row("SELECT count(*) FROM changes", [], |row| row.get::<_, i64>(0))?));
            count.await.unwrap()
        };
        assert_eq!(count(db.clone()).await, 0);
        db.write(move |t| Ok(t.execute(insert, [])?)).await.unwrap();
        assert_eq!(count(db.clone()).await, 1);
        drop(db);
        assert_eq!(count(Db::open(&path).unwrap()).await, 1);
    }

    #[test]
    fn a_file_of_a_later_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.sqlite");
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(Db::open(&path), Err(DbError::TooNew { found: 99, .. })));
        Db::remove(&path).unwrap();
        Db::open(&path).unwrap();
    }
}
