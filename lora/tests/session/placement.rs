//! Runs of models that lie elsewhere, or compute with other numbers.

use crate::{dataset, every, finish, lora, model_config, placed, settings, start};
use std::sync::Arc;
use tributary_lora::{
    Adapter, Arithmetic, ArithmeticError, Compute, Control, Event, Generation, LoadError, LoraConfig, Model, Outcome,
    Placement, Precision, SamplingConfig, Session, TrainConfig, TrainError, TrainingRun,
};

on_devices!(a_session_stops_goes_on_and_ends_with_the_same_bytes, steps_begin_where_those_of_own_kernels_do);

fn model_at(placement: Placement, precision: Precision) -> Arc<Model> {
    let model = Model::random(model_config(), 4).unwrap().with_precision(precision).unwrap();
    Arc::new(placed(model, placement))
}

fn everything() -> LoraConfig {
    LoraConfig { dropout: 0.1, weight_decomposed: true, ..lora() }
}

fn a_session_stops_goes_on_and_ends_with_the_same_bytes(placement: Placement) {
    let model = model_at(placement, Precision::Nf4Double);
    assert_eq!(model.placement(), placement);
    let config = TrainConfig { evaluation_steps: 5, keep_best: true, activation_checkpointing: true, ..settings() };
    let open = |folder: &std::path::Path| Session::open(start(&model, everything(), config), folder, every(3)).unwrap();
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = finish(&mut open(whole.path()));
    let mut session = open(parts.path());
    let mut paused = 0;
    let summary = loop {
        let outcome = crate::until(&mut session, |event| match event {
            Event::Step(step) if step.step % 7 == 4 => Control::Pause,
            _ => Control::Continue,
        });
        match outcome.unwrap() {
            Outcome::Finished(summary) => break summary,
            Outcome::Paused => {
                paused += 1;
                drop(session);
                session = open(parts.path());
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(paused > 2);
    assert_eq!(summary, expected);
    assert!(summary.validation_loss < summary.validation_loss_before);
    // The adapter's files say nothing of where it was made.
    let adapter = Adapter::load(parts.path(), &model).unwrap();
    assert_eq!(adapter.content_hash().unwrap(), summary.adapter);
    let elsewhere = model_at(Placement::CPU, Precision::Nf4Double);
    let tokens = |model: &Model| -> Vec<u32> {
        let adapter = Adapter::load(parts.path(), model).unwrap();
        let config = SamplingConfig { tokens_max: 12, ..Default::default() };
        Generation::new(model, Some(&adapter), &[0, 7, 11], &[], config).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(tokens(&model), tokens(&elsewhere));
}

fn steps_begin_where_those_of_own_kernels_do(placement: Placement) {
    for precision in [Precision::F32, Precision::Nf4, Precision::Nf4Double] {
        let steps = |placement| {
            let config = TrainConfig { neftune_alpha: Some(5.0), ..settings() };
            let mut run = start(&model_at(placement, precision), everything(), config);
            let steps: Vec<_> = (0..3).map(|_| run.step().unwrap()).collect();
            steps
        };
        for (own, other) in steps(Placement::CPU).iter().zip(steps(placement)) {
            assert!((own.loss - other.loss).abs() < 1e-4, "{precision:?}: {own:?} {other:?}");
            assert!((own.gradient_norm - other.gradient_norm).abs() < 1e-3 * own.gradient_norm, "{own:?} {other:?}");
        }
    }
}

#[test]
fn a_run_in_sixteen_bits_learns() {
    let bf16 = Placement { compute: Compute::Bf16, ..Placement::CPU };
    for precision in [Precision::F32, Precision::Nf4Double] {
        let folder = tempfile::tempdir().unwrap();
        let run = start(&model_at(bf16, precision), lora(), settings());
        let summary = finish(&mut Session::open(run, folder.path(), every(100)).unwrap());
        let (before, after) = (summary.validation_loss_before.unwrap(), summary.validation_loss.unwrap());
        assert!(after < before - 0.1, "{precision:?}: {before} {after}");
    }
}

#[test]
fn a_run_does_not_move() {
    let folder = tempfile::tempdir().unwrap();
    let fast = || Model::random(model_config(), 4).unwrap().with_arithmetic(Arithmetic::Fast).unwrap();
    let run = |model: Model| start(&Arc::new(model), lora(), settings());
    let mut first = run(fast());
    first.step().unwrap();
    first.checkpoint(folder.path()).unwrap();
    for compute in [Compute::Bf16, Compute::F64] {
        let mut other = run(fast().placed(Placement { compute, ..Placement::CPU }).unwrap());
        assert!(matches!(other.resume(folder.path()), Err(TrainError::OtherRun { .. })), "{compute}");
    }
    assert!(run(fast()).resume(folder.path()).unwrap());
}

#[test]
fn places_that_cannot_be_had_are_refused_by_name() {
    let model = Model::random(model_config(), 4).unwrap();
    let f64 = Placement { compute: Compute::F64, ..Placement::CPU };
    let error = model.placed(f64).unwrap_err();
    assert!(matches!(error, LoadError::Arithmetic(ArithmeticError::Placed { placement }) if placement == f64));
    assert!(error.to_string().contains("cpu f64") && error.to_string().contains("profile fast"), "{error}");
    let moved = placed(Model::random(model_config(), 4).unwrap(), f64);
    let error = moved.placed(Placement::CPU).unwrap_err().to_string();
    assert!(error.contains("on cpu f64 already"), "{error}");
    assert!(matches!(moved.with_arithmetic(Arithmetic::DetF32V1), Err(ArithmeticError::Placed { .. })));
    if !cfg!(feature = "cuda") {
        let fast = model.with_arithmetic(Arithmetic::Fast).unwrap();
        let error = fast.placed(Placement::cuda(0)).unwrap_err().to_string();
        assert!(error.contains("cuda:0") && error.contains("feature `cuda`"), "{error}");
        // Before anything is read.
        let nowhere = std::path::Path::new("/nonexistent");
        let load = |arithmetic| Model::load_on(nowhere, Precision::F32, arithmetic, Placement::cuda(0)).unwrap_err();
        assert!(matches!(load(Arithmetic::Fast), LoadError::NoCuda { .. }));
        assert!(matches!(load(Arithmetic::DetF32V1), LoadError::Arithmetic(_)));
    }
}

#[test]
fn whole_models_are_trained_on_the_processor() {
    let model =
        placed(Model::random(model_config(), 4).unwrap(), Placement { compute: Compute::F64, ..Placement::CPU });
    let mut run = TrainingRun::full(model, dataset(), settings()).unwrap();
    assert_eq!(run.model().placement(), Placement::CPU);
    run.step().unwrap();
}
