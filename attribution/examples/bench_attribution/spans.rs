//! The search for spans, on the tokens of real Datanets and of the texts of the crates that this project is built from: times, and
//! what is found, for infini-gram to be compared with.

use crate::{Bench, task::fixtures, write_json};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};
use tributary_attribution::spans::{Answer, IndexedSample, SpanIndex, SpanLimits, find_spans, maximal_spans};
use tributary_protocol::{ContentHash, ContributionId};

/// About what a model of some ten thousand long samples is tuned on.
const TOKENS: usize = 17_700_000;
/// The longest text, in bytes.
const TEXT_BYTES: usize = 2_000;
const ANSWERS: usize = 200;
/// A long answer.
const ANSWER_TOKENS: usize = 458;

/// Writes `spans.json`, with all tokens; nothing without fixtures.
pub fn write(bench: &Bench, folder: &Path) {
    let Some(datanets) = fixtures() else { return };
    std::fs::create_dir_all(folder).unwrap();
    let mut samples: Vec<Vec<u32>> = Vec::new();
    let mut tokens = 0;
    let mut add = |mut text: &str| {
        // Long texts are cut, at a character.
        while !text.is_empty() && tokens < TOKENS {
            let (piece, rest) = text.split_at(text.floor_char_boundary(TEXT_BYTES));
            let sample = bench.tokenizer.encode(piece).unwrap();
            tokens += sample.len();
            samples.extend(Some(sample).filter(|sample| !sample.is_empty()));
            text = rest;
        }
    };
    for kind in ["medical", "legal", "general", "math"] {
        let text = std::fs::read_to_string(datanets.join(format!("{kind}.jsonl"))).unwrap();
        for line in text.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            add(row["output"].as_str().unwrap_or_default());
        }
    }
    for ending in ["md", "rs"] {
        for path in crate_texts(ending) {
            add(&std::fs::read_to_string(path).unwrap_or_default());
        }
    }
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

/// Files of the crates in cargo's registry, in the order of their paths.
fn crate_texts(ending: &str) -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let mut folders: Vec<PathBuf> = home.map(|home| home.join("registry/src")).into_iter().collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|of_path| of_path == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
