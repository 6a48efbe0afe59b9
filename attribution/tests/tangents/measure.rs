//! What an answer is explained by, and how right that is measured to be.

use crate::{Task, go_on};
use std::ops::ControlFlow;
use tributary_attribution::{
    AnswerScores, ContributionHashes, Corpus, EmbeddingSettings, Embeddings, ExplainError, GroupSettings, Groups,
    MeasureError, MeasureSettings, Planted, ScreenSettings, TangentError, Tangents, TrajectoryRecorder,
    accuracy::{Predictions, auc},
    answer_groups, answer_scores, check_coalitions, embed, learnt_parts, measure, query_gradient, random_coalitions,
    screen, to_integers, unobserved, weigh_by_learnt,
};
use tributary_lora::{Adapter, Dataset, EncodedSample, TrainingRun, sample_loss};
use tributary_protocol::{
    ContentHash, ContributionId, Ppm,
    answer::{Accuracy, Rule, leading_group},
    recipe::TangentWay,
    stream::SHARE_UNITS,
};

/// A task that keeps some samples for validation, with all that explains its answers.
struct Explained {
    task: Task,
    result: Adapter,
    embeddings: Embeddings,
    tangents: Tangents,
    folder: tempfile::TempDir,
}

impl Explained {
    fn new(groups: u16) -> Self {
        let task = Task::keeping(250_000);
        let adapter = Adapter::new(&task.model, task.lora.clone(), 5).unwrap();
        let mut run = TrainingRun::new(task.model.clone(), adapter, task.dataset.clone(), task.training).unwrap();
        let mut recorder = TrajectoryRecorder::in_memory(&run, 512, 3).unwrap();
        while !run.is_done() {
            run.step_captured(&mut recorder).unwrap();
        }
        let embeddings =
            embed(&recorder.trajectory(), &run.preconditioner(), EmbeddingSettings::default(), &unobserved).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let tangents = task.tangents(folder.path(), &task.groups(groups), 0);
        Self { result: run.into_adapter().unwrap(), task, embeddings, tangents, folder }
    }

    fn scores(&self, tangents: Option<&Tangents>, answer: &EncodedSample, way: TangentWay) -> AnswerScores {
        let Self { task, result, embeddings, .. } = self;
        answer_scores(&task.model, result, tangents, embeddings, answer, way).unwrap().unwrap()
    }

    /// The samples dealt out to so many contributors, of whom each makes two contributions if it can.
    fn corpus(&self, contributors: usize) -> Corpus {
        let ids: Vec<ContentHash> = self.task.dataset.training().iter().map(EncodedSample::id).collect();
        Corpus::of_hashes((0..2 * contributors).map(|number| ContributionHashes {
            contribution: ContributionId(number as u64),
            contributor: [(number % contributors) as u8; 32],
            samples: ids.iter().skip(number).step_by(2 * contributors).copied().collect(),
            copies: 0,
        }))
    }

    fn measure(&self, corpus: &Corpus, tangents: bool, settings: MeasureSettings) -> Result<Accuracy, MeasureError> {
        let retrainer = self.task.retrainer(self.folder.path(), 2);
        let tangents = tangents.then_some(&self.tangents);
        measure(&retrainer, corpus, None, tangents, &self.embeddings, &self.result, settings, &go_on)
    }

    /// The validation samples' losses after training on the samples of each coalition.
    fn losses(&self, runs: &[Vec<bool>]) -> Vec<Vec<f64>> {
        let retrained = self.task.retrainer(self.folder.path(), 2).run(runs, &go_on).unwrap();
        let adapters: Vec<Adapter> = retrained.iter().map(|run| run.load(&self.task.model).unwrap()).collect();
        let loss = |adapter, query| f64::from(sample_loss(&self.task.model, Some(adapter), query).unwrap());
        let queries = self.task.dataset.validation().iter();
        queries.map(|query| adapters.iter().map(|adapter| loss(adapter, query)).collect()).collect()
    }
}

