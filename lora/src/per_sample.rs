//! Gradients of the samples of a batch, each alone.
//!
//! The gradient of a low-rank layer is a sum over positions: `dA = scale·(dy·B)ᵀ·x` and `dB = scale·dyᵀ·(x·Aᵀ)`, where `x`
//! goes into the layer and `dy` is the gradient of what comes out. Summed over the positions of one sample it is the
//! gradient of that sample, since samples see nothing of each other. So one backward pass through a batch gives the
//! gradients of all its samples, for as many multiply-adds as their sum takes. Source: arXiv 1510.01799.
//!
//! A layer with trained lengths (DoRA) is no such sum; there each sample is passed back alone.

use crate::batch::{Batch, EncodedSample};
use crate::error::TrainError;
use crate::lora::{Adapter, Pair};
use crate::model::Model;
use crate::noise::Dropout;
use crate::ops::gemm::{Into, Threads, View, product};
use crate::ops::{next_token_loss, sampled_targets, with_elements};
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, Layout, Result as TensorResult, Shape, Tensor};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Writes down gradients of single samples while backward passes run.
#[derive(Clone, Debug)]
pub(crate) struct Tape(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Where the gradient of each linear layer's `A` begins in a row; that of `B` follows. `None`: not trained.
    places: Vec<Option<usize>>,
    /// Parameters of the adapter.
    width: usize,
    /// Where the positions of each sample end.
    ends: Vec<usize>,
    /// Factor of the update.
    scale: f32,
    /// `[samples, width]`
    rows: Mutex<Vec<f32>>,
}

impl Tape {
    /// A tape for a batch of sequences of `lengths` positions; `None` if the adapter's gradients are no sums over positions.
    fn new(model: &Model, adapter: &Adapter, lengths: &[usize]) -> Option<Self> {
        if adapter.config().weight_decomposed {
            return None;
        }
        let mut width = 0;
        let places = (0..model.linears().len()).map(|index| {
            let pair = adapter.pair(index)?;
            let place = width;
            width += pair.a.elem_count() + pair.b.elem_count();
            Some(place)
        });
        let places = places.collect();
        let ends = lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end)
        });
        let rows = Mutex::new(vec![0f32; width * lengths.len()]);
        Some(Self(Arc::new(Shared { places, width, ends: ends.collect(), scale: adapter.scale(), rows })))
    }

    /// `y`, such that a backward pass through it writes down what it means for the layer `index` of which it came from `x`.
    /// `rows`: the positions of the batch that `x` holds, ascending, if not all.
    pub(crate) fn tap(
        &self,
        y: Tensor,
        x: &Tensor,
        index: usize,
        pair: &Pair,
        dropout: Option<Dropout>,
        rows: Option<&Arc<Vec<u32>>>,
    ) -> TensorResult<Tensor> {
        let Some(Some(place)) = self.0.places.get(index).copied() else { return Ok(y) };
        let (a, b) = (pair.a.as_detached_tensor(), pair.b.as_detached_tensor());
        let ends = match rows {
            None => self.0.ends.clone(),
            Some(rows) => self.0.ends.iter().map(|end| rows.partition_point(|row| (*row as usize) < *end)).collect(),
        };
        y.apply_op1(Tap { tape: self.0.clone(), place, x: x.detach(), a, b, dropout, ends })
    }

    /// What was written down, and a clean tape.
    fn take(&self) -> Vec<f32> {
        let mut rows = self.0.rows.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let clean = vec![0f32; rows.len()];
        std::mem::replace(&mut rows, clean)
    }
}

/// Some rows of a matrix of `width` columns.
fn part<'a>(values: &'a [f32], rows: &Range<usize>, width: usize) -> View<'a> {
    View::dense(&values[rows.start * width..rows.end * width], rows.len(), width)
}

/// Passes everything on unchanged, and writes down what passes back.
struct Tap {
    tape: Arc<Shared>,
    place: usize,
    x: Tensor,
    a: Tensor,
    b: Tensor,
    dropout: Option<Dropout>,
    /// Where each sample's rows of `x` end.
    ends: Vec<usize>,
}

