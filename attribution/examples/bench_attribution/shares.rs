//! Group tangents, and what answers pay: shares of honest runs, of ghosts, and of contributors who copy or split.

use crate::{
    Bench, processor_seconds,
    run::{Trained, lora, training},
    scores,
    task::{Row, Task},
    truth, write_json,
};
use serde_json::{Value, json};
use std::{ops::ControlFlow, path::Path};
use tributary_attribution::{
    AnswerScores, AnswerShares, EmbeddingSettings, Embeddings, GroupSettings, Groups, Retrainer, Standing, Tangent,
    TangentSettings, Tangents,
    accuracy::{Ghost, GhostUnits, ghost_units, says},
    answer_scores,
    duplicates::find_duplicates,
    embed, query_gradient, sample_effects, unobserved, weigh_by_learnt,
};
use tributary_lora::{Adapter, EncodedSample, sample_gradient};
use tributary_protocol::{
    ContentHash, Ppm,
    answer::{GROUPS_MAX, Rule, by_owner},
    recipe::TangentWay,
    stream::SHARE_UNITS,
};

/// Groups by content: as many as can be.
pub const GROUPS: u16 = GROUPS_MAX;
/// Accounts that hand in the attacker's samples again, and accounts that one contributor is split into.
const FOLD: usize = 8;
/// The contributor who attacks.
const ATTACKER: usize = 0;

/// Groups of a task's samples; those that paraphrase each other stay together.
pub fn groups(task: &Task, seed: u64) -> Groups {
    let settings = GroupSettings { count: GROUPS, seed };
    let clusters: Vec<ContentHash> = standings(task).iter().map(|standing| standing.cluster).collect();
    Groups::new(task.dataset.training(), Some(&clusters), settings).unwrap()
}

/// Where each sample stands among those that say the same.
fn standings(task: &Task) -> Vec<Standing> {
    let ids: Vec<ContentHash> = task.dataset.training().iter().map(EncodedSample::id).collect();
    let alone = |id: &ContentHash| Standing { cluster: *id, similarity: Ppm::ZERO };
    let mut standings: Vec<Standing> = ids.iter().map(alone).collect();
    for members in find_duplicates(task.corpus.lines().iter().map(|line| line.sample())).clusters {
        let cluster = ids[members[0].sample];
        for member in members {
            standings[member.sample] = Standing { cluster, similarity: member.similarity };
        }
    }
    standings
}

/// What answers are shared by: what a job that names group tangents pays by.
struct Shared<'a> {
    task: &'a Task,
    groups: Groups,
    clusters: Vec<Standing>,
    /// By query.
    scores: Vec<AnswerScores>,
    /// By ghost.
    ghost_groups: Vec<u16>,
    /// What each training sample teaches.
    said: Vec<ContentHash>,
}

impl<'a> Shared<'a> {
    fn new(bench: &Bench, task: &'a Task, trained: &Trained, tangents: &Tangents) -> Self {
        let (model, adapter) = (&bench.model, trained.adapter());
        let embeddings = weigh_by_learnt(embeddings(trained), model, adapter, &task.dataset).unwrap();
        let scores = |(_, query): &(Row, EncodedSample)| {
            let way = TangentWay::default();
            answer_scores(model, adapter, Some(tangents), &embeddings, query, way).unwrap().unwrap()
        };
        let of_sample = tangents.groups().of_sample();
        let neighbours = embeddings.ghost_neighbours();
        Self {
            task,
            groups: tangents.groups().clone(),
            clusters: standings(task),
            scores: task.queries.iter().map(scores).collect(),
            ghost_groups: neighbours.into_iter().map(|neighbour| of_sample[neighbour]).collect(),
            said: task.dataset.training().iter().map(says).collect(),
        }
    }

    fn share(&self, query: usize) -> AnswerShares {
        self.scores[query].share(&self.groups, Some(&self.clusters), &Rule::new(Ppm::ONE)).unwrap()
    }

    /// What a posing ghost and a sample get of a query's units.
    fn ghost_units(&self, query: usize, shares: &AnswerShares) -> GhostUnits {
        let ghosts = self.task.dataset.validation().iter().zip(&self.ghost_groups).zip(&self.scores[query].ghosts);
        let posing: Vec<Ghost> = ghosts
            .map(|((ghost, group), score)| Ghost { id: ghost.id(), says: says(ghost), group: *group, score: *score })
            .collect();
        ghost_units(&Rule::new(Ppm::ONE), &shares.groups, &shares.samples, &self.said, &posing).unwrap()
    }
}

/// The rows of the run's samples and ghosts, however far they were learnt.
fn embeddings(trained: &Trained) -> Embeddings {
    embed(&trained.trajectory, &trained.preconditioner, EmbeddingSettings::default(), &unobserved).unwrap()
}

