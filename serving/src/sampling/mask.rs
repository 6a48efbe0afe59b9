//! Which tokens may be chosen.

/// A bit for each token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mask(Vec<u64>);

impl Mask {
    /// None of so many.
    pub(crate) fn none(tokens: usize) -> Self {
        Self(vec![0; tokens.div_ceil(64)])
    }

    /// Allows a token or not.
    pub(crate) fn set(&mut self, token: u32, is_allowed: bool) {
        let (word, bit) = (token as usize / 64, 1 << (token % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] = if is_allowed { self.0[word] | bit } else { self.0[word] & !bit };
    }

    /// Whether the token may be chosen.
    pub(crate) fn contains(&self, token: u32) -> bool {
        self.0.get(token as usize / 64).is_some_and(|word| word >> (token % 64) & 1 == 1)
    }

    /// Whether none may.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}
