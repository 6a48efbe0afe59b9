//! Reading JSON field by field: what is wrong is told with its path, and nothing is ignored.

use super::error::ApiError;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fmt;
use std::ops::RangeInclusive;

/// The fields of an object that were not read yet. A field that is null counts as absent.
pub(crate) struct Fields {
    /// Of the object, with a dot behind it; empty for the body itself.
    path: String,
    map: Map<String, Value>,
}

impl Fields {
    /// Those of a body.
    ///
    /// Errors: no JSON (where), an object that has a field twice, something other than an object.
    pub fn of_body(body: &[u8]) -> Result<Self, ApiError> {
        let malformed = |error: serde_json::Error| ApiError::malformed(format!("the body is not valid JSON: {error}"));
        Unique::check(body).map_err(malformed)?;
        match serde_json::from_slice(body).map_err(malformed)? {
            Value::Object(map) => Ok(Self { path: String::new(), map }),
            other => Err(ApiError::malformed(format!("the body is {}; an object is accepted", kind(&other)))),
        }
    }

    /// Those of an object inside another.
    pub fn of(value: Value, path: &str) -> Result<Self, ApiError> {
        match value {
            Value::Object(map) => Ok(Self { path: format!("{path}."), map }),
            other => Err(wrong_type(path, &other, "an object")),
        }
    }

    /// The path of one of the fields.
    pub fn path(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a field out that says what is done anyway.
    pub fn take_if(&mut self, name: &str, value: &Value) {
        if self.map.get(name) == Some(value) {
            self.map.remove(name);
        }
    }

    pub fn required(&mut self, name: &str) -> Result<Value, ApiError> {
        let path = self.path(name);
        self.take(name).ok_or_else(|| {
            ApiError::invalid(path.as_str(), "missing_required_parameter", format!("the field {path:?} is missing"))
        })
    }

    pub fn boolean(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(wrong_type(&self.path(name), &other, "true or false")),
        }
    }

    pub fn string(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(&self.path(name), &other, "a string")),
        }
    }

    pub fn required_string(&mut self, name: &str) -> Result<String, ApiError> {
        let path = self.path(name);
        string(self.required(name)?, &path)
    }

    /// A finite number within bounds.
    pub fn number(&mut self, name: &str, bounds: RangeInclusive<f64>) -> Result<Option<f64>, ApiError> {
        let path = self.path(name);
        self.take(name).map(|value| number(&value, &path, bounds)).transpose()
    }

    /// A whole number within bounds.
    pub fn integer(&mut self, name: &str, bounds: RangeInclusive<i64>) -> Result<Option<i64>, ApiError> {
        let path = self.path(name);
        self.take(name).map(|value| integer(&value, &path, bounds)).transpose()
    }

    /// A field with one accepted value, which says what is done anyway.
    pub fn only(&mut self, name: &str, accepted: &[Value]) -> Result<(), ApiError> {
        match self.take(name) {
            Some(value) if !accepted.contains(&value) => {
                let path = self.path(name);
                let accepted: Vec<String> = accepted.iter().map(Value::to_string).collect();
                let message =
                    format!("{path} = {} is not supported here; {} is accepted", brief(&value), accepted.join(" or "));
                Err(ApiError::invalid(path, "unsupported_parameter", message))
            }
            _ => Ok(()),
        }
    }

    /// Refuses what is left: fields of OpenAI's API that are not supported here, with the reason, and unknown ones.
    pub fn finish(self, unsupported: &[(&str, &str)]) -> Result<(), ApiError> {
        for (name, value) in &self.map {
            let path = self.path(name);
            match unsupported.iter().find(|(known, _)| known == name) {
                // What is not asked for needs no support.
                Some(_) if value.is_null() => {}
                Some((_, reason)) => {
                    let message = format!("{path} is not supported here: {reason}");
                    return Err(ApiError::invalid(path, "unsupported_parameter", message));
                }
                None => {
                    let message =
                        format!("the field {path:?} is not known; hint: GET /openapi.json lists those that are");
                    return Err(ApiError::invalid(path, "unknown_parameter", message));
                }
            }
        }
        Ok(())
    }
}

/// The text that a value is.
pub(crate) fn string(value: Value, path: &str) -> Result<String, ApiError> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(wrong_type(path, &other, "a string")),
    }
}

/// The values of an array.
pub(crate) fn array(value: Value, path: &str) -> Result<Vec<Value>, ApiError> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(wrong_type(path, &other, "an array")),
    }
}

pub(crate) fn number(value: &Value, path: &str, bounds: RangeInclusive<f64>) -> Result<f64, ApiError> {
    let Value::Number(number) = value else { return Err(wrong_type(path, value, "a number")) };
    match number.as_f64().filter(|number| bounds.contains(number)) {
        Some(number) => Ok(number),
        None => Err(out_of_range(path, value, bounds.start(), bounds.end())),
    }
}

