//! Comma- and tab-separated values.

use super::{Fields, FileProblem, Place, RawRows, RowFault};
use csv::{ByteRecord, ReaderBuilder};
use serde_json::Value;
use std::collections::HashSet;
use tributary_protocol::sample::{Limits, ROW_KEYS_MAX};

/// Reads a header and its records; every value is text.
pub(super) fn read(bytes: &[u8], delimiter: u8, limits: &Limits) -> Result<RawRows, FileProblem> {
    let unclosed = unclosed_record(bytes, delimiter);
    let whole = unclosed.map_or(bytes, |start| &bytes[..start]);
    // Flexible: a record of another length is that record's error and not the file's.
    let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(whole);
    let columns = header(reader.byte_headers().map_err(|error| unusable(error.to_string()))?)?;
    let mut rows = RawRows::default();
    if columns.is_empty() {
        return match unclosed {
            Some(_) => Err(unusable("a quoted value is never closed".into())),
            None => Ok(rows),
        };
    }
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| unusable(error.to_string()))? {
        if rows.len() >= limits.samples as usize {
            return Err(FileProblem::TooManyRows { max: limits.samples });
        }
        let line = record.position().map_or(0, |position| position.line());
        rows.push(Place::Line(line), fields(&record, &columns, limits));
    }
    if let Some(start) = unclosed {
        let line = bytes[..start].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        rows.push(Place::Line(line), Err(RowFault::Unclosed));
    }
    Ok(rows)
}

fn unusable(reason: String) -> FileProblem {
    FileProblem::Header { reason }
}

fn header(record: &ByteRecord) -> Result<Vec<String>, FileProblem> {
    if record.len() > ROW_KEYS_MAX {
        return Err(FileProblem::TooManyColumns { columns: record.len() });
    }
    let mut seen = HashSet::new();
    let mut columns = Vec::new();
    for name in record {
        let name = std::str::from_utf8(name).map_err(|_| unusable("not UTF-8".into()))?.trim();
        if !seen.insert(name) {
            return Err(unusable(format!("the column \"{name}\" stands twice")));
        }
        columns.push(name.to_owned());
    }
    Ok(columns)
}

fn fields(record: &ByteRecord, columns: &[String], limits: &Limits) -> Result<Fields, RowFault> {
    let bytes = record.as_slice().len();
    if bytes > limits.line_bytes {
        return Err(RowFault::TooLong { bytes, max: limits.line_bytes });
    }
    if record.len() != columns.len() {
        return Err(RowFault::Columns { found: record.len(), expected: columns.len() });
    }
    let mut fields = Fields::new();
    for (name, value) in columns.iter().zip(record) {
        let text = std::str::from_utf8(value)
            .map_err(|error| RowFault::NotUtf8 { byte: error.valid_up_to() + 1, of: format!("column \"{name}\"") })?;
        fields.insert(name.clone(), Value::String(text.to_owned()));
    }
    Ok(fields)
}

