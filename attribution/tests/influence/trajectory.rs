//! The trajectory estimator and what it is made from.

use crate::least_squares::{LeastSquares, WIDTH, flat, product, stage};
use crate::{Trained, correlation, dataset, sample, settings, solve, start};
use std::{path::Path, sync::Arc};
use tributary_attribution::{
    AttributionError, DataValueEmbedding, EmbeddingError, EmbeddingSettings, Influence, Inputs, Progress, Quantised,
    QueryGradients, Sketch, Trajectory, TrajectoryError, TrajectoryRecorder, embed, embedding_rows, unobserved,
};
use tributary_lora::{
    Capture, CapturedSample, CapturedStep, Control, Dataset, EncodedSample, Outcome, Session, SessionConfig,
    TrainConfig, TrainError,
};

fn floats(row: &Quantised) -> Vec<f64> {
    row.values.iter().map(|value| f64::from(row.scale) * f64::from(*value)).collect()
}

/// The recursion of the module's documentation with dense matrices: of the samples, then of the ghosts.
fn oracle(trajectory: &Trajectory, fisher_scale: f64) -> Vec<Vec<f64>> {
    let (dims, steps, beta) = (trajectory.dims(), trajectory.steps(), trajectory.beta1());
    let count = trajectory.samples().len();
    let mut embeddings = vec![vec![0f64; dims]; count + trajectory.ghosts().len()];
    let mut rates = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let moved = steps[place..].iter().enumerate().map(|(later, at)| {
            at.learning_rate * (1.0 - beta) * beta.powi(later as i32) / (1.0 - beta.powi(at.step as i32))
        });
        let rate: f64 = moved.sum();
        rates.push(rate * step.scale);
    }
    for (place, (step, rate)) in steps.iter().zip(&rates).enumerate() {
        // A step with factors stands for the one after it, too, if that has none.
        let next = steps.get(place + 1).filter(|next| next.factors.is_empty()).map_or(0.0, |_| rates[place + 1]);
        let mut curvature = vec![vec![0f64; dims]; dims];
        for factor in &step.factors {
            let factor = floats(factor);
            for (i, line) in curvature.iter_mut().enumerate() {
                line.iter_mut().zip(&factor).for_each(|(entry, value)| {
                    *entry += (rate + next) * fisher_scale * factor[i] * value;
                });
            }
        }
        (0..dims).for_each(|i| curvature[i][i] += 1.0);
        for embedding in &mut embeddings {
            *embedding = solve(curvature.clone(), embedding.clone());
            embedding.iter_mut().for_each(|value| *value *= step.keep);
        }
        let samples = step.rows.iter().map(|row| (row.sample as usize, floats(&row.gradient)));
        let ghosts = step.ghosts.iter().map(|row| (count + row.ghost as usize, floats(&row.gradient)));
        for (place, gradient) in samples.chain(ghosts) {
            let embedding = &mut embeddings[place];
            embedding.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += rate * value);
        }
    }
    embeddings
}

#[test]
fn embeddings_follow_the_dense_recursion() {
    let trained = Trained::new(dataset(), settings(), 40);
    for fisher_scale in [0.0, 1.0, 50.0] {
        let settings = EmbeddingSettings { fisher_scale };
        let found = embedding_rows(&trained.trajectory, settings, &unobserved).unwrap();
        let expected = oracle(&trained.trajectory, fisher_scale);
        assert!(found.len() == 40 * expected.len() && expected.len() > trained.trajectory.samples().len());
        let mut worst = 0f64;
        for (found, row) in found.chunks(40).zip(&expected) {
            let apart: f64 = found.iter().zip(row).map(|(found, value)| (f64::from(*found) - value).powi(2)).sum();
            worst = worst.max((apart / product(row, row)).sqrt());
        }
        println!("Fisher times {fisher_scale}: largest difference {worst:.1e} of the lengths");
        assert!(worst < 1e-4, "{worst:e}");
    }
    let captured = trained.trajectory.steps().iter().map(|step| step.factors.len());
    let expected = trained.trajectory.steps().iter().map(|step| if step.step % 2 == 1 { step.rows.len() } else { 0 });
    assert!(captured.eq(expected));
    // What later steps do matters here, so that leaving it out is another estimator.
    let (with, without) = (oracle(&trained.trajectory, 1.0), oracle(&trained.trajectory, 0.0));
    let far = with.iter().zip(&without).map(|(a, b)| product(a, b) / product(b, b));
    assert!(far.fold(1.0, f64::min) < 0.97);
}