pub(crate) fn integer(value: &Value, path: &str, bounds: RangeInclusive<i64>) -> Result<i64, ApiError> {
    let Value::Number(number) = value else { return Err(wrong_type(path, value, "a whole number")) };
    // 3.0 is a whole number too; floats are exact up to 2^53.
    let whole =
        |number: f64| (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64);
    match number.as_i64().or_else(|| number.as_f64().and_then(whole)).filter(|number| bounds.contains(number)) {
        Some(number) => Ok(number),
        None if number.as_f64().is_some_and(|number| number.is_finite() && number.fract() != 0.0) => {
            Err(wrong_type(path, value, "a whole number"))
        }
        None => Err(out_of_range(path, value, bounds.start(), bounds.end())),
    }
}

fn out_of_range(path: &str, value: &Value, from: &dyn fmt::Display, to: &dyn fmt::Display) -> ApiError {
    let message = format!("{path} = {} is out of range: {from} to {to} is accepted", brief(value));
    ApiError::invalid(path, "invalid_value", message)
}

pub(crate) fn wrong_type(path: &str, found: &Value, accepted: &str) -> ApiError {
    ApiError::invalid(path, "invalid_type", format!("{path} is {}; {accepted} is accepted", kind(found)))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A value as errors show it.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

/// Finds fields that an object has twice: of those one would be ignored.
struct Unique;

impl Unique {
    fn check(body: &[u8]) -> serde_json::Result<()> {
        let mut reader = serde_json::Deserializer::from_slice(body);
        Self.deserialize(&mut reader)?;
        reader.end()
    }
}

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while values.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    // Numbers of arbitrary precision come as an object of one field.
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(Name(name)) = fields.next_key()? {
            fields.next_value_seed(Self)?;
            if seen.contains(&name) {
                return Err(de::Error::custom(format_args!("the field {name:?} is there twice")));
            }
            seen.insert(name);
        }
        Ok(())
    }
}

/// A field's name.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        String::deserialize(reader).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str, read: impl Fn(&mut Fields) -> Result<(), ApiError>) -> Value {
        let read = Fields::of_body(body.as_bytes()).and_then(|mut fields| {
            read(&mut fields)?;
            fields.finish(&[("tools", "there are none")])
        });
        let written: Value = serde_json::from_str(&read.unwrap_err().json()).unwrap();
        written["error"].clone()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let temperature = |fields: &mut Fields| fields.number("temperature", 0.0..=2.0).map(drop);
        let n = |fields: &mut Fields| fields.integer("n", 1..=16).map(drop);
        for (body, read, code, param, words) in [
            (
                r#"{"temperature": 1e999}"#,
                &temperature as &dyn Fn(&mut Fields) -> _,
                "invalid_value",
                "temperature",
                "0 to 2",
            ),
            (r#"{"temperature": "1"}"#, &temperature, "invalid_type", "temperature", "a string"),
            (r#"{"temperature": -0.1}"#, &temperature, "invalid_value", "temperature", "-0.1"),
            (r#"{"n": 1.5}"#, &n, "invalid_type", "n", "whole"),
            (r#"{"n": 99999999999999999999999999}"#, &n, "invalid_value", "n", "1 to 16"),
            (r#"{"n": true}"#, &n, "invalid_type", "n", "whole"),
            (r#"{"tools": []}"#, &n, "unsupported_parameter", "tools", "there are none"),
            (r#"{"tools": null, "x": null}"#, &n, "unknown_parameter", "x", "not known"),
        ] {
            let error = error(body, read);
            assert_eq!((&error["code"], &error["param"]), (&code.into(), &param.into()), "{body}: {error}");
            assert!(error["message"].as_str().unwrap().contains(words), "{body}: {error}");
        }
        for (body, words) in [
            ("{\n  \"n\": 1,\n}", "line 3 column 1"),
            ("", "EOF"),
            ("[1]", "an array"),
            (r#"{"n": 1, "n": 2}"#, "twice"),
            (r#"{"a": {"n": 1, "n": 2}}"#, "twice"),
            (r#"{"n": 1} x"#, "trailing"),
            (&format!("{}1{}", "[".repeat(4000), "]".repeat(4000)), "recursion"),
        ] {
            let error = error(body, |_| Ok(()));
            assert_eq!(error["code"], "invalid_json", "{error}");
            assert!(error["message"].as_str().unwrap().contains(words), "{body:.60}: {error}");
        }
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_point() {
        let mut fields = Fields::of_body(br#"{"a": 3.0, "b": -9, "c": 2e1, "d": null}"#).unwrap();
        assert_eq!(fields.integer("a", 0..=3).unwrap(), Some(3));
        assert_eq!(fields.integer("b", -9..=3).unwrap(), Some(-9));
        assert_eq!(fields.integer("c", 0..=20).unwrap(), Some(20));
        assert_eq!(fields.integer("d", 0..=20).unwrap(), None);
        assert!(fields.finish(&[]).is_ok());
    }
}
