//! Group tangents on the demonstration's harbour town and the embedded model: how well they rank what retraining does, who
//! is paid for answers, and what it costs.
//!
//! ```text
//! cargo run --release -p tributary-attribution --example tangents -- FOLDER [EPOCHS [GROUPS [HALVES [COALITIONS]]]]
//! ```
//! Retrains are kept in FOLDER; a second call goes on where the first was stopped.
#![expect(clippy::unwrap_used, reason = "an example may panic")]

use candle_core::Device;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use tributary_attribution::{
    Answer, ContributionSamples, Corpus, GroupSettings, Groups, RetrainProgress, RetrainRecipe, Retrainer,
    SampleScores, Tangent, TangentSettings, Tangents,
    accuracy::{Ghost, Interval, Predictions, bootstrap, ghost_share, says, spearman},
    random_coalitions, to_integers,
};
use tributary_lora::{
    Adapter, DataConfig, Dataset, EncodedSample, LoraConfig, Model, Target, Tokenizer, TrainConfig, sample_gradient,
    sample_loss,
};
use tributary_protocol::{
    ContentHash, ContributionId, Ppm,
    answer::{Rule, by_owner},
    sample::{Limits, ParsedSamples},
};

/// Contributors that each file is dealt out to.
const CONTRIBUTORS_PER_FILE: usize = 5;

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(workspace("cli/demo-data").join(name)).unwrap()
}

fn data(tokenizer: &Tokenizer, config: &DataConfig) -> (Corpus, Dataset) {
    let mut contributions = Vec::new();
    for file in ["harbour-a.jsonl", "harbour-b.jsonl", "harbour-c.jsonl"] {
        let lines = ParsedSamples::parse(&read(file), &Limits::DEFAULT).unwrap().into_lines();
        for part in 0..CONTRIBUTORS_PER_FILE {
            let number = contributions.len() as u64;
            contributions.push(ContributionSamples {
                contribution: ContributionId(number),
                contributor: [number as u8; 32],
                lines: lines.iter().skip(part).step_by(CONTRIBUTORS_PER_FILE).cloned().collect(),
            });
        }
    }
    let corpus = Corpus::new(contributions);
    let dataset = Dataset::encode(corpus.lines(), tokenizer, config).unwrap();
    (corpus, dataset)
}

/// The questions in other words than the samples', with their right answers.
fn questions(tokenizer: &Tokenizer, config: &DataConfig) -> (Vec<String>, Vec<EncodedSample>) {
    let text = String::from_utf8(read("questions.jsonl")).unwrap();
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let of = |key: &str| row[key].as_str().unwrap().to_owned();
        (of("expected"), serde_json::json!({"prompt": of("question"), "completion": of("expected")}).to_string())
    };
    let (expected, rows): (Vec<String>, Vec<String>) = text.lines().map(row).unzip();
    let parsed = ParsedSamples::parse(rows.join("\n").as_bytes(), &Limits::DEFAULT).unwrap();
    let config = DataConfig { validation_ppm: 0, ..config.clone() };
    (expected, Dataset::encode(parsed.lines(), tokenizer, &config).unwrap().training().to_vec())
}

