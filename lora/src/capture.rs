//! What a training run shows to whoever attributes it: the gradient of each sample in each step.

use crate::error::TrainError;
use std::fmt::Debug;
use tributary_protocol::ContentHash;

/// Steps from one with [`CapturedStep::factors`] to the next.
pub(crate) const FACTORS_EVERY: u64 = 2;

/// A sample of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapturedSample {
    /// Its place in [`Dataset::training`](crate::Dataset::training); of a ghost, in
    /// [`Dataset::validation`](crate::Dataset::validation).
    pub index: usize,
    /// Its hash.
    pub id: ContentHash,
    /// Tokens of it that are trained on.
    pub tokens: usize,
}

/// One optimiser step, sample by sample.
///
/// With `P` trained parameters, flattened in the order of [`Adapter::variables`](crate::Adapter::variables), and `B`
/// samples in the step, the step moves the parameters by about
/// `-learning_rate · preconditioner ⊙ scale · sum of the rows of gradients`, and takes away the part
/// `1 - keep` of them first. (About: AdamW smooths the sum with those of earlier steps.)
#[derive(Clone, Copy, Debug)]
pub struct CapturedStep<'a> {
    /// The step, from 1.
    pub step: u64,
    /// Its learning rate.
    pub learning_rate: f64,
    /// What weight decay leaves of the parameters.
    pub keep: f64,
    /// By what the sum of the samples' gradients is multiplied: one over the step's trained tokens, times what the bound
    /// on the gradient's length leaves of it.
    pub scale: f64,
    /// The samples, in their order.
    pub samples: &'a [CapturedSample],
    /// `[B, P]`: gradients of the sums of each sample's losses, before the step.
    pub gradients: &'a [f32],
    /// `[B, P]`, or empty: the same gradients for labels drawn from the model's own predictions. The mean of the outer product of
    /// such a row with itself is the sample's Fisher information, summed over its trained tokens. Source: the "true" as
    /// opposed to the "empirical" Fisher, arXiv 1905.12558, section 2. Of the steps 1, 3, 5 and so on; empty of the others, since it
    /// costs a backward pass and changes slowly.
    pub factors: &'a [f32],
    /// The *ghosts* of the step: samples kept for validation, as if they had been in it. Each pass over the data meets each of
    /// them once, at steps that are evenly spread. They move nothing.
    pub ghosts: &'a [CapturedSample],
    /// `[ghosts, P]`: gradients of the sums of their losses, before the step, as those of the samples.
    pub ghost_gradients: &'a [f32],
    /// `[P]`: by what AdamW multiplies each parameter's smoothed gradient, apart from the learning rate:
    /// `1 / (sqrt(second moment) + epsilon)` after the step, times LoRA+'s ratio.
    pub preconditioner: &'a [f32],
}

/// Listens to a run, step by step.
///
/// The run's result has the same bits with and without a listener.
pub trait Capture: Debug + Send {
    /// Takes up a run of which `steps` are done. What is known of later steps is forgotten, since they come again.
    ///
    /// Errors: steps before it are not known, because nobody listened.
    fn begin(&mut self, steps: u64) -> Result<(), TrainError>;

    /// Takes in the next step. Errors stop the run; it must not go on after one.
    fn step(&mut self, step: &CapturedStep<'_>) -> Result<(), TrainError>;

    /// Sees to it that everything so far outlives the process; called before each checkpoint.
    fn settle(&mut self) -> Result<(), TrainError>;
}
