//! What single tokens add to a text, in bytes.

use crate::error::TokenizerError;
use crate::tokenizer::Tokenizer;
use serde_json::Value;

/// A token by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The bytes that it adds to a text; often no whole characters. A special token's are those of its name.
    pub bytes: Vec<u8>,
    /// Whether it is left out of decoded text.
    pub special: bool,
}

impl Tokenizer {
    /// What each token adds to a text, by its number; `None` for numbers without a token.
    ///
    /// The bytes are those in the middle of a text: decoders of the SentencePiece manner take a space off the beginning.
    /// Errors: the tokenizer does not say how it decodes.
    pub fn pieces(&self) -> Result<Vec<Option<Piece>>, TokenizerError> {
        let decoder = serde_json::to_value(self.inner().get_decoder());
        let decoder = decoder.map_err(|error| TokenizerError::Convert { reason: error.to_string() })?;
        let alphabet = Alphabet::of(&decoder);
        let added = self.added_tokens();
        let vocabulary = self.inner().get_vocab(true);
        let count = vocabulary.values().max().map_or(0, |last| *last as usize + 1);
        let mut pieces = vec![None; count];
        for (text, token) in vocabulary {
            pieces[token as usize] = Some(Piece { bytes: alphabet.bytes(&text), special: false });
        }
        for token in added {
            if let Some(piece) = pieces.get_mut(token.id as usize) {
                *piece = Some(Piece { bytes: token.text.into_bytes(), special: token.special });
            }
        }
        Ok(pieces)
    }
}

/// How a vocabulary writes bytes.
#[derive(Debug, Default)]
struct Alphabet {
    /// Every character stands for a byte, as GPT-2 has it.
    by_characters: bool,
    /// `<0x0A>` stands for a byte.
    by_names: bool,
    /// What stands for what, such as `▁` for a space.
    replaced: Vec<(String, String)>,
}

impl Alphabet {
    fn of(decoder: &Value) -> Self {
        let mut alphabet = Self::default();
        alphabet.add(decoder);
        alphabet
    }

    fn add(&mut self, decoder: &Value) {
        match decoder["type"].as_str() {
            Some("ByteLevel") => self.by_characters = true,
            Some("ByteFallback") => self.by_names = true,
            Some("Metaspace") => {
                let space = decoder["replacement"].as_str().unwrap_or("▁");
                self.replaced.push((space.to_owned(), " ".to_owned()));
            }
            Some("Replace") => {
                if let (Some(from), Some(to)) = (decoder["pattern"]["String"].as_str(), decoder["content"].as_str()) {
                    self.replaced.push((from.to_owned(), to.to_owned()));
                }
            }
            Some("Sequence") => decoder["decoders"].as_array().into_iter().flatten().for_each(|one| self.add(one)),
            _ => {}
        }
    }

    fn bytes(&self, text: &str) -> Vec<u8> {
        if self.by_characters
            && let Some(bytes) = text.chars().map(byte_of).collect()
        {
            return bytes;
        }
        if self.by_names
            && let Some(byte) = named_byte(text)
        {
            return vec![byte];
        }
        self.replaced.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)).into_bytes()
    }
}

/// The byte that `<0x0A>` names.
fn named_byte(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}

/// The byte that a character stands for in GPT-2's alphabet: printable Latin-1 for itself, the other bytes in their order
/// from U+0100 on. Source: `bytes_to_unicode` of openai/gpt-2.
fn byte_of(character: char) -> Option<u8> {
    let is_printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let code = u32::from(character);
    match u8::try_from(code) {
        Ok(byte) => is_printable(byte).then_some(byte),
        Err(_) => (0..=u8::MAX).filter(|byte| !is_printable(*byte)).nth(usize::try_from(code - 0x100).ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn characters_stand_for_all_bytes() {
        let all: Vec<char> = (0u32..0x200).filter_map(char::from_u32).filter(|one| byte_of(*one).is_some()).collect();
        assert_eq!(all.len(), 256);
        assert_eq!("Ġhi".chars().map(byte_of).collect::<Option<Vec<u8>>>(), Some(b" hi".to_vec()));
        assert_eq!("Ċ".chars().map(byte_of).collect::<Option<Vec<u8>>>(), Some(b"\n".to_vec()));
        assert_eq!(byte_of('Ń'), Some(0xad));
    }

    #[test]
    fn decoders_say_how_bytes_are_written() {
        let llama = Alphabet::of(&json!({"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        ]}));
        assert_eq!(llama.bytes("▁once"), b" once");
        assert_eq!(llama.bytes("<0xF0>"), [0xf0]);
        assert_eq!(llama.bytes("<0xF0>>"), b"<0xF0>>");
        let byte_level = Alphabet::of(&json!({"type": "ByteLevel"}));
        assert_eq!(byte_level.bytes("Ġâ"), [b' ', 0xe2]);
        // Characters outside the alphabet are themselves.
        assert_eq!(byte_level.bytes("漢"), "漢".as_bytes());
    }
}
