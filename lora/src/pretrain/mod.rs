//! Making the embedded base model from nothing: corpus, tokenizer, training.
//!
//! The model that the demonstration needs is the project's own, so nothing has to be downloaded: a corpus written by rules,
//! a tokenizer learnt from it, and a small Llama-architecture decoder trained on it in one or more stages. [`pretrain`]
//! leaves a Hugging Face folder with `RECIPE.json`, which says how to make it again.

mod chat;
mod corpus;
mod everyday;
mod grammar;
mod lexicon;
mod measure;
mod stories;
mod vocabulary;
mod world;

pub use corpus::documents;
pub use measure::{ConverseError, Measures, Score, converse, measure};

use crate::batch::EncodedSample;
use crate::config::{Architecture, ModelConfig, RopeConfig, RopeScaling};
use crate::data::{ChatTemplate, EncodeError};
use crate::dataset::Dataset;
use crate::error::{DataError, LoadError, TokenizerError, TrainError};
use crate::files::write_atomically;
use crate::model::Model;
use crate::optim::AdamWConfig;
use crate::quant::Precision;
use crate::schedule::Decay;
use crate::tokenizer::Tokenizer;
use crate::train::{StepMetrics, TrainConfig, TrainingRun};
use corpus::{Corpus, Encoders};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tributary_protocol::ContentHash;

/// Steps between checkpoints.
const CHECKPOINT_STEPS: u64 = 100;
/// Last steps whose mean loss is reported: a single step's loss says more about its samples than about the model.
const FINAL_STEPS: usize = 50;

/// Everything that determines the embedded base model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of corpus and parameters.
    pub seed: u64,
    /// Documents that the tokenizer is learnt from.
    pub tokenizer_documents: usize,
    /// Millionths of the documents that are kept for validation.
    pub validation_ppm: u32,
    /// Tokens of the tokenizer, and rows of the embeddings.
    pub vocab_size: usize,
    /// Features of a position between the layers.
    pub hidden_size: usize,
    /// Features inside the feed-forward block.
    pub intermediate_size: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Longest sequence that the model accepts.
    pub positions_max: usize,
    /// The trainings, one after the other, each from where the last one ended.
    pub stages: Vec<Stage>,
}

/// One training on documents of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Documents of the corpus.
    pub documents: usize,
    /// The training.
    pub training: TrainConfig,
}

impl Default for Recipe {
    /// The recipe of `tributary-tiny`: most steps at the highest rate, so that the first stage can be longer or shorter
    /// without being another training, and then a fall to nothing.
    fn default() -> Self {
        let stage = |documents, warmup_steps, decay| Stage {
            documents,
            training: TrainConfig {
                seed: 20_261_121,
                epochs: 1,
                batch_size: 48,
                micro_batch_size: 48,
                // The documents come in random order, so the shorter stage is the beginning of the longer one.
                shuffle: false,
                learning_rate: 3e-3,
                warmup_steps,
                decay,
                adamw: AdamWConfig { beta2: 0.98, weight_decay: 0.05, ..AdamWConfig::default() },
                gradient_norm_max: Some(1.0),
                snapshots: 0,
                ..TrainConfig::default()
            },
        };
        Self {
            seed: 20_261_121,
            tokenizer_documents: 6_000,
            validation_ppm: 5_000,
            vocab_size: 2048,
            hidden_size: 192,
            intermediate_size: 512,
            layers: 6,
            heads: 6,
            kv_heads: 2,
            positions_max: 512,
            stages: vec![stage(60_000, 60, Decay::Constant), stage(30_000, 20, Decay::Linear)],
        }
    }
}

impl Recipe {
    fn model_config(&self) -> ModelConfig {
        ModelConfig {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            layers: self.layers,
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.hidden_size / self.heads.max(1),
            rms_norm_eps: 1e-5,
            rope: RopeConfig { theta: 10_000.0, scaling: RopeScaling::None },
            positions_max: self.positions_max,
            tie_word_embeddings: true,
            bos_token_id: Some(0),
            eos_token_ids: vec![1],
            architecture: Architecture::default(),
        }
    }
}

/// What was made, as `RECIPE.json` keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainReport {
    /// How.
    pub recipe: Recipe,
    /// BLAKE3 of the samples' hashes in the order in which the stages draw them.
    pub corpus: ContentHash,
    /// Number of parameters.
    pub parameters: usize,
    /// Optimiser steps.
    pub steps: u64,
    /// Positions that were computed: all tokens of the documents but their last.
    pub tokens: u64,
    /// Mean training loss of the last steps, in nats per token.
    pub final_loss: f32,
    /// Loss on the last stage's documents that were kept for validation, in nats per token.
    pub validation_loss: Option<f32>,
}

/// How far [`pretrain`] is.
#[derive(Clone, Copy, Debug)]
pub enum PretrainProgress {
    /// The tokenizer is to be learnt from the corpus.
    Corpus {
        /// All documents of the stages.
        documents: usize,
    },
    /// The tokenizer is learnt and the documents of a stage are encoded.
    Tokenizer {
        /// Tokens of the stage.
        tokens: usize,
    },
    /// A step is done.
    Step {
        /// What it did; steps count from 1 in each stage.
        metrics: StepMetrics,
        /// Steps of the stage.
        steps: u64,
    },
}

