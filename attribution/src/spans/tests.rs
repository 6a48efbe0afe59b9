use super::*;
use crate::SpanError;
use proptest::prelude::*;
use std::ops::Range;
use tributary_protocol::{ContentHash, ContributionId, amount::Ppm};

fn index(samples: &[Vec<u32>]) -> SpanIndex {
    let sample = |(number, tokens): (u64, _)| IndexedSample {
        sample: hash(number),
        contribution: ContributionId(number / 2),
        tokens,
    };
    SpanIndex::build((0u64..).zip(samples.iter().map(Vec::as_slice)).map(sample)).unwrap()
}

fn hash(number: u64) -> ContentHash {
    ContentHash::of(&number.to_le_bytes())
}

fn places(samples: &[Vec<u32>], tokens: &[u32]) -> Vec<(u32, u32)> {
    let mut places = Vec::new();
    for (index, sample) in (0u32..).zip(samples) {
        for (offset, window) in (0u32..).zip(sample.windows(tokens.len())) {
            if window == tokens {
                places.push((index, offset));
            }
        }
    }
    places
}

/// By the definition: every range of the answer, whether it may stand alone, whether it stands in a sample, whether it is
/// part of another such.
fn naive(samples: &[Vec<u32>], answer: &Answer<'_>) -> Vec<Range<usize>> {
    let length = answer.tokens.len();
    let starts_word = |at: usize| at == length || answer.word_starts.is_none_or(|starts| starts[at]);
    let mut spans = Vec::new();
    for start in 0..length {
        for end in start + 1..=length {
            let inside = answer.sentence_ends.is_none_or(|ends| !ends[start..end - 1].contains(&true));
            if starts_word(start)
                && starts_word(end)
                && inside
                && !places(samples, &answer.tokens[start..end]).is_empty()
            {
                spans.push(start..end);
            }
        }
    }
    let contained = |span: &Range<usize>| {
        spans.iter().any(|other| other != span && other.start <= span.start && span.end <= other.end)
    };
    spans.iter().filter(|span| !contained(span)).cloned().collect()
}

const ALL: SpanLimits = SpanLimits { spans: Ppm::ONE, tokens_min: 1, places_max: usize::MAX };

#[test]
fn a_quotation_is_found_with_its_places() {
    let samples = [vec![1, 2, 3, 4, 5, 6], vec![9, 3, 4, 5, 8], vec![], vec![4, 5, 1, 2]];
    let index = index(&samples);
    let found = find_spans(&index, &Answer::new(&[7, 3, 4, 5, 6, 1, 2]), &SpanLimits { tokens_min: 2, ..ALL });
    let spans: Vec<_> = found.iter().map(|span| (span.tokens.clone(), span.count)).collect();
    assert_eq!(spans, [(1..5, 1), (5..7, 2)]);
    let places: Vec<_> =
        found[1].places.iter().map(|place| (place.sample, place.contribution.0, place.offset)).collect();
    assert_eq!(places, [(hash(0), 0, 0), (hash(3), 1, 2)]);
    assert_eq!((index.samples(), index.tokens(), index.count(4), index.count(77)), (4, 15, 3, 0));
}

#[test]
fn matches_stop_at_the_end_of_a_sample() {
    let index = index(&[vec![1, 2], vec![3, 4]]);
    assert_eq!(maximal_spans(&index, &Answer::new(&[1, 2, 3, 4])), [0..2, 2..4]);
    // Neither the symbol of an end nor a token that overflows one is found.
    assert!(maximal_spans(&index, &Answer::new(&[u32::MAX, 0, TOKEN_MAX])).is_empty());
}

#[test]
fn rare_words_come_first_and_few_are_kept() {
    let mut samples = vec![vec![1, 2]; 50];
    samples.push(vec![7, 8]);
    let index = index(&samples);
    let answer = [1, 2, 5, 7, 8, 5, 1, 2];
    let rare = SpanLimits { spans: Ppm::from_percent(5), ..SpanLimits::DEFAULT };
    let found = find_spans(&index, &Answer::new(&answer), &rare);
    assert_eq!((found.len(), &found[0].tokens), (1, &(3..5)));
    let many = find_spans(&index, &Answer::new(&answer), &ALL);
    assert_eq!(many.iter().map(|span| span.tokens.clone()).collect::<Vec<_>>(), [3..5, 0..2, 6..8]);
    assert_eq!(many[0].information, 2 * information(1, 102));
    assert_eq!(find_spans(&index, &Answer::new(&answer), &SpanLimits::DEFAULT)[0].places.len(), 1);
}

#[test]
fn places_of_a_frequent_span_are_bounded_and_all_different() {
    let index = index(&vec![vec![1, 2]; 50]);
    let found = find_spans(&index, &Answer::new(&[1, 2]), &SpanLimits { spans: Ppm::ONE, ..SpanLimits::DEFAULT });
    assert_eq!((found[0].count, found[0].places.len()), (50, 10));
    assert!(found[0].places.windows(2).all(|pair| pair[0].index < pair[1].index));
    // Ten places of one span: its information, divided by ten.
    let evidence = span_evidence(&found);
    assert_eq!(evidence.len(), 10);
    assert!(evidence.values().all(|part| *part == found[0].information / 10));
}

#[test]
fn an_index_of_nothing_finds_nothing() {
    for index in [index(&[]), index(&[vec![]])] {
        assert!(find_spans(&index, &Answer::new(&[1, 2]), &ALL).is_empty());
        let mut file = Vec::new();
        index.write(&mut file).unwrap();
        assert_eq!(SpanIndex::read(&mut file.as_slice()).unwrap(), index);
    }
    assert!(find_spans(&index(&[vec![1]]), &Answer::new(&[]), &ALL).is_empty());
}

