//! Adapters as they are served.

use crate::error::AdapterError;
use crate::lora::Adapter;
use crate::model::Model;
use crate::ops::{self, RowUpdate, Run, mixed_linear, with_values};
use crate::quant::FrozenWeight;
use candle_core::{Result as TensorResult, Tensor};
use tributary_protocol::ContentHash;

/// An adapter laid out to be read once for a few rows: what [`Model::next_logits`] takes.
///
/// It holds the same numbers as the [`Adapter`] it was made of. What DoRA needs of the base's rows is computed when it is made.
#[derive(Debug)]
pub struct ServedAdapter {
    base: Option<ContentHash>,
    /// In the order of the model's linear layers; `None` for a layer that stays as it is.
    updates: Vec<Option<RowUpdate>>,
    bytes: usize,
}

impl ServedAdapter {
    /// Lays out `adapter`, which was made for `model`.
    ///
    /// Errors: an adapter of another base; a layer of another shape; with DoRA, a row without direction. Cost: a copy; with DoRA
    /// also `rank·in·out` multiply-adds per layer.
    pub fn new(adapter: &Adapter, model: &Model) -> Result<Self, AdapterError> {
        if let (Some(found), Some(expected)) = (adapter.base(), model.content_hash())
            && found != expected
        {
            return Err(AdapterError::OtherBase { found, expected });
        }
        let mut updates = Vec::new();
        for linear in model.linears() {
            let Some(pair) = adapter.pair(linear.index) else {
                updates.push(None);
                continue;
            };
            let (a, b) = (pair.a.as_detached_tensor(), pair.b.as_detached_tensor());
            let ((rank, input), (output, _)) = (a.dims2()?, b.dims2()?);
            let dims = linear.weight.dims()?;
            if dims != (output, input) {
                let (found, expected) = (vec![output, input], vec![dims.0, dims.1]);
                return Err(AdapterError::Shape { name: linear.path.clone(), found, expected });
            }
            let factors = match &pair.magnitude {
                None => None,
                Some(magnitude) => {
                    let norms = ops::row_norms(&linear.weight, Some((&a, &b, adapter.scale())))?;
                    let magnitude = with_values(magnitude.as_tensor(), |values| Ok(values.to_vec()))?;
                    if let Some(row) = norms.iter().position(|norm| *norm == 0.0 || !norm.is_finite()) {
                        let name = linear.path.clone();
                        return Err(AdapterError::NoDirection { name, row, length: norms[row] });
                    }
                    Some(magnitude.iter().zip(&norms).map(|(magnitude, norm)| magnitude / norm).collect())
                }
            };
            let update = with_values(&a, |a| {
                with_values(&b, |b| Ok(RowUpdate::new((a, b), (rank, input, output), adapter.scale(), factors)))
            })?;
            updates.push(Some(update));
        }
        let bytes = updates.iter().flatten().map(RowUpdate::bytes).sum();
        Ok(Self { base: adapter.base(), updates, bytes })
    }

    /// The base model that it was made for, if that came from a folder.
    pub fn base(&self) -> Option<ContentHash> {
        self.base
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Linear layers of the model that it was made for.
    pub(super) fn layers(&self) -> usize {
        self.updates.len()
    }
}

/// The adapter of every row of a run through the model.
pub(crate) struct RowAdapters<'a>(pub(super) Vec<Option<&'a ServedAdapter>>);

impl RowAdapters<'_> {
    /// Applies the linear layer at this place in [`Site::all`](crate::model::Site::all), to each row with its own update.
    /// `rows` are those that `x` holds, if not all.
    pub(crate) fn linear(
        &self,
        x: &Tensor,
        rows: Option<&[u32]>,
        weight: &FrozenWeight,
        index: usize,
    ) -> TensorResult<Tensor> {
        let mut runs: Vec<Run<'_>> = Vec::new();
        for place in 0..rows.map_or(self.0.len(), <[u32]>::len) {
            let row = rows.map_or(place, |rows| rows[place] as usize);
            let update = self.0[row].and_then(|adapter| adapter.updates[index].as_ref());
            match runs.last_mut() {
                Some(run) if run.update.map(std::ptr::from_ref) == update.map(std::ptr::from_ref) => run.rows += 1,
                _ => runs.push(Run { rows: 1, update }),
            }
        }
        mixed_linear(x, weight, &runs)
    }
}
