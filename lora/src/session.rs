//! Driving a run in a folder: checkpoints, evaluations, the best adapter, events, and somebody who can stop it.

use crate::capture::Capture;
use crate::checkpoint;
use crate::error::TrainError;
use crate::estimate::{Estimate, Plan};
use crate::events::{Event, EventLog, Record, StepEvent};
use crate::files::remove_temporaries;
use crate::lora::Adapter;
use crate::machine::resident_bytes;
use crate::train::{StepMetrics, TrainingRun};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tributary_protocol::ContentHash;

/// Folder of the adapter with the lowest validation loss so far.
pub const BEST_FOLDER: &str = "best";

/// How a session keeps a run. Nothing here changes the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionConfig {
    /// The base model's name, for the adapter's configuration.
    pub base_name: String,
    /// Steps after which a checkpoint is written; at least 1.
    pub checkpoint_steps: u64,
    /// Seconds after which one is written, if that comes first.
    pub checkpoint_seconds: u64,
    /// Whether a run is refused for which the memory is too small by its [`Estimate`](crate::Estimate). That of a GPU is not
    /// estimated.
    pub check_memory: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { base_name: "base".into(), checkpoint_steps: 100, checkpoint_seconds: 300, check_memory: true }
    }
}

/// What a session shall do next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    #[default]
    Continue,
    /// Write a checkpoint and return; [`Session::run`] goes on from there, in this process or another.
    Pause,
    /// Return at once.
    Cancel,
}

/// What a session tells while it runs.
#[derive(Clone, Copy, Debug)]
pub enum Activity<'a> {
    /// An event, which is in the file already. After an interruption those of steps that are computed again come a second
    /// time, with their old numbers.
    Event(&'a Record),
    /// The validation samples are being looked at. Not in the file.
    Evaluating {
        /// Samples done.
        done: usize,
        /// Samples in all.
        total: usize,
    },
}

/// Pauses or cancels a session from another thread.
#[derive(Clone, Debug, Default)]
pub struct SessionHandle(Arc<AtomicU8>);

impl SessionHandle {
    /// Asks the session to pause after the step in work.
    pub fn pause(&self) {
        // A cancelled session stays cancelled.
        let _ = self.0.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Asks the session to end after the step in work.
    pub fn cancel(&self) {
        self.0.store(2, Ordering::Relaxed);
    }

    /// Takes back a pause that the session has not followed yet. [`Session::run`] does so for one that it has.
    pub fn resume(&self) {
        let _ = self.0.compare_exchange(1, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn control(&self) -> Control {
        match self.0.load(Ordering::Relaxed) {
            0 => Control::Continue,
            1 => Control::Pause,
            _ => Control::Cancel,
        }
    }
}

/// How [`Session::run`] ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The run is over, its adapter in the session's folder.
    Finished(Summary),
    /// It was paused, its state on disk.
    Paused,
    /// It was cancelled.
    Cancelled,
}

/// What a finished run has to show.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Steps done.
    pub steps: u64,
    /// The step whose adapter is the result: that with the lowest validation loss if the settings ask for it, or the last.
    pub result_step: u64,
    /// Hash of the result.
    pub adapter: ContentHash,
    /// Tokens trained on in all steps.
    pub tokens: u64,
    /// Mean over the steps of the last pass of their losses.
    pub training_loss: f64,
    /// Validation loss of the base model; `None` without validation samples.
    pub validation_loss_before: Option<f32>,
    /// Validation loss of the result; `None` without validation samples.
    pub validation_loss: Option<f32>,
}

/// A run in a folder.
///
/// ```text
/// open -> run -> Paused -> run -> ... -> Finished
/// ```
/// In the folder are the checkpoint, the snapshots, `events.jsonl`, the best adapter under `best` if the settings ask for
/// it, and in the end the adapter. A session that is killed at any moment and opened again gives the same adapter as one
/// that was not (on the same machine, with the same number of threads). Only the session reads the clock, for what it
/// tells and for when it writes checkpoints.
#[derive(Debug)]
pub struct Session {
    run: TrainingRun,
    folder: PathBuf,
    config: SessionConfig,
    log: EventLog,
    handle: SessionHandle,
    /// Step of the checkpoint on disk.
    written: Option<u64>,
    written_at: Instant,
    /// Whether this session has told that it began or went on.
    announced: bool,
    pace: Pace,
    /// Is shown every step.
    capture: Option<Box<dyn Capture>>,
}

/// Measured seconds, for people.
#[derive(Debug, Default)]
struct Pace {
    step_seconds: Option<f64>,
    evaluation_seconds: Option<f64>,
}

impl Session {
    /// Takes up the run in `folder` where its checkpoint left it, or at its start.
    ///
    /// Errors: too little memory; a checkpoint that is damaged or belongs to another run, which [`Session::open_anew`]
    /// replaces; another session in the folder.
    pub fn open(mut run: TrainingRun, folder: &Path, config: SessionConfig) -> Result<Self, TrainError> {
        if config.checkpoint_steps == 0 {
            let expected = "at least 1".to_owned();
            return Err(TrainError::Setting { key: "checkpoint_steps", value: "0".into(), expected });
        }
        if run.adapter().is_none() {
            return Err(TrainError::NoAdapter);
        }
        if config.check_memory {
            check_memory(&run)?;
        }
        let resumed = run.resume(folder)?;
        if resumed {
            check_best(folder, &run)?;
        }
        remove_temporaries(folder);
        remove_temporaries(&folder.join(BEST_FOLDER));
        let mut log = EventLog::open(folder)?;
        if resumed {
            log.settle(run.steps_done());
        }
        let written = resumed.then(|| run.steps_done());
        let (folder, handle, pace) = (folder.to_owned(), SessionHandle::default(), Pace::default());
        let written_at = Instant::now();
        Ok(Self { run, folder, config, log, handle, written, written_at, announced: false, pace, capture: None })
    }

