//! The feed-forward block of a decoder layer, and experts in its place.

use super::assembly::{CORRECTION, Parts, Visit, router_path};
use super::linear::{Linear, Pass};
use super::site::Block;
use crate::config::{Activation, Experts, Scores};
use crate::error::LoadError;
use crate::lora::Target;
use crate::ops;
use candle_core::{Result, Tensor};
use std::sync::Arc;

/// What follows the attention in a decoder layer.
#[derive(Debug)]
pub(super) enum FeedForward {
    Dense(Gated),
    Experts(Box<ExpertLayer>),
}

/// A gated feed-forward block: `down(activation(gate(x)) · up(x))`.
#[derive(Debug)]
pub(super) struct Gated {
    input: GateAndUp,
    down: Linear,
    activation: Activation,
}

#[derive(Debug)]
enum GateAndUp {
    Separate {
        gate: Linear,
        up: Linear,
    },
    /// One matrix, the gate first.
    Fused(Linear),
}

/// Experts, of which a router chooses some for every position.
#[derive(Debug)]
pub(super) struct ExpertLayer {
    config: Experts,
    /// Path of the router.
    path: String,
    /// `[experts, hidden]`
    router: Tensor,
    /// `[experts]`, added to the scores for the choice.
    correction: Option<Tensor>,
    experts: Vec<Gated>,
    shared: Option<Gated>,
}

impl FeedForward {
    pub(super) fn assemble(parts: &mut Parts<'_>, layer: usize) -> std::result::Result<Self, LoadError> {
        let config = parts.config;
        let Some(experts) = config.experts(layer) else {
            return Ok(Self::Dense(Gated::assemble(parts, layer, Block::FeedForward)?));
        };
        let path = router_path(config, layer);
        let router = parts.tensor(&format!("{path}.weight"))?;
        let correction = match experts.routing.scores {
            Scores::Softmax => None,
            Scores::Sigmoid => Some(parts.tensor(&format!("{path}{CORRECTION}"))?),
        };
        let shared = match experts.shared {
            0 => None,
            _ => Some(Gated::assemble(parts, layer, Block::Shared)?),
        };
        let all = (0..experts.count).map(|expert| Gated::assemble(parts, layer, Block::Expert(expert)));
        let experts_of_layer = all.collect::<std::result::Result<_, _>>()?;
        let config = experts.clone();
        Ok(Self::Experts(Box::new(ExpertLayer { config, path, router, correction, experts: experts_of_layer, shared })))
    }

    /// Shapes: `x [positions, hidden]` -> the same.
    pub(super) fn forward(&self, x: &Tensor, pass: Pass<'_>) -> Result<Tensor> {
        match self {
            Self::Dense(block) => block.forward(x, None, pass),
            Self::Experts(layer) => layer.forward(x, pass),
        }
    }

    /// All linear layers; the router is none.
    pub(super) fn linears(&self) -> Vec<&Linear> {
        match self {
            Self::Dense(block) => block.linears().collect(),
            Self::Experts(layer) => layer.experts.iter().chain(&layer.shared).flat_map(Gated::linears).collect(),
        }
    }

    pub(super) fn visit(&self, each: Visit<'_>) {
        match self {
            Self::Dense(block) => block.visit(each),
            Self::Experts(layer) => {
                each(format!("{}.weight", layer.path), layer.router.clone().into());
                if let Some(correction) = &layer.correction {
                    each(format!("{}{CORRECTION}", layer.path), correction.clone().into());
                }
                layer.experts.iter().chain(&layer.shared).for_each(|block| block.visit(each));
            }
        }
    }
}

impl Gated {
    fn assemble(parts: &mut Parts<'_>, layer: usize, block: Block) -> std::result::Result<Self, LoadError> {
        let family = parts.config.family();
        let mut linear = |target| parts.linear(layer, block, target);
        let input = if family.is_fused() {
            GateAndUp::Fused(linear(Target::GateUp)?)
        } else {
            GateAndUp::Separate { gate: linear(Target::Gate)?, up: linear(Target::Up)? }
        };
        Ok(Self { input, down: linear(Target::Down)?, activation: family.activation() })
    }

    /// `rows`: the positions of the batch that `x` holds, if not all.
    fn forward(&self, x: &Tensor, rows: Option<&Arc<Vec<u32>>>, pass: Pass<'_>) -> Result<Tensor> {
        let (gate, up) = match &self.input {
            GateAndUp::Separate { gate, up } => (gate.forward_rows(x, rows, pass)?, up.forward_rows(x, rows, pass)?),
            GateAndUp::Fused(linear) => {
                let both = linear.forward_rows(x, rows, pass)?;
                let width = both.dim(1)? / 2;
                (both.narrow(1, 0, width)?.contiguous()?, both.narrow(1, width, width)?.contiguous()?)
            }
        };
        self.down.forward_last(&ops::gated(&gate, &up, self.activation)?, rows, pass)
    }

    fn linears(&self) -> impl Iterator<Item = &Linear> {
        let input: [Option<&Linear>; 2] = match &self.input {
            GateAndUp::Separate { gate, up } => [Some(gate), Some(up)],
            GateAndUp::Fused(linear) => [Some(linear), None],
        };
        input.into_iter().flatten().chain([&self.down])
    }

    fn visit(&self, each: Visit<'_>) {
        self.linears().for_each(|linear| linear.visit(each));
    }
}

impl ExpertLayer {
    fn forward(&self, x: &Tensor, pass: Pass<'_>) -> Result<Tensor> {
        let logits = ops::linear(x, &self.router)?;
        let choice = ops::choose_experts(&logits, self.correction.as_ref(), &self.config)?;
        let weights = ops::expert_weights(&logits, &choice, self.config.routing)?;
        let (mut outputs, mut idle) = (Vec::new(), Vec::new());
        for (expert, block) in self.experts.iter().enumerate() {
            let rows = choice.positions_of(expert);
            // An expert that nothing is sent to computes nothing, but its parameters have a gradient, which is zero.
            if rows.is_empty() && !block.linears().any(|linear| linear.is_trained(pass)) {
                continue;
            }
            // The gradient of the weights is made from the outputs.
            let read = Pass { unread: false, ..pass };
            if rows.is_empty() && !ops::is_native(x) {
                // Only own kernels compute with no row at all, and where no gradient follows nothing has to be.
                if pass.decode {
                    continue;
                }
                idle.push(block.forward(&x.narrow(0, 0, 1)?, Some(&Arc::new(vec![0])), read)?);
                continue;
            }
            let index = Tensor::from_slice(rows, rows.len(), x.device())?;
            outputs.push(block.forward(&x.index_select(&index, 0)?, Some(rows), read)?);
        }
        let outputs = match outputs.is_empty() {
            true => Tensor::zeros((0, x.dim(1)?), x.dtype(), x.device())?,
            false => Tensor::cat(&outputs, 0)?,
        };
        let mut sum = ops::combine_experts(&outputs, &weights, choice)?;
        // Nothing of them, so that their gradients are there and zero.
        if !idle.is_empty() {
            sum = sum.broadcast_add(&ops::nothing_of(&Tensor::cat(&idle, 0)?)?)?;
        }
        match &self.shared {
            Some(shared) => sum + shared.forward(x, None, pass)?,
            None => Ok(sum),
        }
    }
}
