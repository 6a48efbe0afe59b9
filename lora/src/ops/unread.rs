//! Linear layers of which only the gradient is wanted, because nobody reads what comes out.

use super::composed;
use super::is_native;
use super::linear::{Linear, LoraLinear, PackedLinear};
use crate::noise::Dropout;
use crate::quant::FrozenWeight;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

/// As [`super::frozen_linear`], with zeros in place of the product.
pub(crate) fn unread_frozen_linear(x: &Tensor, weight: &FrozenWeight) -> Result<Tensor> {
    if !is_native(x) {
        return composed::linear(x, weight, true);
    }
    let shape = (x.dim(0)?, weight.dims()?.0);
    match weight {
        FrozenWeight::Dense(weight) => x.apply_op2(weight, Unread { of: Linear, shape }),
        packed => x.apply_op1(Unread { of: PackedLinear { weight: packed.clone() }, shape }),
    }
}

/// As [`super::lora_linear`], with zeros in place of the products.
pub(crate) fn unread_lora_linear(
    x: &Tensor,
    weight: &FrozenWeight,
    a: &Tensor,
    b: &Tensor,
    scale: f32,
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    if !is_native(x) {
        return composed::lora_linear(x, weight, (a, b), scale, dropout, true);
    }
    let shape = (x.dim(0)?, weight.dims()?.0);
    x.apply_op3(a, b, Unread { of: LoraLinear { weight: weight.clone(), scale, dropout }, shape })
}

/// An operation whose gradient does not depend on its output.
struct Unread<O> {
    of: O,
    /// Rows and columns of the output.
    shape: (usize, usize),
}

impl<O> Unread<O> {
    fn zeros(&self) -> Result<(CpuStorage, Shape)> {
        let (rows, columns) = self.shape;
        Ok((CpuStorage::F32(vec![0.0; rows * columns]), Shape::from(self.shape)))
    }
}

impl<O: CustomOp1> CustomOp1 for Unread<O> {
    fn name(&self) -> &'static str {
        self.of.name()
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.zeros()
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        self.of.bwd(x, y, dy)
    }
}

impl<O: CustomOp2> CustomOp2 for Unread<O> {
    fn name(&self) -> &'static str {
        self.of.name()
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.zeros()
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        self.of.bwd(x, w, y, dy)
    }
}

impl<O: CustomOp3> CustomOp3 for Unread<O> {
    fn name(&self) -> &'static str {
        self.of.name()
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.zeros()
    }

    fn bwd(
        &self,
        x: &Tensor,
        a: &Tensor,
        b: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        self.of.bwd(x, a, b, y, dy)
    }
}
