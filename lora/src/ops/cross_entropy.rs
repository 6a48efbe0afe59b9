//! Language-model head and loss in one operation.

use super::gemm::{Into, Threads, View, product};
use super::math::exp_shifted;
use super::{composed, elements, is_native, is_tracked, with_elements};
use crate::quant::FrozenWeight;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::sync::Mutex;

/// The target of a position that is not trained on.
pub(crate) const IGNORED: u32 = u32::MAX;

/// Rows of logits held at once: the whole `[positions, vocabulary]` matrix never exists.
pub(super) const CHUNK_ROWS: usize = 128;

/// Sum over the trained positions of `-log softmax(x·Wᵀ)[target]`, a scalar.
///
/// Shapes: `x [positions, features]`, `head [vocabulary, features]`, one target per position ([`IGNORED`] for none).
/// Logits are computed for trained positions only, and the gradient together with the loss, since both need the softmax.
pub(crate) fn next_token_loss(x: &Tensor, head: &FrozenWeight, targets: Vec<u32>) -> Result<Tensor> {
    let (rows, vocabulary) = (x.dim(0)?, head.dims()?.0);
    if targets.len() != rows {
        bail!("{} targets for {rows} positions", targets.len());
    }
    if let Some(beyond) = targets.iter().find(|t| **t != IGNORED && **t as usize >= vocabulary) {
        bail!("target {beyond} is not in a vocabulary of {vocabulary}");
    }
    if !is_native(x) {
        return composed::next_token_loss(x, head, &targets);
    }
    let tracked = matches!(head, FrozenWeight::Dense(head) if is_tracked(head));
    let wanted = Wanted { x: is_tracked(x), head: tracked };
    let loss = NextTokenLoss { targets, wanted, gradients: Mutex::default() };
    match head {
        FrozenWeight::Dense(head) => x.apply_op2(head, loss),
        packed => x.apply_op1(PackedHeadLoss { loss, head: packed.clone() }),
    }
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
    fn run(&self, x: &[f32], head: &Head<'_>, features: usize) -> Result<(f64, Gradients)> {
        let vocabulary = head.vocabulary(features)?;
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
            head.each_tile(|first, tile| {
                let tile = View::dense(tile, tile.len() / features, features);
                let logits = &mut logits[first..];
                product(logits, vocabulary, Into::Overwrite, rows, tile.transposed(), 1.0, Threads::All);
                Ok(())
            })?;
            let mut losses = [0f64; CHUNK_ROWS];
            let of_rows = logits.par_chunks_exact_mut(vocabulary).zip(chunk).zip(&mut losses);
            of_rows.for_each(|((logits, &row), loss)| {
                let target = self.targets[row] as usize;
                let of_target = logits[target];
                let (largest, total) = exp_shifted(logits);
                *loss = libm::log(f64::from(total)) - f64::from(of_target - largest);
                let scale = 1.0 / total;
                logits.iter_mut().for_each(|p| *p *= scale);
                logits[target] -= 1.0;
            });
            // One after the other, whichever thread made them.
            loss = losses[..n].iter().fold(loss, |sum, loss| sum + loss);
            if let Some(dx) = &mut gradients.x {
                head.each_tile(|first, tile| {
                    let count = tile.len() / features;
                    let into = if first == 0 { Into::Overwrite } else { Into::Add };
                    let d_logits = View::strided(&logits[first..], n, count, vocabulary);
                    let tile = View::dense(tile, count, features);
                    product(&mut d_rows, features, into, d_logits, tile, 1.0, Threads::All);
                    Ok(())
                })?;
                for (from, &to) in d_rows.chunks_exact(features).zip(chunk) {
                    dx[to * features..(to + 1) * features].copy_from_slice(from);
                }
            }
            if let Some(dw) = &mut gradients.head {
                let d_logits = View::dense(&logits, n, vocabulary);
                product(dw, features, Into::Add, d_logits.transposed(), rows, 1.0, Threads::All);
            }
        }
        Ok((loss, gradients))
    }

    fn forward(&self, x: &[f32], head: &Head<'_>, features: usize) -> Result<(CpuStorage, Shape)> {
        let (loss, gradients) = self.run(x, head, features)?;
        *self.gradients.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = gradients;
        Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
    }

    /// The gradients that the forward pass kept. A second backward pass through the same loss finds nothing kept and
    /// computes it again.
    fn kept(&self, x: &Tensor, head: &Head<'_>) -> Result<Gradients> {
        let kept = std::mem::take(&mut *self.gradients.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        if (self.wanted.x && kept.x.is_none()) || (self.wanted.head && kept.head.is_none()) {
            let features = x.dim(1)?;
            return with_elements(x, |x| Ok(self.run(x, head, features)?.1));
        }
        Ok(kept)
    }
}

