//! The attention of a decoder layer.

use super::assembly::{Parts, Visit, layer_path};
use super::linear::{Linear, Pass};
use super::norm::Norm;
use super::site::Block;
use crate::config::LatentAttention;
use crate::error::LoadError;
use crate::lora::Target;
use crate::ops::AttentionShape;
use candle_core::{Result, Tensor};

/// Queries, keys and values of a batch, packed and not rotated yet.
pub(crate) struct Heads {
    /// `[positions, heads·head_dim]`
    pub q: Tensor,
    /// `[positions, kv_heads·head_dim]`
    pub k: Tensor,
    /// `[positions, kv_heads·value_dim]`
    pub v: Tensor,
}

/// The attention of a decoder layer.
#[derive(Debug)]
pub(super) struct Attention {
    pub(super) shape: AttentionShape,
    projections: Projections,
    output: Linear,
}

/// How queries, keys and values are made.
#[derive(Debug)]
enum Projections {
    /// By a matrix each.
    Separate { q: Linear, k: Linear, v: Linear, head_norms: Option<[Norm; 2]> },
    /// By one matrix.
    Fused(Linear),
    /// From latents.
    Latent { sizes: LatentAttention, query: Query, kv_a: Linear, kv_norm: Norm, kv_b: Linear },
}

/// How a latent attention makes its queries.
#[derive(Debug)]
enum Query {
    Direct(Linear),
    Latent { a: Linear, norm: Norm, b: Linear },
}

impl Attention {
    pub(super) fn assemble(parts: &mut Parts<'_>, layer: usize) -> std::result::Result<Self, LoadError> {
        let config = parts.config;
        let shape = AttentionShape {
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            value_dim: config.value_dim(),
            window: config.window(layer),
        };
        let path = format!("{}.self_attn", layer_path(layer));
        let fused = config.family().is_fused();
        let linear = |parts: &mut Parts<'_>, target| parts.linear(layer, Block::Attention, target);
        let output = linear(parts, Target::O)?;
        let projections = if let Some(sizes) = &config.architecture.latent {
            let (kv_a, kv_b) = (linear(parts, Target::KvA)?, linear(parts, Target::KvB)?);
            let query = match sizes.query_rank {
                None => Query::Direct(linear(parts, Target::Q)?),
                Some(_) => {
                    let (a, b) = (linear(parts, Target::QA)?, linear(parts, Target::QB)?);
                    Query::Latent { a, norm: parts.latent_norm(format!("{path}.q_a_layernorm.weight"))?, b }
                }
            };
            let kv_norm = parts.latent_norm(format!("{path}.kv_a_layernorm.weight"))?;
            Projections::Latent { sizes: sizes.clone(), query, kv_a, kv_norm, kv_b }
        } else if fused {
            Projections::Fused(linear(parts, Target::Qkv)?)
        } else {
            let (q, k, v) = (linear(parts, Target::Q)?, linear(parts, Target::K)?, linear(parts, Target::V)?);
            let head_norms = match config.family().has_head_norms() {
                true => {
                    Some([parts.norm(format!("{path}.q_norm.weight"))?, parts.norm(format!("{path}.k_norm.weight"))?])
                }
                false => None,
            };
            Projections::Separate { q, k, v, head_norms }
        };
        Ok(Self { shape, projections, output })
    }

    /// Shapes: `x [positions, hidden]` -> the same. `attend` decides what each position sees, and returns
    /// `[positions, heads·value_dim]`.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        attend: impl FnOnce(&AttentionShape, &Heads) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let heads = self.heads(x, pass)?;
        self.output.forward_last(&attend(&self.shape, &heads)?, None, pass)
    }

    fn heads(&self, x: &Tensor, pass: Pass<'_>) -> Result<Heads> {
        match &self.projections {
            Projections::Separate { q, k, v, head_norms } => {
                let (q, k, v) = (q.forward(x, pass)?, k.forward(x, pass)?, v.forward(x, pass)?);
                match head_norms {
                    None => Ok(Heads { q, k, v }),
                    Some([q_norm, k_norm]) => Ok(Heads { q: q_norm.forward(&q)?, k: k_norm.forward(&k)?, v }),
                }
            }
            Projections::Fused(linear) => {
                let (queries, keys) = (self.shape.query_width(), self.shape.key_width());
                let all = linear.forward(x, pass)?;
                let part = |from, width| all.narrow(1, from, width)?.contiguous();
                Ok(Heads { q: part(0, queries)?, k: part(queries, keys)?, v: part(queries + keys, keys)? })
            }
            Projections::Latent { sizes, query, kv_a, kv_norm, kv_b } => {
                let q = match query {
                    Query::Direct(linear) => linear.forward(x, pass)?,
                    Query::Latent { a, norm, b } => b.forward(&norm.forward(&a.forward(x, pass)?)?, pass)?,
                };
                let (positions, heads) = (x.dim(0)?, self.shape.heads);
                let (kv_rank, nope_dim, rope_dim) = (sizes.kv_rank, sizes.nope_dim, sizes.rope_dim);
                let latents = kv_a.forward(x, pass)?;
                let latent = kv_norm.forward(&latents.narrow(1, 0, kv_rank)?.contiguous()?)?;
                let made = kv_b.forward(&latent, pass)?.reshape((positions, heads, nope_dim + sizes.value_dim))?;
                // Every head gets a copy of the part of the key that they share; rotating it there costs little and lets
                // one operation serve all families.
                let shared = latents.narrow(1, kv_rank, rope_dim)?.contiguous()?.unsqueeze(1)?;
                let shared = shared.broadcast_as((positions, heads, rope_dim))?.contiguous()?;
                let k = Tensor::cat(&[made.narrow(2, 0, nope_dim)?.contiguous()?, shared], 2)?;
                let k = k.contiguous()?.reshape((positions, self.shape.key_width()))?;
                let v = made.narrow(2, nope_dim, sizes.value_dim)?.contiguous()?;
                Ok(Heads { q, k, v: v.reshape((positions, self.shape.value_width()))? })
            }
        }
    }

    /// All linear layers.
    pub(super) fn linears(&self) -> Vec<&Linear> {
        let mut linears = match &self.projections {
            Projections::Separate { q, k, v, .. } => vec![q, k, v],
            Projections::Fused(linear) => vec![linear],
            Projections::Latent { query: Query::Direct(q), kv_a, kv_b, .. } => vec![q, kv_a, kv_b],
            Projections::Latent { query: Query::Latent { a, b, .. }, kv_a, kv_b, .. } => vec![a, b, kv_a, kv_b],
        };
        linears.push(&self.output);
        linears
    }

    pub(super) fn visit(&self, each: Visit<'_>) {
        self.linears().into_iter().for_each(|linear| linear.visit(each));
        match &self.projections {
            Projections::Separate { head_norms, .. } => head_norms.iter().flatten().for_each(|norm| norm.visit(each)),
            Projections::Fused(_) => {}
            Projections::Latent { query, kv_norm, .. } => {
                if let Query::Latent { norm, .. } = query {
                    norm.visit(each);
                }
                kv_norm.visit(each);
            }
        }
    }
}
