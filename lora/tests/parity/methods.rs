//! Training methods beside PEFT and bitsandbytes.
//!
//! Reference values: `reference/make_methods.py` on stories260K, with the versions that `reference/numbers.json` names
//! (torch, transformers, peft, bitsandbytes on one CPU thread in f32), and `golden-stories260K/nf4`.

use crate::{Reference, fixture, load, stories, stories_at, values, worst};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tributary_lora::{
    AdamWConfig, Adapter, Batch, CONFIG_FILE, Dataset, Decay, EncodedSample, Model, Nf4Matrix, Nf4Scales, Placement,
    Precision, Targets, Tokenizer, TrainConfig, TrainingRun, sample_gradient,
};
use tributary_protocol::ContentHash;

on_devices!(
    dora_with_rslora_trains_as_in_peft,
    lora_plus_trains_as_in_peft,
    qlora_trains_as_peft_does_on_the_unpacked_base,
);

fn reference(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/reference").join(file)
}

fn numbers() -> Value {
    serde_json::from_slice(&std::fs::read(reference("numbers.json")).unwrap()).unwrap()
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn samples(tokenizer: &Tokenizer) -> Vec<EncodedSample> {
    let texts = numbers()["texts"].as_array().unwrap().clone();
    let encode = |text: &Value| {
        let text = text.as_str().unwrap();
        EncodedSample::new(ContentHash::of(text.as_bytes()), tokenizer.encode(text).unwrap(), 1)
    };
    texts.iter().map(encode).collect()
}

/// The adapter that `file` holds.
fn adapter(model: &Model, file: &str) -> Adapter {
    let read = |name: &str| std::fs::read(reference(name)).unwrap();
    Adapter::from_peft(&read(CONFIG_FILE), &read(file), model).unwrap()
}

/// Losses of eight steps from PEFT's start.
fn losses(model: Arc<Model>, tokenizer: &Tokenizer, learning_rate: f64, adamw: AdamWConfig) -> (Vec<f64>, Adapter) {
    let start = adapter(&model, "init.safetensors");
    let settings = TrainConfig {
        epochs: 2,
        batch_size: 1,
        shuffle: false,
        learning_rate,
        decay: Decay::Constant,
        adamw,
        gradient_norm_max: None,
        ..Default::default()
    };
    let dataset = Dataset::divide(samples(tokenizer), 0).unwrap();
    let mut run = TrainingRun::new(model, start, dataset, settings).unwrap();
    let losses = std::iter::repeat_with(|| f64::from(run.step().unwrap().loss)).take(8).collect();
    (losses, run.into_adapter().unwrap())
}

fn last_logits(model: &Model, adapter: Option<&Adapter>, sample: &EncodedSample) -> Vec<f64> {
    let logits = values(&model.logits(&Batch::sequence(sample.tokens()), adapter).unwrap());
    logits[logits.len() - model.config().vocab_size..].to_vec()
}

#[test]
fn packed_bytes_and_values_are_those_of_bitsandbytes() {
    let (Some((model, _)), Some(golden)) = (stories(), fixture("golden-stories260K")) else { return };
    let reference = Reference::open(&golden.join("nf4/bnb_4bit.safetensors"));
    let dense = Reference::open(&fixture("stories260K").unwrap().join("hf/model.safetensors"));
    drop(model);
    for (name, rows, columns) in [
        ("model.layers.0.self_attn.q_proj.weight", 64, 64),
        ("model.layers.0.mlp.down_proj.weight", 64, 172),
        ("model.embed_tokens.weight", 512, 64),
    ] {
        let weight: Vec<f32> = dense.get(name).into_iter().map(|value| value as f32).collect();
        let part = |part: &str| format!("nf4.{name}.{part}");
        let matrix = Nf4Matrix::quantise(&weight, rows, columns, false).unwrap();
        assert_eq!(matrix.packed(), reference.bytes(&part("packed")), "{name}");
        let Nf4Scales::Plain(scales) = matrix.scales() else { panic!("plain scales") };
        assert_eq!(bits(scales), reference.bits(&part("absmax")), "{name}");
        assert_eq!(bits(&matrix.dequantise()), reference.bits(&part("dequant")), "{name}");
        // And from bitsandbytes' own bytes.
        let theirs = Nf4Matrix::from_parts(rows, columns, reference.bytes(&part("packed")), matrix.scales().clone());
        assert_eq!(bits(&theirs.unwrap().dequantise()), reference.bits(&part("dequant")), "{name}");
        println!("{name}: {} elements equal bit for bit", weight.len());
    }
}

#[test]
fn double_quantised_scales_are_those_of_bitsandbytes() {
    let Some(stories) = fixture("stories260K") else { return };
    let dense = Reference::open(&stories.join("hf/model.safetensors"));
    let reference = Reference::open(&reference("scales.safetensors"));
    let every_code = Nf4Scales::Double { codes: (0..=255).collect(), scales: vec![1.0], offset: 0.0 };
    let map: Vec<f32> = (0..256).map(|code| every_code.get(code)).collect();
    assert_eq!(bits(&map), reference.bits("map"));
    let hashes = numbers()["nf4_sha256"].as_object().unwrap().clone();
    let (mut offsets, mut elements) = (0, 0);
    for (name, hash) in &hashes {
        let weight = dense.get(&format!("{name}.weight"));
        let weight: Vec<f32> = weight.into_iter().map(|value| value as f32).collect();
        let plain = Nf4Matrix::quantise(&weight, 1, weight.len(), false).unwrap();
        let Nf4Scales::Plain(scales) = plain.scales() else { panic!("plain scales") };
        let offset = reference.get(&format!("{name}.offset"))[0] as f32;
        // With bitsandbytes' offset everything is equal bit for bit.
        let quantised = Nf4Scales::quantise_around(scales, offset);
        let Nf4Scales::Double { codes, scales: outer, .. } = &quantised else { panic!("double scales") };
        assert_eq!(*codes, reference.bytes(&format!("{name}.codes")), "{name}");
        assert_eq!(bits(outer), reference.bits(&format!("{name}.scales")), "{name}");
        let matrix = Nf4Matrix::from_parts(1, weight.len(), plain.packed().to_vec(), quantised.clone()).unwrap();
        let bytes: Vec<u8> = matrix.dequantise().iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(sha256(&bytes), hash["dequantised"].as_str().unwrap(), "{name}");
        assert_eq!(sha256(matrix.packed()), hash["packed"].as_str().unwrap(), "{name}");
        elements += weight.len();
        // Its own offset is the exact mean, theirs a sum in f32.
        let Nf4Scales::Double { offset: ours, .. } = Nf4Scales::quantise(scales) else { panic!("double scales") };
        assert!((ours - offset).abs() <= 4.0 * f32::EPSILON * offset, "{name}: {ours} {offset}");
        offsets += usize::from(ours == offset);
    }
    println!("{} layers, {elements} elements equal bit for bit; {offsets} offsets equal to the last bit", hashes.len());
    assert_eq!(hashes.len(), 35);
}

fn dora_with_rslora_trains_as_in_peft(placement: Placement) {
    let Some((model, tokenizer)) = stories_at(placement) else { return };
    let model = Arc::new(model);
    let numbers = numbers();
    // DoRA's lengths begin as those of the base.
    let start = adapter(&model, "init.safetensors");
    let fresh = Adapter::new(&model, start.config().clone(), 0).unwrap();
    assert!(start.config().rank_stabilised && start.config().weight_decomposed);
    assert!(matches!(start.config().targets, Targets::Pattern(_)));
    for ((name, theirs), (ours_name, ours)) in start.tensors().iter().zip(fresh.tensors()) {
        assert_eq!(*name, ours_name);
        if name.ends_with("lora_magnitude_vector") {
            assert!(worst(name, &values(&ours), &values(theirs)) < 1e-6);
        }
    }
    let (losses, trained) = losses(model.clone(), &tokenizer, 5e-3, AdamWConfig::default());
    // Eight AdamW steps of two engines whose f32 sums have different orders.
    assert!(worst("DoRA losses", &losses, &list(&numbers["dora_losses"])) < 1e-4);
    let theirs = adapter(&model, "adapter_model.safetensors");
    let parameters = |adapter: &Adapter| adapter.tensors().iter().flat_map(|(_, t)| values(t)).collect::<Vec<_>>();
    // AdamW's first steps depend on the sign of tiny gradients, so single parameters may differ by a step.
    let difference: Vec<f64> =
        parameters(&trained).iter().zip(parameters(&theirs)).map(|(a, b)| (a - b).abs()).collect();
    let mean = difference.iter().sum::<f64>() / difference.len() as f64;
    println!("DoRA parameters after eight steps: mean difference {mean:.2e}");
    assert!(mean < 1e-4);

    let sample = &samples(&tokenizer)[0];
    let logits = last_logits(&model, Some(&theirs), sample);
    assert!(worst("DoRA logits", &logits, &list(&numbers["dora_logits"])) < 1e-4);
    let merged = last_logits(&model.merged(&theirs).unwrap(), None, sample);
    assert!(worst("merged DoRA logits", &merged, &list(&numbers["dora_logits_merged"])) < 1e-4);

    let expected = Reference::open(&reference("gradients.safetensors"));
    let theirs_flat: Vec<f64> = theirs.variables().iter().flat_map(|(name, _)| expected.get(name)).collect();
    let ours: Vec<f64> = sample_gradient(&model, &theirs, sample).unwrap().into_iter().map(f64::from).collect();
    let scale = theirs_flat.iter().fold(0f64, |a, b| a.max(b.abs()));
    assert!(worst("DoRA gradients", &ours, &theirs_flat) < 1e-4 * scale.max(1.0));
}

fn lora_plus_trains_as_in_peft(placement: Placement) {
    let Some((model, tokenizer)) = stories_at(placement) else { return };
    let adamw = AdamWConfig { lora_plus_ratio: Some(8.0), weight_decay: 0.05, ..Default::default() };
    let (losses, _) = losses(Arc::new(model), &tokenizer, 2e-3, adamw);
    assert!(worst("LoRA+ losses", &losses, &list(&numbers()["lora_plus_losses"])) < 1e-4);
}

fn qlora_trains_as_peft_does_on_the_unpacked_base(placement: Placement) {
    let Some((model, tokenizer)) = stories_at(placement) else { return };
    let dir = fixture("stories260K").unwrap().join("hf");
    let packed = load(&dir, Precision::Nf4Double, placement);
    assert_eq!(packed.content_hash(), model.content_hash());
    println!("parameters: {} bytes as f32, {} packed", model.parameter_bytes(), packed.parameter_bytes());
    let numbers = numbers();
    let logits = last_logits(&packed, None, &samples(&tokenizer)[0]);
    assert!(worst("NF4 logits", &logits, &list(&numbers["nf4_logits"])) < 1e-4);
    let (losses, _) = losses(Arc::new(packed), &tokenizer, 5e-3, AdamWConfig::default());
    assert!(worst("QLoRA losses", &losses, &list(&numbers["nf4_losses"])) < 1e-4);
}

#[test]
fn pefts_file_of_another_family_is_refused_by_its_layers() {
    let (Some((model, _)), Some(dir)) = (stories(), fixture("peft-tiny-lora")) else { return };
    let error = Adapter::load(&dir, &model).unwrap_err().to_string();
    println!("{error}");
    assert!(error.contains("c_attn") && error.contains("q_proj, k_proj"), "{error}");
}

#[test]
fn written_config_and_tensors_are_pefts() {
    let Some((model, _)) = stories() else { return };
    let adapter = adapter(&model, "adapter_model.safetensors");
    let theirs: Value = serde_json::from_slice(&std::fs::read(reference(CONFIG_FILE)).unwrap()).unwrap();
    let ours: Value = serde_json::from_str(&adapter.to_peft_config("stories260K")).unwrap();
    for (key, value) in ours.as_object().unwrap() {
        assert_eq!(&theirs[key], value, "{key}");
    }
    let bytes = std::fs::read(reference("adapter_model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names: Vec<String> = adapter.tensors().into_iter().map(|(name, _)| name).collect();
    names.sort();
    let mut expected = file.names();
    expected.sort();
    assert_eq!(names, expected);
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