#[test]
fn scores_are_what_leaving_a_sample_out_does() {
    let number = |i: usize| libm::sin(2.3 * i as f64 + 0.7 * (i * i % 17) as f64);
    let count = 60;
    let inputs: Vec<Vec<f64>> =
        (0..count).map(|row| (0..WIDTH).map(|column| number(row * WIDTH + column)).collect()).collect();
    let problem = LeastSquares { inputs, targets: (0..count).map(|row| 2.0 * number(1000 + row)).collect() };
    let (trajectory, result) = problem.recorded();
    let query: Vec<f64> = (0..WIDTH).map(|i| libm::cos(1.1 * i as f64)).collect();
    let exact: Vec<f64> = (0..count)
        .map(|row| {
            let without = problem.trained(Some(row), |_, _| {});
            let moved: Vec<f64> = without.iter().zip(&result).map(|(a, b)| a - b).collect();
            product(&moved, &query)
        })
        .collect();
    let parameters = trajectory.parameters();
    let scores = |fisher_scale| {
        // Before they are rounded: nearly all of so few parameters' places are zero, which two bits cannot say.
        let rows = embedding_rows(&trajectory, EmbeddingSettings { fisher_scale }, &unobserved).unwrap();
        let sketch = Sketch::new(trajectory.seed(), parameters, trajectory.dims()).unwrap();
        let mut sketched = vec![0f32; sketch.dims()];
        let weights = sketch.weights(&vec![1.0; parameters]);
        sketch.apply(&weights, &flat(std::slice::from_ref(&query), parameters), &mut sketched);
        let of_query: Vec<f64> = sketched.into_iter().map(f64::from).collect();
        let score = |row: &[f32]| product(&row.iter().map(|value| f64::from(*value)).collect::<Vec<_>>(), &of_query);
        rows.chunks(sketch.dims()).take(count).map(score).collect::<Vec<f64>>()
    };
    let (with, without) = (correlation(&scores(1.0), &exact), correlation(&scores(0.0), &exact));
    let ratio = product(&scores(1.0), &exact) / product(&exact, &exact);
    println!("correlation with leave-one-out {with:.4}, without later steps {without:.4}; size {ratio:.2}");
    assert!(with > 0.98 && with > without + 0.05, "{with} {without}");
    assert!((0.8..1.2).contains(&ratio), "{ratio}");
}

#[test]
fn a_ghost_has_the_row_of_a_sample_that_did_the_same() {
    let run = start(dataset(), settings());
    let parameters = run.adapter().unwrap().parameter_count();
    let mut recorder = TrajectoryRecorder::in_memory(&run, 32, 1).unwrap();
    let captured = |of: &[EncodedSample], index: usize| CapturedSample { index, id: of[index].id(), tokens: 3 };
    for step in 1..=4 {
        let number = |at: usize| libm::sinf(1.3 * at as f32 + step as f32);
        let samples = [captured(run.dataset().training(), 1), captured(run.dataset().training(), 4)];
        let gradients: Vec<f32> = (0..2 * parameters).map(number).collect();
        recorder
            .step(&CapturedStep {
                step,
                learning_rate: 0.1,
                keep: 0.99,
                scale: 0.5,
                samples: &samples,
                gradients: &gradients,
                factors: &gradients.iter().map(|value| 0.1 * value).collect::<Vec<_>>(),
                ghosts: &[captured(run.dataset().validation(), 0)],
                ghost_gradients: &gradients[parameters..],
                preconditioner: &vec![1.0; parameters],
            })
            .unwrap();
    }
    let embeddings =
        embed(&recorder.trajectory(), &vec![1.0; parameters], EmbeddingSettings::default(), &unobserved).unwrap();
    // The same direction; the length is what samples' rows have in the mean square.
    let (ghost, unit) = embeddings.ghost_row(0).unwrap();
    let (rows, units): (Vec<&[u8]>, Vec<u32>) = [1, 4].map(|at| embeddings.row(at).unwrap()).into_iter().unzip();
    assert_eq!(ghost, rows[1]);
    assert_ne!(rows[0], rows[1]);
    let length = |row: &[u8], unit: u32| {
        let number = |byte: &u8, at: usize| 2.0 * f64::from(byte >> (2 * at) & 3) - 3.0;
        let square: f64 = row.iter().flat_map(|byte| (0..4).map(|at| number(byte, at).powi(2))).sum();
        f64::from(unit) * square.sqrt()
    };
    let mean_square = (length(rows[0], units[0]).powi(2) + length(rows[1], units[1]).powi(2)) / 2.0;
    let expected = mean_square.sqrt().min(length(rows[1], units[1]));
    assert!((length(ghost, unit) / expected - 1.0).abs() < 0.1, "{} {expected}", length(ghost, unit));
    assert_eq!(embeddings.row(0).unwrap().1, 0, "never in a step");
    let query: Vec<i8> = (0..32).collect();
    let (samples, ghosts) =
        (embeddings.integer_scores(&query).unwrap(), embeddings.integer_ghost_scores(&query).unwrap());
    assert_eq!(samples[4] / i64::from(units[1]), ghosts[0] / i64::from(unit));
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let bytes = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let trained = Trained::new(dataset(), settings(), 64);
            let preconditioner = trained.run.preconditioner();
            let embeddings =
                embed(&trained.trajectory, &preconditioner, EmbeddingSettings::default(), &unobserved).unwrap();
            (trained.trajectory.to_bytes(), embeddings.to_bytes())
        })
    };
    let alone = bytes(1);
    for threads in [2, 4] {
        assert!(bytes(threads) == alone, "{threads} threads");
    }
}

