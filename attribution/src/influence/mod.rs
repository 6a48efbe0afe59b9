//! Methods of attribution, one file each, and what they share.
//!
//! A method is fitted once to a trained run and then asked about queries: how much did each training sample help (above 0)
//! or hurt (below 0) on this text? The first-order part is always an inner product of the query's gradient with each
//! sample's; methods differ in the matrix between the two and in the points of the training at which gradients are taken.
//!
//! | method | between the gradients | money |
//! |---|---|---|
//! | [`GradientDot`] | nothing | yes |
//! | [`GradientCosine`] | both brought to length 1 | no: a tiny gradient would count as much as a large one |
//! | [`TracInCp`](crate::TracInCp) | the learning rate, at several checkpoints | yes |
//! | [`DataInf`] | an inverse Fisher matrix in closed form | yes |
//! | [`Trak`] | the inverse of a projected Fisher matrix | yes |
//! | [`DataValueEmbedding`] | what later steps did to the step that saw the sample | yes |

mod cholesky;
mod data_value_embedding;
mod datainf;
mod gradient_cosine;
mod gradient_dot;
mod gradients;
mod quantised;
mod recorder;
mod sketch;
mod tracin;
mod trajectory;
mod trak;

pub use data_value_embedding::{DataValueEmbedding, EmbeddingSettings, embed, embedding_rows};
pub use datainf::DataInf;
pub use gradient_cosine::GradientCosine;
pub use gradient_dot::GradientDot;
pub use gradients::QueryGradients;
pub use quantised::Quantised;
pub use recorder::TrajectoryRecorder;
pub use sketch::{Sketch, SketchError};
pub use tracin::TracInCp;
pub use trajectory::{CapturedGhost, CapturedRow, Trajectory, TrajectoryError, TrajectoryStep};
pub use trak::Trak;

pub(crate) use cholesky::Cholesky;

use crate::{
    error::AttributionError,
    estimator::{Estimator, Inputs, Observer},
};
use tributary_protocol::recipe::AttributionMethod;

/// A method of attribution that can be asked about any text.
pub trait Influence: Send + Sync {
    /// Its name in tables: that of its paper.
    fn name(&self) -> &'static str;

    /// Whether money may follow its scores. It may not where they do not grow with what a sample changed.
    fn may_pay(&self) -> bool {
        true
    }

    /// Prepares for queries about the run `inputs`.
    ///
    /// Errors: no checkpoint; a gradient that is not finite, with its sample; the observer asked to stop.
    fn fit(&self, inputs: &Inputs<'_>, observer: Observer<'_>) -> Result<Box<dyn Fitted>, AttributionError>;
}

/// A method that knows a run.
pub trait Fitted: Send + Sync {
    /// How much each training sample helped (above 0) or hurt (below 0) on the query, in the order of
    /// [`Dataset::training`](tributary_lora::Dataset::training). Sums over samples mean something, units do not.
    ///
    /// Errors: a query for another run; a score that is not finite, with its sample.
    fn scores(&self, query: &QueryGradients) -> Result<Vec<f64>, AttributionError>;
}

/// Scores on the mean validation gradient; all 0 where there is no validation sample to help.
pub fn validation_scores(
    method: &dyn Influence,
    inputs: &Inputs<'_>,
    observer: Observer<'_>,
) -> Result<Vec<f64>, AttributionError> {
    if inputs.snapshots.is_empty() {
        return Err(AttributionError::NoCheckpoints);
    }
    if inputs.dataset.validation().is_empty() {
        return Ok(vec![0.0; inputs.dataset.training().len()]);
    }
    let query = QueryGradients::of_validation(inputs)?;
    method.fit(inputs, observer)?.scores(&query)
}

/// Any [`Influence`] as the [`Estimator`] that stands on chain as `method`.
#[derive(Clone, Debug)]
pub struct OnValidation<I> {
    influence: I,
    method: AttributionMethod,
}

impl<I: Influence> OnValidation<I> {
    /// `None` if money may not follow the method's scores.
    pub fn new(influence: I, method: AttributionMethod) -> Option<Self> {
        influence.may_pay().then_some(Self { influence, method })
    }
}

impl<I: Influence> Estimator for OnValidation<I> {
    fn method(&self) -> AttributionMethod {
        self.method
    }

    fn scores(&self, inputs: &Inputs<'_>, observer: Observer<'_>) -> Result<Vec<f64>, AttributionError> {
        validation_scores(&self.influence, inputs, observer)
    }
}
