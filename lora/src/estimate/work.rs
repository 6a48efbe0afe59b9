//! How much a run computes, counted; and how long that takes at a measured speed.

use super::layer::{Decoder, Part, Product};
use super::{MachineSpeed, Plan, SampleLength};
use crate::quant::Precision;

/// Computations of a run by kind; the speed of each kind is measured with the operation that does it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Multiply-adds of products with whole weights.
    pub products: f64,
    /// Multiply-adds of products with the adapter's narrow matrices.
    pub narrow_products: f64,
    /// Pairs of positions times features of queries and values, forward.
    pub attention_forward: f64,
    /// The same, backward.
    pub attention_backward: f64,
    /// Multiply-adds of the head with its loss: logits, and with a gradient as many again.
    pub head: f64,
    /// Floats that everything else touches.
    pub elements: f64,
    /// Elements of packed weights that are unpacked.
    pub unpacked: f64,
    /// Random numbers.
    pub random: f64,
    /// Parameters that the optimiser moves.
    pub moved: f64,
    /// Bytes that are hashed and written to the run's folder.
    pub files: f64,
}

impl Work {
    pub(super) fn seconds(&self, speed: &MachineSpeed) -> f64 {
        let parts = [
            (self.products, speed.products),
            (self.narrow_products, speed.narrow_products),
            (self.attention_forward, speed.attention_forward),
            (self.attention_backward, speed.attention_backward),
            (self.head, speed.head),
            (self.elements, speed.elements),
            (self.unpacked, speed.unpacked),
            (self.random, speed.random),
            (self.moved, speed.moved),
            (self.files, speed.files),
        ];
        parts.iter().map(|(amount, per_second)| amount / per_second).sum()
    }
}

/// Floats that the backward pass touches for one that the forward pass does, in operations that are no products.
/// Fitted to the shapes of `examples/estimate.rs`.
const BACKWARD_ELEMENTS: f64 = 1.4;

pub(super) fn estimate(plan: &Plan<'_>, decoder: &Decoder) -> Work {
    let mut work = Work::default();
    plan.each_micro_batch(|micro_batch| micro_batch_work(plan, decoder, micro_batch, true, &mut work));
    let mut evaluation = Work::default();
    for micro_batch in plan.validation.chunks(plan.train.micro_batch_size) {
        micro_batch_work(plan, decoder, micro_batch, false, &mut evaluation);
    }
    work.add(&evaluation, plan.evaluations() as f64);
    work.moved += decoder.adapter_parameters(plan.lora) as f64 * plan.steps() as f64;
    work
}

impl Work {
    fn add(&mut self, other: &Self, times: f64) {
        self.products += times * other.products;
        self.narrow_products += times * other.narrow_products;
        self.attention_forward += times * other.attention_forward;
        self.attention_backward += times * other.attention_backward;
        self.head += times * other.head;
        self.elements += times * other.elements;
        self.unpacked += times * other.unpacked;
        self.random += times * other.random;
        self.moved += times * other.moved;
        self.files += times * other.files;
    }
}

fn micro_batch_work(plan: &Plan<'_>, decoder: &Decoder, micro_batch: &[SampleLength], trains: bool, work: &mut Work) {
    let positions: usize = micro_batch.iter().map(|sample| sample.positions).sum();
    let trained: usize = micro_batch.iter().map(|sample| sample.trained).sum();
    let rows = positions as f64;
    let pairs: f64 = micro_batch.iter().map(|sample| (sample.positions as f64).powi(2)).sum();
    let attention = pairs * (decoder.heads * (decoder.head_dim + decoder.value_dim)) as f64;
    let recompute = trains && plan.train.activation_checkpointing;
    let first = decoder.first_trained();
    for (index, layer) in decoder.layers.iter().enumerate() {
        let backward = trains && index >= first;
        // The inside of a half is computed a second time, but for its last product.
        let again = recompute && backward;
        work.attention_forward += attention * if again { 2.0 } else { 1.0 };
        if backward {
            work.attention_backward += attention;
        }
        for part in [&layer.attention, &layer.feed_forward] {
            let passes = 1.0 + if again { 1.0 } else { 0.0 } + if backward { BACKWARD_ELEMENTS } else { 0.0 };
            work.elements += part.touched * rows * passes;
            part_products(plan, part, rows, backward, again, index == first, trains, work);
        }
    }
    let passes = if trains { 2.0 } else { 1.0 };
    work.head += passes * (trained * decoder.vocabulary * decoder.hidden) as f64;
    if trains && plan.train.neftune_alpha.is_some() {
        work.random += rows * decoder.hidden as f64;
    }
}

#[expect(clippy::too_many_arguments, reason = "the inner loop of one function, apart for its length")]
fn part_products(
    plan: &Plan<'_>,
    part: &Part,
    rows: f64,
    backward: bool,
    again: bool,
    is_first: bool,
    trains: bool,
    work: &mut Work,
) {
    for Product { input, output, share, adapted, last, reads_input } in &part.linears {
        let (input, output, rows) = (*input as f64, *output as f64, rows * share);
        let decomposed = *adapted && plan.lora.weight_decomposed;
        let dropout = trains && *adapted && plan.lora.dropout > 0.0;
        let again = again && (!last || decomposed);
        let through = backward && !(is_first && *reads_input);
        let forward = 1.0 + f64::from(u8::from(again));
        // With dropout, the part of a decomposed layer that is not adapted has a product of its own.
        let doubled = if decomposed && dropout { 2.0 } else { 1.0 };
        let passes = doubled * (forward + f64::from(u8::from(through)));
        work.products += passes * rows * input * output;
        if plan.precision != Precision::F32 {
            work.unpacked += passes * input * output + if decomposed { forward * input * output } else { 0.0 };
        }
        if *adapted {
            let rank = plan.lora.rank as f64;
            work.narrow_products += forward * rows * rank * (input + output);
            if backward {
                // down, dA and d_down, dB; and dx.
                work.narrow_products += rows * rank * (2.0 * input + 2.0 * output);
                if through {
                    work.narrow_products += rows * rank * input;
                }
            }
            if decomposed {
                work.narrow_products += forward * rank * input * output;
                work.elements += forward * input * output + 4.0 * rows * output;
            }
            if dropout {
                work.random += (forward + 2.0) * rows * input;
            }
        }
    }
}
