//! The gate of the feed-forward block.

use super::math::sigmoid;
use super::{composed, elements, is_native, with_elements};
use crate::config::Activation;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

/// `y = activation(gate) · up`, element by element. Source: arXiv 2002.05202, equation 6.
pub(crate) fn gated(gate: &Tensor, up: &Tensor, activation: Activation) -> Result<Tensor> {
    if !is_native(gate) {
        return composed::gated(gate, up, activation);
    }
    gate.apply_op2(up, Gated { activation })
}

struct Gated {
    activation: Activation,
}

/// `0.5·x·(1 + tanh(u)) = x·sigmoid(2u)` with `u = sqrt(2/π)·(x + 0.044715·x³)`. Source: arXiv 1606.08415, section 2.
pub(super) mod gelu {
    use super::sigmoid;

    /// `2·sqrt(2/π)`
    pub(in crate::ops) const OUTER: f32 = 1.595_769;
    pub(in crate::ops) const CUBIC: f32 = 0.044_715;

    /// The factor of `x`: `sigmoid(2u)`.
    #[inline(always)]
    pub(super) fn share(x: f32) -> f32 {
        sigmoid(OUTER * (x + CUBIC * x * x * x))
    }

    /// Derivative of `x·share(x)`, given `s = share(x)`.
    #[inline(always)]
    pub(super) fn slope(x: f32, s: f32) -> f32 {
        s + x * s * (1.0 - s) * OUTER * (1.0 + 3.0 * CUBIC * x * x)
    }
}

/// `y = gate·share(gate)·up`
fn forward(gate: &[f32], up: &[f32], share: impl Fn(f32) -> f32) -> Vec<f32> {
    gate.iter().zip(up).map(|(gate, up)| gate * share(*gate) * up).collect()
}

impl CustomOp2 for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        gate_at: &Layout,
        up: &CpuStorage,
        up_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (elements(gate, gate_at)?, elements(up, up_at)?);
        let y = match self.activation {
            Activation::Silu => forward(gate, up, sigmoid),
            Activation::GeluTanh => forward(gate, up, gelu::share),
        };
        Ok((CpuStorage::F32(y), gate_at.shape().clone()))
    }

    fn bwd(&self, gate: &Tensor, up: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let mut d_gate = vec![0f32; gate.elem_count()];
        let mut d_up = vec![0f32; up.elem_count()];
        with_elements(gate, |gate| {
            with_elements(up, |up| {
                with_elements(&dy, |dy| {
                    let into = d_gate.iter_mut().zip(d_up.iter_mut());
                    let elements = into.zip(gate.iter().zip(up).zip(dy));
                    match self.activation {
                        Activation::Silu => {
                            for ((d_gate, d_up), ((gate, up), dy)) in elements {
                                let s = sigmoid(*gate);
                                *d_up = dy * gate * s;
                                *d_gate = dy * up * s * (1.0 + gate * (1.0 - s));
                            }
                        }
                        Activation::GeluTanh => {
                            for ((d_gate, d_up), ((gate, up), dy)) in elements {
                                let s = gelu::share(*gate);
                                *d_up = dy * gate * s;
                                *d_gate = dy * up * gelu::slope(*gate, s);
                            }
                        }
                    }
                    Ok(())
                })
            })
        })?;
        let d_gate = Tensor::from_vec(d_gate, gate.shape(), gate.device())?;
        let d_up = Tensor::from_vec(d_up, up.shape(), up.device())?;
        Ok((Some(d_gate), Some(d_up)))
    }
}