/// The head's matrix `[vocabulary, features]`.
enum Head<'a> {
    Dense(&'a [f32]),
    Packed(&'a FrozenWeight),
}

impl Head<'_> {
    fn vocabulary(&self, features: usize) -> Result<usize> {
        match self {
            Self::Dense(values) => Ok(values.len() / features),
            Self::Packed(weight) => Ok(weight.dims()?.0),
        }
    }

    /// As [`FrozenWeight::each_tile`].
    fn each_tile(&self, mut visit: impl FnMut(usize, &[f32]) -> Result<()>) -> Result<()> {
        match self {
            Self::Dense(values) => visit(0, values),
            Self::Packed(weight) => weight.each_tile(visit),
        }
    }
}

/// `kept`, times the gradient of the loss.
fn scaled(kept: Option<Vec<f32>>, of: &Tensor, d_loss: &Tensor) -> Result<Option<Tensor>> {
    let scale = f64::from(d_loss.to_scalar::<f32>()?);
    let Some(values) = kept else { return Ok(None) };
    let gradient = Tensor::from_vec(values, of.shape(), of.device())?;
    Ok(Some(if scale == 1.0 { gradient } else { (gradient * scale)? }))
}

/// [`NextTokenLoss`] with a head that gets no gradient.
struct PackedHeadLoss {
    loss: NextTokenLoss,
    head: FrozenWeight,
}

impl CustomOp1 for PackedHeadLoss {
    fn name(&self) -> &'static str {
        "packed-head-loss"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_at: &Layout) -> Result<(CpuStorage, Shape)> {
        self.loss.forward(elements(x, x_at)?, &Head::Packed(&self.head), self.head.dims()?.1)
    }

    fn bwd(&self, x: &Tensor, _loss: &Tensor, d_loss: &Tensor) -> Result<Option<Tensor>> {
        scaled(self.loss.kept(x, &Head::Packed(&self.head))?.x, x, d_loss)
    }
}

