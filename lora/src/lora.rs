//! Low-rank adapters.

use crate::error::AdapterError;
use crate::model::{Model, Site};
use crate::noise::{Dropout, Noise};
use crate::ops;
use crate::quant::FrozenWeight;
use crate::random::Random;
use crate::targets::Targets;
use candle_core::{Device, Result as TensorResult, Tensor, Var};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
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
    /// Gate of the feed-forward block or of every expert.
    #[serde(rename = "gate_proj")]
    Gate,
    /// Input of the feed-forward block or of every expert.
    #[serde(rename = "up_proj")]
    Up,
    /// Output of the feed-forward block or of every expert.
    #[serde(rename = "down_proj")]
    Down,
    /// Latent of the queries (DeepSeek).
    #[serde(rename = "q_a_proj")]
    QA,
    /// Queries from their latent (DeepSeek).
    #[serde(rename = "q_b_proj")]
    QB,
    /// Latent of keys and values, and the part of the key that all heads share (DeepSeek).
    #[serde(rename = "kv_a_proj_with_mqa")]
    KvA,
    /// Keys and values from their latent (DeepSeek).
    #[serde(rename = "kv_b_proj")]
    KvB,
    /// Queries, keys and values in one (Phi 3).
    #[serde(rename = "qkv_proj")]
    Qkv,
    /// Gate and input of the feed-forward block in one (Phi 3).
    #[serde(rename = "gate_up_proj")]
    GateUp,
}

impl Target {
    /// The targets of a plain decoder, in the order in which a layer applies them.
    pub const ALL: [Self; 7] = [Self::Q, Self::K, Self::V, Self::O, Self::Gate, Self::Up, Self::Down];

    /// [`Target::ALL`] and those that single families have.
    pub const KNOWN: [Self; 13] = [
        Self::Q,
        Self::K,
        Self::V,
        Self::O,
        Self::Gate,
        Self::Up,
        Self::Down,
        Self::QA,
        Self::QB,
        Self::KvA,
        Self::KvB,
        Self::Qkv,
        Self::GateUp,
    ];

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
            Self::QA => "q_a_proj",
            Self::QB => "q_b_proj",
            Self::KvA => "kv_a_proj_with_mqa",
            Self::KvB => "kv_b_proj",
            Self::Qkv => "qkv_proj",
            Self::GateUp => "gate_up_proj",
        }
    }

    /// The target with this name; `w1`, `w2` and `w3` are what Mixtral calls the layers of an expert.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "w1" => Some(Self::Gate),
            "w2" => Some(Self::Down),
            "w3" => Some(Self::Up),
            _ => Self::KNOWN.into_iter().find(|target| target.name() == name),
        }
    }
}

/// Which layers an adapter changes, and how.
///
/// A setting at its default is not written, so that settings keep the hash that they had before it existed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank of each update.
    pub rank: usize,
    /// Updates are scaled by `alpha / rank`.
    pub alpha: f32,
    /// The layers to change.
    pub targets: Targets,
    /// Probability with which an input of an update is left out in training.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f32,
    /// Updates are scaled by `alpha / sqrt(rank)` instead, so that a high rank learns as fast as a low one.
    /// Source: rsLoRA, arXiv 2312.03732.
    #[serde(default, skip_serializing_if = "is_false")]
    pub rank_stabilised: bool,
    /// Lengths and directions of a weight's rows are trained apart. Source: DoRA, arXiv 2402.09353.
    #[serde(default, skip_serializing_if = "is_false")]
    pub weight_decomposed: bool,
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Default for LoraConfig {
    /// Rank 8 on queries and values, as PEFT does for Llama.
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 16.0,
            targets: [Target::Q, Target::V].into(),
            dropout: 0.0,
            rank_stabilised: false,
            weight_decomposed: false,
        }
    }
}

impl LoraConfig {
    /// Above any rank in use; a larger one is a damaged or hostile file that would exhaust the memory.
    const RANK_MAX: usize = 1 << 16;

