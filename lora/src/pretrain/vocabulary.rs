//! The embedded base model's tokenizer: byte-level BPE learnt from the corpus.

use crate::error::TokenizerError;
use serde_json::Value;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, NormalizerWrapper, PostProcessorWrapper, Tokenizer, TokenizerBuilder};

/// Begins a sequence; id 0.
pub(super) const BOS: &str = "<s>";
/// Ends a sequence; id 1.
pub(super) const EOS: &str = "</s>";
/// Begin a turn of the user, of the assistant, and the instructions; ids 2 to 4.
const TURNS: [&str; 3] = ["<|user|>", "<|assistant|>", "<|system|>"];
/// The chat template: `<s><|user|> Hello.<|assistant|> Hello! How can I help you?</s>`, and so on. A turn's text follows a
/// space, so that its first word is the same token as inside a sentence.
pub(super) const CHAT_TEMPLATE: &str = "\
{{ bos_token }}{% for message in messages %}\
{% if message['role'] == 'assistant' %}{{ '<|assistant|> ' + message['content'] | trim + eos_token }}\
{% elif message['role'] == 'user' %}{{ '<|user|> ' + message['content'] | trim }}\
{% elif message['role'] == 'system' and loop.first %}{{ '<|system|> ' + message['content'] | trim }}\
{% else %}{{ raise_exception('the roles are system (first only), user and assistant, not ' + message['role']) }}{% endif %}\
{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/// Learns a tokenizer of `size` tokens and returns the text of its `tokenizer.json`.
pub(super) fn learn(documents: &[String], size: usize) -> Result<String, TokenizerError> {
    let fail = |error: tokenizers::Error| TokenizerError::Convert { reason: error.to_string() };
    // No space is put before a text, and its spaces are its own: decoding gives back exactly what was encoded.
    let bytes = ByteLevel::new(false, false, true);
    let special = |name: &str| AddedToken::from(name, true);
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(size)
        .special_tokens([BOS, EOS].into_iter().chain(TURNS).map(special).collect())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut tokenizer = TokenizerBuilder::<BPE, NormalizerWrapper, ByteLevel, PostProcessorWrapper, ByteLevel>::new()
        .with_model(BPE::default())
        .with_pre_tokenizer(Some(bytes))
        .with_decoder(Some(bytes))
        .build()
        .map_err(fail)?;
    tokenizer.train(&mut trainer, documents.iter().map(String::as_str)).map_err(fail)?;
    let tokenizer: Tokenizer = tokenizer.into();
    tokenizer.to_string(true).map_err(fail)
}

/// The `tokenizer_config.json` that belongs to it.
pub(super) fn settings(positions_max: usize) -> Value {
    serde_json::json!({
        "add_bos_token": true,
        "bos_token": BOS,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": false,
        "eos_token": EOS,
        "model_max_length": positions_max,
        "tokenizer_class": "PreTrainedTokenizerFast",
    })
}
