//! Attribution: what was kept of the run, the runs again that the job asks for, and who shaped the model.

use super::{
    Activity, Observer,
    train::{Order, Trained},
};
use crate::error::WorkError;
use std::path::Path;
use tributary_attribution::{
    AttributionReport, Corpus, Embeddings, GroupSettings, Groups, Inputs, Kept, MeasureError, MeasureSettings,
    RetrainProgress, RetrainRecipe, Retrainer, TangentError, TangentSettings, Tangents, attribute, check_coalitions,
    measure,
};
use tributary_daemon::{
    Recipe, TANGENTS_FILE,
    files::{read_if_there, write_atomically},
};
use tributary_lora::{Adapter, Dataset, EncodedSample, Snapshot};
use tributary_protocol::{ContentHash, answer::Accuracy, recipe::AttributionMethod};

/// Numbers of a sample's row: with its hash and unit it takes 4,096 bytes.
pub(crate) const EMBEDDING_DIMS: usize = 16_240;
/// How right the attribution was found to be, below a job's folder. Its figures are in the evidence.
const ACCURACY_FILE: &str = "accuracy.json";
/// The runs again, below a job's folder.
const RETRAINS_FOLDER: &str = "retrains";

/// Who shaped a model, and what answers will be explained by.
pub(crate) struct Attributed {
    pub report: AttributionReport,
    pub embeddings: Option<Embeddings>,
    pub tangents: Option<Tangents>,
}

/// Whether a run's steps are kept for its attribution.
pub(crate) fn keeps_trajectory(method: AttributionMethod) -> bool {
    match method {
        AttributionMethod::TracInCp { .. } => false,
        AttributionMethod::DataValueEmbedding | AttributionMethod::GroupTangents { .. } => true,
    }
}

/// Scores the contributions of a finished run. Retrains that are in the order's folder already are not done again.
pub(crate) fn assess(
    order: &Order<'_>,
    trained: &Trained,
    snapshots: &[Snapshot],
    observer: Observer<'_>,
) -> Result<Attributed, WorkError> {
    let inputs = Inputs { model: &trained.model, snapshots, dataset: &trained.dataset };
    let (tangents, accuracy) = match (Asked::of(order.recipe), &trained.embeddings, snapshots.last()) {
        (Some(asked), Some(embeddings), Some(result)) => {
            let (tangents, accuracy) = asked.tangents(order, trained, result, embeddings, observer)?;
            (Some(tangents), accuracy)
        }
        _ => (None, None),
    };
    let kept = Kept { embeddings: trained.embeddings.as_ref(), tangents: tangents.as_ref() };
    let observe = |progress: tributary_attribution::Progress| {
        observer(Activity::Attribution { done: progress.done, total: progress.total })
    };
    let mut report = attribute(order.recipe.attribution, &inputs, kept, order.corpus, &observe)?;
    report.accuracy = accuracy;
    Ok(Attributed { report, embeddings: trained.embeddings.clone(), tangents })
}

/// The tangents that a job asks for.
#[derive(Clone, Copy)]
struct Asked {
    groups: GroupSettings,
    tangents: TangentSettings,
    measure: MeasureSettings,
}

impl Asked {
    fn of(recipe: &Recipe) -> Option<Self> {
        let AttributionMethod::GroupTangents { groups, halves, coalitions, way } = recipe.attribution else {
            return None;
        };
        let seed = recipe.hyperparameters.seed;
        Some(Self {
            groups: GroupSettings { count: groups.into(), seed },
            tangents: TangentSettings { halves: halves.into(), seed, ..TangentSettings::default() },
            measure: MeasureSettings { coalitions: coalitions.into(), seed, way, ..MeasureSettings::default() },
        })
    }

