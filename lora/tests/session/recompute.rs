//! Activation checkpointing.

use crate::{lora, model_config, placed, settings, start};
use std::sync::Arc;
use tributary_lora::{
    Architecture, Experts, Family, LoraConfig, Model, ModelConfig, Placement, Precision, Routing, Scores, Targets,
    TrainConfig, TrainingRun,
};
use tributary_protocol::ContentHash;

/// Hash of the adapter after some steps, and what the steps were.
fn bits(mut run: TrainingRun) -> (ContentHash, String) {
    for _ in 0..5 {
        run.step().unwrap();
    }
    (run.adapter().unwrap().content_hash().unwrap(), format!("{:?}", run.trace()))
}

fn experts() -> ModelConfig {
    let routing = Routing { scores: Scores::Softmax, groups: None, normalised: true, scale: 1.0 };
    let experts = Experts { count: 4, chosen: 2, intermediate_size: 20, shared: 0, first_layer: 0, routing };
    let architecture = Architecture { family: Family::Mixtral, experts: Some(experts), ..Default::default() };
    ModelConfig { architecture, ..model_config() }
}

on_devices!(computing_again_gives_the_same_bits);

fn computing_again_gives_the_same_bits(placement: Placement) {
    let all = LoraConfig { dropout: 0.2, weight_decomposed: true, rank_stabilised: true, ..lora() };
    let late = LoraConfig { targets: Targets::Pattern(r".*layers\.[12]\.self_attn\.o_proj".into()), ..lora() };
    let early = LoraConfig { targets: Targets::Pattern(r".*layers\.0\.mlp\.up_proj".into()), ..lora() };
    let families = [model_config(), ModelConfig { tie_word_embeddings: true, ..model_config() }, experts()];
    for (config, precision, lora) in [
        (&families[0], Precision::F32, lora()),
        (&families[0], Precision::F32, LoraConfig { dropout: 0.2, ..lora() }),
        (&families[0], Precision::Nf4Double, all),
        (&families[0], Precision::Nf4, late),
        (&families[1], Precision::F32, early),
        (&families[2], Precision::F32, lora()),
        (&families[2], Precision::F32, LoraConfig { dropout: 0.2, ..lora() }),
    ] {
        let model = Model::random(config.clone(), 4).unwrap().with_precision(precision).unwrap();
        let model = Arc::new(placed(model, placement));
        let with = |activation_checkpointing| {
            let config = TrainConfig { activation_checkpointing, neftune_alpha: Some(5.0), ..settings() };
            bits(start(&model, lora.clone(), config))
        };
        assert_eq!(with(false), with(true), "{:?} {lora:?}", config.family());
    }
}

#[test]
fn computing_again_gives_the_same_bits_for_whole_models() {
    for tied in [false, true] {
        let with = |activation_checkpointing| {
            let config = ModelConfig { tie_word_embeddings: tied, ..model_config() };
            let settings = TrainConfig { activation_checkpointing, ..settings() };
            let model = Model::random(config, 4).unwrap();
            let mut run = TrainingRun::full(model, crate::dataset(), settings).unwrap();
            let steps: Vec<_> = (0..5).map(|_| run.step().unwrap()).collect();
            let dir = tempfile::tempdir().unwrap();
            run.model().save_bf16(dir.path()).unwrap();
            (format!("{steps:?}"), ContentHash::of(&std::fs::read(dir.path().join("model.safetensors")).unwrap()))
        };
        assert_eq!(with(false), with(true), "tied: {tied}");
    }
}

#[test]
fn a_run_may_go_on_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let model = crate::model();
    let mut run = start(&model, lora(), settings());
    for _ in 0..3 {
        run.step().unwrap();
    }
    run.checkpoint(dir.path()).unwrap();
    let mut other = start(&model, lora(), TrainConfig { activation_checkpointing: true, ..settings() });
    assert!(other.resume(dir.path()).unwrap());
    assert_eq!(other.step().unwrap(), run.step().unwrap());
}