    fn check(&self) -> Result<(), AdapterError> {
        let refuse = |reason| Err(AdapterError::Config { reason });
        if !(1..=Self::RANK_MAX).contains(&self.rank) {
            return refuse(format!("rank {} is out of range: 1 to {}", self.rank, Self::RANK_MAX));
        }
        if !self.alpha.is_finite() {
            return refuse(format!("alpha {} is not a finite number", self.alpha));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return refuse(format!("dropout {} is out of range: at least 0 and below 1", self.dropout));
        }
        Ok(())
    }
}

/// What is trained of one layer.
#[derive(Debug)]
pub(crate) struct Pair {
    /// `[rank, in]`
    pub a: Var,
    /// `[out, rank]`
    pub b: Var,
    /// `[out]`, the lengths of the rows; `None` if lengths and directions are not trained apart.
    pub magnitude: Option<Var>,
}

impl Pair {
    /// Applies the layer with its update, as [`ops::lora_linear`] and [`ops::dora_linear`] say. What nobody reads need not
    /// be computed; the gradient of the lengths is made from the output, so that is.
    pub(crate) fn linear(
        &self,
        x: &Tensor,
        weight: &FrozenWeight,
        scale: f32,
        dropout: Option<Dropout>,
        unread: bool,
    ) -> TensorResult<Tensor> {
        let (a, b) = (self.a.as_tensor(), self.b.as_tensor());
        match &self.magnitude {
            None if unread => ops::unread_lora_linear(x, weight, a, b, scale, dropout),
            None => ops::lora_linear(x, weight, a, b, scale, dropout),
            Some(magnitude) => ops::dora_linear(x, weight, (a, b, magnitude.as_tensor()), scale, dropout),
        }
    }

    /// The dense weight with the update in it: `W + scale·B·A`, with rows of the trained lengths if there are such.
    pub(crate) fn merged(&self, weight: &FrozenWeight, scale: f32) -> TensorResult<Tensor> {
        // The merged weight is made on the processor, wherever the model lies.
        let here = |variable: &Var| variable.as_detached_tensor().to_device(&Device::Cpu);
        let (a, b) = (here(&self.a)?, here(&self.b)?);
        let sum = ops::low_rank_sum(&weight.to_dense()?, &a, &b, scale)?;
        let Some(magnitude) = &self.magnitude else { return Ok(sum) };
        let norms = ops::row_norms(&FrozenWeight::Dense(sum.clone()), None)?;
        let norms = Tensor::from_vec(norms, magnitude.dims(), &Device::Cpu)?;
        sum.broadcast_mul(&(here(magnitude)? / norms)?.unsqueeze(1)?)
    }
}

/// Elements from which the variables of one layer are made.
pub(crate) struct PairValues {
    pub a: Vec<f32>,
    pub b: Vec<f32>,
    /// `None`: the lengths that the rows have with the update, if lengths are trained at all.
    pub magnitude: Option<Vec<f32>>,
}

/// A low-rank adapter for one base model: the result of training.
///
/// Source: LoRA, arXiv 2106.09685.
#[derive(Debug)]
pub struct Adapter {
    config: LoraConfig,
    base: Option<ContentHash>,
    /// In the order of [`Site::all`]; `None` for a layer that stays as it is.
    layers: Vec<Option<Adapted>>,
}

/// One layer's update.
#[derive(Debug)]
struct Adapted {
    /// Path of the layer in the model.
    path: String,
    pair: Pair,
}

impl Adapter {
    /// A fresh adapter that changes nothing yet: `A` uniform in `±1/sqrt(in)` (PEFT's Kaiming initialisation with
    /// a = √5), `B` zero, magnitudes those of the base.
    pub fn new(model: &Model, config: LoraConfig, seed: u64) -> Result<Self, AdapterError> {
        let mut random = Random::new(seed, "adapter parameters");
        Self::build(model, config, |_, a_shape, b_shape| {
            let bound = 1.0 / (a_shape.1 as f32).sqrt();
            let a = (0..a_shape.0 * a_shape.1).map(|_| bound * (2.0 * random.unit() - 1.0)).collect();
            Ok(PairValues { a, b: vec![0f32; b_shape.0 * b_shape.1], magnitude: None })
        })
    }

