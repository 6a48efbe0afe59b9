//! Which parts of an answer stand word for word in what the model was trained on.

use super::{
    index::{Place, SpanIndex},
    rarity::information,
};
use std::{cmp::Reverse, ops::Range};
use tributary_protocol::amount::Ppm;

/// An answer, as tokens.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The tokens.
    pub tokens: &'a [u32],
    /// For each token whether a word begins with it. Spans are then whole words. `None`: any token may begin a span.
    pub word_starts: Option<&'a [bool]>,
    /// For each token whether it ends a sentence. Spans then do not go beyond it. `None`: none does.
    pub sentence_ends: Option<&'a [bool]>,
}

impl<'a> Answer<'a> {
    /// An answer of which only the tokens are known.
    pub fn new(tokens: &'a [u32]) -> Self {
        Self { tokens, word_starts: None, sentence_ends: None }
    }
}

/// How many spans are shown, and of how many places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanLimits {
    /// The part of the answer's tokens that bounds the number of spans, rounded up.
    pub spans: Ppm,
    /// Shorter spans are left out.
    pub tokens_min: usize,
    /// At most this many places of each span.
    pub places_max: usize,
}

impl SpanLimits {
    /// OLMoTrace's: 5 % of the tokens, ten places; spans of at least two tokens.
    pub const DEFAULT: Self = Self { spans: Ppm::from_percent(5), tokens_min: 2, places_max: 10 };
}

impl Default for SpanLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A part of an answer that stands in the training samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The answer's tokens.
    pub tokens: Range<usize>,
    /// The sum of the tokens' information, in 2^-16 of a bit: the rarer, the more.
    pub information: u64,
    /// How often it stands in the samples.
    pub count: u64,
    /// Some of the places where it stands, by sample and offset.
    pub places: Vec<Place>,
}

/// The rarest spans of an answer, most information first; longer before shorter and then earlier before later.
///
/// Source: OLMoTrace, arXiv 2504.07096, section 3: maximal spans that stand in the training data, of which those of the
/// lowest unigram probability are kept. Here the logarithm of that probability is an integer, and the places of a frequent
/// span are taken evenly from the sorted suffixes instead of at random, so that everybody gets the same.
///
/// Cost: one binary search for each token of the answer, two for each span that is kept.
pub fn find_spans(index: &SpanIndex, answer: &Answer<'_>, limits: &SpanLimits) -> Vec<Span> {
    let count = u64::from(limits.spans.parts()) * answer.tokens.len() as u64;
    let kept = usize::try_from(count.div_ceil(u64::from(Ppm::ONE.parts()))).unwrap_or(usize::MAX);
    let mut totals = Vec::with_capacity(answer.tokens.len() + 1);
    let mut total = 0;
    totals.push(total);
    for token in answer.tokens {
        total += information(index.count(*token), index.tokens());
        totals.push(total);
    }
    let mut ranked: Vec<(u64, Range<usize>)> = maximal_spans(index, answer)
        .into_iter()
        .filter(|span| span.len() >= limits.tokens_min)
        .map(|span| (totals[span.end] - totals[span.start], span))
        .collect();
    ranked.sort_unstable_by_key(|(information, span)| (Reverse(*information), Reverse(span.len()), span.start));
    ranked.truncate(kept);
    let span = |(information, tokens): (u64, Range<usize>)| {
        let found = occurrences(index, &answer.tokens[tokens.clone()]);
        let (count, places) = (found.len() as u64, places(index, found, limits.places_max));
        Span { tokens, information, count, places }
    };
    ranked.into_iter().map(span).collect()
}

