//! What the others do not explain.
//!
//! A sample whose label contradicts what the others teach pulls strongly, and in a direction in which the others do not pull.
//! Its leverage, `gᵀ (F + λ)^-1 g` with `F` the second moment of the *other* samples' gradients, is large for both reasons.
//! Source: ridge leverage, Alaoui and Mahoney, arXiv 1411.0306, definition 1; that self-influence finds mislabelled
//! samples, Koh and Liang, arXiv 1703.04730, section 5.4. Gradients count with the root of their length, so that neither
//! a few long ones nor the many short ones decide alone.

use super::{
    ScreenSettings, Suspicion, by_score,
    metric::{Metric, square},
};
use crate::{
    error::AttributionError,
    influence::{CapturedRow, Trajectory, TrajectoryStep},
};
use rayon::prelude::*;
use tributary_protocol::ContentHash;

/// The samples of a captured run, the most suspicious first, by the mean over the run of `leverage / (1 + leverage)`: from 0 for a
/// sample that the others explain to 1 for one that nothing else is like.
///
/// The run is looked at in windows in which each sample occurs once or so, and every window has its own `F`. Nothing is
/// trained and no model is needed. Cost: per window `others · samples · (dims + others)` multiply-adds.
/// Errors: a run without steps; settings that are not positive.
pub fn screen_by_leverage(
    trajectory: &Trajectory,
    settings: ScreenSettings,
) -> Result<Vec<Suspicion>, AttributionError> {
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
fn leverages(rows: &[&CapturedRow], dims: usize, settings: ScreenSettings) -> Result<Vec<f64>, AttributionError> {
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
    let metric = Metric::new(&vectors, dims, settings)?;
    Ok(metric.map(&vectors, |place, vector, explained| {
        let leverage = metric.square(vector, explained);
        // A row that is itself in F has l / (1 + l) there, where l is its leverage without it.
        if metric.has(place) { leverage } else { leverage / (1.0 + leverage) }
    }))
}
