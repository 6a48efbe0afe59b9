//! Which contributions shaped an answer, computed beside the engine.
//!
//! An answer's gradient takes as long as many tokens do, so it has a thread and a queue of its own. Whoever wants a receipt
//! waits for it with the client, and not for ever: when the queue is full, the time is over or anything fails, the answer goes
//! by the shares of the model's training, and its method says why.
//!
//! # Invariants
//! - The numbers are those of `tributary attribution explain`: the same functions, on the base under the job's arithmetic.
//! - Nothing here can keep an answer from having a receipt.

mod method;
mod results;
mod units;

pub use method::{Because, Method};
pub use results::{ResultError, Results};
pub use units::Units;

use results::{Cache, Explained, Models, Unexplained};
use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};
use tributary_lora::Model;
use tributary_protocol::ContentHash;

/// How much may be spent on explaining answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharesConfig {
    /// Most requests that wait to be explained.
    pub queue_max: usize,
    /// How long a client waits for its answer to be explained.
    pub patience: Duration,
    /// Most tokens of request and answer together. The gradient keeps every layer's activations of them.
    pub tokens_max: usize,
    /// Most bytes of embeddings, tangents and adapters in memory; one model's always fit.
    pub bytes_max: usize,
}

impl Default for SharesConfig {
    fn default() -> Self {
        Self { queue_max: 16, patience: Duration::from_secs(10), tokens_max: 2_048, bytes_max: 2 << 30 }
    }
}

/// What a receipt says about who shaped an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The units.
    pub units: Units,
    /// How they were made.
    pub method: Method,
    /// What they follow from: the file of each answer ([`tributary_attribution::AnswerEvidence`]), a line each.
    pub evidence: Option<Vec<u8>>,
}

impl Shared {
    fn by_training(because: Because) -> Self {
        Self { units: Units::TRAINING, method: Method::Training(because), evidence: None }
    }
}

/// One request's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The adapter that answered.
    pub adapter: ContentHash,
    /// The prompt's tokens.
    pub prompt: Vec<u32>,
    /// The answers' tokens.
    pub answers: Vec<Vec<u32>>,
}

struct Task {
    said: Said,
    reply: oneshot::Sender<Shared>,
}

/// Explains answers on a thread of its own, which ends with the last handle. Clones are handles to the same one.
#[derive(Clone)]
pub struct Explainer {
    queue: SyncSender<Task>,
    patience: Duration,
    /// Adapters whose answers are never explained. One entry for each model that is served.
    settled: Arc<Mutex<HashMap<ContentHash, Because>>>,
}

impl Explainer {
    /// Starts the thread. `base` is the model that the engine answers with.
    pub fn start(base: Arc<Model>, results: Arc<dyn Results>, config: SharesConfig) -> io::Result<Self> {
        let (queue, tasks) = sync_channel(config.queue_max);
        let settled = Arc::default();
        let explainer = Self { queue, patience: config.patience, settled: Arc::clone(&settled) };
        let mut worker = Worker {
            cache: Cache::new(results, Models::new(base), config.bytes_max),
            tokens_max: config.tokens_max,
            settled,
        };
        thread::Builder::new().name("shares".into()).spawn(move || worker.run(&tasks))?;
        Ok(explainer)
    }

    /// Reads what a model's answers are explained by, so that its first answer need not wait for that.
    pub async fn prepare(&self, adapter: ContentHash) {
        let nothing = Said { adapter, prompt: Vec::new(), answers: Vec::new() };
        let (reply, read) = oneshot::channel();
        if self.queue.try_send(Task { said: nothing, reply }).is_ok() {
            // It says that nothing was said, or why nothing will be explained; the log has that.
            let _ = read.await;
        }
    }

    /// The shares of a request's answers; by the shares of training if they cannot be had in time.
    pub async fn shares(&self, said: Said) -> Shared {
        let adapter = said.adapter;
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner).get(&adapter).copied();
        if let Some(because) = settled {
            return Shared::by_training(because);
        }
        let (reply, answer) = oneshot::channel();
        let because = match self.queue.try_send(Task { said, reply }) {
            Ok(()) => match timeout(self.patience, answer).await {
                Ok(Ok(shared)) => return shared,
                Ok(Err(_)) => Because::Failed,
                Err(_) => Because::Late,
            },
            Err(TrySendError::Full(_)) => Because::Busy,
            Err(TrySendError::Disconnected(_)) => Because::Failed,
        };
        tracing::warn!(%adapter, ?because, "an answer goes by the shares of training");
        Shared::by_training(because)
    }
}

struct Worker {
    cache: Cache,
    tokens_max: usize,
    settled: Arc<Mutex<HashMap<ContentHash, Because>>>,
}

impl Worker {
    fn run(&mut self, tasks: &Receiver<Task>) {
        for Task { said, reply } in tasks {
            // Whoever asked has lost patience.
            if reply.is_closed() {
                continue;
            }
            let shared = match self.explain(&said) {
                Ok(Explained { units, method, evidence }) => Shared { units, method, evidence: Some(evidence) },
                Err(error) => {
                    self.note(said.adapter, &error);
                    Shared::by_training(error.because())
                }
            };
            // Nobody may be left to hear it.
            let _ = reply.send(shared);
        }
    }

    fn explain(&mut self, said: &Said) -> Result<Explained, Unexplained> {
        self.cache.get(said.adapter)?.explain(&said.prompt, &said.answers, self.tokens_max)
    }

    fn note(&self, adapter: ContentHash, error: &Unexplained) {
        match error {
            // Facts of the model, which no other answer of it changes.
            Unexplained::Settled(
                because @ (Because::NotAttributed | Because::NotExplained | Because::OtherPrecision),
            ) => {
                tracing::info!(%adapter, ?because, "answers of this model go by the shares of training");
                self.settled.lock().unwrap_or_else(PoisonError::into_inner).insert(adapter, *because);
            }
            Unexplained::Settled(_) => {}
            error => tracing::error!(%adapter, %error, "an answer could not be explained"),
        }
    }
}
