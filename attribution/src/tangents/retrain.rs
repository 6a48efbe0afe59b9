//! Training again without some samples, many times, and keeping what is done.
//!
//! Each retrain is known by the hash of everything that determines it, and has a folder of that name. A process that is
//! killed and started again finds those that are finished, and goes on with the others from their checkpoints.

use crate::tangents::error::TangentError;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};
use tributary_lora::{
    Activity, Adapter, Control, Dataset, EncodedSample, Estimate, Event, LoraConfig, Model, Outcome, Plan, Session,
    SessionConfig, TrainConfig, TrainError, TrainingRun, available_bytes,
};
use tributary_protocol::ContentHash;

/// What stands in a finished retrain's folder beside its adapter.
const RECORD_FILE: &str = "retrain.json";

/// The run whose counterfactuals are trained.
#[derive(Clone, Copy, Debug)]
pub struct RetrainRecipe<'a> {
    /// The frozen base model.
    pub model: &'a Arc<Model>,
    /// The samples. Those kept for validation are not read.
    pub dataset: &'a Dataset,
    /// The adapter.
    pub lora: &'a LoraConfig,
    /// The seed that the adapter starts from.
    pub adapter_seed: u64,
    /// The settings. What they say about snapshots, evaluations and an early end is not followed: see `result_step`.
    pub training: &'a TrainConfig,
    /// The step whose adapter is the run's result. `None`: the last. A run that ended early, or kept its best adapter, names
    /// that step, so that all retrains stop where it did.
    pub result_step: Option<u64>,
}

/// How far retraining is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrainProgress {
    /// Retrains that are finished.
    pub retrains_done: usize,
    /// Different retrains in all.
    pub retrains: usize,
    /// Steps done in this process, of all retrains.
    pub steps_done: u64,
}

/// Is told after each step, from several threads, and says whether to go on. What was begun is kept on disk.
pub type RetrainObserver<'a> = &'a (dyn Fn(RetrainProgress) -> ControlFlow<()> + Sync);

/// A finished retrain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retrained {
    /// Its folder, with the adapter as PEFT files.
    pub folder: PathBuf,
    /// The adapter's hash.
    pub adapter: ContentHash,
}

impl Retrained {
    /// Reads the adapter.
    pub fn load(&self, model: &Model) -> Result<Adapter, TangentError> {
        Ok(Adapter::load(&self.folder, model)?)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    retrain: ContentHash,
    adapter: ContentHash,
}

/// Trains counterfactuals of one run.
#[derive(Debug)]
pub struct Retrainer<'a> {
    recipe: RetrainRecipe<'a>,
    /// The training samples alone.
    dataset: Dataset,
    settings: TrainConfig,
    result_step: u64,
    folder: PathBuf,
    parallel: usize,
    /// Of everything but who takes part.
    identity: blake3::Hasher,
}

impl<'a> Retrainer<'a> {
    /// Retrains of `recipe`, kept in `folder`. Up to `parallel` of them run at once, fewer if the memory would not do; the
    /// bits do not depend on it.
    pub fn new(recipe: RetrainRecipe<'a>, folder: &Path, parallel: usize) -> Result<Self, TangentError> {
        let settings = TrainConfig {
            snapshots: 0,
            evaluation_steps: 0,
            early_stopping: None,
            keep_best: false,
            ..*recipe.training
        };
        let dataset = training_alone(recipe.dataset.training().to_vec(), recipe.dataset.packing())?;
        let steps = settings.schedule(dataset.training_rows()).steps;
        let result_step = recipe.result_step.unwrap_or(steps);
        if !(1..=steps).contains(&result_step) {
            return Err(TangentError::ResultStep { step: result_step, steps });
        }
        let identity = identity(&recipe, &dataset, settings, result_step)?;
        let mut retrainer =
            Self { recipe, dataset, settings, result_step, folder: folder.to_owned(), parallel: 1, identity };
        retrainer.parallel = retrainer.bounded(parallel)?;
        Ok(retrainer)
    }

    /// Retrains of the same recipe on other training samples, as many as before, in the same folder. Where they pack into fewer
    /// rows, so that there are fewer steps, the last one's adapter is the result.
    pub fn with_samples(&self, samples: Vec<EncodedSample>) -> Result<Self, TangentError> {
        let expected = self.dataset.training().len();
        if samples.len() != expected {
            return Err(TangentError::Included { found: samples.len(), samples: expected });
        }
        let dataset = training_alone(samples, self.dataset.packing())?;
        let Self { recipe, settings, parallel, .. } = *self;
        let result_step = self.result_step.min(settings.schedule(dataset.training_rows()).steps);
        let identity = identity(&recipe, &dataset, settings, result_step)?;
        Ok(Self { recipe, dataset, settings, result_step, folder: self.folder.clone(), parallel, identity })
    }

