//! A look at training data before a run.

use super::conversation::Conversation;
use super::encode::{EncodeError, Encoder};
use super::files::{FileSamples, sample_id};
use super::pack::pack;
use super::read::{FileError, FileFormat, Place, RawRows, read_file};
use super::report::{Distribution, FileReport, Finding, Findings, Preview, Report};
use super::rows::{Mapping, RowForm, conversation};
use crate::batch::EncodedSample;
use crate::dataset::{Dataset, positions_of};
use crate::error::{DataError, TokenizerError};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use tributary_protocol::ContentHash;
use tributary_protocol::sample::Limits;

/// How files are read and what is reported.
#[derive(Clone, Debug)]
pub struct CheckConfig {
    /// How the files hold their rows; detected for each if `None`.
    pub file_format: Option<FileFormat>,
    /// What their columns mean; detected for each if `None`.
    pub form: Option<RowForm>,
    /// Columns of other names.
    pub mapping: Mapping,
    /// What one file may hold at most.
    pub limits: Limits,
    /// Part of the samples, in millionths, that is kept for validation.
    pub validation_ppm: u32,
    /// Most positions of a pack; `None` counts packs of the longest sample.
    pub packing: Option<usize>,
    /// How many conversations are shown with their trained tokens.
    pub previews: usize,
}

impl Default for CheckConfig {
    fn default() -> Self {
        Self {
            file_format: None,
            form: None,
            mapping: Mapping::default(),
            limits: Limits::DEFAULT,
            validation_ppm: 100_000,
            packing: None,
            previews: 2,
        }
    }
}

/// Why data cannot be trained on.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file's columns have no known meaning.
    #[error(
        "{path}: no known form of rows in the columns {columns}; hint: messages, conversations, instruction and output, or \
         prompt and completion are accepted; name others by --map prompt=COLUMN,completion=COLUMN"
    )]
    UnknownForm {
        /// The file.
        path: PathBuf,
        /// Its columns.
        columns: String,
    },
    /// Rows are wrong.
    #[error("{total} of {rows} rows are refused; the first: {first}; hint: mend them, or take them out of the file")]
    Refused {
        /// How many.
        total: usize,
        /// Of how many.
        rows: usize,
        /// The first of them.
        first: Finding,
    },
    /// Nothing would be trained.
    #[error(
        "none of {rows} rows has a token to train on; hint: look at the answers, or raise the longest sample of {tokens_max} tokens"
    )]
    NothingTrained {
        /// Rows.
        rows: usize,
        /// Longest sample.
        tokens_max: usize,
    },
    /// The samples cannot be divided or packed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Prompts cannot be put as the settings say.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A preview could not be written.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// Checked data: the report, and the samples that are trained on.
#[derive(Clone, Debug)]
pub struct Checked {
    pub(super) report: Report,
    pub(super) samples: Vec<EncodedSample>,
    /// For each sample, its file.
    sources: Vec<usize>,
    /// For each file, rows that are copies.
    copies: Vec<usize>,
}

impl Checked {
    /// What was found.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The samples: accepted rows with a trained token, of equal ones the first.
    pub fn samples(&self) -> &[EncodedSample] {
        &self.samples
    }

    /// The samples of each file.
    pub fn files(&self) -> Vec<FileSamples> {
        let empty = |(file, copies): (&FileReport, &usize)| FileSamples {
            path: file.path.clone(),
            samples: Vec::new(),
            copies: *copies,
        };
        let mut files: Vec<FileSamples> = self.report.files.iter().zip(&self.copies).map(empty).collect();
        for (sample, source) in self.samples.iter().zip(&self.sources) {
            files[*source].samples.push(sample.id());
        }
        files
    }

    /// Whether the data can be trained on as it is.
    ///
    /// Errors: a refused row; no row with a trained token. Cut and equal rows are no errors: they are in the report.
    pub fn verdict(&self) -> Result<(), CheckError> {
        let report = &self.report;
        if let Some(first) = report.refused.first.first() {
            return Err(CheckError::Refused { total: report.refused.total, rows: report.rows, first: first.clone() });
        }
        if self.samples.is_empty() {
            return Err(CheckError::NothingTrained { rows: report.rows, tokens_max: report.tokens_max });
        }
        Ok(())
    }

    /// The samples for a run, divided by their hashes. Errors: as [`Self::verdict`].
    pub fn into_dataset(self, validation_ppm: u32) -> Result<Dataset, CheckError> {
        self.verdict()?;
        Ok(Dataset::divide(self.samples, validation_ppm)?)
    }
}

/// A conversation, where it stands and by what hash it is known.
struct Located {
    file: usize,
    place: Place,
    id: ContentHash,
    conversation: Conversation,
}

/// Reads `files`, encodes every row and reports what a run would train on.
///
/// Errors: a file that cannot be read, or whose columns mean nothing. Rows that are wrong are in the report; see
/// [`Checked::verdict`].
pub fn check(files: &[PathBuf], encoder: &Encoder<'_>, config: &CheckConfig) -> Result<Checked, CheckError> {
    let mut checking = Checking::new(encoder, config);
    for path in files {
        let rows = read_file(path, config.file_format, &config.limits)?;
        checking.file(path, rows)?;
    }
    checking.finish()
}

