//! Wrong labels stand out.

use crate::least_squares::{LeastSquares, WIDTH, product};
use crate::{Trained, dataset, settings};
use tributary_attribution::{AttributionError, ScreenSettings, Suspicion, screen, screen_by_leverage, unobserved};
use tributary_lora::{EncodedSample, sample_gradient, sample_loss};

/// Area under the curve: how often a wrong one stands before a right one.
fn auc(order: &[usize], wrong: &[bool]) -> f64 {
    let (mut before, mut pairs) = (0f64, 0f64);
    for place in order {
        match wrong[*place] {
            true => before += 1.0,
            false => pairs += before,
        }
    }
    let wrongs = wrong.iter().filter(|wrong| **wrong).count() as f64;
    pairs / wrongs / (wrong.len() as f64 - wrongs)
}

/// Inputs along some directions are ten times as long as along others, and every eighth target has the other sign.
fn planted() -> (LeastSquares, Vec<bool>) {
    let number = |i: usize| libm::sin(2.3 * i as f64 + 0.7 * (i * i % 17) as f64);
    let size = |column: usize| if column.is_multiple_of(2) { 1.0 } else { 0.1 };
    let inputs: Vec<Vec<f64>> = (0..80)
        .map(|row| {
            // Each sample lies along one direction more than along the others.
            let of_column = |column: usize| if column == row % WIDTH { 1.0 } else { 0.2 };
            (0..WIDTH).map(|column| size(column) * of_column(column) * (1.2 + number(row * WIDTH + column))).collect()
        })
        .collect();
    let truth: Vec<f64> = (0..WIDTH).map(|column| 1.0 / size(column)).collect();
    let wrong: Vec<bool> = (0..80).map(|row| row % 8 == 5).collect();
    let targets = inputs.iter().zip(&wrong).map(|(input, wrong)| {
        let target = product(input, &truth);
        if *wrong { -target } else { target }
    });
    let targets = targets.collect();
    (LeastSquares { inputs, targets }, wrong)
}

#[test]
fn planted_mistakes_come_first() {
    let (problem, wrong) = planted();
    let (trajectory, _) = problem.recorded();
    let suspicions = screen_by_leverage(&trajectory, ScreenSettings::default()).unwrap();
    assert!(suspicions.windows(2).all(|pair| pair[0].score >= pair[1].score));
    let order: Vec<usize> = suspicions.iter().map(|suspicion| suspicion.place).collect();
    let mut all = order.clone();
    all.sort_unstable();
    assert_eq!(all, (0..80).collect::<Vec<_>>());
    let of_samples = |Suspicion { place, sample, .. }: &Suspicion| trajectory.samples()[*place] == *sample;
    assert!(suspicions.iter().all(of_samples));

    let mut lengths = vec![0f64; 80];
    for row in trajectory.steps().iter().flat_map(|step| &step.rows) {
        let square: i64 = row.gradient.values.iter().map(|value| i64::from(*value).pow(2)).sum();
        lengths[row.sample as usize] += f64::from(row.gradient.scale).powi(2) * square as f64;
    }
    let mut by_length: Vec<usize> = (0..80).collect();
    by_length.sort_by(|a, b| lengths[*b].total_cmp(&lengths[*a]));
    let (leverage, length) = (auc(&order, &wrong), auc(&by_length, &wrong));
    println!("AUC {leverage:.3} by leverage, {length:.3} by the length of gradients");
    // Not 1: where the target is next to nothing, so is the mistake.
    assert!(leverage > 0.85 && leverage > length + 0.03, "{leverage} {length}");
}

/// `l / (1 + l)` with `l = vᵀ (Σ other·otherᵀ + λI)^-1 v`, by dense elimination, one window.
#[test]
fn leverage_is_the_dense_one() {
    let trained = Trained::new(dataset(), tributary_lora::TrainConfig { epochs: 1, ..settings() }, 24);
    let rows: Vec<_> = trained.trajectory.steps().iter().flat_map(|step| &step.rows).collect();
    let vectors: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| {
            let scale = f64::from(row.gradient.scale) / f64::from(row.tokens).sqrt();
            let vector: Vec<f64> = row.gradient.values.iter().map(|value| scale * f64::from(*value)).collect();
            let length = product(&vector, &vector).sqrt();
            vector.into_iter().map(|value| value / length.sqrt()).collect()
        })
        .collect();
    // All samples are in the matrix, or every second one.
    for others_max in [100, rows.len().div_ceil(2)] {
        let chosen: Vec<usize> = match others_max {
            100 => (0..rows.len()).collect(),
            count => (0..count).map(|i| i * rows.len() / count).collect(),
        };
        let mean: f64 = chosen.iter().map(|i| product(&vectors[*i], &vectors[*i])).sum::<f64>() / chosen.len() as f64;
        let found = screen_by_leverage(&trained.trajectory, ScreenSettings { damping: 0.3, others_max }).unwrap();
        for (place, row) in rows.iter().enumerate() {
            let mut matrix = vec![vec![0f64; 24]; 24];
            for other in chosen.iter().filter(|other| **other != place) {
                for (i, line) in matrix.iter_mut().enumerate() {
                    let vector = &vectors[*other];
                    line.iter_mut().zip(vector).for_each(|(entry, value)| *entry += vector[i] * value);
                }
            }
            (0..24).for_each(|i| matrix[i][i] += 0.3 * mean);
            let leverage = product(&vectors[place], &crate::solve(matrix, vectors[place].clone()));
            let expected = leverage / (1.0 + leverage);
            let suspicion = found.iter().find(|suspicion| suspicion.place == row.sample as usize).unwrap();
            assert!((suspicion.score - expected).abs() < 1e-4, "{others_max}: {} {expected}", suspicion.score);
        }
    }
}

