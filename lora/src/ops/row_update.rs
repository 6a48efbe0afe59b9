//! Low-rank updates that differ from row to row.
//!
//! An update is read once for the few rows that have it, so memory sets its speed: its two factors are laid out in the order in
//! which they are read. The numbers of a row depend on the row and its update only.

use super::few_rows::{tree, weight_product};
use super::with_elements;
use crate::quant::FrozenWeight;
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Features that are computed together.
const LANES: usize = 8;
/// Rows of `A` that are read side by side.
const RANKS: usize = 4;
/// Outputs that are read side by side.
const OUTPUTS: usize = 32;
/// Steps of 128 bytes after which factors are asked for from memory.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 16;
/// Rows that one thread computes at a time, where many have the same update.
const ROWS: usize = 16;

/// The update of one layer: `y = (x·Wᵀ + scale·x·Aᵀ·Bᵀ) ⊙ factors`.
#[derive(Debug)]
pub(crate) struct RowUpdate {
    input: usize,
    output: usize,
    rank: usize,
    scale: f32,
    /// `A [rank, in]` as `[rank / 4][in / 8][4][8]`, both filled up with zeros.
    down: Vec<f32>,
    /// `B [out, rank]` as `[out / 32][rank][32]`, filled up with zeros.
    up: Vec<f32>,
    /// `[out]`
    factors: Option<Vec<f32>>,
}

impl RowUpdate {
    /// From `A [rank, in]` and `B [out, rank]`, row by row; `factors [out]` are those of the outputs, if they have some.
    pub(crate) fn new(
        (a, b): (&[f32], &[f32]),
        (rank, input, output): (usize, usize, usize),
        scale: f32,
        factors: Option<Vec<f32>>,
    ) -> Self {
        assert_eq!((a.len(), b.len()), (rank * input, output * rank), "sizes of an update");
        let (blocks, steps) = (rank.div_ceil(RANKS), input.div_ceil(LANES));
        let mut down = vec![0f32; blocks * steps * RANKS * LANES];
        for (r, row) in a.chunks_exact(input.max(1)).enumerate() {
            for (step, lanes) in row.chunks(LANES).enumerate() {
                let to = ((r / RANKS * steps + step) * RANKS + r % RANKS) * LANES;
                down[to..to + lanes.len()].copy_from_slice(lanes);
            }
        }
        let mut up = vec![0f32; output.div_ceil(OUTPUTS) * rank * OUTPUTS];
        for (o, row) in b.chunks_exact(rank.max(1)).enumerate() {
            for (r, value) in row.iter().enumerate() {
                up[(o / OUTPUTS * rank + r) * OUTPUTS + o % OUTPUTS] = *value;
            }
        }
        Self { input, output, rank, scale, down, up, factors }
    }

    /// Bytes that the update takes.
    pub(crate) fn bytes(&self) -> usize {
        4 * (self.down.len() + self.up.len() + self.factors.as_ref().map_or(0, Vec::len))
    }

    /// Outputs and inputs of the layer that it belongs to.
    pub(crate) fn dims(&self) -> (usize, usize) {
        (self.output, self.input)
    }

    /// Changes `y [rows, out]`, the products with the weight, for the rows of `x [rows, in]`.
    fn apply(&self, x: &[f32], y: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            #[expect(unsafe_code, reason = "compiled for instructions that were just asked for")]
            // SAFETY: the processor has AVX2 and FMA.
            unsafe {
                return self.apply_avx2(x, y);
            }
        }
        self.apply_with(x, y, shrink, expand);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn apply_avx2(&self, x: &[f32], y: &mut [f32]) {
        self.apply_with(x, y, |x, a, sums| shrink_avx2(x, a, sums), |small, b| expand_avx2(small, b));
    }

