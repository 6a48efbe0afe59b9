//! The training tokens with their suffix array: built, written, read back with checks.

use crate::{Corpus, error::SpanError};
use libsais::SuffixArrayConstruction;
use std::{
    io::{Read, Write},
    ops::Range,
};
use tributary_lora::Dataset;
use tributary_protocol::{ContentHash, ContributionId};

const MAGIC: [u8; 8] = *b"tribspan";
const FORMAT: u32 = 1;
/// The BLAKE3 context of [`SpanIndex::corpus`].
const CORPUS_CONTEXT: &str = "tributary.network 2026-11 span-corpus v1";
/// Token ids are below this: the largest vocabularies have 2^18.
pub const TOKEN_MAX: u32 = 1 << 24;
/// Symbols, samples' ends included, are fewer than this: positions are 31 bits.
pub const SYMBOLS_MAX: usize = (1 << 31) - 1;
/// What stands behind every sample: no answer has it, so no match crosses it. Token `t` is the symbol `t + 1`.
const END: u32 = 0;

/// A sample as it was trained on.
#[derive(Clone, Copy, Debug)]
pub struct IndexedSample<'a> {
    /// Its hash.
    pub sample: ContentHash,
    /// The contribution it belongs to.
    pub contribution: ContributionId,
    /// Its tokens.
    pub tokens: &'a [u32],
}

/// Where a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The sample's place in the index.
    pub index: u32,
    /// The sample.
    pub sample: ContentHash,
    /// The contribution it belongs to.
    pub contribution: ContributionId,
    /// The token's place in the sample, from 0.
    pub offset: u32,
}

/// A sample's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    sample: ContentHash,
    contribution: ContributionId,
    tokens: u32,
}

impl Entry {
    const BYTES: usize = 32 + 8 + 4;

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..32].copy_from_slice(&self.sample.0);
        bytes[32..40].copy_from_slice(&self.contribution.0.to_le_bytes());
        bytes[40..].copy_from_slice(&self.tokens.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let (mut sample, mut contribution, mut tokens) = ([0; 32], [0; 8], [0; 4]);
        sample.copy_from_slice(&bytes[..32]);
        contribution.copy_from_slice(&bytes[32..40]);
        tokens.copy_from_slice(&bytes[40..]);
        let contribution = ContributionId(u64::from_le_bytes(contribution));
        Self { sample: ContentHash(sample), contribution, tokens: u32::from_le_bytes(tokens) }
    }
}

/// The tokens that a model was trained on, sorted so that any sequence is found in `O(length + log n)` steps.
///
/// Memory: 8 bytes for each token, in a file as in memory. The file is read whole rather than mapped: its checks touch
/// every byte, so a mapping would save nothing and could change under the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanIndex {
    entries: Vec<Entry>,
    /// Where each sample begins in `symbols`, and where the last ends.
    starts: Vec<u32>,
    symbols: Vec<u32>,
    suffixes: Vec<u32>,
    /// For each symbol the first of the suffixes that begin with it; one more at the end.
    firsts: Vec<u32>,
    corpus: ContentHash,
}

