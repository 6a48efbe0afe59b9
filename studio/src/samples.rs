//! From a file of any supported form to the samples of a contribution, and what a person should know about them first.

use crate::{bases::Base, index::suspects::Suspected, views::Hex, views::contributions::CommitmentView};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use tributary_daemon::contribution_of;
use tributary_lora::data::{CheckConfig, Distribution, Findings, Place, Preview, Report, RowForm, check, read_file};
use tributary_protocol::{
    ContributionId, ModelId,
    datanet::SampleCommitment,
    sample::{Limits, ParsedSamples},
};

/// Samples that a check shows with their trained tokens.
const PREVIEWS: usize = 5;

/// What a check found, for a page.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    name: String,
    bytes: u64,
    format: String,
    form: Option<String>,
    template: Option<String>,
    rows: usize,
    accepted: usize,
    refused: FindingsView,
    duplicates: FindingsView,
    truncated: FindingsView,
    untrained: FindingsView,
    tokens_max: usize,
    tokens: usize,
    trained_tokens: usize,
    training: usize,
    validation: usize,
    lengths: LengthsView,
    preview: Vec<PreviewView>,
    commitment: Option<CommitmentView>,
    /// What submitting holds: filled in by the route, which knows the chain's constants.
    pub deposit: Option<crate::views::Money>,
    is_submittable: bool,
    problem: Option<String>,
    /// A contribution that has the same samples: filled in by the route.
    pub known: Option<ContributionId>,
}

impl CheckReport {
    /// Why it cannot be a contribution.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

#[derive(Clone, Debug, Serialize)]
struct FindingsView {
    total: usize,
    first: Vec<FindingView>,
}

#[derive(Clone, Debug, Serialize)]
struct FindingView {
    place: PlaceView,
    what: String,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct PlaceView {
    kind: &'static str,
    number: u64,
}

#[derive(Clone, Debug, Serialize)]
struct LengthsView {
    min: usize,
    median: usize,
    percentile_95: usize,
    max: usize,
    buckets: Vec<BucketView>,
}

#[derive(Clone, Debug, Serialize)]
struct BucketView {
    from: usize,
    to: usize,
    rows: usize,
}

#[derive(Clone, Debug, Serialize)]
struct PreviewView {
    place: PlaceView,
    segments: Vec<SegmentView>,
}

#[derive(Clone, Debug, Serialize)]
struct SegmentView {
    text: String,
    tokens: usize,
    trained: bool,
}

/// A checked file.
pub struct Checked {
    /// For the page.
    pub report: CheckReport,
    /// The samples that a contribution of it would have; `None` if it cannot be one.
    pub samples: Option<Accepted>,
}

/// The samples of a contribution.
pub struct Accepted {
    /// What goes on chain.
    pub commitment: SampleCommitment,
    /// What goes to the data provider.
    pub canonical: Vec<u8>,
    /// Rows that say the same as an earlier one.
    pub left_out: usize,
}

/// Why a file cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum SamplesError {
    /// It cannot be read, or means nothing.
    #[error("{0}")]
    File(String),
    /// The base model cannot count tokens.
    #[error("{0}")]
    Encoder(String),
}

/// Checks a file for a base model. Blocks.
pub fn check_file(path: &Path, base: &Base, tokens_max: usize) -> Result<Checked, SamplesError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // The file lies in a folder that means nothing to whoever sent it.
    let folder = path.parent().map(|folder| format!("{}/", folder.display())).unwrap_or_default();
    let plain = |text: String| if folder.is_empty() { text } else { text.replace(&folder, "") };
    let encoder = base.encoder(tokens_max).map_err(SamplesError::Encoder)?;
    let config = CheckConfig { previews: PREVIEWS, ..CheckConfig::default() };
    let files = [PathBuf::from(path)];
    let checked = check(&files, &encoder, &config).map_err(|error| SamplesError::File(plain(error.to_string())))?;
    let problem = checked.verdict().err().map(|error| plain(error.to_string()));
    let form = checked.report().files.first().and_then(|file| file.form);
    let (samples, problem) = match (problem, form) {
        (None, Some(form)) => match accept(path, form) {
            Ok(accepted) => (Some(accepted), None),
            Err(reason) => (None, Some(plain(reason))),
        },
        (problem, _) => (None, problem),
    };
    let bytes = std::fs::metadata(path).map_or(0, |facts| facts.len());
    let format = format_name(path);
    let commitment = samples.as_ref().map(|samples| samples.commitment);
    let report = view(checked.report(), name, bytes, format, commitment, problem);
    Ok(Checked { report, samples })
}

/// The samples that the chain would accept of a file whose rows are all right.
fn accept(path: &Path, form: RowForm) -> Result<Accepted, String> {
    let rows = read_file(path, None, &Limits::DEFAULT).map_err(|error| error.to_string())?;
    let accepted = contribution_of(&rows.rows, form).map_err(|error| error.to_string())?;
    let samples = accepted.samples;
    Ok(Accepted { commitment: samples.commitment(), canonical: samples.canonical_file(), left_out: accepted.left_out })
}

