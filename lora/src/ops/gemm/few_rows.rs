//! Products with one row or two, as each token of a generation needs them.
//!
//! Such a product reads every element of the right factor once, so it is as fast as the memory is; packing would write and
//! read it a second time. The rows of a weight lie along the inner index and become lanes by transposing 8x8 blocks, a cache
//! line of every row at a time: rows often start a multiple of the cache's size apart, so that the lines of the next rows
//! would drive these out before their second half is read.

use super::pack::CHUNK;
use super::x86::transposed_8x8;
use super::{Into, Output, View};
use std::arch::x86_64::*;
use std::ops::Range;

/// Registers of eight columns each that are summed side by side, so that one multiply-add need not wait for the last.
const GROUPS: usize = 4;

/// Columns of a panel.
const COLUMNS: usize = 8 * GROUPS;

/// Elements of a cache line.
const LINE: usize = 16;

/// How many elements ahead memory is asked for: no processor recognises as many streams at once as are read here.
const AHEAD: usize = 64;

/// Computes leading columns of the rectangle, if it is of this kind, and returns how many.
///
/// # Safety
/// As for [`Backend::block`](super::Backend::block); the processor has AVX2 and FMA.
#[expect(unsafe_code, reason = "instructions that not every processor has")]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn leading_columns(
    left: &View<'_>,
    right: &View<'_>,
    output: &Output,
    rows: Range<usize>,
    columns: Range<usize>,
) -> usize {
    if left.column_stride != 1 || right.row_stride != 1 {
        return 0;
    }
    let panels = columns.len() / COLUMNS;
    for panel in 0..panels {
        let at = (rows.start, columns.start + panel * COLUMNS);
        // SAFETY: by contract; the panel is inside the rectangle.
        unsafe {
            match rows.len() {
                1 => panel_of::<1>(left, right, output, at),
                2 => panel_of::<2>(left, right, output, at),
                _ => return 0,
            }
        }
    }
    panels * COLUMNS
}

/// `R` rows of a panel.
#[expect(unsafe_code, reason = "instructions that not every processor has")]
#[inline(always)]
unsafe fn panel_of<const R: usize>(left: &View<'_>, right: &View<'_>, output: &Output, (row, column): (usize, usize)) {
    let stride = right.column_stride;
    for first in (0..left.columns).step_by(CHUNK) {
        let inner = CHUNK.min(left.columns - first);
        let whole = inner / LINE * LINE;
        let of_left: [*const f32; R] = std::array::from_fn(|r| left.at(row + r, first));
        let of_right = right.at(first, column);
        // SAFETY: `inner` steps of the inner index and `COLUMNS` columns are inside both factors; what is asked for ahead
        // is not read, and may lie anywhere.
        unsafe {
            let mut sums = [[_mm256_setzero_ps(); GROUPS]; R];
            let mut lines = [_mm256_setzero_ps(); GROUPS * LINE];
            for k in (0..whole).step_by(LINE) {
                let mut from = of_right.wrapping_add(k);
                for group in lines.as_chunks_mut::<LINE>().0 {
                    let mut ahead = from.wrapping_add(AHEAD);
                    for _ in 0..8 {
                        _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
                        ahead = ahead.wrapping_add(stride);
                    }
                    let (low, high) = group.split_at_mut(8);
                    low.copy_from_slice(&transposed_8x8(from, stride));
                    high.copy_from_slice(&transposed_8x8(from.add(8), stride));
                    from = ahead.wrapping_sub(AHEAD);
                }
                for step in 0..LINE {
                    for (sums, of_left) in sums.iter_mut().zip(&of_left) {
                        let factor = _mm256_broadcast_ss(&*of_left.wrapping_add(k + step));
                        for (group, sum) in sums.iter_mut().enumerate() {
                            *sum = _mm256_fmadd_ps(factor, lines[group * LINE + step], *sum);
                        }
                    }
                }
            }
            let into = if first == 0 { output.into } else { Into::Add };
            for (r, sums) in sums.iter().enumerate() {
                let mut to = output.at(row + r, column);
                let mut from = of_right;
                let mut spilled = [0f32; COLUMNS];
                for (spilled, sum) in spilled.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
                    _mm256_storeu_ps(spilled.as_mut_ptr(), *sum);
                }
                for mut sum in spilled {
                    for k in whole..inner {
                        sum = (*of_left[r].add(k)).mul_add(*from.add(k), sum);
                    }
                    match into {
                        Into::Overwrite => *to = sum * output.scale,
                        Into::Add => *to += sum * output.scale,
                    }
                    to = to.wrapping_add(output.column_stride);
                    from = from.wrapping_add(stride);
                }
            }
        }
    }
}
