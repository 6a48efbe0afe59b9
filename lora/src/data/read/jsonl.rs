//! JSON lines.

use super::{Fields, FileProblem, Place, RawRows, RowFault, object};
use tributary_protocol::sample::Limits;

/// Reads one object a line. Lines end with LF or CR LF; the last may have no end.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<RawRows, FileProblem> {
    let mut rows = RawRows::default();
    if bytes.is_empty() {
        return Ok(rows);
    }
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if number > u64::from(limits.samples) {
            return Err(FileProblem::TooManyRows { max: limits.samples });
        }
        rows.push(Place::Line(number), parse(line, limits));
    }
    Ok(rows)
}

fn parse(line: &[u8], limits: &Limits) -> Result<Fields, RowFault> {
    if line.len() > limits.line_bytes {
        return Err(RowFault::TooLong { bytes: line.len(), max: limits.line_bytes });
    }
    let text = std::str::from_utf8(line)
        .map_err(|error| RowFault::NotUtf8 { byte: error.valid_up_to() + 1, of: "the line".into() })?;
    if text.trim().is_empty() {
        return Err(RowFault::Blank);
    }
    object(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_wrong_line_is_named() {
        let file = b"{\"a\":1}\r\n\n{\"a\":1,\"a\":2}\n[1]\n\xff\n{\"a\":}\n{\"a\":2}";
        let rows = read(file, &Limits::DEFAULT).unwrap();
        assert_eq!(rows.rows.iter().map(|row| row.place).collect::<Vec<_>>(), [Place::Line(1), Place::Line(7)]);
        let faults: Vec<_> = rows.faulty.into_iter().map(|row| (row.place, row.fault)).collect();
        assert_eq!(faults[0], (Place::Line(2), RowFault::Blank));
        assert_eq!(faults[1], (Place::Line(3), RowFault::RepeatedKey { key: "a".into() }));
        assert_eq!(faults[2], (Place::Line(4), RowFault::NotAnObject { found: "a list" }));
        assert_eq!(faults[3], (Place::Line(5), RowFault::NotUtf8 { byte: 1, of: "the line".into() }));
        assert!(matches!(&faults[4].1, RowFault::Malformed { detail } if detail.contains("column 6")), "{faults:?}");
    }

    #[test]
    fn long_lines_and_many_lines_are_refused() {
        let limits = Limits { line_bytes: 8, samples: 2, ..Limits::DEFAULT };
        let rows = read(b"{\"a\": 100}\n{}", &limits).unwrap();
        assert_eq!(rows.faulty[0].fault, RowFault::TooLong { bytes: 10, max: 8 });
        assert!(matches!(read(b"{}\n{}\n{}\n", &limits), Err(FileProblem::TooManyRows { max: 2 })));
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_overflow() {
        let line = format!("{{\"a\":{}", "[".repeat(100_000));
        let rows = read(line.as_bytes(), &Limits::DEFAULT).unwrap();
        assert!(matches!(rows.faulty[0].fault, RowFault::Malformed { .. }));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_row_or_a_fault_for_every_line(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\n\\a1 ".to_vec())], 1..200)
        ) {
            let lines = bytes.strip_suffix(b"\n").unwrap_or(&bytes).split(|b| *b == b'\n').count();
            prop_assert_eq!(read(&bytes, &Limits::DEFAULT).unwrap().len(), lines);
        }

        #[test]
        fn what_serde_writes_is_read_back(texts in prop::collection::vec(any::<String>(), 1..8)) {
            let file: String = texts.iter().map(|text| format!("{}\n", serde_json::json!({ "t": text }))).collect();
            let rows = read(file.as_bytes(), &Limits::DEFAULT).unwrap();
            let back: Vec<_> = rows.rows.iter().map(|row| row.fields["t"].as_str().unwrap()).collect();
            prop_assert_eq!(back, texts);
        }
    }
}