    /// The session with somebody who is shown every step. The result is the same.
    ///
    /// Errors: steps before this session are done, and `capture` does not know them.
    pub fn captured(mut self, mut capture: Box<dyn Capture>) -> Result<Self, TrainError> {
        capture.begin(self.run.steps_done())?;
        self.capture = Some(capture);
        Ok(self)
    }

    /// As [`Session::open`], but a checkpoint that is of no use any more (damaged, or of a run with other inputs) is removed
    /// with its snapshots, and the run begins at its start. `start` makes the run, a second time if needed.
    ///
    /// Returns the session and why it began anew, if it did.
    pub fn open_anew(
        mut start: impl FnMut() -> Result<TrainingRun, TrainError>,
        folder: &Path,
        config: SessionConfig,
    ) -> Result<(Self, Option<TrainError>), TrainError> {
        match Self::open(start()?, folder, config.clone()) {
            Ok(session) => Ok((session, None)),
            Err(error @ (TrainError::OtherRun { .. } | TrainError::DamagedCheckpoint { .. })) => {
                checkpoint::remove(folder)?;
                // Those of another run may lie at steps that this one does not write again.
                for name in [crate::snapshot::FOLDER, BEST_FOLDER] {
                    remove_folder(&folder.join(name))?;
                }
                Ok((Self::open(start()?, folder, config)?, Some(error)))
            }
            Err(error) => Err(error),
        }
    }

    /// The run.
    pub fn training(&self) -> &TrainingRun {
        &self.run
    }

    /// The run, taken out. Its adapter is that of the last step.
    pub fn into_training(self) -> TrainingRun {
        self.run
    }

    /// What pauses or cancels the session from another thread.
    pub fn handle(&self) -> SessionHandle {
        self.handle.clone()
    }

