//! What a trainer remembers across restarts, and where it keeps what.
//!
//! ```text
//! DIR/state.json        this module's record, replaced atomically
//! DIR/journal.redb      submissions begun (see `tributary_client::Journal`)
//! DIR/node.key          the exchange node's own key
//! DIR/store/            fetched data, finished bundles
//! DIR/jobs/ID/          a job's identity, checkpoint, snapshots, adapter and report
//! DIR/shares/ID.json    who shaped the model of a reported job
//! DIR/addresses         where the exchange node listens, one address a line
//! ```
//! The record holds little, because little is needed: a phase looks at what is there and goes on. A fetched blob is not
//! fetched again, training resumes from its checkpoint, a finished report is sent as it is.

use codec::Encode;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use tributary_client::{Account, Job};
use tributary_daemon::{
    FileError,
    files::{read_if_there, remove_folder, write_atomically},
};
use tributary_protocol::{ContentHash, JobId};

/// The format of the record that this program writes and reads.
const FORMAT: u32 = 1;

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The record is not one.
    #[error("{path} is not a trainer's state: {reason}\nhint: move it away; jobs under way are then found on the chain", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The record belongs to another account.
    #[error("{path} belongs to {found}, not to {expected}\nhint: give each account its own state folder", path = path.display())]
    OtherAccount {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: Account,
        /// Whose it should be.
        expected: Account,
    },
}

/// The record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    genesis: ContentHash,
    account: Account,
    /// The job in work.
    current: Option<JobId>,
    /// Reported jobs that are not settled yet.
    reported: Vec<JobId>,
    /// Jobs that are not to be claimed again, and why.
    given_up: BTreeMap<JobId, GivenUp>,
    /// The bundles that are served.
    bundles: BTreeMap<JobId, ContentHash>,
}

/// A job that is not to be claimed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenUp {
    identity: ContentHash,
    reason: String,
}

/// What tells a job from one of the same number on a chain that was started anew with the same genesis, as development
/// chains are: who posted it, when, and for what.
pub(crate) fn identity(job: &Job) -> ContentHash {
    ContentHash::of(&(job.requester, job.posted_at, &job.spec).encode())
}

/// The state folder and its record. Every change is on disk when its function returns.
#[derive(Debug)]
pub(crate) struct State {
    folder: PathBuf,
    record: Record,
}

impl State {
    /// Opens the state in `folder` for one account on one chain. A record of another chain is of no use and is replaced.
    pub fn open(folder: &Path, genesis: [u8; 32], account: Account) -> Result<Self, StateError> {
        let path = folder.join("state.json");
        let fresh = Record {
            format: FORMAT,
            genesis: ContentHash(genesis),
            account,
            current: None,
            reported: Vec::new(),
            given_up: BTreeMap::new(),
            bundles: BTreeMap::new(),
        };
        let record = match read_if_there(&path)? {
            None => fresh,
            Some(bytes) => {
                let malformed = |reason: String| StateError::Malformed { path: path.clone(), reason };
                let record: Record = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
                if record.format != FORMAT {
                    return Err(malformed(format!("its format is {}, not {FORMAT}", record.format)));
                }
                if record.account != account {
                    return Err(StateError::OtherAccount { path, found: record.account, expected: account });
                }
                if record.genesis == fresh.genesis {
                    record
                } else {
                    tracing::warn!(chain = %record.genesis, "the state belongs to another chain; it starts anew");
                    remove_folder(&folder.join("jobs"))?;
                    fresh
                }
            }
        };
        let state = Self { folder: folder.into(), record };
        state.save()?;
        Ok(state)
    }

    /// The job in work.
    pub fn current(&self) -> Option<JobId> {
        self.record.current
    }

    /// Changes the job in work.
    pub fn set_current(&mut self, job: Option<JobId>) -> Result<(), StateError> {
        self.record.current = job;
        self.save()
    }

    /// Reported jobs that are not settled yet.
    pub fn reported(&self) -> &[JobId] {
        &self.record.reported
    }

    /// The job in work was reported; its bundle is served from now on.
    pub fn set_reported(&mut self, job: JobId, bundle: ContentHash) -> Result<(), StateError> {
        self.record.current = None;
        if !self.record.reported.contains(&job) {
            self.record.reported.push(job);
        }
        self.record.bundles.insert(job, bundle);
        self.save()
    }

    /// A reported job has ended. Its bundle goes on being served only if it was settled.
    pub fn set_ended(&mut self, job: JobId, settled: bool) -> Result<(), StateError> {
        self.record.reported.retain(|reported| *reported != job);
        if !settled {
            self.record.bundles.remove(&job);
        }
        self.save()
    }

    /// The job in work is given up for good.
    pub fn give_up(&mut self, id: JobId, job: &Job, reason: String) -> Result<(), StateError> {
        self.record.current = None;
        self.record.given_up.insert(id, GivenUp { identity: identity(job), reason });
        self.save()
    }

    /// Whether a job was given up.
    pub fn is_given_up(&self, id: JobId, job: &Job) -> bool {
        self.record.given_up.get(&id).is_some_and(|given_up| given_up.identity == identity(job))
    }

