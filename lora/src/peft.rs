//! Adapter files as PEFT writes and reads them.
//!
//! A folder with `adapter_config.json` and `adapter_model.safetensors`. The weights file also names the base model's hash
//! in its metadata, so the adapter's hash commits to its base; PEFT ignores the entry, and a file without it is accepted
//! if its shapes fit.

use crate::error::AdapterError;
use crate::files::write_atomically;
use crate::lora::{A_SUFFIX, Adapter, B_SUFFIX, LoraConfig, MAGNITUDE_SUFFIX, PairValues};
use crate::model::Model;
use crate::ops::with_values;
use crate::targets::{Targets, accepted};
use crate::weights::to_f32;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use tributary_protocol::ContentHash;

/// Name of the weights file.
pub const WEIGHTS_FILE: &str = "adapter_model.safetensors";
/// Name of the configuration file.
pub const CONFIG_FILE: &str = "adapter_config.json";
/// Metadata entry that names the base model.
const BASE_ENTRY: &str = "base_model_blake3";

/// Settings of PEFT that change the result, with the values for which they do not. `[]` and `{}` are neutral everywhere.
const MUST_BE_NEUTRAL: &[(&str, &[&str])] = &[
    ("bias", &["\"none\""]),
    ("fan_in_fan_out", &["false"]),
    ("modules_to_save", &[]),
    ("layers_to_transform", &[]),
    ("layer_replication", &[]),
    ("exclude_modules", &[]),
    ("rank_pattern", &[]),
    ("alpha_pattern", &[]),
    ("target_parameters", &[]),
    ("trainable_token_indices", &[]),
    ("lora_bias", &["false"]),
    ("use_qalora", &["false"]),
    ("use_bdlora", &["false"]),
    ("alora_invocation_tokens", &[]),
    ("velora_config", &[]),
    ("kasa_config", &[]),
    ("arrow_config", &[]),
    ("monteclora_config", &[]),
    // The others change the base as the adapter is attached.
    ("init_lora_weights", &["true", "false", "\"gaussian\"", "\"orthogonal\"", "\"eva\""]),
];

impl Adapter {
    /// Reads the adapter in the PEFT folder `dir` for `model`.
    ///
    /// Errors: an adapter that names another base, or whose layers or shapes do not fit the model; a setting that changes
    /// the result and is not supported; a damaged file.
    pub fn load(dir: &Path, model: &Model) -> Result<Self, AdapterError> {
        let read = |name: &str| {
            let path = dir.join(name);
            std::fs::read(&path).map_err(|source| AdapterError::File { path, source })
        };
        Self::from_peft(&read(CONFIG_FILE)?, &read(WEIGHTS_FILE)?, model)
    }

    /// Reads an adapter from the bytes of its two files.
    pub fn from_peft(config: &[u8], weights: &[u8], model: &Model) -> Result<Self, AdapterError> {
        let config = parse_config(config)?;
        let damaged = |error: safetensors::SafeTensorError| AdapterError::Damaged { reason: error.to_string() };
        let (_, header) = SafeTensors::read_metadata(weights).map_err(damaged)?;
        let named = header.metadata().as_ref().and_then(|metadata| metadata.get(BASE_ENTRY));
        if let (Some(named), Some(expected)) = (named, model.content_hash()) {
            let found = named.parse().map_err(|reason: &str| AdapterError::Damaged { reason: reason.into() })?;
            if found != expected {
                return Err(AdapterError::OtherBase { found, expected });
            }
        }
        let file = SafeTensors::deserialize(weights).map_err(damaged)?;
        let mut unused: BTreeSet<&str> = file.names().into_iter().collect();
        let mut values = |name: String, shape: &[usize]| {
            let view = file.tensor(&name).map_err(|_| AdapterError::MissingTensor { name: name.clone() })?;
            unused.remove(name.as_str());
            if view.shape() != shape {
                return Err(AdapterError::Shape { name, found: view.shape().into(), expected: shape.into() });
            }
            let values = to_f32(&name, &view).map_err(|error| AdapterError::Damaged { reason: error.to_string() })?;
            match values.iter().find(|value| !value.is_finite()) {
                Some(value) => Err(AdapterError::NotFinite { name, value: *value }),
                None => Ok(values),
            }
        };
        let decomposed = config.weight_decomposed;
        let adapter = Self::build(model, config, |name, a_shape, b_shape| {
            let a = values(format!("{name}{A_SUFFIX}"), &[a_shape.0, a_shape.1])?;
            let b = values(format!("{name}{B_SUFFIX}"), &[b_shape.0, b_shape.1])?;
            let magnitude =
                decomposed.then(|| values(format!("{name}{MAGNITUDE_SUFFIX}"), &[b_shape.0])).transpose()?;
            Ok(PairValues { a, b, magnitude })
        })?;
        match unused.first() {
            Some(name) => Err(AdapterError::UnexpectedTensor { name: (*name).into() }),
            None => Ok(adapter),
        }
    }

