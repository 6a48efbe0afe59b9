//! Answers that are JSON, or JSON of a schema: which tokens may come next.
//!
//! ```text
//! schema     JSON Schema -> Schema; keywords that are not understood are refused by name
//! machine    Schema and the bytes so far -> which byte may come next, as a set of threads
//! vocabulary all tokens by their bytes; threads -> which tokens may come next
//! ```
//!
//! Own, since the libraries for it (llguidance, outlines-core) switch on `serde_json/preserve_order` for the whole workspace, by
//! which JSON that is hashed elsewhere would change.
//!
//! # Invariant
//! What an answer has when it ends by itself is JSON that the schema accepts, whatever the model says. One that ends at the
//! most tokens is a beginning of it.

mod machine;
mod schema;
mod text;
mod vocabulary;

use crate::sampling::Mask;
use machine::Threads;
pub use schema::{Schema, SchemaError};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
pub use vocabulary::Vocabulary;

/// Masks that are kept for one constraint. One takes a bit for each token of the model.
const MASKS_MAX: usize = 256;

/// What an answer has to be. Clones share what was found out about it.
#[derive(Clone)]
pub struct Constraint(Arc<Inner>);

struct Inner {
    schema: Schema,
    vocabulary: Arc<Vocabulary>,
    /// Inside a string the same tokens may come after each token.
    masks: Mutex<HashMap<Threads, Arc<Mask>>>,
}

impl Constraint {
    /// Answers of this schema, in tokens of this vocabulary.
    pub fn new(schema: Schema, vocabulary: Arc<Vocabulary>) -> Self {
        Self(Arc::new(Inner { schema, vocabulary, masks: Mutex::default() }))
    }

    /// The beginning of an answer.
    pub(crate) fn walk(&self) -> Walk {
        Walk { threads: Threads::start(&self.0.schema), constraint: self.clone() }
    }
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Constraint").field(&self.0.schema).finish()
    }
}

impl PartialEq for Constraint {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// An answer on its way.
pub(crate) struct Walk {
    constraint: Constraint,
    threads: Threads,
}

impl Walk {
    /// The tokens that may come next; `ends` are those that end the answer.
    pub(crate) fn allowed(&self, ends: &[u32]) -> Arc<Mask> {
        let Inner { schema, vocabulary, masks } = &*self.constraint.0;
        let mut masks = masks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mask) = masks.get(&self.threads) {
            return mask.clone();
        }
        let mut mask = vocabulary.mask(schema, &self.threads);
        for end in ends {
            mask.set(*end, self.threads.may_end(schema));
        }
        let mask = Arc::new(mask);
        if masks.len() >= MASKS_MAX {
            masks.clear();
        }
        masks.insert(self.threads.clone(), mask.clone());
        mask
    }

