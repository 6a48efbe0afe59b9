//! The training loop.

use crate::batch::{Batch, EncodedSample};
use crate::dataset::{Dataset, Order};
use crate::error::{DataError, TrainError};
use crate::lora::Adapter;
use crate::model::Model;
use crate::noise::Noise;
use crate::ops::with_elements;
use crate::optim::{AdamW, AdamWConfig};
use crate::schedule::{Decay, Schedule};
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tributary_protocol::ContentHash;
use tributary_protocol::trace::{StepRecord, batch_hash};

/// Settings of a training run. With the base model, the adapter's start and the samples they determine its result.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Seed of everything random: the order of the samples, dropout, the noise on the embeddings.
    pub seed: u64,
    /// Passes over the samples.
    pub epochs: u32,
    /// Samples of one optimiser step.
    pub batch_size: usize,
    /// Samples that are computed at once; bounds the memory. The gradient is the same mean over all trained tokens of
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
        }
    }
}

impl TrainConfig {
    fn check(&self) -> Result<(), TrainError> {
        let positive = |key, value: u64| match value {
            0 => Err(TrainError::Setting { key, value: value.to_string(), expected: "at least 1" }),
            _ => Ok(()),
        };
        positive("epochs", u64::from(self.epochs))?;
        positive("batch_size", self.batch_size as u64)?;
        positive("micro_batch_size", self.micro_batch_size as u64)?;
        let fraction = |key, value: f64| match value {
            v if (0.0..1.0).contains(&v) => Ok(()),
            _ => Err(TrainError::Setting { key, value: value.to_string(), expected: "at least 0 and below 1" }),
        };
        fraction("beta1", self.adamw.beta1)?;
        fraction("beta2", self.adamw.beta2)?;
        fraction("weight_decay", self.adamw.weight_decay)?;
        let above_zero = |key, value: f64| match value {
            v if v > 0.0 && v.is_finite() => Ok(()),
            _ => Err(TrainError::Setting { key, value: value.to_string(), expected: "a positive number" }),
        };
        above_zero("learning_rate", self.learning_rate)?;
        above_zero("epsilon", self.adamw.epsilon)?;
        self.adamw.lora_plus_ratio.map_or(Ok(()), |ratio| above_zero("lora_plus_ratio", ratio))?;
        self.neftune_alpha.map_or(Ok(()), |alpha| above_zero("neftune_alpha", f64::from(alpha)))?;
        self.gradient_norm_max.map_or(Ok(()), |norm| above_zero("gradient_norm_max", norm))
    }
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepMetrics {
    /// The step, from 1.
    pub step: u64,
    /// Mean loss over the trained tokens of the step, before it moved the parameters.
    pub loss: f32,
    /// Length of the gradient before it was shortened.
    pub gradient_norm: f32,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Tokens that were trained on.
    pub tokens: usize,
}

/// A step after which the adapter is kept for attribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotPoint {
    /// The step, from 1.
    pub step: u64,
    /// Learning rate of that step.
    pub learning_rate: f64,
}

/// One training run: an adapter on a frozen model, or all parameters of a model.
///
/// ```text
/// new -> (step | evaluate | checkpoint)* -> is_done
/// ```
/// The run has no clock and no threads of its own; who owns it decides when it steps and when it stops.
#[derive(Debug)]
pub struct TrainingRun {
    model: Arc<Model>,
    /// `None`: all parameters of the model are trained.
    adapter: Option<Adapter>,
    parameters: Vec<(String, Var)>,
    dataset: Dataset,
    config: TrainConfig,
    order: Order,
    schedule: Schedule,
    pub(crate) optimiser: AdamW,
    pub(crate) trace: Vec<StepRecord>,
}

impl TrainingRun {
    /// A run that trains `adapter` on the frozen `model`.
    pub fn new(model: Arc<Model>, adapter: Adapter, dataset: Dataset, config: TrainConfig) -> Result<Self, TrainError> {
        let parameters = adapter.variables();
        Self::assemble(model, Some(adapter), parameters, dataset, config)
    }

    /// A run that trains all parameters of `model`.
    pub fn full(model: Model, dataset: Dataset, config: TrainConfig) -> Result<Self, TrainError> {
        let (model, parameters) = model.into_trainable()?;
        Self::assemble(Arc::new(model), None, parameters, dataset, config)
    }

