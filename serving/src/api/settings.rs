//! The fields that both kinds of completions have.

use super::error::ApiError;
use super::fields::{Fields, array, number, string, wrong_type};
use crate::sampling::{Sampling, TOP_LOGPROBS_MAX};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Stop strings of a request.
const STOPS_MAX: usize = 4;
/// Bytes of a stop string: so much text is held back at most.
const STOP_BYTES_MAX: usize = 256;
/// Tokens with a bias.
const BIASES_MAX: usize = 1024;
/// Pairs of `metadata`, and characters of their names and values.
const METADATA_MAX: (usize, usize, usize) = (16, 64, 512);
/// Bytes of `user`.
const USER_BYTES_MAX: usize = 512;
/// Bytes of a model's name.
const MODEL_BYTES_MAX: usize = 256;

/// What is the same in both.
pub(super) struct Settings {
    pub model: String,
    pub choices: u32,
    pub stop: Vec<String>,
    pub stream: bool,
    pub include_usage: bool,
    /// But for `top_logprobs`, which the two write differently.
    pub sampling: Sampling,
}

impl Settings {
    /// Reads them. `choices_max` is the engine's.
    pub fn read(fields: &mut Fields, choices_max: u32) -> Result<Self, ApiError> {
        let model = fields.required_string("model")?;
        if model.len() > MODEL_BYTES_MAX {
            return Err(too_long("model", MODEL_BYTES_MAX));
        }
        let choices = fields.integer("n", 1..=choices_max.into())?.unwrap_or(1);
        let stream = fields.boolean("stream")?.unwrap_or(false);
        let include_usage = include_usage(fields, stream)?;
        let settings = Self {
            model,
            choices: u32::try_from(choices).unwrap_or(choices_max),
            stop: stop(fields)?,
            stream,
            include_usage,
            sampling: sampling(fields)?,
        };
        // Who asks, for whoever operates this: nothing is kept of it.
        for name in ["user", "safety_identifier"] {
            if fields.string(name)?.is_some_and(|text| text.len() > USER_BYTES_MAX) {
                return Err(too_long(name, USER_BYTES_MAX));
            }
        }
        metadata(fields)?;
        // Nothing is stored, and there is one tier.
        fields.only("store", &[json!(false)])?;
        fields.only("service_tier", &[json!("auto"), json!("default")])?;
        Ok(settings)
    }
}

fn sampling(fields: &mut Fields) -> Result<Sampling, ApiError> {
    let f32_of = |value: f64| value as f32;
    let none = Sampling::default();
    let sampling = Sampling {
        temperature: fields.number("temperature", 0.0..=2.0)?.map_or(1.0, f32_of),
        top_k: fields.integer("top_k", 1..=i64::from(u32::MAX))?.and_then(|k| usize::try_from(k).ok()),
        // Nothing is less than the most likely token alone.
        top_p: fields.number("top_p", 0.0..=1.0)?.map_or(1.0, f32_of).max(f32::MIN_POSITIVE),
        min_p: fields.number("min_p", 0.0..=1.0)?.map_or(0.0, f32_of),
        // A request without a seed gets another answer every time.
        seed: fields.integer("seed", i64::MIN..=i64::MAX)?.map_or_else(rand::random, i64::cast_unsigned),
        logit_bias: logit_bias(fields)?,
        presence_penalty: fields.number("presence_penalty", -2.0..=2.0)?.map_or(none.presence_penalty, f32_of),
        frequency_penalty: fields.number("frequency_penalty", -2.0..=2.0)?.map_or(none.frequency_penalty, f32_of),
        repetition_penalty: fields.number("repetition_penalty", 0.01..=100.0)?.map_or(none.repetition_penalty, f32_of),
        top_logprobs: None,
    };
    Ok(sampling)
}

fn logit_bias(fields: &mut Fields) -> Result<BTreeMap<u32, f32>, ApiError> {
    let path = fields.path("logit_bias");
    let map = match fields.take("logit_bias") {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(wrong_type(&path, &other, "an object from tokens to numbers")),
    };
    if map.len() > BIASES_MAX {
        let message = format!("{path} names {} tokens; {BIASES_MAX} at most are accepted", map.len());
        return Err(ApiError::invalid(path, "invalid_value", message));
    }
    let mut biases = BTreeMap::new();
    for (token, bias) in &map {
        let inner = format!("{path}.{token}");
        let bias = number(bias, &inner, -100.0..=100.0)? as f32;
        let Ok(number) = token.parse::<u32>() else {
            let message = format!("{path} has the key {token:?}; numbers of tokens are accepted");
            return Err(ApiError::invalid(path, "invalid_value", message));
        };
        // `7` and `07` are one token.
        if biases.insert(number, bias).is_some() {
            let message = format!("{path} has the token {number} twice");
            return Err(ApiError::invalid(path, "invalid_value", message));
        }
    }
    Ok(biases)
}

