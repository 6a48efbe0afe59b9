//! Conversations to tokens, with the tokens that are trained.

use super::conversation::{Conversation, Role};
use super::locate::{Located, locate};
use super::style::{SpecialTexts, Style};
use super::template::{ChatTemplate, TemplateError};
use crate::batch::EncodedSample;
use crate::dataset::{DataConfig, PromptTemplate, encode_sample};
use crate::error::{DataError, TokenizerError};
use crate::tokenizer::{RenderedTokens, Tokenizer};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::iter::once;
use std::ops::Range;
use std::sync::Arc;

/// Which tokens are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainOn {
    /// What the assistant says, with the token that ends each of its turns: the completion, where there is one exchange.
    #[default]
    Answers,
    /// The assistant's last turn only.
    LastAnswer,
    /// Everything, prompts too.
    All,
}

impl TrainOn {
    /// Every choice, by its name.
    pub const NAMES: [(&'static str, Self); 3] =
        [("answers", Self::Answers), ("last-answer", Self::LastAnswer), ("all", Self::All)];
}

/// Why a conversation was not encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A chat template is asked for.
    #[error(
        "the model's folder has no chat template; hint: one is accepted in chat_template.jinja, chat_template.json or \
         tokenizer_config.json; or put prompts into the plain frame"
    )]
    NoTemplate,
    /// It needs a chat template.
    #[error(
        "a conversation of {turns} turns, but the model has no chat template; hint: rows of one question and one answer \
         are accepted, or --template FILE"
    )]
    NeedsChat {
        /// Its turns.
        turns: usize,
    },
    /// A turn holds the text of a token that the template is made of.
    #[error("turn {turn} ({role}) holds {token:?}, which the tokenizer takes for the end or the head of a turn")]
    SpecialText {
        /// The turn, from 1.
        turn: usize,
        /// Who speaks.
        role: Role,
        /// The token's text.
        token: String,
    },
    /// The template cannot be used with it.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The sample could not be encoded.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Text conversion failed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// A conversation in tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// What is trained on; it may be cut.
    pub sample: EncodedSample,
    /// Tokens before it was cut.
    pub tokens: usize,
}

impl Encoded {
    /// Whether it was cut.
    pub fn is_truncated(&self) -> bool {
        self.tokens > self.sample.tokens().len()
    }
}

/// Encodes conversations for one model.
#[derive(Debug)]
pub struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    style: Style,
    train_on: TrainOn,
    tokens_max: usize,
    /// Tokens that may end a turn: those that text alone does not give, and those that end a sequence.
    ends: HashSet<u32>,
    specials: SpecialTexts,
}

impl<'a> Encoder<'a> {
    /// Encodes as `config` says: what [`Dataset::encode`](crate::Dataset::encode) trains.
    ///
    /// Errors: a chat template that the model does not have, that cannot be used, or as [`Self::chat`].
    pub fn new(tokenizer: &'a Tokenizer, config: &DataConfig) -> Result<Self, EncodeError> {
        match Style::of(tokenizer, config)? {
            Style::Plain(_) => Ok(Self::plain(tokenizer, config, config.train_on)),
            Style::Chat(template) => Self::chat(tokenizer, template, config.tokens_max, config.train_on),
        }
    }

    /// Puts each exchange into the frame of `config`.
    pub fn plain(tokenizer: &'a Tokenizer, config: &DataConfig, train_on: TrainOn) -> Self {
        Self::with_style(tokenizer, Style::Plain(config.template.clone()), config.tokens_max, train_on)
    }

    /// Renders each conversation by `template`.
    ///
    /// Errors: a template with which it cannot be decided which tokens the assistant says, by two exchanges that are tried.
    pub fn chat(
        tokenizer: &'a Tokenizer,
        template: impl Into<Arc<ChatTemplate>>,
        tokens_max: usize,
        train_on: TrainOn,
    ) -> Result<Self, EncodeError> {
        let encoder = Self::with_style(tokenizer, Style::Chat(template.into()), tokens_max, train_on);
        encoder.encode(&Conversation::trial())?;
        Ok(encoder)
    }

    fn with_style(tokenizer: &'a Tokenizer, style: Style, tokens_max: usize, train_on: TrainOn) -> Self {
        let added = tokenizer.added_tokens();
        let ends = added.iter().map(|token| token.id).chain(tokenizer.ends().iter().copied()).collect();
        let specials = SpecialTexts::of(tokenizer);
        Self { tokenizer, style, train_on, tokens_max, ends, specials }
    }

