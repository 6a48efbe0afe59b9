//! A run's events for whoever watches it: kept beyond the job's folder, read from any place on.

use crate::state::job_folder;
use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};
use tributary_daemon::{
    FileError,
    files::{at, read_if_there, write_atomically},
};
use tributary_lora::{EVENTS_FILE, Record};
use tributary_protocol::JobId;

/// An event as it stands in the file, with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub sequence: u64,
    /// Whether nothing follows it.
    pub is_last: bool,
    /// One JSON object, without a line end.
    pub text: String,
}

/// Keeps the events of a job whose folder is about to be removed.
pub(crate) fn keep(state_dir: &Path, job: JobId) -> Result<(), FileError> {
    match read_if_there(&job_folder(state_dir, job).join(EVENTS_FILE))? {
        Some(bytes) => write_atomically(&kept_file(state_dir, job), &bytes),
        None => Ok(()),
    }
}

fn kept_file(state_dir: &Path, job: JobId) -> PathBuf {
    state_dir.join("events").join(format!("{job}.jsonl"))
}

/// A reader of a job's events that remembers where it is.
#[derive(Debug)]
pub(crate) struct Tail {
    places: [PathBuf; 2],
    /// Bytes read, all of whole lines.
    read: u64,
    /// The number of the last event that was given out, or asked not to be.
    after: u64,
}

impl Tail {
    /// Of the events above number `after`.
    pub fn new(state_dir: &Path, job: JobId, after: u64) -> Self {
        let places = [job_folder(state_dir, job).join(EVENTS_FILE), kept_file(state_dir, job)];
        Self { places, read: 0, after }
    }

    /// What has come since the last call; `None` if the job has no events here.
    ///
    /// The file only grows, and keeps its bytes when the job's folder goes. A line that is being written is left for the
    /// next call, and a line that is no event is passed over.
    pub fn next(&mut self) -> Result<Option<Vec<Line>>, FileError> {
        for path in &self.places {
            let mut file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(at(path)(error)),
            };
            // Begun anew by another lease: what is told comes under higher numbers, or is the same.
            if file.metadata().map_err(at(path))?.len() < self.read {
                self.read = 0;
            }
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(self.read)).and_then(|_| file.read_to_end(&mut bytes)).map_err(at(path))?;
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            self.read += whole as u64;
            return Ok(Some(bytes[..whole].split(|byte| *byte == b'\n').filter_map(|line| self.line(line)).collect()));
        }
        Ok(None)
    }

    fn line(&mut self, line: &[u8]) -> Option<Line> {
        let record: Record = serde_json::from_slice(line).ok()?;
        if record.sequence <= self.after {
            return None;
        }
        self.after = record.sequence;
        let is_last = matches!(record.event, tributary_lora::Event::Finished { .. });
        Some(Line { sequence: record.sequence, is_last, text: String::from_utf8(line.to_vec()).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const JOB: JobId = JobId(3);

    fn event(sequence: u64, kind: &str) -> String {
        format!("{{\"sequence\":{sequence},\"time_ms\":1,\"kind\":\"{kind}\",\"step\":{sequence}}}\n")
    }

    #[test]
    fn a_tail_gives_whole_lines_once_and_goes_on_when_the_folder_goes() {
        let state = tempfile::tempdir().unwrap();
        let mut tail = Tail::new(state.path(), JOB, 1);
        assert_eq!(tail.next().unwrap(), None);
        let folder = job_folder(state.path(), JOB);
        std::fs::create_dir_all(&folder).unwrap();
        let mut file = File::create(folder.join(EVENTS_FILE)).unwrap();
        file.write_all(format!("{}{}{}", event(1, "checkpoint"), "damaged\n", event(2, "paused")).as_bytes()).unwrap();
        let third = event(3, "checkpoint");
        file.write_all(&third.as_bytes()[..10]).unwrap();
        let numbers = |lines: Vec<Line>| lines.into_iter().map(|line| line.sequence).collect::<Vec<_>>();
        assert_eq!(numbers(tail.next().unwrap().unwrap()), [2]);
        assert!(numbers(tail.next().unwrap().unwrap()).is_empty());
        file.write_all(&third.as_bytes()[10..]).unwrap();
        keep(state.path(), JOB).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        assert_eq!(numbers(tail.next().unwrap().unwrap()), [3]);
        assert_eq!(numbers(Tail::new(state.path(), JOB, 0).next().unwrap().unwrap()), [1, 2, 3]);
        assert_eq!(Tail::new(state.path(), JobId(4), 0).next().unwrap(), None);
    }
}
