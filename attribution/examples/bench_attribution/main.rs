//! This project's side of `scripts/bench/attribution`: data, the run, all retrains, scores and shares.
//!
//! ```text
//! bench_attribution run    FOLDER [--seed N] [--own-answers]
//! bench_attribution scores FOLDER [--seed N] [--own-answers]
//! bench_attribution truth  FOLDER [--seed N] [--retrains N] [--again N] [--minutes N] [--only KIND]
//! bench_attribution shares FOLDER [--seed N] [--attacks]
//! bench_attribution spans  FOLDER
//! ```
//! Everything lies in `FOLDER/seed-N`. What is there already is found again: a command that was stopped goes on.
#![expect(clippy::unwrap_used, reason = "an example may panic")]

mod run;
mod scores;
mod shares;
mod spans;
mod task;
mod truth;

use candle_core::Device;
use run::Trained;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use task::Task;
use tributary_lora::{Model, Tokenizer};

/// What all parts need.
pub(crate) struct Bench {
    pub(crate) base: PathBuf,
    pub(crate) model: Arc<Model>,
    pub(crate) tokenizer: Tokenizer,
    /// No retrain begins after it.
    pub(crate) until: Option<Instant>,
}

/// How much is retrained.
pub(crate) struct Size {
    /// Of every kind.
    pub(crate) retrains: usize,
    /// How many of them a second time with another seed.
    pub(crate) again: usize,
    /// Only the kinds that begin so: several processes can share a seed's work.
    pub(crate) only: String,
}

pub(crate) fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Processor time of all threads of this process: what other users of the machine do changes it little.
pub(crate) fn processor_seconds() -> f64 {
    let of_task = |task: std::io::Result<std::fs::DirEntry>| -> Option<u64> {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux lists a process's threads");
    tasks.filter_map(of_task).sum::<u64>() as f64 / 1e9
}

/// Whole or not at all.
pub(crate) fn write_json(path: &Path, value: &serde_json::Value) {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, value.to_string()).unwrap();
    std::fs::rename(partial, path).unwrap();
}

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut text_option = |name: &str| -> Option<String> {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).expect("an option has a value");
        arguments.drain(at..at + 2).nth(1)
    };
    let only = text_option("--only").unwrap_or_default();
    let mut option = |name: &str| text_option(name).map(|value| value.parse::<u64>().expect("the value is a number"));
    let seed = option("--seed").unwrap_or(1);
    let size = Size {
        retrains: option("--retrains").unwrap_or(100) as usize,
        again: option("--again").unwrap_or(25) as usize,
        only,
    };
    let until = option("--minutes").map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let (attacks, own_answers) = (has("--attacks"), has("--own-answers"));
    let [phase, folder] = &arguments[..2] else { panic!("the arguments are a part and a folder") };

    let base = workspace("models/tributary-tiny").canonicalize().unwrap();
    let model = Arc::new(Model::load(&base, &Device::Cpu).unwrap());
    let tokenizer = Tokenizer::from_dir(&base, model.config()).unwrap();
    let bench = Bench { base, model, tokenizer, until };
    if phase == "spans" {
        return spans::write(&bench, Path::new(folder));
    }
    let folder = Path::new(folder).join(format!("seed-{seed}"));
    let task = Task::new(&bench.tokenizer, seed, own_answers);
    match phase.as_str() {
        "run" => {
            let trained = Trained::new(&bench, &task, seed, &folder);
            println!(
                "seed {seed}: {} samples of {} tokens, {} queries, {} ghosts, {} steps, {} parameters; {} groups",
                task.rows.len(),
                task.dataset.training().iter().map(|sample| sample.tokens().len()).sum::<usize>(),
                task.queries.len(),
                task.dataset.validation().len(),
                trained.run.steps(),
                trained.adapter().parameter_count(),
                shares::groups(&task, seed).count(),
            );
        }
        "scores" => {
            // Trained again for its steps, which are too many to keep: the same bits, in seconds.
            let trained = Trained::timed(&bench, &task, seed, &folder);
            scores::write(&bench, &task, &trained, false, &folder);
        }
        "truth" => {
            let groups = shares::groups(&task, seed);
            if !truth::complete(&bench, &task, &groups, seed, &size, &folder) {
                std::process::exit(3);
            }
        }
        "shares" => {
            let trained = Trained::new(&bench, &task, seed, &folder);
            shares::write(&bench, &task, &trained, seed, attacks, &folder);
        }
        other => panic!("there is no part {other}: run, scores, truth, shares, spans"),
    }
}
