//! The embedded base model's tokenizer: byte-level BPE learnt from the corpus.

use crate::error::TokenizerError;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, NormalizerWrapper, PostProcessorWrapper, Tokenizer, TokenizerBuilder};

/// Begins a sequence; id 0.
pub(super) const BOS: &str = "<s>";
/// Ends a sequence; id 1.
pub(super) const EOS: &str = "</s>";

/// Learns a tokenizer of `size` tokens and returns the text of its `tokenizer.json`.
pub(super) fn learn(documents: &[String], size: usize) -> Result<String, TokenizerError> {
    let fail = |error: tokenizers::Error| TokenizerError::Convert { reason: error.to_string() };
    // No space is put before a text, and its spaces are its own: decoding gives back exactly what was encoded.
    let bytes = ByteLevel::new(false, false, true);
    let special = |name: &str| AddedToken::from(name, true);
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(size)
        .special_tokens(vec![special(BOS), special(EOS)])
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

/// The text of the `tokenizer_config.json` that belongs to it.
pub(super) fn settings(positions_max: usize) -> String {
    let settings = serde_json::json!({
        "add_bos_token": true,
        "bos_token": BOS,
        "clean_up_tokenization_spaces": false,
        "eos_token": EOS,
        "model_max_length": positions_max,
        "tokenizer_class": "PreTrainedTokenizerFast",
    });
    format!("{settings:#}\n")
}
