//! Matrix products in the defined order of operations, for crates that compute on gradients.

use crate::ops::gemm::{Into, Threads, View, product};

/// A dense row-major matrix in a slice.
#[derive(Clone, Copy)]
pub struct Matrix<'a>(View<'a>);

impl<'a> Matrix<'a> {
    /// `[rows, columns]`. Panics if `values` has fewer elements.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self(View::dense(values, rows, columns))
    }

    /// The transpose, without moving anything.
    pub fn transposed(self) -> Self {
        Self(self.0.transposed())
    }
}

/// `out += scale · left · right`, dense and row-major, by the rules of `det-f32-v1`: the same bits with any number of
/// threads and on every machine that has fused multiply-adds.
///
/// Shapes: `left [m, k]`, `right [k, n]`, `out [m, n]`. Panics if they do not fit.
pub fn add_product(out: &mut [f32], left: Matrix<'_>, right: Matrix<'_>, scale: f32) {
    product(out, right.0.columns(), Into::Add, left.0, right.0, scale, Threads::All);
}