struct Checking<'a> {
    encoder: &'a Encoder<'a>,
    config: &'a CheckConfig,
    report: Report,
    samples: Vec<EncodedSample>,
    sources: Vec<usize>,
    copies: Vec<usize>,
    lengths: Vec<usize>,
    /// Where each conversation stands first.
    seen: HashMap<ContentHash, (usize, Place)>,
}

impl<'a> Checking<'a> {
    fn new(encoder: &'a Encoder<'a>, config: &'a CheckConfig) -> Self {
        let report = Report {
            template: encoder.template_name().map(str::to_owned),
            tokens_max: encoder.tokens_max(),
            ..Report::default()
        };
        Self {
            encoder,
            config,
            report,
            samples: Vec::new(),
            sources: Vec::new(),
            copies: Vec::new(),
            lengths: Vec::new(),
            seen: HashMap::new(),
        }
    }

    fn file(&mut self, path: &Path, rows: RawRows) -> Result<(), CheckError> {
        let form = match self.config.form {
            Some(form) => Some(form),
            None => rows.rows.iter().find_map(|row| RowForm::detect(&row.fields, &self.config.mapping)),
        };
        let file = self.report.files.len();
        self.copies.push(0);
        self.report.files.push(FileReport { path: path.to_owned(), form, rows: rows.rows.len() + rows.faulty.len() });
        let mut refused: Vec<Finding> =
            rows.faulty.iter().map(|row| self.finding(file, row.place, row.fault.to_string())).collect();
        let mut accepted = Vec::new();
        match (form, rows.rows.first()) {
            (None, Some(first)) => {
                let columns: Vec<&str> = first.fields.keys().map(String::as_str).collect();
                return Err(CheckError::UnknownForm { path: path.to_owned(), columns: columns.join(", ") });
            }
            (Some(form), _) => {
                for row in rows.rows {
                    match conversation(&row.fields, form, &self.config.mapping) {
                        Ok(conversation) => {
                            let id = sample_id(&row.fields, &conversation);
                            accepted.push(Located { file, place: row.place, id, conversation });
                        }
                        Err(fault) => refused.push(self.finding(file, row.place, fault.to_string())),
                    }
                }
            }
            // Every row was unreadable and has been reported as such.
            (None, None) => {}
        }
        for row in accepted {
            if let Some(finding) = self.row(row)? {
                refused.push(finding);
            }
        }
        refused.sort_by_key(|finding| finding.place);
        refused.into_iter().for_each(|finding| self.report.refused.push(finding));
        self.report.rows = self.report.files.iter().map(|file| file.rows).sum();
        Ok(())
    }

    fn finding(&self, file: usize, place: Place, what: String) -> Finding {
        Finding { path: self.report.files[file].path.clone(), place, what }
    }

    /// Takes one conversation up; returns why it is refused.
    fn row(&mut self, row: Located) -> Result<Option<Finding>, CheckError> {
        let Located { file, place, id, conversation } = row;
        match self.seen.entry(conversation.meaning()) {
            Entry::Occupied(first) => {
                let (first_file, first_place) = *first.get();
                let first = match first_file == file {
                    true => first_place.to_string(),
                    false => format!("{first_place} of {}", self.report.files[first_file].path.display()),
                };
                let finding = self.finding(file, place, format!("the same as {first}"));
                self.report.duplicates.push(finding);
                self.copies[file] += 1;
                return Ok(None);
            }
            Entry::Vacant(unseen) => {
                unseen.insert((file, place));
            }
        }
        let encoded = match self.encoder.encode(&conversation) {
            Ok(encoded) => encoded,
            Err(error) => return Ok(Some(self.finding(file, place, error.to_string()))),
        };
        self.report.accepted += 1;
        self.lengths.push(encoded.tokens);
        if encoded.is_truncated() {
            let what = format!("{} tokens, cut to {}", encoded.tokens, encoded.sample.tokens().len());
            let finding = self.finding(file, place, what);
            self.report.truncated.push(finding);
        }
        if encoded.sample.trained_tokens() == 0 {
            let finding = self.finding(file, place, "no token of it is trained".into());
            self.report.untrained.push(finding);
            return Ok(None);
        }
        if self.report.preview.len() < self.config.previews {
            let path = self.report.files[file].path.clone();
            self.report.preview.push(Preview::new(path, place, &encoded.sample, self.encoder.tokenizer())?);
        }
        self.report.tokens += encoded.sample.tokens().len();
        self.report.trained_tokens += encoded.sample.trained_tokens();
        self.samples.push(encoded.sample.with_id(id));
        self.sources.push(file);
        Ok(None)
    }

    fn finish(mut self) -> Result<Checked, CheckError> {
        self.report.lengths = Distribution::of(self.lengths);
        self.report.packing = self.config.packing.unwrap_or(self.report.tokens_max.saturating_sub(1));
        self.report.packs = pack(&positions_of(&self.samples), self.report.packing).len();
        if !self.samples.is_empty() {
            let divided = Dataset::divide(self.samples.clone(), self.config.validation_ppm)?;
            self.report.training = divided.training().len();
            self.report.validation = divided.validation().len();
        }
        Ok(Checked { report: self.report, samples: self.samples, sources: self.sources, copies: self.copies })
    }
}

impl Findings {
    fn push(&mut self, finding: Finding) {
        self.total += 1;
        if self.first.len() < tributary_protocol::sample::LINE_ERRORS_MAX {
            self.first.push(finding);
        }
    }
}
