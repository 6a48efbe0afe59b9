//! The innermost loop: one tile of the output, held in registers.

use super::lanes::Lanes;
use super::pack::CHUNK;
use super::{Into, Output};

/// Columns of the widest tile, on any processor.
const COLUMNS_MAX: usize = 32;

/// Adds the products of one chunk of the inner index to a tile of the output.
///
/// Each element is one chain of fused multiply-adds over ascending inner index, from zero; then it is multiplied by the
/// scale, and stored or added to what was there.
///
/// # Safety
/// The processor has the instructions of `V`; `left` and `right` are packed panels of `inner` steps, `left` of `ROWS` rows
/// and `right` of `VECTORS·WIDTH` columns; the tile's `ROWS` rows and `columns` columns lie inside the output.
#[expect(unsafe_code, reason = "packed panels and tiles are addressed by pointer")]
#[inline(always)]
pub(super) unsafe fn tile<V: Lanes, const ROWS: usize, const VECTORS: usize>(
    inner: usize,
    left: *const f32,
    right: *const f32,
    output: &Output,
    (row, column): (usize, usize),
    columns: usize,
    into: Into,
) {
    // SAFETY: by contract; every index below stays inside the panels and the tile.
    unsafe {
        let mut sums = [[V::splat(0.0); VECTORS]; ROWS];
        let (mut left, mut right) = (left, right);
        for _ in 0..inner {
            let mut of_right = [V::splat(0.0); VECTORS];
            for (vector, of_right) in of_right.iter_mut().enumerate() {
                *of_right = V::load(right.add(vector * V::WIDTH));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let of_left = V::splat(*left.add(row * CHUNK));
                for (sum, of_right) in sums.iter_mut().zip(of_right) {
                    *sum = of_left.mul_add(of_right, *sum);
                }
            }
            left = left.add(1);
            right = right.add(VECTORS * V::WIDTH);
        }
        let scale = V::splat(output.scale);
        let mut to = output.at(row, column);
        let whole = output.column_stride == 1 && columns == VECTORS * V::WIDTH;
        for sums in sums {
            if whole {
                for (vector, sum) in sums.into_iter().enumerate() {
                    let to = to.add(vector * V::WIDTH);
                    match into {
                        Into::Overwrite => sum.mul(scale).store(to),
                        Into::Add => V::load(to).add(sum.mul(scale)).store(to),
                    }
                }
            } else {
                let mut spilled = [0f32; COLUMNS_MAX];
                for (vector, sum) in sums.into_iter().enumerate() {
                    sum.mul(scale).store(spilled.as_mut_ptr().add(vector * V::WIDTH));
                }
                let mut to = to;
                for sum in &spilled[..columns] {
                    match into {
                        Into::Overwrite => *to = *sum,
                        Into::Add => *to += *sum,
                    }
                    to = to.wrapping_add(output.column_stride);
                }
            }
            to = to.wrapping_add(output.row_stride);
        }
    }
}
