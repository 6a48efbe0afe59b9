//! Embeddings of the training samples and of ghosts, and queries against them.
//!
//! # File
//! All numbers little-endian.
//! ```text
//! magic "TRIBEMB\0" · version u32 = 3 · dims u32 · samples u32 · ghosts u32 · seed u64 · parameters u64 · exponent i32
//! rows × hash [32]               those of the samples and then those of the ghosts, each in the dataset's order
//! rows × units u32               what a step of the row is worth, in 2^exponent, as far as the sample was learnt
//! rows × ceil(dims / 4)          the rows, each number -3, -1, 1 or 3 in two bits
//! parameters × bf16              the root of AdamW's preconditioner at the end of the run, positive
//! BLAKE3 of all that [32]
//! ```
//! A ghost is a sample that was kept for validation; its row is that of a sample that had been trained on.
//! A query's gradient is multiplied by those roots, sketched ([`Sketch`](crate::Sketch), of the file's seed and sizes) and
//! rounded to int8. From there on everything is integers: [`integer_scores`](crate::integer_scores).

use crate::{
    embedding_scores::{integer_scores, product},
    error::AttributionError,
    influence::{Quantised, Sketch, SketchError, Trajectory},
    packed::{is_clean, pack, packed_bytes, unpack},
};
use tributary_protocol::ContentHash;

const MAGIC: &[u8; 8] = b"TRIBEMB\0";
const VERSION: u32 = 3;
const HEAD_BYTES: usize = 8 + 4 * 4 + 2 * 8 + 4;
const HASH_BYTES: usize = 32;

/// Exponents of two that scores are written with; f32 needs no others.
const EXPONENTS: std::ops::RangeInclusive<i32> = -300..=300;

/// Why embeddings cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingError {
    /// The file is none of embeddings, or damaged.
    #[error("not whole embeddings: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// The preconditioner does not fit.
    #[error("a preconditioner of {found} numbers for {expected} parameters; accepted are positive finite numbers")]
    Preconditioner {
        /// How many of its numbers are positive and finite.
        found: usize,
        /// Parameters of the adapter.
        expected: usize,
    },
    /// The gradient of a query does not fit.
    #[error("a gradient of {found} numbers for {expected} parameters; accepted are finite numbers")]
    Query {
        /// How many of its numbers are finite.
        found: usize,
        /// Parameters of the adapter.
        expected: usize,
    },
    /// Rows are weighed by other samples' parts.
    #[error("{found} parts for {expected} rows")]
    Parts {
        /// How many there are.
        found: usize,
        /// Rows of samples and ghosts.
        expected: usize,
    },
    /// The sketch has sizes that it cannot have.
    #[error(transparent)]
    Sketch(#[from] SketchError),
}

/// A row for every training sample and every ghost, four numbers to a byte, whose inner product with a query's is how much the sample helped it.
#[derive(Clone, Debug)]
pub struct Embeddings {
    sketch: Sketch,
    samples: Vec<ContentHash>,
    ghosts: Vec<ContentHash>,
    /// Those of the samples, then those of the ghosts; as the rows.
    units: Vec<u32>,
    exponent: i32,
    /// `[samples and ghosts, ceil(dims / 4)]`
    rows: Vec<u8>,
    /// bf16
    roots: Vec<u16>,
}