    /// Makes every pair from the elements that `values(name, shape of A, shape of B)` returns, where `name` is the
    /// layer's PEFT name.
    pub(crate) fn build(
        model: &Model,
        config: LoraConfig,
        mut values: impl FnMut(&str, (usize, usize), (usize, usize)) -> Result<PairValues, AdapterError>,
    ) -> Result<Self, AdapterError> {
        config.check()?;
        let selector = config.targets.selector()?;
        let mut adapter = Self { config, base: model.content_hash(), layers: Vec::new() };
        let family = model.config().family();
        let (sites, linears) = (Site::all(model.config()), model.linears());
        for (index, site) in sites.iter().enumerate() {
            let path = site.path(family);
            if !selector.selects(&path, site.target) {
                adapter.layers.push(None);
                continue;
            }
            let (output, input) = site.shape(model.config());
            let (a_shape, b_shape) = ((adapter.config.rank, input), (output, adapter.config.rank));
            let name = peft_name(&path);
            let values = values(&name, a_shape, b_shape)?;
            let (device, _) = linears[index].weight.place();
            let a = Var::from_vec(values.a, a_shape, &device)?;
            let b = Var::from_vec(values.b, b_shape, &device)?;
            let mut pair = Pair { a, b, magnitude: None };
            if adapter.config.weight_decomposed {
                let update = (pair.a.as_tensor(), pair.b.as_tensor(), adapter.scale());
                let norms = ops::row_norms(&linears[index].weight, Some(update))?;
                // Such a row has no direction that a length could be given to.
                if let Some(row) = norms.iter().position(|norm| *norm == 0.0 || !norm.is_finite()) {
                    return Err(AdapterError::NoDirection { name, row, length: norms[row] });
                }
                pair.magnitude = Some(Var::from_vec(values.magnitude.unwrap_or(norms), output, &device)?);
            }
            adapter.layers.push(Some(Adapted { path, pair }));
        }
        if adapter.layers.iter().all(Option::is_none) {
            let paths: Vec<String> = sites.iter().map(|site| site.path(family)).collect();
            return Err(selector.matches_nothing(&last_names(paths.iter().map(String::as_str))));
        }
        Ok(adapter)
    }

    /// Which layers the adapter changes.
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// The base model it was made for, if that came from a folder.
    pub fn base(&self) -> Option<ContentHash> {
        self.base
    }

    /// Factor of the update: `alpha / rank`, or `alpha / sqrt(rank)` if rank-stabilised.
    pub fn scale(&self) -> f32 {
        let LoraConfig { alpha, rank, rank_stabilised, .. } = self.config;
        if rank_stabilised {
            return (f64::from(alpha) / libm::sqrt(rank as f64)) as f32;
        }
        alpha / rank as f32
    }

    /// The adapter with half of its update: `B` halved, which is exact, `A` and lengths the same variables.
    pub fn with_half_update(&self) -> Result<Self, AdapterError> {
        let half = |Adapted { path, pair: Pair { a, b, magnitude } }: &Adapted| {
            let b = Var::from_tensor(&(b.as_detached_tensor() * 0.5)?)?;
            let pair = Pair { a: a.clone(), b, magnitude: magnitude.clone() };
            Ok(Adapted { path: path.clone(), pair })
        };
        let layers = self.layers.iter().map(|layer| layer.as_ref().map(half).transpose());
        Ok(Self { config: self.config.clone(), base: self.base, layers: layers.collect::<Result<_, AdapterError>>()? })
    }

    /// Number of trained parameters.
    pub fn parameter_count(&self) -> usize {
        self.variables().iter().map(|(_, variable)| variable.elem_count()).sum()
    }

