//! The engine: which rows are computed next, and for whom.
//!
//! It is a state machine without threads or clock: [`Engine::submit`], [`Engine::step`], [`Engine::cancel`]. A step admits who can
//! run, runs one batch of rows through the model (a row of every answer that is being generated, and stretches of prompts beside
//! them as far as there is room), and chooses a token for each that wants one.
//!
//! # Invariants
//! - What a request gets depends on itself only: not on what runs beside it, on when it was admitted, on how its prompt was cut,
//!   or on whether it had to wait in between.
//! - The oldest sequence that runs is never suspended, and every sequence fits the pool alone: so all come to an end.
//! - A page belongs to a sequence that runs or to the prefix cache, or is free.

mod admit;
mod plan;
mod queue;
mod sequence;

use crate::adapters::{AdapterCache, AdapterCounts, AdapterDisk, AdapterFailure, Loader, SharedAdapters};
use crate::prefix::PrefixCache;
use crate::request::{Event, Request, RequestError, RequestId};
use queue::Queue;
use sequence::{Sequence, SequenceId};
use std::collections::BTreeSet;
use std::sync::Arc;
use tributary_lora::{Model, PagePool, Span, SpanError, Tokenizer};

/// What an engine may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Bytes for keys and values.
    pub kv_bytes: u64,
    /// Bytes for adapters in memory.
    pub adapter_bytes: u64,
    /// Answers that are computed at the same time, at most.
    pub sequences_max: usize,
    /// Rows of a step, at most: how much of a prompt is computed beside the answers that are being generated. Not below
    /// `sequences_max`.
    pub rows_max: usize,
    /// Answers that wait, at most.
    pub waiting_max: usize,
    /// Adapters of waiting requests that are brought to memory ahead of their turn.
    pub prefetch: usize,
    /// Answers to one request, at most.
    pub choices_max: u32,
    /// Whether keys and values of what was computed are kept for prompts that begin alike.
    pub prefix_cache: bool,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            kv_bytes: 1 << 30,
            adapter_bytes: 1 << 30,
            sequences_max: 64,
            rows_max: 128,
            waiting_max: 1024,
            prefetch: 8,
            choices_max: 16,
            prefix_cache: true,
        }
    }
}

/// Why an engine cannot be made, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The memory for keys and values does not hold a single page.
    #[error("{kv_bytes} bytes for keys and values hold no page of {page_bytes}")]
    NoPages {
        /// Bytes that are allowed.
        kv_bytes: u64,
        /// Bytes of a page.
        page_bytes: u64,
    },
    /// The settings contradict each other.
    #[error("{sequences_max} answers at the same time need as many rows of a step, and {rows_max} are allowed")]
    Rows {
        /// Answers at the same time.
        sequences_max: usize,
        /// Rows of a step.
        rows_max: usize,
    },
    /// The system starts no thread.
    #[error("cannot start the engine's thread: {0}")]
    Thread(std::io::Error),
    /// The thread ended in the middle.
    #[error("the engine's thread panicked")]
    Panicked,
    /// The model could not compute a step.
    #[error(transparent)]
    Step(#[from] SpanError),
}

/// How much is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineCounts {
    /// Answers that wait.
    pub waiting: usize,
    /// Answers that are being computed.
    pub running: usize,
    /// Batches that were computed, since the beginning.
    pub steps: u64,
    /// Rows of them.
    pub rows: u64,
    /// Answers that had to give up their pages and wait again, since the beginning.
    pub suspended: u64,
    /// Pages of keys and values.
    pub pages: usize,
    /// Of these, pages that nobody needs: free, or kept in case somebody asks.
    pub pages_idle: usize,
    /// Adapters in memory.
    pub adapters: AdapterCounts,
}

/// One base model and everyone who is answered by it.
pub struct Engine {
    model: Arc<Model>,
    tokenizer: Option<Arc<Tokenizer>>,
    config: EngineConfig,
    pool: PagePool,
    prefix: PrefixCache,
    adapters: SharedAdapters,
    queue: Queue,
    /// In the order in which they came.
    running: Vec<Sequence>,
    requests: u64,
    sequences: SequenceId,
    steps: u64,
    rows: u64,
    suspended: u64,
    /// The first in line for an adapter's room, and how many were admitted before it since.
    passed: Option<(SequenceId, usize)>,
}

