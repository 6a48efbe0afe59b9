//! Attention of single rows whose past lies in pages.
//!
//! Each row belongs to some sequence, at some position of it. Its result is that of
//! [`attend_cached`](super::attend_cached), bit for bit: it depends neither on the rows beside it nor on where the pages lie.

use super::attention::{AttentionShape, softmax};
use super::math::dot;
use crate::rope::RopeTable;
use rayon::prelude::*;

/// Positions of a page.
pub(crate) const PAGE: usize = 16;

/// Rotated keys and values of one layer, page by page: `[page][kv head][position in page][features]`, so that what one head
/// reads of a page is one stretch of memory.
#[derive(Debug)]
pub(crate) struct PagedLayer {
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// Where a row stands.
pub(crate) struct PagedRow<'a> {
    /// Its position in its sequence.
    pub position: usize,
    /// The sequence's pages, in order.
    pub pages: &'a [u32],
}

impl PagedLayer {
    /// Room for so many pages. Memory that was never written is not taken yet, where the system hands it out lazily.
    pub(crate) fn new(shape: &AttentionShape, pages: usize) -> Self {
        Self {
            keys: vec![0.0; pages * PAGE * shape.key_width()],
            values: vec![0.0; pages * PAGE * shape.value_width()],
        }
    }

    /// Writes what the row adds to its sequence's past.
    fn put(&mut self, row: &PagedRow<'_>, k: &[f32], v: &[f32], shape: &AttentionShape, rope: &RopeTable) {
        let (page, slot) = (row.pages[row.position / PAGE] as usize, row.position % PAGE);
        for (head, k) in k.chunks_exact(shape.head_dim).enumerate() {
            let to = &mut self.keys[((page * shape.kv_heads + head) * PAGE + slot) * shape.head_dim..][..k.len()];
            to.copy_from_slice(k);
            rope.rotate(to, row.position);
        }
        for (head, v) in v.chunks_exact(shape.value_dim).enumerate() {
            self.values[((page * shape.kv_heads + head) * PAGE + slot) * shape.value_dim..][..v.len()]
                .copy_from_slice(v);
        }
    }

    /// Copies a page to another.
    pub(crate) fn copy(&mut self, from: usize, to: usize, shape: &AttentionShape) {
        for (values, width) in [(&mut self.keys, shape.key_width()), (&mut self.values, shape.value_width())] {
            let size = PAGE * width;
            values.copy_within(from * size..(from + 1) * size, to * size);
        }
    }
}

/// Adds the rows' keys and values to the layer, then attends from each row to its sequence's positions up to itself, at most as
/// many as the window has.
///
/// Shapes: `q [rows, heads·head_dim]`, `k [rows, kv_heads·head_dim]`, `v [rows, kv_heads·value_dim]` ->
/// `[rows, heads·value_dim]`. Panics if a row's page is not in the layer.
pub(crate) fn attend_paged(
    (q, k, v): (&[f32], &[f32], &[f32]),
    rows: &[PagedRow<'_>],
    shape: &AttentionShape,
    rope: &RopeTable,
    layer: &mut PagedLayer,
) -> Vec<f32> {
    let of_rows = k.chunks_exact(shape.key_width()).zip(v.chunks_exact(shape.value_width()));
    for (row, (k, v)) in rows.iter().zip(of_rows) {
        layer.put(row, k, v, shape, rope);
    }
    let layer = &*layer;
    let mut out = vec![0f32; rows.len() * shape.output_width()];
    let group = shape.heads / shape.kv_heads;
    // Below this, waking other threads costs more than it saves.
    const PARALLEL_FROM: usize = 1 << 15;
    let longest = rows.iter().map(|row| row.position + 1).max().unwrap_or(0);
    let work = (longest * group * (shape.head_dim + shape.value_dim)).max(1);
    out.par_chunks_mut((group * shape.value_dim).max(1))
        .enumerate()
        .with_min_len(PARALLEL_FROM.div_ceil(work))
        .for_each_init(Vec::new, |scratch, (index, out)| {
            let (row, kv_head) = (index / shape.kv_heads, index % shape.kv_heads);
            let mut q =
                q[row * shape.query_width() + kv_head * group * shape.head_dim..][..group * shape.head_dim].to_vec();
            rope.rotate(&mut q, rows[row].position);
            Past { layer, row: &rows[row], shape, kv_head }.attend(&q, out, scratch);
        });
    out
}

/// What one head of one row sees.
struct Past<'a> {
    layer: &'a PagedLayer,
    row: &'a PagedRow<'a>,
    shape: &'a AttentionShape,
    kv_head: usize,
}

