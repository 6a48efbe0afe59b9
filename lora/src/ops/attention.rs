//! Rotary, causal, grouped-query attention over packed sequences.

use super::gemm::{Into, Threads, View, product};
use super::math::{dot, exp, max, sum};
use super::{elements, with_elements};
use crate::rope::RopeTable;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::sync::Arc;

/// Heads of an attention layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttentionShape {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Features of one head's query and key.
    pub head_dim: usize,
    /// Features of one head's value.
    pub value_dim: usize,
    /// Positions that a position sees, itself among them; `None`: all up to itself.
    pub window: Option<usize>,
}

impl AttentionShape {
    /// Features of all queries of a position.
    pub(crate) fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Features of all keys of a position.
    pub(crate) fn key_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Features of all values of a position.
    pub(crate) fn value_width(&self) -> usize {
        self.kv_heads * self.value_dim
    }

    /// Features of the output of a position.
    pub(crate) fn output_width(&self) -> usize {
        self.heads * self.value_dim
    }

    /// The first position that `position` sees.
    fn first_seen(&self, position: usize) -> usize {
        self.window.map_or(0, |window| (position + 1).saturating_sub(window))
    }

    fn kv_head(&self, head: usize) -> usize {
        head / (self.heads / self.kv_heads)
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

/// Rotates queries and keys by their position, then attends to the positions up to and including one's own, at most as
/// many as the window has.
///
/// Shapes: `q [positions, heads·head_dim]`, `k [positions, kv_heads·head_dim]`, `v [positions, kv_heads·value_dim]` ->
/// `[positions, heads·value_dim]`.
/// `lengths` cuts the packed positions into sequences; each starts at position 0 and sees nothing of the others.
pub(crate) fn causal_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    shape: AttentionShape,
    lengths: &Arc<Vec<usize>>,
    rope: &Arc<RopeTable>,
) -> Result<Tensor> {
    if let Some(longest) = lengths.iter().max().filter(|n| **n > rope.positions()) {
        bail!("a sequence of {longest} tokens exceeds the model's {} positions", rope.positions());
    }
    q.apply_op3(k, v, CausalAttention { shape, lengths: lengths.clone(), rope: rope.clone() })
}

struct CausalAttention {
    shape: AttentionShape,
    lengths: Arc<Vec<usize>>,
    rope: Arc<RopeTable>,
}

/// Queries, keys and values of one sequence; queries and keys rotated.
struct Sequence<'a> {
    length: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: &'a [f32],
}

impl CausalAttention {
    fn rotated(&self, heads: &[f32], width: usize) -> Vec<f32> {
        let mut heads = heads.to_vec();
        heads.chunks_exact_mut(width).enumerate().for_each(|(position, row)| self.rope.rotate(row, position));
        heads
    }

