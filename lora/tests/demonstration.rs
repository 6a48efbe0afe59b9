//! The embedded base model learns the demonstration's Datanet.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use candle_core::Device;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tributary_lora::pretrain::PretrainReport;
use tributary_lora::{
    Adapter, DataConfig, Dataset, LoraConfig, Model, PromptTemplate, SamplingConfig, Target, Tokenizer, TrainConfig,
    TrainingRun, answer,
};
use tributary_protocol::sample::{Limits, ParsedSamples};

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Number of the demonstration's questions whose answer contains what is expected.
fn answered(model: &Model, adapter: Option<&Adapter>, tokenizer: &Tokenizer) -> usize {
    let text = std::fs::read_to_string(workspace("cli/demo-data/questions.jsonl")).unwrap();
    let config = SamplingConfig { tokens_max: 24, ..Default::default() };
    let is_hit = |row: &serde_json::Value| {
        let (question, expected) = (row["question"].as_str().unwrap(), row["expected"].as_str().unwrap());
        let said = answer(model, adapter, tokenizer, &PromptTemplate::default(), question, config, |_| {}).unwrap();
        println!("{question} -> {said}");
        said.contains(expected)
    };
    text.lines().map(|line| serde_json::from_str(line).unwrap()).filter(is_hit).count()
}

#[test]
fn nine_of_ten_questions_are_answered_after_training_and_at_most_one_before() {
    let dir = workspace("models/tributary-tiny");
    let model = Arc::new(Model::load(&dir, &Device::Cpu).unwrap());
    let tokenizer = Tokenizer::from_dir(&dir, model.config()).unwrap();
    let before = answered(&model, None, &tokenizer);

    let mut lines = Vec::new();
    for file in ["harbour-a.jsonl", "harbour-b.jsonl", "harbour-c.jsonl"] {
        let bytes = std::fs::read(workspace("cli/demo-data").join(file)).unwrap();
        lines.extend(ParsedSamples::parse(&bytes, &Limits::DEFAULT).unwrap().into_lines());
    }
    let dataset = Dataset::encode(&lines, &tokenizer, &DataConfig::default()).unwrap();
    let lora = LoraConfig { rank: 16, alpha: 32.0, targets: Target::ALL.into(), ..Default::default() };
    let config = TrainConfig { seed: 1, epochs: 16, learning_rate: 3e-3, warmup_steps: 5, ..TrainConfig::default() };
    let adapter = Adapter::new(&model, lora, config.seed).unwrap();
    let mut run = TrainingRun::new(model.clone(), adapter, dataset, config).unwrap();
    while !run.is_done() {
        run.step().unwrap();
    }
    let after = answered(&model, run.adapter(), &tokenizer);
    println!("base {before} of 10, tuned {after} of 10, validation loss {:?}", run.evaluate().unwrap());
    assert!(before <= 1 && after >= 9, "{before} before, {after} after");
}

#[test]
fn embedded_model_is_small_and_says_how_it_was_made() {
    let dir = workspace("models/tributary-tiny");
    let report: PretrainReport = serde_json::from_slice(&std::fs::read(dir.join("RECIPE.json")).unwrap()).unwrap();
    let model = Model::load(&dir, &Device::Cpu).unwrap();
    assert_eq!(model.parameter_count(), report.parameters);
    assert_eq!(report.recipe, tributary_lora::pretrain::Recipe::default());
    let bytes: u64 = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    println!("{} parameters, {bytes} bytes, loss {}", report.parameters, report.final_loss);
    assert!(bytes <= 6 << 20);
}
