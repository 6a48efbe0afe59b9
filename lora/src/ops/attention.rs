//! Rotary, causal, grouped-query attention over packed sequences.

use super::gemm::{Into, Threads, View, product};
use super::math::{dot, exp, max, sum};
use super::{composed, elements, is_native, with_elements};
use crate::rope::RopeTable;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Heads of an attention layer.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    pub(super) fn first_seen(&self, position: usize) -> usize {
        self.window.map_or(0, |window| (position + 1).saturating_sub(window))
    }

    fn kv_head(&self, head: usize) -> usize {
        head / (self.heads / self.kv_heads)
    }

    pub(super) fn scale(&self) -> f32 {
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
    if !is_native(q) {
        return composed::causal_attention(q, k, v, shape, lengths, rope);
    }
    q.apply_op3(k, v, CausalAttention { shape, lengths: lengths.clone(), rope: rope.clone() })
}

struct CausalAttention {
    shape: AttentionShape,
    lengths: Arc<Vec<usize>>,
    rope: Arc<RopeTable>,
}

/// Queries that are computed together: the matrix of what positions see of each other exists for so many rows only, and
/// what none of them sees is left out.
const BLOCK: usize = 64;

/// The part of a sequence that shares one head of keys and values. Threads divide the work by these.
#[derive(Clone, Copy)]
struct Part {
    /// The sequence's first row in the batch.
    start: usize,
    /// Its positions.
    length: usize,
    kv_head: usize,
}

/// Gradients of a part: of `heads / kv_heads` queries, of one key and one value per position.
struct PartGradients {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl CausalAttention {
    fn parts(&self) -> Vec<Part> {
        let mut start = 0;
        let mut parts = Vec::with_capacity(self.lengths.len() * self.shape.kv_heads);
        for &length in self.lengths.iter() {
            parts.extend((0..self.shape.kv_heads).map(|kv_head| Part { start, length, kv_head }));
            start += length;
        }
        parts
    }

    /// Query heads of a part.
    fn group(&self) -> usize {
        self.shape.heads / self.shape.kv_heads
    }

    /// Columns of the rows of a part from `column` on, rotated: `[length, head_dim]`.
    fn rotated(&self, part: Part, rows: &[f32], row_width: usize, column: usize) -> Vec<f32> {
        let dim = self.shape.head_dim;
        let mut head = vec![0f32; part.length * dim];
        for (position, to) in head.chunks_exact_mut(dim).enumerate() {
            to.copy_from_slice(&rows[(part.start + position) * row_width + column..][..dim]);
            self.rope.rotate(to, position);
        }
        head
    }

    /// The blocks of queries of a sequence, each with the positions that any of them sees.
    fn blocks(&self, length: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        (0..length).step_by(BLOCK).map(move |first| {
            let queries = first..(first + BLOCK).min(length);
            (queries.clone(), self.shape.first_seen(first)..queries.end)
        })
    }

    /// Attention probabilities of a block, `[queries, seen]`, zero for what a query does not see.
    fn probabilities(&self, q: &[f32], k: &[f32], queries: &Range<usize>, seen: &Range<usize>, out: &mut [f32]) {
        let (dim, width) = (self.shape.head_dim, seen.len());
        let q = View::dense(&q[queries.start * dim..], queries.len(), dim);
        let k = View::dense(&k[seen.start * dim..], width, dim);
        product(out, width, Into::Overwrite, q, k.transposed(), self.shape.scale(), Threads::One);
        for (i, row) in queries.clone().zip(out.chunks_exact_mut(width)) {
            let (row, later) = row.split_at_mut(i + 1 - seen.start);
            let (earlier, row) = row.split_at_mut(self.shape.first_seen(i) - seen.start);
            softmax(row);
            earlier.fill(0.0);
            later.fill(0.0);
        }
    }

