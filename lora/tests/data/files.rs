//! Real files of every format, whole and damaged.

use crate::{fixture, json};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::{properties::WriterProperties, writer::SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tributary_lora::data::{
    FileFormat, FileProblem, Mapping, Place, RawRows, Role, RowForm, conversation, read_bytes, read_file,
};
use tributary_protocol::sample::Limits;

const TWO_COLUMNS: &str = "message schema { REQUIRED BINARY prompt (STRING); OPTIONAL BINARY completion (STRING); }";

/// Two columns of text; an absent completion is null.
fn parquet(rows: &[(&str, Option<&str>)], compression: Compression) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(TWO_COLUMNS).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut file = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut file, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let prompts: Vec<ByteArray> = rows.iter().map(|(prompt, _)| ByteArray::from(*prompt)).collect();
    let completions: Vec<ByteArray> = rows.iter().filter_map(|(_, text)| text.map(ByteArray::from)).collect();
    let levels: Vec<i16> = rows.iter().map(|(_, text)| i16::from(text.is_some())).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&prompts, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&completions, Some(&levels), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    file
}

/// One column `messages` of lists of structs, in the three-level form that pandas and `datasets` write.
fn parquet_messages() -> Vec<u8> {
    let schema = "message schema { OPTIONAL GROUP messages (LIST) { REPEATED GROUP list { OPTIONAL GROUP element {
        OPTIONAL BINARY content (STRING); OPTIONAL BINARY role (STRING); } } } }";
    let mut file = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut file, Arc::new(parse_message_type(schema).unwrap()), Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for texts in [["q1", "a1", "q2", "a2"], ["user", "assistant", "user", "assistant"]] {
        let texts: Vec<ByteArray> = texts.iter().map(|text| ByteArray::from(*text)).collect();
        let mut column = group.next_column().unwrap().unwrap();
        // Two rows of two turns each.
        column.typed::<ByteArrayType>().write_batch(&texts, Some(&[4; 4]), Some(&[0, 1, 0, 1])).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    file
}

fn read(bytes: &[u8], format: FileFormat) -> Result<RawRows, FileProblem> {
    read_bytes(bytes.to_vec(), format, &Limits::DEFAULT)
}

#[test]
fn one_table_is_the_same_in_every_format() {
    let lines = "{\"prompt\":\"a, \\\"b\\\"\",\"completion\":\"c\\nd\"}\n{\"prompt\":\"é\",\"completion\":\"f\"}\n";
    let array = format!("[{}]", lines.trim_end().replace("}\n", "},\n"));
    let csv = "prompt,completion\n\"a, \"\"b\"\"\",\"c\nd\"\né,f\n";
    let tsv = "prompt\tcompletion\n\"a, \"\"b\"\"\"\t\"c\nd\"\né\tf\n";
    let rows = [("a, \"b\"", Some("c\nd")), ("é", Some("f"))];
    let mut files = vec![
        ("x.jsonl", lines.as_bytes().to_vec(), FileFormat::Jsonl),
        ("x.json", array.into_bytes(), FileFormat::Json),
        ("x.csv", csv.as_bytes().to_vec(), FileFormat::Csv),
        ("x.tsv", [b"\xef\xbb\xbf", tsv.as_bytes()].concat(), FileFormat::Tsv),
    ];
    for (name, compression) in [
        ("x.parquet", Compression::UNCOMPRESSED),
        ("x", Compression::SNAPPY),
        ("x.bin", Compression::ZSTD(Default::default())),
    ] {
        files.push((name, parquet(&rows, compression), FileFormat::Parquet));
    }
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes, format) in files {
        let path = dir.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(FileFormat::detect(&path, &bytes), Some(format));
        let found = read_file(&path, None, &Limits::DEFAULT).unwrap();
        assert!(found.faulty.is_empty());
        let texts: Vec<_> =
            found.rows.iter().map(|row| (row.fields["prompt"].as_str(), row.fields["completion"].as_str())).collect();
        assert_eq!(texts, rows.map(|(prompt, completion)| (Some(prompt), completion)), "{name}");
    }
}

