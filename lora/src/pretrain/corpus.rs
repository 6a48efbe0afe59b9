//! The documents that the embedded base model learns from, written by rules.
//!
//! What they should teach: plain English sentences; to hold a short conversation ([`chat`]); the prompt template; that a
//! question asked in other words has the same answer; and to take an answer from a text that stands before the question.
//! The invented world is fixed by the seed and its facts come back in many phrasings, so that answering from memory is
//! learnt too; texts with questions use subjects that occur once, so that they can only be answered by reading.

use super::chat::{self, Village};
use super::grammar::capitalised;
use super::world::Subject;
use super::{everyday, stories};
use crate::batch::EncodedSample;
use crate::data::{Conversation, EncodeError, Encoder, Role, TrainOn, Turn};
use crate::random::Random;
use crate::tokenizer::Tokenizer;
use tributary_protocol::ContentHash;

/// One text of the corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// Sentences.
    Text(String),
    /// A question and its answer, for the prompt template.
    Question { prompt: String, answer: String, answer_only: bool },
    /// A conversation, for the chat template.
    Chat { turns: Vec<Turn>, answers_only: bool },
}

/// The endless corpus of one seed.
pub(super) struct Corpus {
    random: Random,
    village: Village,
}

impl Corpus {
    /// The corpus of `seed`. Documents of different `part`s are about the same world.
    pub(super) fn new(seed: u64, part: &str) -> Self {
        Self { random: Random::new(seed, &format!("corpus {part}")), village: Village::of(seed) }
    }

    fn question(&mut self, (prompt, answer): (String, String)) -> Document {
        // Half of them teach the answer alone: what is asked next cannot be guessed, and would drown what is to be learnt.
        Document::Question { prompt, answer, answer_only: self.random.below(2) == 0 }
    }

    fn known(&mut self) -> &Subject {
        let count = self.village.subjects().count();
        let index = self.random.below(count);
        // The index is below the count, so there always is one.
        self.village.subjects().nth(index).unwrap_or_else(|| unreachable!("{index} of {count} subjects"))
    }

    /// A question about a fact that comes back all over the corpus.
    fn memory_question(&mut self) -> Document {
        let random = &mut Random::new(self.random.below(1 << 48) as u64, "question from memory");
        let subject = self.known();
        let asked = subject.question(random.below(subject.facts.len()), random);
        self.question(asked)
    }

    /// A question and a text that answers it.
    fn reading_question(&mut self) -> Document {
        let random = &mut self.random;
        let subject = if random.below(2) == 0 { Subject::town(random) } else { Subject::person(random) };
        let facts = choose(subject.facts.len(), 3, random);
        let text: Vec<String> = facts.iter().map(|fact| subject.statement(*fact, random)).collect();
        let asked = random.pick(&facts);
        let (question, answer) = subject.question(asked, random);
        let text = text.join(" ");
        let prompt = match random.below(2) {
            0 => format!("{question}\n\n{text}"),
            _ => format!("{text} {question}"),
        };
        self.question((prompt, answer))
    }

    fn description(&mut self) -> Document {
        let random = &mut Random::new(self.random.below(1 << 48) as u64, "description");
        let subject = self.known();
        let facts = choose(subject.facts.len(), 4, random);
        let text: Vec<String> = facts.iter().map(|fact| subject.statement(*fact, random)).collect();
        Document::Text(capitalised(&text.join(" ")))
    }
}

impl Iterator for Corpus {
    type Item = Document;

    fn next(&mut self) -> Option<Document> {
        Some(match self.random.below(20) {
            0..4 => self.memory_question(),
            4..8 => self.reading_question(),
            8 => {
                let asked = everyday::question(&mut self.random);
                self.question(asked)
            }
            9 => self.description(),
            10 => Document::Text(stories::story(&mut self.random)),
            _ => {
                let turns = chat::conversation(&self.village, &mut self.random);
                Document::Chat { turns, answers_only: self.random.below(2) == 0 }
            }
        })
    }
}

