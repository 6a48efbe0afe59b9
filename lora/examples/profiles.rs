//! How long a training step takes under each profile, interleaved in one process:
//! `cargo run --release -p tributary-lora --example profiles [-- ROUNDS]`
//!
//! Random model of 50 million parameters (hidden 512, 8 layers, 16,000 tokens), LoRA of rank 8 on all layers, 512 tokens.

use std::sync::Arc;
use std::time::Instant;
use tributary_lora::{
    Adapter, Architecture, Arithmetic, Dataset, EncodedSample, LoraConfig, Model, ModelConfig, RopeConfig, RopeScaling,
    Targets, TrainConfig, TrainingRun,
};
use tributary_protocol::ContentHash;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(5), |rounds| rounds.parse())?;
    let config = ModelConfig {
        vocab_size: 16_000,
        hidden_size: 512,
        intermediate_size: 1408,
        layers: 8,
        heads: 8,
        kv_heads: 4,
        head_dim: 64,
        rms_norm_eps: 1e-5,
        rope: RopeConfig { theta: 10_000.0, scaling: RopeScaling::None },
        positions_max: 256,
        tie_word_embeddings: false,
        bos_token_id: Some(0),
        eos_token_ids: vec![1],
        architecture: Architecture::default(),
    };
    let tokens = |row: u32| (0..129).map(|i| (i * 31 + row * 977) % 16_000).collect();
    let profiles = [Arithmetic::DetF32V1, Arithmetic::Fast];
    let mut runs = Vec::new();
    for arithmetic in profiles {
        let model = Arc::new(Model::random(config.clone(), 1)?.with_arithmetic(arithmetic)?);
        let samples =
            (0..4).map(|row: u32| EncodedSample::new(ContentHash::of(&row.to_le_bytes()), tokens(row), 1)).collect();
        let settings =
            TrainConfig { epochs: 1 + rounds as u32, batch_size: 4, micro_batch_size: 4, ..TrainConfig::default() };
        let lora = LoraConfig { targets: Targets::AllLinear, ..LoraConfig::default() };
        let adapter = Adapter::new(&model, lora, 2)?;
        let mut run = TrainingRun::new(model, adapter, Dataset::divide(samples, 0)?, settings)?;
        run.step()?;
        runs.push(run);
    }
    let mut seconds = vec![Vec::new(); 2];
    for _ in 0..rounds {
        for (run, seconds) in runs.iter_mut().zip(&mut seconds) {
            let started = Instant::now();
            run.step()?;
            seconds.push(started.elapsed().as_secs_f64());
        }
    }
    let medians = seconds.iter_mut().map(|seconds| {
        seconds.sort_by(f64::total_cmp);
        seconds[rounds / 2]
    });
    let medians: Vec<f64> = medians.collect();
    for (arithmetic, median) in profiles.iter().zip(&medians) {
        println!("{arithmetic:12} {median:.3} s per step, {:.0} tokens/s", 512.0 / median);
    }
    println!("det-f32-v1 has {:.2} x the speed of fast", medians[1] / medians[0]);
    Ok(())
}
