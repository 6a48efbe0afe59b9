//! What makes tokens less likely that were there before.

use super::Sampling;
use std::collections::{HashMap, HashSet};

/// What an answer and its prompt hold, as far as penalties ask.
#[derive(Clone, Debug, Default)]
pub(super) struct Occurrences {
    prompt: HashSet<u32>,
    answer: HashMap<u32, u32>,
}

impl Occurrences {
    pub(super) fn of_prompt(prompt: &[u32]) -> Self {
        Self { prompt: prompt.iter().copied().collect(), answer: HashMap::new() }
    }

    pub(super) fn push(&mut self, token: u32) {
        *self.answer.entry(token).or_default() += 1;
    }

    /// Changes the logits as the settings say. What is changed does not depend on the order: each token once.
    pub(super) fn apply(&self, sampling: &Sampling, logits: &mut [f32]) {
        let repetition = sampling.repetition_penalty;
        if repetition != 1.0 {
            for token in self.prompt.iter().chain(self.answer.keys().filter(|token| !self.prompt.contains(token))) {
                if let Some(logit) = logits.get_mut(*token as usize) {
                    *logit = if *logit > 0.0 { *logit / repetition } else { *logit * repetition };
                }
            }
        }
        for (token, count) in &self.answer {
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit -= sampling.frequency_penalty * *count as f32 + sampling.presence_penalty;
            }
        }
    }
}
