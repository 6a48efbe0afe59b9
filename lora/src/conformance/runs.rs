//! Whole training runs and a generation.

use super::{Case, ConformanceError};
use crate::batch::{Batch, EncodedSample};
use crate::config::{Architecture, ModelConfig, RopeConfig, RopeScaling};
use crate::dataset::Dataset;
use crate::generate::Generation;
use crate::lora::{Adapter, LoraConfig};
use crate::model::Model;
use crate::ops::with_elements;
use crate::optim::AdamWConfig;
use crate::quant::Precision;
use crate::sampling::SamplingConfig;
use crate::targets::Targets;
use crate::train::{TrainConfig, TrainingRun};
use std::sync::Arc;
use tributary_protocol::ContentHash;

/// A small Llama.
pub(super) fn config(hidden_size: usize, heads: usize, kv_heads: usize) -> ModelConfig {
    ModelConfig {
        vocab_size: 64,
        hidden_size,
        intermediate_size: 80,
        layers: 2,
        heads,
        kv_heads,
        head_dim: hidden_size / heads,
        rms_norm_eps: 1e-5,
        rope: RopeConfig { theta: 10_000.0, scaling: RopeScaling::None },
        positions_max: 128,
        tie_word_embeddings: true,
        bos_token_id: Some(0),
        eos_token_ids: vec![1],
        architecture: Architecture::default(),
    }
}

pub(super) fn all() -> Result<Vec<Case>, ConformanceError> {
    type Compute = fn() -> Result<Vec<f32>, Box<dyn std::error::Error>>;
    let runs: [(&str, &str, Compute); 3] = [
        (
            "training/lora",
            "random model (seed 3, hidden 48, 4 heads, 2 of keys), LoRA of rank 4 on all layers (seed 5), 4 steps; losses and \
             gradient norms, then the adapter",
            || {
                let model = Arc::new(Model::random(config(48, 4, 2), 3)?);
                trained(
                    model,
                    LoraConfig { rank: 4, alpha: 8.0, targets: Targets::AllLinear, ..LoraConfig::default() },
                    None,
                )
            },
        ),
        (
            "training/qlora",
            "the same on a base in four bits with double quantisation, with DoRA, rank-stabilised, dropout 0.1, noise on \
             embeddings of alpha 5",
            || {
                let model = Model::random(config(48, 4, 2), 3)?.with_precision(Precision::Nf4Double)?;
                let lora = LoraConfig {
                    rank: 4,
                    alpha: 8.0,
                    targets: Targets::AllLinear,
                    dropout: 0.1,
                    rank_stabilised: true,
                    weight_decomposed: true,
                };
                trained(Arc::new(model), lora, Some(5.0))
            },
        ),
        (
            "generation",
            "logits of the random model after 0, 7, 11, 3, then 12 tokens that follow at temperature 0.8 of seed 9",
            || {
                let model = Model::random(config(48, 4, 2), 3)?;
                let prompt = [0, 7, 11, 3];
                let logits = model.logits(&Batch::sequence(&prompt), None)?;
                let mut outputs = with_elements(&logits, |logits| Ok(logits.to_vec()))?;
                let sampling =
                    SamplingConfig { tokens_max: 12, temperature: 0.8, seed: 9, ..SamplingConfig::default() };
                for token in Generation::new(&model, None, &prompt, &[], sampling)? {
                    outputs.push(token? as f32);
                }
                Ok(outputs)
            },
        ),
    ];
    let case = |(name, what, compute): (&'static str, &'static str, Compute)| {
        let failed = |error: Box<dyn std::error::Error>| ConformanceError::Failed {
            case: name.into(),
            reason: error.to_string(),
        };
        Ok(Case { name, what, outputs: compute().map_err(failed)? })
    };
    runs.into_iter().map(case).collect()
}

/// Losses and gradient norms of all steps, then the adapter's parameters.
fn trained(
    model: Arc<Model>,
    lora: LoraConfig,
    neftune_alpha: Option<f32>,
) -> Result<Vec<f32>, Box<dyn std::error::Error>> {
    let sample = |row: u32| {
        let tokens = (0..9 + row).map(|i| (i * (row + 3) + row) % 64).collect();
        EncodedSample::new(ContentHash::of(&row.to_le_bytes()), tokens, 2)
    };
    let dataset = Dataset::divide((0..4).map(sample).collect(), 0)?;
    let settings = TrainConfig {
        seed: 11,
        epochs: 2,
        batch_size: 2,
        micro_batch_size: 1,
        learning_rate: 1e-2,
        warmup_steps: 1,
        adamw: AdamWConfig { weight_decay: 0.1, lora_plus_ratio: Some(4.0), ..AdamWConfig::default() },
        gradient_norm_max: Some(0.5),
        snapshots: 0,
        neftune_alpha,
        ..TrainConfig::default()
    };
    let adapter = Adapter::new(&model, lora, 5)?;
    let mut run = TrainingRun::new(model, adapter, dataset, settings)?;
    let mut outputs = Vec::new();
    while !run.is_done() {
        let metrics = run.step()?;
        outputs.extend([metrics.loss, metrics.gradient_norm]);
    }
    for (_, tensor) in run.adapter().map(Adapter::tensors).unwrap_or_default() {
        outputs.extend(with_elements(&tensor, |values| Ok(values.to_vec()))?);
    }
    Ok(outputs)
}
