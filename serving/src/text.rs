//! From tokens to text that can be sent: whole characters, and nothing of a stop string.

use std::sync::Arc;
use tributary_lora::{Tokenizer, TokenizerError};

/// Text of a growing list of tokens.
///
/// A token's text may depend on those before it (spaces), and a character may be made of several tokens. So the text that is new
/// is what the last few tokens have more than those of them that were decoded before; it waits while it ends inside a
/// character. Cost: the decoding of a few tokens for each.
#[derive(Debug)]
pub(crate) struct TokenText {
    tokenizer: Arc<Tokenizer>,
    tokens: Vec<u32>,
    /// Tokens from here on give the neighbours that decoding asks for.
    context: usize,
    /// Tokens up to here were returned.
    done: usize,
}

impl TokenText {
    pub(crate) fn new(tokenizer: Arc<Tokenizer>) -> Self {
        Self { tokenizer, tokens: Vec::new(), context: 0, done: 0 }
    }

    /// Adds a token and returns the text that became complete with it, which may be empty.
    pub(crate) fn push(&mut self, token: u32) -> Result<String, TokenizerError> {
        self.tokens.push(token);
        let (before, now) = self.decode()?;
        if now.len() <= before.len() || now.ends_with('\u{fffd}') {
            return Ok(String::new());
        }
        (self.context, self.done) = (self.done, self.tokens.len());
        Ok(now.get(before.len()..).unwrap_or_default().to_owned())
    }

    /// What is left of text that ends inside a character.
    pub(crate) fn finish(&mut self) -> Result<String, TokenizerError> {
        let (before, now) = self.decode()?;
        (self.context, self.done) = (self.done, self.tokens.len());
        Ok(now.get(before.len()..).unwrap_or_default().to_owned())
    }

    /// The text from the context on, as far as it was returned and as a whole.
    fn decode(&self) -> Result<(String, String), TokenizerError> {
        let decode = |to: usize| self.tokenizer.decode(&self.tokens[self.context..to]);
        Ok((decode(self.done)?, decode(self.tokens.len())?))
    }
}

/// Ends text before the first of some strings, wherever the pieces that it comes in are cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct StopStrings {
    stops: Vec<String>,
    /// Text that may be the beginning of a stop string.
    held: String,
}

impl StopStrings {
    /// Empty strings are left out.
    pub(crate) fn new(stops: &[String]) -> Self {
        Self { stops: stops.iter().filter(|stop| !stop.is_empty()).cloned().collect(), held: String::new() }
    }

    /// Adds text and returns what can be sent of it, and the stop string that ended it if one did.
    pub(crate) fn push(&mut self, text: &str) -> (String, Option<String>) {
        if self.stops.is_empty() {
            return (text.to_owned(), None);
        }
        self.held.push_str(text);
        // The earliest; of those at the same place the one that was named first.
        let found = self.stops.iter().filter_map(|stop| Some((self.held.find(stop.as_str())?, stop)));
        if let Some((at, stop)) = found.min_by_key(|(at, _)| *at) {
            let stop = stop.clone();
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), Some(stop));
        }
        let mut held = String::new();
        let from = self.held.len() - self.open();
        held.push_str(&self.held[from..]);
        self.held.truncate(from);
        (std::mem::replace(&mut self.held, held), None)
    }

    /// What was held back, once nothing follows.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end that begin a stop string.
    fn open(&self) -> usize {
        let longest = self.stops.iter().map(|stop| stop.len() - 1).max().unwrap_or(0).min(self.held.len());
        (1..=longest)
            .rev()
            .filter(|count| self.held.is_char_boundary(self.held.len() - count))
            .find(|count| self.stops.iter().any(|stop| stop.starts_with(&self.held[self.held.len() - count..])))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes `text` in pieces of so many characters and returns what came out and what ended it.
    fn cut(stops: &[&str], text: &str, size: usize) -> (String, Option<String>) {
        let mut stop = StopStrings::new(&stops.iter().map(|stop| (*stop).to_owned()).collect::<Vec<_>>());
        let mut out = String::new();
        let characters: Vec<char> = text.chars().collect();
        for piece in characters.chunks(size) {
            let (part, found) = stop.push(&piece.iter().collect::<String>());
            out.push_str(&part);
            if found.is_some() {
                return (out, found);
            }
        }
        (out + &stop.finish(), None)
    }

    #[test]
    fn text_ends_before_a_stop_string_however_it_is_cut() {
        for size in 1..8 {
            let stopped = |text: &str, stop: &str| (text.to_owned(), Some(stop.to_owned()));
            assert_eq!(cut(&["\n\n", "END"], "one\ntwo EEND three", size), stopped("one\ntwo E", "END"));
            assert_eq!(cut(&["END", "\n\n"], "a\n\nENDED", size), stopped("a", "\n\n"));
            assert_eq!(cut(&["añø"], "baañaañøc", size), stopped("baaña", "añø"));
            assert_eq!(cut(&["END"], "EN is no END", size), stopped("EN is no ", "END"));
            // What looked like a beginning is given out in the end.
            assert_eq!(cut(&["ENDE"], "this is the END", size), ("this is the END".into(), None));
            assert_eq!(cut(&["", "x"], "abc", size), ("abc".into(), None));
            assert_eq!(cut(&[], "abc", size), ("abc".into(), None));
        }
    }

    #[test]
    fn nothing_of_a_stop_string_is_given_out_early() {
        let mut stop = StopStrings::new(&["</tool>".into()]);
        assert_eq!(stop.push("a <"), ("a ".into(), None));
        assert_eq!(stop.push("/to"), (String::new(), None));
        assert_eq!(stop.push("p"), ("</top".into(), None));
    }
}
