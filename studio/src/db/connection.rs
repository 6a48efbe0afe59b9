//! A connection to either engine, as the rest of the gateway has it.

use super::{FromValue, Params, Row, WorkError, postgres::Session, sqlite};
use std::cell::RefCell;

/// A connection inside a transaction.
///
/// Statements are of the SQL that SQLite and PostgreSQL share. Places for values are `?`, or `?1`, `?2` where one value stands twice.
/// Each statement is prepared once.
#[derive(Debug)]
pub struct Connection(Engine);

#[derive(Debug)]
pub(super) enum Engine {
    Sqlite(rusqlite::Connection),
    Postgres(Box<RefCell<Session>>),
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Reading one state.
    Read,
    /// Writing all or nothing.
    Write,
}

impl Connection {
    pub(super) fn sqlite(connection: rusqlite::Connection) -> Self {
        Self(Engine::Sqlite(connection))
    }

    pub(super) fn postgres(session: Session) -> Self {
        Self(Engine::Postgres(Box::new(RefCell::new(session))))
    }

    /// Does a statement that gives no rows. What is wrong with it may be said by the next one that reads, or at the end: over a
    /// network nobody waits for each.
    pub fn execute(&self, statement: &str, values: impl Params) -> Result<(), WorkError> {
        let values = values.to_values()?;
        match &self.0 {
            Engine::Sqlite(connection) => sqlite::execute(connection, statement, &values),
            Engine::Postgres(session) => Ok(session.borrow_mut().execute(statement, &values)?),
        }
    }

    /// All rows of a query. They are in memory: a query that may find many says how many it wants.
    pub fn rows(&self, query: &str, values: impl Params) -> Result<Vec<Row>, WorkError> {
        let values = values.to_values()?;
        match &self.0 {
            Engine::Sqlite(connection) => sqlite::rows(connection, query, &values),
            Engine::Postgres(session) => Ok(session.borrow_mut().rows(query, &values)?),
        }
    }

    /// The first row of a query that finds few.
    pub fn row(&self, query: &str, values: impl Params) -> Result<Option<Row>, WorkError> {
        Ok(self.rows(query, values)?.into_iter().next())
    }

    /// The first column of the first row.
    pub fn find<T: FromValue>(&self, query: &str, values: impl Params) -> Result<Option<T>, WorkError> {
        self.row(query, values)?.map(|row| row.get(0)).transpose()
    }

    /// Statements without values, with semicolons between.
    pub(super) fn batch(&self, statements: &str) -> Result<(), WorkError> {
        match &self.0 {
            Engine::Sqlite(connection) => Ok(connection.execute_batch(statements)?),
            Engine::Postgres(session) => Ok(session.borrow_mut().batch(statements)?),
        }
    }

    /// Work in a transaction of its own, undone if it fails.
    pub(super) fn transaction<T>(
        &self,
        kind: Kind,
        work: impl FnOnce(&Self) -> Result<T, WorkError>,
    ) -> Result<T, WorkError> {
        let begin = match (&self.0, kind) {
            (Engine::Sqlite(_), Kind::Read) => "BEGIN",
            (Engine::Sqlite(_), Kind::Write) => "BEGIN IMMEDIATE",
            (Engine::Postgres(_), Kind::Read) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            // There is one writer: nothing that it read can be changed by another.
            (Engine::Postgres(_), Kind::Write) => "BEGIN",
        };
        self.execute(begin, ())?;
        let open = Open(self);
        let value = work(self)?;
        match &self.0 {
            Engine::Sqlite(_) => self.execute("COMMIT", ())?,
            Engine::Postgres(session) => session.borrow_mut().commit()?,
        }
        std::mem::forget(open);
        Ok(value)
    }

    /// Whether nothing more can be asked of it.
    pub(super) fn is_lost(&self) -> bool {
        match &self.0 {
            Engine::Sqlite(_) => false,
            Engine::Postgres(session) => session.borrow().is_lost(),
        }
    }

    fn undo(&self) -> Result<(), WorkError> {
        self.execute("ROLLBACK", ())?;
        match &self.0 {
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(session) => Ok(session.borrow_mut().finish()?),
        }
    }
}

/// A transaction that is undone when it goes, be it by a panic.
struct Open<'a>(&'a Connection);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.0.is_lost() {
            return;
        }
        if let Err(error) = self.0.undo() {
            tracing::debug!("undoing what was written: {error}");
        }
    }
}
