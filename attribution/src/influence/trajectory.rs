//! What is kept of a training run, step by step, in compressed form.
//!
//! # File
//! All integers and floats little-endian.
//! ```text
//! magic "TRIBTRJ\0" · version u32 = 2 · dims u32 · seed u64 · parameters u64 · samples u32 · ghosts u32 · beta1 f64
//! samples × hash [32] · ghosts × hash [32]
//! BLAKE3 of all that [32]
//! per step: step u64 · learning rate f64 · keep f64 · scale f64 · rows u32 · ghosts u32
//!           rows × (sample u32 · tokens u32 · scale f32 · dims × i8 · scale f32 · dims × i8)
//!           ghosts × (ghost u32 · tokens u32 · scale f32 · dims × i8)
//!           BLAKE3 of the step's bytes [32]
//! ```
//! A row is the sketch of a sample's gradient, then that of its gradient for drawn labels, both times the root of AdamW's
//! preconditioner; of a ghost, which is a sample kept for validation, there is the first alone. Steps follow each other from 1. Bytes after the last whole step are those of one that was being
//! written when the process ended.

use super::{
    quantised::Quantised,
    sketch::{DIMS_MAX, PARAMETERS_MAX, Sketch, SketchError},
};
use std::path::PathBuf;
use tributary_lora::{EncodedSample, TrainingRun};
use tributary_protocol::ContentHash;

const MAGIC: &[u8; 8] = b"TRIBTRJ\0";
const VERSION: u32 = 3;
const HASH_BYTES: usize = 32;
const STEP_HEAD_BYTES: usize = 8 + 3 * 8 + 3 * 4;
/// Of a row beside its vector's numbers: its place, its tokens, the scale.
const ROW_HEAD_BYTES: usize = 2 * 4 + 4;
const FACTOR_HEAD_BYTES: usize = 4;

/// Why a trajectory cannot be read or used.
#[derive(Debug, thiserror::Error)]
pub enum TrajectoryError {
    /// It is no file of a trajectory, or a damaged one.
    #[error("not a whole trajectory: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// It is one of another run.
    #[error("the trajectory is that of another run: its {what} differ")]
    OtherRun {
        /// What differs.
        what: &'static str,
    },
    /// It ends before the run did.
    #[error(
        "the trajectory has {found} of the run's {expected} steps; hint: train again with the capture on from the start"
    )]
    Incomplete {
        /// Steps in it.
        found: u64,
        /// Steps of the run.
        expected: u64,
    },
    /// The file cannot be read or written.
    #[error("cannot access {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The sketch has sizes that it cannot have.
    #[error(transparent)]
    Sketch(#[from] SketchError),
}

/// One sample of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct CapturedRow {
    /// Its place among the training samples.
    pub sample: u32,
    /// Tokens of it that are trained on.
    pub tokens: u32,
    /// Sketch of the gradient of the sum of its losses, times the root of the preconditioner.
    pub gradient: Quantised,
}

/// One ghost of one step: what a sample that is not trained on would have done there.
#[derive(Clone, Debug, PartialEq)]
pub struct CapturedGhost {
    /// Its place among the validation samples.
    pub ghost: u32,
    /// Tokens of it that would be trained on.
    pub tokens: u32,
    /// Sketch of the gradient of the sum of its losses, times the root of the preconditioner.
    pub gradient: Quantised,
}

/// One step: see [`CapturedStep`](tributary_lora::CapturedStep).
#[derive(Clone, Debug, PartialEq)]
pub struct TrajectoryStep {
    /// The step, from 1.
    pub step: u64,
    /// Its learning rate.
    pub learning_rate: f64,
    /// What weight decay leaves of the parameters.
    pub keep: f64,
    /// By what the sum of the samples' gradients was multiplied.
    pub scale: f64,
    /// Its samples, in their order.
    pub rows: Vec<CapturedRow>,
    /// For each of them the same gradient for labels drawn from the model's predictions; none of steps that are not asked for
    /// them.
    pub factors: Vec<Quantised>,
    /// Its ghosts, in their order.
    pub ghosts: Vec<CapturedGhost>,
}

