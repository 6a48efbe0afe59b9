//! Linear layers `y = x·Wᵀ`, plain and with a low-rank update.

use super::gemm::{Into, Threads, View, product};
use super::{composed, elements, is_native, is_tracked, with_elements};
use crate::noise::Dropout;
use crate::quant::FrozenWeight;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

/// Applies a linear layer: `y = x·Wᵀ`.
///
/// Shapes: `x [positions, in]`, `W [out, in]` -> `[positions, out]`.
/// The weight's gradient is computed only if `W` is a variable, and own kernels read it.
pub(crate) fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if !is_native(x) {
        return composed::linear(x, &weight.clone().into(), false);
    }
    x.apply_op2(weight, Linear)
}

/// [`linear`] with a weight that may be packed; a packed one is unpacked tile by tile and gets no gradient.
pub(crate) fn frozen_linear(x: &Tensor, weight: &FrozenWeight) -> Result<Tensor> {
    match weight {
        _ if !is_native(x) => composed::linear(x, weight, false),
        FrozenWeight::Dense(weight) => linear(x, weight),
        packed => x.apply_op1(PackedLinear { weight: packed.clone() }),
    }
}

/// Adds the low-rank update to a frozen layer: `y = x·Wᵀ + scale·drop(x)·Aᵀ·Bᵀ`.
///
/// Shapes: `x [positions, in]`, `W [out, in]`, `A [rank, in]`, `B [out, rank]` -> `[positions, out]`.
/// `W` gets no gradient. Cost: `rank·(in + out)` multiply-adds per position above the frozen layer.
/// Source: LoRA, arXiv 2106.09685, section 4.1; the dropout is on the way into `A`, as in PEFT.
pub(crate) fn lora_linear(
    x: &Tensor,
    weight: &FrozenWeight,
    a: &Tensor,
    b: &Tensor,
    scale: f32,
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    if !is_native(x) {
        return composed::lora_linear(x, weight, (a, b), scale, dropout, false);
    }
    x.apply_op3(a, b, LoraLinear { weight: weight.clone(), scale, dropout })
}

/// `W + scale·B·A`, detached.
///
/// Shapes: `W [out, in]`, `A [rank, in]`, `B [out, rank]` -> `[out, in]`.
pub(crate) fn low_rank_sum(weight: &Tensor, a: &Tensor, b: &Tensor, scale: f32) -> Result<Tensor> {
    let ((output, input), rank) = (weight.dims2()?, a.dim(0)?);
    let mut sum = with_elements(weight, |weight| Ok(weight.to_vec()))?;
    with_elements(a, |a| {
        with_elements(b, |b| {
            let (a, b) = (View::dense(a, rank, input), View::dense(b, output, rank));
            product(&mut sum, input, Into::Add, b, a, scale, Threads::All);
            Ok(())
        })
    })?;
    Tensor::from_vec(sum, (output, input), weight.device())
}

/// `y = x·Wᵀ` into `y`.
fn forward(weight: &FrozenWeight, x: View<'_>, y: &mut [f32]) -> Result<()> {
    let (output, input) = weight.dims()?;
    weight.each_tile(|first, tile| {
        let tile = View::dense(tile, tile.len() / input, input);
        product(&mut y[first..], output, Into::Overwrite, x, tile.transposed(), 1.0, Threads::All);
        Ok(())
    })
}

/// `dx = dy·W` into `dx`, for `dy` of `rows` rows.
fn backward(weight: &FrozenWeight, dy: &[f32], rows: usize, dx: &mut [f32]) -> Result<()> {
    let (output, input) = weight.dims()?;
    weight.each_tile(|first, tile| {
        let outputs = tile.len() / input;
        let into = if first == 0 { Into::Overwrite } else { Into::Add };
        let dy = View::strided(&dy[first..], rows, outputs, output);
        product(dx, input, into, dy, View::dense(tile, outputs, input), 1.0, Threads::All);
        Ok(())
    })
}

pub(super) struct PackedLinear {
    pub(super) weight: FrozenWeight,
}

impl CustomOp1 for PackedLinear {
    fn name(&self) -> &'static str {
        "packed-linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let ((rows, input), output) = (x_at.shape().dims2()?, self.weight.dims()?.0);
        let mut y = vec![0f32; rows * output];
        forward(&self.weight, View::dense(elements(x, x_at)?, rows, input), &mut y)?;
        Ok((CpuStorage::F32(y), Shape::from((rows, output))))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (rows, input) = x.dims2()?;
        let mut dx = vec![0f32; rows * input];
        with_elements(&dy.contiguous()?, |dy| backward(&self.weight, dy, rows, &mut dx))?;
        Ok(Some(Tensor::from_vec(dx, (rows, input), x.device())?))
    }
}

