//! What the API shows, and how it is read from the index. One file for each group; `openapi.json` describes the same.

pub mod accounts;
pub mod channels;
pub mod contributions;
pub mod datanets;
pub mod grants;
pub mod jobs;
pub mod lineage;
pub mod models;
pub mod money;
pub mod network;
pub mod recipe;
pub mod search;
pub mod trainers;

use chrono::{DateTime, SecondsFormat};
use serde::{Serialize, Serializer};
use tributary_protocol::{Amount, BlockNumber, ContentHash};

/// A page of a list.
#[derive(Clone, Debug, Serialize)]
pub struct Page<T> {
    /// Its entries.
    pub items: Vec<T>,
    /// The cursor of the page after; `None` at the end.
    pub next: Option<String>,
    /// Entries of all pages.
    pub total: u64,
}

/// A block and its time.
#[derive(Clone, Debug, Serialize)]
pub struct When {
    /// The block.
    pub block: BlockNumber,
    /// Its time: ISO 8601, UTC.
    pub time: Option<String>,
    /// Whether the block is yet to come.
    pub is_estimate: bool,
}

/// Money: a decimal text of plancks, for numbers of JSON end at 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money(pub Amount);

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// 32 bytes as 0x and hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex(pub [u8; 32]);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{}", hex::encode(self.0)))
    }
}

impl From<ContentHash> for Hex {
    fn from(hash: ContentHash) -> Self {
        Self(hash.0)
    }
}

/// A time as text; `None` beyond the calendar.
pub fn iso(time_ms: i64) -> Option<String> {
    Some(DateTime::from_timestamp_millis(time_ms)?.to_rfc3339_opts(SecondsFormat::Millis, true))
}
