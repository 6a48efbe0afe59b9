//! Trains three small adapters and prints the hash of each:
//! `cargo run --release -p tributary-lora --example determinism`
//!
//! The model is wide enough that products are split among threads and summed in several chunks. Run it with other numbers
//! of threads or on another processor: `scripts/bench/determinism` compares the lines.

use std::sync::Arc;
use tributary_lora::{
    Adapter, Architecture, Arithmetic, Dataset, EncodedSample, LoraConfig, Model, ModelConfig, Precision, RopeConfig,
    RopeScaling, Targets, TrainConfig, TrainingRun,
};
use tributary_protocol::ContentHash;

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    println!("caches {}", caches());
    Arithmetic::DetF32V1.check()?;
    let config = ModelConfig {
        vocab_size: 700,
        hidden_size: 640,
        intermediate_size: 1000,
        layers: 1,
        heads: 10,
        kv_heads: 2,
        head_dim: 64,
        rms_norm_eps: 1e-5,
        rope: RopeConfig { theta: 10_000.0, scaling: RopeScaling::None },
        positions_max: 64,
        tie_word_embeddings: true,
        bos_token_id: Some(0),
        eos_token_ids: vec![1],
        architecture: Architecture::default(),
    };
    let dense = Arc::new(Model::random(config, 1)?);
    let packed = Arc::new(dense.with_precision(Precision::Nf4Double)?);
    let plain = LoraConfig { rank: 8, alpha: 16.0, targets: Targets::AllLinear, ..LoraConfig::default() };
    let dora = LoraConfig { dropout: 0.1, weight_decomposed: true, ..plain.clone() };
    for (name, model, lora) in
        [("lora", &dense, plain.clone()), ("dora-dropout", &dense, dora.clone()), ("qlora", &packed, plain)]
    {
        let sample = |row: u32| {
            let tokens = (0..17 + row * 7).map(|i| (i * (row + 3) + row * 31) % 700).collect();
            EncodedSample::new(ContentHash::of(&row.to_le_bytes()), tokens, 3)
        };
        let dataset = Dataset::divide((0..3).map(sample).collect(), 0)?;
        let settings = TrainConfig { epochs: 2, micro_batch_size: 2, snapshots: 0, ..TrainConfig::default() };
        let mut run = TrainingRun::new(model.clone(), Adapter::new(model, lora, 2)?, dataset, settings)?;
        while !run.is_done() {
            run.step()?;
        }
        let bytes = run.adapter().ok_or("the run has no adapter")?.to_safetensors()?;
        println!("{name} {}", ContentHash::of(&bytes));
    }
    Ok(())
}

/// The caches that the processor reports, level by level.
#[cfg(target_arch = "x86_64")]
fn caches() -> String {
    use std::arch::x86_64::__cpuid_count;
    let of_leaf = |leaf: u32| -> Vec<String> {
        let entries = (0..8).map(|index| __cpuid_count(leaf, index)).take_while(|entry| entry.eax & 31 != 0);
        let sizes = entries.filter(|entry| entry.eax & 31 != 2).map(|entry| {
            let part = |shift: u32, bits: u32| u64::from(entry.ebx >> shift & ((1 << bits) - 1)) + 1;
            let bytes = part(0, 12) * part(12, 10) * part(22, 10) * (u64::from(entry.ecx) + 1);
            format!("L{} {} KiB", entry.eax >> 5 & 7, bytes / 1024)
        });
        sizes.collect()
    };
    // Intel's leaf, and AMD's of the same form.
    let intel = of_leaf(4);
    if intel.is_empty() { of_leaf(0x8000_001D).join(", ") } else { intel.join(", ") }
}

#[cfg(not(target_arch = "x86_64"))]
fn caches() -> String {
    "not asked for".into()
}
