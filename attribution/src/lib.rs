//! Which contribution shaped which model.
//!
//! A trained model earns money, and those whose data shaped it share in that. This crate says in which parts: a method
//! (an [`Estimator`], named after its paper) scores every training sample, [`attribute`] sums the scores of each
//! contribution and turns them into units that sum to exactly 10^9, and the [`AttributionReport`] is the evidence from
//! which anybody with the same data and checkpoints can [`recompute`] those units.
//!
//! # What holds
//! - Scores are a function of committed inputs: base model, adapters kept on the way, samples, method. No clock, no chance.
//! - Floats stop here: what leaves the crate for the chain are integers that sum exactly.
//! - A copy earns nothing: a sample that several contributions hold is trained on once and belongs to the first of them
//!   ([`Corpus`]), and splitting a contribution in two splits its score and makes none. What is nearly a copy is found
//!   by [`duplicates`].
//!
//! # Reading order
//! [`Corpus`] (whose sample is it), [`Estimator`] and [`TracInCp`] (scores), [`apportion_scores`] (units),
//! [`AttributionReport`] (evidence and root), [`recompute`] (checking somebody else's), [`spans`] (which words of an answer
//! stand in whose samples).
//!
//! # Invariant
//! Synchronous: no tokio, no network, no chain, no file.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod corpus;
pub mod duplicates;
mod error;
mod estimator;
mod exact;
mod recompute;
mod report;
pub mod spans;
mod tracin;
mod units;

pub use corpus::{ContributionHashes, ContributionSamples, Corpus, Finding, OwnedSample, Part, Resemblance};
pub use error::{AttributionError, EvidenceError, SpanError};
pub use estimator::{Estimator, Inputs, Observer, Progress, estimator, unobserved};
pub use recompute::{Comparison, UNITS_TOLERANCE, recompute};
pub use report::{AttributionReport, CheckpointEvidence, ContributionEvidence, SampleScore, attribute};
pub use tracin::TracInCp;
pub use units::{ContributionUnits, apportion_scores};
