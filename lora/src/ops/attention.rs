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
    /// Features of one head.
    pub head_dim: usize,
}

impl AttentionShape {
    fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    fn key_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    fn kv_head(&self, head: usize) -> usize {
        head / (self.heads / self.kv_heads)
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

/// Rotates queries and keys by their position, then attends to the positions up to and including one's own.
///
/// Shapes: `q [positions, heads·head_dim]`, `k` and `v [positions, kv_heads·head_dim]` -> shape of `q`.
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
        let (wide, narrow) = (self.shape.query_width(), self.shape.key_width());
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
                    v: &v[rows.start * narrow..rows.end * narrow],
                }
            })
            .collect()
    }

    /// Attention probabilities `[length, length]` of one head, zero above the diagonal.
    fn probabilities(&self, s: &Sequence<'_>, head: usize, out: &mut [f32]) {
        let (n, dim) = (s.length, self.shape.head_dim);
        let q = View::strided(&s.q[head * dim..], n, dim, self.shape.query_width());
        let k = View::strided(&s.k[self.shape.kv_head(head) * dim..], n, dim, self.shape.key_width());
        product(out, n, Into::Overwrite, q, k.transposed(), self.shape.scale(), Threads::One);
        for (i, row) in out.chunks_exact_mut(n).enumerate() {
            let (seen, hidden) = row.split_at_mut(i + 1);
            softmax(seen);
            hidden.fill(0.0);
        }
    }

    fn forward(&self, s: &Sequence<'_>, out: &mut [f32]) {
        let (n, dim, wide) = (s.length, self.shape.head_dim, self.shape.query_width());
        let mut p = vec![0f32; n * n];
        for head in 0..self.shape.heads {
            self.probabilities(s, head, &mut p);
            let v = View::strided(&s.v[self.shape.kv_head(head) * dim..], n, dim, self.shape.key_width());
            product(&mut out[head * dim..], wide, Into::Overwrite, View::dense(&p, n, n), v, 1.0, Threads::One);
        }
    }

    /// Gradients of one sequence. The probabilities are computed again: keeping them costs memory quadratic in length.
    fn backward(&self, s: &Sequence<'_>, dy: &[f32], dq: &mut [f32], dk: &mut [f32], dv: &mut [f32]) {
        let shape = self.shape;
        let (n, dim, wide, narrow) = (s.length, shape.head_dim, shape.query_width(), shape.key_width());
        let (mut p, mut dp) = (vec![0f32; n * n], vec![0f32; n * n]);
        for head in 0..shape.heads {
            let (at, kv_at) = (head * dim, shape.kv_head(head) * dim);
            let q = View::strided(&s.q[at..], n, dim, wide);
            let k = View::strided(&s.k[kv_at..], n, dim, narrow);
            let v = View::strided(&s.v[kv_at..], n, dim, narrow);
            let dy = View::strided(&dy[at..], n, dim, wide);
            self.probabilities(s, head, &mut p);
            let one = Threads::One;
            product(&mut dv[kv_at..], narrow, Into::Add, View::dense(&p, n, n).transposed(), dy, 1.0, one);
            product(&mut dp, n, Into::Overwrite, dy, v.transposed(), 1.0, one);
            for (i, (p, dp)) in p.chunks_exact(n).zip(dp.chunks_exact_mut(n)).enumerate() {
                let (dp, hidden) = dp.split_at_mut(i + 1);
                let p = &p[..=i];
                let mean = dot(p, dp);
                for (dp, p) in dp.iter_mut().zip(p) {
                    *dp = p * (*dp - mean) * shape.scale();
                }
                hidden.fill(0.0);
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
        let mut y = vec![0f32; q.len()];
        let sequences = self.sequences(q, k, v);
        let parts = self.split(&mut y, self.shape.query_width());
        sequences.par_iter().zip(parts).for_each(|(sequence, out)| self.forward(sequence, out));
        Ok((CpuStorage::F32(y), q_at.shape().clone()))
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
        let (wide, narrow) = (self.shape.query_width(), self.shape.key_width());
        let (mut dq, mut dk, mut dv) =
            (vec![0f32; q.elem_count()], vec![0f32; k.elem_count()], vec![0f32; v.elem_count()]);
        with_elements(q, |q| {
            with_elements(k, |k| {
                with_elements(v, |v| {
                    with_elements(&dy, |dy| {
                        let mut start = 0;
                        let mut work = Vec::with_capacity(self.lengths.len());
                        let outputs = self
                            .split(&mut dq, wide)
                            .into_iter()
                            .zip(self.split(&mut dk, narrow))
                            .zip(self.split(&mut dv, narrow));
                        for (sequence, ((dq, dk), dv)) in self.sequences(q, k, v).into_iter().zip(outputs) {
                            let end = start + sequence.length * wide;
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

/// Attention of new positions over everything cached before them, without gradients.
///
/// `q`, `k` and `v` are the rows of the new positions, the first of which is `keys.len() / key_width` of its sequence.
/// Their rotated keys and their values are appended to `keys` and `values`. Returns rows as wide as those of `q`.
pub(crate) fn attend_cached(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    shape: AttentionShape,
    rope: &RopeTable,
    keys: &mut Vec<f32>,
    values: &mut Vec<f32>,
) -> Vec<f32> {
    let (dim, wide, narrow) = (shape.head_dim, shape.query_width(), shape.key_width());
    let first = keys.len() / narrow;
    let new_keys = keys.len();
    keys.extend_from_slice(k);
    values.extend_from_slice(v);
    for (i, row) in keys[new_keys..].chunks_exact_mut(narrow).enumerate() {
        rope.rotate(row, first + i);
    }
    let mut q = q.to_vec();
    let mut out = vec![0f32; q.len()];
    let mut scores = Vec::with_capacity(keys.len() / narrow);
    for (i, (q, out)) in q.chunks_exact_mut(wide).zip(out.chunks_exact_mut(wide)).enumerate() {
        rope.rotate(q, first + i);
        for (head, (q, out)) in q.chunks_exact(dim).zip(out.chunks_exact_mut(dim)).enumerate() {
            let kv_at = shape.kv_head(head) * dim;
            let seen = first + i + 1;
            scores.clear();
            scores.extend(keys.chunks_exact(narrow).take(seen).map(|k| dot(q, &k[kv_at..kv_at + dim]) * shape.scale()));
            softmax(&mut scores);
            for (p, v) in scores.iter().zip(values.chunks_exact(narrow)) {
                for (out, v) in out.iter_mut().zip(&v[kv_at..kv_at + dim]) {
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
