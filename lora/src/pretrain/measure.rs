//! What the embedded base model can do in conversation, measured on questions whose wording it was never taught.
//!
//! Loss says little about a conversation, so this asks: each group has its own wordings, that the corpus does not contain
//! (a test holds the corpus to that), with subjects and values drawn anew.

use super::chat::{KINDS, Village};
use super::grammar::say;
use super::world::{place_name, surname};
use crate::data::{ChatTemplate, Role, TemplateError, Turn};
use crate::error::{GenerateError, TokenizerError};
use crate::generate::Generation;
use crate::lora::Adapter;
use crate::model::Model;
use crate::random::Random;
use crate::sampling::SamplingConfig;
use crate::tokenizer::Tokenizer;
use std::collections::HashSet;

/// Longest answer.
const ANSWER_TOKENS: usize = 80;

/// How one group of questions was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    /// What was asked for.
    pub group: &'static str,
    /// Answers that hold what is expected.
    pub right: usize,
    /// All answers.
    pub asked: usize,
}

/// What [`measure`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measures {
    /// Groups of questions.
    pub scores: Vec<Score>,
    /// Answers that the model ended itself, of all.
    pub ended: usize,
    /// Answers that are sentences: a capital or a figure first, a mark last, every word one of the corpus or of the
    /// conversation.
    pub sentences: usize,
    /// All answers.
    pub answers: usize,
    /// Every question with its answer and whether it was right.
    pub transcript: Vec<(String, String, bool)>,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum ConverseError {
    /// The chat template refuses the turns.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The model has no chat template.
    #[error("the model has no chat template; hint: a model folder with \"chat_template\" in tokenizer_config.json")]
    NoTemplate,
    /// Nothing could be generated.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// Text conversion failed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// Wordings for what was told before, in the order of [`KINDS`].
const TOLD: &[(usize, &str)] = &[
    (0, "I have forgotten my name. What is it?"),
    (0, "Could you say what I am called?"),
    (0, "And my name was?"),
    (1, "Could you name my favourite colour?"),
    (1, "Which colour is my favourite one?"),
    (2, "Could you say what I like to eat?"),
    (2, "Which food is my favourite one?"),
    (3, "Could you say how my {v} is called?"),
    (3, "Which name does my {v} have?"),
    (4, "What kind of animal do I own?"),
    (5, "Could you say what my work is?"),
    (6, "Could you say where my home is?"),
    (6, "From which town do I come?"),
    (7, "Could you name my instrument?"),
    (8, "Which name does my {v} have?"),
    (9, "Could you say where my {v} is?"),
    (9, "In what room did I leave the {v}?"),
    (10, "Could you say when I was born?"),
    (11, "Could you say how old I am?"),
    (13, "Could you say when I will see {v}?"),
    (15, "Of which colour is my {v}?"),
    (16, "Which person gave me the {w}?"),
];

/// Wordings for what everybody knows, with what the answer must hold.
const KNOWN: &[(&str, &str)] = &[
    ("Would you tell me your name?", "Tiny"),
    ("How are you called?", "Tiny"),
    ("Are you a human being?", "language model"),
    ("Which colour do you like best?", "blue"),
    ("Hello Tiny, are you well today?", "fine"),
    ("Could you name the opposite of cold?", "hot"),
    ("What would be the opposite of fast?", "slow"),
    ("What do dogs do? I mean, what does a dog do?", "barks"),
    ("Of which colour is grass?", "green"),
    ("Of which colour is snow?", "white"),
    ("Where do people find a fish?", "water"),
    ("What would I need to write a letter?", "pen"),
    ("What would I need to open a lock?", "key"),
    ("What day will it be after Monday?", "Tuesday"),
    ("After Friday comes which day?", "Saturday"),
    ("After March comes which month?", "April"),
    ("Could you add 2 and 3?", "5"),
    ("Please tell me, what is 4 plus 4?", "8"),
    ("And what is 9 minus 4?", "5"),
    ("Could you name the capital of France?", "Paris"),
    ("Could you name the capital of Japan?", "Tokyo"),
    ("Between a mouse and a horse, which is bigger?", "horse"),
    ("Between a cat and a whale, which is bigger?", "whale"),
    ("Would you say that an oak is a tree?", "tree"),
    ("Could you explain what a library is?", "books"),
    ("How many days make a week?", "seven"),
    ("How many months make a year?", "twelve"),
    ("Could you thank me? Thank you so much!", "welcome"),
    ("I am so sad today, my friend.", "sorry"),
    ("I feel very happy this morning.", "glad"),
    ("I have to leave now. Goodbye, my friend!", "Goodbye"),
    ("Could you tell me some story about a fox?", "fox"),
];

/// Wordings for somebody whom nobody knows.
const UNKNOWN: &[&str] = &[
    "Could you tell me who {s} is?",
    "Have you met {s}?",
    "Could you say what {s} likes to eat?",
    "Could you say which animal {s} keeps?",
    "Could you say how many bridges {t} has?",
    "Could you tell me about {t}?",
];

/// What the model answers to `turns`, and whether it ended the answer itself.
fn answer(
    model: &Model,
    adapter: Option<&Adapter>,
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    turns: &[Turn],
) -> Result<(String, bool), ConverseError> {
    let prompt = tokenizer.encode_rendered(&template.render(turns, true)?)?.tokens;
    let config = SamplingConfig { tokens_max: ANSWER_TOKENS, ..SamplingConfig::default() };
    let tokens: Vec<u32> =
        Generation::new(model, adapter, &prompt, tokenizer.ends(), config)?.collect::<Result<_, _>>()?;
    let ended = tokens.len() < ANSWER_TOKENS;
    Ok((tokenizer.decode(&tokens)?.trim().to_owned(), ended))
}

/// A conversation: what the user says, line by line, and what the model answers, each with all that came before.
pub fn converse(
    model: &Model,
    adapter: Option<&Adapter>,
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    lines: &[&str],
) -> Result<Vec<Turn>, ConverseError> {
    let mut turns = Vec::new();
    for line in lines {
        turns.push(Turn::new(Role::User, *line));
        let (text, _) = answer(model, adapter, tokenizer, template, &turns)?;
        turns.push(Turn::new(Role::Assistant, text));
    }
    Ok(turns)
}

/// Asks the model everything, greedily; `seed` is that of its recipe, so that the world is the one it knows.
pub fn measure(
    model: &Model,
    adapter: Option<&Adapter>,
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    seed: u64,
) -> Result<Measures, ConverseError> {
    let words = corpus_words(seed);
    let mut found = Measures { scores: Vec::new(), ended: 0, sentences: 0, answers: 0, transcript: Vec::new() };
    for (group, questions) in questions(seed) {
        let mut score = Score { group, right: 0, asked: questions.len() };
        for Question { turns, expected, refused } in questions {
            let (text, ended) = answer(model, adapter, tokenizer, template, &turns)?;
            let heard: HashSet<String> = turns.iter().flat_map(|turn| words_of(&turn.text)).collect();
            let is_right = text.to_lowercase().contains(&expected.to_lowercase())
                && refused.is_none_or(|refused| !text.contains(refused));
            score.right += usize::from(is_right);
            found.ended += usize::from(ended);
            found.sentences += usize::from(is_sentence(&text, &words, &heard));
            found.answers += 1;
            let asked: Vec<&str> = turns.iter().map(|turn| turn.text.as_str()).collect();
            found.transcript.push((asked.join(" / "), text, is_right));
        }
        found.scores.push(score);
    }
    Ok(found)
}

struct Question {
    turns: Vec<Turn>,
    expected: String,
    /// What the answer may not hold.
    refused: Option<&'static str>,
}

fn questions(seed: u64) -> Vec<(&'static str, Vec<Question>)> {
    let random = &mut Random::new(seed, "held-out questions");
    let village = Village::of(seed);
    let user = |text: String| Turn::new(Role::User, text);
    let assistant = |text: String| Turn::new(Role::Assistant, text);

    let mut told = Vec::new();
    let mut told_before = Vec::new();
    for round in 0..4 {
        for (kind, asked) in TOLD {
            let kind = &KINDS[*kind];
            let (value, second) = kind.values(random);
            let slots = [("v", value.as_str()), ("w", second.as_str())];
            let mut turns = vec![user(say(kind.tell, &slots, random)), assistant(say(kind.reply, &slots, random))];
            if round % 2 == 1 {
                // Something else is said in between.
                let between = [
                    ("How are you?", "I am fine, thank you. How are you?"),
                    ("I am fine.", "I am glad to hear that. What shall we talk about?"),
                ];
                turns.extend(between.into_iter().flat_map(|(a, b)| [user(a.into()), assistant(b.into())]));
            }
            turns.push(user(say(asked, &slots, random)));
            let question =
                Question { turns, expected: kind.told(&value, &second).to_owned(), refused: Some("not told") };
            if round % 2 == 1 { told_before.push(question) } else { told.push(question) }
        }
    }
    let read = (0..60).map(|_| Village::held_out_reading(random)).collect::<Vec<_>>();
    let read = read
        .into_iter()
        .map(|(text, expected)| Question { turns: vec![user(text)], expected, refused: Some("do not know") })
        .collect();
    let remembered = village
        .held_out(random, 60)
        .into_iter()
        .map(|(text, expected)| Question { turns: vec![user(text)], expected, refused: Some("do not know") })
        .collect();
    let known = KNOWN
        .iter()
        .map(|(text, expected)| Question {
            turns: vec![user((*text).to_owned())],
            expected: (*expected).to_owned(),
            refused: None,
        })
        .collect();
    let unknown = (0..36)
        .map(|index| {
            let person = format!("{} {}", random.pick(super::lexicon::PEOPLE), surname(random));
            let slots = [("s", person.as_str()), ("t", &place_name(random))];
            let text = say(UNKNOWN[index % UNKNOWN.len()], &slots, random);
            Question { turns: vec![user(text)], expected: "do not know".into(), refused: None }
        })
        .collect();
    vec![
        ("told one turn before", told),
        ("told three turns before", told_before),
        ("read in a text", read),
        ("facts of the known world", remembered),
        ("small talk and what everybody knows", known),
        ("says that it does not know", unknown),
    ]
}

/// The words of a stretch of the corpus.
fn corpus_words(seed: u64) -> HashSet<String> {
    super::Corpus::new(seed, "stage 1").take(20_000).flat_map(|document| words_of(&document.text())).collect()
}

fn words_of(text: &str) -> Vec<String> {
    let parts = text.split(|letter: char| !letter.is_alphanumeric() && letter != '\'');
    parts.filter(|part| !part.is_empty()).map(str::to_lowercase).collect()
}

fn is_sentence(text: &str, words: &HashSet<String>, heard: &HashSet<String>) -> bool {
    text.starts_with(|first: char| first.is_uppercase() || first.is_ascii_digit())
        && text.ends_with(['.', '!', '?', '"'])
        && words_of(text).iter().all(|word| words.contains(word) || heard.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pretrain::corpus::{Corpus, Document};

    #[test]
    fn the_corpus_does_not_have_the_held_out_wordings() {
        let said: HashSet<String> = Corpus::new(20_261_121, "stage 1")
            .take(20_000)
            .flat_map(|document| match document {
                Document::Chat { turns, .. } => turns.into_iter().map(|turn| turn.text.to_lowercase()).collect(),
                _ => Vec::new(),
            })
            .collect();
        for (group, questions) in questions(20_261_121) {
            assert!(questions.len() >= 30, "{group}");
            for Question { turns, .. } in questions {
                let asked = turns.last().unwrap().text.to_lowercase();
                assert!(!said.contains(&asked), "{asked}");
            }
        }
    }

    #[test]
    fn sentences_are_told_from_scraps() {
        let words = HashSet::from(["the".to_owned(), "cat".into(), "sleeps".into()]);
        let heard = HashSet::from(["pepper".to_owned()]);
        assert!(is_sentence("The cat Pepper sleeps.", &words, &heard));
        for scrap in ["the cat sleeps.", "The cat sleeps", "The catt sleeps.", ""] {
            assert!(!is_sentence(scrap, &words, &heard), "{scrap}");
        }
    }
}
