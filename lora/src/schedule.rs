//! Learning rates over a run.

use serde::{Deserialize, Serialize};

/// How the learning rate falls after warmup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Not at all.
    Constant,
    /// In a straight line, reaching zero one step after the last.
    Linear,
    /// Along half a cosine, reaching zero one step after the last.
    #[default]
    Cosine,
}

/// The learning rate of every step of a run.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The highest learning rate.
    pub peak: f64,
    /// Steps over which it rises in a straight line; the first step already has `peak / warmup_steps`.
    pub warmup_steps: u64,
    /// Steps of the run.
    pub steps: u64,
    /// What follows the warmup.
    pub decay: Decay,
}

impl Schedule {
    /// The learning rate of a step, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let span = self.steps.saturating_sub(self.warmup_steps).max(1);
        let done = (step - self.warmup_steps).min(span) as f64 / span as f64;
        let factor = match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => 1.0 - done,
            Decay::Cosine => 0.5 * (1.0 + libm::cos(std::f64::consts::PI * done)),
        };
        self.peak * factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_then_falls() {
        let rates = |decay| {
            let schedule = Schedule { peak: 1.0, warmup_steps: 2, steps: 6, decay };
            (0..6).map(|step| (schedule.learning_rate(step) * 1e4).round() / 1e4).collect::<Vec<_>>()
        };
        assert_eq!(rates(Decay::Constant), [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(rates(Decay::Linear), [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]);
        assert_eq!(rates(Decay::Cosine), [0.5, 1.0, 1.0, 0.8536, 0.5, 0.1464]);
    }
}
