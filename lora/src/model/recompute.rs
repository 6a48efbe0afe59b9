//! Losses and gradients of a batch, with or without keeping what lies inside the decoder's layers.
//!
//! A layer is two halves, attention and feed-forward block, each of which adds to what comes in. To save memory, the
//! forward pass keeps only what goes into each half, and the backward pass computes the inside of one half at a time again.
//! Source: arXiv 1604.06174, section 4.2.
//!
//! # Invariant
//! The gradients have the same bits either way: the same operations see the same numbers (the randomness of a step depends
//! on places only, see [`crate::noise`]), and sums of gradients are made in the same order.

use super::Model;
use super::linear::Pass;
use crate::batch::Batch;
use crate::lora::Adapter;
use crate::ops::{self, Composed};
use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor, Var};

impl Model {
    /// Sum of the losses of the batch's trained positions, with its gradients for all variables that it depends on.
    ///
    /// `recompute` keeps `2·layers` times `[positions, hidden]` instead of everything that a gradient is made from.
    /// Cost: with it, the layers run a second time, without the last product of each half.
    pub(crate) fn loss_gradients(
        &self,
        batch: &Batch,
        adapter: Option<&Adapter>,
        recompute: bool,
    ) -> Result<(f32, GradStore)> {
        if !recompute {
            let loss = self.loss_sum(batch, adapter)?;
            return Ok((loss.to_scalar()?, loss.backward()?));
        }
        let pass = Pass { adapter, rows: None, noise: batch.noise(), unread: false, decode: false, tape: None };
        let embedded = self.embed(batch.tokens(), pass)?;
        let mut x = Link::new(&embedded, false);
        let mut inputs = Vec::with_capacity(2 * self.layers.len());
        for half in self.halves() {
            let y = Link::new(&self.half(half, &x.tensor, batch, pass)?, x.tracked);
            inputs.push((half, std::mem::replace(&mut x, y)));
        }
        let (loss, mut gradients) = {
            let output = x.into_variable()?;
            let hidden = self.norm.forward(&output)?;
            let loss = ops::next_token_loss(&hidden, self.head_matrix(), batch.targets().to_vec())?;
            let mut gradients = loss.backward()?;
            let d_output = gradients.remove(&output);
            (loss.to_scalar()?, Gradients { of_variables: gradients, of_output: d_output })
        };
        let pass = Pass { unread: true, ..pass };
        while let (Some((half, input)), true) = (inputs.pop(), gradients.of_output.is_some()) {
            let input = input.into_variable()?;
            gradients.step_back(&self.half(half, &input, batch, pass)?, &input)?;
        }
        if let Some(gradient) = gradients.of_output.take().filter(|_| embedded.track_op()) {
            self.embedding_gradient(batch.tokens(), &gradient, &mut gradients.of_variables)?;
        }
        Ok((loss, gradients.of_variables))
    }

    /// Adds the gradient that comes through the embedded tokens to that of the embeddings, which a tied head has already.
    ///
    /// Row by row, as candle does: adding a sum of rows instead would round otherwise.
    fn embedding_gradient(&self, tokens: &[u32], gradient: &Tensor, of_variables: &mut GradStore) -> Result<()> {
        let gradient = match self.embedding_scale() {
            Some(scale) => (gradient * scale)?,
            None => gradient.clone(),
        };
        let embeddings = self.embeddings.as_dense()?;
        let tokens = Tensor::new(tokens, gradient.device())?;
        let sum = match of_variables.remove(embeddings) {
            Some(sum) => sum,
            None => embeddings.zeros_like()?,
        };
        of_variables.insert(embeddings, sum.index_add(&tokens, &gradient, 0)?);
        Ok(())
    }

    /// Sum of the losses of the batch's trained positions, without anything that a gradient needs.
    pub(crate) fn plain_loss_sum(&self, batch: &Batch, adapter: Option<&Adapter>) -> Result<f32> {
        let pass = Pass { adapter, rows: None, noise: batch.noise(), unread: false, decode: false, tape: None };
        let mut x = self.embed(batch.tokens(), pass)?.detach();
        for half in self.halves() {
            x = self.half(half, &x, batch, pass)?.detach();
        }
        let hidden = self.norm.forward(&x)?.detach();
        ops::next_token_loss(&hidden, &self.head_matrix().detach(), batch.targets().to_vec())?.to_scalar()
    }

    fn halves(&self) -> impl Iterator<Item = Half> + use<> {
        (0..self.layers.len()).flat_map(|layer| [Half::Attention(layer), Half::FeedForward(layer)])
    }

    fn half(&self, half: Half, x: &Tensor, batch: &Batch, pass: Pass<'_>) -> Result<Tensor> {
        match half {
            Half::Attention(layer) => self.layers[layer].with_attention(x, pass, |shape, heads| {
                ops::causal_attention(&heads.q, &heads.k, &heads.v, *shape, batch.lengths(), self.rope())
            }),
            Half::FeedForward(layer) => self.layers[layer].with_feed_forward(x, pass),
        }
    }
}

/// A half of the layer with this number.
#[derive(Clone, Copy)]
enum Half {
    Attention(usize),
    FeedForward(usize),
}

/// What one half hands to the next, cut off from how it was computed.
struct Link {
    tensor: Tensor,
    /// Whether a gradient flows back through it.
    tracked: bool,
}

impl Link {
    /// `before`: whether a gradient flows back through what the tensor was computed from, which is cut off from it.
    fn new(tensor: &Tensor, before: bool) -> Self {
        Self { tensor: tensor.detach(), tracked: before || tensor.track_op() }
    }

    /// A tensor from which the half that follows is computed, and whose gradient is kept if one flows.
    fn into_variable(self) -> Result<Tensor> {
        Ok(if self.tracked { Var::from_tensor(&self.tensor)?.into_inner() } else { self.tensor })
    }
}

struct Gradients {
    of_variables: GradStore,
    /// That of the output of the half before the last one done; `None` if nothing is trained in it or before it.
    of_output: Option<Tensor>,
}

impl Gradients {
    /// From the gradient of `output` to those of the variables in how it was computed, and of `input`.
    fn step_back(&mut self, output: &Tensor, input: &Tensor) -> Result<()> {
        let Some(gradient) = self.of_output.take() else { return Ok(()) };
        if !output.track_op() {
            return Ok(());
        }
        let mut found = ops::apply(Seed { gradient }, &[output])?.backward()?;
        self.of_output = found.remove(input);
        self.of_variables.extend(found)
    }
}

/// A number whose gradient for `x` is the given one: where the backward pass of a part begins.
struct Seed {
    gradient: Tensor,
}

impl Composed for Seed {
    const NAME: &'static str = "seed";

    fn forward(&self, args: &[&Tensor]) -> Result<Tensor> {
        Tensor::zeros((), DType::F32, args[0].device())
    }

    fn backward(&self, _: &[&Tensor], _: &Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(self.gradient.clone())])
    }
}