    /// Runs until the end, or until `observe` or the handle say otherwise.
    ///
    /// `observe` is asked after every event, and before each micro batch of an evaluation.
    /// Errors: whatever [`TrainingRun::step`] and [`TrainingRun::evaluate`] say, and trouble with files. The events have it
    /// too, as `failed`. When a loss or a gradient is not finite because the step before ruined the parameters, a checkpoint
    /// that was written in between is replaced by the one before it.
    pub fn run(&mut self, observe: &mut dyn FnMut(Activity<'_>) -> Control) -> Result<Outcome, TrainError> {
        let result = self.drive(&mut Ear { observe, wanted: Control::Continue });
        if let Err(error) = &result {
            self.fail(error, observe)?;
        }
        result
    }

    fn drive(&mut self, ear: &mut Ear<'_>) -> Result<Outcome, TrainError> {
        self.announce(ear)?;
        loop {
            // What the step asks for comes before the next, whether it was done now or before an interruption.
            if self.run.evaluation_due() {
                self.evaluate(ear)?;
            }
            let interrupted = match ear.wanted.max(self.handle.control()) {
                Control::Continue => None,
                Control::Pause => Some(Outcome::Paused),
                Control::Cancel => Some(Outcome::Cancelled),
            };
            let step = self.run.steps_done();
            // The first shows that the folder can be written to, and is what is left if the first steps go wrong.
            let due = match self.written {
                None => true,
                Some(written) => {
                    let seconds = Duration::from_secs(self.config.checkpoint_seconds);
                    step - written >= self.config.checkpoint_steps
                        || (step > written && self.written_at.elapsed() >= seconds)
                }
            };
            let last = self.run.is_done() && !self.run.evaluation_due();
            let wanted = due || last || interrupted == Some(Outcome::Paused);
            if wanted && interrupted != Some(Outcome::Cancelled) {
                self.checkpoint(ear)?;
            }
            match interrupted {
                Some(Outcome::Cancelled) => {
                    self.tell(Event::Cancelled { step }, ear)?;
                    return Ok(Outcome::Cancelled);
                }
                Some(outcome) => {
                    self.tell(Event::Paused { step }, ear)?;
                    self.announced = false;
                    self.handle.resume();
                    return Ok(outcome);
                }
                None => {}
            }
            if last {
                return self.finish(ear).map(Outcome::Finished);
            }
            self.step(ear)?;
        }
    }

    fn announce(&mut self, ear: &mut Ear<'_>) -> Result<(), TrainError> {
        if self.announced {
            return Ok(());
        }
        let (run, step) = (&self.run, self.run.steps_done());
        let event = if self.written.is_some() {
            Event::Resumed { step, steps: run.steps() }
        } else {
            Event::Started {
                steps: run.steps(),
                samples: run.dataset().training().len() as u64,
                validation_samples: run.dataset().validation().len() as u64,
                parameters: run.parameters().iter().map(|(_, variable)| variable.elem_count() as u64).sum(),
            }
        };
        self.announced = true;
        self.tell(event, ear)
    }

    fn step(&mut self, ear: &mut Ear<'_>) -> Result<(), TrainError> {
        let began = Instant::now();
        let metrics = match &mut self.capture {
            None => self.run.step()?,
            Some(capture) => self.run.step_captured(capture.as_mut())?,
        };
        let seconds = began.elapsed().as_secs_f64();
        // The snapshot before the checkpoint, which must not be resumed without it.
        if let Some(adapter) = self.run.save_snapshot(&self.folder, &self.config.base_name)? {
            self.tell(Event::Snapshot { step: metrics.step, adapter }, ear)?;
        }
        let event = self.measured(&metrics, seconds);
        self.tell(Event::Step(event), ear)
    }

    fn measured(&mut self, metrics: &StepMetrics, seconds: f64) -> StepEvent {
        let pace = &mut self.pace;
        // A mean that forgets: steps differ in length, and the machine may get other work.
        let mean = pace.step_seconds.map_or(seconds, |mean| 0.9 * mean + 0.1 * seconds);
        pace.step_seconds = Some(mean);
        let (steps, step, config) = (self.run.steps(), metrics.step, self.run.config());
        let per_epoch = self.run.steps_per_epoch();
        let evaluations = match config.evaluation_steps {
            _ if self.run.dataset().validation().is_empty() => 0,
            0 => 1,
            every => steps / every - step / every + u64::from(!steps.is_multiple_of(every)),
        };
        let left = (steps - step) as f64 * mean + evaluations as f64 * pace.evaluation_seconds.unwrap_or(0.0);
        StepEvent {
            step,
            steps,
            epoch: step as f64 / per_epoch.max(1) as f64,
            loss: metrics.loss,
            gradient_norm: metrics.gradient_norm,
            learning_rate: metrics.learning_rate,
            tokens: metrics.tokens as u64,
            positions: metrics.positions as u64,
            tokens_per_second: metrics.positions as f64 / seconds.max(1e-9),
            memory_bytes: resident_bytes(),
            eta_seconds: left,
        }
    }

    /// Looks at the validation samples; does nothing if told to stop meanwhile.
    fn evaluate(&mut self, ear: &mut Ear<'_>) -> Result<(), TrainError> {
        let began = Instant::now();
        let handle = self.handle.clone();
        let Some(found) = self.run.evaluate_while(&mut |done, total| {
            ear.hear(Activity::Evaluating { done, total });
            ear.wanted.max(handle.control()) == Control::Continue
        })?
        else {
            return Ok(());
        };
        let Some(loss) = found else { return Ok(()) };
        self.pace.evaluation_seconds = Some(began.elapsed().as_secs_f64());
        let (step, best) = (self.run.steps_done(), self.run.record_evaluation(loss));
        if best
            && self.run.config().keep_best
            && let Some(adapter) = self.run.adapter()
        {
            // Before the checkpoint that knows of it. After a kill between the two, the same is found and written again.
            let hash = adapter.save(&self.folder.join(BEST_FOLDER), &self.config.base_name)?;
            self.run.best_adapter = Some(hash);
        }
        self.tell(Event::Evaluation { step, loss, best }, ear)?;
        match self.run.best_evaluation() {
            Some(best) if self.run.stopped_early() => {
                self.tell(Event::StoppedEarly { step, best_step: best.step, best_loss: best.loss }, ear)
            }
            _ => Ok(()),
        }
    }

    fn checkpoint(&mut self, ear: &mut Ear<'_>) -> Result<(), TrainError> {
        let step = self.run.steps_done();
        if self.written == Some(step) {
            return Ok(());
        }
        self.run.check_parameters()?;
        // What is told about steps that are not computed again must not get lost.
        self.log.sync()?;
        if let Some(capture) = &mut self.capture {
            capture.settle()?;
        }
        checkpoint::set_aside(&self.folder)?;
        self.run.checkpoint(&self.folder)?;
        (self.written, self.written_at) = (Some(step), Instant::now());
        self.log.settle(step);
        self.tell(Event::Checkpoint { step }, ear)
    }

    fn finish(&mut self, ear: &mut Ear<'_>) -> Result<Summary, TrainError> {
        let (run, step) = (&self.run, self.run.steps_done());
        let best = run.best_evaluation().filter(|_| run.config().keep_best);
        let loaded;
        let (adapter, result_step) = match best {
            Some(best) if best.step != step => {
                check_best(&self.folder, run)?;
                loaded = Adapter::load(&self.folder.join(BEST_FOLDER), run.model())?;
                (Some(&loaded), best.step)
            }
            _ => (run.adapter(), step),
        };
        let hash = match adapter {
            Some(adapter) => adapter.save(&self.folder, &self.config.base_name)?,
            None => return Err(TrainError::NoAdapter),
        };
        if let (Some(adapter), true) = (adapter, result_step < run.steps()) {
            run.end_snapshots(&self.folder, &self.config.base_name, result_step, adapter)?;
        }
        let per_epoch = run.steps_per_epoch();
        let trace = run.trace();
        let last = &trace[trace.len().saturating_sub(usize::try_from(per_epoch).unwrap_or(usize::MAX))..];
        let losses: f64 = last.iter().map(|record| f64::from(f32::from_bits(record.loss_bits))).sum();
        let loss_at = |step: u64| run.evaluations().iter().find(|found| found.step == step).map(|found| found.loss);
        let summary = Summary {
            steps: step,
            result_step,
            adapter: hash,
            tokens: run.tokens_done(),
            training_loss: losses / last.len().max(1) as f64,
            validation_loss_before: loss_at(0),
            validation_loss: loss_at(result_step),
        };
        let validation_loss = summary.validation_loss;
        self.tell(Event::Finished { step, result_step, adapter: hash, validation_loss }, ear)?;
        self.log.sync()?;
        Ok(summary)
    }

    /// Tells what went wrong, and sees to it that the checkpoint that stays is a good one.
    fn fail(&mut self, error: &TrainError, observe: &mut dyn FnMut(Activity<'_>) -> Control) -> Result<(), TrainError> {
        let (step, samples) = match error {
            TrainError::NotFinite { step, samples, .. } => (*step, samples.clone()),
            _ => (self.run.steps_done(), Vec::new()),
        };
        let not_finite = matches!(error, TrainError::NotFinite { .. });
        // A checkpoint of ruined parameters is of no use; that they were finite numbers does not help.
        if not_finite
            && self.written > Some(0)
            && self.written == Some(self.run.steps_done())
            && !self.run.is_sound()?
        {
            self.written = checkpoint::restore(&self.folder)?;
        }
        let checkpoint_step = self.written;
        let event = Event::Failed { step, reason: error.to_string(), samples, checkpoint_step };
        // The error itself is what the caller has to know; that the disk is full as well must not hide it.
        let mut ear = Ear { observe, wanted: Control::Continue };
        if let Err(also) = self.tell(event, &mut ear).and_then(|()| self.log.sync()) {
            tracing::warn!("the failure is not in the events: {also}");
        }
        Ok(())
    }

    fn tell(&mut self, event: Event, ear: &mut Ear<'_>) -> Result<(), TrainError> {
        for record in self.log.add(event)? {
            ear.hear(Activity::Event(&record));
        }
        Ok(())
    }
}

/// Who listens, and what they want. Nobody takes back a wish within one run.
struct Ear<'a> {
    observe: &'a mut dyn FnMut(Activity<'_>) -> Control,
    wanted: Control,
}

impl Ear<'_> {
    fn hear(&mut self, activity: Activity<'_>) {
        self.wanted = self.wanted.max((self.observe)(activity));
    }
}

