//! Samples as the model sees them.

use std::ops::Range;
use std::sync::Arc;
use tributary_protocol::ContentHash;

use crate::noise::Noise;
use crate::ops::IGNORED;

/// A sample in tokens, with the part that is trained on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedSample {
    id: ContentHash,
    tokens: Vec<u32>,
    /// Ascending, apart from each other, inside `1..tokens.len()`, none empty.
    trained: Vec<Range<usize>>,
}

impl EncodedSample {
    /// A sample whose tokens from index `trained_from` are predicted from everything before them.
    ///
    /// The first token of a sequence has nothing before it, so it is never trained on.
    pub fn new(id: ContentHash, tokens: Vec<u32>, trained_from: usize) -> Self {
        let all = trained_from..tokens.len();
        Self::with_ranges(id, tokens, [all])
    }

    /// A sample whose tokens in the ranges `trained` are predicted from everything before them, such as the assistant's
    /// turns of a conversation. Parts of ranges that lie beyond the tokens do not count.
    pub fn with_ranges(id: ContentHash, tokens: Vec<u32>, trained: impl IntoIterator<Item = Range<usize>>) -> Self {
        let inside = |range: Range<usize>| range.start.max(1)..range.end.min(tokens.len());
        let mut ranges: Vec<_> = trained.into_iter().map(inside).filter(|range| !range.is_empty()).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let mut trained: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match trained.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => trained.push(range),
            }
        }
        Self { id, tokens, trained }
    }

    /// The same sample by another hash.
    pub(crate) fn with_id(self, id: ContentHash) -> Self {
        Self { id, ..self }
    }

    /// The sample's hash.
    pub fn id(&self) -> ContentHash {
        self.id
    }

    /// All tokens.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Positions that the model computes for it: each token but the last predicts the next.
    pub fn positions(&self) -> usize {
        self.tokens.len().saturating_sub(1)
    }

    /// Number of tokens that are trained on.
    pub fn trained_tokens(&self) -> usize {
        self.trained.iter().map(Range::len).sum()
    }

    /// The tokens that are trained on: ascending, apart from each other.
    pub fn trained_ranges(&self) -> &[Range<usize>] {
        &self.trained
    }
}

/// Sequences packed one after the other, without padding.
#[derive(Clone, Debug)]
pub struct Batch {
    tokens: Vec<u32>,
    targets: Vec<u32>,
    lengths: Arc<Vec<usize>>,
    trained: usize,
    /// That of a training step; `None` gives the model's plain answer.
    noise: Option<Noise>,
}

impl Batch {
    /// The inputs and targets of `samples`.
    pub fn new<'a>(samples: impl IntoIterator<Item = &'a EncodedSample>) -> Self {
        let (mut tokens, mut targets, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for sample in samples {
            let length = sample.positions();
            tokens.extend_from_slice(&sample.tokens[..length]);
            let first = targets.len();
            targets.resize(first + length, IGNORED);
            for range in &sample.trained {
                // The target of a position is the token after it.
                targets[first + range.start - 1..first + range.end - 1].copy_from_slice(&sample.tokens[range.clone()]);
            }
            lengths.push(length);
        }
        let trained = targets.iter().filter(|target| **target != IGNORED).count();
        Self { tokens, targets, lengths: Arc::new(lengths), trained, noise: None }
    }

    /// One sequence with nothing to train on, to look at its logits.
    pub fn sequence(tokens: &[u32]) -> Self {
        Self {
            tokens: tokens.to_vec(),
            targets: vec![IGNORED; tokens.len()],
            lengths: Arc::new(vec![tokens.len()]),
            trained: 0,
            noise: None,
        }
    }

    /// The batch as a training step sees it, with the randomness that `noise(lengths)` makes.
    pub(crate) fn with_noise(mut self, noise: impl FnOnce(Arc<Vec<usize>>) -> Noise) -> Self {
        self.noise = Some(noise(self.lengths.clone()));
        self
    }

    /// One of its sequences alone, with the randomness that it has here.
    pub(crate) fn single(&self, index: usize) -> Self {
        let first: usize = self.lengths[..index].iter().sum();
        let positions = first..first + self.lengths[index];
        let lengths = Arc::new(vec![self.lengths[index]]);
        let noise = self.noise.as_ref().map(|noise| Noise {
            places: Arc::new(vec![noise.places[index]]),
            lengths: lengths.clone(),
            ..noise.clone()
        });
        let targets = self.targets[positions.clone()].to_vec();
        let trained = targets.iter().filter(|target| **target != IGNORED).count();
        Self { tokens: self.tokens[positions].to_vec(), targets, lengths, trained, noise }
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

    pub(crate) fn noise(&self) -> Option<&Noise> {
        self.noise.as_ref()
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

    #[test]
    fn ranges_are_put_in_order_and_cut() {
        let id = ContentHash::default();
        let sample = EncodedSample::with_ranges(id, vec![1, 5, 6, 7, 8, 9], [5..9, 0..2, 3..4, 8..9]);
        assert_eq!(sample.trained_ranges(), [1..2, 3..4, 5..6]);
        assert_eq!(sample.trained_tokens(), 3);
        assert_eq!(Batch::new([&sample]).targets(), [5, IGNORED, 7, IGNORED, 9]);
        assert_eq!(
            EncodedSample::with_ranges(id, vec![1, 2, 3], [1..2, 2..3]),
            EncodedSample::new(id, vec![1, 2, 3], 0)
        );
        assert_eq!(EncodedSample::new(id, vec![], 3).trained_tokens(), 0);
    }
}