#[test]
fn a_token_that_is_none_is_refused() {
    let tokens = [TOKEN_MAX];
    let sample = IndexedSample { sample: hash(0), contribution: ContributionId(0), tokens: &tokens };
    let error = SpanIndex::build([sample]).unwrap_err();
    assert!(matches!(error, SpanError::Token { token: TOKEN_MAX, .. }), "{error}");
}

#[test]
fn damaged_files_are_refused_by_what_is_wrong() {
    let index = index(&[vec![1, 2, 3], vec![2, 3]]);
    let mut file = Vec::new();
    index.write(&mut file).unwrap();
    let read = |file: &[u8]| SpanIndex::read(&mut &file[..]);
    assert_eq!(read(&file).unwrap(), index);
    // No byte may change, none be missing, none follow.
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(read(&changed).is_err(), "byte {at}");
        assert!(read(&file[..at]).is_err(), "cut at {at}");
    }
    assert!(matches!(read(&[file.as_slice(), &[0]].concat()), Err(SpanError::Damaged { what: "length" })));
    assert!(matches!(read(b"something else"), Err(SpanError::Magic)));
    let mut later = file.clone();
    later[8] = 2;
    assert!(matches!(read(&later), Err(SpanError::Format { found: 2, expected: 1 })));
    // Counts that promise four gigabytes are not believed.
    let mut large = file;
    large[12..16].copy_from_slice(&0x7fff_fff0u32.to_le_bytes());
    large[16..20].copy_from_slice(&0x7fff_fff0u32.to_le_bytes());
    assert!(matches!(read(&large), Err(SpanError::Damaged { what: "length" })));
}

#[test]
fn forged_contents_are_refused_though_their_hash_fits() {
    let honest = index(&[vec![1, 2, 3], vec![2, 3]]);
    let mut file = Vec::new();
    honest.write(&mut file).unwrap();
    let (tokens, suffixes) = (52 + 2 * 44, 52 + 2 * 44 + 7 * 4);
    let forged = |at: usize, number: u32| {
        let mut forged = file[..file.len() - 32].to_vec();
        forged[at..at + 4].copy_from_slice(&number.to_le_bytes());
        let hash = blake3::hash(&forged);
        forged.extend_from_slice(hash.as_bytes());
        SpanIndex::read(&mut forged.as_slice())
    };
    assert!(matches!(forged(tokens, 77), Err(SpanError::Damaged { what: "corpus hash" })));
    assert!(matches!(forged(tokens, 0), Err(SpanError::Damaged { what: "tokens" })));
    assert!(matches!(forged(tokens + 12, 5), Err(SpanError::Damaged { what: "sample ends" })));
    assert!(matches!(forged(suffixes, 7), Err(SpanError::Damaged { what: "suffixes" })));
    assert!(matches!(
        forged(suffixes, u32::from_le_bytes(file[suffixes + 4..suffixes + 8].try_into().unwrap())),
        Err(SpanError::Damaged { what: "suffixes" })
    ));
    // A permutation that is out of order passes the reader, and is found by who looks.
    let mut swapped = file[..file.len() - 32].to_vec();
    let length = swapped.len();
    swapped[suffixes..length].rotate_left(4);
    let hash = blake3::hash(&swapped);
    swapped.extend_from_slice(hash.as_bytes());
    assert!(honest.is_sorted() && !SpanIndex::read(&mut swapped.as_slice()).unwrap().is_sorted());
}

/// Few different tokens, so that much repeats.
fn texts() -> impl Strategy<Value = Vec<Vec<u32>>> {
    prop::collection::vec(prop::collection::vec(0u32..5, 0..14), 0..9)
}

proptest! {
    #[test]
    fn spans_are_those_of_the_definition(
        samples in texts(),
        answer in prop::collection::vec((0u32..6, prop::bool::weighted(0.7), prop::bool::weighted(0.15)), 0..24),
        (words, sentences) in any::<(bool, bool)>(),
    ) {
        let index = index(&samples);
        let tokens: Vec<u32> = answer.iter().map(|row| row.0).collect();
        let starts: Vec<bool> = answer.iter().map(|row| row.1).collect();
        let ends: Vec<bool> = answer.iter().map(|row| row.2).collect();
        let answer = Answer {
            tokens: &tokens,
            word_starts: words.then_some(starts.as_slice()),
            sentence_ends: sentences.then_some(ends.as_slice()),
        };
        let expected = naive(&samples, &answer);
        prop_assert_eq!(maximal_spans(&index, &answer), expected.clone());

        let found = find_spans(&index, &answer, &ALL);
        prop_assert_eq!(found.len(), expected.len());
        for span in &found {
            let all = places(&samples, &tokens[span.tokens.clone()]);
            prop_assert_eq!(span.count, all.len() as u64);
            let listed: Vec<_> = span.places.iter().map(|place| (place.index, place.offset)).collect();
            prop_assert_eq!(listed, all);
            let bits = tokens[span.tokens.clone()].iter().map(|token| information(index.count(*token), index.tokens()));
            prop_assert_eq!(span.information, bits.sum::<u64>());
        }
        prop_assert!(found.is_sorted_by(|a, b| a.information >= b.information));
    }

    #[test]
    fn a_file_reads_back(samples in texts()) {
        let index = index(&samples);
        prop_assert!(index.is_sorted());
        let mut file = Vec::new();
        index.write(&mut file).unwrap();
        prop_assert_eq!(SpanIndex::read(&mut file.as_slice()).unwrap(), index);
    }
}
