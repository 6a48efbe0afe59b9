//! Files of any supported form to what a run trains on, and which samples came from which file.

use super::check::{CheckConfig, CheckError, Checked, check};
use super::conversation::Conversation;
use super::encode::Encoder;
use super::read::Fields;
use super::report::Report;
use crate::dataset::{DataConfig, Dataset};
use crate::tokenizer::Tokenizer;
use serde_json::json;
use std::path::PathBuf;
use tributary_protocol::ContentHash;
use tributary_protocol::sample::{CanonicalLine, Limits, ParsedSamples};

/// The samples of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSamples {
    /// The file.
    pub path: PathBuf,
    /// Its samples, in its order: those that a run reads, and that no earlier file holds.
    pub samples: Vec<ContentHash>,
    /// Rows that say the same as an earlier one, of this file or of another.
    pub copies: usize,
}

/// What a run trains on, from files.
#[derive(Clone, Debug)]
pub struct TrainingFiles {
    /// The samples.
    pub dataset: Dataset,
    /// The files, as they were given.
    pub files: Vec<FileSamples>,
    /// What was found in them.
    pub report: Report,
}

/// Reads `files` for a run: what [`check`] reports of them is what is trained, token for token. Samples are divided and
/// packed as `data` says; `reading` says how the files are read.
///
/// A row that is a sample as the chain keeps them has the hash that it has there, in whichever kind of file it stands: a
/// run on the same samples from the chain is the same run. See [`sample_id`].
///
/// Errors: as [`check`]; any refused row; no row with a trained token; a chat template that `data` asks for and the model
/// does not have; a sample that is longer than a pack.
pub fn read_dataset(
    files: &[PathBuf],
    tokenizer: &Tokenizer,
    data: &DataConfig,
    reading: &CheckConfig,
) -> Result<TrainingFiles, CheckError> {
    let encoder = Encoder::new(tokenizer, data)?;
    let config = CheckConfig { validation_ppm: data.validation_ppm, packing: data.packing, ..reading.clone() };
    let checked = check(files, &encoder, &config)?;
    checked.verdict()?;
    let files = checked.files();
    let Checked { report, samples, .. } = checked;
    Ok(TrainingFiles { dataset: Dataset::of(samples, data)?, files, report })
}

/// The hash by which a row is known: that of its canonical line, if the chain would accept it as a sample and read the
/// same exchange from it; else that of prompt and completion alone, if it is one exchange (columns of other names); else
/// [`Conversation::hash`].
pub fn sample_id(fields: &Fields, conversation: &Conversation) -> ContentHash {
    let Some(exchange) = conversation.sample() else { return conversation.hash() };
    let whole = canonical(serde_json::to_vec(fields)).filter(|line| *line.sample() == exchange);
    let bare = || canonical(serde_json::to_vec(&json!({"prompt": exchange.prompt, "completion": exchange.completion})));
    whole.or_else(bare).map_or_else(|| conversation.hash(), |line| line.hash())
}

fn canonical(row: serde_json::Result<Vec<u8>>) -> Option<CanonicalLine> {
    // The file's limits were kept when it was read.
    let unlimited = Limits { file_bytes: usize::MAX, line_bytes: usize::MAX, samples: 1 };
    let parsed = ParsedSamples::parse(&row.ok()?, &unlimited).ok()?;
    parsed.into_lines().pop()
}
