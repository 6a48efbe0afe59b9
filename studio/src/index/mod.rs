//! The index: what finalised blocks say, in tables that can be searched.
//!
//! Blocks are taken in one by one from 0, each in one transaction that also moves the cursor. So a process that is killed at
//! any point goes on where it was, and an index made anew is equal to one that grew. [`facts`] reads a block from the node,
//! [`apply`] writes its records, [`history`] what its events add, [`words`] by what words they are found, and [`leaves`] keeps what
//! trainers show of contribution roots. [`reader`] is the other side.

pub mod apply;
pub mod codes;
pub mod facts;
pub mod history;
pub mod leaves;
pub mod reader;
pub mod suspects;
pub mod words;

use crate::db::{Connection, Database, Db, DbError, Row, WorkError};
use facts::FactsError;
use futures::{StreamExt as _, stream};
use std::time::Duration;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use tributary_client::{ChainClient, ChainError};

/// Blocks that are read ahead while catching up.
const BLOCKS_AHEAD: usize = 8;
/// Pause before a node that failed is asked again.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// Blocks between two lines of the log while catching up.
const TOLD_EVERY: u32 = 1_000;

/// Why the index cannot be used or go on.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The database fails.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A block cannot be read, now or ever.
    #[error("block {block} cannot be read: {source}")]
    Block {
        /// The block.
        block: u32,
        /// Why.
        source: Box<FactsError>,
    },
    /// The node cannot be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The index is of another chain than the node's.
    #[error(
        "the index in {place} is of another chain than the node's ({what})\nhint: name another folder with --data or another --database, or begin anew: tributary studio reindex"
    )]
    OtherChain {
        /// Where the index is.
        place: String,
        /// What differs.
        what: String,
    },
}

/// The newest block of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its height.
    pub number: u32,
    /// Its hash.
    pub hash: [u8; 32],
    /// Its time, in milliseconds since 1970 began.
    pub time_ms: Option<i64>,
}

/// The index of one chain. Clones share it.
#[derive(Clone, Debug)]
pub struct Index {
    db: Db,
    newest: watch::Sender<Option<Newest>>,
}

impl Index {
    /// Opens the index in a database, made if absent.
    pub async fn open(database: &Database) -> Result<Self, IndexError> {
        let db = Db::open(database).await?;
        db.write(words::complete).await?;
        let newest = db.read(newest).await?;
        Ok(Self { db, newest: watch::Sender::new(newest) })
    }

    /// Removes the index from a database; the next start makes it anew.
    pub async fn remove(database: &Database) -> Result<(), IndexError> {
        Ok(Db::remove(database).await?)
    }

    /// Its tables.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The newest block, kept current. `None` before the first.
    pub fn newest(&self) -> watch::Receiver<Option<Newest>> {
        self.newest.subscribe()
    }

    /// Checks that the index is of the client's chain; a new one is bound to it.
    pub async fn bind(&self, client: &ChainClient) -> Result<(), IndexError> {
        let genesis = client.genesis().0;
        let other = |what: String| IndexError::OtherChain { place: self.db.database().to_string(), what };
        let found = self
            .db
            .write(move |db| {
                db.execute("INSERT INTO chain (one, genesis) VALUES (1, ?) ON CONFLICT DO NOTHING", [genesis])?;
                let found: Option<[u8; 32]> = db.find("SELECT genesis FROM chain", ())?;
                found.ok_or_else(|| WorkError::damaged("no genesis"))
            })
            .await?;
        if found != genesis {
            return Err(other(format!("genesis {}, not {}", hex::encode(found), hex::encode(genesis))));
        }
        let Some(newest) = *self.newest.borrow() else { return Ok(()) };
        match client.finalised_hash(newest.number).await? {
            Some(hash) if hash.0 == newest.hash => Ok(()),
            // The node may be behind: it has not the block yet.
            None => Ok(()),
            Some(hash) => Err(other(format!("block {} is {hash:?}", newest.number))),
        }
    }

    /// Takes in finalised blocks until `shutdown`. A node or a database that is away is waited for.
    ///
    /// Errors: a block that this node or this program can never read; a failing database; the index of another chain.
    pub async fn follow(&self, client: &ChainClient, shutdown: &CancellationToken) -> Result<(), IndexError> {
        let mut heads = client.finalised_heads();
        // A database that was lost may have kept the block that was being written, or not.
        let mut is_sure = false;
        loop {
            let target = heads.borrow_and_update().number;
            if is_sure && self.next() > target {
                match shutdown.run_until_cancelled(heads.changed()).await {
                    Some(Ok(())) => continue,
                    _ => return Ok(()),
                }
            }
            match shutdown.run_until_cancelled(self.go_on(client, target, is_sure)).await {
                None => return Ok(()),
                Some(Ok(())) => is_sure = true,
                Some(Err(error)) => {
                    if !passes(&error) {
                        return Err(error);
                    }
                    tracing::warn!("{error}");
                    is_sure = false;
                    if shutdown.run_until_cancelled(sleep(RETRY_PAUSE)).await.is_none() {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn go_on(&self, client: &ChainClient, last: u32, is_sure: bool) -> Result<(), IndexError> {
        if !is_sure {
            self.newest.send_replace(self.db.read(newest).await?);
            self.bind(client).await?;
        }
        self.take_in(client, self.next(), last).await
    }

    /// Takes in finalised blocks up to and including `last`.
    pub async fn catch_up(&self, client: &ChainClient, last: u32) -> Result<(), IndexError> {
        self.bind(client).await?;
        self.take_in(client, self.next(), last).await
    }

    fn next(&self) -> u32 {
        self.newest.borrow().map_or(0, |newest| newest.number.saturating_add(1))
    }

    async fn take_in(&self, client: &ChainClient, first: u32, last: u32) -> Result<(), IndexError> {
        let reads = (first..=last).map(|number| async move { (number, facts::read(client, number).await) });
        let mut blocks = std::pin::pin!(stream::iter(reads).buffered(BLOCKS_AHEAD));
        while let Some((block, read)) = blocks.next().await {
            let facts = read.map_err(|source| IndexError::Block { block, source: Box::new(source) })?;
            let Some(facts) = facts else { return Ok(()) };
            let newest = self
                .db
                .write(move |db| {
                    apply::apply(db, &facts)?;
                    newest(db)
                })
                .await?;
            self.newest.send_replace(newest);
            if block % TOLD_EVERY == 0 && last - block > TOLD_EVERY {
                tracing::info!("indexed block {block} of {last}");
            }
        }
        Ok(())
    }
}

/// Whether a fault may pass by itself.
fn passes(error: &IndexError) -> bool {
    let chain = |error: &ChainError| {
        matches!(error, ChainError::Unreachable { .. } | ChainError::Refused { .. } | ChainError::NoSuchBlock { .. })
    };
    match error {
        IndexError::Chain(error) => chain(error),
        IndexError::Block { source, .. } => matches!(source.as_ref(), FactsError::Chain(error) if chain(error)),
        IndexError::Db(error) => error.passes(),
        IndexError::OtherChain { .. } => false,
    }
}

fn newest(db: &Connection) -> Result<Option<Newest>, WorkError> {
    let find = "SELECT number, hash, time_ms FROM blocks ORDER BY number DESC LIMIT 1";
    let read = |row: Row| Ok(Newest { number: row.get(0)?, hash: row.get(1)?, time_ms: row.get(2)? });
    db.row(find, ())?.map(read).transpose()
}
