//! The trajectory estimator: one vector per sample that knows what the rest of the training did to it.
//!
//! Source: Wang, Mittal, Song, Jia, "Capturing the Temporal Dependence of Training Data Influence", arXiv 2412.09538,
//! equations 5 and 6: a step on sample `i` moves the parameters, later steps shrink that movement by their curvature, and
//! what is left at the end is the sample's data value embedding; its inner product with a query's gradient is the score.
//!
//! With `D` AdamW's preconditioner, `η` the learning rate, `g_i` the sample's part in the step's gradient and `F` the step's
//! Fisher matrix, the embedding follows, step by step,
//!
//! ```text
//! E ← keep · E · (I + η Ã ᵀ Ã)^-1      for every sample,    Ã = the rows sqrt(scale) · D^½ f_j, one per sample of the step
//! E_i ← E_i + η · scale · D^½ g_i        for the samples of the step, and for its ghosts
//! ```
//! where all vectors are in the coordinates `D^½` and sketched. Four things differ from the paper. The step is implicit,
//! `(I + ηF)^-1` for its `I - ηF`, which stays stable where the learning rate is too large for a quadratic model, and is
//! computed by Woodbury's identity in the batch's size. `F` is made from labels drawn from the model's predictions instead
//! of the gradients of the data, which vanish as the data is learnt; every second step makes one, which stands for the next too. And AdamW stands in for plain gradient descent: its
//! preconditioner by the coordinates, which takes it for slow to change, and its first moment by
//! `η_t = Σ_{s ≥ t} lr_s (1 - β₁) β₁^(s-t) / (1 - β₁^s)`, the whole movement that a step's gradient causes.

use super::{
    Cholesky, Fitted, Influence, QueryGradients, Trajectory, TrajectoryError, TrajectoryStep,
    gradients::{finite, last_step},
};
use crate::{
    embedding::Embeddings,
    error::AttributionError,
    estimator::{Inputs, Observer, Progress},
};
use rayon::prelude::*;
use std::sync::Arc;
use tributary_lora::{Matrix, add_product};
use tributary_protocol::ContentHash;

/// How embeddings are made from a trajectory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmbeddingSettings {
    /// By what the Fisher matrices are multiplied. 1 takes them as they are; 0 leaves out what later steps do, which makes
    /// the estimator a TracIn with AdamW's preconditioner over all steps.
    ///
    /// 0.3 by default. The more is taken away, the more of a query's length lies where no embedding has any, and the sketch's
    /// noise, a part of `1 / sqrt(dims)` of both lengths, does not shrink with what is left: at 1 a long row beats the source
    /// by chance. docs/attribution-benchmark.md has the figures.
    pub fisher_scale: f64,
}

impl Default for EmbeddingSettings {
    fn default() -> Self {
        Self { fisher_scale: 0.3 }
    }
}

/// The embeddings of a run's training samples, and of its ghosts as if they had been trained on and learnt like the others. `preconditioner` is that of its end
/// ([`TrainingRun::preconditioner`](tributary_lora::TrainingRun::preconditioner)), in whose coordinates queries are read.
///
/// Cost and errors: those of [`embedding_rows`]; a preconditioner of another size, or with elements that are not positive
/// numbers.
pub fn embed(
    trajectory: &Trajectory,
    preconditioner: &[f32],
    settings: EmbeddingSettings,
    observer: Observer<'_>,
) -> Result<Embeddings, AttributionError> {
    Embeddings::new(trajectory, preconditioner, &embedding_rows(trajectory, settings, observer)?)
}

