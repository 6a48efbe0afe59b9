//! Rows to conversations: the forms that data sets come in, and how columns are mapped to them.

use super::conversation::{Conversation, ConversationFault, Role, Turn};
use super::read::{Fields, kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use tributary_protocol::sample::INPUT_SEPARATOR;

/// Longest part of a value that an error quotes.
const QUOTED_CHARACTERS: usize = 40;

/// What the columns of a row mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowForm {
    /// `prompt` and `completion`; `system` is optional.
    Prompt,
    /// `instruction`, `input` (optional) and `output`; `system` is optional. Source: Stanford Alpaca.
    Alpaca,
    /// `conversations`: a list of `{from, value}`; `system` is optional. Source: ShareGPT, FastChat.
    ShareGpt,
    /// `messages`: a list of `{role, content, weight?}`. Source: OpenAI's fine-tuning files.
    Messages,
}

impl RowForm {
    /// Every form, by its name. The order is that of detection: a data set that holds messages often repeats the first
    /// of them as a prompt.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("messages", Self::Messages),
        ("sharegpt", Self::ShareGpt),
        ("alpaca", Self::Alpaca),
        ("prompt", Self::Prompt),
    ];

    /// The columns that a row of this form has at least.
    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Prompt => &["prompt", "completion"],
            Self::Alpaca => &["instruction", "output"],
            Self::ShareGpt => &["conversations"],
            Self::Messages => &["messages"],
        }
    }

    /// All columns that are read.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Prompt => &["prompt", "completion", "system"],
            Self::Alpaca => &["instruction", "input", "output", "system"],
            Self::ShareGpt => &["conversations", "system"],
            Self::Messages => &["messages"],
        }
    }

    /// The form of a row with these `fields`.
    pub fn detect(fields: &Fields, mapping: &Mapping) -> Option<Self> {
        let has = |form: &Self| form.required().iter().all(|field| mapping.get(fields, field).is_some());
        // A mapping that names columns of some forms only asks for one of these.
        let asked = |form: &Self| mapping.0.keys().all(|field| form.columns().contains(&field.as_str()));
        Self::NAMES.map(|(_, form)| form).into_iter().filter(asked).find(has)
    }
}

impl fmt::Display for RowForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, form)| form == self).map(|(name, _)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

/// Which column holds a field of a form, where it has another name.
///
/// Text form: `prompt=QUESTION,completion=ANSWER`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping(BTreeMap<String, String>);

/// Why a mapping cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Not of the form `FIELD=COLUMN`.
    #[error("\"{part}\" is no mapping; hint: FIELD=COLUMN, several separated by commas")]
    Syntax {
        /// The part.
        part: String,
    },
    /// No form has such a field.
    #[error(
        "no row has a field \"{field}\"; hint: prompt, completion, instruction, input, output, system, conversations and \
         messages are accepted"
    )]
    UnknownField {
        /// The field.
        field: String,
    },
    /// A field is mapped twice.
    #[error("\"{field}\" is mapped twice")]
    Repeated {
        /// The field.
        field: String,
    },
    /// No form has all of the fields.
    #[error("{fields} belong to different forms; hint: map the fields of one form only")]
    MixedForms {
        /// The fields.
        fields: String,
    },
}

impl FromStr for Mapping {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Self, MappingError> {
        let mut columns = BTreeMap::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (field, column) = part
                .split_once('=')
                .map(|(field, column)| (field.trim(), column.trim()))
                .filter(|(_, column)| !column.is_empty())
                .ok_or_else(|| MappingError::Syntax { part: part.to_owned() })?;
            if !RowForm::NAMES.iter().any(|(_, form)| form.columns().contains(&field)) {
                return Err(MappingError::UnknownField { field: field.to_owned() });
            }
            if columns.insert(field.to_owned(), column.to_owned()).is_some() {
                return Err(MappingError::Repeated { field: field.to_owned() });
            }
        }
        let fits = |form: RowForm| columns.keys().all(|field| form.columns().contains(&field.as_str()));
        if !RowForm::NAMES.iter().any(|(_, form)| fits(*form)) {
            let fields: Vec<&str> = columns.keys().map(String::as_str).collect();
            return Err(MappingError::MixedForms { fields: fields.join(" and ") });
        }
        Ok(Self(columns))
    }
}

