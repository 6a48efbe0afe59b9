//! What a model's `config.json` says, as far as it changes the mathematics.

use crate::error::ConfigError;
use serde_json::{Map, Value};
use std::path::Path;

/// Shape and constants of a Llama-architecture decoder.
///
/// Read from the `config.json` of transformers 4 (`rope_theta`, `rope_scaling`) and 5 (`rope_parameters`). Whatever would
/// change the computation and is not supported is an error that names the key: a model that runs slightly wrong is worse
/// than one that does not load.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Number of token ids.
    pub vocab_size: usize,
    /// Features of a position between the layers.
    pub hidden_size: usize,
    /// Features inside the feed-forward block.
    pub intermediate_size: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Features of one head.
    pub head_dim: usize,
    /// Added to the mean square before the root in every normalisation.
    pub rms_norm_eps: f32,
    /// Rotary position embedding.
    pub rope: RopeConfig,
    /// Longest sequence.
    pub positions_max: usize,
    /// Whether the head is the embedding matrix.
    pub tie_word_embeddings: bool,
    /// Token that begins a sequence.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a sequence; may be several.
    pub eos_token_ids: Vec<u32>,
}

/// Rotary position embedding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RopeConfig {
    /// Base of the frequencies.
    pub theta: f64,
    /// How the frequencies are stretched for long contexts.
    pub scaling: RopeScaling,
}

/// How rotary frequencies are stretched for long contexts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All divided by `factor`.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Long wavelengths divided, short ones kept, a smooth ramp between (Llama 3.1).
    Llama3 {
        /// Divisor of the long wavelengths.
        factor: f64,
        /// Wavelengths above `original_positions / low_freq_factor` are divided.
        low_freq_factor: f64,
        /// Wavelengths below `original_positions / high_freq_factor` are kept.
        high_freq_factor: f64,
        /// Context length of the original training.
        original_positions: usize,
    },
}

/// Keys that change the mathematics of a decoder, with the only values for which they do not.
const MUST_BE_NEUTRAL: &[(&str, &[&str])] = &[
    ("attention_bias", &["false", "null"]),
    ("mlp_bias", &["false", "null"]),
    ("quantization_config", &["null"]),
    ("sliding_window", &["null"]),
    ("partial_rotary_factor", &["null", "1", "1.0"]),
    ("attention_multiplier", &["null"]),
    ("embedding_multiplier", &["null"]),
    ("residual_multiplier", &["null"]),
    ("logits_scaling", &["null"]),
    ("attn_logit_softcapping", &["null"]),
    ("final_logit_softcapping", &["null"]),
    ("use_qk_norm", &["null", "false"]),
    ("num_local_experts", &["null"]),
];

impl ModelConfig {
    /// Reads `config.json` in a Hugging Face model folder.
    pub fn from_dir(dir: &Path) -> Result<Self, ConfigError> {
        let path = dir.join("config.json");
        let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        Self::from_json(&text)
    }

