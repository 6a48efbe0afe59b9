//! How training data looks: JSON lines in, canonical lines and their commitment out.
//!
//! A row is a JSON object of one of two forms: `{"prompt", "completion"}` or `{"instruction", "input"?, "output"}`. All
//! are strings and, except for `input`, not blank. Further keys are metadata: text, numbers, booleans or null.
//!
//! The canonical line of a row is its [RFC 8785](https://www.rfc-editor.org/rfc/rfc8785) form, so that two clients in
//! two languages commit to the same bytes: keys sorted by UTF-16 code units, no space outside strings, the shortest
//! escapes, and every number as the shortest decimal that reads back as the same binary64 (`1.50` becomes `1.5`, `1e2`
//! becomes `100`). Numbers beyond ±(2^53 − 1), where integers are no longer exact, are refused rather than rounded.
//! Text is kept as it is: no trimming and no Unicode normalisation.

use crate::{
    content::{SampleTree, TreeAccumulator, sample_leaf},
    datanet::SampleCommitment,
    ids::ContentHash,
};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    string::{String, ToString},
    vec::Vec,
};

/// How many errors of a file are kept; the rest are counted.
pub const LINE_ERRORS_MAX: usize = 20;
/// Most keys of one row.
pub const ROW_KEYS_MAX: usize = 64;
/// What stands between an instruction and its input when the two become a prompt.
pub const INPUT_SEPARATOR: &str = "\n\n";

/// The largest number a row may hold: 2^53 − 1.
const NUMBER_MAX: f64 = 9_007_199_254_740_991.0;
/// Numbers below this are written with an exponent (ECMAScript's rule, which RFC 8785 adopts).
const PLAIN_NUMBER_MIN: f64 = 1e-6;

/// What a file may hold at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub file_bytes: usize,
    /// Bytes of one line.
    pub line_bytes: usize,
    /// Lines.
    pub samples: u32,
}

impl Limits {
    /// 256 MiB, 256 KiB a line, a million samples.
    pub const DEFAULT: Self = Self { file_bytes: 256 << 20, line_bytes: 256 << 10, samples: 1_000_000 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a model learns from one row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sample {
    /// What the model is given: the `prompt`, or the `instruction`, with [`INPUT_SEPARATOR`] and the `input` after it
    /// where that is not empty.
    pub prompt: String,
    /// What it shall answer: the `completion` or the `output`.
    pub completion: String,
}

/// One accepted row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalLine {
    text: String,
    sample: Sample,
    hash: ContentHash,
    source_line: u32,
}

impl CanonicalLine {
    /// The canonical line, without a line feed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What a model learns from it.
    pub fn sample(&self) -> &Sample {
        &self.sample
    }

    /// The sample's hash: its leaf hash in the sample tree.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// The line of the file it was read from, from 1.
    pub fn source_line(&self) -> u32 {
        self.source_line
    }
}

/// The samples of a file, all accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedSamples {
    lines: Vec<CanonicalLine>,
}

/// Why a file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamplesError {
    /// There is nothing in it.
    #[error("the file is empty\nhint: write one JSON object per line")]
    Empty,
    /// It is too large.
    #[error("the file has {bytes} bytes, more than {max}\nhint: submit it as several contributions")]
    FileTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// It has too many lines.
    #[error("the file has {lines} lines, more than {max}\nhint: submit it as several contributions")]
    TooManyLines {
        /// How many.
        lines: usize,
        /// The limit.
        max: u32,
    },
    /// Some lines are not samples.
    #[error(transparent)]
    Lines(LineErrors),
}

/// The lines of a file that are not samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineErrors {
    /// The first of them, at most [`LINE_ERRORS_MAX`], in the file's order.
    pub first: Vec<LineError>,
    /// How many there are in all.
    pub total: usize,
}

impl LineErrors {
    fn of(mut errors: Vec<LineError>) -> Self {
        let total = errors.len();
        errors.truncate(LINE_ERRORS_MAX);
        Self { first: errors, total }
    }
}

impl fmt::Display for LineErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.first.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        match self.total.saturating_sub(self.first.len()) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for LineErrors {}

