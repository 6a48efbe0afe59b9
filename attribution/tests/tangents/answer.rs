//! Shares of answers of a trained model, and what attacks on them gain.

use crate::{Task, go_on};
use tributary_attribution::{
    Answer, ContributionHashes, Corpus, GroupSettings, Groups, SampleScores, ShareError, Tangent, Tangents,
};
use tributary_lora::{Adapter, Dataset, EncodedSample, sample_gradient, sample_loss};
use tributary_protocol::{
    ContentHash, ContributionId, Ppm,
    answer::{Fallback, Rule, Shares},
    stream::SHARE_UNITS,
};

const RULE: Rule = Rule { floor_quantile: Ppm::from_percent(99), sample_max: Ppm::ONE, attributed: Ppm::ONE };

/// A trained task with the gradients of its samples, which score inside the groups.
struct Trained {
    task: Task,
    result: Adapter,
    tangents: Tangents,
    gradients: Vec<Vec<f32>>,
    ghosts: Vec<Vec<f32>>,
    folder: tempfile::TempDir,
}

impl Trained {
    fn new(groups: u16) -> Self {
        let task = Task::new();
        let folder = tempfile::tempdir().unwrap();
        let tangents = task.tangents(folder.path(), &task.groups(groups), 0);
        let result = task.result();
        // Before the first step, where nobody has been learnt from: later, the gradients of samples that were trained on
        // are smaller than those of ghosts.
        let start = Adapter::new(&task.model, task.lora.clone(), 5).unwrap();
        let gradient = |sample: &EncodedSample| sample_gradient(&task.model, &start, sample).unwrap();
        let gradients = task.dataset.training().iter().map(gradient).collect();
        // Ghosts that say nothing of what was trained: tokens without any rule.
        let ghost = |at: u32| {
            let tokens = (0..10).map(|place| (at * 13 + place * place * 7 + at * at * place) % 40).collect();
            EncodedSample::new(ContentHash::of(&(9_000 + at).to_le_bytes()), tokens, 2)
        };
        let ghosts = (0..20).map(|at| gradient(&ghost(at))).collect();
        Self { task, result, tangents, gradients, ghosts, folder }
    }

    fn share(&self, query: &EncodedSample) -> Shares {
        let gradient = sample_gradient(&self.task.model, &self.result, query).unwrap();
        let dot =
            |other: &Vec<f32>| gradient.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let samples: Vec<f64> = self.gradients.iter().map(dot).collect();
        let ghosts: Vec<f64> = self.ghosts.iter().map(dot).collect();
        let answer = Answer {
            groups: self.tangents.groups(),
            clusters: None,
            group_scores: &self.tangents.scores(&gradient, Tangent::LeaveOneOut).unwrap(),
            sample_scores: SampleScores::Floats { samples: &samples, ghosts: &ghosts },
        };
        answer.share(&RULE).unwrap().shares
    }

    /// The units of contributions whose samples these are.
    fn by_contribution(&self, shares: &Shares, contributions: Vec<Vec<ContentHash>>) -> Vec<u64> {
        let contributions = contributions.into_iter().enumerate().map(|(number, samples)| ContributionHashes {
            contribution: ContributionId(number as u64),
            contributor: [number as u8; 32],
            samples,
            copies: 0,
        });
        let corpus = Corpus::of_hashes(contributions);
        let answer = Answer {
            groups: self.tangents.groups(),
            clusters: None,
            group_scores: &[],
            sample_scores: SampleScores::Integers { samples: &[], ghosts: &[] },
        };
        let mut found = answer.by_contribution(shares, &corpus).unwrap();
        assert!(found.array_windows().all(|[a, b]| a.units >= b.units), "the largest first");
        for contribution in &found {
            assert_eq!(contribution.samples.iter().map(|(_, units)| units).sum::<u64>(), contribution.units);
        }
        found.sort_by_key(|contribution| contribution.contribution);
        found.into_iter().map(|contribution| contribution.units).collect()
    }

    /// For each query, how much higher its loss is after training without each topic.
    fn without_each_topic(&self) -> Vec<Vec<f64>> {
        let runs: Vec<Vec<bool>> = (0..4).map(|topic| (0..24).map(|at| at % 4 != topic).collect()).collect();
        let retrained = self.task.retrainer(self.folder.path(), 2).run(&runs, &go_on).unwrap();
        let without: Vec<Adapter> = retrained.iter().map(|run| run.load(&self.task.model).unwrap()).collect();
        let loss = |adapter: &Adapter, query: &EncodedSample| {
            f64::from(sample_loss(&self.task.model, Some(adapter), query).unwrap())
        };
        let of = |query| without.iter().map(|adapter| loss(adapter, query) - loss(&self.result, query)).collect();
        self.task.queries.iter().map(of).collect()
    }

    /// The samples of each topic, which the task deals out in turn.
    fn topics(&self) -> Vec<Vec<ContentHash>> {
        let ids: Vec<ContentHash> = self.task.dataset.training().iter().map(EncodedSample::id).collect();
        (0..4).map(|topic| ids.iter().skip(topic).step_by(4).copied().collect()).collect()
    }
}