    /// The update of the linear layer at this place in [`Site::all`].
    pub(crate) fn pair(&self, index: usize) -> Option<&Pair> {
        Some(&self.layers.get(index)?.as_ref()?.pair)
    }

    /// Applies the linear layer at this place in [`Site::all`], with its update if it has one; `noise` is that of a
    /// training step, `rows` the positions that `x` holds if not all; `unread` says that only the gradient is wanted.
    pub(crate) fn linear(
        &self,
        x: &Tensor,
        weight: &FrozenWeight,
        index: usize,
        noise: Option<&Noise>,
        rows: Option<&Arc<Vec<u32>>>,
        unread: bool,
    ) -> TensorResult<Tensor> {
        let Some(pair) = self.pair(index) else {
            return if unread { ops::unread_frozen_linear(x, weight) } else { ops::frozen_linear(x, weight) };
        };
        let dropout = self.dropout(index, noise, rows);
        pair.linear(x, weight, self.scale(), dropout, unread)
    }

    /// What is dropped of the input of the layer at this place.
    pub(crate) fn dropout(&self, index: usize, noise: Option<&Noise>, rows: Option<&Arc<Vec<u32>>>) -> Option<Dropout> {
        let path = &self.layers.get(index)?.as_ref()?.path;
        Some(noise?.dropout(path, self.config.dropout)?.of_rows(rows.cloned()))
    }

    /// [`Adapter::linear`] for single positions of sequences, without gradients.
    pub(crate) fn decode(&self, x: &Tensor, weight: &FrozenWeight, index: usize) -> TensorResult<Tensor> {
        match self.pair(index) {
            Some(pair) if pair.magnitude.is_some() => pair.linear(x, weight, self.scale(), None, false),
            Some(pair) => ops::decode_linear(x, weight, Some((pair.a.as_tensor(), pair.b.as_tensor(), self.scale()))),
            None => ops::decode_linear(x, weight, None),
        }
    }

    /// All variables with their PEFT names, in the stable order of everything that flattens an adapter: that of the linear
    /// layers (ascending layer, attention, feed-forward block or experts), then `lora_A`, `lora_B` and
    /// `lora_magnitude_vector`.
    pub fn variables(&self) -> Vec<(String, Var)> {
        let mut variables = Vec::new();
        for Adapted { path, pair } in self.layers.iter().flatten() {
            let name = peft_name(path);
            variables.push((format!("{name}{A_SUFFIX}"), pair.a.clone()));
            variables.push((format!("{name}{B_SUFFIX}"), pair.b.clone()));
            let magnitude = pair.magnitude.clone();
            variables.extend(magnitude.map(|variable| (format!("{name}{MAGNITUDE_SUFFIX}"), variable)));
        }
        variables
    }

    /// The names of the changed layers, each once, as `target_modules` of PEFT has them.
    pub(crate) fn module_names(&self) -> Vec<&str> {
        last_names(self.layers.iter().flatten().map(|adapted| adapted.path.as_str()))
    }

    /// All parameters with their PEFT names, detached, in the order of [`Adapter::variables`].
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        self.variables().into_iter().map(|(name, variable)| (name, variable.as_detached_tensor())).collect()
    }
}

/// What PEFT appends to a layer's name for `A`.
pub(crate) const A_SUFFIX: &str = ".lora_A.weight";
/// What PEFT appends to a layer's name for `B`.
pub(crate) const B_SUFFIX: &str = ".lora_B.weight";
/// What PEFT appends to a layer's name for the lengths of the rows.
pub(crate) const MAGNITUDE_SUFFIX: &str = ".lora_magnitude_vector";

/// The name under which PEFT keeps the update of the layer with this path.
fn peft_name(path: &str) -> String {
    format!("base_model.model.{path}")
}

/// The last parts of paths, each once, in order of their first occurrence.
fn last_names<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for path in paths {
        let name = path.rsplit('.').next().unwrap_or(path);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
