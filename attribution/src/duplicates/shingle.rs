//! A text as a set of numbers: words, runs of words, hashes of runs.

use sha1::{Digest, Sha1};
use tributary_protocol::sample::Sample;

/// How many words a shingle has.
pub const SHINGLE_WORDS: usize = 3;

/// Most words of a text that counts as short, the answer's included.
pub const SHORT_WORDS: usize = 24;

/// The word that stands between a prompt and its completion. No text contains it: a line feed is a separator.
const JOINT: &str = "\n";

/// What a character is to the division into words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Belongs to the word around it.
    Letter,
    /// Is a word by itself: a sign of arithmetic, or a character of a script that is written without spaces.
    Word,
    /// Stands between words.
    Separator,
    /// Does not exist: it cannot be seen, so it must not make another word.
    Invisible,
}

/// By ranges that are written here and in `docs/protocol/duplicates.md`, not by Unicode's tables: those change from
/// version to version.
fn class(character: char) -> Class {
    match character {
        '0'..='9' | 'A'..='Z' | 'a'..='z' => Class::Letter,
        '#' | '$' | '%' | '&' | '*' | '+' | '-' | '/' | '<' | '=' | '>' | '@' | '\\' | '^' | '_' | '|' | '~' => {
            Class::Word
        }
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => Class::Invisible,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}' => Class::Invisible,
        '\0'..='\u{a9}' | '\u{ab}'..='\u{b4}' | '\u{b6}'..='\u{b9}' | '\u{bb}'..='\u{bf}' => Class::Separator,
        '\u{1680}' | '\u{2000}'..='\u{205f}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff0f}' => Class::Separator,
        '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}' => Class::Separator,
        // Thai, Lao, Tibetan, Burmese, Khmer, Chinese, Japanese.
        '\u{e00}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{2190}'..='\u{2bff}' => Class::Word,
        '\u{2e80}'..='\u{a4cf}' | '\u{f900}'..='\u{faff}' | '\u{1b000}'..='\u{3ffff}' => Class::Word,
        _ => Class::Letter,
    }
}

/// The words of a text, lower case, in one string with a space after each.
#[derive(Default)]
struct Words {
    text: String,
    /// Where each word ends in `text`, before its space.
    ends: Vec<usize>,
    /// Where the last word began.
    start: usize,
    /// How many words stand before the completion's.
    before_answer: usize,
}

impl Words {
    fn of(sample: &Sample) -> Self {
        let mut words = Self::default();
        words.read(&sample.prompt);
        let prompt = words.ends.len();
        words.text.push_str(JOINT);
        words.close();
        words.before_answer = words.ends.len();
        words.read(&sample.completion);
        if prompt == 0 && words.ends.len() == 1 { Self::default() } else { words }
    }

    fn read(&mut self, text: &str) {
        for character in text.chars() {
            match class(character) {
                Class::Letter if character < '\u{530}' => self.text.extend(character.to_lowercase()),
                Class::Letter => self.text.push(character),
                Class::Word => {
                    self.close();
                    self.text.push(character);
                    self.close();
                }
                Class::Separator => self.close(),
                Class::Invisible => {}
            }
        }
        self.close();
    }

    fn close(&mut self) {
        if self.text.len() > self.start {
            self.ends.push(self.text.len());
            self.text.push(' ');
            self.start = self.text.len();
        }
    }

    /// Runs of [`SHINGLE_WORDS`] words; all words together where there are fewer.
    fn shingles(&self) -> impl Iterator<Item = &str> {
        self.runs(SHINGLE_WORDS.min(self.ends.len()))
    }

    /// The completion's words.
    fn answer(&self) -> impl Iterator<Item = &str> {
        self.runs(1).skip(self.before_answer)
    }

    fn runs(&self, width: usize) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|end| end + 1));
        let ends = self.ends.iter().skip(width.saturating_sub(1));
        starts.zip(ends).filter_map(|(start, end)| self.text.get(start..*end))
    }
}

/// The first 32 bits, little-endian, of a shingle's SHA-1: datasketch's `sha1_hash32`.
fn number(shingle: &str) -> u32 {
    let digest: [u8; 20] = Sha1::digest(shingle.as_bytes()).into();
    let [a, b, c, d, ..] = digest;
    u32::from_le_bytes([a, b, c, d])
}

/// A word by its number, and whether it is one of letters alone: digits, signs and scripts without spaces say something by every
/// character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WordNumber {
    pub(crate) number: u32,
    pub(crate) is_plain: bool,
}

/// The words of a text of at most [`SHORT_WORDS`], in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShortText {
    pub(crate) prompt: Vec<WordNumber>,
    pub(crate) answer: Vec<WordNumber>,
}

/// A sample's sets, and its words if they are few.
pub(crate) fn read(sample: &Sample) -> (SampleSets, Option<ShortText>) {
    let words = Words::of(sample);
    let sets = SampleSets { shingles: set(words.shingles()), answer: set(words.answer()) };
    // One of them is the word between prompt and completion; a text without words has not even that.
    let is_short = (2..=SHORT_WORDS + 1).contains(&words.ends.len());
    let short = is_short.then(|| {
        let is_plain = |word: &str| word.chars().all(|one| class(one) == Class::Letter && !one.is_ascii_digit());
        let mut all = words.runs(1).map(|word| WordNumber { number: number(word), is_plain: is_plain(word) });
        let prompt = all.by_ref().take(words.before_answer - 1).collect();
        ShortText { prompt, answer: all.skip(1).collect() }
    });
    (sets, short)
}

/// A sample as two sets of ascending numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleSets {
    /// Its shingles, over prompt and completion. Empty where neither has a word.
    pub shingles: Vec<u32>,
    /// The words of its completion.
    pub answer: Vec<u32>,
}

