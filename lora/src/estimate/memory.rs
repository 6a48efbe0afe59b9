//! Memory at the peak of a run.

use super::layer::{Decoder, Part};
use super::{Plan, SampleLength, TRACE_BYTES};

/// Bytes of a process that has loaded nothing: code, threads, tables, and what loading and the check of the arithmetic
/// leave in the allocator. Fitted to the shapes of `examples/estimate.rs`.
const PROCESS_BYTES: f64 = 17e6;
/// Bytes that a thread's buffers for matrix products take.
const THREAD_BYTES: f64 = 3e6;
/// What the allocator holds above what is in use, as a part of what comes and goes within a step.
const FRAGMENTATION: f64 = 0.04;
/// Queries that attention computes at once.
const QUERIES: usize = 64;
/// Rows of logits that exist at once.
const HEAD_ROWS: usize = 128;
/// Bytes of a sample beside its tokens.
const SAMPLE_BYTES: usize = 120;

/// Bytes of memory at the peak of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// The base model.
    pub base: u64,
    /// The adapter's parameters.
    pub adapter: u64,
    /// The optimiser's two averages, and the sums of gradients.
    pub optimiser: u64,
    /// What the largest micro batch keeps for the backward pass.
    pub activations: u64,
    /// What else exists at the widest moment of a step.
    pub transient: u64,
    /// The process itself, its threads, the samples.
    pub process: u64,
    /// What writing a checkpoint or loading the base takes above the largest moment of a step, if it does.
    pub files: u64,
}

impl MemoryEstimate {
    /// All of it.
    pub fn peak(&self) -> u64 {
        self.base + self.adapter + self.optimiser + self.activations + self.transient + self.process + self.files
    }
}

pub(super) fn estimate(plan: &Plan<'_>, decoder: &Decoder, threads: usize) -> MemoryEstimate {
    let base = decoder.base_bytes(plan.precision, plan.is_bf16);
    let parameters = decoder.adapter_parameters(plan.lora) as f64;
    let accumulated = if plan.train.batch_size > plan.train.micro_batch_size { 2.0 } else { 1.0 };
    let tokens: usize = plan.training.iter().chain(&plan.validation).map(|sample| sample.positions + 1).sum();
    let samples = tokens * 4 + SAMPLE_BYTES * (plan.training.len() + plan.validation.len());
    let process = PROCESS_BYTES + THREAD_BYTES * threads as f64 + (decoder.rope_bytes + samples) as f64;

    let (mut activations, mut transient) = (0.0, 0.0);
    let mut widest = |micro_batch: &[SampleLength], trains: bool| {
        let (kept, other) = step(plan, decoder, micro_batch, threads, trains);
        if kept + other > activations + transient {
            (activations, transient) = (kept, other);
        }
    };
    plan.each_micro_batch(|micro_batch| widest(micro_batch, true));
    plan.each_of_evaluation(|micro_batch| widest(micro_batch, false));
    transient += FRAGMENTATION * (activations + transient);

    // Parameters and averages as bytes, and once more as a file; the trace likewise.
    let checkpoint = 24.0 * parameters + (2 * TRACE_BYTES * plan.steps()) as f64;
    // A tensor in the file's 16 bits and in f32, while little else exists.
    let loading = 6.0 * decoder.largest as f64 - 16.0 * parameters;
    let gradients = 4.0 * parameters * accumulated;
    let files = (checkpoint.max(loading) - activations - transient - gradients).max(0.0);
    MemoryEstimate {
        base: base as u64,
        adapter: (4.0 * parameters) as u64,
        optimiser: (8.0 * parameters + gradients) as u64,
        activations: activations as u64,
        transient: transient as u64,
        process: process as u64,
        files: files as u64,
    }
}

/// What a micro batch keeps, and what comes and goes besides at the widest moment.
fn step(plan: &Plan<'_>, decoder: &Decoder, micro_batch: &[SampleLength], threads: usize, trains: bool) -> (f64, f64) {
    let positions: usize = micro_batch.iter().map(|sample| sample.positions).sum();
    let trained: usize = micro_batch.iter().map(|sample| sample.trained).sum();
    let (rows, hidden) = (4.0 * positions as f64, decoder.hidden as f64);
    let scores = scores_bytes(micro_batch, threads);
    let of_part = |part: &Part, attends: bool| {
        let scores = if attends { scores } else { 0.0 };
        (part.kept * rows, part.transient * rows + scores)
    };
    let parts = || decoder.layers.iter().flat_map(|layer| [(&layer.attention, true), (&layer.feed_forward, false)]);
    let widest_part = |backward: bool| {
        let sizes = parts().map(|(part, attends)| {
            let (kept, transient) = of_part(part, attends);
            kept + if backward { transient } else { 0.0 }
        });
        sizes.fold(0.0, f64::max)
    };
    let logits = 4.0 * (trained.min(HEAD_ROWS) * (decoder.vocabulary + 2 * decoder.hidden)) as f64;
    // The output, normalised, and its gradient.
    let head = logits + 2.0 * hidden * rows;
    if !trains {
        return (0.0, widest_part(false).max(head) + hidden * rows);
    }
    if plan.train.activation_checkpointing {
        let links = (2 * decoder.layers.len() + 1) as f64 * hidden * rows;
        return (links, (widest_part(true) + 2.0 * hidden * rows).max(head));
    }
    let first = decoder.first_trained();
    let kept: f64 = decoder.layers[first..].iter().map(|l| (l.attention.kept + l.feed_forward.kept) * rows).sum();
    let transients = parts().map(|(part, attends)| of_part(part, attends).1);
    let transient = transients.fold(0.0, f64::max) + hidden * rows;
    (kept + hidden * rows, transient.max(head))
}

/// Attention scores of a block of queries and their gradients, in every thread.
fn scores_bytes(micro_batch: &[SampleLength], threads: usize) -> f64 {
    let longest = micro_batch.iter().map(|sample| sample.positions).max().unwrap_or(0);
    (8 * QUERIES.min(longest) * longest * threads.max(1)) as f64
}