impl Mapping {
    /// The column that holds `field`.
    fn column<'a>(&'a self, fields: &Fields, field: &'a str) -> &'a str {
        match self.0.get(field) {
            Some(column) => column,
            // The one other name that is common enough not to need a mapping.
            None if matches!(field, "completion" | "output") && !fields.contains_key(field) => "response",
            None => field,
        }
    }

    /// The value of `field`; null counts as absent.
    fn get<'a>(&self, fields: &'a Fields, field: &str) -> Option<&'a Value> {
        fields.get(self.column(fields, field)).filter(|value| !value.is_null())
    }
}

/// Why a row is no conversation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormFault {
    /// A field is absent or null.
    #[error("\"{column}\" is missing; hint: a row of the form {form} has {accepted}")]
    Missing {
        /// The column.
        column: String,
        /// The form.
        form: RowForm,
        /// The columns of the form.
        accepted: String,
    },
    /// A field is of another kind.
    #[error("\"{column}\" is {found}, only {accepted} is accepted")]
    Kind {
        /// The column.
        column: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        accepted: &'static str,
    },
    /// A field has no text.
    #[error("\"{column}\" has no text")]
    NoText {
        /// The column.
        column: String,
    },
    /// A turn is of another kind.
    #[error("turn {turn}: {what}; hint: {accepted}")]
    Turn {
        /// The turn, from 1.
        turn: usize,
        /// What is wrong.
        what: String,
        /// What is accepted.
        accepted: &'static str,
    },
    /// The turns are no conversation.
    #[error(transparent)]
    Conversation(#[from] ConversationFault),
}

/// The conversation of a row.
pub fn conversation(fields: &Fields, form: RowForm, mapping: &Mapping) -> Result<Conversation, FormFault> {
    let row = RowReader { fields, form, mapping };
    let turns = match form {
        RowForm::Prompt => row.exchange(row.text("prompt")?.to_owned(), row.text("completion")?)?,
        RowForm::Alpaca => {
            let mut prompt = row.text("instruction")?.to_owned();
            if let Some(input) = row.optional("input")?.filter(|input| !input.is_empty()) {
                prompt = [&prompt, INPUT_SEPARATOR, input].concat();
            }
            row.exchange(prompt, row.text("output")?)?
        }
        RowForm::ShareGpt => {
            let mut turns = row.system()?;
            turns.extend(row.turns("conversations")?);
            turns
        }
        RowForm::Messages => row.turns("messages")?,
    };
    Ok(Conversation::new(turns)?)
}

struct RowReader<'a> {
    fields: &'a Fields,
    form: RowForm,
    mapping: &'a Mapping,
}

impl<'a> RowReader<'a> {
    fn required(&self, field: &str) -> Result<&'a Value, FormFault> {
        self.mapping.get(self.fields, field).ok_or_else(|| FormFault::Missing {
            column: self.mapping.0.get(field).map_or(field, String::as_str).to_owned(),
            form: self.form,
            accepted: self.form.required().join(" and "),
        })
    }

    fn column(&self, field: &str) -> String {
        self.mapping.column(self.fields, field).to_owned()
    }

    fn text(&self, field: &str) -> Result<&'a str, FormFault> {
        match self.required(field)? {
            Value::String(text) if text.trim().is_empty() => Err(FormFault::NoText { column: self.column(field) }),
            Value::String(text) => Ok(text),
            other => Err(FormFault::Kind { column: self.column(field), found: kind(other), accepted: "text" }),
        }
    }

    fn optional(&self, field: &str) -> Result<Option<&'a str>, FormFault> {
        match self.mapping.get(self.fields, field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(FormFault::Kind { column: self.column(field), found: kind(other), accepted: "text" }),
        }
    }

    fn system(&self) -> Result<Vec<Turn>, FormFault> {
        let text = self.optional("system")?.filter(|text| !text.trim().is_empty());
        Ok(text.map(|text| Turn::new(Role::System, text)).into_iter().collect())
    }

    fn exchange(&self, prompt: String, completion: &str) -> Result<Vec<Turn>, FormFault> {
        let mut turns = self.system()?;
        turns.extend([Turn::new(Role::User, prompt), Turn::new(Role::Assistant, completion)]);
        Ok(turns)
    }

    fn turns(&self, field: &str) -> Result<Vec<Turn>, FormFault> {
        let value = self.required(field)?;
        let wrong = |found| FormFault::Kind { column: self.column(field), found, accepted: "a list of turns" };
        // A table of text, such as CSV, holds the list as JSON.
        let parsed: Value;
        let list = match value {
            Value::Array(list) => list,
            Value::String(text) => {
                parsed = serde_json::from_str(text).map_err(|_| wrong("text that is not JSON"))?;
                parsed.as_array().ok_or_else(|| wrong(kind(&parsed)))?
            }
            other => return Err(wrong(kind(other))),
        };
        (1..).zip(list).map(|(number, turn)| read_turn(number, turn)).collect()
    }
}