    /// Runs the training without each group, and on coalitions.
    fn tangents(
        self,
        order: &Order<'_>,
        trained: &Trained,
        result: &Snapshot,
        embeddings: &Embeddings,
        observer: Observer<'_>,
    ) -> Result<(Tangents, Option<Accuracy>), WorkError> {
        let (lora, training) = (order.recipe.lora(), order.recipe.training(trained.dataset.training_rows()));
        let recipe = RetrainRecipe {
            model: &trained.model,
            dataset: &trained.dataset,
            lora: &lora,
            adapter_seed: order.recipe.hyperparameters.seed,
            training: &training,
            result_step: Some(result.point.step),
        };
        let parallel = std::thread::available_parallelism().map_or(1, usize::from);
        let retrainer = Retrainer::new(recipe, &order.folder.join(RETRAINS_FOLDER), parallel)?;
        let observe = |progress: RetrainProgress| {
            observer(Activity::Retraining { done: progress.retrains_done, total: progress.retrains })
        };

        let path = order.folder.join(TANGENTS_FILE);
        let tangents = match known(&path, trained, &result.adapter)? {
            Some(tangents) => tangents,
            None => {
                let groups = grouped(&trained.dataset, order.corpus, self.groups)?;
                let tangents = Tangents::train(&retrainer, &result.adapter, &groups, self.tangents, &observe)?;
                write_atomically(&path, &tangents.to_bytes())?;
                tangents
            }
        };
        if self.measure.coalitions == 0 {
            return Ok((tangents, None));
        }
        let path = order.folder.join(ACCURACY_FILE);
        let of = ContentHash::of(&[tangents.hash().0, embeddings.hash().0].concat());
        if let Some(text) = read_if_there(&path)?
            && let Ok((measured, accuracy)) = serde_json::from_slice::<(ContentHash, Accuracy)>(&text)
            && measured == of
        {
            return Ok((tangents, Some(accuracy)));
        }
        let samples: Vec<ContentHash> = trained.dataset.training().iter().map(EncodedSample::id).collect();
        let clusters = Some(order.corpus.standings(&samples));
        let accuracy = measure(
            &retrainer,
            order.corpus,
            clusters.as_deref(),
            Some(&tangents),
            embeddings,
            &result.adapter,
            self.measure,
            &observe,
        )?;
        write_atomically(&path, &serde_json::to_vec(&(of, accuracy)).map_err(WorkError::Report)?)?;
        Ok((tangents, Some(accuracy)))
    }
}

/// Whether the accuracy that a recipe asks for can be measured on these samples: asked before the runs that would come to nothing.
pub(crate) fn check_measurable(dataset: &Dataset, corpus: &Corpus, recipe: &Recipe) -> Result<(), WorkError> {
    let Some(asked) = Asked::of(recipe).filter(|asked| asked.measure.coalitions > 0) else { return Ok(()) };
    if dataset.validation().is_empty() {
        return Err(MeasureError::NoQueries.into());
    }
    Ok(check_coalitions(corpus, &grouped(dataset, corpus, asked.groups)?)?)
}

/// The tangents that an earlier start of the trainer made, if they are of this adapter.
fn known(path: &Path, trained: &Trained, adapter: &Adapter) -> Result<Option<Tangents>, WorkError> {
    let Some(bytes) = read_if_there(path)? else { return Ok(None) };
    Ok(Tangents::from_bytes(&bytes).ok().filter(|tangents| tangents.check(&trained.model, adapter).is_ok()))
}

/// The groups that a job's samples are left out in: a function of the samples and the job's seed.
pub(crate) fn groups(dataset: &Dataset, corpus: &Corpus, recipe: &Recipe) -> Result<Option<Groups>, TangentError> {
    Asked::of(recipe).map(|asked| grouped(dataset, corpus, asked.groups)).transpose()
}

fn grouped(dataset: &Dataset, corpus: &Corpus, settings: GroupSettings) -> Result<Groups, TangentError> {
    let cluster = |sample: &EncodedSample| corpus.standing(&sample.id()).cluster;
    let clusters: Vec<ContentHash> = dataset.training().iter().map(cluster).collect();
    Ok(Groups::new(dataset.training(), Some(&clusters), settings)?)
}
