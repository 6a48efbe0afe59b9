//! Rows of many sequences in one run through the model: what serving is made of.
//!
//! A row is one position of one sequence. A run may hold single positions of some sequences and stretches of others, each with
//! its own adapter or none; every weight of the base is read once for all of them.
//!
//! # Invariants
//! - What a row gets depends on its sequence's tokens and its adapter only: not on the rows beside it, on how its sequence is
//!   cut into runs, on the number of threads, or on which pages hold its past. The bits are the same.
//! - No adapter is ever merged into the base, and a row without one gets the base alone.

mod adapter;
mod pages;

use crate::model::{Heads, Model, Pass};
use crate::ops::{self, PagedRow, attend_paged, with_elements};
use crate::placement::Placement;
pub(crate) use adapter::RowAdapters;
pub use adapter::ServedAdapter;
use candle_core::Tensor;
pub use pages::{PageId, PagePool};

/// The next positions of one sequence.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// Their tokens; not empty.
    pub tokens: &'a [u32],
    /// The position of the first of them; all before it lie in the pages.
    pub first: usize,
    /// The sequence's pages, in order, with room for these positions.
    pub pages: &'a [PageId],
    /// What changes the base for this sequence.
    pub adapter: Option<&'a ServedAdapter>,
    /// Whether somebody reads what follows the last token.
    pub wanted: bool,
}

/// Logits of the spans that wanted them.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    values: Vec<f32>,
    vocabulary: usize,
}

impl Logits {
    /// One row of `vocab_size` for every span that wanted it, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.vocabulary)
    }
}

/// Why rows could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SpanError {
    /// The model lies where rows of many sequences cannot be run.
    #[error("serving runs on the processor in f32, and not on {placement}; hint: load the model there")]
    Placed {
        /// Where it lies.
        placement: Placement,
    },
    /// A span without tokens.
    #[error("a span without tokens")]
    Empty,
    /// A token that the model does not know.
    #[error("token {token} is none of the model's {vocab_size}")]
    Token {
        /// The token.
        token: u32,
        /// Number of tokens that the model has.
        vocab_size: usize,
    },
    /// A position beyond the model's last.
    #[error("a sequence of {positions} tokens exceeds the model's {positions_max} positions")]
    TooLong {
        /// Positions of the sequence with the span.
        positions: usize,
        /// The model's.
        positions_max: usize,
    },
    /// Too few pages for the positions.
    #[error("a span needs {needed} pages, its sequence has {found}")]
    Pages {
        /// Pages that all positions take.
        needed: usize,
        /// Pages of the sequence.
        found: usize,
    },
    /// A page that belongs to nobody.
    #[error("page {page} belongs to no sequence")]
    FreePage {
        /// Its number.
        page: u32,
    },
    /// A position before the span was never written.
    #[error("a span begins at position {first}, and position {position} before it was not computed")]
    Gap {
        /// The first such position.
        position: usize,
        /// Where the span begins.
        first: usize,
    },
    /// The span would write where others read.
    #[error("a span would write to page {page}, which has {references} readers")]
    SharedPage {
        /// Its number.
        page: u32,
        /// Who refers to it.
        references: u32,
    },
    /// The pool or an adapter was made for a model of another shape or content.
    #[error("the {what} belongs to another model")]
    OtherModel {
        /// "pool" or "adapter".
        what: &'static str,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Model {
    /// Runs the spans through the model in one go and writes their keys and values to their pages.
    ///
    /// No two spans may be of one sequence. Rows of the same adapter should be neighbours: a change between rows costs another
    /// reading of what it changes to. Nothing is written if an error is found before the first layer; after an error of a tensor
    /// operation the written positions count as not written.
    /// Cost: one reading of the parameters, and the work of the rows.
    pub fn next_logits(&self, spans: &[Span<'_>], pool: &mut PagePool) -> Result<Logits, SpanError> {
        self.check(spans, pool)?;
        let pages: Vec<Vec<u32>> =
            spans.iter().map(|span| span.pages.iter().map(|page| page.number()).collect()).collect();
        let mut rows = Vec::new();
        let (mut tokens, mut adapters, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for (span, pages) in spans.iter().zip(&pages) {
            tokens.extend_from_slice(span.tokens);
            adapters.extend(span.tokens.iter().map(|_| span.adapter));
            rows.extend((0..span.tokens.len()).map(|i| PagedRow { position: span.first + i, pages }));
            if span.wanted {
                last.push(rows.len() as u32 - 1);
            }
        }
        let adapters = RowAdapters(adapters);
        // The many small operations of few rows then find themselves among rayon's threads instead of waking them.
        let values = rayon::scope(|_| self.run_rows(&tokens, &adapters, &rows, &last, pool))?;
        for span in spans {
            pool.wrote(span.pages, span.first, span.tokens.len());
        }
        Ok(Logits { values, vocabulary: self.config().vocab_size })
    }

    fn run_rows(
        &self,
        tokens: &[u32],
        adapters: &RowAdapters<'_>,
        rows: &[PagedRow<'_>],
        last: &[u32],
        pool: &mut PagePool,
    ) -> Result<Vec<f32>, SpanError> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let pass = Pass { adapter: None, rows: Some(adapters), noise: None, unread: false, decode: true, tape: None };
        let hidden = self.run(tokens, pass, |layer, shape, Heads { q, k, v }| {
            let out = with_elements(q, |q| {
                with_elements(k, |k| {
                    with_elements(v, |v| Ok(attend_paged((q, k, v), rows, shape, self.rope(), pool.layer(layer))))
                })
            })?;
            Tensor::from_vec(out, (rows.len(), shape.output_width()), q.device())
        })?;
        if last.is_empty() {
            return Ok(Vec::new());
        }
        let hidden = match last.len() == rows.len() {
            true => hidden,
            false => hidden.index_select(&Tensor::new(last, hidden.device())?, 0)?,
        };
        let logits = ops::decode_linear(&hidden, self.head_matrix(), None)?;
        Ok(with_elements(&logits, |logits| Ok(logits.to_vec()))?)
    }

    fn check(&self, spans: &[Span<'_>], pool: &PagePool) -> Result<(), SpanError> {
        if !self.placement().is_native() {
            return Err(SpanError::Placed { placement: self.placement() });
        }
        if !pool.fits(self) {
            return Err(SpanError::OtherModel { what: "pool" });
        }
        let config = self.config();
        let layers = self.linears().len();
        for span in spans {
            if span.tokens.is_empty() {
                return Err(SpanError::Empty);
            }
            if let Some(&token) = span.tokens.iter().find(|token| **token as usize >= config.vocab_size) {
                return Err(SpanError::Token { token, vocab_size: config.vocab_size });
            }
            let positions = span.first + span.tokens.len();
            if positions > config.positions_max {
                return Err(SpanError::TooLong { positions, positions_max: config.positions_max });
            }
            if let Some(adapter) = span.adapter {
                let other = matches!((adapter.base(), self.content_hash()), (Some(a), Some(b)) if a != b);
                if other || adapter.layers() != layers {
                    return Err(SpanError::OtherModel { what: "adapter" });
                }
            }
            pool.check(span.pages, span.first, span.tokens.len())?;
        }
        Ok(())
    }
}
