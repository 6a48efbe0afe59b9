//! The weight of a linear layer, dense or packed.

use super::matrix::Nf4Matrix;
use crate::error::QuantError;
use crate::ops::{CHUNK, with_elements};
use candle_core::{Device, Result as TensorResult, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How the linear layers of a base model are held in memory. Embeddings, norms and head are always f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits per parameter.
    #[default]
    F32,
    /// 4-bit NormalFloat with f32 scales: 4.5 bits per parameter.
    Nf4,
    /// 4-bit NormalFloat with quantised scales, the base of QLoRA: 4.13 bits per parameter.
    Nf4Double,
}

/// Elements of a packed weight that are unpacked at once: about 1 MiB of f32, which stays in the cache while it is used.
const TILE: usize = 1 << 18;

/// The weight `[out, in]` of a linear layer.
#[derive(Clone, Debug)]
pub(crate) enum FrozenWeight {
    /// f32; a variable if the whole model is trained.
    Dense(Tensor),
    /// Packed; unpacked tile by tile where it is used, never as a whole.
    Nf4(Arc<Nf4Matrix>),
}

impl From<Tensor> for FrozenWeight {
    fn from(tensor: Tensor) -> Self {
        Self::Dense(tensor)
    }
}

impl FrozenWeight {
    /// A weight `[rows, columns]` with these elements, packed as `precision` says.
    pub(crate) fn new(values: Vec<f32>, rows: usize, columns: usize, precision: Precision) -> Result<Self, QuantError> {
        let double = match precision {
            Precision::F32 => return Ok(Self::Dense(Tensor::from_vec(values, (rows, columns), &Device::Cpu)?)),
            Precision::Nf4 => false,
            Precision::Nf4Double => true,
        };
        Ok(Self::Nf4(Arc::new(Nf4Matrix::quantise(&values, rows, columns, double)?)))
    }

    /// Outputs and inputs.
    pub(crate) fn dims(&self) -> TensorResult<(usize, usize)> {
        match self {
            Self::Dense(tensor) => tensor.dims2(),
            Self::Nf4(matrix) => Ok((matrix.rows(), matrix.columns())),
        }
    }

    /// Bytes that the elements take.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Dense(tensor) => tensor.elem_count() * tensor.dtype().size_in_bytes(),
            Self::Nf4(matrix) => matrix.bytes(),
        }
    }

    /// The whole weight as f32, detached. Only for writing files and merging, one weight at a time.
    pub(crate) fn to_dense(&self) -> TensorResult<Tensor> {
        match self {
            Self::Dense(tensor) => Ok(tensor.detach()),
            Self::Nf4(matrix) => Tensor::from_vec(matrix.dequantise(), self.dims()?, &Device::Cpu),
        }
    }

    /// The tensor of a weight that is never packed.
    ///
    /// Errors: it is packed.
    pub(crate) fn into_dense(self) -> TensorResult<Tensor> {
        match self {
            Self::Dense(tensor) => Ok(tensor),
            Self::Nf4(matrix) => {
                candle_core::bail!("a packed matrix {}x{} has no tensor", matrix.rows(), matrix.columns())
            }
        }
    }

    /// Number of elements.
    pub(crate) fn elem_count(&self) -> usize {
        match self {
            Self::Dense(tensor) => tensor.elem_count(),
            Self::Nf4(matrix) => matrix.rows() * matrix.columns(),
        }
    }

    /// Calls `visit(first row, elements of whole rows)` for stretches of rows that make up the weight, in order: the whole
    /// of a dense one at once, tiles of a packed one.
    pub(crate) fn each_tile(&self, mut visit: impl FnMut(usize, &[f32]) -> TensorResult<()>) -> TensorResult<()> {
        match self {
            Self::Dense(tensor) => with_elements(tensor, |values| visit(0, values)),
            Self::Nf4(matrix) => {
                let (rows, columns) = self.dims()?;
                let tile_rows = tile_rows(columns).min(rows);
                let mut tile = vec![0f32; tile_rows * columns];
                for first in (0..rows).step_by(tile_rows.max(1)) {
                    let tile = &mut tile[..tile_rows.min(rows - first) * columns];
                    matrix.rows_into(first, tile);
                    visit(first, tile)?;
                }
                Ok(())
            }
        }
    }
}

/// Rows of a tile of a weight with `columns` inputs: whole chunks of a product, so that a product with the transposed
/// weight, tile by tile, is the same as with the dense weight.
pub(crate) fn tile_rows(columns: usize) -> usize {
    (TILE / columns.max(1) / CHUNK).max(1) * CHUNK
}
