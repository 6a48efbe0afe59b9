//! What a method of attribution is.

use crate::error::AttributionError;
use std::ops::ControlFlow;
use tributary_lora::{Dataset, Model, Snapshot};
use tributary_protocol::recipe::AttributionMethod;

/// What scores are a function of. All of it is committed to: the base by its hash on chain, the adapters by the bundle's,
/// the samples by their version's root, and their division into training and validation by the job's recipe.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The frozen base model.
    pub model: &'a Model,
    /// The adapters kept on the way, by step.
    pub snapshots: &'a [Snapshot],
    /// The samples.
    pub dataset: &'a Dataset,
}

/// How far an estimator is, in gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Gradients computed.
    pub done: usize,
    /// Gradients in all.
    pub total: usize,
}

/// Is told how far an estimator is, after each gradient and from several threads, and says whether it shall go on.
pub type Observer<'a> = &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync);

/// An observer that lets it go on.
pub fn unobserved(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A method of attribution.
pub trait Estimator {
    /// Its name on chain, with its settings.
    fn method(&self) -> AttributionMethod;

    /// How much each training sample helped (above 0) or hurt (below 0) on the validation samples, in the order of
    /// [`Dataset::training`]. All scores are 0 where there is no validation sample to help. The same inputs give the same
    /// bits on the same machine.
    fn scores(&self, inputs: &Inputs<'_>, observer: Observer<'_>) -> Result<Vec<f64>, AttributionError>;
}