#[test]
fn an_answer_has_the_integers_of_tangents_and_embeddings() {
    let explained = Explained::new(4);
    let Explained { task, result, embeddings, tangents, .. } = &explained;
    let query = &task.queries[1];
    let gradient = tributary_lora::sample_gradient(&task.model, result, query).unwrap();
    let half_way = tributary_lora::sample_gradient(&task.model, &result.with_half_update().unwrap(), query).unwrap();
    let mean: Vec<f32> = gradient.iter().zip(&half_way).map(|(end, half_way)| 0.5 * (end + half_way)).collect();
    assert_eq!(mean, query_gradient(&task.model, result, query, &gradient).unwrap());
    let row = embeddings.sketch(&mean).unwrap().values;
    for way in [TangentWay::Gradient, TangentWay::Midpoint, TangentWay::Loss] {
        let scores = explained.scores(Some(tangents), query, way);
        let of_groups = tangents.scores_by(way, &task.model, result, query).unwrap();
        assert_eq!(scores.groups, to_integers(&[&of_groups]).unwrap()[0], "{way:?}");
        assert_eq!(Some(scores.samples), embeddings.integer_scores(&row));
        assert_eq!(Some(scores.ghosts), embeddings.integer_ghost_scores(&row));
    }
    let alone = explained.scores(None, query, TangentWay::default());
    assert_eq!(alone.groups, [1]);
    let groups = answer_groups(None, embeddings).unwrap();
    let shares = alone.share(&groups, None, &Rule::new(Ppm::ONE)).unwrap();
    assert_eq!(shares.shares.units.iter().sum::<u64>() + shares.shares.base, SHARE_UNITS);
    assert_eq!(shares.samples.len(), task.dataset.training().len());

    let other = Task::new();
    let strange = other.tangents(explained.folder.path(), &other.groups(2), 0);
    let error = answer_scores(&task.model, result, Some(&strange), embeddings, query, TangentWay::Loss).unwrap_err();
    assert!(matches!(error, ExplainError::OtherSamples { tangents: 24, .. }), "{error}");
    // Tangents of another adapter.
    let start = Adapter::new(&task.model, task.lora.clone(), 5).unwrap();
    let error =
        answer_scores(&task.model, &start, Some(tangents), embeddings, query, TangentWay::Gradient).unwrap_err();
    assert!(matches!(error, ExplainError::Tangents(TangentError::Other { what: "adapter", .. })), "{error}");
}

#[test]
fn rows_count_as_far_as_their_samples_were_learnt() {
    let explained = Explained::new(4);
    let Explained { task, result, embeddings, .. } = &explained;
    let loss = |adapter, sample| f64::from(sample_loss(&task.model, adapter, sample).unwrap());
    let part = |sample| ((loss(None, sample) - loss(Some(result), sample)) / loss(None, sample)).clamp(0.0, 1.0);
    let (training, validation) = (task.dataset.training(), task.dataset.validation());
    let (learnt, of_ghosts): (Vec<f64>, Vec<f64>) =
        (training.iter().map(part).collect(), validation.iter().map(part).collect());
    assert_eq!(learnt_parts(&task.model, result, training).unwrap(), learnt);
    let mean = |parts: &[f64]| parts.iter().sum::<f64>() / parts.len() as f64;
    println!("learnt {:.3}, of ghosts {:.3}", mean(&learnt), mean(&of_ghosts));
    assert!(mean(&learnt) > mean(&of_ghosts), "{learnt:?} {of_ghosts:?}");

    let weighed = weigh_by_learnt(embeddings.clone(), &task.model, result, &task.dataset).unwrap();
    for (place, part) in learnt.iter().enumerate() {
        let (before, after) = (embeddings.row(place).unwrap(), weighed.row(place).unwrap());
        assert_eq!((after.0, f64::from(after.1)), (before.0, (f64::from(before.1) * part).round_ties_even()));
    }
    for (place, part) in of_ghosts.iter().enumerate() {
        let (before, after) = (embeddings.ghost_row(place).unwrap(), weighed.ghost_row(place).unwrap());
        assert_eq!((after.0, f64::from(after.1)), (before.0, (f64::from(before.1) * part).round_ties_even()));
    }
    assert_eq!(Embeddings::from_bytes(&weighed.to_bytes()).unwrap().to_bytes(), weighed.to_bytes());
    let other = Dataset::divided(training[1..].to_vec(), validation.to_vec()).unwrap();
    assert!(weigh_by_learnt(embeddings.clone(), &task.model, result, &other).is_err());
}

