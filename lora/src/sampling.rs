//! Choosing the next token.

use crate::error::GenerateError;
use crate::ops::math::exp_shifted;
use crate::random::Random;
use serde::{Deserialize, Serialize};

/// How tokens are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingConfig {
    /// Most tokens of an answer.
    pub tokens_max: usize,
    /// Logits are divided by it; 0 takes the most likely token every time.
    pub temperature: f32,
    /// Only so many most likely tokens are considered.
    pub top_k: Option<usize>,
    /// Only the most likely tokens that together reach this probability are considered.
    pub top_p: Option<f32>,
    /// Seed of the choice.
    pub seed: u64,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self { tokens_max: 128, temperature: 0.0, top_k: None, top_p: None, seed: 0 }
    }
}

/// Chooses tokens from logits.
pub(crate) struct Sampler {
    config: SamplingConfig,
    random: Random,
}

impl Sampler {
    pub(crate) fn new(config: SamplingConfig) -> Result<Self, GenerateError> {
        let refuse = |key, value: String, expected| Err(GenerateError::Setting { key, value, expected });
        if !(config.temperature >= 0.0 && config.temperature.is_finite()) {
            return refuse("temperature", config.temperature.to_string(), "0 or a positive number");
        }
        if config.top_k == Some(0) {
            return refuse("top_k", "0".into(), "at least 1");
        }
        if let Some(p) = config.top_p.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
            return refuse("top_p", p.to_string(), "above 0 and at most 1");
        }
        Ok(Self { random: Random::new(config.seed, "sampling"), config })
    }

    /// The next token. Ties go to the lower id.
    pub(crate) fn choose(&mut self, logits: &[f32]) -> Result<u32, GenerateError> {
        if logits.iter().any(|logit| !logit.is_finite()) {
            return Err(GenerateError::NotFinite);
        }
        if self.config.temperature == 0.0 {
            let best = (0..logits.len()).reduce(|best, i| if logits[i] > logits[best] { i } else { best });
            return Ok(best.unwrap_or_default() as u32);
        }
        let mut weights: Vec<f32> = logits.iter().map(|logit| logit / self.config.temperature).collect();
        exp_shifted(&mut weights);
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
        order.truncate(self.config.top_k.unwrap_or(usize::MAX));
        if let Some(p) = self.config.top_p {
            let total = order.iter().fold(0f32, |sum, i| sum + weights[*i]);
            let mut reached = 0.0;
            let before = order.iter().take_while(|i| {
                let goes_on = reached < p * total;
                reached += weights[**i];
                goes_on
            });
            let count = before.count().max(1);
            order.truncate(count);
        }
        let total = order.iter().fold(0f32, |sum, i| sum + weights[*i]);
        let mut left = self.random.unit() * total;
        let chosen = order.iter().find(|i| {
            left -= weights[**i];
            left < 0.0
        });
        // Rounding can leave a rest behind the last token.
        Ok(chosen.or(order.last()).copied().unwrap_or_default() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(config: SamplingConfig) -> Vec<u32> {
        let mut sampler = Sampler::new(config).unwrap();
        (0..200).map(|_| sampler.choose(&[1.0, 3.0, 2.0, 3.0, -5.0]).unwrap()).collect()
    }

    #[test]
    fn settings_narrow_the_choice() {
        let hot = SamplingConfig { temperature: 1.0, ..Default::default() };
        assert!(drawn(SamplingConfig::default()).iter().all(|t| *t == 1));
        assert!(drawn(SamplingConfig { top_k: Some(2), ..hot }).iter().all(|t| [1, 3].contains(t)));
        assert!(drawn(SamplingConfig { top_p: Some(0.5), ..hot }).iter().all(|t| [1, 3].contains(t)));
        assert!(drawn(SamplingConfig { top_p: Some(1e-3), ..hot }).iter().all(|t| *t == 1));
        let free = drawn(hot);
        assert!([0, 1, 2, 3].iter().all(|t| free.contains(t)));
        assert_eq!(free, drawn(hot));
        assert_ne!(free, drawn(SamplingConfig { seed: 1, ..hot }));
    }

    #[test]
    fn out_of_range_settings_and_broken_logits_are_errors() {
        for config in [
            SamplingConfig { temperature: -1.0, ..Default::default() },
            SamplingConfig { top_k: Some(0), ..Default::default() },
            SamplingConfig { top_p: Some(1.5), ..Default::default() },
        ] {
            assert!(matches!(Sampler::new(config), Err(GenerateError::Setting { .. })));
        }
        let mut sampler = Sampler::new(SamplingConfig::default()).unwrap();
        assert!(matches!(sampler.choose(&[0.0, f32::NAN]), Err(GenerateError::NotFinite)));
    }
}
