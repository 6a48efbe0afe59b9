//! The supported families of models.

use serde_json::{Map, Value};

/// A family of decoders, by the name of its class in transformers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// Llama 1 to 3.
    #[default]
    Llama,
    /// Mistral: each position sees a window of those before it.
    Mistral,
    /// Mixtral: experts in place of the feed-forward block.
    Mixtral,
    /// Qwen 2 and 2.5: queries, keys and values have a bias.
    Qwen2,
    /// Qwen 3: queries and keys are normalised head by head.
    Qwen3,
    /// DeepSeek V2: keys and values come from one narrow latent; experts chosen by softmax.
    DeepseekV2,
    /// DeepSeek V3: as V2, experts chosen by sigmoid with a correction.
    DeepseekV3,
    /// Gemma 1: scaled embeddings, GELU, norms that multiply by one plus their weight.
    Gemma,
    /// Phi 3: one matrix for queries, keys and values, one for gate and input of the feed-forward block.
    Phi3,
}

/// What the gate of a feed-forward block applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x·sigmoid(x)`.
    Silu,
    /// GELU by its approximation with tanh.
    GeluTanh,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Llama,
        Self::Mistral,
        Self::Mixtral,
        Self::Qwen2,
        Self::Qwen3,
        Self::DeepseekV2,
        Self::DeepseekV3,
        Self::Gemma,
        Self::Phi3,
    ];

    /// The only entry of `architectures` in `config.json`.
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Mixtral => "MixtralForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::DeepseekV2 => "DeepseekV2ForCausalLM",
            Self::DeepseekV3 => "DeepseekV3ForCausalLM",
            Self::Gemma => "GemmaForCausalLM",
            Self::Phi3 => "Phi3ForCausalLM",
        }
    }

    /// `model_type` in `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Mixtral => "mixtral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::DeepseekV2 => "deepseek_v2",
            Self::DeepseekV3 => "deepseek_v3",
            Self::Gemma => "gemma",
            Self::Phi3 => "phi3",
        }
    }

    /// Whether keys and values come from one narrow latent.
    pub(crate) fn is_latent(self) -> bool {
        matches!(self, Self::DeepseekV2 | Self::DeepseekV3)
    }

    /// Whether one matrix makes queries, keys and values, and one gate and input of the feed-forward block.
    pub(crate) fn is_fused(self) -> bool {
        self == Self::Phi3
    }

    /// Whether queries and keys are normalised head by head.
    pub(crate) fn has_head_norms(self) -> bool {
        self == Self::Qwen3
    }

    pub(crate) fn activation(self) -> Activation {
        if self == Self::Gemma { Activation::GeluTanh } else { Activation::Silu }
    }

    /// What is added to the weight of a norm before it multiplies.
    pub(crate) fn norm_offset(self) -> f32 {
        if self == Self::Gemma { 1.0 } else { 0.0 }
    }

    /// What transformers takes for an absent `rms_norm_eps`.
    pub(super) fn default_epsilon(self) -> f64 {
        if matches!(self, Self::Mixtral | Self::Phi3) { 1e-5 } else { 1e-6 }
    }

    /// What transformers takes for an absent `rope_theta`.
    pub(super) fn default_theta(self) -> f64 {
        if self == Self::Mixtral { 1e6 } else { 1e4 }
    }

    /// Keys with a default in transformers that depends on no other key and fits few models: they must be there.
    pub(super) fn required(self) -> &'static [&'static str] {
        match self {
            Self::Llama | Self::Phi3 => &[],
            Self::Mistral | Self::Mixtral | Self::Qwen2 => &["num_key_value_heads"],
            Self::Qwen3 | Self::Gemma => &["num_key_value_heads", "head_dim"],
            Self::DeepseekV2 => &["q_lora_rank", "topk_method", "n_shared_experts", "first_k_dense_replace"],
            Self::DeepseekV3 => &["q_lora_rank", "n_shared_experts", "first_k_dense_replace"],
        }
    }

    /// Values of `hidden_act` that mean [`Family::activation`]. Gemma's first files say `gelu` and mean the approximation.
    pub(super) fn activation_names(self) -> &'static [&'static str] {
        match self.activation() {
            Activation::Silu => &["silu", "swish"],
            Activation::GeluTanh => &["gelu_pytorch_tanh", "gelu"],
        }
    }

    /// The first key that changes this family's mathematics in a way that is not implemented.
    pub(super) fn unsupported(self, keys: &Map<String, Value>) -> Option<(&'static str, String)> {
        let all = MUST_BE_NEUTRAL.iter().filter(|(_, _, read_by)| !read_by.contains(&self));
        let neutral = all.map(|(key, neutral, _)| (*key, *neutral)).chain(self.must_be_neutral().iter().copied());
        for (key, neutral) in neutral {
            let Some(value) = keys.get(key).map(Value::to_string) else { continue };
            if value != "null" && !neutral.contains(&value.as_str()) {
                return Some((key, value));
            }
        }
        None
    }

    /// As [`MUST_BE_NEUTRAL`], for keys that mean something to this family only.
    fn must_be_neutral(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Self::Gemma => &[("hidden_activation", &["\"gelu_pytorch_tanh\""])],
            // transformers ignores norm_topk_prob here, DeepSeek's own code does not.
            Self::DeepseekV2 => {
                &[("moe_layer_freq", &["1"]), ("scoring_func", &["\"softmax\""]), ("norm_topk_prob", &["false"])]
            }
            Self::DeepseekV3 => {
                &[("moe_layer_freq", &["1"]), ("scoring_func", &["\"sigmoid\""]), ("topk_method", &["\"noaux_tc\""])]
            }
            Self::Mixtral => &[("router_jitter_noise", &["0", "0.0"])],
            _ => &[],
        }
    }
}

/// Keys that change the mathematics of a decoder, the values beside null for which they do not, and the families that
/// read them.
const MUST_BE_NEUTRAL: &[(&str, &[&str], &[Family])] = {
    use Family::{DeepseekV2, DeepseekV3, Gemma, Llama, Mistral, Mixtral, Phi3, Qwen2, Qwen3};
    &[
        ("attention_bias", &["false"], &[Llama, Qwen3, Gemma, DeepseekV2, DeepseekV3]),
        ("mlp_bias", &["false"], &[Llama, DeepseekV2]),
        ("sliding_window", &[], &[Mistral, Mixtral, Qwen2, Qwen3, Phi3]),
        ("layer_types", &[], &[Qwen2, Qwen3]),
        ("use_bidirectional_attention", &["false"], &[]),
        ("partial_rotary_factor", &["1", "1.0"], &[]),
        ("attention_multiplier", &[], &[]),
        ("embedding_multiplier", &[], &[]),
        ("residual_multiplier", &[], &[]),
        ("logits_scaling", &[], &[]),
        ("attn_logit_softcapping", &[], &[]),
        ("final_logit_softcapping", &[], &[]),
        ("hidden_activation", &[], &[Gemma]),
        ("use_qk_norm", &["false"], &[]),
        ("num_local_experts", &[], &[Mixtral]),
    ]
};
