//! `POST /v1/completions`: text, and how it goes on.
//!
//! The prompt is taken as it is, in no frame and no template: whoever wants the model asked as it was trained uses chats, or
//! writes the frame.

use super::ask::Ask;
use super::error::ApiError;
use super::fields::{Fields, integer, wrong_type};
use super::form::{Collected, Form};
use super::pieces::Pieces;
use super::server::Server;
use super::settings::{Settings, items, tokens_max, top_logprobs};
use super::wire::{TextChoice, TextLogprobs, finish_reason};
use crate::door::Served;
use crate::request::FinishReason;
use crate::sampling::Chosen;
use serde_json::{Value, json};
use std::sync::Arc;
use tributary_lora::Tokenizer;
use tributary_protocol::ContentHash;

/// Tokens of an answer where the request does not say, as OpenAI has it.
const TOKENS_MAX_DEFAULT: usize = 16;
/// Prompts of a request.
const PROMPTS_MAX: usize = 64;

/// What OpenAI's API has and this one has not.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("suffix", "models continue text and do not fill gaps"),
    ("messages", "it belongs to /v1/chat/completions"),
    ("max_completion_tokens", "here it is called max_tokens"),
    ("top_logprobs", "here logprobs is the number"),
    ("response_format", "it belongs to /v1/chat/completions"),
    ("tools", "models are not given tools"),
];

/// A request that was read.
pub(super) struct TextRequest {
    pub settings: Settings,
    prompts: Vec<TextPrompt>,
    tokens_max: usize,
    pub echo: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum TextPrompt {
    Text(String),
    Tokens(Vec<u32>),
}

impl TextRequest {
    pub fn read(body: &[u8], choices_max: u32) -> Result<Self, ApiError> {
        let mut fields = Fields::of_body(body)?;
        let mut settings = Settings::read(&mut fields, choices_max)?;
        let prompts = prompts(fields.required("prompt")?)?;
        settings.sampling.top_logprobs = top_logprobs(&mut fields, "logprobs")?;
        let tokens_max = tokens_max(&mut fields, &["max_tokens"])?.unwrap_or(TOKENS_MAX_DEFAULT);
        let echo = fields.boolean("echo")?.unwrap_or(false);
        if echo && settings.sampling.top_logprobs.is_some() {
            let message = "echo together with logprobs is not supported here: the prompt's own are not computed";
            return Err(ApiError::invalid("echo", "unsupported_parameter", message));
        }
        fields.only("best_of", &[json!(settings.choices)])?;
        fields.finish(UNSUPPORTED)?;
        Ok(Self { settings, prompts, tokens_max, echo })
    }

