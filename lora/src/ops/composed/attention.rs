//! Rotary, causal, grouped-query attention over packed sequences.

use super::super::attention::AttentionShape;
use super::rope::Rotation;
use super::{Composed, apply, wide, wide_dtype};
use crate::rope::RopeTable;
use candle_core::{D, Result, Tensor, bail};
use std::ops::Range;
use std::sync::Arc;

/// [`causal_attention`](super::super::causal_attention).
pub(crate) fn causal_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    shape: AttentionShape,
    lengths: &Arc<Vec<usize>>,
    rope: &Arc<RopeTable>,
) -> Result<Tensor> {
    attention_within((q, k, v), shape, lengths, rope, SCORES_MAX)
}

/// Scores that exist at once: 128 MiB of f32. What positions see of each other grows with the square of a sequence.
const SCORES_MAX: usize = 1 << 25;

/// [`causal_attention`], with at most so many scores at once (but those of a whole query).
pub(in crate::ops) fn attention_within(
    (q, k, v): (&Tensor, &Tensor, &Tensor),
    shape: AttentionShape,
    lengths: &Arc<Vec<usize>>,
    rope: &Arc<RopeTable>,
    scores_max: usize,
) -> Result<Tensor> {
    let op = CausalAttention { shape, lengths: lengths.clone(), rope: rope.clone(), scores_max };
    apply(op, &[q, k, v])
}

struct CausalAttention {
    shape: AttentionShape,
    lengths: Arc<Vec<usize>>,
    rope: Arc<RopeTable>,
    scores_max: usize,
}

/// Rotated keys, and values, of one sequence: `[kv_heads, positions, dim]`.
struct Rows {
    k: Tensor,
    v: Tensor,
}

impl CausalAttention {
    /// The first row and the length of each sequence.
    fn sequences(&self) -> impl Iterator<Item = (usize, usize)> {
        self.lengths.iter().filter(|length| **length > 0).scan(0, |start, length| {
            let first = *start;
            *start += length;
            Some((first, *length))
        })
    }

    /// The place of each row in its sequence.
    fn positions(&self) -> Vec<u32> {
        self.lengths.iter().flat_map(|length| 0..*length as u32).collect()
    }

    /// The blocks of queries of a sequence, each with the positions that any of them sees.
    fn blocks(&self, length: usize) -> Vec<(Range<usize>, Range<usize>)> {
        let rows = (self.scores_max / (self.shape.heads * length).max(1)).clamp(1, length);
        let block = |first: usize| {
            let queries = first..(first + rows).min(length);
            (queries.clone(), self.shape.first_seen(first)..queries.end)
        };
        (0..length).step_by(rows).map(block).collect()
    }
}

/// Queries `[positions, heads, head_dim]` as `[kv_heads, group·positions, head_dim]`.
fn by_group(q: &Tensor, shape: &AttentionShape) -> Result<Tensor> {
    let (positions, heads, dim) = q.dims3()?;
    let group = heads / shape.kv_heads;
    let q = q.reshape((positions, shape.kv_heads, group, dim))?.permute((1, 2, 0, 3))?.contiguous()?;
    q.reshape((shape.kv_heads, group * positions, dim))
}

/// The inverse of [`by_group`]: `[positions, heads·dim]`.
fn by_position(q: &Tensor, shape: &AttentionShape) -> Result<Tensor> {
    let (kv_heads, rows, dim) = q.dims3()?;
    let group = shape.heads / shape.kv_heads;
    let q = q.reshape((kv_heads, group, rows / group, dim))?.permute((2, 0, 1, 3))?.contiguous()?;
    q.reshape((rows / group, shape.heads * dim))
}

/// Keys or values `[positions, kv_heads, dim]` as `[kv_heads, positions, dim]`.
fn by_head(k: &Tensor) -> Result<Tensor> {
    k.transpose(0, 1)?.contiguous()
}

