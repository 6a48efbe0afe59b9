//! All tokens by their bytes.

use super::machine::Threads;
use super::schema::Schema;
use super::text::{Character, Taken};
use crate::sampling::Mask;
use tributary_lora::Piece;

/// The tokens that text is made of.
pub struct Vocabulary {
    bytes: Vec<Box<[u8]>>,
    all: Trie,
    /// Tokens that are whole characters of a string and nothing else, and the others: inside a string, these are all that has
    /// to be looked at.
    plain: Mask,
    others: Trie,
    /// How many characters the plain ones are, the shortest first.
    lengths: Vec<(u32, u32)>,
}

impl Vocabulary {
    /// Of a tokenizer's [`pieces`](tributary_lora::Tokenizer::pieces). Special tokens are no text.
    pub fn new(pieces: &[Option<Piece>]) -> Self {
        let bytes: Vec<Box<[u8]>> = pieces
            .iter()
            .map(|piece| match piece {
                Some(Piece { bytes, special: false }) => bytes.as_slice().into(),
                _ => Box::default(),
            })
            .collect();
        let mut tokens: Vec<(&[u8], u32)> =
            (0..).zip(&bytes).map(|(token, bytes): (u32, _)| (&**bytes, token)).collect();
        tokens.retain(|(bytes, _)| !bytes.is_empty());
        tokens.sort_unstable();
        let mut plain = Mask::none(bytes.len());
        let (mut others, mut lengths) = (Vec::new(), Vec::new());
        for (bytes, token) in &tokens {
            match plain_characters(bytes) {
                Some(characters) => {
                    plain.set(*token, true);
                    lengths.push((characters, *token));
                }
                None => others.push((*bytes, *token)),
            }
        }
        lengths.sort_unstable();
        let (all, others) = (Trie::new(&tokens), Trie::new(&others));
        Self { all, plain, others, lengths, bytes }
    }

    /// The token's bytes.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], |bytes| bytes)
    }

    /// The tokens of which every byte may come next.
    pub(super) fn mask(&self, schema: &Schema, threads: &Threads) -> Mask {
        match threads.room_in_text(schema) {
            Some(room) => {
                let mut mask = self.plain.clone();
                let fitting = self.lengths.partition_point(|(characters, _)| *characters <= room);
                self.lengths[fitting..].iter().for_each(|(_, token)| mask.set(*token, false));
                self.others.allow(schema, threads, &mut mask);
                mask
            }
            None => {
                let mut mask = Mask::none(self.bytes.len());
                self.all.allow(schema, threads, &mut mask);
                mask
            }
        }
    }
}

/// How many characters of a string the bytes are; `None` if they are anything else, an escape too.
fn plain_characters(bytes: &[u8]) -> Option<u32> {
    let mut characters = 0;
    let taken = bytes.iter().try_fold(Character::Between, |character, byte| match character.take(*byte) {
        Taken::Inside(Character::Escape, _) | Taken::End | Taken::Nothing => None,
        Taken::Inside(character, is_complete) => {
            characters += u32::from(is_complete);
            Some(character)
        }
    });
    (taken == Some(Character::Between)).then_some(characters)
}

/// Tokens that begin alike are looked at together.
struct Trie {
    nodes: Vec<TrieNode>,
}

/// In order of depth first, so that the children of a node follow it.
struct TrieNode {
    byte: u8,
    /// The node after all that begin like this one.
    next: usize,
    tokens: Vec<u32>,
}

impl Trie {
    /// Of tokens in order of their bytes.
    fn new(tokens: &[(&[u8], u32)]) -> Self {
        let mut trie = Self { nodes: Vec::new() };
        trie.add(tokens, 0);
        trie
    }

    /// Adds nodes for tokens that have their first `depth` bytes in common.
    fn add(&mut self, mut tokens: &[(&[u8], u32)], depth: usize) {
        while let Some((first, _)) = tokens.first() {
            let byte = first[depth];
            let count = tokens.iter().take_while(|(bytes, _)| bytes[depth] == byte).count();
            let (alike, rest) = tokens.split_at(count);
            let ending = alike.iter().take_while(|(bytes, _)| bytes.len() == depth + 1).count();
            let node = self.nodes.len();
            let of_it = alike[..ending].iter().map(|(_, token)| *token).collect();
            self.nodes.push(TrieNode { byte, next: 0, tokens: of_it });
            self.add(&alike[ending..], depth + 1);
            self.nodes[node].next = self.nodes.len();
            tokens = rest;
        }
    }

    /// Allows the tokens that may come next.
    fn allow(&self, schema: &Schema, threads: &Threads, mask: &mut Mask) {
        // Threads after each byte of the path, with where what begins like it ends.
        let mut path: Vec<(Threads, usize)> = vec![(threads.clone(), self.nodes.len())];
        let mut at = 0;
        while let Some(node) = self.nodes.get(at) {
            while path.len() > 1 && path.last().is_some_and(|(_, end)| at >= *end) {
                path.pop();
            }
            let Some((before, _)) = path.last() else { return };
            let after = before.step(schema, node.byte);
            if after.is_dead() {
                at = node.next;
                continue;
            }
            node.tokens.iter().for_each(|token| mask.set(*token, true));
            path.push((after, node.next));
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Single bytes, a special token, and longer ones of all kinds.
    fn vocabulary() -> Vocabulary {
        let longer = [
            "ab", "abcd", "a\"", "\": ", "\\n", "\\u00", "{\"a", "é", "漢字", "\"},", "true", "12", " \"", "}\n",
            "\n  ",
        ];
        let longer = longer.iter().map(|text| text.as_bytes().to_vec()).chain([vec![0xc3], vec![b'a', 0xe6, 0xbc]]);
        let mut pieces: Vec<Option<Piece>> = (0..=255u8)
            .map(|byte| vec![byte])
            .chain(longer)
            .map(|bytes| Some(Piece { bytes, special: false }))
            .collect();
        pieces.extend([Some(Piece { bytes: b"a".to_vec(), special: true }), None]);
        Vocabulary::new(&pieces)
    }

    /// What the shortcuts allow is what every token by itself would be allowed, at each place of a text.
    #[test]
    fn masks_are_what_single_tokens_would_be_allowed() {
        let vocabulary = vocabulary();
        let person = json!({
            "type": "object",
            "properties": { "a": { "type": "string", "minLength": 2, "maxLength": 3 }, "ab": {} },
            "additionalProperties": { "type": "string" },
        });
        for (schema, text) in [
            (json!({}), "{\"aé\": [\"x\\u00e9 漢\", -1.5e3, true, {}], \"b\":null }"),
            (person, "{\"a\": \"b漢c\",\n  \"x\":\"long text\", \"ab\": \"\"}"),
        ] {
            let schema = Schema::new(&schema).unwrap();
            let mut threads = Threads::start(&schema);
            for byte in text.bytes() {
                let mask = vocabulary.mask(&schema, &threads);
                for (token, bytes) in (0..).zip(&vocabulary.bytes) {
                    let after = bytes.iter().fold(threads.clone(), |threads, byte| threads.step(&schema, *byte));
                    let expected = !bytes.is_empty() && !after.is_dead();
                    assert_eq!(mask.contains(token), expected, "{bytes:?} in {text} before {byte}");
                }
                threads = threads.step(&schema, byte);
                assert!(!threads.is_dead(), "{text} at {byte}");
            }
            assert!(threads.may_end(&schema));
            assert!(serde_json::from_str::<Value>(text).is_ok());
        }
    }
}
