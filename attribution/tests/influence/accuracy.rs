//! Measures of accuracy against definitions, known values and simulations.

use proptest::prelude::*;
use tributary_attribution::accuracy::{
    AccuracyError, Ghost, Measurement, Predictions, auc, bootstrap, ghost_share, noise_ceiling, ranks, spearman,
};
use tributary_protocol::{
    ContentHash, Ppm,
    answer::{Rule, SampleScore, attributed_part},
};

/// Numbers that look random, between -1 and 1.
fn noise(at: usize) -> f64 {
    let hash = ContentHash::of(&at.to_le_bytes()).0;
    f64::from(i32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])) / f64::from(i32::MAX)
}

#[test]
fn correlations_have_the_values_that_scipy_gives() {
    // scipy 1.17, scipy.stats.spearmanr and rankdata.
    assert_eq!(ranks(&[10.0, -1.0, 10.0, 3.0, 10.0]), [4.0, 1.0, 4.0, 2.0, 4.0]);
    let close = |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?}");
    close(spearman(&[1.0, 2.0, 2.0, 4.0], &[1.0, 3.0, 2.0, 4.0]), 0.948_683_298_050_513_8);
    close(spearman(&[1.0, 2.0, 3.0, 4.0, 5.0], &[5.0, 6.0, 7.0, 8.0, 7.0]), 0.820_782_681_668_123_3);
    close(spearman(&[3.0, 1.0, 2.0], &[-3.0, -1.0, -2.0]), -1.0);
    assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
    assert_eq!(spearman(&[1.0, f64::NAN], &[1.0, 2.0]), None);
    assert_eq!(spearman(&[1.0], &[1.0, 2.0]), None);
    assert_eq!(spearman(&[], &[]), None);
    assert_eq!(auc(&[1.0, 2.0], &[true, true]), None);
}

proptest! {
    #[test]
    fn the_area_is_how_often_a_marked_one_is_above(
        values in prop::collection::vec((-5i32..5, any::<bool>()), 2..40),
    ) {
        let (values, marked): (Vec<f64>, Vec<bool>) = values.into_iter().map(|(v, m)| (f64::from(v), m)).unzip();
        let (mut sum, mut pairs) = (0.0, 0.0);
        for (a, _) in values.iter().zip(&marked).filter(|(_, marked)| **marked) {
            for (b, _) in values.iter().zip(&marked).filter(|(_, marked)| !**marked) {
                sum += if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
                pairs += 1.0;
            }
        }
        match auc(&values, &marked) {
            Some(found) => prop_assert!((found - sum / pairs).abs() < 1e-12),
            None => prop_assert_eq!(pairs, 0.0),
        }
    }

    #[test]
    fn ranks_alone_count(values in prop::collection::vec((-100i32..100, -100i32..100), 2..30)) {
        let (a, b): (Vec<f64>, Vec<f64>) = values.into_iter().map(|(a, b)| (f64::from(a), f64::from(b))).unzip();
        let bent: Vec<f64> = a.iter().map(|value| value.powi(3) * 7.0 - 1.0).collect();
        prop_assert_eq!(spearman(&a, &b), spearman(&bent, &b));
        if let Some(found) = spearman(&a, &b) {
            prop_assert!((-1.0 - 1e-12..=1.0 + 1e-12).contains(&found));
        }
    }
}

/// 10 queries, 20 coalitions of 8 members: predictions, and losses that follow them but for noise of this strength.
fn table(strength: f64) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let coalitions = tributary_attribution::random_coalitions(8, 6, 20, 3);
    let scores: Vec<Vec<f64>> = (0..10).map(|query| (0..8).map(|at| noise(query * 8 + at)).collect()).collect();
    let predicted = Predictions::sums(&scores, &coalitions);
    let loss = |(at, predicted): (usize, &f64)| 3.0 - predicted + strength * noise(1_000 + at);
    let losses = (0..10)
        .map(|query| predicted[query].iter().enumerate().map(|(at, value)| loss((query * 20 + at, value))).collect())
        .collect();
    (predicted, losses)
}