/// What queries see of keys: zero, or so little that it vanishes in a softmax. `[queries, seen]`, wide.
fn veil(shape: &AttentionShape, queries: &Range<usize>, seen: &Range<usize>, like: &Tensor) -> Result<Option<Tensor>> {
    if queries.len() == 1 && seen.start == shape.first_seen(queries.start) {
        return Ok(None);
    }
    let device = like.device();
    let column = |values: Vec<u32>| {
        let count = values.len();
        Tensor::from_vec(values, (count, 1), device)
    };
    let keys = Tensor::from_vec((seen.start as u32..seen.end as u32).collect(), (1, seen.len()), device)?;
    let mut visible = keys.broadcast_le(&column(queries.clone().map(|i| i as u32).collect())?)?;
    if shape.window.is_some() {
        let first = column(queries.clone().map(|i| shape.first_seen(i) as u32).collect())?;
        visible = (visible * keys.broadcast_ge(&first)?)?;
    }
    // Below any score, and far from overflow.
    const HIDDEN: f64 = 1e30;
    Ok(Some(visible.to_dtype(wide_dtype(like.dtype()))?.affine(HIDDEN, -HIDDEN)?))
}

/// Attention probabilities `[kv_heads, group·queries, seen]`, wide, of `q [kv_heads, group·queries, head_dim]` and
/// `k [kv_heads, seen, head_dim]`.
fn probabilities(
    shape: &AttentionShape,
    q: &Tensor,
    k: &Tensor,
    queries: &Range<usize>,
    seen: &Range<usize>,
) -> Result<Tensor> {
    let mut scores = (wide(&q.matmul(&k.t()?)?)? * f64::from(shape.scale()))?;
    if let Some(veil) = veil(shape, queries, seen, q)? {
        let (kv_heads, rows, width) = scores.dims3()?;
        let apart = (kv_heads * rows / queries.len(), queries.len(), width);
        scores = scores.reshape(apart)?.broadcast_add(&veil)?.reshape((kv_heads, rows, width))?;
    }
    let scores = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
    scores.broadcast_div(&scores.sum_keepdim(D::Minus1)?)
}

impl CausalAttention {
    /// `k` and `v` of a sequence by head, in the numbers that are multiplied.
    fn keys_and_values(&self, k: &Tensor, v: &Tensor, start: usize, length: usize) -> Result<Rows> {
        let dtype = v.dtype();
        let v = v.narrow(0, start, length)?.reshape((length, self.shape.kv_heads, self.shape.value_dim))?;
        Ok(Rows { k: by_head(&k.narrow(0, start, length)?.to_dtype(dtype)?)?, v: by_head(&v)? })
    }
}

impl Composed for CausalAttention {
    const NAME: &'static str = "placed-causal-attention";

    fn forward(&self, args: &[&Tensor]) -> Result<Tensor> {
        let [q, k, v] = args else { bail!("attention has three arguments") };
        let dtype = q.dtype();
        let rotation = Rotation::new(&self.rope, &self.positions(), q)?;
        let (q, k, v) = (rotation.forward(q)?, rotation.forward(k)?, v.contiguous()?);
        let mut outputs = Vec::new();
        for (start, length) in self.sequences() {
            let rows = self.keys_and_values(&k, &v, start, length)?;
            for (queries, seen) in self.blocks(length) {
                let q = by_group(&q.narrow(0, start + queries.start, queries.len())?.to_dtype(dtype)?, &self.shape)?;
                let (k, v) = (rows.k.narrow(1, seen.start, seen.len())?, rows.v.narrow(1, seen.start, seen.len())?);
                let p = probabilities(&self.shape, &q, &k, &queries, &seen)?.to_dtype(dtype)?;
                outputs.push(by_position(&p.matmul(&v)?, &self.shape)?);
            }
        }
        Tensor::cat(&outputs, 0)
    }

