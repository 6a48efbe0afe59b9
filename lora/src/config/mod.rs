//! What a model's `config.json` says, as far as it changes the mathematics.

mod architecture;
mod family;
mod keys;
#[cfg(test)]
mod tests;
mod write;

use crate::error::ConfigError;
use crate::quant::Precision;
use keys::Keys;
use serde_json::{Map, Value};
use std::path::Path;

pub use architecture::{Architecture, Experts, Groups, LatentAttention, Routing, Scores, SlidingWindow};
pub(crate) use family::Activation;
pub use family::Family;

/// Shape and constants of a decoder.
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
    /// Features of one head's query and key.
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
    /// What sets the model apart from a plain Llama decoder.
    pub architecture: Architecture,
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

/// What a size should be.
const SIZE: &str = "a positive size that a real model could have";

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
        let family = keys.family()?;
        if let Some((key, value)) = family.unsupported(keys.0) {
            return Err(ConfigError::Unsupported { key, value });
        }
        keys.stored_precision()?;
        if let Some(key) = family.required().iter().find(|key| !keys.0.contains_key(**key)) {
            return Err(ConfigError::Missing { key });
        }
        let activation = keys.text("hidden_act")?.unwrap_or(family.activation_names()[0]);
        if !family.activation_names().contains(&activation) {
            return Err(ConfigError::Unsupported { key: "hidden_act", value: activation.into() });
        }
        let (hidden_size, heads) = (keys.size("hidden_size")?, keys.size("num_attention_heads")?);
        let layers = keys.size("num_hidden_layers")?;
        let architecture = Architecture::from_keys(&keys, family, layers)?;
        let config = Self {
            vocab_size: keys.size("vocab_size")?,
            hidden_size,
            intermediate_size: keys.size("intermediate_size")?,
            layers,
            heads,
            kv_heads: keys.optional_size("num_key_value_heads")?.unwrap_or(heads),
            head_dim: match &architecture.latent {
                // The key `head_dim` is that of the rotated part here.
                Some(latent) => latent.nope_dim.saturating_add(latent.rope_dim),
                None => keys.optional_size("head_dim")?.unwrap_or(hidden_size / heads.max(1)),
            },
            rms_norm_eps: keys.number("rms_norm_eps")?.unwrap_or(family.default_epsilon()) as f32,
            rope: keys.rope(family)?,
            positions_max: keys.size("max_position_embeddings")?,
            tie_word_embeddings: keys.flag("tie_word_embeddings")?.unwrap_or(family == Family::Gemma),
            bos_token_id: keys.token_ids("bos_token_id")?.first().copied(),
            eos_token_ids: keys.token_ids("eos_token_id")?,
            architecture,
        };
        config.check()?;
        Ok(config)
    }

    /// How the linear layers in the model folder `dir` are packed, by its `config.json`; `None` if they are not.
    ///
    /// Errors: a `quantization_config` other than bitsandbytes' NF4.
    pub fn stored_precision(dir: &Path) -> Result<Option<Precision>, ConfigError> {
        let path = dir.join("config.json");
        let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Read { path, source })?;
        Keys(&serde_json::from_str(&text)?).stored_precision()
    }

    /// The family of the model.
    pub fn family(&self) -> Family {
        self.architecture.family
    }

    /// Features of one head's value.
    pub(crate) fn value_dim(&self) -> usize {
        self.architecture.latent.as_ref().map_or(self.head_dim, |latent| latent.value_dim)
    }

    /// How far back the layer sees; `None`: to the first position.
    pub(crate) fn window(&self, layer: usize) -> Option<usize> {
        let window = self.architecture.sliding_window.as_ref()?;
        (!window.full_layers.contains(&layer)).then_some(window.positions)
    }

    /// The experts of the layer, if it has some.
    pub(crate) fn experts(&self, layer: usize) -> Option<&Experts> {
        self.architecture.experts.as_ref().filter(|experts| layer >= experts.first_layer)
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
            ("head_dim", self.head_dim, 1 << 11),
            ("max_position_embeddings", self.positions_max, 1 << 20),
        ];
        if let Some((key, value, _)) = sizes.into_iter().find(|(_, size, max)| *size == 0 || size > max) {
            return Err(ConfigError::Invalid { key, value: value.to_string(), expected: SIZE });
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            let value = self.kv_heads.to_string();
            return Err(ConfigError::Invalid {
                key: "num_key_value_heads",
                value,
                expected: "a divisor of num_attention_heads",
            });
        }
        if self.architecture.latent.is_none() && !self.head_dim.is_multiple_of(2) {
            let value = self.head_dim.to_string();
            return Err(ConfigError::Invalid { key: "head_dim", value, expected: "an even number" });
        }
        if !(self.rms_norm_eps > 0.0 && self.rope.theta > 0.0) {
            let value = format!("{} and {}", self.rms_norm_eps, self.rope.theta);
            return Err(ConfigError::Invalid { key: "rms_norm_eps, rope_theta", value, expected: "positive numbers" });
        }
        self.architecture.check(self.heads, self.kv_heads)
    }
}
