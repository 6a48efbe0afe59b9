//! Everything that shares are made from, on a Datanet of the demonstration, as JSON.
#![expect(clippy::unwrap_used, reason = "an example may panic")]

use candle_core::Device;
use serde_json::{Value, json};
use std::{ops::ControlFlow, path::{Path, PathBuf}, sync::Arc};
use tributary_attribution::*;
use tributary_lora::*;
use tributary_protocol::{ContributionId, recipe::TangentWay, sample::{Limits, ParsedSamples}};

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
fn read(name: &str) -> Vec<u8> {
    std::fs::read(workspace("cli/demo-data").join(name)).unwrap()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let folder = PathBuf::from(&args[0]);
    let net = args[1].as_str();
    let number = |at: usize, default: u64| args.get(at).map_or(default, |t| t.parse().unwrap());
    let (epochs, count, coalitions, seed, per_file) = (number(2, 10), number(3, 16), number(4, 12), number(5, 1), number(6, 5) as usize);
    let halves = number(7, 0) as u16;
    let base = workspace("models/tributary-tiny");
    let model = Arc::new(Model::load(&base, &Device::Cpu).unwrap());
    let tokenizer = Tokenizer::from_dir(&base, model.config()).unwrap();
    let config = DataConfig { tokens_max: 128, ..DataConfig::default() };
    let mut contributions = Vec::new();
    let questions_file = if net == "harbour" { "questions.jsonl".to_owned() } else { format!("{net}-questions.jsonl") };
    for file in ["a", "b", "c"] {
        let lines = ParsedSamples::parse(&read(&format!("{net}-{file}.jsonl")), &Limits::DEFAULT).unwrap().into_lines();
        for part in 0..per_file {
            let number = contributions.len() as u64;
            contributions.push(ContributionSamples {
                contribution: ContributionId(number),
                contributor: [number as u8; 32],
                lines: lines.iter().skip(part).step_by(per_file).cloned().collect(),
            });
        }
    }
    let corpus = Corpus::intake(contributions);
    let dataset = Dataset::encode(corpus.lines(), &tokenizer, &config).unwrap();
    let text = String::from_utf8(read(&questions_file)).unwrap();
    let (expected, rows): (Vec<String>, Vec<String>) = text.lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        let of = |key: &str| row[key].as_str().unwrap().to_owned();
        (of("expected"), json!({"prompt": of("question"), "completion": of("expected")}).to_string())
    }).unzip();
    let parsed = ParsedSamples::parse(rows.join("\n").as_bytes(), &Limits::DEFAULT).unwrap();
    let all = DataConfig { validation_ppm: 0, ..config.clone() };
    let questions = Dataset::encode(parsed.lines(), &tokenizer, &all).unwrap().training().to_vec();

    let lora = LoraConfig { rank: 16, alpha: 32.0, targets: Target::ALL.into(), ..Default::default() };
    let mut training = TrainConfig { seed, epochs: epochs as u32, batch_size: 16, learning_rate: 2e-3, ..Default::default() };
    training.warmup_steps = training.schedule(dataset.training_rows()).steps.div_ceil(20);
    let recipe = RetrainRecipe { model: &model, dataset: &dataset, lora: &lora, adapter_seed: seed, training: &training, result_step: None };
    let retrainer = Retrainer::new(recipe, &folder, 1).unwrap();
    let samples = dataset.training();

    let start = Adapter::new(&model, lora.clone(), seed).unwrap();
    let begin = || TrainingRun::new(model.clone(), Adapter::new(&model, lora.clone(), seed).unwrap(), dataset.clone(), training).unwrap();
    let began = std::time::Instant::now();
    let mut plain = begin();
    while !plain.is_done() { plain.step().unwrap(); }
    let plain_s = began.elapsed().as_secs_f64();
    let mut run = begin();
    let mut recorder = TrajectoryRecorder::in_memory(&run, 4096, seed).unwrap();
    let began = std::time::Instant::now();
    while !run.is_done() { run.step_captured(&mut recorder).unwrap(); }
    let captured_s = began.elapsed().as_secs_f64();
    eprintln!("{} steps, plain {plain_s:.1} s, captured {captured_s:.1} s: {:.2}", run.steps(), captured_s / plain_s);
    let result = run.adapter().unwrap();
    assert_eq!(parameters(result).unwrap(), parameters(plain.adapter().unwrap()).unwrap());
    let began = std::time::Instant::now();
    let embedded: Vec<(String, Embeddings)> = [0.0, 0.3, 1.0].into_iter().map(|scale| {
        (format!("f{scale}"), embed(&recorder.trajectory(), &run.preconditioner(), EmbeddingSettings { fisher_scale: scale }, &unobserved).unwrap())
    }).collect();
    eprintln!("embeddings {:.1} s", began.elapsed().as_secs_f64());
    let tell = |progress: RetrainProgress| {
        if progress.steps_done % 500 == 1 { eprintln!("{} of {} retrains", progress.retrains_done, progress.retrains); }
        ControlFlow::Continue(())
    };
    let ids: Vec<_> = samples.iter().map(EncodedSample::id).collect();
    let clusters = corpus.clusters_of(&ids);
    let groups = Groups::new(samples, Some(&clusters), GroupSettings { count: count as u16, seed }).unwrap();
    let settings = TangentSettings { halves, ..Default::default() };
    let tangents = Tangents::train(&retrainer, result, &groups, settings, &tell).unwrap();
    let owners: Vec<usize> = ids.iter().map(|id| corpus.owner(id).unwrap()).collect();
    let n = corpus.parts().len();
    let members = random_coalitions(n, n * 4 / 5, coalitions as usize, 6);
    let mut runs: Vec<Vec<bool>> = members.iter().map(|m| owners.iter().map(|o| m[*o]).collect()).collect();
    runs.extend((0..n).map(|out| owners.iter().map(|o| *o != out).collect::<Vec<bool>>()));
    let group_members = random_coalitions(groups.count(), groups.count() * 4 / 5, coalitions as usize, 5);
    runs.extend(group_members.iter().map(|m| groups.included(|g| m[g])));
    let retrained: Vec<Adapter> = retrainer.run(&runs, &tell).unwrap().iter().map(|r| r.load(&model).unwrap()).collect();

    let gradient = |adapter: &Adapter, s: &EncodedSample| sample_gradient(&model, adapter, s).unwrap();
    let start_of: Vec<Vec<f32>> = samples.iter().chain(dataset.validation()).map(|s| gradient(&start, s)).collect();
    let end_of: Vec<Vec<f32>> = samples.iter().chain(dataset.validation()).map(|s| gradient(result, s)).collect();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let text_of = |s: &EncodedSample| {
        let line = corpus.lines().iter().find(|line| line.hash() == s.id()).unwrap();
        (line.sample().prompt.clone(), line.sample().completion.clone())
    };
    let count = samples.len();
    let mut queries = Vec::new();
    for (at, query) in questions.iter().chain(dataset.validation()).enumerate() {
        let g = gradient(result, query);
        let mut emb = serde_json::Map::new();
        for (name, e) in &embedded {
            let q = e.sketch(&g).unwrap();
            emb.insert(name.clone(), json!([e.scores(&q), e.ghost_scores(&q)]));
        }
        for (name, others) in [("start", &start_of), ("end", &end_of)] {
            let d: Vec<f64> = others.iter().map(|o| dot(&g, o)).collect();
            emb.insert(name.into(), json!([&d[..count], &d[count..]]));
        }
        let mut groups = serde_json::Map::new();
        for (name, way) in [("gradient", TangentWay::Gradient), ("midpoint", TangentWay::Midpoint), ("loss", TangentWay::Loss)] {
            groups.insert(name.into(), json!(tangents.scores_by(way, &model, result, query).unwrap()));
        }
        if halves > 0 {
            groups.insert("semivalue".into(), json!(tangents.scores(&g, Tangent::Semivalue).unwrap()));
        }
        let loss = |a: &Adapter| f64::from(sample_loss(&model, Some(a), query).unwrap());
        let losses: Vec<f64> = retrained.iter().map(&loss).collect();
        let c = coalitions as usize;
        let (says, ghost) = match at.checked_sub(questions.len()) {
            None => (expected[at].clone(), None),
            Some(ghost) => (text_of(query).1, Some(ghost)),
        };
        queries.push(json!({"says": says, "ghost": ghost, "emb": emb, "groups": groups, "with": loss(result),
            "coalitions": &losses[..c], "without": &losses[c..c + n], "of_groups": &losses[c + n..]}));
    }
    let row = |(at, s): (usize, &EncodedSample)| {
        let (prompt, completion) = text_of(s);
        json!({"prompt": prompt, "says": completion, "owner": owners[at], "group": groups.of_sample()[at], "cluster": clusters[at].to_string(), "id": s.id().to_string()})
    };
    let neighbours: Vec<Vec<usize>> = embedded.iter().map(|(_, e)| e.ghost_neighbours()).collect();
    let ghosts: Vec<Value> = dataset.validation().iter().enumerate().map(|(at, s)| {
        let (prompt, completion) = text_of(s);
        json!({"prompt": prompt, "says": completion, "group": groups.of_sample()[neighbours[2][at]], "near": text_of(&samples[neighbours[2][at]]).1, "id": s.id().to_string()})
    }).collect();
    let all = json!({"samples": samples.iter().enumerate().map(row).collect::<Vec<_>>(), "ghosts": ghosts, "queries": queries,
        "coalitions": members, "of_groups": group_members, "owners": n, "group_count": groups.count()});
    std::fs::write(folder.join(format!("scores-{net}-{epochs}-{}-{seed}.json", groups.count())), all.to_string()).unwrap();
}
