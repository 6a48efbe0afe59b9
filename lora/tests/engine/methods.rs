//! What the training methods do to runs, files and bad input, on a small model with random parameters.

use candle_core::Device;
use std::sync::Arc;
use tributary_lora::{
    AdamWConfig, Adapter, AdapterError, Architecture, Arithmetic, Batch, Dataset, EncodedSample, LoadError, LoraConfig,
    Model, ModelConfig, Placement, Precision, QuantError, RopeConfig, RopeScaling, Target, Targets, TrainConfig,
    TrainingRun, sample_loss,
};
use tributary_protocol::ContentHash;

on_devices!(
    every_method_learns_and_begins_at_the_base,
    run_with_all_randomness_resumes_bit_for_bit,
    merged_models_answer_like_base_and_adapter,
    adapters_of_every_method_go_through_their_files,
    evaluation_and_answers_are_not_random,
);

fn model() -> Model {
    let config = ModelConfig {
        vocab_size: 48,
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
    };
    Model::random(config, 4).unwrap()
}

/// The model where a test wants it; only on the processor in f32 a profile is defined.
fn placed(model: Model, placement: Placement) -> Model {
    match placement == Placement::CPU {
        true => model,
        false => model.with_arithmetic(Arithmetic::Fast).unwrap().placed(placement).unwrap(),
    }
}

fn samples() -> Vec<EncodedSample> {
    let tokens = |row: u32| (0..9 + row % 5).map(|i| (i * (row + 3) + row) % 48).collect();
    (0..8u32).map(|row| EncodedSample::new(ContentHash::of(&row.to_le_bytes()), tokens(row), 2)).collect()
}

fn plain() -> LoraConfig {
    LoraConfig { rank: 3, alpha: 6.0, targets: Targets::AllLinear, ..Default::default() }
}

fn everything() -> LoraConfig {
    LoraConfig { dropout: 0.2, rank_stabilised: true, weight_decomposed: true, ..plain() }
}

fn settings() -> TrainConfig {
    let adamw = AdamWConfig { lora_plus_ratio: Some(4.0), weight_decay: 0.1, ..Default::default() };
    TrainConfig { epochs: 6, batch_size: 4, learning_rate: 1e-2, neftune_alpha: Some(5.0), adamw, ..Default::default() }
}

fn run(model: &Arc<Model>, lora: LoraConfig, settings: TrainConfig) -> TrainingRun {
    let adapter = Adapter::new(model, lora, 5).unwrap();
    TrainingRun::new(model.clone(), adapter, Dataset::divide(samples(), 0).unwrap(), settings).unwrap()
}

fn finished(mut run: TrainingRun) -> TrainingRun {
    while !run.is_done() {
        run.step().unwrap();
    }
    run
}

fn bytes(run: &TrainingRun) -> Vec<u8> {
    run.adapter().unwrap().to_safetensors().unwrap()
}

fn mean_loss(model: &Model, adapter: Option<&Adapter>) -> f32 {
    samples().iter().map(|sample| sample_loss(model, adapter, sample).unwrap()).sum::<f32>() / 8.0
}

