//! The weight of a linear layer, dense or packed.

use super::half::Bf16Matrix;
use super::matrix::Nf4Matrix;
use super::placed::PlacedNf4;
use crate::error::QuantError;
use crate::ops::{CHUNK, is_native, with_elements};
use crate::placement::{Placement, moved};
use candle_core::{DType, Device, Result as TensorResult, Tensor};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::sync::Arc;

/// How the linear layers of a base model are held in memory. Embeddings, norms and head are always f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits per parameter; 16 for a matrix whose elements are all bf16, which is computed with in f32 all the same.
    #[default]
    F32,
    /// 4-bit NormalFloat with f32 scales: 4.5 bits per parameter.
    Nf4,
    /// 4-bit NormalFloat with quantised scales, the base of QLoRA: 4.13 bits per parameter.
    Nf4Double,
}

/// Elements of a packed weight that are unpacked at once, if that makes enough rows: 1 MiB of f32, which stays in the
/// cache while it is used.
const TILE: usize = 1 << 18;

/// The weight `[out, in]` of a linear layer.
#[derive(Clone, Debug)]
pub(crate) enum FrozenWeight {
    /// f32 in CPU memory, a variable if the whole model is trained; or wherever and whatever a [`Placement`] says.
    Dense(Tensor),
    /// Packed; unpacked tile by tile where it is used, never as a whole.
    Nf4(Arc<Nf4Matrix>),
    /// Of bf16; made f32 tile by tile.
    Bf16(Arc<Bf16Matrix>),
    /// Packed, where own kernels do not compute.
    PlacedNf4(Arc<PlacedNf4>),
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
            Precision::F32 => {
                return Ok(match Bf16Matrix::exactly(&values, rows, columns) {
                    Some(matrix) => Self::Bf16(Arc::new(matrix)),
                    None => Self::Dense(Tensor::from_vec(values, (rows, columns), &Device::Cpu)?),
                });
            }
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
            Self::Bf16(matrix) => Ok((matrix.rows(), matrix.columns())),
            Self::PlacedNf4(matrix) => Ok((matrix.rows(), matrix.columns())),
        }
    }

    /// Bytes that the elements take.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Dense(tensor) => tensor.elem_count() * tensor.dtype().size_in_bytes(),
            Self::Nf4(matrix) => matrix.bytes(),
            Self::Bf16(matrix) => matrix.bytes(),
            Self::PlacedNf4(matrix) => matrix.bytes(),
        }
    }

    /// The whole weight as f32 in CPU memory, detached. Only for writing files and merging, one weight at a time.
    pub(crate) fn to_dense(&self) -> TensorResult<Tensor> {
        match self {
            Self::Dense(tensor) => moved(tensor, &Device::Cpu, DType::F32),
            Self::PlacedNf4(matrix) => matrix.dequantise()?.to_device(&Device::Cpu),
            Self::Nf4(_) | Self::Bf16(_) => {
                let mut values = vec![0f32; self.elem_count()];
                self.rows_into(0, &mut values)?;
                Tensor::from_vec(values, self.dims()?, &Device::Cpu)
            }
        }
    }

    /// The same weight where `placement` says, detached. Packed ones stay packed; others become of the placement's kind.
    ///
    /// Errors: a weight that lies where own kernels do not compute already.
    pub(crate) fn placed(&self, placement: Placement) -> TensorResult<Self> {
        if placement.is_native() {
            return Ok(self.detach());
        }
        let (device, dtype) = (placement.device().map_err(candle_core::Error::wrap)?, placement.dtype());
        match self {
            Self::Dense(tensor) => Ok(Self::Dense(moved(tensor, &device, dtype)?)),
            Self::Bf16(matrix) => Ok(Self::Dense(moved(&matrix.to_tensor()?, &device, dtype)?)),
            Self::Nf4(matrix) => Ok(Self::PlacedNf4(Arc::new(PlacedNf4::new(matrix, &device, dtype)?))),
            Self::PlacedNf4(_) => candle_core::bail!("a packed weight that lies on a device already"),
        }
    }

    /// Where the weight lies, and in what numbers it is computed with.
    pub(crate) fn place(&self) -> (Device, DType) {
        match self {
            Self::Dense(tensor) => (tensor.device().clone(), tensor.dtype()),
            Self::PlacedNf4(matrix) => (matrix.device().clone(), matrix.dtype()),
            Self::Nf4(_) | Self::Bf16(_) => (Device::Cpu, DType::F32),
        }
    }

    /// Whether own kernels read the weight.
    pub(crate) fn is_native(&self) -> bool {
        match self {
            Self::Dense(tensor) => is_native(tensor),
            Self::PlacedNf4(_) => false,
            Self::Nf4(_) | Self::Bf16(_) => true,
        }
    }

    /// The whole weight where it lies, detached, for operations that own kernels do not compute.
    ///
    /// Errors: a packed weight in CPU memory.
    pub(crate) fn matrix(&self, dtype: DType) -> TensorResult<Tensor> {
        match self {
            Self::Dense(tensor) => tensor.detach().to_dtype(dtype),
            Self::PlacedNf4(matrix) => matrix.dequantise()?.to_dtype(dtype),
            Self::Nf4(_) | Self::Bf16(_) => candle_core::bail!("a packed weight in CPU memory, and an input elsewhere"),
        }
    }

    /// The same weight, through which no gradient flows.
    pub(crate) fn detach(&self) -> Self {
        match self {
            Self::Dense(tensor) => Self::Dense(tensor.detach()),
            packed => packed.clone(),
        }
    }

    /// The rows with these numbers, `[rows.len(), columns]`; gradients flow back to a dense weight.
    ///
    /// Errors: a row beyond the weight.
    pub(crate) fn select(&self, rows: &[u32]) -> TensorResult<Tensor> {
        let (count, columns) = self.dims()?;
        if let Self::Dense(tensor) = self {
            // The processor looks itself; GPUs read whatever lies there.
            if let Some(row) = rows.iter().find(|row| !tensor.device().is_cpu() && **row as usize >= count) {
                candle_core::bail!("row {row} of a matrix with {count} rows");
            }
            return tensor.index_select(&Tensor::new(rows, tensor.device())?, 0);
        }
        let mut values = vec![0f32; rows.len() * columns];
        for (row, out) in rows.iter().zip(values.chunks_exact_mut(columns)) {
            if *row as usize >= count {
                candle_core::bail!("row {row} of a matrix with {count} rows");
            }
            self.rows_into(*row as usize, out)?;
        }
        Tensor::from_vec(values, (rows.len(), columns), &Device::Cpu)
    }

    /// Writes the rows from `first` on to `out`, as many whole rows as it holds.
    fn rows_into(&self, first: usize, out: &mut [f32]) -> TensorResult<()> {
        match self {
            Self::Dense(tensor) => {
                let columns = tensor.dim(1)?;
                with_elements(tensor, |values| {
                    out.copy_from_slice(&values[first * columns..][..out.len()]);
                    Ok(())
                })
            }
            Self::Nf4(matrix) => {
                matrix.rows_into(first, out);
                Ok(())
            }
            Self::Bf16(matrix) => {
                matrix.rows_into(first, out);
                Ok(())
            }
            Self::PlacedNf4(_) => candle_core::bail!("a weight that own kernels do not read"),
        }
    }

    /// The tensor of a weight that is never packed.
    ///
    /// Errors: it is packed.
    pub(crate) fn as_dense(&self) -> TensorResult<&Tensor> {
        match self {
            Self::Dense(tensor) => Ok(tensor),
            packed => {
                let (rows, columns) = packed.dims()?;
                candle_core::bail!("a packed matrix {rows}x{columns} has no tensor")
            }
        }
    }

    /// Number of elements.
    pub(crate) fn elem_count(&self) -> usize {
        match self {
            Self::Dense(tensor) => tensor.elem_count(),
            Self::Nf4(matrix) => matrix.rows() * matrix.columns(),
            Self::Bf16(matrix) => matrix.rows() * matrix.columns(),
            Self::PlacedNf4(matrix) => matrix.rows() * matrix.columns(),
        }
    }

    /// Calls `visit(first row, elements of whole rows)` for stretches of rows that make up the weight, in order: the whole
    /// of a dense one at once, tiles of a packed one.
    pub(crate) fn each_tile(&self, mut visit: impl FnMut(usize, &[f32]) -> TensorResult<()>) -> TensorResult<()> {
        match self {
            Self::Dense(tensor) => with_elements(tensor, |values| visit(0, values)),
            Self::PlacedNf4(_) => candle_core::bail!("a weight that own kernels do not read"),
            Self::Nf4(_) | Self::Bf16(_) => {
                let (rows, columns) = self.dims()?;
                let tile_rows = tile_rows(columns).min(rows);
                let mut kept = SPARE.take();
                kept.resize(kept.len().max(tile_rows * columns), 0.0);
                let mut visited = Ok(());
                for first in (0..rows).step_by(tile_rows.max(1)) {
                    let tile = &mut kept[..tile_rows.min(rows - first) * columns];
                    visited = self.rows_into(first, tile).and_then(|()| visit(first, tile));
                    if visited.is_err() {
                        break;
                    }
                }
                SPARE.set(kept);
                visited
            }
        }
    }
}

thread_local! {
    /// The memory of the last tile: mapping it anew for every layer costs more than filling it.
    static SPARE: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Rows of a tile of a weight with `columns` inputs: whole chunks of a product, so that a product with the transposed
/// weight, tile by tile, is the same as with the dense weight.
pub(crate) fn tile_rows(columns: usize) -> usize {
    (TILE / columns.max(1) / CHUNK).max(1) * CHUNK
}
