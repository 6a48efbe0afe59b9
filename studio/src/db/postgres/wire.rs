//! Messages of PostgreSQL's protocol, version 3.0 (its manual, chapters "Frontend/Backend Protocol", "Message Formats").
//!
//! A message is a letter, its length with itself as four bytes, and its fields. Those that a session needs are here, and no other.

use super::error::{Complaint, Error};
use crate::db::Value;
use std::io::Read;

/// Longest message that is taken from a server: rows are far smaller.
const BYTES_MAX: usize = 64 << 20;
/// The version of the protocol: 3.0.
const VERSION: i32 = 3 << 16;

/// What stands for a type in messages: its row in `pg_type`.
pub type Oid = u32;
const BOOL: Oid = 16;
const BYTEA: Oid = 17;
const NAME: Oid = 19;
const INT8: Oid = 20;
const INT2: Oid = 21;
const INT4: Oid = 23;
const TEXT: Oid = 25;
const VARCHAR: Oid = 1043;

/// Messages that are to be sent.
#[derive(Debug, Default)]
pub struct Out(pub Vec<u8>);

impl Out {
    fn message(&mut self, letter: u8, fields: impl FnOnce(&mut Fields)) {
        self.0.push(letter);
        self.body(fields);
    }

    fn body(&mut self, fields: impl FnOnce(&mut Fields)) {
        let mut body = Fields::default();
        fields(&mut body);
        let bytes = i32::try_from(body.0.len().saturating_add(4)).unwrap_or(i32::MAX);
        self.0.extend(bytes.to_be_bytes());
        self.0.append(&mut body.0);
    }

    /// Begins a session.
    pub fn startup(&mut self, settings: &[(&str, &str)]) {
        self.body(|body| {
            body.int(VERSION);
            for (name, value) in settings {
                body.text(name);
                body.text(value);
            }
            body.0.push(0);
        });
    }

    /// A password as it is.
    pub fn password(&mut self, password: &str) {
        self.message(b'p', |body| body.text(password));
    }

    /// The first message of a proof.
    pub fn proof(&mut self, method: &str, first: &str) {
        self.message(b'p', |body| {
            body.text(method);
            body.long_bytes(first.as_bytes());
        });
    }

    /// The next message of a proof.
    pub fn proof_goes_on(&mut self, message: &str) {
        self.message(b'p', |body| body.0.extend(message.as_bytes()));
    }

    /// Prepares a statement, and asks of what types its values and columns are.
    pub fn prepare(&mut self, name: &str, statement: &str) {
        self.message(b'P', |body| {
            body.text(name);
            body.text(statement);
            body.short(0);
        });
        self.message(b'D', |body| {
            body.0.push(b'S');
            body.text(name);
        });
    }

    /// Does a prepared statement. Values and columns are binary.
    pub fn execute(&mut self, name: &str, types: &[Oid], values: &[Value]) -> Result<(), Error> {
        if types.len() != values.len() {
            let counts = format!("a statement of {} values is given {}", types.len(), values.len());
            return Err(Error::Unexpected(counts));
        }
        let mut encoded = Fields::default();
        for (kind, value) in types.iter().zip(values) {
            encoded.value(*kind, value)?;
        }
        self.message(b'B', |body| {
            body.text("");
            body.text(name);
            body.short(1);
            body.short(1);
            body.short(i16::try_from(values.len()).unwrap_or(i16::MAX));
            body.0.append(&mut encoded.0);
            body.short(1);
            body.short(1);
        });
        self.message(b'E', |body| {
            body.text("");
            body.int(0);
        });
        Ok(())
    }

    /// Asks for the end of what was sent: after a fault, the server takes nothing up to here.
    pub fn sync(&mut self) {
        self.message(b'S', |_| {});
    }

    /// Statements without values.
    pub fn batch(&mut self, statements: &str) {
        self.message(b'Q', |body| body.text(statements));
    }

    /// Ends the session.
    pub fn goodbye(&mut self) {
        self.message(b'X', |_| {});
    }
}

/// Fields of a message.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn short(&mut self, number: i16) {
        self.0.extend(number.to_be_bytes());
    }

    fn int(&mut self, number: i32) {
        self.0.extend(number.to_be_bytes());
    }

    /// Text that ends with a zero byte, and so holds none.
    fn text(&mut self, text: &str) {
        self.0.extend(text.bytes().filter(|byte| *byte != 0));
        self.0.push(0);
    }

    fn long_bytes(&mut self, bytes: &[u8]) {
        self.int(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        self.0.extend(bytes);
    }

    fn value(&mut self, kind: Oid, value: &Value) -> Result<(), Error> {
        let unfit = || Error::Unexpected(format!("{} where the statement has the type {kind}", value.kind()));
        match (kind, value) {
            (_, Value::Null) => self.int(-1),
            (INT8, Value::Integer(number)) => self.long_bytes(&number.to_be_bytes()),
            (INT4, Value::Integer(number)) => {
                self.long_bytes(&i32::try_from(*number).map_err(|_| unfit())?.to_be_bytes());
            }
            (TEXT | VARCHAR | NAME, Value::Text(text)) => self.long_bytes(text.as_bytes()),
            (BYTEA, Value::Blob(bytes)) => self.long_bytes(bytes),
            _ => return Err(unfit()),
        }
        Ok(())
    }
}

