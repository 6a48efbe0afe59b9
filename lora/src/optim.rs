//! AdamW.

mod placed;

use crate::lora::{B_SUFFIX, MAGNITUDE_SUFFIX};
use candle_core::Tensor;
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
    /// LoRA+: how many times faster `B` learns than `A`; with it the lengths of DoRA, as in PEFT.
    /// Source: arXiv 2402.12354.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora_plus_ratio: Option<f64>,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, lora_plus_ratio: None }
    }
}

impl AdamWConfig {
    /// Learning rate of the parameter `name` for the run's rate `rate`.
    pub(crate) fn rate_of(&self, name: &str, rate: f64) -> f64 {
        match self.lora_plus_ratio {
            Some(ratio) if name.ends_with(B_SUFFIX) || name.ends_with(MAGNITUDE_SUFFIX) => rate * ratio,
            _ => rate,
        }
    }
}

/// AdamW with decoupled weight decay. Source: arXiv 1711.05101, algorithm 2, as PyTorch computes it.
#[derive(Debug)]
pub(crate) struct AdamW {
    config: AdamWConfig,
    /// Steps done.
    pub(crate) steps: u64,
    /// Of parameters that the processor moves.
    pub(crate) moments: Vec<Moments>,
    /// First and second moments of parameters that are moved where they lie; empty if the processor moves them.
    placed: Vec<[Tensor; 2]>,
}

/// Running averages of one tensor's gradient.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

/// The constants of one step, the same for every tensor with the same learning rate.
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
        Self { config, steps: 0, moments: sizes.into_iter().map(zeros).collect(), placed: Vec::new() }
    }

    /// Begins the next step.
    pub(crate) fn begin(&mut self) {
        self.steps += 1;
    }

    /// By what the last step multiplied each element of a tensor's smoothed gradient, for a learning rate of 1:
    /// `1 / (sqrt(second moment) + epsilon)`. `constants` are those of that step.
    pub(crate) fn preconditioner(&self, step: &Step, index: usize) -> impl Iterator<Item = f32> {
        let (scale, epsilon) = (step.second_scale, step.epsilon);
        // The scale is infinite before the first step, and every moment is zero then.
        let root = move |second: f32| if second == 0.0 { 0.0 } else { second.sqrt() * scale };
        self.moments[index].second.iter().map(move |second| 1.0 / (root(*second) + epsilon))
    }

    /// The constants of the current step for parameters with this learning rate.
    pub(crate) fn constants(&self, learning_rate: f64) -> Step {
        let AdamWConfig { beta1, beta2, epsilon, weight_decay, .. } = self.config;
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
            optimiser.begin();
            let step = optimiser.constants(0.01);
            optimiser.update(&step, 0, &mut parameter, &[gradient as f32 * 2.0], 0.5);
        }
        let expected = oracle(config, 0.01, 0.75, &gradients);
        assert!((f64::from(parameter[0]) - expected).abs() < 1e-6, "{} {expected}", parameter[0]);
    }

    #[test]
    fn lora_plus_is_about_b_and_the_lengths() {
        let config = AdamWConfig { lora_plus_ratio: Some(16.0), ..Default::default() };
        let rate = |name: &str| config.rate_of(&format!("base_model.model.model.layers.0.q_proj.{name}"), 1e-3);
        assert_eq!(rate("lora_A.weight"), 1e-3);
        assert_eq!((rate("lora_B.weight"), rate("lora_magnitude_vector")), (16e-3, 16e-3));
        assert_eq!(AdamWConfig::default().rate_of("x.lora_B.weight", 1e-3), 1e-3);
    }

    #[test]
    fn settings_without_the_ratio_are_written_as_before() {
        let text = r#"{"beta1":0.9,"beta2":0.999,"epsilon":1e-8,"weight_decay":0.0}"#;
        assert_eq!(serde_json::to_string(&AdamWConfig::default()).unwrap(), text);
        assert_eq!(serde_json::from_str::<AdamWConfig>(text).unwrap(), AdamWConfig::default());
    }
}
