//! A decoder of the Llama architecture.

use crate::batch::Batch;
use crate::config::ModelConfig;
use crate::error::LoadError;
use crate::files::write_atomically;
use crate::identity::base_model_hash;
use crate::lora::{Adapter, Pair, Target};
use crate::noise::Noise;
use crate::ops::{self, AttentionShape};
use crate::quant::{FrozenWeight, Precision};
use crate::random::Random;
use crate::rope::RopeTable;
use crate::weights;
use candle_core::{Device, Result as TensorResult, Tensor, Var};
use half::bf16;
use safetensors::{Dtype, tensor::TensorView};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use tributary_protocol::ContentHash;

/// A decoder of the Llama architecture, with f32 parameters or linear layers in four bits (see [`Precision`]).
///
/// The parameters are frozen unless [`Model::into_trainable`] made variables of them.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    content_hash: Option<ContentHash>,
    precision: Precision,
    embeddings: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    /// `None`: tied to the embeddings.
    head: Option<Tensor>,
    rope: Arc<RopeTable>,
}

#[derive(Debug)]
struct Layer {
    input_norm: Tensor,
    /// In the order of [`Target::ALL`].
    linear: [FrozenWeight; Target::ALL.len()],
    post_attention_norm: Tensor,
}

const EMBEDDINGS: &str = "model.embed_tokens.weight";
const NORM: &str = "model.norm.weight";
const HEAD: &str = "lm_head.weight";

impl Model {
    /// Loads the model in the Hugging Face folder `dir`: `config.json` and safetensors, single or sharded, of f32, f16
    /// or bf16.
    ///
    /// Errors: every tensor of the architecture must be there with its shape, and no other. Cost: reads the folder twice
    /// (once for [`Model::content_hash`]); memory for all parameters in f32.
    pub fn load(dir: &Path, device: &Device) -> Result<Self, LoadError> {
        Self::load_as(dir, device, Precision::F32)
    }

    /// [`Model::load`] with the linear layers of the decoder held as `precision` says.
    ///
    /// Errors: also a linear layer with an element that is not finite, if it is to be quantised. Cost: each tensor is
    /// packed as it is read, so that one at a time exists in f32.
    pub fn load_as(dir: &Path, device: &Device, precision: Precision) -> Result<Self, LoadError> {
        if !device.is_cpu() {
            return Err(LoadError::Device { device: format!("{device:?}") });
        }
        let config = ModelConfig::from_dir(dir)?;
        let tied = config.tie_word_embeddings;
        // Old exports carry the rotary frequencies, and some the tied head a second time; both follow from the rest.
        let ignored = |name: &str| name.ends_with("rotary_emb.inv_freq") || (tied && name == HEAD);
        let linear = linear_names(&config);
        let mut parameters = BTreeMap::new();
        weights::load(dir, &shapes(&config), ignored, |name, values, shape| {
            let weight = match shape {
                [rows, columns] if linear.contains(name) => FrozenWeight::new(values, *rows, *columns, precision)
                    .map_err(|source| LoadError::Quant { name: name.into(), source })?,
                _ => Tensor::from_vec(values, shape, device)?.into(),
            };
            parameters.insert(name.to_owned(), weight);
            Ok(())
        })?;
        let mut model = Self::assemble(config, parameters)?;
        model.precision = precision;
        model.content_hash = Some(base_model_hash(dir)?);
        Ok(model)
    }

    /// A copy of the model with its linear layers held as `precision` says. It keeps [`Model::content_hash`], which
    /// names what the parameters were before.
    ///
    /// Errors: an element that is not finite, if it is to be quantised.
    pub fn with_precision(&self, precision: Precision) -> Result<Self, LoadError> {
        let linear = linear_names(&self.config);
        let mut parameters = BTreeMap::new();
        for (name, weight) in self.parameters() {
            let weight = if linear.contains(&name) {
                let (rows, columns) = weight.dims()?;
                let values = ops::with_elements(&weight.to_dense()?, |values| Ok(values.to_vec()))?;
                FrozenWeight::new(values, rows, columns, precision)
                    .map_err(|source| LoadError::Quant { name: name.clone(), source })?
            } else {
                weight.to_dense()?.into()
            };
            parameters.insert(name, weight);
        }
        let mut model = Self::assemble(self.config.clone(), parameters)?;
        model.precision = precision;
        model.content_hash = self.content_hash;
        Ok(model)
    }

