//! MinHash signatures: datasketch's, number for number.
//!
//! Source: Broder, "On the resemblance and containment of documents", 1997. The family of permutations is the one that
//! datasketch 2.0 calls `affine32`: `a · mix(h) + b` modulo 2^32 with odd `a`, a bijection, so that only equal shingles
//! have equal images. Its `legacy` family folds 61 bits into 32, which makes large sets look more alike than they are.

/// How many permutations a signature has.
pub const PERMUTATIONS: usize = 128;
/// The seed from which the permutations are drawn.
pub const SEED: u32 = 20_261_121;

/// A set's smallest image under each permutation.
pub(crate) type Signature = [u32; PERMUTATIONS];

/// The permutations `h -> factor · mix(h) + offset` modulo 2^32.
#[derive(Clone, Debug)]
pub struct MinHash {
    factors: Signature,
    offsets: Signature,
}

impl Default for MinHash {
    fn default() -> Self {
        Self::new()
    }
}

impl MinHash {
    /// The permutations of [`SEED`]. The factors are drawn first, then the offsets, as numpy's `RandomState` draws them.
    pub fn new() -> Self {
        let mut random = MersenneTwister::new(SEED);
        let factors = std::array::from_fn(|_| ((random.next() & 0x7fff_ffff) << 1) | 1);
        let offsets = std::array::from_fn(|_| random.next());
        Self { factors, offsets }
    }

    /// The signature of a set of shingles; `u32::MAX` throughout for the empty set. Cost: [`PERMUTATIONS`] products for
    /// each shingle.
    pub fn signature(&self, shingles: &[u32]) -> [u32; PERMUTATIONS] {
        let mut smallest = [u32::MAX; PERMUTATIONS];
        for shingle in shingles {
            let mixed = mix(*shingle);
            for ((smallest, factor), offset) in smallest.iter_mut().zip(&self.factors).zip(&self.offsets) {
                *smallest = (*smallest).min(factor.wrapping_mul(mixed).wrapping_add(*offset));
            }
        }
        smallest
    }
}

/// MurmurHash3's 32-bit finaliser.
fn mix(hash: u32) -> u32 {
    let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

/// MT19937, the generator behind numpy's `RandomState`. Source: Matsumoto and Nishimura, "Mersenne Twister", 1998.
struct MersenneTwister {
    state: [u32; Self::WORDS],
    next: usize,
}

impl MersenneTwister {
    const WORDS: usize = 624;
    const MIDDLE: usize = 397;

    fn new(seed: u32) -> Self {
        let mut state = [seed; Self::WORDS];
        let mut last = seed;
        for (index, word) in (0u32..).zip(&mut state).skip(1) {
            last = (last ^ (last >> 30)).wrapping_mul(1_812_433_253).wrapping_add(index);
            *word = last;
        }
        Self { state, next: Self::WORDS }
    }

    fn next(&mut self) -> u32 {
        if self.next >= Self::WORDS {
            for index in 0..Self::WORDS {
                let joined = (self.state[index] & 0x8000_0000) | (self.state[(index + 1) % Self::WORDS] & 0x7fff_ffff);
                let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[index] = self.state[(index + Self::MIDDLE) % Self::WORDS] ^ (joined >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_mt19937() {
        // The first outputs for its reference seed, and the 10,000th that the C++ standard states (26.5.5).
        let mut random = MersenneTwister::new(5489);
        assert_eq!([random.next(), random.next()], [3_499_211_612, 581_869_302]);
        let ten_thousandth = (2..10_000).map(|_| random.next()).last();
        assert_eq!(ten_thousandth, Some(4_123_659_995));
    }

    #[test]
    fn factors_are_odd_so_that_each_is_a_permutation() {
        assert!(MinHash::new().factors.iter().all(|factor| factor % 2 == 1));
    }

    #[test]
    fn equal_minima_estimate_the_similarity() {
        let family = MinHash::new();
        // 600 common of 1000 in the union: 0.6, with a standard deviation of sqrt(.6 * .4 / 128) = 0.043.
        let left: Vec<u32> = (0..800).collect();
        let right: Vec<u32> = (200..1000).collect();
        let (left, right) = (family.signature(&left), family.signature(&right));
        let equal = left.iter().zip(&right).filter(|(a, b)| a == b).count();
        assert!((60..=94).contains(&equal), "{equal} of 128");
        assert_eq!(family.signature(&[]), [u32::MAX; PERMUTATIONS]);
    }
}