impl CustomOp2 for NextTokenLoss {
    fn name(&self) -> &'static str {
        "next-token-loss"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_at: &Layout, w: &CpuStorage, w_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let features = w_at.shape().dims2()?.1;
        self.forward(elements(x, x_at)?, &Head::Dense(elements(w, w_at)?), features)
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _loss: &Tensor, d_loss: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let kept = with_elements(w, |values| self.kept(x, &Head::Dense(values)))?;
        Ok((scaled(kept.x, x, d_loss)?, scaled(kept.head, w, d_loss)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Placement;
    use crate::quant::Precision;
    use candle_core::{Device, Var};

    /// More rows than a chunk and more of the vocabulary than a tile.
    #[test]
    fn a_packed_head_gives_what_the_dense_one_gives() {
        let (rows, features, vocabulary) = (150, 1024, 300);
        let coarse = |value: f32| f32::from_bits(value.to_bits() & 0xFFFF_0000);
        let numbers = |count: usize| (0..count).map(|i| coarse(libm::sinf(1.3 * i as f32) / 8.0)).collect::<Vec<f32>>();
        let head = numbers(vocabulary * features);
        let packed = FrozenWeight::new(head.clone(), vocabulary, features, Precision::F32).unwrap();
        assert!(matches!(packed, FrozenWeight::Bf16(_)));
        let dense = FrozenWeight::Dense(Tensor::from_vec(head, (vocabulary, features), &Device::Cpu).unwrap());
        let targets: Vec<u32> = (0..rows as u32).map(|i| if i % 17 == 0 { IGNORED } else { i * 7 % 300 }).collect();
        let run = |head: &FrozenWeight| {
            let x = Var::from_vec(numbers(rows * features), (rows, features), &Device::Cpu).unwrap();
            let loss = next_token_loss(x.as_tensor(), head, targets.clone()).unwrap();
            let gradients = loss.backward().unwrap();
            let dx: Vec<f32> = gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            (loss.to_scalar::<f32>().unwrap(), dx)
        };
        let ((loss, dx), (dense_loss, dense_dx)) = (run(&packed), run(&dense));
        // Sums over 141 rows, 1024 features and 300 words, which tiles may round otherwise.
        assert!((loss - dense_loss).abs() < 1e-5 * dense_loss.abs(), "{loss} {dense_loss}");
        let worst = dx.iter().zip(&dense_dx).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-6, "{worst}");
        assert!(dx[..features].iter().all(|value| *value == 0.0));
    }

    on_devices!(the_loss_and_its_gradient_follow_the_formula);

    /// Chunks of three rows in the forms of GPUs, and both backward passes: the first takes what is kept.
    fn the_loss_and_its_gradient_follow_the_formula(placement: Placement) {
        let (rows, features, vocabulary) = (11, 6, 9);
        let device = placement.device().unwrap();
        let numbers =
            |count: usize, seed: f32| (0..count).map(|i| libm::sinf(seed + 1.3 * i as f32)).collect::<Vec<f32>>();
        let (x, w) = (numbers(rows * features, 0.2), numbers(vocabulary * features, 2.0));
        let targets: Vec<u32> = (0..rows as u32).map(|i| if i % 4 == 1 { IGNORED } else { i * 7 % 9 }).collect();
        let (mut expected, mut slopes) = (0f64, vec![0f64; rows * features]);
        for (row, target) in targets.iter().enumerate().filter(|(_, target)| **target != IGNORED) {
            let logit = |word: usize| -> f64 {
                (0..features).map(|f| f64::from(x[row * features + f]) * f64::from(w[word * features + f])).sum()
            };
            let total: f64 = (0..vocabulary).map(|word| logit(word).exp()).sum();
            expected += total.ln() - logit(*target as usize);
            for word in 0..vocabulary {
                let p = logit(word).exp() / total - f64::from(u8::from(word == *target as usize));
                (0..features).for_each(|f| slopes[row * features + f] += 3.0 * p * f64::from(w[word * features + f]));
            }
        }
        let head = FrozenWeight::Dense(Tensor::from_slice(&w, (vocabulary, features), &Device::Cpu).unwrap());
        let head = head.placed(placement).unwrap();
        let x = Tensor::from_slice(&x, (rows, features), &device).unwrap();
        let x = Var::from_tensor(&x.to_dtype(placement.dtype()).unwrap()).unwrap();
        let loss = match is_native(&x) {
            true => next_token_loss(&x, &head, targets.clone()),
            false => composed::loss_within(&x, &head, &targets, 3 * vocabulary),
        };
        let loss = (loss.unwrap() * 3.0).unwrap();
        assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - 3.0 * expected).abs() < 1e-4);
        for _ in 0..2 {
            let gradients = loss.backward().unwrap();
            let dx = gradients.get(&x).unwrap().to_dtype(candle_core::DType::F64).unwrap();
            let dx: Vec<f64> = dx.flatten_all().unwrap().to_vec1().unwrap();
            let worst = dx.iter().zip(&slopes).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            // f32 sums of nine products.
            assert!(worst < 2e-6, "{worst}");
        }
    }
}
