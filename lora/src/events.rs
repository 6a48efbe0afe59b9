//! What a session tells about its run, and the file that keeps it.
//!
//! `events.jsonl` has one JSON object a line: a number that counts up by one for as long as the folder lives, the time, and
//! the event, whose `kind` says what else is there:
//! ```text
//! {"sequence":4,"time_ms":1795253697123,"kind":"step","step":3,"steps":40,"epoch":0.3,"loss":2.41,...}
//! ```
//! Lines are only ever added. A reader that knows the last number it saw asks for those behind it ([`read_events`]) and
//! misses nothing, whatever happened to the process in between. A step that is computed again after an interruption is not
//! told a second time, for it has the same numbers; should it have others (another kind of machine went on with the run),
//! a `rewound` comes first and takes back what was told about the steps behind it.

use crate::error::TrainError;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tributary_protocol::ContentHash;

/// Name of the file.
pub const EVENTS_FILE: &str = "events.jsonl";

/// An event with its place in the stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Counts the events of a folder, from 1.
    pub sequence: u64,
    /// Milliseconds since 1970 began, by the machine's clock.
    pub time_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Flat {
            sequence: u64,
            time_ms: u64,
            #[serde(flatten)]
            event: Event,
        }
        // By way of a value: where serde_json keeps numbers of any precision, what flattening buffers would make maps of
        // fractions.
        let Flat { sequence, time_ms, event } =
            serde_json::from_value(Value::deserialize(from)?).map_err(serde::de::Error::custom)?;
        Ok(Self { sequence, time_ms, event })
    }
}

/// What happened in a run. Numbers of the clock and the machine are for people; no result depends on them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The run begins at its first step.
    Started {
        /// Steps of the whole run.
        steps: u64,
        /// Samples that are trained on.
        samples: u64,
        /// Samples that are kept for validation.
        validation_samples: u64,
        /// Parameters that are trained.
        parameters: u64,
    },
    /// The run goes on after this step.
    Resumed {
        /// Steps done.
        step: u64,
        /// Steps of the whole run.
        steps: u64,
    },
    /// What was told about steps behind this one does not count any more.
    Rewound {
        /// The last step that counts.
        step: u64,
        /// Why.
        reason: String,
    },
    /// A step is done.
    Step(StepEvent),
    /// The validation samples were looked at. A later one of the same step takes its place.
    Evaluation {
        /// Steps done.
        step: u64,
        /// Mean loss over their trained tokens, in nats.
        loss: f32,
        /// Whether it is the lowest since training began.
        best: bool,
    },
    /// The state of the run is on disk.
    Checkpoint {
        /// Steps done.
        step: u64,
    },
    /// The adapter is kept for attribution.
    Snapshot {
        /// Steps done.
        step: u64,
        /// Its hash.
        adapter: ContentHash,
    },
    /// The validation loss improves no more.
    StoppedEarly {
        /// Steps done.
        step: u64,
        /// The step with the lowest validation loss.
        best_step: u64,
        /// That loss.
        best_loss: f32,
    },
    /// The run waits, its state on disk.
    Paused {
        /// Steps done.
        step: u64,
    },
    /// The run was given up. The last checkpoint stays.
    Cancelled {
        /// Steps done.
        step: u64,
    },
    /// The run is over and its adapter on disk.
    Finished {
        /// Steps done.
        step: u64,
        /// The step whose adapter is the result.
        result_step: u64,
        /// Its hash.
        adapter: ContentHash,
        /// Its validation loss, if there are validation samples.
        validation_loss: Option<f32>,
    },
    /// The run cannot go on. The last good checkpoint and the best adapter stay.
    Failed {
        /// The step that failed, or the last that was done.
        step: u64,
        /// What went wrong, for people.
        reason: String,
        /// The samples at which it did; empty if it is not about samples.
        samples: Vec<ContentHash>,
        /// Step of the checkpoint that stays; `None` if there is none.
        checkpoint_step: Option<u64>,
    },
}

