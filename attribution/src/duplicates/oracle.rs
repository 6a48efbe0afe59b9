//! Against datasketch: `tests/data/duplicates.json`, made by `tests/oracle/duplicates.py`, which divides texts by itself too.

use super::{BUCKET_MAX, MinHash, SampleSets, lsh::Buckets};
use serde::Deserialize;
use tributary_protocol::sample::Sample;

#[derive(Deserialize)]
struct Golden {
    samples: Vec<(String, String)>,
    shingles: Vec<Vec<u32>>,
    answers: Vec<Vec<u32>>,
    signatures: Vec<Vec<u32>>,
    candidates: Vec<(u32, u32)>,
    similarities: Vec<u32>,
    estimates: Vec<usize>,
}

fn golden() -> (Golden, Vec<SampleSets>) {
    let golden: Golden = serde_json::from_str(include_str!("../../tests/data/duplicates.json")).unwrap();
    let sample =
        |(prompt, completion): &(String, String)| Sample { prompt: prompt.clone(), completion: completion.clone() };
    let sets = golden.samples.iter().map(|row| SampleSets::of(&sample(row))).collect();
    (golden, sets)
}

#[test]
fn sets_are_those_of_the_oracle() {
    let (golden, sets) = golden();
    assert!(golden.shingles.len() >= 16);
    for (index, (shingles, answer)) in golden.shingles.iter().zip(&golden.answers).enumerate() {
        let expected = SampleSets { shingles: shingles.clone(), answer: answer.clone() };
        assert_eq!(sets[index], expected, "{:?}", golden.samples[index]);
    }
}

#[test]
fn signatures_are_datasketchs() {
    let (golden, sets) = golden();
    let family = MinHash::new();
    for (sets, signature) in sets.iter().zip(&golden.signatures) {
        assert_eq!(family.signature(&sets.shingles).as_slice(), signature);
    }
}

#[test]
fn candidates_similarities_and_estimates_are_the_oracles() {
    let (golden, sets) = golden();
    let family = MinHash::new();
    let signatures: Vec<_> = sets
        .iter()
        .map(|sets| (!sets.shingles.is_empty()).then(|| Box::new(family.signature(&sets.shingles))))
        .collect();
    let mut buckets = Buckets::new(&signatures);
    let (mut pairs, mut found) = (Vec::new(), Vec::new());
    for index in 0..sets.len() {
        buckets.candidates(index, &mut found);
        pairs.extend(found.iter().map(|other| (*other, index as u32)));
        buckets.keep(index);
    }
    pairs.sort_unstable();
    // No bucket was full, or the oracle would have more.
    assert!(BUCKET_MAX >= 8 && !pairs.is_empty());
    assert_eq!(pairs, golden.candidates);
    for ((a, b), (similarity, estimate)) in pairs.iter().zip(golden.similarities.iter().zip(&golden.estimates)) {
        let (a, b) = (*a as usize, *b as usize);
        assert_eq!(sets[a].similarity(&sets[b], 1).unwrap_or(0), *similarity);
        let (Some(a), Some(b)) = (&signatures[a], &signatures[b]) else { panic!("a candidate without a signature") };
        assert_eq!(a.iter().zip(b.iter()).filter(|(a, b)| a == b).count(), *estimate);
    }
}
