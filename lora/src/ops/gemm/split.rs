//! Dividing a product among threads.

use std::ops::Range;

/// A division of the output into rectangles. It decides who computes an element, never how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    rows: usize,
    columns: usize,
    /// Rectangles above each other.
    pub(super) down: usize,
    /// Rectangles beside each other.
    pub(super) across: usize,
}

/// Fewest multiply-adds of a rectangle: below, waking another thread costs more than it saves.
const WORK_MIN: usize = 1 << 19;

/// Rectangles per thread, so that a thread which was held up can leave some to the others.
const SHARES: usize = 2;

/// Columns of a rectangle are whole panels of the widest processor.
const COLUMNS: usize = 32;

impl Grid {
    /// The division for `threads` threads that packs least: every rectangle packs its rows and its columns anew.
    pub(super) fn new(rows: usize, columns: usize, inner: usize, threads: usize) -> Self {
        let work = rows.saturating_mul(columns).saturating_mul(inner);
        let wanted = if threads == 1 { 1 } else { (threads * SHARES).min(work / WORK_MIN) };
        let mut best = Self { rows, columns, down: 1, across: 1 };
        let mut least = usize::MAX;
        for down in 1..=wanted {
            let across = wanted.div_ceil(down).min(columns.div_ceil(COLUMNS));
            let down = down.min(rows);
            let cost = rows * across + columns * down;
            if down * across * SHARES >= wanted && cost < least {
                (best.down, best.across, least) = (down, across, cost);
            }
        }
        best
    }

    /// Number of rectangles.
    pub(super) fn len(&self) -> usize {
        self.down * self.across
    }

    /// Rows and columns of a rectangle.
    pub(super) fn part(&self, index: usize) -> (Range<usize>, Range<usize>) {
        let (row, column) = (index / self.across, index % self.across);
        let rows = self.rows * row / self.down..self.rows * (row + 1) / self.down;
        let panels = self.columns.div_ceil(COLUMNS);
        let edge = |column: usize| (panels * column / self.across * COLUMNS).min(self.columns);
        (rows, edge(column)..edge(column + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_has_one_owner() {
        for (rows, columns, inner) in [(1, 5000, 900), (512, 2048, 512), (37, 65, 4000), (4096, 1, 4096), (3, 7, 2)] {
            for threads in [1, 2, 7, 64] {
                let grid = Grid::new(rows, columns, inner, threads);
                let mut owners = vec![0u8; rows * columns];
                for index in 0..grid.len() {
                    let (rows, of_row) = grid.part(index);
                    rows.for_each(|row| owners[row * columns..][of_row.clone()].iter_mut().for_each(|n| *n += 1));
                }
                assert!(owners.iter().all(|n| *n == 1), "{grid:?}");
                assert!(grid.len() <= 2 * threads * SHARES);
            }
        }
    }

    #[test]
    fn small_products_stay_on_one_thread_and_large_ones_do_not() {
        assert_eq!(Grid::new(64, 64, 64, 8).len(), 1);
        assert!(Grid::new(512, 2048, 512, 8).len() >= 8);
        assert!(Grid::new(1, 4864, 896, 2).len() >= 2);
    }
}
