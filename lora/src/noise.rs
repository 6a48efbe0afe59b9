//! Randomness during training: dropout and noisy embeddings.
//!
//! Every number depends on the run's seed, the step, the sample's place in the step and what it is for, and on nothing
//! else: an interrupted run goes on with the same numbers without keeping any state, and the size of the micro batches does
//! not matter.

use crate::random::Random;
use candle_core::{Result as TensorResult, Tensor};
use std::sync::Arc;

/// The randomness of one micro batch.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    /// Seed of the run.
    pub seed: u64,
    /// Steps done before this one.
    pub step: u64,
    /// Place in the step of each of the micro batch's samples.
    pub places: Arc<Vec<usize>>,
    /// NEFTune's alpha; 0: embeddings stay as they are.
    pub embedding_alpha: f32,
    /// Positions of each packed sequence.
    pub lengths: Arc<Vec<usize>>,
}

impl Noise {
    /// Dropout with probability `rate` in front of the layer `path`; `None` if nothing is dropped.
    pub(crate) fn dropout(&self, path: &str, rate: f32) -> Option<Dropout> {
        (rate > 0.0).then(|| Dropout { noise: self.clone(), purpose: format!("dropout {path}"), rate, rows: None })
    }

    /// Adds NEFTune's noise to packed embeddings `[positions, width]`: uniform in `±alpha / sqrt(length·width)`, where
    /// `length` is that of the sequence (there is no padding to count). The gradient passes unchanged.
    ///
    /// Source: NEFTune, arXiv 2310.05914, algorithm 1.
    pub(crate) fn added_to_embeddings(&self, embeddings: Tensor) -> TensorResult<Tensor> {
        if self.embedding_alpha == 0.0 {
            return Ok(embeddings);
        }
        let mut noise = vec![0f32; embeddings.elem_count()];
        self.add_to_embeddings(&mut noise, embeddings.dim(1)?);
        let noise = Tensor::from_vec(noise, embeddings.shape(), embeddings.device())?;
        &embeddings + noise.to_dtype(embeddings.dtype())?
    }

    fn add_to_embeddings(&self, embeddings: &mut [f32], width: usize) {
        self.each_sequence("embeddings", embeddings, width, |random, values| {
            let bound = self.embedding_alpha / (values.len() as f32).sqrt();
            values.iter_mut().for_each(|value| *value += bound * (2.0 * random.unit() - 1.0));
        });
    }

    /// Calls `change` with the random numbers and the values of every sequence.
    fn each_sequence(
        &self,
        purpose: &str,
        mut values: &mut [f32],
        width: usize,
        mut change: impl FnMut(&mut Random, &mut [f32]),
    ) {
        for (index, length) in self.lengths.iter().enumerate() {
            let (sequence, rest) = values.split_at_mut(length * width);
            change(&mut self.random(purpose, index), sequence);
            values = rest;
        }
    }

    /// The random numbers of the `index`-th sequence.
    fn random(&self, purpose: &str, index: usize) -> Random {
        let (step, sample) = (self.step, self.places[index]);
        Random::new(self.seed, &format!("{purpose} step {step} sample {sample}"))
    }
}

/// Dropout of one layer in one micro batch. Applied twice, it drops the same elements.
#[derive(Clone, Debug)]
pub(crate) struct Dropout {
    noise: Noise,
    purpose: String,
    rate: f32,
    /// The positions that the layer computes; `None`: all.
    rows: Option<Arc<Vec<u32>>>,
}

impl Dropout {
    /// The same for a layer that computes these positions only.
    pub(crate) fn of_rows(self, rows: Option<Arc<Vec<u32>>>) -> Self {
        Self { rows, ..self }
    }

