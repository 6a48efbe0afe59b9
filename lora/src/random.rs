//! The one source of randomness: ChaCha, seeded, with a stream per use.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Random numbers that depend on a seed and a purpose only, on every machine.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// The numbers of `seed` for one purpose; another purpose gets independent ones.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let mut key = blake3::Hasher::new_derive_key("tributary.network 2026-11 random stream v1");
        key.update(&seed.to_le_bytes());
        key.update(purpose.as_bytes());
        Self(ChaCha8Rng::from_seed(*key.finalize().as_bytes()))
    }

    /// Uniform in `[0, 1)`, in steps of 2^-24.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// Goes to where `units` calls of [`Random::unit`] lead from the beginning.
    pub(crate) fn go_to(&mut self, units: usize) {
        self.0.set_word_pos(units as u128);
    }

    /// Standard normal, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f32 {
        // 1 - u lies in (0, 1], where the logarithm is finite.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - f64::from(self.unit())));
        let angle = 2.0 * std::f64::consts::PI * f64::from(self.unit());
        (radius * libm::cos(angle)) as f32
    }

    /// Uniform in `0..bound`; `bound` is positive. The bias of at most `bound / 2^64` is of no consequence here.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Permutes `items` uniformly (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// One of `items`, which are not empty.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}
