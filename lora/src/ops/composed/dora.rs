//! Weight-decomposed low-rank layers.

use super::linear::{factors, linear, lora_linear};
use super::{Composed, apply, wide, wide_dtype};
use crate::noise::Dropout;
use crate::quant::FrozenWeight;
use candle_core::{DType, Result, Tensor};

/// [`dora_linear`](super::super::dora_linear).
pub(crate) fn dora_linear(
    x: &Tensor,
    weight: &FrozenWeight,
    (a, b, magnitude): (&Tensor, &Tensor, &Tensor),
    scale: f32,
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    let update = Some((&a.detach(), &b.detach(), scale));
    let lengths = lengths(weight, update, x.dtype())?;
    let Some(dropout) = dropout else {
        let y = lora_linear(x, weight, (a, b), scale, None, false)?;
        return apply(ScaledColumns { lengths }, &[&y, magnitude]);
    };
    let left = apply(Drop(dropout), &[x])?;
    let adapted = lora_linear(&left, weight, (a, b), scale, None, false)?;
    let adapted = apply(ScaledColumns { lengths }, &[&adapted, magnitude])?;
    adapted + linear(&(x - left)?, weight, false)?
}

/// [`row_norms`](super::super::row_norms) of a weight that own kernels do not read.
pub(crate) fn row_norms(weight: &FrozenWeight, update: Option<(&Tensor, &Tensor, f32)>) -> Result<Vec<f32>> {
    lengths(weight, update, weight.place().1)?.to_dtype(DType::F32)?.to_vec1()
}

/// Lengths of the rows of `W + scale·B·A`, wide.
fn lengths(weight: &FrozenWeight, update: Option<(&Tensor, &Tensor, f32)>, dtype: DType) -> Result<Tensor> {
    let dtype = wide_dtype(dtype);
    let mut rows = weight.matrix(dtype)?;
    if let Some((a, b, scale)) = update {
        rows = (rows + (b.to_dtype(dtype)?.matmul(&a.to_dtype(dtype)?)? * f64::from(scale))?)?;
    }
    rows.sqr()?.sum(1)?.sqrt()
}

/// `y ⊙ (m / c)`: column `j` of `y [positions, out]` times `m[j] / c[j]`. `c` gets no gradient.
struct ScaledColumns {
    lengths: Tensor,
}

impl ScaledColumns {
    fn factors(&self, y: &Tensor, magnitude: &Tensor) -> Result<Tensor> {
        (magnitude.to_dtype(self.lengths.dtype())? / &self.lengths)?.to_dtype(y.dtype())
    }
}

impl Composed for ScaledColumns {
    const NAME: &'static str = "placed-scaled-columns";

    fn forward(&self, args: &[&Tensor]) -> Result<Tensor> {
        args[0].broadcast_mul(&self.factors(args[0], args[1])?)
    }

    fn backward(&self, args: &[&Tensor], dz: &Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let (y, magnitude) = (args[0], args[1]);
        let dy = dz.broadcast_mul(&self.factors(y, magnitude)?)?;
        let dm = ((wide(y)? * wide(dz)?)?.sum(0)? / &self.lengths)?;
        Ok(vec![Some(dy), Some(dm.to_dtype(magnitude.dtype())?)])
    }
}

/// What dropout leaves of `x [positions, features]`.
struct Drop(Dropout);

impl Composed for Drop {
    const NAME: &'static str = "placed-dropout";

    fn forward(&self, args: &[&Tensor]) -> Result<Tensor> {
        args[0] * factors(&self.0, args[0])?
    }

    fn backward(&self, args: &[&Tensor], dy: &Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some((dy * factors(&self.0, args[0])?)?)])
    }
}
