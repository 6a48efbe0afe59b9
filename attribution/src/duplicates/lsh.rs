//! Which signatures might be similar: those that agree in a whole band.
//!
//! Source: Indyk and Motwani, "Approximate nearest neighbors", 1998. Two sets of Jaccard similarity `s` share a band with
//! probability `1 - (1 - s^rows)^bands`.

use super::minhash::{PERMUTATIONS, Signature};

/// How many bands a signature is cut into.
pub const BANDS: usize = 32;
/// How many numbers a band has: the first band holds the first four, and so on.
pub const ROWS: usize = 4;
/// How many samples of a bucket later ones are compared with: the first that were kept.
///
/// This bounds the work, whatever the samples are: each is compared with at most `BANDS · BUCKET_MAX` others.
pub const BUCKET_MAX: usize = 8;

const _: () = assert!(BANDS * ROWS == PERMUTATIONS);

/// A sample that stands alone in its bucket.
const ALONE: u32 = u32::MAX;

/// The buckets of a list of signatures, filled in the order in which samples are kept.
pub(crate) struct Buckets {
    /// For each signature its bucket in each band, [`ALONE`] where no other signature has the same band.
    of: Vec<[u32; BANDS]>,
    /// The members kept so far.
    kept: Vec<Vec<u32>>,
}

impl Buckets {
    /// Sorts signatures into buckets; one that is `None` has none. Cost: `BANDS` sorts of 20 bytes for each signature.
    pub(crate) fn new(signatures: &[Option<Box<Signature>>]) -> Self {
        let mut buckets = Self { of: vec![[ALONE; BANDS]; signatures.len()], kept: Vec::new() };
        let mut keys: Vec<([u32; ROWS], u32)> = Vec::with_capacity(signatures.len());
        for band in 0..BANDS {
            keys.clear();
            for (index, signature) in (0u32..).zip(signatures) {
                let rows = signature.as_ref().and_then(|signature| signature.chunks_exact(ROWS).nth(band));
                if let Some(Ok(rows)) = rows.map(<[u32; ROWS]>::try_from) {
                    keys.push((rows, index));
                }
            }
            keys.sort_unstable();
            for group in keys.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
                let bucket = u32::try_from(buckets.kept.len()).unwrap_or(ALONE);
                buckets.kept.push(Vec::new());
                for (_, index) in group {
                    if let Some(of) = buckets.of.get_mut(*index as usize) {
                        of[band] = bucket;
                    }
                }
            }
        }
        buckets
    }

    /// The kept samples that share a bucket with sample `index`, ascending, in `found`.
    pub(crate) fn candidates(&self, index: usize, found: &mut Vec<u32>) {
        found.clear();
        for bucket in self.of.get(index).into_iter().flatten() {
            found.extend(self.kept.get(*bucket as usize).into_iter().flatten());
        }
        found.sort_unstable();
        found.dedup();
    }

    /// Sample `index` is kept: later ones are compared with it where its buckets have room.
    pub(crate) fn keep(&mut self, index: usize) {
        for bucket in self.of.get(index).into_iter().flatten() {
            if let Some(kept) = self.kept.get_mut(*bucket as usize).filter(|kept| kept.len() < BUCKET_MAX) {
                kept.push(u32::try_from(index).unwrap_or(ALONE));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(numbers: impl Fn(usize) -> u32) -> Option<Box<Signature>> {
        Some(Box::new(std::array::from_fn(numbers)))
    }

    #[test]
    fn one_band_in_common_makes_a_candidate_and_three_numbers_do_not() {
        let base = signature(|row| row as u32);
        let one_band = signature(|row| if (8..12).contains(&row) { row as u32 } else { 1000 + row as u32 });
        let three_rows = signature(|row| if (8..11).contains(&row) { row as u32 } else { 2000 + row as u32 });
        let across = signature(|row| if (10..14).contains(&row) { row as u32 } else { 3000 + row as u32 });
        let mut buckets = Buckets::new(&[base, one_band, three_rows, across, None, None]);
        buckets.keep(0);
        buckets.keep(4);
        let mut found = Vec::new();
        let mut of = |index| {
            buckets.candidates(index, &mut found);
            found.clone()
        };
        assert_eq!([of(1), of(2), of(3), of(5)], [vec![0], vec![], vec![], vec![]]);
    }

    #[test]
    fn a_crowded_bucket_keeps_its_first_members() {
        let crowd: Vec<_> =
            (0..100u32).map(|index| signature(|row| if row < 4 { 7 } else { index * 1000 + row as u32 })).collect();
        let mut buckets = Buckets::new(&crowd);
        (0..99).for_each(|index| buckets.keep(index));
        let mut found = Vec::new();
        buckets.candidates(99, &mut found);
        assert_eq!(found, (0..BUCKET_MAX as u32).collect::<Vec<_>>());
    }
}