pub(super) struct Linear;

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_at: &Layout, w: &CpuStorage, w_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let ((rows, input), (output, _)) = (x_at.shape().dims2()?, w_at.shape().dims2()?);
        let (x, w) = (elements(x, x_at)?, elements(w, w_at)?);
        let mut y = vec![0f32; rows * output];
        let (x, w) = (View::dense(x, rows, input), View::dense(w, output, input));
        product(&mut y, output, Into::Overwrite, x, w.transposed(), 1.0, Threads::All);
        Ok((CpuStorage::F32(y), Shape::from((rows, output))))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ((rows, input), output) = (x.dims2()?, w.dim(0)?);
        let dy = dy.contiguous()?;
        with_elements(&dy, |dy| {
            let dy = View::dense(dy, rows, output);
            let dx = is_tracked(x)
                .then(|| {
                    with_elements(w, |w| {
                        let mut dx = vec![0f32; rows * input];
                        product(&mut dx, input, Into::Overwrite, dy, View::dense(w, output, input), 1.0, Threads::All);
                        Tensor::from_vec(dx, (rows, input), x.device())
                    })
                })
                .transpose()?;
            let dw = is_tracked(w)
                .then(|| {
                    with_elements(x, |x| {
                        let mut dw = vec![0f32; output * input];
                        let x = View::dense(x, rows, input);
                        product(&mut dw, input, Into::Overwrite, dy.transposed(), x, 1.0, Threads::All);
                        Tensor::from_vec(dw, (output, input), w.device())
                    })
                })
                .transpose()?;
            Ok((dx, dw))
        })
    }
}

pub(super) struct LoraLinear {
    pub(super) weight: FrozenWeight,
    pub(super) scale: f32,
    pub(super) dropout: Option<Dropout>,
}

impl LoraLinear {
    /// Calls `read` with what goes into `A`: `x`, or what dropout leaves of it.
    fn with_dropped<R>(&self, x: &[f32], input: usize, read: impl FnOnce(&[f32]) -> R) -> R {
        match &self.dropout {
            None => read(x),
            Some(dropout) => {
                let mut dropped = x.to_vec();
                dropout.apply(&mut dropped, input);
                read(&dropped)
            }
        }
    }
}

impl CustomOp3 for LoraLinear {
    fn name(&self) -> &'static str {
        "lora-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_at: &Layout,
        a: &CpuStorage,
        a_at: &Layout,
        b: &CpuStorage,
        b_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((rows, input), (output, rank)) = (x_at.shape().dims2()?, b_at.shape().dims2()?);
        let x = elements(x, x_at)?;
        let a = View::dense(elements(a, a_at)?, rank, input);
        let b = View::dense(elements(b, b_at)?, output, rank);
        let mut y = vec![0f32; rows * output];
        let mut down = vec![0f32; rows * rank];
        forward(&self.weight, View::dense(x, rows, input), &mut y)?;
        self.with_dropped(x, input, |x| {
            let x = View::dense(x, rows, input);
            product(&mut down, rank, Into::Overwrite, x, a.transposed(), 1.0, Threads::All);
        });
        let down = View::dense(&down, rows, rank);
        product(&mut y, output, Into::Add, down, b.transposed(), self.scale, Threads::All);
        Ok((CpuStorage::F32(y), Shape::from((rows, output))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((rows, input), (output, rank)) = (x.dims2()?, b.dims2()?);
        let dy = dy.contiguous()?;
        let mut down = vec![0f32; rows * rank];
        let mut d_down = vec![0f32; rows * rank];
        let mut da = vec![0f32; rank * input];
        let mut db = vec![0f32; output * rank];
        let mut dx = is_tracked(x).then(|| vec![0f32; rows * input]);
        // `down = drop(x)·Aᵀ` is computed again instead of kept: it costs rank/out of the layer and saves its memory.
        let all = Threads::All;
        with_elements(&dy, |dy_values| {
            with_elements(x, |x| {
                with_elements(a, |a| {
                    with_elements(b, |b| {
                        let dy = View::dense(dy_values, rows, output);
                        let (a, b) = (View::dense(a, rank, input), View::dense(b, output, rank));
                        product(&mut d_down, rank, Into::Overwrite, dy, b, self.scale, all);
                        let d_down = View::dense(&d_down, rows, rank);
                        self.with_dropped(x, input, |x| {
                            let x = View::dense(x, rows, input);
                            product(&mut down, rank, Into::Overwrite, x, a.transposed(), 1.0, all);
                            product(&mut da, input, Into::Overwrite, d_down.transposed(), x, 1.0, all);
                        });
                        let down = View::dense(&down, rows, rank);
                        product(&mut db, rank, Into::Overwrite, dy.transposed(), down, self.scale, all);
                        let Some(dx) = &mut dx else { return Ok(()) };
                        backward(&self.weight, dy_values, rows, dx)?;
                        match &self.dropout {
                            None => product(dx, input, Into::Add, d_down, a, 1.0, all),
                            Some(dropout) => {
                                let mut through_a = vec![0f32; rows * input];
                                product(&mut through_a, input, Into::Overwrite, d_down, a, 1.0, all);
                                dropout.apply(&mut through_a, input);
                                dx.iter_mut().zip(&through_a).for_each(|(dx, part)| *dx += part);
                            }
                        }
                        Ok(())
                    })
                })
            })
        })?;
        let device = x.device();
        let dx = dx.map(|dx| Tensor::from_vec(dx, (rows, input), device)).transpose()?;
        let da = Tensor::from_vec(da, (rank, input), device)?;
        let db = Tensor::from_vec(db, (output, rank), device)?;
        Ok((dx, Some(da), Some(db)))
    }
}