    /// The base model.
    pub fn model(&self) -> &Arc<Model> {
        self.recipe.model
    }

    /// The training samples, each with its place in `included`.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The samples of the run that are kept for validation.
    pub fn validation(&self) -> &'a [EncodedSample] {
        self.recipe.dataset.validation()
    }

    /// Steps of a retrain.
    pub fn steps(&self) -> u64 {
        self.result_step
    }

    /// Trains once for each of `included`, which say of every training sample whether it takes part, and returns the
    /// results in that order. What is finished already is not trained again.
    ///
    /// Where nobody takes part, the result is the adapter that changes nothing, as it is before the first step.
    /// Errors: of the first retrain that fails; the others stop after their step, with a checkpoint.
    pub fn run(&self, included: &[Vec<bool>], observer: RetrainObserver<'_>) -> Result<Vec<Retrained>, TangentError> {
        // Random runs can come twice, and no two threads may write to one folder.
        let mut names: Vec<ContentHash> = Vec::with_capacity(included.len());
        let mut different: Vec<(&[bool], ContentHash)> = Vec::with_capacity(included.len());
        for included in included {
            let name = self.name(included);
            if !names.contains(&name) {
                different.push((included, name));
            }
            names.push(name);
        }
        let done = Mutex::new(vec![None; different.len()]);
        let failed: Mutex<Option<TangentError>> = Mutex::new(None);
        let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (steps, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let tell = |stepped: u64| {
            let steps_done = steps.fetch_add(stepped, Ordering::Relaxed) + stepped;
            let retrains_done = finished.load(Ordering::Relaxed);
            let wanted = observer(RetrainProgress { retrains_done, retrains: different.len(), steps_done });
            if wanted.is_break() {
                stop.store(true, Ordering::Relaxed);
            }
            stop.load(Ordering::Relaxed)
        };
        let work = || {
            while !stop.load(Ordering::Relaxed) {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((included, name)) = different.get(at) else { break };
                match self.retrain(included, *name, &|| tell(1)) {
                    Ok(retrained) => {
                        locked(&done)[at] = Some(retrained);
                        finished.fetch_add(1, Ordering::Relaxed);
                        tell(0);
                    }
                    Err(error) => {
                        stop.store(true, Ordering::Relaxed);
                        let mut failed = locked(&failed);
                        // That another stopped because of the first failure says nothing.
                        if failed.is_none() || matches!(*failed, Some(TangentError::Stopped)) {
                            *failed = Some(error);
                        }
                    }
                }
            }
        };
        // Threads of their own: inside rayon's pool, a retrain that waits for its matrix products would begin another one.
        std::thread::scope(|scope| {
            for _ in 1..self.parallel.min(different.len()) {
                scope.spawn(work);
            }
            work();
        });
        if let Some(error) = locked(&failed).take() {
            return Err(error);
        }
        let done: Option<Vec<Retrained>> = std::mem::take(&mut *locked(&done)).into_iter().collect();
        let done = done.ok_or(TangentError::Stopped)?;
        let of_name: HashMap<ContentHash, Retrained> = different.iter().map(|(_, name)| *name).zip(done).collect();
        Ok(names.iter().filter_map(|name| of_name.get(name).cloned()).collect())
    }

    /// One retrain; `step` is called after each step and says whether to stop.
    fn retrain(
        &self,
        included: &[bool],
        name: ContentHash,
        step: &dyn Fn() -> bool,
    ) -> Result<Retrained, TangentError> {
        let samples = self.dataset.training().len();
        if included.len() != samples {
            return Err(TangentError::Included { found: included.len(), samples });
        }
        let folder = self.folder.join(name.to_string());
        if let Some(retrained) = finished(&folder, name) {
            return Ok(retrained);
        }
        let start = || Adapter::new(self.recipe.model, self.recipe.lora.clone(), self.recipe.adapter_seed);
        if !included.contains(&true) {
            return self.keep(name, folder, &start()?);
        }
        let work = self.folder.join(format!("{name}.work"));
        fs::create_dir_all(&work).map_err(|source| TangentError::File { path: work.clone(), source })?;
        let begin = || {
            let run = TrainingRun::new(self.recipe.model.clone(), start()?, self.dataset.clone(), self.settings)?;
            run.including(included)
        };
        let (mut session, _) = Session::open_anew(begin, &work, SessionConfig::default())?;
        let mut told = false;
        if session.training().steps_done() < self.result_step {
            let outcome = session.run(&mut |activity| match activity {
                Activity::Event(record) if matches!(record.event, Event::Step(_)) => {
                    told |= step();
                    let is_last = matches!(&record.event, Event::Step(event) if event.step >= self.result_step);
                    if told || is_last { Control::Pause } else { Control::Continue }
                }
                _ => Control::Continue,
            })?;
            if outcome == Outcome::Cancelled {
                return Err(TangentError::Stopped);
            }
        }
        if session.training().steps_done() < self.result_step {
            return Err(TangentError::Stopped);
        }
        let run = session.into_training();
        let adapter = run.adapter().ok_or(TrainError::NoAdapter)?;
        let retrained = self.keep(name, folder, adapter)?;
        // The result is safe, the way to it is of no more use.
        fs::remove_dir_all(&work).map_err(|source| TangentError::File { path: work, source })?;
        Ok(retrained)
    }

    fn keep(&self, retrain: ContentHash, folder: PathBuf, adapter: &Adapter) -> Result<Retrained, TangentError> {
        let adapter = adapter.save(&folder, "base")?;
        let path = folder.join(RECORD_FILE);
        let record = serde_json::to_vec(&Record { retrain, adapter }).expect("hashes have a JSON form");
        super::file::write_atomically(&path, &record).map_err(|source| TangentError::File { path, source })?;
        Ok(Retrained { folder, adapter })
    }

    /// The hash of everything that determines a retrain.
    fn name(&self, included: &[bool]) -> ContentHash {
        let mut hash = self.identity.clone();
        hash.update(&included.iter().map(|included| u8::from(*included)).collect::<Vec<u8>>());
        ContentHash(*hash.finalize().as_bytes())
    }

    /// As many of `wanted` as the memory takes, and at least one: a session looks at the memory for itself.
    fn bounded(&self, wanted: usize) -> Result<usize, TangentError> {
        let model = self.recipe.model;
        let plan = Plan::new(model.config(), model.precision(), self.recipe.lora, &self.settings, &self.dataset);
        let memory = Estimate::new(&plan)?.memory;
        let each = memory.adapter + memory.optimiser + memory.activations + memory.transient + memory.files;
        let room = available_bytes().map_or(wanted as u64, |available| available / each.max(1));
        Ok(usize::try_from(room).unwrap_or(wanted).min(wanted).max(1))
    }
}