    /// A model with random parameters: normal with deviation `1/sqrt(hidden_size)` for the embeddings and
    /// `1/sqrt(inputs)` for the layers, those that write to the residual stream divided by `sqrt(2·layers)`.
    pub fn random(config: ModelConfig, seed: u64) -> Result<Self, LoadError> {
        let mut random = Random::new(seed, "model parameters");
        let residual = 1.0 / ((2 * config.layers) as f32).sqrt();
        let mut tensors = BTreeMap::new();
        for (name, shape) in shapes(&config) {
            let count = shape.iter().product();
            let inputs = shape.last().copied().unwrap_or(1) as f32;
            let writes_to_residual = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
            let deviation = if writes_to_residual { residual } else { 1.0 } / inputs.sqrt();
            let values = if name.ends_with("norm.weight") {
                vec![1f32; count]
            } else {
                (0..count).map(|_| deviation * random.normal()).collect()
            };
            tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu)?.into());
        }
        Self::assemble(config, tensors)
    }

    fn assemble(config: ModelConfig, mut parameters: BTreeMap<String, FrozenWeight>) -> Result<Self, LoadError> {
        let mut take_weight = |name: String| {
            parameters.remove(&name).ok_or_else(|| LoadError::MissingTensor { name, dir: "memory".into() })
        };
        let mut layers = Vec::with_capacity(config.layers);
        for index in 0..config.layers {
            let mut linear = Vec::with_capacity(Target::ALL.len());
            for target in Target::ALL {
                linear.push(take_weight(linear_name(index, target))?);
            }
            let mut norm = |name: &str| -> Result<Tensor, LoadError> {
                Ok(take_weight(format!("model.layers.{index}.{name}.weight"))?.into_dense()?)
            };
            layers.push(Layer {
                input_norm: norm("input_layernorm")?,
                post_attention_norm: norm("post_attention_layernorm")?,
                linear: linear.try_into().expect("one weight per target was pushed"),
            });
        }
        let mut take = |name: &str| -> Result<Tensor, LoadError> { Ok(take_weight(name.to_owned())?.into_dense()?) };
        Ok(Self {
            embeddings: take(EMBEDDINGS)?,
            norm: take(NORM)?,
            head: if config.tie_word_embeddings { None } else { Some(take(HEAD)?) },
            rope: Arc::new(RopeTable::new(&config.rope, config.head_dim, config.positions_max)),
            content_hash: None,
            precision: Precision::F32,
            layers,
            config,
        })
    }

    /// The model's shape and constants.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The hash by which the chain knows this model (see [`base_model_hash`]); `None` for one that is in no folder.
    pub fn content_hash(&self) -> Option<ContentHash> {
        self.content_hash
    }

    /// How the linear layers are held.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Number of parameters; tied ones count once.
    pub fn parameter_count(&self) -> usize {
        self.parameters().map(|(_, weight)| weight.elem_count()).sum()
    }

    /// Bytes that the parameters take in memory.
    pub fn parameter_bytes(&self) -> usize {
        self.parameters().map(|(_, weight)| weight.bytes()).sum()
    }

    /// Logits of every position, `[positions, vocab_size]`. Cost: `O(positions · vocab_size)` memory.
    pub fn logits(&self, batch: &Batch, adapter: Option<&Adapter>) -> TensorResult<Tensor> {
        ops::linear(&self.hidden(batch, adapter)?, self.head_matrix())
    }

    /// Sum of the losses of the batch's trained positions, a scalar that gradients flow back from.
    pub fn loss_sum(&self, batch: &Batch, adapter: Option<&Adapter>) -> TensorResult<Tensor> {
        ops::next_token_loss(&self.hidden(batch, adapter)?, self.head_matrix(), batch.targets().to_vec())
    }

    /// Makes a variable of every parameter and returns them with their names, in order of name. Quantised layers are
    /// unpacked first.
    pub fn into_trainable(self) -> TensorResult<(Self, Vec<(String, Var)>)> {
        let mut variables = BTreeMap::new();
        let mut tensors = BTreeMap::new();
        for (name, weight) in self.parameters() {
            let variable = Var::from_tensor(&weight.to_dense()?)?;
            tensors.insert(name.clone(), variable.as_tensor().clone().into());
            variables.insert(name, variable);
        }
        let model = Self::assemble(self.config, tensors).map_err(candle_core::Error::wrap)?;
        Ok((model, variables.into_iter().collect()))
    }

    /// Writes `config.json` and `model.safetensors` (bf16, rounded to nearest even) to `dir`.
    pub fn save_bf16(&self, dir: &Path) -> Result<(), LoadError> {
        self.write_bf16(dir, |_, weight| weight.to_dense())
    }

    /// Writes `config.json` and `model.safetensors` (bf16, rounded to nearest even) of the model with the adapter's
    /// update in it, as [`Model::merged`] makes it, to `dir`.
    ///
    /// Cost: the parameters in bf16; one at a time exists in f32, however the base is held.
    pub fn save_merged_bf16(&self, adapter: &Adapter, dir: &Path) -> Result<(), LoadError> {
        let pairs = self.adapted(adapter);
        self.write_bf16(dir, |name, weight| match pairs.get(name) {
            Some(pair) => pair.merged(weight, adapter.scale()),
            None => weight.to_dense(),
        })
    }

    fn write_bf16(
        &self,
        dir: &Path,
        dense: impl Fn(&str, &FrozenWeight) -> TensorResult<Tensor>,
    ) -> Result<(), LoadError> {
        let mut tensors = Vec::new();
        for (name, weight) in self.parameters() {
            let tensor = dense(&name, &weight)?;
            let bytes = ops::with_elements(&tensor, |values| {
                Ok(values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect::<Vec<u8>>())
            })?;
            tensors.push((name, tensor.dims().to_vec(), bytes));
        }
        let path = dir.join("model.safetensors");
        let damaged =
            |error: safetensors::SafeTensorError| LoadError::Damaged { path: path.clone(), reason: error.to_string() };
        let mut views = Vec::with_capacity(tensors.len());
        for (name, shape, bytes) in &tensors {
            views.push((name, TensorView::new(Dtype::BF16, shape.clone(), bytes).map_err(damaged)?));
        }
        // transformers refuses a file without this entry.
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(damaged)?;
        for (name, bytes) in [("model.safetensors", bytes), ("config.json", self.config.to_json().into_bytes())] {
            let path = dir.join(name);
            write_atomically(&path, &bytes).map_err(|source| LoadError::File { path, source })?;
        }
        Ok(())
    }

    /// The weight of one linear layer.
    pub(crate) fn linear(&self, layer: usize, target: Target) -> &FrozenWeight {
        &self.layers[layer].linear[target as usize]
    }

    /// A copy of the model, all f32, in which the adapter's update is part of the weights: `W + scale·B·A`, rows brought
    /// to the trained lengths for DoRA. Quantised weights are unpacked and not packed again.
    pub fn merged(&self, adapter: &Adapter) -> TensorResult<Self> {
        let pairs = self.adapted(adapter);
        let mut parameters = BTreeMap::new();
        for (name, weight) in self.parameters() {
            let merged = match pairs.get(&name) {
                Some(pair) => pair.merged(&weight, adapter.scale())?,
                None => weight.to_dense()?,
            };
            parameters.insert(name, merged.into());
        }
        Self::assemble(self.config.clone(), parameters).map_err(candle_core::Error::wrap)
    }

    /// The adapter's updates by the names of the weights that they change.
    fn adapted<'a>(&self, adapter: &'a Adapter) -> BTreeMap<String, &'a Pair> {
        let layers = (0..self.config.layers).flat_map(|layer| Target::ALL.map(|target| (layer, target)));
        layers.filter_map(|(layer, target)| Some((linear_name(layer, target), adapter.pair(layer, target)?))).collect()
    }

    pub(crate) fn rope(&self) -> &Arc<RopeTable> {
        &self.rope
    }

    pub(crate) fn attention_shape(&self) -> AttentionShape {
        let ModelConfig { heads, kv_heads, head_dim, .. } = self.config;
        AttentionShape { heads, kv_heads, head_dim }
    }

    pub(crate) fn head_matrix(&self) -> &Tensor {
        self.head.as_ref().unwrap_or(&self.embeddings)
    }

    /// The normalised output of the last layer for every position of the batch.
    fn hidden(&self, batch: &Batch, adapter: Option<&Adapter>) -> TensorResult<Tensor> {
        let shape = self.attention_shape();
        self.run(batch.tokens(), adapter, batch.noise(), |_, q, k, v| {
            ops::causal_attention(q, k, v, shape, batch.lengths(), &self.rope)
        })
    }

    /// Runs the layers over `tokens`; `attend(layer, q, k, v)` decides what each position sees. `noise` is that of a
    /// training step.
    pub(crate) fn run(
        &self,
        tokens: &[u32],
        adapter: Option<&Adapter>,
        noise: Option<&Noise>,
        mut attend: impl FnMut(usize, &Tensor, &Tensor, &Tensor) -> TensorResult<Tensor>,
    ) -> TensorResult<Tensor> {
        let tokens = Tensor::new(tokens, self.embeddings.device())?;
        let mut x = self.embeddings.index_select(&tokens, 0)?;
        if let Some(noise) = noise {
            x = noise.added_to_embeddings(x)?;
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let linear = |x: &Tensor, target: Target| {
                let weight = &layer.linear[target as usize];
                match adapter {
                    Some(adapter) => adapter.linear(x, weight, (index, target), noise),
                    None => ops::frozen_linear(x, weight),
                }
            };
            let normed = ops::rms_norm(&x, &layer.input_norm, self.config.rms_norm_eps)?;
            let (q, k, v) = (linear(&normed, Target::Q)?, linear(&normed, Target::K)?, linear(&normed, Target::V)?);
            x = (x + linear(&attend(index, &q, &k, &v)?, Target::O)?)?;
            let normed = ops::rms_norm(&x, &layer.post_attention_norm, self.config.rms_norm_eps)?;
            let gated = ops::swiglu(&linear(&normed, Target::Gate)?, &linear(&normed, Target::Up)?)?;
            x = (x + linear(&gated, Target::Down)?)?;
        }
        ops::rms_norm(&x, &self.norm, self.config.rms_norm_eps)
    }

    /// All parameters with their names. Nothing is copied.
    fn parameters(&self) -> impl Iterator<Item = (String, FrozenWeight)> {
        let layers = self.layers.iter().enumerate().flat_map(|(index, layer)| {
            let linear = Target::ALL.iter().map(move |t| (linear_name(index, *t), layer.linear[*t as usize].clone()));
            linear.chain([
                (format!("model.layers.{index}.input_layernorm.weight"), layer.input_norm.clone().into()),
                (
                    format!("model.layers.{index}.post_attention_layernorm.weight"),
                    layer.post_attention_norm.clone().into(),
                ),
            ])
        });
        let outside = [(EMBEDDINGS, Some(&self.embeddings)), (NORM, Some(&self.norm)), (HEAD, self.head.as_ref())];
        outside.into_iter().filter_map(|(name, tensor)| Some((name.to_owned(), tensor?.clone().into()))).chain(layers)
    }
}

/// Names and shapes of all tensors of the architecture.
fn shapes(config: &ModelConfig) -> BTreeMap<String, Vec<usize>> {
    let hidden = config.hidden_size;
    let mut shapes =
        BTreeMap::from([(EMBEDDINGS.to_owned(), vec![config.vocab_size, hidden]), (NORM.to_owned(), vec![hidden])]);
    if !config.tie_word_embeddings {
        shapes.insert(HEAD.to_owned(), vec![config.vocab_size, hidden]);
    }
    for layer in 0..config.layers {
        for norm in ["input_layernorm", "post_attention_layernorm"] {
            shapes.insert(format!("model.layers.{layer}.{norm}.weight"), vec![hidden]);
        }
        for target in Target::ALL {
            let (output, input) = target.shape(config);
            shapes.insert(linear_name(layer, target), vec![output, input]);
        }
    }
    shapes
}

fn linear_name(layer: usize, target: Target) -> String {
    format!("model.layers.{layer}.{}.weight", target.path())
}

/// Names of the weights that [`Precision`] is about.
fn linear_names(config: &ModelConfig) -> BTreeSet<String> {
    (0..config.layers).flat_map(|layer| Target::ALL.map(|target| linear_name(layer, target))).collect()
}