    #[inline(always)]
    fn apply_with(
        &self,
        x: &[f32],
        y: &mut [f32],
        shrink: impl Fn(&[[f32; LANES]], &[RankStep], &mut RankStep),
        expand: impl Fn(&[f32], &[[f32; OUTPUTS]]) -> [f32; OUTPUTS],
    ) {
        let padded_rank = self.rank.next_multiple_of(RANKS);
        let steps = self.input.div_ceil(LANES);
        let mut small = vec![0f32; x.len() / self.input * padded_rank];
        let mut end = [[0f32; LANES]];
        for (x, small) in x.chunks_exact(self.input).zip(small.chunks_exact_mut(padded_rank)) {
            let (whole, rest) = x.as_chunks::<LANES>();
            end[0][..rest.len()].copy_from_slice(rest);
            for (block, small) in self.down.chunks_exact(steps * RANKS * LANES).zip(small.as_chunks_mut::<RANKS>().0) {
                let (block, last) = block.as_chunks::<LANES>().0.as_chunks::<RANKS>().0.split_at(whole.len());
                let mut sums = [[0f32; LANES]; RANKS];
                shrink(whole, block, &mut sums);
                shrink(&end[..last.len()], last, &mut sums);
                *small = sums.map(|sums| self.scale * tree(sums));
            }
        }
        for (panel, up) in self.up.chunks_exact((self.rank * OUTPUTS).max(1)).enumerate() {
            let (first, up) = (panel * OUTPUTS, up.as_chunks::<OUTPUTS>().0);
            let count = OUTPUTS.min(self.output - first);
            for (small, y) in small.chunks_exact(padded_rank).zip(y.chunks_exact_mut(self.output)) {
                let sums = expand(&small[..self.rank], up);
                let y = &mut y[first..first + count];
                y.iter_mut().zip(&sums).for_each(|(y, sum)| *y += sum);
                if let Some(factors) = &self.factors {
                    y.iter_mut().zip(&factors[first..]).for_each(|(y, factor)| *y *= factor);
                }
            }
        }
    }
}

/// Eight features of four rows of `A`.
type RankStep = [[f32; LANES]; RANKS];

/// Adds the products of `x` with four rows of `A` to eight sums for each.
fn shrink(x: &[[f32; LANES]], a: &[RankStep], sums: &mut RankStep) {
    for (x, a) in x.iter().zip(a) {
        for (sums, a) in sums.iter_mut().zip(a) {
            for lane in 0..LANES {
                sums[lane] = x[lane].mul_add(a[lane], sums[lane]);
            }
        }
    }
}

