//! Who is next.
//!
//! Requests of one adapter are served in the order in which they came. Among adapters the one that has had the least service is
//! next, counted in rows that were computed for it: one that is asked for much cannot keep others waiting, and one that was idle
//! does not get back what it did not use. Source: virtual token counters, arXiv 2401.00588, section 4.
//!
//! # Invariant
//! An adapter has a line if and only if somebody waits in it; a sequence that was suspended comes before all of them.

use super::sequence::{Sequence, SequenceId};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use tributary_protocol::ContentHash;

/// Whose service is counted together: those of one adapter, or of the base.
type Payer = Option<ContentHash>;

/// Sequences that wait.
#[derive(Default)]
pub(super) struct Queue {
    /// Those that ran already, the oldest first.
    suspended: BTreeMap<SequenceId, Sequence>,
    lines: HashMap<Payer, VecDeque<Sequence>>,
    /// The line of every sequence that is in one.
    payers: HashMap<SequenceId, Payer>,
    /// Rows computed for each that waits or runs, and for those who are ahead of all who do.
    service: HashMap<Payer, u64>,
    /// What the least served one has had.
    floor: u64,
}

impl Queue {
    /// Sequences that wait.
    pub(super) fn len(&self) -> usize {
        self.suspended.len() + self.payers.len()
    }

    /// A sequence that is new.
    pub(super) fn push(&mut self, sequence: Sequence) {
        let service = self.service.entry(sequence.adapter).or_insert(self.floor);
        *service = (*service).max(self.floor);
        self.payers.insert(sequence.id, sequence.adapter);
        self.lines.entry(sequence.adapter).or_default().push_back(sequence);
    }

    /// A sequence that ran and has to wait again.
    pub(super) fn push_suspended(&mut self, sequence: Sequence) {
        self.suspended.insert(sequence.id, sequence);
    }

    /// Counts service; `running` are those that run.
    pub(super) fn served(&mut self, rows: impl Iterator<Item = (Payer, usize)>, running: &BTreeSet<Payer>) {
        for (payer, rows) in rows {
            *self.service.entry(payer).or_insert(self.floor) += rows as u64;
        }
        let active = |payer: &Payer| running.contains(payer) || self.lines.contains_key(payer);
        let least = self.service.iter().filter(|(payer, _)| active(payer)).map(|(_, service)| *service).min();
        self.floor = self.floor.max(least.unwrap_or(0));
        let floor = self.floor;
        let lines = &self.lines;
        self.service.retain(|payer, service| *service > floor || running.contains(payer) || lines.contains_key(payer));
    }

    /// The first of every line, whose turn it is first.
    pub(super) fn order(&self) -> Vec<SequenceId> {
        let mut firsts: Vec<(u64, SequenceId)> = self
            .lines
            .iter()
            .filter_map(|(payer, line)| Some((self.service.get(payer).copied().unwrap_or(0), line.front()?.id)))
            .collect();
        firsts.sort_unstable();
        self.suspended.keys().copied().chain(firsts.into_iter().map(|(_, id)| id)).collect()
    }

    /// A sequence that [`Queue::order`] names.
    pub(super) fn get_mut(&mut self, id: SequenceId) -> Option<&mut Sequence> {
        if self.suspended.contains_key(&id) {
            return self.suspended.get_mut(&id);
        }
        self.lines.get_mut(self.payers.get(&id)?)?.front_mut().filter(|sequence| sequence.id == id)
    }

    /// Takes out a sequence that [`Queue::order`] names.
    pub(super) fn take(&mut self, id: SequenceId) -> Option<Sequence> {
        if let Some(sequence) = self.suspended.remove(&id) {
            return Some(sequence);
        }
        let payer = self.get_mut(id)?.adapter;
        self.payers.remove(&id);
        let line = self.lines.get_mut(&payer)?;
        let sequence = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&payer);
        }
        sequence
    }

    /// Takes out all for which `leaves` holds.
    pub(super) fn remove(&mut self, leaves: impl Fn(&Sequence) -> bool) -> Vec<Sequence> {
        let ids: Vec<SequenceId> = self.suspended.values().filter(|s| leaves(s)).map(|s| s.id).collect();
        let mut removed: Vec<Sequence> = ids.iter().filter_map(|id| self.suspended.remove(id)).collect();
        for line in self.lines.values_mut() {
            let (out, stay): (VecDeque<_>, VecDeque<_>) = line.drain(..).partition(|sequence| leaves(sequence));
            removed.extend(out);
            *line = stay;
        }
        self.lines.retain(|_, line| !line.is_empty());
        for sequence in &removed {
            self.payers.remove(&sequence.id);
        }
        removed
    }

    /// Whether the sequence waits.
    pub(super) fn contains(&self, id: SequenceId) -> bool {
        self.suspended.contains_key(&id) || self.payers.contains_key(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Request, RequestId};

    fn sequence(id: u64, adapter: u8) -> Sequence {
        let request = Request { adapter: Some(ContentHash([adapter; 32])), ..Request::new(vec![1]) };
        Sequence::of_request(RequestId(id), request, id, 8, None).remove(0)
    }

    fn payer(adapter: u8) -> Payer {
        Some(ContentHash([adapter; 32]))
    }

    #[test]
    fn the_least_served_line_is_next_and_each_line_keeps_its_order() {
        let mut queue = Queue::default();
        for (id, adapter) in [(1, 7), (2, 7), (3, 8), (4, 9)] {
            queue.push(sequence(id, adapter));
        }
        assert_eq!(queue.order(), [1, 3, 4]);
        assert_eq!(queue.take(1).map(|s| s.id), Some(1));
        let running = [payer(7)].into();
        queue.served([(payer(7), 10)].into_iter(), &running);
        // The next of adapter 7 comes after those who had nothing.
        assert_eq!(queue.order(), [3, 4, 2]);
        queue.push_suspended(sequence(0, 7));
        assert_eq!(queue.order(), [0, 3, 4, 2]);
        assert_eq!((queue.len(), queue.contains(2), queue.contains(1)), (4, true, false));
        assert_eq!(queue.remove(|s| s.adapter == payer(7)).len(), 2);
        assert_eq!(queue.order(), [3, 4]);
    }

    #[test]
    fn who_was_idle_gets_nothing_back() {
        let mut queue = Queue::default();
        queue.push(sequence(1, 7));
        queue.take(1);
        let running = [payer(7)].into();
        queue.served([(payer(7), 100)].into_iter(), &running);
        // The newcomer begins where the least served one stands.
        queue.push(sequence(2, 8));
        queue.push(sequence(3, 7));
        assert_eq!(queue.order(), [2, 3]);
        let both = [payer(7), payer(8)].into();
        queue.served([(payer(8), 1)].into_iter(), &both);
        assert_eq!(queue.order(), [3, 2]);
    }
}
