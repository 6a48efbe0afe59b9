//! A session with a server: who one is, prepared statements, and their answers.
//!
//! What gives no rows is sent without waiting for its answer, so that a block costs a few journeys to the server, not one for each
//! row. A fault is then said by the next question, or by the end of the transaction, which a server ends in nothing after a fault.

use super::{
    address::{Address, Password},
    error::Error,
    scram::{self, Scram},
    statement::translate,
    stream::Stream,
    wire::{Message, Oid, Out},
};
use crate::db::{Row, Value};
use std::{
    collections::HashMap,
    fmt,
    io::{BufReader, Write as _},
    sync::Arc,
};

/// Statements that a session keeps prepared. Some lists write their filter into the statement.
const STATEMENTS_MAX: usize = 256;
/// Statements and bytes that are sent before their answers are read. Few enough for a socket's buffer to hold the answers.
const UNANSWERED_MAX: usize = 64;
const UNSENT_BYTES_MAX: usize = 256 << 10;

/// A session.
pub struct Session {
    stream: BufReader<Stream>,
    out: Out,
    statements: HashMap<String, Arc<Statement>>,
    named: u64,
    unanswered: usize,
    /// What the server called the last thing that it did.
    last: String,
    is_lost: bool,
}

#[derive(Debug)]
struct Statement {
    name: String,
    types: Vec<Oid>,
    columns: Arc<[String]>,
    column_types: Vec<Oid>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("is_lost", &self.is_lost).finish_non_exhaustive()
    }
}

impl Session {
    /// A session in the database at an address, with settings of the server's.
    pub fn open(address: &Address, settings: &[(&str, &str)]) -> Result<Self, Error> {
        let stream = BufReader::new(Stream::open(address)?);
        let (out, statements) = (Out::default(), HashMap::new());
        let mut session =
            Self { stream, out, statements, named: 0, unanswered: 0, last: String::new(), is_lost: false };
        let own = [("user", address.user.as_str()), ("database", address.name.as_str()), ("client_encoding", "UTF8")];
        session.out.startup(&[own.as_slice(), settings].concat());
        session.send()?;
        session.introduce(address)?;
        Ok(session)
    }

    /// Whether nothing more can be asked.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Does a statement that gives no rows, some time before the next answer.
    pub fn execute(&mut self, statement: &str, values: &[Value]) -> Result<(), Error> {
        let statement = self.prepared(statement)?;
        self.out.execute(&statement.name, &statement.types, values)?;
        self.unanswered += 1;
        if self.unanswered >= UNANSWERED_MAX || self.out.0.len() >= UNSENT_BYTES_MAX { self.finish() } else { Ok(()) }
    }

    /// Waits for all that was sent.
    pub fn finish(&mut self) -> Result<(), Error> {
        if self.unanswered == 0 {
            return Ok(());
        }
        self.out.sync();
        self.answers(None).map(drop)
    }

