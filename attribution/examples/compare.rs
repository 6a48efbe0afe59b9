//! How well each method predicts what retraining shows.
//!
//! Trains an adapter on one to three of the demonstration's Datanets, some of whose answers are exchanged, with the capture on; asks
//! every method about questions in other words; then retrains without random parts of the samples and correlates the
//! losses of the questions with the summed scores of the samples that stayed (LDS, arXiv 2303.14186, section 2).
//!
//! ```text
//! cargo run --release -p tributary-attribution --example compare -- [retrains per fraction] [epochs] [adam epsilon] [dims] [Datanets]
//! ```
#![expect(clippy::unwrap_used, reason = "an example may panic")]

use candle_core::{Tensor, Var};
use std::{path::Path, sync::Arc, time::Instant};
use tributary_attribution::{
    DataInf, DataValueEmbedding, EmbeddingSettings, Fitted, GradientCosine, GradientDot, Influence, Inputs,
    QueryGradients, ScreenSettings, TracInCp, Trajectory, TrajectoryRecorder, Trak, screen_by_leverage, unobserved,
};
use tributary_lora::{
    AdamWConfig, Adapter, DataConfig, Dataset, Decay, EncodedSample, LoraConfig, Model, Snapshot, Target, Tokenizer,
    TrainConfig, TrainingRun, encode_sample, sample_gradients, sample_loss,
};
use tributary_protocol::{ContentHash, sample::Sample};

/// Parts of the samples that retrains keep, in millionths.
const KEPT: [u32; 2] = [500_000, 900_000];
/// One answer of so many is exchanged for another of its Datanet.
const WRONG_EVERY: usize = 7;

struct Task {
    model: Arc<Model>,
    dataset: Dataset,
    queries: Vec<EncodedSample>,
    /// What each query expects.
    expected: Vec<String>,
    /// What each training sample teaches.
    completions: Vec<String>,
    wrong: Vec<bool>,
}

impl Task {
    fn new(datanets: usize) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let model = Arc::new(Model::load(&root.join("models/tributary-tiny"), &candle_core::Device::Cpu).unwrap());
        let tokenizer = Tokenizer::from_dir(&root.join("models/tributary-tiny"), model.config()).unwrap();
        let config = DataConfig { tokens_max: 128, ..DataConfig::default() };
        let encode = |prompt: &str, completion: &str| {
            let sample = Sample { prompt: prompt.into(), completion: completion.into() };
            let id = ContentHash::of(format!("{prompt}\n{completion}").as_bytes());
            encode_sample(id, &sample, &tokenizer, &config).unwrap()
        };
        let (mut samples, mut completions, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        let (mut queries, mut expected) = (Vec::new(), Vec::new());
        for (files, questions) in [
            (["harbour-a", "harbour-b", "harbour-c"], "questions"),
            (["game-a", "game-b", "game-c"], "game-questions"),
            (["handbook-a", "handbook-b", "handbook-c"], "handbook-questions"),
        ]
        .into_iter()
        .take(datanets)
        {
            let rows: Vec<(String, String)> =
                files.iter().flat_map(|file| rows(&root, file, "prompt", "completion")).collect();
            for (place, (prompt, completion)) in rows.iter().enumerate() {
                // The answer of a question far from this one.
                let exchanged = &rows[(place + rows.len() / 2) % rows.len()].1;
                let is_wrong = place % WRONG_EVERY == 3 && exchanged != completion;
                let completion = if is_wrong { exchanged } else { completion };
                samples.push(encode(prompt, completion));
                completions.push(completion.clone());
                wrong.push(is_wrong);
            }
            for (question, answer) in rows_of(&root, questions) {
                queries.push(encode(&question, &answer));
                expected.push(answer);
            }
        }
        let dataset = Dataset::divide(samples, 0).unwrap();
        Self { model, dataset, queries, expected, completions, wrong }
    }

    fn losses(&self, adapter: &Adapter) -> Vec<f64> {
        let loss = |query| f64::from(sample_loss(&self.model, Some(adapter), query).unwrap());
        self.queries.iter().map(loss).collect()
    }
}

