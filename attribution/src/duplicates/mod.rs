//! Samples that say again what an earlier one says.
//!
//! A sample that is the same as an earlier one, or nearly, is not trained on and earns nothing. One that says much the
//! same in other words is trained on, and shares a pool with what it resembles ([`tributary_protocol::answer::share`]). What counts as what is
//! fixed here and in `docs/protocol/duplicates.md`, seeds included: everybody who has the samples finds the same.
//!
//! In four steps: texts become sets of shingles ([`SampleSets`]); sets become signatures ([`MinHash`]); signatures that agree
//! in a band are candidates; and a candidate counts by exact Jaccard similarity, the smaller of that of the shingles and
//! that of the answers' words. Short texts that are an earlier one with a few words put in are looked for by themselves. All of it
//! is arithmetic of integers.
//!
//! # What it does not find
//! - A text whose similarity in words is below [`PARAPHRASE`]: to rewrite every seventh word is enough, or most of a short
//!   answer.
//! - A few of those above it: candidates are found with the probability that [`BANDS`] and [`ROWS`] give (87 % at 0.5,
//!   98.8 % at 0.6, all but one in 10^7 at 0.8), and more rarely where somebody, who knows the seed, picks words to avoid it.

mod added;
mod cluster;
mod lsh;
mod minhash;
mod shingle;

pub use added::{ANSWER_ADDED, PROMPT_ADDED};
pub use cluster::Member;
pub use lsh::{BANDS, BUCKET_MAX, ROWS};
pub use minhash::{MinHash, PERMUTATIONS, SEED};
pub use shingle::{SHINGLE_WORDS, SHORT_WORDS, SampleSets};

use added::ShortTexts;
use cluster::UnionFind;
use lsh::Buckets;
use rayon::prelude::*;
use std::collections::{HashMap, hash_map::Entry};
use tributary_protocol::{amount::Ppm, sample::Sample};

/// From this similarity on a sample is a near copy: it is not trained on.
pub const COPY: Ppm = Ppm::from_percent(80);
/// From this similarity on a sample is a paraphrase: it is trained on, and shares a pool.
pub const PARAPHRASE: Ppm = Ppm::from_percent(50);

/// What a sample is. `of` is the place of an earlier sample that is kept, in the list that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Unlike all before it: trained on.
    Kept,
    /// The same prompt and completion, spaces around them apart: not trained on.
    ExactCopy {
        /// The sample that it copies.
        of: usize,
    },
    /// At least as similar as [`COPY`], or a short text that is an earlier one with at most [`PROMPT_ADDED`] and [`ANSWER_ADDED`]
    /// words put in: not trained on.
    NearCopy {
        /// The most similar kept sample, the first of several.
        of: usize,
        /// How similar; of a text with words put in, how much of its words the other has.
        similarity: Ppm,
    },
    /// At least as similar as [`PARAPHRASE`]: trained on, in the cluster of what it resembles.
    Paraphrase {
        /// The most similar kept sample, the first of several.
        of: usize,
        /// How similar.
        similarity: Ppm,
    },
}

impl Verdict {
    /// Whether the sample is trained on.
    pub fn is_kept(&self) -> bool {
        matches!(self, Self::Kept | Self::Paraphrase { .. })
    }

    /// How much of it an earlier kept sample says.
    pub fn similarity(&self) -> Ppm {
        match self {
            Self::Kept => Ppm::ZERO,
            Self::ExactCopy { .. } => Ppm::ONE,
            Self::NearCopy { similarity, .. } | Self::Paraphrase { similarity, .. } => *similarity,
        }
    }
}

/// What a list of samples is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Duplicates {
    /// One verdict for each sample, in the list's order.
    pub verdicts: Vec<Verdict>,
    /// The clusters of more than one kept sample, by their first member. Members are in the list's order; the contribution
    /// that registered the first of them owns the cluster.
    pub clusters: Vec<Vec<Member>>,
}

