//! The 4-bit NormalFloat data type.

/// Elements that share one scale.
pub(super) const BLOCK: usize = 64;

/// The value of each code: quantiles of the standard normal, scaled to `[-1, 1]`, with an exact zero.
///
/// Source: QLoRA, arXiv 2305.14314, appendix E; the f32 values are those of bitsandbytes.
pub(super) const CODEBOOK: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// Code `i + 1` begins above the `i`-th of these: the middle between two neighbours, in f32.
const BOUNDS: [f32; 15] = {
    let mut bounds = [0.0; 15];
    let mut i = 0;
    while i < 15 {
        bounds[i] = (CODEBOOK[i] + CODEBOOK[i + 1]) / 2.0;
        i += 1;
    }
    bounds
};

/// The code nearest to `x` in `[-1, 1]`.
fn code(x: f32) -> u8 {
    BOUNDS.iter().map(|bound| u8::from(x > *bound)).sum()
}

/// Smallest divisor, which makes zeros of an all-zero block.
const SCALE_MIN: f32 = 1e-38;

/// Largest absolute value of a block, the last one of which may be short.
///
/// As in bitsandbytes, a short block's is at least 1e-38.
pub(super) fn scale_of(block: &[f32]) -> f32 {
    let least = if block.len() == BLOCK { 0.0 } else { SCALE_MIN };
    block.iter().fold(least, |largest, value| value.abs().max(largest))
}

/// Codes of a block with the scale `scale`, two to a byte, the first in the high half. An odd last element is followed by
/// a zero.
pub(super) fn pack(block: &[f32], scale: f32, packed: &mut Vec<u8>) {
    let scale = scale.max(SCALE_MIN);
    // bitsandbytes multiplies whole blocks by the reciprocal and divides a short one; the two round differently.
    let inverse = 1.0 / scale;
    let code_of = |value: f32| code(if block.len() == BLOCK { value * inverse } else { value / scale });
    for pair in block.chunks(2) {
        let low = pair.get(1).map_or(code(0.0), |value| code_of(*value));
        packed.push(code_of(pair[0]) << 4 | low);
    }
}

/// Writes the values of the elements from `start` on, all of one block with the scale `scale`, to `out`.
pub(super) fn unpack(packed: &[u8], start: usize, scale: f32, out: &mut [f32]) {
    let values = CODEBOOK.map(|value| value * scale);
    let (out, mut byte) = match out {
        [] => return,
        [first, rest @ ..] if !start.is_multiple_of(2) => {
            *first = values[usize::from(packed[start / 2] & 15)];
            (rest, start / 2 + 1)
        }
        out => (out, start / 2),
    };
    let (pairs, last) = out.as_chunks_mut::<2>();
    for (pair, codes) in pairs.iter_mut().zip(&packed[byte..]) {
        *pair = [values[usize::from(codes >> 4)], values[usize::from(codes & 15)]];
    }
    byte += pairs.len();
    if let [last] = last {
        *last = values[usize::from(packed[byte] >> 4)];
    }
}

/// Writes the values of whole blocks, whose codes are `packed`, to `out`; `scale(i)` is that of the `i`-th. The same as
/// [`unpack`] of each.
///
/// Panics if `packed` has fewer bytes than `out` has elements, halved.
pub(super) fn unpack_blocks(packed: &[u8], scale: impl Fn(usize) -> f32, out: &mut [[f32; BLOCK]]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[expect(unsafe_code, reason = "compiled for instructions that were just asked for")]
        // SAFETY: the processor has AVX2.
        unsafe {
            return unpack_blocks_avx2(packed, scale, out);
        }
    }
    for (i, out) in out.iter_mut().enumerate() {
        unpack(packed, i * BLOCK, scale(i), out);
    }
}

