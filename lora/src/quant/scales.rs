//! The scales of the blocks, and their own quantisation.

use std::sync::LazyLock;

/// Scales that share one scale of their own.
pub(super) const BLOCK: usize = 256;

/// The scale of each block of a packed matrix.
#[derive(Clone, Debug, PartialEq)]
pub enum Nf4Scales {
    /// One f32 per block: 4.5 bits per parameter with the codes.
    Plain(Vec<f32>),
    /// Double quantisation: scale `i` is `map[codes[i]] · scales[i / 256] + offset`, 4.13 bits per parameter with the
    /// codes. `map` is the signed 8-bit dynamic map. Source: QLoRA, arXiv 2305.14314, section 3.
    Double {
        /// One per block.
        codes: Vec<u8>,
        /// One per 256 blocks.
        scales: Vec<f32>,
        /// Mean of the scales.
        offset: f32,
    },
}

impl Nf4Scales {
    /// Quantises `scales`, all finite.
    ///
    /// The offset is their exact mean rounded once to f32. bitsandbytes sums in f32 in an order that depends on the
    /// machine, so its offset may differ in the last bits; with the same offset everything is the same.
    pub fn quantise(scales: &[f32]) -> Self {
        let sum: f64 = scales.iter().map(|scale| f64::from(*scale)).sum();
        Self::quantise_around(scales, (sum / scales.len().max(1) as f64) as f32)
    }

    /// Quantises `scales` with a given offset.
    pub fn quantise_around(scales: &[f32], offset: f32) -> Self {
        let (mut codes, mut outer) = (Vec::with_capacity(scales.len()), Vec::new());
        for block in scales.chunks(BLOCK) {
            let scale = block.iter().fold(0f32, |largest, value| (value - offset).abs().max(largest));
            outer.push(scale);
            codes.extend(block.iter().map(|value| code((value - offset) / scale)));
        }
        Self::Double { codes, scales: outer, offset }
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        match self {
            Self::Plain(scales) => scales.len(),
            Self::Double { codes, .. } => codes.len(),
        }
    }

    /// Whether there are no blocks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the scales take.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Plain(scales) => 4 * scales.len(),
            Self::Double { codes, scales, .. } => codes.len() + 4 * scales.len() + 4,
        }
    }

    /// The scale of block `index`, which exists.
    pub fn get(&self, index: usize) -> f32 {
        match self {
            Self::Plain(scales) => scales[index],
            Self::Double { codes, scales, offset } => {
                DYNAMIC_MAP[usize::from(codes[index])] * scales[index / BLOCK] + offset
            }
        }
    }

    /// Whether there is an outer scale for every code, and all numbers are finite.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Self::Plain(scales) => scales.iter().all(|scale| scale.is_finite()),
            Self::Double { codes, scales, offset } => {
                scales.len() == codes.len().div_ceil(BLOCK) && scales.iter().chain([offset]).all(|v| v.is_finite())
            }
        }
    }
}

/// What each code stands for.
pub(super) fn dynamic_map() -> &'static [f32; 256] {
    &DYNAMIC_MAP
}

/// The code for `x` in `[-1, 1]`; 0 for what is not a number, which equal scales give.
fn code(x: f32) -> u8 {
    // bitsandbytes' CPU kernel rounds to 16 bits first, so it may take the neighbour of the nearest code. Its CUDA kernel
    // does not; what a code stands for is the same for both. A float cast truncates, saturates and makes 0 of NaN.
    let step = ((x + 1.0) * 32_767.5 + 0.5) as usize;
    CODES[step.min(CODES.len() - 1)]
}

/// The code nearest to each of 2^16 evenly spaced numbers from -1 to 1.
static CODES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let map = DYNAMIC_MAP.map(f64::from);
    let middles: Vec<f64> = map.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
    let number = |step: u16| -1.0 + f64::from(step) * 2.0 / f64::from(u16::MAX);
    // At most the 255 middles lie below.
    (0..=u16::MAX).map(|step| middles.partition_point(|middle| *middle < number(step)) as u8).collect()
});

/// The signed 8-bit dynamic map: seven decades, each with twice as many evenly spaced values as the one below.
///
/// Source: 8-bit Approximations for Parallelism in Deep Learning, arXiv 1511.04561, as bitsandbytes'
/// `create_dynamic_map(signed=True)` computes it in f32.
static DYNAMIC_MAP: LazyLock<[f32; 256]> = LazyLock::new(|| {
    let mut map = vec![0.0, 1.0];
    for decade in 0..7 {
        let bounds = linspace((1 << decade) + 1);
        let power = libm::pow(10.0, f64::from(decade) - 6.0) as f32;
        for pair in bounds.windows(2) {
            let mean = (pair[0] + pair[1]) / 2.0;
            map.extend([power * mean, -power * mean]);
        }
    }
    map.sort_by(f32::total_cmp);
    map.try_into().expect("2 + 2·(1 + 2 + .. + 64) = 256 values")
});

/// `torch.linspace(0.1, 1, count)` in f32: fused steps from both ends to the middle.
fn linspace(count: usize) -> Vec<f32> {
    let (start, end) = (0.1f32, 1.0f32);
    let step = f64::from((end - start) / (count - 1) as f32);
    // Sums and products of f32 that are exact in f64 and rounded once, as a fused multiply-add rounds them.
    let up = |i: usize| (f64::from(start) + step * i as f64) as f32;
    let down = |i: usize| (f64::from(end) - step * (count - 1 - i) as f64) as f32;
    (0..count).map(|i| if i < count / 2 { up(i) } else { down(i) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_is_sorted_and_symmetric_but_for_its_end() {
        let map = &*DYNAMIC_MAP;
        assert!(map.is_sorted_by(|a, b| a < b));
        assert_eq!((map[127], map[255]), (0.0, 1.0));
        assert!((0..127).all(|i| map[i] == -map[254 - i]));
    }

    #[test]
    fn codes_are_nearest_but_for_sixteen_bits() {
        let map = &*DYNAMIC_MAP;
        for i in -1000..=1000 {
            let x = i as f32 / 1000.0;
            let nearest = map.iter().fold(f32::INFINITY, |best, value| (value - x).abs().min(best));
            let found = (map[usize::from(code(x))] - x).abs();
            assert!(found <= nearest + 2.0 / 65_535.0, "{x}: {found} {nearest}");
        }
        assert_eq!((code(-1.0), code(1.0), code(f32::NAN)), (0, 255, 0));
    }

    #[test]
    fn scales_come_back_within_the_maps_spacing() {
        let scales: Vec<f32> = (0..1000).map(|i| 0.1 + ((i * 7919) % 1000) as f32 * 1e-4).collect();
        let quantised = Nf4Scales::quantise(&scales);
        assert_eq!(quantised.len(), 1000);
        assert_eq!(quantised.bytes(), 1000 + 4 * 4 + 4);
        // Half a step of the coarsest decade, 0.9 / 64 / 2, and of 16 bits, of the largest distance from the mean, 0.05.
        let worst = (0..1000).map(|i| (quantised.get(i) - scales[i]).abs()).fold(0.0, f32::max);
        assert!(worst < 0.05 * (0.9 / 128.0 + 1.0 / 65_535.0) + 1e-6, "{worst}");
    }

    #[test]
    fn equal_scales_are_exact() {
        let quantised = Nf4Scales::quantise(&[0.25; 300]);
        assert!((0..300).all(|i| quantised.get(i) == 0.25));
    }
}