/// A line that is not a sample.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong with it.
    pub reason: LineReason,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineReason {
    /// Nothing stands there.
    #[error("blank line")]
    Blank,
    /// It is too long.
    #[error("{bytes} bytes, more than {max}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// It is not UTF-8.
    #[error("not UTF-8 at byte {byte}")]
    NotUtf8 {
        /// The first wrong byte, from 1.
        byte: usize,
    },
    /// It is not JSON.
    #[error("malformed JSON at column {column}: {detail}")]
    Malformed {
        /// Where, in bytes from 1.
        column: usize,
        /// What the parser says.
        detail: String,
    },
    /// It is JSON of another kind.
    #[error("not a JSON object")]
    NotAnObject,
    /// A key stands twice in it.
    #[error("the key \"{key}\" stands twice")]
    RepeatedKey {
        /// The key.
        key: String,
    },
    /// It has too many keys.
    #[error("{keys} keys, more than {ROW_KEYS_MAX}")]
    TooManyKeys {
        /// How many.
        keys: usize,
    },
    /// It is neither form.
    #[error("expected \"prompt\" and \"completion\", or \"instruction\" and \"output\"; \"{field}\" is missing")]
    Missing {
        /// The missing field of the form it comes closest to.
        field: &'static str,
    },
    /// It has fields of both forms.
    #[error("\"{field}\" belongs to the other form\nhint: use prompt and completion, or instruction, input and output")]
    MixedForms {
        /// The field too much.
        field: &'static str,
    },
    /// A field of the form is not a string.
    #[error("\"{field}\" is not a string")]
    NotText {
        /// The field.
        field: &'static str,
    },
    /// A field of the form has no text.
    #[error("\"{field}\" is empty")]
    EmptyText {
        /// The field.
        field: &'static str,
    },
    /// Metadata is an object or array.
    #[error("\"{key}\" is an object or array; metadata must be text, a number, a boolean or null")]
    Nested {
        /// The key.
        key: String,
    },
    /// A number cannot be kept exactly.
    #[error("\"{key}\" is a number beyond ±(2^53 − 1)\nhint: write it as a string")]
    NumberTooLarge {
        /// The key.
        key: String,
    },
    /// The same sample stands in the file already. Metadata does not make it another.
    #[error("the same sample as line {first}")]
    Duplicate {
        /// Where it stands first.
        first: u32,
    },
}

/// Why a received file is not the committed one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommittedError {
    /// It holds no valid samples.
    #[error(transparent)]
    Samples(#[from] SamplesError),
    /// It holds samples, but others, or not in their canonical form.
    #[error("the file's commitment is {found:?}, not the expected {expected:?}")]
    Mismatch {
        /// What the chain has.
        expected: Box<SampleCommitment>,
        /// What the file gives.
        found: Box<SampleCommitment>,
    },
}

impl ParsedSamples {
    /// Reads a file of JSON lines. The last line may end with a line feed or not; lines may end with CR LF; a byte order
    /// mark at the start is skipped. All wrong lines are reported, not only the first; duplicates are among them.
    pub fn parse(file: &[u8], limits: &Limits) -> Result<Self, SamplesError> {
        let Scan { lines, duplicates, mut errors } = scan(file, limits)?;
        errors.extend(duplicates);
        if errors.is_empty() {
            return Ok(Self { lines });
        }
        errors.sort_by_key(|error| error.line);
        Err(SamplesError::Lines(LineErrors::of(errors)))
    }

    /// As [`Self::parse`], but keeps the first of equal samples and leaves out the others, which are returned beside it:
    /// for preparing a file whose owner has said so. Other wrong lines are still errors.
    pub fn parse_skipping_duplicates(file: &[u8], limits: &Limits) -> Result<(Self, Vec<LineError>), SamplesError> {
        let Scan { lines, duplicates, errors } = scan(file, limits)?;
        if errors.is_empty() {
            Ok((Self { lines }, duplicates))
        } else {
            Err(SamplesError::Lines(LineErrors::of(errors)))
        }
    }

    /// Reads a file received from a provider and checks that it is exactly what was committed to.
    pub fn parse_committed(
        file: &[u8],
        commitment: &SampleCommitment,
        limits: &Limits,
    ) -> Result<Self, CommittedError> {
        let samples = Self::parse(file, limits)?;
        // The blob is the hash of the received bytes: of two files with the same samples only the canonical one passes.
        let found = SampleCommitment { blob: ContentHash::of(file), ..samples.commitment() };
        if found == *commitment {
            Ok(samples)
        } else {
            Err(CommittedError::Mismatch { expected: Box::new(*commitment), found: Box::new(found) })
        }
    }

    /// The lines, in the file's order.
    pub fn lines(&self) -> &[CanonicalLine] {
        &self.lines
    }