#[test]
fn a_file_reads_back_and_shows_damage() {
    let trained = Trained::new(dataset(), settings(), 8);
    let bytes = trained.trajectory.to_bytes();
    assert_eq!(bytes.len(), trained.trajectory.bytes());
    assert_eq!(Trajectory::from_bytes(&bytes).unwrap(), trained.trajectory);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(Trajectory::from_bytes(&damaged).is_err(), "byte {at}");
    }
    let whole = |length: usize| Trajectory::from_bytes(&bytes[..length]);
    let mut read = 0;
    for length in 0..bytes.len() {
        match whole(length) {
            // Only where a step ends.
            Ok(trajectory) => {
                assert_eq!(trajectory.steps(), &trained.trajectory.steps()[..read]);
                read += 1;
            }
            Err(error) => assert!(matches!(error, TrajectoryError::Malformed { .. }), "{error}"),
        }
    }
    assert_eq!(read as u64, trained.run.steps());
}

fn session(folder: &Path, recorded: &Path) -> Result<Session, TrainError> {
    let run = start(dataset(), settings());
    let recorder = TrajectoryRecorder::in_file(&run, 16, 3, recorded).unwrap();
    let config = SessionConfig { checkpoint_steps: 2, ..SessionConfig::default() };
    Session::open(run, folder, config)?.captured(Box::new(recorder))
}

#[test]
fn a_run_that_is_taken_up_again_has_the_same_trajectory() {
    let expected = Trained::new(dataset(), settings(), 16).trajectory;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trajectory");
    let mut steps = 0;
    let cancelled = session(folder.path(), &path)
        .unwrap()
        .run(&mut |_| {
            steps += 1;
            // Between two checkpoints.
            if steps == 7 { Control::Cancel } else { Control::Continue }
        })
        .unwrap();
    assert_eq!(cancelled, Outcome::Cancelled);
    // A step that was being written when the process ended.
    let mut torn = std::fs::read(&path).unwrap();
    torn.extend([7; 100]);
    std::fs::write(&path, &torn).unwrap();
    let Outcome::Finished(summary) = session(folder.path(), &path).unwrap().run(&mut |_| Control::Continue).unwrap()
    else {
        panic!("not finished")
    };
    assert_eq!(summary.steps, expected.steps().len() as u64);
    assert_eq!(Trajectory::from_bytes(&std::fs::read(&path).unwrap()).unwrap(), expected);

    // The checkpoint is there, its trajectory is gone.
    std::fs::remove_file(&path).unwrap();
    let error = session(folder.path(), &path).unwrap_err().to_string();
    assert!(error.contains("0 of the run's") && error.contains("hint"), "{error}");

    std::fs::write(&path, expected.to_bytes()).unwrap();
    let other = start(Dataset::divide(vec![sample(1)], 0).unwrap(), settings());
    let error = TrajectoryRecorder::in_file(&other, 16, 3, &path).unwrap_err();
    assert!(matches!(error, TrajectoryError::OtherRun { what: "samples" }), "{error}");
    let error = TrajectoryRecorder::in_file(&start(dataset(), settings()), 16, 4, &path).unwrap_err();
    assert!(matches!(error, TrajectoryError::OtherRun { what: "seeds" }), "{error}");
}

