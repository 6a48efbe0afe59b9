//! A normalisation with its weight.

use super::assembly::Visit;
use crate::ops;
use candle_core::{Result, Tensor};

/// Root-mean-square normalisation of rows as wide as the weight.
#[derive(Debug)]
pub(crate) struct Norm {
    pub name: String,
    /// `[features]`
    pub weight: Tensor,
    /// Added to the mean square before the root.
    pub epsilon: f32,
    /// Added to the weight before it multiplies.
    pub offset: f32,
}

impl Norm {
    /// Shapes: `x [positions, k·features]` -> the same; each stretch of `features` on its own.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::rms_norm(x, &self.weight, self.epsilon, self.offset)
    }

    pub(crate) fn visit(&self, each: Visit<'_>) {
        each(self.name.clone(), self.weight.clone().into());
    }
}
