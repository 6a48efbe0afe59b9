//! What a model learns from: turns of a conversation.

use serde::{Deserialize, Serialize};
use std::fmt;
use tributary_protocol::ContentHash;
use tributary_protocol::sample::Sample;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that hold for the whole conversation; only its first turn.
    System,
    /// Who asks.
    User,
    /// The model: what is trained.
    Assistant,
}

impl Role {
    /// The role's name in chat templates.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said, as it is: not trimmed.
    pub text: String,
    /// Whether it is trained, if it is the assistant's.
    pub trained: bool,
}

impl Turn {
    /// A turn that is trained if it is the assistant's.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into(), trained: role == Role::Assistant }
    }
}

/// Why turns are no conversation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConversationFault {
    /// There are none.
    #[error("no turns; hint: at least one turn of the user and one of the assistant")]
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
    /// Nobody answers at the end.
    #[error("the last turn is by the {role}; hint: a conversation ends with a turn of the assistant")]
    NoAnswer {
        /// Who speaks last.
        role: Role,
    },
}

/// Turns of which the last is the assistant's; only the first may be the system's; all have text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conversation {
    turns: Vec<Turn>,
}

impl Conversation {
    /// A conversation of `turns`.
    pub fn new(turns: Vec<Turn>) -> Result<Self, ConversationFault> {
        let last = turns.last().ok_or(ConversationFault::Empty)?;
        if last.role != Role::Assistant {
            return Err(ConversationFault::NoAnswer { role: last.role });
        }
        for (turn, said) in (1..).zip(&turns) {
            if said.text.trim().is_empty() {
                return Err(ConversationFault::NoText { turn, role: said.role });
            }
            if turn > 1 && said.role == Role::System {
                return Err(ConversationFault::LateSystem { turn });
            }
        }
        Ok(Self { turns })
    }

    /// Two exchanges by which a chat template is tried.
    pub(super) fn trial() -> Self {
        let exchange = [Turn::new(Role::User, "Trial question."), Turn::new(Role::Assistant, "Trial answer.")];
        Self { turns: [exchange.clone(), exchange].concat() }
    }

    /// The turns.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// The sample that this is: one question of the user and one answer, without a system turn.
    pub fn sample(&self) -> Option<Sample> {
        match self.turns.as_slice() {
            [
                Turn { role: Role::User, text: prompt, .. },
                Turn { role: Role::Assistant, text: completion, trained: true },
            ] => Some(Sample { prompt: prompt.clone(), completion: completion.clone() }),
            _ => None,
        }
    }

    /// By what a conversation is known and put on one side of the division: roles, texts, what is trained.
    pub fn hash(&self) -> ContentHash {
        self.hash_of(|text| text)
    }

    /// By what conversations are recognised as copies: as [`Self::hash`], but for spaces around the texts, which change
    /// nothing of what is learnt.
    pub(super) fn meaning(&self) -> ContentHash {
        self.hash_of(str::trim)
    }

    fn hash_of(&self, form: impl Fn(&str) -> &str) -> ContentHash {
        let mut hash = blake3::Hasher::new_derive_key("tributary.network 2026-11 conversation v1");
        for turn in &self.turns {
            let text = form(&turn.text);
            hash.update(&[turn.role as u8, u8::from(turn.trained)]);
            // The length fixes where the turn ends.
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        ContentHash(*hash.finalize().as_bytes())
    }
}

impl From<&Sample> for Conversation {
    /// A sample's prompt is the user's turn and its completion the assistant's.
    fn from(sample: &Sample) -> Self {
        Self { turns: vec![Turn::new(Role::User, &*sample.prompt), Turn::new(Role::Assistant, &*sample.completion)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_conversations_of_one_exchange_are_the_same() {
        let sample = Sample { prompt: " why?\n".into(), completion: "so".into() };
        assert_eq!(Conversation::from(&sample).sample(), Some(sample));
        let system = Conversation::new(vec![Turn::new(Role::System, "s"), Turn::new(Role::Assistant, "a")]).unwrap();
        assert_eq!(system.sample(), None);
    }

    #[test]
    fn the_hash_tells_turns_from_each_other() {
        let of = |turns: &[(Role, &str)]| {
            Conversation::new(turns.iter().map(|(role, text)| Turn::new(*role, *text)).collect()).unwrap().hash()
        };
        use Role::{Assistant, User};
        assert_ne!(of(&[(User, "ab"), (Assistant, "c")]), of(&[(User, "a"), (Assistant, "bc")]));
        assert_ne!(of(&[(Assistant, "a"), (Assistant, "c")]), of(&[(User, "a"), (Assistant, "c")]));
        assert_eq!(of(&[(User, "a"), (Assistant, "c")]), of(&[(User, "a"), (Assistant, "c")]));
    }

    #[test]
    fn turns_that_teach_nothing_are_refused() {
        let fault = |turns: &[(Role, &str)]| {
            Conversation::new(turns.iter().map(|(role, text)| Turn::new(*role, *text)).collect()).unwrap_err()
        };
        use Role::{Assistant, System, User};
        assert_eq!(fault(&[]), ConversationFault::Empty);
        assert_eq!(fault(&[(Assistant, "a"), (User, "b")]), ConversationFault::NoAnswer { role: User });
        assert_eq!(fault(&[(User, " "), (Assistant, "b")]), ConversationFault::NoText { turn: 1, role: User });
        assert_eq!(fault(&[(User, "a"), (System, "b"), (Assistant, "c")]), ConversationFault::LateSystem { turn: 2 });
    }
}
