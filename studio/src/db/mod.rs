//! The database of the index: one writer, some readers, blocking work beside the async tasks.
//!
//! SQLite in a file, by `rusqlite` with the library built in; or PostgreSQL at an address, by the client in [`postgres`]. The rest
//! of the gateway knows neither: it gives a [`Connection`] statements that both understand, and gets [`Row`]s of [`Value`]s. What
//! differs stands side by side in [`sqlite`] and [`postgres`], and in the two folders of `migrations`.
//!
//! No crate that speaks to PostgreSQL leaves the Substrate SDK as it is compiled: sqlx asks for other features of serde and tokio-stream,
//! rust-postgres for other ones of unicode-normalization and siphasher, and taking either compiles the SDK anew for everybody.

mod connection;
mod database;
mod postgres;
mod row;
mod sqlite;
#[cfg(test)]
mod tests;
mod value;

pub use connection::Connection;
pub use database::{AddressError, Database};
pub use row::Row;
pub(crate) use value::params;
pub use value::{FromValue, Params, ToValue, Value};

use connection::Kind;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Connections that read at a time; further questions wait.
const READERS_MAX: usize = 8;

/// Why the index could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The engine says so.
    #[error("the index in {place} fails: {reason}")]
    Failed {
        /// Where the index is.
        place: String,
        /// Why.
        reason: String,
    },
    /// The server does not answer, or not now. It may pass.
    #[error(
        "the index in {place} is away: {reason}\nhint: does its server run, and can it be reached from this machine?"
    )]
    Away {
        /// Where the index is.
        place: String,
        /// Why.
        reason: String,
    },
    /// The server does not let this gateway in, or not do what it must.
    #[error("the index in {place} is refused: {reason}\nhint: {hint}")]
    Refused {
        /// Where the index is.
        place: String,
        /// Why.
        reason: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// Another process writes the same index.
    #[error("another gateway writes the index in {place}\nhint: stop it, or give each gateway a database of its own")]
    InUse {
        /// Where the index is.
        place: String,
    },
    /// A row has not the form that this program writes.
    #[error("the index holds {what} that cannot be read\nhint: tributary studio reindex")]
    Damaged {
        /// What.
        what: String,
    },
    /// A later version of this program wrote it.
    #[error(
        "the index in {place} was made by a later version of this program ({found} > {known})\nhint: take that version, or: tributary studio reindex"
    )]
    TooNew {
        /// Where the index is.
        place: String,
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

impl DbError {
    /// Whether it may pass by itself: a server that comes back, or another gateway that ends.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::InUse { .. })
    }
}

/// What goes wrong inside one piece of work on the database.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// SQLite says so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL says so, or what lies between.
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
    /// A later version of this program made the tables.
    #[error("tables of version {found} > {known}")]
    TooNew {
        /// Their version.
        found: usize,
        /// This program's.
        known: usize,
    },
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
    database: Database,
    /// `None` after it was lost: the next write opens another.
    writer: Mutex<Option<Connection>>,
    readers: Mutex<Vec<Connection>>,
    places: Semaphore,
}

impl Db {
    /// Opens the database and brings its tables up to date; they, and a file, are made if absent.
    pub async fn open(database: &Database) -> Result<Self, DbError> {
        let database = database.clone();
        blocking(move || {
            let writer = Mutex::new(Some(database.writer()?));
            let places = Semaphore::new(READERS_MAX);
            Ok(Self(Arc::new(Inner { database, writer, readers: Mutex::default(), places })))
        })
        .await
    }

    /// Removes all that the gateway keeps in a database. Nobody may be using it.
    pub async fn remove(database: &Database) -> Result<(), DbError> {
        let database = database.clone();
        blocking(move || database.remove()).await
    }

    /// Where it is.
    pub fn database(&self) -> &Database {
        &self.0.database
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

    /// Writes all of it or nothing. If a server is lost while it says that all is written, nobody knows which: read what is there.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, WorkError> + Send + 'static,
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
            None => self.database.reader()?,
        };
        let result = connection.transaction(Kind::Read, work);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.is_lost() {
            // What took this one took the others.
            readers.clear();
        } else {
            readers.push(connection);
        }
        result.map_err(|error| self.database.failed(error))
    }

    fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T, WorkError>) -> Result<T, DbError> {
        // A transaction that a panic ended was rolled back: the connection is good.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match writer.take() {
            Some(connection) => writer.insert(connection),
            None => writer.insert(self.database.writer()?),
        };
        let result = connection.transaction(Kind::Write, work);
        if connection.is_lost() {
            *writer = None;
        }
        result.map_err(|error| self.database.failed(error))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, DbError> + Send + 'static) -> Result<T, DbError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| DbError::Task { reason: error.to_string() })?
}
