//! Scores of a whole training: how much each sample, and each group of them, helped on the validation samples.

use crate::{
    answer::to_integers,
    embedding::Embeddings,
    error::AttributionError,
    estimator::{Estimator, Inputs, Observer, Progress},
    influence::TracInCp,
    tangents::Tangents,
};
use tributary_lora::{EncodedSample, sample_gradient};
use tributary_protocol::{ContentHash, recipe::AttributionMethod};

/// What was kept of a run for its attribution, beside the checkpoints.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept<'a> {
    /// A row for every sample, of what the run made of it.
    pub embeddings: Option<&'a Embeddings>,
    /// Where the adapter would be without each group.
    pub tangents: Option<&'a Tangents>,
}

/// The integers from which [`tributary_protocol::answer::share`] makes units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingScores {
    /// How much each group helped; a single 1 for a method without groups.
    pub groups: Vec<i64>,
    /// The group of each training sample, in the dataset's order.
    pub of_sample: Vec<u16>,
    /// How much each training sample helped.
    pub samples: Vec<i64>,
    /// The same of samples that were never trained on, as if they had been; none for a method that cannot tell.
    pub ghosts: Vec<i64>,
}

impl TrainingScores {
    /// Of a method without groups and ghosts; `None` if a score is not finite.
    pub fn single(samples: &[f64]) -> Option<Self> {
        Self::of_samples(samples, &[])
    }

    fn of_samples(samples: &[f64], ghosts: &[f64]) -> Option<Self> {
        let mut lists = to_integers(&[samples, ghosts])?;
        let ghosts = lists.pop()?;
        Some(Self { groups: vec![1], of_sample: vec![0; samples.len()], samples: lists.pop()?, ghosts })
    }
}

/// Scores a training by `method`. Without validation samples all scores are 0.
///
/// A ghost is one of the validation samples, and asked about the others only: its own loss would speak for it.
/// Errors: `kept` has not what the method needs, or has it of another run.
pub fn training_scores(
    method: AttributionMethod,
    inputs: &Inputs<'_>,
    kept: Kept<'_>,
    observer: Observer<'_>,
) -> Result<TrainingScores, AttributionError> {
    let missing = |what| AttributionError::NotKept { what };
    match method {
        AttributionMethod::TracInCp { checkpoints } => {
            let scores = TracInCp { checkpoints }.scores(inputs, observer)?;
            TrainingScores::single(&scores).ok_or(AttributionError::QueryNotFinite)
        }
        AttributionMethod::DataValueEmbedding => {
            by_embeddings(inputs, kept.embeddings.ok_or(missing("embeddings"))?, observer)
        }
        AttributionMethod::GroupTangents { way, .. } => {
            let embeddings = kept.embeddings.ok_or(missing("embeddings"))?;
            let tangents = kept.tangents.ok_or(missing("tangents"))?;
            same_samples(inputs, tangents.groups().ids())?;
            let snapshot = inputs.snapshots.last().ok_or(AttributionError::NoCheckpoints)?;
            let mut sums = vec![0f64; tangents.groups().count()];
            for sample in inputs.dataset.validation() {
                let scores = tangents.scores_by(way, inputs.model, &snapshot.adapter, sample)?;
                sums.iter_mut().zip(scores).for_each(|(sum, score)| *sum += score);
            }
            let groups = to_integers(&[&sums]).map(|mut lists| lists.swap_remove(0));
            let groups = groups.ok_or(AttributionError::QueryNotFinite)?;
            let of_sample = tangents.groups().of_sample().to_vec();
            Ok(TrainingScores { groups, of_sample, ..by_embeddings(inputs, embeddings, observer)? })
        }
    }
}

fn same_samples(inputs: &Inputs<'_>, ids: &[ContentHash]) -> Result<(), AttributionError> {
    match inputs.dataset.training().iter().map(EncodedSample::id).eq(ids.iter().copied()) {
        true => Ok(()),
        false => Err(AttributionError::OtherSamples),
    }
}

fn by_embeddings(
    inputs: &Inputs<'_>,
    embeddings: &Embeddings,
    observer: Observer<'_>,
) -> Result<TrainingScores, AttributionError> {
    let (training, validation) = (inputs.dataset.training(), inputs.dataset.validation());
    same_samples(inputs, embeddings.samples())?;
    if !validation.iter().map(EncodedSample::id).eq(embeddings.ghosts().iter().copied()) {
        return Err(AttributionError::OtherSamples);
    }
    let snapshot = inputs.snapshots.last().ok_or(AttributionError::NoCheckpoints)?;
    let mut gradients = Vec::with_capacity(validation.len());
    for sample in validation {
        gradients.push(sample_gradient(inputs.model, &snapshot.adapter, sample)?);
        if observer(Progress { done: gradients.len(), total: validation.len() }).is_break() {
            return Err(AttributionError::Stopped);
        }
    }
    let zeros = || TrainingScores::single(&vec![0.0; training.len()]).ok_or(AttributionError::QueryNotFinite);
    let Some(all) = mean(&gradients, None) else { return zeros() };
    let samples = embeddings.scores(&embeddings.sketch(&all)?);
    let mut ghosts = Vec::with_capacity(validation.len());
    for ghost in 0..validation.len() {
        // With a single validation sample there is no other to ask about.
        if let Some(others) = mean(&gradients, Some(ghost)) {
            ghosts.push(embeddings.ghost_scores(&embeddings.sketch(&others)?)[ghost]);
        }
    }
    TrainingScores::of_samples(&samples, &ghosts).ok_or(AttributionError::QueryNotFinite)
}

/// The mean of the gradients but one, added up in their order; `None` of none.
fn mean(gradients: &[Vec<f32>], without: Option<usize>) -> Option<Vec<f32>> {
    let of = gradients.iter().enumerate().filter(|(place, _)| Some(*place) != without);
    let mut sum: Vec<f64> = Vec::new();
    let mut count = 0f64;
    for (_, gradient) in of {
        sum.resize(gradient.len(), 0.0);
        sum.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += f64::from(*value));
        count += 1.0;
    }
    (count > 0.0).then(|| sum.into_iter().map(|sum| (sum / count) as f32).collect())
}
