//! Vectors of f32, over which the kernel is written once.

/// A vector register. Every operation rounds each lane on its own, so the width cannot change a result.
///
/// # Safety
/// All functions may only run on a processor that has the register's instructions; pointers must be good for `WIDTH`
/// elements. Nothing needs to be aligned.
#[expect(unsafe_code, reason = "registers exist only on some processors, and are loaded by pointer")]
pub(super) trait Lanes: Copy {
    /// Elements of a register.
    const WIDTH: usize;
    /// Rows of an output tile that is two registers wide: as many as leave room for its factors.
    const ROWS: usize;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self * factor + addend`, rounded once.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// Transposes the 8x8 block whose rows start `from_stride` apart into rows that start `to_stride` apart.
    unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize);
}
