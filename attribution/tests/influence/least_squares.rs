//! A problem small enough to train without each of its samples.

use crate::{sample, settings, start};
use tributary_attribution::{Trajectory, TrajectoryRecorder};
use tributary_lora::{AdamWConfig, Capture, CapturedSample, CapturedStep, Dataset, TrainConfig, TrainingRun};

/// Least squares by gradient descent, in the first parameters of an adapter that is otherwise at rest.
pub struct LeastSquares {
    pub inputs: Vec<Vec<f64>>,
    pub targets: Vec<f64>,
}

pub const WIDTH: usize = 6;
const BATCH: usize = 5;
const STEPS: usize = 80;
const RATE: f64 = 0.2;

impl LeastSquares {
    fn batch(&self, step: usize) -> Vec<usize> {
        (0..BATCH).map(|place| (step * BATCH + place) % self.targets.len()).collect()
    }

    fn gradient(&self, at: &[f64], row: usize) -> Vec<f64> {
        let residual = product(&self.inputs[row], at) - self.targets[row];
        self.inputs[row].iter().map(|value| residual * value).collect()
    }

    /// The parameters after all steps without a row.
    pub fn trained(&self, without: Option<usize>, mut each: impl FnMut(usize, &[f64])) -> Vec<f64> {
        let mut at = vec![0f64; WIDTH];
        for step in 0..STEPS {
            each(step, &at);
            let rows = self.batch(step).into_iter().filter(|row| Some(*row) != without);
            let gradients: Vec<Vec<f64>> = rows.map(|row| self.gradient(&at, row)).collect();
            for gradient in gradients {
                at.iter_mut().zip(gradient).for_each(|(at, value)| *at -= RATE / BATCH as f64 * value);
            }
        }
        at
    }

    /// What a recorder keeps of the training, without loss, and the parameters at its end.
    pub fn recorded(&self) -> (Trajectory, Vec<f64>) {
        let run = stage(self.targets.len() as u32);
        let parameters = run.adapter().unwrap().parameter_count();
        // As many dimensions as parameters: the sketch loses nothing.
        let mut recorder = TrajectoryRecorder::in_memory(&run, parameters, 1).unwrap();
        let ids: Vec<_> = run.dataset().training().iter().map(|sample| sample.id()).collect();
        let result = self.trained(None, |step, at| {
            let batch = self.batch(step);
            let captured = |row: &usize| CapturedSample { index: *row, id: ids[*row], tokens: 1 };
            let gradients: Vec<Vec<f64>> = batch.iter().map(|row| self.gradient(at, *row)).collect();
            // The score of a label that is drawn with deviation 1 is the input times that draw; its size is the input's.
            let factors: Vec<Vec<f64>> = batch.iter().map(|row| self.inputs[*row].clone()).collect();
            recorder
                .step(&CapturedStep {
                    step: step as u64 + 1,
                    learning_rate: RATE,
                    keep: 1.0,
                    scale: 1.0 / BATCH as f64,
                    samples: &batch.iter().map(captured).collect::<Vec<_>>(),
                    gradients: &flat(&gradients, parameters),
                    factors: &flat(&factors, parameters),
                    ghosts: &[],
                    ghost_gradients: &[],
                    preconditioner: &vec![1.0; parameters],
                })
                .unwrap();
        });
        (recorder.trajectory(), result)
    }
}

/// Rows of `parameters` elements that begin with these.
pub fn flat(rows: &[Vec<f64>], parameters: usize) -> Vec<f32> {
    let mut flat = vec![0f32; rows.len() * parameters];
    for (out, row) in flat.chunks_mut(parameters).zip(rows) {
        out.iter_mut().zip(row).for_each(|(out, value)| *out = *value as f32);
    }
    flat
}

pub fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A run of this many training samples without averages over steps, on which steps of another problem are put.
pub fn stage(count: u32) -> TrainingRun {
    let adamw = AdamWConfig { beta1: 0.0, ..AdamWConfig::default() };
    let dataset = Dataset::divide((0..count).map(sample).collect(), 0).unwrap();
    start(dataset, TrainConfig { adamw, ..settings() })
}
