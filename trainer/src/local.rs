//! Training without a chain: the same recipe, samples, run, attribution and bundle, from files to a folder.

use crate::{
    config::Cadence,
    error::WorkError,
    phase::{
        Observer, report,
        train::{self, Order},
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tributary_attribution::{AttributionReport, ContributionHashes, Corpus};
use tributary_daemon::{FileError, Recipe, files::at};
use tributary_lora::{
    Estimate, LoadError, ModelConfig, Plan, Tokenizer,
    data::{CheckConfig, CheckError, TrainingFiles, read_dataset},
};
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

/// What [`train_local`] will take, from the base's configuration and the data alone; its weights are not read.
pub fn estimate_local(
    base: &Path,
    data: &[PathBuf],
    reading: &CheckConfig,
    recipe: &Recipe,
) -> Result<Estimate, LocalError> {
    recipe.check().map_err(LocalError::Recipe)?;
    let model = ModelConfig::from_dir(base).map_err(|error| WorkError::from(LoadError::from(error)))?;
    let tokenizer = Tokenizer::from_dir(base, &model).map_err(WorkError::from)?;
    let TrainingFiles { dataset, .. } = read_dataset(data, &tokenizer, &recipe.data(&model), reading)?;
    let (lora, train) = (recipe.lora(), recipe.training(dataset.training_rows()));
    let mut plan = Plan::new(&model, recipe.precision(), &lora, &train, &dataset);
    plan.is_bf16 = says_bf16(&base.join("config.json"))?;
    Ok(Estimate::new(&plan).map_err(WorkError::from)?)
}

/// Whether a configuration says that the weights beside it are bf16: `dtype`, or `torch_dtype` in older files.
fn says_bf16(path: &Path) -> Result<bool, FileError> {
    let text = fs::read(path).map_err(at(path))?;
    let config: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    Ok(["dtype", "torch_dtype"].iter().any(|key| config[key] == "bfloat16"))
}
