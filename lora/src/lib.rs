//! Models, LoRA layers, optimiser, PEFT files and generation.
//!
//! Synchronous and deterministic: no network, no clock but for what people are told, no threads apart from rayon's inside one
//! operation. The same base model, samples and settings give the same adapter bytes on every machine that [`Arithmetic`]
//! accepts, with any number of threads.
//!
//! # Reading order
//! [`ModelConfig`] and [`Model`] (what is loaded), [`Precision`] (how its layers are held), [`Arithmetic`] (what its numbers
//! depend on), [`Placement`] (where they are computed), [`LoraConfig`], [`Targets`] and [`Adapter`] (what is trained), [`data`] and [`Dataset`] (what it is trained
//! on), [`Estimate`] (what it will take), [`TrainingRun`] (the loop), [`Session`] (who drives it, and what it tells),
//! [`data::Prompter`] and [`reply`] (what comes out),
//! [`sample_gradient`] (what attribution reads), [`pretrain`] (how the embedded base model was made).
//!
//! # Invariant
//! No tokio, no chain, no file outside the folders that a caller names.
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(test)]
#[macro_use]
#[path = "../tests/common/devices.rs"]
mod devices;

mod arithmetic;
mod batch;
mod capture;
mod checkpoint;
mod config;
mod conformance;
pub mod data;
mod dataset;
mod error;
mod estimate;
mod evaluation;
mod events;
mod files;
mod generate;
mod gradients;
mod identity;
mod lora;
mod machine;
mod matrix;
mod model;
mod noise;
mod ops;
mod optim;
mod peft;
mod per_sample;
mod pieces;
mod placement;
mod plan;
pub mod pretrain;
mod quant;
mod random;
mod rope;
mod rows;
mod sampling;
mod schedule;
mod session;
mod settings;
mod snapshot;
mod targets;
mod tokenizer;
mod train;
mod weights;

pub use arithmetic::{Arithmetic, ArithmeticError};
pub use batch::{Batch, EncodedSample};
pub use capture::{Capture, CapturedSample, CapturedStep};
pub use checkpoint::CHECKPOINT_FILE;
pub use config::{
    Architecture, Experts, Family, Groups, LatentAttention, ModelConfig, RopeConfig, RopeScaling, Routing, Scores,
    SlidingWindow,
};
pub use conformance::{CONFORMANCE, ConformanceError, conformance, conformance_vectors};
pub use dataset::{DataConfig, Dataset, PromptStyle, PromptTemplate, encode_sample};
pub use error::{
    AdapterError, ConfigError, DataError, GenerateError, LoadError, MemoryError, QuantError, TokenizerError, TrainError,
};
pub use estimate::{DiskEstimate, Estimate, MachineSpeed, MemoryEstimate, Plan, SampleLength, Work};
pub use evaluation::Evaluation;
pub use events::{EVENTS_FILE, Event, Record, StepEvent, read_events};
pub use generate::{Generation, GenerationBatch, answer, reply};
pub use gradients::{sample_gradient, sample_loss};
pub use identity::base_model_hash;
pub use lora::{Adapter, LoraConfig, Target};
pub use machine::available_bytes;
pub use matrix::{Matrix, add_product};
pub use model::Model;
pub use optim::AdamWConfig;
pub use peft::{CONFIG_FILE, WEIGHTS_FILE};
pub use per_sample::sample_gradients;
pub use pieces::Piece;
pub use placement::{Compute, DeviceChoice, Placement, PlacementError};
pub use quant::{Nf4Matrix, Nf4Scales, Precision};
pub use rows::{Logits, PageId, PagePool, ServedAdapter, Span, SpanError};
pub use sampling::SamplingConfig;
pub use schedule::{Decay, Schedule};
pub use session::{Activity, BEST_FOLDER, Control, Outcome, Session, SessionConfig, SessionHandle, Summary};
pub use settings::{EarlyStopping, TrainConfig};
pub use snapshot::Snapshot;
pub use targets::Targets;
pub use tokenizer::{TextStream, Tokenizer};
pub use train::{SnapshotPoint, StepMetrics, TrainingRun};