#[test]
fn a_gradient_that_is_no_number_names_its_sample() {
    let run = stage(3);
    let parameters = run.adapter().unwrap().parameter_count();
    let mut recorder = TrajectoryRecorder::in_memory(&run, 16, 1).unwrap();
    let ids: Vec<_> = run.dataset().training().iter().map(|sample| sample.id()).collect();
    let samples: Vec<_> = (0..3).map(|index| CapturedSample { index, id: ids[index], tokens: 1 }).collect();
    let mut gradients = vec![1f32; 3 * parameters];
    gradients[2 * parameters - 1] = f32::NAN;
    let step = CapturedStep {
        step: 1,
        learning_rate: 1.0,
        keep: 1.0,
        scale: 1.0,
        samples: &samples,
        gradients: &gradients,
        factors: &vec![1.0; 3 * parameters],
        ghosts: &[],
        ghost_gradients: &[],
        preconditioner: &vec![1.0; parameters],
    };
    match recorder.step(&step).unwrap_err() {
        TrainError::NotFinite { samples, step: 1, .. } => assert_eq!(samples, [ids[1]]),
        other => panic!("{other}"),
    }
    let error = recorder.step(&CapturedStep { step: 2, ..step }).unwrap_err();
    assert!(matches!(error, TrainError::Capture { .. }), "{error}");
}

fn method(trained: &Trained) -> DataValueEmbedding {
    DataValueEmbedding {
        trajectory: Arc::new(trained.trajectory.clone()),
        preconditioner: Arc::new(trained.run.preconditioner()),
        settings: EmbeddingSettings::default(),
    }
}

#[test]
fn a_trajectory_serves_its_own_run_only() {
    let trained = Trained::new(dataset(), settings(), 16);
    let refused = |method: DataValueEmbedding, inputs: &Inputs<'_>| method.fit(inputs, &unobserved).err().unwrap();
    let fitted = method(&trained).fit(&trained.inputs(), &unobserved).unwrap();
    let query = QueryGradients::of_sample(&trained.inputs(), &sample(100)).unwrap();
    assert_eq!(fitted.scores(&query).unwrap().len(), trained.inputs().dataset.training().len());
    let error = fitted.scores(&QueryGradients::new(vec![vec![0.0; 5]]).unwrap()).unwrap_err();
    assert!(matches!(error, AttributionError::OtherQuery { found: 5, .. }), "{error}");

    let fewer = Dataset::divide((0..5).map(sample).collect(), 0).unwrap();
    let error = refused(method(&trained), &Inputs { dataset: &fewer, ..trained.inputs() });
    assert!(error.to_string().contains("its samples differ"), "{error}");
    let error = refused(method(&trained), &Inputs { snapshots: &[], ..trained.inputs() });
    assert!(matches!(error, AttributionError::NoCheckpoints), "{error}");

    let short = TrainConfig { epochs: 1, ..settings() };
    let early = Trained::new(dataset(), short, 16);
    let error = refused(method(&early), &trained.inputs());
    let expected = trained.run.steps();
    assert!(
        matches!(&error, AttributionError::Trajectory(TrajectoryError::Incomplete { found, expected: of })
            if *found == early.run.steps() && *of == expected),
        "{error}"
    );

    for preconditioner in [vec![1.0; 5], vec![0.0; trained.trajectory.parameters()]] {
        let error = refused(
            DataValueEmbedding { preconditioner: Arc::new(preconditioner), ..method(&trained) },
            &trained.inputs(),
        );
        assert!(matches!(error, AttributionError::Embedding(EmbeddingError::Preconditioner { .. })), "{error}");
    }
    for fisher_scale in [-1.0, f64::NAN] {
        let settings = EmbeddingSettings { fisher_scale };
        let error = refused(DataValueEmbedding { settings, ..method(&trained) }, &trained.inputs());
        assert!(matches!(error, AttributionError::Damping { .. }), "{error}");
    }
    let stop = |progress: Progress| match progress.done {
        1 => std::ops::ControlFlow::Break(()),
        _ => std::ops::ControlFlow::Continue(()),
    };
    let error = method(&trained).fit(&trained.inputs(), &stop).err().unwrap();
    assert!(matches!(error, AttributionError::Stopped), "{error}");
}

#[test]
fn one_sample_has_one_embedding() {
    let alone = Trained::new(Dataset::divide(vec![sample(1)], 0).unwrap(), settings(), 16);
    let fitted = method(&alone).fit(&alone.inputs(), &unobserved).unwrap();
    let query = QueryGradients::of_sample(&alone.inputs(), &sample(1)).unwrap();
    let scores = fitted.scores(&query).unwrap();
    assert!(scores.len() == 1 && scores[0] > 0.0, "{scores:?}");
}
