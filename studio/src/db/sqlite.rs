//! The engine in a file.

use super::{Connection, Row, Value, WorkError, connection::Kind};
use rusqlite::{
    OpenFlags, params_from_iter,
    types::{ToSqlOutput, ValueRef},
};
use std::{path::Path, sync::Arc, time::Duration};

/// How long a connection waits for another's lock. With a write-ahead log only a checkpoint holds one.
const BUSY_TIME: Duration = Duration::from_secs(10);
/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 128;

/// What makes the tables, in order. The file remembers how many were applied.
const MIGRATIONS: [&str; 4] = [
    include_str!("../../migrations/sqlite/0001_chain.sql"),
    include_str!("../../migrations/sqlite/0002_leaves.sql"),
    include_str!("../../migrations/sqlite/0003_words.sql"),
    include_str!("../../migrations/sqlite/0004_suspects.sql"),
];

/// The connection that writes; it brings the tables up to date.
pub fn writer(path: &Path) -> Result<Connection, WorkError> {
    let file = rusqlite::Connection::open(path)?;
    prepare(&file)?;
    // Readers go on while a block is written. A power cut may lose the newest blocks, never a part of one.
    file.pragma_update(None, "journal_mode", "wal")?;
    file.pragma_update(None, "synchronous", "normal")?;
    let found: usize = file.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > MIGRATIONS.len() {
        return Err(WorkError::TooNew { found, known: MIGRATIONS.len() });
    }
    let connection = Connection::sqlite(file);
    for (number, migration) in (1..).zip(MIGRATIONS).skip(found) {
        connection.transaction(Kind::Write, |db| {
            db.batch(migration)?;
            db.batch(&format!("PRAGMA user_version = {number}"))
        })?;
    }
    Ok(connection)
}

/// A connection that reads.
pub fn reader(path: &Path) -> Result<Connection, WorkError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let file = rusqlite::Connection::open_with_flags(path, flags)?;
    prepare(&file)?;
    Ok(Connection::sqlite(file))
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

fn prepare(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIME)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Does a statement.
pub fn execute(connection: &rusqlite::Connection, statement: &str, values: &[Value]) -> Result<(), WorkError> {
    connection.prepare_cached(statement)?.execute(params_from_iter(values))?;
    Ok(())
}

/// Asks a query.
pub fn rows(connection: &rusqlite::Connection, query: &str, values: &[Value]) -> Result<Vec<Row>, WorkError> {
    let mut statement = connection.prepare_cached(query)?;
    let columns: Arc<[String]> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut rows = statement.query(params_from_iter(values))?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns.len()).map(|place| value(row.get_ref(place)?, &columns, place));
        all.push(Row::new(columns.clone(), values.collect::<Result<_, WorkError>>()?));
    }
    Ok(all)
}

fn value(value: ValueRef<'_>, columns: &[String], place: usize) -> Result<Value, WorkError> {
    let damaged = |what: &str| {
        WorkError::damaged(format!("a column {} with {what}", columns.get(place).map_or("", String::as_str)))
    };
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Integer(number)),
        ValueRef::Real(_) => Err(damaged("a fraction")),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Ok(Value::Text(text.to_owned())),
            Err(_) => Err(damaged("text that is not UTF-8")),
        },
        ValueRef::Blob(bytes) => Ok(Value::Blob(bytes.to_owned())),
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
