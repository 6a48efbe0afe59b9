//! Training: the run itself, checkpointed and resumed. Synchronous; shared by the daemon and by training without a chain.

use super::{Activity, Observer};
use crate::{
    bundle::SNAPSHOTS_FOLDER,
    config::Cadence,
    error::WorkError,
    files::{at, remove_folder},
    recipe::{Recipe, micro},
};
use candle_core::Device;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tributary_attribution::Corpus;
use tributary_lora::{Adapter, CHECKPOINT_FILE, Dataset, Model, Tokenizer, TrainError, TrainingRun};
use tributary_protocol::{ContentHash, job::Metrics, trace::StepRecord};

/// What to train, and where to keep it.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    /// The base model's folder.
    pub base: &'a Path,
    /// The base model's name, for the adapter's configuration.
    pub base_name: &'a str,
    /// The samples.
    pub corpus: &'a Corpus,
    /// How.
    pub recipe: &'a Recipe,
    /// Where checkpoint, snapshots and adapter go.
    pub folder: &'a Path,
    /// When to write checkpoints.
    pub cadence: Cadence,
}

/// A finished run.
pub(crate) struct Trained {
    pub model: Arc<Model>,
    pub dataset: Dataset,
    pub adapter: ContentHash,
    pub metrics: Metrics,
    pub trace: Vec<StepRecord>,
}

/// The base model and the samples as a run reads them.
pub(crate) fn prepare(base: &Path, corpus: &Corpus, recipe: &Recipe) -> Result<(Arc<Model>, Dataset), WorkError> {
    let model = Model::load_as(base, &Device::Cpu, recipe.precision())?;
    let tokenizer = Tokenizer::from_dir(base, model.config())?;
    let dataset = Dataset::encode(corpus.lines(), &tokenizer, &recipe.data(model.config()))?;
    Ok((Arc::new(model), dataset))
}

/// The run of a recipe, at its start.
pub(crate) fn start(model: &Arc<Model>, dataset: &Dataset, recipe: &Recipe) -> Result<TrainingRun, WorkError> {
    let adapter = Adapter::new(model, recipe.lora(), recipe.hyperparameters.seed)?;
    let config = recipe.training(dataset.training().len());
    Ok(TrainingRun::new(model.clone(), adapter, dataset.clone(), config)?)
}

/// Trains from the last checkpoint in the order's folder to the end. When told to stop it writes a checkpoint first.
pub(crate) fn train(order: &Order<'_>, observer: Observer<'_>) -> Result<Trained, WorkError> {
    let (model, dataset) = prepare(order.base, order.corpus, order.recipe)?;
    let mut run = start(&model, &dataset, order.recipe)?;
    // The adapter changes nothing yet: this is the base model's loss, whether the run resumes or not.
    let before = run.evaluate()?;
    resume(&mut run, order.folder)?;
    let mut written = Instant::now();
    let mut steps_since = 0;
    while !run.is_done() {
        let metrics = run.step()?;
        steps_since += 1;
        // The snapshot first: a checkpoint at its step must not be resumed without it.
        run.save_snapshot(order.folder, order.base_name)?;
        let activity =
            Activity::Step { step: metrics.step, steps: run.steps(), loss: metrics.loss, tokens: metrics.tokens };
        let stopped = observer(activity).is_break();
        let seconds = Duration::from_secs(order.cadence.seconds);
        if stopped || run.is_done() || steps_since >= order.cadence.steps || written.elapsed() >= seconds {
            run.checkpoint(order.folder)?;
            (written, steps_since) = (Instant::now(), 0);
        }
        if stopped {
            return Err(WorkError::Stopped);
        }
    }
    let after = run.evaluate()?;
    let adapter = match run.adapter() {
        Some(adapter) => adapter.save(order.folder, order.base_name)?,
        None => return Err(WorkError::Thread { reason: "the run has no adapter".into() }),
    };
    let metrics = measure(&run, before, after);
    Ok(Trained { model, adapter, metrics, trace: run.trace().to_vec(), dataset })
}

/// Takes up the checkpoint, if there is one. One that does not fit any more (written by another version, or damaged) is of
/// no use to anybody and is replaced.
fn resume(run: &mut TrainingRun, folder: &Path) -> Result<(), WorkError> {
    match run.resume(folder) {
        Ok(true) => tracing::info!(step = run.steps_done(), steps = run.steps(), "resumed"),
        Ok(false) => {}
        Err(error @ (TrainError::OtherRun { .. } | TrainError::DamagedCheckpoint { .. })) => {
            tracing::warn!("training starts anew: {error}");
            let path = folder.join(CHECKPOINT_FILE);
            std::fs::remove_file(&path).map_err(at(&path))?;
            // Snapshots of another run may lie at steps that this one does not overwrite.
            remove_folder(&folder.join(SNAPSHOTS_FOLDER))?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn measure(run: &TrainingRun, before: Option<f32>, after: Option<f32>) -> Metrics {
    let config = run.config();
    let per_epoch = run.dataset().training().len().div_ceil(config.batch_size);
    let trace = run.trace();
    let last = &trace[trace.len().saturating_sub(per_epoch)..];
    let losses = last.iter().map(|record| f64::from(f32::from_bits(record.loss_bits)));
    let tokens: u64 = run.dataset().training().iter().map(|sample| sample.trained_tokens() as u64).sum();
    let validation = |loss: Option<f32>| loss.map_or(0, |loss| micro(loss.into()));
    Metrics {
        steps: u32::try_from(run.steps_done()).unwrap_or(u32::MAX),
        tokens: tokens.saturating_mul(u64::from(config.epochs)),
        training_loss_micro: micro(losses.sum::<f64>() / last.len().max(1) as f64),
        validation_loss_before_micro: validation(before),
        validation_loss_micro: validation(after),
    }
}
