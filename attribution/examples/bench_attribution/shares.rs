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
    Answer, AnswerShares, GroupSettings, Groups, Retrainer, SampleScores, Standing, Tangent, TangentSettings, Tangents,
    accuracy::{Ghost, ghost_share, says},
    duplicates::find_duplicates,
    to_integers,
};
use tributary_lora::{Adapter, EncodedSample, sample_gradient};
use tributary_protocol::{
    ContentHash, Ppm,
    answer::{Rule, by_owner},
    stream::SHARE_UNITS,
};

/// Groups by content.
pub const GROUPS: u16 = 16;
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

/// What answers are shared by.
struct Shared<'a> {
    task: &'a Task,
    groups: Groups,
    clusters: Vec<Standing>,
    /// By query: of the groups, of the samples, of the ghosts.
    scores: Vec<[Vec<f64>; 3]>,
    /// By ghost.
    ghost_groups: Vec<u16>,
}

impl<'a> Shared<'a> {
    /// The group's scores are the losses without it. Inside a group, gradients before the first step divide, which treat
    /// samples and ghosts alike.
    fn new(bench: &Bench, task: &'a Task, adapter: &Adapter, tangents: &Tangents, seed: u64) -> Self {
        let start = Adapter::new(&bench.model, lora(), seed).unwrap();
        let gradient =
            |adapter: &Adapter, sample: &EncodedSample| sample_gradient(&bench.model, adapter, sample).unwrap();
        let gradients = |samples: &[EncodedSample]| -> Vec<Vec<f32>> {
            samples.iter().map(|sample| gradient(&start, sample)).collect()
        };
        let (of_samples, of_ghosts) = (gradients(task.dataset.training()), gradients(&task.ghosts));
        let dots = |gradient: &[f32], others: &[Vec<f32>]| -> Vec<f64> {
            let dot = |other: &Vec<f32>| gradient.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            others.iter().map(dot).collect()
        };
        let scores = |(_, query): &(Row, EncodedSample)| {
            let at_end = gradient(adapter, query);
            let of_groups = tangents.loss_differences(&bench.model, adapter, query).unwrap();
            [of_groups, dots(&at_end, &of_samples), dots(&at_end, &of_ghosts)]
        };
        let scores = task.queries.iter().map(scores).collect();
        // A ghost goes to the group of the sample that its gradient is most like.
        let of_sample = tangents.groups().of_sample();
        let nearest = |ghost: &Vec<f32>| {
            let near = dots(ghost, &of_samples);
            (0..near.len()).max_by(|a, b| near[*a].total_cmp(&near[*b])).map_or(0, |place| of_sample[place])
        };
        let ghost_groups = of_ghosts.iter().map(nearest).collect();
        Self { task, groups: tangents.groups().clone(), clusters: standings(task), scores, ghost_groups }
    }

    fn share(&self, query: usize) -> AnswerShares {
        let [of_groups, samples, ghosts] = &self.scores[query];
        let answer = Answer {
            groups: &self.groups,
            clusters: Some(&self.clusters),
            group_scores: of_groups,
            sample_scores: SampleScores::Floats { samples, ghosts },
        };
        answer.share(&Rule::new(Ppm::ONE)).unwrap()
    }

    /// The part of each query's units that ghosts would get.
    fn ghost_share(&self, query: usize, shares: &AnswerShares) -> f64 {
        let [_, samples, ghosts] = &self.scores[query];
        let scores = to_integers(&[samples, ghosts]).unwrap().swap_remove(1);
        let posing = self.task.ghosts.iter().zip(&self.ghost_groups).zip(scores);
        let posing: Vec<Ghost> = posing
            .map(|((ghost, group), score)| Ghost { id: ghost.id(), says: says(ghost), group: *group, score })
            .collect();
        let said: Vec<ContentHash> = self.task.dataset.training().iter().map(says).collect();
        f64::from(ghost_share(&Rule::new(Ppm::ONE), &shares.groups, &shares.samples, &said, &posing).unwrap().parts())
            / 1e6
    }
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
    let mut written = serde_json::Map::new();
    let mut content = None;
    for (name, groups) in [("content", by_content), ("contributors", by_owner_groups)] {
        let tangents = tangents(bench, task, adapter, &groups, seed, folder);
        let (mut gradient, mut midpoint, mut loss) = (Vec::new(), Vec::new(), Vec::new());
        let began = processor_seconds();
        for (_, query) in &task.queries {
            let of_query = sample_gradient(&bench.model, adapter, query).unwrap();
            gradient.push(tangents.scores(&of_query, Tangent::LeaveOneOut).unwrap());
        }
        let each = (processor_seconds() - began) / task.queries.len() as f64;
        for (_, query) in &task.queries {
            midpoint.push(tangents.scores_at_midpoints(&bench.model, adapter, query).unwrap());
            loss.push(tangents.loss_differences(&bench.model, adapter, query).unwrap());
        }
        let value = json!({
            "of_sample": groups.of_sample(), "gradient": gradient, "midpoint": midpoint, "loss": loss,
            "query_seconds": each, "file_bytes": tangents.to_bytes().len(),
        });
        written.insert(name.to_owned(), value);
        content.get_or_insert(tangents);
    }
    write_json(&folder.join("tangents.json"), &written.into());
    let Some(tangents) = content else { return };

    let shared = Shared::new(bench, task, adapter, &tangents, seed);
    let shares: Vec<AnswerShares> = (0..task.queries.len()).map(|query| shared.share(query)).collect();
    let queries = shares.iter().enumerate().map(|(query, found)| {
        let paid: u64 = found.shares.units.iter().sum::<u64>() + found.shares.base;
        json!({
            "units": found.shares.units, "base": found.shares.base, "sum_error": paid.abs_diff(SHARE_UNITS),
            "fallback": found.shares.fallback, "ghost_share": shared.ghost_share(query, found),
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
    let mut written = serde_json::Map::new();
    for (name, more) in [("exact", exact), ("near", near)] {
        let attacked = task.with(&bench.tokenizer, &more, false);
        let folder_of = folder.join(format!("copies-{name}"));
        let trained = Trained::new(bench, &attacked, seed, &folder_of);
        let groups = groups(&attacked, seed);
        let tangents = tangents(bench, &attacked, trained.adapter(), &groups, seed, &folder_of);
        let shared = Shared::new(bench, &attacked, trained.adapter(), &tangents, seed);
        let shares: Vec<AnswerShares> = (0..attacked.queries.len()).map(|query| shared.share(query)).collect();
        let of_attacker = |row: &Row| row.contributor == ATTACKER || row.contributor >= task.contributors;
        let income = income(&shares, &attacked.rows, of_attacker);
        let trained_on = attacked.rows.iter().filter(|row| row.contributor >= task.contributors).count();
        let value = json!({
            "handed_in": more.len(), "trained_on": trained_on, "before": honest, "after": income,
            "gain": income / honest,
        });
        written.insert(name.to_owned(), value);

        // Without any defence: all of them trained on, for every method to score.
        let plain = task.with(&bench.tokenizer, &more, true);
        let folder_of = folder.join(format!("copies-{name}-undefended"));
        let trained = Trained::new(bench, &plain, seed, &folder_of);
        scores::write(bench, &plain, &trained, true, &folder_of);
    }
    write_json(&folder.join("attacks.json"), &Value::Object(written));
}

/// What somebody does who knows that copies are looked for.
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
