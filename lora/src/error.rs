//! One error type per operation.

use crate::arithmetic::ArithmeticError;
use crate::data::EncodeError;
use crate::placement::{DeviceChoice, Placement};
use crate::quant::Precision;
use std::io;
use std::path::PathBuf;
use tributary_protocol::ContentHash;

/// Why a `config.json` was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not JSON.
    #[error("config.json is not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Another family of models.
    #[error("unknown architecture: {found}; hint: supported are {accepted}")]
    UnknownArchitecture {
        /// What the file names.
        found: String,
        /// What is supported.
        accepted: String,
    },
    /// A setting that changes the mathematics and is not implemented.
    #[error("unsupported setting in config.json: {key} = {value}")]
    Unsupported {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// A required key is absent.
    #[error("config.json has no {key}")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value of the wrong kind or range.
    #[error("config.json: {key} should be {expected}, found {value}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is expected.
        expected: &'static str,
    },
}

/// Why a model folder could not be loaded or written.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// `config.json` was not accepted.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file could not be read or written.
    #[error("cannot access {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder has no weights.
    #[error("no model.safetensors or model.safetensors.index.json in {dir}")]
    NoWeights {
        /// The folder.
        dir: PathBuf,
    },
    /// A safetensors file is damaged.
    #[error("{path} is not a whole safetensors file: {reason}; hint: download it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor of the architecture is in no file.
    #[error("tensor {name} is missing from {dir}")]
    MissingTensor {
        /// The tensor.
        name: String,
        /// The folder.
        dir: PathBuf,
    },
    /// A tensor that the architecture does not have.
    #[error("tensor {name} in {path} does not belong to this architecture")]
    UnexpectedTensor {
        /// The tensor.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// A tensor of another shape than `config.json` says.
    #[error("tensor {name} has shape {found:?}, config.json says {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape of the architecture.
        expected: Vec<usize>,
    },
    /// A tensor of a type other than f32, f16 or bf16.
    #[error("tensor {name} has type {dtype}; hint: only F32, F16 and BF16 are supported")]
    DataType {
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// The folder's weights are packed, and something else is asked for.
    #[error(
        "the linear layers in {dir} are packed as {stored:?} and cannot be held as {asked:?}; hint: load them as they are, \
         or take the folder that they were made of"
    )]
    Packed {
        /// The folder.
        dir: PathBuf,
        /// How they are.
        stored: Precision,
        /// How they should be.
        asked: Precision,
    },
    /// A packed tensor cannot be used.
    #[error("tensor {name} is packed in a way that is not supported: {source}")]
    PackedTensor {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        source: QuantError,
    },
    /// A tensor cannot be quantised.
    #[error("tensor {name} cannot be quantised: {source}")]
    Quant {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        source: QuantError,
    },
    /// A device that the engine does not run on.
    #[error("device {device} is not supported here; hint: use the CPU, or Model::load_on")]
    Device {
        /// The device.
        device: String,
    },
    /// A GPU in a build without CUDA.
    #[error("this build does not run on {device}; hint: build it with the feature `cuda`, or use the device cpu")]
    NoCuda {
        /// The device.
        device: DeviceChoice,
    },
    /// A model that is to be moved a second time.
    #[error("the model lies on {placement} already; hint: move the one that it was made of")]
    Placed {
        /// Where it lies.
        placement: Placement,
    },
    /// A device that is not there.
    #[error("device {device} cannot be used: {reason}; hint: `nvidia-smi -L` lists the GPUs of this machine, from 0")]
    NoDevice {
        /// The device.
        device: DeviceChoice,
        /// What its driver said.
        reason: String,
    },
    /// The tokenizer was not accepted.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The machine cannot compute as the profile says.
    #[error(transparent)]
    Arithmetic(#[from] ArithmeticError),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Why a matrix could not be packed into four bits per element.
#[derive(Debug, thiserror::Error)]
pub enum QuantError {
    /// Another number of elements than the shape has.
    #[error("{found} elements are not a matrix of {rows} by {columns}")]
    Elements {
        /// Number of elements.
        found: usize,
        /// Rows of the shape.
        rows: usize,
        /// Columns of the shape.
        columns: usize,
    },
    /// An element that four bits cannot stand for.
    #[error("the element in row {row}, column {column} is {value}; only finite numbers can be quantised")]
    NotFinite {
        /// Its row, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
        /// Its value.
        value: f32,
    },
    /// Another number of packed bytes than the shape has.
    #[error("{found} packed bytes, the shape has {expected}")]
    Packed {
        /// Number of bytes.
        found: usize,
        /// What the shape has.
        expected: usize,
    },
    /// A packed weight in a file that is not as bitsandbytes writes it.
    #[error("{reason}")]
    Saved {
        /// What is wrong with it, and what is accepted.
        reason: String,
    },
    /// Scales that do not fit the shape, or are not finite.
    #[error("{found} scales do not fit, or are not finite; the shape has {expected} blocks of 64")]
    Scales {
        /// Number of scales.
        found: usize,
        /// Number of blocks.
        expected: usize,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Why text could not become tokens, or tokens text.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file could not be read or parsed.
    #[error("cannot load {path}: {reason}")]
    Load {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The tokenizer knows more tokens than the model.
    #[error("the tokenizer has {tokens} tokens, the model only {vocab_size}")]
    Vocabulary {
        /// Size of the tokenizer's vocabulary.
        tokens: usize,
        /// Size of the model's vocabulary.
        vocab_size: usize,
    },
    /// No token ends an answer.
    #[error("neither config.json nor tokenizer_config.json names a token that ends a sequence")]
    NoEnd,
    /// The text could not be encoded or decoded.
    #[error("cannot convert text: {reason}")]
    Convert {
        /// What the tokenizer said.
        reason: String,
    },
}

/// Why samples could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// After masking and truncation nothing of the row would be trained on.
    #[error("sample {sample} (row {row}) has no token to train on")]
    NothingTrained {
        /// Number of the row, from 1.
        row: usize,
        /// The sample.
        sample: ContentHash,
    },
    /// A sample could not be encoded.
    #[error("sample {sample} (row {row}): {source}")]
    Row {
        /// Number of the row, from 1.
        row: usize,
        /// The sample.
        sample: ContentHash,
        /// What is wrong with it.
        source: Box<EncodeError>,
    },
    /// Prompts cannot be put as the settings say.
    #[error(transparent)]
    Style(Box<EncodeError>),
    /// There is nothing to train on at all.
    #[error("no samples to train on")]
    Empty,
    /// A sample is longer than what is computed as one row.
    #[error(
        "sample {sample} has {sample_positions} positions, packing allows {positions} in a row; hint: packing of \
         {sample_positions} or more, or a lower tokens_max"
    )]
    Packing {
        /// Positions of a row.
        positions: usize,
        /// The sample.
        sample: ContentHash,
        /// Its positions.
        sample_positions: usize,
    },
    /// Text conversion failed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// Why an adapter could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A file could not be read or written.
    #[error("cannot access {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `adapter_config.json` asks for something that changes the result and is not implemented.
    #[error("unsupported setting in adapter_config.json: {key} = {value}")]
    Unsupported {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// A target that no supported layer has.
    #[error("unknown target layer {name} in target_modules; hint: accepted are {accepted}, or \"all-linear\"")]
    UnknownTarget {
        /// The name.
        name: String,
        /// The names of all layers.
        accepted: String,
    },
    /// A pattern that cannot choose layers.
    #[error("target pattern {pattern:?} cannot be used: {reason}")]
    Pattern {
        /// The regular expression.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A row whose length cannot be trained.
    #[error(
        "{name}: row {row} of the base weight has length {length}; hint: train without DoRA, or without this layer"
    )]
    NoDirection {
        /// The layer.
        name: String,
        /// The row, from 0.
        row: usize,
        /// Its length.
        length: f32,
    },
    /// A tensor holds something else than finite numbers.
    #[error("adapter tensor {name} holds {value}; only finite numbers are accepted")]
    NotFinite {
        /// The tensor.
        name: String,
        /// The first such value.
        value: f32,
    },
    /// `adapter_config.json` lacks a key or has a wrong value.
    #[error("adapter_config.json: {reason}")]
    Config {
        /// What is wrong.
        reason: String,
    },
    /// The weights file is damaged.
    #[error("adapter weights are not a whole safetensors file: {reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// The adapter was made for another base model.
    #[error("the adapter belongs to another base model: it names {found}, this is {expected}")]
    OtherBase {
        /// The base that the adapter names.
        found: ContentHash,
        /// The base at hand.
        expected: ContentHash,
    },
    /// A tensor does not fit the base model.
    #[error("the adapter does not fit this base model: {name} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that fits.
        expected: Vec<usize>,
    },
    /// A tensor is absent.
    #[error("the adapter does not fit this base model: {name} is missing")]
    MissingTensor {
        /// The tensor.
        name: String,
    },
    /// A tensor is one too many.
    #[error("the adapter does not fit this base model: {name} has no place in it")]
    UnexpectedTensor {
        /// The tensor.
        name: String,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Why training stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting is out of range.
    #[error("training setting {key} = {value} is out of range: {expected}")]
    Setting {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// The range.
        expected: String,
    },
    /// The samples cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The loss or the gradient is not finite any more.
    #[error(
        "{what} is {value} at step {step}, samples {samples:?}; hint: lower the learning rate, or look at these samples"
    )]
    NotFinite {
        /// "loss", "gradient norm", "validation loss", or "parameter" for one that is about to be kept.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The step, from 1.
        step: u64,
        /// The samples of the step, or of the part of the validation samples.
        samples: Vec<ContentHash>,
    },
    /// A trained tensor has no gradient, or not a finite one, after the first step.
    #[error("no finite gradient reaches {name}")]
    NoGradient {
        /// The tensor.
        name: String,
    },
    /// All steps are done.
    #[error("training is finished after {steps} steps")]
    Finished {
        /// The number of steps.
        steps: u64,
    },
    /// The checkpoint is damaged.
    #[error("{path} is not a whole checkpoint: {reason}")]
    DamagedCheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The checkpoint was made by a run with other inputs.
    #[error("the checkpoint belongs to another run: its {what} differ")]
    OtherRun {
        /// What differs.
        what: &'static str,
    },
    /// All parameters of the model are trained, so that there is no adapter to keep.
    #[error("a session keeps adapters, and this run trains all parameters of the model")]
    NoAdapter,
    /// Another session runs in the folder.
    #[error("another session writes to {path}; hint: wait for it, pause it, or choose another folder")]
    Busy {
        /// Its events.
        path: PathBuf,
    },
    /// The memory is too small for the run.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A file could not be read or written.
    #[error("cannot access {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Who listens to the run cannot go on.
    #[error("the steps cannot be captured: {reason}")]
    Capture {
        /// Why not.
        reason: String,
    },
    /// The adapter could not be written or read.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// The machine cannot compute as the profile says.
    #[error(transparent)]
    Arithmetic(#[from] ArithmeticError),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// The memory is too small for a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the run needs {} MB of memory, {} MB are available; hint: {}", needed >> 20, available >> 20, hints.join(", or "))]
pub struct MemoryError {
    /// Bytes that the run takes at its peak.
    pub needed: u64,
    /// Bytes that it can have.
    pub available: u64,
    /// What makes it smaller, and to how much.
    pub hints: Vec<String>,
}

/// Why no text was generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The prompt has no tokens.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// The prompt is longer than the model can see.
    #[error("the prompt has {tokens} tokens, the model sees at most {positions_max}")]
    PromptTooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// The model's limit.
        positions_max: usize,
    },
    /// A sampling setting is out of range.
    #[error("sampling setting {key} = {value} is out of range: {expected}")]
    Setting {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// The range.
        expected: &'static str,
    },
    /// The logits are not numbers.
    #[error("the model's output is not finite; hint: the adapter or the weights are damaged")]
    NotFinite,
    /// Text conversion failed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
