//! What a check found, for people and for programs.

use super::read::Place;
use super::rows::RowForm;
use crate::batch::EncodedSample;
use crate::error::TokenizerError;
use crate::tokenizer::Tokenizer;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// Widest bar of the histogram, in characters.
const BAR_WIDTH: usize = 40;
/// Longest stretch of a preview that is not trained, in characters; the middle of longer ones is left out.
const UNTRAINED_CHARACTERS: usize = 240;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The files.
    pub files: Vec<FileReport>,
    /// The chat template; `None`: the plain frame of question and answer.
    pub template: Option<String>,
    /// Rows of all files.
    pub rows: usize,
    /// Rows that could be encoded, equal ones counted once.
    pub accepted: usize,
    /// Rows that are wrong.
    pub refused: Findings,
    /// Rows that say the same as an earlier one; they are left out.
    pub duplicates: Findings,
    /// Rows that are longer than the limit; they are cut.
    pub truncated: Findings,
    /// Rows without a trained token; they are left out.
    pub untrained: Findings,
    /// Longest sample in tokens.
    pub tokens_max: usize,
    /// Tokens of the accepted rows before they are cut.
    pub lengths: Distribution,
    /// Tokens of the samples.
    pub tokens: usize,
    /// Those of them that are trained.
    pub trained_tokens: usize,
    /// Samples that are trained on.
    pub training: usize,
    /// Samples that are kept for validation.
    pub validation: usize,
    /// Packs of at most `packing` positions that hold all samples.
    pub packs: usize,
    /// Most positions of a pack; a sample takes one less than it has tokens.
    pub packing: usize,
    /// The first samples, with what is trained.
    pub preview: Vec<Preview>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileReport {
    /// The file.
    pub path: PathBuf,
    /// What its columns mean; `None` if no row could be read.
    pub form: Option<RowForm>,
    /// Its rows.
    pub rows: usize,
}

/// Something about a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// Where the row stands.
    pub place: Place,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.path.display(), self.place, self.what)
    }
}

/// Findings of one kind: all are counted, the first are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// How many there are.
    pub total: usize,
    /// The first of them.
    pub first: Vec<Finding>,
}

/// Lengths in tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Distribution {
    /// The shortest.
    pub min: usize,
    /// Half are at most as long.
    pub median: usize,
    /// 95 of 100 are at most as long.
    pub percentile_95: usize,
    /// The longest.
    pub max: usize,
    /// How many are how long; no gaps, the last is not empty.
    pub buckets: Vec<Bucket>,
}

/// Lengths from a power of two to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// The shortest that counts.
    pub from: usize,
    /// The longest that counts.
    pub to: usize,
    /// How many there are.
    pub rows: usize,
}

impl Distribution {
    /// The distribution of `lengths`.
    pub fn of(mut lengths: Vec<usize>) -> Self {
        lengths.sort_unstable();
        let (Some(&min), Some(&max)) = (lengths.first(), lengths.last()) else { return Self::default() };
        // Nearest rank: the smallest length that at least this part of all does not exceed.
        let rank = |hundredths: usize| lengths[(lengths.len() * hundredths).div_ceil(100).max(1) - 1];
        let bucket = |length: usize| (length.max(1)).ilog2();
        let buckets = (bucket(min)..=bucket(max))
            .map(|power| Bucket {
                from: if power == 0 { 0 } else { 1 << power },
                to: (2 << power) - 1,
                rows: lengths.iter().filter(|length| bucket(**length) == power).count(),
            })
            .collect();
        Self { min, median: rank(50), percentile_95: rank(95), max, buckets }
    }
}

/// A sample's text, cut where training begins and ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The file.
    pub path: PathBuf,
    /// Where the row stands.
    pub place: Place,
    /// The text.
    pub segments: Vec<Segment>,
}

/// A stretch of tokens that are all trained, or all not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// Its text, with special tokens.
    pub text: String,
    /// How many tokens it has.
    pub tokens: usize,
    /// Whether they are trained.
    pub trained: bool,
}

