//! How values stand in the tables.

use crate::db::{Row, Value, WorkError};
use codec::DecodeAll;
use serde::Serialize;
use tributary_client::Account;
use tributary_protocol::{Amount, ContentHash};

/// Text of the chain, which checks no encoding.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The name of a variant, as the API has it.
pub fn word<T: Serialize>(value: &T) -> Result<String, WorkError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => Ok(name),
        other => Err(WorkError::damaged(format!("a name that is {other:?}"))),
    }
}

/// An amount as text that sorts as the number.
pub fn amount_text(amount: Amount) -> String {
    format!("{amount:039}")
}

/// An amount from its text.
pub fn amount(text: &str) -> Result<Amount, WorkError> {
    text.parse().map_err(|_| WorkError::damaged(format!("an amount {text:?}")))
}

/// A record from a column.
pub fn record<T: DecodeAll>(row: &Row, column: &str) -> Result<T, WorkError> {
    let damaged = |reason: String| WorkError::damaged(format!("a record in {column}: {reason}"));
    match row.value(column)? {
        Value::Blob(bytes) => T::decode_all(&mut bytes.as_slice()).map_err(|error| damaged(error.to_string())),
        other => Err(damaged(format!("it is {}", other.kind()))),
    }
}

/// An account from a column; `None` for null.
pub fn account(row: &Row, column: &str) -> Result<Option<Account>, WorkError> {
    Ok(row.get::<_, Option<[u8; 32]>>(column)?.map(Account))
}

/// A hash from a column.
pub fn hash(row: &Row, column: &str) -> Result<ContentHash, WorkError> {
    Ok(ContentHash(row.get(column)?))
}