#[test]
fn contributors_are_measured_by_what_they_would_be_paid() {
    let explained = Explained::new(4);
    let (corpus, contributors) = (explained.corpus(6), 6);
    let settings = MeasureSettings { coalitions: 8, seed: 3, ceiling: true, ..MeasureSettings::default() };
    let found = explained.measure(&corpus, true, settings).unwrap();
    println!("{found:?}");
    assert_eq!(found, explained.measure(&corpus, true, settings).unwrap());

    let ids = explained.embeddings.samples();
    let owner = |id: &ContentHash| corpus.parts()[corpus.owner(id).unwrap()].contributor;
    // In the order of their first samples.
    let mut order: Vec<[u8; 32]> = Vec::new();
    ids.iter().map(owner).for_each(|owner| {
        if !order.contains(&owner) {
            order.push(owner)
        }
    });
    let of_sample: Vec<usize> = ids.iter().map(|id| order.iter().position(|o| *o == owner(id)).unwrap()).collect();
    let coalitions = random_coalitions(contributors, 4, 8, 3);
    let runs: Vec<Vec<bool>> =
        coalitions.iter().map(|is_in| of_sample.iter().map(|member| is_in[*member]).collect()).collect();
    let losses = explained.losses(&runs);
    let rule = Rule { sample_max: Ppm::ONE, ..Rule::new(Ppm::ONE) };
    let effects: Vec<Vec<f64>> = (explained.task.dataset.validation().iter().enumerate())
        .map(|(at, query)| {
            let mut scores = explained.scores(Some(&explained.tangents), query, settings.way);
            scores.ghosts.remove(at);
            let mut effects = vec![0f64; contributors];
            for group in 0..4 {
                // Only this group helped, or all did as much: what is paid is a part of what it did.
                let leads = leading_group(&scores.groups) == Some(group);
                let mut alone = scores.clone();
                alone.groups = (0..4).map(|other| i64::from(!leads || other == group)).collect();
                let shares = alone.share(explained.tangents.groups(), None, &rule).unwrap().shares;
                let times = if leads { 1.0 } else { 4.0 };
                let of_group = explained.tangents.groups().of_sample();
                for ((units, member), of) in shares.units.iter().zip(&of_sample).zip(of_group) {
                    if usize::from(*of) == group {
                        let part = times * *units as f64 / SHARE_UNITS as f64;
                        effects[*member] += scores.groups[group] as f64 * part;
                    }
                }
            }
            effects
        })
        .collect();
    let predicted = Predictions::sums(&effects, &coalitions);
    let expected = Predictions { predicted: &predicted, losses: &losses }.lds(3).unwrap();
    assert!((f64::from(found.coalitions.value) / 1e6 - expected.value).abs() < 0.02, "{expected:?}");
    let queries = explained.task.dataset.validation().len();
    assert_eq!((found.coalition_count, found.query_count), (8, queries as u32));
    assert!(found.ceiling < 1_000_000 && found.ghost_share < Ppm::ONE);
    let without = MeasureSettings { ceiling: false, ..settings };
    assert_eq!(explained.measure(&corpus, true, without).unwrap(), Accuracy { ceiling: 1_000_000, ..found });
    // Of one group there is something to divide as well.
    assert_eq!(explained.measure(&corpus, false, without).unwrap().coalition_count, 8);
}

#[test]
fn planted_wrong_labels_are_looked_for_in_a_run_of_their_own() {
    let explained = Explained::new(4);
    let Explained { task, tangents, .. } = &explained;
    let settings = MeasureSettings { coalitions: 2, seed: 5, ..MeasureSettings::default() };
    let found = explained.measure(&explained.corpus(6), true, settings).unwrap().mislabel.unwrap();

    let planted = Planted::new(task.dataset.training(), tangents.groups().of_sample(), 5).unwrap();
    let dataset = Dataset::divided(planted.samples.clone(), Vec::new()).unwrap();
    let start = Adapter::new(&task.model, task.lora.clone(), 5).unwrap();
    let mut run = TrainingRun::new(task.model.clone(), start, dataset, task.training).unwrap();
    while !run.is_done() {
        run.step().unwrap();
    }
    let mut scores = vec![0f64; planted.samples.len()];
    for suspicion in
        screen(&task.model, run.adapter().unwrap(), &planted.samples, ScreenSettings::default(), &unobserved).unwrap()
    {
        scores[suspicion.place] = suspicion.score;
    }
    let expected = auc(&scores, &planted.is_wrong).unwrap();
    assert!((f64::from(found.value) / 1e6 - expected).abs() < 1e-6, "{expected} {found:?}");
    assert!(found.low < found.value && found.value <= found.high);

    let without = MeasureSettings { mislabel: false, ..settings };
    assert_eq!(explained.measure(&explained.corpus(6), true, without).unwrap().mislabel, None);
}

