//! Which words of an answer stand in the training samples, and whose they are.
//!
//! A [`SpanIndex`] holds the tokens that a model was trained on with their suffix array; [`find_spans`] gives an answer's
//! longest parts that stand there word for word, the rarest first, with samples and contributions. That is evidence to be
//! shown, and moves no units: that words stand somewhere does not say that they were learnt there. [`with_span_evidence`] is
//! the rule by which it could, at most a fifth of each share; nothing that pays calls it.
//!
//! Source: OLMoTrace, arXiv 2504.07096; suffix arrays by SA-IS (the C library libsais). Specification: `docs/protocol/spans.md`.

mod evidence;
mod index;
mod rarity;
mod search;

pub use evidence::{SPAN_PART, span_evidence, with_span_evidence};
pub use index::{IndexedSample, Place, SYMBOLS_MAX, SpanIndex, TOKEN_MAX};
pub use rarity::{BIT, information};
pub use search::{Answer, Span, SpanLimits, find_spans, maximal_spans};

#[cfg(test)]
mod tests;
