//! From samples to what a training run reads.

use crate::batch::EncodedSample;
use crate::error::DataError;
use crate::random::Random;
use crate::tokenizer::Tokenizer;
use serde::{Deserialize, Serialize};
use tributary_protocol::ContentHash;
use tributary_protocol::sample::{CanonicalLine, Sample};

/// How a prompt is put to the model: `before`, the prompt, `after`, and then the answer, which begins with a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptTemplate {
    /// Text before the prompt.
    pub before: String,
    /// Text between prompt and answer.
    pub after: String,
}

impl Default for PromptTemplate {
    /// `Question: PROMPT\nAnswer: ANSWER`
    fn default() -> Self {
        Self { before: "Question: ".into(), after: "\nAnswer:".into() }
    }
}

impl PromptTemplate {
    /// The text up to where the answer begins.
    pub fn prompt(&self, prompt: &str) -> String {
        [&self.before, prompt.trim(), &self.after].concat()
    }
}

/// How samples become tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// The template of every prompt.
    pub template: PromptTemplate,
    /// Longest sample in tokens; longer ones are cut.
    pub tokens_max: usize,
    /// Part of the samples, in millionths, that is kept for validation.
    pub validation_ppm: u32,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { template: PromptTemplate::default(), tokens_max: 512, validation_ppm: 100_000 }
    }
}

/// Encoded samples, divided into those trained on and those kept for validation.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub(crate) training: Vec<EncodedSample>,
    pub(crate) validation: Vec<EncodedSample>,
}

impl Dataset {
    /// Encodes `lines` and divides them. A line's row in errors is its place in `lines`, from 1.
    ///
    /// Errors: a sample of which nothing would be trained on, by row.
    pub fn encode<'a>(
        lines: impl IntoIterator<Item = &'a CanonicalLine>,
        tokenizer: &Tokenizer,
        config: &DataConfig,
    ) -> Result<Self, DataError> {
        let mut samples = Vec::new();
        for (index, line) in lines.into_iter().enumerate() {
            let sample = encode_sample(line.hash(), line.sample(), tokenizer, config)?;
            if sample.trained_tokens() == 0 {
                return Err(DataError::NothingTrained { row: index + 1, sample: line.hash() });
            }
            samples.push(sample);
        }
        Self::divide(samples, config.validation_ppm)
    }

    /// Divides encoded samples: one is kept for validation if its hash, read as a fraction of 1, lies below
    /// `validation_ppm` millionths, so that its side does not depend on the other samples.
    ///
    /// If that leaves one side empty and there are at least two samples, the one with the smallest (largest) hash moves.
    pub fn divide(samples: Vec<EncodedSample>, validation_ppm: u32) -> Result<Self, DataError> {
        let kept = |sample: &EncodedSample| fraction_ppm(&sample.id()) < validation_ppm;
        let (mut validation, mut training): (Vec<_>, Vec<_>) = samples.into_iter().partition(kept);
        if validation.is_empty() && validation_ppm > 0 && training.len() > 1 {
            move_one(&mut training, &mut validation, |a, b| a < b);
        }
        if training.is_empty() && validation.len() > 1 {
            move_one(&mut validation, &mut training, |a, b| a > b);
        }
        if training.is_empty() {
            return Err(DataError::Empty);
        }
        Ok(Self { training, validation })
    }

    /// The samples that are trained on, in their given order.
    pub fn training(&self) -> &[EncodedSample] {
        &self.training
    }

    /// The samples that are kept for validation.
    pub fn validation(&self) -> &[EncodedSample] {
        &self.validation
    }
}

/// Encodes one sample: prompt (not trained on), answer and end token (trained on).
///
/// If it is longer than `tokens_max`, the prompt loses tokens first, at its beginning but after the token that begins a
/// sequence; if the answer alone is too long it loses its end, and with it the end token.
pub fn encode_sample(
    id: ContentHash,
    sample: &Sample,
    tokenizer: &Tokenizer,
    config: &DataConfig,
) -> Result<EncodedSample, DataError> {
    let answer = format!(" {}", sample.completion.trim());
    let parts = tokenizer.encode_parts(&config.template.prompt(&sample.prompt), &answer)?;
    let (mut tokens, mut trained_from) = (parts.tokens, parts.second_from);
    tokens.push(tokenizer.end());
    // At least the beginning and one more token stay before the answer, so that it is predicted from something.
    let from_prompt = tokens.len().saturating_sub(config.tokens_max).min(trained_from.saturating_sub(2));
    tokens.drain(1..1 + from_prompt);
    trained_from -= from_prompt;
    tokens.truncate(config.tokens_max);
    Ok(EncodedSample::new(id, tokens, trained_from))
}

