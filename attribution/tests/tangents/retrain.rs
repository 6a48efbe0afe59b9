//! Retrains: which runs they are, and what is left of them after a stop or a kill.

use crate::{Task, go_on};
use std::{
    ops::ControlFlow,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tributary_attribution::{
    GroupSettings, Groups, RetrainProgress, RetrainRecipe, Retrainer, TangentError, TangentSettings, Tangents,
    parameters,
};
use tributary_lora::{Adapter, EarlyStopping, EncodedSample, TrainConfig};

const FOLDER: &str = "TRIBUTARY_TEST_FOLDER";

fn runs(task: &Task) -> Vec<Vec<bool>> {
    let groups = task.groups(6);
    (0..6).map(|out| groups.included(|group| group != out)).collect()
}

#[test]
fn other_samples_that_pack_into_fewer_rows_are_trained_to_their_last_step() {
    let mut task = Task::new();
    let positions = task.dataset.training()[0].positions();
    task.dataset = task.dataset.clone().packed(2 * positions).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let retrainer = task.retrainer(folder.path(), 1);
    // Half as long: four fit into a row instead of two.
    let shorter = |sample: &EncodedSample| {
        EncodedSample::new(sample.id(), sample.tokens()[..=positions / 2].to_vec(), sample.trained_ranges()[0].start)
    };
    let other = retrainer.with_samples(task.dataset.training().iter().map(shorter).collect()).unwrap();
    assert!(other.steps() < retrainer.steps(), "{} {}", other.steps(), retrainer.steps());
    let included = vec![true; task.dataset.training().len()];
    assert_eq!(other.run(&[included], &go_on).unwrap().len(), 1);
    assert!(retrainer.with_samples(task.dataset.training()[1..].to_vec()).is_err());
}

#[test]
fn with_all_samples_it_is_the_run_itself() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let all = vec![true; task.dataset.training().len()];
    let retrained = task.retrainer(folder.path(), 1).run(&[all], &go_on).unwrap().remove(0);
    assert_eq!(retrained.adapter, task.result().content_hash().unwrap());
    assert_eq!(parameters(&retrained.load(&task.model).unwrap()).unwrap(), parameters(&task.result()).unwrap());
}

#[test]
fn without_anybody_it_is_the_adapter_that_changes_nothing() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let retrained = task.retrainer(folder.path(), 1).run(&[vec![false; 24]], &go_on).unwrap().remove(0);
    let start = Adapter::new(&task.model, task.lora.clone(), 5).unwrap();
    assert_eq!(retrained.adapter, start.content_hash().unwrap());
    // So one group, of one sample even, has a tangent as well.
    let one = Groups::new(task.dataset.training(), None, GroupSettings { count: 1, seed: 0 }).unwrap();
    let tangents = task.tangents(folder.path(), &one, 2);
    assert_eq!((tangents.groups().count(), tangents.has_halves()), (1, true));
}

