//! One decoder for all families, driven by the configuration.

mod assembly;
mod attention;
mod feed_forward;
mod linear;
mod norm;
mod recompute;
mod site;
mod stand_in;

use crate::arithmetic::{Arithmetic, ArithmeticError};
use crate::batch::Batch;
use crate::config::{Family, ModelConfig};
use crate::error::{LoadError, QuantError};
use crate::files::write_atomically;
use crate::identity::base_model_hash;
use crate::lora::{Adapter, Pair};
use crate::ops::{self, AttentionShape};
use crate::per_sample::Tape;
use crate::placement::{Placement, moved};
use crate::quant::{FrozenWeight, Precision};
use crate::random::Random;
use crate::rope::RopeTable;
use crate::weights::{self, Stored};
pub(crate) use assembly::shapes as tensor_shapes;
use assembly::{EMBEDDINGS, HEAD, NORM, Parts, is_buffer, is_unread, layer_path, linear_names, shapes};
use attention::Attention;
pub(crate) use attention::Heads;
use candle_core::{DType, Device, Result as TensorResult, Tensor, Var};
use feed_forward::FeedForward;
use half::bf16;
use linear::Linear;
pub(crate) use linear::Pass;
use norm::Norm;
use safetensors::{Dtype, tensor::TensorView};
pub(crate) use site::{Block, Site};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use tributary_protocol::ContentHash;

/// A decoder of one of the supported families ([`Family`]), with f32 parameters or linear layers in four bits (see
/// [`Precision`]).
///
/// The parameters are frozen unless [`Model::into_trainable`] made variables of them.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    content_hash: Option<ContentHash>,
    precision: Precision,
    arithmetic: Arithmetic,
    placement: Placement,
    embeddings: FrozenWeight,
    layers: Vec<Layer>,
    norm: Norm,
    /// `None`: tied to the embeddings.
    head: Option<FrozenWeight>,
    rope: Arc<RopeTable>,
}

#[derive(Debug)]
struct Layer {
    input_norm: Norm,
    attention: Attention,
    post_attention_norm: Norm,
    feed_forward: FeedForward,
}

impl Layer {
    /// `x + attention(norm(x))`; `attend` decides what each position sees.
    fn with_attention(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        attend: impl FnOnce(&AttentionShape, &Heads) -> TensorResult<Tensor>,
    ) -> TensorResult<Tensor> {
        x + self.attention.forward(&self.input_norm.forward(x)?, pass, attend)?
    }

    /// `x + feed_forward(norm(x))`
    fn with_feed_forward(&self, x: &Tensor, pass: Pass<'_>) -> TensorResult<Tensor> {
        x + self.feed_forward.forward(&self.post_attention_norm.forward(x)?, pass)?
    }
}

impl Model {
    /// Loads the model in the Hugging Face folder `dir`: `config.json` and safetensors, single or sharded, of f32, f16
    /// or bf16, or with linear layers that bitsandbytes packed as NF4, which stay as they are.
    ///
    /// Errors: every tensor of the architecture must be there with its shape, and no other. Cost: reads the folder twice
    /// (once for [`Model::content_hash`]); memory for all parameters in f32, or as they are packed.
    pub fn load(dir: &Path, device: &Device) -> Result<Self, LoadError> {
        Self::load_as(dir, device, ModelConfig::stored_precision(dir)?.unwrap_or_default())
    }

    /// [`Model::load`] with the linear layers of the decoder held as `precision` says.
    ///
    /// Errors: also a linear layer with an element that is not finite, if it is to be quantised; a folder that is packed
    /// otherwise. Cost: each tensor is packed as it is read, so that one at a time exists in f32.
    pub fn load_as(dir: &Path, device: &Device, precision: Precision) -> Result<Self, LoadError> {
        Self::load_with(dir, device, precision, Arithmetic::default())
    }

    /// [`Model::load_as`] with another profile than the default.
    ///
    /// Errors: also a profile that this machine cannot keep, before anything is read.
    pub fn load_with(
        dir: &Path,
        device: &Device,
        precision: Precision,
        arithmetic: Arithmetic,
    ) -> Result<Self, LoadError> {
        if !device.is_cpu() {
            return Err(LoadError::Device { device: format!("{device:?}") });
        }
        Self::load_on(dir, precision, arithmetic, Placement::CPU)
    }