/// The numbers of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepEvent {
    /// The step, from 1.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Passes over the samples, as a fraction.
    pub epoch: f64,
    /// Mean loss over the trained tokens of the step, in nats, before it moved the parameters.
    pub loss: f32,
    /// Length of the gradient before it was shortened.
    pub gradient_norm: f32,
    /// Learning rate.
    pub learning_rate: f64,
    /// Tokens that were trained on.
    pub tokens: u64,
    /// Tokens that the model read: those, and what they were predicted from.
    pub positions: u64,
    /// `positions` by the step's seconds.
    pub tokens_per_second: f64,
    /// Memory of the process that is in use now; `None` where the system does not say.
    pub memory_bytes: Option<u64>,
    /// Seconds that the rest of the run takes if it goes on like this, evaluations included.
    pub eta_seconds: f64,
}

impl StepEvent {
    /// Whether the other tells the same about the run, whatever the clock and the machine say.
    fn agrees(&self, other: &Self) -> bool {
        let of_run = |event: &Self| {
            let rates = (event.learning_rate.to_bits(), event.loss.to_bits(), event.gradient_norm.to_bits());
            (event.step, event.steps, event.tokens, event.positions, rates)
        };
        of_run(self) == of_run(other)
    }
}

/// The events in `dir` whose number is above `after`, in order. A line that is being written is left for the next time.
pub fn read_events(dir: &Path, after: u64) -> Result<Vec<Record>, TrainError> {
    let (records, _) = parse(&dir.join(EVENTS_FILE))?;
    Ok(records.into_iter().filter(|record| record.sequence > after).collect())
}

/// The records in the file, and the length of what is whole. Lines that are no event are passed over.
fn parse(path: &Path) -> Result<(Vec<Record>, u64), TrainError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(source) => return Err(TrainError::File { path: path.into(), source }),
    };
    let mut records: Vec<Record> = Vec::new();
    let (mut at, mut whole) = (0, 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        at += line.len() as u64;
        let read = if line.ends_with(b"\n") { serde_json::from_slice::<Record>(line).ok() } else { None };
        if let Some(record) = read {
            records.push(record);
            whole = at;
        }
    }
    Ok((records, whole))
}

/// The file of a session, open for adding.
#[derive(Debug)]
pub(crate) struct EventLog {
    path: PathBuf,
    file: File,
    last: u64,
    /// Steps and evaluations that were told already and still count, by step.
    told: BTreeMap<u64, Told>,
}

#[derive(Clone, Debug, Default)]
struct Told {
    step: Option<Record>,
    evaluation: Option<Record>,
}

impl EventLog {
    /// Opens the file in `dir`, cutting off a line at its end that a killed process left half-written.
    pub(crate) fn open(dir: &Path) -> Result<Self, TrainError> {
        let path = dir.join(EVENTS_FILE);
        let access = |source| TrainError::File { path: path.clone(), source };
        std::fs::create_dir_all(dir).map_err(access)?;
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(access)?;
        // The lock goes with the process, however that ends.
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(TrainError::Busy { path }),
            // A file system without locks leaves the care to the caller.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        let (records, whole) = parse(&path)?;
        file.set_len(whole).and_then(|()| file.seek(SeekFrom::End(0))).map_err(access)?;
        let last = records.iter().map(|record| record.sequence).max().unwrap_or(0);
        let mut log = Self { path, file, last, told: BTreeMap::new() };
        records.iter().for_each(|record| log.remember(record));
        Ok(log)
    }

    /// Adds the event, after what must be taken back for it, and returns the records. One that was told before, and is
    /// computed again, is not added; its record is the first one.
    pub(crate) fn add(&mut self, event: Event) -> Result<Vec<Record>, TrainError> {
        let mut added = Vec::new();
        let (step, before) = match &event {
            Event::Step(event) => (event.step, self.told.get(&event.step).and_then(|told| told.step.clone())),
            Event::Evaluation { step, .. } => (*step, self.told.get(step).and_then(|told| told.evaluation.clone())),
            _ => (0, None),
        };
        if let Some(before) = before {
            let same = match (&event, &before.event) {
                (Event::Step(now), Event::Step(before)) => now.agrees(before),
                (now, before) => now == before,
            };
            if same {
                return Ok(vec![before]);
            }
            if matches!(event, Event::Step(_)) {
                let reason = "computed again with other numbers, on another machine or with another number of threads";
                added.push(self.append(Event::Rewound { step: step.saturating_sub(1), reason: reason.into() })?);
            }
        }
        added.push(self.append(event)?);
        Ok(added)
    }