/// Where the record begins in which a quoted value is still open at the end of the file.
///
/// The `csv` crate takes the end of the file for the closing quote, which would hide that a file is cut off. The states
/// are those of its automaton: a quote opens a value only at the value's beginning, and two quotes inside are one.
fn unclosed_record(bytes: &[u8], delimiter: u8) -> Option<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        Start,
        Bare,
        Quoted,
        QuoteInQuoted,
    }
    let (mut state, mut record) = (State::Start, 0);
    for (at, &byte) in bytes.iter().enumerate() {
        state = match (state, byte) {
            (State::Quoted, b'"') => State::QuoteInQuoted,
            (State::Quoted, _) => State::Quoted,
            (State::QuoteInQuoted | State::Start, b'"') => State::Quoted,
            (_, b'\n' | b'\r') => {
                record = at + 1;
                State::Start
            }
            (_, byte) if byte == delimiter => State::Start,
            _ => State::Bare,
        };
    }
    (state == State::Quoted).then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn csv(text: &str) -> Result<RawRows, FileProblem> {
        read(text.as_bytes(), b',', &Limits::DEFAULT)
    }

    #[test]
    fn quoted_values_span_lines_and_places_are_lines() {
        let rows = csv("prompt,completion\n\"a \"\"b\"\",\nc\",d\n\ne,f\r\n").unwrap();
        assert_eq!(rows.rows[0].fields["prompt"], "a \"b\",\nc");
        let places: Vec<_> = rows.rows.iter().map(|row| row.place).collect();
        assert_eq!(places[0], Place::Line(2));
        assert_eq!(rows.rows[1].fields["completion"], "f");
    }

    #[test]
    fn wrong_records_are_named() {
        let rows = csv("a,b\n1\n1,2,3\n1,2\n").unwrap();
        assert_eq!(rows.rows.len(), 1);
        assert_eq!(rows.faulty[0].fault, RowFault::Columns { found: 1, expected: 2 });
        assert_eq!((rows.faulty[1].place, rows.rows[0].place), (Place::Line(3), Place::Line(4)));
        let rows = read(b"a,b\n1,\xc3\n", b',', &Limits::DEFAULT).unwrap();
        assert_eq!(rows.faulty[0].fault, RowFault::NotUtf8 { byte: 1, of: "column \"b\"".into() });
    }

    #[test]
    fn a_file_that_ends_inside_quotes_is_told_from_a_whole_one() {
        let rows = csv("a,b\n1,2\n3,\"cut\noff").unwrap();
        assert_eq!(rows.rows.len(), 1);
        assert_eq!((rows.faulty[0].place, &rows.faulty[0].fault), (Place::Line(3), &RowFault::Unclosed));
        assert!(csv("a,b\n1,in\"ches\n").unwrap().faulty.is_empty());
        assert!(matches!(csv("\"a"), Err(FileProblem::Header { .. })));
    }

    #[test]
    fn headers_have_each_name_once() {
        assert!(matches!(csv("a,a\n1,2\n"), Err(FileProblem::Header { .. })));
        assert!(matches!(read(b"\xff,a\n1,2\n", b',', &Limits::DEFAULT), Err(FileProblem::Header { .. })));
        assert_eq!(csv("a,b\n").unwrap().len(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\",\n\r\tab ".to_vec())], 0..200)
        ) {
            if let Ok(rows) = read(&bytes, b',', &Limits::DEFAULT) {
                let names = rows.rows.first().map(|row| row.fields.len());
                prop_assert!(rows.rows.iter().all(|row| Some(row.fields.len()) == names));
            }
        }

        #[test]
        fn what_the_csv_crate_writes_is_read_back(cells in prop::collection::vec((any::<String>(), any::<String>()), 1..6)) {
            let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
            writer.write_record(["left", "right"]).unwrap();
            cells.iter().for_each(|(a, b)| writer.write_record([a, b]).unwrap());
            let file = writer.into_inner().unwrap();
            let rows = read(&file, b',', &Limits::DEFAULT).unwrap();
            let back: Vec<(String, String)> = rows
                .rows
                .iter()
                .map(|row| (row.fields["left"].as_str().unwrap().into(), row.fields["right"].as_str().unwrap().into()))
                .collect();
            prop_assert_eq!(back, cells);
            prop_assert!(rows.faulty.is_empty());
        }

        #[test]
        fn the_quote_automaton_agrees_with_the_csv_crate(bytes in prop::collection::vec(prop::sample::select(b"\",\na".to_vec()), 0..24)) {
            // Closing the quote must then change nothing but the last value, and only if one is open.
            let records = |bytes: &[u8]| {
                let mut reader = ReaderBuilder::new().flexible(true).has_headers(false).from_reader(bytes);
                reader.byte_records().map(|record| record.unwrap()).collect::<Vec<_>>()
            };
            let closed = [&bytes[..], b"\""].concat();
            if unclosed_record(&bytes, b',').is_some() {
                prop_assert_eq!(records(&bytes), records(&closed));
                prop_assert_eq!(unclosed_record(&closed, b','), None);
            }
        }
    }
}
