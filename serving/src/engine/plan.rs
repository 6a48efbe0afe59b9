//! What a step computes.

use super::Engine;
use tributary_lora::PagePool;

/// A sequence's part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its place among those that run.
    pub index: usize,
    /// Its next positions.
    pub rows: usize,
}

impl Engine {
    /// Divides the rows of a step among those that run, and gets pages for them. Neighbours have the same adapter.
    ///
    /// One row for everyone who needs just one; what is left goes to longer stretches, the oldest first. Where pages are short,
    /// the youngest give theirs up.
    pub(super) fn plan(&mut self) -> Vec<Part> {
        let single = self.running.iter().filter(|sequence| sequence.pending() == 1).count();
        let mut left = self.config.rows_max.saturating_sub(single);
        let mut wanted: Vec<usize> = Vec::with_capacity(self.running.len());
        for sequence in &self.running {
            let rows = match sequence.pending() {
                1 => 1,
                pending => {
                    let rows = pending.min(left);
                    left -= rows;
                    rows
                }
            };
            wanted.push(rows);
        }
        let mut plan: Vec<Part> = Vec::new();
        let mut index = 0;
        while index < self.running.len() {
            let rows = wanted[index];
            if rows > 0 {
                let sequence = &self.running[index];
                let needed = PagePool::pages_for(sequence.computed + rows).saturating_sub(sequence.pages.len());
                if !self.make_free(needed, index) {
                    // It was the youngest itself.
                    break;
                }
                let pages: Vec<_> = (0..needed).filter_map(|_| self.pool.allocate()).collect();
                self.running[index].pages.extend(pages);
                plan.push(Part { index, rows });
            }
            index += 1;
        }
        plan.sort_by_key(|part| (self.running[part.index].adapter, part.index));
        plan
    }

    /// Frees pages for the sequence at this place: from the prefix cache, then from the youngest sequences. `false` if that was
    /// the sequence itself.
    fn make_free(&mut self, needed: usize, index: usize) -> bool {
        loop {
            let missing = needed.saturating_sub(self.pool.free_pages());
            if missing == 0 {
                return true;
            }
            if self.prefix.give_up(missing, &mut self.pool) > 0 {
                continue;
            }
            let Some(mut youngest) = self.running.pop() else { return false };
            self.suspended += 1;
            youngest.suspend(&mut self.pool);
            self.queue.push_suspended(youngest);
            if self.running.len() <= index {
                return false;
            }
        }
    }
}
