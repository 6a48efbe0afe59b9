//! Where the linear layers of a decoder are.

use crate::config::{Family, ModelConfig};
use crate::lora::Target;

/// A linear layer of a decoder layer. The router of the experts is none: it is never adapted or packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Site {
    /// The decoder layer.
    pub layer: usize,
    /// The part of it.
    pub block: Block,
    /// The linear layer in that part.
    pub target: Target,
}

/// A part of a decoder layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Block {
    /// The attention.
    Attention,
    /// A feed-forward block.
    FeedForward,
    /// One of several feed-forward blocks that a router chooses from.
    Expert(usize),
    /// The feed-forward block beside the experts, which computes every position.
    Shared,
}

impl Site {
    /// All linear layers in the stable order of everything that lists them: ascending layer; in it the attention, then the
    /// feed-forward block, or the experts in ascending order and the shared one; in each the order of computation.
    pub(crate) fn all(config: &ModelConfig) -> Vec<Self> {
        let mut sites = Vec::new();
        for layer in 0..config.layers {
            let mut add = |block, targets: &[Target]| {
                sites.extend(targets.iter().map(|&target| Self { layer, block, target }));
            };
            add(Block::Attention, attention_targets(config));
            let inner = feed_forward_targets(config);
            match config.experts(layer) {
                None => add(Block::FeedForward, inner),
                Some(experts) => {
                    (0..experts.count).for_each(|expert| add(Block::Expert(expert), inner));
                    if experts.shared > 0 {
                        add(Block::Shared, inner);
                    }
                }
            }
        }
        sites
    }

    /// Path of the layer in the model, which patterns match and tensors are named after.
    pub(crate) fn path(self, family: Family) -> String {
        let Self { layer, block, target } = self;
        let name = module_name(target, block, family);
        match (block, family) {
            (Block::Attention, _) => format!("model.layers.{layer}.self_attn.{name}"),
            (Block::FeedForward, _) => format!("model.layers.{layer}.mlp.{name}"),
            (Block::Expert(expert), Family::Mixtral) => {
                format!("model.layers.{layer}.block_sparse_moe.experts.{expert}.{name}")
            }
            (Block::Expert(expert), _) => format!("model.layers.{layer}.mlp.experts.{expert}.{name}"),
            (Block::Shared, _) => format!("model.layers.{layer}.mlp.shared_experts.{name}"),
        }
    }

    /// Outputs and inputs of the layer.
    pub(crate) fn shape(self, config: &ModelConfig) -> (usize, usize) {
        let hidden = config.hidden_size;
        let (queries, keys) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        let (query_rank, kv_rank, nope_dim, rope_dim) = match &config.architecture.latent {
            Some(latent) => (latent.query_rank.unwrap_or(0), latent.kv_rank, latent.nope_dim, latent.rope_dim),
            None => (0, 0, 0, 0),
        };
        let inner = match (self.block, config.experts(self.layer)) {
            (Block::Expert(_), Some(experts)) => experts.intermediate_size,
            (Block::Shared, Some(experts)) => experts.intermediate_size * experts.shared,
            _ => config.intermediate_size,
        };
        match self.target {
            Target::Q => (queries, hidden),
            Target::K | Target::V => (keys, hidden),
            Target::Qkv => (queries + 2 * keys, hidden),
            Target::QA => (query_rank, hidden),
            Target::QB => (queries, query_rank),
            Target::KvA => (kv_rank + rope_dim, hidden),
            Target::KvB => (config.heads * (nope_dim + config.value_dim()), kv_rank),
            Target::O => (hidden, config.heads * config.value_dim()),
            Target::Gate | Target::Up => (inner, hidden),
            Target::GateUp => (2 * inner, hidden),
            Target::Down => (hidden, inner),
        }
    }

    /// Whether the layer has a bias.
    pub(crate) fn has_bias(self, config: &ModelConfig) -> bool {
        let architecture = &config.architecture;
        match self.block {
            Block::Attention if architecture.family == Family::Qwen2 => self.target != Target::O,
            Block::Attention => {
                architecture.attention_bias && !matches!(self.target, Target::QB | Target::KvB)
                // DeepSeek's direct queries have none either.
                && !(architecture.family.is_latent() && self.target == Target::Q)
            }
            Block::FeedForward | Block::Shared => architecture.mlp_bias,
            Block::Expert(_) => false,
        }
    }
}

/// The name of the layer in its block.
fn module_name(target: Target, block: Block, family: Family) -> &'static str {
    match (family, block, target) {
        (Family::Mixtral, Block::Expert(_), Target::Gate) => "w1",
        (Family::Mixtral, Block::Expert(_), Target::Down) => "w2",
        (Family::Mixtral, Block::Expert(_), Target::Up) => "w3",
        _ => target.name(),
    }
}

fn attention_targets(config: &ModelConfig) -> &'static [Target] {
    match (&config.architecture.latent, config.family()) {
        (Some(latent), _) if latent.query_rank.is_some() => {
            &[Target::QA, Target::QB, Target::KvA, Target::KvB, Target::O]
        }
        (Some(_), _) => &[Target::Q, Target::KvA, Target::KvB, Target::O],
        (None, Family::Phi3) => &[Target::Qkv, Target::O],
        (None, _) => &[Target::Q, Target::K, Target::V, Target::O],
    }
}

fn feed_forward_targets(config: &ModelConfig) -> &'static [Target] {
    match config.family() {
        Family::Phi3 => &[Target::GateUp, Target::Down],
        _ => &[Target::Gate, Target::Up, Target::Down],
    }
}
