//! Registers of a processor that this crate has no code of its own for.

use super::lanes::Lanes;

/// Four lanes, which the compiler maps to what the target has.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 4]);

/// Whether the compiler may use a fused multiply-add on every processor that the target runs on. Without it, fusing would
/// be a library call per element.
pub(super) const FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

#[expect(unsafe_code, reason = "the trait's pointers; callers keep them inside their buffers")]
// SAFETY: nothing beyond the target's own instructions is used.
impl Lanes for Portable {
    const WIDTH: usize = 4;
    const ROWS: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: good for four elements, by contract.
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: good for four elements, by contract.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] + other.0[lane]))
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] * other.0[lane]))
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(std::array::from_fn(|lane| match FUSED {
            true => self.0[lane].mul_add(factor.0[lane], addend.0[lane]),
            false => self.0[lane] * factor.0[lane] + addend.0[lane],
        }))
    }

    #[inline(always)]
    unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for row in 0..8 {
            for column in 0..8 {
                // SAFETY: inside the two blocks, by contract.
                unsafe { *to.add(column * to_stride + row) = *from.add(row * from_stride + column) };
            }
        }
    }
}