    fn sequences<'a>(&self, q: &[f32], k: &[f32], v: &'a [f32]) -> Vec<Sequence<'a>> {
        let (wide, narrow, values) = (self.shape.query_width(), self.shape.key_width(), self.shape.value_width());
        let mut start = 0;
        self.lengths
            .iter()
            .map(|&length| {
                let rows = start..start + length;
                start = rows.end;
                Sequence {
                    length,
                    q: self.rotated(&q[rows.start * wide..rows.end * wide], wide),
                    k: self.rotated(&k[rows.start * narrow..rows.end * narrow], narrow),
                    v: &v[rows.start * values..rows.end * values],
                }
            })
            .collect()
    }

    /// Attention probabilities `[length, length]` of one head, zero for what is not seen.
    fn probabilities(&self, s: &Sequence<'_>, head: usize, out: &mut [f32]) {
        let (n, dim) = (s.length, self.shape.head_dim);
        let q = View::strided(&s.q[head * dim..], n, dim, self.shape.query_width());
        let k = View::strided(&s.k[self.shape.kv_head(head) * dim..], n, dim, self.shape.key_width());
        product(out, n, Into::Overwrite, q, k.transposed(), self.shape.scale(), Threads::One);
        for (i, row) in out.chunks_exact_mut(n).enumerate() {
            let (seen, later) = row.split_at_mut(i + 1);
            let (earlier, seen) = seen.split_at_mut(self.shape.first_seen(i));
            softmax(seen);
            earlier.fill(0.0);
            later.fill(0.0);
        }
    }

    fn forward(&self, s: &Sequence<'_>, out: &mut [f32]) {
        let (n, dim, wide) = (s.length, self.shape.value_dim, self.shape.output_width());
        let mut p = vec![0f32; n * n];
        for head in 0..self.shape.heads {
            self.probabilities(s, head, &mut p);
            let v = View::strided(&s.v[self.shape.kv_head(head) * dim..], n, dim, self.shape.value_width());
            product(&mut out[head * dim..], wide, Into::Overwrite, View::dense(&p, n, n), v, 1.0, Threads::One);
        }
    }

    /// Gradients of one sequence. The probabilities are computed again: keeping them costs memory quadratic in length.
    fn backward(&self, s: &Sequence<'_>, dy: &[f32], dq: &mut [f32], dk: &mut [f32], dv: &mut [f32]) {
        let shape = self.shape;
        let (n, dim, wide, narrow) = (s.length, shape.head_dim, shape.query_width(), shape.key_width());
        let (value_dim, values, outputs) = (shape.value_dim, shape.value_width(), shape.output_width());
        let (mut p, mut dp) = (vec![0f32; n * n], vec![0f32; n * n]);
        for head in 0..shape.heads {
            let (at, kv_at) = (head * dim, shape.kv_head(head) * dim);
            let q = View::strided(&s.q[at..], n, dim, wide);
            let k = View::strided(&s.k[kv_at..], n, dim, narrow);
            let value_at = shape.kv_head(head) * value_dim;
            let v = View::strided(&s.v[value_at..], n, value_dim, values);
            let dy = View::strided(&dy[head * value_dim..], n, value_dim, outputs);
            self.probabilities(s, head, &mut p);
            let one = Threads::One;
            product(&mut dv[value_at..], values, Into::Add, View::dense(&p, n, n).transposed(), dy, 1.0, one);
            product(&mut dp, n, Into::Overwrite, dy, v.transposed(), 1.0, one);
            for (i, (p, dp)) in p.chunks_exact(n).zip(dp.chunks_exact_mut(n)).enumerate() {
                let (dp, later) = dp.split_at_mut(i + 1);
                let (earlier, dp) = dp.split_at_mut(shape.first_seen(i));
                let p = &p[earlier.len()..=i];
                let mean = dot(p, dp);
                for (dp, p) in dp.iter_mut().zip(p) {
                    *dp = p * (*dp - mean) * shape.scale();
                }
                earlier.fill(0.0);
                later.fill(0.0);
            }
            let dp = View::dense(&dp, n, n);
            product(&mut dq[at..], wide, Into::Overwrite, dp, k, 1.0, one);
            product(&mut dk[kv_at..], narrow, Into::Add, dp.transposed(), q, 1.0, one);
        }
        dq.chunks_exact_mut(wide).enumerate().for_each(|(i, row)| self.rope.rotate_back(row, i));
        dk.chunks_exact_mut(narrow).enumerate().for_each(|(i, row)| self.rope.rotate_back(row, i));
    }

    /// Cuts packed rows of `width` features into the sequences' parts.
    fn split<'a>(&self, mut values: &'a mut [f32], width: usize) -> Vec<&'a mut [f32]> {
        self.lengths
            .iter()
            .map(|length| {
                let (part, rest) = std::mem::take(&mut values).split_at_mut(length * width);
                values = rest;
                part
            })
            .collect()
    }
}

