//! Memory, time and disk of a run, before it begins.
//!
//! Everything follows from the structure: which tensors a layer keeps per position, how many multiplications it does, which
//! samples share a micro batch (the order of a run is known before it starts). Constants that had to be measured are in
//! [`memory`] and [`work`], each with what it stands for. The speed of the machine is measured apart ([`MachineSpeed`]), so
//! that an estimate is the same every time for the same speed.

mod layer;
mod memory;
mod speed;
mod work;

pub use memory::MemoryEstimate;
pub use speed::MachineSpeed;
pub use work::Work;

use crate::batch::EncodedSample;
use crate::config::ModelConfig;
use crate::data::pack;
use crate::dataset::Dataset;
use crate::error::{MemoryError, TrainError};
use crate::lora::LoraConfig;
use crate::machine::available_bytes;
use crate::plan;
use crate::quant::Precision;
use crate::settings::TrainConfig;
use layer::Decoder;

/// What of a sample decides its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleLength {
    /// Positions that the model computes: the tokens but the last.
    pub positions: usize,
    /// Tokens that are trained on.
    pub trained: usize,
}

impl From<&EncodedSample> for SampleLength {
    fn from(sample: &EncodedSample) -> Self {
        Self { positions: sample.tokens().len().saturating_sub(1), trained: sample.trained_tokens() }
    }
}

/// A run that may be started.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The base model.
    pub model: &'a ModelConfig,
    /// How it is held.
    pub precision: Precision,
    /// Whether its folder's matrices are bf16, as most are: they stay 16 bits wide unless they are packed.
    pub is_bf16: bool,
    /// The adapter.
    pub lora: &'a LoraConfig,
    /// The settings.
    pub train: &'a TrainConfig,
    /// The samples that are trained on, in their order.
    pub training: Vec<SampleLength>,
    /// The samples that are kept for validation.
    pub validation: Vec<SampleLength>,
    /// Most positions of a pack; `None` if each sample is a row.
    pub packing: Option<usize>,
}

impl<'a> Plan<'a> {
    /// The plan for a dataset, and for a base that is not in bf16.
    pub fn new(
        model: &'a ModelConfig,
        precision: Precision,
        lora: &'a LoraConfig,
        train: &'a TrainConfig,
        dataset: &Dataset,
    ) -> Self {
        let lengths = |samples: &[EncodedSample]| samples.iter().map(SampleLength::from).collect();
        let (training, validation) = (lengths(dataset.training()), lengths(dataset.validation()));
        Self { model, precision, is_bf16: false, lora, train, training, validation, packing: dataset.packing() }
    }

    /// Steps of the run.
    fn steps(&self) -> u64 {
        self.steps_of_run().steps_per_epoch().saturating_mul(u64::from(self.train.epochs))
    }

    /// Rows of a pass over the training samples.
    fn rows(&self) -> usize {
        let positions: Vec<usize> = self.training.iter().map(|sample| sample.positions).collect();
        self.packing.map_or(positions.len(), |most| pack(&positions, most).len())
    }

    fn steps_of_run(&self) -> plan::Plan {
        let positions = |samples: &[SampleLength]| samples.iter().map(|sample| sample.positions).collect();
        plan::Plan::of_positions(positions(&self.training), positions(&self.validation), self.packing, self.train)
    }

    /// Calls `each` with the samples of every micro batch of the run, in order.
    fn each_micro_batch(&self, mut each: impl FnMut(&[SampleLength])) {
        let mut steps = self.steps_of_run();
        for micro in (0..self.steps()).flat_map(|step| steps.step(step)) {
            each(&micro.samples.iter().map(|sample| self.training[*sample]).collect::<Vec<_>>());
        }
    }

    /// Calls `each` with the samples of every micro batch of an evaluation.
    fn each_of_evaluation(&self, mut each: impl FnMut(&[SampleLength])) {
        for samples in self.steps_of_run().validation() {
            each(&samples.iter().map(|sample| self.validation[*sample]).collect::<Vec<_>>());
        }
    }

    /// Number of evaluations, those before the first step and after the last among them.
    fn evaluations(&self) -> u64 {
        match (self.validation.is_empty(), self.train.evaluation_steps) {
            (true, _) => 0,
            (false, 0) => 2,
            (false, every) => 1 + self.steps().div_ceil(every),
        }
    }
}

/// What a run will take.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Memory at its peak.
    pub memory: MemoryEstimate,
    /// Computations from the first step to the last, evaluations and files included; not loading.
    pub work: Work,
    /// Disk.
    pub disk: DiskEstimate,
    /// What would make the memory smaller, with the peak that it would have.
    smaller: Vec<(String, u64)>,
}

/// Bytes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskEstimate {
    /// The last checkpoint and the one before it.
    pub checkpoints: u64,
    /// A third one while it is written.
    pub writing: u64,
    /// The adapters kept for attribution.
    pub snapshots: u64,
    /// The result, and the best adapter if it is kept.
    pub adapters: u64,
    /// The events.
    pub events: u64,
    /// The base model's folder, if its weights are of 16 bits as they usually are.
    pub base: u64,
}

