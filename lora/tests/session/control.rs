//! Pausing, cancelling, evaluations, and what the events say about them.

use crate::{every, finish, lora, losses, model, open, settings, start, until};
use tributary_lora::{
    Activity, Adapter, BEST_FOLDER, Control, EarlyStopping, Event, Outcome, Session, Snapshot, TrainConfig, TrainError,
    read_events,
};

/// Settings that make the small model forget the validation samples before the end.
fn overfitting() -> TrainConfig {
    TrainConfig { epochs: 30, learning_rate: 3e-2, evaluation_steps: 2, keep_best: true, ..settings() }
}

fn kinds(folder: &std::path::Path) -> Vec<String> {
    let records = read_events(folder, 0).unwrap();
    let kind = |event: &Event| serde_json::to_value(event).unwrap()["kind"].as_str().unwrap().to_owned();
    records.iter().map(|record| kind(&record.event)).collect()
}

#[test]
fn a_session_tells_everything_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = open(TrainConfig { evaluation_steps: 5, snapshots: 2, ..settings() }, dir.path(), 10);
    let mut heard = Vec::new();
    let outcome = session.run(&mut |activity| {
        if let Activity::Event(record) = activity {
            heard.push(record.clone());
        }
        Control::Continue
    });
    let Ok(Outcome::Finished(summary)) = outcome else { panic!("{outcome:?}") };
    let records = read_events(dir.path(), 0).unwrap();
    assert_eq!(heard, records);
    assert!(records.iter().map(|record| record.sequence).eq(1..=records.len() as u64));
    assert_eq!(read_events(dir.path(), 7).unwrap(), records[7..]);
    let kinds = kinds(dir.path());
    assert_eq!(kinds[..4], ["started", "evaluation", "checkpoint", "step"]);
    assert_eq!(kinds.last().unwrap(), "finished");
    let steps = session.training().steps();
    let count = |kind: &str| kinds.iter().filter(|found| *found == kind).count() as u64;
    assert_eq!((count("step"), count("snapshot")), (steps, 2));
    assert_eq!(count("evaluation"), 1 + steps / 5 + u64::from(!steps.is_multiple_of(5)));
    assert_eq!(count("checkpoint"), 1 + steps / 10 + u64::from(!steps.is_multiple_of(10)));
    let of_steps = session.training().trace().iter().map(|record| (u64::from(record.step), record.loss_bits));
    assert!(losses(dir.path()).into_iter().eq(of_steps));
    assert_eq!((summary.steps, summary.result_step), (steps, steps));
    assert_eq!(summary.adapter, session.training().adapter().unwrap().content_hash().unwrap());
    assert_eq!(summary.adapter, Adapter::load(dir.path(), &model()).unwrap().content_hash().unwrap());
    assert!(summary.validation_loss_before.is_some() && summary.validation_loss.is_some());
    let per_epoch: usize = session.training().dataset().training().iter().map(|sample| sample.trained_tokens()).sum();
    assert_eq!(summary.tokens, 6 * per_epoch as u64);
    assert_eq!(Snapshot::load_all(dir.path(), &model()).unwrap().len(), 2);
}

#[test]
fn numbers_of_a_step_are_sound() {
    let dir = tempfile::tempdir().unwrap();
    finish(&mut open(settings(), dir.path(), 100));
    for record in read_events(dir.path(), 0).unwrap() {
        let Event::Step(step) = record.event else { continue };
        assert!(step.tokens_per_second > 0.0 && step.eta_seconds >= 0.0 && step.positions > step.tokens, "{step:?}");
        assert!(step.epoch > 0.0 && step.epoch <= 6.0 && step.gradient_norm > 0.0, "{step:?}");
        assert_eq!(step.memory_bytes.is_some(), cfg!(target_os = "linux"));
    }
}

#[test]
fn paused_sessions_go_on_bit_for_bit_here_and_elsewhere() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = finish(&mut open(overfitting(), whole.path(), 7));
    let mut session = open(overfitting(), parts.path(), 7);
    let pause_at = |at: u64| {
        move |event: &Event| match event {
            Event::Step(step) if step.step == at => Control::Pause,
            _ => Control::Continue,
        }
    };
    assert_eq!(until(&mut session, pause_at(3)).unwrap(), Outcome::Paused);
    assert_eq!(until(&mut session, pause_at(8)).unwrap(), Outcome::Paused);
    drop(session);
    // In another process, which has to wait for the folder while somebody writes there.
    let mut session = open(overfitting(), parts.path(), 7);
    assert_eq!(session.training().steps_done(), 8);
    let busy = Session::open(start(&model(), lora(), overfitting()), parts.path(), every(7)).unwrap_err();
    assert!(matches!(busy, TrainError::Busy { .. }), "{busy}");
    // Told to pause while it evaluates: the evaluation comes after the pause.
    let mut evaluating = 0;
    let outcome = session.run(&mut |activity| {
        evaluating += usize::from(matches!(activity, Activity::Evaluating { .. }));
        if evaluating > 0 { Control::Pause } else { Control::Continue }
    });
    assert_eq!(outcome.unwrap(), Outcome::Paused);
    assert_eq!(finish(&mut session), expected);
    assert_eq!(losses(whole.path()), losses(parts.path()));
    let kinds = kinds(parts.path());
    assert_eq!(kinds.iter().filter(|kind| *kind == "paused").count(), 3);
    assert_eq!(kinds.iter().filter(|kind| *kind == "resumed").count(), 3);
    let bytes = |dir: &tempfile::TempDir| std::fs::read(dir.path().join("adapter_model.safetensors")).unwrap();
    assert_eq!(bytes(&whole), bytes(&parts));
}

