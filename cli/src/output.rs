//! What a command prints: for people a text, with `--json` exactly one JSON value. Results go to standard output,
//! everything else to standard error.

use serde::Serialize;
use serde_json::{Value, json};
use std::{fmt::Display, io::Write};
use tributary_protocol::sample::SamplesError;

/// A command's result, in both forms.
#[derive(Clone, Debug, Default)]
pub struct Output {
    json: Value,
    text: String,
}

/// Something that the chain keeps, as people and programs read it.
pub trait Record: Serialize {
    /// The columns of a list.
    const COLUMNS: &'static [&'static str];

    /// One line of a list, a cell for each column.
    fn row(&self) -> Vec<String>;

    /// Everything, for a look at one.
    fn fields(&self) -> Vec<(&'static str, String)>;
}

impl Output {
    /// A result with a text of its own.
    pub fn new(json: impl Serialize, text: impl Into<String>) -> Self {
        Self { json: to_value(&json), text: text.into() }
    }

    /// One record.
    pub fn record<R: Record>(record: &R) -> Self {
        Self::new(record, fields(&record.fields()))
    }

    /// A list of records.
    pub fn list<R: Record>(records: &[R]) -> Self {
        let rows: Vec<_> = records.iter().map(R::row).collect();
        let text = if rows.is_empty() { "none".to_owned() } else { table(R::COLUMNS, &rows) };
        Self::new(records, text)
    }

    /// Adds a sentence for people.
    #[must_use]
    pub fn and(mut self, sentence: impl Display) -> Self {
        self.text = format!("{}\n{sentence}", self.text);
        self
    }

    /// The text for people.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Prints it.
    pub fn print(&self, json: bool) {
        // A report that ran has printed its lines already.
        if json {
            if !self.json.is_null() {
                line(&self.json.to_string());
            }
        } else if !self.text.is_empty() {
            line(&self.text);
        }
    }
}

/// Prints one line of a running report, such as a watch: JSON lines for programs.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that has gone away, such as `head`, is no error of ours.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// `record` as one line of JSON, for reports that run.
pub fn json_line(record: &impl Serialize) {
    line(&to_value(record).to_string());
}

fn to_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("views are plain records with text keys")
}

/// Prints an error: its chain of causes, and the hint, if the last cause ends in one.
pub fn print_error(error: &anyhow::Error, json: bool) {
    let (text, hint) = split_hint(&full_text(error));
    if json {
        let mut object = json!({ "error": text, "hint": hint });
        if let Some(SamplesError::Lines(lines)) = error.downcast_ref::<SamplesError>() {
            let first =
                lines.first.iter().map(|wrong| json!({ "line": wrong.line, "reason": wrong.reason.to_string() }));
            object["lines"] = first.collect();
            object["total"] = lines.total.into();
        }
        eprintln!("{object}");
        return;
    }
    eprintln!("error: {text}");
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
}

/// The causes of an error in a line, without those whose text the one before repeats.
fn full_text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// An error's text and the hint at its end, which libraries write as `...\nhint: ...` or `...; hint: ...`.
fn split_hint(text: &str) -> (String, Option<String>) {
    let found =
        ["\nhint: ", "; hint: "].iter().filter_map(|mark| text.split_once(mark)).min_by_key(|(before, _)| before.len());
    match found {
        Some((before, hint)) => (before.to_owned(), Some(hint.to_owned())),
        None => (text.to_owned(), None),
    }
}

/// Names and values below each other, the values aligned.
pub fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let line = |(name, value): &(&str, String)| {
        let value = value.replace('\n', &format!("\n{:width$}  ", ""));
        format!("{name:width$}  {value}").trim_end().to_owned()
    };
    fields.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Rows below a head, in columns as wide as their widest cell. Cells that begin with a digit or a sign stand to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    let width = |column: usize| {
        std::iter::once(&head).chain(rows).filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or_default()).collect();
    let right: Vec<bool> = (0..head.len())
        .map(|column| rows.iter().filter_map(|row| row.get(column)).all(|cell| is_number(cell)))
        .collect();
    let line = |row: &Vec<String>| {
        let cells =
            row.iter().zip(&widths).zip(&right).map(|((cell, &width), &right)| {
                if right { format!("{cell:>width$}") } else { format!("{cell:width$}") }
            });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&head).chain(rows).map(line).collect::<Vec<_>>().join("\n")
}

fn is_number(cell: &str) -> bool {
    cell.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'))
        && cell.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | ',' | '.' | '%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_told_apart() {
        assert_eq!(split_hint("no\nhint: do"), ("no".to_owned(), Some("do".to_owned())));
        assert_eq!(split_hint("no; hint: do"), ("no".to_owned(), Some("do".to_owned())));
        assert_eq!(split_hint("no"), ("no".to_owned(), None));
    }

    #[test]
    fn a_cause_that_is_part_of_its_effect_is_not_repeated() {
        let error = anyhow::anyhow!("disk full").context("cannot write x: disk full").context("demo");
        assert_eq!(full_text(&error), "demo: cannot write x: disk full");
    }

    #[test]
    fn numbers_stand_to_the_right_and_words_to_the_left() {
        let rows = vec![vec!["a".to_owned(), "1".to_owned()], vec!["bb".to_owned(), "1,000".to_owned()]];
        assert_eq!(table(&["who", "what"], &rows), "who   what\na        1\nbb   1,000");
    }
}
