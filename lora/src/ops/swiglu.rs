//! The gate of the feed-forward block.

use super::math::sigmoid;
use super::{elements, with_elements};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

/// `y = silu(gate) · up`, element by element. Source: arXiv 2002.05202, equation 6.
pub(crate) fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    gate.apply_op2(up, SwiGlu)
}

struct SwiGlu;

impl CustomOp2 for SwiGlu {
    fn name(&self) -> &'static str {
        "swiglu"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        gate_at: &Layout,
        up: &CpuStorage,
        up_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (elements(gate, gate_at)?, elements(up, up_at)?);
        let y = gate.iter().zip(up).map(|(gate, up)| gate * sigmoid(*gate) * up).collect();
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
                    for ((d_gate, d_up), ((gate, up), dy)) in into.zip(gate.iter().zip(up).zip(dy)) {
                        let s = sigmoid(*gate);
                        *d_up = dy * gate * s;
                        *d_gate = dy * up * s * (1.0 + gate * (1.0 - s));
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
