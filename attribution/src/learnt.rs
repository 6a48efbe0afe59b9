//! How much of what a sample says was learnt.
//!
//! Rows say what training on a sample would do to an answer, for samples and ghosts alike. Whether it was trained on shows in the
//! sample itself: the run takes most of the loss of what it met many times, and of what was held out only the part that others
//! taught. What was not learnt has taught nobody, so a row counts as far as its sample was learnt. This is what membership is
//! inferred from elsewhere (Yeom et al., arXiv 1709.01604, section 3.3).

use crate::{embedding::Embeddings, error::AttributionError};
use tributary_lora::{Adapter, Dataset, EncodedSample, Model, sample_loss};

/// Where the base model's loss is less, in nats per token, there was next to nothing to learn: a change counts as a part of this.
pub(crate) const LOSS_MIN: f64 = 0.1;

/// Weighs the rows of samples and ghosts, in the order of `dataset`'s training and validation samples, by [`learnt_parts`].
///
/// Errors: losses that are not finite; embeddings of other samples. Cost: two forward passes for each sample and ghost.
pub fn weigh_by_learnt(
    embeddings: Embeddings,
    model: &Model,
    adapter: &Adapter,
    dataset: &Dataset,
) -> Result<Embeddings, AttributionError> {
    let mut parts = learnt_parts(model, adapter, dataset.training())?;
    parts.extend(learnt_parts(model, adapter, dataset.validation())?);
    Ok(embeddings.weighed(&parts)?)
}

/// The part of each sample's loss under the base model that the adapter takes away, from 0 to 1; 0 where it adds to it.
///
/// Errors: a loss that is not finite, with its sample.
pub fn learnt_parts(model: &Model, adapter: &Adapter, samples: &[EncodedSample]) -> Result<Vec<f64>, AttributionError> {
    let part = |sample: &EncodedSample| {
        let (before, after) = losses(model, adapter, sample)?;
        Ok(((before - after) / before.max(LOSS_MIN)).clamp(0.0, 1.0))
    };
    // One after the other: a pass has threads of its own, and the activations of many at once would not fit beside a large model.
    samples.iter().map(part).collect()
}

/// A sample's losses without and with the adapter, in nats per token.
pub(crate) fn losses(model: &Model, adapter: &Adapter, sample: &EncodedSample) -> Result<(f64, f64), AttributionError> {
    let loss = |adapter| sample_loss(model, adapter, sample).map(f64::from);
    let (before, after) = (loss(None)?, loss(Some(adapter))?);
    match before.is_finite() && after.is_finite() {
        true => Ok((before, after)),
        false => Err(AttributionError::NotFinite { sample: sample.id(), step: 0 }),
    }
}