impl CustomOp3 for CausalAttention {
    fn name(&self) -> &'static str {
        "causal-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_at: &Layout,
        k: &CpuStorage,
        k_at: &Layout,
        v: &CpuStorage,
        v_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (q, k, v) = (elements(q, q_at)?, elements(k, k_at)?, elements(v, v_at)?);
        let (positions, width) = (q_at.shape().dims2()?.0, self.shape.output_width());
        let mut y = vec![0f32; positions * width];
        let sequences = self.sequences(q, k, v);
        let parts = self.split(&mut y, width);
        sequences.par_iter().zip(parts).for_each(|(sequence, out)| self.forward(sequence, out));
        Ok((CpuStorage::F32(y), Shape::from((positions, width))))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (outputs, shape) = (self.shape.output_width(), &self.shape);
        let (mut dq, mut dk, mut dv) =
            (vec![0f32; q.elem_count()], vec![0f32; k.elem_count()], vec![0f32; v.elem_count()]);
        with_elements(q, |q| {
            with_elements(k, |k| {
                with_elements(v, |v| {
                    with_elements(&dy, |dy| {
                        let mut start = 0;
                        let mut work = Vec::with_capacity(self.lengths.len());
                        let parts = self
                            .split(&mut dq, shape.query_width())
                            .into_iter()
                            .zip(self.split(&mut dk, shape.key_width()))
                            .zip(self.split(&mut dv, shape.value_width()));
                        for (sequence, ((dq, dk), dv)) in self.sequences(q, k, v).into_iter().zip(parts) {
                            let end = start + sequence.length * outputs;
                            work.push((sequence, &dy[start..end], dq, dk, dv));
                            start = end;
                        }
                        work.into_par_iter()
                            .for_each(|(sequence, dy, dq, dk, dv)| self.backward(&sequence, dy, dq, dk, dv));
                        Ok(())
                    })
                })
            })
        })?;
        Ok((
            Some(Tensor::from_vec(dq, q.shape(), q.device())?),
            Some(Tensor::from_vec(dk, k.shape(), k.device())?),
            Some(Tensor::from_vec(dv, v.shape(), v.device())?),
        ))
    }
}

/// Rotated keys and values of the positions that one layer has seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerCache {
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// Attention of new positions over everything cached before them, without gradients.
///
/// `q`, `k` and `v` are the rows of the new positions, which follow those in the cache; their rotated keys and their values
/// are added to it. Returns rows of `heads·value_dim`.
pub(crate) fn attend_cached(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    shape: &AttentionShape,
    rope: &RopeTable,
    cache: &mut LayerCache,
) -> Vec<f32> {
    let (dim, wide, narrow) = (shape.head_dim, shape.query_width(), shape.key_width());
    let (value_dim, value_width) = (shape.value_dim, shape.value_width());
    let LayerCache { keys, values } = cache;
    let first = keys.len() / narrow;
    let new_keys = keys.len();
    keys.extend_from_slice(k);
    values.extend_from_slice(v);
    for (i, row) in keys[new_keys..].chunks_exact_mut(narrow).enumerate() {
        rope.rotate(row, first + i);
    }
    let mut q = q.to_vec();
    let mut out = vec![0f32; q.len() / wide * shape.output_width()];
    let mut scores = Vec::with_capacity(keys.len() / narrow);
    for (i, (q, out)) in q.chunks_exact_mut(wide).zip(out.chunks_exact_mut(shape.output_width())).enumerate() {
        rope.rotate(q, first + i);
        let seen = shape.first_seen(first + i)..first + i + 1;
        for (head, (q, out)) in q.chunks_exact(dim).zip(out.chunks_exact_mut(value_dim)).enumerate() {
            let (kv_at, value_at) = (shape.kv_head(head) * dim, shape.kv_head(head) * value_dim);
            scores.clear();
            let keys = keys[seen.start * narrow..seen.end * narrow].chunks_exact(narrow);
            scores.extend(keys.map(|k| dot(q, &k[kv_at..kv_at + dim]) * shape.scale()));
            softmax(&mut scores);
            for (p, v) in scores.iter().zip(values[seen.start * value_width..].chunks_exact(value_width)) {
                for (out, v) in out.iter_mut().zip(&v[value_at..value_at + value_dim]) {
                    *out += p * v;
                }
            }
        }
    }
    out
}

fn softmax(values: &mut [f32]) {
    let largest = max(values);
    values.iter_mut().for_each(|value| *value = exp(*value - largest));
    let scale = 1.0 / sum(values);
    values.iter_mut().for_each(|value| *value *= scale);
}
