//! Base models in four bits per parameter.
//!
//! QLoRA (arXiv 2305.14314) trains an adapter on a base whose linear layers are held as NF4 and never unpacked as a whole:
//! forward and backward unpack one tile at a time. The bytes are those of bitsandbytes, so that every implementation
//! computes on the same base.

pub(crate) mod bitsandbytes;
mod half;
mod large_pages;
mod matrix;
mod nf4;
mod placed;
mod scales;
mod weight;

pub(crate) use half::Bf16Matrix;
pub use matrix::Nf4Matrix;
pub use scales::Nf4Scales;
pub use weight::Precision;
pub(crate) use weight::{FrozenWeight, tile_rows};
