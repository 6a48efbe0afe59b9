//! Planted facts and planted mistakes, on the embedded model and the demonstration's data.

use crate::{Trained, workspace};
use std::sync::Arc;
use tributary_attribution::{DataValueEmbedding, EmbeddingSettings, Influence, QueryGradients, TracInCp, unobserved};
use tributary_lora::{
    AdamWConfig, Adapter, DataConfig, Dataset, EncodedSample, LoraConfig, Model, Target, Tokenizer, TrainConfig,
    TrainingRun, encode_sample,
};
use tributary_protocol::{ContentHash, sample::Sample};

struct Base {
    model: Arc<Model>,
    tokenizer: Tokenizer,
}

impl Base {
    fn load() -> Self {
        let dir = workspace("models/tributary-tiny");
        let model = Arc::new(Model::load(&dir, &candle_core::Device::Cpu).unwrap());
        let tokenizer = Tokenizer::from_dir(&dir, model.config()).unwrap();
        Self { model, tokenizer }
    }

    fn encode(&self, (prompt, completion): &(String, String)) -> EncodedSample {
        let sample = Sample { prompt: prompt.clone(), completion: completion.clone() };
        let id = ContentHash::of(format!("{prompt}\n{completion}").as_bytes());
        encode_sample(id, &sample, &self.tokenizer, &DataConfig::default()).unwrap()
    }

    fn train(&self, rows: &[(String, String)], epochs: u32) -> Trained {
        let dataset = Dataset::divide(rows.iter().map(|row| self.encode(row)).collect(), 0).unwrap();
        let lora = LoraConfig { rank: 4, alpha: 8.0, targets: Target::ALL.into(), ..LoraConfig::default() };
        let config = TrainConfig {
            seed: 1,
            epochs,
            batch_size: 10,
            learning_rate: 4e-3,
            adamw: AdamWConfig { epsilon: 1e-6, ..AdamWConfig::default() },
            snapshots: 2,
            ..TrainConfig::default()
        };
        let adapter = Adapter::new(&self.model, lora, config.seed).unwrap();
        Trained::of(TrainingRun::new(self.model.clone(), adapter, dataset, config).unwrap(), 4096)
    }
}

fn rows(file: &str, question: &str, answer: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(workspace("cli/demo-data").join(file)).unwrap();
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        (row[question].as_str().unwrap().to_owned(), row[answer].as_str().unwrap().to_owned())
    };
    text.lines().map(row).collect()
}

#[test]
fn the_sample_that_holds_the_fact_comes_first() {
    let base = Base::load();
    let taught = rows("harbour-a.jsonl", "prompt", "completion");
    let holds = |answer: &str| taught.iter().any(|(_, completion)| completion == answer);
    let questions: Vec<_> =
        rows("questions.jsonl", "question", "expected").into_iter().filter(|(_, a)| holds(a)).collect();
    assert!(questions.len() >= 3, "{questions:?}");
    let trained = base.train(&taught, 6);
    let embedding = DataValueEmbedding {
        trajectory: Arc::new(trained.trajectory.clone()),
        preconditioner: Arc::new(trained.run.preconditioner()),
        settings: EmbeddingSettings::default(),
    };
    for method in [&embedding as &dyn Influence, &TracInCp { checkpoints: 2 }] {
        let fitted = method.fit(&trained.inputs(), &unobserved).unwrap();
        for question in &questions {
            let query = QueryGradients::of_sample(&trained.inputs(), &base.encode(question)).unwrap();
            let scores = fitted.scores(&query).unwrap();
            let first = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
            assert_eq!(taught[first].1, question.1, "{}: {question:?} from {:?}", method.name(), taught[first]);
        }
        println!("{}: {} of {} facts found", method.name(), questions.len(), questions.len());
    }
}
