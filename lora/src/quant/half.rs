//! A matrix of bf16.

use super::large_pages;
use candle_core::{Device, Result, Tensor};
use half::bf16;
use rayon::prelude::*;

/// A matrix whose elements are all bf16, as the files of most models have them: half the memory of f32, and the same
/// numbers.
#[derive(Debug)]
pub(crate) struct Bf16Matrix {
    rows: usize,
    columns: usize,
    /// The high halves of the elements' bits, row by row.
    bits: Vec<u16>,
}

impl Bf16Matrix {
    /// The matrix of `values`, `[rows, columns]` in row-major order; `None` if an element would lose bits.
    pub(crate) fn exactly(values: &[f32], rows: usize, columns: usize) -> Option<Self> {
        assert_eq!(values.len(), rows * columns, "elements of a matrix");
        let exact = values.par_chunks(1 << 16).all(|part| part.iter().all(|value| value.to_bits() & 0xFFFF == 0));
        exact.then(|| Self {
            rows,
            columns,
            bits: large_pages::collect(values.iter().map(|value| (value.to_bits() >> 16) as u16)),
        })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes that the matrix takes.
    pub(crate) fn bytes(&self) -> usize {
        2 * self.bits.len()
    }

    /// The matrix as a tensor of bf16.
    pub(crate) fn to_tensor(&self) -> Result<Tensor> {
        let values: Vec<bf16> = self.bits.iter().map(|bits| bf16::from_bits(*bits)).collect();
        Tensor::from_vec(values, (self.rows, self.columns), &Device::Cpu)
    }

    /// The high halves of the bits of `count` rows from `first` on.
    pub(crate) fn row_bits(&self, first: usize, count: usize) -> &[u16] {
        &self.bits[first * self.columns..(first + count) * self.columns]
    }

    /// Writes the rows from `first` on to `out`, as many whole rows as it holds.
    ///
    /// Panics if the matrix has fewer.
    pub(crate) fn rows_into(&self, first: usize, out: &mut [f32]) {
        // Below this, waking other threads costs more than it saves.
        const PARALLEL_FROM: usize = 1 << 16;
        let bits = &self.bits[first * self.columns..][..out.len()];
        out.par_chunks_mut(PARALLEL_FROM).zip(bits.par_chunks(PARALLEL_FROM)).for_each(|(out, bits)| {
            for (out, bits) in out.iter_mut().zip(bits) {
                *out = f32::from_bits(u32::from(*bits) << 16);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_back_or_are_refused() {
        let mut values: Vec<f32> = (0..12).map(|i| f32::from_bits((0x3F80 + 37 * i) << 16)).collect();
        values[3] = -0.0;
        let matrix = Bf16Matrix::exactly(&values, 4, 3).unwrap();
        let mut rows = [0f32; 6];
        matrix.rows_into(1, &mut rows);
        assert_eq!(rows.map(f32::to_bits).as_slice(), values[3..9].iter().map(|v| v.to_bits()).collect::<Vec<_>>());
        assert_eq!((matrix.rows(), matrix.columns(), matrix.bytes()), (4, 3, 24));
        values[11] = 0.1;
        assert!(Bf16Matrix::exactly(&values, 4, 3).is_none());
    }
}
