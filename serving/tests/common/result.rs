//! What a job makes, made here: an adapter with all that its answers are explained by.
#![allow(dead_code, reason = "not every test binary uses everything")]

use std::{ops::ControlFlow, path::Path, sync::Arc};
use tributary_attribution::{
    ContributionHashes, Corpus, EmbeddingSettings, GroupSettings, Groups, Inputs, Kept, RetrainRecipe, Retrainer,
    TangentSettings, Tangents, TrajectoryRecorder, attribute, embed, unobserved, weigh_by_learnt,
};
use tributary_daemon::{Bundle, BundleContents, Recipe, Shares};
use tributary_lora::{Adapter, Dataset, EncodedSample, LoraConfig, Model, Snapshot, TrainConfig, TrainingRun};
use tributary_protocol::{
    ContentHash, ContributionId, JobId,
    answer::{Accuracy, Measured},
    job::Metrics,
    recipe::{AttributionMethod, Hyperparameters, Method, TangentWay},
    sum_tree::Domain,
};
use tributary_serving::receipts::shares::{ResultError, Results};

pub const GENESIS: [u8; 32] = [7; 32];
pub const JOB: JobId = JobId(0);
/// What is trained, and how.
pub struct Training {
    pub model: Arc<Model>,
    pub samples: Vec<EncodedSample>,
    pub lora: LoraConfig,
    pub config: TrainConfig,
    pub groups: u8,
    /// Numbers of a sample's row.
    pub dims: usize,
    /// The contributions that the samples are dealt out to, with their contributors.
    pub contributions: Vec<(ContributionId, [u8; 32])>,
}

/// Four fifths of an answer are attributed.
pub fn accuracy() -> Accuracy {
    let coalitions = Measured { value: 750_000, low: 680_000, high: 800_000 };
    Accuracy { coalitions, coalition_count: 12, query_count: 10, ..Accuracy::default() }
}

impl Training {
    /// Trains, leaves each group out in turn, and puts everything into a bundle. How right it is is said and not measured.
    pub fn run(&self, accuracy: Option<Accuracy>) -> Bundle {
        let Self { model, samples, lora, config, groups, dims, contributions } = self;
        let folder = tempfile::tempdir().unwrap();
        let dataset = Dataset::divide(samples.clone(), 250_000).unwrap();
        let adapter = Adapter::new(model, lora.clone(), 5).unwrap();
        let mut run = TrainingRun::new(model.clone(), adapter, dataset.clone(), *config).unwrap();
        let mut recorder = TrajectoryRecorder::in_memory(&run, *dims, 3).unwrap();
        while !run.is_done() {
            run.step_captured(&mut recorder).unwrap();
            run.save_snapshot(folder.path(), "base").unwrap();
        }
        let embeddings =
            embed(&recorder.trajectory(), &run.preconditioner(), EmbeddingSettings::default(), &unobserved).unwrap();
        let trace = run.trace().to_vec();
        let result = run.into_adapter().unwrap();
        let embeddings = weigh_by_learnt(embeddings, model, &result, &dataset).unwrap();
        result.save(folder.path(), "base").unwrap();
        let tangents = self.tangents(&dataset, &result, folder.path());
        let ids: Vec<ContentHash> = dataset.training().iter().map(EncodedSample::id).collect();
        let dealt = |(place, (contribution, contributor)): (usize, &(ContributionId, [u8; 32]))| ContributionHashes {
            contribution: *contribution,
            contributor: *contributor,
            samples: ids.iter().skip(place).step_by(contributions.len()).copied().collect(),
            copies: 0,
        };
        let corpus = Corpus::of_hashes(contributions.iter().enumerate().map(dealt));
        let (halves, coalitions, way) = (0, 12, TangentWay::Loss);
        let method = AttributionMethod::GroupTangents { groups: *groups, halves, coalitions, way };
        let snapshots = Snapshot::load_all(folder.path(), model).unwrap();
        let inputs = Inputs { model, snapshots: &snapshots, dataset: &dataset };
        let kept = Kept { embeddings: Some(&embeddings), tangents: Some(&tangents) };
        let mut report = attribute(method, &inputs, kept, &corpus, &unobserved).unwrap();
        report.accuracy = accuracy;
        let recipe = Recipe { method: Method::Lora, hyperparameters: Hyperparameters::DEFAULT, attribution: method };
        let shares = Shares::new(&report, &Domain { genesis: GENESIS, job: JOB });
        let contents = BundleContents {
            recipe: &recipe,
            metrics: &Metrics::default(),
            trace: &trace,
            attribution: &report,
            shares: &shares,
            embeddings: Some(&embeddings),
            tangents: Some(&tangents),
        };
        Bundle::collect(folder.path(), &contents).unwrap()
    }

    fn tangents(&self, dataset: &Dataset, result: &Adapter, folder: &Path) -> Tangents {
        let Self { model, lora, config, groups, .. } = self;
        let recipe = RetrainRecipe { model, dataset, lora, adapter_seed: 5, training: config, result_step: None };
        let retrainer = Retrainer::new(recipe, &folder.join("retrains"), 2).unwrap();
        let settings = GroupSettings { count: (*groups).into(), seed: 9 };
        let groups = Groups::new(dataset.training(), None, settings).unwrap();
        let settings = TangentSettings { halves: 0, ..Default::default() };
        Tangents::train(&retrainer, result, &groups, settings, &|_| ControlFlow::Continue(())).unwrap()
    }
}

/// Has these bundles, each under its adapter's hash.
pub struct Bundles(pub Vec<Bundle>);

impl Results for Bundles {
    fn bundle(&self, adapter: ContentHash) -> Result<Option<Bundle>, ResultError> {
        Ok(self.0.iter().find(|bundle| bundle.adapter().unwrap() == adapter).cloned())
    }
}