/// Tangents at the run's adapter; their retrains are kept.
fn tangents(bench: &Bench, task: &Task, adapter: &Adapter, groups: &Groups, seed: u64, folder: &Path) -> Tangents {
    let (lora, training) = (lora(), training(seed));
    let recipe = truth::recipe(bench, task, &lora, &training, seed);
    let retrainer = Retrainer::new(recipe, &folder.join("retrains"), 1).unwrap();
    let settings = TangentSettings { halves: 0, ..TangentSettings::default() };
    Tangents::train(&retrainer, adapter, groups, settings, &|_| ControlFlow::Continue(())).unwrap()
}

/// Writes `tangents.json` and `shares.json`; with `attacks`, trains with copies and writes `attacks.json` and the folders of
/// runs in which nothing was taken for a copy, for other methods to score.
pub fn write(bench: &Bench, task: &Task, trained: &Trained, seed: u64, attacks: bool, folder: &Path) {
    let adapter = trained.adapter();
    let by_content = groups(task, seed);
    let owners: Vec<usize> = task.rows.iter().map(|row| row.contributor).collect();
    let owned: Vec<(ContentHash, u16)> =
        task.dataset.training().iter().zip(&owners).map(|(sample, owner)| (sample.id(), *owner as u16)).collect();
    let by_owner_groups = Groups::of_samples(&owned, task.contributors as u16).unwrap();
    let embeddings = embeddings(trained);
    let mut written = serde_json::Map::new();
    let mut content = None;
    for (name, groups) in [("content", by_content), ("contributors", by_owner_groups)] {
        let tangents = tangents(bench, task, adapter, &groups, seed, folder);
        let (mut gradient, mut midpoint, mut loss, mut effects) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let began = processor_seconds();
        for (_, query) in &task.queries {
            let of_query = sample_gradient(&bench.model, adapter, query).unwrap();
            gradient.push(tangents.scores(&of_query, Tangent::LeaveOneOut).unwrap());
        }
        let each = (processor_seconds() - began) / task.queries.len() as f64;
        for (_, query) in &task.queries {
            midpoint.push(tangents.scores_at_midpoints(&bench.model, adapter, query).unwrap());
            let measured = tangents.loss_differences(&bench.model, adapter, query).unwrap();
            let at_result = sample_gradient(&bench.model, adapter, query).unwrap();
            let asked = query_gradient(&bench.model, adapter, query, &at_result).unwrap();
            let estimated = embeddings.scores(&embeddings.sketch(&asked).unwrap());
            effects.push(sample_effects(&groups, &measured, &estimated).unwrap());
            loss.push(measured);
        }
        let value = json!({
            "of_sample": groups.of_sample(), "gradient": gradient, "midpoint": midpoint, "loss": loss,
            "sample_effects": effects,
            "query_seconds": each, "file_bytes": tangents.to_bytes().len(),
        });
        written.insert(name.to_owned(), value);
        content.get_or_insert(tangents);
    }
    write_json(&folder.join("tangents.json"), &written.into());
    let Some(tangents) = content else { return };

    let shared = Shared::new(bench, task, trained, &tangents);
    let shares: Vec<AnswerShares> = (0..task.queries.len()).map(|query| shared.share(query)).collect();
    let queries = shares.iter().enumerate().map(|(query, found)| {
        let ghosts = shared.ghost_units(query, found);
        let paid: u64 = found.shares.units.iter().sum::<u64>() + found.shares.base;
        json!({
            "units": found.shares.units, "base": found.shares.base, "sum_error": paid.abs_diff(SHARE_UNITS),
            "fallback": found.shares.fallback, "ghost_units": [ghosts.of_ghosts, ghosts.of_samples],
            "split_gain": split_gain(found, &owners, task.contributors),
        })
    });
    write_json(&folder.join("shares.json"), &queries.collect());
    if attacks {
        let of_attacker = |row: &Row| row.contributor == ATTACKER;
        let honest = income(&shares, &task.rows, of_attacker);
        copies(bench, task, honest, seed, folder);
    }
}

/// The units of the first contributor as one account and as several, which hold its samples in turns: the difference.
fn split_gain(found: &AnswerShares, owners: &[usize], contributors: usize) -> i64 {
    let mut part = 0;
    let split: Vec<usize> = owners
        .iter()
        .map(|owner| match *owner {
            ATTACKER => {
                part += 1;
                if part % FOLD == 0 { ATTACKER } else { contributors + part % FOLD }
            }
            other => other,
        })
        .collect();
    let before = by_owner(&found.shares, owners, contributors).unwrap();
    let after = by_owner(&found.shares, &split, contributors + FOLD).unwrap();
    let together = after[ATTACKER] + after[contributors..].iter().sum::<u64>();
    together.cast_signed() - before[ATTACKER].cast_signed()
}

