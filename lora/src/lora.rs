//! Low-rank adapters.

use crate::config::ModelConfig;
use crate::error::AdapterError;
use crate::model::Model;
use crate::random::Random;
use candle_core::{Device, Tensor, Var};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tributary_protocol::ContentHash;

/// A linear layer of the decoder that an adapter can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// Queries.
    #[serde(rename = "q_proj")]
    Q,
    /// Keys.
    #[serde(rename = "k_proj")]
    K,
    /// Values.
    #[serde(rename = "v_proj")]
    V,
    /// Output of the attention.
    #[serde(rename = "o_proj")]
    O,
    /// Gate of the feed-forward block.
    #[serde(rename = "gate_proj")]
    Gate,
    /// Input of the feed-forward block.
    #[serde(rename = "up_proj")]
    Up,
    /// Output of the feed-forward block.
    #[serde(rename = "down_proj")]
    Down,
}

impl Target {
    /// All targets, in the order in which a layer applies them.
    pub const ALL: [Self; 7] = [Self::Q, Self::K, Self::V, Self::O, Self::Gate, Self::Up, Self::Down];

    /// The name in `target_modules` of an adapter's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q => "q_proj",
            Self::K => "k_proj",
            Self::V => "v_proj",
            Self::O => "o_proj",
            Self::Gate => "gate_proj",
            Self::Up => "up_proj",
            Self::Down => "down_proj",
        }
    }

    /// The target with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// Path of the layer's tensors inside a decoder layer.
    pub(crate) fn path(self) -> String {
        let block = if self <= Self::O { "self_attn" } else { "mlp" };
        format!("{block}.{}", self.name())
    }

    /// Outputs and inputs of the layer.
    pub(crate) fn shape(self, config: &ModelConfig) -> (usize, usize) {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (queries, keys) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        match self {
            Self::Q => (queries, hidden),
            Self::K | Self::V => (keys, hidden),
            Self::O => (hidden, queries),
            Self::Gate | Self::Up => (inner, hidden),
            Self::Down => (hidden, inner),
        }
    }
}

/// Which layers an adapter changes, and with how many parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank of each update.
    pub rank: usize,
    /// Updates are scaled by `alpha / rank`.
    pub alpha: f32,
    /// The layers to change, in every decoder layer.
    pub targets: BTreeSet<Target>,
}

impl Default for LoraConfig {
    /// Rank 8 on queries and values, as PEFT does for Llama.
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, targets: BTreeSet::from([Target::Q, Target::V]) }
    }
}

/// The two factors of one layer's update: `scale · B·A`.
#[derive(Debug)]
pub(crate) struct Pair {
    /// `[rank, in]`
    pub a: Var,
    /// `[out, rank]`
    pub b: Var,
}

/// A low-rank adapter for one base model: the result of training.
///
/// Source: LoRA, arXiv 2106.09685.
#[derive(Debug)]
pub struct Adapter {
    config: LoraConfig,
    base: Option<ContentHash>,
    /// Per decoder layer, in the order of [`Target::ALL`].
    layers: Vec<[Option<Pair>; Target::ALL.len()]>,
}

impl Adapter {
    /// A fresh adapter that changes nothing yet: `A` uniform in `±1/sqrt(in)` (PEFT's Kaiming initialisation with
    /// a = √5), `B` zero.
    pub fn new(model: &Model, config: LoraConfig, seed: u64) -> Result<Self, AdapterError> {
        let mut random = Random::new(seed, "adapter parameters");
        Self::build(model, config, |_, a_shape, b_shape| {
            let bound = 1.0 / (a_shape.1 as f32).sqrt();
            let a = (0..a_shape.0 * a_shape.1).map(|_| bound * (2.0 * random.unit() - 1.0)).collect();
            Ok((a, vec![0f32; b_shape.0 * b_shape.1]))
        })
    }

    /// Makes every pair from the elements that `values(name, shape of A, shape of B)` returns, where `name` is the
    /// layer's PEFT name.
    pub(crate) fn build(
        model: &Model,
        config: LoraConfig,
        mut values: impl FnMut(&str, (usize, usize), (usize, usize)) -> Result<(Vec<f32>, Vec<f32>), AdapterError>,
    ) -> Result<Self, AdapterError> {
        if config.rank == 0 || !config.alpha.is_finite() {
            let reason = format!("rank {} and alpha {} should be positive", config.rank, config.alpha);
            return Err(AdapterError::Config { reason });
        }
        if config.targets.is_empty() {
            return Err(AdapterError::Config { reason: "no target layers".into() });
        }
        let mut layers = Vec::with_capacity(model.config().layers);
        for layer in 0..model.config().layers {
            let mut pairs = [const { None }; Target::ALL.len()];
            for &target in &config.targets {
                let (output, input) = target.shape(model.config());
                let (a_shape, b_shape) = ((config.rank, input), (output, config.rank));
                let (a, b) = values(&peft_name(layer, target), a_shape, b_shape)?;
                pairs[target as usize] = Some(Pair {
                    a: Var::from_vec(a, a_shape, &Device::Cpu)?,
                    b: Var::from_vec(b, b_shape, &Device::Cpu)?,
                });
            }
            layers.push(pairs);
        }
        Ok(Self { config, base: model.content_hash(), layers })
    }

    /// Which layers the adapter changes.
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// The base model it was made for, if that came from a folder.
    pub fn base(&self) -> Option<ContentHash> {
        self.base
    }

    /// Factor of the update: `alpha / rank`.
    pub fn scale(&self) -> f32 {
        self.config.alpha / self.config.rank as f32
    }

    /// Number of trained parameters.
    pub fn parameter_count(&self) -> usize {
        self.variables().iter().map(|(_, variable)| variable.elem_count()).sum()
    }

    pub(crate) fn pair(&self, layer: usize, target: Target) -> Option<&Pair> {
        self.layers.get(layer)?[target as usize].as_ref()
    }

    /// All variables with their PEFT names, in the stable order of everything that flattens an adapter: ascending layer,
    /// [`Target::ALL`], then `lora_A` before `lora_B`.
    pub fn variables(&self) -> Vec<(String, Var)> {
        let mut variables = Vec::new();
        for (layer, pairs) in self.layers.iter().enumerate() {
            for target in Target::ALL {
                if let Some(pair) = &pairs[target as usize] {
                    let name = peft_name(layer, target);
                    variables.push((format!("{name}.lora_A.weight"), pair.a.clone()));
                    variables.push((format!("{name}.lora_B.weight"), pair.b.clone()));
                }
            }
        }
        variables
    }

    /// All parameters with their PEFT names, detached, in the order of [`Adapter::variables`].
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        self.variables().into_iter().map(|(name, variable)| (name, variable.as_detached_tensor())).collect()
    }
}

/// The name under which PEFT keeps the update of a layer.
fn peft_name(layer: usize, target: Target) -> String {
    format!("base_model.model.model.layers.{layer}.{}", target.path())
}