/// What the ranks add to neighbouring outputs.
fn expand(small: &[f32], b: &[[f32; OUTPUTS]]) -> [f32; OUTPUTS] {
    let mut sums = [0f32; OUTPUTS];
    for (factor, b) in small.iter().zip(b) {
        for (sum, b) in sums.iter_mut().zip(b) {
            *sum = factor.mul_add(*b, *sum);
        }
    }
    sums
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,fma")]
fn eight(values: &[f32; LANES]) -> __m256 {
    #[expect(unsafe_code, reason = "a load through a pointer")]
    // SAFETY: there are eight elements.
    unsafe {
        _mm256_loadu_ps(values.as_ptr())
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,fma")]
fn put(values: &mut [f32; LANES], eight: __m256) {
    #[expect(unsafe_code, reason = "a store through a pointer")]
    // SAFETY: there are eight elements.
    unsafe {
        _mm256_storeu_ps(values.as_mut_ptr(), eight);
    }
}

/// Asks for 128 bytes that are read soon, `AHEAD` of these further on: what the processor foresees by itself ends with each
/// page of 4 KiB.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,fma")]
fn prefetch<T>(values: &T) {
    const { assert!(size_of::<T>() == 128, "two lines of a cache") }
    let ahead = std::ptr::from_ref(values).wrapping_add(AHEAD).cast::<i8>();
    _mm_prefetch::<_MM_HINT_T0>(ahead);
    _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(64));
}

/// [`shrink`], eight features at a time.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,fma")]
fn shrink_avx2(x: &[[f32; LANES]], a: &[RankStep], sums: &mut RankStep) {
    let [mut s0, mut s1, mut s2, mut s3] = [eight(&sums[0]), eight(&sums[1]), eight(&sums[2]), eight(&sums[3])];
    for (x, a) in x.iter().zip(a) {
        prefetch(a);
        let (x, [a0, a1, a2, a3]) = (eight(x), a);
        s0 = _mm256_fmadd_ps(x, eight(a0), s0);
        s1 = _mm256_fmadd_ps(x, eight(a1), s1);
        s2 = _mm256_fmadd_ps(x, eight(a2), s2);
        s3 = _mm256_fmadd_ps(x, eight(a3), s3);
    }
    for (sums, eight) in sums.iter_mut().zip([s0, s1, s2, s3]) {
        put(sums, eight);
    }
}

/// [`expand`], eight outputs at a time.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,fma")]
fn expand_avx2(small: &[f32], b: &[[f32; OUTPUTS]]) -> [f32; OUTPUTS] {
    let mut sums = [_mm256_setzero_ps(); OUTPUTS / LANES];
    for (factor, b) in small.iter().zip(b) {
        prefetch(b);
        let factor = _mm256_set1_ps(*factor);
        for (sum, b) in sums.iter_mut().zip(b.as_chunks::<LANES>().0) {
            *sum = _mm256_fmadd_ps(factor, eight(b), *sum);
        }
    }
    let mut out = [0f32; OUTPUTS];
    for (out, sum) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(sums) {
        put(out, sum);
    }
    out
}

/// Neighbouring rows with the same update.
pub(crate) struct Run<'a> {
    /// How many.
    pub rows: usize,
    /// Theirs; `None`: the layer as it is.
    pub update: Option<&'a RowUpdate>,
}

/// Applies a frozen layer to all rows at once, and to each its own update, without gradients.
///
/// Shapes: `x [rows, in]`, `W [out, in]` -> `[rows, out]`; `runs` cover the rows in order. f32 on the processor only.
/// Cost: the weight is read once for every stretch of outputs, each update once for a few of its rows.
pub(crate) fn mixed_linear(x: &Tensor, weight: &FrozenWeight, runs: &[Run<'_>]) -> Result<Tensor> {
    let x = x.contiguous()?;
    let ((rows, input), (output, columns)) = (x.dims2()?, weight.dims()?);
    if input != columns {
        bail!("rows of {input} features for a layer with {columns} inputs");
    }
    if runs.iter().map(|run| run.rows).sum::<usize>() != rows {
        bail!("updates for another number of rows than {rows}");
    }
    if let Some(update) = runs.iter().filter_map(|run| run.update).find(|update| update.dims() != (output, input)) {
        bail!("an update of shape {:?} for a layer of shape {:?}", update.dims(), (output, input));
    }
    if rows == 0 {
        return Tensor::zeros((0, output), x.dtype(), x.device());
    }
    let y = with_elements(&x, |x| {
        let mut y = weight_product(x, rows, weight)?;
        let (mut x, mut left) = (x, y.as_mut_slice());
        let mut parts = Vec::new();
        for run in runs {
            let (of_x, rest_of_x) = x.split_at(run.rows * input);
            let (of_y, rest_of_y) = std::mem::take(&mut left).split_at_mut(run.rows * output);
            (x, left) = (rest_of_x, rest_of_y);
            if let Some(update) = run.update {
                let pieces = of_x.chunks(ROWS * input).zip(of_y.chunks_mut(ROWS * output));
                parts.extend(pieces.map(|(x, y)| (update, x, y)));
            }
        }
        match parts.len() {
            0 => {}
            1 => parts.into_iter().for_each(|(update, x, y)| update.apply(x, y)),
            _ => parts.into_par_iter().for_each(|(update, x, y)| update.apply(x, y)),
        }
        Ok(y)
    })?;
    Tensor::from_vec(y, (rows, output), x.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn numbers(count: usize, seed: f32) -> Vec<f32> {
        (0..count).map(|i| libm::sinf(seed + 1.3 * i as f32)).collect()
    }

    /// An update as it is defined, in f64.
    fn slow(
        x: &[f32],
        w: &[f32],
        (a, b): (&[f32], &[f32]),
        rank: usize,
        scale: f32,
        factors: Option<&[f32]>,
    ) -> Vec<f64> {
        let input = x.len();
        let dot = |a: &[f32]| a.iter().zip(x).map(|(a, x)| f64::from(*a) * f64::from(*x)).sum::<f64>();
        let small: Vec<f64> = a.chunks_exact(input).map(dot).collect();
        w.chunks_exact(input)
            .zip(b.chunks_exact(rank))
            .enumerate()
            .map(|(o, (w, b))| {
                let up: f64 = b.iter().zip(&small).map(|(b, s)| f64::from(*b) * s).sum();
                (dot(w) + f64::from(scale) * up) * factors.map_or(1.0, |factors| f64::from(factors[o]))
            })
            .collect()
    }

    #[test]
    fn each_row_gets_its_own_update_and_what_it_gets_alone() {
        // No size is a multiple of a block, and ranks differ.
        let (input, output) = (45, 70);
        let w = numbers(output * input, 0.1);
        let weight = FrozenWeight::Dense(Tensor::from_slice(&w, (output, input), &Device::Cpu).unwrap());
        let factors: Vec<Option<Vec<f32>>> = vec![None, Some(numbers(output, 7.0)), None];
        let ranks = [3, 8, 17];
        let pairs: Vec<(Vec<f32>, Vec<f32>)> =
            ranks.iter().map(|r| (numbers(r * input, *r as f32), numbers(output * r, 9.0 + *r as f32))).collect();
        let updates: Vec<RowUpdate> = (0..3)
            .map(|i| RowUpdate::new((&pairs[i].0, &pairs[i].1), (ranks[i], input, output), 0.5, factors[i].clone()))
            .collect();
        let of_rows: Vec<Option<usize>> =
            [vec![Some(0); 2], vec![None; 3], vec![Some(1); 35], vec![Some(2)], vec![None]].concat();
        let x = numbers(of_rows.len() * input, 2.0);
        let tensor = Tensor::from_slice(&x, (of_rows.len(), input), &Device::Cpu).unwrap();
        let run = |rows: usize, which: Option<usize>| Run { rows, update: which.map(|i| &updates[i]) };
        let runs = [run(2, Some(0)), run(3, None), run(35, Some(1)), run(1, Some(2)), run(1, None)];
        let together = mixed_linear(&tensor, &weight, &runs).unwrap().to_vec2::<f32>().unwrap();
        for (row, which) in of_rows.iter().enumerate() {
            let alone = mixed_linear(&tensor.narrow(0, row, 1).unwrap(), &weight, &[run(1, *which)]).unwrap();
            assert_eq!(alone.to_vec2::<f32>().unwrap()[0], together[row], "row {row}");
            let of_x = &x[row * input..][..input];
            let expected = match which {
                Some(i) => slow(of_x, &w, (&pairs[*i].0, &pairs[*i].1), ranks[*i], 0.5, factors[*i].as_deref()),
                None => slow(of_x, &w, (&vec![0.0; input], &vec![0.0; output]), 1, 0.0, None),
            };
            let worst = together[row].iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            // Sums of 45 products up to 1, and of up to 17 times 45 times a half, in f32.
            assert!(worst < 2e-4, "row {row}: {worst}");
        }
    }

    #[test]
    fn instructions_do_not_change_the_numbers() {
        let (a, b) = (numbers(8 * 33, 1.0), numbers(40 * 8, 2.0));
        let update = RowUpdate::new((&a, &b), (8, 33, 40), 2.0, None);
        let x = numbers(3 * 33, 4.0);
        let (mut found, mut expected) = (vec![0f32; 120], vec![0f32; 120]);
        update.apply(&x, &mut found);
        update.apply_with(&x, &mut expected, shrink, expand);
        assert_eq!(found, expected);
    }

    #[test]
    fn updates_of_another_shape_are_errors() {
        let weight = FrozenWeight::Dense(Tensor::zeros((4, 8), candle_core::DType::F32, &Device::Cpu).unwrap());
        let x = Tensor::zeros((2, 8), candle_core::DType::F32, &Device::Cpu).unwrap();
        let update = RowUpdate::new((&[0.0; 16], &[0.0; 6]), (2, 8, 3), 1.0, None);
        assert!(mixed_linear(&x, &weight, &[Run { rows: 2, update: Some(&update) }]).is_err());
        assert!(mixed_linear(&x, &weight, &[Run { rows: 1, update: None }]).is_err());
    }
}
