//! A random projection of gradients that costs one multiply-add per element.
//!
//! The coordinates are cut into blocks of `dims`. Each element gets a random sign, each block is rotated by a random
//! number of places, and the blocks are added up. Two elements of one block never meet, two of different blocks with
//! probability `1/dims`, and their signs are independent: so the inner product of two sketches has the inner product of
//! the vectors as its mean and at most `(|a|²·|b|² + (a·b)²) / dims` as its variance, that of a dense matrix of signs.
//! It is a count sketch with structured places. Source: Charikar, Chen, Farach-Colton, "Finding Frequent Items in Data
//! Streams", ICALP 2002; as feature hashing with this bound, arXiv 0902.2206, lemma 2.
//!
//! # Which signs and places
//! ChaCha8 with the key `BLAKE3-derive-key("tributary.network 2026-11 gradient sketch v1", seed u64 ‖ parameters u64 ‖
//! dims u32)`, little-endian, and nonce zero. For each block in turn: one u64 `r`, the rotation is `(r · dims) >> 64`; then
//! for each 32 elements, the last possibly fewer, one u32 whose bits from the lowest are the signs, 1 for minus.
//! Element `i` of a block goes to `(i + rotation) mod dims`.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// A projection from `parameters` to `dims` numbers.
#[derive(Clone, Debug)]
pub struct Sketch {
    dims: usize,
    parameters: usize,
    seed: u64,
    rotations: Vec<usize>,
    /// A bit per parameter, from the lowest; 1 for minus.
    signs: Vec<u32>,
}

/// Sizes that a projection cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a sketch of {parameters} parameters in {dims} dimensions; accepted are 1 to {PARAMETERS_MAX} in 1 to {DIMS_MAX}"
)]
pub struct SketchError {
    /// The parameters.
    pub parameters: usize,
    /// The dimensions.
    pub dims: usize,
}

/// Most dimensions: an inner product of so many int8 fits into an i32.
pub const DIMS_MAX: usize = 1 << 16;

/// Most parameters of an adapter.
pub const PARAMETERS_MAX: usize = 1 << 34;

impl Sketch {
    /// The projection of this seed. Memory: a bit per parameter.
    pub fn new(seed: u64, parameters: usize, dims: usize) -> Result<Self, SketchError> {
        if !(1..=DIMS_MAX).contains(&dims) || !(1..=PARAMETERS_MAX).contains(&parameters) {
            return Err(SketchError { parameters, dims });
        }
        let mut key = blake3::Hasher::new_derive_key("tributary.network 2026-11 gradient sketch v1");
        key.update(&seed.to_le_bytes());
        key.update(&(parameters as u64).to_le_bytes());
        key.update(&(dims as u32).to_le_bytes());
        let mut random = ChaCha8Rng::from_seed(*key.finalize().as_bytes());
        let mut sketch =
            Self { dims, parameters, seed, rotations: Vec::new(), signs: vec![0; parameters.div_ceil(32)] };
        for from in (0..parameters).step_by(dims) {
            sketch.rotations.push(((u128::from(random.next_u64()) * dims as u128) >> 64) as usize);
            let to = parameters.min(from + dims);
            for first in (from..to).step_by(32) {
                let bits = random.next_u32();
                for place in first..to.min(first + 32) {
                    sketch.signs[place / 32] |= (bits >> (place - first) & 1) << (place % 32);
                }
            }
        }
        Ok(sketch)
    }

    /// Dimensions of what comes out.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Numbers that go in.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The signs, times `scale`, one number per parameter: what [`Sketch::apply`] multiplies with.
    pub fn weights(&self, scale: &[f32]) -> Vec<f32> {
        let signed = |(place, scale): (usize, &f32)| match self.signs[place / 32] >> (place % 32) & 1 {
            0 => *scale,
            _ => -scale,
        };
        scale.iter().enumerate().map(signed).collect()
    }