    /// Writes the adapter to the PEFT folder `dir` and returns its hash, the BLAKE3 of the weights file.
    ///
    /// Each file is replaced atomically, the weights last. The same parameters give the same bytes.
    pub fn save(&self, dir: &Path, base_name: &str) -> Result<ContentHash, AdapterError> {
        let weights = self.to_safetensors()?;
        let config = self.to_peft_config(base_name);
        for (name, bytes) in [(CONFIG_FILE, config.as_bytes()), (WEIGHTS_FILE, weights.as_slice())] {
            let path = dir.join(name);
            write_atomically(&path, bytes).map_err(|source| AdapterError::File { path, source })?;
        }
        Ok(ContentHash::of(&weights))
    }

    /// The hash of the adapter: the BLAKE3 of its weights file.
    pub fn content_hash(&self) -> Result<ContentHash, AdapterError> {
        Ok(ContentHash::of(&self.to_safetensors()?))
    }

    /// The bytes of the weights file.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, AdapterError> {
        let mut tensors = Vec::new();
        for (name, tensor) in self.tensors() {
            let bytes =
                with_values(&tensor, |values| Ok(values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()))?;
            tensors.push((name, tensor.dims().to_vec(), bytes));
        }
        let damaged = |error: safetensors::SafeTensorError| AdapterError::Damaged { reason: error.to_string() };
        let mut views = Vec::with_capacity(tensors.len());
        for (name, shape, bytes) in &tensors {
            views.push((name, TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(damaged)?));
        }
        // One entry only: with several, the order in the file would differ from run to run.
        let (key, value) = match self.base() {
            Some(base) => (BASE_ENTRY, base.to_string()),
            None => ("format", "pt".to_owned()),
        };
        safetensors::serialize(views, Some(HashMap::from([(key.to_owned(), value)]))).map_err(damaged)
    }

    /// The text of the configuration file; `base_name` is what PEFT loads as the base model.
    pub fn to_peft_config(&self, base_name: &str) -> String {
        let LoraConfig { rank, alpha, targets, dropout, rank_stabilised, weight_decomposed } = self.config();
        let alpha = if alpha.fract() == 0.0 { Value::from(*alpha as i64) } else { Value::from(shortest(*alpha)) };
        let targets = match targets {
            // The names that the model's family has for them; PEFT too writes names for all layers.
            Targets::Named(_) | Targets::AllLinear => Value::from(self.module_names()),
            Targets::Pattern(pattern) => Value::from(pattern.as_str()),
        };
        let mut config = serde_json::json!({
            "base_model_name_or_path": base_name,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "lora_alpha": alpha,
            "lora_dropout": shortest(*dropout),
            "peft_type": "LORA",
            "r": rank,
            "target_modules": targets,
            "task_type": "CAUSAL_LM",
        });
        for (key, set) in [("use_dora", weight_decomposed), ("use_rslora", rank_stabilised)] {
            if *set {
                config[key] = true.into();
            }
        }
        format!("{config:#}\n")
    }
}

/// The f64 with the shortest decimal of the f32: 0.1 instead of 0.10000000149011612.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

fn parse_config(text: &[u8]) -> Result<LoraConfig, AdapterError> {
    let invalid = |reason: String| AdapterError::Config { reason };
    let keys: Map<String, Value> = serde_json::from_slice(text).map_err(|error| invalid(error.to_string()))?;
    let text_of = |key: &str| keys.get(key).unwrap_or(&Value::Null).to_string();
    if keys.get("peft_type").and_then(Value::as_str) != Some("LORA") {
        return Err(AdapterError::Unsupported { key: "peft_type".into(), value: text_of("peft_type") });
    }
    for (key, neutral) in MUST_BE_NEUTRAL {
        let value = text_of(key);
        if !["null", "[]", "{}"].contains(&value.as_str()) && !neutral.contains(&value.as_str()) {
            return Err(AdapterError::Unsupported { key: (*key).into(), value });
        }
    }
    let targets = match keys.get("target_modules") {
        Some(Value::String(text)) => Targets::from_text(text),
        Some(Value::Array(names)) => Targets::from_names(
            names
                .iter()
                .map(|name| name.as_str().ok_or_else(|| invalid(format!("target_modules holds {name}, not a name"))))
                .collect::<Result<Vec<_>, _>>()?,
        )?,
        _ => {
            let accepted = accepted();
            let found = text_of("target_modules");
            return Err(invalid(format!(
                "target_modules is {found}; hint: name some of {accepted}, or \"all-linear\""
            )));
        }
    };
    let flag = |key: &str| match keys.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(set)) => Ok(*set),
        Some(other) => Err(invalid(format!("{key} is {other}, expected true or false"))),
    };
    let number = |key: &str| keys.get(key).and_then(Value::as_f64).map(|value| value as f32);
    let rank = keys.get("r").and_then(Value::as_u64).and_then(|rank| usize::try_from(rank).ok());
    let dropout = match keys.get("lora_dropout") {
        None | Some(Value::Null) => Some(0.0),
        Some(_) => number("lora_dropout"),
    };
    Ok(LoraConfig {
        rank: rank.ok_or_else(|| invalid(format!("r is {}, expected a positive whole number", text_of("r"))))?,
        alpha: number("lora_alpha")
            .ok_or_else(|| invalid(format!("lora_alpha is {}, expected a number", text_of("lora_alpha"))))?,
        targets,
        dropout: dropout
            .ok_or_else(|| invalid(format!("lora_dropout is {}, expected a number", text_of("lora_dropout"))))?,
        rank_stabilised: flag("use_rslora")?,
        weight_decomposed: flag("use_dora")?,
    })
}
