//! Rotary position embedding.

use crate::config::{ModelConfig, RopeConfig, RopeScaling};
use candle_core::{DType, Device, Result, Tensor};
use std::sync::Mutex;

/// Cosines and sines of every position's rotation angles.
///
/// Angles are products of f32, as in the reference implementation (transformers), and only their cosine is taken in f64.
/// Source: arXiv 2104.09864, section 3.2.2; llama3 scaling as in transformers' `modeling_rope_utils`.
#[derive(Debug)]
pub(crate) struct RopeTable {
    /// Features of a head.
    pub(crate) head_dim: usize,
    /// The first feature that is rotated.
    pub(crate) first: usize,
    /// Pairs of features that are rotated.
    pub(crate) half: usize,
    /// Whether a pair are neighbours, instead of `half` apart.
    pub(crate) interleaved: bool,
    cos: Vec<f32>,
    sin: Vec<f32>,
    /// The last of [`RopeTable::tensors`].
    tensors: Mutex<Option<(Tensor, Tensor)>>,
}

impl RopeTable {
    /// The table for all positions of the model.
    pub(crate) fn new(config: &ModelConfig) -> Self {
        let (first, rotated, interleaved) = match &config.architecture.latent {
            Some(latent) => (latent.nope_dim, latent.rope_dim, latent.interleaved),
            None => (0, config.head_dim, false),
        };
        let half = rotated / 2;
        let frequencies: Vec<f32> = (0..half).map(|i| frequency(&config.rope, i, rotated)).collect();
        let angles = (0..config.positions_max).flat_map(|p| frequencies.iter().map(move |f| f64::from(p as f32 * f)));
        let (cos, sin) = angles.map(|angle| (libm::cos(angle) as f32, libm::sin(angle) as f32)).unzip();
        Self { head_dim: config.head_dim, first, half, interleaved, cos, sin, tensors: Mutex::default() }
    }

    /// Number of positions in the table.
    pub(crate) fn positions(&self) -> usize {
        self.cos.len() / self.half
    }

    /// Cosines and sines as tensors, `[positions, half]`. The last ones asked for are kept: a model stays where it is.
    pub(crate) fn tensors(&self, device: &Device, dtype: DType) -> Result<(Tensor, Tensor)> {
        let mut kept = self.tensors.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match &*kept {
            Some((cos, sin)) if cos.device().same_device(device) && cos.dtype() == dtype => {
                Ok((cos.clone(), sin.clone()))
            }
            _ => {
                let table =
                    |values: &[f32]| Tensor::from_slice(values, (self.positions(), self.half), device)?.to_dtype(dtype);
                let (cos, sin) = (table(&self.cos)?, table(&self.sin)?);
                *kept = Some((cos.clone(), sin.clone()));
                Ok((cos, sin))
            }
        }
    }

    /// Rotates the heads of one position in place.
    pub(crate) fn rotate(&self, heads: &mut [f32], position: usize) {
        self.apply(heads, position, 1.0);
    }

    /// The inverse rotation, which is also the gradient of the rotation.
    pub(crate) fn rotate_back(&self, heads: &mut [f32], position: usize) {
        self.apply(heads, position, -1.0);
    }

    fn apply(&self, heads: &mut [f32], position: usize, direction: f32) {
        let angles = position * self.half..(position + 1) * self.half;
        let (cos, sin) = (&self.cos[angles.clone()], &self.sin[angles]);
        for head in heads.chunks_exact_mut(self.head_dim) {
            let rotated = &mut head[self.first..self.first + 2 * self.half];
            if self.interleaved {
                for (([a, b], c), s) in rotated.as_chunks_mut().0.iter_mut().zip(cos).zip(sin) {
                    let s = s * direction;
                    (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
                }
                continue;
            }
            let (first, second) = rotated.split_at_mut(self.half);
            for (((a, b), c), s) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                let s = s * direction;
                (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
            }
        }
    }
}

fn frequency(rope: &RopeConfig, index: usize, rotated: usize) -> f32 {
    let exponent = (2 * index) as f32 / rotated as f32;
    let plain = (1.0 / libm::pow(rope.theta, f64::from(exponent))) as f32;
    match rope.scaling {
        RopeScaling::None => plain,
        RopeScaling::Linear { factor } => (f64::from(plain) / factor) as f32,
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_positions } => {
            let plain = f64::from(plain);
            let wavelength = 2.0 * std::f64::consts::PI / plain;
            let positions = original_positions as f64;
            let scaled = if wavelength > positions / low_freq_factor {
                plain / factor
            } else if wavelength < positions / high_freq_factor {
                plain
            } else {
                let smooth = (positions / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
                (1.0 - smooth) * plain / factor + smooth * plain
            };
            scaled as f32
        }
    }
}
