//! The ledger on the disk: what must survive a kill.
//!
//! One thread writes. What waits for it is written together, in one transaction with one wait for the disk, so that many
//! answers at a time cost little more than one.

use super::{account::Kept, book::Key, sale::SaleRow};
use codec::{Decode, DecodeAll, Encode};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use tokio::sync::oneshot;
use tributary_client::Account as Person;
use tributary_protocol::{Amount, ChannelId, ModelId};

/// (channel, model) to SCALE of [`Kept`].
const ACCOUNTS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("accounts");
/// Number to SCALE of [`SaleRow`]: charged, and perhaps without a receipt.
const SALES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("sales");
/// Model to SCALE of [`Owed`].
const OWED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("owed");
/// A key's id to SCALE of [`Day`].
const DAYS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("days");
/// `owner`: genesis hash and operator. `next_sale`: a number.
const FACTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("facts");
/// Most requests that are written together.
const BATCH: usize = 256;

/// What the operator owes a model for answers to holders of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Owed {
    /// Tokens of their requests.
    pub input_tokens: u64,
    /// Tokens of the answers.
    pub output_tokens: u64,
    /// What the model's price comes to for all of them.
    pub amount: Amount,
    /// What of it was paid.
    pub paid: Amount,
    /// How many payments were begun.
    pub payments: u64,
    /// What is being paid now, by the last payment that was begun.
    pub paying: Option<Amount>,
}

/// What a key was used for on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Day {
    /// The day, counted from 1970.
    pub day: u64,
    /// Tokens of requests and answers.
    pub tokens: u64,
}

/// Something to write.
#[derive(Clone, Debug)]
pub enum Change {
    /// An account as it is now.
    Account(Key, Kept),
    /// A channel has ended.
    Forget(ChannelId),
    /// An answer was sold; the next one has the next number.
    Sale(Box<SaleRow>),
    /// An answer has its receipt.
    Issued(u64),
    /// What is owed to a model now.
    Owed(ModelId, Owed),
    /// What a key was used for.
    Day(String, Day),
}

/// What lay on the disk.
#[derive(Debug, Default)]
pub struct Contents {
    /// The accounts.
    pub accounts: Vec<(Key, Kept)>,
    /// Answers that were charged and perhaps have no receipt.
    pub sales: Vec<SaleRow>,
    /// What is owed to models.
    pub owed: Vec<(ModelId, Owed)>,
    /// What keys were used for.
    pub days: Vec<(String, Day)>,
    /// The number of the next sale.
    pub next_sale: u64,
}

/// Why the ledger failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be opened.
    #[error("the ledger {} cannot be opened: {source}\nhint: does another process use it?", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the store says.
        source: Box<redb::Error>,
    },
    /// Reading failed.
    #[error("the ledger {} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It is another operator's, or of another chain.
    #[error(
        "the ledger {} belongs to operator {operator} on the chain with genesis {genesis}\nhint: another --state folder for this one",
        path.display()
    )]
    OtherOwner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        operator: Person,
        /// The chain's genesis hash in hexadecimal digits.
        genesis: String,
    },
    /// Writing failed. Nothing more is written until the process is started again.
    #[error("the ledger cannot be written: {reason}\nhint: is the disk full?")]
    Write {
        /// Why not.
        reason: String,
    },
}

struct Order {
    changes: Vec<Change>,
    /// Who waits until they are on the disk; nobody waits for what could be done again.
    done: Option<oneshot::Sender<Result<(), String>>>,
}

/// The ledger's writer.
pub struct Store {
    orders: Mutex<Option<Sender<Order>>>,
    /// Why nothing is written any more.
    failure: Arc<OnceLock<String>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

/// A write that was ordered.
#[must_use = "what is sold must be on the disk first"]
pub struct Written(oneshot::Receiver<Result<(), String>>);

impl Written {
    /// Waits until it is on the disk.
    pub async fn wait(self) -> Result<(), LedgerError> {
        let ended = || Err("its thread has ended".to_owned());
        self.0.await.unwrap_or_else(|_| ended()).map_err(|reason| LedgerError::Write { reason })
    }
}

impl Store {
    /// Opens the ledger of an operator on a chain, or makes one, and reads it.
    pub fn open(path: &Path, genesis: [u8; 32], operator: Person) -> Result<(Self, Contents), LedgerError> {
        let failed = |error: redb::Error| LedgerError::Open { path: path.into(), source: Box::new(error) };
        let database = Database::create(path).map_err(|error| failed(error.into()))?;
        let owner = (genesis, operator);
        let found = prepare(&database, &owner.encode()).map_err(failed)?;
        let unreadable = |reason| LedgerError::Unreadable { path: path.into(), reason };
        let found: ([u8; 32], Person) = decode(&found).map_err(unreadable)?;
        if found != owner {
            let genesis = tributary_protocol::ContentHash(found.0).to_string();
            return Err(LedgerError::OtherOwner { path: path.into(), operator: found.1, genesis });
        }
        let contents = read(&database).map_err(|error| match error {
            ReadError::Store(error) => failed(*error),
            ReadError::Damaged(reason) => unreadable(reason),
        })?;
        let (orders, inbox) = channel();
        let failure: Arc<OnceLock<String>> = Arc::default();
        let told = failure.clone();
        let work = move || write_all(&database, &inbox, &told);
        let thread = thread::Builder::new().name("ledger".into()).spawn(work);
        let thread = thread.map_err(|error| LedgerError::Write { reason: error.to_string() })?;
        let store = Self { orders: Mutex::new(Some(orders)), failure, thread: Mutex::new(Some(thread)) };
        Ok((store, contents))
    }

