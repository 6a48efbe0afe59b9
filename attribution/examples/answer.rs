//! What an answer costs once its gradient is there: scores of the groups and of every sample, units, sums of the contributions.
//!
//! ```text
//! cargo run --release -p tributary-attribution --example answer -- [SAMPLES [GROUPS [PARAMETERS]]]
//! ```
#![expect(clippy::unwrap_used, reason = "an example may panic")]

use std::time::Instant;
use tributary_attribution::{Answer, ContributionHashes, Corpus, SampleScores, Tangent, Tangents, integer_scores};
use tributary_protocol::{ContentHash, ContributionId, Ppm, answer::Rule};

const ROUNDS: usize = 50;
const CONTRIBUTIONS: usize = 100;
/// Numbers of a row, and bytes.
const DIMS: usize = 16_240;

/// A file of tangents with arbitrary numbers, by the format in docs/protocol/attribution.md.
fn tangents(ids: &[ContentHash], groups: usize, parameters: usize) -> Tangents {
    let mut bytes = b"TRIBTANG".to_vec();
    bytes.extend(1u32.to_le_bytes());
    bytes.extend((groups as u16).to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend((ids.len() as u32).to_le_bytes());
    bytes.extend(256u32.to_le_bytes());
    bytes.extend((parameters as u64).to_le_bytes());
    bytes.extend([0; 96]);
    for (at, id) in ids.iter().enumerate() {
        bytes.extend(id.0);
        bytes.extend(((at % groups) as u16).to_le_bytes());
    }
    for group in 0..groups {
        bytes.extend((0..parameters.div_ceil(256)).flat_map(|_| 1e-3f32.to_le_bytes()));
        bytes.extend((0..parameters).map(|at| ((at * (group + 7) * 31) % 251).wrapping_sub(125) as u8));
    }
    bytes.extend(blake3::hash(&bytes).as_bytes());
    Tangents::from_bytes(&bytes).unwrap()
}

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>().unwrap());
    let mut number = |default| numbers.next().unwrap_or(default);
    let (samples, groups, parameters) = (number(5_000), number(32), number(400_000));
    let ids: Vec<ContentHash> = (0..samples).map(|at| ContentHash::of(&at.to_le_bytes())).collect();
    let tangents = tangents(&ids, groups, parameters);
    let corpus = Corpus::of_hashes((0..CONTRIBUTIONS).map(|number| ContributionHashes {
        contribution: ContributionId(number as u64),
        contributor: [number as u8; 32],
        samples: ids.iter().skip(number).step_by(CONTRIBUTIONS).copied().collect(),
        copies: 0,
    }));
    let noise = |at: usize| i64::from(i32::from_le_bytes(*ContentHash::of(&at.to_be_bytes()).0.first_chunk().unwrap()));
    let scores: Vec<i64> = (0..samples).map(noise).collect();
    let ghosts: Vec<i64> = (samples..samples + samples / 10).map(|at| noise(at) / 3).collect();
    let gradient: Vec<f32> = (0..parameters).map(|at| ((at * 37) % 101) as f32 / 50.0 - 1.0).collect();

    let rows: Vec<u8> = (0..samples * DIMS / 4).map(|at| (at * 31 % 251) as u8).collect();
    let (units, query) =
        (vec![1u32; samples], (0..DIMS).map(|at| (at % 255) as i8 ^ 1).map(|one| one.max(-127)).collect::<Vec<i8>>());

    let mut times: [Vec<f64>; 4] = Default::default();
    let mut paid = 0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let of_groups = tangents.scores(&gradient, Tangent::LeaveOneOut).unwrap();
        times[0].push(began.elapsed().as_secs_f64());
        let sample_scores = SampleScores::Integers { samples: &scores, ghosts: &ghosts };
        let answer = Answer { groups: tangents.groups(), clusters: None, group_scores: &of_groups, sample_scores };
        let began = Instant::now();
        let found = answer.share(&Rule::new(Ppm::ONE)).unwrap();
        times[1].push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let contributions = answer.by_contribution(&found.shares, &corpus).unwrap();
        times[2].push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        assert_eq!(integer_scores(&rows, &units, &query).unwrap().len(), samples);
        times[3].push(began.elapsed().as_secs_f64());
        paid = contributions.iter().map(|contribution| contribution.units).sum::<u64>();
    }
    println!("{samples} samples, {groups} groups, {parameters} parameters; {paid} units paid");
    for (what, mut times) in ["scores of the groups", "units of the samples", "contributions", "scores of the samples"]
        .into_iter()
        .zip(times)
    {
        times.sort_unstable_by(f64::total_cmp);
        println!("{what:22} median {:6.2} ms, worst {:6.2} ms", times[ROUNDS / 2] * 1e3, times[ROUNDS - 1] * 1e3);
    }
}
