//! Wrong labels planted on purpose, to see whether the screen finds them.
//!
//! A part of the samples get each other's answers, a run is trained on what results, and its screen is asked ([`crate::screen`]).
//! What is wrong by itself in the data counts as right, so that the figure is rather too low. Source: Koh and Liang, arXiv
//! 1703.04730, section 5.4, where labels are flipped in the same way.

use std::cmp::Reverse;
use tributary_lora::EncodedSample;
use tributary_protocol::ContentHash;

/// One sample of so many gets a wrong label.
const EVERY: usize = 10;
/// Fewer wrong labels than these make no figure.
const WRONG_MIN: usize = 2;
/// More make it no better.
const WRONG_MAX: usize = 1_000;

/// Samples of which some say what others should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// The samples in their order, with their hashes.
    pub samples: Vec<EncodedSample>,
    /// Which of them have another's answer.
    pub is_wrong: Vec<bool>,
}

impl Planted {
    /// Moves answers among a tenth of the samples, drawn by `seed`: at least two, at most 1,000.
    ///
    /// `alike` says of every sample what it is like, such as its group. Those drawn are put in order by it and by their answers'
    /// lengths, and each gets the answer of the next: an answer of another kind would be found too easily. One that then has the
    /// same answer as before is not wrong. Answers are cut where the sample would be longer than the longest of all.
    /// Samples with several answers are left alone. `None` if fewer than two are wrong.
    pub fn new(samples: &[EncodedSample], alike: &[u16], seed: u64) -> Option<Self> {
        let answer_of = |sample: &EncodedSample| match sample.trained_ranges() {
            [only] if only.end == sample.tokens().len() => Some(only.clone()),
            _ => None,
        };
        let mut drawn: Vec<usize> = (0..samples.len()).filter(|place| answer_of(&samples[*place]).is_some()).collect();
        let wanted = (samples.len() / EVERY).clamp(WRONG_MIN, WRONG_MAX);
        drawn.sort_by_cached_key(|place| draw(seed, samples[*place].id()));
        drawn.truncate(wanted);
        let kind = |place: usize| alike.get(place).copied().unwrap_or(0);
        drawn.sort_by_key(|place| (kind(*place), samples[*place].trained_tokens(), Reverse(samples[*place].id())));

        let longest = samples.iter().map(|sample| sample.tokens().len()).max().unwrap_or(0);
        let mut planted = Self { samples: samples.to_vec(), is_wrong: vec![false; samples.len()] };
        for (at, place) in drawn.iter().enumerate() {
            let (sample, other) = (&samples[*place], &samples[drawn[(at + 1) % drawn.len()]]);
            let (Some(own), Some(others)) = (answer_of(sample), answer_of(other)) else { continue };
            let mut tokens = sample.tokens()[..own.start].to_vec();
            tokens.extend(&other.tokens()[others]);
            tokens.truncate(longest);
            if tokens != sample.tokens() {
                planted.samples[*place] = EncodedSample::new(sample.id(), tokens, own.start);
                planted.is_wrong[*place] = true;
            }
        }
        let wrong = planted.is_wrong.iter().filter(|is_wrong| **is_wrong).count();
        (wrong >= WRONG_MIN && wrong < samples.len()).then_some(planted)
    }
}

/// A number that nobody knows before the seed.
fn draw(seed: u64, sample: ContentHash) -> [u8; 32] {
    let mut hash = blake3::Hasher::new_derive_key("tributary.network 2026-11 planted labels v1");
    hash.update(&seed.to_le_bytes());
    hash.update(&sample.0);
    *hash.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(number: u32, answer: &[u32]) -> EncodedSample {
        let tokens = [&[1_000 + number, 7], answer].concat();
        EncodedSample::new(ContentHash::of(&number.to_le_bytes()), tokens, 2)
    }

    #[test]
    fn what_cannot_be_wrong_is_not() {
        let alike = [0; 40];
        let same: Vec<EncodedSample> = (0..40).map(|number| sample(number, &[5])).collect();
        assert_eq!(Planted::new(&same, &alike, 1), None, "all answers are the same");
        let one = [sample(0, &[5])];
        assert_eq!(Planted::new(&one, &alike, 1), None);
        assert_eq!(Planted::new(&[], &[], 1), None);
        // Conversations keep their answers.
        let turns =
            |number: u32| EncodedSample::with_ranges(ContentHash::of(&[number as u8]), vec![number; 6], [1..2, 4..6]);
        assert_eq!(Planted::new(&(0..40).map(turns).collect::<Vec<_>>(), &alike, 1), None);
    }

    proptest! {
        #[test]
        fn a_tenth_have_answers_of_others(
            answers in prop::collection::vec(prop::collection::vec(0u32..50, 1..6), 20..80),
            kinds in 1u16..5,
            seed: u64,
        ) {
            let samples: Vec<EncodedSample> = (0u32..).zip(&answers).map(|(number, answer)| sample(number, answer)).collect();
            let alike: Vec<u16> = (0..samples.len()).map(|place| place as u16 % kinds).collect();
            let Some(planted) = Planted::new(&samples, &alike, seed) else { return Ok(()) };
            let wrong = planted.is_wrong.iter().filter(|is_wrong| **is_wrong).count();
            prop_assert!((2..=samples.len() / 10).contains(&wrong));
            let longest = samples.iter().map(|sample| sample.tokens().len()).max();
            prop_assert!(planted.samples.iter().map(|sample| sample.tokens().len()).max() <= longest);
            for ((before, after), is_wrong) in samples.iter().zip(&planted.samples).zip(&planted.is_wrong) {
                prop_assert_eq!(before.id(), after.id());
                prop_assert_eq!(&before.tokens()[..2], &after.tokens()[..2]);
                prop_assert_eq!(*is_wrong, before.tokens() != after.tokens());
                prop_assert!(answers.iter().any(|answer| *answer == after.tokens()[2..]));
            }
            prop_assert_eq!(Some(planted), Planted::new(&samples, &alike, seed));
        }
    }
}
