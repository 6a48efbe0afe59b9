//! Runs without some of their samples: the counterfactuals that attribution asks for.

use crate::{dataset, every, finish, lora, model, sample, settings, start, until};
use std::sync::Arc;
use tributary_lora::{
    Adapter, Control, Dataset, EncodedSample, Event, LoraConfig, Model, Outcome, Session, TrainConfig, TrainError,
    TrainingRun, sample_gradient,
};
use tributary_protocol::ContentHash;

/// With everything random that a run can have, so that a shifted draw shows.
fn noisy() -> (LoraConfig, TrainConfig) {
    (LoraConfig { dropout: 0.2, ..lora() }, TrainConfig { neftune_alpha: Some(5.0), ..settings() })
}

fn to_the_end(mut run: TrainingRun) -> ContentHash {
    while !run.is_done() {
        run.step().unwrap();
    }
    run.adapter().unwrap().content_hash().unwrap()
}

fn run_of(model: &Arc<Model>, dataset: Dataset, config: TrainConfig, included: &[bool]) -> TrainingRun {
    let adapter = Adapter::new(model, lora(), 5).unwrap();
    TrainingRun::new(model.clone(), adapter, dataset, config).unwrap().including(included).unwrap()
}

#[test]
fn with_everybody_the_bits_are_those_of_the_plain_run() {
    let (lora, config) = noisy();
    let plain = to_the_end(start(&model(), lora.clone(), config));
    let run = start(&model(), lora, config);
    let all = vec![true; run.dataset().training().len()];
    let run = run.including(&all).unwrap();
    assert_eq!(run.included(), None);
    assert_eq!(to_the_end(run), plain);
}

#[test]
fn what_is_left_out_has_no_influence() {
    let (lora, config) = noisy();
    let model = model();
    // The same rows, but for what the one that is left out says. It keeps its length, on which no row depends here.
    let with = |replaced: bool| {
        let rows = (0..12).map(|row| match row {
            7 if replaced => {
                let length = sample(7).tokens().len() as u32;
                EncodedSample::new(sample(7).id(), (0..length).map(|i| (5 * i + 11) % 47).collect(), 2)
            }
            _ => sample(row),
        });
        let dataset = Dataset::divide(rows.collect(), 0).unwrap();
        let adapter = Adapter::new(&model, lora.clone(), 5).unwrap();
        TrainingRun::new(model.clone(), adapter, dataset, config).unwrap()
    };
    let included: Vec<bool> = (0..12).map(|row| row != 7).collect();
    let hashes = [false, true].map(|replaced| to_the_end(with(replaced).including(&included).unwrap()));
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(to_the_end(with(false)), hashes[0]);
    assert_ne!(to_the_end(with(false)), to_the_end(with(true)));
}

#[test]
fn the_gradient_is_divided_by_the_tokens_of_all() {
    let model = model();
    let dataset = Dataset::divide((0..6).map(sample).collect(), 0).unwrap();
    let config = TrainConfig { epochs: 1, batch_size: 6, micro_batch_size: 2, shuffle: false, ..settings() };
    let included = [true, false, true, false, false, true];
    let mut run = run_of(&model, dataset.clone(), config, &included);
    let adapter = Adapter::new(&model, lora(), 5).unwrap();
    let (mut sum, mut tokens) = (vec![0f64; adapter.parameter_count()], 0);
    for (sample, included) in dataset.training().iter().zip(included) {
        tokens += sample.trained_tokens();
        if included {
            for (sum, value) in sum.iter_mut().zip(sample_gradient(&model, &adapter, sample).unwrap()) {
                *sum += f64::from(value) * sample.trained_tokens() as f64;
            }
        }
    }
    let expected = sum.iter().map(|value| value * value).sum::<f64>().sqrt() / tokens as f64;
    let metrics = run.step().unwrap();
    let found = f64::from(metrics.gradient_norm);
    // f32 sums of some thousand products.
    assert!((found - expected).abs() < 1e-5 * expected, "{found} {expected}");
    let trained: usize =
        dataset.training().iter().zip(included).filter(|(_, i)| *i).map(|(sample, _)| sample.trained_tokens()).sum();
    assert_eq!(metrics.tokens, trained);
}

#[test]
fn steps_without_anybody_are_done_all_the_same() {
    let model = model();
    let dataset = Dataset::divide((0..6).map(sample).collect(), 0).unwrap();
    let config = TrainConfig { epochs: 2, batch_size: 2, micro_batch_size: 2, shuffle: false, ..settings() };
    let mut run = run_of(&model, dataset, config, &[false, false, true, true, false, false]);
    let before = run.adapter().unwrap().content_hash().unwrap();
    let first = run.step().unwrap();
    assert_eq!((first.tokens, first.loss, first.gradient_norm), (0, 0.0, 0.0));
    assert_eq!(run.adapter().unwrap().content_hash().unwrap(), before, "nothing pulls yet");
    assert!(run.step().unwrap().loss > 0.0);
    let after = run.adapter().unwrap().content_hash().unwrap();
    assert_eq!(run.step().unwrap().tokens, 0);
    assert_ne!(run.adapter().unwrap().content_hash().unwrap(), after, "the momentum goes on");
    assert_eq!(run.steps(), 6);
}

#[test]
fn a_session_goes_on_with_the_same_samples_only() {
    let (lora, config) = noisy();
    let model = model();
    let samples = dataset().training().len();
    let included: Vec<bool> = (0..samples).map(|row| row % 3 != 1).collect();
    let begin = || start(&model, lora.clone(), config).including(&included).unwrap();
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = finish(&mut Session::open(begin(), whole.path(), every(3)).unwrap());

    let mut session = Session::open(begin(), cut.path(), every(3)).unwrap();
    let pause = |event: &Event| match event {
        Event::Step(step) if step.step == 5 => Control::Pause,
        _ => Control::Continue,
    };
    assert_eq!(until(&mut session, pause).unwrap(), Outcome::Paused);
    drop(session);
    for other in [vec![true; samples], (0..samples).map(|row| row % 3 != 2).collect()] {
        let run = start(&model, lora.clone(), config).including(&other).unwrap();
        let error = Session::open(run, cut.path(), every(3)).unwrap_err();
        assert!(matches!(error, TrainError::OtherRun { .. }), "{error}");
    }
    let found = finish(&mut Session::open(begin(), cut.path(), every(3)).unwrap());
    assert_eq!((found.adapter, found.tokens), (expected.adapter, expected.tokens));
}

#[test]
fn bad_choices_of_samples_are_refused() {
    let begin = || start(&model(), lora(), settings());
    let samples = dataset().training().len();
    for (included, named) in [(vec![true; samples + 1], "one entry for each"), (vec![false; samples], "at least one")] {
        let error = begin().including(&included).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    let mut begun = begin();
    begun.step().unwrap();
    let error = begun.including(&vec![true; samples]).unwrap_err().to_string();
    assert!(error.contains("has not begun"), "{error}");
}