    /// Sets each of `values`, rows of `width`, to zero with the layer's probability and multiplies the others so that the
    /// mean stays. The gradient passes through the same way.
    pub(crate) fn apply(&self, values: &mut [f32], width: usize) {
        let Some(rows) = &self.rows else {
            return self.noise.each_sequence(&self.purpose, values, width, |random, values| self.drop(random, values));
        };
        // What is dropped belongs to a position, so that it does not depend on which others the layer computes.
        let lengths = self.noise.lengths.as_slice();
        let ends: Vec<usize> = lengths.iter().scan(0, |end, length| (*end += length, Some(*end)).1).collect();
        let mut known: Option<(usize, Random)> = None;
        for (row, values) in rows.iter().zip(values.chunks_exact_mut(width)) {
            let row = *row as usize;
            let sequence = ends.partition_point(|end| *end <= row);
            let random = match &mut known {
                Some((of, random)) if *of == sequence => random,
                _ => &mut known.insert((sequence, self.noise.random(&self.purpose, sequence))).1,
            };
            random.go_to((row + lengths[sequence] - ends[sequence]) * width);
            self.drop(random, values);
        }
    }

    /// One [`Random::unit`] for each value.
    fn drop(&self, random: &mut Random, values: &mut [f32]) {
        let keep = 1.0 / (1.0 - self.rate);
        values.iter_mut().for_each(|value| *value = if random.unit() < self.rate { 0.0 } else { *value * keep });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(first_sample: usize, lengths: &[usize]) -> Noise {
        let places = Arc::new((first_sample..first_sample + lengths.len()).collect());
        Noise { seed: 7, step: 3, places, embedding_alpha: 5.0, lengths: Arc::new(lengths.to_vec()) }
    }

    #[test]
    fn dropout_keeps_the_mean_and_the_same_elements() {
        let drop = |first_sample, path| {
            let mut values = vec![1f32; 8000];
            noise(first_sample, &[300, 700]).dropout(path, 0.25).unwrap().apply(&mut values, 8);
            values
        };
        let once = drop(0, "q_proj");
        let dropped = once.iter().filter(|value| **value == 0.0).count();
        // Four standard deviations of the binomial, sqrt(8000·0.25·0.75) = 38.7.
        assert!(dropped.abs_diff(2000) < 155, "{dropped}");
        assert!(once.iter().all(|value| *value == 0.0 || *value == 1.0 / 0.75));
        assert_eq!(once, drop(0, "q_proj"));
        assert_ne!(once, drop(1, "q_proj"));
        assert_ne!(once, drop(0, "k_proj"));
        assert!(noise(0, &[1]).dropout("q_proj", 0.0).is_none());
    }

    #[test]
    fn a_position_drops_the_same_wherever_it_is_computed() {
        let dropout = noise(0, &[3, 4]).dropout("w1", 0.5).unwrap();
        let mut whole = vec![1f32; 7 * 8];
        dropout.apply(&mut whole, 8);
        let mut part = vec![1f32; 2 * 8];
        dropout.clone().of_rows(Some(Arc::new(vec![1, 5]))).apply(&mut part, 8);
        assert_eq!(part, [&whole[8..16], &whole[40..48]].concat());
        // In any order, from any sequence.
        let mut mixed = vec![1f32; 4 * 8];
        dropout.of_rows(Some(Arc::new(vec![6, 2, 2, 3]))).apply(&mut mixed, 8);
        assert_eq!(mixed, [&whole[48..56], &whole[16..24], &whole[16..24], &whole[24..32]].concat());
    }

    #[test]
    fn a_samples_noise_does_not_depend_on_its_micro_batch() {
        let mut whole = vec![0f32; 12 * 4];
        noise(0, &[5, 7]).add_to_embeddings(&mut whole, 4);
        let mut second = vec![0f32; 7 * 4];
        noise(1, &[7]).add_to_embeddings(&mut second, 4);
        assert_eq!(whole[20..], second);
        let bound = 5.0 / 28f32.sqrt();
        assert!(second.iter().all(|value| value.abs() <= bound));
        assert!(second.iter().any(|value| value.abs() > bound / 2.0));
    }
}
