//! Which instructions the processor has.

use super::block::block;
#[cfg(target_arch = "x86_64")]
use super::few_rows::leading_columns;
use super::portable::{FUSED, Portable};
#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512};
use super::{Output, View};
use std::ops::Range;

/// The instructions that products are computed with. All but an unfused one give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// 16 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 8 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What the compiler makes of it.
    Portable,
}

impl Backend {
    /// The widest that this processor has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return if is_x86_feature_detected!("avx512f") { Self::Avx512 } else { Self::Avx2 };
            }
        }
        Self::Portable
    }

    /// Whether it multiplies and adds with one rounding.
    pub(crate) fn is_fused(self) -> bool {
        self != Self::Portable || FUSED
    }

    /// Computes the elements of `output` in these rows and columns.
    ///
    /// # Safety
    /// [`Backend::detect`] returned this one or a wider one, and nobody else touches these elements meanwhile.
    #[expect(unsafe_code, reason = "instructions that not every processor has")]
    pub(super) unsafe fn block(
        self,
        left: &View<'_>,
        right: &View<'_>,
        output: &Output,
        rows: Range<usize>,
        columns: Range<usize>,
    ) {
        // SAFETY: by contract.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            let columns = match self {
                Self::Portable => columns,
                _ => columns.start + leading_columns(left, right, output, rows.clone(), columns.clone())..columns.end,
            };
            if columns.is_empty() {
                return;
            }
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => avx512(left, right, output, rows, columns),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => avx2(left, right, output, rows, columns),
                Self::Portable => block::<Portable>(left, right, output, rows, columns),
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions that not every processor has")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn avx512(left: &View<'_>, right: &View<'_>, output: &Output, rows: Range<usize>, columns: Range<usize>) {
    // SAFETY: the instructions exist, and the rest is the caller's contract.
    unsafe { block::<Avx512>(left, right, output, rows, columns) }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions that not every processor has")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(left: &View<'_>, right: &View<'_>, output: &Output, rows: Range<usize>, columns: Range<usize>) {
    // SAFETY: the instructions exist, and the rest is the caller's contract.
    unsafe { block::<Avx2>(left, right, output, rows, columns) }
}
