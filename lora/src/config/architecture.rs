//! What sets a model apart from a plain Llama decoder.

use super::{Family, Keys};
use crate::error::ConfigError;
use serde_json::Value;
use std::collections::BTreeSet;

/// What sets a model apart from a plain Llama decoder; the default is one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Architecture {
    /// The family, which decides what no key says.
    pub family: Family,
    /// Whether the attention's linear layers have a bias where that is a choice; Qwen 2 always has some.
    pub attention_bias: bool,
    /// Whether the feed-forward blocks' linear layers have a bias.
    pub mlp_bias: bool,
    /// How far back a position sees; `None`: to the first.
    pub sliding_window: Option<SlidingWindow>,
    /// Keys and values from one latent, if the family has that.
    pub latent: Option<LatentAttention>,
    /// Experts in place of feed-forward blocks, if the family has that.
    pub experts: Option<Experts>,
    /// Layers behind the last that predict further tokens; a file may have them, and they are not read.
    pub unread_layers: usize,
}

/// How far back a position sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlidingWindow {
    /// Positions that are seen, one's own among them.
    pub positions: usize,
    /// Layers that see everything all the same.
    pub full_layers: BTreeSet<usize>,
}

/// Multi-head latent attention: keys and values are made from one narrow vector per position.
///
/// A head's query and key have `nope_dim` features without and then `rope_dim` with rotation; all heads share the rotated
/// part of the key. Source: DeepSeek-V2, arXiv 2405.04434, section 2.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatentAttention {
    /// Features of the latent that queries are made from; `None`: they are made directly.
    pub query_rank: Option<usize>,
    /// Features of the latent that keys and values are made from.
    pub kv_rank: usize,
    /// Features of a head's query and key that are not rotated.
    pub nope_dim: usize,
    /// Features of a head's query and key that are rotated.
    pub rope_dim: usize,
    /// Features of a head's value.
    pub value_dim: usize,
    /// Whether neighbouring features are rotated together, instead of those half a vector apart.
    pub interleaved: bool,
}

/// Experts in place of the feed-forward block.
#[derive(Clone, Debug, PartialEq)]
pub struct Experts {
    /// Number of experts of a layer.
    pub count: usize,
    /// Experts that compute a position.
    pub chosen: usize,
    /// Features inside one expert.
    pub intermediate_size: usize,
    /// Experts that compute every position; kept as one that is so many times as wide.
    pub shared: usize,
    /// The first layer with experts.
    pub first_layer: usize,
    /// How experts are chosen and weighed.
    pub routing: Routing,
}

/// How experts are chosen for a position, and how their outputs are weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Routing {
    /// How the router's outputs become scores.
    pub scores: Scores,
    /// Choose within the best groups only.
    pub groups: Option<Groups>,
    /// Whether the weights of the chosen are divided by their sum.
    pub normalised: bool,
    /// What the weights are multiplied with.
    pub scale: f32,
}

/// How a router's outputs become scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scores {
    /// Softmax over all experts. A group counts as much as its best expert.
    Softmax,
    /// Each its logistic function. For the choice, not for the weights, a learnt correction is added; a group counts as
    /// much as its two best experts together.
    Sigmoid,
}

/// Choice within the best groups of experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Number of groups of neighbouring experts.
    pub count: usize,
    /// Groups that experts are chosen from.
    pub kept: usize,
}

