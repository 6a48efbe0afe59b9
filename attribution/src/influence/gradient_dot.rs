//! The inner product of gradients at the end of the training.
//!
//! Source: TracIn with one checkpoint and learning rate 1, arXiv 2002.08484, section 3.3; Charpiat et al., "Input
//! Similarity from the Neural Network Perspective", arXiv 2102.05262, equation 3.

use super::{
    Fitted, Influence,
    gradients::{QueryGradients, dot, finite, ids, last_gradients, last_step},
};
use crate::{
    error::AttributionError,
    estimator::{Inputs, Observer},
};
use rayon::prelude::*;
use tributary_protocol::ContentHash;

/// `score(q, i) = grad l(q) . grad l(i)` at the last checkpoint: what one small step of plain gradient descent on the
/// sample would take off the query's loss.
///
/// Cost: a gradient per sample, `4 · parameters` bytes each; a query costs `samples · parameters` multiply-adds.
#[derive(Clone, Copy, Debug, Default)]
pub struct GradientDot;

impl Influence for GradientDot {
    fn name(&self) -> &'static str {
        "gradient dot"
    }

    fn fit(&self, inputs: &Inputs<'_>, observer: Observer<'_>) -> Result<Box<dyn Fitted>, AttributionError> {
        let rows = last_gradients(inputs, observer)?;
        Ok(Box::new(Rows { rows, ids: ids(inputs), step: last_step(inputs) }))
    }
}

/// Vectors whose inner products with the query's gradient at the last checkpoint are the scores.
pub(super) struct Rows {
    pub rows: Vec<Vec<f32>>,
    pub ids: Vec<ContentHash>,
    pub step: u64,
}

impl Fitted for Rows {
    fn scores(&self, query: &QueryGradients) -> Result<Vec<f64>, AttributionError> {
        query.check(self.rows.first().map_or(0, Vec::len), 1)?;
        let scores = self.rows.par_iter().map(|row| dot(row, query.last())).collect();
        finite(scores, &self.ids, self.step)
    }
}
