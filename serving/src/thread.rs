//! The engine on a thread of its own, and handles to it.
//!
//! # Invariants
//! - The thread alone owns model state and pages. Others send requests and receive events.
//! - A request's adapter begins to come to memory when the request sets out, not when the step is over that the engine computes.
//! - Whoever drops an [`Answers`] wants no more: the request is cancelled before the next step.
//! - Nobody can make events pile up: who leaves [`EVENTS_MAX`] of them unread is cancelled with an error.

use crate::adapters::{AdapterDisk, Loader, Notify, SharedAdapters};
use crate::engine::{Engine, EngineConfig, EngineCounts, EngineError};
use crate::request::{Event, Request, RequestError, RequestId};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::{mpsc, oneshot};
use tributary_lora::{Model, Tokenizer};

/// What the thread is told.
enum Command {
    Submit {
        request: Box<Request>,
        reply: oneshot::Sender<Result<Events, RequestError>>,
    },
    Count(oneshot::Sender<EngineCounts>),
    /// Something may have changed: an adapter is there, or an answer was dropped.
    Look,
    /// Ends once all that was begun is done.
    Stop,
}

type Events = mpsc::Receiver<Event>;

/// Events of a request that may lie unread. A reader that keeps up has a handful; the most that one step gives are
/// [`EngineConfig::choices_max`] of them, and twice that where answers end.
pub const EVENTS_MAX: usize = 4096;

/// An engine on a thread of its own. Clones are handles to the same one.
///
/// The thread ends when [`EngineThread::stop`] was called, or when all handles are gone, and all answers are complete or
/// dropped.
#[derive(Clone)]
pub struct EngineThread(Arc<Handle>);

/// What all handles share; the last one tells the thread to end.
struct Handle {
    commands: Sender<Command>,
    adapters: SharedAdapters,
    config: EngineConfig,
    positions_max: usize,
    thread: Mutex<Option<JoinHandle<Result<(), EngineError>>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
    }
}

/// The events of one request. Dropping it cancels what is left of the request.
pub struct Answers {
    events: Events,
    commands: Sender<Command>,
    /// Answers that are not complete yet.
    open: u32,
}

impl EngineThread {
    /// Starts an engine, with so many threads that read adapters beside it and as many that fetch them.
    ///
    /// Errors: as of [`Engine::new`].
    pub fn start(
        model: Arc<Model>,
        tokenizer: Option<Arc<Tokenizer>>,
        disk: AdapterDisk,
        config: EngineConfig,
        loader_threads: usize,
    ) -> Result<Self, EngineError> {
        let (commands, inbox) = channel();
        let wake = commands.clone();
        let notify: Notify = Arc::new(move || {
            // The engine may have ended meanwhile.
            let _ = wake.send(Command::Look);
        });
        let loader = Loader::threads(model.clone(), Arc::new(disk), loader_threads.max(1), &notify);
        let engine = Engine::with_loader(model, tokenizer, loader, config)?;
        let (positions_max, adapters) = (engine.positions_max(), engine.adapters());
        let work = move || {
            let mut worker = Worker { engine, inbox, requests: HashMap::new(), stopping: false };
            let result = worker.run();
            if let Err(error) = &result {
                tracing::error!(%error, "the engine stops");
                worker.fail_all(&error.to_string());
            }
            result
        };
        let thread = thread::Builder::new().name("engine".into()).spawn(work).map_err(EngineError::Thread)?;
        let thread = Mutex::new(Some(thread));
        Ok(Self(Arc::new(Handle { commands, adapters, config, positions_max, thread })))
    }

    /// Hands a request to the engine.
    ///
    /// Errors: one that can never be answered; too many that wait; an engine that has stopped.
    pub async fn submit(&self, request: Request) -> Result<Answers, RequestError> {
        let (reply, answer) = oneshot::channel();
        let open = request.choices;
        if let Some(adapter) = &request.adapter {
            self.0.adapters.lock().set_out(adapter);
        }
        self.send(Command::Submit { request: Box::new(request), reply })?;
        let events = answer.await.map_err(|_| stopped())??;
        Ok(Answers { events, commands: self.0.commands.clone(), open })
    }