    fn assemble(
        model: Arc<Model>,
        adapter: Option<Adapter>,
        parameters: Vec<(String, Var)>,
        dataset: Dataset,
        config: TrainConfig,
    ) -> Result<Self, TrainError> {
        config.check()?;
        if dataset.training.is_empty() {
            return Err(DataError::Empty.into());
        }
        for (index, sample) in dataset.training.iter().chain(&dataset.validation).enumerate() {
            if sample.trained_tokens() == 0 {
                return Err(DataError::NothingTrained { row: index + 1, sample: sample.id() }.into());
            }
        }
        let steps_per_epoch = dataset.training.len().div_ceil(config.batch_size) as u64;
        let schedule = Schedule {
            peak: config.learning_rate,
            warmup_steps: config.warmup_steps,
            steps: steps_per_epoch * u64::from(config.epochs),
            decay: config.decay,
        };
        Ok(Self {
            order: Order::new(config.seed, dataset.training.len(), config.shuffle),
            optimiser: AdamW::new(config.adamw, parameters.iter().map(|(_, variable)| variable.elem_count())),
            trace: Vec::new(),
            model,
            adapter,
            parameters,
            dataset,
            config,
            schedule,
        })
    }

    /// Number of steps of the whole run.
    pub fn steps(&self) -> u64 {
        self.schedule.steps
    }

    /// Number of steps done.
    pub fn steps_done(&self) -> u64 {
        self.optimiser.steps
    }

