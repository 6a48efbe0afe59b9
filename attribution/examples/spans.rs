//! Measures the search for spans. Arguments: `[TOKENS [ANSWER [ANSWERS [PATH]]]]`, by default 17,700,000 training tokens and 200
//! answers of 458; with a path the index is also written and read back.
//!
//! The tokens follow Zipf's law over 32,000 ids, in samples of 50 to 500. An answer is quoted from samples in pieces of 1 to
//! 60 tokens, with own words between them.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::Instant;
use tributary_attribution::spans::{Answer, IndexedSample, SpanIndex, SpanLimits, find_spans, maximal_spans};
use tributary_protocol::{ContentHash, ContributionId};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise: usize| arguments.get(at).map_or(otherwise, |text| text.parse().unwrap());
    let (total, length, answers) = (number(0, 17_700_000), number(1, 458), number(2, 200));
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let token = |random: &mut ChaCha8Rng| 32_000f64.powf(random.random::<f64>()) as u32;
    let mut samples: Vec<Vec<u32>> = Vec::new();
    let mut made = 0;
    while made < total {
        let tokens: Vec<u32> = (0..random.random_range(50..500)).map(|_| token(&mut random)).collect();
        made += tokens.len();
        samples.push(tokens);
    }
    let start = Instant::now();
    let index = SpanIndex::build((0u64..).zip(&samples).map(|(number, tokens)| IndexedSample {
        sample: ContentHash::of(&number.to_le_bytes()),
        contribution: ContributionId(number / 100),
        tokens,
    }))
    .unwrap();
    println!("{} samples, {} tokens: built in {:.2} s", index.samples(), index.tokens(), start.elapsed().as_secs_f64());

    let mut times = Vec::with_capacity(answers);
    let mut spans = 0;
    for _ in 0..answers {
        let mut answer = Vec::with_capacity(length);
        while answer.len() < length {
            let sample = &samples[random.random_range(0..samples.len())];
            let from = random.random_range(0..sample.len());
            let to = (from + random.random_range(1..60)).min(sample.len());
            answer.extend_from_slice(&sample[from..to]);
            answer.push(token(&mut random));
        }
        answer.truncate(length);
        let answer = Answer::new(&answer);
        let start = Instant::now();
        let found = find_spans(&index, &answer, &SpanLimits::DEFAULT);
        times.push(start.elapsed().as_secs_f64() * 1e3);
        assert!(!found.is_empty());
        spans += maximal_spans(&index, &answer).len();
    }
    times.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{answers} answers of {length} tokens, {} maximal spans each: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms",
        spans / answers,
        at(0.5),
        at(0.9),
        at(0.99)
    );

    let start = Instant::now();
    assert!(index.is_sorted());
    println!("order checked in {:.2} s", start.elapsed().as_secs_f64());
    if let Some(path) = arguments.get(3) {
        let start = Instant::now();
        index.write(&mut std::io::BufWriter::new(std::fs::File::create(path).unwrap())).unwrap();
        println!("written in {:.2} s, {} bytes", start.elapsed().as_secs_f64(), std::fs::metadata(path).unwrap().len());
        let start = Instant::now();
        let read = SpanIndex::read(&mut std::fs::File::open(path).unwrap()).unwrap();
        println!("read and checked in {:.2} s", start.elapsed().as_secs_f64());
        assert_eq!(read, index);
    }
}
