//! Short texts that are an earlier one with a few words put in.
//!
//! "So, when is the fair of Oldton, please?" says what "When is the fair of Oldton?" says, and three words in a row tell
//! little of so few words: one that is put in takes three shingles away and adds three. Of short texts a word more is looked
//! for by itself: every way to leave a few words out is tried, against the whole texts of all others.

use super::shingle::{ShortText, WordNumber};
use rayon::prelude::*;
use tributary_protocol::amount::Ppm;

/// Most words more in the prompt, which are at most half as many as those of the earlier prompt.
pub const PROMPT_ADDED: usize = 2;
/// Most words more in an answer that has any.
pub const ANSWER_ADDED: usize = 1;

/// Odd, so that multiplying by it loses nothing.
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// The short texts of a list, by what they say.
pub(crate) struct ShortTexts {
    texts: Vec<Option<ShortText>>,
    /// The hashes of whole texts, ascending, each with the first that has it.
    whole: Vec<(u64, u32)>,
    /// For each text those that it may be with a few words put in, ascending.
    candidates: Vec<Vec<u32>>,
}

impl ShortTexts {
    /// Cost: for a text of `p` words in the prompt and `a` in the answer `p² / 2 · (a + 1)` look-ups, at most 1,200.
    pub(crate) fn new(texts: Vec<Option<ShortText>>) -> Self {
        let hash = |(index, text): (u32, &Option<ShortText>)| {
            let ShortText { prompt, answer } = text.as_ref()?;
            Some((join(Prefixes::new(prompt).whole(), Prefixes::new(answer).whole()), index))
        };
        let mut whole: Vec<(u64, u32)> = (0u32..).zip(&texts).filter_map(hash).collect();
        whole.sort_unstable();
        // Of texts that have the same words only the first can have been kept.
        whole.dedup_by_key(|(hash, _)| *hash);
        let mut texts = Self { texts, whole, candidates: Vec::new() };
        texts.candidates = texts.texts.par_iter().enumerate().map(|(index, _)| texts.search(index)).collect();
        texts
    }

    /// Earlier texts that text `index` is with a few words put in, and how much of its words they have; the earliest first.
    pub(crate) fn earlier(&self, index: usize) -> impl Iterator<Item = (usize, Ppm)> {
        let candidates = self.candidates.get(index).into_iter().flatten().map(|other| *other as usize);
        candidates.filter_map(move |other| {
            let (long, short) = (self.texts.get(index)?.as_ref()?, self.texts.get(other)?.as_ref()?);
            long.adds_to(short).then(|| (other, long.part_of(short)))
        })
    }

