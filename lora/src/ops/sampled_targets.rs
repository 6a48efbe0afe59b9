//! Labels drawn from the model's own predictions.

use super::cross_entropy::{CHUNK_ROWS, IGNORED};
use super::gemm::{Into, Threads, View, product};
use super::math::exp_shifted;
use super::with_elements;
use crate::quant::FrozenWeight;
use candle_core::{Result, Tensor, bail};

/// For every trained position a token drawn from `softmax(x·Wᵀ)`; [`IGNORED`] stays.
///
/// Shapes: `x [positions, features]`, `head [vocabulary, features]`; `targets` and `uniform`, numbers in `[0, 1)`, one per
/// position. The token is the first whose cumulative probability, added up in ascending order of tokens, exceeds the
/// uniform number; the last token if rounding leaves none.
pub(crate) fn sampled_targets(x: &Tensor, head: &FrozenWeight, targets: &[u32], uniform: &[f32]) -> Result<Vec<u32>> {
    let ((positions, features), vocabulary) = (x.dims2()?, head.dims()?.0);
    if targets.len() != positions || uniform.len() != positions {
        bail!("{} targets and {} random numbers for {positions} positions", targets.len(), uniform.len());
    }
    let trained: Vec<usize> = (0..positions).filter(|row| targets[*row] != IGNORED).collect();
    let mut drawn = vec![IGNORED; positions];
    let (mut rows, mut logits) = (vec![0f32; CHUNK_ROWS * features], vec![0f32; CHUNK_ROWS * vocabulary]);
    with_elements(&x.contiguous()?, |x| {
        for chunk in trained.chunks(CHUNK_ROWS) {
            for (to, &from) in rows.chunks_exact_mut(features).zip(chunk) {
                to.copy_from_slice(&x[from * features..(from + 1) * features]);
            }
            let rows = View::dense(&rows, chunk.len(), features);
            head.each_tile(|first, tile| {
                let tile = View::dense(tile, tile.len() / features, features);
                let logits = &mut logits[first..];
                product(logits, vocabulary, Into::Overwrite, rows, tile.transposed(), 1.0, Threads::All);
                Ok(())
            })?;
            for (weights, &row) in logits.chunks_exact_mut(vocabulary).zip(chunk) {
                let (_, total) = exp_shifted(weights);
                drawn[row] = draw(weights, uniform[row] * total);
            }
        }
        Ok(())
    })?;
    Ok(drawn)
}

fn draw(weights: &[f32], threshold: f32) -> u32 {
    let mut sum = 0f32;
    let place = weights.iter().position(|weight| {
        sum += weight;
        sum > threshold
    });
    place.unwrap_or(weights.len().saturating_sub(1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn tokens_come_as_often_as_the_model_expects_them() {
        // One position whose logits are ln 1, ln 2, ln 5: probabilities 1/8, 2/8, 5/8.
        let head = Tensor::new(&[[0f32], [2f32.ln()], [5f32.ln()]], &Device::Cpu).unwrap();
        let head = FrozenWeight::Dense(head);
        let count = 400;
        let x = Tensor::ones((count + 1, 1), candle_core::DType::F32, &Device::Cpu).unwrap();
        let mut targets = vec![0; count + 1];
        targets[7] = IGNORED;
        // Evenly spread numbers give the exact frequencies.
        let mut uniform: Vec<f32> = (0..count).map(|i| (i as f32 + 0.5) / count as f32).collect();
        uniform.insert(7, 0.99);
        let drawn = sampled_targets(&x, &head, &targets, &uniform).unwrap();
        let times = |token: u32| drawn.iter().filter(|drawn| **drawn == token).count();
        assert_eq!((times(0), times(1), times(2), times(IGNORED)), (50, 100, 250, 1));
        assert_eq!(drawn[7], IGNORED);
        assert!(sampled_targets(&x, &head, &targets[1..], &uniform).is_err());
    }

    #[test]
    fn rounding_leaves_the_last_token() {
        assert_eq!(draw(&[0.25, 0.75], 1.0), 1);
        assert_eq!(draw(&[0.25, 0.75], 0.0), 0);
    }
}