    /// Waits until all of it is on disk.
    pub(crate) fn sync(&self) -> Result<(), TrainError> {
        self.file.sync_data().map_err(|source| TrainError::File { path: self.path.clone(), source })
    }

    fn append(&mut self, event: Event) -> Result<Record, TrainError> {
        let access = |source| TrainError::File { path: self.path.clone(), source };
        let time_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
        let record = Record { sequence: self.last + 1, time_ms, event };
        let mut line = serde_json::to_vec(&record).map_err(|error| access(std::io::Error::other(error)))?;
        line.push(b'\n');
        // One call, so that a reader sees a line as a whole or not at all where the system can do that.
        self.file.write_all(&line).map_err(access)?;
        self.last = record.sequence;
        self.remember(&record);
        Ok(record)
    }

    fn remember(&mut self, record: &Record) {
        match &record.event {
            Event::Started { .. } => self.told.clear(),
            Event::Rewound { step, .. } => {
                self.told.split_off(&(step + 1));
            }
            Event::Step(event) => self.told.entry(event.step).or_default().step = Some(record.clone()),
            Event::Evaluation { step, .. } => {
                self.told.entry(*step).or_default().evaluation = Some(record.clone());
            }
            _ => {}
        }
    }

    /// Forgets what was told about steps up to this one: they are not computed again.
    pub(crate) fn settle(&mut self, step: u64) {
        self.told = self.told.split_off(&(step + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64, loss: f32, eta_seconds: f64) -> Event {
        Event::Step(StepEvent {
            step,
            steps: 9,
            epoch: 0.1,
            loss,
            gradient_norm: 0.3,
            learning_rate: 1e-4,
            tokens: 7,
            positions: 11,
            tokens_per_second: 5.0,
            memory_bytes: Some(1 << 20),
            eta_seconds,
        })
    }

    #[test]
    fn numbers_go_on_after_a_half_written_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(EVENTS_FILE);
        let mut log = EventLog::open(dir.path()).unwrap();
        log.add(step(1, 0.1, 3.0)).unwrap();
        log.add(step(2, 0.7, 2.0)).unwrap();
        drop(log);
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..whole.len() / 2 {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(read_events(dir.path(), 0).unwrap().len(), 1);
            let record = EventLog::open(dir.path()).unwrap().add(Event::Paused { step: 1 }).unwrap().remove(0);
            assert_eq!(record.sequence, 2);
            let records = read_events(dir.path(), 1).unwrap();
            assert_eq!(records, [record]);
        }
    }

    #[test]
    fn a_step_is_told_once_and_taken_back_before_it_is_told_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = EventLog::open(dir.path()).unwrap();
        let first = log.add(step(1, 0.1, 3.0)).unwrap();
        log.add(Event::Evaluation { step: 1, loss: 0.5, best: true }).unwrap();
        log.add(step(2, 0.2, 3.0)).unwrap();
        drop(log);
        let mut log = EventLog::open(dir.path()).unwrap();
        assert_eq!(log.add(step(1, 0.1, 99.0)).unwrap(), first, "only the clock differs");
        assert_eq!(log.add(Event::Evaluation { step: 1, loss: 0.5, best: true }).unwrap()[0].sequence, 2);
        let added = log.add(step(2, 0.25, 3.0)).unwrap();
        assert!(matches!(added[0].event, Event::Rewound { step: 1, .. }));
        assert_eq!(added[1].sequence, 5);
        drop(log);
        let mut log = EventLog::open(dir.path()).unwrap();
        assert_eq!(log.add(step(2, 0.25, 1.0)).unwrap(), added[1..]);
        // What begins anew tells everything anew.
        log.add(Event::Started { steps: 9, samples: 1, validation_samples: 0, parameters: 1 }).unwrap();
        assert_eq!(log.add(step(1, 0.1, 3.0)).unwrap()[0].sequence, 7);
    }

    #[test]
    fn lines_are_flat_objects() {
        let record = Record { sequence: 4, time_ms: 5, event: step(3, 0.1, 1.0) };
        let text = serde_json::to_string(&record).unwrap();
        assert!(
            text.starts_with(r#"{"sequence":4,"time_ms":5,"kind":"step","step":3,"steps":9,"epoch":0.1,"loss":0.1"#)
        );
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }
}