fn logits(model: &Model, adapter: Option<&Adapter>) -> Vec<f32> {
    let batch = Batch::sequence(&[0, 7, 11, 3, 20, 41]);
    model.logits(&batch, adapter).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn every_method_learns_and_begins_at_the_base(placement: Placement) {
    for precision in [Precision::F32, Precision::Nf4, Precision::Nf4Double] {
        let model = Arc::new(placed(model().with_precision(precision).unwrap(), placement));
        for dora in [false, true] {
            for stabilised in [false, true] {
                let lora = LoraConfig { weight_decomposed: dora, rank_stabilised: stabilised, ..plain() };
                let fresh = Adapter::new(&model, lora.clone(), 5).unwrap();
                assert!(worst(&logits(&model, Some(&fresh)), &logits(&model, None)) < 1e-5);
                let config = TrainConfig { neftune_alpha: None, ..settings() };
                let trained = finished(run(&model, lora, config));
                let (before, after) = (mean_loss(&model, None), mean_loss(&model, trained.adapter()));
                assert!(after < before - 0.3, "{precision:?}, DoRA {dora}, rsLoRA {stabilised}: {before} {after}");
            }
        }
    }
}

fn run_with_all_randomness_resumes_bit_for_bit(placement: Placement) {
    let model = Arc::new(placed(model().with_precision(Precision::Nf4Double).unwrap(), placement));
    let whole = finished(run(&model, everything(), settings()));
    let dir = tempfile::tempdir().unwrap();
    let mut interrupted = run(&model, everything(), settings());
    for _ in 0..5 {
        interrupted.step().unwrap();
    }
    interrupted.checkpoint(dir.path()).unwrap();
    let mut resumed = run(&model, everything(), settings());
    assert!(resumed.resume(dir.path()).unwrap());
    let resumed = finished(resumed);
    assert_eq!(bytes(&whole), bytes(&resumed));
    assert_eq!(whole.trace(), resumed.trace());
}

#[test]
fn each_kind_of_randomness_matters_and_follows_the_seed() {
    let model = Arc::new(model());
    let result = |dropout, neftune_alpha, seed| {
        let config = TrainConfig { neftune_alpha, seed, shuffle: false, ..settings() };
        bytes(&finished(run(&model, LoraConfig { dropout, ..plain() }, config)))
    };
    let none = result(0.0, None, 0);
    assert_eq!(none, result(0.0, None, 1), "without randomness the seed does not matter");
    assert_eq!(result(0.1, None, 0), result(0.1, None, 0));
    assert_ne!(none, result(0.1, None, 0));
    assert_ne!(result(0.1, None, 0), result(0.1, None, 1));
    assert_ne!(none, result(0.0, Some(5.0), 0));
    assert_ne!(result(0.0, Some(5.0), 0), result(0.0, Some(5.0), 1));
}

#[test]
fn randomness_does_not_depend_on_the_micro_batches() {
    let model = Arc::new(model());
    let step =
        |micro_batch_size| run(&model, everything(), TrainConfig { micro_batch_size, ..settings() }).step().unwrap();
    let (whole, parts) = (step(4), step(1));
    assert!((whole.loss - parts.loss).abs() < 1e-5 && (whole.gradient_norm - parts.gradient_norm).abs() < 1e-4);
    let quiet = run(&model, plain(), TrainConfig { neftune_alpha: None, ..settings() }).step().unwrap();
    assert!((whole.loss - quiet.loss).abs() > 1e-4, "there is randomness at all");
}

fn evaluation_and_answers_are_not_random(placement: Placement) {
    let model = Arc::new(placed(model(), placement));
    let dataset = Dataset::divide(samples(), 400_000).unwrap();
    let adapter = Adapter::new(&model, everything(), 5).unwrap();
    let run = TrainingRun::new(model.clone(), adapter, dataset, settings()).unwrap();
    let plain_loss = {
        let validation = run.dataset().validation();
        assert!(!validation.is_empty());
        let sums = validation.iter().map(|s| mean(&model, s) * s.trained_tokens() as f32);
        sums.sum::<f32>() / validation.iter().map(EncodedSample::trained_tokens).sum::<usize>() as f32
    };
    assert!((run.evaluate().unwrap().unwrap() - plain_loss).abs() < 1e-5);

    fn mean(model: &Model, sample: &EncodedSample) -> f32 {
        sample_loss(model, None, sample).unwrap()
    }
}

fn merged_models_answer_like_base_and_adapter(placement: Placement) {
    for precision in [Precision::F32, Precision::Nf4Double] {
        let model = Arc::new(placed(model().with_precision(precision).unwrap(), placement));
        for lora in [plain(), everything(), LoraConfig { rank_stabilised: true, ..plain() }] {
            let trained = finished(run(&model, lora, settings()));
            let adapter = trained.adapter().unwrap();
            let expected = logits(&model, Some(adapter));
            assert!(worst(&expected, &logits(&model, None)) > 0.05, "the adapter does something");
            let merged = model.merged(adapter).unwrap();
            assert_eq!(merged.precision(), Precision::F32);
            let found = logits(&merged, None);
            assert!(worst(&expected, &found) < 1e-4, "{precision:?}: {}", worst(&expected, &found));
            // The written file is the merged model, rounded to bf16.
            let dir = tempfile::tempdir().unwrap();
            model.save_merged_bf16(adapter, dir.path()).unwrap();
            let (file, whole) = (dir.path().join("model.safetensors"), tempfile::tempdir().unwrap());
            merged.save_bf16(whole.path()).unwrap();
            assert_eq!(std::fs::read(file).unwrap(), std::fs::read(whole.path().join("model.safetensors")).unwrap());
            let loaded = Model::load(dir.path(), &Device::Cpu).unwrap();
            assert!(worst(&expected, &logits(&loaded, None)) < 0.1);
        }
    }
}

fn adapters_of_every_method_go_through_their_files(placement: Placement) {
    let model = Arc::new(placed(model(), placement));
    let pattern = Targets::Pattern(r"model\.layers\.[02]\.(self_attn\.q|mlp\.down)_proj".into());
    for lora in [everything(), LoraConfig { targets: pattern.clone(), ..everything() }] {
        let trained = finished(run(&model, lora.clone(), settings()));
        let adapter = trained.adapter().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let hash = adapter.save(dir.path(), "base").unwrap();
        let again = Adapter::load(dir.path(), &model).unwrap();
        assert_eq!(again.content_hash().unwrap(), hash);
        assert_eq!(logits(&model, Some(&again)), logits(&model, Some(adapter)));
        let LoraConfig { rank, alpha, dropout, rank_stabilised, weight_decomposed, .. } = lora;
        let targets = if lora.targets == pattern { pattern.clone() } else { Target::ALL.into() };
        let expected = LoraConfig { rank, alpha, dropout, rank_stabilised, weight_decomposed, targets };
        assert_eq!(*again.config(), expected);
    }
    let adapter = Adapter::new(&model, LoraConfig { targets: pattern, ..plain() }, 0).unwrap();
    let names: Vec<String> = adapter.variables().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 8, "{names:?}");
    assert!(names.iter().all(|name| !name.contains("layers.1")));
}

