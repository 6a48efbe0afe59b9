//! What is counted before a run against what is there when it is loaded.

use crate::{dataset, model_config, settings};
use std::sync::Arc;
use tributary_lora::{
    Adapter, Architecture, Estimate, Experts, Family, LatentAttention, LoraConfig, MachineSpeed, Model, ModelConfig,
    Plan, Precision, Routing, Scores, Target, Targets, TrainConfig, TrainError,
};

fn with(family: Family) -> ModelConfig {
    let routing = Routing { scores: Scores::Softmax, groups: None, normalised: true, scale: 1.0 };
    let experts = Experts { count: 4, chosen: 2, intermediate_size: 20, shared: 0, first_layer: 0, routing };
    let architecture = Architecture { family, ..Architecture::default() };
    match family {
        Family::Mixtral => {
            ModelConfig { architecture: Architecture { experts: Some(experts), ..architecture }, ..model_config() }
        }
        Family::DeepseekV2 => {
            let latent = LatentAttention {
                query_rank: Some(10),
                kv_rank: 8,
                nope_dim: 4,
                rope_dim: 2,
                value_dim: 5,
                interleaved: true,
            };
            let experts = Experts { shared: 1, first_layer: 1, ..experts };
            let architecture = Architecture { experts: Some(experts), latent: Some(latent), ..architecture };
            ModelConfig { kv_heads: 4, architecture, ..model_config() }
        }
        _ => ModelConfig { tie_word_embeddings: family == Family::Gemma, architecture, ..model_config() },
    }
}

#[test]
fn base_and_adapter_are_counted_exactly() {
    let families =
        [Family::Llama, Family::Mixtral, Family::Qwen2, Family::Qwen3, Family::DeepseekV2, Family::Gemma, Family::Phi3];
    for family in families {
        for (precision, weight_decomposed) in [(Precision::F32, false), (Precision::Nf4, true)] {
            let config = with(family);
            let model = Arc::new(Model::random(config.clone(), 1).unwrap().with_precision(precision).unwrap());
            let targets = match family {
                Family::Llama => [Target::Q, Target::Down].into(),
                _ => Targets::AllLinear,
            };
            let lora = LoraConfig { targets, weight_decomposed, ..LoraConfig::default() };
            let adapter = Adapter::new(&model, lora.clone(), 1).unwrap();
            let (train, dataset) = (settings(), dataset());
            let estimate = Estimate::new(&Plan::new(&config, precision, &lora, &train, &dataset)).unwrap();
            let (found, bytes) = (estimate.memory.base as f64, model.parameter_bytes() as f64);
            // Blocks of packed layers are not full in a model this small.
            let tolerance = if precision == Precision::F32 { 0.0 } else { 0.02 };
            assert!((found / bytes - 1.0).abs() <= tolerance, "{family:?} {precision:?}: {found} {bytes}");
            assert_eq!(estimate.memory.adapter, 4 * adapter.parameter_count() as u64, "{family:?}");
            assert_eq!(estimate.disk.base, 2 * model.parameter_count() as u64, "{family:?}");
        }
    }
}

#[test]
fn too_little_memory_is_refused_with_what_to_change() {
    let config = ModelConfig {
        layers: 32,
        hidden_size: 2048,
        intermediate_size: 5632,
        heads: 32,
        kv_heads: 8,
        ..model_config()
    };
    let (lora, dataset) = (crate::lora(), dataset());
    let train = TrainConfig { micro_batch_size: 4, ..settings() };
    let plan = Plan::new(&config, Precision::F32, &lora, &train, &dataset);
    let estimate = Estimate::with_threads(&plan, 1).unwrap();
    let peak = estimate.memory.peak();
    assert!(estimate.check_memory(peak, 0).is_ok());
    assert!(estimate.check_memory(peak - estimate.memory.base, estimate.memory.base).is_ok());
    let error = estimate.check_memory(peak - 1, 0).unwrap_err();
    assert_eq!((error.needed, error.available), (peak, peak - 1));
    let text = error.to_string();
    for named in ["activation_checkpointing", "micro_batch_size", "tokens_max", "QLoRA", "which is enough"] {
        assert!(text.contains(named), "{named} is not in: {text}");
    }
    assert!(estimate.check_memory(1 << 20, 0).unwrap_err().to_string().contains("which alone is not enough"));
    // What is advised helps.
    let peak_with = |train: &TrainConfig, precision| {
        let plan = Plan::new(&config, precision, &lora, train, &dataset);
        Estimate::with_threads(&plan, 1).unwrap().memory.peak()
    };
    assert!(peak_with(&TrainConfig { activation_checkpointing: true, ..train }, Precision::F32) < peak);
    assert!(peak_with(&TrainConfig { micro_batch_size: 1, ..train }, Precision::F32) < peak);
    assert!(peak_with(&train, Precision::Nf4Double) < peak / 2);
}

#[test]
fn an_estimate_is_the_same_every_time_and_follows_the_speed() {
    let (config, lora, train, dataset) = (model_config(), crate::lora(), settings(), dataset());
    let plan = Plan::new(&config, Precision::F32, &lora, &train, &dataset);
    let estimate = Estimate::with_threads(&plan, 2).unwrap();
    assert_eq!(estimate, Estimate::with_threads(&plan, 2).unwrap());
    // A clock that counts how often it is asked makes every kind take as long as any other.
    let mut ticks = 0.0;
    let mut clock = || {
        ticks += 1.0;
        ticks
    };
    let speed = MachineSpeed::measure_by(&mut clock).unwrap();
    let seconds = estimate.seconds(&speed);
    let twice = MachineSpeed { products: speed.products / 2.0, ..speed };
    assert!(seconds > 0.0 && estimate.seconds(&twice) > seconds);
    let recomputing = TrainConfig { activation_checkpointing: true, ..train };
    let again = Plan::new(&config, Precision::F32, &lora, &recomputing, &dataset);
    let ratio = Estimate::with_threads(&again, 2).unwrap().work.products / estimate.work.products;
    assert!((1.2..1.5).contains(&ratio), "{ratio}");
}

#[test]
fn refused_settings_are_refused_before_anything_is_counted() {
    let (config, lora, dataset) = (model_config(), crate::lora(), dataset());
    let train = TrainConfig { epochs: 0, ..settings() };
    let error = Estimate::new(&Plan::new(&config, Precision::F32, &lora, &train, &dataset)).unwrap_err();
    assert!(matches!(error, TrainError::Setting { key: "epochs", .. }), "{error}");
    let nothing = LoraConfig { targets: Targets::Pattern("nothing".into()), ..lora };
    let train = settings();
    let error = Estimate::new(&Plan::new(&config, Precision::F32, &nothing, &train, &dataset)).unwrap_err();
    assert!(matches!(error, TrainError::Adapter(_)), "{error}");
}