    /// Parses the text of a `config.json`.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let keys: Map<String, Value> = serde_json::from_str(text)?;
        let keys = Keys(&keys);
        keys.check_architecture()?;
        for (key, neutral) in MUST_BE_NEUTRAL {
            if let Some(value) = keys.0.get(*key).filter(|value| !neutral.contains(&value.to_string().as_str())) {
                return Err(ConfigError::Unsupported { key, value: value.to_string() });
            }
        }
        let activation = keys.text("hidden_act")?.unwrap_or("silu");
        if activation != "silu" && activation != "swish" {
            return Err(ConfigError::Unsupported { key: "hidden_act", value: activation.into() });
        }
        let (hidden_size, heads) = (keys.size("hidden_size")?, keys.size("num_attention_heads")?);
        let config = Self {
            vocab_size: keys.size("vocab_size")?,
            hidden_size,
            intermediate_size: keys.size("intermediate_size")?,
            layers: keys.size("num_hidden_layers")?,
            heads,
            kv_heads: keys.optional_size("num_key_value_heads")?.unwrap_or(heads),
            head_dim: keys.optional_size("head_dim")?.unwrap_or(hidden_size / heads.max(1)),
            rms_norm_eps: keys.number("rms_norm_eps")?.unwrap_or(1e-6) as f32,
            rope: keys.rope()?,
            positions_max: keys.size("max_position_embeddings")?,
            tie_word_embeddings: keys.0.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(false),
            bos_token_id: keys.token_ids("bos_token_id")?.first().copied(),
            eos_token_ids: keys.token_ids("eos_token_id")?,
        };
        config.check()?;
        Ok(config)
    }

    /// The `config.json` that describes this model to transformers 4 and 5.
    pub fn to_json(&self) -> String {
        let mut rope = serde_json::json!({ "rope_theta": self.rope.theta, "rope_type": "default" });
        match self.rope.scaling {
            RopeScaling::None => {}
            RopeScaling::Linear { factor } => {
                rope["rope_type"] = "linear".into();
                rope["factor"] = factor.into();
            }
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_positions } => {
                rope["rope_type"] = "llama3".into();
                rope["factor"] = factor.into();
                rope["low_freq_factor"] = low_freq_factor.into();
                rope["high_freq_factor"] = high_freq_factor.into();
                rope["original_max_position_embeddings"] = original_positions.into();
            }
        }
        let scaling = if self.rope.scaling == RopeScaling::None { Value::Null } else { rope.clone() };
        let config = serde_json::json!({
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": false,
            "bos_token_id": self.bos_token_id,
            "dtype": "bfloat16",
            "eos_token_id": self.eos_token_ids.as_slice(),
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "max_position_embeddings": self.positions_max,
            "mlp_bias": false,
            "model_type": "llama",
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.kv_heads,
            // The shortest decimal of the f32, not the digits of its f64.
            "rms_norm_eps": self.rms_norm_eps.to_string().parse::<f64>().unwrap_or(f64::from(self.rms_norm_eps)),
            "rope_parameters": rope,
            "rope_scaling": scaling,
            "rope_theta": self.rope.theta,
            "tie_word_embeddings": self.tie_word_embeddings,
            "torch_dtype": "bfloat16",
            "vocab_size": self.vocab_size,
        });
        format!("{config:#}\n")
    }

    fn check(&self) -> Result<(), ConfigError> {
        // Far above any real model; a larger value is a damaged or hostile file that would exhaust the memory.
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden_size, 1 << 20),
            ("intermediate_size", self.intermediate_size, 1 << 20),
            ("num_hidden_layers", self.layers, 1 << 10),
            ("num_attention_heads", self.heads, 1 << 12),
            ("num_key_value_heads", self.kv_heads, 1 << 12),
            ("head_dim", self.head_dim, 1 << 10),
            ("max_position_embeddings", self.positions_max, 1 << 20),
        ];
        if let Some((key, value, _)) = sizes.into_iter().find(|(_, size, max)| *size == 0 || size > max) {
            let expected = "a positive size that a real model could have";
            return Err(ConfigError::Invalid { key, value: value.to_string(), expected });
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            let value = self.kv_heads.to_string();
            return Err(ConfigError::Invalid {
                key: "num_key_value_heads",
                value,
                expected: "a divisor of num_attention_heads",
            });
        }
        if !self.head_dim.is_multiple_of(2) {
            let value = self.head_dim.to_string();
            return Err(ConfigError::Invalid { key: "head_dim", value, expected: "an even number" });
        }
        if !(self.rms_norm_eps > 0.0 && self.rope.theta > 0.0) {
            let value = format!("{} and {}", self.rms_norm_eps, self.rope.theta);
            return Err(ConfigError::Invalid { key: "rms_norm_eps, rope_theta", value, expected: "positive numbers" });
        }
        Ok(())
    }
}

/// Typed access to the keys of a `config.json`; a null counts as absent.
struct Keys<'a>(&'a Map<String, Value>);