    /// The probabilities are computed again: keeping them costs memory quadratic in length.
    fn backward(&self, args: &[&Tensor], dy: &Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let [q, k, v] = args else { bail!("attention has three arguments") };
        let (shape, dtype) = (&self.shape, q.dtype());
        let rotation = Rotation::new(&self.rope, &self.positions(), q)?;
        let (q, k, v) = (rotation.forward(q)?, rotation.forward(k)?, v.contiguous()?);
        let (mut dq, mut dk, mut dv) = (Vec::new(), Vec::new(), Vec::new());
        for (start, length) in self.sequences() {
            let rows = self.keys_and_values(&k, &v, start, length)?;
            // Sums over blocks, wide.
            let (mut dk_sum, mut dv_sum): (Option<Tensor>, Option<Tensor>) = (None, None);
            for (queries, seen) in self.blocks(length) {
                let first = start + queries.start;
                let q = by_group(&q.narrow(0, first, queries.len())?.to_dtype(dtype)?, shape)?;
                let dy = dy.narrow(0, first, queries.len())?.reshape((queries.len(), shape.heads, shape.value_dim))?;
                let dy = by_group(&dy, shape)?;
                let (k, v) = (rows.k.narrow(1, seen.start, seen.len())?, rows.v.narrow(1, seen.start, seen.len())?);
                let p = probabilities(shape, &q, &k, &queries, &seen)?;
                let placed = |part: Tensor| wide(&part)?.pad_with_zeros(1, seen.start, length - seen.end);
                add(&mut dv_sum, placed(p.to_dtype(dtype)?.t()?.matmul(&dy)?)?)?;
                let dp = wide(&dy.matmul(&v.t()?)?)?;
                let mean = (&p * &dp)?.sum_keepdim(D::Minus1)?;
                let ds = ((p * dp.broadcast_sub(&mean)?)? * f64::from(shape.scale()))?.to_dtype(dtype)?;
                dq.push(by_position(&ds.matmul(&k.contiguous()?)?, shape)?);
                add(&mut dk_sum, placed(ds.t()?.matmul(&q)?)?)?;
            }
            let flat = |sum: Option<Tensor>, width: usize| match sum {
                Some(sum) => sum.transpose(0, 1)?.contiguous()?.reshape((length, width)),
                None => bail!("a sequence without a block"),
            };
            dk.push(flat(dk_sum, shape.key_width())?);
            dv.push(flat(dv_sum, shape.value_width())?);
        }
        let flat = |rows: Tensor, width: usize| rows.reshape((rows.dim(0)?, width))?.to_dtype(dtype);
        let dq = flat(rotation.back(&Tensor::cat(&dq, 0)?)?, shape.query_width())?;
        let dk = flat(rotation.back(&Tensor::cat(&dk, 0)?)?, shape.key_width())?;
        let dv = flat(Tensor::cat(&dv, 0)?, shape.value_width())?;
        Ok(vec![Some(dq), Some(dk), Some(dv)])
    }
}

fn add(sum: &mut Option<Tensor>, part: Tensor) -> Result<()> {
    *sum = Some(match sum.take() {
        Some(sum) => (sum + part)?,
        None => part,
    });
    Ok(())
}

/// Rotated keys and values of the positions that one layer has seen so far, where the model lies: `[kv_heads, positions,
/// dim]` each.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlacedCache {
    rows: Option<(Tensor, Tensor)>,
}

/// [`attend_cached`](super::super::attend_cached), on tensors: `[positions, heads·head_dim]` and so on.
pub(crate) fn attend_cached(
    (q, k, v): (&Tensor, &Tensor, &Tensor),
    shape: &AttentionShape,
    rope: &RopeTable,
    cache: &mut PlacedCache,
) -> Result<Tensor> {
    let (q, k, v) = (q.detach(), k.detach(), v.detach());
    let (new, dtype) = (q.dim(0)?, q.dtype());
    let first = match &cache.rows {
        Some((keys, _)) => keys.dim(1)?,
        None => 0,
    };
    let positions: Vec<u32> = (first as u32..(first + new) as u32).collect();
    let rotation = Rotation::new(rope, &positions, &q)?;
    let mut keys = by_head(&rotation.forward(&k)?.to_dtype(dtype)?)?;
    let mut values = by_head(&v.contiguous()?.reshape((new, shape.kv_heads, shape.value_dim))?)?;
    if let Some((old_keys, old_values)) = &cache.rows {
        keys = Tensor::cat(&[old_keys, &keys], 1)?.contiguous()?;
        values = Tensor::cat(&[old_values, &values], 1)?.contiguous()?;
    }
    cache.rows = Some((keys.clone(), values.clone()));
    let q = rotation.forward(&q)?.to_dtype(dtype)?;
    let rows = (SCORES_MAX / (shape.heads * (first + new))).clamp(1, new);
    let mut outputs = Vec::new();
    for from in (0..new).step_by(rows) {
        let count = rows.min(new - from);
        let queries = first + from..first + from + count;
        let seen = shape.first_seen(queries.start)..queries.end;
        let q = by_group(&q.narrow(0, from, count)?, shape)?;
        let (k, v) = (keys.narrow(1, seen.start, seen.len())?, values.narrow(1, seen.start, seen.len())?);
        let p = probabilities(shape, &q, &k, &queries, &seen)?.to_dtype(dtype)?;
        outputs.push(by_position(&p.matmul(&v)?, shape)?);
    }
    Tensor::cat(&outputs, 0)
}
