//! Weights in pages of memory of 2 MiB.
//!
//! A step of generation reads all weights of a model once. With pages of 4 KiB a processor looks up a page after every 64
//! lines of its cache, which takes a tenth of the time.

/// What a large page of Linux on x86-64 and on most 64-bit ARM systems holds.
#[cfg(target_os = "linux")]
const PAGE_BYTES: usize = 2 << 20;

/// Bytes from which on large pages are asked for before they are written: most of the array lies in whole ones then.
/// Smaller arrays are gathered afterwards, which copies them.
#[cfg(target_os = "linux")]
const AHEAD_FROM: usize = 4 * PAGE_BYTES;

/// Bytes below which an array is left where it is.
#[cfg(target_os = "linux")]
const LEAST: usize = 128 << 10;

/// The items in a vector that lies in large pages if the system has some. One that has none is slower, and as right.
pub(super) fn collect<T>(items: impl ExactSizeIterator<Item = T>) -> Vec<T> {
    let mut values = Vec::with_capacity(items.len());
    #[cfg(target_os = "linux")]
    if size_of_val(values.spare_capacity_mut()) >= AHEAD_FROM {
        advise(values.spare_capacity_mut(), libc::MADV_HUGEPAGE);
    }
    values.extend(items);
    #[cfg(target_os = "linux")]
    if (LEAST..AHEAD_FROM).contains(&size_of_val(values.as_slice())) {
        advise(&values, libc::MADV_COLLAPSE);
    }
    values
}

/// Tells the system how to hold the large pages that `values` touch. What else lies in them stays what it is too.
#[cfg(target_os = "linux")]
fn advise<T>(values: &[T], advice: libc::c_int) {
    let bytes = values.as_ptr_range();
    let first = bytes.start.addr() / PAGE_BYTES * PAGE_BYTES;
    for page in (first..bytes.end.addr()).step_by(PAGE_BYTES) {
        let page = bytes.start.with_addr(page).cast_mut().cast();
        #[expect(unsafe_code, reason = "a call of the system")]
        // SAFETY: neither advice changes what memory holds. Where a page is not all of this process, nothing happens.
        let _ = unsafe { libc::madvise(page, PAGE_BYTES, advice) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_every_size_hold_their_items() {
        for count in [0, 1, 70_000, 3_000_000, 6_000_000] {
            let values = collect((0..count).map(|i: u32| (i % 65_521) as u16));
            assert_eq!(values.len(), count as usize);
            assert!(values.iter().zip(0..).all(|(value, i): (_, u32)| u32::from(*value) == i % 65_521));
        }
    }
}
