//! A matrix packed as NF4.

use super::nf4::{BLOCK, pack, scale_of, unpack, unpack_blocks};
use super::scales::Nf4Scales;
use crate::error::QuantError;
use rayon::prelude::*;

/// A matrix in 4-bit NormalFloat, bit for bit as bitsandbytes packs it: blocks of 64 elements in row-major order, two codes
/// to a byte.
///
/// Source: QLoRA, arXiv 2305.14314, section 3; bitsandbytes `quantize_4bit(quant_type="nf4", blocksize=64)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Nf4Matrix {
    rows: usize,
    columns: usize,
    packed: Vec<u8>,
    scales: Nf4Scales,
}

impl Nf4Matrix {
    /// Packs `values`, `[rows, columns]` in row-major order; `double` also quantises the scales.
    ///
    /// Errors: another number of elements; an element that is not finite.
    pub fn quantise(values: &[f32], rows: usize, columns: usize, double: bool) -> Result<Self, QuantError> {
        if rows.checked_mul(columns) != Some(values.len()) {
            return Err(QuantError::Elements { found: values.len(), rows, columns });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let (row, column) = (index / columns, index % columns);
            return Err(QuantError::NotFinite { row, column, value: values[index] });
        }
        let mut packed = Vec::with_capacity(values.len().div_ceil(2));
        let mut scales = Vec::with_capacity(values.len().div_ceil(BLOCK));
        for block in values.chunks(BLOCK) {
            let scale = scale_of(block);
            scales.push(scale);
            pack(block, scale, &mut packed);
        }
        let scales = if double { Nf4Scales::quantise(&scales) } else { Nf4Scales::Plain(scales) };
        Ok(Self { rows, columns, packed, scales })
    }

