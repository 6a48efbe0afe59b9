//! `POST /v1/chat/completions`: a conversation, and the assistant's next turn.

use super::ask::Ask;
use super::error::ApiError;
use super::fields::{Fields, string, wrong_type};
use super::form::{Collected, Form};
use super::pieces::Pieces;
use super::server::Server;
use super::settings::{Settings, items, tokens_max, top_logprobs};
use super::wire::{ChatChoice, ChatLogprobs, ChatMessage, ChatPiece, Delta, TokenLogprob, TopLogprob, finish_reason};
use crate::constraint::Schema;
use crate::door::Served;
use crate::request::FinishReason;
use crate::sampling::Chosen;
use serde_json::{Value, json};
use std::sync::Arc;
use tributary_lora::data::{Prompt, PromptError, Prompter, Role, Turn};
use tributary_lora::{DataConfig, PromptStyle, Tokenizer};
use tributary_protocol::ContentHash;
use tributary_protocol::recipe::Template;

/// What OpenAI's API has and this one has not.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("tools", TOOLS),
    ("tool_choice", TOOLS),
    ("parallel_tool_calls", TOOLS),
    ("functions", TOOLS),
    ("function_call", TOOLS),
    ("audio", "models answer with text"),
    ("prediction", "answers are not predicted"),
    ("reasoning_effort", "models answer without hidden reasoning"),
    ("verbosity", "models have no setting for it"),
    ("web_search_options", "models do not search"),
    ("prompt_cache_key", "prompts that begin alike are found without a key"),
    ("prompt_cache_retention", "what is kept depends on memory"),
    ("best_of", "it belongs to /v1/completions"),
    ("echo", "it belongs to /v1/completions"),
    ("suffix", "models continue text and do not fill gaps"),
    ("prompt", "it belongs to /v1/completions"),
];
const TOOLS: &str = "models are not given tools";
const MESSAGE_UNSUPPORTED: &[(&str, &str)] = &[
    ("name", "chat templates have no names"),
    ("tool_calls", TOOLS),
    ("tool_call_id", TOOLS),
    ("function_call", TOOLS),
    ("audio", "models read text"),
    ("refusal", "give it as content"),
];

/// A request that was read.
pub(super) struct ChatRequest {
    pub settings: Settings,
    turns: Vec<Turn>,
    tokens_max: Option<usize>,
    format: ResponseFormat,
}

/// What the answer has to be.
#[derive(Clone, Debug, PartialEq)]
enum ResponseFormat {
    Text,
    Object,
    Schema(Schema),
}

impl ChatRequest {
    pub fn read(body: &[u8], choices_max: u32) -> Result<Self, ApiError> {
        let mut fields = Fields::of_body(body)?;
        let mut settings = Settings::read(&mut fields, choices_max)?;
        let messages = fields.required("messages")?;
        let turns = turns(messages)?;
        let logprobs = fields.boolean("logprobs")?.unwrap_or(false);
        let top = top_logprobs(&mut fields, "top_logprobs")?;
        if top.is_some() && !logprobs {
            let message = "top_logprobs is accepted together with logprobs = true only";
            return Err(ApiError::invalid("top_logprobs", "invalid_value", message));
        }
        settings.sampling.top_logprobs = logprobs.then_some(top.unwrap_or(0));
        let tokens_max = tokens_max(&mut fields, &["max_tokens", "max_completion_tokens"])?;
        let format = response_format(&mut fields)?;
        fields.only("modalities", &[json!(["text"])])?;
        fields.finish(UNSUPPORTED)?;
        Ok(Self { settings, turns, tokens_max, format })
    }

