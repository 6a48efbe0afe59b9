//! The engine behind an address.
//!
//! All tables are in a schema of their own, so that nothing else of the database is touched, and all of it can be removed at once.
//! They are written by one session at a time: it holds a lock of the server's, which ends with the session, whatever ended that.

mod address;
mod error;
mod scram;
mod session;
mod statement;
mod stream;
mod wire;

pub use address::{Address, AddressError};
pub use error::Error;
pub use session::Session;

use super::{Connection, WorkError, connection::Kind};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// What makes the tables, in order; each has the number of the one that makes the same in SQLite. A table remembers how many were
/// applied.
const MIGRATIONS: [&str; 4] = [
    include_str!("../../../migrations/postgres/0001_chain.sql"),
    include_str!("../../../migrations/postgres/0002_leaves.sql"),
    include_str!("../../../migrations/postgres/0003_words.sql"),
    include_str!("../../../migrations/postgres/0004_suspects.sql"),
];
/// The lock of the session that writes, one for each database: letters of this program's name.
const LOCK: i64 = i64::from_be_bytes(*b"tribindx");
/// For how long the lock is waited for: a server frees that of a process which was killed once it notices.
const LOCK_TIME: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// What every session asks for: own tables only; an end to what takes too long; and notice of a gateway that vanished with its machine.
const SETTINGS: [(&str, &str); 7] = [
    ("application_name", "tributary-studio"),
    ("search_path", "tributary"),
    ("statement_timeout", "60s"),
    // Statements of an index take less than compiling them.
    ("jit", "off"),
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
];
/// A power cut may lose the newest blocks, never a part of one: they are read again.
const WRITER_SETTING: (&str, &str) = ("synchronous_commit", "off");

/// The connection that writes; it brings the tables up to date.
pub fn writer(address: &Address) -> Result<Connection, WorkError> {
    let connection = owner(address)?;
    let is_there = |query: &str| Ok::<_, WorkError>(connection.find::<i64>(query, ())?.unwrap_or(0) > 0);
    if !is_there("SELECT count(*) FROM pg_namespace WHERE nspname = 'tributary'")? {
        connection.batch("CREATE SCHEMA tributary")?;
    }
    let found =
        match is_there("SELECT count(*) FROM pg_tables WHERE schemaname = 'tributary' AND tablename = 'migrations'")? {
            true => connection.find::<Option<usize>>("SELECT max(number) FROM migrations", ())?.flatten().unwrap_or(0),
            false => {
                connection.batch("CREATE TABLE migrations (number BIGINT PRIMARY KEY)")?;
                0
            }
        };
    if found > MIGRATIONS.len() {
        return Err(WorkError::TooNew { found, known: MIGRATIONS.len() });
    }
    for (number, migration) in (1i64..).zip(MIGRATIONS).skip(found) {
        connection.transaction(Kind::Write, |db| {
            db.batch(migration)?;
            db.execute("INSERT INTO migrations (number) VALUES (?)", [number])
        })?;
    }
    Ok(connection)
}

/// A connection that reads.
pub fn reader(address: &Address) -> Result<Connection, WorkError> {
    Ok(Connection::postgres(Session::open(address, &SETTINGS)?))
}

/// Removes all tables.
pub fn remove(address: &Address) -> Result<(), WorkError> {
    owner(address)?.batch("DROP SCHEMA IF EXISTS tributary CASCADE")
}

/// A connection that holds the lock.
fn owner(address: &Address) -> Result<Connection, WorkError> {
    let settings = [SETTINGS.as_slice(), &[WRITER_SETTING]].concat();
    let connection = Connection::postgres(Session::open(address, &settings)?);
    let begun = Instant::now();
    while connection.find::<bool>("SELECT pg_try_advisory_lock(?)", [LOCK])? != Some(true) {
        if begun.elapsed() > LOCK_TIME {
            return Err(Error::InUse.into());
        }
        sleep(LOCK_PAUSE);
    }
    Ok(connection)
}
