//! Rotary position embedding.

use super::{wide, wide_dtype};
use crate::rope::RopeTable;
use candle_core::{Result, Tensor};

/// Rotations for the rows of one run of positions.
pub(super) struct Rotation<'a> {
    rope: &'a RopeTable,
    /// `[positions, 1, half]`
    cos: Tensor,
    sin: Tensor,
}

impl<'a> Rotation<'a> {
    /// Those of rows at `positions`, for tensors that lie and compute where `like` does.
    pub(super) fn new(rope: &'a RopeTable, positions: &[u32], like: &Tensor) -> Result<Self> {
        let (cos, sin) = rope.tensors(like.device(), wide_dtype(like.dtype()))?;
        let index = Tensor::new(positions, like.device())?;
        let rows = |table: Tensor| table.index_select(&index, 0)?.unsqueeze(1);
        Ok(Self { rope, cos: rows(cos)?, sin: rows(sin)? })
    }

    /// Rotates every head. Shapes: `x [positions, heads·head_dim]` -> `[positions, heads, head_dim]`, wide.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, &self.sin)
    }

    /// The inverse rotation, which is also the gradient of the rotation.
    pub(super) fn back(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, &self.sin.neg()?)
    }

    fn apply(&self, x: &Tensor, sin: &Tensor) -> Result<Tensor> {
        let (dim, first, half) = (self.rope.head_dim, self.rope.first, self.rope.half);
        let positions = x.dim(0)?;
        let heads = x.elem_count() / positions / dim;
        let x = wide(x)?.reshape((positions, heads, dim))?;
        let (a, b) = match self.rope.interleaved {
            false => (x.narrow(2, first, half)?, x.narrow(2, first + half, half)?),
            true => {
                let pairs = x.narrow(2, first, 2 * half)?.contiguous()?.reshape((positions, heads, half, 2))?;
                (pairs.narrow(3, 0, 1)?.squeeze(3)?, pairs.narrow(3, 1, 1)?.squeeze(3)?)
            }
        };
        let (a, b) = (a.contiguous()?, b.contiguous()?);
        let cos = &self.cos;
        let new_a = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
        let new_b = (b.broadcast_mul(cos)? + a.broadcast_mul(sin)?)?;
        let mut parts = Vec::with_capacity(4);
        if first > 0 {
            parts.push(x.narrow(2, 0, first)?.contiguous()?);
        }
        if self.rope.interleaved {
            parts.push(Tensor::stack(&[new_a, new_b], 3)?.reshape((positions, heads, 2 * half))?);
        } else {
            parts.extend([new_a, new_b]);
        }
        let end = first + 2 * half;
        if end < dim {
            parts.push(x.narrow(2, end, dim - end)?.contiguous()?);
        }
        Tensor::cat(&parts, 2)?.contiguous()
    }
}
