//! Bounds-checked strided matrix products over slices.

use gemm::Parallelism;

/// A matrix seen in a slice: element `(row, column)` lies at `row * row_stride + column * column_stride`.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix whose rows start `stride` elements apart.
    pub(super) fn strided(values: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert!(fits(values.len(), rows, columns, stride, 1), "matrix exceeds its slice");
        Self { values, rows, columns, row_stride: stride, column_stride: 1 }
    }

    /// A dense row-major matrix.
    pub(super) fn dense(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(values, rows, columns, columns)
    }

    /// The transpose, without moving anything.
    pub(super) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// What happens to the old content of a product's destination.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Into {
    /// It is replaced.
    Overwrite,
    /// The product is added to it.
    Add,
}

/// Whether a product may use every core, or runs inside a loop that already does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// The calling thread only.
    One,
    /// All of rayon's threads, if the product is large enough to gain from them.
    All,
}

/// `out (+)= scale * left * right`, where the rows of `out` start `out_stride` elements apart.
///
/// Each element is one chain over ascending inner index, whatever the number of threads.
pub(super) fn product(
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
    assert!(fits(out.len(), rows, columns, out_stride, 1), "product exceeds its destination");
    if rows == 0 || columns == 0 {
        return;
    }
    if inner == 0 {
        if into == Into::Overwrite {
            (0..rows).for_each(|row| out[row * out_stride..][..columns].fill(0.0));
        }
        return;
    }
    // Below this many multiply-adds, waking other threads costs more than it saves.
    const PARALLEL_FROM: usize = 1 << 20;
    let parallelism =
        if threads == Threads::All && rows * columns * inner >= PARALLEL_FROM && rayon::current_num_threads() > 1 {
            Parallelism::Rayon(0)
        } else {
            Parallelism::None
        };
    #[expect(unsafe_code, reason = "gemm takes pointers; the assertions above and in View keep every access inside")]
    // SAFETY: `out` is exclusively borrowed; every index that the strides can form was checked against its slice.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            into == Into::Add,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

fn fits(len: usize, rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> bool {
    rows == 0 || columns == 0 || (rows - 1) * row_stride + (columns - 1) * column_stride < len
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
}
