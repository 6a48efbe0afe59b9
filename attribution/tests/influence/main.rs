//! Methods of attribution, and measures of how right they are, beside slow, straightforward computations.
#![allow(clippy::unwrap_used)]

mod accuracy;
mod datanet;
mod embeddings;
mod least_squares;
mod methods;
mod mislabel;
mod tracin;
mod trajectory;

use std::path::Path;
use std::sync::Arc;
use tributary_attribution::{Inputs, Trajectory, TrajectoryRecorder};
use tributary_lora::{
    AdamWConfig, Adapter, Architecture, Dataset, EncodedSample, LoraConfig, Model, ModelConfig, RopeConfig,
    RopeScaling, Snapshot, Target, TrainConfig, TrainingRun,
};
use tributary_protocol::ContentHash;

fn config() -> ModelConfig {
    ModelConfig {
        vocab_size: 48,
        hidden_size: 24,
        intermediate_size: 40,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 6,
        rms_norm_eps: 1e-5,
        rope: RopeConfig { theta: 10_000.0, scaling: RopeScaling::None },
        positions_max: 32,
        tie_word_embeddings: false,
        bos_token_id: Some(0),
        eos_token_ids: vec![1],
        architecture: Architecture::default(),
    }
}

fn sample(row: u32) -> EncodedSample {
    let tokens = (0..9 + row % 5).map(|i| (i * (row + 3) + row) % 47).collect();
    EncodedSample::new(ContentHash::of(&row.to_le_bytes()), tokens, 2)
}

/// A dozen samples, of which some are kept for validation.
fn dataset() -> Dataset {
    Dataset::divide((0..12).map(sample).collect(), 200_000).unwrap()
}

fn settings() -> TrainConfig {
    TrainConfig {
        epochs: 3,
        batch_size: 4,
        learning_rate: 2e-2,
        adamw: AdamWConfig { epsilon: 1e-4, weight_decay: 0.01, ..AdamWConfig::default() },
        snapshots: 2,
        ..TrainConfig::default()
    }
}

/// On two layers of each block: few enough parameters for dense matrices.
fn lora() -> LoraConfig {
    LoraConfig { rank: 2, alpha: 4.0, targets: [Target::Q, Target::Down].into(), ..LoraConfig::default() }
}

fn start(dataset: Dataset, settings: TrainConfig) -> TrainingRun {
    let model = Arc::new(Model::random(config(), 4).unwrap());
    let adapter = Adapter::new(&model, lora(), 5).unwrap();
    TrainingRun::new(model, adapter, dataset, settings).unwrap()
}

/// A trained run with everything that attribution reads.
struct Trained {
    run: TrainingRun,
    snapshots: Vec<Snapshot>,
    trajectory: Trajectory,
}

impl Trained {
    fn new(dataset: Dataset, settings: TrainConfig, dims: usize) -> Self {
        Self::of(start(dataset, settings), dims)
    }

    fn of(mut run: TrainingRun, dims: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = TrajectoryRecorder::in_memory(&run, dims, 3).unwrap();
        while !run.is_done() {
            run.step_captured(&mut recorder).unwrap();
            run.save_snapshot(folder.path(), "base").unwrap();
        }
        let snapshots = Snapshot::load_all(folder.path(), run.model()).unwrap();
        Self { run, snapshots, trajectory: recorder.trajectory() }
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs { model: self.run.model(), snapshots: &self.snapshots, dataset: self.run.dataset() }
    }
}

fn workspace(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Largest difference, as a part of the largest score.
fn difference(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f64, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.0, "{expected:?}");
    found.iter().zip(expected).fold(0f64, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

/// The `x` of `matrix · x = right`, by elimination with pivots.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for column in 0..size {
        let pivot =
            (column..size).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs())).unwrap();
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        for row in column + 1..size {
            let factor = matrix[row][column] / matrix[column][column];
            let (above, below) = matrix.split_at_mut(row);
            for (entry, pivot) in below[0][column..].iter_mut().zip(&above[column][column..]) {
                *entry -= factor * pivot;
            }
            right[row] -= factor * right[column];
        }
    }
    for row in (0..size).rev() {
        for k in row + 1..size {
            right[row] -= matrix[row][k] * right[k];
        }
        right[row] /= matrix[row][row];
    }
    right
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let count = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / count, b.iter().sum::<f64>() / count);
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| f(a - mean_a, b - mean_b)).sum::<f64>();
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}
