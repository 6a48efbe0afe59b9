//! This engine's side of `scripts/bench/train`: does one step or one generation for every line on its standard input.
//!
//! `bench_train train MODEL [precision=f32|nf4|nf4-double] [checkpointing=no|yes] [batch=2] [tokens=256]`
//! `bench_train generate MODEL [batch=1] [prompt=32] [tokens=64]`
//!
//! It prints a line when it is ready and one after each unit of work: the loss of the step, or the generated tokens. Who
//! runs it measures time and memory from outside, for all programs alike. `RAYON_NUM_THREADS` is the number of threads.

use candle_core::Device;
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use tributary_lora::{
    Adapter, Dataset, EncodedSample, GenerationBatch, LoraConfig, Model, Precision, SamplingConfig, Target,
    TrainConfig, TrainingRun,
};
use tributary_protocol::ContentHash;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, model, settings @ ..] = arguments.as_slice() else {
        return Err("train|generate MODEL [KEY=VALUE]...".into());
    };
    let settings: HashMap<&str, &str> = settings.iter().filter_map(|setting| setting.split_once('=')).collect();
    let model = Model::load_as(Path::new(model), &Device::Cpu, precision(settings.get("precision").copied())?)?;
    match what.as_str() {
        "train" => train(model, &settings),
        "generate" => generate(&model, &settings),
        other => Err(format!("{other:?} is neither train nor generate").into()),
    }
}

fn precision(name: Option<&str>) -> Result<Precision, Failure> {
    match name {
        None | Some("f32") => Ok(Precision::F32),
        Some("nf4") => Ok(Precision::Nf4),
        Some("nf4-double") => Ok(Precision::Nf4Double),
        Some(other) => Err(format!("precision {other:?} is none of f32, nf4, nf4-double").into()),
    }
}

fn number(settings: &HashMap<&str, &str>, key: &str, default: usize) -> Result<usize, Failure> {
    Ok(settings.get(key).map_or(Ok(default), |text| text.parse())?)
}

/// The numbers that all programs compute on; the peers make the same.
fn tokens(count: usize, vocabulary: usize) -> Vec<u32> {
    (0..count).map(|i| (i * 7919 % vocabulary) as u32).collect()
}

/// Calls `work` for every line of the standard input and prints what it returns.
fn serve(mut work: impl FnMut() -> Result<String, Failure>) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    for line in std::io::stdin().lock().lines() {
        line?;
        writeln!(out, "{}", work()?)?;
    }
    Ok(())
}

/// AdamW steps on rank-8 updates of all linear layers; every position is trained on.
fn train(model: Model, settings: &HashMap<&str, &str>) -> Result<(), Failure> {
    let (batch, positions) = (number(settings, "batch", 2)?, number(settings, "tokens", 256)?);
    let all = tokens(batch * (positions + 1), model.config().vocab_size);
    let sample = |tokens: &[u32]| EncodedSample::new(ContentHash::of(&tokens[0].to_le_bytes()), tokens.to_vec(), 0);
    let dataset = Dataset::divide(all.chunks(positions + 1).map(sample).collect(), 0)?;
    let config = TrainConfig {
        epochs: 1_000_000,
        batch_size: batch,
        micro_batch_size: batch,
        shuffle: false,
        learning_rate: 1e-4,
        snapshots: 0,
        activation_checkpointing: settings.get("checkpointing") == Some(&"yes"),
        ..TrainConfig::default()
    };
    let lora = LoraConfig { rank: 8, alpha: 16.0, targets: Target::ALL.into(), ..LoraConfig::default() };
    let adapter = Adapter::new(&model, lora, config.seed)?;
    let mut run = TrainingRun::new(Arc::new(model), adapter, dataset, config)?;
    serve(|| Ok(run.step()?.loss.to_string()))
}

/// Greedy tokens after prompts of the same length.
fn generate(model: &Model, settings: &HashMap<&str, &str>) -> Result<(), Failure> {
    let (batch, prompt) = (number(settings, "batch", 1)?, number(settings, "prompt", 32)?);
    let config = SamplingConfig { tokens_max: number(settings, "tokens", 64)?, ..SamplingConfig::default() };
    let all = tokens(batch * prompt, model.config().vocab_size);
    let prompts: Vec<&[u32]> = all.chunks(prompt).collect();
    serve(|| {
        let rows = GenerationBatch::new(model, None, &prompts, &[], config)?.collect::<Result<Vec<_>, _>>()?;
        let made = (0..batch).flat_map(|sequence| rows.iter().filter_map(move |row| row[sequence]));
        let made: Vec<u32> = made.collect();
        Ok(made.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))
    })
}