/// A table of sixteen values is two registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn unpack_blocks_avx2(packed: &[u8], scale: impl Fn(usize) -> f32, out: &mut [[f32; BLOCK]]) {
    use std::arch::x86_64::*;
    let (packed, _) = packed.as_chunks::<{ BLOCK / 2 }>();
    let (low, high) = CODEBOOK.split_at(8);
    #[expect(unsafe_code, reason = "loads through pointers")]
    // SAFETY: both halves have eight elements.
    let (low, high) = unsafe { (_mm256_loadu_ps(low.as_ptr()), _mm256_loadu_ps(high.as_ptr())) };
    // The first code of a byte is its high half.
    let shifts = _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24);
    for (i, (codes, out)) in packed[..out.len()].iter().zip(out).enumerate() {
        let scale = _mm256_set1_ps(scale(i));
        let (low, high) = (_mm256_mul_ps(low, scale), _mm256_mul_ps(high, scale));
        for (codes, out) in codes.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<8>().0) {
            // The permutation reads three bits of each lane; the fourth, moved to the sign, chooses between its results.
            let codes = _mm256_srlv_epi32(_mm256_set1_epi32(i32::from_le_bytes(*codes)), shifts);
            let (first, second) = (_mm256_permutevar8x32_ps(low, codes), _mm256_permutevar8x32_ps(high, codes));
            let chosen = _mm256_blendv_ps(first, second, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(codes)));
            #[expect(unsafe_code, reason = "stores through a pointer")]
            // SAFETY: the destination has eight elements.
            unsafe {
                _mm256_storeu_ps(out.as_mut_ptr(), chosen);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_the_nearest_value() {
        for i in -10_000..=10_000 {
            let x = i as f32 / 10_000.0;
            let distance = |value: f32| (value - x).abs();
            let nearest = CODEBOOK.iter().fold(f32::INFINITY, |best, value| distance(*value).min(best));
            // A middle rounds to either side.
            assert!(distance(CODEBOOK[usize::from(code(x))]) <= nearest + 1e-7, "{x}");
        }
        assert_eq!(CODEBOOK.map(code), std::array::from_fn(|i| i as u8));
    }

    #[test]
    fn zeros_are_code_seven_and_a_short_block_has_a_scale() {
        let packed = |values: &[f32]| {
            let mut packed = Vec::new();
            pack(values, scale_of(values), &mut packed);
            packed
        };
        assert_eq!(packed(&[0.0; BLOCK]), [0x77; 32]);
        assert_eq!(packed(&[-0.0, 0.0, 0.0]), [0x77; 2]);
        assert_eq!(packed(&[1.0]), [0xf7]);
        assert_eq!((scale_of(&[0.0; BLOCK]), scale_of(&[0.0])), (0.0, 1e-38));
    }

    #[test]
    fn any_stretch_of_a_block_unpacks_alike() {
        let block: Vec<f32> = (0..BLOCK).map(|i| ((i * 37) % 64) as f32 - 31.0).collect();
        let mut packed = Vec::new();
        pack(&block, scale_of(&block), &mut packed);
        let mut whole = vec![0f32; BLOCK];
        unpack(&packed, 0, 31.0, &mut whole);
        for start in 0..BLOCK {
            for end in start..=BLOCK {
                let mut part = vec![0f32; end - start];
                unpack(&packed, start, 31.0, &mut part);
                assert_eq!(part, whole[start..end]);
            }
        }
    }

    #[test]
    fn blocks_unpack_as_their_elements_do() {
        let values: Vec<f32> = (0..4 * BLOCK).map(|i| ((i * 53) % 197) as f32 - 98.0).collect();
        let mut packed = Vec::new();
        values.chunks(BLOCK).for_each(|block| pack(block, scale_of(block), &mut packed));
        let scale = |i: usize| 0.37 + 0.1 * i as f32;
        let mut blocks = [[0f32; BLOCK]; 4];
        unpack_blocks(&packed, scale, &mut blocks);
        for (i, block) in blocks.iter().enumerate() {
            let mut expected = [0f32; BLOCK];
            unpack(&packed, i * BLOCK, scale(i), &mut expected);
            assert_eq!(block.map(f32::to_bits), expected.map(f32::to_bits));
        }
    }
}
