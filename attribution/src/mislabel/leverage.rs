//! What the others do not explain.
//!
//! A sample whose label contradicts what the others teach pulls strongly, and in a direction in which the others do not pull.
//! Its leverage, `gᵀ (F + λ)^-1 g` with `F` the second moment of the *other* samples' gradients, is large for both reasons.
//! Source: ridge leverage, Alaoui and Mahoney, arXiv 1411.0306, definition 1; that self-influence finds mislabelled
//! samples, Koh and Liang, arXiv 1703.04730, section 5.4. Gradients count with the root of their length, so that neither
//! a few long ones nor the many short ones decide alone.

use super::{Suspicion, by_score};
use crate::{
    error::AttributionError,
    influence::{CapturedRow, Cholesky, Trajectory, TrajectoryStep},
};
use rayon::prelude::*;
use tributary_lora::{Matrix, add_product};
use tributary_protocol::ContentHash;

/// How suspicious samples are found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeverageSettings {
    /// `λ`, as a part of the samples' mean square.
    pub damping: f64,
    /// Most samples that `F` of a window is made from, evenly chosen; their square, times 8 bytes, bounds the memory.
    pub others_max: usize,
}

impl Default for LeverageSettings {
    fn default() -> Self {
        Self { damping: 0.1, others_max: 2048 }
    }
}

/// The samples of a captured run, the most suspicious first, by the mean over the run of `leverage / (1 + leverage)`: from 0 for a
/// sample that the others explain to 1 for one that nothing else is like.
///
/// The run is looked at in windows in which each sample occurs once or so, and every window has its own `F`. Nothing is
/// trained and no model is needed. Cost: per window `others · samples · (dims + others)` multiply-adds.
/// Errors: a run without steps; settings that are not positive.
pub fn screen_by_leverage(
    trajectory: &Trajectory,
    settings: LeverageSettings,
) -> Result<Vec<Suspicion>, AttributionError> {
    let LeverageSettings { damping, others_max } = settings;
    if !(damping > 0.0 && damping.is_finite()) || others_max == 0 {
        return Err(AttributionError::Damping { found: damping });
    }
    if trajectory.steps().is_empty() {
        return Err(AttributionError::NoCheckpoints);
    }
    let count = trajectory.samples().len();
    let (mut sums, mut times) = (vec![0f64; count], vec![0u32; count]);
    for window in windows(trajectory.steps(), count) {
        let rows: Vec<&CapturedRow> = window.iter().flat_map(|step| &step.rows).collect();
        for (row, leverage) in rows.iter().zip(leverages(&rows, trajectory.dims(), settings)?) {
            sums[row.sample as usize] += leverage;
            times[row.sample as usize] += 1;
        }
    }
    let scores: Vec<f64> = sums.into_iter().zip(times).map(|(sum, times)| sum / f64::from(times.max(1))).collect();
    sorted(trajectory, scores)
}

/// The highest score first.
fn sorted(trajectory: &Trajectory, scores: Vec<f64>) -> Result<Vec<Suspicion>, AttributionError> {
    let samples = trajectory.samples().iter().zip(scores).enumerate();
    let suspicion = |(place, (sample, score)): (usize, (&ContentHash, f64))| match score.is_finite() {
        true => Ok(Suspicion { place, sample: *sample, score }),
        false => Err(AttributionError::NotFinite { sample: *sample, step: trajectory.steps().len() as u64 }),
    };
    Ok(by_score(samples.map(suspicion).collect::<Result<_, _>>()?))
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

/// `l / (1 + l)` of each row, `l` its leverage over the others.
fn leverages(rows: &[&CapturedRow], dims: usize, settings: LeverageSettings) -> Result<Vec<f64>, AttributionError> {
    let mut vectors = vec![0f32; rows.len() * dims];
    vectors.par_chunks_exact_mut(dims).zip(rows).for_each(|(out, row)| {
        row.gradient.write_to(out);
        let length = square(out).sqrt() / f64::from(row.tokens).sqrt();
        if length > 0.0 {
            // Per root of a token, and then to the root of its length.
            let scale = 1.0 / (f64::from(row.tokens).sqrt() * length.sqrt());
            out.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
        }
    });
    let count = rows.len().min(settings.others_max);
    let chosen: Vec<usize> = (0..count).map(|i| i * rows.len() / count.max(1)).collect();
    let others: Vec<f32> = chosen.iter().flat_map(|place| &vectors[place * dims..][..dims]).copied().collect();
    let others = Matrix::new(&others, count, dims);
    let mut gram = vec![0f32; count * count];
    add_product(&mut gram, others, others.transposed(), 1.0);
    let mut system: Vec<f64> = gram.into_iter().map(f64::from).collect();
    let mean = (0..count).fold(0f64, |sum, i| sum + system[i * count + i]) / count.max(1) as f64;
    // Gradients that are all zero have no leverage, whatever stands here.
    let damping = if mean > 0.0 { settings.damping * mean } else { 1.0 };
    (0..count).for_each(|i| system[i * count + i] += damping);
    let system = Cholesky::new(system, count).ok_or(AttributionError::Singular { method: "the mislabel screen" })?;
    let mut along = vec![0f32; rows.len() * count];
    add_product(&mut along, Matrix::new(&vectors, rows.len(), dims), others.transposed(), 1.0);
    let leverage = |(place, (vector, along)): (usize, (&[f32], &[f32]))| {
        // vᵀ (F + λI)^-1 v = (|v|² - |L^-1 · others · v|²) / λ, by Woodbury's identity.
        let explained = system.forward(&along.iter().map(|value| f64::from(*value)).collect::<Vec<_>>());
        let explained = explained.iter().fold(0f64, |sum, value| sum + value * value);
        // Rounding of f32 products can leave a little less than nothing.
        let leverage = ((square(vector) - explained) / damping).max(0.0);
        // A row that is itself in F has l / (1 + l) there, where l is its leverage without it.
        if chosen.binary_search(&place).is_ok() { leverage } else { leverage / (1.0 + leverage) }
    };
    Ok(vectors.par_chunks_exact(dims).zip(along.par_chunks_exact(count)).enumerate().map(leverage).collect())
}

fn square(values: &[f32]) -> f64 {
    values.iter().fold(0f64, |sum, value| sum + f64::from(*value) * f64::from(*value))
}
