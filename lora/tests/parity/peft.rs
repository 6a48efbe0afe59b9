//! Adapters: PEFT's files, its training, its gradients.

use crate::{Reference, fixture, golden_samples, stories_at, values, worst};
use std::path::PathBuf;
use std::sync::Arc;
use tributary_lora::{
    AdamWConfig, Adapter, Batch, CONFIG_FILE, Dataset, Decay, Placement, TrainConfig, TrainingRun, sample_gradient,
    sample_loss,
};

on_devices!(
    adapter_and_merged_logits_equal_those_of_peft,
    forty_steps_give_pefts_losses,
    sample_gradients_and_their_products_equal_those_of_peft,
    written_adapter_reads_back_and_has_one_hash,
);

fn golden() -> Option<PathBuf> {
    Some(fixture("golden-stories260K")?.join("lora"))
}

fn adapter_and_merged_logits_equal_those_of_peft(placement: Placement) {
    let (Some((model, _)), Some(golden)) = (stories_at(placement), golden()) else { return };
    let adapter = Adapter::load(&golden, &model).unwrap();
    let reference = Reference::open(&golden.join("reference.safetensors"));
    let ids = Reference::open(&golden.join("../base/reference.safetensors")).ids("input_ids");
    let batch = Batch::sequence(&ids);
    let logits = values(&model.logits(&batch, Some(&adapter)).unwrap());
    assert!(worst("adapter logits", &logits, &reference.get("logits")) < 1e-4);
    let merged = values(&model.merged(&adapter).unwrap().logits(&batch, None).unwrap());
    assert!(worst("merged logits", &merged, &reference.get("logits_merged")) < 1e-4);
}

fn forty_steps_give_pefts_losses(placement: Placement) {
    let (Some((model, tokenizer)), Some(golden)) = (stories_at(placement), golden()) else { return };
    let config = std::fs::read(golden.join(CONFIG_FILE)).unwrap();
    let start = Adapter::from_peft(&config, &std::fs::read(golden.join("init.safetensors")).unwrap(), &model).unwrap();
    let dataset = Dataset::divide(golden_samples(&tokenizer), 0).unwrap();
    // make_golden.py: batch 1, sample step % 8, constant rate, no clipping.
    let settings = TrainConfig {
        epochs: 5,
        batch_size: 1,
        shuffle: false,
        learning_rate: 2e-3,
        decay: Decay::Constant,
        adamw: AdamWConfig::default(),
        gradient_norm_max: None,
        ..Default::default()
    };
    let mut run = TrainingRun::new(Arc::new(model), start, dataset, settings).unwrap();
    let mut losses = Vec::new();
    while !run.is_done() {
        losses.push(f64::from(run.step().unwrap().loss));
    }
    let reference = Reference::open(&golden.join("reference.safetensors"));
    assert!(worst("training losses", &losses, &reference.get("train_losses")) < 1e-3);
    // Not demanded, but telling: the parameters themselves after 40 steps.
    let trained = Adapter::load(&golden, run.model()).unwrap();
    for ((name, ours), (_, theirs)) in run.adapter().unwrap().tensors().iter().zip(trained.tensors()).take(2) {
        worst(name, &values(ours), &values(&theirs));
    }
}

fn sample_gradients_and_their_products_equal_those_of_peft(placement: Placement) {
    let (Some((model, tokenizer)), Some(golden)) = (stories_at(placement), golden()) else { return };
    let adapter = Adapter::load(&golden, &model).unwrap();
    let reference = Reference::open(&golden.join("reference.safetensors"));
    let expected = Reference::open(&golden.join("per_sample_grads.safetensors"));
    let samples = golden_samples(&tokenizer);
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut flat = Vec::new();
    let mut largest = 0f64;
    for (index, sample) in samples.iter().enumerate() {
        let found: Vec<f64> = sample_gradient(&model, &adapter, sample).unwrap().into_iter().map(f64::from).collect();
        let names = adapter.variables().into_iter().map(|(name, _)| format!("sample{index}.{name}"));
        let theirs: Vec<f64> = names.flat_map(|name| expected.get(&name)).collect();
        let difference: Vec<f64> = found.iter().zip(&theirs).map(|(a, b)| a - b).collect();
        largest = largest.max(norm(&difference) / norm(&theirs));
        flat.push(found);
    }
    println!("sample gradients: largest relative difference {largest:.2e}");
    assert!(largest < 1e-3);
    let gram: Vec<f64> =
        flat.iter().flat_map(|a| flat.iter().map(|b| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>())).collect();
    let theirs = reference.get("grad_gram");
    let scale = theirs.iter().fold(0f64, |a, b| a.max(b.abs()));
    assert!(worst("gradient products", &gram, &theirs) < 1e-3 * scale);
    let losses: Vec<f64> =
        samples.iter().map(|sample| f64::from(sample_loss(&model, Some(&adapter), sample).unwrap())).collect();
    assert!(worst("adapter sample losses", &losses, &reference.get("sample_loss")) < 1e-4);
}

fn written_adapter_reads_back_and_has_one_hash(placement: Placement) {
    let (Some((model, _)), Some(golden)) = (stories_at(placement), golden()) else { return };
    let adapter = Adapter::load(&golden, &model).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let hash = adapter.save(dir.path(), "stories260K").unwrap();
    let again = Adapter::load(dir.path(), &model).unwrap();
    assert_eq!(again.content_hash().unwrap(), hash);
    assert_eq!(again.config(), adapter.config());
    assert!(std::fs::read_dir(dir.path()).unwrap().count() == 2, "no temporary file is left");
}
