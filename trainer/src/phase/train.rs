//! Training: the run itself, checkpointed and resumed. Synchronous; shared by the daemon and by training without a chain.

use super::{
    Activity, Observer,
    attribute::{EMBEDDING_DIMS, check_measurable, keeps_trajectory},
};
use crate::{config::Cadence, error::WorkError};
use candle_core::Device;
use std::{path::Path, sync::Arc};
use tributary_attribution::{
    AttributionError, Corpus, EmbeddingSettings, Embeddings, TrajectoryError, TrajectoryRecorder, embed,
    weigh_by_learnt,
};
use tributary_daemon::{
    Recipe,
    files::{at, remove_folder},
    micro,
};
use tributary_lora::{
    Adapter, Control, Dataset, Model, Outcome, Session, SessionConfig, Summary, Tokenizer, TrainError, TrainingRun,
};
use tributary_protocol::{ContentHash, job::Metrics, trace::StepRecord};

/// What is kept of a run's steps, below a job's folder.
const TRAJECTORY_FILE: &str = "trajectory.bin";

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
    /// What the run made of each sample, if the recipe's attribution asks for it.
    pub embeddings: Option<Embeddings>,
}

/// The base model as a recipe holds it, and its tokenizer.
pub(crate) fn load(base: &Path, recipe: &Recipe) -> Result<(Arc<Model>, Tokenizer), WorkError> {
    let model = Model::load_with(base, &Device::Cpu, recipe.precision(), recipe.arithmetic())?;
    let tokenizer = Tokenizer::from_dir(base, model.config())?;
    Ok((Arc::new(model), tokenizer))
}

/// The base model and the samples as a run reads them.
pub(crate) fn prepare(base: &Path, corpus: &Corpus, recipe: &Recipe) -> Result<(Arc<Model>, Dataset), WorkError> {
    let (model, tokenizer) = load(base, recipe)?;
    let dataset = Dataset::encode(corpus.lines(), &tokenizer, &recipe.data(model.config()))?;
    Ok((model, dataset))
}

/// The run of a recipe, at its start.
pub(crate) fn start(model: &Arc<Model>, dataset: &Dataset, recipe: &Recipe) -> Result<TrainingRun, TrainError> {
    let adapter = Adapter::new(model, recipe.lora(), recipe.hyperparameters.seed)?;
    let config = recipe.training(dataset.training_rows());
    TrainingRun::new(model.clone(), adapter, dataset.clone(), config)
}

/// Trains from the last checkpoint in the order's folder to the end. When told to stop it writes a checkpoint first.
pub(crate) fn train(order: &Order<'_>, observer: Observer<'_>) -> Result<Trained, WorkError> {
    let (model, dataset) = prepare(order.base, order.corpus, order.recipe)?;
    train_on(order, model, dataset, observer)
}

/// As [`train`], with model and samples that are there already.
pub(crate) fn train_on(
    order: &Order<'_>,
    model: Arc<Model>,
    dataset: Dataset,
    observer: Observer<'_>,
) -> Result<Trained, WorkError> {
    check_measurable(&dataset, order.corpus, order.recipe)?;
    let config = SessionConfig {
        base_name: order.base_name.to_owned(),
        checkpoint_steps: order.cadence.steps,
        checkpoint_seconds: order.cadence.seconds,
        check_memory: true,
    };
    let (mut session, recorder) = open(order, &model, &dataset, &config)?;
    let outcome = session.run(&mut |activity| {
        let told = match activity {
            tributary_lora::Activity::Event(record) => Activity::Training(record.event.clone()),
            tributary_lora::Activity::Evaluating { done, total } => Activity::Evaluation { done, total },
        };
        if observer(told).is_break() { Control::Pause } else { Control::Continue }
    })?;
    match outcome {
        Outcome::Finished(summary) => {
            let trace = session.training().trace().to_vec();
            let embeddings = match recorder {
                None => None,
                Some(recorder) => {
                    let observe = |progress: tributary_attribution::Progress| {
                        observer(Activity::Attribution { done: progress.done, total: progress.total })
                    };
                    let trajectory = recorder.trajectory().up_to(summary.result_step);
                    let preconditioner = session.training().preconditioner();
                    let rows = embed(&trajectory, &preconditioner, EmbeddingSettings::default(), &observe)?;
                    let adapter = Adapter::load(order.folder, &model)?;
                    Some(weigh_by_learnt(rows, &model, &adapter, &dataset)?)
                }
            };
            let (adapter, metrics) = (summary.adapter, measured(&summary));
            Ok(Trained { model, dataset, adapter, metrics, trace, embeddings })
        }
        Outcome::Paused | Outcome::Cancelled => Err(WorkError::Stopped),
    }
}

/// The session in the order's folder, and what keeps its steps if the recipe's attribution asks for that.
///
/// Steps that were done without being kept cannot be explained by anybody: the run begins anew then.
fn open(
    order: &Order<'_>,
    model: &Arc<Model>,
    dataset: &Dataset,
    config: &SessionConfig,
) -> Result<(Session, Option<TrajectoryRecorder>), WorkError> {
    let begin = || start(model, dataset, order.recipe);
    let open = || -> Result<Session, WorkError> {
        let (session, replaced) = Session::open_anew(begin, order.folder, config.clone())?;
        if let Some(error) = replaced {
            // Written by another version, or damaged: of no use to anybody.
            tracing::warn!("training starts anew: {error}");
        }
        Ok(session)
    };
    let session = open()?;
    if !keeps_trajectory(order.recipe.attribution) {
        return Ok((session, None));
    }
    let path = order.folder.join(TRAJECTORY_FILE);
    let recorded = |session: Session| -> Result<(Session, TrajectoryRecorder), WorkError> {
        let seed = order.recipe.hyperparameters.seed;
        let recorder = TrajectoryRecorder::in_file(session.training(), EMBEDDING_DIMS, seed, &path)
            .map_err(AttributionError::from)?;
        Ok((session.captured(Box::new(recorder.clone()))?, recorder))
    };
    match recorded(session) {
        Err(
            error @ (WorkError::Attribution(AttributionError::Trajectory(
                TrajectoryError::Malformed { .. } | TrajectoryError::OtherRun { .. },
            ))
            | WorkError::Train(TrainError::Capture { .. })),
        ) => {
            tracing::warn!("training starts anew: {error}");
            remove_folder(order.folder)?;
            std::fs::create_dir_all(order.folder).map_err(at(order.folder))?;
            let (session, recorder) = recorded(open()?)?;
            Ok((session, Some(recorder)))
        }
        other => other.map(|(session, recorder)| (session, Some(recorder))),
    }
}

fn measured(summary: &Summary) -> Metrics {
    let validation = |loss: Option<f32>| loss.map_or(0, |loss| micro(loss.into()));
    Metrics {
        steps: u32::try_from(summary.steps).unwrap_or(u32::MAX),
        tokens: summary.tokens,
        training_loss_micro: micro(summary.training_loss),
        validation_loss_before_micro: validation(summary.validation_loss_before),
        validation_loss_micro: validation(summary.validation_loss),
    }
}
