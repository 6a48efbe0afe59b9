//! Root-mean-square normalisation.

use super::math::dot;
use super::{composed, elements, is_native, is_tracked, with_elements};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

/// Scales every row to unit root mean square, then by `weight + offset`: `y = x / sqrt(mean(x²) + epsilon) · (weight + offset)`.
///
/// Shapes: `x [positions, k·features]`, `weight [features]` -> that of `x`; each stretch of `features` on its own.
/// Source: arXiv 1910.07467, equation 4.
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f32, offset: f32) -> Result<Tensor> {
    if !is_native(x) {
        return composed::rms_norm(x, weight, epsilon, offset);
    }
    x.apply_op2(weight, RmsNorm { epsilon, offset })
}

struct RmsNorm {
    epsilon: f32,
    offset: f32,
}

impl RmsNorm {
    /// `1 / sqrt(mean(x²) + epsilon)`.
    fn inverse(&self, row: &[f32]) -> f32 {
        1.0 / (dot(row, row) / row.len() as f32 + self.epsilon).sqrt()
    }
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_at: &Layout, w: &CpuStorage, w_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, w) = (elements(x, x_at)?, elements(w, w_at)?);
        let mut y = vec![0f32; x.len()];
        for (x, y) in x.chunks_exact(w.len()).zip(y.chunks_exact_mut(w.len())) {
            let inverse = self.inverse(x);
            for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                *y = x * inverse * (w + self.offset);
            }
        }
        Ok((CpuStorage::F32(y), x_at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let features = w.elem_count();
        let mut dx = is_tracked(x).then(|| vec![0f32; x.elem_count()]);
        let mut dw = is_tracked(w).then(|| vec![0f32; features]);
        let mut scaled = vec![0f32; features];
        with_elements(x, |x| {
            with_elements(w, |w| {
                with_elements(&dy, |dy| {
                    for (row, (x, dy)) in x.chunks_exact(features).zip(dy.chunks_exact(features)).enumerate() {
                        let inverse = self.inverse(x);
                        if let Some(dw) = &mut dw {
                            for ((dw, x), dy) in dw.iter_mut().zip(x).zip(dy) {
                                *dw += dy * x * inverse;
                            }
                        }
                        if let Some(dx) = &mut dx {
                            // dx = inverse·(g - x·inverse²·mean(g·x)), where g = dy·(weight + offset)
                            for ((scaled, dy), w) in scaled.iter_mut().zip(dy).zip(w) {
                                *scaled = dy * (w + self.offset);
                            }
                            let along = dot(&scaled, x) / features as f32 * inverse * inverse;
                            let dx = &mut dx[row * features..(row + 1) * features];
                            for ((dx, g), x) in dx.iter_mut().zip(&scaled).zip(x) {
                                *dx = inverse * (g - x * along);
                            }
                        }
                    }
                    Ok(())
                })
            })
        })?;
        let dx = dx.map(|dx| Tensor::from_vec(dx, x.shape(), x.device())).transpose()?;
        let dw = dw.map(|dw| Tensor::from_vec(dw, features, w.device())).transpose()?;
        Ok((dx, dw))
    }
}