    /// Values of a part from position `first` on.
    fn values<'a>(&self, part: Part, v: &'a [f32], seen: &Range<usize>) -> View<'a> {
        let (dim, width) = (self.shape.value_dim, self.shape.value_width());
        View::strided(&v[(part.start + seen.start) * width + part.kv_head * dim..], seen.len(), dim, width)
    }

    /// The part's output, `[length, group·value_dim]`.
    fn forward(&self, part: Part, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
        let (dim, value_dim, group) = (self.shape.head_dim, self.shape.value_dim, self.group());
        let k = self.rotated(part, k, self.shape.key_width(), part.kv_head * dim);
        let mut out = vec![0f32; part.length * group * value_dim];
        let mut p = vec![0f32; BLOCK.min(part.length) * part.length];
        for head in 0..group {
            let q = self.rotated(part, q, self.shape.query_width(), (part.kv_head * group + head) * dim);
            for (queries, seen) in self.blocks(part.length) {
                self.probabilities(&q, &k, &queries, &seen, &mut p[..queries.len() * seen.len()]);
                let p = View::dense(&p, queries.len(), seen.len());
                let out = &mut out[(queries.start * group + head) * value_dim..];
                let v = self.values(part, v, &seen);
                product(out, group * value_dim, Into::Overwrite, p, v, 1.0, Threads::One);
            }
        }
        out
    }

    /// Gradients of one part. The probabilities are computed again: keeping them costs memory quadratic in length.
    fn backward(&self, part: Part, q: &[f32], k: &[f32], v: &[f32], dy: &[f32]) -> PartGradients {
        let shape = &self.shape;
        let (n, dim, value_dim, group) = (part.length, shape.head_dim, shape.value_dim, self.group());
        let (one, outputs) = (Threads::One, shape.output_width());
        let k = self.rotated(part, k, shape.key_width(), part.kv_head * dim);
        let mut gradients =
            PartGradients { q: vec![0f32; n * group * dim], k: vec![0f32; n * dim], v: vec![0f32; n * value_dim] };
        let (mut p, mut dp) = (vec![0f32; BLOCK.min(n) * n], vec![0f32; BLOCK.min(n) * n]);
        for head in 0..group {
            let q = self.rotated(part, q, shape.query_width(), (part.kv_head * group + head) * dim);
            for (queries, seen) in self.blocks(n) {
                let (rows, width) = (queries.len(), seen.len());
                let (p, dp) = (&mut p[..rows * width], &mut dp[..rows * width]);
                self.probabilities(&q, &k, &queries, &seen, p);
                let first = (part.start + queries.start) * outputs + (part.kv_head * group + head) * value_dim;
                let dy = View::strided(&dy[first..], rows, value_dim, outputs);
                let dv = &mut gradients.v[seen.start * value_dim..];
                product(dv, value_dim, Into::Add, View::dense(p, rows, width).transposed(), dy, 1.0, one);
                product(dp, width, Into::Overwrite, dy, self.values(part, v, &seen).transposed(), 1.0, one);
                for ((i, p), dp) in queries.clone().zip(p.chunks_exact(width)).zip(dp.chunks_exact_mut(width)) {
                    let (dp, later) = dp.split_at_mut(i + 1 - seen.start);
                    let (earlier, dp) = dp.split_at_mut(shape.first_seen(i) - seen.start);
                    let p = &p[earlier.len()..][..dp.len()];
                    let mean = dot(p, dp);
                    for (dp, p) in dp.iter_mut().zip(p) {
                        *dp = p * (*dp - mean) * shape.scale();
                    }
                    earlier.fill(0.0);
                    later.fill(0.0);
                }
                let dp = View::dense(dp, rows, width);
                let dq = &mut gradients.q[(queries.start * group + head) * dim..];
                product(
                    dq,
                    group * dim,
                    Into::Overwrite,
                    dp,
                    View::dense(&k[seen.start * dim..], width, dim),
                    1.0,
                    one,
                );
                let q = View::dense(&q[queries.start * dim..], rows, dim);
                product(&mut gradients.k[seen.start * dim..], dim, Into::Add, dp.transposed(), q, 1.0, one);
            }
        }
        let rotate_back = |rows: &mut [f32], width: usize| {
            rows.chunks_exact_mut(width).enumerate().for_each(|(i, row)| self.rope.rotate_back(row, i));
        };
        rotate_back(&mut gradients.q, group * dim);
        rotate_back(&mut gradients.k, dim);
        gradients
    }
}

