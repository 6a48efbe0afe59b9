//! Samples that look wrong: a list for curators.
//!
//! A sample whose label contradicts what the others teach keeps a gradient that the model's own uncertainty does not explain.
//! Its size in the metric of that uncertainty, `gᵀ (F + λ)^-1 g`, is its leverage: how far the sample would move the model's
//! predictions if it were alone. Source: Cook's leverage for general losses, Koh and Liang, arXiv 1703.04730, section 5.4
//! (self-influence finds mislabelled samples); with the model's Fisher information as the metric, Schioppa et al.,
//! arXiv 2112.03052, section 5.

use crate::{
    error::AttributionError,
    influence::{CapturedRow, Cholesky, Trajectory, TrajectoryStep},
};
use rayon::prelude::*;
use tributary_lora::{Matrix, add_product};
use tributary_protocol::ContentHash;

/// How suspicious samples are found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScreenSettings {
    /// `λ`, as a part of the mean square of the Fisher factors' elements.
    pub damping: f64,
    /// Most factors that the Fisher matrix of a window is made from, evenly chosen; their square bounds the memory.
    pub factors_max: usize,
}

impl Default for ScreenSettings {
    fn default() -> Self {
        Self { damping: 1.0, factors_max: 1024 }
    }
}

/// A sample and how much it stands out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspicion {
    /// Its place among the training samples.
    pub place: usize,
    /// Its hash.
    pub sample: ContentHash,
    /// The mean over the run of its leverage per trained token. About equal for samples that the model is as uncertain
    /// about as it should be; its unit means nothing.
    pub score: f64,
}

/// The samples of a captured run, the most suspicious first.
///
/// The run is looked at in windows in which each sample occurs once or so, and every window has its own Fisher matrix:
/// early ones tell most, before the model has learnt the wrong labels by heart. Nothing is trained and no model is needed.
/// Cost: per window `dims · factors · (samples + factors)` multiply-adds.
/// Errors: a run without steps; settings that are not positive.
pub fn screen(trajectory: &Trajectory, settings: ScreenSettings) -> Result<Vec<Suspicion>, AttributionError> {
    let ScreenSettings { damping, factors_max } = settings;
    if !(damping > 0.0 && damping.is_finite()) || factors_max == 0 {
        return Err(AttributionError::Damping { found: damping });
    }
    if trajectory.steps().is_empty() {
        return Err(AttributionError::NoCheckpoints);
    }
    let count = trajectory.samples().len();
    let (mut sums, mut times) = (vec![0f64; count], vec![0u32; count]);
    for window in windows(trajectory.steps(), count) {
        let rows: Vec<&CapturedRow> = window.iter().flat_map(|step| &step.rows).collect();
        let metric = Metric::new(&rows, trajectory.dims(), settings)?;
        for (row, leverage) in rows.iter().zip(metric.leverages(&rows)) {
            sums[row.sample as usize] += leverage / f64::from(row.tokens);
            times[row.sample as usize] += 1;
        }
    }
    let samples = trajectory.samples().iter().zip(sums.into_iter().zip(times)).enumerate();
    let suspicion = |(place, (sample, (sum, times))): (usize, (&ContentHash, (f64, u32)))| {
        let score = sum / f64::from(times.max(1));
        match score.is_finite() {
            true => Ok(Suspicion { place, sample: *sample, score }),
            false => Err(AttributionError::NotFinite { sample: *sample, step: trajectory.steps().len() as u64 }),
        }
    };
    let mut suspicions: Vec<Suspicion> = samples.map(suspicion).collect::<Result<_, _>>()?;
    suspicions.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.place.cmp(&b.place)));
    Ok(suspicions)
}

/// Stretches of steps with about as many rows as there are samples.
fn windows(steps: &[TrajectoryStep], samples: usize) -> Vec<&[TrajectoryStep]> {
    let (mut windows, mut from, mut rows) = (Vec::new(), 0, 0);
    for (place, step) in steps.iter().enumerate() {
        rows += step.rows.len();
        if rows >= samples {
            windows.push(&steps[from..=place]);
            (from, rows) = (place + 1, 0);
        }
    }
    // What is left is too little for a metric of its own, unless it is all there is.
    if windows.is_empty() {
        windows.push(steps);
    }
    windows
}

/// `F + λI` in sketched coordinates, `F` the mean of the factors' outer products per trained token.
struct Metric {
    /// `[factors, dims]`, so scaled that `F = factorsᵀ · factors`.
    factors: Vec<f32>,
    count: usize,
    dims: usize,
    damping: f64,
    /// Of `λI + factors · factorsᵀ`.
    system: Cholesky,
}

impl Metric {
    fn new(rows: &[&CapturedRow], dims: usize, settings: ScreenSettings) -> Result<Self, AttributionError> {
        let count = rows.len().min(settings.factors_max);
        let chosen = (0..count).map(|i| rows[i * rows.len() / count]);
        let mut factors = vec![0f32; count * dims];
        for (out, row) in factors.chunks_exact_mut(dims).zip(chosen) {
            row.factor.write_to(out);
            let scale = 1.0 / (f64::from(row.tokens) * count as f64).sqrt();
            out.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
        }
        let mut gram = vec![0f32; count * count];
        let matrix = Matrix::new(&factors, count, dims);
        add_product(&mut gram, matrix, matrix.transposed(), 1.0);
        let mut system: Vec<f64> = gram.into_iter().map(f64::from).collect();
        let trace = (0..count).fold(0f64, |sum, i| sum + system[i * count + i]);
        // A model that is certain of everything leaves the plain length of gradients.
        let damping = if trace > 0.0 { settings.damping * trace / dims as f64 } else { 1.0 };
        (0..count).for_each(|i| system[i * count + i] += damping);
        let system =
            Cholesky::new(system, count).ok_or(AttributionError::Singular { method: "the mislabel screen" })?;
        Ok(Self { factors, count, dims, damping, system })
    }

    /// `gᵀ (F + λI)^-1 g = (|g|² - |L^-1 · factors · g|²) / λ` for each row, by Woodbury's identity.
    fn leverages(&self, rows: &[&CapturedRow]) -> Vec<f64> {
        let leverage = |row: &&CapturedRow| {
            let mut gradient = vec![0f32; self.dims];
            row.gradient.write_to(&mut gradient);
            let mut along = vec![0f32; self.count];
            let factors = Matrix::new(&self.factors, self.count, self.dims);
            add_product(&mut along, factors, Matrix::new(&gradient, self.dims, 1), 1.0);
            let along = self.system.forward(&along.into_iter().map(f64::from).collect::<Vec<_>>());
            let explained = along.iter().fold(0f64, |sum, value| sum + value * value);
            let whole = gradient.iter().fold(0f64, |sum, value| sum + f64::from(*value) * f64::from(*value));
            // Rounding of f32 products can leave a little less than nothing.
            ((whole - explained) / self.damping).max(0.0)
        };
        rows.par_iter().map(leverage).collect()
    }
}