impl<'a> Keys<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn check_architecture(&self) -> Result<(), ConfigError> {
        let architectures: Vec<&str> = match self.get("architectures") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let model_type = self.text("model_type")?.unwrap_or("");
        if architectures == ["LlamaForCausalLM"] && (model_type == "llama" || model_type.is_empty()) {
            return Ok(());
        }
        let found = format!("{} (model_type {model_type:?})", architectures.join(", "));
        Err(ConfigError::UnknownArchitecture { found })
    }

    fn rope(&self) -> Result<RopeConfig, ConfigError> {
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
            (None, None) => 10_000.0,
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

    fn text(&self, key: &'static str) -> Result<Option<&'a str>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| ConfigError::Invalid {
            key,
            value: value.to_string(),
            expected: "a string",
        })?;
        Ok(Some(text))
    }

    fn number(&self, key: &'static str) -> Result<Option<f64>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let number = value.as_f64().ok_or_else(|| ConfigError::Invalid {
            key,
            value: value.to_string(),
            expected: "a number",
        })?;
        Ok(Some(number))
    }

    fn optional_size(&self, key: &'static str) -> Result<Option<usize>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
        size.map(Some).ok_or_else(|| ConfigError::Invalid { key, value: value.to_string(), expected: "a size" })
    }

    fn size(&self, key: &'static str) -> Result<usize, ConfigError> {
        self.optional_size(key)?.ok_or(ConfigError::Missing { key })
    }

    fn token_ids(&self, key: &'static str) -> Result<Vec<u32>, ConfigError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn config(extra: Value) -> String {
        let mut base = serde_json::json!({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "vocab_size": 64,
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
            "max_position_embeddings": 64, "eos_token_id": [1, 2], "bos_token_id": 1,
        });
        for (key, value) in extra.as_object().unwrap() {
            base[key] = value.clone();
        }
        base.to_string()
    }

    #[test]
    fn reads_rope_of_both_generations() {
        let four =
            ModelConfig::from_json(&config(serde_json::json!({"rope_theta": 5e5, "rope_scaling": null}))).unwrap();
        let five = serde_json::json!({"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}});
        let five = ModelConfig::from_json(&config(five)).unwrap();
        assert_eq!(four.rope, RopeConfig { theta: 5e5, scaling: RopeScaling::None });
        assert_eq!(four, five);
        assert_eq!((four.kv_heads, four.head_dim, four.eos_token_ids), (4, 8, vec![1, 2]));
    }

    #[test]
    fn written_config_reads_back() {
        let scaled = serde_json::json!({"rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
            "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}});
        let config = ModelConfig::from_json(&config(scaled)).unwrap();
        assert_eq!(ModelConfig::from_json(&config.to_json()).unwrap(), config);
    }

    #[test]
    fn what_would_change_the_result_is_refused_by_name() {
        let cases = [
            (serde_json::json!({"architectures": ["MambaForCausalLM"], "model_type": "mamba"}), "MambaForCausalLM"),
            (serde_json::json!({"rope_parameters": {"rope_theta": 1e4, "rope_type": "yarn"}}), "yarn"),
            (serde_json::json!({"hidden_act": "gelu"}), "gelu"),
            (serde_json::json!({"attention_bias": true}), "attention_bias"),
            (serde_json::json!({"quantization_config": {"bits": 4}}), "quantization_config"),
            (serde_json::json!({"hidden_size": 0}), "hidden_size"),
            (serde_json::json!({"num_attention_heads": 0}), "num_attention_heads"),
            (serde_json::json!({"num_hidden_layers": 4_000_000_000_u64}), "num_hidden_layers"),
            (serde_json::json!({"vocab_size": "many"}), "vocab_size"),
            (serde_json::json!({"num_key_value_heads": 3}), "num_key_value_heads"),
        ];
        for (change, named) in cases {
            let error = ModelConfig::from_json(&config(change)).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn an_unknown_architecture_is_refused_by_its_name() {
        let absent = serde_json::Value::Null;
        for (architectures, model_type, named) in [
            (serde_json::json!(["MambaForCausalLM"]), serde_json::json!("mamba"), "MambaForCausalLM"),
            (serde_json::json!(["LlamaForCausalLM"]), serde_json::json!("mamba"), "mamba"),
            (serde_json::json!(["T5ForConditionalGeneration", "LlamaForCausalLM"]), absent.clone(), "T5For"),
            (absent.clone(), serde_json::json!("gpt_bigcode"), "gpt_bigcode"),
            (absent.clone(), absent, "unknown architecture"),
        ] {
            let change = serde_json::json!({"architectures": architectures, "model_type": model_type});
            let error = ModelConfig::from_json(&config(change)).unwrap_err();
            assert!(matches!(error, ConfigError::UnknownArchitecture { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains(named) && text.contains("hint: "), "{text}");
        }
    }
}
