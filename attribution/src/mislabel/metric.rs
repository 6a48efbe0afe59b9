//! Lengths and products of gradients as the second moment of many gradients has them.

use super::ScreenSettings;
use crate::{error::AttributionError, influence::Cholesky};
use rayon::prelude::*;
use tributary_lora::{Matrix, add_product};

/// Rows that are looked at together: what bounds the memory.
const ROWS: usize = 1024;

/// `(F + λ)^-1` with `F` the sum of some rows' outer products, by Woodbury's identity:
/// `vᵀ (F + λ)^-1 w = (vᵀw - ⟨L^-1 O v, L^-1 O w⟩) / λ`, where `O` are the rows and `L Lᵀ = O Oᵀ + λ`.
pub(super) struct Metric {
    others: Vec<f32>,
    dims: usize,
    /// Which rows are in `F`, sorted.
    chosen: Vec<usize>,
    system: Cholesky,
    /// `λ`.
    pub damping: f64,
}

impl Metric {
    /// `F` of at most [`ScreenSettings::others_max`] of the rows of `vectors`, `[rows, dims]`, evenly chosen.
    pub fn new(vectors: &[f32], dims: usize, settings: ScreenSettings) -> Result<Self, AttributionError> {
        let ScreenSettings { damping, others_max } = settings;
        if !(damping > 0.0 && damping.is_finite()) || others_max == 0 {
            return Err(AttributionError::Damping { found: damping });
        }
        let rows = vectors.len() / dims;
        let count = rows.min(others_max);
        let chosen: Vec<usize> = (0..count).map(|i| i * rows / count.max(1)).collect();
        let others: Vec<f32> = chosen.iter().flat_map(|place| &vectors[place * dims..][..dims]).copied().collect();
        let matrix = Matrix::new(&others, count, dims);
        let mut gram = vec![0f32; count * count];
        add_product(&mut gram, matrix, matrix.transposed(), 1.0);
        let mut system: Vec<f64> = gram.into_iter().map(f64::from).collect();
        let mean = (0..count).fold(0f64, |sum, i| sum + system[i * count + i]) / count.max(1) as f64;
        // Gradients that are all zero have no length, whatever stands here.
        let damping = if mean > 0.0 { damping * mean } else { 1.0 };
        (0..count).for_each(|i| system[i * count + i] += damping);
        let system =
            Cholesky::new(system, count).ok_or(AttributionError::Singular { method: "the mislabel screen" })?;
        Ok(Self { others, dims, chosen, system, damping })
    }

    /// Whether the row at this place is itself in `F`.
    pub fn has(&self, place: usize) -> bool {
        self.chosen.binary_search(&place).is_ok()
    }

    /// What `each` makes of every row of `vectors`, of its place, and of its `L^-1 O v`.
    pub fn map<T: Send>(&self, vectors: &[f32], each: impl Fn(usize, &[f32], &[f64]) -> T + Sync) -> Vec<T> {
        let count = self.chosen.len();
        let mut made = Vec::with_capacity(vectors.len() / self.dims);
        for (part, vectors) in vectors.chunks(ROWS * self.dims).enumerate() {
            let rows = vectors.len() / self.dims;
            let mut along = vec![0f32; rows * count];
            let others = Matrix::new(&self.others, count, self.dims).transposed();
            add_product(&mut along, Matrix::new(vectors, rows, self.dims), others, 1.0);
            let one = |(place, (vector, along)): (usize, (&[f32], &[f32]))| {
                let explained = self.system.forward(&along.iter().map(|value| f64::from(*value)).collect::<Vec<_>>());
                each(part * ROWS + place, vector, &explained)
            };
            let pairs = vectors.par_chunks_exact(self.dims).zip(along.par_chunks_exact(count.max(1)));
            made.par_extend(pairs.enumerate().map(one));
        }
        made
    }

    /// `vᵀ (F + λ)^-1 v` of a row and its `L^-1 O v`.
    pub fn square(&self, vector: &[f32], explained: &[f64]) -> f64 {
        // Rounding of f32 products can leave a little less than nothing.
        ((square(vector) - explained.iter().fold(0f64, |sum, value| sum + value * value)) / self.damping).max(0.0)
    }
}

pub(super) fn square(values: &[f32]) -> f64 {
    values.iter().fold(0f64, |sum, value| sum + f64::from(*value) * f64::from(*value))
}
