//! A matrix packed as NF4, where a model lies that own kernels do not compute.

use super::matrix::Nf4Matrix;
use super::nf4::{BLOCK, CODEBOOK};
use super::scales::{BLOCK as OUTER, Nf4Scales, dynamic_map};
use candle_core::{DType, Device, Result, Tensor};

/// An [`Nf4Matrix`] on a device: unpacked there as a whole where it is used, bit for bit as [`Nf4Matrix::dequantise`] does.
///
/// Values are looked up by bytes. candle takes the index 255 for nothing and gives zero, so bytes are kept with the bits
/// flipped ([`FLIP`], [`OUTER_FLIP`]) that make 255 the byte which stands for zero.
#[derive(Debug)]
pub(crate) struct PlacedNf4 {
    rows: usize,
    columns: usize,
    /// Kind of numbers that the unpacked elements are used in.
    dtype: DType,
    /// The codes, two to a byte, flipped, filled up to whole blocks.
    codes: Tensor,
    /// What the two codes of every flipped byte stand for, `[256, 2]`.
    pairs: Tensor,
    scales: PlacedScales,
}

/// Two codes 7, which are zeros, become 255.
const FLIP: u8 = 0x77 ^ 0xFF;

/// The code 127 of the dynamic map, which is zero, becomes 255.
const OUTER_FLIP: u8 = 127 ^ 0xFF;

#[derive(Debug)]
enum PlacedScales {
    /// `[blocks]`
    Plain(Tensor),
    Double {
        /// Flipped, filled up to whole outer blocks.
        codes: Tensor,
        /// What every flipped code stands for, `[256]`.
        map: Tensor,
        /// `[outer blocks, 1]`
        scales: Tensor,
        offset: f32,
    },
}

impl PlacedNf4 {
    pub(super) fn new(matrix: &Nf4Matrix, device: &Device, dtype: DType) -> Result<Self> {
        let (rows, columns) = (matrix.rows(), matrix.columns());
        let blocks = (rows * columns).div_ceil(BLOCK);
        let flipped = |codes: &[u8], flip: u8| codes.iter().map(|code| code ^ flip).collect::<Vec<u8>>();
        let mut codes = flipped(matrix.packed(), FLIP);
        codes.resize(blocks * BLOCK / 2, 0);
        let value = |code: u8| CODEBOOK[usize::from(code & 15)];
        let pairs: Vec<f32> =
            (0..=u8::MAX).map(|byte| byte ^ FLIP).flat_map(|byte| [value(byte >> 4), value(byte)]).collect();
        let map: Vec<f32> = (0..=u8::MAX).map(|code| dynamic_map()[usize::from(code ^ OUTER_FLIP)]).collect();
        let scales = match matrix.scales() {
            Nf4Scales::Plain(scales) => PlacedScales::Plain(Tensor::new(scales.as_slice(), device)?),
            Nf4Scales::Double { codes, scales, offset } => {
                let mut codes = flipped(codes, OUTER_FLIP);
                codes.resize(scales.len() * OUTER, 0);
                PlacedScales::Double {
                    codes: Tensor::new(codes, device)?,
                    map: Tensor::new(map, device)?,
                    scales: Tensor::from_slice(scales, (scales.len(), 1), device)?,
                    offset: *offset,
                }
            }
        };
        let pairs = Tensor::from_vec(pairs, (256, 2), device)?;
        Ok(Self { rows, columns, dtype, codes: Tensor::new(codes, device)?, pairs, scales })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Kind of numbers that the unpacked elements are used in.
    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    pub(crate) fn device(&self) -> &Device {
        self.codes.device()
    }

    /// Bytes that the matrix takes, without the tables that each has for itself.
    pub(crate) fn bytes(&self) -> usize {
        let scales = match &self.scales {
            PlacedScales::Plain(scales) => 4 * scales.elem_count(),
            PlacedScales::Double { codes, scales, .. } => codes.elem_count() + 4 * scales.elem_count() + 4,
        };
        self.codes.elem_count() + scales
    }

    /// All elements in f32, `[rows, columns]`.
    pub(crate) fn dequantise(&self) -> Result<Tensor> {
        let blocks = self.codes.elem_count() * 2 / BLOCK;
        let scales = match &self.scales {
            PlacedScales::Plain(scales) => scales.clone(),
            PlacedScales::Double { codes, map, scales, offset } => {
                let inner = map.index_select(codes, 0)?.reshape((scales.elem_count(), OUTER))?;
                // Rounded after the product and after the sum, as on the processor.
                let scaled = inner.broadcast_mul(scales)?.flatten_all()?;
                (scaled.narrow(0, 0, blocks)? + f64::from(*offset))?
            }
        };
        let values = self.pairs.index_select(&self.codes, 0)?.reshape((blocks, BLOCK))?;
        let values = values.broadcast_mul(&scales.reshape((blocks, 1))?)?.flatten_all()?;
        values.narrow(0, 0, self.rows * self.columns)?.reshape((self.rows, self.columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Placement;

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    on_devices!(unpacks_bit_for_bit);

    fn unpacks_bit_for_bit(placement: Placement) {
        let device = placement.device().unwrap();
        // Rows that end inside blocks and bytes, a last block and a last outer block that are not full.
        for (rows, columns) in [(29, 13), (64, 172), (300, 257), (1, 1), (2, 64)] {
            let values: Vec<f32> = (0..rows * columns).map(|i| libm::sinf(0.37 * i as f32) * 0.1).collect();
            for double in [false, true] {
                let matrix = Nf4Matrix::quantise(&values, rows, columns, double).unwrap();
                let placed = PlacedNf4::new(&matrix, &device, placement.dtype()).unwrap();
                let found: Vec<f32> = placed.dequantise().unwrap().flatten_all().unwrap().to_vec1().unwrap();
                assert_eq!(bits(&found), bits(&matrix.dequantise()), "{rows}x{columns}, double {double}");
                assert!(placed.bytes() >= matrix.bytes() && placed.bytes() < matrix.bytes() + 32 + OUTER);
            }
        }
    }
}
