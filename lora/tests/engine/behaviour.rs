//! What the engine does with interrupted runs and bad input, on a small model made here.

use candle_core::Device;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use tributary_lora::pretrain::{PretrainProgress, Recipe, pretrain};
use tributary_lora::{
    Adapter, AdapterError, ConfigError, DataConfig, DataError, Dataset, EncodedSample, Generation, GenerationBatch,
    LoadError, LoraConfig, Model, ModelConfig, PromptTemplate, SamplingConfig, Snapshot, Target, Tokenizer,
    TrainConfig, TrainError, TrainingRun, answer, base_model_hash,
};
use tributary_protocol::ContentHash;
use tributary_protocol::sample::{Limits, ParsedSamples};

/// A folder with a model of a few thousand parameters that saw a few documents.
fn base() -> &'static Path {
    static BASE: OnceLock<TempDir> = OnceLock::new();
    let make = || {
        let dir = tempfile::tempdir().unwrap();
        pretrain(&small_recipe(1), dir.path(), |_| {}).unwrap();
        dir
    };
    BASE.get_or_init(make).path()
}

fn small_recipe(seed: u64) -> Recipe {
    let mut recipe = Recipe { seed, tokenizer_documents: 60, vocab_size: 300, ..Recipe::default() };
    (recipe.hidden_size, recipe.intermediate_size, recipe.layers) = (16, 24, 2);
    (recipe.heads, recipe.kv_heads) = (4, 2);
    recipe.stages.truncate(2);
    recipe.stages.iter_mut().for_each(|stage| stage.documents = 60);
    recipe
}

fn load(dir: &Path) -> (Arc<Model>, Tokenizer) {
    let model = Model::load(dir, &Device::Cpu).unwrap();
    let tokenizer = Tokenizer::from_dir(dir, model.config()).unwrap();
    (Arc::new(model), tokenizer)
}