impl SampleSets {
    /// The sets of a sample.
    ///
    /// Two words or shingles share a number by accident with a probability of 2^-32. Somebody can make them collide on
    /// purpose; that only makes their own sample look more like another. Cost: two SHA-1 for each word.
    pub fn of(sample: &Sample) -> Self {
        read(sample).0
    }

    /// The smaller of the two sets' Jaccard similarities in millionths, rounded down, if it is at least `least`, which is
    /// above zero.
    ///
    /// Both count, since many questions are asked about one long text: such samples share most of their shingles and are
    /// no copies, for their answers differ.
    pub(crate) fn similarity(&self, other: &Self, least: u32) -> Option<u32> {
        let shingles = jaccard(&self.shingles, &other.shingles, least)?;
        if self.answer.is_empty() && other.answer.is_empty() {
            return Some(shingles);
        }
        Some(shingles.min(jaccard(&self.answer, &other.answer, least)?))
    }
}

fn set<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<u32> {
    let mut numbers: Vec<u32> = texts.map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.shrink_to_fit();
    numbers
}

/// The Jaccard similarity of two ascending sets in millionths, rounded down, if it is at least `least`. Empty sets are
/// similar to nothing. Cost: the sets' lengths, less where the answer is certain before their end.
pub(crate) fn jaccard(left: &[u32], right: &[u32], least: u32) -> Option<u32> {
    const ONE: u64 = 1_000_000;
    let (sum, least) = (left.len() as u64 + right.len() as u64, u64::from(least));
    // |A ∩ B| / |A ∪ B| >= t  <=>  |A ∩ B| >= t (|A| + |B|) / (1 + t); the smaller set bounds it.
    let needed = (least * sum).div_ceil(ONE + least).max(1);
    let (mut i, mut j, mut common) = (0usize, 0usize, 0u64);
    while let (Some(a), Some(b)) = (left.get(i), right.get(j)) {
        if common + ((left.len() - i).min(right.len() - j) as u64) < needed {
            return None;
        }
        i += usize::from(a <= b);
        j += usize::from(b <= a);
        common += u64::from(a == b);
    }
    (common >= needed).then(|| u32::try_from(common * ONE / (sum - common)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn sample(prompt: &str, completion: &str) -> Sample {
        Sample { prompt: prompt.into(), completion: completion.into() }
    }

    fn words(prompt: &str, completion: &str) -> Vec<String> {
        let words = Words::of(&sample(prompt, completion));
        words.text.split_terminator(' ').map(str::to_owned).collect()
    }

    #[test]
    fn words_are_what_can_be_seen() {
        assert_eq!(words("Hello,  World!", "(It's) 3.14"), ["hello", "world", "\n", "it", "s", "3", "14"]);
        assert_eq!(words("1+1=2", "well-known"), ["1", "+", "1", "=", "2", "\n", "well", "-", "known"]);
        assert_eq!(words("so\u{ad}f\u{200b}t", "\u{feff}A"), ["soft", "\n", "a"]);
        assert_eq!(words("Émile", "Ёлка Ωμέγα"), ["émile", "\n", "ёлка", "ωμέγα"]);
        assert_eq!(words("日本語。", "«да»"), ["日", "本", "語", "\n", "да"]);
        assert_eq!(words("...", " ?"), Vec::<String>::new());
    }

    #[test]
    fn shingles_are_runs_of_words() {
        let of = |p: &str, c: &str| {
            let words = Words::of(&sample(p, c));
            words.shingles().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(of("a b", "c"), ["a b \n", "b \n c"]);
        assert_eq!(of("a", ""), ["a \n"]);
        assert!(of("", "!").is_empty());
    }

    #[test]
    fn an_answer_is_its_words() {
        let answer = |p: &str, c: &str| {
            let words = Words::of(&sample(p, c));
            words.answer().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(answer("a b", "c d, c"), ["c", "d", "c"]);
        assert_eq!(answer("", "c"), ["c"]);
        assert!(answer("a", "!").is_empty() && answer("", "!").is_empty());
        let sets = SampleSets::of(&sample("a b", "c d c"));
        assert_eq!((sets.shingles.len(), sets.answer.len()), (4, 2));
    }

    proptest! {
        #[test]
        fn jaccard_is_that_of_the_definition(
            left in prop::collection::btree_set(0u32..60, 0..40),
            right in prop::collection::btree_set(0u32..60, 0..40),
            least in 0u32..=1_000_000,
        ) {
            let common = left.intersection(&right).count() as u64;
            let union = left.union(&right).count() as u64;
            let (a, b): (Vec<u32>, Vec<u32>) = (left.into_iter().collect(), right.into_iter().collect());
            let expected = (common * 1_000_000).checked_div(union).map(|ppm| ppm as u32);
            // Compared as a fraction, not as its rounding.
            let reaches = common > 0 && common * 1_000_000 >= u64::from(least) * union;
            prop_assert_eq!(jaccard(&a, &b, least), expected.filter(|_| reaches));
        }

        #[test]
        fn any_text_gives_an_ascending_set(prompt: String, completion: String) {
            let sets = SampleSets::of(&sample(&prompt, &completion));
            for numbers in [sets.shingles, sets.answer] {
                let set: BTreeSet<u32> = numbers.iter().copied().collect();
                prop_assert_eq!(set.into_iter().collect::<Vec<_>>(), numbers);
            }
        }

        #[test]
        fn case_and_punctuation_change_nothing(prompt in "[a-z]{1,6}( [a-z]{1,6}){0,8}") {
            let shouted = prompt.to_uppercase().replace(' ', ", ") + "!";
            prop_assert_eq!(SampleSets::of(&sample(&prompt, "x")), SampleSets::of(&sample(&shouted, " x. ")));
        }
    }
}