/// Copies rows of a part, `[length, columns]`, to their place in rows of `width`.
fn place(part: Part, rows: &[f32], columns: usize, out: &mut [f32], width: usize) {
    for (position, row) in rows.chunks_exact(columns).enumerate() {
        out[(part.start + position) * width + part.kv_head * columns..][..columns].copy_from_slice(row);
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
        let parts = self.parts();
        let outputs: Vec<Vec<f32>> = parts.par_iter().map(|part| self.forward(*part, q, k, v)).collect();
        let mut y = vec![0f32; positions * width];
        for (part, rows) in parts.into_iter().zip(outputs) {
            place(part, &rows, self.group() * self.shape.value_dim, &mut y, width);
        }
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
        let shape = &self.shape;
        let parts = self.parts();
        let gradients: Vec<PartGradients> = with_elements(q, |q| {
            with_elements(k, |k| {
                with_elements(v, |v| {
                    with_elements(&dy, |dy| {
                        Ok(parts.par_iter().map(|part| self.backward(*part, q, k, v, dy)).collect())
                    })
                })
            })
        })?;
        let (mut dq, mut dk, mut dv) =
            (vec![0f32; q.elem_count()], vec![0f32; k.elem_count()], vec![0f32; v.elem_count()]);
        for (part, of_part) in parts.into_iter().zip(gradients) {
            place(part, &of_part.q, self.group() * shape.head_dim, &mut dq, shape.query_width());
            place(part, &of_part.k, shape.head_dim, &mut dk, shape.key_width());
            place(part, &of_part.v, shape.value_dim, &mut dv, shape.value_width());
        }
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

impl LayerCache {
    /// Adds positions; returns how many there were before.
    fn extend(&mut self, k: &[f32], v: &[f32], shape: &AttentionShape, rope: &RopeTable) -> usize {
        let width = shape.key_width();
        let before = self.keys.len();
        self.keys.extend_from_slice(k);
        self.values.extend_from_slice(v);
        for (i, row) in self.keys[before..].chunks_exact_mut(width).enumerate() {
            rope.rotate(row, before / width + i);
        }
        before / width
    }

    /// What `query`, one head of one position, makes of the positions `seen`; `out` is zero before, `scores` is scratch.
    fn attend(
        &self,
        query: &[f32],
        kv_head: usize,
        seen: Range<usize>,
        shape: &AttentionShape,
        out: &mut [f32],
        scores: &mut Vec<f32>,
    ) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            #[expect(unsafe_code, reason = "compiled for instructions that were just asked for")]
            // SAFETY: the processor has AVX2.
            unsafe {
                return self.attend_avx2(query, kv_head, seen, shape, out, scores);
            }
        }
        self.attend_here(query, kv_head, seen, shape, out, scores);
    }

    /// The same operations in the same order, eight at a time.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn attend_avx2(
        &self,
        query: &[f32],
        kv_head: usize,
        seen: Range<usize>,
        shape: &AttentionShape,
        out: &mut [f32],
        scores: &mut Vec<f32>,
    ) {
        self.attend_here(query, kv_head, seen, shape, out, scores);
    }

    #[inline(always)]
    fn attend_here(
        &self,
        query: &[f32],
        kv_head: usize,
        seen: Range<usize>,
        shape: &AttentionShape,
        out: &mut [f32],
        scores: &mut Vec<f32>,
    ) {
        let (narrow, value_width) = (shape.key_width(), shape.value_width());
        let (kv_at, value_at) = (kv_head * shape.head_dim, kv_head * shape.value_dim);
        scores.clear();
        for key in self.keys[seen.start * narrow..seen.end * narrow].chunks_exact(narrow) {
            scores.push(dot(query, &key[kv_at..kv_at + shape.head_dim]) * shape.scale());
        }
        softmax(scores);
        for (p, value) in scores.iter().zip(self.values[seen.start * value_width..].chunks_exact(value_width)) {
            for (out, value) in out.iter_mut().zip(&value[value_at..value_at + shape.value_dim]) {
                *out += p * value;
            }
        }
    }
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
    let wide = shape.query_width();
    let first = cache.extend(k, v, shape, rope);
    let mut q = q.to_vec();
    let mut out = vec![0f32; q.len() / wide * shape.output_width()];
    let mut scores = Vec::new();
    for (i, (q, out)) in q.chunks_exact_mut(wide).zip(out.chunks_exact_mut(shape.output_width())).enumerate() {
        rope.rotate(q, first + i);
        let seen = shape.first_seen(first + i)..first + i + 1;
        let heads = q.chunks_exact(shape.head_dim).zip(out.chunks_exact_mut(shape.value_dim));
        for (head, (query, out)) in heads.enumerate() {
            cache.attend(query, shape.kv_head(head), seen.clone(), shape, out, &mut scores);
        }
    }
    out
}

#[inline(always)]
pub(super) fn softmax(values: &mut [f32]) {
    let largest = max(values);
    values.iter_mut().for_each(|value| *value = exp(*value - largest));
    let scale = 1.0 / sum(values);
    values.iter_mut().for_each(|value| *value *= scale);
}