    /// Turns prompts to tokens, on a thread that may take its time. Returns the prompts' texts beside, if they are wanted back.
    pub async fn ask(
        self,
        server: &Server,
        served: Arc<Served>,
        body: ContentHash,
    ) -> Result<(Ask, Settings, Vec<String>), ApiError> {
        let (tokenizer, prompts, echo) = (server.api().tokenizer.clone(), self.prompts, self.echo);
        let encoding = tokio::task::spawn_blocking(move || encode(&tokenizer, prompts, echo));
        let (prompts, texts) = encoding.await.map_err(|_| ApiError::internal("the prompt could not be encoded"))??;
        let ask = Ask {
            served,
            prompts,
            field: "prompt",
            choices: self.settings.choices,
            tokens_max: Some(self.tokens_max),
            sampling: self.settings.sampling.clone(),
            stop_tokens: server.api().tokenizer.ends().to_vec(),
            stop_strings: self.settings.stop.clone(),
            constraint: None,
            trims_space: false,
            body,
        };
        Ok((ask, self.settings, texts))
    }
}

/// Tokens of each prompt, and their texts if they are given back.
fn encode(
    tokenizer: &Tokenizer,
    prompts: Vec<TextPrompt>,
    echo: bool,
) -> Result<(Vec<Vec<u32>>, Vec<String>), ApiError> {
    let mut tokens = Vec::with_capacity(prompts.len());
    let mut texts = Vec::new();
    for prompt in prompts {
        let failed = |error: tributary_lora::TokenizerError| ApiError::internal(error.to_string());
        let (encoded, text) = match prompt {
            TextPrompt::Text(text) => (tokenizer.encode(&text).map_err(failed)?, text),
            TextPrompt::Tokens(tokens) => {
                // Numbers that are no tokens are the engine's to refuse.
                let text = if echo { tokenizer.decode(&tokens).map_err(failed)? } else { String::new() };
                (tokens, text)
            }
        };
        if encoded.is_empty() {
            return Err(ApiError::invalid("prompt", "invalid_value", "the prompt is empty"));
        }
        tokens.push(encoded);
        if echo {
            texts.push(text);
        }
    }
    Ok((tokens, texts))
}

/// A string, strings, tokens, or lists of tokens.
fn prompts(value: Value) -> Result<Vec<TextPrompt>, ApiError> {
    const ACCEPTED: &str = "a string, an array of strings, of tokens, or of arrays of tokens";
    let values = match value {
        Value::String(text) => return Ok(vec![TextPrompt::Text(text)]),
        Value::Array(_) => items(value, "prompt")?,
        other => return Err(wrong_type("prompt", &other, ACCEPTED)),
    };
    let tokens = |values: Vec<(String, Value)>| -> Result<TextPrompt, ApiError> {
        let token = |(path, value): (String, Value)| {
            let token = integer(&value, &path, 0..=i64::from(u32::MAX))?;
            Ok(u32::try_from(token).unwrap_or(u32::MAX))
        };
        values.into_iter().map(token).collect::<Result<_, ApiError>>().map(TextPrompt::Tokens)
    };
    let prompts = match values.first() {
        None => return Err(ApiError::invalid("prompt", "invalid_value", "prompt is empty; at least one is needed")),
        Some((_, Value::Number(_))) => vec![tokens(values)?],
        Some(_) => {
            let prompt = |(path, value): (String, Value)| match value {
                Value::String(text) => Ok(TextPrompt::Text(text)),
                Value::Array(_) => tokens(items(value, &path)?),
                other => Err(wrong_type(&path, &other, "a string or an array of tokens")),
            };
            values.into_iter().map(prompt).collect::<Result<_, _>>()?
        }
    };
    if prompts.len() > PROMPTS_MAX {
        let message = format!("{} prompts; {PROMPTS_MAX} at most are accepted", prompts.len());
        return Err(ApiError::invalid("prompt", "invalid_value", message));
    }
    Ok(prompts)
}

/// How continued texts are written.
pub(super) struct Text {
    pub pieces: Arc<Pieces>,
    pub logprobs: bool,
    /// The texts of the prompts, if answers begin with them.
    pub echo: Vec<String>,
    /// Answers to each prompt.
    pub choices: u32,
    /// Characters of each answer that were written.
    pub written: Vec<usize>,
}

impl Text {
    fn echo(&self, index: u32) -> Option<&String> {
        self.echo.get((index / self.choices) as usize)
    }

    fn add(&self, logprobs: &mut TextLogprobs, chosen: &Chosen, offset: usize) {
        logprobs.tokens.push(self.pieces.name(chosen.token));
        logprobs.token_logprobs.push(chosen.logprob.unwrap_or_default());
        let top = chosen.top.iter().map(|top| (self.pieces.name(top.token), top.logprob));
        logprobs.top_logprobs.push(top.collect());
        logprobs.text_offset.push(offset);
    }
}

impl Form for Text {
    const OBJECT: &'static str = "text_completion";
    const CHUNK: &'static str = "text_completion";
    type Whole = TextChoice;
    type Piece = TextChoice;

    fn whole(&mut self, index: u32, answer: Collected) -> TextChoice {
        let mut logprobs = TextLogprobs::default();
        answer.tokens.iter().for_each(|(chosen, offset)| self.add(&mut logprobs, chosen, *offset));
        let text = match self.echo(index) {
            Some(prompt) => [prompt.as_str(), &answer.text].concat(),
            None => answer.text,
        };
        TextChoice {
            index,
            text,
            logprobs: self.logprobs.then_some(logprobs),
            finish_reason: Some(answer.reason.as_ref().map_or("stop", finish_reason)),
        }
    }

    fn first(&mut self, index: u32) -> Option<TextChoice> {
        let text = self.echo(index)?.clone();
        Some(TextChoice { index, text, logprobs: None, finish_reason: None })
    }

    fn piece(&mut self, index: u32, text: String, chosen: Option<&Chosen>) -> TextChoice {
        let place = index as usize;
        if self.written.len() <= place {
            self.written.resize(place + 1, 0);
        }
        let offset = self.written[place];
        self.written[place] += text.chars().count();
        let logprobs = chosen.filter(|_| self.logprobs).map(|chosen| {
            let mut logprobs = TextLogprobs::default();
            self.add(&mut logprobs, chosen, offset);
            logprobs
        });
        TextChoice { index, text, logprobs, finish_reason: None }
    }

    fn last(&mut self, index: u32, reason: &FinishReason) -> TextChoice {
        TextChoice { index, text: String::new(), logprobs: None, finish_reason: Some(finish_reason(reason)) }
    }

    fn writes_tokens(&self) -> bool {
        self.logprobs
    }
}
