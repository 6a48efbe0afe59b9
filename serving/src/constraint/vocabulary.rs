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
    /// Tokens that are characters of a string and nothing else, and the others: inside a string, these are all that has to be
    /// looked at.
    plain: Mask,
    others: Trie,
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
        let mut others = Vec::new();
        for (bytes, token) in &tokens {
            match is_plain(bytes) {
                true => plain.set(*token, true),
                false => others.push((*bytes, *token)),
            }
        }
        let (all, others) = (Trie::new(&tokens), Trie::new(&others));
        Self { all, plain, others, bytes }
    }

    /// The token's bytes.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], |bytes| bytes)
    }

    /// The tokens of which every byte may come next.
    pub(super) fn mask(&self, schema: &Schema, threads: &Threads) -> Mask {
        match threads.is_plain_text(schema) {
            true => {
                let mut mask = self.plain.clone();
                self.others.allow(schema, threads, &mut mask);
                mask
            }
            false => {
                let mut mask = Mask::none(self.bytes.len());
                self.all.allow(schema, threads, &mut mask);
                mask
            }
        }
    }
}

/// Whether the bytes are whole characters of a string.
fn is_plain(bytes: &[u8]) -> bool {
    let taken = bytes.iter().try_fold(Character::Between, |character, byte| match character.take(*byte) {
        Taken::Inside(Character::Escape, _) | Taken::End | Taken::Nothing => None,
        Taken::Inside(character, _) => Some(character),
    });
    taken == Some(Character::Between)
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
