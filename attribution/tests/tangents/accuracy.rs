//! Scores against what retraining does to the loss.

use crate::{Task, go_on};
use tributary_attribution::{
    Tangent,
    accuracy::{Predictions, spearman},
    random_coalitions,
};
use tributary_lora::{sample_gradient, sample_loss};

fn mean_correlation(scores: &[Vec<f64>], truth: &[Vec<f64>]) -> f64 {
    let pairs = scores.iter().zip(truth).map(|(scores, truth)| spearman(scores, truth).unwrap());
    pairs.sum::<f64>() / scores.len() as f64
}

#[test]
fn scores_rank_groups_as_leaving_them_out_does() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let (groups, result) = (task.groups(8), task.result());
    let tangents = task.tangents(folder.path(), &groups, 24);
    tangents.check(&task.model, &result).unwrap();

    let retrainer = task.retrainer(folder.path(), 1);
    let runs: Vec<Vec<bool>> = (0..8).map(|out| groups.included(|group| group != out)).collect();
    let retrained = retrainer.run(&runs, &go_on).unwrap();
    let (mut truth, mut linear, mut midpoint, mut exact) = (vec![], vec![], vec![], vec![]);
    for query in &task.queries {
        let with = sample_loss(&task.model, Some(&result), query).unwrap();
        let without = retrained.iter().map(|retrained| {
            let adapter = retrained.load(&task.model).unwrap();
            f64::from(sample_loss(&task.model, Some(&adapter), query).unwrap() - with)
        });
        truth.push(without.collect::<Vec<f64>>());
        let gradient = sample_gradient(&task.model, &result, query).unwrap();
        linear.push(tangents.scores(&gradient, Tangent::LeaveOneOut).unwrap());
        midpoint.push(tangents.scores_at_midpoints(&task.model, &result, query).unwrap());
        exact.push(tangents.loss_differences(&task.model, &result, query).unwrap());
    }
    let [linear, midpoint, exact] = [linear, midpoint, exact].map(|scores| mean_correlation(&scores, &truth));
    println!("leave one group out: gradient {linear:.3}, at midpoints {midpoint:.3}, losses {exact:.3}");
    assert!(linear >= 0.85 && midpoint >= linear && exact > 0.99, "{linear} {midpoint} {exact}");
}

#[test]
fn scores_rank_coalitions_that_they_were_not_made_from() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let (groups, result) = (task.groups(8), task.result());
    let tangents = task.tangents(folder.path(), &groups, 24);
    let coalitions = random_coalitions(8, 6, 16, 77);
    let runs: Vec<Vec<bool>> = coalitions.iter().map(|members| groups.included(|group| members[group])).collect();
    let retrained = task.retrainer(folder.path(), 2).run(&runs, &go_on).unwrap();
    let adapters: Vec<_> = retrained.iter().map(|retrained| retrained.load(&task.model).unwrap()).collect();
    let losses: Vec<Vec<f64>> = task
        .queries
        .iter()
        .map(|query| {
            let loss = |adapter| f64::from(sample_loss(&task.model, Some(adapter), query).unwrap());
            adapters.iter().map(loss).collect()
        })
        .collect();
    for tangent in [Tangent::LeaveOneOut, Tangent::Semivalue, Tangent::Mean] {
        let scores: Vec<Vec<f64>> = task
            .queries
            .iter()
            .map(|query| tangents.scores(&sample_gradient(&task.model, &result, query).unwrap(), tangent).unwrap())
            .collect();
        let predicted = Predictions::sums(&scores, &coalitions);
        let lds = Predictions { predicted: &predicted, losses: &losses }.lds(1).unwrap();
        println!("coalitions of 6 of 8 groups, {tangent:?}: {:.3} ({:.3} to {:.3})", lds.value, lds.low, lds.high);
        assert!(lds.value > 0.6, "{tangent:?} {lds:?}");
    }
}