#[test]
fn nested_turns_and_nulls_come_out_of_parquet() {
    let found = read(&parquet_messages(), FileFormat::Parquet).unwrap();
    let talks: Vec<_> = found
        .rows
        .iter()
        .map(|row| conversation(&row.fields, RowForm::Messages, &Mapping::default()).unwrap())
        .collect();
    assert_eq!(talks.len(), 2);
    assert_eq!((talks[1].turns()[0].role, talks[1].turns()[1].text.as_str()), (Role::User, "a2"));
    let found = read(&parquet(&[("a", Some("b")), ("c", None)], Compression::SNAPPY), FileFormat::Parquet).unwrap();
    assert_eq!(found.rows[1].place, Place::Row(2));
    let fault = conversation(&found.rows[1].fields, RowForm::Prompt, &Mapping::default()).unwrap_err().to_string();
    assert!(fault.starts_with("\"completion\" is missing; hint:"), "{fault}");
}

#[test]
fn files_without_rows_or_form_are_refused() {
    for format in FileFormat::NAMES.map(|(_, format)| format) {
        assert!(matches!(read(b"", format), Err(FileProblem::Empty)), "{format:?}");
    }
    assert!(matches!(read(&parquet(&[], Compression::SNAPPY), FileFormat::Parquet), Err(FileProblem::Empty)));
    assert!(matches!(read(b"a,b\n", FileFormat::Csv), Err(FileProblem::Empty)));
    assert!(matches!(read(b"[]", FileFormat::Json), Err(FileProblem::Empty)));
    let small = Limits { file_bytes: 4, ..Limits::DEFAULT };
    assert!(matches!(read_bytes(vec![0; 5], FileFormat::Csv, &small), Err(FileProblem::TooLarge { max: 4 })));
    let few = Limits { samples: 1, ..Limits::DEFAULT };
    let two = parquet(&[("a", None), ("b", None)], Compression::SNAPPY);
    assert!(matches!(read_bytes(two.clone(), FileFormat::Parquet, &few), Err(FileProblem::TooManyRows { max: 1 })));
    let short = Limits { line_bytes: 3, ..Limits::DEFAULT };
    let long = read_bytes(parquet(&[("abcd", None)], Compression::SNAPPY), FileFormat::Parquet, &short).unwrap();
    assert_eq!((long.rows.len(), long.faulty[0].place), (0, Place::Row(1)));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    std::fs::write(&path, "hello").unwrap();
    let error = read_file(&path, None, &Limits::DEFAULT).unwrap_err().to_string();
    assert!(error.contains("notes.txt: unknown file format; hint: .jsonl"), "{error}");
    let error = read_file(&dir.path().join("absent"), None, &Limits::DEFAULT).unwrap_err();
    assert!(matches!(error.problem, FileProblem::Read(_)));
    assert!(matches!(read_file(dir.path(), None, &Limits::DEFAULT).unwrap_err().problem, FileProblem::Read(_)));
}

#[test]
fn the_fixtures_of_other_projects_are_read() {
    let Some(folder) = fixture("torchtune-assets") else { return };
    for (name, form, rows, mapping) in [
        ("alpaca_tiny.json", RowForm::Alpaca, 100, ""),
        ("chat_tiny.json", RowForm::ShareGpt, 1, ""),
        ("instruct_tiny.json", RowForm::Alpaca, 2, ""),
        ("hh_rlhf_tiny.json", RowForm::Messages, 1, "messages=chosen"),
    ] {
        let mapping: Mapping = mapping.parse().unwrap();
        let found = read_file(&folder.join(name), None, &Limits::DEFAULT).unwrap();
        assert_eq!(RowForm::detect(&found.rows[0].fields, &mapping), Some(form), "{name}");
        let talks: Vec<_> = found.rows.iter().map(|row| conversation(&row.fields, form, &mapping).unwrap()).collect();
        assert_eq!((talks.len(), found.faulty.len()), (rows, 0), "{name}");
    }
    let chat = json(&folder.join("chat_tiny.json"));
    let talk = conversation(chat[0].as_object().unwrap(), RowForm::ShareGpt, &Mapping::default()).unwrap();
    assert_eq!(
        talk.turns().iter().map(|turn| turn.role.name()).collect::<Vec<_>>(),
        ["system", "user", "assistant", "user", "assistant"]
    );
}