    /// Puts the conversation to the model as it was trained to be asked. Tokens are made on a thread that may take its time.
    pub async fn ask(
        self,
        server: &Server,
        served: Arc<Served>,
        body: ContentHash,
    ) -> Result<(Ask, Settings), ApiError> {
        let (tokenizer, template, turns) = (server.api().tokenizer.clone(), served.template, self.turns);
        let prompting = tokio::task::spawn_blocking(move || {
            let prompt = prompt(&tokenizer, template, &turns)?;
            let trims_space = !ends_with_space(&tokenizer, &prompt.tokens)?;
            Ok::<_, ApiError>((prompt, trims_space))
        });
        let (prompt, trims_space) =
            prompting.await.map_err(|_| ApiError::internal("the prompt could not be made"))??;
        let ask = Ask {
            served,
            prompts: vec![prompt.tokens],
            field: "messages",
            choices: self.settings.choices,
            tokens_max: self.tokens_max,
            sampling: self.settings.sampling.clone(),
            stop_tokens: prompt.stops,
            stop_strings: self.settings.stop.clone(),
            constraint: match self.format {
                ResponseFormat::Text => None,
                ResponseFormat::Object => Some(server.any_object()),
                ResponseFormat::Schema(schema) => Some(server.constraint(schema)),
            },
            trims_space,
            body,
        };
        Ok((ask, self.settings))
    }
}

/// Whether what comes next is text of its own. After `Answer:` a model begins with the space that separates it, which belongs
/// to no answer.
fn ends_with_space(tokenizer: &Tokenizer, prompt: &[u32]) -> Result<bool, ApiError> {
    // A character may be made of several tokens.
    let last = &prompt[prompt.len().saturating_sub(4)..];
    let text = tokenizer.decode(last).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(text.ends_with(char::is_whitespace))
}

fn prompt(tokenizer: &Tokenizer, template: Template, turns: &[Turn]) -> Result<Prompt, ApiError> {
    let style = match template {
        Template::Plain => PromptStyle::Plain,
        Template::Chat => PromptStyle::Chat,
    };
    let config = DataConfig { style, ..DataConfig::default() };
    let prompter = Prompter::new(tokenizer, &config)
        .map_err(|error| ApiError::internal(format!("the model cannot be asked as it was trained: {error}")))?;
    prompter.prompt(turns).map_err(|error| match &error {
        PromptError::Tokenizer(_) => ApiError::internal(error.to_string()),
        _ => ApiError::invalid("messages", "invalid_value", error.to_string()),
    })
}

fn turns(messages: Value) -> Result<Vec<Turn>, ApiError> {
    let mut turns = Vec::new();
    for (path, message) in items(messages, "messages")? {
        let mut fields = Fields::of(message, &path)?;
        let name = fields.required_string("role")?;
        let role = match name.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => {
                let message = format!("{path}.role is {name:?}; system, developer, user and assistant are accepted");
                return Err(ApiError::invalid(format!("{path}.role"), "invalid_value", message));
            }
        };
        let content = fields.required("content")?;
        let text = text(content, &format!("{path}.content"))?;
        fields.finish(MESSAGE_UNSUPPORTED)?;
        turns.push(Turn::new(role, text));
    }
    match turns.is_empty() {
        true => Err(ApiError::invalid("messages", "invalid_value", "messages is empty; at least one is needed")),
        false => Ok(turns),
    }
}

/// A message's text; of several parts, one under the other.
fn text(content: Value, path: &str) -> Result<String, ApiError> {
    match content {
        Value::String(text) => Ok(text),
        Value::Array(_) => {
            let mut texts = Vec::new();
            for (path, part) in items(content, path)? {
                let mut fields = Fields::of(part, &path)?;
                let kind = fields.required_string("type")?;
                if kind != "text" {
                    let message =
                        format!("{path}.type is {kind:?}; models read text, and parts of type text are accepted");
                    return Err(ApiError::invalid(format!("{path}.type"), "unsupported_parameter", message));
                }
                let text = fields.required("text")?;
                texts.push(string(text, &fields.path("text"))?);
                fields.finish(&[])?;
            }
            Ok(texts.join("\n"))
        }
        other => Err(wrong_type(path, &other, "a string or an array of parts")),
    }
}

/// Names of schemas, as OpenAI has it.
const SCHEMA_NAME_MAX: usize = 64;