impl SpanIndex {
    /// Sorts the suffixes of `samples`. The order of the samples is part of what [`Self::corpus`] binds.
    ///
    /// Cost: linear in the tokens (SA-IS). Memory while it runs: 12 bytes for each token.
    /// Errors: a token id of [`TOKEN_MAX`] or more; [`SYMBOLS_MAX`] or more symbols.
    pub fn build<'a>(samples: impl IntoIterator<Item = IndexedSample<'a>>) -> Result<Self, SpanError> {
        let (mut entries, mut symbols) = (Vec::new(), Vec::new());
        for IndexedSample { sample, contribution, tokens } in samples {
            if symbols.len() + tokens.len() >= SYMBOLS_MAX {
                return Err(SpanError::TooLarge { limit: SYMBOLS_MAX });
            }
            for token in tokens {
                if *token >= TOKEN_MAX {
                    return Err(SpanError::Token { sample, token: *token, limit: TOKEN_MAX });
                }
                symbols.push(*token + 1);
            }
            symbols.push(END);
            entries.push(Entry { sample, contribution, tokens: tokens.len() as u32 });
        }
        let suffixes = sort_suffixes(&symbols)?;
        Ok(Self::assemble(entries, symbols, suffixes))
    }

    /// The index of the samples that a model was trained on.
    ///
    /// Errors: as [`Self::build`]; a sample that no contribution of `corpus` holds.
    pub fn of_dataset(dataset: &Dataset, corpus: &Corpus) -> Result<Self, SpanError> {
        let mut samples = Vec::with_capacity(dataset.training().len());
        for sample in dataset.training() {
            let owner = corpus.owner(&sample.id()).map_err(|_| SpanError::Unowned { sample: sample.id() })?;
            let part = corpus.parts().get(owner).ok_or(SpanError::Unowned { sample: sample.id() })?;
            let (sample, tokens) = (sample.id(), sample.tokens());
            samples.push(IndexedSample { sample, contribution: part.contribution, tokens });
        }
        Self::build(samples)
    }

    /// What follows from the entries, the symbols and their order.
    fn assemble(entries: Vec<Entry>, symbols: Vec<u32>, suffixes: Vec<u32>) -> Self {
        let mut starts = Vec::with_capacity(entries.len() + 1);
        let mut start = 0;
        for entry in &entries {
            starts.push(start);
            start += entry.tokens + 1;
        }
        starts.push(start);
        let alphabet = symbols.iter().max().map_or(0, |largest| *largest as usize + 1);
        let mut firsts = vec![0u32; alphabet + 1];
        symbols.iter().for_each(|symbol| firsts[*symbol as usize + 1] += 1);
        for symbol in 0..alphabet {
            firsts[symbol + 1] += firsts[symbol];
        }
        let corpus = corpus_hash(&entries, &symbols);
        Self { entries, starts, symbols, suffixes, firsts, corpus }
    }

    /// BLAKE3 of what is indexed: samples, their contributions and tokens, in their order.
    pub fn corpus(&self) -> ContentHash {
        self.corpus
    }

    /// How many samples are indexed.
    pub fn samples(&self) -> usize {
        self.entries.len()
    }

    /// How many tokens are indexed, samples' ends apart.
    pub fn tokens(&self) -> u64 {
        (self.symbols.len() - self.entries.len()) as u64
    }

    /// How often a token stands in the samples.
    pub fn count(&self, token: u32) -> u64 {
        self.suffixes_of(token).len() as u64
    }

    /// Where a position of `symbols` is; `None` behind the last sample.
    pub(crate) fn place(&self, position: u32) -> Option<Place> {
        let index = self.starts.partition_point(|start| *start <= position).checked_sub(1)?;
        let entry = self.entries.get(index)?;
        let offset = position - self.starts.get(index)?;
        Some(Place { index: index as u32, sample: entry.sample, contribution: entry.contribution, offset })
    }

    /// Where in the order of suffixes those stand that begin with a token.
    pub(crate) fn suffixes_of(&self, token: u32) -> Range<usize> {
        let symbol = token as usize + 1;
        match (self.firsts.get(symbol), self.firsts.get(symbol + 1)) {
            (Some(from), Some(to)) => *from as usize..*to as usize,
            _ => 0..0,
        }
    }

    /// The symbols from the suffix at a place of the order on.
    pub(crate) fn suffix(&self, rank: usize) -> &[u32] {
        self.suffixes.get(rank).and_then(|position| self.symbols.get(*position as usize..)).unwrap_or_default()
    }

    /// The position of the suffix at a place of the order.
    pub(crate) fn position(&self, rank: usize) -> Option<u32> {
        self.suffixes.get(rank).copied()
    }

    /// Writes the file: see `docs/protocol/spans.md`.
    pub fn write(&self, to: &mut dyn Write) -> Result<(), SpanError> {
        let mut hasher = blake3::Hasher::new();
        let mut put = |bytes: &[u8]| -> Result<(), SpanError> {
            hasher.update(bytes);
            Ok(to.write_all(bytes)?)
        };
        put(&MAGIC)?;
        put(&FORMAT.to_le_bytes())?;
        put(&(self.entries.len() as u32).to_le_bytes())?;
        put(&(self.symbols.len() as u32).to_le_bytes())?;
        put(&self.corpus.0)?;
        for entry in &self.entries {
            put(&entry.to_bytes())?;
        }
        for numbers in [&self.symbols, &self.suffixes] {
            for chunk in numbers.chunks(1 << 14) {
                put(&chunk.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())?;
            }
        }
        let hash = hasher.finalize();
        Ok(to.write_all(hash.as_bytes())?)
    }

    /// Reads a file, and checks that it is whole and holds what it says: its form, the hash of its corpus, its own hash,
    /// that samples end where they should and that every suffix stands in it once.
    ///
    /// That the suffixes are in order is left to [`Self::is_sorted`]: where they are not, spans are missed and places
    /// miscounted, but none is invented.
    pub fn read(from: &mut dyn Read) -> Result<Self, SpanError> {
        let mut from = Hashed { from, hasher: blake3::Hasher::new() };
        if from.array()? != MAGIC {
            return Err(SpanError::Magic);
        }
        let format = u32::from_le_bytes(from.array()?);
        if format != FORMAT {
            return Err(SpanError::Format { found: format, expected: FORMAT });
        }
        let samples = u32::from_le_bytes(from.array()?) as usize;
        let symbols = u32::from_le_bytes(from.array()?) as usize;
        if symbols > SYMBOLS_MAX || samples > symbols {
            return Err(SpanError::Damaged { what: "counts" });
        }
        let corpus = ContentHash(from.array()?);
        let bytes = from.bytes(samples * Entry::BYTES)?;
        let entries: Vec<Entry> = bytes.as_chunks().0.iter().map(Entry::from_bytes).collect();
        let symbols = from.numbers(symbols)?;
        let suffixes = from.numbers(symbols.len())?;
        let hash = *from.hasher.finalize().as_bytes();
        if from.array()? != hash {
            return Err(SpanError::Damaged { what: "hash" });
        }
        if from.from.read(&mut [0])? != 0 {
            return Err(SpanError::Damaged { what: "length" });
        }
        check(&entries, &symbols, &suffixes)?;
        let index = Self::assemble(entries, symbols, suffixes);
        if index.corpus != corpus {
            return Err(SpanError::Damaged { what: "corpus hash" });
        }
        Ok(index)
    }

    /// Whether the suffixes are in order. Linear: a suffix is in its place if its first symbol is not smaller than that of
    /// the one before and, where the two are the same, what follows them is in order too.
    pub fn is_sorted(&self) -> bool {
        // One more than the rank of each suffix; zero for the empty one at the end, which comes first.
        let mut ranks = vec![0u32; self.symbols.len() + 1];
        for (rank, position) in (1u32..).zip(&self.suffixes) {
            ranks[*position as usize] = rank;
        }
        let key = |position: u32| (self.symbols[position as usize], ranks[position as usize + 1]);
        self.suffixes.windows(2).all(|pair| key(pair[0]) < key(pair[1]))
    }
}