/// The embeddings before they are rounded, `[samples and then ghosts, dims]`.
///
/// Cost: `2 · samples · batch · dims` multiply-adds per step with factors. Memory: `4 · samples · dims` bytes. Ghosts count as
/// samples in both. Errors: an embedding that is not finite, with its sample; the observer asked to stop, which is asked after
/// every step.
pub fn embedding_rows(
    trajectory: &Trajectory,
    settings: EmbeddingSettings,
    observer: Observer<'_>,
) -> Result<Vec<f32>, AttributionError> {
    if !(settings.fisher_scale >= 0.0 && settings.fisher_scale.is_finite()) {
        return Err(AttributionError::Damping { found: settings.fisher_scale });
    }
    let dims = trajectory.dims();
    // The ghosts' rows follow those of the samples.
    let ids: Vec<ContentHash> = trajectory.samples().iter().chain(trajectory.ghosts()).copied().collect();
    let mut embeddings = vec![0f32; ids.len() * dims];
    let total = trajectory.steps().len();
    let rates = rates(trajectory);
    let weights = fisher_weights(trajectory, &rates);
    for (done, ((step, rate), weight)) in trajectory.steps().iter().zip(rates).zip(weights).enumerate() {
        advance(&mut embeddings, step, weight * settings.fisher_scale, dims)?;
        let first = trajectory.samples().len();
        let rows = step.rows.iter().map(|row| (row.sample as usize, &row.gradient));
        let ghosts = step.ghosts.iter().map(|row| (first + row.ghost as usize, &row.gradient));
        for (place, gradient) in rows.chain(ghosts) {
            let size = (rate * step.scale * f64::from(gradient.scale)) as f32;
            let embedding = &mut embeddings[place * dims..][..dims];
            embedding.iter_mut().zip(&gradient.values).for_each(|(sum, value)| *sum += size * f32::from(*value));
        }
        if observer(Progress { done: done + 1, total }).is_break() {
            return Err(AttributionError::Stopped);
        }
    }
    let last = trajectory.steps().last().map_or(0, |step| step.step);
    for (row, sample) in embeddings.chunks_exact(dims).zip(&ids) {
        if row.iter().any(|value| !value.is_finite()) {
            return Err(AttributionError::NotFinite { sample: *sample, step: last });
        }
    }
    shorten_ghosts(&mut embeddings, trajectory.samples().len(), dims);
    Ok(embeddings)
}

/// Brings the ghosts' rows to the length of the samples', by one factor that makes their mean squares equal.
///
/// What is never trained on keeps the large gradients of its beginning to the end, while a sample's vanish as it is learnt. As if
/// it had been trained on, a ghost would have been learnt like the others. Ghosts with shorter rows stay as they are.
fn shorten_ghosts(embeddings: &mut [f32], samples: usize, dims: usize) {
    let (rows, ghosts) = embeddings.split_at_mut(samples * dims);
    let mean_square = |rows: &[f32]| {
        let square = |row: &[f32]| row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        let squares: Vec<f64> = rows.chunks_exact(dims).map(square).filter(|square| *square > 0.0).collect();
        squares.iter().sum::<f64>() / squares.len().max(1) as f64
    };
    let (of_samples, of_ghosts) = (mean_square(rows), mean_square(ghosts));
    if of_ghosts > of_samples {
        let factor = (of_samples / of_ghosts).sqrt() as f32;
        ghosts.iter_mut().for_each(|value| *value *= factor);
    }
}

/// The learning rate of each step with what the first moment carries of its gradient into later ones.
fn rates(trajectory: &Trajectory) -> Vec<f64> {
    let (beta, mut carried) = (trajectory.beta1(), 0f64);
    let mut rates: Vec<f64> = trajectory
        .steps()
        .iter()
        .rev()
        .map(|step| {
            let of_step = step.learning_rate * (1.0 - beta) / (1.0 - libm::pow(beta, step.step as f64));
            carried = of_step + beta * carried;
            carried
        })
        .collect();
    rates.reverse();
    rates
}

/// By what the Fisher matrix of each step counts: its own rate, and those of the steps after it up to the next that has one.
fn fisher_weights(trajectory: &Trajectory, rates: &[f64]) -> Vec<f64> {
    let mut weights = vec![0f64; rates.len()];
    let mut stands_for = None;
    for (place, (step, rate)) in trajectory.steps().iter().zip(rates).enumerate() {
        if !step.factors.is_empty() {
            stands_for = Some(place);
        }
        if let Some(place) = stands_for {
            weights[place] += rate * step.scale;
        }
    }
    weights
}

