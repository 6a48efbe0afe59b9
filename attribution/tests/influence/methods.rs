//! Methods on exact gradients.

use crate::{Trained, dataset, difference, dot, sample, settings, solve, start};
use tributary_attribution::{
    AttributionError, DataInf, Estimator, GradientCosine, GradientDot, Influence, Inputs, OnValidation, Progress,
    QueryGradients, Sketch, TracInCp, Trak, unobserved, validation_scores,
};
use tributary_lora::{Dataset, EncodedSample, sample_gradient, sample_loss};
use tributary_protocol::recipe::AttributionMethod;

fn trained() -> Trained {
    Trained::new(dataset(), settings(), 32)
}

/// Gradients of all training samples at the checkpoint with this place.
fn rows(trained: &Trained, checkpoint: usize) -> Vec<Vec<f32>> {
    let inputs = trained.inputs();
    let adapter = &trained.snapshots[checkpoint].adapter;
    inputs.dataset.training().iter().map(|sample| sample_gradient(inputs.model, adapter, sample).unwrap()).collect()
}

fn query(trained: &Trained) -> QueryGradients {
    QueryGradients::of_sample(&trained.inputs(), &sample(100)).unwrap()
}

fn scores(method: &dyn Influence, trained: &Trained) -> Vec<f64> {
    method.fit(&trained.inputs(), &unobserved).unwrap().scores(&query(trained)).unwrap()
}

#[test]
fn dot_and_cosine_are_those_of_the_gradients() {
    let trained = trained();
    let (rows, query) = (rows(&trained, 1), query(&trained));
    let products: Vec<f64> = rows.iter().map(|row| dot(row, query.last())).collect();
    let worst = difference(&scores(&GradientDot, &trained), &products);
    assert!(worst < 1e-5, "{worst:e}");
    let length = |row: &[f32]| dot(row, row).sqrt();
    let cosines: Vec<f64> =
        rows.iter().zip(&products).map(|(row, product)| product / length(row) / length(query.last())).collect();
    let worst = difference(&scores(&GradientCosine, &trained), &cosines);
    assert!(worst < 1e-5 && cosines.iter().all(|cosine| cosine.abs() <= 1.0), "{worst:e}");
}

#[test]
fn dot_is_what_a_step_on_the_sample_takes_off_the_querys_loss() {
    let trained = trained();
    let scores = scores(&GradientDot, &trained);
    let (adapter, query, of_query) = (&trained.snapshots[1].adapter, sample(100), query(&trained));
    for (row, score) in rows(&trained, 1).iter().zip(&scores) {
        // The loss moves along the sample's gradient by the central difference, and its score is the slope.
        let length = dot(row, row).sqrt();
        let loss = |step: f64| {
            let mut rest = row.as_slice();
            let variables = adapter.variables();
            let starts: Vec<_> = variables.iter().map(|(_, variable)| variable.as_detached_tensor()).collect();
            let starts: Vec<_> = starts.iter().map(|tensor| tensor.copy().unwrap()).collect();
            for ((_, variable), start) in variables.iter().zip(&starts) {
                let (these, others) = rest.split_at(variable.elem_count());
                rest = others;
                let along = candle_core::Tensor::from_slice(these, variable.shape(), variable.device()).unwrap();
                variable.set(&(start - (along * (step / length)).unwrap()).unwrap()).unwrap();
            }
            let loss = f64::from(sample_loss(trained.run.model(), Some(adapter), &query).unwrap());
            variables.iter().zip(&starts).for_each(|((_, variable), start)| variable.set(start).unwrap());
            loss
        };
        let slope = (loss(-4e-3) - loss(4e-3)) / 8e-3 * length;
        let scale = length * dot(of_query.last(), of_query.last()).sqrt();
        assert!((slope - score).abs() < 1e-2 * scale, "{slope} {score} of {scale}");
    }
}

#[test]
fn tracin_is_the_sum_over_checkpoints() {
    let trained = trained();
    let query = query(&trained);
    let mut expected = vec![0f64; trained.inputs().dataset.training().len()];
    for (checkpoint, snapshot) in trained.snapshots.iter().enumerate() {
        let rows = rows(&trained, checkpoint);
        let products = rows.iter().map(|row| snapshot.point.learning_rate * dot(row, query.at(checkpoint).unwrap()));
        expected.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
    }
    let method = TracInCp { checkpoints: 2 };
    let worst = difference(&scores(&method, &trained), &expected);
    assert!(worst < 1e-5, "{worst:e}");

    // Asked about the validation samples it is the estimator that a job names.
    let estimated = Estimator::scores(&method, &trained.inputs(), &unobserved).unwrap();
    let asked = validation_scores(&method, &trained.inputs(), &unobserved).unwrap();
    let worst = difference(&asked, &estimated);
    assert!(worst < 1e-5, "{worst:e}");
}