/// What is kept of a run: for each step and each of its samples a sketch of `dims` bytes, at every second step another, and one
/// of each of its ghosts.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectory {
    dims: usize,
    seed: u64,
    parameters: usize,
    /// How much of AdamW's first moment a step keeps.
    beta1: f64,
    samples: Vec<ContentHash>,
    ghosts: Vec<ContentHash>,
    steps: Vec<TrajectoryStep>,
}

impl Trajectory {
    /// An empty one for `run`, whose adapter's gradients are sketched in `dims` dimensions by `seed`.
    ///
    /// Errors: a run without an adapter; sizes that a sketch cannot have.
    pub fn new(run: &TrainingRun, dims: usize, seed: u64) -> Result<Self, TrajectoryError> {
        let parameters = run.adapter().map_or(0, |adapter| adapter.parameter_count());
        Sketch::new(seed, parameters, dims)?;
        let ids = |samples: &[EncodedSample]| samples.iter().map(EncodedSample::id).collect();
        let (samples, ghosts) = (ids(run.dataset().training()), ids(run.dataset().validation()));
        Ok(Self { dims, seed, parameters, beta1: run.config().adamw.beta1, samples, ghosts, steps: Vec::new() })
    }

    /// Dimensions of the sketches.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Seed of the sketch.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Parameters of the adapter.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Decay of AdamW's first moment.
    pub fn beta1(&self) -> f64 {
        self.beta1
    }

    /// Hashes of the training samples, in the dataset's order.
    pub fn samples(&self) -> &[ContentHash] {
        &self.samples
    }

    /// Hashes of the validation samples, in the dataset's order.
    pub fn ghosts(&self) -> &[ContentHash] {
        &self.ghosts
    }

    /// The steps, from the first.
    pub fn steps(&self) -> &[TrajectoryStep] {
        &self.steps
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> usize {
        let of_step = |step: &TrajectoryStep| {
            let rows = (step.rows.len() + step.ghosts.len()) * (ROW_HEAD_BYTES + self.dims);
            STEP_HEAD_BYTES + rows + step.factors.len() * (FACTOR_HEAD_BYTES + self.dims) + HASH_BYTES
        };
        self.head_bytes().len() + self.steps.iter().map(of_step).sum::<usize>()
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head_bytes();
        self.steps.iter().for_each(|step| bytes.extend(step_bytes(step)));
        bytes
    }

    /// Reads a file. Nothing is allocated that the file is too short for.
    ///
    /// Errors: another format, a checksum that does not hold, rows that do not fit; bytes after the last whole step.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TrajectoryError> {
        let (trajectory, read) = Self::read(bytes)?;
        match bytes.len() - read {
            0 => Ok(trajectory),
            rest => Err(malformed(format!("{rest} bytes after step {}", trajectory.steps.len()))),
        }
    }