/// The mean part of the answers' units that some rows get.
fn income(shares: &[AnswerShares], rows: &[Row], whose: impl Fn(&Row) -> bool) -> f64 {
    let of_answer = |found: &AnswerShares| {
        let units = found.shares.units.iter().zip(rows).filter(|(_, row)| whose(row)).map(|(units, _)| units);
        units.sum::<u64>() as f64 / SHARE_UNITS as f64
    };
    shares.iter().map(of_answer).sum::<f64>() / shares.len() as f64
}

/// One contributor's samples again from eight other accounts, as they are or with small changes.
fn copies(bench: &Bench, task: &Task, honest: f64, seed: u64, folder: &Path) {
    let copied = |change: &dyn Fn(usize, &Row) -> (String, String)| -> Vec<Row> {
        let of_account = |account: usize| {
            let mine = task.rows.iter().filter(|row| row.contributor == ATTACKER);
            mine.map(move |row| {
                let (prompt, completion) = change(account, row);
                Row { contributor: task.contributors + account, prompt, completion, ..row.clone() }
            })
        };
        (0..FOLD).flat_map(of_account).collect()
    };
    let exact = copied(&|_, row| (row.prompt.clone(), row.completion.clone()));
    let near = copied(&|account, row| changed(account, row));
    let other_words = copied(&|account, row| (reworded(account, &row.prompt), row.completion.clone()));
    let mut written = serde_json::Map::new();
    for (name, more) in [("exact", exact), ("near", near), ("reworded", other_words)] {
        let attacked = task.with(&bench.tokenizer, &more, false);
        let folder_of = folder.join(format!("copies-{name}"));
        let trained = Trained::new(bench, &attacked, seed, &folder_of);
        let groups = groups(&attacked, seed);
        // In one folder: where copies change nothing, the retrains are those of the honest run.
        let tangents = tangents(bench, &attacked, trained.adapter(), &groups, seed, folder);
        let shared = Shared::new(bench, &attacked, &trained, &tangents);
        let shares: Vec<AnswerShares> = (0..attacked.queries.len()).map(|query| shared.share(query)).collect();
        let of_attacker = |row: &Row| row.contributor == ATTACKER || row.contributor >= task.contributors;
        let income = income(&shares, &attacked.rows, of_attacker);
        let trained_on = attacked.rows.iter().filter(|row| row.contributor >= task.contributors).count();
        let value = json!({
            "handed_in": more.len(), "trained_on": trained_on, "before": honest, "after": income,
            "gain": income / honest,
        });
        written.insert(name.to_owned(), value);
        if name == "reworded" {
            continue;
        }

        // Without any defence: all of them trained on, for every method to score.
        let plain = task.with(&bench.tokenizer, &more, true);
        let folder_of = folder.join(format!("copies-{name}-undefended"));
        let trained = Trained::new(bench, &plain, seed, &folder_of);
        scores::write(bench, &plain, &trained, true, &folder_of);
    }
    write_json(&folder.join("attacks.json"), &Value::Object(written));
}

/// Words of questions, each with another that asks the same. Every account has one of its own.
const OTHER_WORDS: [(&str, &str); FOLD] = [
    ("What", "Which"),
    ("Which", "What"),
    ("When", "What time"),
    (" is ", " would be "),
    (" does ", " may "),
    (" the ", " that "),
    (" of ", " at "),
    ("colour", "shade"),
];

/// What somebody does who knows how copies are looked for: another word for one of the question's, or where it has none, a
/// question about the question.
fn reworded(account: usize, prompt: &str) -> String {
    let (word, other) = OTHER_WORDS[account];
    if prompt.contains(word) { prompt.replace(word, other) } else { format!("Answer this number {account}: {prompt}") }
}

/// What somebody does who hopes that copies are not looked for.
fn changed(account: usize, row: &Row) -> (String, String) {
    let Row { prompt, completion, .. } = row;
    match account {
        0 => (prompt.to_lowercase(), completion.clone()),
        1 => (format!("{prompt}?"), completion.clone()),
        2 => (format!("{prompt}, please"), completion.clone()),
        3 => (format!("So, {prompt}"), completion.clone()),
        4 => (prompt.clone(), format!("a {completion}")),
        5 => (prompt.replace("The ", "Our "), completion.clone()),
        6 => (format!("Now, {prompt} then"), format!("{completion}.")),
        _ => (format!("I ask: {}", prompt.to_lowercase()), format!("the {completion}")),
    }
}
