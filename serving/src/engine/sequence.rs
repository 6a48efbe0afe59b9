//! One answer on its way.

use crate::constraint::{Constraint, Walk};
use crate::prefix::PageKey;
use crate::request::{Event, FinishReason, Request, RequestError, RequestId, Usage};
use crate::sampling::{Chooser, Chosen};
use crate::text::{StopStrings, TokenText};
use std::sync::Arc;
use tributary_lora::{PageId, PagePool, ServedAdapter, Tokenizer};
use tributary_protocol::ContentHash;

/// The number of a sequence in its engine; those that came later have larger ones.
pub(super) type SequenceId = u64;

/// One answer on its way.
pub(super) struct Sequence {
    pub id: SequenceId,
    pub request: RequestId,
    pub choice: u32,
    pub adapter: Option<ContentHash>,
    /// The adapter in memory, while the sequence runs.
    pub served: Option<Arc<ServedAdapter>>,
    /// The first answer to the same prompt, whose pages this one waits for.
    pub leader: Option<SequenceId>,
    /// Prompt and answer.
    pub tokens: Vec<u32>,
    /// Positions that lie in the pages.
    pub computed: usize,
    pub pages: Vec<PageId>,
    prompt_tokens: usize,
    cached_tokens: Option<usize>,
    /// Most tokens of prompt and answer together.
    tokens_max: usize,
    stop_tokens: Arc<[u32]>,
    chooser: Chooser,
    /// What the answer still has to be.
    walk: Option<Walk>,
    text: Option<TokenText>,
    stop_strings: StopStrings,
    /// Keys of the whole pages of `tokens`, as far as they were made.
    keys: Vec<PageKey>,
    /// Pages that were offered to the prefix cache.
    offered: usize,
}

impl Sequence {
    /// The answers to a request, which was checked, numbered from `first` on.
    pub(super) fn of_request(
        id: RequestId,
        request: Request,
        first: SequenceId,
        positions_max: usize,
        tokenizer: Option<&Arc<Tokenizer>>,
    ) -> Vec<Self> {
        let Request { prompt, adapter, sampling, tokens_max, stop_tokens, stop_strings, constraint, choices } = request;
        let (sampling, stop_tokens): (_, Arc<[u32]>) = (Arc::new(sampling), stop_tokens.into());
        let sequence = |choice: u32| Self {
            id: first + u64::from(choice),
            request: id,
            choice,
            adapter,
            served: None,
            leader: (choice > 0).then_some(first),
            computed: 0,
            pages: Vec::new(),
            prompt_tokens: prompt.len(),
            cached_tokens: None,
            tokens_max: tokens_max.map_or(positions_max, |most| (prompt.len() + most).min(positions_max)),
            stop_tokens: stop_tokens.clone(),
            chooser: Chooser::new(sampling.clone(), choice, &prompt),
            walk: constraint.as_ref().map(Constraint::walk),
            text: tokenizer.cloned().map(TokenText::new),
            stop_strings: StopStrings::new(&stop_strings),
            keys: Vec::new(),
            offered: 0,
            tokens: prompt.clone(),
        };
        (0..choices).map(sequence).collect()
    }

    /// Tokens that were not run through the model yet; at least one.
    pub(super) fn pending(&self) -> usize {
        self.tokens.len() - self.computed
    }

    /// Whether the answer has no token yet.
    pub(super) fn is_before_its_answer(&self) -> bool {
        self.tokens.len() == self.prompt_tokens
    }

    /// Keys of the whole pages of the tokens.
    pub(super) fn keys(&mut self) -> &[PageKey] {
        let known = self.keys.len() * PagePool::POSITIONS;
        let last = self.keys.last().copied().unwrap_or_else(|| PageKey::root(self.adapter.as_ref()));
        self.keys.extend(last.chain(&self.tokens[known..]));
        &self.keys
    }

