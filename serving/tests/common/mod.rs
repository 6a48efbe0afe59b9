//! A small base, adapters in folders, and engines that answer.
#![allow(dead_code, reason = "not every test binary uses everything")]

use candle_core::Tensor;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tributary_lora::{Adapter, LoraConfig, Model, ModelConfig, Targets};
use tributary_protocol::ContentHash;
use tributary_serving::{
    AdapterDisk, Engine, EngineConfig, Event, FinishReason, NoSource, Request, RequestError, RequestId, Usage,
};

pub const VOCABULARY: u32 = 40;

/// A random model that sees 128 positions.
pub fn tiny() -> Arc<Model> {
    tiny_with(9)
}

pub fn tiny_with(seed: u64) -> Arc<Model> {
    let text = r#"{ "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 40, "hidden_size": 24,
        "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "eos_token_id": 1 }"#;
    Arc::new(Model::random(ModelConfig::from_json(text).unwrap(), seed).unwrap())
}

/// An adapter that changes something, of a rank and a kind that depend on its number.
pub fn adapter(model: &Model, number: usize) -> Adapter {
    let config = LoraConfig {
        rank: 1 + number % 5,
        alpha: 3.0,
        targets: Targets::AllLinear,
        rank_stabilised: number % 2 == 1,
        weight_decomposed: number % 3 == 2,
        ..Default::default()
    };
    let adapter = Adapter::new(model, config, number as u64).unwrap();
    for (index, (name, variable)) in adapter.variables().into_iter().enumerate() {
        if name.contains("lora_B") {
            let value = |i: usize| 0.4 * ((i * 7 + index * 3 + number * 5) as f32).sin();
            let values = (0..variable.elem_count()).map(value).collect();
            variable.set(&Tensor::from_vec(values, variable.shape(), variable.device()).unwrap()).unwrap();
        }
    }
    adapter
}

/// Writes an adapter to the folder that a disk or a source looks for it in.
pub fn write(adapter: &Adapter, root: &Path) -> ContentHash {
    let hash = adapter.content_hash().unwrap();
    let folder = root.join(hash.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    assert_eq!(adapter.save(&folder, "base").unwrap(), hash);
    hash
}

/// The first `count` adapters, in the folder `root`.
pub fn write_all(model: &Model, count: usize, root: &Path) -> Vec<ContentHash> {
    (0..count).map(|number| write(&adapter(model, number), root)).collect()
}

/// A disk that serves what is in `root` and nothing else.
pub fn disk(root: &Path) -> AdapterDisk {
    AdapterDisk::open(root, u64::MAX, Box::new(NoSource)).unwrap()
}

pub fn small() -> EngineConfig {
    EngineConfig { kv_bytes: 1 << 24, adapter_bytes: 1 << 24, ..Default::default() }
}

/// What one request got.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    /// By choice.
    pub tokens: BTreeMap<u32, Vec<u32>>,
    pub texts: BTreeMap<u32, String>,
    pub logprobs: Vec<f32>,
    pub finished: BTreeMap<u32, (FinishReason, Usage)>,
    pub error: Option<RequestError>,
}

impl Answered {
    pub fn add(&mut self, event: Event) {
        assert!(self.error.is_none(), "an event after a failure");
        match event {
            Event::Token { choice, chosen, text } => {
                assert!(!self.finished.contains_key(&choice), "a token after the end");
                self.tokens.entry(choice).or_default().push(chosen.token);
                self.logprobs.extend(chosen.logprob);
                *self.texts.entry(choice).or_default() += &text;
            }
            Event::Finished { choice, text, reason, usage } => {
                *self.texts.entry(choice).or_default() += &text;
                assert!(self.finished.insert(choice, (reason, usage)).is_none(), "finished twice");
            }
            Event::Failed(error) => self.error = Some(error),
        }
    }

    pub fn first(&self) -> &[u32] {
        self.tokens.get(&0).map_or(&[], Vec::as_slice)
    }
}

/// Steps until nothing is left; at every step what may not grow has not grown.
pub fn run(engine: &mut Engine, config: &EngineConfig) -> BTreeMap<RequestId, Answered> {
    let mut answers: BTreeMap<RequestId, Answered> = BTreeMap::new();
    let mut steps = 0;
    while !engine.is_idle() {
        for (id, event) in engine.step().unwrap() {
            answers.entry(id).or_default().add(event);
        }
        let counts = engine.counts();
        assert!(counts.adapters.bytes <= config.adapter_bytes, "{counts:?}");
        assert!(counts.running <= config.sequences_max, "{counts:?}");
        steps += 1;
        assert!(steps < 100_000, "the engine does not come to an end: {counts:?}");
    }
    let counts = engine.counts();
    assert_eq!(counts.pages, counts.pages_idle, "pages are lost: {counts:?}");
    answers
}

/// Answers of a fresh engine to these requests, in their order.
pub fn answers(model: &Arc<Model>, root: &Path, config: EngineConfig, requests: &[Request]) -> Vec<Answered> {
    let mut engine = Engine::new(model.clone(), None, disk(root), config).unwrap();
    let ids: Vec<RequestId> = requests.iter().map(|request| engine.submit(request.clone()).unwrap()).collect();
    let mut answers = run(&mut engine, &config);
    ids.iter().map(|id| answers.remove(id).unwrap()).collect()
}

/// A prompt of so many tokens that depends on a number.
pub fn prompt(count: usize, number: usize) -> Vec<u32> {
    (0..count).map(|i| ((i * 11 + number * 5 + 3) % VOCABULARY as usize) as u32).collect()
}

/// Waits for something that other threads bring about; a test fails if it never comes.
pub async fn until(mut holds: impl AsyncFnMut() -> bool) {
    wait_for(async || holds().await.then_some(())).await
}

/// As [`until`], for something that can be had then.
pub async fn wait_for<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..4_000 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came");
}