/// Why the embedded base model could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PretrainError {
    /// The recipe contradicts itself.
    #[error("recipe: {0}")]
    Recipe(#[from] crate::error::ConfigError),
    /// The tokenizer could not be learnt.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The corpus is empty.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A document could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A recipe without a training.
    #[error("the recipe has no stage; hint: \"stages\" lists at least one with \"documents\" and \"training\"")]
    NoStage,
    /// The training stopped.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The model could not be made or written.
    #[error(transparent)]
    Model(#[from] LoadError),
    /// A file could not be written.
    #[error("cannot write {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Makes a base model and writes it to `dir` as a Hugging Face folder with `RECIPE.json`.
///
/// Every 100 steps a checkpoint is left in `dir/stage-N`; a call with the same recipe and folder goes on from it.
pub fn pretrain(
    recipe: &Recipe,
    dir: &Path,
    mut progress: impl FnMut(PretrainProgress),
) -> Result<PretrainReport, PretrainError> {
    // The written form is read back, so that a recipe which contradicts itself fails before the work and not after it.
    let config = ModelConfig::from_json(&recipe.model_config().to_json())?;
    progress(PretrainProgress::Corpus { documents: recipe.stages.iter().map(|stage| stage.documents).sum() });

    let texts: Vec<String> =
        Corpus::new(recipe.seed, "stage 1").take(recipe.tokenizer_documents).map(|document| document.text()).collect();
    let settings = vocabulary::settings(recipe.positions_max);
    write(dir, "tokenizer.json", &vocabulary::learn(&texts, recipe.vocab_size)?)?;
    write(dir, "tokenizer_config.json", &format!("{settings:#}\n"))?;
    let tokenizer = Tokenizer::from_dir(dir, &config)?;
    let template = || ChatTemplate::new("of tributary-tiny", vocabulary::CHAT_TEMPLATE, &settings);
    let encoders = Encoders::new(&tokenizer, recipe.positions_max, template)?;

    let mut model = Model::random(config, recipe.seed)?;
    let parameters = model.parameter_count();
    let (mut steps, mut tokens, mut finished) = (0, 0, None);
    let mut corpus = blake3::Hasher::new();
    for (number, stage) in (1..).zip(&recipe.stages) {
        let documents = Corpus::new(recipe.seed, &format!("stage {number}")).take(stage.documents);
        let samples: Vec<EncodedSample> =
            documents.map(|document| encoders.encode(document)).collect::<Result<_, _>>()?;
        for sample in &samples {
            corpus.update(&sample.id().0);
        }
        progress(PretrainProgress::Tokenizer { tokens: samples.iter().map(|sample| sample.tokens().len()).sum() });
        let dataset = Dataset::divide(samples, recipe.validation_ppm)?;
        tokens += dataset.training().iter().map(|sample| sample.tokens().len() as u64 - 1).sum::<u64>()
            * u64::from(stage.training.epochs);

        let folder = dir.join(format!("stage-{number}"));
        std::fs::create_dir_all(&folder).map_err(|source| PretrainError::File { path: folder.clone(), source })?;
        let mut run = TrainingRun::full(model, dataset, stage.training)?;
        run.resume(&folder)?;
        while !run.is_done() {
            let metrics = run.step()?;
            if metrics.step.is_multiple_of(CHECKPOINT_STEPS) || run.is_done() {
                run.checkpoint(&folder)?;
            }
            progress(PretrainProgress::Step { metrics, steps: run.steps() });
        }
        steps += run.steps();
        let last = &run.trace()[run.trace().len().saturating_sub(FINAL_STEPS)..];
        let final_loss = last.iter().map(|step| f32::from_bits(step.loss_bits)).sum::<f32>() / last.len().max(1) as f32;
        finished = Some((final_loss, run.evaluate()?));
        model = run.model().with_precision(Precision::F32)?;
    }
    let (final_loss, validation_loss) = finished.ok_or(PretrainError::NoStage)?;
    let report = PretrainReport {
        recipe: recipe.clone(),
        corpus: ContentHash(*corpus.finalize().as_bytes()),
        parameters,
        steps,
        tokens,
        final_loss,
        validation_loss,
    };
    model.save_bf16(dir)?;
    let text =
        serde_json::to_string_pretty(&report).map_err(|error| TokenizerError::Convert { reason: error.to_string() })?;
    write(dir, "RECIPE.json", &(text + "\n"))?;
    for number in 1..=recipe.stages.len() {
        let folder = dir.join(format!("stage-{number}"));
        std::fs::remove_dir_all(&folder).map_err(|source| PretrainError::File { path: folder, source })?;
    }
    Ok(report)
}

fn write(dir: &Path, name: &str, text: &str) -> Result<(), PretrainError> {
    let path = dir.join(name);
    write_atomically(&path, text.as_bytes()).map_err(|source| PretrainError::File { path, source })
}
