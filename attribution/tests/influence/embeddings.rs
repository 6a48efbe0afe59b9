//! The file of embeddings, and queries against it.

use crate::{Trained, dataset, sample, settings};
use tributary_attribution::{
    EmbeddingError, EmbeddingSettings, Embeddings, QueryGradients, embed, integer_scores, unobserved,
};

fn embeddings(trained: &Trained) -> Embeddings {
    embed(&trained.trajectory, &trained.run.preconditioner(), EmbeddingSettings::default(), &unobserved).unwrap()
}

#[test]
fn a_file_reads_back_and_shows_damage() {
    let trained = Trained::new(dataset(), settings(), 24);
    let made = embeddings(&trained);
    let bytes = made.to_bytes();
    let read = Embeddings::from_bytes(&bytes).unwrap();
    assert_eq!((read.to_bytes() == bytes, read.hash()), (true, made.hash()));
    assert_eq!((read.samples(), read.dims()), (trained.trajectory.samples(), 24));
    assert_eq!(made.bytes_per_sample(), 24 / 4 + 4 + 32);
    let validation: Vec<_> = trained.inputs().dataset.validation().iter().map(|sample| sample.id()).collect();
    assert_eq!((read.ghosts(), read.ghosts().is_empty()), (&validation[..], false));

    let query = QueryGradients::of_sample(&trained.inputs(), &sample(100)).unwrap();
    let (a, b) = (made.sketch(query.last()).unwrap(), read.sketch(query.last()).unwrap());
    assert_eq!(a, b);
    let scores = read.scores(&b);
    assert_eq!(made.scores(&a), scores);
    // The integers alone, by whoever has the rows.
    let (mut rows, mut units) = (Vec::new(), Vec::new());
    for place in 0..read.samples().len() {
        let (row, unit) = read.row(place).unwrap();
        rows.extend_from_slice(row);
        units.push(unit);
    }
    assert_eq!(read.row(read.samples().len()), None);
    let integers = integer_scores(&rows, &units, &a.values).unwrap();
    assert_eq!(Some(integers.clone()), read.integer_scores(&a.values));
    let (row, unit) = read.ghost_row(0).unwrap();
    assert_eq!(read.integer_ghost_scores(&a.values).unwrap()[..1], integer_scores(row, &[unit], &a.values).unwrap());
    assert_eq!((read.ghost_scores(&a).len(), read.ghost_row(validation.len())), (validation.len(), None));
    let ratio = scores[0] / integers[0] as f64;
    let same = |(score, integer): (&f64, &i64)| (score - ratio * *integer as f64).abs() <= 1e-14 * score.abs();
    assert!(ratio > 0.0 && scores.iter().zip(&integers).all(same));

    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(Embeddings::from_bytes(&damaged).is_err(), "byte {at}");
    }
    for length in (0..bytes.len()).step_by(7) {
        assert!(Embeddings::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
}

/// With its checksum made again, so that the check behind it is what refuses.
fn resealed(mut bytes: Vec<u8>, at: usize, change: &[u8]) -> Vec<u8> {
    bytes[at..at + change.len()].copy_from_slice(change);
    let end = bytes.len() - 32;
    let hash = *blake3::hash(&bytes[..end]).as_bytes();
    bytes[end..].copy_from_slice(&hash);
    bytes
}

#[test]
fn what_no_writer_writes_is_refused() {
    let trained = Trained::new(dataset(), settings(), 24);
    let bytes = embeddings(&trained).to_bytes();
    let count = trained.trajectory.samples().len() + trained.trajectory.ghosts().len();
    let (units_at, rows_at) = (44 + 32 * count, 44 + 36 * count);
    let roots_at = rows_at + 6 * count;
    for (at, change, named) in [
        (0, &b"XRIBEMB\0"[..], "does not begin"),
        (8, &1u32.to_le_bytes(), "version 1"),
        (12, &u32::MAX.to_le_bytes(), "dimensions"),
        (16, &u32::MAX.to_le_bytes(), "samples"),
        (20, &u32::MAX.to_le_bytes(), "ghosts"),
        (32, &u64::MAX.to_le_bytes(), "parameters"),
        (40, &1000i32.to_le_bytes(), "exponent"),
        (roots_at, &f32::NAN.to_le_bytes()[2..], "preconditioner"),
        (roots_at, &(-1f32).to_le_bytes()[2..], "preconditioner"),
    ] {
        let error = Embeddings::from_bytes(&resealed(bytes.clone(), at, change)).unwrap_err();
        assert!(matches!(error, EmbeddingError::Malformed { .. }), "{error}");
        assert!(error.to_string().contains(named), "{named}: {error}");
    }
    assert!(Embeddings::from_bytes(&resealed(bytes, units_at, &u32::MAX.to_le_bytes())).is_ok());
}

#[test]
fn queries_must_fit() {
    let trained = Trained::new(dataset(), settings(), 24);
    let embeddings = embeddings(&trained);
    let expected = embeddings.parameters();
    let error = embeddings.sketch(&vec![1.0; expected - 1]).unwrap_err();
    assert!(matches!(error, EmbeddingError::Query { expected: of, .. } if of == expected), "{error}");
    let mut gradient = vec![1.0; expected];
    gradient[3] = f32::INFINITY;
    let error = embeddings.sketch(&gradient).unwrap_err();
    assert!(matches!(error, EmbeddingError::Query { found, .. } if found == expected - 1), "{error}");
    assert_eq!(embeddings.integer_scores(&[1; 23]), None);
    // A query without a gradient is helped by nobody.
    let nothing = embeddings.sketch(&vec![0.0; expected]).unwrap();
    assert!(embeddings.scores(&nothing).iter().all(|score| *score == 0.0));
}
