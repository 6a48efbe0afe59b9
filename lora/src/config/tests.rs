//! Reading and writing `config.json`.

use super::*;
use serde_json::json;

fn config(extra: Value) -> String {
    let mut base = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "vocab_size": 64,
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "max_position_embeddings": 64, "eos_token_id": [1, 2], "bos_token_id": 1,
    });
    for (key, value) in extra.as_object().unwrap() {
        base[key] = value.clone();
    }
    base.to_string()
}

#[test]
fn reads_rope_of_both_generations() {
    let four = ModelConfig::from_json(&config(json!({"rope_theta": 5e5, "rope_scaling": null}))).unwrap();
    let five = json!({"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}});
    let five = ModelConfig::from_json(&config(five)).unwrap();
    assert_eq!(four.rope, RopeConfig { theta: 5e5, scaling: RopeScaling::None });
    assert_eq!(four, five);
    assert_eq!((four.kv_heads, four.head_dim, four.eos_token_ids), (4, 8, vec![1, 2]));
}

#[test]
fn written_config_reads_back() {
    let scaled = json!({"rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
        "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}});
    let config = ModelConfig::from_json(&config(scaled)).unwrap();
    assert_eq!(ModelConfig::from_json(&config.to_json()).unwrap(), config);
}

#[test]
fn what_would_change_the_result_is_refused_by_name() {
    let cases = [
        (json!({"architectures": ["MambaForCausalLM"], "model_type": "mamba"}), "MambaForCausalLM"),
        (json!({"rope_parameters": {"rope_theta": 1e4, "rope_type": "yarn"}}), "yarn"),
        (json!({"hidden_act": "gelu"}), "gelu"),
        (json!({"attention_bias": 1}), "attention_bias"),
        (json!({"quantization_config": {"bits": 4}}), "quantization_config"),
        (json!({"hidden_size": 0}), "hidden_size"),
        (json!({"num_attention_heads": 0}), "num_attention_heads"),
        (json!({"num_hidden_layers": 4_000_000_000_u64}), "num_hidden_layers"),
        (json!({"vocab_size": "many"}), "vocab_size"),
        (json!({"num_key_value_heads": 3}), "num_key_value_heads"),
    ];
    for (change, named) in cases {
        let error = ModelConfig::from_json(&config(change)).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

/// The keys that a family needs beside those of [`config`].
fn family(family: Family, extra: Value) -> String {
    let mut keys = json!({ "architectures": [family.architecture()], "model_type": family.model_type(),
        "num_key_value_heads": 2, "hidden_act": null });
    let more = match family {
        Family::Qwen3 | Family::Gemma => json!({ "head_dim": 8 }),
        Family::Mixtral => json!({ "num_local_experts": 4, "num_experts_per_tok": 2 }),
        Family::DeepseekV2 | Family::DeepseekV3 => json!({ "num_key_value_heads": 4, "q_lora_rank": null,
            "kv_lora_rank": 8, "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 5, "n_routed_experts": 8,
            "num_experts_per_tok": 3, "moe_intermediate_size": 12, "n_shared_experts": 2, "first_k_dense_replace": 1,
            "n_group": 4, "topk_group": 2,
            "topk_method": if family == Family::DeepseekV2 { "group_limited_greedy" } else { "noaux_tc" } }),
        _ => json!({}),
    };
    for part in [more, extra] {
        for (key, value) in part.as_object().unwrap() {
            keys[key] = value.clone();
        }
    }
    config(keys)
}

#[test]
fn written_config_of_every_family_reads_back() {
    for which in Family::ALL {
        let biased = matches!(which, Family::Llama | Family::Qwen3 | Family::Gemma) || which.is_latent();
        let config = ModelConfig::from_json(&family(which, json!({ "attention_bias": biased }))).unwrap();
        assert_eq!((config.family(), config.architecture.attention_bias), (which, biased));
        assert_eq!(ModelConfig::from_json(&config.to_json()).unwrap(), config);
    }
    let windowed = json!({ "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 1 });
    let config = ModelConfig::from_json(&family(Family::Qwen2, windowed)).unwrap();
    assert_eq!((config.window(0), config.window(1)), (None, Some(8)));
    assert_eq!(ModelConfig::from_json(&config.to_json()).unwrap(), config);
}

#[test]
fn absent_keys_mean_what_transformers_takes_for_them() {
    let read = |which, extra| ModelConfig::from_json(&family(which, extra)).unwrap();
    assert_eq!(read(Family::Mistral, json!({})).window(0), Some(4096));
    assert_eq!(read(Family::Mistral, json!({ "sliding_window": null })).window(0), None);
    assert_eq!(read(Family::Qwen2, json!({ "sliding_window": 8 })).window(0), None);
    assert_eq!(read(Family::Mixtral, json!({})).rope.theta, 1e6);
    assert_eq!(read(Family::Phi3, json!({})).rms_norm_eps, 1e-5);
    assert!(read(Family::Gemma, json!({})).tie_word_embeddings && !read(Family::Qwen3, json!({})).tie_word_embeddings);
    assert_eq!(read(Family::Gemma, json!({ "hidden_act": "gelu" })), read(Family::Gemma, json!({})));
    assert_eq!(read(Family::DeepseekV2, json!({})).head_dim, 10);
}

#[test]
fn what_would_change_a_familys_result_is_refused_by_name() {
    use Family::{DeepseekV2, DeepseekV3, Gemma, Llama, Mistral, Mixtral, Phi3, Qwen2, Qwen3};
    let cases = [
        (Llama, json!({ "model_type": "qwen2" }), "qwen2"),
        (Llama, json!({ "sliding_window": 8 }), "sliding_window"),
        (Mistral, json!({ "sliding_window": 0 }), "sliding_window"),
        (Mistral, json!({ "attention_bias": true }), "attention_bias"),
        (Mixtral, json!({ "num_experts_per_tok": 5 }), "num_experts_per_tok"),
        (Mixtral, json!({ "router_jitter_noise": 0.1 }), "router_jitter_noise"),
        (Qwen2, json!({ "layer_types": ["full_attention", "sliding_attention"] }), "layer_types"),
        (Qwen2, json!({ "use_sliding_window": true, "layer_types": ["full_attention"] }), "layer_types"),
        (Qwen3, json!({ "attention_bias": "yes" }), "attention_bias"),
        (Gemma, json!({ "hidden_act": "relu" }), "relu"),
        (Gemma, json!({ "hidden_activation": "gelu" }), "hidden_activation"),
        (Gemma, json!({ "use_bidirectional_attention": true }), "use_bidirectional_attention"),
        (Phi3, json!({ "rope_scaling": { "type": "longrope" } }), "longrope"),
        (Phi3, json!({ "partial_rotary_factor": 0.5 }), "partial_rotary_factor"),
        (DeepseekV2, json!({ "topk_method": "best" }), "best"),
        (DeepseekV2, json!({ "norm_topk_prob": true }), "norm_topk_prob"),
        (DeepseekV2, json!({ "num_experts_per_tok": 5 }), "num_experts_per_tok"),
        (DeepseekV2, json!({ "num_key_value_heads": 2 }), "num_key_value_heads"),
        (DeepseekV3, json!({ "rope_scaling": { "type": "yarn", "factor": 40 } }), "yarn"),
        (DeepseekV3, json!({ "scoring_func": "softmax" }), "scoring_func"),
        (DeepseekV3, json!({ "moe_layer_freq": 2 }), "moe_layer_freq"),
        (DeepseekV3, json!({ "n_group": 3 }), "n_group"),
        (DeepseekV3, json!({ "n_group": 8 }), "n_group"),
        (DeepseekV3, json!({ "topk_group": 5 }), "topk_group"),
        (DeepseekV3, json!({ "qk_rope_head_dim": 3 }), "qk_rope_head_dim"),
        (DeepseekV3, json!({ "kv_lora_rank": 0 }), "kv_lora_rank"),
        (DeepseekV3, json!({ "n_shared_experts": 0 }), "n_shared_experts"),
    ];
    for (which, change, named) in cases {
        let error = ModelConfig::from_json(&family(which, change.clone())).unwrap_err().to_string();
        assert!(error.contains(named), "{which:?} {change}: {error}");
    }
}

#[test]
fn an_unknown_architecture_is_refused_by_its_name() {
    let absent = Value::Null;
    for (architectures, model_type, named) in [
        (json!(["MambaForCausalLM"]), json!("mamba"), "MambaForCausalLM"),
        (json!(["LlamaForCausalLM"]), json!("mamba"), "mamba"),
        (json!(["T5ForConditionalGeneration", "LlamaForCausalLM"]), absent.clone(), "T5For"),
        (absent.clone(), json!("gpt_bigcode"), "gpt_bigcode"),
        (absent.clone(), absent, "unknown architecture"),
    ] {
        let change = json!({"architectures": architectures, "model_type": model_type});
        let error = ModelConfig::from_json(&config(change)).unwrap_err();
        assert!(matches!(error, ConfigError::UnknownArchitecture { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(named) && text.contains("hint: "), "{text}");
    }
}