/// What a step leaves of all embeddings so far, `[samples, dims]`.
fn advance(embeddings: &mut [f32], step: &TrajectoryStep, weight: f64, dims: usize) -> Result<(), AttributionError> {
    let (count, samples) = (step.factors.len(), embeddings.len() / dims);
    if weight > 0.0 && count > 0 {
        let mut factors = vec![0f32; count * dims];
        factors.chunks_exact_mut(dims).zip(&step.factors).for_each(|(out, factor)| factor.write_to(out));
        let factors = Matrix::new(&factors, count, dims);
        let mut gram = vec![0f32; count * count];
        add_product(&mut gram, factors, factors.transposed(), 1.0);
        let mut system: Vec<f64> = gram.into_iter().map(|value| weight * f64::from(value)).collect();
        (0..count).for_each(|i| system[i * count + i] += 1.0);
        // I + a positive semidefinite matrix; only numbers beyond f64 have no factors.
        let system =
            Cholesky::new(system, count).ok_or(AttributionError::Singular { method: "data value embedding" })?;
        let mut along = vec![0f32; samples * count];
        add_product(&mut along, Matrix::new(embeddings, samples, dims), factors.transposed(), 1.0);
        along.par_chunks_exact_mut(count).for_each(|row| {
            let right: Vec<f64> = row.iter().map(|value| weight * f64::from(*value)).collect();
            row.iter_mut().zip(system.solve(&right)).for_each(|(row, value)| *row = value as f32);
        });
        add_product(embeddings, Matrix::new(&along, samples, count), factors, -1.0);
    }
    if step.keep != 1.0 {
        let keep = step.keep as f32;
        embeddings.par_iter_mut().for_each(|value| *value *= keep);
    }
    Ok(())
}

/// The trajectory estimator for a run whose steps were captured.
#[derive(Clone, Debug)]
pub struct DataValueEmbedding {
    /// The run's steps.
    pub trajectory: Arc<Trajectory>,
    /// AdamW's preconditioner at its end.
    pub preconditioner: Arc<Vec<f32>>,
    /// How embeddings are made.
    pub settings: EmbeddingSettings,
}

impl Influence for DataValueEmbedding {
    fn name(&self) -> &'static str {
        "data value embedding"
    }

    fn fit(&self, inputs: &Inputs<'_>, observer: Observer<'_>) -> Result<Box<dyn Fitted>, AttributionError> {
        let snapshot = inputs.snapshots.last().ok_or(AttributionError::NoCheckpoints)?;
        let training = inputs.dataset.training().iter().map(|sample| sample.id());
        if !training.eq(self.trajectory.samples().iter().copied()) {
            return Err(TrajectoryError::OtherRun { what: "samples" }.into());
        }
        if snapshot.adapter.parameter_count() != self.trajectory.parameters() {
            return Err(TrajectoryError::OtherRun { what: "adapters" }.into());
        }
        let (found, expected) = (self.trajectory.steps().len() as u64, last_step(inputs));
        if found < expected {
            return Err(TrajectoryError::Incomplete { found, expected }.into());
        }
        let embeddings = embed(&self.trajectory, &self.preconditioner, self.settings, observer)?;
        Ok(Box::new(Embedded { embeddings, step: expected }))
    }
}

struct Embedded {
    embeddings: Embeddings,
    step: u64,
}

impl Fitted for Embedded {
    fn scores(&self, query: &QueryGradients) -> Result<Vec<f64>, AttributionError> {
        query.check(self.embeddings.parameters(), 1)?;
        let ids: &[ContentHash] = self.embeddings.samples();
        finite(self.embeddings.scores(&self.embeddings.sketch(query.last())?), ids, self.step)
    }
}