fn response_format(fields: &mut Fields) -> Result<ResponseFormat, ApiError> {
    let path = fields.path("response_format");
    let Some(format) = fields.take("response_format") else { return Ok(ResponseFormat::Text) };
    let mut format = Fields::of(format, &path)?;
    let kind = format.required_string("type")?;
    let read = match kind.as_str() {
        "text" => ResponseFormat::Text,
        "json_object" => ResponseFormat::Object,
        "json_schema" => schema(&mut format)?,
        _ => {
            let message = format!("{path}.type is {kind:?}; text, json_object and json_schema are accepted");
            return Err(ApiError::invalid(format!("{path}.type"), "invalid_value", message));
        }
    };
    format.finish(&[])?;
    Ok(read)
}

fn schema(format: &mut Fields) -> Result<ResponseFormat, ApiError> {
    let path = format.path("json_schema");
    let mut fields = Fields::of(format.required("json_schema")?, &path)?;
    let name = fields.required_string("name")?;
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    if name.is_empty() || name.len() > SCHEMA_NAME_MAX || !name.chars().all(is_name) {
        let message = format!("{path}.name is {name:?}; up to {SCHEMA_NAME_MAX} letters, digits, _ and - are accepted");
        return Err(ApiError::invalid(format!("{path}.name"), "invalid_value", message));
    }
    fields.string("description")?;
    // Answers keep to the schema either way.
    fields.boolean("strict")?;
    let schema = fields.required("schema")?;
    fields.finish(&[])?;
    let schema = Schema::new(&schema).map_err(|error| {
        let at = if error.path().is_empty() { String::new() } else { format!(".{}", error.path()) };
        ApiError::invalid(format!("{path}.schema{at}"), "unsupported_schema", error.to_string())
    })?;
    Ok(ResponseFormat::Schema(schema))
}

/// How answers of a chat are written.
pub(super) struct Chat {
    pub pieces: Arc<Pieces>,
    pub logprobs: bool,
}

impl Chat {
    fn logprob(&self, chosen: &Chosen) -> TokenLogprob {
        let top = chosen.top.iter().map(|top| TopLogprob {
            token: self.pieces.text(top.token),
            logprob: top.logprob,
            bytes: self.pieces.bytes(top.token),
        });
        TokenLogprob {
            token: self.pieces.text(chosen.token),
            logprob: chosen.logprob.unwrap_or_default(),
            bytes: self.pieces.bytes(chosen.token),
            top_logprobs: top.collect(),
        }
    }
}

impl Form for Chat {
    const OBJECT: &'static str = "chat.completion";
    const CHUNK: &'static str = "chat.completion.chunk";
    type Whole = ChatChoice;
    type Piece = ChatPiece;

    fn whole(&mut self, index: u32, answer: Collected) -> ChatChoice {
        let content = self.logprobs.then(|| answer.tokens.iter().map(|(chosen, _)| self.logprob(chosen)).collect());
        ChatChoice {
            index,
            message: ChatMessage { role: "assistant", content: answer.text, refusal: None },
            logprobs: content.map(|content| ChatLogprobs { content, refusal: None }),
            finish_reason: answer.reason.as_ref().map_or("stop", finish_reason),
        }
    }

    fn first(&mut self, index: u32) -> Option<ChatPiece> {
        let delta = Delta { role: Some("assistant"), content: Some(String::new()) };
        Some(ChatPiece { index, delta, logprobs: None, finish_reason: None })
    }

    fn piece(&mut self, index: u32, text: String, chosen: Option<&Chosen>) -> ChatPiece {
        let chosen = chosen.filter(|_| self.logprobs);
        ChatPiece {
            index,
            delta: Delta { role: None, content: Some(text) },
            logprobs: chosen.map(|chosen| ChatLogprobs { content: vec![self.logprob(chosen)], refusal: None }),
            finish_reason: None,
        }
    }

    fn last(&mut self, index: u32, reason: &FinishReason) -> ChatPiece {
        ChatPiece { index, delta: Delta::default(), logprobs: None, finish_reason: Some(finish_reason(reason)) }
    }

    fn writes_tokens(&self) -> bool {
        self.logprobs
    }
}
