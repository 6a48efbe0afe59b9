//! DataInf: an inverse Fisher matrix in closed form.
//!
//! Source: Kwon, Wu, Wu, Zou, "DataInf: Efficiently Estimating Data Influence in LoRA-tuned LLMs and Diffusion Models",
//! arXiv 2310.00902, equation 5: for each adapter matrix `l`, with `n` samples of gradients `g_i` there,
//! `(G + λ I)^-1 ≈ 1/n · Σ_i (g_i g_iᵀ + λ I)^-1 = 1/(n λ) · Σ_i (I - g_i g_iᵀ / (λ + |g_i|²))`.
//! The paper's influence is that of giving a sample more weight on the loss; here it has the other sign, above 0 for help.

use super::{
    Fitted, Influence,
    gradients::{QueryGradients, dot, finite, ids, last_gradients, last_step},
};
use crate::{
    error::AttributionError,
    estimator::{Inputs, Observer},
};
use rayon::prelude::*;
use std::ops::Range;
use tributary_protocol::ContentHash;

/// DataInf at the last checkpoint, on every adapter matrix for itself.
///
/// Cost: a gradient per sample, `4 · parameters` bytes each; a query costs three times `samples · parameters`
/// multiply-adds.
#[derive(Clone, Copy, Debug)]
pub struct DataInf {
    /// `λ` of a matrix, as a part of the mean square of its gradients' elements. The paper takes 0.1 (section 4).
    pub damping: f64,
}

impl Default for DataInf {
    fn default() -> Self {
        Self { damping: 0.1 }
    }
}

impl Influence for DataInf {
    fn name(&self) -> &'static str {
        "DataInf"
    }

    fn fit(&self, inputs: &Inputs<'_>, observer: Observer<'_>) -> Result<Box<dyn Fitted>, AttributionError> {
        if !(self.damping > 0.0 && self.damping.is_finite()) {
            return Err(AttributionError::Damping { found: self.damping });
        }
        let snapshot = inputs.snapshots.last().ok_or(AttributionError::NoCheckpoints)?;
        let rows = last_gradients(inputs, observer)?;
        let mut from = 0;
        let variables = snapshot.adapter.variables().into_iter();
        let matrices = variables.map(|(_, variable)| {
            let place = from..from + variable.elem_count();
            from = place.end;
            Matrix::new(place, &rows, self.damping)
        });
        let matrices = matrices.collect();
        Ok(Box::new(FittedDataInf { rows, matrices, ids: ids(inputs), step: last_step(inputs) }))
    }
}

struct Matrix {
    place: Range<usize>,
    /// `|g_i|²` in this matrix.
    squares: Vec<f64>,
    /// `λ`
    damping: f64,
}

impl Matrix {
    fn new(place: Range<usize>, rows: &[Vec<f32>], part: f64) -> Self {
        let squares: Vec<f64> = rows.par_iter().map(|row| dot(&row[place.clone()], &row[place.clone()])).collect();
        let total = squares.iter().fold(0f64, |sum, square| sum + square);
        let damping = part * total / (rows.len() * place.len()).max(1) as f64;
        Self { place, squares, damping }
    }

    /// `(G + λ I)^-1 q`; zero where no sample has a gradient.
    fn solve(&self, rows: &[Vec<f32>], query: &[f32]) -> Vec<f32> {
        if self.damping == 0.0 {
            return vec![0.0; query.len()];
        }
        let count = rows.len() as f64;
        let products: Vec<f64> = rows.par_iter().map(|row| dot(&row[self.place.clone()], query)).collect();
        let mut left: Vec<f64> = query.iter().map(|value| f64::from(*value)).collect();
        for ((row, product), square) in rows.iter().zip(products).zip(&self.squares) {
            let part = product / (self.damping + square) / count;
            left.iter_mut().zip(&row[self.place.clone()]).for_each(|(left, value)| *left -= part * f64::from(*value));
        }
        left.into_iter().map(|value| (value / self.damping) as f32).collect()
    }
}

struct FittedDataInf {
    rows: Vec<Vec<f32>>,
    matrices: Vec<Matrix>,
    ids: Vec<ContentHash>,
    step: u64,
}

impl Fitted for FittedDataInf {
    fn scores(&self, query: &QueryGradients) -> Result<Vec<f64>, AttributionError> {
        query.check(self.rows.first().map_or(0, Vec::len), 1)?;
        let matrices = self.matrices.iter();
        let solved: Vec<f32> =
            matrices.flat_map(|matrix| matrix.solve(&self.rows, &query.last()[matrix.place.clone()])).collect();
        let scores = self.rows.par_iter().map(|row| dot(row, &solved)).collect();
        finite(scores, &self.ids, self.step)
    }
}