#[test]
fn all_linear_is_every_target() {
    let model = model();
    let bytes = |targets| Adapter::new(&model, LoraConfig { targets, ..plain() }, 1).unwrap().to_safetensors().unwrap();
    assert_eq!(bytes(Targets::AllLinear), bytes(Target::ALL.into()));
    let pattern = r"model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj";
    assert_eq!(bytes(Targets::AllLinear), bytes(Targets::Pattern(pattern.into())));
}

#[test]
fn settings_of_old_runs_are_written_as_before() {
    let old = r#"{"rank":8,"alpha":16.0,"targets":["q_proj","v_proj"]}"#;
    assert_eq!(serde_json::to_string(&LoraConfig::default()).unwrap(), old);
    assert_eq!(serde_json::from_str::<LoraConfig>(old).unwrap(), LoraConfig::default());
    let text = serde_json::to_string(&everything()).unwrap();
    assert_eq!(serde_json::from_str::<LoraConfig>(&text).unwrap(), everything());
    let train = serde_json::to_value(TrainConfig::default()).unwrap();
    let keys: Vec<&str> = train.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(!keys.contains(&"neftune_alpha") && train["adamw"].as_object().unwrap().len() == 4, "{keys:?}");
    assert_eq!(serde_json::from_value::<TrainConfig>(train).unwrap(), TrainConfig::default());
}