impl Tap {
    fn record(&self, x: &[f32], a: &[f32], b: &[f32], dy: &[f32]) -> TensorResult<()> {
        let ((rank, input), output) = (self.a.dims2()?, self.b.dim(0)?);
        let count = x.len() / input.max(1);
        let (x_view, dy_view) = (View::dense(x, count, input), View::dense(dy, count, output));
        let (a_view, b_view) = (View::dense(a, rank, input), View::dense(b, output, rank));
        let (mut down, mut d_down) = (vec![0f32; count * rank], vec![0f32; count * rank]);
        product(&mut down, rank, Into::Overwrite, x_view, a_view.transposed(), 1.0, Threads::All);
        product(&mut d_down, rank, Into::Overwrite, dy_view, b_view, self.tape.scale, Threads::All);
        let mut rows = self.tape.rows.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        rows.par_chunks_exact_mut(self.tape.width.max(1)).enumerate().for_each(|(sample, row)| {
            let (from, to) = (sample.checked_sub(1).map_or(0, |before| self.ends[before]), self.ends[sample]);
            if from == to {
                return;
            }
            let range = from..to;
            let (da, rest) = row[self.place..].split_at_mut(rank * input);
            let d_down = part(&d_down, &range, rank).transposed();
            product(da, input, Into::Add, d_down, part(x, &range, input), 1.0, Threads::One);
            let dy = part(dy, &range, output).transposed();
            product(rest, rank, Into::Add, dy, part(&down, &range, rank), self.tape.scale, Threads::One);
        });
        Ok(())
    }
}

impl CustomOp1 for Tap {
    fn name(&self) -> &'static str {
        "tap"
    }

    fn cpu_fwd(&self, y: &CpuStorage, at: &Layout) -> TensorResult<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(crate::ops::elements(y, at)?.to_vec()), at.shape().clone()))
    }

    fn bwd(&self, _y: &Tensor, _same: &Tensor, dy: &Tensor) -> TensorResult<Option<Tensor>> {
        let dy = dy.contiguous()?;
        with_elements(&dy, |dy| {
            with_elements(&self.x.contiguous()?, |x| {
                with_elements(&self.a, |a| {
                    with_elements(&self.b, |b| match &self.dropout {
                        None => self.record(x, a, b, dy),
                        Some(dropout) => {
                            let mut dropped = x.to_vec();
                            dropout.apply(&mut dropped, self.x.dim(1)?);
                            self.record(&dropped, a, b, dy)
                        }
                    })
                })
            })
        })?;
        Ok(Some(dy))
    }
}

/// What a captured batch gave.
pub(crate) struct CapturedBatch {
    /// Sum of the losses.
    pub loss: f32,
    /// The gradient of that sum, as [`Model::loss_gradients`] gives it.
    pub sum: GradStore,
    /// `[samples, parameters]`: the gradients of the samples' sums of losses.
    pub gradients: Vec<f32>,
    /// `[samples, parameters]`: the same for drawn labels, if there are any.
    pub factors: Vec<f32>,
}