    /// Forgets what was given up before this job: those below are all over.
    pub fn forget_given_up_before(&mut self, job: JobId) -> Result<(), StateError> {
        if self.record.given_up.first_key_value().is_some_and(|(first, _)| *first < job) {
            self.record.given_up = self.record.given_up.split_off(&job);
            self.save()?;
        }
        Ok(())
    }

    /// Whether a blob is a bundle that is served.
    pub fn is_bundle(&self, blob: &[u8; 32]) -> bool {
        self.record.bundles.values().any(|bundle| bundle.0 == *blob)
    }

    /// The folder of a job's work.
    pub fn job_folder(&self, job: JobId) -> PathBuf {
        job_folder(&self.folder, job)
    }

    /// The state folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a job's work, made if absent. What lies there of another job of this number is removed.
    pub fn enter_job_folder(&self, id: JobId, job: &Job) -> Result<PathBuf, FileError> {
        let folder = self.job_folder(id);
        let (file, identity) = (folder.join("identity"), identity(job).to_string());
        if read_if_there(&file)?.is_none_or(|found| found != identity.as_bytes()) {
            remove_folder(&folder)?;
            write_atomically(&file, identity.as_bytes())?;
        }
        Ok(folder)
    }

    /// Jobs that have a folder.
    pub fn job_folders(&self) -> Vec<JobId> {
        let entries = std::fs::read_dir(self.folder.join("jobs")).into_iter().flatten();
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().map(JobId)).collect()
    }

    /// The file with a reported job's shares.
    pub fn shares_file(&self, job: JobId) -> PathBuf {
        shares_file(&self.folder, job)
    }

    /// The file with the samples of a reported job that look wrong.
    pub fn suspects_file(&self, job: JobId) -> PathBuf {
        suspects_file(&self.folder, job)
    }

    fn save(&self) -> Result<(), StateError> {
        let path = self.folder.join("state.json");
        let text = serde_json::to_vec_pretty(&self.record).expect("a record of plain fields has a JSON form");
        Ok(write_atomically(&path, &text)?)
    }
}

/// The folder of a job's work, below the state folder.
pub(crate) fn job_folder(folder: &Path, job: JobId) -> PathBuf {
    folder.join("jobs").join(job.to_string())
}

/// The file with a reported job's shares, below the state folder.
pub(crate) fn shares_file(folder: &Path, job: JobId) -> PathBuf {
    folder.join("shares").join(format!("{job}.json"))
}

/// The file with the samples of a reported job that look wrong, below the state folder.
pub(crate) fn suspects_file(folder: &Path, job: JobId) -> PathBuf {
    folder.join("suspects").join(format!("{job}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Account = Account([1; 32]);

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path(), [0; 32], ME).unwrap();
        state.set_current(Some(JobId(3))).unwrap();
        state.set_reported(JobId(3), ContentHash([7; 32])).unwrap();
        let job = crate::tests::job();
        state.give_up(JobId(4), &job, "bad data".into()).unwrap();
        let again = State::open(folder.path(), [0; 32], ME).unwrap();
        assert_eq!(again.record, state.record);
        assert!(again.is_given_up(JobId(4), &job) && again.is_bundle(&[7; 32]));
        assert_eq!((again.current(), again.reported()), (None, [JobId(3)].as_slice()));
    }

    #[test]
    fn another_account_is_refused_and_another_chain_starts_anew() {
        let folder = tempfile::tempdir().unwrap();
        State::open(folder.path(), [0; 32], ME).unwrap().set_current(Some(JobId(3))).unwrap();
        let error = State::open(folder.path(), [0; 32], Account([2; 32])).unwrap_err();
        assert!(matches!(error, StateError::OtherAccount { .. }), "{error}");
        assert_eq!(State::open(folder.path(), [9; 32], ME).unwrap().current(), None);
    }

    #[test]
    fn a_damaged_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("state.json"), b"{").unwrap();
        let error = State::open(folder.path(), [0; 32], ME).unwrap_err();
        assert!(error.to_string().contains("state.json"), "{error}");
    }

    #[test]
    fn what_was_given_up_long_ago_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path(), [0; 32], ME).unwrap();
        let job = crate::tests::job();
        state.give_up(JobId(4), &job, "a".into()).unwrap();
        state.give_up(JobId(6), &job, "b".into()).unwrap();
        state.forget_given_up_before(JobId(5)).unwrap();
        assert!(!state.is_given_up(JobId(4), &job) && state.is_given_up(JobId(6), &job));
    }

    #[test]
    fn a_job_of_the_same_number_on_a_new_chain_is_another_job() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path(), [0; 32], ME).unwrap();
        let job = crate::tests::job();
        let other = Job { posted_at: job.posted_at + 1, ..job.clone() };
        state.give_up(JobId(0), &job, "bad data".into()).unwrap();
        assert!(!state.is_given_up(JobId(0), &other));

        let work = state.enter_job_folder(JobId(0), &job).unwrap().join("report.json");
        std::fs::write(&work, b"{}").unwrap();
        state.enter_job_folder(JobId(0), &job).unwrap();
        assert!(work.exists());
        state.enter_job_folder(JobId(0), &other).unwrap();
        assert!(!work.exists());
    }
}
