//! From sketches to scores, in integers.

use crate::packed::{Query, packed_bytes};
use rayon::prelude::*;

/// Most numbers of a row.
const DIMS_MAX: usize = 1 << 16;

/// The score of each row for a query: `units · Σ_k row[k] · query[k]`.
///
/// `rows` are those of the samples, packed one after the other with four numbers of -3, -1, 1 or 3 in a byte
/// (docs/protocol/attribution.md, section 7), and `units` what one step of each is worth. The sums are exact whatever their
/// order, and no score overflows: with at most 2^16 numbers, units below 2^32 make at most `2^16 · 3 · 127 · 2^32 < 2^57`.
///
/// `None` if the lengths do not fit, the query is empty or longer than 2^16, or a number of it is -128.
pub fn integer_scores(rows: &[u8], units: &[u32], query: &[i8]) -> Option<Vec<i64>> {
    let bytes = packed_bytes(query.len());
    let fits = !query.is_empty() && query.len() <= DIMS_MAX && bytes.checked_mul(units.len()) == Some(rows.len());
    if !fits || query.contains(&i8::MIN) {
        return None;
    }
    let query = Query::new(query);
    let score = |(row, unit): (&[u8], &u32)| i64::from(*unit) * i64::from(query.product(row));
    Some(rows.par_chunks_exact(bytes).zip(units).map(score).collect())
}

/// At most 2^16 products of at most 127²: below 2^31.
pub(crate) fn product(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(i16::from(*a) * i16::from(*b))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_largest_scores_fit() {
        let scores = integer_scores(&[0xFF; 1 << 14], &[u32::MAX], &[-127; 1 << 16]).unwrap();
        assert_eq!(scores, [-(i64::from(u32::MAX) * 65_536 * 3 * 127)]);
    }

    #[test]
    fn what_does_not_fit_has_no_scores() {
        for (rows, units, query) in [
            (&[1u8, 2, 3][..], &[1u32][..], &[1i8, 2][..]),
            (&[1], &[1, 1], &[1, 2]),
            (&[], &[], &[]),
            (&[1], &[1], &[1, -128]),
        ] {
            assert_eq!(integer_scores(rows, units, query), None, "{rows:?} {units:?} {query:?}");
        }
        let long = vec![0; (1 << 16) + 1];
        assert_eq!(integer_scores(&[0; (1 << 14) + 1], &[1], &long), None);
        assert_eq!(integer_scores(&[], &[], &[1]), Some(vec![]));
    }

    proptest! {
        #[test]
        fn scores_are_the_sums_of_products(
            (query, rows) in (1usize..40).prop_flat_map(|dims| (
                prop::collection::vec(-127i8..=127, dims),
                prop::collection::vec((any::<u32>(), prop::collection::vec(any::<u8>(), dims.div_ceil(4))), 0..6),
            ))
        ) {
            let flat: Vec<u8> = rows.iter().flat_map(|(_, row)| row.clone()).collect();
            let units: Vec<u32> = rows.iter().map(|(unit, _)| *unit).collect();
            let scores = integer_scores(&flat, &units, &query).unwrap();
            for ((unit, row), score) in rows.iter().zip(scores) {
                let number = |place: usize| i128::from(row[place % row.len()] >> (2 * (place / row.len())) & 3) * 2 - 3;
                let exact: i128 = query.iter().enumerate().map(|(place, value)| number(place) * i128::from(*value)).sum();
                prop_assert_eq!(i128::from(score), exact * i128::from(*unit));
            }
        }
    }
}
