//! From a job's recipe, all integers, to the settings of a run: the one place where the units meet the floats.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tributary_lora::{
    AdamWConfig, DataConfig, Decay, EarlyStopping, LoraConfig, ModelConfig, Precision, PromptStyle, PromptTemplate,
    Target, TrainConfig,
};
use tributary_protocol::job::JobSpec;
use tributary_protocol::recipe::{
    self, Arithmetic, AttributionMethod, Hyperparameters, Method, RecipeFault, Schedule, TargetLayers, Template,
};

/// What of a job determines its result, beside base model and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Whether the base is held in four bits.
    #[serde(default = "plain_lora")]
    pub method: Method,
    /// How the base is tuned.
    pub hyperparameters: Hyperparameters,
    /// How contributions are scored.
    pub attribution: AttributionMethod,
}

impl From<&JobSpec> for Recipe {
    fn from(spec: &JobSpec) -> Self {
        Self { method: spec.method, hyperparameters: spec.hyperparameters, attribution: spec.attribution }
    }
}

impl Recipe {
    /// Whether a run can be made of it: the rule of [`JobSpec::check`].
    pub fn check(&self) -> Result<(), RecipeFault> {
        recipe::check(&self.hyperparameters, &self.attribution)
    }

    /// How many times the plain run is computed in all, training and attribution together, about: what a price and an estimate
    /// of time follow from.
    ///
    /// That every step's gradients are kept makes a run 2.3 times as long (docs/attribution-benchmark.md, a small model).
    pub fn runs(&self) -> f64 {
        const CAPTURED: f64 = 2.3;
        match self.attribution {
            // A gradient of each sample at each checkpoint: an epoch's work each.
            AttributionMethod::TracInCp { checkpoints } => {
                1.0 + f64::from(checkpoints) / f64::from(self.hyperparameters.epochs.max(1))
            }
            AttributionMethod::DataValueEmbedding => CAPTURED,
            AttributionMethod::GroupTangents { groups, halves, coalitions, .. } => {
                // Coalitions bring the run with planted wrong labels.
                let measured = if coalitions > 0 { 1.0 + 0.8 * f64::from(coalitions) } else { 0.0 };
                CAPTURED + f64::from(groups) + f64::from(halves) / 2.0 + measured
            }
        }
    }

    /// How the base's linear layers are held.
    pub fn precision(&self) -> Precision {
        match self.method {
            Method::Lora => Precision::F32,
            Method::Qlora { double_quantisation: false } => Precision::Nf4,
            Method::Qlora { double_quantisation: true } => Precision::Nf4Double,
        }
    }

    /// The rules of arithmetic that the model is used with.
    pub fn arithmetic(&self) -> tributary_lora::Arithmetic {
        match self.hyperparameters.arithmetic {
            Arithmetic::DetF32V1 => tributary_lora::Arithmetic::DetF32V1,
            Arithmetic::Fast => tributary_lora::Arithmetic::Fast,
        }
    }

    /// The adapter's shape.
    pub fn lora(&self) -> LoraConfig {
        let h = &self.hyperparameters;
        LoraConfig {
            rank: usize::from(h.rank),
            alpha: f32::from(h.alpha),
            targets: targets(&h.targets).into(),
            dropout: h.dropout.parts() as f32 / 1e6,
            rank_stabilised: h.rank_stabilised,
            weight_decomposed: h.weight_decomposed,
        }
    }

    /// How samples become tokens. A base that sees fewer positions than the recipe allows cuts samples there.
    pub fn data(&self, base: &ModelConfig) -> DataConfig {
        let tokens = usize::try_from(self.hyperparameters.sequence_tokens).unwrap_or(usize::MAX);
        let tokens_max = tokens.min(base.positions_max);
        DataConfig {
            template: PromptTemplate::default(),
            tokens_max,
            validation_ppm: self.hyperparameters.validation.parts(),
            packing: self.hyperparameters.packing.then_some(tokens_max),
            style: match self.hyperparameters.template {
                Template::Plain => PromptStyle::Plain,
                Template::Chat => PromptStyle::Chat,
            },
            ..DataConfig::default()
        }
    }