impl Document {
    /// All that is said in it, for learning a tokenizer.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Question { prompt, answer, .. } => format!("Question: {prompt}\nAnswer: {answer}"),
            // A turn follows a space, as the chat template has it.
            Self::Chat { turns, .. } => turns.iter().map(|turn| format!(" {}", turn.text)).collect(),
        }
    }
}

/// The first `count` documents of the corpus of `seed`, to be read: turns of conversations on lines of their own.
pub fn documents(seed: u64, count: usize) -> Vec<String> {
    let shown = |document| match document {
        Document::Chat { turns, .. } => {
            let lines: Vec<String> = turns.into_iter().map(|turn| format!("{}: {}", turn.role, turn.text)).collect();
            lines.join("\n")
        }
        other => other.text(),
    };
    Corpus::new(seed, "stage 1").take(count).map(shown).collect()
}

/// Documents to samples.
pub(super) struct Encoders<'a> {
    tokenizer: &'a Tokenizer,
    plain: [Encoder<'a>; 2],
    chat: [Encoder<'a>; 2],
}

impl<'a> Encoders<'a> {
    /// Encoders of the model whose tokenizer this is; `template` makes its chat template.
    pub(super) fn new(
        tokenizer: &'a Tokenizer,
        tokens_max: usize,
        template: impl Fn() -> Result<crate::data::ChatTemplate, crate::data::TemplateError>,
    ) -> Result<Self, EncodeError> {
        let config = crate::dataset::DataConfig { tokens_max, ..Default::default() };
        let plain = |train_on| Encoder::plain(tokenizer, &config, train_on);
        let chat = |train_on| Encoder::chat(tokenizer, template()?, tokens_max, train_on);
        Ok(Self {
            tokenizer,
            plain: [plain(TrainOn::All), plain(TrainOn::Answers)],
            chat: [chat(TrainOn::All)?, chat(TrainOn::Answers)?],
        })
    }

    pub(super) fn encode(&self, document: Document) -> Result<EncodedSample, EncodeError> {
        match document {
            Document::Text(text) => {
                let mut tokens = self.tokenizer.encode(&text)?;
                tokens.push(self.tokenizer.end());
                Ok(EncodedSample::new(ContentHash::of(text.as_bytes()), tokens, 1))
            }
            Document::Question { prompt, answer, answer_only } => {
                let turns = vec![Turn::new(Role::User, prompt), Turn::new(Role::Assistant, answer)];
                Ok(self.plain[usize::from(answer_only)].encode(&conversation(turns)?)?.sample)
            }
            Document::Chat { turns, answers_only } => {
                Ok(self.chat[usize::from(answers_only)].encode(&conversation(turns)?)?.sample)
            }
        }
    }
}

fn conversation(turns: Vec<Turn>) -> Result<Conversation, EncodeError> {
    let count = turns.len();
    // The generator writes pairs of turns; a test holds it to that.
    Conversation::new(turns).map_err(|_| EncodeError::NeedsChat { turns: count })
}

/// `count` different numbers below `bound`, in random order.
fn choose(bound: usize, count: usize, random: &mut Random) -> Vec<usize> {
    let mut all: Vec<usize> = (0..bound).collect();
    random.shuffle(&mut all);
    all.truncate(count);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_complete_and_repeatable() {
        let of = |seed, part| Corpus::new(seed, part).take(400).collect::<Vec<_>>();
        let corpus = of(1, "a");
        assert_eq!(corpus, of(1, "a"));
        assert_ne!(corpus, of(2, "a"));
        assert_ne!(corpus, of(1, "b"));
        let texts: Vec<String> = corpus.iter().map(Document::text).collect();
        assert!(texts.iter().all(|text| !text.contains(['{', '}', '[', ']']) && text.len() < 2000));
        let chats = corpus.iter().filter(|document| matches!(document, Document::Chat { .. })).count();
        assert!((120..240).contains(&chats), "{chats}");
    }
}