    /// The chat template's name, if one is used.
    pub fn template_name(&self) -> Option<&str> {
        self.style.template_name()
    }

    /// Longest sample in tokens; longer ones are cut.
    pub fn tokens_max(&self) -> usize {
        self.tokens_max
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        self.tokenizer
    }

    /// Tokens of `conversation`. A longer one than the limit loses its end, except that the frame of [`Self::plain`] loses
    /// its prompt first.
    pub fn encode(&self, conversation: &Conversation) -> Result<Encoded, EncodeError> {
        match &self.style {
            Style::Plain(frame) => self.encode_plain(conversation, frame),
            Style::Chat(template) => {
                self.specials.refuse(conversation.turns())?;
                self.encode_chat(conversation, locate(template, conversation)?, template.name())
            }
        }
    }

    fn encode_plain(&self, conversation: &Conversation, frame: &PromptTemplate) -> Result<Encoded, EncodeError> {
        let sample = conversation.sample().ok_or(EncodeError::NeedsChat { turns: conversation.turns().len() })?;
        let encode = |tokens_max| {
            let config = DataConfig { template: frame.clone(), tokens_max, ..DataConfig::default() };
            encode_sample(conversation.hash(), &sample, self.tokenizer, &config)
        };
        let whole = encode(usize::MAX)?;
        let tokens = whole.tokens().len();
        let sample = if tokens > self.tokens_max { encode(self.tokens_max)? } else { whole };
        let sample = match self.train_on {
            TrainOn::Answers | TrainOn::LastAnswer => sample,
            TrainOn::All => EncodedSample::new(sample.id(), sample.tokens().to_vec(), 1),
        };
        Ok(Encoded { sample, tokens })
    }

    fn encode_chat(&self, conversation: &Conversation, located: Located, name: &str) -> Result<Encoded, EncodeError> {
        // The template writes the token that begins a sequence, or none is wanted.
        let RenderedTokens { mut tokens, offsets } = self.tokenizer.encode_rendered(&located.text)?;
        let mut answers = Vec::with_capacity(located.answers.len());
        let mut end_token = None;
        for answer in &located.answers {
            let range =
                self.token_range(&located.text, answer, &tokens, &offsets).ok_or_else(|| TemplateError::NoEnd {
                    name: name.to_owned(),
                    follows: located.text[answer.end..].chars().take(24).collect(),
                })?;
            let (first, other) = (*end_token.get_or_insert(tokens[range.end - 1]), tokens[range.end - 1]);
            if first != other {
                return Err(TemplateError::Ends { name: name.to_owned(), first, other }.into());
            }
            answers.push(range);
        }
        let turns = conversation.turns().iter().filter(|turn| turn.role == Role::Assistant);
        let mut trained: Vec<Range<usize>> =
            turns.zip(answers).filter(|(turn, _)| turn.trained).map(|(_, range)| range).collect();
        match self.train_on {
            TrainOn::Answers => {}
            TrainOn::LastAnswer => drop(trained.drain(..trained.len().saturating_sub(1))),
            TrainOn::All => trained = once(0..tokens.len()).collect(),
        }
        let whole = tokens.len();
        tokens.truncate(self.tokens_max);
        Ok(Encoded { sample: EncodedSample::with_ranges(conversation.hash(), tokens, trained), tokens: whole })
    }

    /// The tokens of the answer in bytes `answer` of `text`, with the token that ends it; `None` if none does.
    ///
    /// A token that holds text of both the prompt and the answer counts to the answer. Between the answer and its end only
    /// spaces may stand.
    fn token_range(
        &self,
        text: &str,
        answer: &Range<usize>,
        tokens: &[u32],
        offsets: &[(usize, usize)],
    ) -> Option<Range<usize>> {
        let is_end = |index: usize| self.ends.contains(&tokens[index]);
        let first = offsets.iter().enumerate().position(|(index, (start, end))| {
            // A head such as `<|assistant|>` may swallow the spaces behind it; it stays a head.
            *end > answer.start && !(*start < answer.start && is_end(index))
        })?;
        let beyond = |index: usize| text[offsets[index].0.max(answer.end)..offsets[index].1].trim();
        let end = (first..tokens.len())
            .filter(|index| offsets[*index].1 > answer.end)
            .find(|index| is_end(*index) || !beyond(*index).is_empty())?;
        is_end(end).then_some(first..end + 1)
    }
}
