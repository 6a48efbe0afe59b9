//! Single tokens as log probabilities show them.

use std::fmt::Write as _;
use tributary_lora::Piece;

/// What each token adds to a text.
pub(super) struct Pieces(Vec<Option<Piece>>);

impl Pieces {
    pub fn new(pieces: Vec<Option<Piece>>) -> Self {
        Self(pieces)
    }

    /// The token's bytes; none for numbers without a token.
    pub fn bytes(&self, token: u32) -> Vec<u8> {
        self.0.get(token as usize).cloned().flatten().map_or_else(Vec::new, |piece| piece.bytes)
    }

    /// The token's text; what is no whole character shows as U+FFFD.
    pub fn text(&self, token: u32) -> String {
        String::from_utf8_lossy(&self.bytes(token)).into_owned()
    }

    /// The token's text, or its bytes as `bytes:\xe2\x80`: different tokens have different names, as far as their bytes differ.
    pub fn name(&self, token: u32) -> String {
        String::from_utf8(self.bytes(token)).unwrap_or_else(|error| {
            error.into_bytes().iter().fold("bytes:".to_owned(), |mut name, byte| {
                write!(name, "\\x{byte:02x}").expect("writing to a string does not fail");
                name
            })
        })
    }
}
