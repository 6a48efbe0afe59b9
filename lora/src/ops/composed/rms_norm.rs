//! Root-mean-square normalisation.

use super::{Composed, apply, wide};
use candle_core::{D, Result, Tensor};

/// [`rms_norm`](super::super::rms_norm), with a weight that gets no gradient.
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f32, offset: f32) -> Result<Tensor> {
    apply(RmsNorm { weight: weight.detach(), epsilon: epsilon.into(), offset: offset.into() }, &[x])
}

struct RmsNorm {
    weight: Tensor,
    epsilon: f64,
    offset: f64,
}

impl RmsNorm {
    /// `x` in stretches of the weight's length, wide, each scaled to unit root mean square; and by what.
    fn scaled(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let features = self.weight.elem_count();
        let x = wide(x)?.reshape((x.elem_count() / features, features))?;
        let mean_square = (x.sqr()?.sum_keepdim(D::Minus1)? / features as f64)?;
        let inverse = (mean_square + self.epsilon)?.sqrt()?.recip()?;
        Ok((x.broadcast_mul(&inverse)?, inverse))
    }

    fn factors(&self) -> Result<Tensor> {
        wide(&self.weight)? + self.offset
    }
}

impl Composed for RmsNorm {
    const NAME: &'static str = "placed-rms-norm";

    fn forward(&self, args: &[&Tensor]) -> Result<Tensor> {
        let x = args[0];
        self.scaled(x)?.0.broadcast_mul(&self.factors()?)?.to_dtype(x.dtype())?.reshape(x.shape())
    }

    fn backward(&self, args: &[&Tensor], dy: &Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        // dx = inverse·(g - x̂·mean(g·x̂)), where g = dy·(weight + offset) and x̂ = x·inverse
        let x = args[0];
        let (scaled, inverse) = self.scaled(x)?;
        let g = wide(dy)?.reshape(scaled.shape())?.broadcast_mul(&self.factors()?)?;
        let along = ((&g * &scaled)?.sum_keepdim(D::Minus1)? / self.weight.elem_count() as f64)?;
        let dx = (g - scaled.broadcast_mul(&along)?)?.broadcast_mul(&inverse)?;
        Ok(vec![Some(dx.to_dtype(x.dtype())?.reshape(x.shape())?)])
    }
}
