//! Group tangents against the retraining that they stand for, and what happens to their files.
#![allow(clippy::unwrap_used)]

mod accuracy;
mod answer;
mod file;
mod measure;
mod retrain;

use std::{ops::ControlFlow, path::Path, sync::Arc};
use tributary_attribution::{
    GroupSettings, Groups, RetrainProgress, RetrainRecipe, Retrainer, TangentSettings, Tangents,
};
use tributary_lora::{
    Adapter, Architecture, Dataset, EncodedSample, LoraConfig, Model, ModelConfig, RopeConfig, RopeScaling, Targets,
    TrainConfig, TrainingRun,
};
use tributary_protocol::ContentHash;

const VOCABULARY: u32 = 48;

fn go_on(_: RetrainProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A small run with everything that its counterfactuals need.
struct Task {
    model: Arc<Model>,
    dataset: Dataset,
    lora: LoraConfig,
    training: TrainConfig,
    /// Samples that are on the topics of the training samples, and are not trained on.
    queries: Vec<EncodedSample>,
}

/// A sample on one of four topics: each has its own rule by which a token follows from the one before it.
fn sample(topic: u32, number: u32) -> EncodedSample {
    let mut tokens = vec![40 + topic, (7 * number + 3) % 40];
    for _ in 0..8 {
        let last = tokens[tokens.len() - 1];
        tokens.push((last * [1, 3, 7, 9][topic as usize] + 2 * topic + 1) % 40);
    }
    EncodedSample::new(ContentHash::of(&(1_000 * topic + number).to_le_bytes()), tokens, 2)
}

impl Task {
    fn new() -> Self {
        Self::keeping(0)
    }

    /// With this part of the samples, in millionths, kept for validation.
    fn keeping(validation_ppm: u32) -> Self {
        let config = ModelConfig {
            vocab_size: VOCABULARY as usize,
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
        };
        let samples = (0..24).map(|at| sample(at % 4, at / 4)).collect();
        Self {
            model: Arc::new(Model::random(config, 4).unwrap()),
            dataset: Dataset::divide(samples, validation_ppm).unwrap(),
            lora: LoraConfig { rank: 3, alpha: 6.0, targets: Targets::AllLinear, ..Default::default() },
            training: TrainConfig { seed: 3, epochs: 6, batch_size: 8, learning_rate: 5e-3, ..Default::default() },
            queries: (0..8).map(|at| sample(at % 4, 20 + at / 4)).collect(),
        }
    }

    fn recipe(&self) -> RetrainRecipe<'_> {
        let Self { model, dataset, lora, training, .. } = self;
        RetrainRecipe { model, dataset, lora, adapter_seed: 5, training, result_step: None }
    }

    fn retrainer(&self, folder: &Path, parallel: usize) -> Retrainer<'_> {
        Retrainer::new(self.recipe(), folder, parallel).unwrap()
    }

    fn result(&self) -> Adapter {
        let adapter = Adapter::new(&self.model, self.lora.clone(), 5).unwrap();
        let mut run = TrainingRun::new(self.model.clone(), adapter, self.dataset.clone(), self.training).unwrap();
        while !run.is_done() {
            run.step().unwrap();
        }
        run.into_adapter().unwrap()
    }

    fn groups(&self, count: u16) -> Groups {
        Groups::new(self.dataset.training(), None, GroupSettings { count, seed: 9 }).unwrap()
    }

    fn tangents(&self, folder: &Path, groups: &Groups, halves: u16) -> Tangents {
        let settings = TangentSettings { halves, ..Default::default() };
        Tangents::train(&self.retrainer(folder, 2), &self.result(), groups, settings, &go_on).unwrap()
    }
}