/// What [`SpanIndex::read`] needs before anything is computed from it.
fn check(entries: &[Entry], symbols: &[u32], suffixes: &[u32]) -> Result<(), SpanError> {
    let mut rest = symbols;
    for entry in entries {
        let Some((tokens, [END, after @ ..])) = rest.split_at_checked(entry.tokens as usize) else {
            return Err(SpanError::Damaged { what: "sample ends" });
        };
        if tokens.iter().any(|symbol| *symbol == END || *symbol > TOKEN_MAX) {
            return Err(SpanError::Damaged { what: "tokens" });
        }
        rest = after;
    }
    if !rest.is_empty() {
        return Err(SpanError::Damaged { what: "sample ends" });
    }
    let mut seen = vec![false; symbols.len()];
    for position in suffixes {
        match seen.get_mut(*position as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(SpanError::Damaged { what: "suffixes" }),
        }
    }
    Ok(())
}

/// Binds samples, contributions and tokens.
fn corpus_hash(entries: &[Entry], symbols: &[u32]) -> ContentHash {
    let mut hasher = blake3::Hasher::new_derive_key(CORPUS_CONTEXT);
    hasher.update(&(entries.len() as u64).to_le_bytes());
    entries.iter().for_each(|entry| {
        hasher.update(&entry.to_bytes());
    });
    for chunk in symbols.chunks(1 << 14) {
        hasher.update(&chunk.iter().flat_map(|symbol| symbol.to_le_bytes()).collect::<Vec<u8>>());
    }
    ContentHash(*hasher.finalize().as_bytes())
}

fn sort_suffixes(symbols: &[u32]) -> Result<Vec<u32>, SpanError> {
    if symbols.is_empty() {
        return Ok(Vec::new());
    }
    // Symbols are at most 2^24 and positions below 2^31, so both fit an i32.
    let mut text: Vec<i32> = symbols.iter().map(|symbol| *symbol as i32).collect();
    let sorted = SuffixArrayConstruction::for_text_mut(&mut text).in_owned_buffer32().single_threaded().run();
    let sorted = sorted.map_err(|error| SpanError::Sort { reason: error.to_string() })?.into_vec();
    Ok(sorted.into_iter().map(|position| position as u32).collect())
}

/// Reads and hashes.
struct Hashed<'a> {
    from: &'a mut dyn Read,
    hasher: blake3::Hasher,
}

impl Hashed<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], SpanError> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes)?;
        self.hasher.update(&bytes);
        Ok(bytes)
    }

    /// Grows with what is there, so that a wrong count allocates nothing.
    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, SpanError> {
        let mut bytes = Vec::new();
        if (&mut *self.from).take(count as u64).read_to_end(&mut bytes)? < count {
            return Err(SpanError::Damaged { what: "length" });
        }
        self.hasher.update(&bytes);
        Ok(bytes)
    }

    fn numbers(&mut self, count: usize) -> Result<Vec<u32>, SpanError> {
        let bytes = self.bytes(count * 4)?;
        Ok(bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
    }
}