    /// Ends a transaction with all that it wrote. Errors: also if it failed before and nobody heeded it, for then nothing is written.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.execute("COMMIT", &[])?;
        self.finish()?;
        match self.last.as_str() {
            "COMMIT" => Ok(()),
            other => Err(Error::Unexpected(format!("a transaction that should be written ended in {other}"))),
        }
    }

    /// Asks a query.
    pub fn rows(&mut self, query: &str, values: &[Value]) -> Result<Vec<Row>, Error> {
        let statement = self.prepared(query)?;
        self.out.execute(&statement.name, &statement.types, values)?;
        self.out.sync();
        self.answers(Some(&statement))
    }

    /// Does statements without values, with semicolons between.
    pub fn batch(&mut self, statements: &str) -> Result<(), Error> {
        self.finish()?;
        self.out.batch(statements);
        self.answers(None).map(drop)
    }

    fn prepared(&mut self, statement: &str) -> Result<Arc<Statement>, Error> {
        if let Some(known) = self.statements.get(statement) {
            return Ok(known.clone());
        }
        self.finish()?;
        if self.statements.len() >= STATEMENTS_MAX {
            self.batch("DEALLOCATE ALL")?;
            self.statements.clear();
        }
        self.named += 1;
        let name = format!("s{}", self.named);
        self.out.prepare(&name, &translate(statement));
        self.out.sync();
        self.send()?;
        let (mut types, mut columns) = (Vec::new(), (Vec::new(), Vec::new()));
        self.until_ready(|message| {
            match message.letter {
                b't' => types = message.types()?,
                b'T' => columns = message.columns()?,
                _ => {}
            }
            Ok(())
        })?;
        let (columns, column_types) = (columns.0.into(), columns.1);
        let prepared = Arc::new(Statement { name, types, columns, column_types });
        self.statements.insert(statement.to_owned(), prepared.clone());
        Ok(prepared)
    }

    /// The answers to all that was sent; the rows of the last, if it is a query.
    fn answers(&mut self, query: Option<&Statement>) -> Result<Vec<Row>, Error> {
        self.send()?;
        let before = std::mem::take(&mut self.unanswered);
        let (mut done, mut rows, mut last) = (0, Vec::new(), String::new());
        let answered = self.until_ready(|message| {
            match (message.letter, query) {
                (b'C', _) => {
                    done += 1;
                    last = message.fields().text()?;
                }
                (b'D', Some(query)) if done == before => {
                    rows.push(Row::new(query.columns.clone(), message.values(&query.column_types)?));
                }
                _ => {}
            }
            Ok(())
        });
        self.last = last;
        answered.map(|()| rows)
    }

    /// Reads messages until the server is ready for more. Errors: the first that it complained about.
    fn until_ready(&mut self, mut each: impl FnMut(&Message) -> Result<(), Error>) -> Result<(), Error> {
        let mut complaint = None;
        loop {
            let message = self.read()?;
            match message.letter {
                b'Z' => return complaint.map_or(Ok(()), |complaint| Err(Error::Server(complaint))),
                b'E' => {
                    let said = message.complaint();
                    if said.is_fatal {
                        self.is_lost = true;
                        return Err(Error::Server(said));
                    }
                    complaint.get_or_insert(said);
                }
                _ => {
                    if let Err(error) = each(&message) {
                        self.is_lost = true;
                        return Err(error);
                    }
                }
            }
        }
    }

    fn read(&mut self) -> Result<Message, Error> {
        Message::read(&mut self.stream).inspect_err(|_| self.is_lost = true)
    }

    fn send(&mut self) -> Result<(), Error> {
        let out = std::mem::take(&mut self.out.0);
        let stream = self.stream.get_mut();
        let sent = stream.write_all(&out).and_then(|()| stream.flush());
        Ok(sent.inspect_err(|_| self.is_lost = true)?)
    }

    /// Tells the server who one is.
    fn introduce(&mut self, address: &Address) -> Result<(), Error> {
        let mut proof: Option<(Scram, bool)> = None;
        let refused = |reason: String| Error::Unsafe(reason);
        loop {
            let message = self.read()?;
            match message.letter {
                b'R' => {
                    let mut fields = message.fields();
                    match fields.int()? {
                        0 if proof.as_ref().is_none_or(|(_, is_checked)| *is_checked) => {}
                        0 => return Err(refused("the server does not prove that it knows the password".into())),
                        3 if self.stream.get_ref().is_encrypted() || address.is_here() => {
                            self.out.password(password(address)?);
                            self.send()?;
                        }
                        3 => return Err(refused("the server asks for the password on a way that others can read".into())),
                        10 => {
                            let methods = std::iter::from_fn(|| fields.text().ok().filter(|name| !name.is_empty()));
                            if !methods.collect::<Vec<_>>().iter().any(|name| name == scram::NAME) {
                                return Err(refused(format!("the server does not know {}", scram::NAME)));
                            }
                            let scram = Scram::new(password(address)?).map_err(refused)?;
                            self.out.proof(scram::NAME, &scram.first());
                            self.send()?;
                            proof = Some((scram, false));
                        }
                        11 => {
                            let (scram, _) = proof.as_mut().ok_or_else(|| refused("an answer to no proof".into()))?;
                            let answer = scram.answer(&fields.rest()?).map_err(refused)?;
                            self.out.proof_goes_on(&answer);
                            self.send()?;
                        }
                        12 => {
                            let (scram, is_checked) =
                                proof.as_mut().ok_or_else(|| refused("an answer to no proof".into()))?;
                            scram.check(&fields.rest()?).map_err(refused)?;
                            *is_checked = true;
                        }
                        5 => return Err(refused("the server asks for MD5, which is broken; password_encryption = 'scram-sha-256' and a password that is set anew end that".into())),
                        other => return Err(refused(format!("the server asks for a proof of kind {other}, which is not known here"))),
                    }
                }
                b'S' => {
                    let mut fields = message.fields();
                    if let ("server_encoding", encoding) = (fields.text()?.as_str(), fields.text()?)
                        && encoding != "UTF8"
                    {
                        return Err(Error::Unexpected(format!("its text is {encoding}, not UTF8")));
                    }
                }
                b'E' => return Err(Error::Server(message.complaint())),
                b'Z' => return Ok(()),
                _ => {}
            }
        }
    }
}

fn password(address: &Address) -> Result<&str, Error> {
    let none = || Error::Unsafe("the server asks for a password, and the address has none".into());
    address.password.as_ref().map(|Password(text)| text.as_str()).ok_or_else(none)
}

impl Drop for Session {
    /// Says goodbye, so that the server frees at once what the session held.
    fn drop(&mut self) {
        if !self.is_lost {
            self.out = Out::default();
            self.out.goodbye();
            // Closed is as good as ended.
            let _ = self.send();
        }
    }
}
