//! TRAK: a linear model on projected gradients.
//!
//! Source: Park, Georgiev, Ilyas, Leclerc, Madry, "TRAK: Attributing Model Behavior at Scale", arXiv 2303.14186,
//! equations 14 to 17. With `p` the probability of the right output, the model output is `f = log(p / (1 - p))`, features
//! are `φ = Pᵀ grad f`, and `score(q, i) = φ(q)ᵀ (ΦᵀΦ)^-1 φ(i) (1 - p_i)`. Here `p = exp(-loss)` with the sample's mean loss,
//! so `grad f = -grad l / (1 - p)`; and the query counts by its loss instead of `f`, a factor `1 - p_q` that all scores of a
//! query share. With `g = Pᵀ grad l` that is `g(q)ᵀ (Σ_j g(j) g(j)ᵀ / (1 - p_j)²)^-1 g(i)`.

use super::{
    Cholesky, Fitted, Influence, Sketch,
    gradients::{QueryGradients, finite, gradients_at, ids, last_step},
};
use crate::{
    error::AttributionError,
    estimator::{Inputs, Observer},
};
use rayon::prelude::*;
use std::sync::atomic::AtomicUsize;
use tributary_lora::{Matrix, add_product, sample_loss};
use tributary_protocol::ContentHash;

/// No sample counts as learnt better than this: below it, `1 - p` is rounding.
const DOUBT_MIN: f64 = 1e-4;

/// TRAK over the checkpoints of one run as its ensemble, each with a projection of its own.
///
/// Cost: a gradient per sample and checkpoint; memory `checkpoints · dims · (4 · samples + 8 · dims)` bytes; a query costs
/// `checkpoints · dims · (samples + dims)` multiply-adds and its projections.
#[derive(Clone, Copy, Debug)]
pub struct Trak {
    /// Dimensions after the projection, a [`Sketch`].
    pub dims: usize,
    /// Added to the diagonal of `ΦᵀΦ`, as a part of its mean: without it there is no inverse where there are fewer samples
    /// than dimensions. The paper has none; it is the regularisation of later implementations.
    pub damping: f64,
    /// Seed of the projections.
    pub seed: u64,
}

impl Default for Trak {
    fn default() -> Self {
        Self { dims: 1024, damping: 0.1, seed: 0 }
    }
}

impl Influence for Trak {
    fn name(&self) -> &'static str {
        "TRAK"
    }

    fn fit(&self, inputs: &Inputs<'_>, observer: Observer<'_>) -> Result<Box<dyn Fitted>, AttributionError> {
        if !(self.damping > 0.0 && self.damping.is_finite()) {
            return Err(AttributionError::Damping { found: self.damping });
        }
        if inputs.snapshots.is_empty() {
            return Err(AttributionError::NoCheckpoints);
        }
        let training = inputs.dataset.training();
        let (done, total) = (AtomicUsize::new(0), inputs.snapshots.len() * training.len());
        let mut points = Vec::with_capacity(inputs.snapshots.len());
        for (seed, snapshot) in (self.seed..).zip(inputs.snapshots) {
            let gradients = gradients_at(inputs, snapshot, &done, total, observer)?;
            let doubts: Vec<f64> = training
                .par_iter()
                .map(|sample| {
                    let loss = f64::from(sample_loss(inputs.model, Some(&snapshot.adapter), sample)?);
                    Ok((1.0 - libm::exp(-loss)).max(DOUBT_MIN))
                })
                .collect::<Result<_, AttributionError>>()?;
            points.push(Point::new(&gradients, &doubts, self, seed)?);
        }
        Ok(Box::new(FittedTrak { points, ids: ids(inputs), step: last_step(inputs) }))
    }
}

/// One checkpoint.
struct Point {
    sketch: Sketch,
    parameters: usize,
    /// `[samples, dims]`
    features: Vec<f32>,
    /// Of `Σ_j g(j) g(j)ᵀ / (1 - p_j)²` with its damping.
    inverse: Cholesky,
}

impl Point {
    fn new(gradients: &[Vec<f32>], doubts: &[f64], settings: &Trak, seed: u64) -> Result<Self, AttributionError> {
        let parameters = gradients.first().map_or(0, Vec::len);
        let sketch = Sketch::new(seed, parameters, settings.dims)?;
        let signs = sketch.weights(&vec![1f32; parameters]);
        let dims = settings.dims;
        let mut features = vec![0f32; gradients.len() * dims];
        features.par_chunks_exact_mut(dims).zip(gradients).for_each(|(row, gradient)| {
            sketch.apply(&signs, gradient, row);
        });
        let weighted: Vec<f32> = features
            .chunks_exact(dims)
            .zip(doubts)
            .flat_map(|(row, doubt)| row.iter().map(move |value| (f64::from(*value) / doubt) as f32))
            .collect();
        let mut kernel = vec![0f32; dims * dims];
        let weighted = Matrix::new(&weighted, gradients.len(), dims);
        add_product(&mut kernel, weighted.transposed(), weighted, 1.0);
        let mut kernel: Vec<f64> = kernel.into_iter().map(f64::from).collect();
        let mean = (0..dims).fold(0f64, |sum, i| sum + kernel[i * dims + i]) / dims as f64;
        // Gradients that are all zero score zero, whatever stands here.
        let damping = if mean > 0.0 { settings.damping * mean } else { 1.0 };
        (0..dims).for_each(|i| kernel[i * dims + i] += damping);
        let inverse = Cholesky::new(kernel, dims).ok_or(AttributionError::Singular { method: "TRAK" })?;
        Ok(Self { sketch, parameters, features, inverse })
    }

    fn scores(&self, query: &[f32]) -> Vec<f64> {
        let dims = self.sketch.dims();
        let mut feature = vec![0f32; dims];
        self.sketch.apply(&self.sketch.weights(&vec![1f32; self.parameters]), query, &mut feature);
        let solved = self.inverse.solve(&feature.iter().map(|value| f64::from(*value)).collect::<Vec<_>>());
        let product = |row: &[f32]| row.iter().zip(&solved).fold(0f64, |sum, (a, b)| sum + f64::from(*a) * b);
        self.features.par_chunks_exact(dims).map(product).collect()
    }
}

struct FittedTrak {
    points: Vec<Point>,
    ids: Vec<ContentHash>,
    step: u64,
}

impl Fitted for FittedTrak {
    fn scores(&self, query: &QueryGradients) -> Result<Vec<f64>, AttributionError> {
        query.check(self.points.first().map_or(0, |point| point.parameters), self.points.len())?;
        let mut scores = vec![0f64; self.ids.len()];
        for (checkpoint, point) in self.points.iter().enumerate() {
            let of_point = point.scores(query.at(checkpoint).unwrap_or_default());
            scores.iter_mut().zip(of_point).for_each(|(score, part)| *score += part / self.points.len() as f64);
        }
        finite(scores, &self.ids, self.step)
    }
}
