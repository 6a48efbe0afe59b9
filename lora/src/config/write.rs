//! The `config.json` of a model.

use super::{Family, ModelConfig, RopeScaling, Scores};
use serde_json::{Map, Value, json};

impl ModelConfig {
    /// The `config.json` that describes this model to transformers 4 and 5.
    pub fn to_json(&self) -> String {
        let mut rope = json!({ "rope_theta": self.rope.theta, "rope_type": "default" });
        match self.rope.scaling {
            RopeScaling::None => {}
            RopeScaling::Linear { factor } => {
                rope["rope_type"] = "linear".into();
                rope["factor"] = factor.into();
            }
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_positions } => {
                rope["rope_type"] = "llama3".into();
                rope["factor"] = factor.into();
                rope["low_freq_factor"] = low_freq_factor.into();
                rope["high_freq_factor"] = high_freq_factor.into();
                rope["original_max_position_embeddings"] = original_positions.into();
            }
        }
        let scaling = if self.rope.scaling == RopeScaling::None { Value::Null } else { rope.clone() };
        let family = self.family();
        let mut config = json!({
            "architectures": [family.architecture()],
            "attention_bias": self.architecture.attention_bias,
            "bos_token_id": self.bos_token_id,
            "dtype": "bfloat16",
            "eos_token_id": self.eos_token_ids.as_slice(),
            "head_dim": self.head_dim,
            "hidden_act": family.activation_names()[0],
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "max_position_embeddings": self.positions_max,
            "mlp_bias": self.architecture.mlp_bias,
            "model_type": family.model_type(),
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.kv_heads,
            "rms_norm_eps": shortest(self.rms_norm_eps),
            "rope_parameters": rope,
            "rope_scaling": scaling,
            "rope_theta": self.rope.theta,
            "tie_word_embeddings": self.tie_word_embeddings,
            "torch_dtype": "bfloat16",
            "vocab_size": self.vocab_size,
        });
        if let Value::Object(keys) = &mut config {
            self.write_window(keys);
            self.write_latent(keys);
            self.write_experts(keys);
        }
        format!("{config:#}\n")
    }

    fn write_window(&self, keys: &mut Map<String, Value>) {
        let window = self.architecture.sliding_window.as_ref();
        let mut set = |key: &str, value: Value| keys.insert(key.into(), value);
        match self.family() {
            Family::Mistral | Family::Mixtral | Family::Phi3 => {
                set("sliding_window", window.map(|window| window.positions).into());
            }
            Family::Qwen2 | Family::Qwen3 => {
                let kind = |layer| if self.window(layer).is_some() { "sliding_attention" } else { "full_attention" };
                set("layer_types", (0..self.layers).map(kind).collect::<Vec<_>>().into());
                set("sliding_window", window.map(|window| window.positions).into());
                set("use_sliding_window", window.is_some().into());
            }
            _ => {}
        }
    }

    fn write_latent(&self, keys: &mut Map<String, Value>) {
        let Some(latent) = &self.architecture.latent else { return };
        let mut set = |key: &str, value: Value| keys.insert(key.into(), value);
        set("head_dim", latent.rope_dim.into());
        set("q_lora_rank", latent.query_rank.into());
        set("kv_lora_rank", latent.kv_rank.into());
        set("qk_nope_head_dim", latent.nope_dim.into());
        set("qk_rope_head_dim", latent.rope_dim.into());
        set("v_head_dim", latent.value_dim.into());
        if self.family() == Family::DeepseekV3 {
            set("rope_interleave", latent.interleaved.into());
            set("num_nextn_predict_layers", self.architecture.unread_layers.into());
        }
    }

    fn write_experts(&self, keys: &mut Map<String, Value>) {
        let Some(experts) = &self.architecture.experts else { return };
        let mut set = |key: &str, value: Value| keys.insert(key.into(), value);
        set("num_experts_per_tok", experts.chosen.into());
        if self.family() == Family::Mixtral {
            set("num_local_experts", experts.count.into());
            return;
        }
        let routing = &experts.routing;
        set("n_routed_experts", experts.count.into());
        set("n_shared_experts", experts.shared.into());
        set("moe_intermediate_size", experts.intermediate_size.into());
        set("first_k_dense_replace", experts.first_layer.into());
        set("routed_scaling_factor", shortest(routing.scale).into());
        set("norm_topk_prob", routing.normalised.into());
        set("n_group", routing.groups.map(|groups| groups.count).into());
        set("topk_group", routing.groups.map(|groups| groups.kept).into());
        let method = match (routing.scores, routing.groups) {
            (Scores::Sigmoid, _) => "noaux_tc",
            (Scores::Softmax, Some(_)) => "group_limited_greedy",
            (Scores::Softmax, None) => "greedy",
        };
        set("topk_method", method.into());
    }
}

/// The shortest decimal of the f32, not the digits of its f64.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}
