//! Text to tokens and back.

use crate::config::ModelConfig;
use crate::data::{ChatTemplate, TemplateError};
use crate::dataset::PromptStyle;
use crate::error::TokenizerError;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tokenizers::Tokenizer as Inner;

/// The tokenizer of a model folder: `tokenizer.json`, the tokens that begin and end a sequence, and the chat template.
#[derive(Debug)]
pub struct Tokenizer {
    inner: Inner,
    bos: Option<u32>,
    eos: Vec<u32>,
    /// What is wrong with a template matters to those only who ask for it.
    chat: Result<Option<Arc<ChatTemplate>>, TemplateError>,
}

/// Where a model's makers say how it generates.
const GENERATION_FILE: &str = "generation_config.json";

/// Tokens of a text of two parts.
pub(crate) struct Parts {
    /// All tokens, with the one that begins a sequence.
    pub tokens: Vec<u32>,
    /// Index of the first token that holds text of the second part.
    pub second_from: usize,
}

/// Tokens of a text that a chat template made.
pub(crate) struct RenderedTokens {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// The bytes of the text that each holds: first, and the one after the last.
    pub offsets: Vec<(usize, usize)>,
}

/// A token that the tokenizer recognises before it cuts the text into others.
pub(crate) struct AddedToken {
    /// The token.
    pub id: u32,
    /// Its text.
    pub text: String,
    /// Whether it is left out of decoded text.
    pub special: bool,
}

impl Tokenizer {
    /// Loads the tokenizer of the model folder `dir`, whose configuration is `config`.
    ///
    /// The tokens that begin and end a sequence are those of `config.json`, else those of `tokenizer_config.json`; those
    /// of `generation_config.json` end a generated answer too. Whether a text begins with one follows `add_bos_token`,
    /// else the tokenizer's own post-processing. The chat template is [`ChatTemplate::from_dir`]'s.
    pub fn from_dir(dir: &Path, config: &ModelConfig) -> Result<Self, TokenizerError> {
        let load = |name: &str| {
            let path = dir.join(name);
            std::fs::read(&path).map_err(|error| TokenizerError::Load { path, reason: error.to_string() })
        };
        let path = dir.join("tokenizer.json");
        let inner = Inner::from_bytes(load("tokenizer.json")?)
            .map_err(|error| TokenizerError::Load { path, reason: error.to_string() })?;
        let optional = |name: &str| -> Result<Value, TokenizerError> {
            let path = dir.join(name);
            if !path.is_file() {
                return Ok(Value::Null);
            }
            serde_json::from_slice(&load(name)?)
                .map_err(|error| TokenizerError::Load { path, reason: error.to_string() })
        };
        let mut tokenizer = Self::new(inner, &optional("tokenizer_config.json")?, config)?;
        tokenizer.add_ends(&optional(GENERATION_FILE)?["eos_token_id"], config).ok_or_else(|| {
            TokenizerError::Load {
                path: dir.join(GENERATION_FILE),
                reason: format!("eos_token_id is neither a token nor a list of tokens below {}", config.vocab_size),
            }
        })?;
        tokenizer.chat = ChatTemplate::from_dir(dir).map(|found| found.map(Arc::new));
        Ok(tokenizer)
    }

    /// Takes up a token, or a list of them; `None` if it is something else.
    fn add_ends(&mut self, ends: &Value, config: &ModelConfig) -> Option<()> {
        let one = std::slice::from_ref(ends);
        let ends = if ends.is_null() { &[] } else { ends.as_array().map_or(one, Vec::as_slice) };
        for end in ends {
            let end = end.as_u64().filter(|end| (*end as usize) < config.vocab_size)? as u32;
            if !self.eos.contains(&end) {
                self.eos.push(end);
            }
        }
        Some(())
    }

    pub(crate) fn new(inner: Inner, settings: &Value, config: &ModelConfig) -> Result<Self, TokenizerError> {
        let tokens = inner.get_vocab_size(true);
        if tokens > config.vocab_size {
            return Err(TokenizerError::Vocabulary { tokens, vocab_size: config.vocab_size });
        }
        // The token is a string, or an object with its content.
        let named = |key: &str| {
            let name = settings[key].as_str().or_else(|| settings[key]["content"].as_str())?;
            inner.token_to_id(name)
        };
        let mut eos = config.eos_token_ids.clone();
        if eos.is_empty() {
            eos.extend(named("eos_token"));
        }
        if eos.is_empty() {
            return Err(TokenizerError::NoEnd);
        }
        let bos = config.bos_token_id.or_else(|| named("bos_token"));
        let begins = inner.encode("a", true).is_ok_and(|text| text.get_ids().first().copied() == bos);
        let bos = bos.filter(|_| settings["add_bos_token"].as_bool().unwrap_or(begins));
        Ok(Self { inner, bos, eos, chat: Ok(None) })
    }

