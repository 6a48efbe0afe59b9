//! Scores of this project's estimators: for every query and sample, how much it helped.
//!
//! `scores-ours.safetensors` has a matrix `[queries, samples]` for each method and setting, named `method;setting;note`, where
//! the note is `default` or empty; and a vector `[samples]` for each way to suspect samples, named `suspicion;method;`.

use crate::{
    Bench, processor_seconds,
    run::{DIMS, SNAPSHOTS, Trained},
    task::Task,
    write_json,
};
use candle_core::{Device, Tensor};
use serde_json::json;
use std::{collections::HashMap, path::Path};
use tributary_attribution::{
    DataInf, DataValueEmbedding, EmbeddingSettings, GradientCosine, GradientDot, Influence, Inputs, QueryGradients,
    ScreenSettings, Suspicion, TracInCp, Trak, embed, query_gradient, screen, screen_by_leverage, unobserved,
};
use tributary_lora::{EncodedSample, sample_loss};

/// Dampings of DataInf and TRAK, and multiples of the Fisher matrices; the defaults are among them.
const DAMPINGS: [f64; 5] = [0.01, 0.1, 1.0, 10.0, 100.0];
const FISHER_SCALES: [f64; 5] = [0.0, 0.3, 1.0, 3.0, 10.0];

/// With `few`, only methods at their defaults.
pub fn write(bench: &Bench, task: &Task, trained: &Trained, few: bool, folder: &Path) {
    let inputs = Inputs { model: &bench.model, snapshots: &trained.snapshots, dataset: &task.dataset };
    let of = |(_, query): &(_, _)| QueryGradients::of_sample(&inputs, query).unwrap();
    let queries: Vec<QueryGradients> = task.queries.iter().map(of).collect();
    let mut methods: Vec<(&str, String, bool, Box<dyn Influence>)> = vec![
        ("gradient dot", String::new(), true, Box::new(GradientDot)),
        ("gradient cosine", String::new(), true, Box::new(GradientCosine)),
        ("TracInCP", String::new(), true, Box::new(TracInCp { checkpoints: SNAPSHOTS as u8 })),
    ];
    for damping in DAMPINGS {
        let setting = format!("damping {damping}");
        let (datainf, trak) = (DataInf::default(), Trak::default());
        methods.push(("DataInf", setting.clone(), damping == datainf.damping, Box::new(DataInf { damping })));
        methods.push(("TRAK", setting, damping == trak.damping, Box::new(Trak { damping, ..trak })));
    }
    for fisher_scale in FISHER_SCALES {
        let settings = EmbeddingSettings { fisher_scale };
        let embedding = DataValueEmbedding {
            trajectory: trained.trajectory.clone(),
            preconditioner: trained.preconditioner.clone(),
            settings,
        };
        let is_default = settings == EmbeddingSettings::default();
        methods.push(("data value embedding", format!("Fisher x {fisher_scale}"), is_default, Box::new(embedding)));
    }
    let means: Vec<QueryGradients> = queries.iter().map(QueryGradients::mean).collect();
    // As answers are asked.
    let half = |((_, sample), query): (&(_, EncodedSample), &QueryGradients)| {
        let gradient = query_gradient(&bench.model, trained.adapter(), sample, query.last()).unwrap();
        QueryGradients::new(vec![gradient]).unwrap()
    };
    let halves: Vec<QueryGradients> = task.queries.iter().zip(&queries).map(half).collect();
    let mut tensors = HashMap::new();
    let mut seconds = serde_json::Map::new();
    for (name, setting, is_default, method) in methods.into_iter().filter(|(_, _, is_default, _)| *is_default || !few) {
        let began = processor_seconds();
        let fitted = method.fit(&inputs, &unobserved).unwrap();
        let between = processor_seconds();
        let scores: Vec<Vec<f64>> = queries.iter().map(|query| fitted.scores(query).unwrap()).collect();
        let each = (processor_seconds() - between) / queries.len() as f64;
        // An embedding is asked with another gradient by default: below.
        let is_embedding = name == "data value embedding";
        let key = match is_embedding {
            true => format!("{name};{setting}, gradient at the result;"),
            false => format!("{name};{setting};{}", if is_default { "default" } else { "" }),
        };
        seconds.insert(key.clone(), json!({"fit": between - began, "query": each}));
        let shape = (scores.len(), task.dataset.training().len());
        let tensor = |scores: Vec<Vec<f64>>| Tensor::from_vec(scores.concat(), shape, &Device::Cpu).unwrap();
        tensors.insert(key, tensor(scores));
        // Only the query that it is asked differs.
        if is_embedding && is_default {
            let scores = halves.iter().map(|query| fitted.scores(query).unwrap()).collect();
            tensors.insert(format!("{name};{setting};default"), tensor(scores));
            let scores = means.iter().map(|query| fitted.scores(query).unwrap()).collect();
            tensors.insert(format!("{name};{setting}, mean over checkpoints;"), tensor(scores));
        }
    }
    if !few {
        let shape = (task.queries.len(), task.dataset.training().len());
        let scores = Tensor::from_vec(mean_cosines(&inputs, &queries).concat(), shape, &Device::Cpu).unwrap();
        tensors.insert("gradient cosine;mean over checkpoints;".to_owned(), scores);
    }

    let mut add = |name: &str, suspicion: Vec<f64>| {
        let count = suspicion.len();
        tensors.insert(format!("suspicion;{name};"), Tensor::from_vec(suspicion, count, &Device::Cpu).unwrap());
    };
    let in_order = |suspicions: Vec<Suspicion>| {
        let mut scores = vec![0f64; suspicions.len()];
        suspicions.iter().for_each(|suspicion| scores[suspicion.place] = suspicion.score);
        scores
    };
    let by_leverage = screen_by_leverage(&trained.trajectory, ScreenSettings::default()).unwrap();
    add("leverage over the run", in_order(by_leverage));
    let samples = task.dataset.training();
    add(
        "loss left and conflict",
        in_order(screen(&bench.model, trained.adapter(), samples, ScreenSettings::default(), &unobserved).unwrap()),
    );
    let losses: Vec<f64> = samples.iter().map(|sample| trained.loss(bench, sample)).collect();
    let of_base = |sample| f64::from(sample_loss(&bench.model, None, sample).unwrap());
    let before: Vec<f64> = samples.iter().map(of_base).collect();
    add("part of the loss left", before.iter().zip(&losses).map(|(before, loss)| loss / before).collect());
    add("loss left", before.iter().zip(&losses).map(|(before, loss)| loss / before.sqrt()).collect());
    add("loss at the end", losses);
    candle_core::safetensors::save(&tensors, folder.join("scores-ours.safetensors")).unwrap();

    let embeddings =
        embed(&trained.trajectory, &trained.preconditioner, EmbeddingSettings::default(), &unobserved).unwrap();
    let facts = json!({
        "dims": DIMS, "bytes_per_sample": embeddings.bytes_per_sample(), "file_bytes": embeddings.to_bytes().len(),
        "trajectory_bytes": trained.trajectory.bytes(), "seconds": seconds,
        "capture": {"with": trained.seconds[0], "without": trained.seconds[1]},
    });
    write_json(&folder.join("ours.json"), &facts);
}

/// The cosine of gradients at every checkpoint, on average.
fn mean_cosines(inputs: &Inputs<'_>, queries: &[QueryGradients]) -> Vec<Vec<f64>> {
    let mut sums = vec![vec![0f64; inputs.dataset.training().len()]; queries.len()];
    for place in 0..inputs.snapshots.len() {
        let snapshots = &inputs.snapshots[place..=place];
        let fitted = GradientCosine.fit(&Inputs { snapshots, ..*inputs }, &unobserved).unwrap();
        for (sums, query) in sums.iter_mut().zip(queries) {
            let query = QueryGradients::new(vec![query.at(place).unwrap().to_vec()]).unwrap();
            let scores = fitted.scores(&query).unwrap();
            sums.iter_mut().zip(scores).for_each(|(sum, score)| *sum += score / inputs.snapshots.len() as f64);
        }
    }
    sums
}
