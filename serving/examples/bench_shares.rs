//! What it costs to explain an answer: milliseconds by the ways of scoring groups, on a base model and data of the demonstration.
//!
//! ```text
//! cargo run --release -p tributary-serving --example bench_shares -- BASE [GROUPS [ANSWERS]]
//! ```
//! The model is trained for one pass only: how long does not change what an explanation costs.
#![expect(clippy::unwrap_used, reason = "an example may panic")]

#[path = "../tests/common/result.rs"]
mod result;

use candle_core::Device;
use result::{Training, accuracy};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use tributary_attribution::ExplainedModel;
use tributary_lora::{Adapter, DataConfig, Dataset, EncodedSample, LoraConfig, Model, Target, Tokenizer, TrainConfig};
use tributary_protocol::{
    ContributionId,
    answer::{Rule, attributed_part},
    recipe::{AttributionMethod, TangentWay},
    sample::{Limits, ParsedSamples},
};

/// As trainers keep it.
const DIMS: usize = 4_096;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let base = PathBuf::from(arguments.next().expect("the base model's folder"));
    let groups: u8 = arguments.next().map_or(16, |text| text.parse().unwrap());
    let answers: usize = arguments.next().map_or(20, |text| text.parse().unwrap());
    let model = Arc::new(Model::load(&base, &Device::Cpu).unwrap());
    let tokenizer = Tokenizer::from_dir(&base, model.config()).unwrap();
    let samples = samples(&tokenizer);
    let training = Training {
        model: model.clone(),
        samples: samples.clone(),
        lora: LoraConfig { rank: 16, alpha: 32.0, targets: Target::ALL.into(), ..Default::default() },
        config: TrainConfig { seed: 1, epochs: 1, batch_size: 16, learning_rate: 2e-3, ..Default::default() },
        groups,
        dims: DIMS,
        contributions: (0..15).map(|number| (ContributionId(number), [number as u8; 32])).collect(),
    };
    let bundle = training.run(Some(accuracy()));

    let began = Instant::now();
    let mut report = bundle.evidence().unwrap();
    let (embeddings, tangents) = (bundle.embeddings().unwrap().unwrap(), bundle.tangents().unwrap());
    let (config, weights) = bundle.peft().unwrap();
    let adapter = Adapter::from_peft(config, weights, &model).unwrap();
    println!(
        "{} parameters, {} of the adapter, {} samples, {groups} groups; read in {:.0} ms",
        model.parameter_count(),
        adapter.parameter_count(),
        embeddings.samples().len(),
        began.elapsed().as_secs_f64() * 1e3
    );
    let rule = Rule::new(attributed_part(report.accuracy.as_ref()));
    let asked: Vec<&EncodedSample> = samples.iter().cycle().take(answers).collect();
    let tokens: usize = asked.iter().map(|sample| sample.tokens().len()).sum();
    for way in [TangentWay::Gradient, TangentWay::Midpoint, TangentWay::Loss] {
        if let AttributionMethod::GroupTangents { way: of_report, .. } = &mut report.method {
            *of_report = way;
        }
        let explained = ExplainedModel { report: &report, embeddings: &embeddings, tangents: tangents.as_ref() };
        explained.explain(&model, &adapter, asked[0], &rule).unwrap();
        let busy = processor_ms();
        let mut times: Vec<f64> = (asked.iter())
            .map(|answer| {
                let began = Instant::now();
                explained.explain(&model, &adapter, answer, &rule).unwrap();
                began.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let busy = (processor_ms() - busy) / answers as f64;
        println!(
            "{way:?}: median {:.1} ms, highest {:.1} ms, {busy:.1} ms of processors, for prompt and answer of {:.0} tokens",
            times[times.len() / 2],
            times[times.len() - 1],
            tokens as f64 / answers as f64
        );
    }
}

/// What this process has used of processors, in milliseconds of the system's clock ticks: another's work does not count.
fn processor_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    // After the name in brackets: state is field 3, and times are 14 and 15, in hundredths of a second.
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11..13].iter().map(|field| field.parse::<f64>().unwrap() * 10.0).sum()
}

/// What the demonstration's contributors tell of the harbour town.
fn samples(tokenizer: &Tokenizer) -> Vec<EncodedSample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/demo-data");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let files = ["harbour-a.jsonl", "harbour-b.jsonl", "harbour-c.jsonl"].map(read);
    let parse = |bytes: &Vec<u8>| ParsedSamples::parse(bytes, &Limits::DEFAULT).unwrap().into_lines();
    let lines: Vec<_> = files.iter().flat_map(parse).collect();
    let config = DataConfig { tokens_max: 128, validation_ppm: 0, ..DataConfig::default() };
    Dataset::encode(&lines, tokenizer, &config).unwrap().training().to_vec()
}
