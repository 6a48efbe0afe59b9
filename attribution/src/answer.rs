//! Whose samples shaped one answer: from floats to the integers that [`tributary_protocol::answer`] shares by.

use crate::{
    corpus::{Corpus, Standing},
    error::AttributionError,
    groups::Groups,
};
use tributary_protocol::{
    ContentHash, ContributionId, Ppm,
    answer::{AnswerError, Rule, SampleScore, Scores, Shares, by_owner, not_finite, share},
};

/// Largest score after rounding: between 2^40 and 2^41, so that a trillionth of the largest still counts.
const FIXED_POINT_BITS: i32 = 40;

/// Why an answer could not be shared.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// Scores and samples do not fit each other.
    #[error("there are {found} {what}, and {expected} are needed")]
    Size {
        /// What does not fit.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// The rule refused the scores.
    #[error(transparent)]
    Rule(#[from] AnswerError),
    /// A sample belongs to no contribution.
    #[error(transparent)]
    Owner(#[from] AttributionError),
}

/// Turns numbers of one unit into integers: each list in its order, all times the same power of two, rounded to the nearest,
/// ties to even. `None` if one is not finite.
///
/// A power of two scales exactly and rounding is an exact operation of IEEE 754, so equal numbers give equal integers on
/// every machine, and no ratio changes but by the last bit.
pub fn to_integers(lists: &[&[f64]]) -> Option<Vec<Vec<i64>>> {
    let all = || lists.iter().flat_map(|list| list.iter());
    if all().any(|value| !value.is_finite()) {
        return None;
    }
    let largest = all().fold(0f64, |largest, value| largest.max(value.abs()));
    let scaled = |value: &f64| (value * power_of_two(largest)).round_ties_even() as i64;
    Some(lists.iter().map(|list| list.iter().map(scaled).collect()).collect())
}

/// The power of two that brings `largest` between 2^40 and 2^41, or as near to it as a float can be.
fn power_of_two(largest: f64) -> f64 {
    let exponent = (largest.to_bits() >> 52) as i32 - 1023;
    let power = (FIXED_POINT_BITS - exponent).clamp(-1022, 1023);
    f64::from_bits(((power + 1023) as u64) << 52)
}

/// Scores of an answer against single samples.
#[derive(Clone, Copy, Debug)]
pub enum SampleScores<'a> {
    /// Of training samples and of ghosts, of an estimator that computes with integers.
    Integers {
        /// In the order of the groups' samples.
        samples: &'a [i64],
        /// Of samples that were never trained on.
        ghosts: &'a [i64],
    },
    /// The same of one that computes with floats; they are brought to integers together.
    Floats {
        /// In the order of the groups' samples.
        samples: &'a [f64],
        /// Of samples that were never trained on.
        ghosts: &'a [f64],
    },
}

/// What is known of one answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The groups of the training samples.
    pub groups: &'a Groups,
    /// Where each training sample stands in its cluster of paraphrases; `None`: each for itself.
    pub clusters: Option<&'a [Standing]>,
    /// How much each group helped: [`crate::Tangents::scores`]. With a single group its total decides nothing, and any
    /// positive number does: so jobs without tangents share by the samples' scores alone.
    pub group_scores: &'a [f64],
    /// How much each sample helped.
    pub sample_scores: SampleScores<'a>,
}

/// An answer's shares, and the integers that they follow from by [`share`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerShares {
    /// The groups' scores.
    pub groups: Vec<i64>,
    /// The training samples.
    pub samples: Vec<SampleScore>,
    /// The ghosts' scores.
    pub ghosts: Vec<i64>,
    /// The units.
    pub shares: Shares,
}

/// One contribution's part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContributionShare {
    /// The contribution.
    pub contribution: ContributionId,
    /// The account that made it.
    pub contributor: [u8; 32],
    /// Its units.
    pub units: u64,
    /// Its samples that got any, the largest first.
    pub samples: Vec<(ContentHash, u64)>,
}

impl AnswerShares {
    /// Those of an answer of which a score is no number.
    pub(crate) fn not_finite(samples: usize) -> Self {
        Self { groups: Vec::new(), samples: Vec::new(), ghosts: Vec::new(), shares: not_finite(samples) }
    }
}

