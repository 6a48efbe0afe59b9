//! Registers of x86-64: AVX2 with FMA, and AVX-512.

use super::lanes::Lanes;
use std::arch::x86_64::*;

/// Eight lanes; needs AVX2 and FMA.
#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256);

/// Sixteen lanes; needs AVX-512F beside AVX2 and FMA.
#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512);

#[expect(unsafe_code, reason = "intrinsics; the one caller has asked the processor for them")]
// SAFETY: of all functions: the instructions exist and the pointers are good, by the trait's contract.
impl Lanes for Avx2 {
    const WIDTH: usize = 8;
    // 12 sums, 2 registers of the right factor and 1 of the left, of 16.
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: see above.
        unsafe { transpose_8x8(from, from_stride, to, to_stride) }
    }
}

#[expect(unsafe_code, reason = "intrinsics; the one caller has asked the processor for them")]
// SAFETY: of all functions: the instructions exist and the pointers are good, by the trait's contract.
impl Lanes for Avx512 {
    const WIDTH: usize = 16;
    // 24 sums, 2 registers of the right factor and 1 of the left, of 32.
    const ROWS: usize = 12;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: see above.
        unsafe { transpose_8x8(from, from_stride, to, to_stride) }
    }
}

/// See [`Lanes::transpose_8x8`]; needs AVX.
#[expect(unsafe_code, reason = "intrinsics; the one caller has asked the processor for them")]
#[inline(always)]
unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
    // SAFETY: the rows of both blocks are good for eight elements, by the trait's contract.
    unsafe {
        let mut to = to;
        for column in transposed_8x8(from, from_stride) {
            _mm256_storeu_ps(to, column);
            to = to.wrapping_add(to_stride);
        }
    }
}

/// The columns of the 8x8 block whose rows start `stride` apart; needs AVX.
#[expect(unsafe_code, reason = "intrinsics; the callers have asked the processor for them")]
#[inline(always)]
pub(super) unsafe fn transposed_8x8(from: *const f32, stride: usize) -> [__m256; 8] {
    // SAFETY: the rows are good for eight elements, as the caller promises.
    unsafe {
        let [a, b, c, d] = transposed_8x4(from, stride);
        let [e, f, g, h] = transposed_8x4(from.add(4), stride);
        [a, b, c, d, e, f, g, h]
    }
}

/// The first four columns of such a block.
#[expect(unsafe_code, reason = "intrinsics; the callers have asked the processor for them")]
#[inline(always)]
unsafe fn transposed_8x4(from: *const f32, stride: usize) -> [__m256; 4] {
    // SAFETY: as above.
    unsafe {
        let r0 = halves(from, stride);
        let r1 = halves(from.add(stride), stride);
        let r2 = halves(from.add(2 * stride), stride);
        let r3 = halves(from.add(3 * stride), stride);
        let (a, b) = (_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1));
        let (c, d) = (_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3));
        [
            _mm256_shuffle_ps::<0x44>(a, c),
            _mm256_shuffle_ps::<0xEE>(a, c),
            _mm256_shuffle_ps::<0x44>(b, d),
            _mm256_shuffle_ps::<0xEE>(b, d),
        ]
    }
}

/// Four elements of a row and of the fourth row after it, side by side, so that the rest stays within 128 bits.
#[expect(unsafe_code, reason = "intrinsics; the callers have asked the processor for them")]
#[inline(always)]
unsafe fn halves(from: *const f32, stride: usize) -> __m256 {
    // SAFETY: inside the block, by the trait's contract.
    unsafe {
        let low = _mm256_castps128_ps256(_mm_loadu_ps(from));
        _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(from.add(4 * stride)))
    }
}
