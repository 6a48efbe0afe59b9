//! From the rows of a file of any form to the samples of a contribution.

use serde_json::json;
use std::fmt;
use tributary_lora::data::{Mapping, Place, RawRow, RowForm, conversation};
use tributary_protocol::sample::{LINE_ERRORS_MAX, Limits, ParsedSamples, SamplesError};

/// The samples of a contribution.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// What goes on the chain, and to the data provider.
    pub samples: ParsedSamples,
    /// Rows that say the same as an earlier one.
    pub left_out: usize,
}

/// Why rows are no contribution.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RowsError {
    /// Some are no samples.
    #[error(transparent)]
    Rows(#[from] WrongRows),
    /// Together they are none that the chain takes.
    #[error(transparent)]
    Samples(#[from] SamplesError),
}

/// Rows that are no samples: the first of them, and how many there are in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongRows {
    /// Where they stand, and what is wrong, in the file's order.
    pub first: Vec<(Place, String)>,
    /// How many.
    pub total: usize,
}

impl fmt::Display for WrongRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (place, what)) in self.first.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{place}: {what}")?;
        }
        match self.total.saturating_sub(self.first.len()) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for WrongRows {}

/// The samples that the chain accepts of rows of one form. Of rows that say the same the first counts.
///
/// Errors: rows that are no conversation, or one that is more than a prompt and its completion.
pub fn contribution_of(rows: &[RawRow], form: RowForm) -> Result<Accepted, RowsError> {
    let (mut text, mut wrong) = (Vec::new(), WrongRows { first: Vec::new(), total: 0 });
    for row in rows {
        match line(row, form) {
            Ok(line) => {
                text.extend(line);
                text.push(b'\n');
            }
            Err(what) => {
                wrong.total += 1;
                if wrong.first.len() < LINE_ERRORS_MAX {
                    wrong.first.push((row.place, what));
                }
            }
        }
    }
    if wrong.total > 0 {
        return Err(wrong.into());
    }
    let (samples, left_out) = ParsedSamples::parse_skipping_duplicates(&text, &Limits::DEFAULT)?;
    Ok(Accepted { samples, left_out: left_out.len() })
}

/// A row as a line that the chain accepts: as it is, if a model reads the same from it; else prompt and completion alone.
fn line(row: &RawRow, form: RowForm) -> Result<Vec<u8>, String> {
    let read = conversation(&row.fields, form, &Mapping::default()).map_err(|fault| fault.to_string())?;
    let exchange = read.sample().ok_or(
        "a conversation of several turns, or with a system turn; hint: a contribution's samples are one prompt and one \
         completion each",
    )?;
    let same = |bytes: &Vec<u8>| {
        let parsed = ParsedSamples::parse(bytes, &Limits::DEFAULT).ok();
        parsed.is_some_and(|parsed| parsed.lines().first().is_some_and(|line| *line.sample() == exchange))
    };
    let whole = serde_json::to_vec(&row.fields).ok().filter(same);
    let bare = || serde_json::to_vec(&json!({ "prompt": exchange.prompt, "completion": exchange.completion })).ok();
    whole.or_else(bare).ok_or_else(|| "no JSON".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value};

    fn row(number: u64, fields: Value) -> RawRow {
        let fields: Map<String, Value> = fields.as_object().unwrap().clone();
        RawRow { place: Place::Line(number), fields }
    }

    fn text(fields: Value, form: RowForm) -> Result<String, String> {
        line(&row(1, fields), form).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn turn(role: &str, text: &str) -> Value {
        json!({"role": role, "content": text})
    }

    #[test]
    fn a_row_that_the_chain_accepts_keeps_its_metadata() {
        let whole = json!({"completion": "b", "prompt": "a", "source": "log"});
        assert_eq!(text(whole.clone(), RowForm::Prompt).unwrap(), whole.to_string());
    }

    #[test]
    fn a_conversation_becomes_a_sample_and_a_longer_one_does_not() {
        let one = json!({"messages": [turn("user", "a"), turn("assistant", "b")]});
        assert_eq!(text(one, RowForm::Messages).unwrap(), r#"{"completion":"b","prompt":"a"}"#);
        let two = json!({"messages": [
            turn("user", "a"), turn("assistant", "b"), turn("user", "c"), turn("assistant", "d"),
        ]});
        assert!(text(two, RowForm::Messages).unwrap_err().contains("several turns"));
    }

    #[test]
    fn all_wrong_rows_are_told_and_equal_ones_count_once() {
        let one = |number| row(number, json!({"messages": [turn("user", "a"), turn("assistant", "b")]}));
        let accepted = contribution_of(&[one(1), one(2)], RowForm::Messages).unwrap();
        assert_eq!((accepted.samples.lines().len(), accepted.left_out), (1, 1));
        let system = |number| {
            let turns = [turn("system", "s"), turn("user", "a"), turn("assistant", "b")];
            row(number, json!({ "messages": turns }))
        };
        let Err(RowsError::Rows(wrong)) = contribution_of(&[system(1), one(2), system(3)], RowForm::Messages) else {
            panic!("system turns are no samples");
        };
        assert_eq!(wrong.first.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [Place::Line(1), Place::Line(3)]);
        assert!(wrong.to_string().starts_with("line 1: ") && wrong.to_string().contains("; line 3: "), "{wrong}");
    }
}
