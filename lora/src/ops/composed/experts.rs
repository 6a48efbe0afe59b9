//! Weights of the chosen experts, and the sum of what they compute.

use super::super::experts::{Choice, SUM_MIN};
use super::{Composed, apply, wide};
use crate::config::{Routing, Scores};
use candle_core::{D, Result, Tensor};
use std::sync::Arc;

/// [`expert_weights`](super::super::expert_weights), wide. Small enough to be left to candle's own gradients.
pub(crate) fn expert_weights(logits: &Tensor, choice: &Choice, routing: Routing) -> Result<Tensor> {
    let logits = wide(logits)?;
    let scores = match routing.scores {
        Scores::Softmax => {
            let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?.exp()?;
            shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?
        }
        Scores::Sigmoid => (logits.neg()?.exp()? + 1.0)?.recip()?,
    };
    let experts: Vec<u32> = choice.experts.iter().map(|expert| *expert as u32).collect();
    let index = Tensor::from_vec(experts, (logits.dim(0)?, choice.chosen), logits.device())?;
    let chosen = scores.gather(&index, 1)?;
    let weights = match (routing.normalised, routing.scores) {
        (false, _) => chosen,
        (true, Scores::Softmax) => chosen.broadcast_div(&chosen.sum_keepdim(D::Minus1)?)?,
        (true, Scores::Sigmoid) => chosen.broadcast_div(&(chosen.sum_keepdim(D::Minus1)? + f64::from(SUM_MIN))?)?,
    };
    weights * f64::from(routing.scale)
}

/// [`combine_experts`](super::super::combine_experts).
pub(crate) fn combine_experts(outputs: &Tensor, weights: &Tensor, choice: Arc<Choice>) -> Result<Tensor> {
    apply(Combine { choice }, &[outputs, weights])
}

struct Combine {
    choice: Arc<Choice>,
}

impl Combine {
    /// The outputs for each choice, wide: `[positions, chosen, features]`.
    fn by_choice(&self, outputs: &Tensor) -> Result<Tensor> {
        let rows: Vec<u32> = self.choice.rows.iter().map(|row| *row as u32).collect();
        let (features, chosen) = (outputs.dim(1)?, self.choice.chosen);
        let chosen_outputs = outputs.index_select(&Tensor::new(rows, outputs.device())?, 0)?;
        wide(&chosen_outputs)?.reshape((self.choice.rows.len() / chosen, chosen, features))
    }
}

impl Composed for Combine {
    const NAME: &'static str = "placed-combine-experts";

    fn forward(&self, args: &[&Tensor]) -> Result<Tensor> {
        let (outputs, weights) = (args[0], args[1]);
        self.by_choice(outputs)?.broadcast_mul(&weights.unsqueeze(2)?)?.sum(1)?.to_dtype(outputs.dtype())
    }

    fn backward(&self, args: &[&Tensor], dy: &Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let (outputs, weights) = (args[0], args[1]);
        let dy = wide(dy)?.unsqueeze(1)?;
        let d_outputs = match wanted[0] {
            false => None,
            true => {
                // Every row of the outputs belongs to one choice.
                let mut choices = vec![0u32; self.choice.rows.len()];
                self.choice.rows.iter().enumerate().for_each(|(choice, row)| choices[*row] = choice as u32);
                let by_choice = dy.broadcast_mul(&weights.unsqueeze(2)?)?.reshape(outputs.shape())?;
                let index = Tensor::new(choices, outputs.device())?;
                Some(by_choice.index_select(&index, 0)?.to_dtype(outputs.dtype())?)
            }
        };
        let d_weights = match wanted[1] {
            false => None,
            true => {
                let products = self.by_choice(outputs)?.broadcast_mul(&dy)?;
                Some(products.sum(D::Minus1)?.to_dtype(weights.dtype())?)
            }
        };
        Ok(vec![d_outputs, d_weights])
    }
}

/// One row of zeros for `x [rows, features]`, whose gradient is there and zero. candle takes a factor of zero for no
/// gradient at all.
pub(crate) fn nothing_of(x: &Tensor) -> Result<Tensor> {
    apply(Nothing, &[x])
}

struct Nothing;

impl Composed for Nothing {
    const NAME: &'static str = "placed-nothing";

    fn forward(&self, args: &[&Tensor]) -> Result<Tensor> {
        Tensor::zeros((1, args[0].dim(1)?), args[0].dtype(), args[0].device())
    }

    fn backward(&self, args: &[&Tensor], _: &Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(args[0].zeros_like()?)])
    }
}
