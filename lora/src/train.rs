//! The training loop.

use crate::batch::{Batch, EncodedSample};
use crate::capture::{Capture, CapturedSample, CapturedStep, FACTORS_EVERY};
use crate::dataset::Dataset;
use crate::error::{DataError, TrainError};
use crate::evaluation::{self, Evaluation};
use crate::lora::Adapter;
use crate::model::Model;
use crate::noise::Noise;
use crate::ops::with_values;
use crate::optim::AdamW;
use crate::per_sample::{batch_gradients, captured_gradients};
use crate::plan::Plan;
use crate::random::Random;
use crate::schedule::Schedule;
pub use crate::settings::TrainConfig;
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tributary_protocol::ContentHash;
use tributary_protocol::trace::{StepRecord, batch_hash};

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
    /// Tokens that the model read: those, and what they were predicted from.
    pub positions: usize,
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
    plan: Plan,
    /// Whether each training sample takes part; `None`: all do.
    included: Option<Arc<[bool]>>,
    schedule: Schedule,
    pub(crate) optimiser: AdamW,
    pub(crate) trace: Vec<StepRecord>,
    /// In order of step.
    pub(crate) evaluations: Vec<Evaluation>,
    /// Hash of the adapter at the best of the evaluations, if the settings ask for it to be kept.
    pub(crate) best_adapter: Option<ContentHash>,
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
        model.arithmetic().check_processor()?;
        if dataset.training.is_empty() {
            return Err(DataError::Empty.into());
        }
        config.check(dataset.training_rows(), dataset.validation.len())?;
        for (index, sample) in dataset.training.iter().chain(&dataset.validation).enumerate() {
            if sample.trained_tokens() == 0 {
                return Err(DataError::NothingTrained { row: index + 1, sample: sample.id() }.into());
            }
        }
        let optimiser = match model.placement().is_native() {
            true => AdamW::new(config.adamw, parameters.iter().map(|(_, variable)| variable.elem_count())),
            false => AdamW::placed(config.adamw, parameters.iter().map(|(_, variable)| variable))?,
        };
        let plan = Plan::new(&dataset, &config);
        let schedule = config.schedule(dataset.training_rows());
        Ok(Self {
            plan,
            optimiser,
            included: None,
            trace: Vec::new(),
            evaluations: Vec::new(),
            best_adapter: None,
            model,
            adapter,
            parameters,
            dataset,
            config,
            schedule,
        })
    }

    /// The same run without some training samples: `included` says of each, in the order of [`Dataset::training`], whether it
    /// takes part. It is the counterfactual that attribution asks for.
    ///
    /// Everything else stays: the number of steps, which samples a step has and in what order, the random draws of each
    /// sample, the learning rates. A sample that is left out is not computed, and adds nothing to loss and gradient. The
    /// gradient of a step is still divided by the trained tokens of *all* its samples, so that leaving one out takes its
    /// part away and does not make those of the others larger; a step of which all samples are left out has the gradient 0.
    /// The loss that a step reports is the mean over the samples that take part, 0 if there are none. Where all take part
    /// the run gives the same bits as without this call.
    ///
    /// Errors: another number of samples, nobody left, a run that has begun.
    pub fn including(mut self, included: &[bool]) -> Result<Self, TrainError> {
        let samples = self.dataset.training.len();
        let refuse = |value: String, expected: String| Err(TrainError::Setting { key: "included", value, expected });
        if included.len() != samples {
            return refuse(
                format!("{} samples", included.len()),
                format!("one entry for each of the {samples} samples"),
            );
        }
        if !included.contains(&true) {
            return refuse("no sample".into(), "at least one sample to train on".into());
        }
        if self.steps_done() > 0 {
            return refuse(format!("samples after step {}", self.steps_done()), "a run that has not begun".into());
        }
        self.included = included.contains(&false).then(|| included.into());
        self.plan = self.fresh_plan();
        Ok(self)
    }

    /// Whether each training sample takes part; `None` if all do.
    pub fn included(&self) -> Option<&[bool]> {
        self.included.as_deref()
    }

    /// The run's plan, for whoever looks at other steps than the next.
    fn fresh_plan(&self) -> Plan {
        Plan::new(&self.dataset, &self.config).including(self.included.clone())
    }

    /// Number of steps of the whole run.
    pub fn steps(&self) -> u64 {
        self.schedule.steps
    }

    /// Number of steps of one pass over the samples.
    pub fn steps_per_epoch(&self) -> u64 {
        self.plan.steps_per_epoch()
    }

    /// Number of steps done.
    pub fn steps_done(&self) -> u64 {
        self.optimiser.steps
    }

    /// Whether all steps are done, or the validation loss improves no more and the settings say to stop then.
    pub fn is_done(&self) -> bool {
        self.steps_done() >= self.steps() || self.stopped_early()
    }

    /// Whether the settings' patience with the validation loss is over.
    pub fn stopped_early(&self) -> bool {
        let stopping = self.config.early_stopping;
        stopping.is_some_and(|stopping| evaluation::patience_is_over(&self.evaluations, stopping))
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

    /// The snapshot points of a run whose result is the adapter after `step`: those before it, and itself.
    pub fn snapshot_points_until(&self, step: u64) -> Vec<SnapshotPoint> {
        let last = SnapshotPoint { step, learning_rate: self.schedule.learning_rate(step.saturating_sub(1)) };
        self.snapshot_points().into_iter().filter(|point| point.step < step).chain([last]).collect()
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
        // Among rayon's threads, operations need not wake one of them and wait for it, each time anew.
        rayon::scope(|_| self.step_in_pool(None))
    }

    /// Does one optimiser step, with the same result, and shows it to `capture` sample by sample. Not both for the same run:
    /// who captures sees all steps.
    ///
    /// Errors: also a run without an adapter or away from the CPU, and what `capture` says; the parameters have moved by
    /// then.
    /// Cost: about half a step more, and memory for two gradients of each of the step's samples; for validation samples, a
    /// pass over them in each epoch.
    pub fn step_captured(&mut self, capture: &mut dyn Capture) -> Result<StepMetrics, TrainError> {
        if !self.model.placement().is_native() {
            let reason = format!("the model is on {}; hint: capture runs on the CPU in f32", self.model.placement());
            return Err(TrainError::Capture { reason });
        }
        rayon::scope(|_| self.step_in_pool(Some(capture)))
    }

    fn step_in_pool(&mut self, capture: Option<&mut dyn Capture>) -> Result<StepMetrics, TrainError> {
        if self.is_done() {
            return Err(TrainError::Finished { steps: self.steps_done() });
        }
        let index = self.steps_done();
        let micro_batches = self.plan.step(index);
        let samples = || micro_batches.iter().flat_map(|micro| &micro.samples).map(|i| &self.dataset.training[*i]);
        let ids: Vec<ContentHash> = samples().map(EncodedSample::id).collect();
        let tokens: usize = samples().map(EncodedSample::trained_tokens).sum();
        let left_out = self.plan.left_out(index);
        let tokens_of_left_out = left_out.iter().map(|i| self.dataset.training[*i].trained_tokens()).sum::<usize>();
        let tokens_of_all = tokens + tokens_of_left_out;
        let not_finite = |what, value| TrainError::NotFinite { what, value, step: index + 1, samples: ids.clone() };

        let (mut loss_sum, mut positions) = (0f64, 0);
        let mut gradients: Vec<Option<Tensor>> = vec![None; self.parameters.len()];
        let mut of_samples = capture.is_some().then(|| (Vec::new(), Vec::new()));
        for micro in &micro_batches {
            let samples = micro.samples.iter().map(|sample| &self.dataset.training[*sample]);
            let batch = self.noisy(Batch::new(samples), &micro.places);
            positions += batch.positions();
            let adapter = self.adapter.as_ref();
            let (loss, found) = match &mut of_samples {
                None => self.model.loss_gradients(&batch, adapter, self.config.activation_checkpointing)?,
                Some((gradients, factors)) => {
                    let adapter = adapter.ok_or(TrainError::NoAdapter)?;
                    let uniform = index.is_multiple_of(FACTORS_EVERY).then(|| self.uniform(&batch, &micro.places));
                    let mut captured = captured_gradients(&self.model, adapter, &batch, uniform.as_deref())?;
                    gradients.append(&mut captured.gradients);
                    factors.append(&mut captured.factors);
                    (captured.loss, captured.sum)
                }
            };
            loss_sum += f64::from(loss);
            if !loss_sum.is_finite() {
                return Err(not_finite("loss", loss_sum));
            }
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
        let squares = self.squares(&gradients)?;
        for (((name, _), gradient), part) in self.parameters.iter().zip(&gradients).zip(squares) {
            if index == 0 && tokens > 0 && (gradient.is_none() || !part.is_finite()) {
                return Err(TrainError::NoGradient { name: name.clone() });
            }
            square += part;
        }
        let gradient_norm = libm::sqrt(square) / tokens_of_all as f64;
        if !gradient_norm.is_finite() {
            return Err(not_finite("gradient norm", gradient_norm));
        }
        let shorten = match self.config.gradient_norm_max {
            // The small addend is PyTorch's, which keeps a zero gradient from dividing by zero.
            Some(max) => (max / (gradient_norm + 1e-6)).min(1.0),
            None => 1.0,
        };
        let learning_rate = self.schedule.learning_rate(index);
        let ghosts = match capture {
            Some(_) => self.plan.ghosts(index).to_vec(),
            None => Vec::new(),
        };
        let ghost_gradients = self.ghost_gradients(&ghosts, ids.len() + left_out.len())?;
        self.move_parameters(&gradients, learning_rate, (shorten / tokens_of_all as f64) as f32)?;

        if let (Some(capture), Some((gradients, factors))) = (capture, of_samples) {
            let captured = |of: &[EncodedSample], index: &usize| {
                let sample = &of[*index];
                CapturedSample { index: *index, id: sample.id(), tokens: sample.trained_tokens() }
            };
            let samples = micro_batches.iter().flat_map(|micro| &micro.samples);
            let samples: Vec<_> = samples.map(|index| captured(&self.dataset.training, index)).collect();
            let ghosts: Vec<_> = ghosts.iter().map(|index| captured(&self.dataset.validation, index)).collect();
            capture.step(&CapturedStep {
                step: index + 1,
                learning_rate,
                keep: 1.0 - learning_rate * self.config.adamw.weight_decay,
                scale: shorten / tokens_of_all as f64,
                samples: &samples,
                gradients: &gradients,
                factors: &factors,
                ghosts: &ghosts,
                ghost_gradients: &ghost_gradients,
                preconditioner: &self.preconditioner(),
            })?;
        }

        let (loss, gradient_norm) = ((loss_sum / tokens.max(1) as f64) as f32, gradient_norm as f32);
        let state = self.snapshot_due().map(|_| self.state_hash()).transpose()?;
        self.trace.push(StepRecord {
            step: u32::try_from(index + 1).unwrap_or(u32::MAX),
            loss_bits: loss.to_bits(),
            gradient_norm_bits: gradient_norm.to_bits(),
            batch: batch_hash(&ids),
            state,
        });
        Ok(StepMetrics { step: index + 1, loss, gradient_norm, learning_rate, tokens, positions })
    }

    /// The gradients that these validation samples would have in the next step at the places from `first` on, with the
    /// randomness that belongs there.
    fn ghost_gradients(&self, ghosts: &[usize], first: usize) -> Result<Vec<f32>, TrainError> {
        let mut gradients = Vec::new();
        let places: Vec<usize> = (first..).take(ghosts.len()).collect();
        let size = self.config.micro_batch_size;
        for (ghosts, places) in ghosts.chunks(size).zip(places.chunks(size)) {
            let adapter = self.adapter.as_ref().ok_or(TrainError::NoAdapter)?;
            let batch = Batch::new(ghosts.iter().map(|ghost| &self.dataset.validation[*ghost]));
            gradients.append(&mut batch_gradients(&self.model, adapter, &self.noisy(batch, places))?);
        }
        Ok(gradients)
    }

    /// By what the last step multiplied each parameter's smoothed gradient, apart from the learning rate, flattened in the
    /// order of [`Adapter::variables`]: see [`CapturedStep::preconditioner`]. Before the first step, that of gradients that
    /// are all zero.
    pub fn preconditioner(&self) -> Vec<f32> {
        let constants = self.optimiser.constants(0.0);
        let of_tensor = |(index, (name, _)): (usize, &(String, Var))| {
            let ratio = self.config.adamw.rate_of(name, 1.0) as f32;
            self.optimiser.preconditioner(&constants, index).map(move |value| value * ratio)
        };
        self.parameters.iter().enumerate().flat_map(of_tensor).collect()
    }

    /// A number in `[0, 1)` for every position of a batch whose samples have these places in the step: what labels are drawn
    /// with.
    fn uniform(&self, batch: &Batch, places: &[usize]) -> Vec<f32> {
        let (seed, step) = (self.config.seed, self.steps_done());
        let of_sample = |(length, sample): (&usize, &usize)| {
            let mut random = Random::new(seed, &format!("labels step {step} sample {sample}"));
            (0..*length).map(|_| random.unit()).collect::<Vec<_>>()
        };
        batch.lengths().iter().zip(places).flat_map(of_sample).collect()
    }

    /// The batch with the next step's randomness, if the settings ask for any. `places` are those of its samples in the step.
    fn noisy(&self, batch: Batch, places: &[usize]) -> Batch {
        let dropout = self.adapter.as_ref().is_some_and(|adapter| adapter.config().dropout > 0.0);
        if !dropout && self.config.neftune_alpha.is_none() {
            return batch;
        }
        let (seed, step) = (self.config.seed, self.steps_done());
        let embedding_alpha = self.config.neftune_alpha.unwrap_or(0.0);
        let places = Arc::new(places.to_vec());
        batch.with_noise(|lengths| Noise { seed, step, places, embedding_alpha, lengths })
    }

    /// Mean loss over the trained tokens of the validation samples; `None` if there are none.
    ///
    /// Errors: a loss that is not finite, with the samples of its micro batch.
    pub fn evaluate(&self) -> Result<Option<f32>, TrainError> {
        Ok(self.evaluate_while(&mut |_, _| true)?.flatten())
    }

    /// As [`TrainingRun::evaluate`], but asks `go_on(samples done, samples in all)` before each micro batch; `None` if that
    /// said no.
    pub fn evaluate_while(
        &self,
        go_on: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Option<Option<f32>>, TrainError> {
        let validation = &self.dataset.validation;
        let (mut loss, mut tokens, mut done) = (0f64, 0, 0);
        for samples in self.plan.validation() {
            if !go_on(done, validation.len()) {
                return Ok(None);
            }
            let samples: Vec<&EncodedSample> = samples.into_iter().map(|sample| &validation[sample]).collect();
            let batch = Batch::new(samples.iter().copied());
            loss += f64::from(self.model.plain_loss_sum(&batch, self.adapter.as_ref())?);
            if !loss.is_finite() {
                let samples = samples.iter().map(|sample| sample.id()).collect();
                let step = self.steps_done();
                return Err(TrainError::NotFinite { what: "validation loss", value: loss, step, samples });
            }
            tokens += batch.trained();
            done += samples.len();
        }
        Ok(Some((tokens > 0).then(|| (loss / tokens as f64) as f32)))
    }

    /// The evaluations so far that were given to [`TrainingRun::record_evaluation`], in order of step.
    pub fn evaluations(&self) -> &[Evaluation] {
        &self.evaluations
    }

    /// The evaluation with the lowest loss after training began.
    pub fn best_evaluation(&self) -> Option<Evaluation> {
        evaluation::best(&self.evaluations)
    }

    /// Whether the settings ask for an evaluation before the next step that is not recorded yet.
    pub fn evaluation_due(&self) -> bool {
        let (step, every) = (self.steps_done(), self.config.evaluation_steps);
        let asked = step == 0 || step >= self.steps() || (every > 0 && step.is_multiple_of(every));
        asked && !self.dataset.validation.is_empty() && self.evaluations.last().is_none_or(|last| last.step < step)
    }

    /// Records the validation loss at this step, which early stopping and the choice of the best adapter go by, and says
    /// whether it is the best so far. It becomes part of the checkpoint.
    pub fn record_evaluation(&mut self, loss: f32) -> bool {
        let step = self.steps_done();
        self.evaluations.retain(|evaluation| evaluation.step < step);
        self.evaluations.push(Evaluation { step, loss });
        self.best_evaluation().is_some_and(|best| best.step == step)
    }

    /// Number of tokens that the steps so far trained on.
    pub fn tokens_done(&self) -> u64 {
        let mut plan = self.fresh_plan();
        let samples = (0..self.steps_done()).flat_map(|step| plan.step(step)).flat_map(|micro| micro.samples);
        samples.map(|sample| self.dataset.training[sample].trained_tokens() as u64).sum()
    }

    /// Errors: a parameter that is not finite, with the samples of the step that made it so.
    pub(crate) fn check_parameters(&self) -> Result<(), TrainError> {
        for (_, variable) in &self.parameters {
            let found =
                with_values(variable.as_tensor(), |values| Ok(values.iter().copied().find(|v| !v.is_finite())))?;
            if let Some(value) = found {
                let step = self.steps_done();
                let batches = self.fresh_plan().step(step.saturating_sub(1)).into_iter();
                let samples = batches.flat_map(|micro| micro.samples).map(|sample| self.dataset.training[sample].id());
                let samples = samples.collect();
                return Err(TrainError::NotFinite { what: "parameter", value: value.into(), step, samples });
            }
        }
        Ok(())
    }

    /// Whether the parameters still give a finite loss for the samples of the last step, which had one before it: if not,
    /// that step ruined the parameters, whatever the samples are that show it.
    pub(crate) fn is_sound(&self) -> Result<bool, TrainError> {
        let Some(last) = self.steps_done().checked_sub(1) else { return Ok(true) };
        for micro in self.fresh_plan().step(last) {
            let batch = Batch::new(micro.samples.iter().map(|sample| &self.dataset.training[*sample]));
            if !self.model.plain_loss_sum(&batch, self.adapter.as_ref())?.is_finite() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The sum of the squares of every gradient; 0 for one that is not there.
    fn squares(&self, gradients: &[Option<Tensor>]) -> Result<Vec<f64>, TrainError> {
        if self.model.placement().is_native() {
            let square = |gradient: &Option<Tensor>| match gradient {
                Some(gradient) => with_values(gradient, |values| Ok(sum_of_squares(values))),
                None => Ok(0.0),
            };
            return Ok(gradients.iter().map(square).collect::<Result<_, _>>()?);
        }
        // Summed where they lie and fetched together: each single number would be waited for.
        let sums =
            gradients.iter().flatten().map(|gradient| gradient.sqr()?.sum_all()).collect::<Result<Vec<_>, _>>()?;
        let sums = match sums.is_empty() {
            true => Vec::new(),
            false => Tensor::stack(&sums, 0)?.to_vec1::<f32>()?,
        };
        let mut sums = sums.into_iter().map(f64::from);
        Ok(gradients.iter().map(|gradient| if gradient.is_some() { sums.next().unwrap_or(0.0) } else { 0.0 }).collect())
    }

    fn move_parameters(&mut self, gradients: &[Option<Tensor>], rate: f64, scale: f32) -> Result<(), TrainError> {
        self.optimiser.begin();
        for (index, ((name, variable), gradient)) in self.parameters.iter().zip(gradients).enumerate() {
            let step = self.optimiser.constants(self.config.adamw.rate_of(name, rate));
            if !self.model.placement().is_native() {
                self.optimiser.update_placed(&step, index, variable, gradient.as_ref(), scale)?;
                continue;
            }
            let mut values = with_values(variable.as_tensor(), |values| Ok(values.to_vec()))?;
            let update = &mut |gradient: &[f32]| self.optimiser.update(&step, index, &mut values, gradient, scale);
            match gradient {
                Some(gradient) => with_values(gradient, |gradient| {
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
        // In stretches that the hash's wide lanes can work on.
        let mut bytes = Vec::with_capacity(4 * HASHED_AT_ONCE);
        let mut add = |values: &[f32]| {
            for values in values.chunks(HASHED_AT_ONCE) {
                bytes.clear();
                bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                hash.update(&bytes);
            }
        };
        for (index, (_, variable)) in self.parameters.iter().enumerate() {
            let moments = self.optimiser.moments_of(index)?;
            with_values(variable.as_tensor(), |values| {
                add(values);
                Ok(())
            })?;
            add(&moments.first);
            add(&moments.second);
        }
        Ok(ContentHash(*hash.finalize().as_bytes()))
    }
}

/// Values that are handed to a hash together.
const HASHED_AT_ONCE: usize = 1 << 15;

fn sum_of_squares(values: &[f32]) -> f64 {
    // Partial sums in f32 over short stretches are exact enough for a norm and run several times faster than f64 alone.
    values.chunks(256).map(|chunk| f64::from(crate::ops::math::dot(chunk, chunk))).sum()
}