    /// A matrix `[rows, columns]` from its parts.
    ///
    /// Errors: the wrong number of bytes or scales; a scale that is not finite.
    pub fn from_parts(rows: usize, columns: usize, packed: Vec<u8>, scales: Nf4Scales) -> Result<Self, QuantError> {
        let elements = rows.saturating_mul(columns);
        if packed.len() != elements.div_ceil(2) {
            return Err(QuantError::Packed { found: packed.len(), expected: elements.div_ceil(2) });
        }
        if scales.len() != elements.div_ceil(BLOCK) || !scales.is_sound() {
            return Err(QuantError::Scales { found: scales.len(), expected: elements.div_ceil(BLOCK) });
        }
        Ok(Self { rows, columns, packed, scales })
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The codes, two to a byte, the earlier element in the high half.
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// The scales.
    pub fn scales(&self) -> &Nf4Scales {
        &self.scales
    }

    /// Bytes that the matrix takes.
    pub fn bytes(&self) -> usize {
        self.packed.len() + self.scales.bytes()
    }

    /// All elements, in row-major order.
    pub fn dequantise(&self) -> Vec<f32> {
        let mut values = vec![0f32; self.rows * self.columns];
        self.rows_into(0, &mut values);
        values
    }

    /// Writes the rows from `first` on to `out`, as many whole rows as it holds.
    ///
    /// Panics if the matrix has fewer.
    pub(crate) fn rows_into(&self, first: usize, out: &mut [f32]) {
        assert!(first * self.columns + out.len() <= self.rows * self.columns, "rows beyond the matrix");
        // Below this, waking other threads costs more than it saves.
        const PARALLEL_FROM: usize = 1 << 15;
        let start = first * self.columns;
        out.par_chunks_mut(PARALLEL_FROM)
            .enumerate()
            .for_each(|(chunk, out)| self.elements_into(start + chunk * PARALLEL_FROM, out));
    }

    /// [`Nf4Matrix::rows_into`] on the calling thread only.
    pub(crate) fn rows_into_here(&self, first: usize, out: &mut [f32]) {
        assert!(first * self.columns + out.len() <= self.rows * self.columns, "rows beyond the matrix");
        self.elements_into(first * self.columns, out);
    }

    fn elements_into(&self, mut start: usize, mut out: &mut [f32]) {
        while !out.is_empty() {
            let block = start / BLOCK;
            if start.is_multiple_of(BLOCK) && out.len() >= BLOCK {
                let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
                unpack_blocks(&self.packed[start / 2..], |i| self.scales.get(block + i), blocks);
                start += blocks.len() * BLOCK;
                out = rest;
                continue;
            }
            let (part, rest) = out.split_at_mut(out.len().min((block + 1) * BLOCK - start));
            unpack(&self.packed, start, self.scales.get(block), part);
            start += part.len();
            out = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize) -> Vec<f32> {
        (0..count).map(|i| libm::sinf(i as f32 * 0.37) * 0.1).collect()
    }

    #[test]
    fn rows_are_those_of_the_whole() {
        // 13 columns: rows begin inside blocks and inside bytes.
        for double in [false, true] {
            let matrix = Nf4Matrix::quantise(&values(29 * 13), 29, 13, double).unwrap();
            let whole = matrix.dequantise();
            for first in 0..29 {
                let mut part = vec![0f32; 13 * (29 - first).min(5)];
                matrix.rows_into(first, &mut part);
                assert_eq!(part, whole[first * 13..][..part.len()]);
            }
        }
    }

    #[test]
    fn error_stays_within_half_the_widest_gap() {
        let values = values(64 * 50);
        let found = Nf4Matrix::quantise(&values, 50, 64, false).unwrap().dequantise();
        for (block, found) in values.chunks(64).zip(found.chunks(64)) {
            // The widest gap of the codebook is 1 - 0.696.
            let bound = scale_of(block) * 0.1520;
            assert!(block.iter().zip(found).all(|(a, b)| (a - b).abs() <= bound));
        }
    }

    #[test]
    fn double_quantisation_takes_4_13_bits_per_parameter() {
        let bits = |double| {
            let matrix = Nf4Matrix::quantise(&values(512 * 512), 512, 512, double).unwrap();
            matrix.bytes() as f64 * 8.0 / f64::from(512 * 512)
        };
        assert_eq!(bits(false), 4.5);
        // 4 + 8/64 + 32/(64·256), and one offset.
        assert!((bits(true) - 4.127).abs() < 1e-3, "{}", bits(true));
    }

    #[test]
    fn zeros_stay_zeros() {
        let matrix = Nf4Matrix::quantise(&[0.0; 128], 2, 64, false).unwrap();
        assert!(matrix.dequantise().iter().all(|value| *value == 0.0));
    }

    /// The bytes that bitsandbytes 0.50.2 gives for the same numbers on the CPU.
    #[test]
    fn short_and_zero_blocks_are_those_of_bitsandbytes() {
        let count = 64 * 300 + 37;
        let mut values: Vec<f32> = (0..count).map(|i| (((i * 7919) % 10_007) as f32 - 5003.0) / 4096.0).collect();
        values[64 * 5..64 * 6].fill(0.0);
        let matrix = Nf4Matrix::quantise(&values, 1, count, false).unwrap();
        assert_eq!(matrix.packed()[160..162], [119, 119]);
        assert_eq!(matrix.packed()[matrix.packed().len() - 2..], [216, 71]);
        assert_eq!((matrix.scales().get(299), matrix.scales().get(300)), (1.196_044_9, 1.216_552_7));
        let zeros = Nf4Matrix::quantise(&[0.0; 65], 1, 65, false).unwrap();
        assert_eq!((zeros.packed()[31..33].to_vec(), zeros.scales().get(1)), (vec![119, 119], 1e-38));
    }

    #[test]
    fn wrong_parts_are_refused() {
        assert!(matches!(Nf4Matrix::quantise(&[0.0; 5], 2, 3, true), Err(QuantError::Elements { found: 5, .. })));
        let error = Nf4Matrix::quantise(&[0.0, 1.0, 2.0, f32::NAN], 2, 2, true).unwrap_err();
        assert!(matches!(error, QuantError::NotFinite { row: 1, column: 1, .. }));
        let plain = |scales: &[f32]| Nf4Scales::Plain(scales.to_vec());
        assert!(matches!(
            Nf4Matrix::from_parts(2, 64, vec![0; 63], plain(&[1.0, 1.0])),
            Err(QuantError::Packed { found: 63, expected: 64 })
        ));
        assert!(matches!(
            Nf4Matrix::from_parts(2, 64, vec![0; 64], plain(&[1.0])),
            Err(QuantError::Scales { found: 1, expected: 2 })
        ));
        assert!(Nf4Matrix::from_parts(2, 64, vec![0; 64], plain(&[1.0, f32::INFINITY])).is_err());
        assert!(Nf4Matrix::from_parts(2, 64, vec![0; 64], plain(&[1.0, 2.0])).is_ok());
    }
}