fn format_name(path: &Path) -> String {
    use std::io::Read as _;
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(4_096).read_to_end(&mut start));
    let format = read.ok().and_then(|_| tributary_lora::data::FileFormat::detect(path, &start));
    let names = tributary_lora::data::FileFormat::NAMES;
    let name = format.and_then(|format| names.iter().find(|(_, known)| *known == format));
    name.map_or("unknown", |(name, _)| name).to_owned()
}

fn view(
    report: &Report,
    name: String,
    bytes: u64,
    format: String,
    commitment: Option<SampleCommitment>,
    problem: Option<String>,
) -> CheckReport {
    CheckReport {
        name,
        bytes,
        format,
        form: report.files.first().and_then(|file| file.form).map(|form| form.to_string()),
        template: report.template.as_ref().map(|_| "chat".to_owned()),
        rows: report.rows,
        accepted: report.accepted,
        refused: findings(&report.refused),
        duplicates: findings(&report.duplicates),
        truncated: findings(&report.truncated),
        untrained: findings(&report.untrained),
        tokens_max: report.tokens_max,
        tokens: report.tokens,
        trained_tokens: report.trained_tokens,
        training: report.training,
        validation: report.validation,
        lengths: lengths(&report.lengths),
        preview: report.preview.iter().map(preview).collect(),
        is_submittable: commitment.is_some(),
        commitment: commitment.map(CommitmentView::from),
        deposit: None,
        problem,
        known: None,
    }
}

fn place(place: Place) -> PlaceView {
    match place {
        Place::Line(number) => PlaceView { kind: "line", number },
        Place::Row(number) => PlaceView { kind: "row", number },
    }
}

fn findings(findings: &Findings) -> FindingsView {
    let first = findings.first.iter().map(|found| FindingView { place: place(found.place), what: found.what.clone() });
    FindingsView { total: findings.total, first: first.collect() }
}

fn lengths(lengths: &Distribution) -> LengthsView {
    let buckets =
        lengths.buckets.iter().map(|bucket| BucketView { from: bucket.from, to: bucket.to, rows: bucket.rows });
    LengthsView {
        min: lengths.min,
        median: lengths.median,
        percentile_95: lengths.percentile_95,
        max: lengths.max,
        buckets: buckets.collect(),
    }
}

fn preview(preview: &Preview) -> PreviewView {
    let segments = preview.segments.iter().map(|segment| SegmentView {
        text: segment.text.clone(),
        tokens: segment.tokens,
        trained: segment.trained,
    });
    PreviewView { place: place(preview.place), segments: segments.collect() }
}

/// One sample, for whoever may read it.
#[derive(Clone, Debug, Serialize)]
pub struct SampleView {
    index: usize,
    prompt: String,
    completion: String,
    line: String,
    hash: Hex,
    suspicion: Option<SuspicionView>,
}

/// Why a sample looks wrong: what the training of a model made of it.
#[derive(Clone, Copy, Debug, Serialize)]
struct SuspicionView {
    model: ModelId,
    score_ppm: u32,
}

/// Which samples of a file are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Those that look wrong, by their places.
    pub suspects: BTreeMap<usize, Suspected>,
    /// Whether only these.
    pub only_suspects: bool,
    /// How many to leave out first.
    pub offset: usize,
    /// How many then.
    pub limit: usize,
}

/// The samples of a contribution's file, as the chain committed to them, and how many are wanted in all.
pub fn read_committed(
    bytes: &[u8],
    commitment: &SampleCommitment,
    wanted: &Wanted,
) -> Result<(usize, Vec<SampleView>), String> {
    let parsed =
        ParsedSamples::parse_committed(bytes, commitment, &Limits::DEFAULT).map_err(|error| error.to_string())?;
    let Wanted { suspects, only_suspects, offset, limit } = wanted;
    let is_wanted = |index: &usize| !only_suspects || suspects.contains_key(index);
    let total = (0..parsed.lines().len()).filter(is_wanted).count();
    let shown = parsed.lines().iter().enumerate().filter(|(index, _)| is_wanted(index)).skip(*offset).take(*limit);
    let suspicion = |index: &usize| {
        suspects.get(index).map(|Suspected { model, score }| SuspicionView { model: *model, score_ppm: score.parts() })
    };
    let view = |(index, line): (usize, &tributary_protocol::sample::CanonicalLine)| SampleView {
        index,
        prompt: line.sample().prompt.clone(),
        completion: line.sample().completion.clone(),
        line: line.text().to_owned(),
        hash: line.hash().into(),
        suspicion: suspicion(&index),
    };
    Ok((total, shown.map(view).collect()))
}