/// Equation 5 written out: the mean over samples of the dense inverses of `g gᵀ + λI`, matrix by matrix.
#[test]
fn datainf_is_the_mean_of_inverses() {
    let trained = trained();
    let (rows, query) = (rows(&trained, 1), query(&trained));
    for damping in [0.1, 10.0] {
        let mut expected = vec![0f64; rows.len()];
        let mut from = 0;
        for (_, variable) in trained.snapshots[1].adapter.variables() {
            let place = from..from + variable.elem_count();
            from = place.end;
            let part: Vec<&[f32]> = rows.iter().map(|row| &row[place.clone()]).collect();
            let squares: f64 = part.iter().map(|row| dot(row, row)).sum();
            let lambda = damping * squares / (rows.len() * place.len()) as f64;
            let right: Vec<f64> = query.last()[place.clone()].iter().map(|value| f64::from(*value)).collect();
            let mut solved = vec![0f64; place.len()];
            for row in &part {
                let matrix = (0..place.len())
                    .map(|i| {
                        let entry =
                            |j: usize| f64::from(row[i]) * f64::from(row[j]) + if i == j { lambda } else { 0.0 };
                        (0..place.len()).map(entry).collect()
                    })
                    .collect();
                let one = solve(matrix, right.clone());
                solved.iter_mut().zip(one).for_each(|(sum, value)| *sum += value / rows.len() as f64);
            }
            for (score, row) in expected.iter_mut().zip(&part) {
                *score += row.iter().zip(&solved).map(|(a, b)| f64::from(*a) * b).sum::<f64>();
            }
        }
        let worst = difference(&scores(&DataInf { damping }, &trained), &expected);
        assert!(worst < 1e-4, "damping {damping}: {worst:e}");
    }
}

#[test]
fn trak_is_the_projected_linear_model() {
    let trained = trained();
    let (method, query) = (Trak { dims: 16, damping: 0.05, seed: 40 }, query(&trained));
    let inputs = trained.inputs();
    let mut expected = vec![0f64; inputs.dataset.training().len()];
    for (checkpoint, snapshot) in trained.snapshots.iter().enumerate() {
        let rows = rows(&trained, checkpoint);
        let sketch = Sketch::new(40 + checkpoint as u64, rows[0].len(), 16).unwrap();
        let project = |row: &[f32]| {
            let mut out = vec![0f32; 16];
            sketch.apply(&sketch.weights(&vec![1.0; row.len()]), row, &mut out);
            out.into_iter().map(f64::from).collect::<Vec<_>>()
        };
        let features: Vec<Vec<f64>> = rows.iter().map(|row| project(row)).collect();
        let mut kernel = vec![vec![0f64; 16]; 16];
        for (feature, sample) in features.iter().zip(inputs.dataset.training()) {
            let loss = f64::from(sample_loss(inputs.model, Some(&snapshot.adapter), sample).unwrap());
            let doubt = 1.0 - (-loss).exp();
            for (i, row) in kernel.iter_mut().enumerate() {
                row.iter_mut().zip(feature).for_each(|(sum, value)| *sum += feature[i] * value / doubt.powi(2));
            }
        }
        let mean = (0..16).map(|i| kernel[i][i]).sum::<f64>() / 16.0;
        (0..16).for_each(|i| kernel[i][i] += 0.05 * mean);
        let solved = solve(kernel, project(query.at(checkpoint).unwrap()));
        for (score, feature) in expected.iter_mut().zip(&features) {
            *score += feature.iter().zip(&solved).map(|(a, b)| a * b).sum::<f64>() / trained.snapshots.len() as f64;
        }
    }
    let worst = difference(&scores(&method, &trained), &expected);
    assert!(worst < 1e-4, "{worst:e}");
}

#[test]
fn money_follows_no_cosine() {
    let method = AttributionMethod::TracInCp { checkpoints: 2 };
    assert!(!GradientCosine.may_pay());
    assert!(OnValidation::new(GradientCosine, method).is_none());
    let estimator = OnValidation::new(GradientDot, method).unwrap();
    let trained = trained();
    let found = estimator.scores(&trained.inputs(), &unobserved).unwrap();
    assert_eq!(found, validation_scores(&GradientDot, &trained.inputs(), &unobserved).unwrap());
}