fn samples(tokenizer: &Tokenizer) -> Dataset {
    let rows: Vec<String> = (0..20)
        .map(|i| format!(r#"{{"prompt":"How many boats has harbour {i}?","completion":"{} boats"}}"#, 3 * i))
        .collect();
    let parsed = ParsedSamples::parse(rows.join("\n").as_bytes(), &Limits::DEFAULT).unwrap();
    Dataset::encode(parsed.lines(), tokenizer, &DataConfig::default()).unwrap()
}

fn lora() -> LoraConfig {
    LoraConfig { rank: 4, alpha: 8.0, targets: Target::ALL.into(), ..Default::default() }
}

fn settings() -> TrainConfig {
    TrainConfig { epochs: 2, batch_size: 4, learning_rate: 1e-2, warmup_steps: 2, snapshots: 3, ..Default::default() }
}

fn run(model: &Arc<Model>, tokenizer: &Tokenizer) -> TrainingRun {
    let adapter = Adapter::new(model, lora(), 5).unwrap();
    TrainingRun::new(model.clone(), adapter, samples(tokenizer), settings()).unwrap()
}

#[test]
fn resumed_run_equals_the_uninterrupted_one_bit_for_bit() {
    let (model, tokenizer) = load(base());
    let mut whole = run(&model, &tokenizer);
    while !whole.is_done() {
        whole.step().unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    // A new process after every three steps, and one that dies between a step and its checkpoint.
    let mut interrupted = run(&model, &tokenizer);
    while !interrupted.is_done() {
        for _ in 0..3 {
            if !interrupted.is_done() {
                interrupted.step().unwrap();
            }
        }
        interrupted.checkpoint(dir.path()).unwrap();
        if !interrupted.is_done() {
            interrupted.step().unwrap();
        }
        interrupted = run(&model, &tokenizer);
        assert!(interrupted.resume(dir.path()).unwrap());
    }
    let bytes = |run: &TrainingRun| run.adapter().unwrap().to_safetensors().unwrap();
    assert_eq!(bytes(&whole), bytes(&interrupted));
    assert_eq!(whole.trace(), interrupted.trace());
    assert_eq!(whole.trace().len() as u64, whole.steps());
    assert_eq!(whole.trace().iter().filter(|step| step.state.is_some()).count(), 3);
    assert!(matches!(whole.step(), Err(TrainError::Finished { .. })));
}

#[test]
fn micro_batches_do_not_change_the_gradient() {
    let (model, tokenizer) = load(base());
    let step = |micro_batch_size| {
        let adapter = Adapter::new(&model, lora(), 5).unwrap();
        let config = TrainConfig { micro_batch_size, ..settings() };
        TrainingRun::new(model.clone(), adapter, samples(&tokenizer), config).unwrap().step().unwrap()
    };
    let (whole, parts) = (step(4), step(1));
    assert!((whole.loss - parts.loss).abs() < 1e-5 && (whole.gradient_norm - parts.gradient_norm).abs() < 1e-5);
    assert_eq!(whole.tokens, parts.tokens);
}

#[test]
fn training_lowers_the_loss_and_keeps_snapshots() {
    let (model, tokenizer) = load(base());
    let dir = tempfile::tempdir().unwrap();
    let mut run = run(&model, &tokenizer);
    let before = run.evaluate().unwrap().unwrap();
    let first = run.step().unwrap();
    while !run.is_done() {
        run.step().unwrap();
        run.save_snapshot(dir.path(), "tributary-tiny").unwrap();
    }
    assert!(run.evaluate().unwrap().unwrap() < before);
    assert_eq!(first.learning_rate, settings().learning_rate / 2.0);
    let snapshots = Snapshot::load_all(dir.path(), &model).unwrap();
    let points: Vec<_> = snapshots.iter().map(|snapshot| snapshot.point).collect();
    assert_eq!(points, run.snapshot_points());
    assert_eq!(points.last().unwrap().step, run.steps());
    let (last, now) = (&snapshots.last().unwrap().adapter, run.adapter().unwrap());
    assert_eq!(last.content_hash().unwrap(), now.content_hash().unwrap());
}

#[test]
fn pretraining_gives_the_same_files_every_time_and_goes_on_where_it_stopped() {
    let again = tempfile::tempdir().unwrap();
    let mut steps = 0;
    let report = pretrain(&small_recipe(1), again.path(), |progress| {
        steps += u32::from(matches!(progress, PretrainProgress::Step { .. }));
    });
    assert_eq!(u64::from(steps), report.unwrap().steps);
    assert_eq!(base_model_hash(base()).unwrap(), base_model_hash(again.path()).unwrap());
    let other = tempfile::tempdir().unwrap();
    pretrain(&small_recipe(2), other.path(), |_| {}).unwrap();
    assert_ne!(base_model_hash(base()).unwrap(), base_model_hash(other.path()).unwrap());
}

#[test]
fn answers_are_streamed_and_repeatable() {
    let (model, tokenizer) = load(base());
    let config = SamplingConfig { tokens_max: 12, temperature: 1.0, top_p: Some(0.9), seed: 3, ..Default::default() };
    let say = || {
        let mut streamed = String::new();
        let template = PromptTemplate::default();
        let text = answer(&model, None, &tokenizer, &template, "Who?", config, |text| streamed += text).unwrap();
        assert!(streamed.trim().starts_with(text.trim_end_matches('\u{fffd}')));
        text
    };
    assert_eq!(say(), say());
}

#[test]
fn sequences_of_a_batch_get_the_tokens_that_they_get_alone() {
    let (model, _) = load(base());
    let adapter = Adapter::new(&model, lora(), 1).unwrap();
    let prompts: [&[u32]; 5] = [&[3, 9, 27, 81], &[5], &[7, 7, 7, 8, 9, 10, 11], &[5], &[100, 3]];
    let stops: Vec<u32> = (0..40).collect();
    let config = SamplingConfig { tokens_max: 20, temperature: 1.5, seed: 4, ..Default::default() };
    for adapter in [None, Some(&adapter)] {
        let alone = |prompt: &[u32]| -> Vec<u32> {
            Generation::new(&model, adapter, prompt, &stops, config).unwrap().map(Result::unwrap).collect()
        };
        let mut together: Vec<Vec<u32>> = vec![Vec::new(); prompts.len()];
        for tokens in GenerationBatch::new(&model, adapter, &prompts, &stops, config).unwrap() {
            let tokens = tokens.unwrap();
            assert_eq!(tokens.len(), prompts.len());
            together.iter_mut().zip(tokens).for_each(|(sequence, token)| sequence.extend(token));
        }
        assert_eq!(together, prompts.map(alone));
        // They end at different times.
        assert!(together.iter().any(|sequence| sequence.len() < 20));
    }
    assert!(GenerationBatch::new(&model, None, &[&[1], &[]], &[], config).is_err());
    assert_eq!(GenerationBatch::new(&model, None, &[], &[], config).unwrap().count(), 0);
}

#[test]
fn long_samples_lose_their_prompt_first() {
    let (_, tokenizer) = load(base());
    let row = format!(r#"{{"prompt":"{}","completion":"blue"}}"#, "boat ".repeat(200));
    let parsed = ParsedSamples::parse(row.as_bytes(), &Limits::DEFAULT).unwrap();
    let encode = |tokens_max| {
        let config = DataConfig { tokens_max, ..Default::default() };
        Dataset::encode(parsed.lines(), &tokenizer, &config).map(|dataset| dataset.training()[0].clone())
    };
    let (whole, cut) = (encode(10_000).unwrap(), encode(40).unwrap());
    assert_eq!(cut.tokens().len(), 40);
    assert_eq!(cut.trained_tokens(), whole.trained_tokens());
    assert_eq!(cut.tokens()[0], whole.tokens()[0]);
    assert_eq!(cut.tokens()[1..], whole.tokens()[whole.tokens().len() - 39..]);
    // Nothing but two tokens of the prompt is left.
    assert!(matches!(encode(2), Err(DataError::NothingTrained { row: 1, .. })));
}

#[test]
fn samples_without_trained_tokens_are_refused() {
    let (model, _) = load(base());
    let empty = EncodedSample::new(ContentHash::of(b"row"), vec![0, 5, 6], 3);
    let adapter = Adapter::new(&model, lora(), 0).unwrap();
    let dataset = Dataset::divide(vec![empty.clone()], 0).unwrap();
    let error = TrainingRun::new(model, adapter, dataset, settings()).unwrap_err();
    assert!(matches!(error, TrainError::Data(DataError::NothingTrained { sample, .. }) if sample == empty.id()));
}

#[test]
fn diverging_run_names_step_and_samples() {
    let (model, tokenizer) = load(base());
    let adapter = Adapter::new(&model, lora(), 0).unwrap();
    let config = TrainConfig { learning_rate: 1e30, warmup_steps: 0, ..settings() };
    let mut run = TrainingRun::new(model, adapter, samples(&tokenizer), config).unwrap();
    let error = (0..4).find_map(|_| run.step().err()).unwrap();
    assert!(matches!(&error, TrainError::NotFinite { step: 2.., samples, .. } if samples.len() == 4), "{error}");
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let (model, tokenizer) = load(base());
    for (config, named) in [
        (TrainConfig { epochs: 0, ..settings() }, "epochs"),
        (TrainConfig { batch_size: 0, ..settings() }, "batch_size"),
        (TrainConfig { learning_rate: f64::NAN, ..settings() }, "learning_rate"),
    ] {
        let adapter = Adapter::new(&model, lora(), 0).unwrap();
        let error = TrainingRun::new(model.clone(), adapter, samples(&tokenizer), config).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn checkpoint_of_another_run_or_a_damaged_one_is_refused() {
    let (model, tokenizer) = load(base());
    let dir = tempfile::tempdir().unwrap();
    let mut first = run(&model, &tokenizer);
    assert!(!first.resume(dir.path()).unwrap(), "no checkpoint yet");
    first.step().unwrap();
    first.checkpoint(dir.path()).unwrap();
    let adapter = Adapter::new(&model, lora(), 5).unwrap();
    let config = TrainConfig { seed: 1, ..settings() };
    let mut other = TrainingRun::new(model.clone(), adapter, samples(&tokenizer), config).unwrap();
    assert!(matches!(other.resume(dir.path()), Err(TrainError::OtherRun { .. })));
    let path = dir.path().join(tributary_lora::CHECKPOINT_FILE);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(run(&model, &tokenizer).resume(dir.path()), Err(TrainError::DamagedCheckpoint { .. })));
}

fn copy_of(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

#[test]
fn damaged_model_folders_are_refused() {
    let load = |dir: &TempDir| Model::load(dir.path(), &Device::Cpu);
    let cut = copy_of(base());
    let weights = cut.path().join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() - 100]).unwrap();
    assert!(matches!(load(&cut), Err(LoadError::Damaged { .. })));
    std::fs::remove_file(&weights).unwrap();
    assert!(matches!(load(&cut), Err(LoadError::NoWeights { .. })));

    let edited = |from: &str, to: &str| {
        let copy = copy_of(base());
        let path = copy.path().join("config.json");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(&path, text.replace(from, to)).unwrap();
        copy
    };
    let layers = |count: usize| edited("\"num_hidden_layers\": 2", &format!("\"num_hidden_layers\": {count}"));
    assert!(matches!(load(&layers(3)), Err(LoadError::MissingTensor { .. })));
    assert!(matches!(load(&layers(1)), Err(LoadError::UnexpectedTensor { .. })));
    let wider = edited("\"intermediate_size\": 24", "\"intermediate_size\": 25");
    assert!(matches!(load(&wider), Err(LoadError::Shape { .. })));
    assert!(matches!(load(&edited("LlamaForCausalLM", "GPT2LMHeadModel")), Err(LoadError::Config(_))));
}

/// The bytes of every file in a folder, by name.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn an_unknown_architecture_is_refused_before_its_weights_are_read() {
    let copy = copy_of(base());
    let path = copy.path().join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("LlamaForCausalLM", "MambaForCausalLM")).unwrap();
    // Weights that would be refused, too, if anybody looked.
    std::fs::write(copy.path().join("model.safetensors"), b"not weights").unwrap();
    let before = contents(copy.path());
    let error = Model::load(copy.path(), &Device::Cpu).unwrap_err();
    assert!(matches!(&error, LoadError::Config(ConfigError::UnknownArchitecture { .. })), "{error}");
    assert!(error.to_string().contains("MambaForCausalLM"), "{error}");
    assert_eq!(contents(copy.path()), before);
}

#[test]
fn weights_cut_off_anywhere_are_refused_with_their_path() {
    let copy = copy_of(base());
    let path = copy.path().join("model.safetensors");
    let whole = std::fs::read(&path).unwrap();
    let header = 8 + usize::try_from(u64::from_le_bytes(whole[..8].try_into().unwrap())).unwrap();
    // Within the header's length, the header, between header and data, and in the data.
    for length in [0, 1, 7, 8, 9, header - 1, header, header + 1, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = Model::load(copy.path(), &Device::Cpu).unwrap_err();
        assert!(matches!(&error, LoadError::Damaged { path: named, .. } if *named == path), "{length} bytes: {error}");
        let text = error.to_string();
        assert!(text.contains("not a whole safetensors file") && text.contains("hint: "), "{text}");
        assert_eq!(std::fs::read(&path).unwrap(), whole[..length]);
    }
    std::fs::write(&path, whole).unwrap();
    Model::load(copy.path(), &Device::Cpu).unwrap();
}

#[test]
fn sharded_weights_load_like_a_single_file() {
    let copy = copy_of(base());
    let single = copy.path().join("model.safetensors");
    let bytes = std::fs::read(&single).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut map = serde_json::Map::new();
    for (shard, remainder) in [("model-00001-of-00002.safetensors", 0), ("model-00002-of-00002.safetensors", 1)] {
        let part: Vec<_> =
            file.iter().enumerate().filter(|(i, _)| i % 2 == remainder).map(|(_, tensor)| tensor).collect();
        map.extend(part.iter().map(|(name, _)| ((*name).to_owned(), shard.into())));
        std::fs::write(copy.path().join(shard), safetensors::serialize(part, None).unwrap()).unwrap();
    }
    std::fs::remove_file(&single).unwrap();
    let index = copy.path().join("model.safetensors.index.json");
    std::fs::write(&index, serde_json::json!({ "weight_map": map }).to_string()).unwrap();
    let (sharded, _) = load(copy.path());
    let (whole, tokenizer) = load(base());
    let batch = tributary_lora::Batch::sequence(&tokenizer.encode("A boat in the harbour.").unwrap());
    let logits = |model: &Model| model.logits(&batch, None).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(logits(&sharded), logits(&whole));

    std::fs::write(&index, r#"{"weight_map":{"a":"../elsewhere.safetensors"}}"#).unwrap();
    assert!(matches!(Model::load(copy.path(), &Device::Cpu), Err(LoadError::Damaged { .. })));
}

#[test]
fn adapter_for_another_base_is_refused() {
    let (model, _) = load(base());
    let dir = tempfile::tempdir().unwrap();
    let adapter = Adapter::new(&model, lora(), 0).unwrap();
    let hash = adapter.save(dir.path(), "base").unwrap();
    assert_eq!(Adapter::load(dir.path(), &model).unwrap().content_hash().unwrap(), hash);

    // The same shapes, other parameters: only the recorded hash tells.
    let other = tempfile::tempdir().unwrap();
    pretrain(&small_recipe(2), other.path(), |_| {}).unwrap();
    let (other, _) = load(other.path());
    let error = Adapter::load(dir.path(), &other).unwrap_err();
    let [ours, theirs] = [&model, &other].map(|model| model.content_hash().unwrap());
    assert!(
        matches!(error, AdapterError::OtherBase { found, expected } if (found, expected) == (ours, theirs)),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains(&ours.to_string()) && text.contains(&theirs.to_string()), "{text}");
    // It is as good as before for its own base.
    assert_eq!(Adapter::load(dir.path(), &model).unwrap().content_hash().unwrap(), hash);

    // Other shapes, and a file without the hash.
    let config = ModelConfig { intermediate_size: 32, ..model.config().clone() };
    let wider = Model::random(config, 0).unwrap();
    assert!(matches!(Adapter::load(dir.path(), &wider), Err(AdapterError::Shape { .. })));
    let config = ModelConfig { layers: 3, ..model.config().clone() };
    assert!(matches!(
        Adapter::load(dir.path(), &Model::random(config, 0).unwrap()),
        Err(AdapterError::MissingTensor { .. })
    ));
    let config = ModelConfig { layers: 1, ..model.config().clone() };
    let error = Adapter::load(dir.path(), &Model::random(config, 0).unwrap()).unwrap_err();
    assert!(matches!(error, AdapterError::UnexpectedTensor { .. }));
}

#[test]
fn damaged_or_unsupported_adapters_are_refused() {
    let (model, _) = load(base());
    let adapter = Adapter::new(&model, lora(), 0).unwrap();
    let (config, weights) = (adapter.to_peft_config("base"), adapter.to_safetensors().unwrap());
    let read = |config: &str, weights: &[u8]| Adapter::from_peft(config.as_bytes(), weights, &model);
    assert!(read(&config, &weights).is_ok());
    let header = 8 + usize::try_from(u64::from_le_bytes(weights[..8].try_into().unwrap())).unwrap();
    for length in [0, 7, 8, header - 1, header, weights.len() - 1] {
        let error = read(&config, &weights[..length]).unwrap_err();
        assert!(matches!(error, AdapterError::Damaged { .. }), "{length} bytes: {error}");
        assert!(error.to_string().contains("not a whole safetensors file"), "{error}");
    }
    for (from, to, named) in [
        ("\"bias\": \"none\"", "\"bias\": \"all\"", "bias"),
        ("\"LORA\"", "\"IA3\"", "peft_type"),
        ("\"q_proj\"", "\"c_attn\"", "c_attn"),
        ("\"bias\"", "\"use_qalora\": true, \"bias\"", "use_qalora"),
    ] {
        assert!(config.contains(from), "{from}");
        let error = read(&config.replace(from, to), &weights).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}
