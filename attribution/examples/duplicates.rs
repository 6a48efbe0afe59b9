//! Measures the search for duplicates. Arguments: JSONL files, each one contribution, with `--matches` to print every finding;
//! or `synthetic SAMPLES` or `adversarial SAMPLES`, without files; or `signatures FILE`, for `tests/oracle/duplicates.py`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use rand::{Rng, SeedableRng};
use std::time::Instant;
use tributary_attribution::{
    ContributionSamples, Corpus, Resemblance,
    duplicates::{Duplicates, MinHash, SampleSets, Verdict, find_duplicates},
};
use tributary_protocol::{
    ContributionId,
    sample::{Limits, ParsedSamples, Sample},
};

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let matches =
        arguments.iter().position(|argument| argument == "--matches").map(|at| arguments.remove(at)).is_some();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["synthetic", count] => synthetic(count.parse().unwrap()),
        ["adversarial", count] => adversarial(count.parse().unwrap()),
        ["signatures", path] => signatures(path),
        _ => files(&arguments, matches),
    }
}

/// For each sample the size of its set, and its signature.
fn signatures(path: &str) {
    let parsed = ParsedSamples::parse_skipping_duplicates(&std::fs::read(path).unwrap(), &Limits::DEFAULT).unwrap().0;
    let family = MinHash::new();
    for line in parsed.lines() {
        let sets = SampleSets::of(line.sample());
        print!("{}", sets.shingles.len());
        family.signature(&sets.shingles).iter().for_each(|number| print!(" {number}"));
        println!();
    }
}

/// Peak resident memory of this process, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}

fn tell(found: &Duplicates, seconds: f64) {
    let count = |is: fn(&Verdict) -> bool| found.verdicts.iter().filter(|verdict| is(verdict)).count();
    println!(
        "{} samples in {seconds:.2} s, peak {} MiB: {} kept, {} exact, {} near, {} paraphrases; {} clusters, largest {}",
        found.verdicts.len(),
        peak_mib(),
        count(|verdict| matches!(verdict, Verdict::Kept)),
        count(|verdict| matches!(verdict, Verdict::ExactCopy { .. })),
        count(|verdict| matches!(verdict, Verdict::NearCopy { .. })),
        count(|verdict| matches!(verdict, Verdict::Paraphrase { .. })),
        found.clusters.len(),
        found.clusters.iter().map(Vec::len).max().unwrap_or(0),
    );
}

fn files(paths: &[String], matches: bool) {
    let mut contributions = Vec::new();
    for (number, path) in (0u64..).zip(paths) {
        let bytes = std::fs::read(path).unwrap();
        let (parsed, _) = ParsedSamples::parse_skipping_duplicates(&bytes, &Limits::DEFAULT).unwrap();
        let lines = parsed.into_lines();
        println!("{path}: {} samples", lines.len());
        contributions.push(ContributionSamples { contribution: ContributionId(number), contributor: [0; 32], lines });
    }
    let all: Vec<Sample> =
        contributions.iter().flat_map(|from| &from.lines).map(|line| line.sample().clone()).collect();
    let start = Instant::now();
    let found = find_duplicates(&all);
    tell(&found, start.elapsed().as_secs_f64());
    if matches {
        let corpus = Corpus::intake(contributions.iter().cloned());
        let line = |sample: tributary_attribution::OwnedSample| {
            contributions[sample.contribution.0 as usize].lines[sample.index as usize]
                .text()
                .chars()
                .take(300)
                .collect::<String>()
        };
        for found in corpus.findings().iter().filter(|found| found.resemblance != Resemblance::Exact) {
            println!(
                "{:?} {}\n  {}\n  {}",
                found.resemblance,
                found.similarity.parts(),
                line(found.earlier),
                line(found.later)
            );
        }
    }
}

/// Words by Zipf's law among 50,000, 20 to 200 of them; one in ten a near copy of an earlier text, one in ten a paraphrase.
fn synthetic(count: usize) {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut texts: Vec<Vec<u32>> = Vec::with_capacity(count);
    let word = |random: &mut rand_chacha::ChaCha8Rng| (50_000f64.powf(random.random::<f64>())) as u32;
    let mut planted = [0usize; 2];
    let mut kinds = Vec::with_capacity(count);
    for index in 0..count {
        let kind = if index == 0 { 9 } else { random.random_range(0..10usize) };
        let text = if kind < 2 {
            let mut text = texts[random.random_range(0..index)].clone();
            planted[kind] += 1;
            for at in &mut text {
                if random.random_bool([0.02, 0.08][kind]) {
                    *at = word(&mut random);
                }
            }
            text
        } else {
            let length = random.random_range(20..200);
            (0..length).map(|_| word(&mut random)).collect()
        };
        texts.push(text);
        kinds.push(kind);
    }
    let sample = |text: &Vec<u32>| {
        let words: Vec<String> = text.iter().map(|word| format!("w{word}")).collect();
        let (prompt, completion) = words.split_at(words.len() / 4);
        Sample { prompt: prompt.join(" "), completion: completion.join(" ") }
    };
    let samples: Vec<Sample> = texts.iter().map(sample).collect();
    drop(texts);
    println!("planted {} near copies and {} paraphrases; {} MiB before", planted[0], planted[1], peak_mib());
    let start = Instant::now();
    let found = find_duplicates(&samples);
    tell(&found, start.elapsed().as_secs_f64());
    let strangers =
        found.verdicts.iter().zip(&kinds).filter(|(verdict, kind)| **kind > 1 && **verdict != Verdict::Kept);
    let missed = |of: usize| {
        found.verdicts.iter().zip(&kinds).filter(|(verdict, kind)| **kind == of && **verdict == Verdict::Kept).count()
    };
    println!(
        "{} of the others not kept; kept: {} near copies, {} paraphrases",
        strangers.count(),
        missed(0),
        missed(1)
    );
}

/// Texts that all have the same 40 words and differ in 18: half of them alike, so that they crowd a few
/// buckets.
fn adversarial(count: usize) {
    let sample = |index: usize| {
        let same = (0..40).map(|at| format!("s{at}")).collect::<Vec<_>>().join(" ");
        let other = (0..18).map(|at| format!("o{index}x{at}")).collect::<Vec<_>>().join(" ");
        Sample { prompt: same, completion: other }
    };
    let samples: Vec<Sample> = (0..count).map(sample).collect();
    let start = Instant::now();
    tell(&find_duplicates(&samples), start.elapsed().as_secs_f64());
}
