//! What a session does with a run in a folder: events, pauses, evaluations, bad numbers, kills.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[macro_use]
#[path = "../common/devices.rs"]
mod devices;

mod control;
mod estimate;
mod failure;
mod included;
mod kill;
mod placement;
mod recompute;

use std::path::Path;
use std::sync::Arc;
use tributary_lora::{
    Activity, Adapter, Architecture, Arithmetic, Control, Dataset, EncodedSample, Event, LoraConfig, Model,
    ModelConfig, Outcome, Placement, RopeConfig, RopeScaling, Session, SessionConfig, Summary, Targets, TrainConfig,
    TrainError, TrainingRun,
};
use tributary_protocol::ContentHash;

const VOCABULARY: u32 = 48;
const VALIDATION_PPM: u32 = 200_000;

fn model_config() -> ModelConfig {
    ModelConfig {
        vocab_size: VOCABULARY as usize,
        hidden_size: 24,
        intermediate_size: 40,
        layers: 3,
        heads: 4,
        kv_heads: 2,
        head_dim: 6,
        rms_norm_eps: 1e-5,
        rope: RopeConfig { theta: 10_000.0, scaling: RopeScaling::None },
        positions_max: 32,
        tie_word_embeddings: false,
        bos_token_id: Some(0),
        eos_token_ids: vec![1],
        architecture: Architecture::default(),
    }
}

fn model() -> Arc<Model> {
    Arc::new(Model::random(model_config(), 4).unwrap())
}

/// The model where a test wants it; only on the processor in f32 a profile is defined.
fn placed(model: Model, placement: Placement) -> Model {
    match placement == Placement::CPU {
        true => model,
        false => model.with_arithmetic(Arithmetic::Fast).unwrap().placed(placement).unwrap(),
    }
}

fn sample(row: u32) -> EncodedSample {
    let tokens = (0..9 + row % 5).map(|i| (i * (row + 3) + row) % (VOCABULARY - 1)).collect();
    EncodedSample::new(ContentHash::of(&row.to_le_bytes()), tokens, 2)
}

/// 20 samples, of which some are kept for validation.
fn dataset() -> Dataset {
    Dataset::divide((0..20).map(sample).collect(), VALIDATION_PPM).unwrap()
}

fn lora() -> LoraConfig {
    LoraConfig { rank: 3, alpha: 6.0, targets: Targets::AllLinear, ..Default::default() }
}

fn settings() -> TrainConfig {
    TrainConfig { epochs: 6, batch_size: 4, micro_batch_size: 2, learning_rate: 1e-2, ..Default::default() }
}

fn start(model: &Arc<Model>, lora: LoraConfig, settings: TrainConfig) -> TrainingRun {
    TrainingRun::new(model.clone(), Adapter::new(model, lora, 5).unwrap(), dataset(), settings).unwrap()
}

fn every(checkpoint_steps: u64) -> SessionConfig {
    SessionConfig { checkpoint_steps, ..Default::default() }
}

fn open(settings: TrainConfig, folder: &Path, checkpoint_steps: u64) -> Session {
    Session::open(start(&model(), lora(), settings), folder, every(checkpoint_steps)).unwrap()
}

fn finish(session: &mut Session) -> Summary {
    match session.run(&mut |_| Control::Continue).unwrap() {
        Outcome::Finished(summary) => summary,
        other => panic!("{other:?}"),
    }
}

/// Runs, and stops as `decide` says for an event.
fn until(session: &mut Session, mut decide: impl FnMut(&Event) -> Control) -> Result<Outcome, TrainError> {
    session.run(&mut |activity| match activity {
        Activity::Event(record) => decide(&record.event),
        Activity::Evaluating { .. } => Control::Continue,
    })
}

fn losses(folder: &Path) -> Vec<(u64, u32)> {
    let records = tributary_lora::read_events(folder, 0).unwrap();
    let steps = records.iter().filter_map(|record| match &record.event {
        Event::Step(step) => Some((step.step, step.loss.to_bits())),
        _ => None,
    });
    steps.collect()
}