impl Architecture {
    /// Reads what `config.json` says beyond the sizes of a plain decoder.
    pub(super) fn from_keys(keys: &Keys<'_>, family: Family, layers: usize) -> Result<Self, ConfigError> {
        let attention_bias = keys.flag("attention_bias")?.unwrap_or(false);
        let mlp_bias = keys.flag("mlp_bias")?.unwrap_or(false);
        let experts = match family {
            Family::Mixtral => Some(Experts {
                count: keys.size("num_local_experts")?,
                chosen: keys.size("num_experts_per_tok")?,
                intermediate_size: keys.size("intermediate_size")?,
                shared: 0,
                first_layer: 0,
                routing: Routing { scores: Scores::Softmax, groups: None, normalised: true, scale: 1.0 },
            }),
            Family::DeepseekV2 | Family::DeepseekV3 => Some(Experts {
                count: keys.size("n_routed_experts")?,
                chosen: keys.size("num_experts_per_tok")?,
                intermediate_size: keys.size("moe_intermediate_size")?,
                shared: keys.size("n_shared_experts")?,
                first_layer: keys.size("first_k_dense_replace")?,
                routing: deepseek_routing(keys, family)?,
            }),
            _ => None,
        };
        let latent = family.is_latent().then(|| latent(keys, family)).transpose()?;
        let sliding_window = sliding_window(keys, family, layers)?;
        let unread_layers = match family {
            Family::DeepseekV3 => keys.optional_size("num_nextn_predict_layers")?.unwrap_or(1),
            _ => 0,
        };
        Ok(Self { family, attention_bias, mlp_bias, sliding_window, latent, experts, unread_layers })
    }

    pub(super) fn check(&self, heads: usize, kv_heads: usize) -> Result<(), ConfigError> {
        let invalid =
            |key, value: usize, expected| Err(ConfigError::Invalid { key, value: value.to_string(), expected });
        if let Some(window) = &self.sliding_window
            && window.positions == 0
        {
            return invalid("sliding_window", 0, "at least one position");
        }
        if let Some(latent) = &self.latent {
            let sizes = [
                ("q_lora_rank", latent.query_rank.unwrap_or(1), 1 << 20),
                ("kv_lora_rank", latent.kv_rank, 1 << 20),
                ("qk_nope_head_dim", latent.nope_dim, 1 << 10),
                ("qk_rope_head_dim", latent.rope_dim, 1 << 10),
                ("v_head_dim", latent.value_dim, 1 << 10),
            ];
            if let Some((key, value, _)) = sizes.into_iter().find(|(_, size, max)| *size == 0 || size > max) {
                return invalid(key, value, super::SIZE);
            }
            if !latent.rope_dim.is_multiple_of(2) {
                return invalid("qk_rope_head_dim", latent.rope_dim, "an even number");
            }
            if kv_heads != heads {
                return invalid("num_key_value_heads", kv_heads, "num_attention_heads: every head has its own keys");
            }
        }
        if let Some(experts) = &self.experts {
            let sizes = [
                ("number of experts", experts.count, 1 << 12),
                ("moe_intermediate_size", experts.intermediate_size, 1 << 20),
            ];
            if let Some((key, value, _)) = sizes.into_iter().find(|(_, size, max)| *size == 0 || size > max) {
                return invalid(key, value, super::SIZE);
            }
            if self.family.is_latent() && !(1..=1 << 10).contains(&experts.shared) {
                return invalid("n_shared_experts", experts.shared, super::SIZE);
            }
            let Groups { count, kept } = experts.routing.groups.unwrap_or(Groups { count: 1, kept: 1 });
            if count == 0 || !experts.count.is_multiple_of(count) {
                return invalid("n_group", count, "a divisor of the number of experts");
            }
            let size = experts.count / count;
            if experts.routing.scores == Scores::Sigmoid && size < 2 {
                return invalid("n_group", count, "groups of at least two experts");
            }
            if kept == 0 || kept > count {
                return invalid("topk_group", kept, "at least one and at most n_group");
            }
            if experts.chosen == 0 || experts.chosen > kept * size {
                return invalid(
                    "num_experts_per_tok",
                    experts.chosen,
                    "at least one and at most the experts to choose from",
                );
            }
            if !experts.routing.scale.is_finite() {
                let value = experts.routing.scale.to_string();
                return Err(ConfigError::Invalid { key: "routed_scaling_factor", value, expected: "a finite number" });
            }
        }
        Ok(())
    }
}

