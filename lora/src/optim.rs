//! AdamW.

use serde::{Deserialize, Serialize};

/// Settings of AdamW, with PyTorch's meaning and defaults except for the weight decay, which is 0 here.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Part of a parameter that a step of learning rate 1 takes away, apart from its gradient.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// AdamW with decoupled weight decay. Source: arXiv 1711.05101, algorithm 2, as PyTorch computes it.
#[derive(Debug)]
pub(crate) struct AdamW {
    config: AdamWConfig,
    /// Steps done.
    pub(crate) steps: u64,
    pub(crate) moments: Vec<Moments>,
}

/// Running averages of one tensor's gradient.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

/// The constants of one step, the same for every tensor.
pub(crate) struct Step {
    keep: f32,
    beta1: f32,
    beta2: f32,
    size: f32,
    second_scale: f32,
    epsilon: f32,
}

impl AdamW {
    /// An optimiser for tensors with these numbers of elements.
    pub(crate) fn new(config: AdamWConfig, sizes: impl IntoIterator<Item = usize>) -> Self {
        let zeros = |size| Moments { first: vec![0.0; size], second: vec![0.0; size] };
        Self { config, steps: 0, moments: sizes.into_iter().map(zeros).collect() }
    }

    /// Begins the next step.
    pub(crate) fn begin(&mut self, learning_rate: f64) -> Step {
        self.steps += 1;
        let AdamWConfig { beta1, beta2, epsilon, weight_decay } = self.config;
        let steps = self.steps as f64;
        Step {
            keep: (1.0 - learning_rate * weight_decay) as f32,
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            size: (learning_rate / (1.0 - libm::pow(beta1, steps))) as f32,
            second_scale: (1.0 / libm::sqrt(1.0 - libm::pow(beta2, steps))) as f32,
            epsilon: epsilon as f32,
        }
    }

    /// Moves one tensor; `gradient` is multiplied by `scale` first.
    pub(crate) fn update(&mut self, step: &Step, index: usize, parameter: &mut [f32], gradient: &[f32], scale: f32) {
        let Moments { first, second } = &mut self.moments[index];
        let moments = first.iter_mut().zip(second);
        for ((parameter, gradient), (first, second)) in parameter.iter_mut().zip(gradient).zip(moments) {
            let gradient = gradient * scale;
            *first += (1.0 - step.beta1) * (gradient - *first);
            *second = step.beta2 * *second + (1.0 - step.beta2) * gradient * gradient;
            *parameter =
                *parameter * step.keep - step.size * *first / (second.sqrt() * step.second_scale + step.epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The update written out in f64 from the paper.
    fn oracle(config: AdamWConfig, rate: f64, start: f64, gradients: &[f64]) -> f64 {
        let (mut p, mut m, mut v) = (start, 0.0, 0.0);
        for (t, g) in gradients.iter().enumerate() {
            m = config.beta1 * m + (1.0 - config.beta1) * g;
            v = config.beta2 * v + (1.0 - config.beta2) * g * g;
            let (m_hat, v_hat) =
                (m / (1.0 - config.beta1.powi(t as i32 + 1)), v / (1.0 - config.beta2.powi(t as i32 + 1)));
            p = p - rate * config.weight_decay * p - rate * m_hat / (v_hat.sqrt() + config.epsilon);
        }
        p
    }

    #[test]
    fn follows_the_paper() {
        let config = AdamWConfig { weight_decay: 0.1, ..Default::default() };
        let gradients = [0.5, -0.25, 1.5, 0.0, 0.125];
        let mut optimiser = AdamW::new(config, [1]);
        let mut parameter = [0.75f32];
        for gradient in gradients {
            let step = optimiser.begin(0.01);
            optimiser.update(&step, 0, &mut parameter, &[gradient as f32 * 2.0], 0.5);
        }
        let expected = oracle(config, 0.01, 0.75, &gradients);
        assert!((f64::from(parameter[0]) - expected).abs() < 1e-6, "{} {expected}", parameter[0]);
    }
}
