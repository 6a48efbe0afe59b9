//! Language-model head and loss in one operation.

use super::super::IGNORED;
use super::{Composed, apply, wide};
use crate::quant::FrozenWeight;
use candle_core::{D, DType, Result, Tensor, bail};
use std::sync::Mutex;

/// [`next_token_loss`](super::super::next_token_loss) with checked targets. The head gets no gradient.
pub(crate) fn next_token_loss(x: &Tensor, head: &FrozenWeight, targets: &[u32]) -> Result<Tensor> {
    loss_within(x, head, targets, LOGITS_MAX)
}

/// Logits that exist at once: 256 MiB of f32.
const LOGITS_MAX: usize = 1 << 26;

/// [`next_token_loss`], with at most so many logits at once (but those of a whole row).
pub(in crate::ops) fn loss_within(
    x: &Tensor,
    head: &FrozenWeight,
    targets: &[u32],
    logits_max: usize,
) -> Result<Tensor> {
    let trained: Vec<u32> = (0..targets.len() as u32).filter(|row| targets[*row as usize] != IGNORED).collect();
    let targets = trained.iter().map(|row| targets[*row as usize]).collect();
    let rows = (logits_max / head.dims()?.0.max(1)).max(1);
    let wanted = x.track_op();
    apply(NextTokenLoss { head: head.detach(), trained, targets, rows, wanted, gradient: Mutex::default() }, &[x])
}

struct NextTokenLoss {
    head: FrozenWeight,
    /// The positions that are trained on, and the target of each.
    trained: Vec<u32>,
    targets: Vec<u32>,
    /// Positions that are computed at once.
    rows: usize,
    wanted: bool,
    /// Filled by the forward pass, taken by the backward pass.
    gradient: Mutex<Option<Tensor>>,
}

impl NextTokenLoss {
    /// The loss, and its gradient if one is wanted: the two need the same softmax.
    fn run(&self, x: &Tensor) -> Result<(Tensor, Option<Tensor>)> {
        let (device, dtype) = (x.device(), x.dtype());
        let mut loss = Tensor::zeros((), super::wide_dtype(dtype), device)?;
        if self.trained.is_empty() {
            return Ok((loss, self.wanted.then(|| x.zeros_like()).transpose()?));
        }
        let head = self.head.matrix(dtype)?;
        let mut gradients = Vec::new();
        for (rows, targets) in self.trained.chunks(self.rows).zip(self.targets.chunks(self.rows)) {
            let targets = Tensor::new(targets, device)?;
            let logits = wide(&x.index_select(&Tensor::new(rows, device)?, 0)?.matmul(&head.t()?)?)?;
            let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?;
            drop(logits);
            let of_target = shifted.gather(&targets.unsqueeze(1)?, 1)?;
            let p = shifted.exp()?;
            drop(shifted);
            let total = p.sum_keepdim(D::Minus1)?;
            loss = (loss + (total.log()? - of_target)?.sum_all()?)?;
            if self.wanted {
                // softmax·W - W[target]: the row of the target is taken off as it is.
                let p = p.broadcast_div(&total)?.to_dtype(dtype)?;
                gradients.push((p.matmul(&head)? - head.index_select(&targets, 0)?)?);
            }
        }
        if !self.wanted {
            return Ok((loss, None));
        }
        // A row of zeros for the positions that are not trained on.
        gradients.push(Tensor::zeros((1, head.dim(1)?), dtype, device)?);
        let mut places = vec![self.trained.len() as u32; x.dim(0)?];
        self.trained.iter().enumerate().for_each(|(place, row)| places[*row as usize] = place as u32);
        let gradient = Tensor::cat(&gradients, 0)?.index_select(&Tensor::new(places, device)?, 0)?;
        Ok((loss, Some(gradient)))
    }
}

impl Composed for NextTokenLoss {
    const NAME: &'static str = "placed-next-token-loss";

    fn forward(&self, args: &[&Tensor]) -> Result<Tensor> {
        let (loss, gradient) = self.run(args[0])?;
        *self.gradient.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = gradient;
        loss.to_dtype(DType::F32)
    }

    /// A second backward pass through the same loss finds nothing kept and computes it again.
    fn backward(&self, args: &[&Tensor], dy: &Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let kept = self.gradient.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let gradient = match kept {
            Some(kept) => Some(kept),
            None => self.run(args[0])?.1,
        };
        let Some(gradient) = gradient else { bail!("a gradient that nobody wanted") };
        Ok(vec![Some(gradient.broadcast_mul(&dy.to_dtype(gradient.dtype())?)?)])
    }
}
