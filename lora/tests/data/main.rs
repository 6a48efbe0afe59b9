//! Training data: real files and chat templates, damaged files, and what is trained of them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod check;
#[path = "../common/mod.rs"]
mod common;
mod files;
mod prompts;
mod runs;
mod templates;
mod tokenizers;

use common::fixture;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tributary_lora::data::{Conversation, Role, Turn};
use tributary_lora::{Model, ModelConfig};

/// The template of ChatML.
const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Writes files and returns their paths; they live as long as the folder.
fn files(texts: &[(&str, &str)]) -> (TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let write = |(name, text): &(&str, &str)| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let paths = texts.iter().map(write).collect();
    (dir, paths)
}

/// A model of random parameters whose tokens are bytes and specials.
fn small_model(vocabulary: usize) -> Model {
    let config = serde_json::json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocabulary, "hidden_size": 16,
        "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 128, "hidden_act": "silu",
        "tie_word_embeddings": true, "eos_token_id": 256,
    });
    Model::random(ModelConfig::from_json(&config.to_string()).unwrap(), 3).unwrap()
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Turns of user and assistant in alternation; a system turn first, if `system` is given.
fn talk(system: Option<&str>, texts: &[&str]) -> Conversation {
    let role = |index| if index % 2 == 0 { Role::User } else { Role::Assistant };
    let mut turns: Vec<Turn> = system.map(|text| Turn::new(Role::System, text)).into_iter().collect();
    turns.extend(texts.iter().enumerate().map(|(index, text)| Turn::new(role(index), *text)));
    Conversation::new(turns).unwrap()
}
