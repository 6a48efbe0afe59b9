//! What was not learnt, and what the others would rather unlearn.
//!
//! Two signs of a wrong label, at the end of a run:
//! - Its loss stays high, since what the others teach does not help it. How high says little alone, since texts differ in how
//!   hard they are to say at all; nor does the part that is left of the loss that the base model has, which is large wherever
//!   there was little to learn. The geometric mean of the two counts, the *loss left*.
//! - Its *conflict*: more of it would raise the losses of the others. To second order that is `-gᵢᵀ (F + λ)^-1 Σ gⱼ` over all
//!   others, with `g` a sample's gradient in the adapter's parameters per root of a token and `F` the sum of the samples'
//!   `g gᵀ`: the influence of Koh and Liang, arXiv 1703.04730, equation 2, of a sample on all others together. Gradients are
//!   sketched ([`Sketch`]).
//!
//! The two know different things and have no common unit: a sample's score is the mean of its two ranks.

use super::{
    ScreenSettings, Suspicion, by_score,
    metric::{Metric, square},
};
use crate::{
    error::AttributionError,
    estimator::{Observer, Progress},
    influence::Sketch,
    learnt::{LOSS_MIN, losses},
};
use std::ops::ControlFlow;
use tributary_lora::{Adapter, EncodedSample, Model, sample_gradient};

/// Numbers of a sketch; adapters with fewer parameters are not sketched.
const DIMS_MAX: usize = 4096;
const SEED: u64 = 0;

/// The samples by the mean of their ranks in loss left and in conflict, each as the part of the others that are below: the most
/// suspicious first.
///
/// No more is needed than the base, the adapter and the samples. Cost: two forward passes and a gradient for each sample, and
/// `4096 · others_max` multiply-adds. Memory: 16 KiB for each sample. Errors: a loss or a gradient that is not finite, with its
/// sample; settings that are not positive; the observer asked to stop.
pub fn screen(
    model: &Model,
    adapter: &Adapter,
    samples: &[EncodedSample],
    settings: ScreenSettings,
    observer: Observer<'_>,
) -> Result<Vec<Suspicion>, AttributionError> {
    let told = |done: usize| match observer(Progress { done, total: 2 * samples.len() }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(AttributionError::Stopped),
    };
    let loss_left = |(place, sample): (usize, &EncodedSample)| {
        let (before, after) = losses(model, adapter, sample)?;
        told(place + 1)?;
        // What is known anyway tells nothing by how much of it is left.
        Ok(after / before.max(LOSS_MIN).sqrt())
    };
    // One after the other: a pass has threads of its own.
    let losses_left: Vec<f64> = samples.iter().enumerate().map(loss_left).collect::<Result<_, AttributionError>>()?;
    let by_loss = standings(&losses_left);
    let by_conflict = standings(&conflicts(model, adapter, samples, settings, &|done| told(samples.len() + done))?);
    let suspicion = |(place, sample): (usize, &EncodedSample)| Suspicion {
        place,
        sample: sample.id(),
        score: (by_loss[place] + by_conflict[place]) / 2.0,
    };
    Ok(by_score(samples.iter().enumerate().map(suspicion).collect()))
}

/// Of each sample `-gᵢᵀ (F + λ)^-1 Σ gⱼ` over all others.
fn conflicts(
    model: &Model,
    adapter: &Adapter,
    samples: &[EncodedSample],
    settings: ScreenSettings,
    told: &dyn Fn(usize) -> Result<(), AttributionError>,
) -> Result<Vec<f64>, AttributionError> {
    let parameters = adapter.parameter_count();
    let sketch = Sketch::new(SEED, parameters, parameters.min(DIMS_MAX))?;
    let signs = sketch.weights(&vec![1.0; parameters]);
    let dims = sketch.dims();
    let mut vectors = vec![0f32; samples.len() * dims];
    for ((place, sample), out) in samples.iter().enumerate().zip(vectors.chunks_exact_mut(dims)) {
        sketch.apply(&signs, &sample_gradient(model, adapter, sample)?, out);
        // Of a mean over tokens, per root of a token.
        let scale = (sample.trained_tokens() as f64).sqrt();
        out.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
        if !square(out).is_finite() {
            return Err(AttributionError::NotFinite { sample: sample.id(), step: 0 });
        }
        told(place + 1)?;
    }
    let mut sum = vec![0f64; dims];
    for vector in vectors.chunks_exact(dims) {
        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let metric = Metric::new(&vectors, dims, settings)?;
    let rounded: Vec<f32> = sum.iter().map(|value| *value as f32).collect();
    let of_sum = metric.map(&rounded, |_, _, explained| explained.to_vec()).concat();
    Ok(metric.map(&vectors, |_, vector, explained| {
        let plain = vector.iter().zip(&sum).fold(0f64, |product, (value, sum)| product + f64::from(*value) * sum);
        let explained_part = explained.iter().zip(&of_sum).fold(0f64, |product, (a, b)| product + a * b);
        let with_itself = (plain - explained_part) / metric.damping;
        metric.square(vector, explained) - with_itself
    }))
}

/// The part of the other values that each is above; equal ones count half.
fn standings(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let others = values.len().saturating_sub(1).max(1) as f64;
    let standing = |value: &f64| {
        let below = sorted.partition_point(|other| other.total_cmp(value).is_lt());
        let equal = sorted[below..].partition_point(|other| other.total_cmp(value).is_le());
        (below as f64 + equal.saturating_sub(1) as f64 / 2.0) / others
    };
    values.iter().map(standing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standings_are_parts_of_the_others() {
        assert_eq!(standings(&[3.0, -1.0, 2.0]), [1.0, 0.0, 0.5]);
        assert_eq!(standings(&[1.0, 1.0, 5.0]), [0.25, 0.25, 1.0]);
        assert_eq!(standings(&[7.0]), [0.0]);
        assert!(standings(&[]).is_empty());
    }
}
