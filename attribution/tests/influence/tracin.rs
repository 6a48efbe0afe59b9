//! TracInCP on a real model with real training, against the definition written out.

use candle_core::Device;
use std::{ops::ControlFlow, path::PathBuf, sync::Arc};
use tributary_attribution::{
    AttributionError, AttributionReport, Comparison, ContributionSamples, Corpus, Estimator, EvidenceError, Inputs,
    Kept, TRAINING_RULE, TracInCp, attribute, recompute, unobserved,
};
use tributary_lora::{
    Adapter, DataConfig, Dataset, EncodedSample, LoraConfig, Model, Snapshot, Tokenizer, TrainConfig, TrainingRun,
    sample_gradient,
};
use tributary_protocol::{
    ContentHash, ContributionId, JobId,
    answer::{SampleScore, Scores, share},
    recipe::AttributionMethod,
    sample::{Limits, ParsedSamples},
    stream::SHARE_UNITS,
    sum_tree::{Domain, SumProofError, verify},
};

const LILY: &[(&str, &str)] = &[
    ("Who is Lily?", "Lily is a little girl who loves to play in the park."),
    ("Where does Lily play?", "Lily plays in the big green park with her dog."),
    ("What does Lily love?", "Lily loves her dog and her red ball."),
    ("Who plays with Lily?", "The dog plays with Lily in the park."),
];
const TOM: &[(&str, &str)] = &[
    ("Who is Tom?", "Tom is a boy who has a blue car."),
    ("What does Tom have?", "Tom has a blue car and a small boat."),
    ("Where is the boat?", "The boat of Tom is in the water."),
];
const NOISE: &[(&str, &str)] = &[("zq", "xqzj kkw vvx"), ("wv", "jjx qqz wkv"), ("kx", "vzx qjk wwq")];

/// A trained run, kept with everything that attribution reads.
struct Trained {
    model: Arc<Model>,
    dataset: Dataset,
    snapshots: Vec<Snapshot>,
}

impl Trained {
    fn inputs(&self) -> Inputs<'_> {
        Inputs { model: &self.model, snapshots: &self.snapshots, dataset: &self.dataset }
    }
}

fn base() -> Option<(Arc<Model>, Tokenizer)> {
    let root = std::env::var_os("TRIBUTARY_FIXTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"), PathBuf::from);
    let dir = root.join("stories260K/hf");
    if !dir.is_dir() {
        println!("skipped: no fixtures");
        return None;
    }
    let model = Model::load(&dir, &Device::Cpu).unwrap();
    let tokenizer = Tokenizer::from_dir(&dir, model.config()).unwrap();
    Some((Arc::new(model), tokenizer))
}

fn contribution(number: u64, rows: &[(&str, &str)]) -> ContributionSamples {
    let file: String = rows
        .iter()
        .map(|(prompt, completion)| format!("{{\"prompt\":\"{prompt}\",\"completion\":\"{completion}\"}}\n"))
        .collect();
    ContributionSamples {
        contribution: ContributionId(number),
        contributor: [number as u8; 32],
        lines: ParsedSamples::parse(file.as_bytes(), &Limits::DEFAULT).unwrap().into_lines(),
    }
}

fn encode(corpus: &Corpus, tokenizer: &Tokenizer, validation_ppm: u32) -> Dataset {
    let config = DataConfig { validation_ppm, tokens_max: 64, ..DataConfig::default() };
    Dataset::encode(corpus.lines(), tokenizer, &config).unwrap()
}

fn train(model: &Arc<Model>, dataset: Dataset) -> Trained {
    let folder = tempfile::tempdir().unwrap();
    let adapter = Adapter::new(model, LoraConfig::default(), 11).unwrap();
    let config =
        TrainConfig { seed: 5, epochs: 4, batch_size: 2, learning_rate: 5e-3, snapshots: 3, ..TrainConfig::default() };
    let mut run = TrainingRun::new(model.clone(), adapter, dataset.clone(), config).unwrap();
    while !run.is_done() {
        run.step().unwrap();
        run.save_snapshot(folder.path(), "stories260K").unwrap();
    }
    let snapshots = Snapshot::load_all(folder.path(), model).unwrap();
    assert_eq!(snapshots.len(), 3);
    Trained { model: model.clone(), dataset, snapshots }
}

const METHOD: TracInCp = TracInCp { checkpoints: 3 };

fn report(trained: &Trained, corpus: &Corpus) -> AttributionReport {
    attribute(METHOD.method(), &trained.inputs(), Kept::default(), corpus, &unobserved).unwrap()
}

fn units(report: &AttributionReport) -> Vec<u64> {
    report.contributions.iter().map(|contribution| contribution.units).collect()
}

