//! Copies of the factors in the order in which the innermost loop reads them.

use super::View;
use super::lanes::Lanes;
use std::ops::Range;

/// Longest stretch of the inner index that is summed in one chain. Part of the definition of `det-f32-v1`.
///
/// A panel of the right factor, 16 columns by 256, takes 16 KiB and stays in every L1 cache beside the left one.
pub(crate) const CHUNK: usize = 256;

/// Most rows of a panel of the left factor, on any processor.
pub(super) const ROWS_MAX: usize = 12;

/// Rows that a packed panel of the left factor has room for: whole blocks of eight.
pub(super) const ROWS_ROOM: usize = 16;

/// Copies `count` rows from `first_row` on, of `inner` columns from `first` on, to rows that start [`CHUNK`] apart.
///
/// # Safety
/// The processor has the instructions of `V`; `to` is good for `ROWS_ROOM·CHUNK` elements.
#[expect(unsafe_code, reason = "the view was checked when it was made; indices stay inside it")]
#[inline(always)]
pub(super) unsafe fn left<V: Lanes>(
    view: &View<'_>,
    first_row: usize,
    count: usize,
    first: usize,
    inner: usize,
    to: *mut f32,
) {
    // SAFETY: by contract.
    unsafe {
        if view.column_stride == 1 {
            for row in 0..count {
                std::ptr::copy_nonoverlapping(view.at(first_row + row, first), to.add(row * CHUNK), inner);
            }
            return;
        }
        let mut done = 0;
        if view.row_stride == 1 {
            done = inner / 8 * 8;
            for row in (0..count).step_by(8) {
                // Rows beyond the panel are copied too, where the factor has them; nobody reads them.
                if first_row + row + 8 > view.rows {
                    rest(view, (first_row + row, count - row), (first, done), to.add(row * CHUNK));
                    continue;
                }
                for column in (0..done).step_by(8) {
                    let from = view.at(first_row + row, first + column);
                    V::transpose_8x8(from, view.column_stride, to.add(row * CHUNK + column), CHUNK);
                }
            }
        }
        rest(view, (first_row, count), (first + done, inner - done), to.add(done));
    }
}

/// Copies rows and columns, each given as (first, count), to rows that start [`CHUNK`] apart, element by element.
///
/// # Safety
/// They are in the view, and `to` is good for them.
#[expect(unsafe_code, reason = "the view was checked when it was made; indices stay inside it")]
#[inline(always)]
unsafe fn rest(view: &View<'_>, rows: (usize, usize), columns: (usize, usize), to: *mut f32) {
    for column in 0..columns.1 {
        for row in 0..rows.1 {
            // SAFETY: by contract.
            unsafe { *to.add(row * CHUNK + column) = *view.at(rows.0 + row, columns.0 + column) };
        }
    }
}

/// Copies `inner` rows from `first` on of these columns to panels of two registers' width, one after the other; the last
/// one is of one register if that is enough. Columns that are missing there become zero.
///
/// # Safety
/// The processor has the instructions of `V`; `to` is good for `inner` times the columns, rounded up to whole panels.
#[expect(unsafe_code, reason = "the view was checked when it was made; indices stay inside it")]
#[inline(always)]
pub(super) unsafe fn right<V: Lanes>(view: &View<'_>, columns: Range<usize>, first: usize, inner: usize, to: *mut f32) {
    let wide = 2 * V::WIDTH;
    let whole = columns.len() / wide;
    // SAFETY: by contract.
    unsafe {
        if view.column_stride == 1 {
            // Row by row: a row is read in one go, however many panels it goes to.
            let (mut from, mut to) = (view.at(first, columns.start), to);
            for _ in 0..inner {
                let (mut from_panel, mut to_panel) = (from, to);
                for _ in 0..whole {
                    V::load(from_panel).store(to_panel);
                    V::load(from_panel.add(V::WIDTH)).store(to_panel.add(V::WIDTH));
                    from_panel = from_panel.wrapping_add(wide);
                    to_panel = to_panel.wrapping_add(wide * inner);
                }
                from = from.wrapping_add(view.row_stride);
                to = to.wrapping_add(wide);
            }
        } else {
            for panel in 0..whole {
                let column = columns.start + panel * wide;
                self::panel::<V>(view, column, wide, (first, inner), wide, to.add(panel * wide * inner));
            }
        }
        let (column, count) = (columns.start + whole * wide, columns.len() % wide);
        if count > 0 {
            let width = if count <= V::WIDTH { V::WIDTH } else { wide };
            self::panel::<V>(view, column, count, (first, inner), width, to.add(whole * wide * inner));
        }
    }
}

/// One panel of `width` columns, of which `count` from `column` on exist; the rows are given as (first, count).
///
/// # Safety
/// As for [`right`].
#[expect(unsafe_code, reason = "the view was checked when it was made; indices stay inside it")]
#[inline(always)]
unsafe fn panel<V: Lanes>(
    view: &View<'_>,
    column: usize,
    count: usize,
    (first, inner): (usize, usize),
    width: usize,
    to: *mut f32,
) {
    let done = if view.row_stride == 1 { (inner / 8 * 8, count / 8 * 8) } else { (0, 0) };
    // SAFETY: by contract.
    unsafe {
        for group in (0..done.1).step_by(8) {
            let mut from = view.at(first, column + group);
            let mut to = to.add(group);
            for _ in 0..done.0 / 8 {
                V::transpose_8x8(from, view.column_stride, to, width);
                from = from.wrapping_add(8);
                to = to.wrapping_add(8 * width);
            }
        }
        for row in 0..inner {
            let from = if row < done.0 { done.1 } else { 0 };
            for column_of_panel in from..count {
                *to.add(row * width + column_of_panel) = *view.at(first + row, column + column_of_panel);
            }
            for missing in count..width {
                *to.add(row * width + missing) = 0.0;
            }
        }
    }
}