    /// By hashes alone.
    fn search(&self, index: usize) -> Vec<u32> {
        let Some(Some(text)) = self.texts.get(index) else { return Vec::new() };
        let (prompts, answers) = (without(&text.prompt, PROMPT_ADDED), without(&text.answer, ANSWER_ADDED));
        let keys = prompts.iter().flat_map(|prompt| answers.iter().map(|answer| join(*prompt, *answer)));
        let place = |key: u64| self.whole.binary_search_by_key(&key, |(hash, _)| *hash).ok();
        let found = keys.filter_map(place).filter_map(|place| self.whole.get(place)).map(|(_, other)| *other);
        let mut found: Vec<u32> = found.filter(|other| (*other as usize) < index).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl ShortText {
    /// Whether this is `earlier` with a few words put in.
    fn adds_to(&self, earlier: &Self) -> bool {
        let of_prompt = added(&self.prompt, &earlier.prompt);
        let of_answer = added(&self.answer, &earlier.answer);
        let Some((of_prompt, of_answer)) = of_prompt.zip(of_answer) else { return false };
        let is_few = of_prompt <= PROMPT_ADDED.min(earlier.prompt.len() / 2);
        is_few && of_answer <= ANSWER_ADDED.min(earlier.answer.len())
    }

    /// How many words the earlier text has of every million of this one.
    fn part_of(&self, earlier: &Self) -> Ppm {
        let parts = earlier.words() * 1_000_000 / self.words().max(1);
        u32::try_from(parts).ok().and_then(Ppm::new).unwrap_or(Ppm::ONE)
    }

    fn words(&self) -> usize {
        self.prompt.len() + self.answer.len()
    }
}

/// How many words `long` has more than `short`, if it is `short` with words put in.
///
/// The first place for each word is as good as any other: what fits behind a later one fits behind the first.
fn added(long: &[WordNumber], short: &[WordNumber]) -> Option<usize> {
    let mut rest = short.iter().peekable();
    for word in long {
        if rest.next_if(|next| next.number == word.number).is_none() && !word.is_plain {
            return None;
        }
    }
    rest.peek().is_none().then(|| long.len() - short.len())
}

/// The hashes of `words` without up to `most` of them, in every way; the whole one first.
fn without(words: &[WordNumber], most: usize) -> Vec<u64> {
    let prefixes = Prefixes::new(words);
    let mut hashes = vec![prefixes.whole()];
    let plain = || (0..words.len()).filter(|place| words[*place].is_plain);
    if most > 0 {
        hashes.extend(plain().map(|one| prefixes.without(&[one])));
    }
    if most > 1 {
        hashes.extend(
            plain()
                .flat_map(|one| plain().take_while(move |two| *two < one).map(move |two| [two, one]))
                .map(|both| prefixes.without(&both)),
        );
    }
    hashes
}

/// Hashes of a list's beginnings, from which those of the list without some words follow: polynomials modulo 2^64.
struct Prefixes {
    hashes: Vec<u64>,
    /// Powers of [`BASE`].
    powers: Vec<u64>,
}

impl Prefixes {
    fn new(words: &[WordNumber]) -> Self {
        let (mut hashes, mut powers) = (vec![1u64], vec![1u64]);
        for (place, word) in words.iter().enumerate() {
            hashes.push(hashes[place].wrapping_mul(BASE).wrapping_add(u64::from(word.number)));
            powers.push(powers[place].wrapping_mul(BASE));
        }
        Self { hashes, powers }
    }

    fn whole(&self) -> u64 {
        self.hashes[self.hashes.len() - 1]
    }

    /// That of the list without the words at `places`, which ascend.
    fn without(&self, places: &[usize]) -> u64 {
        let (mut hash, mut from) = (1u64, 0);
        for to in places.iter().copied().chain([self.hashes.len() - 1]) {
            let power = self.powers[to - from];
            let between = self.hashes[to].wrapping_sub(self.hashes[from].wrapping_mul(power));
            hash = hash.wrapping_mul(power).wrapping_add(between);
            from = to + 1;
        }
        hash
    }
}

fn join(prompt: u64, answer: u64) -> u64 {
    let mixed = (prompt ^ prompt >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed ^ mixed >> 32).wrapping_add(answer.rotate_left(32))
}

#[cfg(test)]
mod tests {
    use super::{super::shingle::read, *};
    use proptest::prelude::*;
    use tributary_protocol::sample::Sample;

    fn text(prompt: &str, completion: &str) -> Option<ShortText> {
        read(&Sample { prompt: prompt.into(), completion: completion.into() }).1
    }

    /// Whether the second says the first with a few words put in.
    fn is_added(first: (&str, &str), second: (&str, &str)) -> bool {
        let texts = ShortTexts::new(vec![text(first.0, first.1), text(second.0, second.1)]);
        let found = texts.earlier(1).next().is_some();
        let [Some(first), Some(second)] = [text(first.0, first.1), text(second.0, second.1)] else { return false };
        assert!(!found || second.adds_to(&first));
        found
    }

    #[test]
    fn a_few_words_more_say_the_same() {
        let fair = ("When is the fair of Oldton?", "June");
        for second in [
            ("So, when is the fair of Oldton, please?", "june"),
            ("When is the fair of Oldton?", "In June."),
            ("Tell me, when is the fair of Oldton", "in June"),
        ] {
            assert!(is_added(fair, second), "{second:?}");
        }
    }

    #[test]
    fn other_words_and_numbers_say_something_else() {
        let fair = ("When is the fair of Oldton?", "June");
        for second in [
            ("When is the fair of Redstead?", "June"),
            ("When is the fair of Oldton?", "July"),
            ("When is the fair of Oldton?", "June 4"),
            ("When is the 2nd fair of Oldton?", "June"),
            ("Please tell me, when is the fair of Oldton?", "June"),
            ("When is the fair of Oldton?", "early in June"),
            ("When is the fair?", "June"),
        ] {
            assert!(!is_added(fair, second), "{second:?}");
        }
        assert!(!is_added(("Oldton?", "June"), ("Oldton market?", "June")), "half of one word is none");
        assert!(!is_added(("2 + 2 + 3 is", "4"), ("2 + 2 + 0 + 3 is", "4")), "signs are words by themselves");
        assert!(!is_added(("Is it so, or is it not?", ""), ("Is it so, or is it not?", "yes")), "an answer was given");
        assert!(!is_added(("来 了 吗 来 了", "来"), ("来 了 没 吗 来 了", "来")), "a character is a word by itself");
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_comparing_everything_finds(
            rows in prop::collection::vec((prop::collection::vec(0u32..4, 0..7), prop::collection::vec(0u32..3, 0..3)), 1..40),
        ) {
            let words = |numbers: &[u32]| -> Vec<WordNumber> {
                numbers.iter().map(|number| WordNumber { number: *number, is_plain: *number != 1 }).collect()
            };
            let of = |(prompt, answer): &(Vec<u32>, Vec<u32>)| Some(ShortText { prompt: words(prompt), answer: words(answer) });
            let texts: Vec<Option<ShortText>> = rows.iter().map(of).collect();
            let found = ShortTexts::new(texts.clone());
            for (index, long) in texts.iter().enumerate() {
                let is_first = |other: &usize| !rows[..*other].contains(&rows[*other]);
                let expected: Vec<usize> = (0..index)
                    .filter(is_first)
                    .filter(|other| long.as_ref().zip(texts[*other].as_ref()).is_some_and(|(long, short)| long.adds_to(short)))
                    .collect();
                prop_assert_eq!(found.earlier(index).map(|(other, _)| other).collect::<Vec<_>>(), expected);
            }
        }
    }
}
