//! Samples: what is accepted, how it looks afterwards, and what is said about what is not.

use proptest::prelude::*;
use std::path::PathBuf;
use tributary_protocol::{
    content::sample_leaf,
    sample::{CommittedError, LINE_ERRORS_MAX, Limits, LineReason, ParsedSamples, SamplesError},
};

fn parse(file: impl AsRef<[u8]>) -> Result<ParsedSamples, SamplesError> {
    ParsedSamples::parse(file.as_ref(), &Limits::DEFAULT)
}

fn canonical(line: &str) -> String {
    parse(line).unwrap().lines()[0].text().to_string()
}

/// The one wrong line of a file: its number and reason.
fn wrong_line(file: impl AsRef<[u8]>) -> (u32, LineReason) {
    match parse(file).unwrap_err() {
        SamplesError::Lines(errors) => {
            assert_eq!((errors.first.len(), errors.total), (1, 1), "{errors}");
            (errors.first[0].line, errors.first[0].reason.clone())
        }
        other => panic!("{other}"),
    }
}

const GOOD: &str = r#"{"prompt":"p","completion":"c"}"#;

#[test]
fn keys_are_sorted_and_space_is_dropped() {
    assert_eq!(
        canonical("\t{ \"prompt\" : \"a  b\" ,\"id\": 7, \"completion\":\"c\" } \r\n"),
        r#"{"completion":"c","id":7,"prompt":"a  b"}"#
    );
    // By UTF-16 code units: U+1F600 begins with 0xD83D and comes before U+FB33, though its code point is the larger.
    assert_eq!(
        canonical(r#"{"prompt":"p","completion":"c","\uFB33":1,"😀":2}"#),
        "{\"completion\":\"c\",\"prompt\":\"p\",\"😀\":2,\"\u{fb33}\":1}"
    );
}

#[test]
fn escapes_are_the_shortest() {
    assert_eq!(
        canonical(r#"{"prompt":"\u0041\u00e9\/\u000a\u001F\"\\\ud83d\ude00","completion":"\b\f\n\r\t\u007f"}"#),
        "{\"completion\":\"\\b\\f\\n\\r\\t\u{7f}\",\"prompt\":\"Aé/\\n\\u001f\\\"\\\\😀\"}"
    );
}

#[test]
fn numbers_follow_rfc_8785() {
    for (text, expected) in [
        ("1.50", "1.5"),
        ("1e2", "100"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("0.1", "0.1"),
        ("1E-7", "1e-7"),
        ("0.000001", "0.000001"),
        ("-1.25e-9", "-1.25e-9"),
        ("9007199254740991", "9007199254740991"),
        ("-9007199254740991", "-9007199254740991"),
        ("333333333.33333329", "333333333.3333333"),
        ("0.1000000000000000055511151231257827", "0.1"),
        ("true", "true"),
        ("null", "null"),
    ] {
        let line = format!(r#"{{"completion":"c","n":{text},"prompt":"p"}}"#);
        assert_eq!(canonical(&line), format!(r#"{{"completion":"c","n":{expected},"prompt":"p"}}"#));
    }
    for text in ["9007199254740992", "-9007199254740993", "1e400", "18446744073709551616"] {
        let line = format!(r#"{{"completion":"c","n":{text},"prompt":"p"}}"#);
        assert_eq!(wrong_line(line), (1, LineReason::NumberTooLarge { key: "n".into() }));
    }
}

#[test]
fn both_forms_give_a_sample() {
    let file = [
        GOOD,
        r#"{"instruction":"add","input":"1 2","output":"3"}"#,
        r#"{"instruction":"greet","input":"","output":"hello"}"#,
        r#"{"instruction":"part","output":"bye"}"#,
    ]
    .join("\n");
    let samples = parse(&file).unwrap();
    let pairs: Vec<_> =
        samples.lines().iter().map(|line| (line.sample().prompt.as_str(), line.sample().completion.as_str())).collect();
    assert_eq!(pairs, [("p", "c"), ("add\n\n1 2", "3"), ("greet", "hello"), ("part", "bye")]);
    assert_eq!(samples.lines()[2].source_line(), 3);
    assert_eq!(samples.lines()[0].hash(), sample_leaf(br#"{"completion":"c","prompt":"p"}"#));
}

#[test]
fn the_canonical_file_reads_back_as_itself_and_proves_its_commitment() {
    let samples = parse(format!("\u{feff}{GOOD}\r\n{{\"output\":\"b\",\"instruction\":\"a\"}}")).unwrap();
    let (file, commitment) = (samples.canonical_file(), samples.commitment());
    assert_eq!(commitment.samples, 2);
    assert_eq!(commitment.bytes, file.len() as u64);
    let again = ParsedSamples::parse_committed(&file, &commitment, &Limits::DEFAULT).unwrap();
    assert_eq!(again.canonical_file(), file);

    let other = parse(GOOD).unwrap();
    let error = ParsedSamples::parse_committed(&other.canonical_file(), &commitment, &Limits::DEFAULT).unwrap_err();
    assert!(matches!(error, CommittedError::Mismatch { .. }));
    // The same samples in other bytes are not the committed file.
    let spaced = [b" ".as_slice(), &file].concat();
    assert!(ParsedSamples::parse_committed(&spaced, &commitment, &Limits::DEFAULT).is_err());
}

#[test]
fn empty_files_are_refused() {
    assert_eq!(parse(""), Err(SamplesError::Empty));
    assert_eq!(parse("\u{feff}"), Err(SamplesError::Empty));
    assert_eq!(wrong_line("\n"), (1, LineReason::Blank));
}

#[test]
fn blank_lines_are_named() {
    assert_eq!(wrong_line(format!("{GOOD}\n \t\r\n")), (2, LineReason::Blank));
    assert_eq!(wrong_line(format!("{GOOD}\n\n")), (2, LineReason::Blank));
}

#[test]
fn malformed_lines_are_named() {
    let (line, reason) = wrong_line(format!("{GOOD}\n{{\"prompt\":\"x\","));
    assert_eq!(line, 2);
    assert!(matches!(&reason, LineReason::Malformed { column: 14, detail } if !detail.contains("line")), "{reason}");
    for text in [
        r#"{"prompt":"\ud800","completion":"c"}"#,
        r#"{"prompt":'x'}"#,
        "{} {}",
        "{\"a\":01}",
        "nonsense",
        "{\"a\":NaN}",
    ] {
        let (line, reason) = wrong_line(text);
        assert_eq!(line, 1);
        assert!(matches!(reason, LineReason::Malformed { .. }), "{text}: {reason}");
    }
    for text in ["[]", "\"text\"", "7", "null"] {
        assert_eq!(wrong_line(text), (1, LineReason::NotAnObject));
    }
}

#[test]
fn wrong_utf8_is_named() {
    let file = [GOOD.as_bytes(), b"\n{\"prompt\":\"\xff\",\"completion\":\"c\"}"].concat();
    assert_eq!(wrong_line(file), (2, LineReason::NotUtf8 { byte: 12 }));
}

#[test]
fn oversized_input_is_named() {
    let limits = Limits { file_bytes: 100, line_bytes: 40, samples: 2 };
    let long = format!(r#"{{"prompt":"p","completion":"{}"}}"#, "c".repeat(20));
    let error = ParsedSamples::parse(format!("{GOOD}\n{long}").as_bytes(), &limits).unwrap_err();
    assert_eq!(error.to_string(), format!("line 2: {} bytes, more than 40", long.len()));
    let error = ParsedSamples::parse(&[b' '; 101], &limits).unwrap_err();
    assert_eq!(error, SamplesError::FileTooLarge { bytes: 101, max: 100 });
    let error = ParsedSamples::parse(b"1\n2\n3\n", &limits).unwrap_err();
    assert_eq!(error, SamplesError::TooManyLines { lines: 3, max: 2 });
}

#[test]
fn duplicates_name_both_lines_whatever_their_metadata() {
    let other = r#"{"prompt":"q","completion":"c"}"#;
    let file = format!("{GOOD}\n{other}\n{{\"id\":2, \"prompt\":\"p\",\"completion\":\"c\"}}\n");
    assert_eq!(wrong_line(&file), (3, LineReason::Duplicate { first: 1 }));
    assert_eq!(parse(&file).unwrap_err().to_string(), "line 3: the same sample as line 1");
    // The boundary between prompt and completion matters.
    assert!(parse("{\"prompt\":\"ab\",\"completion\":\"c\"}\n{\"prompt\":\"a\",\"completion\":\"bc\"}").is_ok());
}

#[test]
fn one_file_with_everything_wrong_names_each_line_and_its_reason() {
    let limits = Limits { line_bytes: 60, ..Limits::DEFAULT };
    let long = format!(r#"{{"prompt":"p","completion":"{}"}}"#, "c".repeat(60));
    let lines: [&[u8]; 8] = [
        GOOD.as_bytes(),
        br#"{"prompt":"x","#,
        b"",
        long.as_bytes(),
        b"{\"prompt\":\"\xff\",\"completion\":\"c\"}",
        br#"{"prompt":"q","completion":"c"}"#,
        GOOD.as_bytes(),
        br#"{"prompt":"","completion":"c"}"#,
    ];
    let error = ParsedSamples::parse(&lines.join(&b'\n'), &limits).unwrap_err();
    let expected = [
        "line 2: malformed JSON at column 14: EOF while parsing a value",
        "line 3: blank line",
        &format!("line 4: {} bytes, more than 60", long.len()),
        "line 5: not UTF-8 at byte 12",
        "line 7: the same sample as line 1",
        "line 8: \"prompt\" is empty",
    ];
    assert_eq!(error.to_string().lines().collect::<Vec<_>>(), expected);
    // Leaving duplicates out saves none of the others.
    let error = ParsedSamples::parse_skipping_duplicates(&lines.join(&b'\n'), &limits).unwrap_err();
    assert_eq!(error.to_string().lines().count(), expected.len() - 1);
}

#[test]
fn duplicates_can_be_skipped_but_nothing_else() {
    let file = format!("{GOOD}\n{GOOD}\n{{\"prompt\":\"q\",\"completion\":\"c\"}}\n{GOOD}\n");
    let (samples, skipped) = ParsedSamples::parse_skipping_duplicates(file.as_bytes(), &Limits::DEFAULT).unwrap();
    assert_eq!(samples.lines().len(), 2);
    assert_eq!(skipped.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(skipped[1].reason, LineReason::Duplicate { first: 1 });
    assert_eq!(parse(samples.canonical_file()).unwrap().commitment(), samples.commitment());
    assert!(ParsedSamples::parse_skipping_duplicates(b"\n", &Limits::DEFAULT).is_err());
}

#[test]
fn rows_of_another_shape_are_refused() {
    let cases = [
        (r#"{}"#, LineReason::Missing { field: "instruction" }),
        (r#"{"prompt":"p"}"#, LineReason::Missing { field: "completion" }),
        (r#"{"completion":"c"}"#, LineReason::Missing { field: "prompt" }),
        (r#"{"instruction":"i"}"#, LineReason::Missing { field: "output" }),
        (r#"{"prompt":"p","completion":"c","output":"o"}"#, LineReason::MixedForms { field: "output" }),
        (r#"{"instruction":"p","completion":"c"}"#, LineReason::MixedForms { field: "completion" }),
        (r#"{"prompt":1,"completion":"c"}"#, LineReason::NotText { field: "prompt" }),
        (r#"{"prompt":"p","completion":null}"#, LineReason::NotText { field: "completion" }),
        (r#"{"instruction":"i","input":3,"output":"o"}"#, LineReason::NotText { field: "input" }),
        (r#"{"prompt":" \n","completion":"c"}"#, LineReason::EmptyText { field: "prompt" }),
        (r#"{"instruction":"i","output":""}"#, LineReason::EmptyText { field: "output" }),
        (r#"{"prompt":"p","completion":"c","tags":["a"]}"#, LineReason::Nested { key: "tags".into() }),
        (r#"{"prompt":"p","completion":"c","prompt":"q"}"#, LineReason::RepeatedKey { key: "prompt".into() }),
        (r#"{"prompt":"p","completion":"c","\u0070rompt":"q"}"#, LineReason::RepeatedKey { key: "prompt".into() }),
    ];
    for (line, reason) in cases {
        assert_eq!(wrong_line(line), (1, reason));
    }
    let keys: String = (0..64).map(|n| format!("\"k{n}\":0,")).collect();
    let line = format!("{{{keys}\"prompt\":\"p\",\"completion\":\"c\"}}");
    assert_eq!(wrong_line(line), (1, LineReason::TooManyKeys { keys: 66 }));
}

#[test]
fn all_errors_are_told_up_to_a_bound() {
    let file = format!("{}{GOOD}\n{}", "[]\n".repeat(3), "\n".repeat(30));
    let SamplesError::Lines(errors) = parse(file).unwrap_err() else { panic!("line errors") };
    assert_eq!((errors.first.len(), errors.total), (LINE_ERRORS_MAX, 33));
    assert_eq!(errors.first[3].line, 5);
    assert!(errors.to_string().ends_with("line 21: blank line\nand 13 more"), "{errors}");
}

#[test]
fn the_fixture_datanets_are_read() {
    let fixtures = std::env::var_os("TRIBUTARY_FIXTURES").map(PathBuf::from);
    let fixtures = fixtures.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"));
    for name in ["general", "legal", "math", "medical"] {
        let Ok(file) = std::fs::read(fixtures.join(format!("datanets/{name}.jsonl"))) else {
            println!("skipped: no fixtures");
            return;
        };
        let (samples, skipped) = ParsedSamples::parse_skipping_duplicates(&file, &Limits::DEFAULT)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let commitment = samples.commitment();
        let root = commitment.root;
        println!(
            "{name}: {} samples, {} skipped, {} bytes, root {root}",
            commitment.samples,
            skipped.len(),
            commitment.bytes
        );
        assert_eq!(parse(&file).is_ok(), skipped.is_empty());
        let again = ParsedSamples::parse_committed(&samples.canonical_file(), &commitment, &Limits::DEFAULT).unwrap();
        assert_eq!(again.commitment(), commitment);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered(file: Vec<u8>) {
        let _ = parse(file);
    }

    #[test]
    fn any_text_survives_and_canonical_lines_are_canonical(prompt in ".*\\S", completion in ".*\\S", key in "[^pcio].*", number: f64) {
        let row = serde_json::json!({ "prompt": prompt, "completion": completion, key: number % 1e9 });
        let samples = parse(row.to_string()).unwrap();
        let line = &samples.lines()[0];
        prop_assert_eq!(&line.sample().prompt, &prompt);
        prop_assert_eq!(&line.sample().completion, &completion);
        prop_assert_eq!(canonical(line.text()), line.text());
        let read: serde_json::Value = serde_json::from_str(line.text()).unwrap();
        prop_assert_eq!(&read["prompt"], &row["prompt"]);
    }
}
