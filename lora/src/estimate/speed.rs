//! How fast this machine computes.

use crate::config::{Activation, RopeConfig, RopeScaling};
use crate::config::{Architecture, ModelConfig};
use crate::noise::Noise;
use crate::ops::{self, AttentionShape};
use crate::optim::{AdamW, AdamWConfig};
use crate::quant::Nf4Matrix;
use crate::rope::RopeTable;
use candle_core::{Device, Result, Tensor, Var};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;

/// Computations per second, by the kinds of [`Work`](super::Work).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of Work, per second")]
pub struct MachineSpeed {
    pub products: f64,
    pub narrow_products: f64,
    pub attention_forward: f64,
    pub attention_backward: f64,
    pub head: f64,
    pub elements: f64,
    pub unpacked: f64,
    pub random: f64,
    pub moved: f64,
    pub files: f64,
}

/// Positions, features and rank of what is measured: as in a small model, and small enough for a fraction of a second.
const ROWS: usize = 256;
const WIDE: usize = 768;
const RANK: usize = 16;
/// The best of so many counts within a round: what was interrupted says nothing.
const REPEATS: usize = 3;
/// The median of so many rounds counts: a processor that others use too is now faster, now slower, for seconds on end.
const ROUNDS: usize = 5;

impl MachineSpeed {
    /// Measures the speed with the threads that a run would use. Cost: about a second on a machine without other work.
    pub fn measure() -> Result<Self> {
        let began = Instant::now();
        Self::measure_by(&mut || began.elapsed().as_secs_f64())
    }