    /// As much as is whole, and the bytes of it.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), TrajectoryError> {
        let mut reader = Reader { bytes, at: 0 };
        let mut trajectory = reader.head().ok_or_else(|| malformed("it ends within its head".into()))??;
        let mut whole = reader.at;
        while let Some(step) = reader.step(&trajectory) {
            trajectory.steps.push(step?);
            whole = reader.at;
        }
        Ok((trajectory, whole))
    }

    pub(super) fn head_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((self.dims as u32).to_le_bytes());
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend((self.parameters as u64).to_le_bytes());
        bytes.extend((self.samples.len() as u32).to_le_bytes());
        bytes.extend((self.ghosts.len() as u32).to_le_bytes());
        bytes.extend(self.beta1.to_le_bytes());
        self.samples.iter().chain(&self.ghosts).for_each(|sample| bytes.extend(sample.0));
        sealed(bytes)
    }

    pub(super) fn push(&mut self, step: TrajectoryStep) {
        self.steps.push(step);
    }

    /// The part up to a step: that of a run whose result is the adapter of that step.
    pub fn up_to(mut self, step: u64) -> Self {
        self.steps.retain(|kept| kept.step <= step);
        self
    }

    pub(super) fn truncate(&mut self, steps: usize) {
        self.steps.truncate(steps);
    }

    /// Errors: what makes it another run's.
    pub(super) fn check_same_run(&self, other: &Self) -> Result<(), TrajectoryError> {
        let differ = [
            ("dimensions", self.dims != other.dims),
            ("seeds", self.seed != other.seed),
            ("adapters", self.parameters != other.parameters),
            ("optimisers", self.beta1.to_bits() != other.beta1.to_bits()),
            ("samples", self.samples != other.samples),
            ("validation samples", self.ghosts != other.ghosts),
        ];
        match differ.into_iter().find(|(_, differ)| *differ) {
            Some((what, _)) => Err(TrajectoryError::OtherRun { what }),
            None => Ok(()),
        }
    }
}

fn malformed(reason: String) -> TrajectoryError {
    TrajectoryError::Malformed { reason }
}

/// The bytes with their checksum.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(blake3::hash(&bytes).as_bytes());
    bytes
}

pub(super) fn step_bytes(step: &TrajectoryStep) -> Vec<u8> {
    let mut bytes = step.step.to_le_bytes().to_vec();
    [step.learning_rate, step.keep, step.scale].iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    [step.rows.len(), step.factors.len(), step.ghosts.len()]
        .iter()
        .for_each(|count| bytes.extend((*count as u32).to_le_bytes()));
    let add_vector = |bytes: &mut Vec<u8>, vector: &Quantised| {
        bytes.extend(vector.scale.to_le_bytes());
        bytes.extend(vector.values.iter().map(|value| value.to_le_bytes()[0]));
    };
    for row in &step.rows {
        bytes.extend(row.sample.to_le_bytes());
        bytes.extend(row.tokens.to_le_bytes());
        add_vector(&mut bytes, &row.gradient);
    }
    step.factors.iter().for_each(|factor| add_vector(&mut bytes, factor));
    for ghost in &step.ghosts {
        bytes.extend(ghost.ghost.to_le_bytes());
        bytes.extend(ghost.tokens.to_le_bytes());
        add_vector(&mut bytes, &ghost.gradient);
    }
    sealed(bytes)
}

