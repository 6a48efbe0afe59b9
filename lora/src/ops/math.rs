//! Scalar functions and reductions with one fixed order of operations.
//!
//! `exp` uses only additions, multiplications and bit moves, so it gives the same bits on every machine; reductions sum
//! in eight lanes that are combined in a fixed tree, which lets the compiler vectorise without reordering. Both are part of
//! the definition of `det-f32-v1`. Chains are written out: the neutral element of `Iterator::sum` has changed before.

const LANES: usize = 8;

/// `e^x`, relative error below 2e-7; 0 below -87.3, capped above 88.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer and leaves that integer in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    const ROUND_BITS: u32 = 0x4B40_0000;
    // ln 2 in two parts, the first exact in products with small integers (Cody and Waite).
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = x.clamp(-87.3, 88.0);
    let rounded = clamped * core::f32::consts::LOG2_E + ROUND;
    let whole = rounded - ROUND;
    let r = (clamped - whole * LN2_HIGH) - whole * LN2_LOW;
    // Minimax polynomial of Cephes expf on [-ln2/2, ln2/2].
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    p = p * r * r + r + 1.0;
    let power = f32::from_bits(rounded.to_bits().wrapping_sub(ROUND_BITS).wrapping_add(127) << 23);
    if x < -87.3 { 0.0 } else { p * power }
}

/// Logistic function.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Sum of `a[i] * b[i]`.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest = a_rest.iter().zip(b_rest).fold(0f32, |sum, (a, b)| sum + a * b);
    tree(lanes) + rest
}

/// Sum of all elements.
#[inline(always)]
pub(crate) fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder().iter().fold(0f32, |sum, value| sum + value);
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += chunk[lane];
        }
    }
    tree(lanes) + rest
}

/// Largest element; negative infinity for none.
#[inline(always)]
pub(crate) fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
        }
    }
    rest.iter().chain(&lanes).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}

/// Replaces `values` by their exponentials relative to the largest, and returns that largest and their sum.
pub(crate) fn exp_shifted(values: &mut [f32]) -> (f32, f32) {
    let largest = max(values);
    for value in values.iter_mut() {
        *value = exp(*value - largest);
    }
    (largest, sum(values))
}

#[inline(always)]
fn tree(lanes: [f32; LANES]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_to_the_libm_function() {
        let worst = (-87_000..=87_000)
            .map(|i| i as f32 / 1000.0)
            .map(|x| {
                let exact = libm::exp(f64::from(x));
                ((f64::from(exp(x)) - exact) / exact).abs()
            })
            .fold(0.0, f64::max);
        assert!(worst < 2e-7, "{worst}");
        assert_eq!(exp(-1000.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn reductions_cover_the_remainder() {
        let values: Vec<f32> = (0..19).map(|i| i as f32).collect();
        assert_eq!(sum(&values), 171.0);
        assert_eq!(max(&values), 18.0);
        assert_eq!(dot(&values, &values), 2109.0);
        assert_eq!(max(&[]), f32::NEG_INFINITY);
    }
}