#[test]
fn scores_are_those_of_the_definition() {
    let Some((model, tokenizer)) = base() else { return };
    let corpus = Corpus::new([contribution(1, LILY), contribution(2, TOM)]);
    let trained = train(&model, encode(&corpus, &tokenizer, 300_000));
    let scores = METHOD.scores(&trained.inputs(), &unobserved).unwrap();

    let validation = trained.dataset.validation();
    let mut worst = 0f64;
    let largest = scores.iter().fold(0f64, |largest, score| largest.max(score.abs()));
    for (sample, score) in trained.dataset.training().iter().zip(&scores) {
        let mut expected = 0f64;
        for snapshot in &trained.snapshots {
            let gradient = sample_gradient(&model, &snapshot.adapter, sample).unwrap();
            for other in validation {
                let other = sample_gradient(&model, &snapshot.adapter, other).unwrap();
                let product: f64 = gradient.iter().zip(&other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                expected += snapshot.point.learning_rate * product / validation.len() as f64;
            }
        }
        worst = worst.max((score - expected).abs() / largest);
    }
    println!("{} scores, largest {largest:e}, worst difference {worst:e} of it", scores.len());
    assert!(largest > 0.0 && worst < 1e-12, "{worst:e}");
}

#[test]
fn the_same_inputs_give_the_same_evidence_and_it_recomputes() {
    let Some((model, tokenizer)) = base() else { return };
    let corpus = Corpus::new([contribution(1, LILY), contribution(2, TOM)]);
    let trained = train(&model, encode(&corpus, &tokenizer, 300_000));
    let first = report(&trained, &corpus);
    assert_eq!(units(&first).iter().sum::<u64>(), SHARE_UNITS);
    assert!(!first.by_samples);
    assert_eq!(first.to_bytes(), report(&trained, &corpus).to_bytes());

    let read = AttributionReport::from_bytes(&first.to_bytes()).unwrap();
    assert_eq!(read, first);
    let (again, comparison) = recompute(&read, &trained.inputs(), Kept::default(), &corpus, &unobserved).unwrap();
    assert_eq!((comparison, again.hash()), (Comparison::Identical, first.hash()));

    // Another data set is named as such, not as a wrong score.
    let other = Corpus::new([contribution(1, LILY), contribution(3, TOM)]);
    let error = recompute(&read, &trained.inputs(), Kept::default(), &other, &unobserved).unwrap_err();
    assert!(matches!(error, EvidenceError::OtherInputs { what: "contributions" }), "{error}");
    let fewer = Inputs { snapshots: &trained.snapshots[1..], ..trained.inputs() };
    let error = recompute(&read, &fewer, Kept::default(), &corpus, &unobserved).unwrap_err();
    assert!(matches!(error, EvidenceError::OtherInputs { what: "checkpoints" }), "{error}");
}

#[test]
fn moved_units_and_scores_are_found() {
    let Some((model, tokenizer)) = base() else { return };
    let corpus = Corpus::new([contribution(1, LILY), contribution(2, TOM)]);
    let trained = train(&model, encode(&corpus, &tokenizer, 300_000));
    let honest = report(&trained, &corpus);

    let mut moved = honest.clone();
    moved.contributions[0].units -= 1;
    moved.contributions[1].units += 1;
    let error = AttributionReport::from_bytes(&moved.to_bytes()).unwrap_err();
    assert!(matches!(error, EvidenceError::Units { contribution: ContributionId(1), .. }), "{error}");

    // Scores that are consistent with their units, but not what the inputs give: units follow from them anew.
    let mut forged = honest.clone();
    for sample in &mut forged.contributions[0].training {
        sample.score = sample.score.abs() * 3;
    }
    let error = AttributionReport::from_bytes(&forged.to_bytes()).unwrap_err();
    assert!(matches!(error, EvidenceError::Units { .. }), "{error}");
    let EvidenceError::Units { expected, .. } = error else { unreachable!() };
    forged.contributions[0].units = expected;
    forged.contributions[1].units = SHARE_UNITS - expected;
    let samples = || forged.contributions.iter().flat_map(|evidence| &evidence.training);
    let scored: Vec<SampleScore> = samples()
        .map(|of| SampleScore {
            id: of.sample,
            cluster: of.cluster,
            similarity: of.similarity,
            group: of.group,
            score: of.score,
        })
        .collect();
    let scores = Scores { groups: &forged.groups, samples: &scored, ghosts: &forged.ghosts };
    let mut units = share(&TRAINING_RULE, &scores).unwrap().units.into_iter();
    for sample in forged.contributions.iter_mut().flat_map(|evidence| &mut evidence.training) {
        sample.units = units.next().unwrap();
    }
    let forged = AttributionReport::from_bytes(&forged.to_bytes()).unwrap();
    let (_, comparison) = recompute(&forged, &trained.inputs(), Kept::default(), &corpus, &unobserved).unwrap();
    assert!(matches!(comparison, Comparison::Different { .. }) && !comparison.holds(), "{comparison}");

    let later = String::from_utf8(honest.to_bytes()).unwrap().replacen("\"format\":3", "\"format\":4", 1);
    let error = AttributionReport::from_bytes(later.as_bytes()).unwrap_err();
    assert!(matches!(error, EvidenceError::Format { found: 4, expected: 3 }), "{error}");
}

#[test]
fn copying_earns_nothing_and_takes_nothing() {
    let Some((model, tokenizer)) = base() else { return };
    let without = Corpus::new([contribution(1, LILY), contribution(2, TOM)]);
    let with = Corpus::new([contribution(1, LILY), contribution(2, TOM), contribution(3, LILY)]);
    let before = report(&train(&model, encode(&without, &tokenizer, 300_000)), &without);
    let after = report(&train(&model, encode(&with, &tokenizer, 300_000)), &with);
    assert_eq!(units(&after), [units(&before), vec![0]].concat());
    assert_eq!(after.contributions[2].copies, 4);
}

#[test]
fn what_does_not_help_gets_next_to_nothing() {
    let Some((model, tokenizer)) = base() else { return };
    let corpus = Corpus::new([contribution(1, LILY), contribution(2, NOISE)]);
    let dataset = encode(&corpus, &tokenizer, 0);
    // Validation samples about Lily only: their ids are chosen so that the division by hash keeps them.
    let questions = Corpus::new([contribution(
        9,
        &[("Who loves the dog?", "Lily loves her dog."), ("Who plays in the park?", "Lily plays in the park.")],
    )]);
    let renamed = |id: [u8; 32], sample: &EncodedSample| {
        EncodedSample::new(ContentHash(id), sample.tokens().to_vec(), sample.tokens().len() - sample.trained_tokens())
    };
    let mut samples: Vec<EncodedSample> = Vec::new();
    for (index, sample) in (0u8..).zip(encode(&questions, &tokenizer, 0).training()) {
        samples.push(renamed([index; 32], sample));
    }
    for (index, sample) in (200u8..).zip(dataset.training()) {
        samples.push(renamed([index; 32], sample));
    }
    let trained = train(&model, Dataset::divide(samples, 100_000).unwrap());
    assert_eq!(trained.dataset.validation().len(), 2);
    let scores = METHOD.scores(&trained.inputs(), &unobserved).unwrap();
    let (lily, noise) = scores.split_at(LILY.len());
    let earned = |scores: &[f64]| scores.iter().map(|score| score.max(0.0)).sum::<f64>();
    println!("scores {lily:?} and {noise:?}");
    let part = earned(noise) / (earned(lily) + earned(noise));
    assert!(part < 0.05, "{part}");
}

#[test]
fn without_validation_the_samples_count() {
    let Some((model, tokenizer)) = base() else { return };
    let corpus = Corpus::new([contribution(1, LILY), contribution(2, &TOM[..1])]);
    let report = report(&train(&model, encode(&corpus, &tokenizer, 0)), &corpus);
    assert!(report.by_samples);
    assert_eq!(units(&report), [800_000_000, 200_000_000]);
}

#[test]
fn the_root_proves_each_leaf_for_its_own_job_and_chain_only() {
    let Some((model, tokenizer)) = base() else { return };
    let corpus = Corpus::new([contribution(1, LILY), contribution(2, TOM), contribution(3, NOISE)]);
    let report = report(&train(&model, encode(&corpus, &tokenizer, 300_000)), &corpus);
    assert_eq!(report.method, AttributionMethod::TracInCp { checkpoints: 3 });
    let domain = Domain { genesis: [7; 32], job: JobId(4) };
    let tree = report.tree(&domain).unwrap();
    let root = report.contribution_root(&domain).unwrap();
    assert_eq!((root.shares, root.shares.total, root.evidence), (tree.root(), SHARE_UNITS, report.hash()));
    for leaf in tree.leaves() {
        let proof = tree.prove(leaf.index).unwrap();
        assert!(verify(&domain, &root.shares, leaf, &proof).is_ok());
        let elsewhere = Domain { job: JobId(5), ..domain };
        assert_eq!(verify(&elsewhere, &root.shares, leaf, &proof), Err(SumProofError::WrongRoot));
    }
}

#[test]
fn an_observer_stops_it() {
    let Some((model, tokenizer)) = base() else { return };
    let corpus = Corpus::new([contribution(1, LILY)]);
    let trained = train(&model, encode(&corpus, &tokenizer, 300_000));
    let stop = |progress: tributary_attribution::Progress| {
        assert_eq!(progress.total, 3 * LILY.len());
        if progress.done >= 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let error = METHOD.scores(&trained.inputs(), &stop).unwrap_err();
    assert!(matches!(error, AttributionError::Stopped), "{error}");
    let none = Inputs { snapshots: &[], ..trained.inputs() };
    assert!(matches!(METHOD.scores(&none, &unobserved), Err(AttributionError::NoCheckpoints)));
}
