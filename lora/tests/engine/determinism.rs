//! The number of threads does not change a bit of an adapter.

use std::sync::Arc;
use tributary_lora::{
    Adapter, Architecture, Arithmetic, Dataset, EncodedSample, LoraConfig, Model, ModelConfig, Precision, RopeConfig,
    RopeScaling, Targets, TrainConfig, TrainingRun,
};
use tributary_protocol::ContentHash;

/// Wide enough that products are split among threads and summed in several chunks.
fn model() -> Model {
    let config = ModelConfig {
        vocab_size: 300,
        hidden_size: 640,
        intermediate_size: 600,
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
    Model::random(config, 1).unwrap()
}

fn adapter(model: &Arc<Model>, lora: &LoraConfig, threads: usize) -> Vec<u8> {
    let sample = |row: u32| {
        let tokens = (0..20 + row * 9).map(|i| (i * (row + 3) + row * 31) % 300).collect();
        EncodedSample::new(ContentHash::of(&row.to_le_bytes()), tokens, 3)
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let dataset = Dataset::divide((0..3).map(sample).collect(), 0).unwrap();
        let settings = TrainConfig { epochs: 2, neftune_alpha: Some(5.0), ..TrainConfig::default() };
        let adapter = Adapter::new(model, lora.clone(), 2).unwrap();
        let mut run = TrainingRun::new(model.clone(), adapter, dataset, settings).unwrap();
        while !run.is_done() {
            run.step().unwrap();
        }
        run.adapter().unwrap().to_safetensors().unwrap()
    })
}

#[test]
fn adapters_have_the_same_bits_for_any_number_of_threads() {
    let dense = Arc::new(model());
    let packed = Arc::new(dense.with_precision(Precision::Nf4Double).unwrap());
    let plain = LoraConfig { rank: 8, alpha: 16.0, targets: Targets::AllLinear, ..LoraConfig::default() };
    let dora = LoraConfig { dropout: 0.1, weight_decomposed: true, ..plain.clone() };
    for (name, model, lora) in [("LoRA", &dense, &plain), ("DoRA", &dense, &dora), ("QLoRA", &packed, &plain)] {
        let alone = adapter(model, lora, 1);
        for threads in [2, 7] {
            assert!(adapter(model, lora, threads) == alone, "{name} with {threads} threads");
        }
        println!("{name}: {} with 1, 2 and 7 threads", ContentHash::of(&alone));
    }
}

#[test]
fn a_packed_base_gives_the_bits_of_the_same_base_unpacked() {
    let packed = Arc::new(model().with_precision(Precision::Nf4Double).unwrap());
    let unpacked = Arc::new(packed.with_precision(Precision::F32).unwrap());
    let lora = LoraConfig { rank: 4, alpha: 8.0, targets: Targets::AllLinear, ..LoraConfig::default() };
    assert!(adapter(&packed, &lora, 2) == adapter(&unpacked, &lora, 2));
}

#[test]
fn a_run_does_not_change_its_arithmetic() {
    let run = |arithmetic| {
        let model = Arc::new(model().with_arithmetic(arithmetic).unwrap());
        assert_eq!(model.arithmetic(), arithmetic);
        let sample = EncodedSample::new(ContentHash::default(), (0..9).collect(), 3);
        let dataset = Dataset::divide(vec![sample], 0).unwrap();
        let adapter = Adapter::new(&model, LoraConfig::default(), 2).unwrap();
        TrainingRun::new(model, adapter, dataset, TrainConfig::default()).unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    run(Arithmetic::Fast).checkpoint(dir.path()).unwrap();
    assert!(run(Arithmetic::Fast).resume(dir.path()).unwrap());
    assert!(run(Arithmetic::DetF32V1).resume(dir.path()).unwrap_err().to_string().contains("another run"));
}