#[test]
fn the_score_is_1_for_the_truth_and_its_interval_holds_0_for_noise() {
    let lds = |(predicted, losses): (Vec<Vec<f64>>, Vec<Vec<f64>>)| {
        let lds = Predictions { predicted: &predicted, losses: &losses }.lds(7).unwrap();
        assert_eq!(lds, Predictions { predicted: &predicted, losses: &losses }.lds(7).unwrap());
        lds
    };
    let truth = lds(table(0.0));
    assert!(truth.value > 1.0 - 1e-12 && truth.low > 0.99, "{truth:?}");
    let (some, none) = (lds(table(1.0)), lds(table(1e6)));
    println!("{some:?} {none:?}");
    assert!(some.low < some.value && some.value < some.high && some.value > 0.3 && some.high < 1.0);
    assert!(none.low < 0.0 && none.high > 0.0 && none.value.abs() < 0.2);
}

#[test]
fn the_interval_holds_the_truth_as_often_as_it_says() {
    // The mean of 40 numbers that are uniform in -1..1, 200 times.
    let held = (0..200u64).filter(|round| {
        let values: Vec<f64> = (0..40).map(|at| noise(*round as usize * 40 + at)).collect();
        let mean =
            |rows: &[usize], _: &[usize]| Some(rows.iter().map(|row| values[*row]).sum::<f64>() / rows.len() as f64);
        let found = bootstrap(40, 1, *round, mean).unwrap();
        found.low <= 0.0 && 0.0 <= found.high
    });
    let held = held.count();
    // 190 expected; the percentile bootstrap is a little short for 40 numbers. Four standard deviations are 12.
    assert!((174..=200).contains(&held), "{held}");
}

#[test]
fn what_cannot_be_measured_is_said() {
    let (predicted, losses) = table(1.0);
    let lds = |predicted: &[Vec<f64>], losses: &[Vec<f64>]| Predictions { predicted, losses }.lds(1).unwrap_err();
    assert!(matches!(lds(&predicted, &losses[1..]), AccuracyError::Size { found: 9, expected: 10, .. }));
    let mut bad = losses.clone();
    bad[3][2] = f64::NAN;
    assert_eq!(lds(&predicted, &bad), AccuracyError::NotFinite { what: "a loss", query: 3 });
    assert_eq!(lds(&predicted, &vec![vec![1.0; 20]; 10]), AccuracyError::Constant);
    assert_eq!(lds(&[], &[]), AccuracyError::Constant);
    // One that predicts nothing is not left out, which would flatter it.
    let mut lazy = predicted.clone();
    lazy[0] = vec![0.0; 20];
    let of = |predicted: &[Vec<f64>]| Predictions { predicted, losses: &losses }.lds(1).unwrap().value;
    assert!(of(&lazy) < of(&predicted));
}

#[test]
fn the_ceiling_is_what_two_measurements_agree_on() {
    let (_, first) = table(0.0);
    assert!((noise_ceiling(&first, &first).unwrap() - 1.0).abs() < 1e-12);
    let upside_down: Vec<Vec<f64>> = first.iter().map(|losses| losses.iter().map(|loss| -loss).collect()).collect();
    assert_eq!(noise_ceiling(&first, &upside_down), Some(0.0));
    assert_eq!(noise_ceiling(&first, &first[1..]), None);
    // Two measurements of one truth, each with noise: each correlates with the truth about as the ceiling says.
    let noisy = |from: usize| -> Vec<Vec<f64>> {
        let of = |(query, losses): (usize, &Vec<f64>)| {
            losses.iter().enumerate().map(|(at, loss)| loss + 0.8 * noise(from + query * 20 + at)).collect()
        };
        first.iter().enumerate().map(of).collect()
    };
    let (a, b) = (noisy(50_000), noisy(60_000));
    let ceiling = noise_ceiling(&a, &b).unwrap();
    let to_truth = a.iter().zip(&first).map(|(a, truth)| spearman(a, truth).unwrap()).sum::<f64>() / 10.0;
    assert!((ceiling - to_truth).abs() < 0.1, "{ceiling} {to_truth}");
}