    /// Whether all steps are done.
    pub fn is_done(&self) -> bool {
        self.steps_done() >= self.steps()
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The adapter as it is now; `None` if all parameters of the model are trained.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// The adapter, taken out.
    pub fn into_adapter(self) -> Option<Adapter> {
        self.adapter
    }

    /// The samples.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The settings.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// A record of every step so far; their tree's root is what a trainer reports.
    pub fn trace(&self) -> &[StepRecord] {
        &self.trace
    }

    pub(crate) fn parameters(&self) -> &[(String, Var)] {
        &self.parameters
    }

    /// The steps after which the adapter is kept for attribution: evenly spaced, the last step among them.
    pub fn snapshot_points(&self) -> Vec<SnapshotPoint> {
        let (steps, count) = (self.steps(), u64::from(self.config.snapshots).min(self.steps()));
        (1..=count)
            .map(|i| (steps * i).div_ceil(count))
            .map(|step| SnapshotPoint { step, learning_rate: self.schedule.learning_rate(step - 1) })
            .collect()
    }

    /// The snapshot point that the last step reached, if it is one.
    pub fn snapshot_due(&self) -> Option<SnapshotPoint> {
        self.snapshot_points().into_iter().find(|point| point.step == self.steps_done())
    }

    /// Does one optimiser step.
    ///
    /// The loss and the gradient are means over all trained tokens of the step's samples.
    /// Errors: a loss or gradient that is not finite, before it can move a parameter; after the first step, a parameter
    /// that no finite gradient reached.
    pub fn step(&mut self) -> Result<StepMetrics, TrainError> {
        if self.is_done() {
            return Err(TrainError::Finished { steps: self.steps() });
        }
        let index = self.steps_done();
        let samples: Vec<&EncodedSample> = self
            .order
            .batch(index, self.config.batch_size)
            .into_iter()
            .map(|sample| &self.dataset.training[sample])
            .collect();
        let ids: Vec<ContentHash> = samples.iter().map(|sample| sample.id()).collect();
        let tokens: usize = samples.iter().map(|sample| sample.trained_tokens()).sum();
        let not_finite = |what, value| TrainError::NotFinite { what, value, step: index + 1, samples: ids.clone() };

        let mut loss_sum = 0f64;
        let mut gradients: Vec<Option<Tensor>> = vec![None; self.parameters.len()];
        for (chunk, samples) in samples.chunks(self.config.micro_batch_size).enumerate() {
            let batch = self.noisy(Batch::new(samples.iter().copied()), chunk * self.config.micro_batch_size);
            let loss = self.model.loss_sum(&batch, self.adapter.as_ref())?;
            loss_sum += f64::from(loss.to_scalar::<f32>()?);
            if !loss_sum.is_finite() {
                return Err(not_finite("loss", loss_sum));
            }
            let found = loss.backward()?;
            for ((_, variable), sum) in self.parameters.iter().zip(&mut gradients) {
                if let Some(gradient) = found.get(variable) {
                    *sum = Some(match sum.take() {
                        Some(sum) => (sum + gradient)?,
                        None => gradient.contiguous()?,
                    });
                }
            }
        }
        let mut square = 0f64;
        for ((name, _), gradient) in self.parameters.iter().zip(&gradients) {
            let part = match gradient {
                Some(gradient) => with_elements(gradient, |values| Ok(sum_of_squares(values)))?,
                None => 0.0,
            };
            if index == 0 && (gradient.is_none() || !part.is_finite()) {
                return Err(TrainError::NoGradient { name: name.clone() });
            }
            square += part;
        }
        let gradient_norm = libm::sqrt(square) / tokens as f64;
        if !gradient_norm.is_finite() {
            return Err(not_finite("gradient norm", gradient_norm));
        }
        let shorten = match self.config.gradient_norm_max {
            // The small addend is PyTorch's, which keeps a zero gradient from dividing by zero.
            Some(max) => (max / (gradient_norm + 1e-6)).min(1.0),
            None => 1.0,
        };
        let learning_rate = self.schedule.learning_rate(index);
        self.move_parameters(&gradients, learning_rate, (shorten / tokens as f64) as f32)?;

        let (loss, gradient_norm) = ((loss_sum / tokens as f64) as f32, gradient_norm as f32);
        let state = self.snapshot_due().map(|_| self.state_hash()).transpose()?;
        self.trace.push(StepRecord {
            step: u32::try_from(index + 1).unwrap_or(u32::MAX),
            loss_bits: loss.to_bits(),
            gradient_norm_bits: gradient_norm.to_bits(),
            batch: batch_hash(&ids),
            state,
        });
        Ok(StepMetrics { step: index + 1, loss, gradient_norm, learning_rate, tokens })
    }

    /// The batch with the next step's randomness, if the settings ask for any. `first_sample` is the place of its first
    /// sample in the step.
    fn noisy(&self, batch: Batch, first_sample: usize) -> Batch {
        let dropout = self.adapter.as_ref().is_some_and(|adapter| adapter.config().dropout > 0.0);
        if !dropout && self.config.neftune_alpha.is_none() {
            return batch;
        }
        let (seed, step) = (self.config.seed, self.steps_done());
        let embedding_alpha = self.config.neftune_alpha.unwrap_or(0.0);
        batch.with_noise(|lengths| Noise { seed, step, first_sample, embedding_alpha, lengths })
    }

    /// Mean loss over the trained tokens of the validation samples; `None` if there are none.
    pub fn evaluate(&self) -> Result<Option<f32>, TrainError> {
        let (mut loss, mut tokens) = (0f64, 0);
        for samples in self.dataset.validation.chunks(self.config.micro_batch_size) {
            let batch = Batch::new(samples);
            loss += f64::from(self.model.loss_sum(&batch, self.adapter.as_ref())?.to_scalar::<f32>()?);
            tokens += batch.trained();
        }
        Ok((tokens > 0).then(|| (loss / tokens as f64) as f32))
    }

    fn move_parameters(&mut self, gradients: &[Option<Tensor>], rate: f64, scale: f32) -> Result<(), TrainError> {
        self.optimiser.begin();
        for (index, ((name, variable), gradient)) in self.parameters.iter().zip(gradients).enumerate() {
            let step = self.optimiser.constants(self.config.adamw.rate_of(name, rate));
            let mut values = with_elements(variable.as_tensor(), |values| Ok(values.to_vec()))?;
            let update = &mut |gradient: &[f32]| self.optimiser.update(&step, index, &mut values, gradient, scale);
            match gradient {
                Some(gradient) => with_elements(gradient, |gradient| {
                    update(gradient);
                    Ok(())
                })?,
                // A parameter that this batch does not use still decays and keeps its momentum.
                None => update(&vec![0f32; variable.elem_count()]),
            }
            variable.set(&Tensor::from_vec(values, variable.shape(), variable.device())?)?;
        }
        Ok(())
    }

    /// Hash of the trained parameters and the optimiser's state.
    fn state_hash(&self) -> Result<ContentHash, TrainError> {
        let mut hash = blake3::Hasher::new_derive_key("tributary.network 2026-11 training state v1");
        let mut add = |values: &[f32]| {
            values.iter().for_each(|value| {
                hash.update(&value.to_le_bytes());
            })
        };
        for ((_, variable), moments) in self.parameters.iter().zip(&self.optimiser.moments) {
            with_elements(variable.as_tensor(), |values| {
                add(values);
                Ok(())
            })?;
            add(&moments.first);
            add(&moments.second);
        }
        Ok(ContentHash(*hash.finalize().as_bytes()))
    }
}

fn sum_of_squares(values: &[f32]) -> f64 {
    // Partial sums in f32 over short stretches are exact enough for a norm and run several times faster than f64 alone.
    values.chunks(256).map(|chunk| f64::from(crate::ops::math::dot(chunk, chunk))).sum()
}