#[test]
fn who_taught_the_topic_is_paid_for_it_and_copies_and_split_accounts_gain_nothing() {
    let trained = Trained::new(8);
    let truth = trained.without_each_topic();
    let (mut right, mut to_helpers, mut paid) = (0, 0, 0);
    for (query, truth) in trained.task.queries.iter().zip(truth) {
        let shares = trained.share(query);
        assert_eq!(shares.units.iter().sum::<u64>() + shares.base, SHARE_UNITS);
        let plain = trained.by_contribution(&shares, trained.topics());
        let best = (0..4).max_by(|a, b| truth[*a].total_cmp(&truth[*b])).unwrap();
        right += usize::from((0..4).max_by_key(|topic| plain[*topic]) == Some(best));
        paid += plain.iter().sum::<u64>();
        to_helpers += plain.iter().zip(&truth).filter(|(_, truth)| **truth > 0.0).map(|(units, _)| units).sum::<u64>();
        println!("loss without each contribution {truth:.4?}, units {plain:?}");

        // Eight copies of the first contribution by somebody else, and by its own maker: samples have one owner, the first.
        let mut copied = trained.topics();
        copied.extend(vec![copied[0].clone(); 8]);
        assert_eq!(trained.by_contribution(&shares, copied)[..4], plain);
        // The same samples under three accounts.
        let mut split = trained.topics();
        let first = split[0].clone();
        split[0] = first[..2].to_vec();
        split.extend([first[2..3].to_vec(), first[3..].to_vec()]);
        let parts = trained.by_contribution(&shares, split);
        assert_eq!((parts[0] + parts[4] + parts[5], &parts[1..4]), (plain[0], &plain[1..]));
    }
    let queries = trained.task.queries.len();
    let part = to_helpers as f64 / paid as f64;
    println!("the best is paid most by {right} of {queries}, {part:.3} of what is paid goes to those who helped");
    assert!(right >= 6 && part > 0.85 && paid > SHARE_UNITS * 4, "{right} {part} {paid}");
}

#[test]
fn the_order_of_training_samples_does_not_matter_and_the_bits_do_not_change() {
    let (trained, again) = (Trained::new(4), Trained::new(4));
    assert_eq!(trained.tangents.to_bytes(), again.tangents.to_bytes());
    for query in &trained.task.queries {
        assert_eq!(trained.share(query), again.share(query));
    }
}

fn single() -> Groups {
    Groups::of_samples(&[(ContentHash::of(b"one"), 0)], 1).unwrap()
}

#[test]
fn one_sample_of_one_contributor_gets_what_is_attributed() {
    let groups = single();
    let answer = |group_scores| Answer {
        groups: &groups,
        clusters: None,
        group_scores,
        sample_scores: SampleScores::Integers { samples: &[7], ghosts: &[] },
    };
    let found = answer(&[0.25]).share(&RULE).unwrap();
    assert_eq!((found.shares.units, found.shares.base), (vec![SHARE_UNITS], 0));
    let half = Rule { sample_max: Ppm::from_percent(50), attributed: Ppm::from_percent(60), ..RULE };
    let found = answer(&[0.25]).share(&half).unwrap();
    assert_eq!((found.shares.units, found.shares.base), (vec![300_000_000], 700_000_000));
    assert_eq!(answer(&[-0.25]).share(&RULE).unwrap().shares.fallback, Some(Fallback::NoGroup));
}

#[test]
fn scores_that_are_no_numbers_or_all_zero_pay_the_base_and_are_flagged() {
    let groups = single();
    let fallback = |group: f64, sample: f64, ghost: f64| {
        let sample_scores = SampleScores::Floats { samples: &[sample], ghosts: &[ghost] };
        let answer = Answer { groups: &groups, clusters: None, group_scores: &[group], sample_scores };
        let shares = answer.share(&RULE).unwrap().shares;
        assert_eq!((shares.base, shares.units), (SHARE_UNITS, vec![0]));
        shares.fallback.unwrap()
    };
    assert_eq!(fallback(f64::NAN, 1.0, 0.0), Fallback::NotFinite);
    assert_eq!(fallback(1.0, f64::INFINITY, 0.0), Fallback::NotFinite);
    assert_eq!(fallback(1.0, 1.0, f64::NAN), Fallback::NotFinite);
    assert_eq!(fallback(0.0, 1.0, 0.0), Fallback::NoGroup);
    assert_eq!(fallback(1.0, 0.0, 0.0), Fallback::NoSample);
}

#[test]
fn lists_that_do_not_fit_and_strange_samples_are_refused() {
    let groups = single();
    let answer = |group_scores, clusters, samples| Answer {
        groups: &groups,
        clusters,
        group_scores,
        sample_scores: SampleScores::Integers { samples, ghosts: &[] },
    };
    for (answer, what) in [
        (answer(&[], None, &[1]), "scores of groups"),
        (answer(&[1.0], Some(&[]), &[1]), "clusters"),
        (answer(&[1.0], None, &[]), "scores of samples"),
    ] {
        let error = answer.share(&RULE).unwrap_err();
        assert!(matches!(&error, ShareError::Size { what: found, .. } if *found == what), "{error}");
    }
    let found = answer(&[1.0], None, &[1]).share(&RULE).unwrap();
    let empty = Corpus::of_hashes([]);
    let error = answer(&[1.0], None, &[1]).by_contribution(&found.shares, &empty).unwrap_err();
    assert!(matches!(error, ShareError::Owner(_)), "{error}");
}

#[test]
fn a_dataset_in_another_order_has_the_same_groups() {
    let task = Task::new();
    let turned: Vec<EncodedSample> = task.dataset.training().iter().rev().cloned().collect();
    let turned = Dataset::divide(turned, 0).unwrap();
    let groups = Groups::new(turned.training(), None, GroupSettings { count: 8, seed: 9 }).unwrap();
    let mut of_sample = groups.of_sample().to_vec();
    of_sample.reverse();
    assert_eq!(of_sample, task.groups(8).of_sample());
}