fn read_turn(number: usize, value: &Value) -> Result<Turn, FormFault> {
    let fault = |what: String, accepted| FormFault::Turn { turn: number, what, accepted };
    const SHAPE: &str = "{\"role\", \"content\"} or {\"from\", \"value\"}";
    let turn = value.as_object().ok_or_else(|| fault(format!("found {}", kind(value)), SHAPE))?;
    let either = |a: &str, b: &str| turn.get(a).or_else(|| turn.get(b));
    let role = either("role", "from").ok_or_else(|| fault("no \"role\" or \"from\"".into(), SHAPE))?;
    let name = role.as_str().ok_or_else(|| fault(format!("its role is {}", kind(role)), SHAPE))?;
    let role = match name.to_ascii_lowercase().as_str() {
        "system" | "developer" => Role::System,
        "user" | "human" => Role::User,
        "assistant" | "gpt" | "model" | "chatgpt" | "bot" => Role::Assistant,
        _ => {
            let name: String = name.chars().take(QUOTED_CHARACTERS).collect();
            return Err(fault(
                format!("unknown role \"{name}\""),
                "system, user (human) and assistant (gpt) are accepted",
            ));
        }
    };
    const CONTENT: &str =
        "text, or a list of {\"type\": \"text\", \"text\"}, is accepted; tool calls and images are not";
    let content = either("content", "value").unwrap_or(&Value::Null);
    let text = match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .map(|part| match (part["type"].as_str(), part["text"].as_str()) {
                (Some("text"), Some(text)) => Ok(text),
                (Some(other), _) => Err(fault(format!("a part of type \"{other}\""), CONTENT)),
                _ => Err(fault("a part without a type".into(), CONTENT)),
            })
            .collect::<Result<String, _>>()?,
        other => return Err(fault(format!("its text is {}", kind(other)), CONTENT)),
    };
    let mut said = Turn::new(role, text);
    match turn.get("weight") {
        None | Some(Value::Null) => {}
        Some(weight) if weight.as_f64() == Some(1.0) => {}
        Some(weight) if weight.as_f64() == Some(0.0) => said.trained = false,
        Some(weight) => return Err(fault(format!("weight {weight}"), "0 (not trained) and 1 are accepted")),
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn fields(value: Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    fn read(value: Value, mapping: &str) -> Result<Conversation, FormFault> {
        let (fields, mapping) = (fields(value), mapping.parse().unwrap());
        conversation(&fields, RowForm::detect(&fields, &mapping).unwrap(), &mapping)
    }

    fn texts(conversation: &Conversation) -> Vec<(Role, &str)> {
        conversation.turns().iter().map(|turn| (turn.role, turn.text.as_str())).collect()
    }

    #[test]
    fn every_form_says_the_same() {
        let expected = [(Role::System, "s"), (Role::User, "q"), (Role::Assistant, "a")];
        for (row, form) in [
            (json!({"system": "s", "prompt": "q", "completion": "a"}), RowForm::Prompt),
            (json!({"system": "s", "instruction": "q", "input": "", "output": "a"}), RowForm::Alpaca),
            (
                json!({"system": "s", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}),
                RowForm::ShareGpt,
            ),
            (
                json!({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "q"}]},
                       {"role": "assistant", "content": "a", "weight": 1}]}),
                RowForm::Messages,
            ),
            (
                json!({"messages": r#"[{"role":"system","content":"s"},{"role":"user","content":"q"},{"role":"assistant","content":"a"}]"#}),
                RowForm::Messages,
            ),
        ] {
            assert_eq!(RowForm::detect(&fields(row.clone()), &Mapping::default()), Some(form));
            assert_eq!(texts(&read(row, "").unwrap()), expected);
        }
    }

    #[test]
    fn columns_are_mapped_and_responses_known() {
        let row = json!({"question": "q", "answer": "a", "id": 4});
        assert_eq!(RowForm::detect(&fields(row.clone()), &Mapping::default()), None);
        let mapped = read(row, "prompt=question, completion=answer").unwrap();
        assert_eq!(texts(&mapped), [(Role::User, "q"), (Role::Assistant, "a")]);
        let response = read(json!({"instruction": "q", "input": "i", "response": "a"}), "").unwrap();
        assert_eq!(texts(&response), [(Role::User, "q\n\ni"), (Role::Assistant, "a")]);
        let chosen = json!({"chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]});
        assert_eq!(read(chosen, "messages=chosen").unwrap(), mapped);
    }

    #[test]
    fn wrong_mappings_are_refused() {
        let error = |text: &str| text.parse::<Mapping>().unwrap_err();
        assert_eq!(error("prompt"), MappingError::Syntax { part: "prompt".into() });
        assert_eq!(error("prompt="), MappingError::Syntax { part: "prompt=".into() });
        assert_eq!(error("question=q"), MappingError::UnknownField { field: "question".into() });
        assert_eq!(error("input=a,input=b"), MappingError::Repeated { field: "input".into() });
        assert!(matches!(error("prompt=a,output=b"), MappingError::MixedForms { .. }));
    }

    #[test]
    fn a_refusal_names_column_or_turn_and_what_is_accepted() {
        let text = |form, row: Value| conversation(&fields(row), form, &Mapping::default()).unwrap_err().to_string();
        let error = text(RowForm::Prompt, json!({"prompt": "q"}));
        assert_eq!(error, "\"completion\" is missing; hint: a row of the form prompt has prompt and completion");
        assert_eq!(
            text(RowForm::Prompt, json!({"prompt": 3, "completion": "a"})),
            "\"prompt\" is a number, only text is accepted"
        );
        assert_eq!(text(RowForm::Alpaca, json!({"instruction": " ", "output": "a"})), "\"instruction\" has no text");
        let turns = |turns: Value| text(RowForm::Messages, json!({ "messages": turns }));
        assert!(turns(json!([3])).starts_with("turn 1: found a number; hint: {\"role\""));
        assert!(turns(json!([{"role": "tool", "content": "x"}])).contains("unknown role \"tool\"; hint: system"));
        assert!(turns(json!([{"role": "user", "content": null}])).contains("turn 1: its text is null; hint: text, or"));
        assert!(turns(json!([{"role": "user", "content": [{"type": "image_url"}]}])).contains("type \"image_url\""));
        assert!(turns(json!([{"role": "user", "content": "a", "weight": 2}])).contains("weight 2; hint: 0"));
        assert!(turns(json!("x")).contains("text that is not JSON, only a list"));
        assert!(turns(json!([{"role": "user", "content": "a"}])).contains("the last turn is by the user"));
    }

    #[test]
    fn a_weight_of_zero_is_not_trained() {
        let turn = |text: &str, weight| json!({"role": "assistant", "content": text, "weight": weight});
        let row = read(json!({"messages": [turn("a", 0), turn("b", 1)]}), "").unwrap();
        assert_eq!(row.turns().iter().map(|turn| turn.trained).collect::<Vec<_>>(), [false, true]);
    }

    proptest! {
        #[test]
        fn rows_of_any_values_are_read_or_refused(
            keys in prop::collection::vec(prop::sample::select(vec!["prompt", "completion", "output", "messages", "conversations", "system"]), 0..5),
            values in prop::collection::vec(prop::sample::select(vec![
                json!("a"), json!(""), json!(null), json!(1.5), json!([]), json!([{}]), json!([{"role": "user", "content": []}]),
                json!([{"from": "gpt", "value": "x"}]), json!("[{}]"), json!({"role": "user"})]), 5),
        ) {
            let fields: Fields = keys.into_iter().map(str::to_owned).zip(values).collect();
            for (_, form) in RowForm::NAMES {
                if let Ok(found) = conversation(&fields, form, &Mapping::default()) {
                    prop_assert_eq!(found.turns().last().unwrap().role, Role::Assistant);
                }
            }
        }
    }
}
