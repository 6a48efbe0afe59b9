//! Responses as they are written, field by field in OpenAI's order.

use crate::request::FinishReason;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A completion of either kind, whole or a chunk of one.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Completion<C> {
    pub id: String,
    pub object: &'static str,
    pub created: u64,
    pub model: String,
    pub system_fingerprint: String,
    pub choices: Vec<C>,
    /// In chunks absent, or null in all but the last if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<UsageObject>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tributary: Option<Value>,
}

/// Tokens of a request.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct UsageObject {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub total_tokens: u64,
    pub prompt_tokens_details: PromptDetails,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct PromptDetails {
    pub cached_tokens: u64,
}

impl UsageObject {
    pub fn new(prompt: u64, cached: u64, answer: u64) -> Self {
        Self {
            prompt_tokens: prompt,
            completion_tokens: answer,
            total_tokens: prompt + answer,
            prompt_tokens_details: PromptDetails { cached_tokens: cached },
        }
    }
}

/// One answer of a chat.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ChatChoice {
    pub index: u32,
    pub message: ChatMessage,
    pub logprobs: Option<ChatLogprobs>,
    pub finish_reason: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ChatMessage {
    pub role: &'static str,
    pub content: String,
    pub refusal: Option<()>,
}

/// A piece of an answer of a chat.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ChatPiece {
    pub index: u32,
    pub delta: Delta,
    pub logprobs: Option<ChatLogprobs>,
    pub finish_reason: Option<&'static str>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ChatLogprobs {
    pub content: Vec<TokenLogprob>,
    pub refusal: Option<()>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct TokenLogprob {
    pub token: String,
    pub logprob: f32,
    pub bytes: Vec<u8>,
    pub top_logprobs: Vec<TopLogprob>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct TopLogprob {
    pub token: String,
    pub logprob: f32,
    pub bytes: Vec<u8>,
}

/// One answer to a text, or a piece of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TextChoice {
    pub index: u32,
    pub text: String,
    pub logprobs: Option<TextLogprobs>,
    pub finish_reason: Option<&'static str>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct TextLogprobs {
    pub tokens: Vec<String>,
    pub token_logprobs: Vec<f32>,
    pub top_logprobs: Vec<BTreeMap<String, f32>>,
    /// In characters of the choice's text.
    pub text_offset: Vec<usize>,
}

/// A model that is served.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ModelObject {
    pub id: String,
    pub object: &'static str,
    pub created: u64,
    pub owned_by: String,
    pub tributary: ModelDetails,
}

/// What a model is, beyond what OpenAI's clients know.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ModelDetails {
    /// On chain; null for the base and for adapters from a folder.
    pub model: Option<u64>,
    /// The hash of its weights file; null for the base.
    pub adapter: Option<String>,
    pub template: &'static str,
    /// Longest prompt and answer together.
    pub context_tokens: usize,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct List<T> {
    pub object: &'static str,
    pub data: Vec<T>,
}

/// OpenAI's word for why an answer ended.
pub(super) fn finish_reason(reason: &FinishReason) -> &'static str {
    match reason {
        FinishReason::StopToken(_) | FinishReason::StopString(_) | FinishReason::Complete => "stop",
        FinishReason::Length => "length",
    }
}