impl Control {
    /// The stronger wish.
    fn max(self, other: Self) -> Self {
        if other as u8 > self as u8 { other } else { self }
    }
}

/// That the best adapter is on disk: some one while the run goes on, for a later evaluation that comes again may have
/// written it already, and at its end the one that the run knows of.
fn check_best(folder: &Path, run: &TrainingRun) -> Result<(), TrainError> {
    let Some(expected) = run.best_adapter else { return Ok(()) };
    let path = folder.join(BEST_FOLDER).join(crate::peft::WEIGHTS_FILE);
    let damaged = |reason: String| TrainError::DamagedCheckpoint { path: path.clone(), reason };
    let bytes = std::fs::read(&path).map_err(|error| damaged(format!("the best adapter cannot be read: {error}")))?;
    match ContentHash::of(&bytes) {
        found if found != expected && run.is_done() => {
            Err(damaged(format!("it should be the best adapter {expected}, and is {found}")))
        }
        _ => Ok(()),
    }
}

/// That what the run takes besides what is loaded already is there.
fn check_memory(run: &TrainingRun) -> Result<(), TrainError> {
    let Some(adapter) = run.adapter() else { return Ok(()) };
    let model = run.model();
    // The estimate is one of the processor's memory and of own kernels.
    if !model.placement().is_native() {
        return Ok(());
    }
    let plan = Plan::new(model.config(), model.precision(), adapter.config(), run.config(), run.dataset());
    let estimate = Estimate::new(&plan)?;
    let loaded = estimate.memory.base + estimate.memory.adapter + estimate.memory.process;
    Ok(estimate.check_machine(loaded)?)
}

fn remove_folder(path: &Path) -> Result<(), TrainError> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(TrainError::File { path: path.into(), source })
        }
        _ => Ok(()),
    }
}