/// [`Model::loss_gradients`] together with the gradients of each sample, for its own labels and for labels that are drawn
/// from the model's predictions; `uniform` has a number in `[0, 1)` for every position of the batch, or none are drawn.
///
/// Cost: one forward pass, which both kinds of labels share, and a backward pass for each; for DoRA a forward pass more, and
/// as many backward passes again.
/// Memory: `2 · samples · parameters` f32, and what the layers keep, whether or not a plain step would keep it.
pub(crate) fn captured_gradients(
    model: &Model,
    adapter: &Adapter,
    batch: &Batch,
    uniform: Option<&[f32]>,
) -> Result<CapturedBatch, TrainError> {
    let tape = Tape::new(model, adapter, batch.lengths());
    let hidden = model.hidden(batch, Some(adapter), tape.as_ref())?;
    let loss = next_token_loss(&hidden, model.head_matrix(), batch.targets().to_vec())?;
    let (value, sum) = (loss.to_scalar()?, loss.backward()?);
    if let Some(tape) = &tape {
        let gradients = tape.take();
        let Some(uniform) = uniform else {
            return Ok(CapturedBatch { loss: value, sum, gradients, factors: Vec::new() });
        };
        let drawn = sampled_targets(&hidden, model.head_matrix(), batch.targets(), uniform)?;
        next_token_loss(&hidden, model.head_matrix(), drawn)?.backward()?;
        return Ok(CapturedBatch { loss: value, sum, gradients, factors: tape.take() });
    }
    let (mut gradients, mut factors, mut first) = (Vec::new(), Vec::new(), 0);
    for index in 0..batch.lengths().len() {
        let sample = batch.single(index);
        let hidden = model.hidden(&sample, Some(adapter), None)?;
        let pass_back = |targets: Vec<u32>, into: &mut Vec<f32>| {
            flatten(adapter, &next_token_loss(&hidden, model.head_matrix(), targets)?.backward()?, into)
        };
        pass_back(sample.targets().to_vec(), &mut gradients)?;
        if let Some(uniform) = uniform {
            let uniform = &uniform[first..first + sample.positions()];
            first += sample.positions();
            pass_back(sampled_targets(&hidden, model.head_matrix(), sample.targets(), uniform)?, &mut factors)?;
        }
    }
    Ok(CapturedBatch { loss: value, sum, gradients, factors })
}

/// `[samples, parameters]`: the gradients of the samples' sums of losses, and nothing else that [`captured_gradients`] gives.
pub(crate) fn batch_gradients(model: &Model, adapter: &Adapter, batch: &Batch) -> Result<Vec<f32>, TrainError> {
    let loss = |batch: &Batch, tape: Option<&Tape>| -> Result<Tensor, TrainError> {
        let hidden = model.hidden(batch, Some(adapter), tape)?;
        Ok(next_token_loss(&hidden, model.head_matrix(), batch.targets().to_vec())?)
    };
    if let Some(tape) = Tape::new(model, adapter, batch.lengths()) {
        loss(batch, Some(&tape))?.backward()?;
        return Ok(tape.take());
    }
    let mut gradients = Vec::new();
    for index in 0..batch.lengths().len() {
        flatten(adapter, &loss(&batch.single(index), None)?.backward()?, &mut gradients)?;
    }
    Ok(gradients)
}

fn flatten(adapter: &Adapter, gradients: &GradStore, flat: &mut Vec<f32>) -> Result<(), TrainError> {
    for (name, variable) in adapter.variables() {
        let gradient = gradients.get(&variable).ok_or(TrainError::NoGradient { name })?;
        with_elements(&gradient.contiguous()?, |values| {
            flat.extend_from_slice(values);
            Ok(())
        })?;
    }
    Ok(())
}

/// [`sample_gradient`](crate::sample_gradient) of several samples, from one backward pass where the adapter allows it.
///
/// Equal to it up to the order in which sums over positions are made. Memory: `samples · parameters` f32.
pub fn sample_gradients(
    model: &Model,
    adapter: &Adapter,
    samples: &[&EncodedSample],
) -> Result<Vec<Vec<f32>>, TrainError> {
    let batch = Batch::new(samples.iter().copied());
    let Some(tape) = Tape::new(model, adapter, batch.lengths()) else {
        return samples.iter().map(|sample| crate::sample_gradient(model, adapter, sample)).collect();
    };
    let hidden = model.hidden(&batch, Some(adapter), Some(&tape))?;
    next_token_loss(&hidden, model.head_matrix(), batch.targets().to_vec())?.backward()?;
    let rows = tape.take();
    let scaled = |(sample, row): (&&EncodedSample, &[f32])| {
        let scale = 1.0 / sample.trained_tokens().max(1) as f32;
        row.iter().map(|value| value * scale).collect()
    };
    Ok(samples.iter().zip(rows.chunks_exact(tape.0.width.max(1))).map(scaled).collect())
}