fn rows_of(root: &Path, file: &str) -> Vec<(String, String)> {
    rows(root, file, "question", "expected")
}

fn rows(root: &Path, file: &str, question: &str, answer: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root.join(format!("cli/demo-data/{file}.jsonl"))).unwrap();
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        (row[question].as_str().unwrap().to_owned(), row[answer].as_str().unwrap().to_owned())
    };
    text.lines().map(row).collect()
}

struct Recipe {
    epochs: u32,
    epsilon: f64,
}

impl Recipe {
    fn run(&self, task: &Task) -> TrainingRun {
        let lora = LoraConfig { rank: 4, alpha: 8.0, targets: Target::ALL.into(), ..LoraConfig::default() };
        let config = TrainConfig {
            seed: 1,
            epochs: self.epochs,
            batch_size: 16,
            micro_batch_size: 16,
            learning_rate: 4e-3,
            warmup_steps: 8,
            decay: Decay::Linear,
            learning_rate_floor: 0.1,
            adamw: AdamWConfig { epsilon: self.epsilon, ..AdamWConfig::default() },
            snapshots: 4,
            ..TrainConfig::default()
        };
        let adapter = Adapter::new(&task.model, lora, config.seed).unwrap();
        TrainingRun::new(task.model.clone(), adapter, task.dataset.clone(), config).unwrap()
    }
}

/// Losses of the queries after training in the same steps without some samples, and which were kept.
///
/// As the run does it, but that a sample that is left out adds nothing to a step's gradient, which is still divided by the
/// trained tokens of all.
fn retrain(task: &Task, recipe: &Recipe, trajectory: &Trajectory, kept: u32, seed: u64) -> (Vec<bool>, Vec<f64>) {
    let count = task.dataset.training().len();
    let mut order: Vec<(ContentHash, usize)> =
        (0..count).map(|place| (ContentHash::of(format!("{kept} {seed} {place}").as_bytes()), place)).collect();
    order.sort_unstable();
    let mut included = vec![false; count];
    order[..count * kept as usize / 1_000_000].iter().for_each(|(_, place)| included[*place] = true);

    let run = recipe.run(task);
    let (config, adapter) = (*run.config(), run.into_adapter().unwrap());
    let variables = adapter.variables();
    let mut values: Vec<f32> = variables.iter().flat_map(|(_, variable)| elements(variable)).collect();
    let (mut first, mut second) = (vec![0f32; values.len()], vec![0f32; values.len()]);
    let AdamWConfig { beta1, beta2, epsilon, .. } = config.adamw;
    for step in trajectory.steps() {
        let all: u32 = step.rows.iter().map(|row| row.tokens).sum();
        let rows: Vec<_> = step.rows.iter().filter(|row| included[row.sample as usize]).collect();
        let samples: Vec<_> = rows.iter().map(|row| &task.dataset.training()[row.sample as usize]).collect();
        let mut gradient = vec![0f32; values.len()];
        for (row, found) in rows.iter().zip(sample_gradients(&task.model, &adapter, &samples).unwrap()) {
            let part = row.tokens as f32 / all as f32;
            gradient.iter_mut().zip(found).for_each(|(sum, value)| *sum += part * value);
        }
        let norm = gradient.iter().map(|value| f64::from(value * value)).sum::<f64>().sqrt();
        let shorten = config.gradient_norm_max.map_or(1.0, |max| (max / (norm + 1e-6)).min(1.0)) as f32;
        let time = step.step as i32;
        let (scale1, scale2) = (1.0 - beta1.powi(time), 1.0 - beta2.powi(time));
        for (at, value) in values.iter_mut().enumerate() {
            let gradient = shorten * gradient[at];
            first[at] += (1.0 - beta1 as f32) * (gradient - first[at]);
            second[at] += (1.0 - beta2 as f32) * (gradient * gradient - second[at]);
            let (first, second) = (f64::from(first[at]) / scale1, f64::from(second[at]) / scale2);
            *value -= (step.learning_rate * first / (second.sqrt() + epsilon)) as f32;
        }
        let mut rest = values.as_slice();
        for (_, variable) in &variables {
            let (these, others) = rest.split_at(variable.elem_count());
            variable.set(&Tensor::from_slice(these, variable.shape(), variable.device()).unwrap()).unwrap();
            rest = others;
        }
    }
    (included, task.losses(&adapter))
}

