//! Weight-decomposed low-rank layers.

use super::dropout::dropped;
use super::gemm::{Into, Threads, View, product};
use super::linear::{frozen_linear, lora_linear};
use super::{composed, elements, is_native, math, with_elements};
use crate::noise::Dropout;
use crate::quant::{FrozenWeight, tile_rows};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

/// Applies a layer whose weight is decomposed into lengths and directions: `y = x·W'ᵀ` with
/// `W' = m ⊙ (W + scale·B·A) / c`, row by row, where `c` are the lengths of the rows of `W + scale·B·A`.
///
/// Shapes: `x [positions, in]`, `W [out, in]`, `A [rank, in]`, `B [out, rank]`, `m [out]` -> `[positions, out]`.
/// No gradient flows through `c`, as the paper proposes (section 4.3) and PEFT does. With dropout, `x·Wᵀ` stays whole and
/// only the difference that the adapter makes sees what is left of `x`.
/// Cost above the plain layer: `rank·in·out` multiply-adds for `c`, and with dropout a second product with `W`.
/// Source: DoRA, arXiv 2402.09353, equations 5 and 11.
pub(crate) fn dora_linear(
    x: &Tensor,
    weight: &FrozenWeight,
    (a, b, magnitude): (&Tensor, &Tensor, &Tensor),
    scale: f32,
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    if !is_native(x) {
        return composed::dora_linear(x, weight, (a, b, magnitude), scale, dropout);
    }
    let lengths = row_norms(weight, Some((a, b, scale)))?;
    let Some(dropout) = dropout else {
        return scaled_columns(&lora_linear(x, weight, a, b, scale, None)?, magnitude, lengths);
    };
    // x·Wᵀ + (m/c - 1)·d·Wᵀ + (m/c)·scale·d·Aᵀ·Bᵀ with d = drop(x), with the two products by W that it needs.
    let left = dropped(x, dropout)?;
    let adapted = scaled_columns(&lora_linear(&left, weight, a, b, scale, None)?, magnitude, lengths)?;
    // In this order: candle takes the left side alone where there is no position, and a gradient must find its way to A and B.
    adapted + frozen_linear(&(x - left)?, weight)?
}

/// Lengths of the rows of `W`, or of `W + scale·B·A` for an update `(A, B, scale)`; one tile of it exists at a time.
pub(crate) fn row_norms(weight: &FrozenWeight, update: Option<(&Tensor, &Tensor, f32)>) -> Result<Vec<f32>> {
    if !weight.is_native() {
        return composed::row_norms(weight, update);
    }
    let (output, input) = weight.dims()?;
    let mut norms = Vec::with_capacity(output);
    let mut sum = Vec::new();
    weight.each_tile(|first, rows| {
        for (index, tile) in rows.chunks(tile_rows(input) * input).enumerate() {
            sum.clear();
            sum.extend_from_slice(tile);
            if let Some((a, b, scale)) = update {
                let (first, count, rank) = (first + index * tile_rows(input), tile.len() / input, a.dim(0)?);
                with_elements(a, |a| {
                    with_elements(b, |b| {
                        let b = View::dense(&b[first * rank..], count, rank);
                        product(&mut sum, input, Into::Add, b, View::dense(a, rank, input), scale, Threads::All);
                        Ok(())
                    })
                })?;
            }
            norms.extend(sum.chunks(input).map(|row| math::dot(row, row).sqrt()));
        }
        Ok(())
    })?;
    Ok(norms)
}

/// `y ⊙ (m / c)`: column `j` of `y [positions, out]` times `m[j] / c[j]`. `c` gets no gradient.
fn scaled_columns(y: &Tensor, magnitude: &Tensor, lengths: Vec<f32>) -> Result<Tensor> {
    y.apply_op2(magnitude, ScaledColumns { lengths })
}

struct ScaledColumns {
    lengths: Vec<f32>,
}

impl ScaledColumns {
    /// `values ⊙ (m / c)`
    fn scale(&self, values: &[f32], magnitude: &[f32]) -> Vec<f32> {
        let factors: Vec<f32> = magnitude.iter().zip(&self.lengths).map(|(m, c)| m / c).collect();
        // Reserved at once: growing step by step would leave holes in memory as large as the result.
        let mut scaled = Vec::with_capacity(values.len());
        for row in values.chunks(factors.len().max(1)) {
            scaled.extend(row.iter().zip(&factors).map(|(value, factor)| value * factor));
        }
        scaled
    }
}

impl CustomOp2 for ScaledColumns {
    fn name(&self) -> &'static str {
        "scaled-columns"
    }

    fn cpu_fwd(&self, y: &CpuStorage, y_at: &Layout, m: &CpuStorage, m_at: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(self.scale(elements(y, y_at)?, elements(m, m_at)?)), y_at.shape().clone()))
    }

    fn bwd(&self, y: &Tensor, m: &Tensor, _: &Tensor, dz: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        with_elements(&dz.contiguous()?, |dz| {
            let dy = with_elements(m, |m| Ok(self.scale(dz, m)))?;
            let mut dm = vec![0f32; self.lengths.len()];
            with_elements(y, |y| {
                for (y, dz) in y.chunks(dm.len().max(1)).zip(dz.chunks(dm.len().max(1))) {
                    dm.iter_mut().zip(y.iter().zip(dz)).for_each(|(sum, (y, dz))| *sum += y * dz);
                }
                Ok(())
            })?;
            dm.iter_mut().zip(&self.lengths).for_each(|(sum, length)| *sum /= length);
            let device = y.device();
            let count = dm.len();
            Ok((Some(Tensor::from_vec(dy, y.shape(), device)?), Some(Tensor::from_vec(dm, count, device)?)))
        })
    }
}