impl Engine {
    /// An engine that reads adapters on the calling thread, within [`Engine::step`].
    ///
    /// Without a tokenizer there are tokens and no text. Errors: memory for no page; a model that is not on the processor in f32.
    pub fn new(
        model: Arc<Model>,
        tokenizer: Option<Arc<Tokenizer>>,
        disk: AdapterDisk,
        config: EngineConfig,
    ) -> Result<Self, EngineError> {
        let loader = Loader::here(model.clone(), Arc::new(disk));
        Self::with_loader(model, tokenizer, loader, config)
    }

    pub(crate) fn with_loader(
        model: Arc<Model>,
        tokenizer: Option<Arc<Tokenizer>>,
        loader: Loader,
        config: EngineConfig,
    ) -> Result<Self, EngineError> {
        let EngineConfig { kv_bytes, sequences_max, rows_max, .. } = config;
        if sequences_max > rows_max || sequences_max == 0 {
            return Err(EngineError::Rows { sequences_max, rows_max });
        }
        let page_bytes = PagePool::page_bytes(model.config()) as u64;
        // Every sequence at its longest, and no more.
        let useful = PagePool::pages_for(model.config().positions_max) * sequences_max;
        let useful = if config.prefix_cache { usize::MAX } else { useful };
        let pages = usize::try_from(kv_bytes / page_bytes).unwrap_or(usize::MAX).min(useful);
        if pages == 0 {
            return Err(EngineError::NoPages { kv_bytes, page_bytes });
        }
        Ok(Self {
            pool: PagePool::new(&model, pages)?,
            prefix: PrefixCache::default(),
            adapters: SharedAdapters::new(AdapterCache::new(loader, config.adapter_bytes, config.prefetch.max(1))),
            queue: Queue::default(),
            running: Vec::new(),
            requests: 0,
            sequences: 0,
            steps: 0,
            rows: 0,
            suspended: 0,
            passed: None,
            model,
            tokenizer,
            config,
        })
    }

    /// Longest prompt and answer together: what the model sees, or what all pages hold.
    pub fn positions_max(&self) -> usize {
        self.model.config().positions_max.min(self.pool.pages() * PagePool::POSITIONS)
    }

    /// Its adapters, for those who send requests from other threads.
    pub(crate) fn adapters(&self) -> SharedAdapters {
        self.adapters.clone()
    }

    /// Takes up a request.
    ///
    /// Errors: one that can never be answered, or that there is no room for in the queue.
    pub fn submit(&mut self, request: Request) -> Result<RequestId, RequestError> {
        self.check(&request)?;
        self.requests += 1;
        let id = RequestId(self.requests);
        let first = self.sequences;
        self.sequences += u64::from(request.choices);
        let mut sequences = Sequence::of_request(id, request, first, self.positions_max(), self.tokenizer.as_ref());
        if !self.config.prefix_cache {
            sequences.iter_mut().for_each(|sequence| sequence.leader = None);
        }
        sequences.into_iter().for_each(|sequence| self.queue.push(sequence));
        Ok(id)
    }

    fn check(&self, request: &Request) -> Result<(), RequestError> {
        let choices_max = self.config.choices_max;
        if !(1..=choices_max).contains(&request.choices) {
            return Err(RequestError::Choices { choices: request.choices, choices_max });
        }
        let waiting = self.queue.len();
        if waiting + request.choices as usize > self.config.waiting_max {
            return Err(RequestError::Busy { waiting });
        }
        if request.prompt.is_empty() {
            return Err(RequestError::EmptyPrompt);
        }
        let vocab_size = self.model.config().vocab_size;
        if let Some(&token) = request.prompt.iter().find(|token| **token as usize >= vocab_size) {
            return Err(RequestError::Token { token, vocab_size });
        }
        let (prompt, answer) = (request.prompt.len(), request.tokens_max.unwrap_or(1).max(1));
        let positions_max = self.positions_max();
        if prompt.saturating_add(answer) > positions_max {
            return Err(RequestError::ContextOverflow { prompt, answer, positions_max });
        }
        if self.tokenizer.is_none() && request.stop_strings.iter().any(|stop| !stop.is_empty()) {
            return Err(RequestError::NoTokenizer);
        }
        Ok(request.sampling.check(vocab_size)?)
    }

    /// Forgets a request, whatever has become of it. Nothing more is computed for it.
    pub fn cancel(&mut self, request: RequestId) {
        self.queue.remove(|sequence| sequence.request == request);
        let all = std::mem::take(&mut self.running).into_iter();
        let (out, stay): (Vec<Sequence>, Vec<Sequence>) = all.partition(|sequence| sequence.request == request);
        self.running = stay;
        out.into_iter().for_each(|mut sequence| sequence.suspend(&mut self.pool));
    }