impl Answer<'_> {
    /// Shares the answer by `rule`. A score that is no number leaves all units to the base pool, and the shares say so.
    ///
    /// Errors: lists of other lengths than the groups have. Cost: `O(n log n)` for n samples and ghosts.
    pub fn share(&self, rule: &Rule) -> Result<AnswerShares, ShareError> {
        size("scores of groups", self.group_scores.len(), self.groups.count())?;
        match to_integers(&[self.group_scores]) {
            Some(groups) => self.share_integers(&groups[0], rule),
            None => Ok(self.nothing()),
        }
    }

    /// As [`Answer::share`], with scores of groups that are integers already.
    pub(crate) fn share_integers(&self, groups: &[i64], rule: &Rule) -> Result<AnswerShares, ShareError> {
        let ids = self.groups.ids();
        size("scores of groups", groups.len(), self.groups.count())?;
        size("clusters", self.clusters.map_or(ids.len(), <[_]>::len), ids.len())?;
        let of_samples = match self.sample_scores {
            SampleScores::Integers { samples, ghosts } => Some((samples.to_vec(), ghosts.to_vec())),
            SampleScores::Floats { samples, ghosts } => to_integers(&[samples, ghosts]).map(pair),
        };
        let Some((samples, ghosts)) = of_samples else { return Ok(self.nothing()) };
        size("scores of samples", samples.len(), ids.len())?;
        let samples: Vec<SampleScore> = (ids.iter().zip(self.groups.of_sample()).zip(samples).enumerate())
            .map(|(at, ((id, group), score))| {
                let alone = Standing { cluster: *id, similarity: Ppm::ZERO };
                let Standing { cluster, similarity } = self.clusters.map_or(alone, |clusters| clusters[at]);
                SampleScore { id: *id, cluster, similarity, group: *group, score }
            })
            .collect();
        let shares = share(rule, &Scores { groups, samples: &samples, ghosts: &ghosts })?;
        Ok(AnswerShares { groups: groups.to_vec(), samples, ghosts, shares })
    }

    fn nothing(&self) -> AnswerShares {
        AnswerShares::not_finite(self.groups.ids().len())
    }

    /// The contributions of shares that [`Answer::share`] made, the largest first, each with the samples behind it; those of
    /// equal units by their numbers. Every contribution of the corpus is there.
    pub fn by_contribution(&self, shares: &Shares, corpus: &Corpus) -> Result<Vec<ContributionShare>, ShareError> {
        let ids = self.groups.ids();
        let owners = ids.iter().map(|id| corpus.owner(id)).collect::<Result<Vec<usize>, _>>()?;
        let parts = corpus.parts();
        let found = shares.units.len();
        let sums = by_owner(shares, &owners, parts.len());
        let sums = sums.ok_or(ShareError::Size { what: "units", found, expected: ids.len() })?;
        let mut contributions: Vec<ContributionShare> = (parts.iter().zip(sums))
            .map(|(part, units)| ContributionShare {
                contribution: part.contribution,
                contributor: part.contributor,
                units,
                samples: Vec::new(),
            })
            .collect();
        for ((id, owner), units) in ids.iter().zip(owners).zip(&shares.units) {
            if *units > 0 {
                contributions[owner].samples.push((*id, *units));
            }
        }
        for contribution in &mut contributions {
            contribution.samples.sort_unstable_by_key(|(id, units)| (std::cmp::Reverse(*units), *id));
        }
        contributions.sort_by_key(|share| (std::cmp::Reverse(share.units), share.contribution));
        Ok(contributions)
    }
}

fn size(what: &'static str, found: usize, expected: usize) -> Result<(), ShareError> {
    match found == expected {
        true => Ok(()),
        false => Err(ShareError::Size { what, found, expected }),
    }
}

fn pair(mut lists: Vec<Vec<i64>>) -> (Vec<i64>, Vec<i64>) {
    let second = lists.pop().unwrap_or_default();
    (lists.pop().unwrap_or_default(), second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_keep_the_ratios(
            values in prop::collection::vec(-1e3f64..1e3, 1..40),
            exponent in -900i32..900,
        ) {
            let largest = values.iter().fold(0f64, |largest, value| largest.max(value.abs()));
            prop_assume!(largest > 1e-3);
            let integers = to_integers(&[&values]).unwrap().remove(0);
            let most = integers.iter().map(|value| value.unsigned_abs()).max().unwrap();
            prop_assert!((1 << 40..=1 << 41).contains(&most), "{most}");
            for (value, integer) in values.iter().zip(&integers) {
                let exact = value / largest * most as f64;
                prop_assert!((exact - *integer as f64).abs() < 2.0, "{exact} {integer}");
            }
            let scaled: Vec<f64> = values.iter().map(|value| value * 2f64.powi(exponent)).collect();
            prop_assert_eq!(to_integers(&[&scaled]).unwrap().remove(0), integers);
        }
    }

    #[test]
    fn what_is_no_number_makes_no_integers() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(to_integers(&[&[1.0], &[2.0, bad]]), None);
        }
        assert_eq!(to_integers(&[&[0.0, -0.0], &[]]), Some(vec![vec![0, 0], vec![]]));
        assert_eq!(to_integers(&[&[5e-324]]).unwrap()[0].len(), 1);
        assert_eq!(to_integers(&[&[f64::MAX, -f64::MAX]]).unwrap()[0], [1 << 41, -(1 << 41)]);
    }
}
