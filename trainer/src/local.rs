//! Training without a chain: the same recipe, samples, run, attribution and bundle, from files to a folder.

use crate::{
    config::Cadence,
    error::WorkError,
    files::{FileError, at},
    phase::{
        Observer, report,
        train::{self, Order},
    },
    recipe::Recipe,
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tributary_attribution::{AttributionReport, ContributionHashes, Corpus};
use tributary_lora::data::{CheckConfig, CheckError, TrainingFiles, read_dataset};
use tributary_protocol::{ContributionId, job::Report, recipe::RecipeFault, sum_tree::Domain};

/// Why local training did not end.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The recipe makes no sense.
    #[error("the recipe is not valid: {0}")]
    Recipe(RecipeFault),
    /// The data cannot be trained on.
    #[error(transparent)]
    Data(#[from] CheckError),
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Training, attribution or bundling failed.
    #[error(transparent)]
    Work(#[from] WorkError),
}

/// What local training made.
#[derive(Clone, Debug)]
pub struct LocalOutcome {
    /// Hashes and measurements, as a job would report them.
    pub report: Report,
    /// Which file shaped the model; file `n` (from 0) is contribution `n`.
    pub attribution: AttributionReport,
    /// Samples of each file that stood in it twice and were left out.
    pub duplicates: Vec<usize>,
    /// Where adapter, snapshots and bundle are.
    pub folder: PathBuf,
}

/// Tunes the model in `base` on `data`, files of any supported form that are read as `reading` says, by `recipe`, in
/// `folder`, which becomes a PEFT folder beside its bundle.
///
/// Stopped (by `progress`) or killed, it goes on from its last checkpoint when called again with the same arguments.
/// Blocks for as long as the training takes; `progress` is called from several threads.
pub fn train_local(
    base: &Path,
    data: &[PathBuf],
    reading: &CheckConfig,
    recipe: &Recipe,
    folder: &Path,
    cadence: Cadence,
    progress: Observer<'_>,
) -> Result<LocalOutcome, LocalError> {
    recipe.check().map_err(LocalError::Recipe)?;
    let (model, tokenizer) = train::load(base, recipe)?;
    let TrainingFiles { dataset, files, .. } = read_dataset(data, &tokenizer, &recipe.data(model.config()), reading)?;
    let duplicates = files.iter().map(|file| file.copies).collect();
    let corpus = Corpus::of_hashes((0u64..).zip(files).map(|(number, file)| ContributionHashes {
        contribution: ContributionId(number),
        contributor: [0; 32],
        samples: file.samples,
        copies: u32::try_from(file.copies).unwrap_or(u32::MAX),
    }));
    fs::create_dir_all(folder).map_err(at(folder))?;
    let base_name = base.file_name().map_or_else(|| "base".into(), |name| name.to_string_lossy().into_owned());
    let order = Order { base, base_name: &base_name, corpus: &corpus, recipe, folder, cadence };
    let trained = train::train_on(&order, model, dataset, progress)?;
    let report::Outcome { report, attribution } = report::assemble(&order, &trained, &Domain::default(), progress)?;
    Ok(LocalOutcome { report, attribution, duplicates, folder: folder.into() })
}