    /// Takes a token that [`Self::allowed`] allows and that does not end the answer. Returns whether nothing may follow it.
    pub(crate) fn advance(&mut self, token: u32) -> bool {
        let Inner { schema, vocabulary, .. } = &*self.constraint.0;
        for byte in vocabulary.bytes(token) {
            self.threads = self.threads.step(schema, *byte);
        }
        self.threads.is_over()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Whether the machine takes all of a text and may end there.
    fn accepts(schema: &Value, text: &str) -> bool {
        let schema = Schema::new(schema).unwrap();
        let mut threads = Threads::start(&schema);
        for byte in text.bytes() {
            threads = threads.step(&schema, byte);
            if threads.is_dead() {
                return false;
            }
        }
        threads.may_end(&schema)
    }

    #[test]
    fn any_json_is_what_parsers_take() {
        let any = json!({});
        for text in [
            "{}",
            "[]",
            "\"\"",
            "0",
            "-0.5e-7",
            "12",
            "true",
            "false",
            "null",
            " [1, 2 , {\"a\": [null]}] ",
            "\"\\u00e9\\n \\\"é漢😀\"",
            "{\"a\": {\"a\": []}, \"b\":1}",
            "\n{\n  \"a\":\n 1}",
            "1e5",
        ] {
            assert!(accepts(&any, text), "{text}");
            assert!(serde_json::from_str::<Value>(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{,}",
            "01",
            "-",
            "1.",
            "1e",
            "+1",
            ".5",
            "tru",
            "nulll",
            "\"a",
            "\"\\x\"",
            "\"\u{1}\"",
            "[1 2]",
            "{\"a\":1,}",
            "'a'",
            "1 2",
            "{a:1}",
            "\"\\ud800\"",
            "\"\\u12\"",
            "1e999",
        ] {
            assert!(!accepts(&any, text), "{text}");
        }
        // Between tokens: a single space, or a line end and an indent.
        let spaced = |spaces: &str| accepts(&any, &format!("[1,{spaces}2]"));
        assert!(spaced(" ") && spaced("\n") && spaced("\n    \t") && spaced(&format!("\n{}", " ".repeat(20))));
        assert!(!spaced("  ") && !spaced("\n\n") && !spaced(&format!("\n{}", " ".repeat(21))));
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(accepts(&any, &deep(60)) && !accepts(&any, &deep(100)));
        let broken = Schema::new(&any).unwrap();
        let bytes = [b'"', 0xe2, 0x28];
        let threads = bytes.iter().fold(Threads::start(&broken), |threads, byte| threads.step(&broken, *byte));
        assert!(threads.is_dead(), "half a character");
    }

    #[test]
    fn schemas_take_what_they_say_and_nothing_else() {
        let person = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "minLength": 1, "maxLength": 4 },
                "age": { "type": "integer" },
                "mood": { "enum": ["good", "bad", null, 7] },
                "tags": { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 2 },
                "next": { "anyOf": [{ "$ref": "#" }, { "type": "null" }] },
            },
            "required": ["name", "age"],
            "additionalProperties": false,
        });
        for text in [
            r#"{"name": "Ada", "age": 3}"#,
            r#"{"age": -3, "name": "\u00e9漢"}"#,
            r#"{"name":"a","age":0,"mood":null,"tags":["x","y"]}"#,
            r#"{"name":"a","age":0,"mood":"bad","next":{"name":"b","age":1,"next":null}}"#,
            r#"{"name":"a","age":0,"mood":7}"#,
        ] {
            assert!(accepts(&person, text), "{text}");
        }
        for text in [
            r#"{"name": "Ada"}"#,
            r#"{"name": "", "age": 3}"#,
            r#"{"name": "Grace", "age": 3}"#,
            r#"{"name": "a", "age": 3.5}"#,
            r#"{"name": "a", "age": 3, "age": 4}"#,
            r#"{"name": "a", "age": 3, "other": 4}"#,
            r#"{"name": "a", "age": 3, "mood": "ba"}"#,
            r#"{"name": "a", "age": 3, "tags": []}"#,
            r#"{"name": "a", "age": 3, "tags": ["a", "b", "c"]}"#,
            r#"{"name": "a", "age": 3, "tags": [1]}"#,
            r#"{"name": "a", "age": 3, "next": {}}"#,
            "[]",
            "null",
        ] {
            assert!(!accepts(&person, text), "{text}");
        }
        // Other names may not be those that are declared, however they are written.
        let open = json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "additionalProperties": { "type": "string" } });
        assert!(accepts(&open, r#"{"a": 1, "ab": "x", "": "y", "b": "z"}"#));
        assert!(
            !accepts(&open, r#"{"a": "x"}"#) && !accepts(&open, r#"{"\u0061": "x"}"#) && !accepts(&open, r#"{"b": 1}"#)
        );
        let tuple =
            json!({ "type": "array", "prefixItems": [{ "type": "integer" }, { "type": "boolean" }], "items": false });
        assert!(accepts(&tuple, "[1, true]") && accepts(&tuple, "[1]") && !accepts(&tuple, "[true]"));
        assert!(!accepts(&tuple, "[1, true, 2]"));
        let either = json!({ "type": ["number", "boolean"] });
        assert!(accepts(&either, "1.5") && accepts(&either, "true") && !accepts(&either, "null"));
        assert!(accepts(&json!({ "const": { "a": [1] } }), r#"{"a":[1]}"#));
    }

    #[test]
    fn whole_numbers_keep_their_bounds_digit_by_digit() {
        let ranges: [(i64, i64); 10] =
            [(0, 0), (1, 9), (5, 12), (-3, 5), (-120, -7), (98, 1_003), (100, 100), (-1, 0), (7, 70), (-1_000, 1_000)];
        for (least, most) in ranges {
            let schema = json!({ "type": "integer", "minimum": least, "exclusiveMaximum": most + 1 });
            let compiled = Schema::new(&schema).unwrap();
            for number in -1_300i64..=1_300 {
                let text = number.to_string();
                assert_eq!(accepts(&schema, &text), (least..=most).contains(&number), "{number} of {least}..={most}");
                // Whatever is begun can be ended: a beginning is dead, or that of a number between them.
                let bytes = text.as_bytes();
                let begun = bytes.iter().fold(Threads::start(&compiled), |now, byte| now.step(&compiled, *byte));
                let goes_on = (least..=most).any(|inside| inside.to_string().starts_with(&text));
                assert_eq!(!begun.is_dead(), goes_on, "{number} of {least}..={most}");
            }
        }
        let from = json!({ "type": ["integer", "null"], "exclusiveMinimum": -0.5 });
        assert!(accepts(&from, "0") && accepts(&from, "999999999999999") && accepts(&from, "null"));
        assert!(!accepts(&from, "-1") && !accepts(&from, "1.5") && !accepts(&from, "1000000000000000"));
        let pair = json!({ "type": "array", "items": { "type": "integer", "minimum": 10, "maximum": 20 } });
        assert!(accepts(&pair, "[10, 20]") && !accepts(&pair, "[1, 20]") && !accepts(&pair, "[21]"));
        assert!(!accepts(&json!({ "type": "integer", "minimum": 5 }), "05"));
    }

    #[test]
    fn what_is_not_understood_is_refused_by_its_name() {
        for (schema, path) in [
            (json!({ "type": "string", "pattern": "a+" }), "pattern"),
            (
                json!({ "type": "object", "properties": { "a": { "type": "number", "minimum": 3 } } }),
                "properties.a.minimum",
            ),
            (json!({ "oneOf": [{}] }), "oneOf"),
            (json!({ "type": "array", "items": { "not": {} } }), "items.not"),
            (json!({ "type": "date" }), "type"),
            (json!({ "$ref": "#/$defs/a" }), "$ref"),
            (json!({ "$ref": "http://a/b" }), "$ref"),
            (json!({ "$ref": "#" }), "$ref"),
            (json!({ "anyOf": [] }), "anyOf"),
            (json!({ "type": "string", "minLength": -1 }), "minLength"),
            (json!({ "type": "object", "required": ["a"], "additionalProperties": false }), "required"),
            (json!({ "type": "integer", "minimum": "3" }), "minimum"),
            (json!({ "type": "integer", "maximum": 1e15 }), "maximum"),
            (json!({ "type": "integer", "minimum": 3.2, "exclusiveMaximum": 4 }), ""),
            (json!(false), ""),
            (json!([]), ""),
        ] {
            let error = Schema::new(&schema).unwrap_err();
            assert_eq!(error.path(), path, "{schema}: {error}");
        }
    }
}
