//! Linear layers on a few rows: what generation does, one position of each sequence at a time.
//!
//! Such a product reads every weight once or a few times, so memory sets its speed: weights are read as they are held, and
//! once for up to four rows. Each element is the sum of eight chains of fused multiply-adds, the `i`-th over the inner
//! indices congruent to `i` modulo 8, added in one fixed tree: neither the number of rows nor that of threads changes it.

use super::{composed, is_native, with_elements};
use crate::quant::{Bf16Matrix, FrozenWeight};
use candle_core::{Result, Tensor};
use rayon::prelude::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Inner indices that are computed together.
const LANES: usize = 8;

/// Outputs of a block of one row, and what a thread's stretch of outputs is a multiple of. Rows and outputs of a block multiply
/// to 8 or 12: as many chains as hide the latency of a multiply-add, and no more than registers hold.
const BLOCK: usize = 8;

/// Outputs of a block of four rows.
#[cfg(target_arch = "x86_64")]
const OUTPUTS: usize = 3;

/// Indices after which the next part of the next block is asked for: 64 bytes of u16.
#[cfg(target_arch = "x86_64")]
const PREFETCH: usize = 32;

/// An element of a weight: f32, or the high half of the bits of one.
trait Element: Copy + Sync {
    fn wide(self) -> f32;

    /// Eight elements in one register.
    ///
    /// # Safety
    /// There are eight elements, and the processor has AVX2.
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "a load through a pointer")]
    unsafe fn eight(values: *const Self) -> __m256;
}