#[test]
fn one_sample_has_a_score_and_no_validation_none() {
    let alone = Trained::new(Dataset::divide(vec![sample(1)], 0).unwrap(), settings(), 32);
    for method in methods() {
        let scores = scores(method.as_ref(), &alone);
        assert!(scores.len() == 1 && scores[0].is_finite(), "{}: {scores:?}", method.name());
        assert_eq!(validation_scores(method.as_ref(), &alone.inputs(), &unobserved).unwrap(), [0.0]);
    }
    let error = QueryGradients::of_validation(&alone.inputs()).unwrap_err();
    assert!(matches!(error, AttributionError::NoQuery), "{error}");
}

fn methods() -> Vec<Box<dyn Influence>> {
    vec![
        Box::new(GradientDot),
        Box::new(GradientCosine),
        Box::new(TracInCp { checkpoints: 2 }),
        Box::new(DataInf::default()),
        Box::new(Trak { dims: 16, ..Trak::default() }),
    ]
}

#[test]
fn bad_inputs_are_named() {
    let trained = trained();
    let none = Inputs { snapshots: &[], ..trained.inputs() };
    let short = QueryGradients::new(vec![vec![1.0; 3]; 2]).unwrap();
    let once = QueryGradients::new(vec![query(&trained).last().to_vec()]).unwrap();
    for method in methods() {
        let error = method.fit(&none, &unobserved).err().unwrap();
        assert!(matches!(error, AttributionError::NoCheckpoints), "{}: {error}", method.name());
        let fitted = method.fit(&trained.inputs(), &unobserved).unwrap();
        let error = fitted.scores(&short).unwrap_err();
        assert!(matches!(error, AttributionError::OtherQuery { found: 3, .. }), "{}: {error}", method.name());
        let many = ["TracInCP", "TRAK"].contains(&method.name());
        match fitted.scores(&once) {
            Err(AttributionError::QueryCheckpoints { found: 1, expected: 2 }) => assert!(many, "{}", method.name()),
            Err(error) => panic!("{}: {error}", method.name()),
            Ok(scores) => assert!(!many && scores.iter().all(|score| score.is_finite()), "{}", method.name()),
        }
    }
    assert!(matches!(QueryGradients::new(vec![]), Err(AttributionError::NoCheckpoints)));
    assert!(matches!(QueryGradients::new(vec![vec![f32::NAN]]), Err(AttributionError::QueryNotFinite)));
    let ragged = QueryGradients::new(vec![vec![1.0], vec![1.0, 2.0]]).unwrap_err();
    assert!(matches!(ragged, AttributionError::OtherQuery { found: 1, expected: 2 }), "{ragged}");
    for damping in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for method in [&DataInf { damping } as &dyn Influence, &Trak { damping, ..Trak::default() }] {
            let error = method.fit(&trained.inputs(), &unobserved).err().unwrap();
            assert!(matches!(error, AttributionError::Damping { .. }), "{error}");
        }
    }
    let error = Trak { dims: 0, ..Trak::default() }.fit(&trained.inputs(), &unobserved).err().unwrap();
    assert!(matches!(error, AttributionError::Sketch(_)), "{error}");
}

#[test]
fn a_gradient_that_is_no_number_names_its_sample() {
    let trained = trained();
    let (name, variable) = trained.snapshots[1].adapter.variables().swap_remove(0);
    let broken = (variable.as_detached_tensor() * f64::NAN).unwrap();
    variable.set(&broken).unwrap();
    let ids: Vec<_> = trained.inputs().dataset.training().iter().map(EncodedSample::id).collect();
    for method in methods() {
        match method.fit(&trained.inputs(), &unobserved).err().unwrap() {
            AttributionError::GradientNotFinite { sample, step } => {
                assert!(ids.contains(&sample) && step == trained.run.steps(), "{name} {}", method.name());
            }
            other => panic!("{}: {other}", method.name()),
        }
    }
}

#[test]
fn an_observer_stops_a_method() {
    let trained = trained();
    let stop = |progress: Progress| match progress.done {
        2.. => std::ops::ControlFlow::Break(()),
        _ => std::ops::ControlFlow::Continue(()),
    };
    for method in methods() {
        let error = method.fit(&trained.inputs(), &stop).err().unwrap();
        assert!(matches!(error, AttributionError::Stopped), "{}: {error}", method.name());
    }
    assert_eq!(start(dataset(), settings()).steps(), trained.run.steps());
}