impl Preview {
    pub(super) fn new(
        path: PathBuf,
        place: Place,
        sample: &EncodedSample,
        tokenizer: &Tokenizer,
    ) -> Result<Self, TokenizerError> {
        let mut cuts = Vec::new();
        let mut at = 0;
        for range in sample.trained_ranges() {
            cuts.extend([(at..range.start, false), (range.clone(), true)]);
            at = range.end;
        }
        cuts.push((at..sample.tokens().len(), false));
        let segment = |(range, trained): (std::ops::Range<usize>, bool)| {
            let text = tokenizer.decode_all(&sample.tokens()[range.clone()])?;
            Ok(Segment { text, tokens: range.len(), trained })
        };
        let segments =
            cuts.into_iter().filter(|(range, _)| !range.is_empty()).map(segment).collect::<Result<_, _>>()?;
        Ok(Self { path, place, segments })
    }
}

impl fmt::Display for Preview {
    /// What is trained stands between `«` and `»`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            if segment.trained {
                write!(f, "«{}»", segment.text)?;
            } else {
                f.write_str(&shortened(&segment.text))?;
            }
        }
        Ok(())
    }
}

fn shortened(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= UNTRAINED_CHARACTERS {
        return text.to_owned();
    }
    let half = UNTRAINED_CHARACTERS / 2;
    let end = &characters[characters.len() - half..];
    characters[..half].iter().chain(&[' ', '…', ' ']).chain(end).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            let form = file.form.map_or("unreadable".to_owned(), |form| form.to_string());
            writeln!(f, "{}: {} rows, {form}", file.path.display(), file.rows)?;
        }
        writeln!(f, "template    {}", self.template.as_deref().unwrap_or("none: plain question and answer"))?;
        writeln!(f, "rows        {}, of which {} are usable", self.rows, self.accepted - self.untrained.total)?;
        writeln!(f, "samples     {} to train, {} to validate", self.training, self.validation)?;
        let part = 100.0 * self.trained_tokens as f64 / self.tokens.max(1) as f64;
        writeln!(f, "tokens      {}, of which {} ({part:.1} %) are trained", self.tokens, self.trained_tokens)?;
        writeln!(f, "packs       {} of at most {} positions", self.packs, self.packing)?;
        for (name, findings) in [
            ("refused", &self.refused),
            ("equal", &self.duplicates),
            ("cut", &self.truncated),
            ("untrained", &self.untrained),
        ] {
            writeln!(f, "{name:10}  {}", findings.total)?;
            for finding in &findings.first {
                writeln!(f, "  {finding}")?;
            }
            if findings.total > findings.first.len() {
                writeln!(f, "  and {} more", findings.total - findings.first.len())?;
            }
        }
        let Distribution { min, median, percentile_95, max, buckets } = &self.lengths;
        write!(f, "length      {min} to {max} tokens, median {median}, 95 % up to {percentile_95}")?;
        let highest = buckets.iter().map(|bucket| bucket.rows).max().unwrap_or_default().max(1);
        for Bucket { from, to, rows } in buckets {
            // A row is never shown as none.
            let bar = "#".repeat((rows * BAR_WIDTH).div_ceil(highest));
            write!(f, "\n{from:>7} - {to:<7} {rows:>8}  {bar}")?;
        }
        for preview in &self.preview {
            write!(f, "\n\n{} {}, trained between « and »:\n{preview}", preview.path.display(), preview.place)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_powers_of_two_without_gaps() {
        let lengths = Distribution::of(vec![3, 1, 17, 2, 16]);
        let buckets: Vec<_> = lengths.buckets.iter().map(|bucket| (bucket.from, bucket.to, bucket.rows)).collect();
        assert_eq!(buckets, [(0, 1, 1), (2, 3, 2), (4, 7, 0), (8, 15, 0), (16, 31, 2)]);
        assert_eq!((lengths.min, lengths.median, lengths.percentile_95, lengths.max), (1, 3, 17, 17));
        assert_eq!(Distribution::of(Vec::new()), Distribution::default());
        assert_eq!(Distribution::of(vec![0]).buckets, [Bucket { from: 0, to: 1, rows: 1 }]);
    }

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let lengths = Distribution::of((1..=100).collect());
        assert_eq!((lengths.median, lengths.percentile_95), (50, 95));
        assert_eq!(Distribution::of(vec![7, 8]).median, 7);
    }
}