fn training_alone(samples: Vec<EncodedSample>, packing: Option<usize>) -> Result<Dataset, TrainError> {
    let dataset = Dataset::divided(samples, Vec::new())?;
    Ok(match packing {
        Some(positions) => dataset.packed(positions)?,
        None => dataset,
    })
}

/// The retrain in `folder`, if it is whole.
fn finished(folder: &Path, name: ContentHash) -> Option<Retrained> {
    let record: Record = serde_json::from_slice(&fs::read(folder.join(RECORD_FILE)).ok()?).ok()?;
    let weights = fs::read(folder.join(tributary_lora::WEIGHTS_FILE)).ok()?;
    let is_whole = record.retrain == name && ContentHash::of(&weights) == record.adapter;
    is_whole.then(|| Retrained { folder: folder.to_owned(), adapter: record.adapter })
}

fn identity(
    recipe: &RetrainRecipe<'_>,
    dataset: &Dataset,
    settings: TrainConfig,
    result_step: u64,
) -> Result<blake3::Hasher, TangentError> {
    let mut hash = blake3::Hasher::new_derive_key("tributary.network 2026-11 retrain v1");
    let mut add = |part: &[u8]| {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    let model = recipe.model;
    // Recomputing what a block keeps changes no bit.
    let settings = TrainConfig { activation_checkpointing: false, ..settings };
    add(&serde_json::to_vec(&(settings, recipe.lora)).map_err(|error| TangentError::Settings(error.to_string()))?);
    add(&model.content_hash().unwrap_or_default().0);
    add(model.arithmetic().name().as_bytes());
    add(format!("{:?}", model.precision()).as_bytes());
    add(&recipe.adapter_seed.to_le_bytes());
    add(&result_step.to_le_bytes());
    add(&(dataset.packing().unwrap_or(0) as u64).to_le_bytes());
    add(&(dataset.training().len() as u64).to_le_bytes());
    for sample in dataset.training() {
        add(&sample.id().0);
        add(&sample.tokens().iter().flat_map(|token| token.to_le_bytes()).collect::<Vec<u8>>());
        let ends = sample.trained_ranges().iter().flat_map(|range| [range.start as u64, range.end as u64]);
        add(&ends.flat_map(u64::to_le_bytes).collect::<Vec<u8>>());
    }
    Ok(hash)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
