//! Trains an adapter on JSONL files and asks questions before and after:
//! `cargo run --release -p tributary-lora --example adapt -- MODEL QUESTIONS.jsonl RATE EPOCHS RANK FILE.jsonl...`
//!
//! A line of QUESTIONS has `question` and `expected`; an answer counts if it contains what is expected.

use candle_core::Device;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tributary_lora::{
    Adapter, DataConfig, Dataset, LoraConfig, Model, PromptTemplate, SamplingConfig, Target, Tokenizer, TrainConfig,
    TrainingRun, answer,
};
use tributary_protocol::sample::{Limits, ParsedSamples};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, questions, rate, epochs, rank, files @ ..] = arguments.as_slice() else {
        return Err("MODEL QUESTIONS.jsonl RATE EPOCHS RANK FILE.jsonl...".into());
    };
    let dir = Path::new(model);
    let model = Arc::new(Model::load(dir, &Device::Cpu)?);
    let tokenizer = Tokenizer::from_dir(dir, model.config())?;
    let questions: Vec<serde_json::Value> =
        std::fs::read_to_string(questions)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;

    let mut lines = Vec::new();
    for file in files {
        lines.extend(ParsedSamples::parse(&std::fs::read(file)?, &Limits::DEFAULT)?.into_lines());
    }
    let dataset = Dataset::encode(&lines, &tokenizer, &DataConfig::default())?;
    println!("{} samples trained on, {} kept for validation", dataset.training().len(), dataset.validation().len());
    let rank: usize = rank.parse()?;
    let lora = LoraConfig { rank, alpha: 2.0 * rank as f32, targets: Target::ALL.into(), ..Default::default() };
    let config = TrainConfig {
        seed: 1,
        epochs: epochs.parse()?,
        learning_rate: rate.parse()?,
        warmup_steps: 5,
        ..TrainConfig::default()
    };
    let adapter = Adapter::new(&model, lora, config.seed)?;
    println!("{} parameters in the adapter, {} in the model", adapter.parameter_count(), model.parameter_count());
    println!("base: {} of {} questions\n", ask(&model, None, &tokenizer, &questions)?, questions.len());

    let started = Instant::now();
    let mut run = TrainingRun::new(model.clone(), adapter, dataset, config)?;
    while !run.is_done() {
        let metrics = run.step()?;
        if metrics.step % 20 == 0 || run.is_done() {
            println!(
                "step {}/{}  loss {:.4}  norm {:.3}",
                metrics.step,
                run.steps(),
                metrics.loss,
                metrics.gradient_norm
            );
        }
    }
    println!("trained in {:.1} s, validation loss {:?}\n", started.elapsed().as_secs_f32(), run.evaluate()?);
    println!("tuned: {} of {} questions", ask(&model, run.adapter(), &tokenizer, &questions)?, questions.len());
    Ok(())
}

/// Asks all questions and returns how many were answered as expected.
fn ask(
    model: &Model,
    adapter: Option<&Adapter>,
    tokenizer: &Tokenizer,
    questions: &[serde_json::Value],
) -> Result<usize, Box<dyn std::error::Error>> {
    let config = SamplingConfig { tokens_max: 24, ..SamplingConfig::default() };
    let mut hits = 0;
    for row in questions {
        let (question, expected) = (row["question"].as_str().unwrap_or(""), row["expected"].as_str().unwrap_or(""));
        let text = answer(model, adapter, tokenizer, &PromptTemplate::default(), question, config, |_| {})?;
        hits += usize::from(text.contains(expected));
        println!("{} {question} -> {text:?} (expected {expected:?})", if text.contains(expected) { "+" } else { "-" });
    }
    Ok(hits)
}
