//! Dropout as an operation of its own, where two products share what is left.

use super::{elements, with_elements};
use crate::noise::Dropout;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// What dropout leaves of `x [positions, features]`.
pub(super) fn dropped(x: &Tensor, dropout: Dropout) -> Result<Tensor> {
    x.apply_op1(Drop(dropout))
}

struct Drop(Dropout);

impl CustomOp1 for Drop {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut values = elements(x, x_at)?.to_vec();
        self.0.apply(&mut values, x_at.shape().dims2()?.1);
        Ok((CpuStorage::F32(values), x_at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let mut dx = with_elements(&dy.contiguous()?, |dy| Ok(dy.to_vec()))?;
        self.0.apply(&mut dx, x.dims2()?.1);
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
