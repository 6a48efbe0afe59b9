//! Adapters kept along the way, for attribution.
//!
//! TracInCP (arXiv 2002.08484) weighs gradients at several points of the training by the learning rate there; each point
//! is a PEFT folder `snapshots/STEP` beside which `snapshot.json` keeps step and learning rate.

use crate::error::{AdapterError, TrainError};
use crate::files::write_atomically;
use crate::lora::Adapter;
use crate::model::Model;
use crate::train::{SnapshotPoint, TrainingRun};
use std::path::{Path, PathBuf};
use tributary_protocol::ContentHash;

pub(crate) const FOLDER: &str = "snapshots";
const POINT_FILE: &str = "snapshot.json";

/// An adapter as it was after one step.
#[derive(Debug)]
pub struct Snapshot {
    /// Step and learning rate.
    pub point: SnapshotPoint,
    /// The adapter.
    pub adapter: Adapter,
}

impl TrainingRun {
    /// Writes the adapter to `dir/snapshots/STEP` if the last step is one of [`TrainingRun::snapshot_points`], and returns
    /// its hash. Doing it again, after a resume, writes the same bytes.
    pub fn save_snapshot(&self, dir: &Path, base_name: &str) -> Result<Option<ContentHash>, TrainError> {
        let (Some(point), Some(adapter)) = (self.snapshot_due(), self.adapter()) else {
            return Ok(None);
        };
        save(dir, base_name, point, adapter).map(Some)
    }

    /// Makes the snapshots in `dir` those of a run whose result is `adapter`, as it was after `step`: it is the last of
    /// them, and later ones go. Doing it again changes nothing.
    pub(crate) fn end_snapshots(
        &self,
        dir: &Path,
        base_name: &str,
        step: u64,
        adapter: &Adapter,
    ) -> Result<(), TrainError> {
        for later in self.snapshot_points().into_iter().filter(|point| point.step > step) {
            let path = folder_of(dir, later.step);
            match std::fs::remove_dir_all(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(TrainError::File { path, source });
                }
                _ => {}
            }
        }
        match self.snapshot_points_until(step).pop() {
            Some(last) => save(dir, base_name, last, adapter).map(drop),
            None => Ok(()),
        }
    }
}

fn folder_of(dir: &Path, step: u64) -> PathBuf {
    dir.join(FOLDER).join(format!("{step:08}"))
}

fn save(dir: &Path, base_name: &str, point: SnapshotPoint, adapter: &Adapter) -> Result<ContentHash, TrainError> {
    let folder = folder_of(dir, point.step);
    let hash = adapter.save(&folder, base_name)?;
    let path = folder.join(POINT_FILE);
    let text = serde_json::to_vec_pretty(&point).map_err(|error| std::io::Error::other(error.to_string()));
    let written = text.and_then(|text| write_atomically(&path, &text));
    written.map_err(|source| TrainError::File { path, source })?;
    Ok(hash)
}

impl Snapshot {
    /// All snapshots in `dir`, in order of step.
    pub fn load_all(dir: &Path, model: &Model) -> Result<Vec<Self>, AdapterError> {
        let folder = dir.join(FOLDER);
        let access = |source| AdapterError::File { path: folder.clone(), source };
        let mut snapshots = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(access)? {
            let folder = entry.map_err(access)?.path();
            let path = folder.join(POINT_FILE);
            // A folder without its point was being written when the trainer stopped; the resumed run writes it again.
            if !path.is_file() {
                continue;
            }
            let text = std::fs::read(&path).map_err(|source| AdapterError::File { path: path.clone(), source })?;
            let point = serde_json::from_slice(&text)
                .map_err(|error| AdapterError::Config { reason: format!("{}: {error}", path.display()) })?;
            snapshots.push(Self { point, adapter: Adapter::load(&folder, model)? });
        }
        snapshots.sort_by_key(|snapshot| snapshot.point.step);
        Ok(snapshots)
    }
}