    /// Tokens of `text`, with the one that begins a sequence if the model uses one.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        Ok(self.encode_parts(text, "")?.tokens)
    }

    /// Tokens of `first` followed by `second`, encoded as one text.
    ///
    /// A token that holds text of both counts to the second: then the prompt alone is a prefix of what was trained on,
    /// up to that token.
    pub(crate) fn encode_parts(&self, first: &str, second: &str) -> Result<Parts, TokenizerError> {
        let text = [first, second].concat();
        let encoding = self.inner.encode(text, false).map_err(convert)?;
        let begin = usize::from(self.bos.is_some());
        let tokens = self.bos.into_iter().chain(encoding.get_ids().iter().copied()).collect();
        let beyond = encoding.get_offsets().iter().position(|(_, end)| *end > first.len());
        let second_from = begin + beyond.unwrap_or(encoding.len());
        Ok(Parts { tokens, second_from })
    }

    /// Tokens of a text that a chat template made, which has its special tokens written out.
    pub(crate) fn encode_rendered(&self, text: &str) -> Result<RenderedTokens, TokenizerError> {
        let encoding = self.inner.encode(text, false).map_err(convert)?;
        Ok(RenderedTokens { tokens: encoding.get_ids().to_vec(), offsets: encoding.get_offsets().to_vec() })
    }

    /// The library's tokenizer.
    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// The tokens that are recognised before all others, by their number.
    pub(crate) fn added_tokens(&self) -> Vec<AddedToken> {
        let added = self.inner.get_added_tokens_decoder();
        let mut added: Vec<_> = added
            .into_iter()
            .map(|(id, token)| AddedToken { id, text: token.content, special: token.special })
            .collect();
        added.sort_by_key(|token| token.id);
        added
    }

    /// Text of `tokens`, special ones too.
    pub(crate) fn decode_all(&self, tokens: &[u32]) -> Result<String, TokenizerError> {
        self.inner.decode(tokens, false).map_err(convert)
    }

    /// Text of `tokens`, without special ones.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, TokenizerError> {
        self.inner.decode(tokens, true).map_err(convert)
    }

    /// The token that ends a trained answer.
    pub fn end(&self) -> u32 {
        self.eos[0]
    }

    /// All tokens that end a generated answer.
    pub fn ends(&self) -> &[u32] {
        &self.eos
    }

    /// The model's chat template; `None` if its folder has none.
    ///
    /// Errors: the folder has one that cannot be used.
    pub fn chat_template(&self) -> Result<Option<&Arc<ChatTemplate>>, TemplateError> {
        self.chat.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    /// The style of the model's own prompts: its chat template, or the plain frame if it has none.
    ///
    /// Errors: the folder has a template that cannot be used.
    pub fn prompt_style(&self) -> Result<PromptStyle, TemplateError> {
        let template = self.chat_template()?;
        Ok(template.map_or(PromptStyle::Plain, |_| PromptStyle::Chat))
    }

    /// Number of tokens.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// A decoder that turns one token after the other into text, holding back incomplete characters.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream { tokenizer: self, tokens: Vec::new(), emitted: 0 }
    }
}

/// Text of a growing list of tokens.
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    tokens: Vec<u32>,
    /// Bytes of the text that were returned.
    emitted: usize,
}

impl TextStream<'_> {
    /// Adds a token and returns the text that became complete with it, which may be empty.
    pub fn push(&mut self, token: u32) -> Result<String, TokenizerError> {
        self.tokens.push(token);
        // The whole list is decoded again since a token's text may depend on its neighbours (spaces, partial characters).
        let text = self.tokenizer.decode(&self.tokens)?;
        if text.ends_with('\u{fffd}') {
            return Ok(String::new());
        }
        let new = text.get(self.emitted..).unwrap_or_default().to_owned();
        self.emitted = text.len();
        Ok(new)
    }
}

fn convert(error: tokenizers::Error) -> TokenizerError {
    TokenizerError::Convert { reason: error.to_string() }
}