    /// The loop over `rows` training rows: samples, or packs of them.
    pub fn training(&self, rows: usize) -> TrainConfig {
        let h = &self.hyperparameters;
        let micro_batch_size = usize::from(h.batch_size).max(1);
        let batch_size = micro_batch_size * usize::from(h.accumulation).max(1);
        let steps = u64::from(h.epochs) * rows.div_ceil(batch_size) as u64;
        TrainConfig {
            seed: h.seed,
            epochs: u32::from(h.epochs),
            batch_size,
            micro_batch_size,
            shuffle: true,
            // Division of two exact floats rounds to the nearest: 200,000 becomes the same bits as the literal 2e-4.
            learning_rate: h.learning_rate_nano as f64 / 1e9,
            warmup_steps: steps * u64::from(h.warmup.parts()) / 1_000_000,
            decay: match h.schedule {
                Schedule::Constant => Decay::Constant,
                Schedule::Linear => Decay::Linear,
                Schedule::Cosine => Decay::Cosine,
            },
            adamw: AdamWConfig {
                weight_decay: f64::from(h.weight_decay_micro) / 1e6,
                epsilon: f64::from(h.adam_epsilon_pico) / 1e12,
                lora_plus_ratio: (h.lora_plus_ratio_milli > 0).then(|| f64::from(h.lora_plus_ratio_milli) / 1e3),
                ..AdamWConfig::default()
            },
            gradient_norm_max: (h.gradient_norm_max_micro > 0).then(|| f64::from(h.gradient_norm_max_micro) / 1e6),
            // The result's is always kept.
            snapshots: match self.attribution {
                AttributionMethod::TracInCp { checkpoints } => u32::from(checkpoints),
                AttributionMethod::DataValueEmbedding | AttributionMethod::GroupTangents { .. } => 1,
            },
            learning_rate_floor: f64::from(h.floor.parts()) / 1e6,
            evaluation_steps: u64::from(h.evaluation_steps),
            early_stopping: (h.patience > 0)
                .then(|| EarlyStopping { patience: u32::from(h.patience), improvement_min: 0.0 }),
            keep_best: h.patience > 0,
            activation_checkpointing: false,
            neftune_alpha: (h.neftune_alpha_milli > 0).then(|| (f64::from(h.neftune_alpha_milli) / 1e3) as f32),
        }
    }
}

fn plain_lora() -> Method {
    Method::Lora
}

fn targets(layers: &TargetLayers) -> BTreeSet<Target> {
    let chosen = layers.named().into_iter().filter(|(_, chosen)| *chosen);
    chosen.filter_map(|(name, _)| Target::from_name(name)).collect()
}

/// A loss in nats as a report carries it: in 10^-6, rounded to the nearest.
pub fn micro(loss: f64) -> u32 {
    // A float cast saturates, and a loss that is not a number stopped the run long before.
    (loss * 1e6).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::Ppm;

    fn recipe() -> Recipe {
        Recipe {
            method: Method::Lora,
            hyperparameters: Hyperparameters {
                rank: 8,
                alpha: 16,
                targets: TargetLayers { q_proj: true, down_proj: true, ..TargetLayers::default() },
                learning_rate_nano: 200_000,
                epochs: 3,
                batch_size: 4,
                accumulation: 2,
                sequence_tokens: 256,
                schedule: Schedule::Linear,
                warmup: Ppm::from_percent(10),
                weight_decay_micro: 10_000,
                gradient_norm_max_micro: 0,
                validation: Ppm::from_percent(20),
                seed: 7,
                ..Hyperparameters::DEFAULT
            },
            attribution: AttributionMethod::TracInCp { checkpoints: 5 },
        }
    }

    #[test]
    fn units_become_the_literals_one_would_write() {
        let config = recipe().training(33);
        assert_eq!(config.learning_rate.to_bits(), 2e-4f64.to_bits());
        assert_eq!(config.adamw.weight_decay.to_bits(), 0.01f64.to_bits());
        assert_eq!(config.adamw.epsilon.to_bits(), AdamWConfig::default().epsilon.to_bits());
        assert_eq!((config.batch_size, config.micro_batch_size), (8, 4));
        // 3 epochs of 5 steps, a tenth of them warm-up.
        assert_eq!(config.warmup_steps, 1);
        assert_eq!((config.gradient_norm_max, config.snapshots, config.decay), (None, 5, Decay::Linear));
        assert_eq!(recipe().lora().targets, [Target::Q, Target::Down].into());
    }

    #[test]
    fn the_runs_of_a_method_are_counted() {
        let runs = |attribution| Recipe { attribution, ..recipe() }.runs();
        let epochs = f64::from(recipe().hyperparameters.epochs);
        assert_eq!(runs(AttributionMethod::TracInCp { checkpoints: 6 }), 1.0 + 6.0 / epochs);
        let tangents = |coalitions| {
            let way = recipe::TangentWay::Loss;
            runs(AttributionMethod::GroupTangents { groups: 32, halves: 8, coalitions, way })
        };
        assert_eq!(tangents(0) - runs(AttributionMethod::DataValueEmbedding), 36.0);
        assert_eq!(tangents(20) - tangents(0), 17.0);
    }

    #[test]
    fn every_target_layer_has_its_counterpart() {
        assert_eq!(targets(&TargetLayers::ALL), BTreeSet::from(Target::KNOWN));
    }

    #[test]
    fn losses_round_and_saturate() {
        assert_eq!((micro(1.234_567_8), micro(0.0), micro(1e9)), (1_234_568, 0, u32::MAX));
    }
}