/// Every read is `None` where the bytes end.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }

    fn hashes(&mut self, count: usize) -> Option<Vec<ContentHash>> {
        let bytes = self.take(count.checked_mul(HASH_BYTES)?)?;
        Some(bytes.as_chunks().0.iter().map(|hash| ContentHash(*hash)).collect())
    }

    fn quantised(&mut self, dims: usize) -> Option<Quantised> {
        let scale = self.array().map(f32::from_le_bytes)?;
        let values = self.take(dims)?.iter().map(|byte| i8::from_le_bytes([*byte])).collect();
        Some(Quantised { scale, values })
    }

    /// Whether the bytes since `from` are those of the checksum that follows.
    fn is_sealed(&mut self, from: usize) -> Option<bool> {
        let hash = blake3::hash(&self.bytes[from..self.at]);
        Some(self.take(HASH_BYTES)? == hash.as_bytes())
    }

    fn head(&mut self) -> Option<Result<Trajectory, TrajectoryError>> {
        if self.take(MAGIC.len())? != MAGIC {
            return Some(Err(malformed("it does not begin as one".into())));
        }
        let version = self.u32()?;
        if version != VERSION {
            return Some(Err(malformed(format!("it has version {version}, this program reads {VERSION}"))));
        }
        let (dims, seed, parameters) = (self.u32()? as usize, self.u64()?, self.u64()?);
        let (samples, ghosts, beta1) = (self.u32()? as usize, self.u32()? as usize, self.f64()?);
        let (samples, ghosts) = (self.hashes(samples)?, self.hashes(ghosts)?);
        if !self.is_sealed(0)? {
            return Some(Err(malformed("the checksum of its head does not hold".into())));
        }
        let parameters = usize::try_from(parameters).unwrap_or(usize::MAX);
        if !(1..=DIMS_MAX).contains(&dims) || !(1..=PARAMETERS_MAX).contains(&parameters) {
            return Some(Err(SketchError { parameters, dims }.into()));
        }
        if !(0.0..1.0).contains(&beta1) {
            return Some(Err(malformed(format!("beta1 is {beta1}; accepted is at least 0 and below 1"))));
        }
        Some(Ok(Trajectory { dims, seed, parameters, beta1, samples, ghosts, steps: Vec::new() }))
    }

    fn step(&mut self, of: &Trajectory) -> Option<Result<TrajectoryStep, TrajectoryError>> {
        let from = self.at;
        let (step, learning_rate, keep, scale) = (self.u64()?, self.f64()?, self.f64()?, self.f64()?);
        let counts = [self.u32()?, self.u32()?, self.u32()?].map(|count| count as usize);
        let [count, factor_count, ghost_count] = counts;
        let rows = self.take(count.checked_mul(ROW_HEAD_BYTES + of.dims)?)?;
        let of_factors = self.take(factor_count.checked_mul(FACTOR_HEAD_BYTES + of.dims)?)?;
        let of_ghosts = self.take(ghost_count.checked_mul(ROW_HEAD_BYTES + of.dims)?)?;
        if !self.is_sealed(from)? {
            return Some(Err(malformed(format!("the checksum of step {step} does not hold"))));
        }
        let expected = of.steps.len() as u64 + 1;
        if step != expected {
            return Some(Err(malformed(format!("step {step} where step {expected} should be"))));
        }
        if ![learning_rate, keep, scale].iter().all(|value| value.is_finite() && *value >= 0.0) {
            return Some(Err(malformed(format!("step {step} has a rate that is no number from 0 on"))));
        }
        let mut reader = Reader { bytes: rows, at: 0 };
        let sound =
            |vector: &Quantised| vector.scale.is_finite() && vector.scale >= 0.0 && !vector.values.contains(&i8::MIN);
        let mut captured = Vec::with_capacity(count);
        for _ in 0..count {
            let (sample, tokens) = (reader.u32()?, reader.u32()?);
            let gradient = reader.quantised(of.dims)?;
            if !((sample as usize) < of.samples.len() && tokens > 0 && sound(&gradient)) {
                return Some(Err(malformed(format!("step {step} has a row that is none of a training sample"))));
            }
            captured.push(CapturedRow { sample, tokens, gradient });
        }
        let mut reader = Reader { bytes: of_factors, at: 0 };
        let factors = (0..factor_count).map(|_| reader.quantised(of.dims)).collect::<Option<Vec<_>>>()?;
        if !(factors.is_empty() || factors.len() == captured.len()) || !factors.iter().all(sound) {
            return Some(Err(malformed(format!("step {step} has factors that are none of its rows"))));
        }
        let mut reader = Reader { bytes: of_ghosts, at: 0 };
        let mut ghosts = Vec::with_capacity(ghost_count);
        for _ in 0..ghost_count {
            let (ghost, tokens, gradient) = (reader.u32()?, reader.u32()?, reader.quantised(of.dims)?);
            if !((ghost as usize) < of.ghosts.len() && tokens > 0 && sound(&gradient)) {
                return Some(Err(malformed(format!("step {step} has a ghost that is no validation sample"))));
            }
            ghosts.push(CapturedGhost { ghost, tokens, gradient });
        }
        Some(Ok(TrajectoryStep { step, learning_rate, keep, scale, rows: captured, factors, ghosts }))
    }
}