    /// [`Model::load_with`], anywhere: on a GPU, or on the processor in another kind of numbers than f32.
    ///
    /// Errors: also a device that this build or this machine does not have, and `det-f32-v1` anywhere but on the processor
    /// in f32. Cost: each tensor is moved as it is read, so that one at a time is in the memory of the processor.
    pub fn load_on(
        dir: &Path,
        precision: Precision,
        arithmetic: Arithmetic,
        placement: Placement,
    ) -> Result<Self, LoadError> {
        arithmetic.check_at(placement)?;
        placement.device()?;
        let config = ModelConfig::from_dir(dir)?;
        let stored = ModelConfig::stored_precision(dir)?;
        if let Some(stored) = stored.filter(|stored| *stored != precision) {
            return Err(LoadError::Packed { dir: dir.into(), stored, asked: precision });
        }
        let tied = config.tie_word_embeddings;
        // Old exports carry the rotary frequencies, and some the tied head a second time; both follow from the rest.
        let ignored =
            |name: &str| name.ends_with("rotary_emb.inv_freq") || (tied && name == HEAD) || is_unread(&config, name);
        let linear = linear_names(&config);
        let mut parameters = BTreeMap::new();
        weights::load(dir, &shapes(&config), stored, ignored, |name, values, shape| {
            let weight = match (values, shape) {
                // What its makers left as it was in a packed folder stays so.
                (Stored::Plain(values), [rows, columns]) if linear.contains(name) && stored.is_none() => {
                    FrozenWeight::new(values, *rows, *columns, precision)
                        .map_err(|source| LoadError::Quant { name: name.into(), source })?
                }
                // Most files hold bf16, of which the two large matrices stay as they are.
                (Stored::Plain(values), [rows, columns]) if [EMBEDDINGS, HEAD].contains(&name) => {
                    FrozenWeight::new(values, *rows, *columns, Precision::F32)
                        .map_err(|source| LoadError::Quant { name: name.into(), source })?
                }
                (Stored::Plain(values), _) => Tensor::from_vec(values, shape, &Device::Cpu)?.into(),
                (Stored::Nf4(matrix), _) if linear.contains(name) => FrozenWeight::Nf4(Arc::new(matrix)),
                (Stored::Nf4(_), _) => {
                    let reason = "only the linear layers of the decoder may be packed, not embeddings or head".into();
                    return Err(LoadError::PackedTensor { name: name.into(), source: QuantError::Saved { reason } });
                }
            };
            parameters.insert(name.to_owned(), placed(name, weight, placement)?);
            Ok(())
        })?;
        let mut model = Self::assemble(config, parameters)?;
        model.precision = precision;
        model.arithmetic = arithmetic;
        model.placement = placement;
        model.content_hash = Some(base_model_hash(dir)?);
        Ok(model)
    }

    /// A copy of the model with its linear layers held as `precision` says, where the model is. It keeps
    /// [`Model::content_hash`], which names what the parameters were before.
    ///
    /// Errors: an element that is not finite, if it is to be quantised.
    pub fn with_precision(&self, precision: Precision) -> Result<Self, LoadError> {
        let linear = linear_names(&self.config);
        let mut parameters = BTreeMap::new();
        for (name, weight) in self.parameters() {
            let weight = if linear.contains(&name) {
                let (rows, columns) = weight.dims()?;
                let values = ops::with_elements(&weight.to_dense()?, |values| Ok(values.to_vec()))?;
                let weight = FrozenWeight::new(values, rows, columns, precision)
                    .map_err(|source| LoadError::Quant { name: name.clone(), source })?;
                placed(&name, weight, self.placement)?
            } else {
                weight.detach()
            };
            parameters.insert(name, weight);
        }
        let mut model = Self::assemble(self.config.clone(), parameters)?;
        model.precision = precision;
        model.arithmetic = self.arithmetic;
        model.placement = self.placement;
        model.content_hash = self.content_hash;
        Ok(model)
    }

    /// A copy of the model that lies and computes where `placement` says. Packed layers keep their bytes.
    ///
    /// Errors: a device that this build or this machine does not have; `det-f32-v1` anywhere but on the processor in f32
    /// (see [`Model::with_arithmetic`]); a model that is not on the processor in f32.
    pub fn placed(&self, placement: Placement) -> Result<Self, LoadError> {
        self.arithmetic.check_at(placement)?;
        if !self.placement.is_native() {
            return Err(LoadError::Placed { placement: self.placement });
        }
        placement.device()?;
        let mut parameters = BTreeMap::new();
        for (name, weight) in self.parameters() {
            let weight = placed(&name, weight, placement)?;
            parameters.insert(name, weight);
        }
        let mut model = Self::assemble(self.config.clone(), parameters)?;
        model.precision = self.precision;
        model.arithmetic = self.arithmetic;
        model.placement = placement;
        model.content_hash = self.content_hash;
        Ok(model)
    }

