//! Typed access to the keys of a `config.json`.

use super::{Family, RopeConfig, RopeScaling};
use crate::error::ConfigError;
use crate::quant::{Precision, bitsandbytes};
use serde_json::{Map, Value};

/// The keys of an object; a null counts as absent.
pub(super) struct Keys<'a>(pub &'a Map<String, Value>);

impl<'a> Keys<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// The family that `architectures` and `model_type` agree on.
    pub(super) fn family(&self) -> Result<Family, ConfigError> {
        let architectures: Vec<&str> = match self.get("architectures") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let model_type = self.text("model_type")?.unwrap_or("");
        let named = Family::ALL.into_iter().find(|family| architectures == [family.architecture()]);
        match named.filter(|family| model_type.is_empty() || model_type == family.model_type()) {
            Some(family) => Ok(family),
            None => Err(ConfigError::UnknownArchitecture {
                found: format!("{} (model_type {model_type:?})", architectures.join(", ")),
                accepted: Family::ALL.map(Family::architecture).join(", "),
            }),
        }
    }

    /// How the linear layers are packed in the files.
    pub(super) fn stored_precision(&self) -> Result<Option<Precision>, ConfigError> {
        let Some(value) = self.get("quantization_config") else { return Ok(None) };
        match value.as_object().and_then(bitsandbytes::precision_of) {
            Some(precision) => Ok(Some(precision)),
            None => Err(ConfigError::Invalid {
                key: "quantization_config",
                value: value.to_string(),
                expected: bitsandbytes::ACCEPTED,
            }),
        }
    }

    pub(super) fn rope(&self, family: Family) -> Result<RopeConfig, ConfigError> {
        // transformers 5 keeps everything in `rope_parameters`; 4 has `rope_theta` beside an optional `rope_scaling`.
        let parameters = match self.get("rope_parameters").or_else(|| self.get("rope_scaling")) {
            Some(Value::Object(parameters)) => Some(Keys(parameters)),
            Some(other) => {
                return Err(ConfigError::Invalid {
                    key: "rope_parameters",
                    value: other.to_string(),
                    expected: "an object",
                });
            }
            None => None,
        };
        let inner_theta = parameters.as_ref().map(|p| p.number("rope_theta")).transpose()?.flatten();
        let theta = match (inner_theta, self.number("rope_theta")?) {
            (Some(theta), _) | (None, Some(theta)) => theta,
            (None, None) => family.default_theta(),
        };
        let Some(p) = parameters else {
            return Ok(RopeConfig { theta, scaling: RopeScaling::None });
        };
        if let Some(part) = p.number("partial_rotary_factor")?.filter(|part| *part != 1.0) {
            return Err(ConfigError::Unsupported { key: "partial_rotary_factor", value: part.to_string() });
        }
        let kind = p.text("rope_type")?.or(p.text("type")?).unwrap_or("default");
        let required = |key: &'static str| p.number(key)?.ok_or(ConfigError::Missing { key });
        let scaling = match kind {
            "default" => RopeScaling::None,
            "linear" => RopeScaling::Linear { factor: required("factor")? },
            "llama3" => RopeScaling::Llama3 {
                factor: required("factor")?,
                low_freq_factor: required("low_freq_factor")?,
                high_freq_factor: required("high_freq_factor")?,
                original_positions: p.size("original_max_position_embeddings")?,
            },
            other => return Err(ConfigError::Unsupported { key: "rope_type", value: other.into() }),
        };
        Ok(RopeConfig { theta, scaling })
    }

    pub(super) fn text(&self, key: &'static str) -> Result<Option<&'a str>, ConfigError> {
        self.typed(key, "text", Value::as_str)
    }

    pub(super) fn flag(&self, key: &'static str) -> Result<Option<bool>, ConfigError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    pub(super) fn number(&self, key: &'static str) -> Result<Option<f64>, ConfigError> {
        self.typed(key, "a number", Value::as_f64)
    }

    pub(super) fn optional_size(&self, key: &'static str) -> Result<Option<usize>, ConfigError> {
        let size = |value: &Value| value.as_u64().and_then(|size| usize::try_from(size).ok());
        self.typed(key, "a whole number", size)
    }

    pub(super) fn size(&self, key: &'static str) -> Result<usize, ConfigError> {
        self.optional_size(key)?.ok_or(ConfigError::Missing { key })
    }

    fn typed<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(ConfigError::Invalid { key, value: value.to_string(), expected }),
        }
    }

    pub(super) fn token_ids(&self, key: &'static str) -> Result<Vec<u32>, ConfigError> {
        let invalid =
            |value: &Value| ConfigError::Invalid { key, value: value.to_string(), expected: "a token id or several" };
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| invalid(value));
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(ids)) => ids.iter().map(id).collect(),
            Some(value) => Ok(vec![id(value)?]),
        }
    }
}