#[test]
fn settings_are_checked() {
    let trained = Trained::new(dataset(), settings(), 8);
    for damping in [0.0, -1.0, f64::NAN] {
        let error = screen_by_leverage(&trained.trajectory, ScreenSettings { damping, ..ScreenSettings::default() })
            .unwrap_err();
        assert!(matches!(error, AttributionError::Damping { .. }), "{error}");
    }
    let none = ScreenSettings { others_max: 0, ..ScreenSettings::default() };
    assert!(screen_by_leverage(&trained.trajectory, none).is_err());
    let few = ScreenSettings { others_max: 2, ..ScreenSettings::default() };
    assert_eq!(screen_by_leverage(&trained.trajectory, few).unwrap().len(), trained.trajectory.samples().len());
    let untrained = tributary_attribution::Trajectory::new(&trained.run, 8, 3).unwrap();
    let error = screen_by_leverage(&untrained, ScreenSettings::default()).unwrap_err();
    assert!(matches!(error, AttributionError::NoCheckpoints), "{error}");
}

/// The place of each value among the sorted ones, counted in twos so that equal ones share theirs.
fn twice_places(values: &[f64]) -> Vec<usize> {
    let place = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        2 * below + values.iter().filter(|other| *other == value).count() - 1
    };
    values.iter().map(place).collect()
}

/// Conflict by dense elimination: `-gᵢᵀ (Σ g gᵀ + λI)^-1 Σ gⱼ` over all others is that sum over row `i` of `K (K + λI)^-1`, `K` the
/// gradients' products.
#[test]
fn ranks_of_what_is_left_and_of_what_hurts_the_others_count_alike() {
    let trained = Trained::new(dataset(), settings(), 8);
    let inputs = trained.inputs();
    let (model, adapter) = (inputs.model, trained.run.adapter().unwrap());
    let samples = inputs.dataset.training();
    let loss = |adapter, sample: &EncodedSample| f64::from(sample_loss(model, adapter, sample).unwrap());
    let left = |sample| loss(Some(adapter), sample) / loss(None, sample).sqrt();
    let gradient = |sample: &EncodedSample| -> Vec<f64> {
        let scale = (sample.trained_tokens() as f64).sqrt();
        sample_gradient(model, adapter, sample).unwrap().into_iter().map(|value| scale * f64::from(value)).collect()
    };
    let gradients: Vec<Vec<f64>> = samples.iter().map(gradient).collect();
    assert!(gradients[0].len() < 4096, "they would be sketched");
    let gram: Vec<Vec<f64>> = gradients.iter().map(|a| gradients.iter().map(|b| product(a, b)).collect()).collect();
    let count = samples.len();
    let damping = 0.1 * (0..count).map(|i| gram[i][i]).sum::<f64>() / count as f64;
    let mut damped = gram.clone();
    (0..count).for_each(|i| damped[i][i] += damping);
    let conflict = |own: usize| {
        let row = crate::solve(damped.clone(), gram[own].clone());
        row[own] - row.iter().sum::<f64>()
    };
    let by_loss = twice_places(&samples.iter().map(left).collect::<Vec<f64>>());
    let by_conflict = twice_places(&(0..count).map(conflict).collect::<Vec<f64>>());

    let suspicions = screen(model, adapter, samples, ScreenSettings::default(), &unobserved).unwrap();
    assert_eq!(suspicions.len(), count);
    assert!(suspicions.windows(2).all(|pair| pair[0].score >= pair[1].score));
    for Suspicion { place, sample, score } in suspicions {
        assert_eq!(sample, samples[place].id());
        let expected = (by_loss[place] + by_conflict[place]) as f64 / (4 * (count - 1)) as f64;
        assert!((score - expected).abs() < 1e-12, "{place}: {score} {expected}");
    }
    // Few are enough to compare with; one has no others.
    let few = ScreenSettings { others_max: 3, ..ScreenSettings::default() };
    assert_eq!(screen(model, adapter, samples, few, &unobserved).unwrap().len(), count);
    assert_eq!(screen(model, adapter, &samples[..1], ScreenSettings::default(), &unobserved).unwrap()[0].score, 0.0);
    assert!(screen(model, adapter, &[], ScreenSettings::default(), &unobserved).unwrap().is_empty());
    let none = ScreenSettings { damping: 0.0, ..ScreenSettings::default() };
    assert!(matches!(screen(model, adapter, samples, none, &unobserved), Err(AttributionError::Damping { .. })));
}