    /// A model with random parameters: normal with deviation `1/sqrt(hidden_size)` for the embeddings and
    /// `1/sqrt(inputs)` for the layers, those that write to the residual stream divided by `sqrt(2·layers)`. Norms do
    /// nothing yet.
    pub fn random(config: ModelConfig, seed: u64) -> Result<Self, LoadError> {
        let mut random = Random::new(seed, "model parameters");
        let mut tensors = BTreeMap::new();
        for (name, shape) in shapes(&config) {
            let count = shape.iter().product();
            let values = match deviation(&config, &name, &shape) {
                None => vec![1.0 - config.family().norm_offset(); count],
                Some(deviation) => (0..count).map(|_| deviation * random.normal()).collect(),
            };
            tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu)?.into());
        }
        Self::assemble(config, tensors)
    }

    fn assemble(config: ModelConfig, parameters: BTreeMap<String, FrozenWeight>) -> Result<Self, LoadError> {
        let mut parts = Parts::new(&config, parameters);
        let mut layers = Vec::with_capacity(config.layers);
        for index in 0..config.layers {
            let path = layer_path(index);
            layers.push(Layer {
                input_norm: parts.norm(format!("{path}.input_layernorm.weight"))?,
                attention: Attention::assemble(&mut parts, index)?,
                post_attention_norm: parts.norm(format!("{path}.post_attention_layernorm.weight"))?,
                feed_forward: FeedForward::assemble(&mut parts, index)?,
            });
        }
        Ok(Self {
            embeddings: parts.take(EMBEDDINGS)?,
            norm: parts.norm(NORM.to_owned())?,
            head: if config.tie_word_embeddings { None } else { Some(parts.take(HEAD)?) },
            rope: Arc::new(RopeTable::new(&config)),
            content_hash: None,
            precision: Precision::F32,
            arithmetic: Arithmetic::default(),
            placement: Placement::CPU,
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

    /// What the model's numbers depend on.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// Where the model lies, and what it computes with.
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// The model under another profile.
    ///
    /// Errors: a profile that this machine cannot keep where the model lies.
    pub fn with_arithmetic(mut self, arithmetic: Arithmetic) -> Result<Self, ArithmeticError> {
        arithmetic.check_at(self.placement)?;
        self.arithmetic = arithmetic;
        Ok(self)
    }

    /// The same model under a profile, as a second one that shares the parameters.
    ///
    /// Errors: as of [`Model::with_arithmetic`].
    pub fn sharing(&self, arithmetic: Arithmetic) -> Result<Self, LoadError> {
        arithmetic.check_at(self.placement)?;
        let parameters = self.parameters().into_iter().map(|(name, weight)| (name, weight.detach())).collect();
        let mut model = Self::assemble(self.config.clone(), parameters)?;
        model.precision = self.precision;
        model.arithmetic = arithmetic;
        model.placement = self.placement;
        model.content_hash = self.content_hash;
        Ok(model)
    }

    /// Number of parameters; tied ones count once.
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().filter(|(name, _)| !is_buffer(name)).map(|(_, weight)| weight.elem_count()).sum()
    }

    /// Bytes that the parameters take in memory.
    pub fn parameter_bytes(&self) -> usize {
        self.parameters().iter().map(|(_, weight)| weight.bytes()).sum()
    }

    /// Logits of every position, `[positions, vocab_size]`, f32. Cost: `O(positions · vocab_size)` memory.
    pub fn logits(&self, batch: &Batch, adapter: Option<&Adapter>) -> TensorResult<Tensor> {
        ops::frozen_linear(&self.hidden(batch, adapter, None)?, self.head_matrix())?.to_dtype(DType::F32)
    }

    /// Sum of the losses of the batch's trained positions, a scalar that gradients flow back from.
    pub fn loss_sum(&self, batch: &Batch, adapter: Option<&Adapter>) -> TensorResult<Tensor> {
        ops::next_token_loss(&self.hidden(batch, adapter, None)?, self.head_matrix(), batch.targets().to_vec())
    }

    /// Makes a variable of every parameter and returns them with their names, in order of name. Quantised layers are
    /// unpacked first. All parameters of a model are trained on the processor in f32 only: it comes back there.
    pub fn into_trainable(self) -> TensorResult<(Self, Vec<(String, Var)>)> {
        let mut variables = BTreeMap::new();
        let mut tensors = BTreeMap::new();
        for (name, weight) in self.parameters() {
            if is_buffer(&name) {
                tensors.insert(name, weight);
                continue;
            }
            let variable = Var::from_tensor(&weight.to_dense()?)?;
            tensors.insert(name.clone(), variable.as_tensor().clone().into());
            variables.insert(name, variable);
        }
        let mut model = Self::assemble(self.config, tensors).map_err(candle_core::Error::wrap)?;
        model.arithmetic = self.arithmetic;
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

    /// All linear layers, in the order of [`Site::all`].
    pub(crate) fn linears(&self) -> Vec<&Linear> {
        let of_layers = self.layers.iter();
        let mut linears: Vec<&Linear> = of_layers
            .flat_map(|layer| layer.attention.linears().into_iter().chain(layer.feed_forward.linears()))
            .collect();
        linears.sort_unstable_by_key(|linear| linear.index);
        linears
    }

    /// A copy of the model, all f32 on the processor, in which the adapter's update is part of the weights: `W + scale·B·A`, rows brought
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
        let mut merged = Self::assemble(self.config.clone(), parameters).map_err(candle_core::Error::wrap)?;
        merged.arithmetic = self.arithmetic;
        Ok(merged)
    }

    /// The adapter's updates by the names of the weights that they change.
    fn adapted<'a>(&self, adapter: &'a Adapter) -> BTreeMap<String, &'a Pair> {
        let linears = self.linears().into_iter();
        linears.filter_map(|linear| Some((format!("{}.weight", linear.path), adapter.pair(linear.index)?))).collect()
    }

    /// Heads of the attention of every layer.
    pub(crate) fn attention_shapes(&self) -> Vec<AttentionShape> {
        self.layers.iter().map(|layer| layer.attention.shape).collect()
    }

    pub(crate) fn rope(&self) -> &Arc<RopeTable> {
        &self.rope
    }

    pub(crate) fn head_matrix(&self) -> &FrozenWeight {
        self.head.as_ref().unwrap_or(&self.embeddings)
    }

    /// The normalised output of the last layer for every position of the batch. Backward passes write to the tape.
    pub(crate) fn hidden(&self, batch: &Batch, adapter: Option<&Adapter>, tape: Option<&Tape>) -> TensorResult<Tensor> {
        let pass = Pass { adapter, rows: None, noise: batch.noise(), unread: false, decode: false, tape };
        self.run(batch.tokens(), pass, |_, shape, heads| {
            ops::causal_attention(&heads.q, &heads.k, &heads.v, *shape, batch.lengths(), &self.rope)
        })
    }

    /// Runs the layers over `tokens`; `attend(layer, shape, heads)` decides what each position sees.
    pub(crate) fn run(
        &self,
        tokens: &[u32],
        pass: Pass<'_>,
        mut attend: impl FnMut(usize, &AttentionShape, &Heads) -> TensorResult<Tensor>,
    ) -> TensorResult<Tensor> {
        let mut x = self.embed(tokens, pass)?;
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.with_attention(&x, pass, |shape, heads| attend(index, shape, heads))?;
            x = layer.with_feed_forward(&x, pass)?;
        }
        self.norm.forward(&x)
    }

    /// What embeddings are multiplied with.
    fn embedding_scale(&self) -> Option<f64> {
        (self.config.family() == Family::Gemma).then(|| f64::from((self.config.hidden_size as f32).sqrt()))
    }

    /// What goes into the first layer.
    fn embed(&self, tokens: &[u32], pass: Pass<'_>) -> TensorResult<Tensor> {
        let mut x = self.embeddings.select(tokens)?;
        if let Some(scale) = self.embedding_scale() {
            x = (x * scale)?;
        }
        match pass.noise {
            Some(noise) => noise.added_to_embeddings(x),
            None => Ok(x),
        }
    }

    /// All parameters with their names. Nothing is copied.
    fn parameters(&self) -> Vec<(String, FrozenWeight)> {
        let mut all = Vec::new();
        let outside = [(EMBEDDINGS, Some(&self.embeddings)), (HEAD, self.head.as_ref())];
        all.extend(outside.into_iter().filter_map(|(name, weight)| Some((name.to_owned(), weight?.clone()))));
        let mut add = |name, weight| all.push((name, weight));
        self.norm.visit(&mut add);
        for layer in &self.layers {
            layer.input_norm.visit(&mut add);
            layer.attention.visit(&mut add);
            layer.post_attention_norm.visit(&mut add);
            layer.feed_forward.visit(&mut add);
        }
        all
    }
}

/// Deviation of a random parameter, as [`Model::random`] says; `None` for the weight of a norm.
fn deviation(config: &ModelConfig, name: &str, shape: &[usize]) -> Option<f32> {
    if name.ends_with("norm.weight") {
        return None;
    }
    let residual = 1.0 / ((2 * config.layers) as f32).sqrt();
    let inputs = shape.last().copied().unwrap_or(1) as f32;
    let writes_to_residual = ["o_proj.weight", "down_proj.weight", ".w2.weight"].iter().any(|end| name.ends_with(end));
    Some(if writes_to_residual { residual } else { 1.0 } / inputs.sqrt())
}

/// A parameter where `placement` says. What is no parameter stays f32 at least: it decides, and multiplies nothing.
fn placed(name: &str, weight: FrozenWeight, placement: Placement) -> Result<FrozenWeight, LoadError> {
    if placement.is_native() {
        return Ok(weight);
    }
    match &weight {
        FrozenWeight::Dense(tensor) if is_buffer(name) => Ok(moved(tensor, &placement.device()?, DType::F32)?.into()),
        _ => Ok(weight.placed(placement)?),
    }
}
