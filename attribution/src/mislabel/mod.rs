//! Samples that look wrong: a list for curators. There are two ways to it, by what a run leaves ([`screen`]) and by the steps that it
//! took ([`screen_by_leverage`]). docs/attribution-benchmark.md compares them with others.
//!
//! It is a list for people to look at: a right sample that is unlike all others stands high on it too. No money follows it.

mod conflict;
mod leverage;

pub use conflict::screen;
pub use leverage::{LeverageSettings, screen_by_leverage};

use tributary_protocol::ContentHash;

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
