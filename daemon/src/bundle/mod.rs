//! The bundle: everything that a job made, as one file with one hash.
//!
//! ```text
//! adapter_config.json, adapter_model.safetensors   the adapter, as PEFT reads it
//! snapshots/STEP/...                               the checkpoints that attribution scored at
//! recipe.json  metrics.json  trace.json            what was asked for, measured and done, step by step
//! evidence.json  shares.json                       who shaped the model: scores, and the leaves of the contribution root
//! embeddings.bin  tangents.bin                     what answers are explained by, if the job's attribution makes it
//! ```

mod archive;
mod shares;
mod verify;

pub use archive::ArchiveError;
pub use shares::{Share, Shares};
pub use verify::{BundleMismatch, verify_bundle};

use crate::{
    files::{FileError, at, write_atomically},
    recipe::Recipe,
};
use archive::Files;
use serde::{Serialize, de::DeserializeOwned};
use std::{fs, path::Path};
use tributary_attribution::{AttributionReport, EmbeddingError, Embeddings, EvidenceError, TangentError, Tangents};
use tributary_lora::{CONFIG_FILE, WEIGHTS_FILE};
use tributary_protocol::{
    ContentHash,
    job::Metrics,
    trace::{StepRecord, trace_root},
};

const RECIPE_FILE: &str = "recipe.json";
const METRICS_FILE: &str = "metrics.json";
const TRACE_FILE: &str = "trace.json";
const EVIDENCE_FILE: &str = "evidence.json";
const SHARES_FILE: &str = "shares.json";
/// The snapshots, below an adapter's folder and in a bundle.
pub const SNAPSHOTS_FOLDER: &str = "snapshots";
/// The rows of the samples, below a job's folder and in its bundle.
pub const EMBEDDINGS_FILE: &str = "embeddings.bin";
/// The tangents of the groups, likewise.
pub const TANGENTS_FILE: &str = "tangents.bin";
const SNAPSHOT_FILES: [&str; 3] = [CONFIG_FILE, WEIGHTS_FILE, "snapshot.json"];

