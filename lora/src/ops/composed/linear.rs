//! Linear layers, plain and with a low-rank update.

use super::{Composed, apply};
use crate::noise::Dropout;
use crate::quant::FrozenWeight;
use candle_core::{Result, Tensor};

/// [`frozen_linear`](super::super::frozen_linear); with `unread`, zeros in place of the product.
pub(crate) fn linear(x: &Tensor, weight: &FrozenWeight, unread: bool) -> Result<Tensor> {
    apply(Linear { weight: weight.clone(), unread }, &[x])
}

/// [`lora_linear`](super::super::lora_linear); with `unread`, zeros in place of the products.
pub(crate) fn lora_linear(
    x: &Tensor,
    weight: &FrozenWeight,
    (a, b): (&Tensor, &Tensor),
    scale: f32,
    dropout: Option<Dropout>,
    unread: bool,
) -> Result<Tensor> {
    apply(LoraLinear { weight: weight.clone(), scale: scale.into(), dropout, unread }, &[x, a, b])
}

/// [`decode_linear`](super::super::decode_linear).
pub(crate) fn decode_linear(
    x: &Tensor,
    weight: &FrozenWeight,
    update: Option<(&Tensor, &Tensor, f32)>,
) -> Result<Tensor> {
    let x = &x.detach();
    match update {
        None => linear(x, weight, false),
        Some((a, b, scale)) => lora_linear(x, weight, (&a.detach(), &b.detach()), scale, None, false),
    }
}

/// What dropout multiplies each element of `x` by: drawn on the processor, so that the numbers are those of every device.
pub(super) fn factors(dropout: &Dropout, x: &Tensor) -> Result<Tensor> {
    let (rows, width) = x.dims2()?;
    let mut factors = vec![1f32; rows * width];
    dropout.apply(&mut factors, width);
    Tensor::from_vec(factors, (rows, width), x.device())?.to_dtype(x.dtype())
}

fn zeros(x: &Tensor, weight: &FrozenWeight) -> Result<Tensor> {
    Tensor::zeros((x.dim(0)?, weight.dims()?.0), x.dtype(), x.device())
}

struct Linear {
    weight: FrozenWeight,
    unread: bool,
}

impl Composed for Linear {
    const NAME: &'static str = "placed-linear";

    fn forward(&self, args: &[&Tensor]) -> Result<Tensor> {
        let x = args[0];
        if self.unread {
            return zeros(x, &self.weight);
        }
        x.contiguous()?.matmul(&self.weight.matrix(x.dtype())?.t()?)
    }

    fn backward(&self, args: &[&Tensor], dy: &Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(dy.matmul(&self.weight.matrix(args[0].dtype())?)?)])
    }
}

struct LoraLinear {
    weight: FrozenWeight,
    scale: f64,
    dropout: Option<Dropout>,
    unread: bool,
}

impl LoraLinear {
    /// What goes into `A`, and what it was multiplied by.
    fn dropped(&self, x: &Tensor) -> Result<(Tensor, Option<Tensor>)> {
        match &self.dropout {
            None => Ok((x.clone(), None)),
            Some(dropout) => {
                let factors = factors(dropout, x)?;
                Ok(((x * &factors)?, Some(factors)))
            }
        }
    }
}

impl Composed for LoraLinear {
    const NAME: &'static str = "placed-lora-linear";

    fn forward(&self, args: &[&Tensor]) -> Result<Tensor> {
        let [x, a, b] = args else { candle_core::bail!("an adapted layer has three arguments") };
        if self.unread {
            return zeros(x, &self.weight);
        }
        let (x, dtype) = (x.contiguous()?, x.dtype());
        let y = x.matmul(&self.weight.matrix(dtype)?.t()?)?;
        let down = self.dropped(&x)?.0.matmul(&a.to_dtype(dtype)?.t()?)?;
        y + (down * self.scale)?.matmul(&b.to_dtype(dtype)?.t()?)?
    }

    fn backward(&self, args: &[&Tensor], dy: &Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let [x, a, b] = args else { candle_core::bail!("an adapted layer has three arguments") };
        let (x, dtype) = (x.contiguous()?, x.dtype());
        let (wide_a, wide_b) = (a.to_dtype(dtype)?, b.to_dtype(dtype)?);
        let (left, factors) = self.dropped(&x)?;
        let d_down = (dy.matmul(&wide_b)? * self.scale)?;
        // Computed again instead of kept, as on the processor.
        let down = left.matmul(&wide_a.t()?)?;
        let da = d_down.t()?.matmul(&left)?.to_dtype(a.dtype())?;
        let db = (dy.t()?.matmul(&down)? * self.scale)?.to_dtype(b.dtype())?;
        drop(left);
        let dx = match wanted[0] {
            false => None,
            true => {
                let through_a = d_down.matmul(&wide_a)?;
                let through_a = match factors {
                    Some(factors) => (through_a * factors)?,
                    None => through_a,
                };
                Some((dy.matmul(&self.weight.matrix(dtype)?)? + through_a)?)
            }
        };
        Ok(vec![dx, Some(da), Some(db)])
    }
}
