//! Learning rates over a run.

use crate::error::TrainError;
use serde::{Deserialize, Serialize};

/// How the learning rate falls after warmup, from the highest to the floor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// Not at all.
    Constant,
    /// In a straight line, reaching the floor one step after the last.
    Linear,
    /// Along half a cosine, reaching the floor one step after the last.
    #[default]
    Cosine,
    /// As `(1 - done)^power`, reaching the floor one step after the last.
    Polynomial {
        /// The exponent, from 1 (a straight line) to 8.
        power: u32,
    },
    /// Not at all at first, then in a straight line over the last steps, reaching the floor one step after the last.
    /// Source: warmup, stable, decay: arXiv 2404.06395, section 4.
    Late {
        /// Steps over which it falls; at least 1, and with those of the warmup at most those of the run.
        steps: u64,
    },
}

/// The learning rate of every step of a run.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The highest learning rate.
    pub peak: f64,
    /// What is left of it in the end, from 0 to 1.
    pub floor: f64,
    /// Steps over which it rises in a straight line; the first step already has `peak / warmup_steps`.
    pub warmup_steps: u64,
    /// Steps of the run.
    pub steps: u64,
    /// What follows the warmup.
    pub decay: Decay,
}

impl Schedule {
    /// Errors: a value that makes no schedule of so many steps, by name.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        let refuse = |key, value: String, expected| Err(TrainError::Setting { key, value, expected });
        if !(0.0..=1.0).contains(&self.floor) {
            return refuse(
                "learning_rate_floor",
                self.floor.to_string(),
                "a part of learning_rate, from 0 to 1".into(),
            );
        }
        match self.decay {
            Decay::Polynomial { power } if !(1..=8).contains(&power) => {
                refuse("decay.polynomial.power", power.to_string(), "1 to 8".into())
            }
            Decay::Late { steps } if steps == 0 || steps.saturating_add(self.warmup_steps) > self.steps => {
                let expected = format!(
                    "at least 1, and with the {} steps of the warmup at most the {} of the run",
                    self.warmup_steps, self.steps
                );
                refuse("decay.late.steps", steps.to_string(), expected)
            }
            _ => Ok(()),
        }
    }

    /// The learning rate of a step, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let span = self.steps.saturating_sub(self.warmup_steps).max(1);
        let done = (step - self.warmup_steps).min(span) as f64 / span as f64;
        let left = match self.decay {
            Decay::Constant => return self.peak,
            Decay::Linear => 1.0 - done,
            Decay::Cosine => 0.5 * (1.0 + libm::cos(std::f64::consts::PI * done)),
            Decay::Polynomial { power } => (0..power).fold(1.0, |left, _| left * (1.0 - done)),
            Decay::Late { steps } => (self.steps.saturating_sub(step) as f64 / steps as f64).min(1.0),
        };
        // Without a floor this is exactly `left`.
        self.peak * (self.floor + (1.0 - self.floor) * left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(decay: Decay, floor: f64) -> Schedule {
        Schedule { peak: 1.0, floor, warmup_steps: 2, steps: 6, decay }
    }

    #[test]
    fn rises_then_falls() {
        let rates = |decay, floor| {
            (0..6).map(|step| (schedule(decay, floor).learning_rate(step) * 1e4).round() / 1e4).collect::<Vec<_>>()
        };
        assert_eq!(rates(Decay::Constant, 0.0), [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(rates(Decay::Constant, 0.5), rates(Decay::Constant, 0.0));
        assert_eq!(rates(Decay::Linear, 0.0), [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]);
        assert_eq!(rates(Decay::Linear, 0.2), [0.5, 1.0, 1.0, 0.8, 0.6, 0.4]);
        assert_eq!(rates(Decay::Cosine, 0.0), [0.5, 1.0, 1.0, 0.8536, 0.5, 0.1464]);
        assert_eq!(rates(Decay::Cosine, 0.1), [0.5, 1.0, 1.0, 0.8682, 0.55, 0.2318]);
        assert_eq!(rates(Decay::Polynomial { power: 2 }, 0.0), [0.5, 1.0, 1.0, 0.5625, 0.25, 0.0625]);
        assert_eq!(rates(Decay::Late { steps: 2 }, 0.0), [0.5, 1.0, 1.0, 1.0, 1.0, 0.5]);
    }

    #[test]
    fn what_makes_no_schedule_is_refused_by_name() {
        for (decay, floor, named) in [
            (Decay::Cosine, -0.1, "learning_rate_floor"),
            (Decay::Cosine, f64::NAN, "learning_rate_floor"),
            (Decay::Polynomial { power: 0 }, 0.0, "decay.polynomial.power"),
            (Decay::Late { steps: 0 }, 0.0, "decay.late.steps"),
            (Decay::Late { steps: 5 }, 0.0, "at most the 6 of the run"),
        ] {
            let error = schedule(decay, floor).check().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        assert!(schedule(Decay::Late { steps: 4 }, 1.0).check().is_ok());
    }

    #[test]
    fn plain_decays_are_written_as_before() {
        let text = |decay: Decay| serde_json::to_string(&decay).unwrap();
        assert_eq!((text(Decay::Cosine), text(Decay::Linear)), ("\"cosine\"".into(), "\"linear\"".into()));
        assert_eq!(text(Decay::Late { steps: 3 }), r#"{"late":{"steps":3}}"#);
        assert!(serde_json::from_str::<Decay>(r#"{"late":{"step":3}}"#).is_err());
    }
}