fn stop(fields: &mut Fields) -> Result<Vec<String>, ApiError> {
    let path = fields.path("stop");
    let stops = match fields.take("stop") {
        None => Vec::new(),
        Some(Value::String(stop)) => vec![stop],
        Some(Value::Array(stops)) => {
            let item = |(index, stop)| string(stop, &format!("{path}[{index}]"));
            stops.into_iter().enumerate().map(item).collect::<Result<_, _>>()?
        }
        Some(other) => return Err(wrong_type(&path, &other, "a string or an array of strings")),
    };
    if stops.len() > STOPS_MAX {
        let message = format!("{path} has {} strings; {STOPS_MAX} at most are accepted", stops.len());
        return Err(ApiError::invalid(path, "invalid_value", message));
    }
    if stops.iter().any(|stop| stop.is_empty() || stop.len() > STOP_BYTES_MAX) {
        let message = format!("{path} has a string that is empty or longer than {STOP_BYTES_MAX} bytes");
        return Err(ApiError::invalid(path, "invalid_value", message));
    }
    Ok(stops)
}

fn include_usage(fields: &mut Fields, stream: bool) -> Result<bool, ApiError> {
    let path = fields.path("stream_options");
    let Some(options) = fields.take("stream_options") else { return Ok(false) };
    let mut options = Fields::of(options, &path)?;
    if !stream {
        let message = format!("{path} is accepted together with stream = true only");
        return Err(ApiError::invalid(path, "invalid_value", message));
    }
    let include_usage = options.boolean("include_usage")?.unwrap_or(false);
    options.only("include_obfuscation", &[json!(false)])?;
    options.finish(&[])?;
    Ok(include_usage)
}

/// The client's own notes.
pub(super) fn metadata(fields: &mut Fields) -> Result<BTreeMap<String, String>, ApiError> {
    let path = fields.path("metadata");
    let map = match fields.take("metadata") {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(wrong_type(&path, &other, "an object from names to strings")),
    };
    let mut metadata = BTreeMap::new();
    for (name, value) in map {
        let value = string(value, &format!("{path}.{name}"))?;
        metadata.insert(name, value);
    }
    let (pairs, names, values) = METADATA_MAX;
    let fits = |(name, value): (&String, &String)| name.chars().count() <= names && value.chars().count() <= values;
    if metadata.len() > pairs || !metadata.iter().all(fits) {
        let message = format!(
            "{path} is too large; {pairs} pairs, names of {names} and values of {values} characters are accepted"
        );
        return Err(ApiError::invalid(path, "invalid_value", message));
    }
    Ok(metadata)
}

fn too_long(path: &str, bytes: usize) -> ApiError {
    ApiError::invalid(path, "invalid_value", format!("{path} is longer than the {bytes} bytes that are accepted"))
}

/// The most tokens of an answer, by whichever of its names.
pub(super) fn tokens_max(fields: &mut Fields, names: &[&str]) -> Result<Option<usize>, ApiError> {
    let mut found: Option<(&str, i64)> = None;
    for name in names {
        let Some(tokens) = fields.integer(name, 1..=i64::from(u32::MAX))? else { continue };
        if let Some((other, before)) = found
            && before != tokens
        {
            let message =
                format!("{other} = {before} and {name} = {tokens} contradict each other; hint: give one of them");
            return Err(ApiError::invalid(fields.path(name), "invalid_value", message));
        }
        found = Some((name, tokens));
    }
    Ok(found.and_then(|(_, tokens)| usize::try_from(tokens).ok()))
}

/// How many of the likeliest tokens are told, from a field with a number.
pub(super) fn top_logprobs(fields: &mut Fields, name: &str) -> Result<Option<usize>, ApiError> {
    let count = fields.integer(name, 0..=TOP_LOGPROBS_MAX as i64)?;
    Ok(count.and_then(|count| usize::try_from(count).ok()))
}

/// The values of an array field, with their paths.
pub(super) fn items(value: Value, path: &str) -> Result<Vec<(String, Value)>, ApiError> {
    let values = array(value, path)?;
    Ok(values.into_iter().enumerate().map(|(index, value)| (format!("{path}[{index}]"), value)).collect())
}