    /// Fails once something could not be written: what is sold from then on would be lost.
    pub fn check(&self) -> Result<(), LedgerError> {
        match self.failure.get() {
            Some(reason) => Err(LedgerError::Write { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Orders a write. What is ordered first is written first.
    pub fn write(&self, changes: Vec<Change>) -> Written {
        let (done, written) = oneshot::channel();
        self.send(Order { changes, done: Some(done) });
        Written(written)
    }

    /// Orders a write that may be lost in a crash.
    pub fn write_soon(&self, changes: Vec<Change>) {
        self.send(Order { changes, done: None });
    }

    fn send(&self, order: Order) {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(orders) = orders.as_ref() {
            // A thread that has ended drops the order, and whoever waits for it is told.
            let _ = orders.send(order);
        }
    }
}

impl Drop for Store {
    /// Waits until all that was ordered is written.
    fn drop(&mut self) {
        let _ = self.write(Vec::new());
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // If it panicked, whoever waited was told.
            let _ = thread.join();
        }
    }
}

/// Makes the tables, and returns whose they are.
fn prepare(database: &Database, owner: &[u8]) -> Result<Vec<u8>, redb::Error> {
    let write = database.begin_write()?;
    let found = {
        write.open_table(ACCOUNTS)?;
        write.open_table(SALES)?;
        write.open_table(OWED)?;
        write.open_table(DAYS)?;
        let mut facts = write.open_table(FACTS)?;
        let found = facts.get("owner")?.map(|found| found.value().to_vec());
        if found.is_none() {
            facts.insert("owner", owner)?;
        }
        found.unwrap_or_else(|| owner.to_vec())
    };
    write.commit()?;
    Ok(found)
}

enum ReadError {
    Store(Box<redb::Error>),
    Damaged(String),
}

impl<E: Into<redb::Error>> From<E> for ReadError {
    fn from(error: E) -> Self {
        Self::Store(Box::new(error.into()))
    }
}

fn read(database: &Database) -> Result<Contents, ReadError> {
    let read = database.begin_read()?;
    let mut contents = Contents::default();
    for row in read.open_table(ACCOUNTS)?.iter()? {
        let (key, kept) = row?;
        let (channel, model) = key.value();
        contents.accounts.push(((ChannelId(channel), ModelId(model)), damaged(kept.value())?));
    }
    for row in read.open_table(SALES)?.iter()? {
        contents.sales.push(damaged(row?.1.value())?);
    }
    for row in read.open_table(OWED)?.iter()? {
        let (model, owed) = row?;
        contents.owed.push((ModelId(model.value()), damaged(owed.value())?));
    }
    for row in read.open_table(DAYS)?.iter()? {
        let (id, day) = row?;
        contents.days.push((id.value().to_owned(), damaged(day.value())?));
    }
    if let Some(next) = read.open_table(FACTS)?.get("next_sale")? {
        contents.next_sale = damaged(next.value())?;
    }
    Ok(contents)
}

fn damaged<T: DecodeAll>(bytes: &[u8]) -> Result<T, ReadError> {
    decode(bytes).map_err(ReadError::Damaged)
}

fn decode<T: DecodeAll>(mut bytes: &[u8]) -> Result<T, String> {
    T::decode_all(&mut bytes).map_err(|error| error.to_string())
}

/// Writes whatever is ordered, until nobody can order any more. After a failure nothing is written, because what follows
/// would not fit what is on the disk.
fn write_all(database: &Database, inbox: &Receiver<Order>, failure: &OnceLock<String>) {
    while let Ok(first) = inbox.recv() {
        let mut orders = vec![first];
        while orders.len() < BATCH
            && let Ok(next) = inbox.try_recv()
        {
            orders.push(next);
        }
        if failure.get().is_none() {
            let urgent = orders.iter().any(|order| order.done.is_some());
            let changes = orders.iter().flat_map(|order| &order.changes);
            if let Err(error) = write_batch(database, changes, urgent) {
                tracing::error!("the ledger cannot be written, and nothing more is sold: {error}");
                // This thread alone sets it.
                let _ = failure.set(error.to_string());
            }
        }
        for done in orders.into_iter().filter_map(|order| order.done) {
            // Who does not wait any more needs no answer.
            let _ = done.send(failure.get().cloned().map_or(Ok(()), Err));
        }
    }
}

fn write_batch<'a>(
    database: &Database,
    changes: impl Iterator<Item = &'a Change>,
    urgent: bool,
) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    if !urgent {
        write.set_durability(Durability::None)?;
    }
    for change in changes {
        apply(&write, change)?;
    }
    Ok(write.commit()?)
}

fn apply(write: &WriteTransaction, change: &Change) -> Result<(), redb::Error> {
    match change {
        Change::Account((channel, model), kept) => {
            write.open_table(ACCOUNTS)?.insert((channel.0, model.0), kept.encode().as_slice())?;
        }
        Change::Forget(channel) => {
            let mut accounts = write.open_table(ACCOUNTS)?;
            accounts.retain_in((channel.0, 0)..=(channel.0, u64::MAX), |_, _| false)?;
        }
        Change::Sale(row) => {
            write.open_table(SALES)?.insert(row.number, row.encode().as_slice())?;
            write.open_table(FACTS)?.insert("next_sale", (row.number + 1).encode().as_slice())?;
        }
        Change::Issued(number) => {
            write.open_table(SALES)?.remove(number)?;
        }
        Change::Owed(model, owed) => {
            write.open_table(OWED)?.insert(model.0, owed.encode().as_slice())?;
        }
        Change::Day(id, day) => {
            write.open_table(DAYS)?.insert(id.as_str(), day.encode().as_slice())?;
        }
    }
    Ok(())
}
