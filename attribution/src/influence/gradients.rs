//! Gradients of samples and queries at checkpoints.

use crate::{
    error::AttributionError,
    estimator::{Inputs, Observer, Progress},
};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tributary_lora::{EncodedSample, Snapshot, sample_gradient, sample_gradients};
use tributary_protocol::ContentHash;

/// Samples that one backward pass takes together. Each gradient depends on its own sample alone, up to the order in which
/// products of some sizes are cut; a fixed number keeps the bits.
const TOGETHER: usize = 16;

/// The gradient of a query's loss at every checkpoint of a run.
#[derive(Clone, Debug)]
pub struct QueryGradients {
    /// `[checkpoints][parameters]`
    at: Vec<Vec<f32>>,
}

impl QueryGradients {
    /// From gradients at each checkpoint, by step, the last of them that of the result.
    ///
    /// Errors: none; gradients of different lengths, or with elements that are not finite.
    pub fn new(at: Vec<Vec<f32>>) -> Result<Self, AttributionError> {
        let Some(last) = at.last() else { return Err(AttributionError::NoCheckpoints) };
        if let Some(other) = at.iter().find(|gradient| gradient.len() != last.len()) {
            return Err(AttributionError::OtherQuery { found: other.len(), expected: last.len() });
        }
        if at.iter().flatten().any(|value| !value.is_finite()) {
            return Err(AttributionError::QueryNotFinite);
        }
        Ok(Self { at })
    }

    /// Of a text: the mean loss of its trained tokens. Cost: a gradient per checkpoint.
    pub fn of_sample(inputs: &Inputs<'_>, sample: &EncodedSample) -> Result<Self, AttributionError> {
        let at = |snapshot: &Snapshot| Ok(sample_gradient(inputs.model, &snapshot.adapter, sample)?);
        Self::new(inputs.snapshots.iter().map(at).collect::<Result<_, AttributionError>>()?)
    }

    /// Of the validation samples: the mean of their losses, each in its turn.
    ///
    /// Errors: there are none.
    pub fn of_validation(inputs: &Inputs<'_>) -> Result<Self, AttributionError> {
        let validation = inputs.dataset.validation();
        if validation.is_empty() {
            return Err(AttributionError::NoQuery);
        }
        let mean = |snapshot: &Snapshot| {
            let mut mean: Vec<f64> = Vec::new();
            for sample in validation {
                let gradient = sample_gradient(inputs.model, &snapshot.adapter, sample)?;
                mean.resize(gradient.len(), 0.0);
                mean.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += f64::from(value));
            }
            let count = validation.len() as f64;
            Ok(mean.into_iter().map(|sum| (sum / count) as f32).collect())
        };
        Self::new(inputs.snapshots.iter().map(mean).collect::<Result<_, AttributionError>>()?)
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.last().len()
    }

    /// At the checkpoint with this place.
    pub fn at(&self, checkpoint: usize) -> Option<&[f32]> {
        self.at.get(checkpoint).map(Vec::as_slice)
    }

    /// At the last checkpoint.
    pub fn last(&self) -> &[f32] {
        self.at.last().map(Vec::as_slice).unwrap_or_default()
    }

    /// The mean over the checkpoints, as of a single one. Half the samples less move an adapter far: where that ends, the gradient on
    /// the way says more than the one at the result. Of single samples and groups that one says more.
    pub fn mean(&self) -> Self {
        let count = self.at.len() as f64;
        let mean = |place| (self.at.iter().fold(0f64, |sum, at| sum + f64::from(at[place])) / count) as f32;
        Self { at: vec![(0..self.parameters()).map(mean).collect()] }
    }

    /// Errors: gradients of another number of parameters or checkpoints than a run has.
    pub(super) fn check(&self, parameters: usize, checkpoints: usize) -> Result<(), AttributionError> {
        match (self.parameters(), self.at.len()) {
            (found, _) if found != parameters => Err(AttributionError::OtherQuery { found, expected: parameters }),
            (_, found) if found < checkpoints => {
                Err(AttributionError::QueryCheckpoints { found, expected: checkpoints })
            }
            _ => Ok(()),
        }
    }
}

/// The gradients of all training samples' mean losses at one checkpoint, `[samples][parameters]`.
///
/// Cost: a forward and a backward pass; memory `4 · samples · parameters` bytes.
/// Errors: a gradient that is not finite, with its sample.
pub(super) fn gradients_at(
    inputs: &Inputs<'_>,
    snapshot: &Snapshot,
    done: &AtomicUsize,
    total: usize,
    observer: Observer<'_>,
) -> Result<Vec<Vec<f32>>, AttributionError> {
    let parts: Vec<Vec<Vec<f32>>> = inputs
        .dataset
        .training()
        .par_chunks(TOGETHER)
        .map(|samples| {
            let together: Vec<&EncodedSample> = samples.iter().collect();
            let gradients = sample_gradients(inputs.model, &snapshot.adapter, &together)?;
            for (sample, gradient) in samples.iter().zip(&gradients) {
                check_finite(gradient, sample.id(), snapshot.point.step)?;
                let progress = Progress { done: done.fetch_add(1, Ordering::Relaxed) + 1, total };
                if observer(progress).is_break() {
                    return Err(AttributionError::Stopped);
                }
            }
            Ok(gradients)
        })
        .collect::<Result<_, AttributionError>>()?;
    Ok(parts.into_iter().flatten().collect())
}

/// [`gradients_at`] the last checkpoint.
pub(super) fn last_gradients(inputs: &Inputs<'_>, observer: Observer<'_>) -> Result<Vec<Vec<f32>>, AttributionError> {
    let snapshot = inputs.snapshots.last().ok_or(AttributionError::NoCheckpoints)?;
    gradients_at(inputs, snapshot, &AtomicUsize::new(0), inputs.dataset.training().len(), observer)
}

/// The hashes of the training samples, for errors.
pub(super) fn ids(inputs: &Inputs<'_>) -> Vec<ContentHash> {
    inputs.dataset.training().iter().map(EncodedSample::id).collect()
}

/// The last checkpoint's step.
pub(super) fn last_step(inputs: &Inputs<'_>) -> u64 {
    inputs.snapshots.last().map_or(0, |snapshot| snapshot.point.step)
}

pub(crate) fn check_finite(gradient: &[f32], sample: ContentHash, step: u64) -> Result<(), AttributionError> {
    match gradient.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(AttributionError::GradientNotFinite { sample, step }),
    }
}

/// The scores, if all are finite.
pub(super) fn finite(scores: Vec<f64>, ids: &[ContentHash], step: u64) -> Result<Vec<f64>, AttributionError> {
    match scores.iter().zip(ids).find(|(score, _)| !score.is_finite()) {
        Some((_, sample)) => Err(AttributionError::NotFinite { sample: *sample, step }),
        None => Ok(scores),
    }
}

/// Inner product, in f64 and one fixed order: eight sums that are added in pairs.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0f64; 8];
    let (a_parts, b_parts) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = a_parts.remainder().iter().zip(b_parts.remainder());
    let rest = rest.fold(0f64, |sum, (a, b)| sum + f64::from(*a) * f64::from(*b));
    for (a, b) in a_parts.zip(b_parts) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += f64::from(*a) * f64::from(*b);
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h)) + rest
}
