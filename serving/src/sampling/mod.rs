//! How the next token is chosen.

mod choose;
mod mask;
mod penalties;

pub(crate) use choose::Chooser;
pub(crate) use mask::Mask;
use std::collections::BTreeMap;

/// How tokens are chosen from logits. The default takes the most likely one every time.
///
/// In this order: penalties, bias, what may come at all ([`Constraint`](crate::Constraint)), temperature, `top_k`, `top_p` (of what `top_k` leaves, together 1), `min_p`, the draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Logits are divided by it; 0 takes the most likely token every time.
    pub temperature: f32,
    /// Only so many most likely tokens are considered.
    pub top_k: Option<usize>,
    /// Only the most likely tokens that together reach this probability are considered; 1: all.
    pub top_p: f32,
    /// Only tokens at least so likely, as a part of the most likely one's probability, are considered; 0: all.
    /// Source: arXiv 2407.01082.
    pub min_p: f32,
    /// Seed of the draws. A token's draw depends on the seed, the number of the choice and the token's place in the answer only.
    pub seed: u64,
    /// Added to the logits of single tokens.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Taken off the logits of tokens that the answer has already.
    pub presence_penalty: f32,
    /// Taken off the logits of tokens for each time that the answer has them already.
    pub frequency_penalty: f32,
    /// Logits of tokens that prompt or answer have are divided by it if positive, else multiplied; 1: nothing.
    /// Source: CTRL, arXiv 1909.05858, section 4.1.
    pub repetition_penalty: f32,
    /// How many of the most likely tokens are told with each token, with the logarithms of their probabilities; `None`: not even
    /// that of the token itself. These are the model's own, before penalties, bias and temperature.
    pub top_logprobs: Option<usize>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: None,
            top_p: 1.0,
            min_p: 0.0,
            seed: 0,
            logit_bias: BTreeMap::new(),
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_penalty: 1.0,
            top_logprobs: None,
        }
    }
}

/// A sampling setting that is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value} is out of range: {expected}")]
pub struct SamplingError {
    /// The setting.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// The range.
    pub expected: &'static str,
}

/// Most tokens that are told beside the chosen one.
pub const TOP_LOGPROBS_MAX: usize = 20;

impl Sampling {
    /// Whether every setting is in its range, for a model with so many tokens.
    pub fn check(&self, vocab_size: usize) -> Result<(), SamplingError> {
        let check = |key, value: String, holds: bool, expected| match holds {
            true => Ok(()),
            false => Err(SamplingError { key, value, expected }),
        };
        let finite_from = |value: f32, from: f32| value.is_finite() && value >= from;
        let within = |value: f32, most: f32| (-most..=most).contains(&value);
        let text = |value: f32| value.to_string();
        let temperature = self.temperature;
        check("temperature", text(temperature), finite_from(temperature, 0.0), "0 or a positive number")?;
        check("top_k", format!("{:?}", self.top_k), self.top_k != Some(0), "at least 1")?;
        check("top_p", text(self.top_p), self.top_p > 0.0 && self.top_p <= 1.0, "above 0 and at most 1")?;
        check("min_p", text(self.min_p), (0.0..=1.0).contains(&self.min_p), "0 to 1")?;
        check("presence_penalty", text(self.presence_penalty), within(self.presence_penalty, 2.0), "-2 to 2")?;
        check("frequency_penalty", text(self.frequency_penalty), within(self.frequency_penalty, 2.0), "-2 to 2")?;
        let repetition = self.repetition_penalty;
        check("repetition_penalty", text(repetition), finite_from(repetition, 0.01), "a number from 0.01 on")?;
        let top = self.top_logprobs;
        check("top_logprobs", format!("{top:?}"), top.is_none_or(|top| top <= TOP_LOGPROBS_MAX), "0 to 20")?;
        for (token, bias) in &self.logit_bias {
            let (key, value) = ("logit_bias", format!("{{{token}: {bias}}}"));
            check(key, value.clone(), (*token as usize) < vocab_size, "tokens of the model")?;
            check(key, value, within(*bias, 100.0), "-100 to 100")?;
        }
        Ok(())
    }

    /// Whether logits are used as they are.
    fn is_plain(&self) -> bool {
        self.logit_bias.is_empty() && !self.has_penalties()
    }

    fn has_penalties(&self) -> bool {
        self.presence_penalty != 0.0 || self.frequency_penalty != 0.0 || self.repetition_penalty != 1.0
    }
}

/// A token with the logarithm of its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logprob {
    /// The token.
    pub token: u32,
    /// The natural logarithm of its probability.
    pub logprob: f32,
}

/// A chosen token.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The token.
    pub token: u32,
    /// The logarithm of its probability, if asked for.
    pub logprob: Option<f32>,
    /// The most likely tokens, if asked for; the likeliest first.
    pub top: Vec<Logprob>,
}

/// The model's output is not a number everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model's output is not finite; hint: the adapter or the base is damaged")]
pub struct NotFinite;

/// Uniform in `[0, 1)`, in steps of 2^-53: the draw of one token.
fn draw(seed: u64, choice: u32, place: u64) -> f64 {
    let mut key = blake3::Hasher::new_derive_key("tributary.network 2026-11 serving draw v1");
    key.update(&seed.to_le_bytes());
    key.update(&choice.to_le_bytes());
    key.update(&place.to_le_bytes());
    let mut bytes = [0; 8];
    key.finalize_xof().fill(&mut bytes);
    (u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
}