/// What a server said.
#[derive(Debug)]
pub struct Message {
    /// Its letter.
    pub letter: u8,
    body: Vec<u8>,
}

impl Message {
    /// The next one.
    pub fn read(from: &mut impl Read) -> Result<Self, Error> {
        let mut head = [0; 5];
        from.read_exact(&mut head)?;
        let [letter, length @ ..] = head;
        let length = usize::try_from(i32::from_be_bytes(length)).ok().and_then(|length| length.checked_sub(4));
        let Some(length) = length.filter(|length| *length <= BYTES_MAX) else {
            return Err(Error::Unexpected("what answers is no PostgreSQL server".into()));
        };
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        Ok(Self { letter, body })
    }

    /// Its fields.
    pub fn fields(&self) -> Rest<'_> {
        Rest(&self.body)
    }

    /// What an error or a notice says.
    pub fn complaint(&self) -> Complaint {
        let mut complaint = Complaint::default();
        let mut fields = self.fields();
        while let Ok(kind @ 1..) = fields.byte() {
            let Ok(text) = fields.text() else { break };
            match kind {
                b'C' => complaint.code = text,
                b'M' => complaint.message = text,
                b'D' => complaint.detail = Some(text),
                // As in every language of the server.
                b'V' => complaint.is_fatal = text != "ERROR",
                _ => {}
            }
        }
        complaint
    }

    /// The types of a statement's values.
    pub fn types(&self) -> Result<Vec<Oid>, Error> {
        let mut fields = self.fields();
        let count = fields.short()?;
        (0..count).map(|_| fields.int().map(i32::cast_unsigned)).collect()
    }

    /// Names and types of a query's columns.
    pub fn columns(&self) -> Result<(Vec<String>, Vec<Oid>), Error> {
        let mut fields = self.fields();
        let count = fields.short()?;
        let mut columns = (Vec::new(), Vec::new());
        for _ in 0..count {
            columns.0.push(fields.text()?);
            // Table, place in it; type; length, modifier, format.
            fields.take(6)?;
            columns.1.push(fields.int()?.cast_unsigned());
            fields.take(8)?;
        }
        Ok(columns)
    }

    /// A row.
    pub fn values(&self, types: &[Oid]) -> Result<Vec<Value>, Error> {
        let mut fields = self.fields();
        if usize::try_from(fields.short()?) != Ok(types.len()) {
            return Err(malformed());
        }
        types.iter().map(|kind| fields.value(*kind)).collect()
    }
}

/// Fields of a message that are still to be read.
pub struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.take(N)?.try_into().map_err(|_| malformed())
    }

    fn byte(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn short(&mut self) -> Result<i16, Error> {
        self.array().map(i16::from_be_bytes)
    }

    /// A number of four bytes.
    pub fn int(&mut self) -> Result<i32, Error> {
        self.array().map(i32::from_be_bytes)
    }

    /// Text up to a zero byte.
    pub fn text(&mut self) -> Result<String, Error> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
        let text = self.take(end)?;
        self.take(1)?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// All that is left, as text.
    pub fn rest(&mut self) -> Result<String, Error> {
        let text = self.take(self.0.len())?;
        String::from_utf8(text.to_vec()).map_err(|_| malformed())
    }

    fn value(&mut self, kind: Oid) -> Result<Value, Error> {
        let length = self.int()?;
        if length == -1 {
            return Ok(Value::Null);
        }
        let mut own = Rest(self.take(usize::try_from(length).map_err(|_| malformed())?)?);
        Ok(match kind {
            INT8 => Value::Integer(own.array().map(i64::from_be_bytes)?),
            INT4 => Value::Integer(own.int()?.into()),
            INT2 => Value::Integer(own.short()?.into()),
            BOOL => Value::Integer(own.byte()?.into()),
            TEXT | VARCHAR | NAME => Value::Text(own.rest()?),
            BYTEA => Value::Blob(own.0.to_vec()),
            _ => return Err(Error::Unexpected(format!("a column has the type {kind}, which is not known here"))),
        })
    }
}

fn malformed() -> Error {
    Error::Unexpected("a message of the server cannot be read".into())
}