/// Why a bundle could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It is no archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file is missing from it.
    #[error("the bundle has no {name}")]
    Missing {
        /// The file.
        name: String,
    },
    /// A file in it cannot be read.
    #[error("{name} in the bundle cannot be read: {reason}")]
    Malformed {
        /// The file.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Its evidence does not hold.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// Its embeddings cannot be read.
    #[error(transparent)]
    Embeddings(#[from] EmbeddingError),
    /// Its tangents cannot be read.
    #[error(transparent)]
    Tangents(Box<TangentError>),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A bundle in memory.
#[derive(Clone, Debug)]
pub struct Bundle {
    files: Files,
}

/// What a bundle is made from beside the files of the adapter and the snapshots.
pub struct BundleContents<'a> {
    /// What was asked for.
    pub recipe: &'a Recipe,
    /// What was measured.
    pub metrics: &'a Metrics,
    /// What was done, step by step.
    pub trace: &'a [StepRecord],
    /// Who shaped the model, with its evidence.
    pub attribution: &'a AttributionReport,
    /// The leaves of the contribution root.
    pub shares: &'a Shares,
    /// The rows of the samples, if the attribution made any.
    pub embeddings: Option<&'a Embeddings>,
    /// The tangents of the groups, if the attribution made any.
    pub tangents: Option<&'a Tangents>,
}

impl Bundle {
    /// Collects the adapter in `folder` and the snapshots below it, and `contents`.
    pub fn collect(folder: &Path, contents: &BundleContents<'_>) -> Result<Self, BundleError> {
        let mut files = Files::new();
        let mut add = |name: String| -> Result<(), BundleError> {
            let path = folder.join(&name);
            files.insert(name, fs::read(&path).map_err(at(&path))?);
            Ok(())
        };
        for name in [CONFIG_FILE, WEIGHTS_FILE] {
            add(name.to_owned())?;
        }
        for checkpoint in &contents.attribution.checkpoints {
            for name in SNAPSHOT_FILES {
                add(format!("{SNAPSHOTS_FOLDER}/{:08}/{name}", checkpoint.step))?;
            }
        }
        for (name, bytes) in [
            (RECIPE_FILE, to_json(contents.recipe)),
            (METRICS_FILE, to_json(contents.metrics)),
            (TRACE_FILE, to_json(&contents.trace)),
            (SHARES_FILE, to_json(contents.shares)),
            (EVIDENCE_FILE, contents.attribution.to_bytes()),
        ] {
            files.insert(name.to_owned(), bytes);
        }
        let embeddings = contents.embeddings.map(|embeddings| (EMBEDDINGS_FILE, embeddings.to_bytes()));
        let tangents = contents.tangents.map(|tangents| (TANGENTS_FILE, tangents.to_bytes()));
        files.extend(embeddings.into_iter().chain(tangents).map(|(name, bytes)| (name.to_owned(), bytes)));
        Ok(Self { files })
    }

    /// Reads a bundle's bytes. Only the files of a bundle are accepted in it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        let bundle = Self { files: archive::read(bytes, belongs)? };
        for name in [CONFIG_FILE, WEIGHTS_FILE, RECIPE_FILE, METRICS_FILE, TRACE_FILE, EVIDENCE_FILE, SHARES_FILE] {
            bundle.file(name)?;
        }
        Ok(bundle)
    }

    /// Its bytes: the same for the same contents.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BundleError> {
        Ok(archive::write(&self.files)?)
    }

    /// The adapter's two files as an archive, as PEFT reads them once unpacked.
    pub fn adapter_archive(&self) -> Result<Vec<u8>, BundleError> {
        let mut files = Files::new();
        for name in [CONFIG_FILE, WEIGHTS_FILE] {
            files.insert(name.to_owned(), self.file(name)?.to_vec());
        }
        Ok(archive::write(&files)?)
    }

    /// Writes its files below `folder`, which becomes a PEFT folder.
    pub fn extract(&self, folder: &Path) -> Result<(), BundleError> {
        for (name, content) in &self.files {
            // Names were checked when the bundle was read: none leads out of the folder.
            write_atomically(&folder.join(name), content)?;
        }
        Ok(())
    }

    /// Writes the adapter's two files to `folder`, which becomes a PEFT folder without anything else.
    pub fn extract_adapter(&self, folder: &Path) -> Result<(), BundleError> {
        for name in [CONFIG_FILE, WEIGHTS_FILE] {
            write_atomically(&folder.join(name), self.file(name)?)?;
        }
        Ok(())
    }

    /// BLAKE3 of the adapter's weights.
    pub fn adapter(&self) -> Result<ContentHash, BundleError> {
        Ok(ContentHash::of(self.file(WEIGHTS_FILE)?))
    }

    /// The adapter's configuration and weights, as PEFT reads them.
    pub fn peft(&self) -> Result<(&[u8], &[u8]), BundleError> {
        Ok((self.file(CONFIG_FILE)?, self.file(WEIGHTS_FILE)?))
    }

    /// What was asked for.
    pub fn recipe(&self) -> Result<Recipe, BundleError> {
        self.json(RECIPE_FILE)
    }

    /// What was measured.
    pub fn metrics(&self) -> Result<Metrics, BundleError> {
        self.json(METRICS_FILE)
    }

    /// What was done, step by step.
    pub fn trace(&self) -> Result<Vec<StepRecord>, BundleError> {
        self.json(TRACE_FILE)
    }

    /// The root of the trace.
    pub fn trace_root(&self) -> Result<ContentHash, BundleError> {
        Ok(trace_root(self.trace()?.iter().map(StepRecord::leaf)).root)
    }

    /// The leaves of the contribution root.
    pub fn shares(&self) -> Result<Shares, BundleError> {
        self.json(SHARES_FILE)
    }

    /// The evidence of the attribution, its units checked against its own scores.
    pub fn evidence(&self) -> Result<AttributionReport, BundleError> {
        Ok(AttributionReport::from_bytes(self.file(EVIDENCE_FILE)?)?)
    }

    /// BLAKE3 of the evidence file.
    pub fn evidence_hash(&self) -> Result<ContentHash, BundleError> {
        Ok(ContentHash::of(self.file(EVIDENCE_FILE)?))
    }

    /// The rows of the samples, if the attribution made any.
    pub fn embeddings(&self) -> Result<Option<Embeddings>, BundleError> {
        let bytes = self.files.get(EMBEDDINGS_FILE);
        Ok(bytes.map(|bytes| Embeddings::from_bytes(bytes)).transpose()?)
    }

    /// The tangents of the groups, if the attribution made any.
    pub fn tangents(&self) -> Result<Option<Tangents>, BundleError> {
        let bytes = self.files.get(TANGENTS_FILE);
        bytes
            .map(|bytes| Tangents::from_bytes(bytes))
            .transpose()
            .map_err(|error| BundleError::Tangents(Box::new(error)))
    }

    fn file(&self, name: &str) -> Result<&[u8], BundleError> {
        let missing = || BundleError::Missing { name: name.to_owned() };
        self.files.get(name).map(Vec::as_slice).ok_or_else(missing)
    }

    fn json<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, BundleError> {
        serde_json::from_slice(self.file(name)?)
            .map_err(|error| BundleError::Malformed { name, reason: error.to_string() })
    }
}

/// Whether a file of this name belongs in a bundle.
fn belongs(name: &str) -> bool {
    let top = [
        CONFIG_FILE,
        WEIGHTS_FILE,
        RECIPE_FILE,
        METRICS_FILE,
        TRACE_FILE,
        EVIDENCE_FILE,
        SHARES_FILE,
        EMBEDDINGS_FILE,
        TANGENTS_FILE,
    ];
    let mut parts = name.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), None, None, None) => top.contains(&file),
        (Some(SNAPSHOTS_FOLDER), Some(step), Some(file), None) => {
            step.len() >= 8 && step.bytes().all(|byte| byte.is_ascii_digit()) && SNAPSHOT_FILES.contains(&file)
        }
        _ => false,
    }
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain records have a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bundles_own_names_belong() {
        for name in ["adapter_model.safetensors", "evidence.json", "snapshots/00000012/snapshot.json"] {
            assert!(belongs(name), "{name}");
        }
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "snapshots/../snapshot.json",
            "snapshots/00000012/x",
            "snapshots/12/snapshot.json",
        ] {
            assert!(!belongs(name), "{name}");
        }
    }
}
