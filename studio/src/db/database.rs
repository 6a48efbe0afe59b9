//! Where an index is: a file, or a database of a server.

use super::{Connection, DbError, WorkError, postgres, sqlite};
pub use postgres::AddressError;
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Name of the file in the gateway's folder.
const FILE: &str = "index.sqlite";

/// Where an index is. Its text leaves out the password.
#[derive(Clone, Debug)]
pub struct Database(Place);

#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    Server(postgres::Address),
}

impl Database {
    /// The file in a gateway's folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self(Place::File(folder.join(FILE)))
    }

    pub(super) fn writer(&self) -> Result<Connection, DbError> {
        let opened = match &self.0 {
            Place::File(path) => sqlite::writer(path),
            Place::Server(address) => postgres::writer(address),
        };
        opened.map_err(|error| self.failed(error))
    }

    pub(super) fn reader(&self) -> Result<Connection, DbError> {
        let opened = match &self.0 {
            Place::File(path) => sqlite::reader(path),
            Place::Server(address) => postgres::reader(address),
        };
        opened.map_err(|error| self.failed(error))
    }

    pub(super) fn remove(&self) -> Result<(), DbError> {
        match &self.0 {
            Place::File(path) => sqlite::remove(path)
                .map_err(|error| DbError::Failed { place: self.to_string(), reason: error.to_string() }),
            Place::Server(address) => postgres::remove(address).map_err(|error| self.failed(error)),
        }
    }

    pub(super) fn failed(&self, error: WorkError) -> DbError {
        let place = self.to_string();
        match error {
            WorkError::Sqlite(source) => DbError::Failed { place, reason: source.to_string() },
            WorkError::Postgres(source) => source.at(place),
            WorkError::TooNew { found, known } => DbError::TooNew { place, found, known },
            WorkError::Damaged(what) => DbError::Damaged { what },
        }
    }
}

impl FromStr for Database {
    type Err = AddressError;

    /// A server's address: `postgres://user:password@host/name`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Ok(Self(Place::Server(text.parse()?)))
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::File(path) => path.display().fmt(f),
            Place::Server(address) => address.fmt(f),
        }
    }
}
