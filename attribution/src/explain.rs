//! From a model and an answer to the integers that [`tributary_protocol::answer`] shares by: what trainers, checkers and
//! explainers all compute.

use crate::{
    answer::{Answer, AnswerShares, SampleScores, ShareError, to_integers},
    corpus::Standing,
    embedding::{EmbeddingError, Embeddings},
    groups::{GroupError, Groups},
    tangents::{Tangent, TangentError, Tangents},
};
use std::borrow::Cow;
use tributary_lora::{Adapter, EncodedSample, Model, TrainError, sample_gradient};
use tributary_protocol::{ContentHash, answer::Rule, recipe::TangentWay};

/// Why an answer could not be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// Tangents and embeddings are those of two runs.
    #[error("the embeddings are of {embeddings} training samples, and the tangents are not of the same {tangents}")]
    OtherSamples {
        /// Samples of the embeddings.
        embeddings: usize,
        /// Samples of the tangents.
        tangents: usize,
    },
    /// The groups could not be scored.
    #[error(transparent)]
    Tangents(#[from] TangentError),
    /// The samples could not be scored.
    #[error(transparent)]
    Embeddings(#[from] EmbeddingError),
    /// The samples make no group.
    #[error(transparent)]
    Groups(#[from] GroupError),
    /// The answer's gradient could not be computed.
    #[error(transparent)]
    Gradient(#[from] TrainError),
    /// The scores could not be shared by.
    #[error(transparent)]
    Share(#[from] ShareError),
}

/// The integers of one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerScores {
    /// How much each group helped; without tangents there is one group, of score 1.
    pub groups: Vec<i64>,
    /// How much each training sample helped, in the order of [`Embeddings::samples`].
    pub samples: Vec<i64>,
    /// How much each ghost would have helped, in the samples' unit and the order of [`Embeddings::ghosts`].
    pub ghosts: Vec<i64>,
}

/// What the integers of one answer follow from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerQuery {
    /// The answer's [`query_gradient`], sketched and rounded: what the samples' rows are multiplied by.
    pub sketch: Vec<i8>,
    /// How much each group helped; without tangents there is one group, of score 1.
    pub groups: Vec<i64>,
}

/// The gradient that samples are asked with: the mean of those of the answer's loss at the adapter and half way to it, at the
/// adapter with half of its update.
///
/// What was learnt has a small gradient at the end, and one of chance: on the way, whoever taught it still moves it. The mean over
/// checkpoints says the same and needs them (docs/attribution-benchmark.md).
/// `at_result` is the gradient at the adapter ([`sample_gradient`]). Cost: another gradient.
pub fn query_gradient(
    model: &Model,
    adapter: &Adapter,
    answer: &EncodedSample,
    at_result: &[f32],
) -> Result<Vec<f32>, TrainError> {
    let half_way = sample_gradient(model, &adapter.with_half_update()?, answer)?;
    Ok(at_result.iter().zip(half_way).map(|(end, half_way)| 0.5 * (end + half_way)).collect())
}

/// The query of `answer`, of which the trained tokens are what the model said. `None` if a score is no number: such an
/// answer pays the base pool ([`tributary_protocol::answer::not_finite`]).
///
/// Errors: tangents or embeddings that are not of this model and adapter, as far as they can know.
/// Cost: two gradients, and what `way` costs.
pub fn answer_query(
    model: &Model,
    adapter: &Adapter,
    tangents: Option<&Tangents>,
    embeddings: &Embeddings,
    answer: &EncodedSample,
    way: TangentWay,
) -> Result<Option<AnswerQuery>, ExplainError> {
    check_same_samples(tangents, embeddings)?;
    let gradient = sample_gradient(model, adapter, answer)?;
    if gradient.iter().any(|value| !value.is_finite()) {
        return Ok(None);
    }
    let Some(groups) = group_scores(model, adapter, tangents, answer, way, &gradient)? else { return Ok(None) };
    let query = query_gradient(model, adapter, answer, &gradient)?;
    if query.iter().any(|value| !value.is_finite()) {
        return Ok(None);
    }
    Ok(Some(AnswerQuery { sketch: embeddings.sketch(&query)?.values, groups }))
}

/// The integers of `answer`: those of [`answer_query`] multiplied by the samples' rows.
///
/// Errors: as there. Cost: as there, and `(samples + ghosts) · dims` multiply-adds of bytes.
pub fn answer_scores(
    model: &Model,
    adapter: &Adapter,
    tangents: Option<&Tangents>,
    embeddings: &Embeddings,
    answer: &EncodedSample,
    way: TangentWay,
) -> Result<Option<AnswerScores>, ExplainError> {
    let query = answer_query(model, adapter, tangents, embeddings, answer, way)?;
    // The query is a sketch of these embeddings, so that its length fits.
    Ok(query.and_then(|AnswerQuery { sketch, groups }| {
        let (samples, ghosts) = (embeddings.integer_scores(&sketch), embeddings.integer_ghost_scores(&sketch));
        samples.zip(ghosts).map(|(samples, ghosts)| AnswerScores { groups, samples, ghosts })
    }))
}

fn group_scores(
    model: &Model,
    adapter: &Adapter,
    tangents: Option<&Tangents>,
    answer: &EncodedSample,
    way: TangentWay,
    gradient: &[f32],
) -> Result<Option<Vec<i64>>, ExplainError> {
    let Some(tangents) = tangents else { return Ok(Some(vec![1])) };
    let scores = match way {
        // Of the gradient that is there already.
        TangentWay::Gradient => {
            tangents.check(model, adapter)?;
            tangents.scores(gradient, Tangent::LeaveOneOut)
        }
        TangentWay::Midpoint | TangentWay::Loss => tangents.scores_by(way, model, adapter, answer),
    };
    match scores {
        Err(TangentError::NotFinite { .. }) => Ok(None),
        scores => Ok(to_integers(&[&scores?]).map(|mut lists| lists.swap_remove(0))),
    }
}

fn check_same_samples(tangents: Option<&Tangents>, embeddings: &Embeddings) -> Result<(), ExplainError> {
    match tangents {
        Some(tangents) if tangents.groups().ids() != embeddings.samples() => Err(ExplainError::OtherSamples {
            embeddings: embeddings.samples().len(),
            tangents: tangents.groups().ids().len(),
        }),
        _ => Ok(()),
    }
}

/// The groups that answers are scored by: those of the tangents, or all samples in one.
pub fn answer_groups<'a>(
    tangents: Option<&'a Tangents>,
    embeddings: &Embeddings,
) -> Result<Cow<'a, Groups>, ExplainError> {
    check_same_samples(tangents, embeddings)?;
    match tangents {
        Some(tangents) => Ok(Cow::Borrowed(tangents.groups())),
        None => {
            let all: Vec<(ContentHash, u16)> = embeddings.samples().iter().map(|sample| (*sample, 0)).collect();
            Ok(Cow::Owned(Groups::of_samples(&all, 1)?))
        }
    }
}

impl AnswerScores {
    /// The units that they give by `rule`; `groups` as [`answer_groups`] names them, `clusters` of each training sample as
    /// [`Corpus::standings`](crate::Corpus::standings) does.
    pub fn share(
        &self,
        groups: &Groups,
        clusters: Option<&[Standing]>,
        rule: &Rule,
    ) -> Result<AnswerShares, ExplainError> {
        let Self { groups: group_scores, samples, ghosts } = self;
        let sample_scores = SampleScores::Integers { samples, ghosts };
        Ok(Answer { groups, clusters, group_scores: &[], sample_scores }.share_integers(group_scores, rule)?)
    }
}