#[test]
fn with_few_contributors_groups_are_measured() {
    let explained = Explained::new(5);
    let settings = MeasureSettings { coalitions: 6, seed: 4, ..MeasureSettings::default() };
    let found = explained.measure(&explained.corpus(3), true, settings).unwrap();
    println!("{found:?}");
    let (tangents, task) = (&explained.tangents, &explained.task);
    // Four fifths would leave out one group, which is what the tangents say anyway.
    let coalitions = random_coalitions(5, 3, 6, 4);
    let runs: Vec<Vec<bool>> =
        coalitions.iter().map(|is_in| tangents.groups().included(|group| is_in[group])).collect();
    let losses = explained.losses(&runs);
    let queries = task.dataset.validation().iter();
    let effects: Vec<Vec<f64>> =
        queries.map(|query| tangents.loss_differences(&task.model, &explained.result, query).unwrap()).collect();
    let predicted = Predictions::sums(&effects, &coalitions);
    let expected = Predictions { predicted: &predicted, losses: &losses }.lds(4).unwrap();
    assert!((f64::from(found.coalitions.value) / 1e6 - expected.value).abs() < 0.02, "{expected:?}");
    assert_eq!(found.ceiling, found.coalitions.value, "the way is that of the losses");
    assert_eq!(found.coalition_count, 6);
}

#[test]
fn what_cannot_be_measured_is_said_and_a_stop_is_kept() {
    let explained = Explained::new(3);
    let few = explained.measure(&explained.corpus(3), false, MeasureSettings::default()).unwrap_err();
    assert!(matches!(few, MeasureError::TooFew { contributors: 3, groups: 1 }), "{few}");
    // The same is known before anything is trained.
    let (samples, groups) = (explained.task.dataset.training(), explained.tangents.groups());
    let two = Groups::new(samples, None, GroupSettings { count: 2, seed: 1 }).unwrap();
    let few = check_coalitions(&explained.corpus(3), &two).unwrap_err();
    assert!(matches!(few, MeasureError::TooFew { contributors: 3, groups: 2 }), "{few}");
    check_coalitions(&explained.corpus(5), &two).unwrap();
    check_coalitions(&explained.corpus(3), groups).unwrap();
    let strange = Corpus::of_hashes([]);
    let error = explained.measure(&strange, true, MeasureSettings::default()).unwrap_err();
    assert!(matches!(error, MeasureError::Owner(_)), "{error}");

    let corpus = explained.corpus(5);
    let refused = |dataset: Dataset| {
        let task = Task { dataset, ..Task::new() };
        let retrainer = task.retrainer(explained.folder.path(), 1);
        let Explained { embeddings, result, .. } = &explained;
        measure(&retrainer, &corpus, None, None, embeddings, result, MeasureSettings::default(), &go_on).unwrap_err()
    };
    let samples = explained.task.dataset.training().to_vec();
    assert!(matches!(refused(Dataset::divide(samples, 0).unwrap()), MeasureError::NoQueries));
    let error = refused(Dataset::divide(Task::new().queries, 250_000).unwrap());
    assert!(matches!(error, MeasureError::OtherRun { what: "training samples" }), "{error}");

    let retrainer = explained.task.retrainer(explained.folder.path(), 1);
    let Explained { embeddings, result, .. } = &explained;
    let stop = |_| ControlFlow::Break(());
    let settings = MeasureSettings { coalitions: 2, ..MeasureSettings::default() };
    let error = measure(&retrainer, &corpus, None, None, embeddings, result, settings, &stop).unwrap_err();
    assert!(matches!(error, MeasureError::Retrain(TangentError::Stopped)), "{error}");
    assert!(explained.measure(&corpus, false, settings).is_ok());
}
