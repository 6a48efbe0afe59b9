//! The run that is attributed: trained with the capture on, and kept where the peers find it.

use crate::{Bench, processor_seconds, task::Task, write_json};
use candle_core::Tensor;
use serde_json::json;
use std::{collections::HashMap, path::Path, sync::Arc};
use tributary_attribution::{Trajectory, TrajectoryRecorder};
use tributary_lora::{
    AdamWConfig, Adapter, Decay, EncodedSample, LoraConfig, Snapshot, Target, TrainConfig, TrainingRun,
    sample_gradient, sample_gradients, sample_loss,
};

/// Numbers of a sketch: with hash and unit, an embedding takes 4,096 bytes.
pub const DIMS: usize = 16_240;
pub const SNAPSHOTS: u32 = 4;
/// Gradients that the peers' must equal.
const COMPARED: usize = 8;

pub fn lora() -> LoraConfig {
    LoraConfig { rank: 8, alpha: 16.0, targets: Target::ALL.into(), ..LoraConfig::default() }
}

/// Large batches, a large epsilon and a smooth schedule: what leaving samples out does must be more than what chance does.
/// docs/attribution-benchmark.md has the figures.
pub fn training(seed: u64) -> TrainConfig {
    TrainConfig {
        seed,
        epochs: 12,
        batch_size: 28,
        micro_batch_size: 28,
        learning_rate: 4.5e-3,
        warmup_steps: 5,
        decay: Decay::Cosine,
        adamw: AdamWConfig { epsilon: 1e-3, ..AdamWConfig::default() },
        gradient_norm_max: None,
        snapshots: SNAPSHOTS,
        ..TrainConfig::default()
    }
}

fn begin(bench: &Bench, task: &Task, seed: u64) -> TrainingRun {
    let adapter = Adapter::new(&bench.model, lora(), seed).unwrap();
    TrainingRun::new(bench.model.clone(), adapter, task.dataset.clone(), training(seed)).unwrap()
}

/// A trained run with everything that estimators read.
pub struct Trained {
    pub run: TrainingRun,
    pub snapshots: Vec<Snapshot>,
    pub trajectory: Arc<Trajectory>,
    pub preconditioner: Arc<Vec<f32>>,
    /// Processor seconds of all steps, with and without the capture, if they were measured.
    pub seconds: [f64; 2],
}

impl Trained {
    /// Trains `task` and writes its data, snapshots and some gradients to `folder`.
    pub fn new(bench: &Bench, task: &Task, seed: u64, folder: &Path) -> Self {
        let start = begin(bench, task, seed);
        Self::of(bench, task, seed, folder, start, None)
    }

    /// The same, and trains without the capture in turns with it, step by step, so that whatever else the machine does meets
    /// both.
    pub fn timed(bench: &Bench, task: &Task, seed: u64, folder: &Path) -> Self {
        let (start, plain) = (begin(bench, task, seed), begin(bench, task, seed));
        Self::of(bench, task, seed, folder, start, Some(plain))
    }

    fn of(
        bench: &Bench,
        task: &Task,
        seed: u64,
        folder: &Path,
        mut run: TrainingRun,
        mut plain: Option<TrainingRun>,
    ) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let mut recorder = TrajectoryRecorder::in_memory(&run, DIMS, seed).unwrap();
        let mut seconds = [0f64; 2];
        while !run.is_done() {
            let began = processor_seconds();
            run.step_captured(&mut recorder).unwrap();
            let between = processor_seconds();
            if let Some(plain) = &mut plain {
                plain.step().unwrap();
            }
            seconds[0] += between - began;
            seconds[1] += processor_seconds() - between;
            run.save_snapshot(folder, "tributary-tiny").unwrap();
        }
        let bytes = |run: &TrainingRun| run.adapter().unwrap().to_safetensors().unwrap();
        assert!(plain.is_none_or(|plain| bytes(&plain) == bytes(&run)), "the capture changed the run");
        let snapshots = Snapshot::load_all(folder, &bench.model).unwrap();
        let trajectory = Arc::new(recorder.trajectory());
        let preconditioner = Arc::new(run.preconditioner());
        let trained = Self { run, snapshots, trajectory, preconditioner, seconds };
        trained.write(bench, task, seed, folder);
        trained
    }

    pub fn adapter(&self) -> &Adapter {
        self.run.adapter().unwrap()
    }

    /// A sample's loss at the end, in nats per token.
    pub fn loss(&self, bench: &Bench, sample: &EncodedSample) -> f64 {
        f64::from(sample_loss(&bench.model, Some(self.adapter()), sample).unwrap())
    }

    fn write(&self, bench: &Bench, task: &Task, seed: u64, folder: &Path) {
        let mut data = task.to_json();
        data["seed"] = seed.into();
        data["base"] = bench.base.display().to_string().into();
        data["parameters"] = self.adapter().parameter_count().into();
        data["steps"] = self.run.steps().into();
        data["settings"] = json!({"training": self.run.config(), "lora": lora()});
        let points = self.snapshots.iter().map(|snapshot| {
            let folder = folder.join(format!("snapshots/{:08}", snapshot.point.step));
            json!({"folder": folder.display().to_string(), "learning_rate": snapshot.point.learning_rate})
        });
        data["snapshots"] = points.collect();
        let before = |sample: &EncodedSample| f64::from(sample_loss(&bench.model, None, sample).unwrap());
        let queries = task.queries.iter().map(|(_, query)| query);
        data["query_losses_before"] = queries.clone().map(before).collect::<Vec<_>>().into();
        data["query_losses"] = queries.clone().map(|query| self.loss(bench, query)).collect::<Vec<_>>().into();
        let samples = task.dataset.training();
        let of_samples = samples.iter().map(|sample| self.loss(bench, sample));
        data["sample_losses"] = of_samples.collect::<Vec<_>>().into();
        write_json(&folder.join("data.json"), &data);

        // Gradients alone and together, as the estimators read them.
        let every = (samples.len() / COMPARED).max(1);
        let chosen: Vec<&EncodedSample> = samples.iter().step_by(every).collect();
        let together = sample_gradients(&bench.model, self.adapter(), &chosen).unwrap();
        let mut tensors = HashMap::new();
        let mut add = |name: String, gradient: &[f32]| {
            let mut from = 0;
            for (of, variable) in self.adapter().tensors() {
                let values = &gradient[from..from + variable.elem_count()];
                let tensor = Tensor::from_slice(values, variable.shape(), variable.device()).unwrap();
                tensors.insert(format!("{name};{of}"), tensor);
                from += variable.elem_count();
            }
        };
        for (at, gradient) in together.iter().enumerate() {
            add(format!("sample {}", at * every), gradient);
        }
        for (at, query) in queries.enumerate().step_by(10) {
            add(format!("query {at}"), &sample_gradient(&bench.model, self.adapter(), query).unwrap());
        }
        candle_core::safetensors::save(&tensors, folder.join("gradients.safetensors")).unwrap();
    }
}