impl Embeddings {
    /// From the rows `[samples and ghosts, dims]` in f32, which are finite.
    pub(crate) fn new(trajectory: &Trajectory, preconditioner: &[f32], rows: &[f32]) -> Result<Self, AttributionError> {
        let expected = trajectory.parameters();
        let sound = preconditioner.iter().filter(|value| **value > 0.0 && value.is_finite()).count();
        if (sound, preconditioner.len()) != (expected, expected) {
            return Err(EmbeddingError::Preconditioner { found: sound, expected }.into());
        }
        let sketch = Sketch::new(trajectory.seed(), expected, trajectory.dims()).map_err(EmbeddingError::Sketch)?;
        let mut packed = vec![0u8; rows.len() / sketch.dims() * packed_bytes(sketch.dims())];
        let places = packed.chunks_exact_mut(packed_bytes(sketch.dims()));
        let steps: Vec<f32> =
            rows.chunks_exact(sketch.dims()).zip(places).map(|(row, out)| pack(row, out).unwrap_or(0.0)).collect();
        let largest = steps.iter().copied().fold(0f32, f32::max);
        let exponent = exponent_of(largest) - 31;
        let unit = |step: &f32| (f64::from(*step) * power_of_two(-exponent)).round_ties_even() as u32;
        Ok(Self {
            samples: trajectory.samples().to_vec(),
            ghosts: trajectory.ghosts().to_vec(),
            units: steps.iter().map(unit).collect(),
            exponent,
            rows: packed,
            roots: preconditioner.iter().map(|value| to_bf16(value.sqrt())).collect(),
            sketch,
        })
    }

    /// The same with every row times its part, those of the samples first, then those of the ghosts; parts are from 0 to 1.
    pub(crate) fn weighed(mut self, parts: &[f64]) -> Result<Self, EmbeddingError> {
        let (found, expected) = (parts.len(), self.units.len());
        if found != expected {
            return Err(EmbeddingError::Parts { found, expected });
        }
        for (unit, part) in self.units.iter_mut().zip(parts) {
            *unit = (f64::from(*unit) * part.clamp(0.0, 1.0)).round_ties_even() as u32;
        }
        Ok(self)
    }

    /// Hashes of the training samples, in the order of scores.
    pub fn samples(&self) -> &[ContentHash] {
        &self.samples
    }

    /// Hashes of the ghosts, in the order of their scores: samples kept for validation.
    pub fn ghosts(&self) -> &[ContentHash] {
        &self.ghosts
    }

    /// Numbers of a row.
    pub fn dims(&self) -> usize {
        self.sketch.dims()
    }

    /// Parameters of the adapter.
    pub fn parameters(&self) -> usize {
        self.sketch.parameters()
    }

    /// The row of the sample with this place, packed, and how much a step of it is worth.
    pub fn row(&self, sample: usize) -> Option<(&[u8], u32)> {
        (sample < self.samples.len()).then(|| self.any_row(sample)).flatten()
    }

    /// The row of the ghost with this place, packed, and how much a step of it is worth.
    pub fn ghost_row(&self, ghost: usize) -> Option<(&[u8], u32)> {
        self.any_row(self.samples.len().checked_add(ghost)?)
    }

    fn any_row(&self, place: usize) -> Option<(&[u8], u32)> {
        let bytes = packed_bytes(self.dims());
        let from = place.checked_mul(bytes)?;
        Some((self.rows.get(from..from + bytes)?, *self.units.get(place)?))
    }

    /// For each ghost, the place of the training sample that it is most like, by the angle between their rows; the first of
    /// several. Cost: `samples · ghosts · dims` multiply-adds of bytes.
    pub fn ghost_neighbours(&self) -> Vec<usize> {
        let numbers = |packed: &[u8]| {
            let mut numbers = vec![0i8; self.dims()];
            unpack(packed, &mut numbers);
            numbers
        };
        let (samples, ghosts) = self.rows.split_at(self.row_bytes());
        let bytes = packed_bytes(self.dims());
        let ghosts: Vec<Vec<i8>> = ghosts.chunks_exact(bytes).map(numbers).collect();
        let mut best = vec![(f64::NEG_INFINITY, 0); ghosts.len()];
        for (place, packed) in samples.chunks_exact(bytes).enumerate().filter(|(place, _)| self.units[*place] > 0) {
            let row = numbers(packed);
            // An integer of at most 2^16 · 9, whose root and quotients are rounded once.
            let length = f64::from(product(&row, &row)).sqrt();
            for (ghost, best) in ghosts.iter().zip(&mut best) {
                let along = f64::from(product(&row, ghost)) / length;
                if along > best.0 {
                    *best = (along, place);
                }
            }
        }
        best.into_iter().map(|(_, place)| place).collect()
    }

    /// Bytes of the samples' rows, which come before those of the ghosts.
    fn row_bytes(&self) -> usize {
        self.samples.len() * packed_bytes(self.dims())
    }