    /// Does what can be done next and returns what came of it, in order.
    ///
    /// Errors: the model cannot compute; the engine is of no use then.
    pub fn step(&mut self) -> Result<Vec<(RequestId, Event)>, EngineError> {
        let mut events = Vec::new();
        let failures = self.adapters.lock().poll();
        for (adapter, failure) in failures {
            self.fail_adapter(&adapter, failure, &mut events);
        }
        self.admit(&mut events);
        let plan = self.plan();
        let (mut payers, mut served) = (BTreeSet::new(), Vec::new());
        if !plan.is_empty() {
            self.steps += 1;
            self.rows += plan.iter().map(|part| part.rows as u64).sum::<u64>();
            let spans: Vec<Span<'_>> = plan
                .iter()
                .map(|part| {
                    let sequence = &self.running[part.index];
                    Span {
                        tokens: &sequence.tokens[sequence.computed..sequence.computed + part.rows],
                        first: sequence.computed,
                        pages: &sequence.pages,
                        adapter: sequence.served.as_deref(),
                        wanted: part.rows == sequence.pending(),
                    }
                })
                .collect();
            let logits = self.model.next_logits(&spans, &mut self.pool)?;
            let mut rows = logits.rows();
            let mut ended = Vec::new();
            for part in &plan {
                let sequence = &mut self.running[part.index];
                payers.insert(sequence.adapter);
                served.push((sequence.adapter, part.rows));
                let wanted = part.rows == sequence.pending();
                sequence.computed += part.rows;
                if !wanted {
                    continue;
                }
                let row = rows.next().unwrap_or_default();
                let goes_on = sequence.advance(row, &mut events);
                let failed = matches!(events.last(), Some((id, Event::Failed(_))) if *id == sequence.request);
                // What is not finite must not be found by others.
                if self.config.prefix_cache
                    && !failed
                    && let Some(keys) = sequence.offer().map(<[_]>::to_vec)
                {
                    self.prefix.keep(&keys, &sequence.pages, &mut self.pool);
                }
                if !goes_on {
                    ended.push((part.index, sequence.request, failed));
                }
            }
            self.end(ended, &mut events);
        }
        self.queue.served(served.into_iter(), &payers);
        Ok(events)
    }

    /// Takes out the sequences at these places of `running`; with one that failed goes its whole request.
    fn end(&mut self, mut ended: Vec<(usize, RequestId, bool)>, events: &mut Vec<(RequestId, Event)>) {
        ended.sort_unstable_by_key(|(index, ..)| std::cmp::Reverse(*index));
        for (index, ..) in &ended {
            self.running.remove(*index).suspend(&mut self.pool);
        }
        let failed: BTreeSet<RequestId> =
            ended.into_iter().filter(|(.., failed)| *failed).map(|(_, id, _)| id).collect();
        failed.iter().for_each(|request| self.cancel(*request));
        // Nothing follows a failure, not even what other answers to the same request got in this step.
        let mut over = BTreeSet::new();
        events.retain(|(id, event)| match event {
            Event::Failed(_) => over.insert(*id),
            _ => !over.contains(id),
        });
    }

    /// Fails all requests that wait for the adapter.
    fn fail_adapter(
        &mut self,
        adapter: &tributary_protocol::ContentHash,
        failure: AdapterFailure,
        events: &mut Vec<(RequestId, Event)>,
    ) {
        let failure = Arc::new(failure);
        let removed = self.queue.remove(|sequence| sequence.adapter.as_ref() == Some(adapter));
        let requests: BTreeSet<RequestId> = removed.into_iter().map(|sequence| sequence.request).collect();
        for request in requests {
            self.cancel(request);
            events.push((request, Event::Failed(RequestError::Adapter(failure.clone()))));
        }
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.queue.len() == 0
    }

    /// Whether all who are here wait for adapters, so that a step does nothing until one is there.
    pub fn is_waiting_for_adapters(&self) -> bool {
        self.running.is_empty() && self.queue.len() > 0 && self.adapters.lock().is_busy()
    }

    /// How much is going on.
    pub fn counts(&self) -> EngineCounts {
        EngineCounts {
            waiting: self.queue.len(),
            running: self.running.len(),
            steps: self.steps,
            rows: self.rows,
            suspended: self.suspended,
            pages: self.pool.pages(),
            pages_idle: self.pool.free_pages() + self.prefix.idle(&self.pool),
            adapters: self.adapters.lock().counts(),
        }
    }
}