    /// As [`MachineSpeed::measure`], by another clock in seconds, such as that of the time which the process really ran.
    pub fn measure_by(clock: &mut dyn FnMut() -> f64) -> Result<Self> {
        let rounds = (0..ROUNDS).map(|_| Self::round(clock)).collect::<Result<Vec<Self>>>()?;
        let median = |of: fn(&Self) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[ROUNDS / 2]
        };
        Ok(Self {
            products: median(|speed| speed.products),
            narrow_products: median(|speed| speed.narrow_products),
            attention_forward: median(|speed| speed.attention_forward),
            attention_backward: median(|speed| speed.attention_backward),
            head: median(|speed| speed.head),
            elements: median(|speed| speed.elements),
            unpacked: median(|speed| speed.unpacked),
            random: median(|speed| speed.random),
            moved: median(|speed| speed.moved),
            files: median(|speed| speed.files),
        })
    }

    fn round(clock: &mut dyn FnMut() -> f64) -> Result<Self> {
        let mut per_second =
            |amount: f64, work: &mut dyn FnMut() -> Result<Option<Tensor>>| per_second(clock, amount, work);
        let values = |count: usize| (0..count).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect::<Vec<_>>();
        let tensor =
            |rows: usize, columns: usize| Tensor::from_vec(values(rows * columns), (rows, columns), &Device::Cpu);
        let variable = |rows, columns| Var::from_tensor(&tensor(rows, columns)?);
        let (x, w, narrow) = (tensor(ROWS, WIDE)?, tensor(WIDE, WIDE)?, tensor(RANK, WIDE)?);
        let products = per_second((ROWS * WIDE * WIDE) as f64, &mut || ops::linear(&x, &w).map(Some))?;
        let narrow_products = per_second((ROWS * RANK * WIDE) as f64, &mut || ops::linear(&x, &narrow).map(Some))?;

        let (heads, dim) = (8, 64);
        let shape = AttentionShape { heads, kv_heads: heads, head_dim: dim, value_dim: dim, window: None };
        let rope = Arc::new(RopeTable::new(&rotary(dim)));
        let lengths = Arc::new(vec![ROWS]);
        let [q, k, v] = [variable(ROWS, heads * dim)?, variable(ROWS, heads * dim)?, variable(ROWS, heads * dim)?];
        let attend = || ops::causal_attention(q.as_tensor(), k.as_tensor(), v.as_tensor(), shape, &lengths, &rope);
        let pairs = (ROWS * ROWS * heads * 2 * dim) as f64;
        let attention_forward = per_second(pairs, &mut || attend().map(Some))?;
        let both = per_second(pairs, &mut || {
            attend()?.sum_all()?.backward()?;
            Ok(None)
        })?;
        let attention_backward = 1.0 / (1.0 / both - 1.0 / attention_forward).max(0.1 / both);

        let (features, vocabulary) = (512, 4096);
        let (hidden, head) = (variable(128, features)?, tensor(vocabulary, features)?.into());
        let targets: Vec<u32> = (0..128).collect();
        let head = per_second((2 * 128 * vocabulary * features) as f64, &mut || {
            ops::next_token_loss(hidden.as_tensor(), &head, targets.clone()).map(Some)
        })?;

        // Floats that a norm, a gate and a sum touch, and what the backward pass makes of them.
        let (gate, up, weight) = (variable(ROWS, WIDE)?, variable(ROWS, WIDE)?, tensor(1, WIDE)?.flatten_all()?);
        let touched = (ROWS * WIDE) as f64 * (2.0 + 3.0 + 3.0) * 3.0;
        let elements = per_second(touched, &mut || {
            let normed = ops::rms_norm(gate.as_tensor(), &weight, 1e-5, 0.0)?;
            let gated = ops::gated(&normed, up.as_tensor(), Activation::Silu)?;
            let sum = (gated + gate.as_tensor())?;
            sum.sum_all()?.backward()?;
            Ok(Some(sum))
        })?;

        let packed = Nf4Matrix::quantise(&values(WIDE * WIDE), WIDE, WIDE, true).map_err(candle_core::Error::wrap)?;
        let mut rows = vec![0f32; WIDE * WIDE];
        let unpacked = per_second((WIDE * WIDE) as f64, &mut || {
            packed.rows_into(0, &mut rows);
            Ok(None)
        })?;
        let (places, lengths) = (Arc::new(vec![0]), Arc::new(vec![ROWS]));
        let noise = Noise { seed: 0, step: 0, places, embedding_alpha: 0.0, lengths };
        let random = match noise.dropout("speed", 0.1) {
            Some(dropout) => per_second((ROWS * WIDE) as f64, &mut || {
                dropout.apply(&mut rows[..ROWS * WIDE], WIDE);
                Ok(None)
            })?,
            None => f64::INFINITY,
        };
        let mut optimiser = AdamW::new(AdamWConfig::default(), [WIDE * WIDE]);
        optimiser.begin();
        let step = optimiser.constants(1e-4);
        let gradient = values(WIDE * WIDE);
        let moved = per_second((WIDE * WIDE) as f64, &mut || {
            optimiser.update(&step, 0, &mut rows, &gradient, 1.0);
            Ok(None)
        })?;
        // What is written is laid out in memory, hashed, and copied to pages of the system's cache; the disk is not waited for
        // by the processor.
        let files = per_second((4 * WIDE * WIDE) as f64, &mut || {
            let laid_out: Vec<u8> = gradient.iter().flat_map(|value| value.to_le_bytes()).collect();
            blake3::hash(&laid_out);
            Tensor::from_vec(laid_out.clone(), WIDE * WIDE * 4, &Device::Cpu).map(Some)
        })?;
        Ok(Self {
            products,
            narrow_products,
            attention_forward,
            attention_backward,
            head,
            elements,
            unpacked,
            random,
            moved,
            files,
        })
    }
}

fn rotary(head_dim: usize) -> ModelConfig {
    ModelConfig {
        vocab_size: 1,
        hidden_size: head_dim,
        intermediate_size: 1,
        layers: 0,
        heads: 1,
        kv_heads: 1,
        head_dim,
        rms_norm_eps: 1e-5,
        rope: RopeConfig { theta: 1e4, scaling: RopeScaling::None },
        positions_max: ROWS,
        tie_word_embeddings: true,
        bos_token_id: None,
        eos_token_ids: Vec::new(),
        architecture: Architecture::default(),
    }
}

/// What the best of several repetitions does in a second.
///
/// Results are kept until the end, as a run keeps them: memory that is used for the first time costs more than what was
/// used just now.
fn per_second(
    clock: &mut dyn FnMut() -> f64,
    amount: f64,
    work: &mut dyn FnMut() -> Result<Option<Tensor>>,
) -> Result<f64> {
    let mut kept = vec![work()?];
    let mut best = f64::INFINITY;
    for _ in 0..REPEATS {
        let began = clock();
        kept.push(work()?);
        best = best.min(clock() - began);
    }
    Ok(amount / best.max(1e-9))
}
