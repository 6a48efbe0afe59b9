//! From named tensors to the parts of a model, and back.

use super::linear::Linear;
use super::norm::Norm;
use super::site::{Block, Site};
use crate::config::{ModelConfig, Scores};
use crate::error::LoadError;
use crate::lora::Target;
use crate::quant::FrozenWeight;
use candle_core::Tensor;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Called with every tensor and its name.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(String, FrozenWeight);

pub(super) const EMBEDDINGS: &str = "model.embed_tokens.weight";
pub(super) const NORM: &str = "model.norm.weight";
pub(super) const HEAD: &str = "lm_head.weight";

/// Epsilon of the norms inside a latent attention, whatever `rms_norm_eps` says (transformers' default argument).
const LATENT_EPSILON: f32 = 1e-6;

/// Tensors that the parts of a model are taken from.
pub(super) struct Parts<'a> {
    pub config: &'a ModelConfig,
    parameters: BTreeMap<String, FrozenWeight>,
    places: HashMap<Site, usize>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(config: &'a ModelConfig, parameters: BTreeMap<String, FrozenWeight>) -> Self {
        let places = Site::all(config).into_iter().enumerate().map(|(index, site)| (site, index)).collect();
        Self { config, parameters, places }
    }

    pub(super) fn take(&mut self, name: &str) -> Result<FrozenWeight, LoadError> {
        let missing = || LoadError::MissingTensor { name: name.into(), dir: "memory".into() };
        self.parameters.remove(name).ok_or_else(missing)
    }

    pub(super) fn tensor(&mut self, name: &str) -> Result<Tensor, LoadError> {
        Ok(self.take(name)?.as_dense()?.clone())
    }

    pub(super) fn norm(&mut self, name: String) -> Result<Norm, LoadError> {
        let weight = self.tensor(&name)?;
        let offset = self.config.family().norm_offset();
        Ok(Norm { name, weight, epsilon: self.config.rms_norm_eps, offset })
    }

    pub(super) fn latent_norm(&mut self, name: String) -> Result<Norm, LoadError> {
        Ok(Norm { epsilon: LATENT_EPSILON, ..self.norm(name)? })
    }

    pub(super) fn linear(&mut self, layer: usize, block: Block, target: Target) -> Result<Linear, LoadError> {
        let site = Site { layer, block, target };
        let path = site.path(self.config.family());
        let index = *self.places.get(&site).expect("a part of the model asks for a layer that its configuration lists");
        let weight = self.take(&format!("{path}.weight"))?;
        let bias = if site.has_bias(self.config) { Some(self.tensor(&format!("{path}.bias"))?) } else { None };
        Ok(Linear { index, path, weight, bias })
    }
}

/// Path of a decoder layer.
pub(super) fn layer_path(layer: usize) -> String {
    format!("model.layers.{layer}")
}

/// Names and shapes of all tensors of the architecture.
pub(crate) fn shapes(config: &ModelConfig) -> BTreeMap<String, Vec<usize>> {
    let hidden = config.hidden_size;
    let mut shapes =
        BTreeMap::from([(EMBEDDINGS.to_owned(), vec![config.vocab_size, hidden]), (NORM.to_owned(), vec![hidden])]);
    let mut add = |name: String, shape: Vec<usize>| shapes.insert(name, shape);
    if !config.tie_word_embeddings {
        add(HEAD.to_owned(), vec![config.vocab_size, hidden]);
    }
    for layer in 0..config.layers {
        let path = layer_path(layer);
        add(format!("{path}.input_layernorm.weight"), vec![hidden]);
        add(format!("{path}.post_attention_layernorm.weight"), vec![hidden]);
        if config.family().has_head_norms() {
            add(format!("{path}.self_attn.q_norm.weight"), vec![config.head_dim]);
            add(format!("{path}.self_attn.k_norm.weight"), vec![config.head_dim]);
        }
        if let Some(latent) = &config.architecture.latent {
            if let Some(rank) = latent.query_rank {
                add(format!("{path}.self_attn.q_a_layernorm.weight"), vec![rank]);
            }
            add(format!("{path}.self_attn.kv_a_layernorm.weight"), vec![latent.kv_rank]);
        }
        if let Some(experts) = config.experts(layer) {
            let router = router_path(config, layer);
            add(format!("{router}.weight"), vec![experts.count, hidden]);
            if experts.routing.scores == Scores::Sigmoid {
                add(format!("{router}{CORRECTION}"), vec![experts.count]);
            }
        }
    }
    for site in Site::all(config) {
        let path = site.path(config.family());
        let (output, input) = site.shape(config);
        if site.has_bias(config) {
            add(format!("{path}.bias"), vec![output]);
        }
        add(format!("{path}.weight"), vec![output, input]);
    }
    shapes
}

/// Names of the weights that [`Precision`](crate::Precision) is about.
pub(super) fn linear_names(config: &ModelConfig) -> BTreeSet<String> {
    let sites = Site::all(config).into_iter();
    sites.map(|site| format!("{}.weight", site.path(config.family()))).collect()
}

/// Path of a layer's router.
pub(super) fn router_path(config: &ModelConfig, layer: usize) -> String {
    let block = if config.family().is_latent() { "mlp" } else { "block_sparse_moe" };
    format!("{}.{block}.gate", layer_path(layer))
}

/// What follows a router's path in the name of the correction of its scores.
pub(super) const CORRECTION: &str = ".e_score_correction_bias";

/// Whether the tensor belongs to the model without being a parameter: no gradient reaches it.
pub(super) fn is_buffer(name: &str) -> bool {
    name.ends_with(CORRECTION)
}

/// Whether the tensor belongs to a layer behind the last, which predicts further tokens and is not read.
pub(super) fn is_unread(config: &ModelConfig, name: &str) -> bool {
    let layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split('.').next());
    let layer = layer.and_then(|layer| layer.parse::<usize>().ok());
    layer.is_some_and(|layer| (config.layers..config.layers + config.architecture.unread_layers).contains(&layer))
}