impl Element for f32 {
    fn wide(self) -> f32 {
        self
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    #[expect(unsafe_code, reason = "a load through a pointer")]
    unsafe fn eight(values: *const Self) -> __m256 {
        // SAFETY: the caller's.
        unsafe { _mm256_loadu_ps(values) }
    }
}

impl Element for u16 {
    fn wide(self) -> f32 {
        f32::from_bits(u32::from(self) << 16)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    #[expect(unsafe_code, reason = "a load through a pointer")]
    unsafe fn eight(values: *const Self) -> __m256 {
        // SAFETY: the caller's.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(values.cast())))) }
    }
}

/// `y = x·Wᵀ + scale·x·Aᵀ·Bᵀ` without gradients, the second part if there is an update `(A, B, scale)`.
///
/// Shapes: `x [rows, in]`, `W [out, in]`, `A [rank, in]`, `B [out, rank]` -> `[rows, out]`. Meant for a few rows: the
/// weights are read from memory once for every stretch of outputs.
pub(crate) fn decode_linear(
    x: &Tensor,
    weight: &FrozenWeight,
    update: Option<(&Tensor, &Tensor, f32)>,
) -> Result<Tensor> {
    let x = x.contiguous()?;
    let ((rows, input), (output, columns)) = (x.dims2()?, weight.dims()?);
    if input != columns {
        candle_core::bail!("rows of {input} features for a layer with {columns} inputs");
    }
    // An expert that nothing is sent to.
    if rows == 0 {
        return Tensor::zeros((0, output), x.dtype(), x.device());
    }
    if !is_native(&x) {
        return composed::decode_linear(&x, weight, update);
    }
    let y = with_elements(&x, |x| {
        let mut y = weight_product(x, rows, weight)?;
        if let Some((a, b, scale)) = update {
            let down = weight_product(x, rows, &FrozenWeight::Dense(a.detach()))?;
            let up = weight_product(&down, rows, &FrozenWeight::Dense(b.detach()))?;
            y.iter_mut().zip(&up).for_each(|(y, up)| *y += scale * up);
        }
        Ok(y)
    })?;
    Tensor::from_vec(y, (rows, output), x.device())
}

/// `x·Wᵀ`, row by row.
pub(super) fn weight_product(x: &[f32], rows: usize, weight: &FrozenWeight) -> Result<Vec<f32>> {
    let (output, input) = weight.dims()?;
    // Outputs that one thread computes at a time: enough to be worth waking it, few enough to unpack them in the cache.
    let stretch = ((1 << 15) / input.max(1)).next_multiple_of(BLOCK).max(BLOCK);
    // By output, then row, so that threads write apart.
    let mut made = vec![0f32; output * rows];
    let parts = made.par_chunks_mut((stretch * rows).max(1)).enumerate();
    match weight {
        FrozenWeight::Dense(tensor) => with_elements(tensor, |values| {
            parts.for_each(|(part, out)| {
                let first = part * stretch;
                products(x, rows, &values[first * input..][..out.len() / rows * input], input, out);
            });
            Ok(())
        })?,
        FrozenWeight::Bf16(matrix) => parts.for_each(|(part, out)| {
            let matrix: &Bf16Matrix = matrix;
            products(x, rows, matrix.row_bits(part * stretch, out.len() / rows), input, out);
        }),
        FrozenWeight::PlacedNf4(_) => candle_core::bail!("a weight that own kernels do not read"),
        FrozenWeight::Nf4(matrix) => parts.for_each_init(
            || vec![0f32; stretch * input],
            |tile, (part, out)| {
                let tile = &mut tile[..out.len() / rows * input];
                matrix.rows_into_here(part * stretch, tile);
                products(x, rows, tile, input, out);
            },
        ),
    }
    if rows == 1 {
        return Ok(made);
    }
    let mut y = vec![0f32; rows * output];
    for (out, made) in made.chunks_exact(rows).enumerate() {
        for (row, value) in made.iter().enumerate() {
            y[row * output + out] = *value;
        }
    }
    Ok(y)
}

/// Products of all rows of `x` with all rows of `weights`: `out[weight row · rows + x row]`.
fn products<T: Element>(x: &[f32], rows: usize, weights: &[T], inner: usize, out: &mut [f32]) {
    assert_eq!((x.len(), weights.len() * rows), (rows * inner, out.len() * inner), "sizes of a product");
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        #[expect(unsafe_code, reason = "compiled for instructions that were just asked for")]
        // SAFETY: the processor has AVX2 and FMA.
        unsafe {
            return products_avx2(x, rows, weights, inner, out);
        }
    }
    for row in 0..rows {
        for (weights, out) in weights.chunks_exact(inner.max(1)).zip(out.chunks_exact_mut(rows)) {
            let mut sums = [0f32; LANES];
            for (at, (x, w)) in x[row * inner..].iter().zip(weights).enumerate() {
                sums[at % LANES] = x.mul_add(w.wide(), sums[at % LANES]);
            }
            out[row] = tree(sums);
        }
    }
}

#[inline(always)]
pub(super) fn tree([a, b, c, d, e, f, g, h]: [f32; LANES]) -> f32 {
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn products_avx2<T: Element>(x: &[f32], rows: usize, weights: &[T], inner: usize, out: &mut [f32]) {
    // More rows than one block has go over the weights again while these are in the nearest cache.
    let outputs = if rows <= 4 { out.len() / rows } else { 2 * OUTPUTS };
    for (weights, out) in weights.chunks((outputs * inner).max(1)).zip(out.chunks_mut((outputs * rows).max(1))) {
        let mut row = 0;
        while row < rows {
            let left = &x[row * inner..];
            row += match rows - row {
                4.. => columns::<T, 4, OUTPUTS>(left, weights, inner, &mut out[row..], rows),
                2.. => columns::<T, 2, 4>(left, weights, inner, &mut out[row..], rows),
                _ => columns::<T, 1, 8>(left, weights, inner, &mut out[row..], rows),
            };
        }
    }
}

/// `R` rows of `x` with all rows of `weights`, `O` at a time; returns `R`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn columns<T: Element, const R: usize, const O: usize>(
    x: &[f32],
    weights: &[T],
    inner: usize,
    out: &mut [f32],
    rows: usize,
) -> usize {
    let count = weights.len().checked_div(inner).unwrap_or(0);
    let whole = count / O * O;
    for first in (0..whole).step_by(O) {
        let sums = block::<T, R, O>(x, &weights[first * inner..], inner);
        for (o, sums) in sums.iter().enumerate() {
            out[(first + o) * rows..][..R].copy_from_slice(sums);
        }
    }
    for last in whole..count {
        let [sums] = block::<T, R, 1>(x, &weights[last * inner..], inner);
        out[last * rows..][..R].copy_from_slice(&sums);
    }
    R
}

/// Adds the products of the eight elements at the pointers of `R` rows and `O` weight rows, each `inner` after the one before.
///
/// # Safety
/// All of these elements are there, and the processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "the innermost loop: a check of bounds there costs a tenth of the time")]
#[expect(clippy::needless_range_loop, reason = "a row and an output name a sum together")]
unsafe fn step<T: Element, const R: usize, const O: usize>(
    x: *const f32,
    weights: *const T,
    inner: usize,
    sums: &mut [[__m256; R]; O],
) {
    // One pointer and a stride for each side: a pointer for every row would be more than there are registers for. And sixteen
    // registers: the sums, one side of the block, and one element of the other side at a time.
    // SAFETY: the caller's.
    unsafe {
        if R > O {
            let mut eights = [_mm256_setzero_ps(); O];
            for (o, eight) in eights.iter_mut().enumerate() {
                *eight = T::eight(weights.wrapping_add(o.wrapping_mul(inner)));
            }
            for r in 0..R {
                let x = f32::eight(x.wrapping_add(r.wrapping_mul(inner)));
                for o in 0..O {
                    sums[o][r] = _mm256_fmadd_ps(x, eights[o], sums[o][r]);
                }
            }
        } else {
            let mut eights = [_mm256_setzero_ps(); R];
            for (r, eight) in eights.iter_mut().enumerate() {
                *eight = f32::eight(x.wrapping_add(r.wrapping_mul(inner)));
            }
            for o in 0..O {
                let weight = T::eight(weights.wrapping_add(o.wrapping_mul(inner)));
                for r in 0..R {
                    sums[o][r] = _mm256_fmadd_ps(eights[r], weight, sums[o][r]);
                }
            }
        }
    }
}

/// `[weight row][x row]`
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn block<T: Element, const R: usize, const O: usize>(x: &[f32], weights: &[T], inner: usize) -> [[f32; R]; O] {
    assert!(x.len() >= R * inner && weights.len() >= O * inner, "rows of a block");
    let mut sums = [[_mm256_setzero_ps(); R]; O];
    let whole = inner / LANES * LANES;
    let (mut x_at, mut w_at) = (x.as_ptr(), weights.as_ptr());
    for _ in 0..whole / PREFETCH {
        // Rows are too short for the processor to see where the reading goes on: at the next block but one or so.
        for o in 0..O {
            _mm_prefetch::<_MM_HINT_T0>(w_at.wrapping_add((BLOCK + o).wrapping_mul(inner)).cast());
        }
        for at in (0..PREFETCH).step_by(LANES) {
            #[expect(unsafe_code, reason = "elements that were seen to be there")]
            // SAFETY: every row was seen to have `inner` elements, and this is not after the last of the whole eights.
            unsafe {
                step(x_at.add(at), w_at.add(at), inner, &mut sums);
            }
        }
        (x_at, w_at) = (x_at.wrapping_add(PREFETCH), w_at.wrapping_add(PREFETCH));
    }
    for _ in 0..whole % PREFETCH / LANES {
        #[expect(unsafe_code, reason = "elements that were seen to be there")]
        // SAFETY: as above.
        unsafe {
            step(x_at, w_at, inner, &mut sums);
        }
        (x_at, w_at) = (x_at.wrapping_add(LANES), w_at.wrapping_add(LANES));
    }
    let mut out = [[0f32; R]; O];
    if whole == inner {
        let (fours, left) = sums.as_flattened().as_chunks();
        let (out_fours, out_left) = out.as_flattened_mut().as_chunks_mut();
        for (sums, out) in fours.iter().zip(out_fours) {
            *out = four_trees(sums);
        }
        for (sums, out) in left.iter().zip(out_left) {
            *out = tree(lanes(*sums));
        }
        return out;
    }
    for o in 0..O {
        for r in 0..R {
            let mut lanes = lanes(sums[o][r]);
            for (lane, at) in (whole..inner).enumerate() {
                lanes[lane] = x[r * inner + at].mul_add(weights[o * inner + at].wide(), lanes[lane]);
            }
            out[o][r] = tree(lanes);
        }
    }
    out
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn lanes(sums: __m256) -> [f32; LANES] {
    let mut lanes = [0f32; LANES];
    #[expect(unsafe_code, reason = "a store through a pointer")]
    // SAFETY: the destination has eight elements.
    unsafe {
        _mm256_storeu_ps(lanes.as_mut_ptr(), sums);
    }
    lanes
}

/// [`tree`] of four at once: a short row spends a sixth of its time there otherwise.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn four_trees(&[a, b, c, d]: &[__m256; 4]) -> [f32; 4] {
    // Pairs of neighbours within each half of a register, twice; then the two halves.
    let quarters = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    let sums = _mm_add_ps(_mm256_castps256_ps128(quarters), _mm256_extractf128_ps::<1>(quarters));
    let mut out = [0f32; 4];
    #[expect(unsafe_code, reason = "a store through a pointer")]
    // SAFETY: the destination has four elements.
    unsafe {
        _mm_storeu_ps(out.as_mut_ptr(), sums);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::Precision;
    use candle_core::Device;

    fn numbers(count: usize, seed: f32) -> Vec<f32> {
        let coarse = |value: f32| f32::from_bits(value.to_bits() & 0xFFFF_0000);
        (0..count).map(|i| coarse(libm::sinf(seed + 1.1 * i as f32))).collect()
    }

    fn rows(tensor: &Tensor) -> Vec<Vec<f32>> {
        tensor.to_vec2().unwrap()
    }

    #[test]
    fn any_number_of_rows_gives_each_row_what_it_gets_alone() {
        // Neither size is a multiple of a block.
        let (input, output) = (1029, 61);
        let values = numbers(input * output, 0.3);
        let weight = |precision| FrozenWeight::new(values.clone(), output, input, precision).unwrap();
        let dense = FrozenWeight::Dense(Tensor::from_slice(&values, (output, input), &Device::Cpu).unwrap());
        let x = Tensor::from_vec(numbers(19 * input, 2.0), (19, input), &Device::Cpu).unwrap();
        let (a, b) = (numbers(3 * input, 4.0), numbers(output * 3, 5.0));
        let a = Tensor::from_vec(a, (3, input), &Device::Cpu).unwrap();
        let b = Tensor::from_vec(b, (output, 3), &Device::Cpu).unwrap();
        for weight in [dense, weight(Precision::F32), weight(Precision::Nf4), weight(Precision::Nf4Double)] {
            for update in [None, Some((&a, &b, 0.5))] {
                let alone: Vec<Vec<f32>> = (0..19)
                    .flat_map(|row| rows(&decode_linear(&x.narrow(0, row, 1).unwrap(), &weight, update).unwrap()))
                    .collect();
                for count in 1..=19 {
                    let together = decode_linear(&x.narrow(0, 0, count).unwrap(), &weight, update).unwrap();
                    assert_eq!(rows(&together), alone[..count]);
                }
                let mut expected = x.matmul(&weight.to_dense().unwrap().t().unwrap()).unwrap();
                if let Some((a, b, scale)) = update {
                    let up = x.matmul(&a.t().unwrap()).unwrap().matmul(&b.t().unwrap()).unwrap();
                    expected = (expected + (up * f64::from(scale)).unwrap()).unwrap();
                }
                let (found, expected) = (alone.concat(), rows(&expected).concat());
                let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                // Sums of 1029 products up to 1, and of three such sums.
                assert!(worst < 2e-3, "{worst}");
            }
        }
    }

    #[test]
    fn whole_registers_are_summed_in_the_same_tree() {
        // With 1024 inner indices four chains are summed at once, with 1025 each alone; the last product is zero.
        let (input, output) = (1024, 24);
        let values = numbers(input * output, 0.3);
        let longer: Vec<f32> = values.chunks(input).flat_map(|row| [row, &[0.0]].concat()).collect();
        let x = numbers(7 * input, 2.0);
        let longer_x: Vec<f32> = x.chunks(input).flat_map(|row| [row, &[0.0]].concat()).collect();
        for rows in 1..=7 {
            let mut out = [vec![0f32; rows * output], vec![0f32; rows * output]];
            products(&x[..rows * input], rows, &values, input, &mut out[0]);
            products(&longer_x[..rows * (input + 1)], rows, &longer, input + 1, &mut out[1]);
            assert_eq!(out[0], out[1]);
        }
    }

    #[test]
    fn bf16_gives_the_bits_of_the_same_numbers_in_f32() {
        let values = numbers(40 * 77, 0.3);
        let x = Tensor::from_vec(numbers(5 * 77, 2.0), (5, 77), &Device::Cpu).unwrap();
        let half = FrozenWeight::new(values.clone(), 40, 77, Precision::F32).unwrap();
        assert!(matches!(half, FrozenWeight::Bf16(_)));
        let dense = FrozenWeight::Dense(Tensor::from_vec(values, (40, 77), &Device::Cpu).unwrap());
        let of = |weight| rows(&decode_linear(&x, weight, None).unwrap());
        assert_eq!(of(&half), of(&dense));
    }
}
