//! Settings of a training run.

use crate::error::TrainError;
use crate::optim::AdamWConfig;
use crate::schedule::{Decay, Schedule};
use serde::{Deserialize, Serialize};

/// Settings of a training run. With the base model, the adapter's start and the samples they determine its result.
///
/// A setting at its default is not written if it came later, so that settings keep the hash that they had before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Seed of everything random: the order of the samples, dropout, the noise on the embeddings.
    pub seed: u64,
    /// Passes over the samples.
    pub epochs: u32,
    /// Rows of one optimiser step: samples, or packs of samples if the dataset is packed.
    pub batch_size: usize,
    /// Rows that are computed at once; bounds the memory. The gradient is the same mean over all trained tokens of
    /// the step, whatever this is.
    pub micro_batch_size: usize,
    /// Whether each epoch has its own order.
    pub shuffle: bool,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises.
    pub warmup_steps: u64,
    /// How it falls afterwards.
    pub decay: Decay,
    /// The optimiser.
    pub adamw: AdamWConfig,
    /// Longest gradient, over all parameters; longer ones are shortened to it.
    pub gradient_norm_max: Option<f64>,
    /// Number of evenly spaced steps after which the adapter is kept for attribution; the last step is one of them.
    pub snapshots: u32,
    /// NEFTune: strength of the noise on the embeddings in training, 5 to 15 in the paper; `None` for no noise.
    /// Source: arXiv 2310.05914.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neftune_alpha: Option<f32>,
    /// Part of the highest learning rate that is left in the end, from 0 to 1.
    #[serde(skip_serializing_if = "is_default")]
    pub learning_rate_floor: f64,
    /// Steps from one evaluation on the validation samples to the next; 0: before the first step and after the last only.
    #[serde(skip_serializing_if = "is_default")]
    pub evaluation_steps: u64,
    /// Stops the run when the validation loss improves no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// Whether the result is the adapter with the lowest validation loss instead of the last.
    #[serde(skip_serializing_if = "is_default")]
    pub keep_best: bool,
    /// Whether what lies inside the decoder's blocks is computed again in the backward pass instead of kept: less memory
    /// for more time, and the same bits.
    #[serde(skip_serializing_if = "is_default")]
    pub activation_checkpointing: bool,
}

/// When a run stops before its last step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Evaluations in a row without an improvement after which it stops.
    pub patience: u32,
    /// Smallest fall of the validation loss, in nats per token, that counts as an improvement.
    #[serde(default)]
    pub improvement_min: f32,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            epochs: 3,
            batch_size: 8,
            micro_batch_size: 8,
            shuffle: true,
            learning_rate: 2e-4,
            warmup_steps: 0,
            decay: Decay::default(),
            adamw: AdamWConfig::default(),
            gradient_norm_max: Some(1.0),
            snapshots: 4,
            neftune_alpha: None,
            learning_rate_floor: 0.0,
            evaluation_steps: 0,
            early_stopping: None,
            keep_best: false,
            activation_checkpointing: false,
        }
    }
}