impl Past<'_> {
    /// The outputs of a group of query heads, which is zero before. `scores` is scratch.
    fn attend(&self, queries: &[f32], out: &mut [f32], scores: &mut Vec<f32>) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            #[expect(unsafe_code, reason = "compiled for instructions that were just asked for")]
            // SAFETY: the processor has AVX2.
            unsafe {
                return self.attend_avx2(queries, out, scores);
            }
        }
        self.attend_here(queries, out, scores);
    }

    /// The same operations in the same order, eight at a time.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn attend_avx2(&self, queries: &[f32], out: &mut [f32], scores: &mut Vec<f32>) {
        self.attend_here(queries, out, scores);
    }

    #[inline(always)]
    fn attend_here(&self, queries: &[f32], out: &mut [f32], scores: &mut Vec<f32>) {
        let (dim, value_dim) = (self.shape.head_dim, self.shape.value_dim);
        let (first, end) = (self.shape.first_seen(self.row.position), self.row.position + 1);
        let scale = self.shape.scale();
        for (query, out) in queries.chunks_exact(dim).zip(out.chunks_exact_mut(value_dim)) {
            scores.clear();
            for page in first / PAGE..end.div_ceil(PAGE) {
                for key in self.stretch(&self.layer.keys, page, dim, first, end).chunks_exact(dim) {
                    scores.push(dot(query, key) * scale);
                }
            }
            softmax(scores);
            let mut seen = scores.iter();
            for page in first / PAGE..end.div_ceil(PAGE) {
                let values = self.stretch(&self.layer.values, page, value_dim, first, end);
                for (value, p) in values.chunks_exact(value_dim).zip(&mut seen) {
                    for (out, value) in out.iter_mut().zip(value) {
                        *out += p * value;
                    }
                }
            }
        }
    }

    /// What the head reads of the `page`-th page of the sequence, of the positions from `first` up to `end`.
    #[inline(always)]
    fn stretch<'a>(&self, all: &'a [f32], page: usize, width: usize, first: usize, end: usize) -> &'a [f32] {
        let base = (self.row.pages[page] as usize * self.shape.kv_heads + self.kv_head) * PAGE;
        let from = first.saturating_sub(page * PAGE);
        let to = (end - page * PAGE).min(PAGE);
        &all[(base + from) * width..(base + to) * width]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelConfig;
    use crate::ops::{LayerCache, attend_cached};

    fn numbers(count: usize, seed: f32) -> Vec<f32> {
        (0..count).map(|i| libm::sinf(seed + 0.7 * i as f32)).collect()
    }

    fn rope() -> RopeTable {
        let text = r#"{ "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 8, "hidden_size": 24,
            "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
            "max_position_embeddings": 64, "rms_norm_eps": 1e-5 }"#;
        RopeTable::new(&ModelConfig::from_json(text).unwrap())
    }

    #[test]
    fn rows_of_several_sequences_get_what_each_gets_alone() {
        let rope = rope();
        for window in [None, Some(5)] {
            let shape = AttentionShape { heads: 4, kv_heads: 2, head_dim: 6, value_dim: 6, window };
            let widths = [shape.query_width(), shape.key_width(), shape.value_width()];
            // Two sequences of 41 and 19 positions, whose pages lie in no order.
            let lengths = [41usize, 19];
            let pages: [&[u32]; 2] = [&[4, 0, 2], &[3, 1]];
            let inputs: Vec<[Vec<f32>; 3]> =
                lengths.iter().enumerate().map(|(s, n)| widths.map(|w| numbers(n * w, (s * 3 + w) as f32))).collect();
            let alone: Vec<Vec<f32>> = inputs
                .iter()
                .map(|[q, k, v]| attend_cached(q, k, v, &shape, &rope, &mut LayerCache::default()))
                .collect();
            // In steps that take other stretches of each.
            let mut layer = PagedLayer::new(&shape, 5);
            let steps = [[0..13, 0..1], [13..14, 1..2], [14..33, 2..18], [33..41, 18..19]];
            for step in steps {
                let part = |of: usize| -> Vec<f32> {
                    let parts = step.iter().zip(&inputs);
                    parts
                        .flat_map(|(rows, input)| &input[of][rows.start * widths[of]..rows.end * widths[of]])
                        .copied()
                        .collect()
                };
                let rows: Vec<PagedRow> = step
                    .iter()
                    .zip(pages)
                    .flat_map(|(rows, pages)| rows.clone().map(move |position| PagedRow { position, pages }))
                    .collect();
                let found = attend_paged((&part(0), &part(1), &part(2)), &rows, &shape, &rope, &mut layer);
                let width = shape.output_width();
                let expected: Vec<f32> = step
                    .iter()
                    .zip(&alone)
                    .flat_map(|(rows, all)| all[rows.start * width..rows.end * width].to_vec())
                    .collect();
                assert_eq!(found, expected);
            }
        }
    }
}