    /// The lines, taken out.
    pub fn into_lines(self) -> Vec<CanonicalLine> {
        self.lines
    }

    /// The canonical file: every canonical line followed by a line feed.
    pub fn canonical_file(&self) -> Vec<u8> {
        let mut file = Vec::new();
        for line in &self.lines {
            file.extend_from_slice(line.text.as_bytes());
            file.push(b'\n');
        }
        file
    }

    /// What the chain keeps of them.
    pub fn commitment(&self) -> SampleCommitment {
        let mut tree = TreeAccumulator::<SampleTree>::new();
        for line in &self.lines {
            tree.push_hash(line.hash);
        }
        let file = self.canonical_file();
        SampleCommitment {
            root: tree.root(),
            blob: ContentHash::of(&file),
            // A file has at most as many lines as `Limits::samples` says, a u32, and its bytes are counted by a usize.
            samples: u32::try_from(self.lines.len()).unwrap_or(u32::MAX),
            bytes: u64::try_from(file.len()).unwrap_or(u64::MAX),
        }
    }
}

/// The lines of a file, sorted out.
#[derive(Default)]
struct Scan {
    lines: Vec<CanonicalLine>,
    duplicates: Vec<LineError>,
    errors: Vec<LineError>,
}

fn scan(file: &[u8], limits: &Limits) -> Result<Scan, SamplesError> {
    if file.len() > limits.file_bytes {
        return Err(SamplesError::FileTooLarge { bytes: file.len(), max: limits.file_bytes });
    }
    let file = file.strip_prefix("\u{feff}".as_bytes()).unwrap_or(file);
    if file.is_empty() {
        return Err(SamplesError::Empty);
    }
    let file = file.strip_suffix(b"\n").unwrap_or(file);
    let count = file.split(|byte| *byte == b'\n').count();
    if u32::try_from(count).map_or(true, |count| count > limits.samples) {
        return Err(SamplesError::TooManyLines { lines: count, max: limits.samples });
    }
    let mut scan = Scan::default();
    let mut seen = HashMap::new();
    for (line, bytes) in (1u32..).zip(file.split(|byte| *byte == b'\n')) {
        let (text, sample) = match parse_line(bytes, limits) {
            Ok(parsed) => parsed,
            Err(reason) => {
                scan.errors.push(LineError { line, reason });
                continue;
            }
        };
        match seen.entry(sample_key(&sample)) {
            Entry::Occupied(first) => {
                scan.duplicates.push(LineError { line, reason: LineReason::Duplicate { first: *first.get() } });
            }
            Entry::Vacant(place) => {
                place.insert(line);
                let hash = sample_leaf(text.as_bytes());
                scan.lines.push(CanonicalLine { text, sample, hash, source_line: line });
            }
        }
    }
    Ok(scan)
}

/// By what a sample is recognised as the same: what the model learns, not the metadata beside it.
fn sample_key(sample: &Sample) -> ContentHash {
    let mut hasher = blake3::Hasher::new();
    // The first hash fixes where the prompt ends.
    hasher.update(blake3::hash(sample.prompt.as_bytes()).as_bytes());
    hasher.update(sample.completion.as_bytes());
    ContentHash(*hasher.finalize().as_bytes())
}

/// The canonical text of a line, and its sample.
fn parse_line(bytes: &[u8], limits: &Limits) -> Result<(String, Sample), LineReason> {
    if bytes.len() > limits.line_bytes {
        return Err(LineReason::TooLong { bytes: bytes.len(), max: limits.line_bytes });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| LineReason::NotUtf8 { byte: error.valid_up_to().saturating_add(1) })?;
    let text = text.trim_end_matches(JSON_SPACE);
    match text.trim_start_matches(JSON_SPACE).bytes().next() {
        None => return Err(LineReason::Blank),
        Some(b'{') => {}
        Some(_) => {
            serde_json::from_str::<&RawValue>(text).map_err(|error| malformed(&error))?;
            return Err(LineReason::NotAnObject);
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let mut fields = deserializer.deserialize_map(RowVisitor).map_err(|error| malformed(&error))?;
    deserializer.end().map_err(|error| malformed(&error))?;
    if fields.len() > ROW_KEYS_MAX {
        return Err(LineReason::TooManyKeys { keys: fields.len() });
    }
    fields.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    let repeated = fields.iter().zip(fields.iter().skip(1)).find(|((a, _), (b, _))| a == b);
    if let Some(((key, _), _)) = repeated {
        return Err(LineReason::RepeatedKey { key: key.clone() });
    }
    let mut row = Vec::with_capacity(fields.len());
    for (key, raw) in fields {
        let value = scalar(&key, raw)?;
        row.push((key, value));
    }
    Ok((canonical(&row), sample_of(&row)?))
}

/// What JSON counts as space within a line.
const JSON_SPACE: [char; 3] = [' ', '\t', '\r'];

/// A row's value.
enum Scalar {
    Text(String),
    /// Null, true, false, or a number in its canonical form.
    Bare(String),
}

/// Collects the entries of an object with their raw values, keeping repeated keys for a later complaint.
struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(fields)
    }
}

