//! Samples that look wrong: a list for curators. There are two ways to it, by what a run leaves ([`screen`]) and by the steps that it
//! took ([`screen_by_leverage`]). docs/attribution-benchmark.md compares them with others.
//!
//! It is a list for people to look at: a right sample that is unlike all others stands high on it too. No money follows it.

mod conflict;
mod leverage;
mod metric;
mod suspects;

pub use conflict::screen;
pub use leverage::screen_by_leverage;
pub use suspects::{Suspect, Suspects};

use tributary_protocol::ContentHash;

/// How gradients are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScreenSettings {
    /// `λ`, as a part of the samples' mean square.
    pub damping: f64,
    /// Most samples that `F` is made from, evenly chosen; their square, times 8 bytes, bounds the memory.
    pub others_max: usize,
}

impl Default for ScreenSettings {
    fn default() -> Self {
        Self { damping: 0.1, others_max: 2048 }
    }
}

/// A sample and how much it stands out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspicion {
    /// Its place among the training samples.
    pub place: usize,
    /// Its hash.
    pub sample: ContentHash,
    /// From 0 to 1, the higher the more suspicious.
    pub score: f64,
}

/// The highest score first.
fn by_score(mut suspicions: Vec<Suspicion>) -> Vec<Suspicion> {
    suspicions.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.place.cmp(&b.place)));
    suspicions
}