/// The order in which a run reads its samples: each epoch has its own permutation, which depends on seed and epoch only.
#[derive(Debug)]
pub(crate) struct Order {
    seed: u64,
    samples: usize,
    shuffle: bool,
    /// The last epoch that was asked for, with its permutation.
    cached: Option<(u64, Vec<usize>)>,
}

impl Order {
    pub(crate) fn new(seed: u64, samples: usize, shuffle: bool) -> Self {
        Self { seed, samples, shuffle, cached: None }
    }

    /// Indices of the samples of one step, counted from 0; the last step of an epoch may have fewer than `batch_size`.
    pub(crate) fn batch(&mut self, step: u64, batch_size: usize) -> Vec<usize> {
        let steps_per_epoch = self.samples.div_ceil(batch_size) as u64;
        let (epoch, within) = (step / steps_per_epoch, (step % steps_per_epoch) as usize);
        let (seed, samples, shuffle) = (self.seed, self.samples, self.shuffle);
        if self.cached.as_ref().is_none_or(|(cached, _)| *cached != epoch) {
            let mut order: Vec<usize> = (0..samples).collect();
            if shuffle {
                Random::new(seed, &format!("order of epoch {epoch}")).shuffle(&mut order);
            }
            self.cached = Some((epoch, order));
        }
        let order = self.cached.as_ref().map(|(_, order)| order.as_slice()).unwrap_or_default();
        order[within * batch_size..((within + 1) * batch_size).min(samples)].to_vec()
    }
}

fn fraction_ppm(id: &ContentHash) -> u32 {
    let [a, b, c, d, e, f, g, h, ..] = id.0;
    let fraction = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    ((u128::from(fraction) * 1_000_000) >> 64) as u32
}

fn move_one(
    from: &mut Vec<EncodedSample>,
    to: &mut Vec<EncodedSample>,
    first: impl Fn(ContentHash, ContentHash) -> bool,
) {
    let chosen = (0..from.len()).reduce(|best, i| if first(from[i].id(), from[best].id()) { i } else { best });
    if let Some(chosen) = chosen {
        to.push(from.remove(chosen));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(count: u8) -> Vec<EncodedSample> {
        (0..count).map(|i| EncodedSample::new(ContentHash::of(&[i]), vec![1, 2], 1)).collect()
    }

    #[test]
    fn every_epoch_reads_every_sample_once() {
        let mut order = Order::new(7, 10, true);
        let epochs: Vec<Vec<usize>> =
            (0..2).map(|e| (0..3).flat_map(|s| order.batch(3 * e + s, 4)).collect()).collect();
        for epoch in &epochs {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(epochs[0], epochs[1]);
        assert_eq!(Order::new(7, 10, true).batch(3, 4), epochs[1][..4]);
    }

    #[test]
    fn the_side_of_a_sample_does_not_depend_on_the_others() {
        let all = Dataset::divide(samples(200), 200_000).unwrap();
        assert!((20..60).contains(&all.validation.len()), "{}", all.validation.len());
        let fewer = Dataset::divide(samples(100), 200_000).unwrap();
        assert!(fewer.validation.iter().all(|sample| all.validation.contains(sample)));
    }

    #[test]
    fn both_sides_have_a_sample_where_possible() {
        let two = Dataset::divide(samples(2), 1).unwrap();
        assert_eq!((two.training.len(), two.validation.len()), (1, 1));
        let two = Dataset::divide(samples(2), 1_000_000).unwrap();
        assert_eq!((two.training.len(), two.validation.len()), (1, 1));
        assert_eq!(Dataset::divide(samples(2), 0).unwrap().validation.len(), 0);
        assert!(matches!(Dataset::divide(Vec::new(), 0), Err(DataError::Empty)));
    }
}
