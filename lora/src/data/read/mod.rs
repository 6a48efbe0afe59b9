//! Files to rows: names and values, before anybody asks what they mean.

mod csv;
mod json;
mod jsonl;
mod parquet;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use tributary_protocol::sample::{Limits, ROW_KEYS_MAX};

/// A row's columns by name.
pub type Fields = serde_json::Map<String, Value>;

/// How a file holds its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// One JSON object a line.
    Jsonl,
    /// One JSON array of objects.
    Json,
    /// A header and comma-separated records, RFC 4180.
    Csv,
    /// The same, separated by tabs.
    Tsv,
    /// Apache Parquet: uncompressed, Snappy or Zstandard.
    Parquet,
}

impl FileFormat {
    /// Every format, by its name.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("jsonl", Self::Jsonl),
        ("json", Self::Json),
        ("csv", Self::Csv),
        ("tsv", Self::Tsv),
        ("parquet", Self::Parquet),
    ];

    /// The format that `bytes` look like; the extension of `path` decides where the bytes leave it open.
    pub fn detect(path: &Path, bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"PAR1") {
            return Some(Self::Parquet);
        }
        let bytes = without_mark(bytes);
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => return Some(Self::Jsonl),
            Some(b'[') => return Some(Self::Json),
            _ => {}
        }
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "parquet" => Some(Self::Parquet),
            name => Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format),
        }
    }
}

/// Where a row stands in its file, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A line; of a record that spans several, the first.
    Line(u64),
    /// A row, where the file has no lines.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct RawRow {
    /// Where it stands.
    pub place: Place,
    /// What it holds.
    pub fields: Fields,
}

/// Why a row could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// Nothing stands there.
    #[error("blank line; hint: one JSON object per line")]
    Blank,
    /// It is too long.
    #[error("{bytes} bytes, at most {max} are accepted")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// It is not UTF-8.
    #[error("not UTF-8 at byte {byte} of {of}; hint: save the file as UTF-8")]
    NotUtf8 {
        /// The first wrong byte, from 1.
        byte: usize,
        /// "the line", or the column.
        of: String,
    },
    /// It is not JSON.
    #[error("malformed JSON: {detail}")]
    Malformed {
        /// What the parser says, with the column.
        detail: String,
    },
    /// It is JSON of another kind.
    #[error("found {found}, only JSON objects are accepted")]
    NotAnObject {
        /// The kind.
        found: &'static str,
    },
    /// A key stands twice in it.
    #[error("the key \"{key}\" stands twice, only one is accepted")]
    RepeatedKey {
        /// The key.
        key: String,
    },
    /// It has too many keys.
    #[error("more than {ROW_KEYS_MAX} keys")]
    TooManyKeys,
    /// It has fewer or more values than the header has columns.
    #[error("{found} values, but the header names {expected} columns; hint: quote values that hold the separator")]
    Columns {
        /// Values of the record.
        found: usize,
        /// Columns of the header.
        expected: usize,
    },
    /// The file ends inside a quoted value.
    #[error("a quoted value that begins in this record is never closed; hint: the file may be cut off")]
    Unclosed,
}

/// A row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultyRow {
    /// Where it stands.
    pub place: Place,
    /// What is wrong with it.
    pub fault: RowFault,
}

/// A file's rows, and those that could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawRows {
    /// The readable ones, in the file's order.
    pub rows: Vec<RawRow>,
    /// The others, in the file's order.
    pub faulty: Vec<FaultyRow>,
}

impl RawRows {
    fn push(&mut self, place: Place, row: Result<Fields, RowFault>) {
        match row {
            Ok(fields) => self.rows.push(RawRow { place, fields }),
            Err(fault) => self.faulty.push(FaultyRow { place, fault }),
        }
    }