/// The spans of an answer that stand in the training samples, are whole words within a sentence, and are part of no longer
/// such span; by their place in the answer.
pub fn maximal_spans(index: &SpanIndex, answer: &Answer<'_>) -> Vec<Range<usize>> {
    let tokens = answer.tokens;
    let says = |list: Option<&[bool]>, at: usize, otherwise: bool| {
        list.map_or(otherwise, |list| list.get(at).copied().unwrap_or(otherwise))
    };
    let mut sentence_end = vec![tokens.len(); tokens.len()];
    for at in (0..tokens.len()).rev() {
        if says(answer.sentence_ends, at, false) {
            sentence_end[at] = at + 1;
        } else if let Some(next) = sentence_end.get(at + 1).copied() {
            sentence_end[at] = next;
        }
    }
    let mut spans = Vec::new();
    let mut covered = 0;
    for start in 0..tokens.len() {
        if !says(answer.word_starts, start, true) {
            continue;
        }
        let mut end = (start + longest_match(index, &tokens[start..])).min(sentence_end[start]);
        while end > start && end < tokens.len() && !says(answer.word_starts, end, true) {
            end -= 1;
        }
        // Ends never fall as starts rise, so a span that ends no later than one before it is part of that one.
        if end > covered && end > start {
            spans.push(start..end);
            covered = end;
        }
    }
    spans
}

/// How many symbols of a suffix are an answer's tokens, from the `known`th on.
fn common(tokens: &[u32], suffix: &[u32], known: usize) -> usize {
    let rest = tokens.iter().zip(suffix).skip(known);
    known + rest.take_while(|(token, symbol)| token.checked_add(1) == Some(**symbol)).count()
}

/// How many of the first tokens stand somewhere in a sample, in this order.
///
/// A binary search for where the tokens would stand among the suffixes. It ends between the two that are most like them,
/// and has compared with both, or they are outside the suffixes that begin with the first token and share nothing. What
/// both bounds share with the tokens, everything between them shares too, and is not compared again.
fn longest_match(index: &SpanIndex, tokens: &[u32]) -> usize {
    let Some(first) = tokens.first() else { return 0 };
    let range = index.suffixes_of(*first);
    let (mut low, mut high) = (range.start, range.end);
    let (mut low_common, mut high_common, mut longest) = (0, 0, usize::from(!range.is_empty()));
    while low < high {
        let middle = low + (high - low) / 2;
        let suffix = index.suffix(middle);
        let same = common(tokens, suffix, low_common.min(high_common));
        longest = longest.max(same);
        match (tokens.get(same), suffix.get(same)) {
            (None, _) => return same,
            (Some(token), Some(symbol)) if token.saturating_add(1) < *symbol => (high, high_common) = (middle, same),
            _ => (low, low_common) = (middle + 1, same),
        }
    }
    longest
}

/// Where in the order of suffixes those stand that begin with all the tokens.
fn occurrences(index: &SpanIndex, tokens: &[u32]) -> Range<usize> {
    let Some(first) = tokens.first() else { return 0..0 };
    let range = index.suffixes_of(*first);
    // Whether a suffix comes before all those that begin with the tokens, or, with `equal`, is one of them.
    let before = |rank: usize, equal: bool| {
        let suffix = index.suffix(rank);
        let same = common(tokens, suffix, 0);
        match (tokens.get(same), suffix.get(same)) {
            (None, _) => equal,
            (Some(token), Some(symbol)) => *symbol < token.saturating_add(1),
            (Some(_), None) => true,
        }
    };
    let bound = |mut low: usize, mut high: usize, equal: bool| {
        while low < high {
            let middle = low + (high - low) / 2;
            if before(middle, equal) { low = middle + 1 } else { high = middle }
        }
        low
    };
    let from = bound(range.start, range.end, false);
    from..bound(from, range.end, true)
}

/// At most `most` places, evenly from the order of suffixes, by sample and offset.
fn places(index: &SpanIndex, found: Range<usize>, most: usize) -> Vec<Place> {
    let count = found.len().min(most);
    let rank = |number: usize| found.start + (number as u128 * found.len() as u128 / count as u128) as usize;
    let mut places: Vec<Place> = (0..count).filter_map(|number| index.place(index.position(rank(number))?)).collect();
    places.sort_unstable_by_key(|place| (place.index, place.offset));
    places
}