fn malformed(error: &serde_json::Error) -> LineReason {
    // The parser sees one line at a time, so the line it names is always 1: drop it.
    let text = error.to_string();
    let detail = text.split(" at line ").next().unwrap_or(&text).to_string();
    LineReason::Malformed { column: error.column(), detail }
}

fn scalar(key: &str, raw: &RawValue) -> Result<Scalar, LineReason> {
    let text = raw.get();
    match text.bytes().next() {
        Some(b'"') => serde_json::from_str(text).map(Scalar::Text).map_err(|error| malformed(&error)),
        Some(b'{' | b'[') => Err(LineReason::Nested { key: key.to_string() }),
        Some(b'-' | b'0'..=b'9') => match canonical_number(text) {
            Some(number) => Ok(Scalar::Bare(number)),
            None => Err(LineReason::NumberTooLarge { key: key.to_string() }),
        },
        _ => Ok(Scalar::Bare(text.to_string())),
    }
}

/// A JSON number in its RFC 8785 form; `None` beyond ±(2^53 − 1).
fn canonical_number(text: &str) -> Option<String> {
    // Not through serde_json, whose default float parser may miss the nearest binary64 by one.
    let value: f64 = text.parse().ok()?;
    if value.abs() > NUMBER_MAX {
        None
    } else if value == 0.0 {
        Some("0".to_string())
    } else if value.abs() < PLAIN_NUMBER_MIN {
        Some(format!("{value:e}"))
    } else {
        Some(format!("{value}"))
    }
}

fn canonical(row: &[(String, Scalar)]) -> String {
    let mut line = String::from("{");
    for (position, (key, value)) in row.iter().enumerate() {
        if position > 0 {
            line.push(',');
        }
        push_text(&mut line, key);
        line.push(':');
        match value {
            Scalar::Text(text) => push_text(&mut line, text),
            Scalar::Bare(text) => line.push_str(text),
        }
    }
    line.push('}');
    line
}

/// Appends a JSON string with RFC 8785's escapes: the two-letter ones where they exist, else four hexadecimal digits.
fn push_text(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\u{8}' => line.push_str("\\b"),
            '\u{c}' => line.push_str("\\f"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '\0'..='\u{1f}' => line.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => line.push(character),
        }
    }
    line.push('"');
}

fn sample_of(row: &[(String, Scalar)]) -> Result<Sample, LineReason> {
    let get = |field: &'static str| row.iter().find(|(key, _)| key == field).map(|(_, value)| (field, value));
    // The form is named by its first field, else by its last; the other form's fields must then be absent.
    let chat = get("prompt").is_some() || (get("completion").is_some() && get("instruction").is_none());
    let (wanted, foreign) = if chat {
        (["prompt", "completion"], ["instruction", "input", "output"].as_slice())
    } else {
        (["instruction", "output"], ["completion"].as_slice())
    };
    if let Some((field, _)) = foreign.iter().find_map(|field| get(field)) {
        return Err(LineReason::MixedForms { field });
    }
    let [prompt, completion] = wanted.map(|field| match get(field) {
        None => Err(LineReason::Missing { field }),
        Some((_, Scalar::Bare(_))) => Err(LineReason::NotText { field }),
        Some((_, Scalar::Text(text))) if text.trim().is_empty() => Err(LineReason::EmptyText { field }),
        Some((_, Scalar::Text(text))) => Ok(text.clone()),
    });
    let (mut prompt, completion) = (prompt?, completion?);
    match get("input") {
        Some((field, Scalar::Bare(_))) => return Err(LineReason::NotText { field }),
        Some((_, Scalar::Text(input))) if !input.is_empty() => {
            prompt.push_str(INPUT_SEPARATOR);
            prompt.push_str(input);
        }
        _ => {}
    }
    Ok(Sample { prompt, completion })
}