impl TrainConfig {
    /// Errors: the first setting that is out of range, by name, with what is accepted.
    ///
    /// `rows` are those of a pass, `validation` is the number of validation samples.
    pub fn check(&self, rows: usize, validation: usize) -> Result<(), TrainError> {
        let refuse =
            |key, value: String, expected: &str| Err(TrainError::Setting { key, value, expected: expected.to_owned() });
        let positive = |key, value: u64| if value == 0 { refuse(key, "0".into(), "at least 1") } else { Ok(()) };
        positive("epochs", u64::from(self.epochs))?;
        positive("batch_size", self.batch_size as u64)?;
        positive("micro_batch_size", self.micro_batch_size as u64)?;
        let fraction = |key, value: f64| match value {
            v if (0.0..1.0).contains(&v) => Ok(()),
            _ => refuse(key, value.to_string(), "at least 0 and below 1"),
        };
        fraction("beta1", self.adamw.beta1)?;
        fraction("beta2", self.adamw.beta2)?;
        fraction("weight_decay", self.adamw.weight_decay)?;
        let above_zero = |key, value: f64| match value {
            v if v > 0.0 && v.is_finite() => Ok(()),
            _ => refuse(key, value.to_string(), "a positive number"),
        };
        above_zero("learning_rate", self.learning_rate)?;
        above_zero("epsilon", self.adamw.epsilon)?;
        self.adamw.lora_plus_ratio.map_or(Ok(()), |ratio| above_zero("lora_plus_ratio", ratio))?;
        self.neftune_alpha.map_or(Ok(()), |alpha| above_zero("neftune_alpha", f64::from(alpha)))?;
        self.gradient_norm_max.map_or(Ok(()), |norm| above_zero("gradient_norm_max", norm))?;
        self.schedule(rows).check()?;
        if let Some(EarlyStopping { patience, improvement_min }) = self.early_stopping {
            positive("early_stopping.patience", u64::from(patience))?;
            if !(improvement_min >= 0.0 && improvement_min.is_finite()) {
                return refuse("early_stopping.improvement_min", improvement_min.to_string(), "0 or a positive number");
            }
            if self.evaluation_steps == 0 {
                return refuse("evaluation_steps", "0".into(), "at least 1, since early_stopping looks at evaluations");
            }
        }
        if validation == 0 {
            let needed = "nothing that needs an evaluation, since no sample is kept for validation";
            if self.early_stopping.is_some() {
                return refuse("early_stopping", "set".into(), needed);
            }
            if self.keep_best {
                return refuse("keep_best", "true".into(), needed);
            }
        }
        Ok(())
    }

    /// Optimiser steps of a pass over so many rows.
    pub fn steps_per_epoch(&self, rows: usize) -> u64 {
        rows.div_ceil(self.batch_size.max(1)) as u64
    }

    /// The learning rates of a run over so many rows.
    pub fn schedule(&self, rows: usize) -> Schedule {
        Schedule {
            peak: self.learning_rate,
            floor: self.learning_rate_floor,
            warmup_steps: self.warmup_steps,
            steps: self.steps_per_epoch(rows).saturating_mul(u64::from(self.epochs)),
            decay: self.decay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_came_later_are_not_written_at_their_default() {
        let text = serde_json::to_string(&TrainConfig::default()).unwrap();
        for key in ["neftune", "floor", "evaluation", "early", "best", "checkpointing"] {
            assert!(!text.contains(key), "{text}");
        }
        let stopping = EarlyStopping { patience: 2, improvement_min: 0.01 };
        let all = TrainConfig {
            learning_rate_floor: 0.1,
            evaluation_steps: 5,
            early_stopping: Some(stopping),
            keep_best: true,
            activation_checkpointing: true,
            ..TrainConfig::default()
        };
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<TrainConfig>(&text).unwrap(), all);
    }

    #[test]
    fn what_needs_evaluations_is_refused_without() {
        let stopping = |patience, improvement_min| Some(EarlyStopping { patience, improvement_min });
        let with = |early_stopping, evaluation_steps| TrainConfig {
            early_stopping,
            evaluation_steps,
            ..TrainConfig::default()
        };
        let best = TrainConfig { keep_best: true, ..TrainConfig::default() };
        for (config, validation, named) in [
            (with(stopping(0, 0.0), 5), 3, "early_stopping.patience"),
            (with(stopping(1, -1.0), 5), 3, "early_stopping.improvement_min"),
            (with(stopping(1, f32::NAN), 5), 3, "early_stopping.improvement_min"),
            (with(stopping(1, 0.0), 0), 3, "evaluation_steps"),
            (with(stopping(1, 0.0), 5), 0, "no sample is kept for validation"),
            (best, 0, "keep_best"),
        ] {
            let error = config.check(10, validation).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        assert!(best.check(10, 1).is_ok() && with(stopping(1, 0.0), 5).check(10, 1).is_ok());
    }
}