fn deepseek_routing(keys: &Keys<'_>, family: Family) -> Result<Routing, ConfigError> {
    let scale = keys.number("routed_scaling_factor")?;
    let groups = || Ok::<_, ConfigError>(Groups { count: keys.size("n_group")?, kept: keys.size("topk_group")? });
    if family == Family::DeepseekV3 {
        return Ok(Routing {
            scores: Scores::Sigmoid,
            groups: Some(groups()?),
            normalised: keys.flag("norm_topk_prob")?.unwrap_or(true),
            scale: scale.unwrap_or(2.5) as f32,
        });
    }
    let groups = match keys.text("topk_method")? {
        Some("greedy") => None,
        Some("group_limited_greedy") => Some(groups()?),
        other => {
            let value = other.unwrap_or("null").into();
            return Err(ConfigError::Unsupported { key: "topk_method", value });
        }
    };
    Ok(Routing { scores: Scores::Softmax, groups, normalised: false, scale: scale.unwrap_or(1.0) as f32 })
}

fn latent(keys: &Keys<'_>, family: Family) -> Result<LatentAttention, ConfigError> {
    Ok(LatentAttention {
        query_rank: keys.optional_size("q_lora_rank")?,
        kv_rank: keys.size("kv_lora_rank")?,
        nope_dim: keys.size("qk_nope_head_dim")?,
        rope_dim: keys.size("qk_rope_head_dim")?,
        value_dim: keys.size("v_head_dim")?,
        // V2 multiplies complex numbers, which is this; V3 may choose.
        interleaved: family == Family::DeepseekV2 || keys.flag("rope_interleave")?.unwrap_or(true),
    })
}

fn sliding_window(keys: &Keys<'_>, family: Family, layers: usize) -> Result<Option<SlidingWindow>, ConfigError> {
    let said = keys.optional_size("sliding_window")?;
    // What transformers takes if the key is absent, which is not the same as null.
    let usual = if keys.0.contains_key("sliding_window") { None } else { Some(4096) };
    match family {
        Family::Mistral => Ok(said.or(usual)),
        Family::Mixtral | Family::Phi3 => Ok(said),
        Family::Qwen2 | Family::Qwen3 => {
            let used = keys.flag("use_sliding_window")?.unwrap_or(false);
            let Some(positions) = said.or(usual).filter(|_| used) else {
                return no_window_layers(keys).map(|()| None);
            };
            let full_layers = match keys.get("layer_types") {
                None => (0..keys.optional_size("max_window_layers")?.unwrap_or(28).min(layers)).collect(),
                Some(types) => layer_types(types, layers)?,
            };
            return Ok(Some(SlidingWindow { positions, full_layers }));
        }
        _ => Ok(None),
    }
    .map(|positions| positions.map(|positions| SlidingWindow { positions, full_layers: BTreeSet::new() }))
}

/// Without a window no layer may ask for one.
fn no_window_layers(keys: &Keys<'_>) -> Result<(), ConfigError> {
    match keys.get("layer_types") {
        Some(Value::Array(types)) if types.iter().all(|kind| kind == "full_attention") => Ok(()),
        None => Ok(()),
        Some(other) => Err(ConfigError::Unsupported { key: "layer_types", value: other.to_string() }),
    }
}

/// The layers that see everything.
fn layer_types(types: &Value, layers: usize) -> Result<BTreeSet<usize>, ConfigError> {
    let invalid = || ConfigError::Invalid {
        key: "layer_types",
        value: types.to_string(),
        expected: "full_attention or sliding_attention for every layer",
    };
    let types = types.as_array().filter(|types| types.len() == layers).ok_or_else(invalid)?;
    let mut full = BTreeSet::new();
    for (layer, kind) in types.iter().enumerate() {
        match kind.as_str() {
            Some("full_attention") => {
                full.insert(layer);
            }
            Some("sliding_attention") => {}
            _ => return Err(invalid()),
        }
    }
    Ok(full)
}