#[test]
fn a_handle_stops_from_outside_and_a_cancelled_run_keeps_its_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = open(settings(), dir.path(), 4);
    session.handle().pause();
    assert_eq!(until(&mut session, |_| Control::Continue).unwrap(), Outcome::Paused);
    assert_eq!(session.training().steps_done(), 0);
    let handle = session.handle();
    let outcome = until(&mut session, |event| {
        if matches!(event, Event::Step(step) if step.step == 6) {
            handle.cancel();
        }
        Control::Continue
    });
    assert_eq!(outcome.unwrap(), Outcome::Cancelled);
    assert_eq!(kinds(dir.path()).last().unwrap(), "cancelled");
    drop(session);
    // Steps 5 and 6 are computed again and not told again.
    let mut session = open(settings(), dir.path(), 4);
    assert_eq!(session.training().steps_done(), 4);
    let summary = finish(&mut session);
    let steps: Vec<u64> = losses(dir.path()).into_iter().map(|(step, _)| step).collect();
    assert!(steps.into_iter().eq(1..=summary.steps));
}

#[test]
fn early_stopping_gives_the_best_adapter() {
    let dir = tempfile::tempdir().unwrap();
    let stopping = EarlyStopping { patience: 3, improvement_min: 0.0 };
    let mut session = open(TrainConfig { early_stopping: Some(stopping), ..overfitting() }, dir.path(), 9);
    let summary = finish(&mut session);
    let run = session.training();
    assert!(run.stopped_early() && summary.steps < run.steps(), "{summary:?}");
    assert_eq!(summary.steps, summary.result_step + 3 * 2);
    let best = run.best_evaluation().unwrap();
    assert_eq!((best.step, Some(best.loss)), (summary.result_step, summary.validation_loss));
    assert!(run.evaluations().iter().all(|other| other.step == 0 || other.loss >= best.loss));
    // The result is the adapter of that step, not the last.
    let kept = Adapter::load(dir.path(), &model()).unwrap();
    assert_ne!(kept.content_hash().unwrap(), run.adapter().unwrap().content_hash().unwrap());
    assert_eq!(kept.content_hash().unwrap(), summary.adapter);
    let mut again = start(&model(), lora(), overfitting());
    for _ in 0..best.step {
        again.step().unwrap();
    }
    assert_eq!(again.adapter().unwrap().content_hash().unwrap(), summary.adapter);
    assert_eq!(again.evaluate().unwrap(), Some(best.loss));
    let told = read_events(dir.path(), 0).unwrap();
    assert!(told.iter().any(|record| matches!(record.event,
        Event::StoppedEarly { step, best_step, .. } if (step, best_step) == (summary.steps, best.step))));
}

#[test]
fn a_checkpoint_of_no_use_is_replaced_and_so_is_what_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let expected = finish(&mut open(settings(), dir.path(), 5));
    let other = TrainConfig { seed: 1, ..settings() };
    let refused = Session::open(start(&model(), lora(), other), dir.path(), every(5)).unwrap_err();
    assert!(matches!(refused, TrainError::OtherRun { .. }), "{refused}");
    let (mut session, why) = Session::open_anew(|| Ok(start(&model(), lora(), other)), dir.path(), every(5)).unwrap();
    assert!(matches!(why, Some(TrainError::OtherRun { .. })));
    assert_ne!(finish(&mut session).adapter, expected.adapter);
    drop(session);
    assert_eq!(kinds(dir.path()).iter().filter(|kind| *kind == "started").count(), 2);
    // A best adapter that somebody changed.
    let dir = tempfile::tempdir().unwrap();
    let expected = finish(&mut open(overfitting(), dir.path(), 5));
    assert!(expected.result_step < expected.steps);
    let weights = dir.path().join(BEST_FOLDER).join(tributary_lora::WEIGHTS_FILE);
    std::fs::write(&weights, b"something else").unwrap();
    let refused = Session::open(start(&model(), lora(), overfitting()), dir.path(), every(5)).unwrap_err();
    assert!(refused.to_string().contains("best"), "{refused}");
    let (mut session, why) =
        Session::open_anew(|| Ok(start(&model(), lora(), overfitting())), dir.path(), every(5)).unwrap();
    assert!(matches!(why, Some(TrainError::DamagedCheckpoint { .. })));
    assert_eq!(finish(&mut session), expected);
}
