//! What conversations are put into.

use super::conversation::Turn;
use super::encode::EncodeError;
use super::template::ChatTemplate;
use crate::dataset::{DataConfig, PromptStyle, PromptTemplate};
use crate::tokenizer::Tokenizer;
use std::sync::Arc;

/// How conversations become text.
#[derive(Clone, Debug)]
pub(super) enum Style {
    /// One exchange in a fixed frame.
    Plain(PromptTemplate),
    Chat(Arc<ChatTemplate>),
}

impl Style {
    /// The style of `config`. Errors: a chat template that the model does not have, or that cannot be used.
    pub(super) fn of(tokenizer: &Tokenizer, config: &DataConfig) -> Result<Self, EncodeError> {
        match config.style {
            PromptStyle::Plain => Ok(Self::Plain(config.template.clone())),
            PromptStyle::Chat => {
                let template = tokenizer.chat_template()?.ok_or(EncodeError::NoTemplate)?;
                Ok(Self::Chat(template.clone()))
            }
        }
    }

    /// The chat template's name, if one is used.
    pub(super) fn template_name(&self) -> Option<&str> {
        match self {
            Self::Plain(_) => None,
            Self::Chat(template) => Some(template.name()),
        }
    }
}

/// Texts of special tokens, which nobody may write where a template is what writes them.
#[derive(Debug)]
pub(super) struct SpecialTexts(Vec<String>);

impl SpecialTexts {
    pub(super) fn of(tokenizer: &Tokenizer) -> Self {
        // A text of one character cannot be told from ordinary writing.
        let added = tokenizer.added_tokens().into_iter();
        let specials = added.filter(|token| token.special && token.text.chars().count() > 1);
        Self(specials.map(|token| token.text).collect())
    }

    /// Errors: a turn that holds one of them.
    pub(super) fn refuse(&self, turns: &[Turn]) -> Result<(), EncodeError> {
        for (turn, said) in (1..).zip(turns) {
            if let Some(token) = self.0.iter().find(|token| said.text.contains(token.as_str())) {
                return Err(EncodeError::SpecialText { turn, role: said.role, token: token.clone() });
            }
        }
        Ok(())
    }
}
