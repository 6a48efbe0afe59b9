//! What retraining without some samples does to the queries: the truth that scores are compared with.
//!
//! Every retrain is one line of `truth.jsonl`: its kind and number, who took part, the queries' losses afterwards. Lines that
//! are there are not computed again.

use crate::{
    Bench, Size, processor_seconds,
    run::{lora, training},
    task::Task,
};
use serde_json::{Value, json};
use std::{collections::HashMap, io::Write, ops::ControlFlow, path::Path, time::Instant};
use tributary_attribution::{Groups, RetrainRecipe, Retrained, Retrainer, random_coalitions};
use tributary_lora::sample_loss;

/// What is added to a run's seed for the second measurement of the same truth: another start and another order.
const AGAIN: u64 = 1_000;

/// Parts of the samples that stay, in percent.
const KEPT: [usize; 3] = [50, 90, 99];
/// The part of the contributors that stays, in percent.
const COALITION: usize = 80;

struct Wanted {
    kind: String,
    number: usize,
    seed: u64,
    included: Vec<bool>,
}

/// The retrains of a seed, those first that decide most.
fn wanted(task: &Task, groups: &Groups, seed: u64, size: &Size) -> Vec<Wanted> {
    let count = task.dataset.training().len();
    let mut list = Vec::new();
    let mut add = |kind: &str, number: usize, seed: u64, included: Vec<bool>| {
        list.push(Wanted { kind: kind.to_owned(), number, seed, included });
    };
    add("all", 0, seed, vec![true; count]);
    let owners: Vec<usize> = task.rows.iter().map(|row| row.contributor).collect();
    let by_owner = |members: &[bool]| owners.iter().map(|owner| members[*owner]).collect::<Vec<bool>>();
    for out in 0..task.contributors {
        add("without-contributor", out, seed, owners.iter().map(|owner| *owner != out).collect());
    }
    for out in 0..groups.count() {
        add("without-group", out, seed, groups.included(|group| group != out));
    }
    let members = (task.contributors * COALITION).div_ceil(100);
    let coalitions = random_coalitions(task.contributors, members, size.retrains, seed);
    let kept: Vec<(String, Vec<Vec<bool>>)> = KEPT
        .iter()
        .map(|percent| {
            let members = (count * percent + 50) / 100;
            (format!("kept-{percent}"), random_coalitions(count, members, size.retrains, 100 * seed + *percent as u64))
        })
        .chain([("coalition".to_owned(), coalitions.iter().map(|members| by_owner(members)).collect())])
        .collect();
    // In turns, so that a run that is stopped has some of each.
    for number in 0..size.retrains {
        for (kind, included) in &kept {
            add(kind, number, seed, included[number].clone());
            if number < size.again {
                add(&format!("{kind}-again"), number, seed + AGAIN, included[number].clone());
            }
        }
    }
    // Tangents are made with the run's seed, so that only another one says whether they know more than its chance.
    if size.again > 0 {
        add("all-again", 0, seed + AGAIN, vec![true; count]);
        for out in 0..task.contributors {
            let included = owners.iter().map(|owner| *owner != out).collect();
            add("without-contributor-again", out, seed + AGAIN, included);
        }
        for out in 0..groups.count() {
            add("without-group-again", out, seed + AGAIN, groups.included(|group| group != out));
        }
    }
    list
}

/// Retrains until everything is there or `until` has passed, and says whether everything is.
pub fn complete(bench: &Bench, task: &Task, groups: &Groups, seed: u64, size: &Size, folder: &Path) -> bool {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("truth.jsonl");
    let known = read(&path);
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let missing: Vec<Wanted> = wanted(task, groups, seed, size)
        .into_iter()
        .filter(|wanted| wanted.kind.starts_with(&size.only))
        .filter(|wanted| match known.get(&(wanted.kind.clone(), wanted.number)) {
            Some(line) => {
                let same = line["included"] == text(&wanted.included);
                assert!(same, "{} holds another task's retrains; hint: remove its folder", path.display());
                false
            }
            None => true,
        })
        .collect();
    if missing.is_empty() {
        return true;
    }
    println!("{} retrains are missing, {} are there", missing.len(), known.len());
    let told = Instant::now();
    for (done, wanted) in missing.iter().enumerate() {
        if bench.until.is_some_and(|until| Instant::now() >= until) {
            println!("stopped with {} retrains missing; hint: the same command goes on", missing.len() - done);
            return false;
        }
        let began = processor_seconds();
        let retrained = retrain(bench, task, wanted.seed, std::slice::from_ref(&wanted.included), folder).remove(0);
        let adapter = retrained.load(&bench.model).unwrap();
        let loss = |query| f64::from(sample_loss(&bench.model, Some(&adapter), query).unwrap());
        let losses: Vec<f64> = task.queries.iter().map(|(_, query)| loss(query)).collect();
        let seconds = processor_seconds() - began;
        let line = json!({
            "kind": wanted.kind, "number": wanted.number, "seed": wanted.seed, "seconds": seconds,
            "included": text(&wanted.included), "losses": losses,
        });
        // At once, since other processes may add theirs.
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
        // Those without a group or a contributor are needed again for the tangents.
        if wanted.kind.ends_with("-again") || !(wanted.kind.starts_with("without") || wanted.kind == "all") {
            std::fs::remove_dir_all(&retrained.folder).unwrap();
        }
        if done % 20 == 19 {
            println!("{} retrains, {:.1} s each", done + 1, told.elapsed().as_secs_f64() / (done + 1) as f64);
        }
    }
    true
}

/// The adapters of the run without those that are not included.
pub fn retrain(bench: &Bench, task: &Task, seed: u64, included: &[Vec<bool>], folder: &Path) -> Vec<Retrained> {
    let (lora, training) = (lora(), training(seed));
    let recipe = recipe(bench, task, &lora, &training, seed);
    let retrainer = Retrainer::new(recipe, &folder.join("retrains"), 1).unwrap();
    retrainer.run(included, &|_| ControlFlow::Continue(())).unwrap()
}

pub fn recipe<'a>(
    bench: &'a Bench,
    task: &'a Task,
    lora: &'a tributary_lora::LoraConfig,
    training: &'a tributary_lora::TrainConfig,
    seed: u64,
) -> RetrainRecipe<'a> {
    RetrainRecipe { model: &bench.model, dataset: &task.dataset, lora, adapter_seed: seed, training, result_step: None }
}

fn text(included: &[bool]) -> String {
    included.iter().map(|included| if *included { '1' } else { '0' }).collect()
}

/// The lines by kind and number; one that was being written when the process ended is none.
fn read(path: &Path) -> HashMap<(String, usize), Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    if whole < text.len() {
        std::fs::write(path, &text[..whole]).unwrap();
    }
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let number = value["number"].as_u64().unwrap() as usize;
        ((value["kind"].as_str().unwrap().to_owned(), number), value)
    };
    text[..whole].lines().map(line).collect()
}