impl DiskEstimate {
    /// Bytes that the run's folder has in the end; the base is elsewhere.
    pub fn folder(&self) -> u64 {
        self.checkpoints + self.snapshots + self.adapters + self.events
    }

    /// Bytes that it has at most.
    pub fn peak(&self) -> u64 {
        self.folder() + self.writing
    }
}

/// A line of the events, about.
const EVENT_BYTES: u64 = 330;
/// A step in the trace of a checkpoint, as JSON: three numbers and 32 bytes as a list.
const TRACE_BYTES: u64 = 230;
/// Steps from one checkpoint to the next, unless time is up before (trainers' usual settings).
const USUAL_CHECKPOINT_STEPS: u64 = 100;

impl Estimate {
    /// What the run will take on this machine with this number of threads.
    ///
    /// Errors: settings or targets that are refused. Cost: that of drawing the order of the samples.
    pub fn new(plan: &Plan<'_>) -> Result<Self, TrainError> {
        Self::with_threads(plan, rayon::current_num_threads())
    }

    /// As [`Estimate::new`], for so many threads.
    pub fn with_threads(plan: &Plan<'_>, threads: usize) -> Result<Self, TrainError> {
        plan.train.check(plan.rows(), plan.validation.len())?;
        let decoder = Decoder::new(plan.model, plan.lora)?;
        let memory = memory::estimate(plan, &decoder, threads);
        let peak = |plan: &Plan<'_>| memory::estimate(plan, &decoder, threads).peak();
        let mut smaller = Vec::new();
        let mut suggest = |text: String, plan: Plan<'_>| {
            let bytes = peak(&plan);
            if bytes < memory.peak() {
                smaller.push((text, bytes));
            }
        };
        let less = |change: &dyn Fn(&mut TrainConfig)| {
            let mut train = *plan.train;
            change(&mut train);
            train
        };
        let train = less(&|train| train.activation_checkpointing = true);
        suggest("turn on activation_checkpointing".into(), Plan { train: &train, ..plan.clone() });
        let train = less(&|train| train.micro_batch_size = 1);
        suggest("set micro_batch_size to 1".into(), Plan { train: &train, ..plan.clone() });
        let longest = plan.training.iter().map(|sample| sample.positions + 1).max().unwrap_or(0);
        let cut = |sample: &SampleLength| {
            let positions = sample.positions.min(longest / 2);
            SampleLength { positions, trained: sample.trained.min(positions) }
        };
        let (training, validation) =
            (plan.training.iter().map(cut).collect(), plan.validation.iter().map(cut).collect());
        let shorter = Plan { training, validation, ..plan.clone() };
        suggest(format!("cut samples at {} tokens (tokens_max)", longest / 2), shorter);
        let packed = Plan { precision: Precision::Nf4Double, ..plan.clone() };
        suggest("hold the base in 4 bits (QLoRA, nf4_double)".into(), packed);

        let adapter = 4 * decoder.adapter_parameters(plan.lora) as u64;
        let steps = plan.steps();
        let disk = DiskEstimate {
            checkpoints: 2 * (3 * adapter + TRACE_BYTES * steps),
            writing: 3 * adapter + TRACE_BYTES * steps,
            snapshots: adapter * u64::from(plan.train.snapshots).min(steps),
            adapters: adapter * if plan.train.keep_best { 2 } else { 1 },
            events: EVENT_BYTES * (steps + plan.evaluations() + 8),
            base: 2 * decoder.base_parameters() as u64,
        };
        let mut work = work::estimate(plan, &decoder);
        // With each snapshot goes a hash of the whole state, and all but the last two checkpoints are written over.
        let written_over = disk.writing * (steps / USUAL_CHECKPOINT_STEPS);
        work.files = (disk.folder() + 2 * disk.snapshots + written_over) as f64;
        Ok(Self { memory, work, disk, smaller })
    }

    /// Seconds that the work takes at this speed.
    pub fn seconds(&self, speed: &MachineSpeed) -> f64 {
        self.work.seconds(speed)
    }

    /// Errors: if the run's peak, less what the process holds already, is more than is available; with what to change.
    ///
    /// `held` is what of the run is in memory already, such as the loaded base ([`MemoryEstimate::base`]), or 0.
    pub fn check_memory(&self, available: u64, held: u64) -> Result<(), MemoryError> {
        let needed = self.memory.peak().saturating_sub(held);
        if needed <= available {
            return Ok(());
        }
        let hints = self.smaller.iter().map(|(text, bytes)| {
            let needed = bytes.saturating_sub(held);
            let enough = if needed <= available { "which is enough" } else { "which alone is not enough" };
            format!("{text} ({} MB, {enough})", needed >> 20)
        });
        let mut hints: Vec<String> = hints.collect();
        if hints.is_empty() {
            hints.push("use a smaller base model".into());
        }
        Err(MemoryError { needed, available, hints })
    }

    /// [`Estimate::check_memory`] against what the machine and the process's control groups have now.
    ///
    /// A system that does not say how much that is refuses nothing.
    pub fn check_machine(&self, held: u64) -> Result<(), MemoryError> {
        available_bytes().map_or(Ok(()), |available| self.check_memory(available, held))
    }
}
