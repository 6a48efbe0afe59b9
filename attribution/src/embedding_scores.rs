//! From sketches to scores, in integers.

/// The score of each row for a query: `units · Σ_k row[k] · query[k]`.
///
/// `rows` are those of the samples, one after the other, each as long as `query`, and `units` how much one step of a row is
/// worth. The sums are exact whatever their order, and no score overflows: with at most 2^16 numbers of magnitude at most
/// 127, units below 2^32 make at most `2^16 · 127² · 2^32 < 2^63`.
///
/// `None` if the lengths do not fit, the query is empty or longer than 2^16, or a number is -128.
pub fn integer_scores(rows: &[i8], units: &[u32], query: &[i8]) -> Option<Vec<i64>> {
    let fits = !query.is_empty() && query.len() <= 1 << 16 && query.len().checked_mul(units.len()) == Some(rows.len());
    if !fits || query.contains(&i8::MIN) || rows.contains(&i8::MIN) {
        return None;
    }
    let score = |(row, unit): (&[i8], &u32)| i64::from(*unit) * i64::from(product(row, query));
    Some(rows.chunks_exact(query.len()).zip(units).map(score).collect())
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
        let scores = integer_scores(&[127; 1 << 16], &[u32::MAX], &[-127; 1 << 16]).unwrap();
        assert_eq!(scores, [-(i64::from(u32::MAX) * 65_536 * 127 * 127)]);
    }

    #[test]
    fn what_does_not_fit_has_no_scores() {
        for (rows, units, query) in [
            (&[1i8, 2, 3][..], &[1u32][..], &[1i8, 2][..]),
            (&[1, 2], &[1, 1], &[1, 2]),
            (&[], &[], &[]),
            (&[1, -128], &[1], &[1, 2]),
            (&[1, 2], &[1], &[1, -128]),
        ] {
            assert_eq!(integer_scores(rows, units, query), None, "{rows:?} {units:?} {query:?}");
        }
        let long = vec![0; (1 << 16) + 1];
        assert_eq!(integer_scores(&long, &[1], &long), None);
        assert_eq!(integer_scores(&[], &[], &[1]), Some(vec![]));
    }

    proptest! {
        #[test]
        fn scores_are_the_sums_of_products(
            (query, rows) in (1usize..40).prop_flat_map(|dims| (
                prop::collection::vec(-127i8..=127, dims),
                prop::collection::vec((any::<u32>(), prop::collection::vec(-127i8..=127, dims)), 0..6),
            ))
        ) {
            let flat: Vec<i8> = rows.iter().flat_map(|(_, row)| row.clone()).collect();
            let units: Vec<u32> = rows.iter().map(|(unit, _)| *unit).collect();
            let scores = integer_scores(&flat, &units, &query).unwrap();
            for ((unit, row), score) in rows.iter().zip(scores) {
                let exact: i128 = row.iter().zip(&query).map(|(a, b)| i128::from(*a) * i128::from(*b)).sum();
                prop_assert_eq!(i128::from(score), exact * i128::from(*unit));
            }
        }
    }
}
