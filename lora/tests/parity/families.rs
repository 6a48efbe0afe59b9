//! Every family of models beside transformers.

use crate::{Reference, fixture, load, values, worst};
use candle_core::Device;
use tributary_lora::{
    Adapter, Batch, Family, Generation, LoadError, LoraConfig, Model, ModelConfig, Placement, Precision,
    SamplingConfig, Targets,
};

on_devices!(logits_and_greedy_ids_equal_those_of_transformers);

/// The folders, with what is in them and the linear layers of their second decoder layer, in PEFT's names.
const FOLDERS: &[(&str, Family, &[&str])] = &[
    ("llama", Family::Llama, PLAIN),
    ("llama3-rope", Family::Llama, PLAIN),
    ("mistral", Family::Mistral, PLAIN),
    ("mixtral", Family::Mixtral, &["self_attn.q_proj", "block_sparse_moe.experts.3.w2"]),
    ("qwen2", Family::Qwen2, PLAIN),
    ("qwen3", Family::Qwen3, PLAIN),
    ("deepseek-v2", Family::DeepseekV2, LATENT),
    ("deepseek-v3", Family::DeepseekV3, LATENT),
    ("gemma", Family::Gemma, PLAIN),
    ("phi3", Family::Phi3, &["self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj"]),
];

const PLAIN: &[&str] = &[
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
];

const LATENT: &[&str] = &[
    "self_attn.q_a_proj",
    "self_attn.q_b_proj",
    "self_attn.kv_a_proj_with_mqa",
    "self_attn.kv_b_proj",
    "self_attn.o_proj",
    "mlp.experts.0.gate_proj",
    "mlp.experts.3.up_proj",
    "mlp.experts.3.down_proj",
    "mlp.shared_experts.gate_proj",
];

/// Parameters of each model as transformers counts them, from the fixture's VERSIONS.json.
fn parameters(folder: &str) -> u64 {
    let path = fixture("golden-tiny-families").unwrap().join("VERSIONS.json");
    let versions: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    versions["models"][folder]["params"].as_u64().unwrap()
}

fn last_row(model: &Model, tokens: &[u32]) -> Vec<f64> {
    let logits = values(&model.logits(&Batch::sequence(tokens), None).unwrap());
    logits[logits.len() - model.config().vocab_size..].to_vec()
}

fn logits_and_greedy_ids_equal_those_of_transformers(placement: Placement) {
    let Some(families) = fixture("golden-tiny-families") else { return };
    let mut worse = Vec::new();
    for (folder, family, _) in FOLDERS {
        let model = load(&families.join(folder), Precision::F32, placement);
        assert_eq!(model.config().family(), *family);
        assert_eq!(model.parameter_count() as u64, parameters(folder), "{folder}");
        let reference = Reference::open(&families.join(folder).join("reference.safetensors"));
        let ids = reference.ids("input_ids");
        let logits = values(&model.logits(&Batch::sequence(&ids), None).unwrap());
        // Both sides compute in f32 with sums in another order; logits have a deviation of 1.4.
        if worst(&format!("{folder} logits"), &logits, &reference.get("logits")) >= 1e-5 {
            worse.push(*folder);
        }
        // Four given ids and sixteen that follow, whatever the ids that would end a text.
        let expected = reference.ids("greedy_ids");
        assert_eq!((expected.len(), &expected[..4]), (20, &ids[..4]));
        let config = SamplingConfig { tokens_max: 16, ..Default::default() };
        let cached: Vec<u32> =
            Generation::new(&model, None, &expected[..4], &[], config).unwrap().map(Result::unwrap).collect();
        assert_eq!(cached, expected[4..], "{folder}, cached");
        // Without a cache: every id from the logits of the whole sequence before it.
        for (index, id) in expected.iter().enumerate().skip(4) {
            let row = last_row(&model, &expected[..index]);
            let best = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
            assert_eq!(best as u32, *id, "{folder}, uncached");
        }
    }
    assert!(worse.is_empty(), "{worse:?}");
}

#[test]
fn adapters_of_every_family_have_pefts_names() {
    let Some(families) = fixture("golden-tiny-families") else { return };
    for (folder, _, paths) in FOLDERS {
        let model = Model::load(&families.join(folder), &Device::Cpu).unwrap();
        let lora = LoraConfig { rank: 2, targets: Targets::AllLinear, ..Default::default() };
        let adapter = Adapter::new(&model, lora, 1).unwrap();
        let names: Vec<String> = adapter.tensors().into_iter().map(|(name, _)| name).collect();
        for path in *paths {
            let name = format!("base_model.model.model.layers.1.{path}.lora_A.weight");
            assert!(names.contains(&name), "{folder}: {name}");
        }
        assert!(names.iter().all(|name| !name.contains(".gate.lora")), "{folder}: the router is adapted");
        // What is written names the layers as the family does, and reads back as the same adapter.
        let (config, weights) = (adapter.to_peft_config(folder), adapter.to_safetensors().unwrap());
        assert_eq!(config.contains("\"w1\""), *folder == "mixtral", "{config}");
        let again = Adapter::from_peft(config.as_bytes(), &weights, &model).unwrap();
        assert_eq!(again.to_safetensors().unwrap(), weights);
        assert_eq!(again.to_peft_config(folder), config);
    }
}

#[test]
fn written_configuration_of_every_folder_reads_back() {
    let Some(families) = fixture("golden-tiny-families") else { return };
    for (folder, _, _) in FOLDERS {
        let config = ModelConfig::from_dir(&families.join(folder)).unwrap();
        assert_eq!(ModelConfig::from_json(&config.to_json()).unwrap(), config, "{folder}");
    }
}

#[test]
fn merged_half_precision_copies_load_and_agree() {
    let Some(families) = fixture("golden-tiny-families") else { return };
    for (folder, _, _) in FOLDERS {
        let model = Model::load(&families.join(folder), &Device::Cpu).unwrap();
        let dir = tempfile::tempdir().unwrap();
        model.save_bf16(dir.path()).unwrap();
        let copy = Model::load(dir.path(), &Device::Cpu).unwrap();
        let ids: Vec<u32> = (1..20).collect();
        let logits = |model: &Model| values(&model.logits(&Batch::sequence(&ids), None).unwrap());
        // Weights rounded to 8 bits of mantissa: a relative 2^-9 in each of some ten products in a row. A position whose
        // choice of experts was close is computed by others then, so the mean is what tells.
        let (a, b) = (logits(&model), logits(&copy));
        let mean = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum::<f64>() / a.len() as f64;
        println!("{folder}: mean difference {mean:.2e} after bf16");
        assert!(mean > 0.0 && mean < 0.1, "{folder}: {mean}");
    }
}

#[test]
fn unknown_models_are_refused_before_their_weights_are_looked_for() {
    let Some(families) = fixture("golden-tiny-families") else { return };
    let text = std::fs::read_to_string(families.join("deepseek-v3/config.json")).unwrap();
    for (from, to, named) in [
        ("DeepseekV3ForCausalLM", "DeepseekV4ForCausalLM", "DeepseekV4ForCausalLM"),
        ("\"rope_type\": \"default\"", "\"rope_type\": \"yarn\"", "yarn"),
        ("\"silu\"", "\"relu\"", "relu"),
    ] {
        assert!(text.contains(from));
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), text.replace(from, to)).unwrap();
        // There is no weights file at all: the configuration is what is refused.
        let error = Model::load(dir.path(), &Device::Cpu).unwrap_err();
        assert!(matches!(&error, LoadError::Config(_)) && error.to_string().contains(named), "{error}");
    }
}
