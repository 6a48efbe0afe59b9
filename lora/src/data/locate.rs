//! Where the assistant speaks in a rendered text.
//!
//! `{% generation %}` marks are rare, and templates trim, move and rewrite text, so the place is found by rendering again:
//!
//! 1. *Marks.* Every answer is replaced by a word that stands nowhere else. What stands around the words is the template's
//!    own text; putting the answers back (as they are, or trimmed on one side or both) must give the rendered text byte for
//!    byte, or the method says nothing.
//! 2. *Prefixes*, where a template rewrites answers (leaves out earlier reasoning, say): the text up to the generation
//!    prompt must be a prefix of the whole, and with only this answer replaced by a word, what follows the word must be a
//!    suffix of the text up to the next answer.
//!
//! The answer begins where the generation prompt ends, since this is where the model begins to write, or else at its text.
//! If both methods fail the template is refused by name.

use super::conversation::{Conversation, Role};
use super::template::{ChatTemplate, TemplateError};
use std::ops::Range;

/// A text, and the bytes of it that the assistant says: one range for each of its turns, without the turn's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The rendered conversation.
    pub text: String,
    /// The assistant's turns, in order.
    pub answers: Vec<Range<usize>>,
}

/// Renders `conversation` and finds what the assistant says.
///
/// Cost: one rendering and about one more for each turn of the assistant.
pub fn locate(template: &ChatTemplate, conversation: &Conversation) -> Result<Located, TemplateError> {
    let finder = Finder::new(template, conversation)?;
    let answers = match finder.by_marks() {
        Some(answers) => finder.begun_by_generation_prompts(answers),
        None => finder.by_prefixes()?,
    };
    Ok(Located { text: finder.text, answers })
}

struct Finder<'a> {
    template: &'a ChatTemplate,
    conversation: &'a Conversation,
    text: String,
    /// Indices of the assistant's turns.
    answers: Vec<usize>,
    /// Makes the marks words that the text does not have.
    salt: u32,
}

impl<'a> Finder<'a> {
    fn new(template: &'a ChatTemplate, conversation: &'a Conversation) -> Result<Self, TemplateError> {
        let turns = conversation.turns();
        let text = template.render(turns, false)?;
        let lost = turns.iter().position(|turn| turn.role != Role::Assistant && !text.contains(turn.text.trim()));
        if let Some(lost) = lost {
            return Err(TemplateError::LosesTurn {
                name: template.name().to_owned(),
                turn: lost + 1,
                role: turns[lost].role,
            });
        }
        let answers = (0..turns.len()).filter(|index| turns[*index].role == Role::Assistant).collect();
        let taken = |salt: &u32| turns.iter().any(|turn| turn.text.contains(&end_of_mark(*salt)));
        let salt = (0..).find(|salt| !taken(salt)).unwrap_or_default();
        Ok(Self { template, conversation, text, answers, salt })
    }

    fn mark(&self, answer: usize) -> String {
        format!("qzanswer{answer}{}", end_of_mark(self.salt))
    }

    /// The texts of the first `count` turns, those of `answers` replaced by their marks.
    fn render_marked(&self, count: usize, answers: &[usize], prompt: bool) -> Option<String> {
        let turns = &self.conversation.turns()[..count];
        let marks: Vec<(usize, String)> = answers.iter().map(|turn| (*turn, self.mark(*turn))).collect();
        let mut texts: Vec<&str> = turns.iter().map(|turn| turn.text.as_str()).collect();
        for (turn, mark) in &marks {
            *texts.get_mut(*turn)? = mark;
        }
        self.template.render_texts(turns, &texts, prompt).ok()
    }

    fn by_marks(&self) -> Option<Vec<Range<usize>>> {
        let turns = self.conversation.turns();
        let marked = self.render_marked(turns.len(), &self.answers, false)?;
        let mut around = Vec::with_capacity(self.answers.len());
        let mut rest = marked.as_str();
        for answer in &self.answers {
            let (before, after) = rest.split_once(&self.mark(*answer))?;
            around.push(before);
            rest = after;
        }
        if rest.contains(&end_of_mark(self.salt)) || around.iter().any(|text| text.contains(&end_of_mark(self.salt))) {
            return None;
        }
        let forms: [fn(&str) -> &str; 4] = [|text| text, str::trim, str::trim_end, str::trim_start];
        forms.into_iter().find_map(|form| {
            let mut rebuilt = String::with_capacity(self.text.len());
            let mut ranges = Vec::with_capacity(self.answers.len());
            for (before, answer) in around.iter().zip(&self.answers) {
                rebuilt.push_str(before);
                let start = rebuilt.len();
                rebuilt.push_str(form(&turns[*answer].text));
                ranges.push(start..rebuilt.len());
            }
            rebuilt.push_str(rest);
            (rebuilt == self.text).then_some(ranges)
        })
    }

    /// Lets each answer begin where its generation prompt ends, if that is before its text.
    fn begun_by_generation_prompts(&self, ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
        let begin = |(range, answer): (Range<usize>, &usize)| match self.prompt_end(*answer) {
            // A template without generation prompts says nothing about its own header before the text.
            Some(end)
                if end <= range.start && (self.template.prompts() || self.text[end..range.start].trim().is_empty()) =>
            {
                end..range.end
            }
            _ => range,
        };
        ranges.into_iter().zip(&self.answers).map(begin).collect()
    }

    /// Where the generation prompt before turn `answer` ends, if the whole text begins like that.
    fn prompt_end(&self, answer: usize) -> Option<usize> {
        let prompt = self.template.render(&self.conversation.turns()[..answer], true).ok()?;
        (answer > 0 && self.text.starts_with(&prompt)).then_some(prompt.len())
    }

    fn by_prefixes(&self) -> Result<Vec<Range<usize>>, TemplateError> {
        let found = self.answers.iter().enumerate().map(|(place, &answer)| {
            let undecided = || TemplateError::Undecided { name: self.template.name().to_owned(), turn: answer + 1 };
            let next = self.answers.get(place + 1).copied();
            self.by_prefix(answer, next).ok_or_else(undecided)
        });
        found.collect()
    }

    fn by_prefix(&self, answer: usize, next: Option<usize>) -> Option<Range<usize>> {
        let turns = self.conversation.turns();
        let start = self.prompt_end(answer)?;
        let (upto, marked) = match next {
            Some(next) => (self.prompt_end(next)?, self.render_marked(next, &[answer], true)?),
            None => (self.text.len(), self.render_marked(turns.len(), &[answer], false)?),
        };
        let (_, after) = marked.split_once(&self.mark(answer))?;
        let said = self.text.get(start..upto)?.strip_suffix(after)?;
        // Whatever was left out, the answer must end as it does in the data: else it is not this text that was found.
        let last = said.split_whitespace().next_back()?;
        turns[answer].text.trim_end().ends_with(last).then_some(start..start + said.len())
    }
}

fn end_of_mark(salt: u32) -> String {
    format!("x{salt}zq")
}