#[test]
fn it_stops_at_the_step_of_the_result_and_asks_for_no_evaluations() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let training = TrainConfig {
        evaluation_steps: 2,
        early_stopping: Some(EarlyStopping { patience: 1, improvement_min: 0.0 }),
        keep_best: true,
        ..task.training
    };
    let recipe = RetrainRecipe { training: &training, result_step: Some(7), ..task.recipe() };
    let retrainer = Retrainer::new(recipe, folder.path(), 1).unwrap();
    let steps = AtomicU64::new(0);
    let count = |progress: RetrainProgress| {
        steps.fetch_max(progress.steps_done, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let all = vec![true; 24];
    let early = retrainer.run(std::slice::from_ref(&all), &count).unwrap();
    assert_eq!(steps.load(Ordering::Relaxed), 7);
    let whole = task.retrainer(folder.path(), 1).run(&[all], &go_on).unwrap();
    assert_ne!(early, whole);
    for step in [0, 19] {
        let recipe = RetrainRecipe { result_step: Some(step), ..task.recipe() };
        let error = Retrainer::new(recipe, folder.path(), 1).unwrap_err();
        assert!(matches!(error, TangentError::ResultStep { steps: 18, .. }), "{error}");
    }
}

#[test]
fn several_at_once_give_the_bits_of_one_after_the_other() {
    let task = Task::new();
    let (one, three) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hashes = |folder: &Path, parallel| -> Vec<_> {
        let retrained = task.retrainer(folder, parallel).run(&runs(&task), &go_on).unwrap();
        retrained.into_iter().map(|retrained| retrained.adapter).collect()
    };
    let expected = hashes(one.path(), 1);
    assert_eq!(hashes(three.path(), 3), expected);
    assert!(expected.iter().all(|hash| expected.iter().filter(|other| *other == hash).count() == 1));
}

#[test]
fn what_is_stopped_goes_on_and_what_is_finished_stays() {
    let task = Task::new();
    let (folder, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let runs = runs(&task);
    let expected = task.retrainer(whole.path(), 1).run(&runs, &go_on).unwrap();
    let total = 6 * 18;
    let done = AtomicU64::new(0);
    let mut rounds = 0;
    let found = loop {
        let (stop_after, began) = (25, done.load(Ordering::Relaxed));
        let observer = |progress: RetrainProgress| {
            done.store(began + progress.steps_done, Ordering::Relaxed);
            if progress.steps_done >= stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match task.retrainer(folder.path(), 1).run(&runs, &observer) {
            Ok(found) => break found,
            Err(TangentError::Stopped) => rounds += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(rounds < 20);
    };
    let adapters = |retrained: &[tributary_attribution::Retrained]| -> Vec<_> {
        retrained.iter().map(|retrained| retrained.adapter).collect()
    };
    assert_eq!(adapters(&found), adapters(&expected));
    assert_eq!((rounds, done.load(Ordering::Relaxed)), (4, total), "no step is done twice");
    // Done already: nothing is trained.
    let nothing = |progress: RetrainProgress| {
        assert_eq!(progress.steps_done, 0);
        ControlFlow::Continue(())
    };
    assert_eq!(task.retrainer(folder.path(), 1).run(&runs, &nothing).unwrap(), found);
    // A damaged one is trained again.
    std::fs::write(found[2].folder.join(tributary_lora::WEIGHTS_FILE), b"not an adapter").unwrap();
    assert_eq!(task.retrainer(folder.path(), 1).run(&runs, &go_on).unwrap(), found);
}

#[test]
fn groups_of_other_samples_and_bad_settings_are_refused() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let retrainer = task.retrainer(folder.path(), 1);
    let others = Groups::new(&task.queries, None, GroupSettings::default()).unwrap();
    let train = |groups: &Groups, settings| Tangents::train(&retrainer, &task.result(), groups, settings, &go_on);
    let error = train(&others, TangentSettings::default()).unwrap_err();
    assert!(matches!(error, TangentError::OtherSamples), "{error}");
    let bad = TangentSettings { halves: 2, ridge: 0.0, ..Default::default() };
    let error = train(&task.groups(2), bad).unwrap_err();
    assert!(matches!(error, TangentError::Settings(_)), "{error}");
    let error = retrainer.run(&[vec![true; 23]], &go_on).unwrap_err();
    assert!(matches!(error, TangentError::Included { found: 23, samples: 24 }), "{error}");
}

/// What the killed processes do; nothing when it is run as a test.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let task = Task::new();
    task.retrainer(Path::new(&folder), 2).run(&runs(&task), &go_on).unwrap();
}

fn spawn(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["retrain::child", "--exact", "--test-threads=1"]).env(FOLDER, folder);
    command.env("RAYON_NUM_THREADS", "1").stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_killed_process_leaves_what_is_finished() {
    let task = Task::new();
    let (folder, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let began = Instant::now();
    assert!(spawn(whole.path()).wait().unwrap().success());
    let needed = began.elapsed();
    for round in 1..=5u32 {
        let mut child = spawn(folder.path());
        std::thread::sleep(Duration::min(needed * round / 8, Duration::from_secs(5)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(spawn(folder.path()).wait().unwrap().success());
    let adapters = |folder: &Path| -> Vec<_> {
        let steps = |progress: RetrainProgress| {
            assert_eq!(progress.steps_done, 0, "all of them are finished");
            ControlFlow::Continue(())
        };
        let retrained = task.retrainer(folder, 1).run(&runs(&task), &steps).unwrap();
        retrained.into_iter().map(|retrained| retrained.adapter).collect()
    };
    assert_eq!(adapters(folder.path()), adapters(whole.path()));
}