#[test]
fn impossible_settings_are_refused_by_name() {
    let model = Arc::new(model());
    for (lora, named) in [
        (LoraConfig { rank: 0, ..plain() }, "rank 0"),
        (LoraConfig { rank: 1 << 40, ..plain() }, "rank 1099511627776"),
        (LoraConfig { alpha: f32::NAN, ..plain() }, "alpha NaN"),
        (LoraConfig { dropout: 1.0, ..plain() }, "dropout 1"),
        (LoraConfig { dropout: f32::NAN, ..plain() }, "dropout NaN"),
        (LoraConfig { targets: Targets::Pattern("q_proj".into()), ..plain() }, "matches no linear layer"),
        (LoraConfig { targets: Targets::Pattern("[".into()), ..plain() }, "\"[\""),
    ] {
        let error = Adapter::new(&model, lora, 0).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    for (config, named) in [
        (TrainConfig { neftune_alpha: Some(f32::INFINITY), ..settings() }, "neftune_alpha"),
        (TrainConfig { adamw: AdamWConfig { lora_plus_ratio: Some(0.0), ..settings().adamw }, ..settings() }, "ratio"),
        (TrainConfig { adamw: AdamWConfig { weight_decay: -1.0, ..settings().adamw }, ..settings() }, "weight_decay"),
    ] {
        let adapter = Adapter::new(&model, plain(), 0).unwrap();
        let dataset = Dataset::divide(samples(), 0).unwrap();
        let error = TrainingRun::new(model.clone(), adapter, dataset, config).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn files_that_ask_for_something_else_are_refused_by_name() {
    let model = model();
    let adapter = Adapter::new(&model, everything(), 0).unwrap();
    let (config, weights) = (adapter.to_peft_config("base"), adapter.to_safetensors().unwrap());
    let read = |config: &str, weights: &[u8]| Adapter::from_peft(config.as_bytes(), weights, &model);
    assert!(read(&config, &weights).is_ok());
    for (from, to, named) in [
        ("\"bias\"", "\"rank_pattern\": {\"q_proj\": 4}, \"bias\"", "rank_pattern"),
        ("\"bias\"", "\"alpha_pattern\": {\"q_proj\": 4}, \"bias\"", "alpha_pattern"),
        ("\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa\"", "pissa"),
        ("\"r\": 3", "\"r\": 4", "expected [4, 24]"),
        ("\"r\": 3", "\"r\": -3", "r is -3"),
        ("\"lora_dropout\": 0.2", "\"lora_dropout\": 2", "dropout 2"),
        ("\"use_dora\": true", "\"use_dora\": \"yes\"", "use_dora is \"yes\""),
        // Without DoRA the lengths have no place.
        ("\"use_dora\": true", "\"use_dora\": false", "lora_magnitude_vector has no place"),
        ("\"q_proj\"", "\"wq\"", "unknown target layer wq"),
    ] {
        assert!(config.contains(from), "{from}\n{config}");
        let error = read(&config.replace(from, to), &weights).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    // A pattern that leaves layers out leaves tensors over; one that matches nothing says so.
    let with_targets = |targets: &str| {
        let mut keys: serde_json::Value = serde_json::from_str(&config).unwrap();
        keys["target_modules"] = targets.into();
        read(&keys.to_string(), &weights).map(|_| ()).unwrap_err()
    };
    assert!(matches!(with_targets(r".*\.q_proj"), AdapterError::UnexpectedTensor { .. }));
    assert!(matches!(with_targets("x"), AdapterError::Pattern { .. }));
    // DoRA without its lengths.
    let without = Adapter::new(&model, LoraConfig { weight_decomposed: false, ..everything() }, 0).unwrap();
    let error = read(&config, &without.to_safetensors().unwrap()).unwrap_err().to_string();
    assert!(error.contains("lora_magnitude_vector is missing"), "{error}");
    // A number that is none.
    let mut damaged = weights.clone();
    let end = damaged.len();
    damaged[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(matches!(read(&config, &damaged), Err(AdapterError::NotFinite { value, .. }) if value.is_nan()));
}

#[test]
fn base_that_cannot_be_quantised_or_decomposed_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    model().save_bf16(dir.path()).unwrap();
    assert!(Model::load_as(dir.path(), &Device::Cpu, Precision::Nf4Double).is_ok());
    let path = dir.path().join("model.safetensors");
    let original = std::fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&original).unwrap();
    let at = |name: &str| file.tensor(name).unwrap().data().as_ptr() as usize - original.as_ptr() as usize;
    let name = "model.layers.1.mlp.up_proj.weight";

    let mut damaged = original.clone();
    // bf16 infinity, in row 1, column 2 of 24.
    damaged[at(name) + 2 * 26..][..2].copy_from_slice(&0x7f80u16.to_le_bytes());
    std::fs::write(&path, &damaged).unwrap();
    let error = Model::load_as(dir.path(), &Device::Cpu, Precision::Nf4).unwrap_err();
    assert!(matches!(&error, LoadError::Quant { name: found, source: QuantError::NotFinite { row: 1, column: 2, .. } }
        if found == name));

    let mut zeroed = original.clone();
    zeroed[at(name) + 48 * 3..][..48].fill(0);
    std::fs::write(&path, &zeroed).unwrap();
    let model = Model::load(dir.path(), &Device::Cpu).unwrap();
    assert!(Adapter::new(&model, plain(), 0).is_ok());
    let error = Adapter::new(&model, everything(), 0).unwrap_err();
    assert!(matches!(&error, AdapterError::NoDirection { row: 3, .. }), "{error}");
}

#[test]
fn checkpoint_does_not_go_on_with_another_precision_or_method() {
    let dense = Arc::new(model());
    let dir = tempfile::tempdir().unwrap();
    let mut first = run(&dense, plain(), settings());
    first.step().unwrap();
    first.checkpoint(dir.path()).unwrap();
    assert!(run(&dense, plain(), settings()).resume(dir.path()).unwrap());
    let packed = Arc::new(model().with_precision(Precision::Nf4).unwrap());
    assert!(run(&packed, plain(), settings()).resume(dir.path()).is_err());
    let stabilised = LoraConfig { rank_stabilised: true, ..plain() };
    assert!(run(&dense, stabilised, settings()).resume(dir.path()).is_err());
}

#[test]
fn quantised_layers_take_less_memory() {
    let dense = model();
    let linear: usize = 3 * (24 * 24 * 2 + 24 * 12 * 2 + 24 * 40 * 3);
    let packed = model().with_precision(Precision::Nf4Double).unwrap();
    let saved = dense.parameter_bytes() - packed.parameter_bytes();
    assert_eq!(dense.parameter_count(), packed.parameter_count());
    // Small layers round up: a third of a byte above 4.13 bits covers it.
    let bits = (linear * 4 - saved) as f64 * 8.0 / linear as f64;
    assert!((4.12..4.35).contains(&bits), "{bits}");
}
