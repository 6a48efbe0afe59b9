//! Language-model head and loss in one operation.

use super::gemm::{Into, Threads, View, product};
use super::math::exp_shifted;
use super::{elements, is_tracked, with_elements};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use std::sync::Mutex;

/// The target of a position that is not trained on.
pub(crate) const IGNORED: u32 = u32::MAX;

/// Rows of logits held at once: the whole `[positions, vocabulary]` matrix never exists.
const CHUNK_ROWS: usize = 128;

/// Sum over the trained positions of `-log softmax(x·Wᵀ)[target]`, a scalar.
///
/// Shapes: `x [positions, features]`, `head [vocabulary, features]`, one target per position ([`IGNORED`] for none).
/// Logits are computed for trained positions only, and the gradient together with the loss, since both need the softmax.
pub(crate) fn next_token_loss(x: &Tensor, head: &Tensor, targets: Vec<u32>) -> Result<Tensor> {
    let (rows, vocabulary) = (x.dim(0)?, head.dim(0)?);
    if targets.len() != rows {
        bail!("{} targets for {rows} positions", targets.len());
    }
    if let Some(beyond) = targets.iter().find(|t| **t != IGNORED && **t as usize >= vocabulary) {
        bail!("target {beyond} is not in a vocabulary of {vocabulary}");
    }
    let wanted = Wanted { x: is_tracked(x), head: is_tracked(head) };
    x.apply_op2(head, NextTokenLoss { targets, wanted, gradients: Mutex::default() })
}

#[derive(Clone, Copy)]
struct Wanted {
    x: bool,
    head: bool,
}

#[derive(Default)]
struct Gradients {
    x: Option<Vec<f32>>,
    head: Option<Vec<f32>>,
}

struct NextTokenLoss {
    targets: Vec<u32>,
    wanted: Wanted,
    /// Filled by the forward pass, taken by the backward pass.
    gradients: Mutex<Gradients>,
}

impl NextTokenLoss {
    fn run(&self, x: &[f32], head: &[f32], features: usize) -> (f64, Gradients) {
        let vocabulary = head.len() / features;
        let head = View::dense(head, vocabulary, features);
        let trained: Vec<usize> = (0..self.targets.len()).filter(|row| self.targets[*row] != IGNORED).collect();
        let mut loss = 0f64;
        let mut gradients = Gradients {
            x: self.wanted.x.then(|| vec![0f32; x.len()]),
            head: self.wanted.head.then(|| vec![0f32; vocabulary * features]),
        };
        let mut rows = vec![0f32; CHUNK_ROWS * features];
        let mut d_rows = vec![0f32; CHUNK_ROWS * features];
        let mut logits = vec![0f32; CHUNK_ROWS * vocabulary];
        for chunk in trained.chunks(CHUNK_ROWS) {
            let n = chunk.len();
            for (to, &from) in rows.chunks_exact_mut(features).zip(chunk) {
                to.copy_from_slice(&x[from * features..(from + 1) * features]);
            }
            let rows = View::dense(&rows, n, features);
            product(&mut logits, vocabulary, Into::Overwrite, rows, head.transposed(), 1.0, Threads::All);
            for (logits, &row) in logits.chunks_exact_mut(vocabulary).zip(chunk) {
                let target = self.targets[row] as usize;
                let of_target = logits[target];
                let (largest, total) = exp_shifted(logits);
                loss += libm::log(f64::from(total)) - f64::from(of_target - largest);
                let scale = 1.0 / total;
                logits.iter_mut().for_each(|p| *p *= scale);
                logits[target] -= 1.0;
            }
            let d_logits = View::dense(&logits, n, vocabulary);
            if let Some(dx) = &mut gradients.x {
                product(&mut d_rows, features, Into::Overwrite, d_logits, head, 1.0, Threads::All);
                for (from, &to) in d_rows.chunks_exact(features).zip(chunk) {
                    dx[to * features..(to + 1) * features].copy_from_slice(from);
                }
            }
            if let Some(dw) = &mut gradients.head {
                product(dw, features, Into::Add, d_logits.transposed(), rows, 1.0, Threads::All);
            }
        }
        (loss, gradients)
    }
}

impl CustomOp2 for NextTokenLoss {
    fn name(&self) -> &'static str {
        "next-token-loss"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_at: &Layout, w: &CpuStorage, w_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let features = w_at.shape().dims2()?.1;
        let (loss, gradients) = self.run(elements(x, x_at)?, elements(w, w_at)?, features);
        *self.gradients.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = gradients;
        Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _loss: &Tensor, d_loss: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let scale = f64::from(d_loss.to_scalar::<f32>()?);
        let kept = std::mem::take(&mut *self.gradients.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let tensor = |kept: Option<Vec<f32>>, of: &Tensor| -> Result<Option<Tensor>> {
            let Some(values) = kept else { return Ok(None) };
            let gradient = Tensor::from_vec(values, of.shape(), of.device())?;
            Ok(Some(if scale == 1.0 { gradient } else { (gradient * scale)? }))
        };
        // A second backward pass through the same loss finds nothing kept and computes it again.
        let kept = if (self.wanted.x && kept.x.is_none()) || (self.wanted.head && kept.head.is_none()) {
            let features = w.dim(1)?;
            with_elements(x, |x| with_elements(w, |w| Ok(self.run(x, w, features).1)))?
        } else {
            kept
        };
        Ok((tensor(kept.x, x)?, tensor(kept.head, w)?))
    }
}
