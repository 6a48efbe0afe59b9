//! The search for spans, on the tokens of real Datanets: times, and what is found, for infini-gram to be compared with.

use crate::{Bench, task::fixtures, write_json};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::{path::Path, time::Instant};
use tributary_attribution::spans::{Answer, IndexedSample, SpanIndex, SpanLimits, find_spans, maximal_spans};
use tributary_protocol::{ContentHash, ContributionId};

/// Texts of the medical and the legal Datanet each.
const TEXTS: usize = 4_000;
const ANSWERS: usize = 200;
const ANSWER_TOKENS: usize = 128;

/// Writes `spans.json`, with all tokens; nothing without fixtures.
pub fn write(bench: &Bench, folder: &Path) {
    let Some(datanets) = fixtures() else { return };
    std::fs::create_dir_all(folder).unwrap();
    let mut samples: Vec<Vec<u32>> = Vec::new();
    for kind in ["medical", "legal"] {
        let text = std::fs::read_to_string(datanets.join(format!("{kind}.jsonl"))).unwrap();
        for line in text.lines().take(TEXTS) {
            let row: Value = serde_json::from_str(line).unwrap();
            let mut text = row["output"].as_str().unwrap_or_default();
            // Long texts are cut, at a character.
            while text.len() > 2_000 {
                text = &text[..text.floor_char_boundary(2_000)];
            }
            samples.push(bench.tokenizer.encode(text).unwrap());
        }
    }
    samples.retain(|sample| !sample.is_empty());
    let began = Instant::now();
    let index = SpanIndex::build((0u64..).zip(&samples).map(|(number, tokens)| IndexedSample {
        sample: ContentHash::of(&number.to_le_bytes()),
        contribution: ContributionId(number / 100),
        tokens,
    }))
    .unwrap();
    let build = began.elapsed().as_secs_f64();

    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (mut answers, mut found, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ANSWERS {
        let mut answer: Vec<u32> = Vec::new();
        while answer.len() < ANSWER_TOKENS {
            let sample = &samples[random.random_range(0..samples.len())];
            let from = random.random_range(0..sample.len());
            let to = (from + random.random_range(1..30)).min(sample.len());
            answer.extend_from_slice(&sample[from..to]);
        }
        answer.truncate(ANSWER_TOKENS);
        let asked = Answer::new(&answer);
        let began = Instant::now();
        let spans = find_spans(&index, &asked, &SpanLimits::DEFAULT);
        times.push(began.elapsed().as_secs_f64() * 1e3);
        assert!(!spans.is_empty());
        let maximal: Vec<[usize; 2]> =
            maximal_spans(&index, &asked).into_iter().map(|span| [span.start, span.end]).collect();
        found.push(maximal);
        answers.push(answer);
    }
    times.sort_unstable_by(f64::total_cmp);
    let value = json!({
        "tokens": index.tokens(), "build_seconds": build, "query_ms": times, "samples": samples, "answers": answers,
        "spans": found,
    });
    write_json(&folder.join("spans.json"), &value);
    println!("spans: {} tokens indexed in {build:.2} s, median answer {:.3} ms", index.tokens(), times[ANSWERS / 2]);
}
