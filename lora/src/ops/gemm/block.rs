//! One rectangle of the output, computed by one thread.

use super::lanes::Lanes;
use super::pack::{self, CHUNK, ROWS_MAX, ROWS_ROOM};
use super::tile::tile;
use super::{Into, Output, View};
use std::cell::Cell;
use std::ops::Range;

/// Elements of the right factor that are packed at once: a quarter of a mebibyte, which an L2 cache keeps while the rows
/// of the left factor pass by.
const STRIPE: usize = 1 << 16;

/// The same where few rows pass by, which have no time to wait for an L2 cache.
const STRIPE_OF_FEW: usize = 1 << 15;

/// A cache line, which packed panels begin with.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read through pointers")] [f32; 16]);

thread_local! {
    /// Packed panels. Taken while in use, so that nobody can see it twice.
    static PANELS: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Computes the elements of `output` in these rows and columns.
///
/// # Safety
/// The processor has the instructions of `V`, and nobody else touches these elements meanwhile.
#[expect(unsafe_code, reason = "packed panels and tiles are addressed by pointer")]
#[inline(always)]
pub(super) unsafe fn block<V: Lanes>(
    left: &View<'_>,
    right: &View<'_>,
    output: &Output,
    rows: Range<usize>,
    columns: Range<usize>,
) {
    let wide = 2 * V::WIDTH;
    let narrow = columns.len() <= V::WIDTH;
    let rows_max = if narrow { ROWS_MAX } else { V::ROWS };
    let panels = rows.len().div_ceil(rows_max);
    let stripe = if panels <= 2 { STRIPE_OF_FEW } else { STRIPE };
    let inner_max = left.columns.min(CHUNK);
    // As many panels as fit, however short the inner index is.
    let stripe = (stripe / (inner_max * wide)).max(1) * wide;
    let stripe = stripe.min(columns.len().next_multiple_of(wide));
    let mut lines = PANELS.take();
    let needed = (ROWS_ROOM * CHUNK + stripe * inner_max).div_ceil(16);
    if lines.len() < needed {
        lines.resize(needed, Line([0.0; 16]));
    }
    let of_left = lines.as_mut_ptr().cast::<f32>();
    // SAFETY: `lines` holds the left panel and, after it, a stripe of the right factor; rows and columns are inside the
    // factors and the output, as the caller checked; the instructions exist, by contract.
    unsafe {
        let of_right = of_left.add(ROWS_ROOM * CHUNK);
        let mut first_column = columns.start;
        while first_column < columns.end {
            let end_column = columns.end.min(first_column + stripe);
            let mut first = 0;
            while first < left.columns {
                let inner = CHUNK.min(left.columns - first);
                let into = if first == 0 { output.into } else { Into::Add };
                pack::right::<V>(right, first_column..end_column, first, inner, of_right);
                let mut row = rows.start;
                for panel in 0..panels {
                    // Panels of almost equal height: few rows in one would leave most of the multipliers idle.
                    let count = (rows.end - row).div_ceil(panels - panel);
                    pack::left::<V>(left, row, count, first, inner, of_left);
                    let mut column = first_column;
                    while column < end_column {
                        let packed = of_right.add((column - first_column) * inner);
                        let columns = wide.min(end_column - column);
                        let at = (row, column);
                        macro_rules! rows_and_vectors {
                            ($vectors:literal: $($rows:literal)*) => {
                                match count {
                                    $($rows => tile::<V, $rows, $vectors>(inner, of_left, packed, output, at, columns, into),)*
                                    _ => unreachable!("a panel has at most ROWS_MAX rows"),
                                }
                            };
                        }
                        if columns <= V::WIDTH {
                            rows_and_vectors!(1: 1 2 3 4 5 6 7 8 9 10 11 12)
                        } else if V::ROWS <= 6 {
                            rows_and_vectors!(2: 1 2 3 4 5 6)
                        } else {
                            rows_and_vectors!(2: 1 2 3 4 5 6 7 8 9 10 11 12)
                        }
                        column += wide;
                    }
                    row += count;
                }
                first += inner;
            }
            first_column = end_column;
        }
    }
    PANELS.set(lines);
}