fn correlation(scores: &[Vec<f64>], truth: &[Vec<f64>]) -> Interval {
    let of = |queries: &[usize], _: &[usize]| {
        let found: Vec<f64> = queries.iter().filter_map(|query| spearman(&scores[*query], &truth[*query])).collect();
        (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
    };
    bootstrap(scores.len(), 1, 1, of).unwrap()
}

fn show(what: &str, found: Interval) {
    println!("{what:52} {:6.3} ({:6.3} to {:6.3})", found.value, found.low, found.high);
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "tangents".into()));
    let mut number = |default: u16| arguments.next().map_or(default, |text| text.parse().unwrap());
    let (epochs, count, halves, coalitions) = (number(12), number(16), number(32), number(16));

    let base = workspace("models/tributary-tiny");
    let model = Arc::new(Model::load(&base, &Device::Cpu).unwrap());
    let tokenizer = Tokenizer::from_dir(&base, model.config()).unwrap();
    let config = DataConfig { tokens_max: 128, ..DataConfig::default() };
    let (corpus, dataset) = data(&tokenizer, &config);
    let (expected, questions) = questions(&tokenizer, &config);
    let queries: Vec<&EncodedSample> = questions.iter().chain(dataset.validation()).collect();
    let lora = LoraConfig { rank: 16, alpha: 32.0, targets: Target::ALL.into(), ..Default::default() };
    let mut training =
        TrainConfig { seed: 1, epochs: epochs.into(), batch_size: 16, learning_rate: 2e-3, ..Default::default() };
    training.warmup_steps = training.schedule(dataset.training_rows()).steps.div_ceil(20);
    let recipe = RetrainRecipe {
        model: &model,
        dataset: &dataset,
        lora: &lora,
        adapter_seed: 1,
        training: &training,
        result_step: None,
    };
    let retrainer = Retrainer::new(recipe, &folder, 2).unwrap();
    let samples = dataset.training();
    println!("{} samples, {} held out, {} steps", samples.len(), dataset.validation().len(), retrainer.steps());

    let tell = |progress: RetrainProgress| {
        if progress.steps_done % 500 == 1 {
            eprintln!("{} of {} retrains, {} steps", progress.retrains_done, progress.retrains, progress.steps_done);
        }
        ControlFlow::Continue(())
    };
    let began = Instant::now();
    let result = retrainer.run(&[vec![true; samples.len()]], &tell).unwrap()[0].load(&model).unwrap();
    println!("the run itself: {:.1} s", began.elapsed().as_secs_f64());
    let groups = Groups::new(samples, None, GroupSettings { count, seed: 1 }).unwrap();
    println!("groups of {:?}", groups.sizes());
    let began = Instant::now();
    let settings = TangentSettings { halves, ..Default::default() };
    let tangents = Tangents::train(&retrainer, &result, &groups, settings, &tell).unwrap();
    let file = folder.join("tangents.bin");
    tangents.write(&file).unwrap();
    println!(
        "tangents of {} groups and {halves} halves: {:.1} s, {} bytes, {} parameters",
        groups.count(),
        began.elapsed().as_secs_f64(),
        std::fs::metadata(&file).unwrap().len(),
        tangents.parameters(),
    );

    // Leaving one group out.
    let loss = |adapter: &Adapter, query: &EncodedSample| f64::from(sample_loss(&model, Some(adapter), query).unwrap());
    let losses_of = |runs: &[Vec<bool>]| -> Vec<Vec<f64>> {
        let adapters: Vec<Adapter> =
            retrainer.run(runs, &tell).unwrap().iter().map(|retrained| retrained.load(&model).unwrap()).collect();
        queries.iter().map(|query| adapters.iter().map(|adapter| loss(adapter, query)).collect()).collect()
    };
    let left_out: Vec<Vec<bool>> = (0..groups.count()).map(|out| groups.included(|group| group != out)).collect();
    let truth: Vec<Vec<f64>> = (losses_of(&left_out).into_iter().zip(&queries))
        .map(|(losses, query)| losses.iter().map(|without| without - loss(&result, query)).collect())
        .collect();
    let began = Instant::now();
    let gradients: Vec<Vec<f32>> =
        queries.iter().map(|query| sample_gradient(&model, &result, query).unwrap()).collect();
    println!("a gradient: {:.1} ms", began.elapsed().as_secs_f64() * 1e3 / queries.len() as f64);
    let kinds: &[Tangent] =
        if halves > 0 { &[Tangent::LeaveOneOut, Tangent::Semivalue, Tangent::Mean] } else { &[Tangent::LeaveOneOut] };
    let linear: Vec<Vec<Vec<f64>>> = kinds
        .iter()
        .map(|kind| gradients.iter().map(|gradient| tangents.scores(gradient, *kind).unwrap()).collect())
        .collect();
    let timed = |what: &str, of: &dyn Fn(&EncodedSample) -> Vec<f64>| -> Vec<Vec<f64>> {
        let began = Instant::now();
        let scores = queries.iter().map(|query| of(query)).collect();
        println!("{what}: {:.1} ms a query", began.elapsed().as_secs_f64() * 1e3 / queries.len() as f64);
        scores
    };
    let midpoint =
        timed("gradients at midpoints", &|query| tangents.scores_at_midpoints(&model, &result, query).unwrap());
    let exact = timed("losses without each group", &|query| tangents.loss_differences(&model, &result, query).unwrap());
    println!("rank correlation with leaving each group out");
    for (kind, scores) in kinds.iter().zip(&linear) {
        show(&format!("  {kind:?}"), correlation(scores, &truth));
    }
    show("  at midpoints", correlation(&midpoint, &truth));
    show("  losses", correlation(&exact, &truth));

    // Coalitions of groups.
    println!("LDS on {coalitions} coalitions of 80 % of the groups");
    let members = random_coalitions(groups.count(), groups.count() * 4 / 5, coalitions.into(), 5);
    let runs: Vec<Vec<bool>> = members.iter().map(|members| groups.included(|group| members[group])).collect();
    let losses = losses_of(&runs);
    let lds = |scores: &[Vec<f64>], members: &[Vec<bool>], losses: &[Vec<f64>]| {
        let predicted = Predictions::sums(scores, members);
        Predictions { predicted: &predicted, losses }.lds(1).unwrap()
    };
    for (kind, scores) in kinds.iter().zip(&linear) {
        show(&format!("  {kind:?}"), lds(scores, &members, &losses));
    }
    show("  at midpoints", lds(&midpoint, &members, &losses));
    show("  the true differences", lds(&truth, &members, &losses));

    // Samples inside a group: products with the gradients that samples and ghosts have before the first step, the plainest
    // estimator that treats both alike. At the end, samples that were learnt have small gradients, and ghosts do not.
    let start = Adapter::new(&model, lora.clone(), 1).unwrap();
    let gradients_of = |samples: &[EncodedSample]| -> Vec<Vec<f32>> {
        samples.iter().map(|sample| sample_gradient(&model, &start, sample).unwrap()).collect()
    };
    let (of_samples, of_ghosts) = (gradients_of(samples), gradients_of(dataset.validation()));
    let dots = |gradient: &[f32], others: &[Vec<f32>]| -> Vec<f64> {
        let dot = |other: &Vec<f32>| gradient.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        others.iter().map(dot).collect()
    };
    let owners: Vec<usize> = samples.iter().map(|sample| corpus.owner(&sample.id()).unwrap()).collect();
    let contributors = corpus.parts().len();
    println!(
        "LDS on {coalitions} coalitions of 80 % of the {contributors} contributors, gradient products inside the groups"
    );
    let members = random_coalitions(contributors, contributors * 4 / 5, coalitions.into(), 6);
    let runs: Vec<Vec<bool>> =
        members.iter().map(|members| owners.iter().map(|owner| members[*owner]).collect()).collect();
    let losses = losses_of(&runs);
    let by_contributor = |totals: &[f64], samples: &[f64]| -> Vec<f64> {
        let mut sums = vec![0f64; groups.count()];
        let sizes = groups.sizes();
        let excess: Vec<f64> = samples.iter().map(|score| score.max(0.0)).collect();
        groups.of_sample().iter().zip(&excess).for_each(|(group, excess)| sums[usize::from(*group)] += excess);
        let mut found = vec![0f64; contributors];
        for ((group, excess), owner) in groups.of_sample().iter().zip(&excess).zip(&owners) {
            let group = usize::from(*group);
            let part = if sums[group] > 0.0 { excess / sums[group] } else { 1.0 / sizes[group] as f64 };
            found[*owner] += totals[group] * part;
        }
        found
    };
    let plain: Vec<Vec<f64>> = gradients
        .iter()
        .map(|gradient| {
            let mut found = vec![0f64; contributors];
            dots(gradient, &of_samples).iter().zip(&owners).for_each(|(score, owner)| found[*owner] += score);
            found
        })
        .collect();
    show("  gradient products alone", lds(&plain, &members, &losses));
    let inside = |scores: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let pairs = scores.iter().zip(&gradients);
        pairs.map(|(totals, gradient)| by_contributor(totals, &dots(gradient, &of_samples))).collect()
    };
    for (kind, scores) in kinds.iter().zip(&linear) {
        show(&format!("  {kind:?}"), lds(&inside(scores), &members, &losses));
    }
    show("  losses", lds(&inside(&exact), &members, &losses));
    let without: Vec<Vec<bool>> =
        (0..contributors).map(|out| owners.iter().map(|owner| *owner != out).collect()).collect();
    let truth: Vec<Vec<f64>> = (losses_of(&without).into_iter().zip(&queries))
        .map(|(losses, query)| losses.iter().map(|without| without - loss(&result, query)).collect())
        .collect();
    show("  the true differences", lds(&truth, &members, &losses));
    println!("rank correlation with leaving each contributor out");
    show("  gradient products alone", correlation(&plain, &truth));
    show("  LeaveOneOut", correlation(&inside(&linear[0]), &truth));
    show("  losses", correlation(&inside(&exact), &truth));

    // Who is paid for the questions.
    let said: Vec<ContentHash> = samples.iter().map(says).collect();
    let holds = |sample: &EncodedSample, text: &str| {
        let line = corpus.lines().iter().find(|line| line.hash() == sample.id()).unwrap();
        line.sample().completion.contains(text)
    };
    for percent in [99, 95, 90, 75] {
        let rule = Rule { floor_quantile: Ppm::from_percent(percent), ..Rule::new(Ppm::ONE) };
        let (mut hits, mut ghosts_sum, mut base, mut holders, mut asked) = (0, 0.0, 0.0, 0.0, 0);
        for (question, text) in expected.iter().enumerate() {
            let mine: Vec<bool> = samples.iter().map(|sample| holds(sample, text)).collect();
            if !mine.contains(&true) {
                continue;
            }
            asked += 1;
            let gradient = &gradients[question];
            let totals = &exact[question];
            let (scores, ghosts) = (dots(gradient, &of_samples), dots(gradient, &of_ghosts));
            let sample_scores = SampleScores::Floats { samples: &scores, ghosts: &ghosts };
            let answer = Answer { groups: &groups, clusters: None, group_scores: totals, sample_scores };
            let found = answer.share(&rule).unwrap();
            base += found.shares.base as f64 / 1e9;
            let of_holders: u64 =
                found.shares.units.iter().zip(&mine).filter(|(_, mine)| **mine).map(|(units, _)| units).sum();
            holders += of_holders as f64 / 1e9;
            let sums = by_owner(&found.shares, &owners, contributors).unwrap();
            let top = (0..contributors).max_by_key(|owner| sums[*owner]).unwrap();
            hits += usize::from(mine.iter().zip(&owners).any(|(mine, owner)| *mine && *owner == top));
            // A ghost goes to the group of the sample that its gradient is most like.
            let posing: Vec<Ghost> = (dataset.validation().iter().zip(&of_ghosts))
                .zip(to_integers(&[&scores, &ghosts]).unwrap().swap_remove(1))
                .map(|((sample, gradient), score)| {
                    let near = dots(gradient, &of_samples);
                    let nearest = (0..near.len()).max_by(|a, b| near[*a].total_cmp(&near[*b])).unwrap();
                    Ghost { id: sample.id(), says: says(sample), group: groups.of_sample()[nearest], score }
                })
                .collect();
            ghosts_sum +=
                ghost_share(&rule, &found.groups, &found.samples, &said, &posing).unwrap().parts() as f64 / 1e6;
        }
        let of = |sum: f64| 100.0 * sum / f64::from(asked);
        println!(
            "floor at {percent} % of ghosts: top contribution holds the fact {hits} of {asked}; {:.1} % to samples that hold it, \
             {:.1} % to the base, ghosts {:.1} %",
            of(holders),
            of(base),
            of(ghosts_sum),
        );
    }
}
