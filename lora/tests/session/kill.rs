//! kill -9 at any moment, in a process of its own.
//!
//! The test starts itself again with a folder in the environment; that process trains there and is killed.

use crate::{dataset, every, lora, losses, model_config};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tributary_lora::{
    Adapter, BEST_FOLDER, Control, EarlyStopping, Event, LoraConfig, Model, Outcome, Precision, Session, TrainConfig,
    TrainingRun, WEIGHTS_FILE, read_events,
};
use tributary_protocol::ContentHash;

const FOLDER: &str = "TRIBUTARY_TEST_FOLDER";
const VARIANT: &str = "TRIBUTARY_TEST_VARIANT";
const VARIANTS: usize = 5;
const ROUNDS: usize = 50;

/// The run of a variant, and the steps between its checkpoints.
fn variant(index: usize) -> (TrainingRun, u64) {
    let settings = TrainConfig { epochs: 4, batch_size: 4, learning_rate: 3e-2, snapshots: 2, ..Default::default() };
    let best = TrainConfig { keep_best: true, evaluation_steps: 1, ..settings };
    let stopping = Some(EarlyStopping { patience: 3, improvement_min: 0.0 });
    let (settings, lora, precision, checkpoint_steps) = match index {
        0 => (settings, lora(), Precision::F32, 1),
        1 => {
            let settings = TrainConfig { neftune_alpha: Some(5.0), ..settings };
            (settings, LoraConfig { dropout: 0.2, ..lora() }, Precision::F32, 3)
        }
        2 => (best, lora(), Precision::F32, 2),
        3 => {
            let settings = TrainConfig { early_stopping: stopping, evaluation_steps: 2, epochs: 30, ..best };
            (settings, LoraConfig { dropout: 0.1, ..lora() }, Precision::F32, 4)
        }
        _ => {
            let settings = TrainConfig { activation_checkpointing: true, evaluation_steps: 3, ..best };
            let lora = LoraConfig { dropout: 0.2, weight_decomposed: true, ..lora() };
            (settings, lora, Precision::Nf4Double, 2)
        }
    };
    let model = Arc::new(Model::random(model_config(), 4).unwrap().with_precision(precision).unwrap());
    let adapter = Adapter::new(&model, lora, 5).unwrap();
    (TrainingRun::new(model, adapter, dataset(), settings).unwrap(), checkpoint_steps)
}

/// What the killed processes do; nothing when it is run as a test.
#[test]
fn child() {
    let (Ok(folder), Ok(index)) = (std::env::var(FOLDER), std::env::var(VARIANT)) else { return };
    let (run, checkpoint_steps) = variant(index.parse().unwrap());
    let mut session = Session::open(run, Path::new(&folder), every(checkpoint_steps)).unwrap();
    let outcome = session.run(&mut |_| Control::Continue).unwrap();
    assert!(matches!(outcome, Outcome::Finished(_)));
}

fn spawn(folder: &Path, variant: usize) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["kill::child", "--exact", "--test-threads=1"]).env(FOLDER, folder).env(VARIANT, variant.to_string());
    command.env("RAYON_NUM_THREADS", "1").stdout(Stdio::null()).spawn().unwrap()
}

fn complete(folder: &Path, variant: usize) {
    assert!(spawn(folder, variant).wait().unwrap().success(), "variant {variant}");
}

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// After so long.
    After(Duration),
    /// When a file is being written in the folder.
    Writing,
    /// When the best adapter is being written.
    WritingBest,
    /// When so many events are told.
    Told(usize),
}

/// Starts the variant in the folder and kills it; says whether that came before its end.
fn kill(folder: &Path, variant: usize, moment: Moment) -> bool {
    let began = Instant::now();
    let mut child = spawn(folder, variant);
    let reached = || match moment {
        Moment::After(delay) => began.elapsed() >= delay,
        Moment::Writing => has_temporary(folder),
        Moment::WritingBest => has_temporary(&folder.join(BEST_FOLDER)),
        Moment::Told(count) => {
            let bytes = std::fs::read(folder.join(tributary_lora::EVENTS_FILE)).unwrap_or_default();
            bytes.iter().filter(|byte| **byte == b'\n').count() >= count
        }
    };
    while !reached() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    // No exit code: the signal came first.
    child.wait().unwrap().code().is_none()
}

fn has_temporary(folder: &Path) -> bool {
    !temporaries(folder).is_empty()
}

/// Files that are being written, or were when their process was killed.
fn temporaries(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".tmp")).collect()
}

fn hash(folder: &Path) -> ContentHash {
    ContentHash::of(&std::fs::read(folder.join(WEIGHTS_FILE)).unwrap())
}

struct Reference {
    hash: ContentHash,
    losses: Vec<(u64, u32)>,
    duration: Duration,
    events: usize,
}

#[test]
fn fifty_killed_runs_give_the_adapter_of_an_uninterrupted_one() {
    let references: Vec<Reference> = (0..VARIANTS)
        .map(|index| {
            let dir = tempfile::tempdir().unwrap();
            let began = Instant::now();
            complete(dir.path(), index);
            let (duration, events) = (began.elapsed(), read_events(dir.path(), 0).unwrap());
            let stopped = events.iter().any(|record| matches!(record.event, Event::StoppedEarly { .. }));
            assert_eq!(stopped, index == 3, "variant {index}");
            Reference { hash: hash(dir.path()), losses: losses(dir.path()), duration, events: events.len() }
        })
        .collect();
    let (mut kills, mut writing, mut writing_best) = (0, 0, 0);
    for round in 0..ROUNDS {
        let (index, dir) = (round % VARIANTS, tempfile::tempdir().unwrap());
        let reference = &references[index];
        for attempt in 0..3 {
            // Spread over the length of a run; the moments differ from round to round.
            let part = ((round * 37 + attempt * 61) % 100) as u32;
            let moment = match (round / VARIANTS + attempt) % 4 {
                0 => Moment::Writing,
                1 => Moment::After(reference.duration * part / 100),
                2 if index >= 2 => Moment::WritingBest,
                _ => Moment::Told(reference.events * part as usize / 100),
            };
            let killed = kill(dir.path(), index, moment);
            kills += usize::from(killed);
            writing += usize::from(has_temporary(dir.path()));
            writing_best += usize::from(has_temporary(&dir.path().join(BEST_FOLDER)));
        }
        complete(dir.path(), index);
        assert_eq!(hash(dir.path()), reference.hash, "round {round}, variant {index}");
        assert_eq!(losses(dir.path()), reference.losses, "round {round}, variant {index}");
        let records = read_events(dir.path(), 0).unwrap();
        assert!(records.iter().map(|record| record.sequence).eq(1..=records.len() as u64));
        assert!(matches!(records.last().unwrap().event, Event::Finished { .. }));
        assert_eq!(temporaries(dir.path()), Vec::<String>::new(), "what killed processes left is removed");
    }
    println!(
        "{ROUNDS} of {ROUNDS} equal; {kills} kills, {writing} amid a checkpoint, {writing_best} amid a best adapter"
    );
    // Else the test looked at nothing.
    assert!(kills >= ROUNDS && writing > 0 && writing_best > 0, "{kills} {writing} {writing_best}");
}