    fn len(&self) -> usize {
        self.rows.len() + self.faulty.len()
    }
}

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: FileProblem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// The system does not give it.
    #[error("cannot read: {0}")]
    Read(#[source] io::Error),
    /// No rows are in it.
    #[error("no rows are in it")]
    Empty,
    /// It is too large.
    #[error("more than {max} bytes; hint: divide it")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// It has too many rows.
    #[error("more than {max} rows; hint: divide it")]
    TooManyRows {
        /// The limit.
        max: u32,
    },
    /// Neither its bytes nor its name say how it is to be read.
    #[error("unknown file format; hint: .jsonl, .json, .csv, .tsv and .parquet are accepted")]
    UnknownFormat,
    /// Its header cannot be used.
    #[error("unusable header: {reason}; hint: the first line names the columns, each once")]
    Header {
        /// Why.
        reason: String,
    },
    /// A column is compressed in a way that is not built in.
    #[error("compressed with {codec}; hint: write it uncompressed, or with Snappy or Zstandard")]
    Compression {
        /// The way.
        codec: String,
    },
    /// It has too many columns.
    #[error("{columns} columns, at most {ROW_KEYS_MAX} are accepted; hint: leave out those that are not trained on")]
    TooManyColumns {
        /// How many.
        columns: usize,
    },
    /// The file as a whole is damaged.
    #[error("not a whole {format} file: {reason}")]
    Damaged {
        /// "JSON" or "Parquet".
        format: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// Reads the rows of a file. `format` is detected if it is not given.
///
/// Errors: a file that has no readable structure. A single row that is wrong is in [`RawRows::faulty`].
pub fn read_file(path: &Path, format: Option<FileFormat>, limits: &Limits) -> Result<RawRows, FileError> {
    let fail = |problem| FileError { path: path.to_owned(), problem };
    let mut bytes = Vec::new();
    // One byte more than accepted tells a full file from one that is too large, without reading the rest.
    File::open(path)
        .and_then(|file| file.take((limits.file_bytes as u64).saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| fail(FileProblem::Read(error)))?;
    let format = match format {
        Some(format) => format,
        None if bytes.is_empty() => return Err(fail(FileProblem::Empty)),
        None => FileFormat::detect(path, &bytes).ok_or_else(|| fail(FileProblem::UnknownFormat))?,
    };
    read_bytes(bytes, format, limits).map_err(fail)
}

/// Reads the rows of a file's content.
pub fn read_bytes(bytes: Vec<u8>, format: FileFormat, limits: &Limits) -> Result<RawRows, FileProblem> {
    if bytes.len() > limits.file_bytes {
        return Err(FileProblem::TooLarge { max: limits.file_bytes });
    }
    let rows = match format {
        FileFormat::Jsonl => jsonl::read(without_mark(&bytes), limits)?,
        FileFormat::Json => json::read(without_mark(&bytes), limits)?,
        FileFormat::Csv => csv::read(without_mark(&bytes), b',', limits)?,
        FileFormat::Tsv => csv::read(without_mark(&bytes), b'\t', limits)?,
        FileFormat::Parquet => parquet::read(bytes, limits)?,
    };
    if rows.len() == 0 { Err(FileProblem::Empty) } else { Ok(rows) }
}

/// The text behind the byte order mark that some editors write.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

/// One JSON object; a repeated key is an error rather than the last one's win.
fn object(text: &str) -> Result<Fields, RowFault> {
    let malformed = |error: serde_json::Error| {
        // The parser sees one row at a time: the line that it names would mislead.
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or(&text);
        RowFault::Malformed { detail: format!("{what} at column {}", error.column()) }
    };
    if !text.trim_start().starts_with('{') {
        let value: Value = serde_json::from_str(text).map_err(malformed)?;
        return Err(RowFault::NotAnObject { found: kind(&value) });
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let entries = deserializer.deserialize_map(Entries).map_err(malformed)?;
    deserializer.end().map_err(malformed)?;
    if entries.len() > ROW_KEYS_MAX {
        return Err(RowFault::TooManyKeys);
    }
    let mut fields = Fields::new();
    for (key, value) in entries {
        if fields.contains_key(&key) {
            return Err(RowFault::RepeatedKey { key });
        }
        fields.insert(key, value);
    }
    Ok(fields)
}

/// Collects the entries of an object, keeping repeated keys for a later complaint.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// What a person calls a JSON value.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
