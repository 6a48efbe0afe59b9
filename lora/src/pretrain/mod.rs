//! Making the embedded base model from nothing: corpus, tokenizer, training.
//!
//! The model that the demonstration needs is the project's own, so nothing has to be downloaded: a corpus written by rules
//! ([`documents`]), a tokenizer learnt from it, and a small Llama-architecture decoder trained on it. [`pretrain`] leaves a
//! Hugging Face folder with `RECIPE.json`, which says how to make it again.

mod corpus;
mod everyday;
mod lexicon;
mod stories;
mod vocabulary;
mod world;

pub use corpus::documents;

use crate::batch::EncodedSample;
use crate::config::{Architecture, ModelConfig, RopeConfig, RopeScaling};
use crate::dataset::Dataset;
use crate::error::{DataError, LoadError, TokenizerError, TrainError};
use crate::files::write_atomically;
use crate::model::Model;
use crate::optim::AdamWConfig;
use crate::schedule::Decay;
use crate::tokenizer::Tokenizer;
use crate::train::{StepMetrics, TrainConfig, TrainingRun};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tributary_protocol::ContentHash;

/// Steps between checkpoints.
const CHECKPOINT_STEPS: u64 = 200;
/// Last steps whose mean loss is reported: a single step's loss says more about its samples than about the model.
const FINAL_STEPS: usize = 50;

/// Everything that determines the embedded base model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of corpus and parameters.
    pub seed: u64,
    /// Documents of the corpus.
    pub documents: usize,
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
    /// The training.
    pub training: TrainConfig,
}

impl Default for Recipe {
    /// The recipe of `tributary-tiny`.
    fn default() -> Self {
        Self {
            seed: 20_261_121,
            documents: 30_000,
            validation_ppm: 5_000,
            vocab_size: 1024,
            hidden_size: 128,
            intermediate_size: 352,
            layers: 5,
            heads: 4,
            kv_heads: 2,
            positions_max: 512,
            training: TrainConfig {
                seed: 20_261_121,
                epochs: 1,
                batch_size: 48,
                micro_batch_size: 48,
                learning_rate: 4e-3,
                warmup_steps: 60,
                decay: Decay::Cosine,
                adamw: AdamWConfig { beta2: 0.98, weight_decay: 0.05, ..AdamWConfig::default() },
                gradient_norm_max: Some(1.0),
                snapshots: 0,
                ..TrainConfig::default()
            },
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
    /// BLAKE3 of the corpus, documents separated by a zero byte.
    pub corpus: ContentHash,
    /// Number of parameters.
    pub parameters: usize,
    /// Optimiser steps.
    pub steps: u64,
    /// Tokens that were trained on.
    pub tokens: u64,
    /// Mean training loss of the last steps, in nats per token.
    pub final_loss: f32,
    /// Loss on the documents kept for validation, in nats per token.
    pub validation_loss: Option<f32>,
}

/// How far [`pretrain`] is.
#[derive(Clone, Copy, Debug)]
pub enum PretrainProgress {
    /// The corpus is written.
    Corpus {
        /// Its documents.
        documents: usize,
    },
    /// The tokenizer is learnt and the documents are encoded.
    Tokenizer {
        /// Tokens of the corpus.
        tokens: usize,
    },
    /// A step is done.
    Step {
        /// What it did.
        metrics: StepMetrics,
        /// Steps of the whole training.
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
/// Every 200 steps a checkpoint is left in `dir`; a call with the same recipe and folder goes on from it.
pub fn pretrain(
    recipe: &Recipe,
    dir: &Path,
    mut progress: impl FnMut(PretrainProgress),
) -> Result<PretrainReport, PretrainError> {
    // The written form is read back, so that a recipe which contradicts itself fails before the work and not after it.
    let config = ModelConfig::from_json(&recipe.model_config().to_json())?;
    let corpus = documents(recipe.seed, recipe.documents);
    progress(PretrainProgress::Corpus { documents: corpus.len() });

    write(dir, "tokenizer.json", &vocabulary::learn(&corpus, recipe.vocab_size)?)?;
    write(dir, "tokenizer_config.json", &vocabulary::settings(recipe.positions_max))?;
    let tokenizer = Tokenizer::from_dir(dir, &config)?;
    let mut samples = Vec::with_capacity(corpus.len());
    for document in &corpus {
        let mut tokens = tokenizer.encode(document)?;
        tokens.push(tokenizer.end());
        samples.push(EncodedSample::new(ContentHash::of(document.as_bytes()), tokens, 1));
    }
    let tokens = samples.iter().map(EncodedSample::trained_tokens).sum();
    progress(PretrainProgress::Tokenizer { tokens });

    let model = Model::random(config, recipe.seed)?;
    let parameters = model.parameter_count();
    let dataset = Dataset::divide(samples, recipe.validation_ppm)?;
    let mut run = TrainingRun::full(model, dataset, recipe.training)?;
    run.resume(dir)?;
    while !run.is_done() {
        let metrics = run.step()?;
        if metrics.step.is_multiple_of(CHECKPOINT_STEPS) {
            run.checkpoint(dir)?;
        }
        progress(PretrainProgress::Step { metrics, steps: run.steps() });
    }
    let last = &run.trace()[run.trace().len().saturating_sub(FINAL_STEPS)..];
    let report = PretrainReport {
        recipe: recipe.clone(),
        corpus: ContentHash::of(corpus.join("\0").as_bytes()),
        parameters,
        steps: run.steps(),
        tokens: run.dataset().training().iter().map(|sample| sample.trained_tokens() as u64).sum::<u64>()
            * u64::from(recipe.training.epochs),
        final_loss: last.iter().map(|step| f32::from_bits(step.loss_bits)).sum::<f32>() / last.len().max(1) as f32,
        validation_loss: run.evaluate()?,
    };
    run.model().save_bf16(dir)?;
    let text =
        serde_json::to_string_pretty(&report).map_err(|error| TokenizerError::Convert { reason: error.to_string() })?;
    write(dir, "RECIPE.json", &(text + "\n"))?;
    let checkpoint = dir.join(crate::checkpoint::CHECKPOINT_FILE);
    if checkpoint.exists() {
        std::fs::remove_file(&checkpoint).map_err(|source| PretrainError::File { path: checkpoint, source })?;
    }
    Ok(report)
}

fn write(dir: &Path, name: &str, text: &str) -> Result<(), PretrainError> {
    let path = dir.join(name);
    write_atomically(&path, text.as_bytes()).map_err(|source| PretrainError::File { path, source })
}
