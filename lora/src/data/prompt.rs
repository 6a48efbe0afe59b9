//! Conversations to what a model answers.

use super::conversation::{Conversation, Role, Turn};
use super::encode::{EncodeError, Encoder, TrainOn};
use super::style::{SpecialTexts, Style};
use crate::dataset::DataConfig;
use crate::error::TokenizerError;
use crate::tokenizer::Tokenizer;

/// A prompt in tokens, and what ends the answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The tokens up to where the answer begins.
    pub tokens: Vec<u32>,
    /// Tokens that end the answer.
    pub stops: Vec<u32>,
}

/// Why a conversation is no prompt.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// There are no turns.
    #[error("no turns to answer; hint: at least one turn of the user")]
    Empty,
    /// A turn says nothing.
    #[error("turn {turn} ({role}) has no text")]
    NoText {
        /// The turn, from 1.
        turn: usize,
        /// Who speaks.
        role: Role,
    },
    /// A system turn that is not the first.
    #[error("turn {turn} is a system turn; only the first may be one")]
    LateSystem {
        /// The turn, from 1.
        turn: usize,
    },
    /// Nobody asks at the end.
    #[error("the last turn is by the {role}; hint: a prompt ends with a turn of the user")]
    NotAsked {
        /// Who speaks last.
        role: Role,
    },
    /// The frame of a model without chat template holds one question.
    #[error("{turns} turns, but the model has no chat template; hint: one turn of the user is accepted")]
    NeedsChat {
        /// How many turns.
        turns: usize,
    },
    /// The turns cannot be put as the model's chat template says.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Text conversion failed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// Puts conversations to a model as [`Encoder`] puts them when it trains: a prompt is the beginning of what is trained.
#[derive(Debug)]
pub struct Prompter<'a> {
    tokenizer: &'a Tokenizer,
    style: Style,
    specials: SpecialTexts,
    stops: Vec<u32>,
}

impl<'a> Prompter<'a> {
    /// As `config` says; of its settings, frame and style count.
    ///
    /// Errors: a chat template that the model does not have, or that cannot be used.
    pub fn new(tokenizer: &'a Tokenizer, config: &DataConfig) -> Result<Self, EncodeError> {
        let style = Style::of(tokenizer, config)?;
        let mut stops = tokenizer.ends().to_vec();
        if let Style::Chat(template) = &style {
            // Base and chat models of one maker often share the token that ends a sequence, while chats end turns with
            // another. A template of which this cannot be told ends answers by the model's own tokens alone.
            let turn = Encoder::chat(tokenizer, template.clone(), usize::MAX, TrainOn::Answers)
                .and_then(|encoder| encoder.encode(&Conversation::trial()));
            let end = turn.ok().and_then(|turn| {
                let last = turn.sample.trained_ranges().first()?.end - 1;
                turn.sample.tokens().get(last).copied()
            });
            stops.extend(end.filter(|end| !stops.contains(end)));
        }
        Ok(Self { tokenizer, style, specials: SpecialTexts::of(tokenizer), stops })
    }

    /// By the model's own chat template, or in the frame of `config` if it has none.
    ///
    /// Errors: a chat template that cannot be used.
    pub fn of_model(tokenizer: &'a Tokenizer, config: &DataConfig) -> Result<Self, EncodeError> {
        Self::new(tokenizer, &DataConfig { style: tokenizer.prompt_style()?, ..config.clone() })
    }

    /// The chat template's name, if one is used.
    pub fn template_name(&self) -> Option<&str> {
        self.style.template_name()
    }

    /// The prompt that asks for the next turn of the assistant.
    ///
    /// Errors: turns that do not end with the user's, or more than one without a chat template; text that the tokenizer
    /// takes for the end or the head of a turn; turns that the template refuses.
    pub fn prompt(&self, turns: &[Turn]) -> Result<Prompt, PromptError> {
        let last = turns.last().ok_or(PromptError::Empty)?;
        if last.role != Role::User {
            return Err(PromptError::NotAsked { role: last.role });
        }
        for (turn, said) in (1..).zip(turns) {
            if said.text.trim().is_empty() {
                return Err(PromptError::NoText { turn, role: said.role });
            }
            if turn > 1 && said.role == Role::System {
                return Err(PromptError::LateSystem { turn });
            }
        }
        let tokens = match &self.style {
            Style::Plain(_) if turns.len() > 1 => return Err(PromptError::NeedsChat { turns: turns.len() }),
            Style::Plain(frame) => self.tokenizer.encode(&frame.prompt(&last.text))?,
            Style::Chat(template) => {
                self.specials.refuse(turns)?;
                let text = template.render(turns, true).map_err(EncodeError::from)?;
                self.tokenizer.encode_rendered(&text)?.tokens
            }
        };
        Ok(Prompt { tokens, stops: self.stops.clone() })
    }

    /// The prompt of one question: [`Self::prompt`] of one turn of the user.
    pub fn question(&self, text: &str) -> Result<Prompt, PromptError> {
        self.prompt(&[Turn::new(Role::User, text)])
    }
}
