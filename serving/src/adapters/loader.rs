//! Fetching and reading adapters beside the engine.

use super::AdapterFailure;
use super::disk::AdapterDisk;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use tributary_lora::{Adapter, Model, ServedAdapter};
use tributary_protocol::ContentHash;

/// Something to do for an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Bring it to the disk.
    Fetch(ContentHash),
    /// Read it from the disk.
    Load(ContentHash),
}

/// What came of it.
pub(super) enum Done {
    Fetched(ContentHash, Result<(), AdapterFailure>),
    Loaded(ContentHash, Result<ServedAdapter, AdapterFailure>),
}

/// Threads that fetch and read adapters, or none.
pub(crate) struct Loader {
    workshop: Workshop,
    way: Way,
}

enum Way {
    /// On the calling thread, when somebody asks for results.
    Here(VecDeque<Job>),
    /// Fetching may wait for others for long, so that it has threads of its own.
    Threads { fetch: Sender<Job>, load: Sender<Job>, done: Receiver<Done> },
}

#[derive(Clone)]
struct Workshop {
    model: Arc<Model>,
    disk: Arc<AdapterDisk>,
}

/// Called whenever something is done.
pub(crate) type Notify = Arc<dyn Fn() + Send + Sync>;

impl Loader {
    /// Works when results are asked for.
    pub(crate) fn here(model: Arc<Model>, disk: Arc<AdapterDisk>) -> Self {
        Self { workshop: Workshop { model, disk }, way: Way::Here(VecDeque::new()) }
    }

    /// Works on so many threads for each of fetching and reading, which end when the loader is dropped and their work is done.
    pub(crate) fn threads(model: Arc<Model>, disk: Arc<AdapterDisk>, threads: usize, notify: &Notify) -> Self {
        let workshop = Workshop { model, disk };
        let (done, results) = channel();
        let start = |name: &str| {
            let (jobs, queue) = channel::<Job>();
            let queue = Arc::new(Mutex::new(queue));
            for _ in 0..threads {
                let (queue, workshop, done, notify) = (queue.clone(), workshop.clone(), done.clone(), notify.clone());
                let work = move || {
                    loop {
                        let job = queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
                        let Ok(job) = job else { break };
                        if done.send(workshop.work(job)).is_err() {
                            break;
                        }
                        notify();
                    }
                };
                if let Err(error) = thread::Builder::new().name(name.into()).spawn(work) {
                    tracing::error!(%error, "cannot start a thread that loads adapters");
                }
            }
            jobs
        };
        let way = Way::Threads { fetch: start("adapter-fetch"), load: start("adapter-load"), done: results };
        Self { workshop, way }
    }

    pub(super) fn disk(&self) -> &AdapterDisk {
        &self.workshop.disk
    }

    pub(super) fn push(&mut self, job: Job) {
        match &mut self.way {
            Way::Here(jobs) => jobs.push_back(job),
            Way::Threads { fetch, load, .. } => {
                let to = if matches!(job, Job::Fetch(_)) { fetch } else { load };
                // Without a thread nothing is ever done, which was logged when it could not be started.
                let _ = to.send(job);
            }
        }
    }

    /// The next result, if there is one already.
    pub(super) fn poll(&mut self) -> Option<Done> {
        match &mut self.way {
            Way::Here(jobs) => jobs.pop_front().map(|job| self.workshop.work(job)),
            Way::Threads { done, .. } => done.try_recv().ok(),
        }
    }
}

impl Workshop {
    fn work(&self, job: Job) -> Done {
        match job {
            Job::Fetch(adapter) => Done::Fetched(adapter, self.disk.bring(&adapter)),
            Job::Load(adapter) => Done::Loaded(adapter, self.load(adapter)),
        }
    }

    fn load(&self, adapter: ContentHash) -> Result<ServedAdapter, AdapterFailure> {
        let bytes = match self.disk.read(&adapter) {
            // What was damaged on the disk is gone now, and the source may have it whole.
            Err(AdapterFailure::Corrupted { .. } | AdapterFailure::Disk { .. }) => {
                self.disk.bring(&adapter)?;
                self.disk.read(&adapter)?
            }
            other => other?,
        };
        let unusable = |source| AdapterFailure::Unusable { adapter, source };
        let read = Adapter::from_peft(&bytes.config, &bytes.weights, &self.model).map_err(unusable)?;
        ServedAdapter::new(&read, &self.model).map_err(unusable)
    }
}
