//! The text that the embedded base model learns from, written by rules.
//!
//! What it should teach: plain English sentences; the prompt template; that a question asked in other words has the same
//! answer; and to take an answer from a text that stands before the question. The invented world is fixed by the seed and
//! its facts come back in many phrasings, so that answering from memory is learnt too; texts with questions use subjects
//! that occur once, so that they can only be answered by reading.

use super::world::{Subject, capitalised};
use super::{everyday, stories};
use crate::dataset::PromptTemplate;
use crate::random::Random;

/// Subjects whose facts come back all over the corpus.
const KNOWN_SUBJECTS: usize = 40;

/// Writes `count` documents; the same seed writes the same ones.
pub fn documents(seed: u64, count: usize) -> Vec<String> {
    let mut random = Random::new(seed, "corpus");
    let template = PromptTemplate::default();
    let ask = |prompt: &str, answer: &str| format!("{} {answer}", template.prompt(prompt));
    let subject = |random: &mut Random| match random.below(2) {
        0 => Subject::town(random),
        _ => Subject::person(random),
    };
    let known: Vec<Subject> = (0..KNOWN_SUBJECTS).map(|_| subject(&mut random)).collect();
    let mut documents = Vec::with_capacity(count);
    for _ in 0..count {
        // Out of twenty: eight questions from memory, five from a text, two everyday ones, two descriptions, three stories.
        documents.push(match random.below(20) {
            0..8 => {
                let subject = &known[random.below(known.len())];
                let (question, answer) = subject.question(random.below(subject.facts.len()), &mut random);
                ask(&question, &answer)
            }
            8..13 => {
                let subject = subject(&mut random);
                let facts = choose(subject.facts.len(), 3, &mut random);
                let text: Vec<String> = facts.iter().map(|fact| subject.statement(*fact, &mut random)).collect();
                let asked = random.pick(&facts);
                let (question, answer) = subject.question(asked, &mut random);
                ask(&format!("{question}\n\n{}", text.join(" ")), &answer)
            }
            13..15 => {
                let (question, answer) = everyday::question(&mut random);
                ask(&question, &answer)
            }
            15..17 => {
                let subject = &known[random.below(known.len())];
                let facts = choose(subject.facts.len(), 4, &mut random);
                let text: Vec<String> = facts.iter().map(|fact| subject.statement(*fact, &mut random)).collect();
                capitalised(&text.join(" "))
            }
            _ => stories::story(&mut random),
        });
    }
    documents
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
        let corpus = documents(1, 400);
        assert_eq!(corpus, documents(1, 400));
        assert_ne!(corpus, documents(2, 400));
        assert!(corpus.iter().all(|document| !document.contains(['{', '}']) && document.len() < 1000));
        let asked = corpus.iter().filter(|document| document.starts_with("Question: ")).count();
        assert!((200..400).contains(&asked), "{asked}");
    }
}