#[test]
fn ghosts_are_paid_as_others_where_scores_cannot_tell_and_nothing_where_they_can() {
    let id = |at: usize| ContentHash::of(&at.to_le_bytes());
    let sample = |at: usize, score: i64| SampleScore {
        id: id(at),
        cluster: id(at),
        similarity: Ppm::ZERO,
        group: (at % 4) as u16,
        score,
    };
    let ghost = |at: usize, score: i64| Ghost { id: id(at), says: id(at), group: (at % 4) as u16, score };
    let random = |at: usize| (noise(at) * 1e6) as i64;
    let ghosts: Vec<Ghost> = (10_000..10_200).map(|at| ghost(at, random(at))).collect();
    let rule = Rule { floor_quantile: Ppm::from_percent(50), ..Rule::new(Ppm::ONE) };
    let said = |samples: &[SampleScore]| -> Vec<ContentHash> { samples.iter().map(|sample| sample.id).collect() };
    let share = |rule: &Rule, samples: &[SampleScore]| {
        f64::from(ghost_share(rule, &[1, 1, 1, 1], samples, &said(samples), &ghosts).unwrap().parts()) / 1e6
    };
    let alike: Vec<SampleScore> = (0..200).map(|at| sample(at, random(at))).collect();
    let cannot_tell = share(&rule, &alike);
    assert!((0.3..0.7).contains(&cannot_tell), "{cannot_tell}");
    // Ten samples that did shape the answer, among others that did not.
    let better: Vec<SampleScore> =
        (0..200).map(|at| sample(at, if at < 10 { 20_000_000 } else { random(at) })).collect();
    let strict = Rule { floor_quantile: Ppm::from_percent(99), ..rule };
    let (low, high) = (share(&rule, &better), share(&strict, &better));
    println!("ghosts that cannot be told {cannot_tell}, that can {low}, with a high floor {high}");
    assert!(low < 0.2 && high < 0.01, "{low} {high}");
    let of = |samples: &[SampleScore], says: &[ContentHash], ghosts: &[Ghost]| {
        ghost_share(&rule, &[1, 1, 1, 1], samples, says, ghosts)
    };
    assert_eq!(of(&alike, &said(&alike), &ghosts[..1]).unwrap(), Ppm::ZERO);
    // Trained on is what paraphrases a ghost, in another group than the ghost's nearest sample.
    let mut paraphrase = alike.clone();
    let held_out = ghosts.iter().find(|ghost| ghost.group != paraphrase[0].group).unwrap();
    (paraphrase[0].cluster, paraphrase[0].similarity) = (held_out.id, Ppm::new(600_000).unwrap());
    of(&paraphrase, &said(&paraphrase), &ghosts).unwrap();
    assert!(matches!(of(&alike, &[], &ghosts), Err(AccuracyError::Size { found: 0, expected: 200, .. })));

    // Ghosts that teach what a paid sample teaches stand for nobody; where that sample is not paid, they do.
    let twins: Vec<Ghost> = (20_000..20_010).map(|at| Ghost { says: id(0), ..ghost(at, 40_000_000) }).collect();
    let with_twins = [&ghosts[..], &twins].concat();
    assert!(of(&better, &said(&better), &with_twins).unwrap() < Ppm::from_percent(20));
    let unpaid: Vec<SampleScore> = better.iter().map(|s| SampleScore { score: -1, ..*s }).collect();
    assert!(of(&unpaid, &said(&unpaid), &with_twins).unwrap() > Ppm::from_percent(90));
}

#[test]
fn the_record_holds_what_was_measured_and_pays_by_it() {
    let (predicted, losses) = table(0.3);
    let scores: Vec<f64> = (0..60).map(|at| noise(at) + if at % 5 == 0 { 1.0 } else { 0.0 }).collect();
    let marked: Vec<bool> = (0..60).map(|at| at % 5 == 0).collect();
    let measurement = Measurement {
        coalitions: Predictions { predicted: &predicted, losses: &losses },
        exact: Some(&predicted),
        mislabel: Some((&scores, &marked)),
        ghost_share: Ppm::new(2_000).unwrap(),
        seed: 1,
    };
    let accuracy = measurement.accuracy().unwrap();
    println!("{accuracy:?}");
    assert_eq!((accuracy.query_count, accuracy.coalition_count), (10, 20));
    assert_eq!(accuracy.ceiling, accuracy.coalitions.value);
    let mislabel = accuracy.mislabel.unwrap();
    let expected = auc(&scores, &marked).unwrap();
    assert_eq!(mislabel.value, (expected * 1e6) as i32);
    for found in [accuracy.coalitions, mislabel] {
        assert!(found.low <= found.value && found.value <= found.high);
    }
    let part = attributed_part(Some(&accuracy)).parts();
    let ramp = (accuracy.coalitions.low - 200_000) as u64 * 1_000_000 / 600_000;
    assert_eq!(u64::from(part), ramp.min(1_000_000) - 2_000);
    let fewer = Measurement { mislabel: Some((&scores[1..], &marked)), ..measurement };
    assert!(matches!(fewer.accuracy(), Err(AccuracyError::Size { .. })));
    let without = Measurement { mislabel: None, exact: None, ..measurement }.accuracy().unwrap();
    assert_eq!((without.mislabel, without.ceiling), (None, 1_000_000));
}