    /// A query's gradient as a row. Scores are linear in the gradient, so its length is left out.
    ///
    /// Cost: two multiply-adds per parameter. Errors: another number of parameters; elements that are not finite.
    pub fn sketch(&self, gradient: &[f32]) -> Result<Quantised, EmbeddingError> {
        let refused = || {
            let found = gradient.iter().filter(|value| value.is_finite()).count();
            EmbeddingError::Query { found, expected: self.parameters() }
        };
        if gradient.len() != self.parameters() {
            return Err(refused());
        }
        let roots: Vec<f32> = self.roots.iter().map(|root| from_bf16(*root)).collect();
        let mut sketched = vec![0f32; self.dims()];
        self.sketch.apply(&self.sketch.weights(&roots), gradient, &mut sketched);
        Quantised::new(&sketched).ok_or_else(refused)
    }

    /// How much each sample helped (above 0) or hurt (below 0) on the query: integers that anybody gets who has the rows
    /// and the query's int8. Cost: `samples · dims` multiply-adds of bytes.
    pub fn integer_scores(&self, query: &[i8]) -> Option<Vec<i64>> {
        self.fits(query)?;
        integer_scores(&self.rows[..self.row_bytes()], &self.units[..self.samples.len()], query)
    }

    /// How much each ghost would have helped had it been trained on, in the unit of [`Embeddings::integer_scores`].
    pub fn integer_ghost_scores(&self, query: &[i8]) -> Option<Vec<i64>> {
        self.fits(query)?;
        integer_scores(&self.rows[self.row_bytes()..], &self.units[self.samples.len()..], query)
    }

    /// Queries that are a little shorter would have rows of as many bytes.
    fn fits(&self, query: &[i8]) -> Option<()> {
        (query.len() == self.dims()).then_some(())
    }

    /// The same in nats of the query's loss, as the estimator means them.
    pub fn scores(&self, query: &Quantised) -> Vec<f64> {
        let scores = self.integer_scores(&query.values).unwrap_or_default();
        self.in_nats(query, scores)
    }

    /// As [`Embeddings::scores`], of the ghosts.
    pub fn ghost_scores(&self, query: &Quantised) -> Vec<f64> {
        let scores = self.integer_ghost_scores(&query.values).unwrap_or_default();
        self.in_nats(query, scores)
    }

    fn in_nats(&self, query: &Quantised, scores: Vec<i64>) -> Vec<f64> {
        let step = f64::from(query.scale) * power_of_two(self.exponent);
        scores.into_iter().map(|score| step * score as f64).collect()
    }

    /// Bytes of the file that each further sample or ghost adds.
    pub fn bytes_per_sample(&self) -> usize {
        HASH_BYTES + 4 + packed_bytes(self.dims())
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((self.dims() as u32).to_le_bytes());
        bytes.extend((self.samples.len() as u32).to_le_bytes());
        bytes.extend((self.ghosts.len() as u32).to_le_bytes());
        bytes.extend(self.sketch.seed().to_le_bytes());
        bytes.extend((self.parameters() as u64).to_le_bytes());
        bytes.extend(self.exponent.to_le_bytes());
        self.samples.iter().chain(&self.ghosts).for_each(|sample| bytes.extend(sample.0));
        self.units.iter().for_each(|unit| bytes.extend(unit.to_le_bytes()));
        bytes.extend(&self.rows);
        self.roots.iter().for_each(|root| bytes.extend(root.to_le_bytes()));
        bytes.extend(blake3::hash(&bytes).as_bytes());
        bytes
    }

