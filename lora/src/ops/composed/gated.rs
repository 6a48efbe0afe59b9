//! The gate of the feed-forward block.

use super::super::gated::gelu;
use super::{Composed, apply, wide};
use crate::config::Activation;
use candle_core::{Result, Tensor};

/// [`gated`](super::super::gated).
pub(crate) fn gated(gate: &Tensor, up: &Tensor, activation: Activation) -> Result<Tensor> {
    apply(Gated { activation }, &[gate, up])
}

struct Gated {
    activation: Activation,
}

impl Gated {
    /// The factor of `x` that the activation is, wide: `sigmoid(x)`, or `sigmoid(2u)` of [`gelu`].
    fn share(&self, x: &Tensor) -> Result<Tensor> {
        let exponent = match self.activation {
            Activation::Silu => x.neg()?,
            Activation::GeluTanh => ((x * ((x.sqr()? * f64::from(gelu::CUBIC))? + 1.0)?)? * -f64::from(gelu::OUTER))?,
        };
        (exponent.exp()? + 1.0)?.recip()
    }

    /// Derivative of `x·share(x)`, given the share.
    fn slope(&self, x: &Tensor, share: &Tensor) -> Result<Tensor> {
        let steep = (x * (share * share.affine(-1.0, 1.0)?)?)?;
        match self.activation {
            Activation::Silu => share + steep,
            Activation::GeluTanh => {
                let outer = f64::from(gelu::OUTER);
                share + (steep * x.sqr()?.affine(3.0 * outer * f64::from(gelu::CUBIC), outer)?)?
            }
        }
    }
}

impl Composed for Gated {
    const NAME: &'static str = "placed-gated";

    fn forward(&self, args: &[&Tensor]) -> Result<Tensor> {
        let (gate, up) = (wide(args[0])?, wide(args[1])?);
        ((&gate * self.share(&gate)?)? * up)?.to_dtype(args[0].dtype())
    }

    fn backward(&self, args: &[&Tensor], dy: &Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let (gate, up, dy) = (wide(args[0])?, wide(args[1])?, wide(dy)?);
        let share = self.share(&gate)?;
        let d_up = (&dy * (&gate * &share)?)?.to_dtype(args[1].dtype())?;
        let d_gate = ((dy * up)? * self.slope(&gate, &share)?)?.to_dtype(args[0].dtype())?;
        Ok(vec![Some(d_gate), Some(d_up)])
    }
}