fn elements(variable: &Var) -> Vec<f32> {
    variable.flatten_all().unwrap().to_vec1().unwrap()
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0f64; values.len()];
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let first = order.iter().position(|place| *place == group[0]).unwrap();
        group.iter().for_each(|place| ranks[*place] = first as f64 + (group.len() - 1) as f64 / 2.0);
    }
    ranks
}

fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() - 1) as f64 / 2.0;
    let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    match sum(&a, &a) * sum(&b, &b) {
        0.0 => 0.0,
        square => sum(&a, &b) / square.sqrt(),
    }
}

/// Area under the curve: how often a marked one stands before one that is not.
fn auc(order: &[usize], marked: &[bool]) -> f64 {
    let (mut before, mut pairs) = (0f64, 0f64);
    for place in order {
        match marked[*place] {
            true => before += 1.0,
            false => pairs += before,
        }
    }
    let positives = marked.iter().filter(|marked| **marked).count() as f64;
    pairs / (positives * (marked.len() as f64 - positives))
}

fn main() {
    let argument = |place: usize, default: f64| {
        std::env::args().nth(place).map_or(default, |text| text.parse().expect("arguments are numbers"))
    };
    let retrains = argument(1, 12.0) as u64;
    let recipe = Recipe { epochs: argument(2, 8.0) as u32, epsilon: argument(3, 1e-8) };
    let dims = argument(4, 4096.0) as usize;
    let task = Task::new(argument(5, 1.0) as usize);
    let training = task.dataset.training();

    let (began, mut plain) = (Instant::now(), recipe.run(&task));
    while !plain.is_done() {
        plain.step().unwrap();
    }
    let plain_seconds = began.elapsed().as_secs_f64();
    let folder = tempfile::tempdir().unwrap();
    let (began, mut run) = (Instant::now(), recipe.run(&task));
    let mut recorder = TrajectoryRecorder::in_memory(&run, dims, 7).unwrap();
    let mut writing = 0f64;
    while !run.is_done() {
        run.step_captured(&mut recorder).unwrap();
        let saving = Instant::now();
        run.save_snapshot(folder.path(), "tributary-tiny").unwrap();
        writing += saving.elapsed().as_secs_f64();
    }
    let captured_seconds = began.elapsed().as_secs_f64() - writing;
    let adapter = run.adapter().unwrap();
    assert_eq!(adapter.to_safetensors().unwrap(), plain.adapter().unwrap().to_safetensors().unwrap());
    let losses = task.losses(adapter);
    let before: f64 = task.queries.iter().map(|query| f64::from(sample_loss(&task.model, None, query).unwrap())).sum();
    println!(
        "{} samples, {} wrong, {} queries, {} parameters, {} steps; queries' loss {:.3} -> {:.3}",
        training.len(),
        task.wrong.iter().filter(|wrong| **wrong).count(),
        task.queries.len(),
        adapter.parameter_count(),
        run.steps(),
        before / losses.len() as f64,
        losses.iter().sum::<f64>() / losses.len() as f64,
    );
    println!(
        "training {plain_seconds:.1} s, with capture {captured_seconds:.1} s: {:.2} times",
        captured_seconds / plain_seconds
    );

    let snapshots = Snapshot::load_all(folder.path(), &task.model).unwrap();
    let inputs = Inputs { model: &task.model, snapshots: &snapshots, dataset: &task.dataset };
    let trajectory = Arc::new(recorder.trajectory());
    let preconditioner = Arc::new(run.preconditioner());
    let embedding = |fisher_scale| DataValueEmbedding {
        trajectory: trajectory.clone(),
        preconditioner: preconditioner.clone(),
        settings: EmbeddingSettings { fisher_scale },
    };
    let methods: Vec<(String, Box<dyn Influence>)> = vec![
        (String::new(), Box::new(GradientDot)),
        (String::new(), Box::new(GradientCosine)),
        (String::new(), Box::new(TracInCp { checkpoints: 4 })),
        (" 0.1".into(), Box::new(DataInf::default())),
        (" 10".into(), Box::new(DataInf { damping: 10.0 })),
        (" 0.1".into(), Box::new(Trak::default())),
        (" 1".into(), Box::new(Trak { damping: 1.0, ..Trak::default() })),
        (" F×0".into(), Box::new(embedding(0.0))),
        (" F×0.3".into(), Box::new(embedding(0.3))),
        (" F×1".into(), Box::new(embedding(1.0))),
        (" F×3".into(), Box::new(embedding(3.0))),
    ];
    let queries: Vec<QueryGradients> =
        task.queries.iter().map(|query| QueryGradients::of_sample(&inputs, query).unwrap()).collect();
    let mut scored = Vec::new();
    for (suffix, method) in &methods {
        let began = Instant::now();
        let fitted: Box<dyn Fitted> = method.fit(&inputs, &unobserved).unwrap();
        let fit = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let scores: Vec<Vec<f64>> = queries.iter().map(|query| fitted.scores(query).unwrap()).collect();
        let query = began.elapsed().as_secs_f64() / queries.len() as f64;
        scored.push((format!("{}{suffix}", method.name()), fit, query, scores));
    }

    let suspects = screen_by_leverage(&trajectory, ScreenSettings::default()).unwrap();
    let order: Vec<usize> = suspects.iter().map(|suspicion| suspicion.place).collect();
    println!("mislabel AUC {:.3} (leverage)", auc(&order, &task.wrong));
    let mut by_loss: Vec<(f64, usize)> = training
        .iter()
        .enumerate()
        .map(|(place, sample)| (-f64::from(sample_loss(&task.model, Some(adapter), sample).unwrap()), place))
        .collect();
    by_loss.sort_by(|a, b| a.0.total_cmp(&b.0));
    let order: Vec<usize> = by_loss.iter().map(|(_, place)| *place).collect();
    println!("mislabel AUC {:.3} (loss at the end)", auc(&order, &task.wrong));

    let (_, again) = retrain(&task, &recipe, &trajectory, 1_000_000, 0);
    let difference = again.iter().zip(&losses).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("training again with all samples moves no query's loss by more than {difference:.1e}");

    let began = Instant::now();
    let truth: Vec<Vec<(Vec<bool>, Vec<f64>)>> = KEPT
        .iter()
        .map(|kept| (0..retrains).map(|seed| retrain(&task, &recipe, &trajectory, *kept, seed)).collect())
        .collect();
    println!("{} retrains in {:.0} s", retrains * KEPT.len() as u64, began.elapsed().as_secs_f64());

    println!(
        "{:32} {:>6} {:>6} | {:>5} {:>5} | {:>7} {:>9}",
        "method", "50 %", "90 %", "r@1", "r@5", "fit s", "query ms"
    );
    for (name, fit, query, scores) in &scored {
        let lds = truth.iter().map(|retrains| {
            let of_query = |(place, scores): (usize, &Vec<f64>)| {
                let predicted: Vec<f64> = retrains.iter().map(|(kept, _)| sum_of(scores, kept)).collect();
                let found: Vec<f64> = retrains.iter().map(|(_, losses)| -losses[place]).collect();
                spearman(&predicted, &found)
            };
            scores.iter().enumerate().map(of_query).sum::<f64>() / scores.len() as f64
        });
        let lds: Vec<f64> = lds.collect();
        let recall = |within: usize| {
            let found = |(scores, expected): &(&Vec<f64>, &String)| {
                let mut order: Vec<usize> = (0..scores.len()).collect();
                order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
                order[..within].iter().any(|place| task.completions[*place] == **expected)
            };
            scores.iter().zip(&task.expected).filter(found).count() as f64 / scores.len() as f64
        };
        println!(
            "{name:32} {:6.3} {:6.3} | {:5.2} {:5.2} | {fit:7.2} {:9.2}",
            lds[0],
            lds[1],
            recall(1),
            recall(5),
            query * 1e3
        );
    }
}

fn sum_of(scores: &[f64], kept: &[bool]) -> f64 {
    scores.iter().zip(kept).filter(|(_, kept)| **kept).map(|(score, _)| score).sum()
}