/// Finds copies and paraphrases in samples that are given in the order of registration.
///
/// The order decides who was first; the result is a function of the list, not of threads. Cost: linear in the text, with
/// at most `BANDS · BUCKET_MAX` comparisons for each sample. Memory: 4 bytes for each different shingle and word of a sample, and 700 for each sample.
pub fn find_duplicates<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Duplicates {
    let mut verdicts = Vec::new();
    // The samples that are no exact copies, with their places in the list.
    let mut distinct: Vec<(usize, &Sample)> = Vec::new();
    let mut seen: HashMap<(&str, &str), usize> = HashMap::new();
    for (index, sample) in samples.into_iter().enumerate() {
        match seen.entry((sample.prompt.trim(), sample.completion.trim())) {
            Entry::Vacant(free) => {
                free.insert(distinct.len());
                distinct.push((index, sample));
                verdicts.push(Verdict::Kept);
            }
            // The place among the distinct ones, until it is known what became of that one.
            Entry::Occupied(first) => verdicts.push(Verdict::ExactCopy { of: *first.get() }),
        }
    }
    drop(seen);
    let family = MinHash::new();
    let ((sets, short), signatures): ((Vec<SampleSets>, Vec<_>), Vec<_>) = distinct
        .par_iter()
        .map(|(_, sample)| {
            let (sets, short) = shingle::read(sample);
            let signature = (!sets.shingles.is_empty()).then(|| Box::new(family.signature(&sets.shingles)));
            ((sets, short), signature)
        })
        .unzip();
    let short = ShortTexts::new(short);
    let mut buckets = Buckets::new(&signatures);
    drop(signatures);

    let mut joined = UnionFind::new(distinct.len());
    let mut found = Vec::new();
    for (index, (place, _)) in distinct.iter().enumerate() {
        buckets.candidates(index, &mut found);
        let similar: Vec<(u32, usize)> = found
            .iter()
            .map(|other| *other as usize)
            .filter_map(|other| Some((sets[index].similarity(&sets[other], PARAPHRASE.parts())?, other)))
            .collect();
        // The first of the most similar: `max_by` would take the last.
        let best = similar.iter().rev().max_by_key(|(similarity, _)| *similarity).copied();
        let best = best.map(|(parts, other)| (distinct[other].0, Ppm::new(parts).unwrap_or(Ppm::ONE)));
        if let Some((of, similarity)) = best.filter(|(_, similarity)| *similarity >= COPY) {
            verdicts[*place] = Verdict::NearCopy { of, similarity };
            continue;
        }
        let added = short.earlier(index).map(|(other, similarity)| (distinct[other].0, similarity));
        if let Some((of, similarity)) = added.into_iter().find(|(of, _)| verdicts[*of].is_kept()) {
            verdicts[*place] = Verdict::NearCopy { of, similarity };
            continue;
        }
        if let Some((of, similarity)) = best {
            verdicts[*place] = Verdict::Paraphrase { of, similarity };
            similar.iter().for_each(|(_, other)| joined.join(index, *other));
        }
        buckets.keep(index);
    }
    for index in 0..verdicts.len() {
        if let Verdict::ExactCopy { of } = verdicts[index] {
            let first = distinct[of].0;
            // A copy of a near copy is a copy of what that one copies.
            let of = if let Verdict::NearCopy { of, .. } = verdicts[first] { of } else { first };
            verdicts[index] = Verdict::ExactCopy { of };
        }
    }

    let mut members: Vec<Vec<Member>> = vec![Vec::new(); distinct.len()];
    for (index, (place, _)) in distinct.iter().enumerate() {
        if verdicts[*place].is_kept() {
            let member = Member { sample: *place, similarity: verdicts[*place].similarity() };
            members[joined.first(index)].push(member);
        }
    }
    members.retain(|members| members.len() > 1);
    Duplicates { verdicts, clusters: members }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