    /// BLAKE3 of the file.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&self.to_bytes())
    }

    /// Reads a file. Nothing is allocated before the length of the file is what its head says.
    ///
    /// Errors: another format or length, a checksum that does not hold, numbers that no writer writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EmbeddingError> {
        let malformed = |reason: String| EmbeddingError::Malformed { reason };
        let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES) else {
            return Err(malformed(format!("{} bytes are less than a head", bytes.len())));
        };
        if !head.starts_with(MAGIC) {
            return Err(malformed("it does not begin as them".into()));
        }
        let u32_at = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let version = u32_at(8);
        if version != VERSION {
            return Err(malformed(format!("it has version {version}, this program reads {VERSION}")));
        }
        let (dims, samples, ghosts) = (u32_at(12) as usize, u32_at(16) as usize, u32_at(20) as usize);
        let (seed, parameters, exponent) = (u64_at(24), u64_at(32), u32_at(40).cast_signed());
        let count = samples.saturating_add(ghosts);
        let parameters = usize::try_from(parameters).unwrap_or(usize::MAX);
        if !EXPONENTS.contains(&exponent) {
            return Err(malformed(format!("its exponent is {exponent}; accepted are -300 to 300")));
        }
        let of_row = packed_bytes(dims);
        let expected = of_row
            .checked_add(HASH_BYTES + 4)
            .and_then(|of_sample| of_sample.checked_mul(count))
            .and_then(|of_samples| of_samples.checked_add(parameters.checked_mul(2)?)?.checked_add(HASH_BYTES));
        if expected != Some(rest.len()) {
            let found = rest.len();
            return Err(malformed(format!(
                "{found} bytes follow a head of {samples} samples, {ghosts} ghosts, {dims} dimensions and {parameters} parameters"
            )));
        }
        let (content, checksum) = bytes.split_at(bytes.len() - HASH_BYTES);
        if blake3::hash(content).as_bytes() != checksum {
            return Err(malformed("its checksum does not hold".into()));
        }
        let (ids, rest) = rest.split_at(HASH_BYTES * count);
        let ids: Vec<ContentHash> = ids.as_chunks().0.iter().map(|id| ContentHash(*id)).collect();
        let (units, rest) = rest.split_at(4 * count);
        let (rows, rest) = rest.split_at(of_row * count);
        let (roots, _) = rest.split_at(2 * parameters);
        let roots: Vec<u16> = roots.as_chunks().0.iter().map(|root| u16::from_le_bytes(*root)).collect();
        if !rows.chunks_exact(of_row.max(1)).all(|row| is_clean(row, dims)) {
            return Err(malformed(format!("a row holds more than {dims} numbers")));
        }
        if roots.iter().any(|root| !(from_bf16(*root) >= 0.0 && from_bf16(*root).is_finite())) {
            return Err(malformed("a root of the preconditioner is no number from 0 on".into()));
        }
        Ok(Self {
            sketch: Sketch::new(seed, parameters, dims)?,
            samples: ids[..samples].to_vec(),
            ghosts: ids[samples..].to_vec(),
            units: units.as_chunks().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect(),
            exponent,
            rows: rows.to_vec(),
            roots,
        })
    }
}

/// The `e` with `2^e <= value < 2^(e + 1)`; that of 1 for zero. Read from the bits, so that it is exact.
fn exponent_of(value: f32) -> i32 {
    match value {
        0.0 => 0,
        // Subnormal numbers become normal ones in f64.
        _ => ((f64::from(value).to_bits() >> 52) & 0x7FF) as i32 - 1023,
    }
}

/// Exact, for the exponents of a file.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((1023 + i64::from(exponent)) as u64) << 52)
}

/// The nearest bf16 to a positive finite number, ties to even; the largest instead of infinity.
fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).min(0x7F7F) as u16
}

fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_exact() {
        for (value, exponent) in [(1.0, 0), (1.99, 0), (2.0, 1), (0.75, -1), (f32::from_bits(1), -149), (0.0, 0)] {
            assert_eq!(exponent_of(value), exponent, "{value}");
        }
        assert_eq!((power_of_two(-31), power_of_two(0), power_of_two(10)), (2f64.powi(-31), 1.0, 1024.0));
    }

    #[test]
    fn roots_round_to_the_nearest() {
        for value in [1.0f32, 1.0039, 3.7, 1e-20, 1e30] {
            let error = (from_bf16(to_bf16(value)) - value).abs() / value;
            assert!(error <= 1.0 / 256.0, "{value} {error}");
        }
        assert!(from_bf16(to_bf16(f32::MAX)).is_finite());
    }
}
