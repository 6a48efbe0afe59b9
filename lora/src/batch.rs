//! Samples as the model sees them.

use std::sync::Arc;
use tributary_protocol::ContentHash;

use crate::ops::IGNORED;

/// A sample in tokens, with the part that is trained on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedSample {
    id: ContentHash,
    tokens: Vec<u32>,
    trained_from: usize,
}

impl EncodedSample {
    /// A sample whose tokens from index `trained_from` are predicted from everything before them.
    ///
    /// The first token of a sequence has nothing before it, so it is never trained on.
    pub fn new(id: ContentHash, tokens: Vec<u32>, trained_from: usize) -> Self {
        Self { id, tokens, trained_from: trained_from.max(1) }
    }

    /// The sample's hash.
    pub fn id(&self) -> ContentHash {
        self.id
    }

    /// All tokens.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Number of tokens that are trained on.
    pub fn trained_tokens(&self) -> usize {
        self.tokens.len().saturating_sub(self.trained_from)
    }
}

/// Sequences packed one after the other, without padding.
#[derive(Clone, Debug)]
pub struct Batch {
    tokens: Vec<u32>,
    targets: Vec<u32>,
    lengths: Arc<Vec<usize>>,
    trained: usize,
}

impl Batch {
    /// The inputs and targets of `samples`.
    pub fn new<'a>(samples: impl IntoIterator<Item = &'a EncodedSample>) -> Self {
        let (mut tokens, mut targets, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for sample in samples {
            let length = sample.tokens.len().saturating_sub(1);
            tokens.extend_from_slice(&sample.tokens[..length]);
            targets.extend((1..=length).map(|i| if i < sample.trained_from { IGNORED } else { sample.tokens[i] }));
            lengths.push(length);
        }
        let trained = targets.iter().filter(|target| **target != IGNORED).count();
        Self { tokens, targets, lengths: Arc::new(lengths), trained }
    }

    /// One sequence with nothing to train on, to look at its logits.
    pub fn sequence(tokens: &[u32]) -> Self {
        Self {
            tokens: tokens.to_vec(),
            targets: vec![IGNORED; tokens.len()],
            lengths: Arc::new(vec![tokens.len()]),
            trained: 0,
        }
    }

    /// Number of positions that are trained on.
    pub fn trained(&self) -> usize {
        self.trained
    }

    /// Number of positions.
    pub fn positions(&self) -> usize {
        self.tokens.len()
    }

    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    pub(crate) fn targets(&self) -> &[u32] {
        &self.targets
    }

    pub(crate) fn lengths(&self) -> &Arc<Vec<usize>> {
        &self.lengths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_shifted_and_masked() {
        let sample = |tokens: &[u32], from| EncodedSample::new(ContentHash::default(), tokens.to_vec(), from);
        let batch = Batch::new([&sample(&[1, 5, 6, 7], 2), &sample(&[1, 8, 9], 0)]);
        assert_eq!(batch.tokens(), [1, 5, 6, 1, 8]);
        assert_eq!(batch.targets(), [IGNORED, 6, 7, 8, 9]);
        assert_eq!((batch.lengths().as_slice(), batch.trained()), ([3, 2].as_slice(), 4));
    }
}
