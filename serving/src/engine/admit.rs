//! Who begins to run.

use super::Engine;
use super::sequence::{Sequence, SequenceId};
use crate::request::{Event, RequestId};
use tributary_lora::PagePool;
use tributary_protocol::ContentHash;

/// What came of trying to admit a sequence.
enum Admission {
    /// It runs.
    Runs,
    /// Its adapter is not in memory yet, or the first answer to its prompt is not so far.
    NotReady,
    /// There are no pages for its prompt.
    NoPages,
}

impl Engine {
    /// Lets sequences run whose turn it is, as long as there is room, and sees that adapters come to memory ahead of their turn.
    pub(super) fn admit(&mut self, events: &mut Vec<(RequestId, Event)>) {
        while self.admit_next(events) {}
        self.running.sort_by_key(|sequence| sequence.id);
    }

    /// Lets one more sequence run, if there is room for one that can.
    fn admit_next(&mut self, events: &mut Vec<(RequestId, Event)>) -> bool {
        let order = self.queue.order();
        self.prepare(&order, events);
        if self.running.len() >= self.config.sequences_max {
            return false;
        }
        // Who lacks room for an adapter can be overtaken, but not forever: the room is held by those that run.
        let order = match self.passed {
            Some((id, count)) if count >= self.config.sequences_max && order.contains(&id) => vec![id],
            _ => order,
        };
        for id in &order {
            match self.try_admit(*id) {
                Admission::Runs => {
                    self.count_passing(*id, &order);
                    return true;
                }
                Admission::NotReady => {}
                Admission::NoPages => return false,
            }
        }
        false
    }

    /// Takes down who lacked room and was overtaken by `admitted`.
    fn count_passing(&mut self, admitted: SequenceId, order: &[SequenceId]) {
        let before: Vec<SequenceId> = order.iter().take_while(|id| **id != admitted).copied().collect();
        let overtaken = before.into_iter().find(|id| {
            let adapter = self.queue.get_mut(*id).and_then(|sequence| sequence.adapter);
            adapter.is_some_and(|adapter| self.adapters.lock().lacks_room(&adapter))
        });
        self.passed = match (overtaken, self.passed) {
            (Some(id), Some((passed, count))) if id == passed => Some((id, count + 1)),
            (Some(id), _) => Some((id, 1)),
            (None, passed) => passed.filter(|(id, _)| *id != admitted),
        };
    }

    /// Asks for the adapters of those who are next.
    fn prepare(&mut self, order: &[SequenceId], events: &mut Vec<(RequestId, Event)>) {
        let mut wanted: Vec<ContentHash> = Vec::new();
        for id in order {
            if wanted.len() >= self.config.prefetch.max(1) {
                break;
            }
            let adapter = self.queue.get_mut(*id).and_then(|sequence| sequence.adapter);
            wanted.extend(adapter.filter(|adapter| !wanted.contains(adapter)));
        }
        let failures = self.adapters.lock().want(&wanted);
        for failure in failures {
            let adapter = *failure.adapter();
            self.fail_adapter(&adapter, failure, events);
        }
    }

    fn try_admit(&mut self, id: SequenceId) -> Admission {
        let leader = self.queue.get_mut(id).and_then(|sequence| sequence.leader);
        if leader.is_some_and(|leader| self.is_before_its_answer(leader)) {
            return Admission::NotReady;
        }
        let Some(sequence) = self.queue.get_mut(id) else { return Admission::NotReady };
        let served = match sequence.adapter {
            None => None,
            Some(adapter) => {
                let served = self.adapters.lock().get(&adapter);
                if served.is_none() {
                    return Admission::NotReady;
                }
                served
            }
        };
        // The last token is always computed: its logits are what is wanted.
        let (tokens, whole) = (sequence.tokens.len(), (sequence.tokens.len() - 1) / PagePool::POSITIONS);
        let keys = sequence.keys()[..whole].to_vec();
        let known = self.prefix.known(&keys);
        // Those that run have not got all their pages yet.
        let missing =
            |sequence: &Sequence| PagePool::pages_for(sequence.tokens.len() + 1).saturating_sub(sequence.pages.len());
        let needed = PagePool::pages_for(tokens) - known + self.running.iter().map(missing).sum::<usize>();
        // Pages of the prefix that nobody uses are idle too, and are about to be used.
        let pages = self.prefix.take(&keys, &mut self.pool);
        if self.pool.free_pages() + self.prefix.idle(&self.pool) < needed && !self.running.is_empty() {
            pages.into_iter().for_each(|page| self.pool.release(page));
            return Admission::NoPages;
        }
        let Some(mut sequence) = self.queue.take(id) else { return Admission::NotReady };
        sequence.begin(pages, served);
        self.running.push(sequence);
        Admission::Runs
    }

    /// Whether the sequence is here and has not begun its answer.
    fn is_before_its_answer(&self, id: SequenceId) -> bool {
        let running = self.running.iter().find(|sequence| sequence.id == id);
        running.map_or_else(|| self.queue.contains(id), |sequence| sequence.is_before_its_answer())
    }
}
