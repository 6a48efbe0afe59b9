//! Losses and gradients of single samples, as attribution reads them.

use crate::batch::{Batch, EncodedSample};
use crate::error::TrainError;
use crate::lora::Adapter;
use crate::model::Model;
use crate::ops::with_values;

/// Mean loss over the sample's trained tokens.
pub fn sample_loss(model: &Model, adapter: Option<&Adapter>, sample: &EncodedSample) -> Result<f32, TrainError> {
    let batch = Batch::new([sample]);
    Ok(model.loss_sum(&batch, adapter)?.to_scalar::<f32>()? / batch.trained().max(1) as f32)
}

/// Gradient of [`sample_loss`] with respect to every parameter of the adapter, flattened in the order of
/// [`Adapter::variables`].
pub fn sample_gradient(model: &Model, adapter: &Adapter, sample: &EncodedSample) -> Result<Vec<f32>, TrainError> {
    let batch = Batch::new([sample]);
    let scale = 1.0 / batch.trained().max(1) as f32;
    let gradients = model.loss_sum(&batch, Some(adapter))?.backward()?;
    let mut flat = Vec::with_capacity(adapter.parameter_count());
    for (name, variable) in adapter.variables() {
        let gradient = gradients.get(&variable).ok_or(TrainError::NoGradient { name })?;
        with_values(&gradient.contiguous()?, |values| {
            flat.extend(values.iter().map(|value| value * scale));
            Ok(())
        })?;
    }
    Ok(flat)
}
