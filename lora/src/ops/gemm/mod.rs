//! Matrix products with one defined order of operations.
//!
//! Element `(i, j)` of a product over the inner index `k` is defined as follows, and in no other way:
//!
//! 1. `k` is cut into chunks of [`CHUNK`], the last of which may be shorter.
//! 2. The sum of a chunk is the chain `s = fma(left[i, k], right[k, j], s)` over ascending `k`, from `s = 0`.
//! 3. The sums, in ascending order, are multiplied by the scale and added to the destination; the first one replaces it
//!    unless the product is to be added ([`Into`]). Each multiplication and each addition rounds once.
//!
//! Everything else (tiles, threads, width of registers, packing, which factor is put on the lanes) chooses only which
//! elements are computed together.

mod backend;
mod block;
#[cfg(target_arch = "x86_64")]
mod few_rows;
mod lanes;
mod pack;
mod portable;
#[cfg(test)]
mod reference;
mod split;
mod tile;
mod view;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use backend::Backend;
pub(crate) use pack::CHUNK;
pub(crate) use view::View;

use rayon::prelude::*;
use split::Grid;

/// What happens to the old content of a product's destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Into {
    /// It is replaced.
    Overwrite,
    /// The product is added to it.
    Add,
}

/// Whether a product may use every core, or runs inside a loop that already does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The calling thread only.
    One,
    /// All of rayon's threads, if the product is large enough to gain from them.
    All,
}

/// Where a product goes.
#[derive(Clone, Copy)]
struct Output {
    values: *mut f32,
    row_stride: usize,
    column_stride: usize,
    into: Into,
    scale: f32,
}

#[expect(unsafe_code, reason = "threads write to different elements of one destination")]
// SAFETY: `product` borrows the destination exclusively until all threads are done, and gives each element to one of them.
unsafe impl Sync for Output {}

impl Output {
    fn at(&self, row: usize, column: usize) -> *mut f32 {
        self.values.wrapping_add(row * self.row_stride + column * self.column_stride)
    }
}

/// `out (+)= scale * left * right`, where the rows of `out` start `out_stride` elements apart.
pub(crate) fn product(
    out: &mut [f32],
    out_stride: usize,
    into: Into,
    left: View<'_>,
    right: View<'_>,
    scale: f32,
    threads: Threads,
) {
    product_with(Backend::detect(), out, out_stride, into, left, right, scale, threads);
}

/// [`product`] with given instructions, which the processor must have.
#[expect(clippy::too_many_arguments, reason = "those of a product and one more, for tests")]
fn product_with(
    backend: Backend,
    out: &mut [f32],
    out_stride: usize,
    into: Into,
    left: View<'_>,
    right: View<'_>,
    scale: f32,
    threads: Threads,
) {
    assert_eq!(left.columns, right.rows, "inner sizes of a matrix product differ");
    let (rows, columns, inner) = (left.rows, right.columns, left.columns);
    assert!(view::fits(out.len(), rows, columns, out_stride), "product exceeds its destination");
    // Rows that overlap would be written by two threads.
    assert!(rows <= 1 || out_stride >= columns, "rows of a product's destination overlap");
    if rows == 0 || columns == 0 {
        return;
    }
    if inner == 0 {
        if into == Into::Overwrite {
            (0..rows).for_each(|row| out[row * out_stride..][..columns].fill(0.0));
        }
        return;
    }
    let output = Output { values: out.as_mut_ptr(), row_stride: out_stride, column_stride: 1, into, scale };
    // The columns of the output lie on the lanes of a register. Where there are few, the rows do: a product and its
    // transpose are the same chains.
    let lanes_from_rows = columns < 8 || columns == 8 && left.row_stride == 1;
    let (left, right, output) = match lanes_from_rows && rows > columns {
        true => (
            right.transposed(),
            left.transposed(),
            Output { row_stride: output.column_stride, column_stride: output.row_stride, ..output },
        ),
        false => (left, right, output),
    };
    let threads = if threads == Threads::All { rayon::current_num_threads() } else { 1 };
    let grid = Grid::new(left.rows, right.columns, inner, threads);
    let part = |index: usize| {
        let (rows, columns) = grid.part(index);
        #[expect(unsafe_code, reason = "the instructions were asked for, the rectangles do not overlap")]
        // SAFETY: the processor has the backend's instructions, the assertions here and in View keep every index inside
        // its slice, and no element belongs to two parts.
        unsafe {
            backend.block(&left, &right, &output, rows, columns);
        }
    };
    match grid.len() {
        1 => part(0),
        parts => (0..parts).into_par_iter().with_max_len(1).for_each(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_reads_transposes_and_accumulates() {
        let left = [1., 2., 3., 4., 5., 6.];
        let right = [1., 0., 2., 1., 1., 1.];
        let mut out = [10., 10., 10., 10.];
        let transposed = View::dense(&right, 2, 3).transposed();
        product(&mut out, 2, Into::Add, View::dense(&left, 2, 3), transposed, 2., Threads::One);
        // rows of left times rows of right: [7, 6], [16, 15]
        assert_eq!(out, [24., 22., 42., 40.]);
    }

    #[test]
    fn product_without_inner_elements_is_zero() {
        let mut out = [1., 2., 3., 4.];
        let (left, right) = (View::dense(&[], 0, 2).transposed(), View::dense(&[], 0, 1));
        product(&mut out, 2, Into::Add, left, right, 1., Threads::One);
        assert_eq!(out, [1., 2., 3., 4.]);
        product(&mut out, 2, Into::Overwrite, left, right, 1., Threads::One);
        assert_eq!(out, [0., 2., 0., 4.]);
    }

    #[test]
    #[should_panic(expected = "matrix exceeds its slice")]
    fn view_beyond_its_slice_is_refused() {
        View::dense(&[0.; 5], 2, 3);
    }

    #[test]
    #[should_panic(expected = "rows of a product's destination overlap")]
    fn overlapping_rows_are_refused() {
        let values = [1.; 6];
        product(
            &mut [0.; 6],
            1,
            Into::Overwrite,
            View::dense(&values, 2, 3),
            View::dense(&values, 3, 2),
            1.,
            Threads::One,
        );
    }
}
