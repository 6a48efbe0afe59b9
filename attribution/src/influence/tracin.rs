//! TracInCP: gradients at checkpoints.
//!
//! Source: Pruthi, Liu, Sundararajan, Kale, "Estimating Training Data Influence by Tracing Gradient Descent", NeurIPS 2020,
//! arXiv 2002.08484, section 3.3: `TracInCP(z, z') = sum_i lr_i * grad l(w_i, z) . grad l(w_i, z')`.

use super::{
    Fitted, Influence,
    gradients::{QueryGradients, finite, gradients_at, ids, last_step},
};
use crate::{
    error::AttributionError,
    estimator::{Estimator, Inputs, Observer, Progress},
};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tributary_lora::{EncodedSample, Snapshot, sample_gradient};
use tributary_protocol::{ContentHash, recipe::AttributionMethod};

/// TracInCP on the gradients of the adapter's parameters, against the mean gradient of the validation samples.
///
/// The inner product is linear, so one with the validation samples' mean gradient equals the mean of all pairs at a
/// fraction of the cost: `checkpoints x (training + validation)` gradients, two flat gradients in memory per thread.
/// The paper derives the score for plain gradient descent; AdamW's preconditioner is left out, as is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracInCp {
    /// How many checkpoints the training keeps.
    pub checkpoints: u8,
}

impl Estimator for TracInCp {
    fn method(&self) -> AttributionMethod {
        AttributionMethod::TracInCp { checkpoints: self.checkpoints }
    }

    fn scores(&self, inputs: &Inputs<'_>, observer: Observer<'_>) -> Result<Vec<f64>, AttributionError> {
        let (training, validation) = (inputs.dataset.training(), inputs.dataset.validation());
        if inputs.snapshots.is_empty() {
            return Err(AttributionError::NoCheckpoints);
        }
        let mut scores = vec![0f64; training.len()];
        if validation.is_empty() {
            return Ok(scores);
        }
        let done = AtomicUsize::new(0);
        let total = inputs.snapshots.len() * (training.len() + validation.len());
        for snapshot in inputs.snapshots {
            let gradient = |sample: &EncodedSample| {
                let gradient = sample_gradient(inputs.model, &snapshot.adapter, sample)?;
                let progress = Progress { done: done.fetch_add(1, Ordering::Relaxed) + 1, total };
                if observer(progress).is_break() { Err(AttributionError::Stopped) } else { Ok(gradient) }
            };
            let target = mean_gradient(validation, gradient)?;
            // Each product is computed alone and added to its own sample's score, so threads change nothing but the time.
            let products: Vec<f64> = training
                .par_iter()
                .map(|sample| weighted(snapshot, sample, dot(&target, &gradient(sample)?)))
                .collect::<Result<_, _>>()?;
            for (score, product) in scores.iter_mut().zip(products) {
                *score += product;
            }
        }
        Ok(scores)
    }
}

/// The mean over `samples`, added up in their order.
fn mean_gradient(
    samples: &[EncodedSample],
    gradient: impl Fn(&EncodedSample) -> Result<Vec<f32>, AttributionError>,
) -> Result<Vec<f64>, AttributionError> {
    let mut mean: Vec<f64> = Vec::new();
    for sample in samples {
        let gradient = gradient(sample)?;
        mean.resize(gradient.len(), 0.0);
        for (mean, value) in mean.iter_mut().zip(gradient) {
            *mean += f64::from(value);
        }
    }
    let count = samples.len() as f64;
    mean.iter_mut().for_each(|value| *value /= count);
    Ok(mean)
}

fn weighted(snapshot: &Snapshot, sample: &EncodedSample, product: f64) -> Result<f64, AttributionError> {
    let score = snapshot.point.learning_rate * product;
    if score.is_finite() {
        Ok(score)
    } else {
        Err(AttributionError::NotFinite { sample: sample.id(), step: snapshot.point.step })
    }
}

fn dot(target: &[f64], gradient: &[f32]) -> f64 {
    target.iter().zip(gradient).map(|(target, value)| target * f64::from(*value)).sum()
}

/// Against single texts: the gradients of all samples at all checkpoints stay in memory,
/// `4 · checkpoints · samples · parameters` bytes, and a query costs as many multiply-adds as there are numbers.
impl Influence for TracInCp {
    fn name(&self) -> &'static str {
        "TracInCP"
    }

    fn fit(&self, inputs: &Inputs<'_>, observer: Observer<'_>) -> Result<Box<dyn Fitted>, AttributionError> {
        if inputs.snapshots.is_empty() {
            return Err(AttributionError::NoCheckpoints);
        }
        let (done, total) = (AtomicUsize::new(0), inputs.snapshots.len() * inputs.dataset.training().len());
        let point = |snapshot: &Snapshot| {
            let rows = gradients_at(inputs, snapshot, &done, total, observer)?;
            Ok((snapshot.point.learning_rate, rows))
        };
        let points = inputs.snapshots.iter().map(point).collect::<Result<_, AttributionError>>()?;
        Ok(Box::new(FittedTracIn { points, ids: ids(inputs), step: last_step(inputs) }))
    }
}

struct FittedTracIn {
    /// Learning rate and gradients of each checkpoint.
    points: Vec<(f64, Vec<Vec<f32>>)>,
    ids: Vec<ContentHash>,
    step: u64,
}

impl Fitted for FittedTracIn {
    fn scores(&self, query: &QueryGradients) -> Result<Vec<f64>, AttributionError> {
        let parameters = self.points.first().and_then(|(_, rows)| rows.first()).map_or(0, Vec::len);
        query.check(parameters, self.points.len())?;
        let mut scores = vec![0f64; self.ids.len()];
        for (checkpoint, (rate, rows)) in self.points.iter().enumerate() {
            let query = query.at(checkpoint).unwrap_or_default();
            let products: Vec<f64> = rows.par_iter().map(|row| super::gradients::dot(row, query)).collect();
            scores.iter_mut().zip(products).for_each(|(score, product)| *score += rate * product);
        }
        finite(scores, &self.ids, self.step)
    }
}
