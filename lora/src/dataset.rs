//! From samples to what a training run reads.

use crate::batch::EncodedSample;
use crate::data::{Conversation, Encoder, TrainOn, pack};
use crate::error::DataError;
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

/// What a prompt is put into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptStyle {
    /// The fixed frame [`DataConfig::template`]: one question and one answer.
    #[default]
    Plain,
    /// The chat template of the model's folder: the question is the user's turn, the answer the assistant's.
    Chat,
}

impl PromptStyle {
    /// Every style, by its name.
    pub const NAMES: [(&'static str, Self); 2] = [("plain", Self::Plain), ("chat", Self::Chat)];
}

/// How samples become tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// The frame of every prompt in [`PromptStyle::Plain`].
    pub template: PromptTemplate,
    /// Frame or chat template.
    #[serde(skip_serializing_if = "is_default")]
    pub style: PromptStyle,
    /// Which tokens are trained.
    #[serde(skip_serializing_if = "is_default")]
    pub train_on: TrainOn,
    /// Longest sample in tokens; longer ones are cut.
    pub tokens_max: usize,
    /// Part of the samples, in millionths, that is kept for validation.
    pub validation_ppm: u32,
    /// Packing: most positions of one row, which then holds as many whole samples as fit; `None` for one sample a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packing: Option<usize>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            template: PromptTemplate::default(),
            style: PromptStyle::default(),
            train_on: TrainOn::default(),
            tokens_max: 512,
            validation_ppm: 100_000,
            packing: None,
        }
    }
}

/// Values that are not written keep the hashes that settings had before there were others.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Encoded samples, divided into those trained on and those kept for validation.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub(crate) training: Vec<EncodedSample>,
    pub(crate) validation: Vec<EncodedSample>,
    pub(crate) packing: Option<usize>,
}

impl Dataset {
    /// Encodes `lines` as [`Encoder::new`] does, and divides them. A line's row in errors is its place in `lines`, from 1.
    ///
    /// Errors: a chat template that is asked for and absent or unusable; by row, a sample that cannot be encoded or of
    /// which nothing would be trained on; a sample that is longer than a pack.
    pub fn encode<'a>(
        lines: impl IntoIterator<Item = &'a CanonicalLine>,
        tokenizer: &Tokenizer,
        config: &DataConfig,
    ) -> Result<Self, DataError> {
        let encoder = Encoder::new(tokenizer, config).map_err(|error| DataError::Style(Box::new(error)))?;
        let mut samples = Vec::new();
        for (row, line) in (1..).zip(lines) {
            let id = line.hash();
            let encoded = encoder.encode(&Conversation::from(line.sample()));
            let encoded = encoded.map_err(|source| DataError::Row { row, sample: id, source: Box::new(source) })?;
            if encoded.sample.trained_tokens() == 0 {
                return Err(DataError::NothingTrained { row, sample: id });
            }
            samples.push(encoded.sample.with_id(id));
        }
        Self::of(samples, config)
    }

    /// Encoded samples, divided and packed as `config` says.
    pub(crate) fn of(samples: Vec<EncodedSample>, config: &DataConfig) -> Result<Self, DataError> {
        let dataset = Self::divide(samples, config.validation_ppm)?;
        match config.packing {
            Some(positions) => dataset.packed(positions),
            None => Ok(dataset),
        }
    }

    /// Divides encoded samples: one is kept for validation if its hash, read as a fraction of 1, lies below
    /// `validation_ppm` millionths, so that its side does not depend on the other samples.
    ///
    /// If that leaves one side empty and there are at least two samples, the one with the smallest (largest) hash moves. A
    /// single sample is trained on.
    pub fn divide(samples: Vec<EncodedSample>, validation_ppm: u32) -> Result<Self, DataError> {
        let kept = |sample: &EncodedSample| fraction_ppm(&sample.id()) < validation_ppm;
        let (mut validation, mut training): (Vec<_>, Vec<_>) = samples.into_iter().partition(kept);
        if validation.is_empty() && validation_ppm > 0 && training.len() > 1 {
            move_one(&mut training, &mut validation, |a, b| a < b);
        }
        if training.is_empty() && !validation.is_empty() {
            move_one(&mut validation, &mut training, |a, b| a > b);
        }
        if training.is_empty() {
            return Err(DataError::Empty);
        }
        Ok(Self { training, validation, packing: None })
    }

    /// Samples that somebody else has divided already.
    ///
    /// Errors: none to train on.
    pub fn divided(training: Vec<EncodedSample>, validation: Vec<EncodedSample>) -> Result<Self, DataError> {
        match training.is_empty() {
            true => Err(DataError::Empty),
            false => Ok(Self { training, validation, packing: None }),
        }
    }

    /// The samples that are trained on, in their given order.
    pub fn training(&self) -> &[EncodedSample] {
        &self.training
    }

    /// The samples that are kept for validation.
    pub fn validation(&self) -> &[EncodedSample] {
        &self.validation
    }

    /// The same samples in rows of several: as many as fit into `positions` positions. A run's batch sizes then count
    /// these rows. No loss and no gradient of a sample changes, since it sees nothing of the others in its row.
    ///
    /// Errors: a sample that is longer than a row.
    pub fn packed(mut self, positions: usize) -> Result<Self, DataError> {
        let longest = self.training.iter().chain(&self.validation).max_by_key(|sample| sample.positions());
        match longest.filter(|sample| sample.positions() > positions) {
            Some(sample) => {
                Err(DataError::Packing { positions, sample: sample.id(), sample_positions: sample.positions() })
            }
            None => {
                self.packing = Some(positions);
                Ok(self)
            }
        }
    }

    /// Most positions of a row; `None` if each sample is a row.
    pub fn packing(&self) -> Option<usize> {
        self.packing
    }

    /// How many rows one epoch reads: what [`TrainConfig::batch_size`](crate::TrainConfig::batch_size) counts.
    pub fn training_rows(&self) -> usize {
        match self.packing {
            Some(positions) => pack(&positions_of(&self.training), positions).len(),
            None => self.training.len(),
        }
    }
}

/// Encodes one sample in the frame of `config`: prompt (not trained on), answer and end token (trained on).
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

/// Positions of each sample.
pub(crate) fn positions_of(samples: &[EncodedSample]) -> Vec<usize> {
    samples.iter().map(EncodedSample::positions).collect()
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
        assert_eq!(Dataset::divide(samples(1), 1_000_000).unwrap().training.len(), 1);
        assert_eq!(Dataset::divide(samples(2), 0).unwrap().validation.len(), 0);
        assert!(matches!(Dataset::divide(Vec::new(), 0), Err(DataError::Empty)));
    }
}
