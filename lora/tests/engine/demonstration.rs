//! The embedded base model learns the demonstration's Datanets.

use candle_core::Device;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tributary_lora::pretrain::{PretrainReport, Recipe};
use tributary_lora::{
    Adapter, DataConfig, Dataset, LoraConfig, Model, PromptTemplate, SamplingConfig, Target, Tokenizer, TrainConfig,
    TrainingRun, answer,
};
use tributary_protocol::sample::{CanonicalLine, Limits, ParsedSamples};

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// One Datanet: what it teaches, and questions in other words.
struct Datanet {
    lines: Vec<CanonicalLine>,
    /// Question and what the answer must hold.
    questions: Vec<(String, String)>,
}

impl Datanet {
    fn read(files: [&str; 3], questions: &str) -> Self {
        let read = |name: &str| std::fs::read(workspace("cli/demo-data").join(name)).unwrap();
        let mut lines = Vec::new();
        for file in files {
            let samples = ParsedSamples::parse(&read(file), &Limits::DEFAULT).unwrap().into_lines();
            assert_eq!(samples.len(), 30, "{file}");
            lines.extend(samples);
        }
        let text = String::from_utf8(read(questions)).unwrap();
        let row = |line: &str| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            (row["question"].as_str().unwrap().to_owned(), row["expected"].as_str().unwrap().to_owned())
        };
        let questions: Vec<_> = text.lines().map(row).collect();
        assert_eq!(questions.len(), 10);
        assert!(questions.iter().all(|(question, _)| lines.iter().all(|line| line.sample().prompt != *question)));
        Self { lines, questions }
    }
}

/// The embedded base model with what is needed to talk to it.
struct Base {
    model: Arc<Model>,
    tokenizer: Tokenizer,
}

impl Base {
    fn load() -> Self {
        let dir = workspace("models/tributary-tiny");
        let model = Arc::new(Model::load(&dir, &Device::Cpu).unwrap());
        let tokenizer = Tokenizer::from_dir(&dir, model.config()).unwrap();
        Self { model, tokenizer }
    }

    /// Trains an adapter by the demonstration's recipe (`cli/src/args/recipe.rs`, `TINY`).
    fn tune(&self, dataset: Dataset) -> Adapter {
        let lora = LoraConfig { rank: 16, alpha: 32.0, targets: Target::ALL.into(), ..Default::default() };
        let mut config = TrainConfig {
            seed: 1,
            epochs: 40,
            batch_size: 16,
            learning_rate: 2e-3,
            snapshots: 0,
            ..TrainConfig::default()
        };
        let adapter = Adapter::new(&self.model, lora, config.seed).unwrap();
        // The recipe warms up over 5 % of the steps.
        config.warmup_steps = (dataset.training().len().div_ceil(16) as u64 * 40).div_ceil(20);
        let mut run = TrainingRun::new(self.model.clone(), adapter, dataset, config).unwrap();
        while !run.is_done() {
            run.step().unwrap();
        }
        println!("validation loss {:?}", run.evaluate().unwrap());
        run.into_adapter().unwrap()
    }

    /// Number of the questions whose answer in the plain frame holds what is expected.
    fn answered(&self, adapter: Option<&Adapter>, questions: &[(String, String)]) -> usize {
        let config = SamplingConfig { tokens_max: 24, ..Default::default() };
        let is_hit = |(question, expected): &&(String, String)| {
            let frame = PromptTemplate::default();
            let said = answer(&self.model, adapter, &self.tokenizer, &frame, question, config, |_| {}).unwrap();
            println!("{question} -> {said}");
            said.contains(expected)
        };
        questions.iter().filter(is_hit).count()
    }

    /// At most one question is answered before training on the Datanet, and at least nine after.
    fn learns(&self, datanet: &Datanet) {
        let before = self.answered(None, &datanet.questions);
        let config = DataConfig { tokens_max: 128, ..DataConfig::default() };
        let adapter = self.tune(Dataset::encode(&datanet.lines, &self.tokenizer, &config).unwrap());
        let after = self.answered(Some(&adapter), &datanet.questions);
        println!("base {before} of 10, tuned {after} of 10");
        assert!(before <= 1 && after >= 9, "{before} before, {after} after");
    }
}

#[test]
fn a_harbour_town_is_learnt() {
    Base::load().learns(&Datanet::read(["harbour-a.jsonl", "harbour-b.jsonl", "harbour-c.jsonl"], "questions.jsonl"));
}

#[test]
fn a_companys_handbook_is_learnt() {
    let files = ["handbook-a.jsonl", "handbook-b.jsonl", "handbook-c.jsonl"];
    Base::load().learns(&Datanet::read(files, "handbook-questions.jsonl"));
}

#[test]
fn the_rules_of_a_game_are_learnt() {
    Base::load().learns(&Datanet::read(["game-a.jsonl", "game-b.jsonl", "game-c.jsonl"], "game-questions.jsonl"));
}

#[test]
fn embedded_model_is_small_and_says_how_it_was_made() {
    let dir = workspace("models/tributary-tiny");
    let report: PretrainReport = serde_json::from_slice(&std::fs::read(dir.join("RECIPE.json")).unwrap()).unwrap();
    assert_eq!(report.recipe, Recipe::default());
    let model = Model::load(&dir, &Device::Cpu).unwrap();
    assert_eq!(report.parameters, model.parameter_count());
    let bytes: u64 = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    println!("{} parameters, {bytes} bytes, loss {}", model.parameter_count(), report.final_loss);
    assert!(bytes <= 16 << 20);
}