    /// How much is going on.
    pub async fn counts(&self) -> Result<EngineCounts, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Count(reply))?;
        answer.await.map_err(|_| stopped())
    }

    /// What the engine may take.
    pub fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    /// Longest prompt and answer together: [`Engine::positions_max`].
    pub fn positions_max(&self) -> usize {
        self.0.positions_max
    }

    /// Lets the engine finish what was begun, takes no more requests, and waits for its end.
    pub async fn stop(self) -> Result<(), EngineError> {
        let _ = self.0.commands.send(Command::Stop);
        let Some(thread) = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        match joined {
            Ok(Ok(result)) => result,
            _ => Err(EngineError::Panicked),
        }
    }

    fn send(&self, command: Command) -> Result<(), RequestError> {
        self.0.commands.send(command).map_err(|_| stopped())
    }
}

fn stopped() -> RequestError {
    RequestError::Stopped { reason: "it takes no more requests".into() }
}

impl Answers {
    /// The next event; `None` after the last one.
    pub async fn next(&mut self) -> Option<Event> {
        if self.open == 0 {
            return None;
        }
        let event = self.events.recv().await;
        match &event {
            Some(Event::Token { .. }) => {}
            Some(Event::Finished { .. }) => self.open -= 1,
            Some(Event::Failed(_)) | None => self.open = 0,
        }
        event
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if self.open > 0 {
            self.events.close();
            let _ = self.commands.send(Command::Look);
        }
    }
}

/// What lives on the thread.
struct Worker {
    engine: Engine,
    inbox: Receiver<Command>,
    requests: HashMap<RequestId, Open>,
    stopping: bool,
}

/// Who waits for a request.
struct Open {
    events: mpsc::Sender<Event>,
    answers: u32,
}

impl Worker {
    fn run(&mut self) -> Result<(), EngineError> {
        loop {
            if self.engine.is_idle() && self.stopping {
                return Ok(());
            }
            // There is nothing to compute before somebody says something.
            if self.engine.is_idle() || self.engine.is_waiting_for_adapters() {
                match self.inbox.recv() {
                    Ok(command) => self.obey(command),
                    Err(_) => return Ok(()),
                }
            }
            while let Ok(command) = self.inbox.try_recv() {
                self.obey(command);
            }
            self.forget_dropped();
            for (request, event) in self.engine.step()? {
                self.deliver(request, event);
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Submit { reply, .. } if self.stopping => {
                let _ = reply.send(Err(stopped()));
            }
            Command::Submit { request, reply } => {
                let answers = request.choices;
                if let Some(adapter) = &request.adapter {
                    self.engine.adapters().lock().arrived(adapter);
                }
                let submitted = self.engine.submit(*request).map(|id| {
                    let (events, received) = mpsc::channel(EVENTS_MAX + 1);
                    self.requests.insert(id, Open { events, answers });
                    received
                });
                let _ = reply.send(submitted);
            }
            Command::Count(reply) => {
                let _ = reply.send(self.engine.counts());
            }
            Command::Look => {}
            Command::Stop => self.stopping = true,
        }
    }

    /// Cancels what nobody waits for any more.
    fn forget_dropped(&mut self) {
        let dropped: Vec<RequestId> =
            self.requests.iter().filter(|(_, open)| open.events.is_closed()).map(|(id, _)| *id).collect();
        for request in dropped {
            self.engine.cancel(request);
            self.requests.remove(&request);
        }
    }

    fn deliver(&mut self, request: RequestId, event: Event) {
        let Some(open) = self.requests.get_mut(&request) else { return };
        // The last place is for the error.
        let is_full = open.events.capacity() <= 1;
        let event = if is_full { Event::Failed(RequestError::TooSlow { unread: EVENTS_MAX }) } else { event };
        match &event {
            Event::Token { .. } => {}
            Event::Finished { .. } => open.answers -= 1,
            Event::Failed(_) => open.answers = 0,
        }
        let is_over = open.answers == 0;
        // Who does not listen is found before the next step.
        let _ = open.events.try_send(event);
        if is_over {
            self.requests.remove(&request);
        }
        if is_full {
            self.engine.cancel(request);
        }
    }

    fn fail_all(&mut self, reason: &str) {
        for (_, open) in self.requests.drain() {
            // There is a place for it: a request that has none left is over.
            let _ = open.events.try_send(Event::Failed(RequestError::Stopped { reason: reason.to_owned() }));
        }
    }
}
