//! Keeps a trajectory while a run trains.

use super::{
    quantised::Quantised,
    sketch::Sketch,
    trajectory::{CapturedGhost, CapturedRow, Trajectory, TrajectoryError, TrajectoryStep, step_bytes},
};
use rayon::prelude::*;
use std::{
    fs::{File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tributary_lora::{Capture, CapturedSample, CapturedStep, TrainError, TrainingRun};

/// Sketches every sample's gradients of every step, and the ghosts'. Clones share what they keep, so that one can be given to a
/// [`Session`](tributary_lora::Session) and another asked afterwards.
///
/// Cost of a step: a multiply-add per sample and parameter, two where there are factors, one per ghost and parameter. Memory and
/// file: `dims` bytes for each of those.
#[derive(Clone, Debug)]
pub struct TrajectoryRecorder(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    trajectory: Trajectory,
    sketch: Sketch,
    /// `None`: in memory only.
    log: Option<Log>,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
}

impl TrajectoryRecorder {
    /// Keeps the trajectory of `run` in memory: enough for a run that nobody interrupts.
    pub fn in_memory(run: &TrainingRun, dims: usize, seed: u64) -> Result<Self, TrajectoryError> {
        Self::with(Trajectory::new(run, dims, seed)?, None)
    }

    /// Keeps it in the file `path` too, and goes on where that ends. Steps that were captured after the run's last
    /// checkpoint are forgotten when the run is taken up.
    ///
    /// Errors: a file of another run, or a damaged one; remove it and the run's checkpoint to begin anew.
    pub fn in_file(run: &TrainingRun, dims: usize, seed: u64, path: &Path) -> Result<Self, TrajectoryError> {
        let access = |source| TrajectoryError::File { path: path.into(), source };
        let mut fresh = Trajectory::new(run, dims, seed)?;
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(access)?;
        let bytes = std::fs::read(path).map_err(access)?;
        // A file that ends within its head has no step yet.
        let head = fresh.head_bytes();
        if bytes.len() < head.len() && head.starts_with(&bytes) {
            file.set_len(0).map_err(access)?;
            file.write_all(&head).map_err(access)?;
        } else {
            let (found, whole) = Trajectory::read(&bytes)?;
            fresh.check_same_run(&found)?;
            fresh = found;
            file.set_len(whole as u64).map_err(access)?;
            file.seek(SeekFrom::End(0)).map_err(access)?;
        }
        Self::with(fresh, Some(Log { path: path.into(), file }))
    }

    fn with(trajectory: Trajectory, log: Option<Log>) -> Result<Self, TrajectoryError> {
        let sketch = Sketch::new(trajectory.seed(), trajectory.parameters(), trajectory.dims())?;
        Ok(Self(Arc::new(Mutex::new(State { trajectory, sketch, log }))))
    }

    /// What was kept so far.
    pub fn trajectory(&self) -> Trajectory {
        self.state().trajectory.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Capture for TrajectoryRecorder {
    fn begin(&mut self, steps: u64) -> Result<(), TrainError> {
        let mut state = self.state();
        let known = state.trajectory.steps().len() as u64;
        if known < steps {
            return Err(refused(TrajectoryError::Incomplete { found: known, expected: steps }));
        }
        let state = &mut *state;
        state.trajectory.truncate(usize::try_from(steps).unwrap_or(usize::MAX));
        let whole = state.trajectory.bytes() as u64;
        state.log.as_mut().map_or(Ok(()), |log| {
            log.file.set_len(whole).map_err(|source| log.error(source))?;
            log.file.seek(SeekFrom::End(0)).map_err(|source| log.error(source)).map(drop)
        })
    }

    fn step(&mut self, step: &CapturedStep<'_>) -> Result<(), TrainError> {
        let mut state = self.state();
        let state = &mut *state;
        let parameters = state.sketch.parameters();
        if step.preconditioner.len() != parameters || step.step != state.trajectory.steps().len() as u64 + 1 {
            return Err(TrainError::Capture { reason: format!("step {} is none that follows", step.step) });
        }
        let roots: Vec<f32> = step.preconditioner.iter().map(|value| value.sqrt()).collect();
        let weights = state.sketch.weights(&roots);
        let rows = step.gradients.par_chunks_exact(parameters).zip(step.samples).map(|(gradient, sample)| {
            let gradient = compressed(&state.sketch, &weights, gradient);
            row(sample, gradient).ok_or_else(|| not_finite(sample, step.step))
        });
        let rows: Vec<CapturedRow> = rows.collect::<Result<_, _>>()?;
        let factors = step.factors.par_chunks_exact(parameters).zip(step.samples);
        let factors = factors.map(|(factor, sample)| {
            compressed(&state.sketch, &weights, factor).ok_or_else(|| not_finite(sample, step.step))
        });
        let factors: Vec<Quantised> = factors.collect::<Result<_, _>>()?;
        let ghosts = step.ghost_gradients.par_chunks_exact(parameters).zip(step.ghosts).map(|(gradient, sample)| {
            let gradient = compressed(&state.sketch, &weights, gradient);
            ghost(sample, gradient).ok_or_else(|| not_finite(sample, step.step))
        });
        let ghosts: Vec<CapturedGhost> = ghosts.collect::<Result<_, _>>()?;
        let CapturedStep { step, learning_rate, keep, scale, .. } = *step;
        let step = TrajectoryStep { step, learning_rate, keep, scale, rows, factors, ghosts };
        if let Some(log) = &mut state.log {
            log.file.write_all(&step_bytes(&step)).map_err(|source| log.error(source))?;
        }
        state.trajectory.push(step);
        Ok(())
    }

    fn settle(&mut self) -> Result<(), TrainError> {
        let state = self.state();
        state.log.as_ref().map_or(Ok(()), |log| log.file.sync_data().map_err(|source| log.error(source)))
    }
}

impl Log {
    fn error(&self, source: std::io::Error) -> TrainError {
        TrainError::File { path: self.path.clone(), source }
    }
}

fn compressed(sketch: &Sketch, weights: &[f32], gradient: &[f32]) -> Option<Quantised> {
    let mut sketched = vec![0f32; sketch.dims()];
    sketch.apply(weights, gradient, &mut sketched);
    Quantised::new(&sketched)
}

fn row(sample: &CapturedSample, gradient: Option<Quantised>) -> Option<CapturedRow> {
    let (place, tokens) = (u32::try_from(sample.index).ok()?, u32::try_from(sample.tokens).ok()?);
    Some(CapturedRow { sample: place, tokens, gradient: gradient? })
}

fn ghost(sample: &CapturedSample, gradient: Option<Quantised>) -> Option<CapturedGhost> {
    let (place, tokens) = (u32::try_from(sample.index).ok()?, u32::try_from(sample.tokens).ok()?);
    Some(CapturedGhost { ghost: place, tokens, gradient: gradient? })
}

fn not_finite(sample: &CapturedSample, step: u64) -> TrainError {
    let (what, value) = ("gradient of a sample", f64::NAN);
    TrainError::NotFinite { what, value, step, samples: vec![sample.id] }
}

fn refused(error: TrajectoryError) -> TrainError {
    TrainError::Capture { reason: error.to_string() }
}
