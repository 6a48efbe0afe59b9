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
//! [`Corpus`] (whose sample is it), [`Estimator`] (scores of a training), [`Influence`] and its methods (scores of any
//! text), [`Trajectory`] and [`Embeddings`] (what is kept for that), [`training_scores`] and [`apportion_units`] (units),
//! [`AttributionReport`] (evidence and root), [`recompute`] (checking somebody else's), [`screen`] (samples that look wrong).
//! For single answers: [`Groups`] (samples that say similar things), [`Tangents`] (what each group did to the adapter),
//! [`Answer`] (shares of one answer), [`accuracy`] (how right all that is), [`spans`] (which words of an answer stand in
//! whose samples).
//!
//! # Invariant
//! Synchronous: no tokio, no network, no chain; no file but the trajectory's, which a caller names.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod accuracy;
mod answer;
mod answer_evidence;
mod corpus;
pub mod duplicates;
mod embedding;
mod embedding_scores;
mod error;
mod estimator;
mod exact;
mod explain;
mod groups;
mod influence;
mod learnt;
mod measure;
mod mislabel;
mod packed;
mod planted;
mod recompute;
mod report;
pub mod spans;
mod tangents;
mod training;
mod units;

pub use answer::{Answer, AnswerShares, ContributionShare, SampleScores, ShareError, to_integers};
pub use answer_evidence::{AnswerEvidence, AnsweredContribution, Explained, ExplainedModel};
pub use corpus::{ContributionHashes, ContributionSamples, Corpus, Finding, OwnedSample, Part, Resemblance, Standing};
pub use embedding::{EmbeddingError, Embeddings};
pub use embedding_scores::integer_scores;
pub use error::{AttributionError, EvidenceError, SpanError};
pub use estimator::{Estimator, Inputs, Observer, Progress, unobserved};
pub use explain::{
    AnswerQuery, AnswerScores, ExplainError, answer_groups, answer_query, answer_scores, query_gradient,
};
pub use groups::{DIMENSIONS, GroupError, GroupSettings, Groups};
pub use influence::{
    CapturedGhost, CapturedRow, DataInf, DataValueEmbedding, EmbeddingSettings, Fitted, GradientCosine, GradientDot,
    Influence, OnValidation, Quantised, QueryGradients, Sketch, SketchError, TracInCp, Trajectory, TrajectoryError,
    TrajectoryRecorder, TrajectoryStep, Trak, embed, embedding_rows, validation_scores,
};
pub use learnt::{learnt_parts, weigh_by_learnt};
pub use measure::{MeasureError, MeasureSettings, check_coalitions, measure};
pub use mislabel::{ScreenSettings, Suspect, Suspects, Suspicion, screen, screen_by_leverage};
pub use planted::Planted;
pub use recompute::{Comparison, UNITS_TOLERANCE, recompute};
pub use report::{
    AttributionReport, CheckpointEvidence, ContributionEvidence, SampleEvidence, TRAINING_RULE, attribute,
};
pub use tangents::{
    RetrainObserver, RetrainProgress, RetrainRecipe, Retrained, Retrainer, Tangent, TangentError, TangentSettings,
    Tangents, parameters, random_coalitions, random_halves, sample_effects,
};
pub use training::{Kept, TrainingScores, training_scores};
pub use units::{ContributionUnits, apportion_units};