    /// Adds the projection of `values` to `out`, each element times its weight ([`Sketch::weights`]): block after block, each
    /// product and each sum rounded once in f32. Panics if a length differs from [`Sketch::parameters`] or [`Sketch::dims`].
    pub fn apply(&self, weights: &[f32], values: &[f32], out: &mut [f32]) {
        assert_eq!((weights.len(), values.len(), out.len()), (self.parameters, self.parameters, self.dims));
        let blocks = weights.chunks(self.dims).zip(values.chunks(self.dims)).zip(&self.rotations);
        for ((weights, values), rotation) in blocks {
            let whole = weights.len().min(self.dims - rotation);
            add(&mut out[*rotation..], &weights[..whole], &values[..whole]);
            add(out, &weights[whole..], &values[whole..]);
        }
    }
}

fn add(out: &mut [f32], weights: &[f32], values: &[f32]) {
    for (out, (weight, value)) in out.iter_mut().zip(weights.iter().zip(values)) {
        *out += weight * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: f32) -> Vec<f32> {
        (0..count).map(|i| libm::sinf(seed + 1.37 * i as f32)).collect()
    }

    fn sketched(sketch: &Sketch, values: &[f32]) -> Vec<f32> {
        let mut out = vec![0f32; sketch.dims()];
        sketch.apply(&sketch.weights(&vec![1.0; values.len()]), values, &mut out);
        out
    }

    fn product(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum()
    }

    #[test]
    fn inner_products_are_right_on_average_with_the_promised_spread() {
        let (a, b) = (numbers(1000, 0.0), numbers(1000, 0.9));
        let exact = product(&a, &b);
        let (trials, dims) = (400, 64);
        let found: Vec<f64> = (0..trials)
            .map(|seed| {
                let sketch = Sketch::new(seed, 1000, dims).unwrap();
                product(&sketched(&sketch, &a), &sketched(&sketch, &b))
            })
            .collect();
        let mean = found.iter().sum::<f64>() / trials as f64;
        let variance = found.iter().map(|value| (value - exact).powi(2)).sum::<f64>() / trials as f64;
        let bound = (product(&a, &a) * product(&b, &b) + exact * exact) / dims as f64;
        println!("exact {exact:.1}, mean {mean:.1}, variance {variance:.0} of at most {bound:.0}");
        // Four standard errors of the mean, and 30 % of the variance's own error.
        assert!((mean - exact).abs() < 4.0 * (bound / trials as f64).sqrt(), "{mean} {exact}");
        assert!(variance < 1.3 * bound, "{variance} {bound}");
    }

    #[test]
    fn a_vector_no_longer_than_the_sketch_keeps_its_length() {
        let a = numbers(61, 0.3);
        let sketch = Sketch::new(7, 61, 64).unwrap();
        assert!((product(&a, &a) - product(&sketched(&sketch, &a), &sketched(&sketch, &a))).abs() < 1e-4);
    }

    #[test]
    fn places_and_signs_are_those_of_the_definition() {
        let sketch = Sketch::new(5, 70, 40).unwrap();
        let unit = |place: usize| {
            let mut values = vec![0f32; 70];
            values[place] = 1.0;
            let out = sketched(&sketch, &values);
            let at = out.iter().position(|value| *value != 0.0).unwrap();
            (at, out[at])
        };
        let mut key = blake3::Hasher::new_derive_key("tributary.network 2026-11 gradient sketch v1");
        key.update(&[5, 0, 0, 0, 0, 0, 0, 0, 70, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0]);
        let mut random = ChaCha8Rng::from_seed(*key.finalize().as_bytes());
        for block in 0..2 {
            let rotation = ((u128::from(random.next_u64()) * 40) >> 64) as usize;
            let mut bits = 0;
            for i in 0..[40, 30][block] {
                if i % 32 == 0 {
                    bits = random.next_u32();
                }
                let sign = if bits >> (i % 32) & 1 == 1 { -1.0 } else { 1.0 };
                assert_eq!(unit(block * 40 + i), ((i + rotation) % 40, sign), "block {block}, element {i}");
            }
        }
    }

    #[test]
    fn sizes_are_bounded() {
        for (parameters, dims) in [(0, 4), (4, 0), (4, DIMS_MAX + 1)] {
            let error = Sketch::new(0, parameters, dims).unwrap_err();
            assert_eq!(error, SketchError { parameters, dims });
            assert!(error.to_string().contains("65536"), "{error}");
        }
    }
}
