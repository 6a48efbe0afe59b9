//! One linear layer of a decoder, with what an adapter adds to it.

use super::assembly::Visit;
use crate::lora::Adapter;
use crate::noise::Noise;
use crate::ops;
use crate::per_sample::Tape;
use crate::quant::FrozenWeight;
use crate::rows::RowAdapters;
use candle_core::{Result, Tensor};
use std::sync::Arc;

/// What one run through the model carries beside the positions.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    /// The update of the layers.
    pub adapter: Option<&'a Adapter>,
    /// Updates that differ from row to row, in place of `adapter`.
    pub rows: Option<&'a RowAdapters<'a>>,
    /// The randomness of a training step.
    pub noise: Option<&'a Noise>,
    /// Nobody reads what comes out, only its gradient: [`Linear::forward_last`] may leave its products out.
    pub unread: bool,
    /// A position of each of several sequences whose past is cached, without gradients: see [`ops::decode_linear`].
    pub decode: bool,
    /// Writes down the gradients of single samples.
    pub tape: Option<&'a Tape>,
}

/// A linear layer `y = x·Wᵀ + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    /// Its place in [`Site::all`](super::site::Site::all), by which an adapter knows it.
    pub index: usize,
    /// Its path in the model; the weight's name without `.weight`.
    pub path: String,
    /// `[out, in]`
    pub weight: FrozenWeight,
    /// `[out]`
    pub bias: Option<Tensor>,
}

impl Linear {
    /// Applies the layer, with its update if the pass has one. Shapes: `x [positions, in]` -> `[positions, out]`.
    pub(crate) fn forward(&self, x: &Tensor, pass: Pass<'_>) -> Result<Tensor> {
        self.forward_rows(x, None, pass)
    }

    /// As [`Linear::forward`], for an `x` that holds only these `rows` of the batch's positions.
    pub(crate) fn forward_rows(&self, x: &Tensor, rows: Option<&Arc<Vec<u32>>>, pass: Pass<'_>) -> Result<Tensor> {
        self.apply(x, rows, pass, false)
    }

    /// As [`Linear::forward_rows`], for a layer whose output goes to the end of what the pass runs through.
    pub(crate) fn forward_last(&self, x: &Tensor, rows: Option<&Arc<Vec<u32>>>, pass: Pass<'_>) -> Result<Tensor> {
        self.apply(x, rows, pass, pass.unread)
    }

    fn apply(&self, x: &Tensor, rows: Option<&Arc<Vec<u32>>>, pass: Pass<'_>, unread: bool) -> Result<Tensor> {
        let y = match (pass.rows, pass.adapter) {
            (Some(adapters), _) => adapters.linear(x, rows.map(|rows| rows.as_slice()), &self.weight, self.index)?,
            (_, Some(adapter)) if pass.decode => adapter.decode(x, &self.weight, self.index)?,
            (_, None) if pass.decode => ops::decode_linear(x, &self.weight, None)?,
            (_, Some(adapter)) => {
                let y = adapter.linear(x, &self.weight, self.index, pass.noise, rows, unread)?;
                match (pass.tape, adapter.pair(self.index)) {
                    (Some(tape), Some(pair)) => {
                        let dropout = adapter.dropout(self.index, pass.noise, rows);
                        tape.tap(y, x, self.index, pair, dropout, rows)?
                    }
                    _ => y,
                }
            }
            (_, None) if unread => ops::unread_frozen_linear(x, &self.weight)?,
            (_, None) => ops::frozen_linear(x, &self.weight)?,
        };
        match &self.bias {
            Some(bias) if ops::is_native(&y) => y.broadcast_add(bias),
            Some(bias) => ops::add_to_rows(&y, bias),
            None => Ok(y),
        }
    }

    /// Whether a gradient of something in this layer will be read.
    pub(crate) fn is_trained(&self, pass: Pass<'_>) -> bool {
        let in_model = matches!(&self.weight, FrozenWeight::Dense(weight) if weight.track_op());
        in_model || pass.adapter.is_some_and(|adapter| adapter.pair(self.index).is_some())
    }

    pub(crate) fn visit(&self, each: Visit<'_>) {
        each(format!("{}.weight", self.path), self.weight.clone());
        if let Some(bias) = &self.bias {
            each(format!("{}.bias", self.path), bias.clone().into());
        }
    }
}