#[test]
fn parquet_files_of_other_writers_are_read_or_refused() {
    let Some(folder) = fixture("parquet") else { return };
    let outcome = |path: &Path| read(&std::fs::read(path).unwrap(), FileFormat::Parquet);
    let (mut whole, mut refused) = (0, Vec::new());
    let mut paths: Vec<_> =
        std::fs::read_dir(folder.join("data")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "parquet")) {
        match outcome(path) {
            Ok(rows) => whole += rows.rows.len().min(1),
            Err(error) => refused.push(format!("{}: {error}", path.file_name().unwrap().to_string_lossy())),
        }
    }
    println!("{whole} of {} whole files are read; refused:\n{}", paths.len(), refused.join("\n"));
    let plain = outcome(&folder.join("data/alltypes_plain.parquet")).unwrap();
    assert_eq!((plain.rows.len(), plain.rows[0].fields["string_col"].as_str()), (8, Some("0")));
    let snappy = outcome(&folder.join("data/alltypes_plain.snappy.parquet")).unwrap();
    assert_eq!((snappy.rows.len(), snappy.rows[0].fields["id"].as_i64()), (2, Some(6)));
    let lists = outcome(&folder.join("data/list_columns.parquet")).unwrap();
    assert_eq!(lists.rows[0].fields["utf8_list"].as_array().unwrap().len(), 3);
    // Gzip, Brotli and LZ4 are not built in, and a file that needs them says so.
    for codec in ["GZIP", "BROTLI", "LZ4"] {
        let said = format!("compressed with {codec}; hint:");
        assert!(refused.iter().any(|line| line.contains(&said)), "{codec}: {refused:?}");
    }
    assert!(whole * 3 > paths.len() * 2, "{refused:?}");

    for entry in std::fs::read_dir(folder.join("bad_data")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            // Some of these are bad for other readers only; here it matters that the process goes on.
            println!(
                "{}: {:?}",
                path.display(),
                outcome(&path).map(|rows| rows.rows.len()).map_err(|error| error.to_string())
            );
        }
    }
}

#[test]
fn a_parquet_file_that_is_cut_off_is_refused_wherever_it_is_cut() {
    let file = parquet(&[("prompt", Some("completion")), ("another", None)], Compression::SNAPPY);
    for length in 1..file.len() {
        assert!(matches!(read(&file[..length], FileFormat::Parquet), Err(FileProblem::Damaged { .. })), "{length}");
    }
}

fn whole_parquet() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let texts: Vec<String> = (0..50).map(|i| format!("text {i} {}", "x".repeat(i))).collect();
        let rows: Vec<_> =
            texts.iter().map(|text| (text.as_str(), Some(text.as_str()).filter(|t| t.len() % 3 > 0))).collect();
        parquet(&rows, Compression::SNAPPY)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_parquet_never_ends_the_process(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut file = whole_parquet().to_vec();
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        if let Some(cut) = cut {
            file.drain(..cut.index(file.len() / 4));
        }
        if let Ok(rows) = read(&file, FileFormat::Parquet) {
            // What is read stays within what the reader accepts.
            prop_assert!(rows.rows.len() <= Limits::DEFAULT.samples as usize);
        }
    }

    #[test]
    fn parquet_gives_back_what_was_written(
        rows in prop::collection::vec((any::<String>(), prop::option::of(any::<String>())), 1..20)
    ) {
        let given: Vec<_> = rows.iter().map(|(prompt, completion)| (prompt.as_str(), completion.as_deref())).collect();
        let found = read(&parquet(&given, Compression::ZSTD(Default::default())), FileFormat::Parquet).unwrap();
        let texts: Vec<_> = found.rows.iter().map(|row| (row.fields["prompt"].as_str().unwrap(), row.fields["completion"].as_str())).collect();
        prop_assert_eq!(texts, given);
    }
}

#[test]
fn bytes_of_random_origin_are_no_parquet() {
    // The footer's length may point anywhere.
    for length in [0u32, 1, 8, 100, u32::MAX] {
        let file = [b"PAR1".as_slice(), &[0x15; 64], &length.to_le_bytes(), b"PAR1"].concat();
        assert!(read(&file, FileFormat::Parquet).is_err(), "{length}");
    }
}