    /// The keys of all whole pages, if there are more than the last time.
    pub(super) fn offer(&mut self) -> Option<&[PageKey]> {
        let whole = self.computed / PagePool::POSITIONS;
        if whole <= self.offered {
            return None;
        }
        self.offered = whole;
        Some(&self.keys()[..whole])
    }

    /// Begins to run, on pages that hold its first positions.
    pub(super) fn begin(&mut self, pages: Vec<PageId>, served: Option<Arc<ServedAdapter>>) {
        self.computed = pages.len() * PagePool::POSITIONS;
        self.cached_tokens.get_or_insert(self.computed);
        (self.pages, self.served, self.leader) = (pages, served, None);
    }

    /// Gives up pages and adapter; what was generated stays.
    pub(super) fn suspend(&mut self, pool: &mut PagePool) {
        self.pages.drain(..).for_each(|page| pool.release(page));
        (self.computed, self.offered, self.served) = (0, 0, None);
    }

    /// Takes the next token from the logits after the last one; what comes of it is added to `events`. Returns whether the
    /// sequence goes on.
    pub(super) fn advance(&mut self, logits: &[f32], events: &mut Vec<(RequestId, Event)>) -> bool {
        match self.try_advance(logits, events) {
            Ok(goes_on) => goes_on,
            Err(error) => {
                events.push((self.request, Event::Failed(error)));
                false
            }
        }
    }

    fn try_advance(&mut self, logits: &[f32], events: &mut Vec<(RequestId, Event)>) -> Result<bool, RequestError> {
        let allowed = self.walk.as_ref().map(|walk| walk.allowed(&self.stop_tokens));
        if allowed.as_ref().is_some_and(|allowed| allowed.is_empty()) {
            return Err(RequestError::NoToken);
        }
        let chosen = self.chooser.choose(logits, allowed.as_deref())?;
        if self.stop_tokens.contains(&chosen.token) {
            let reason = FinishReason::StopToken(chosen.token);
            return self.finish(reason, events);
        }
        self.tokens.push(chosen.token);
        let is_complete = self.walk.as_mut().is_some_and(|walk| walk.advance(chosen.token));
        let fresh = match &mut self.text {
            Some(text) => text.push(chosen.token)?,
            None => String::new(),
        };
        let (text, stop) = self.stop_strings.push(&fresh);
        self.token(chosen, text, events);
        match stop {
            Some(stop) => {
                self.finished(String::new(), FinishReason::StopString(stop), events);
                Ok(false)
            }
            None if is_complete => self.finish(FinishReason::Complete, events),
            None if self.tokens.len() >= self.tokens_max => self.finish(FinishReason::Length, events),
            None => Ok(true),
        }
    }

    fn token(&self, chosen: Chosen, text: String, events: &mut Vec<(RequestId, Event)>) {
        events.push((self.request, Event::Token { choice: self.choice, chosen, text }));
    }

    /// Ends the answer with what was held back of its text, in which a stop string may still be.
    fn finish(&mut self, reason: FinishReason, events: &mut Vec<(RequestId, Event)>) -> Result<bool, RequestError> {
        let rest = match &mut self.text {
            Some(text) => text.finish()?,
            None => String::new(),
        };
        let (mut text, stop) = self.stop_strings.push(&rest);
        let reason = match stop {
            Some(stop) => FinishReason::StopString(stop),
            None => {
                text += &self.stop_strings.finish();
                reason
            }
        };
        self.finished(text, reason, events);
        Ok(false)
    }

    fn finished(&self, text: String, reason: FinishReason, events: &mut Vec<(RequestId, Event)>) {
        let usage = Usage {
            prompt_tokens: self.prompt_tokens,
            cached_tokens: self.cached_tokens.unwrap_or(0),
            answer_tokens: self.tokens.len() - self.prompt_tokens,
        };
        events.push((self.request, Event::Finished { choice: self.choice, text, reason, usage }));
    }
}
