//! What one answer owes to whom: from integer scores to units that sum exactly. docs/protocol/attribution.md states the rule.
//!
//! Training samples lie in groups. How much each group helped is measured by retraining without it; inside a group, the
//! samples' own scores divide. What nobody can be shown to have earned goes to the base pool, which is the model's stream of
//! training-time shares.
//!
//! # Invariant
//! Integers only. Owners do not appear: what an account gets is the sum over its samples ([`by_owner`]), so that dividing
//! an account or joining two changes nothing. Nor do places: samples are known by their hashes.

use crate::{amount::Ppm, ids::ContentHash, share::apportion, stream::SHARE_UNITS};
use alloc::{vec, vec::Vec};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Most groups.
pub const GROUPS_MAX: u16 = 64;
/// A group counts from this part of the best group's score on, 1 / 3: what is left out and was not needed moves losses too, since
/// every retrain ends somewhere else.
pub const GROUP_PART: u128 = 3;
/// Most samples, ghosts counted too: 2^24, as many as a contribution root has leaves.
pub const SAMPLES_MAX: usize = 1 << 24;

/// One training sample as an answer sees it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct SampleScore {
    /// The sample's hash.
    pub id: ContentHash,
    /// The hash of the first sample of its cluster of paraphrases; its own hash if it has none.
    pub cluster: ContentHash,
    /// How similar it is to the most similar sample of its cluster that was registered before it; 0 for the first.
    pub similarity: Ppm,
    /// The group that it was trained, and left out, with. A cluster lies in one group.
    pub group: u16,
    /// How much it helped (above 0) or hurt (below 0), in any unit that all samples and ghosts of the answer share.
    pub score: i64,
}

/// The settings of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Rule {
    /// The part of the ghosts' scores that lies at or below the noise floor.
    pub floor_quantile: Ppm,
    /// The largest part of the attributed units that one sample, with its paraphrases, can get.
    pub sample_max: Ppm,
    /// The part of an answer's units that is attributed at all; see [`attributed_part`].
    pub attributed: Ppm,
}

impl Rule {
    /// The rule for a model whose attribution was measured to be so accurate.
    ///
    /// Ghosts up to the 95th percentile earn nothing: of twenty all but one, since one held out from the same data may say what a
    /// sample says, and would take the floor above it. A sample gets at most half, so that no single estimate decides
    /// all.
    pub const fn new(attributed: Ppm) -> Self {
        Self { floor_quantile: Ppm::from_percent(95), sample_max: Ppm::from_percent(50), attributed }
    }
}

/// What the rule is applied to.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    /// How much each group helped, in any unit that the groups share.
    pub groups: &'a [i64],
    /// The training samples, each once, in any order.
    pub samples: &'a [SampleScore],
    /// Scores of samples that were never trained on, in the samples' unit.
    pub ghosts: &'a [i64],
}

/// Why all units of an answer went to the base pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Fallback {
    /// Nothing of this model's revenue is attributed to single answers.
    NotAttributed,
    /// No group helped.
    NoGroup,
    /// No sample of a group that helped is above the noise floor.
    NoSample,
    /// A score was no number before it became an integer.
    NotFinite,
}

/// An answer's units.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Shares {
    /// Those of each sample, in the order in which the samples were given.
    pub units: Vec<u64>,
    /// Those of the base pool. With the samples' they sum to exactly [`SHARE_UNITS`].
    pub base: u64,
    /// The score that had to be exceeded; in a group that has most of the units, half its best score, if that is less.
    pub floor: i64,
    /// Why the base pool got everything, if it did.
    pub fallback: Option<Fallback>,
}

/// Why scores cannot be shared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// There are more than [`GROUPS_MAX`] groups.
    TooManyGroups {
        /// How many.
        groups: usize,
    },
    /// There are more than [`SAMPLES_MAX`] samples or ghosts.
    TooManySamples {
        /// How many.
        samples: usize,
    },
    /// A sample names a group that there is not.
    UnknownGroup {
        /// The sample.
        sample: ContentHash,
        /// Its group.
        group: u16,
    },
    /// A sample appears twice.
    Twice {
        /// The sample.
        sample: ContentHash,
    },
    /// A cluster lies in two groups.
    TornCluster {
        /// The cluster.
        cluster: ContentHash,
    },
    /// Units do not fit their type: cannot happen with units that sum to [`SHARE_UNITS`].
    Overflow,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyGroups { groups } => write!(f, "at most {GROUPS_MAX} groups are possible, not {groups}"),
            Self::TooManySamples { samples } => write!(f, "at most {SAMPLES_MAX} samples are possible, not {samples}"),
            Self::UnknownGroup { sample, group } => {
                write!(f, "sample {sample} is in group {group}, which there is not")
            }
            Self::Twice { sample } => write!(f, "sample {sample} is there twice"),
            Self::TornCluster { cluster } => write!(f, "cluster {cluster} lies in more than one group"),
            Self::Overflow => f.write_str("the units overflow"),
        }
    }
}

impl core::error::Error for AnswerError {}

/// Divides [`SHARE_UNITS`] among the samples and the base pool.
///
/// 1. A group's weight is what its score has above a third of the highest ([`GROUP_PART`]); at or below, it is 0. The attributed
///    units, [`Rule::attributed`] of all, are apportioned to the groups by their weights.
/// 2. The floor is the ghosts' score at [`Rule::floor_quantile`] (nearest rank), and not below 0. In a group with more than half
///    of all weights it is not above half the highest score of its samples. What a sample has above the floor of its group is its
///    excess; at or below, it is 0.
/// 3. A cluster's pool is the square of the largest excess of its samples: the same thing said again adds nothing to it. A group
///    without a pool passes its units to the base.
/// 4. Inside a group, the units are apportioned to the clusters by their pools, and each cluster keeps at most
///    [`Rule::sample_max`] of the attributed units.
/// 5. Inside a cluster, they are apportioned to the samples that have an excess by their novelty, which is one less their
///    similarity. The cluster's first sample counts as much as all others together, and at least as one whole: so whoever
///    says again what it says leaves it at least half.
/// 6. The base pool gets the rest.
///
/// A single group is no measurement. The floor is then that of all, and a pool the largest excess itself.
///
/// Every apportionment is by the largest remainder ([`apportion`]), in ascending order of (group, cluster, sample), so
/// that the order of the input does not matter. Cost: `O(n log n)` for n samples and ghosts.
pub fn share(rule: &Rule, scores: &Scores<'_>) -> Result<Shares, AnswerError> {
    let order = checked_order(scores)?;
    let floor = floor_of(scores.ghosts, rule.floor_quantile);
    let nothing =
        |fallback| Shares { units: vec![0; scores.samples.len()], base: SHARE_UNITS, floor, fallback: Some(fallback) };
    let attributed = part_of_units(rule.attributed, SHARE_UNITS)?;
    if attributed == 0 {
        return Ok(nothing(Fallback::NotAttributed));
    }
    let weights = group_weights(scores.groups).ok_or(AnswerError::Overflow)?;
    if weights.iter().all(|weight| *weight == 0) {
        return Ok(nothing(Fallback::NoGroup));
    }
    let of_groups = apportion(&weights, attributed).ok_or(AnswerError::Overflow)?.units;
    let leader = leading_group(scores.groups);
    let is_measured = weights.len() > 1;
    let most = part_of_units(rule.sample_max, attributed)?;

    let mut units = vec![0u64; scores.samples.len()];
    let mut given = 0u64;
    let group_of = |place: &usize| scores.samples.get(*place).map(|sample| sample.group);
    let cluster_of = |place: &usize| scores.samples.get(*place).map(|sample| sample.cluster);
    let score_of = |place: &usize| scores.samples.get(*place).map_or(0, |sample| sample.score);
    for members in order.chunk_by(|a, b| group_of(a) == group_of(b)) {
        let group = members.first().and_then(group_of).map(usize::from);
        let of_group = group.and_then(|group| of_groups.get(group)).copied().unwrap_or(0);
        let clusters: Vec<&[usize]> = members.chunk_by(|a, b| cluster_of(a) == cluster_of(b)).collect();
        let leads = leader.is_some() && group == leader;
        let best = members.iter().map(score_of).max().unwrap_or(0);
        let twice_floor = if leads { twice(floor).min(positive(best)) } else { twice(floor) };
        let excess_of = |place: &usize| twice(score_of(place)).saturating_sub(twice_floor);
        let pool = |cluster: &&[usize]| {
            let largest = cluster.iter().map(excess_of).max().unwrap_or(0);
            if is_measured { largest.checked_mul(largest) } else { Some(largest) }
        };
        let pools: Vec<u128> = clusters.iter().map(pool).collect::<Option<_>>().ok_or(AnswerError::Overflow)?;
        if of_group == 0 || pools.iter().all(|pool| *pool == 0) {
            continue;
        }
        let of_clusters = apportion(&pools, of_group).ok_or(AnswerError::Overflow)?.units;
        for (cluster, of_cluster) in clusters.into_iter().zip(of_clusters) {
            let of_cluster = of_cluster.min(most);
            given = given.checked_add(of_cluster).ok_or(AnswerError::Overflow)?;
            match cluster {
                _ if of_cluster == 0 => {}
                [place] => put(&mut units, *place, of_cluster)?,
                places => {
                    let helpful: Vec<usize> = places.iter().filter(|place| excess_of(place) > 0).copied().collect();
                    let weights = novelty(helpful.iter().filter_map(|place| scores.samples.get(*place)));
                    let of_samples = apportion(&weights, of_cluster).ok_or(AnswerError::Overflow)?.units;
                    for (place, of_sample) in helpful.into_iter().zip(of_samples) {
                        put(&mut units, place, of_sample)?;
                    }
                }
            }
        }
    }
    if given == 0 {
        return Ok(nothing(Fallback::NoSample));
    }
    let base = SHARE_UNITS.checked_sub(given).ok_or(AnswerError::Overflow)?;
    Ok(Shares { units, base, floor, fallback: None })
}

/// The group that has more than half of all weights in [`share`]; none of a single group.
pub fn leading_group(scores: &[i64]) -> Option<usize> {
    let weights = group_weights(scores).filter(|weights| weights.len() > 1)?;
    // At most 64 weights below 2^67 each.
    let all = weights.iter().fold(0u128, |sum, weight| sum.saturating_add(*weight));
    weights.iter().position(|weight| weight.saturating_mul(2) > all)
}

/// An answer of which a score is no number: all units go to the base pool.
pub fn not_finite(samples: usize) -> Shares {
    Shares { units: vec![0; samples], base: SHARE_UNITS, floor: 0, fallback: Some(Fallback::NotFinite) }
}

/// The units of each of `owners` accounts or contributions, where `owner_of` names that of every sample, in the samples'
/// order. `None` if it names one that there is not, or for another number of samples.
pub fn by_owner(shares: &Shares, owner_of: &[usize], owners: usize) -> Option<Vec<u64>> {
    if owner_of.len() != shares.units.len() {
        return None;
    }
    let mut sums = vec![0u64; owners];
    for (owner, units) in owner_of.iter().zip(&shares.units) {
        let sum = sums.get_mut(*owner)?;
        *sum = sum.checked_add(*units)?;
    }
    Some(sums)
}

/// The places of the samples in ascending order of group, cluster and hash.
fn checked_order(scores: &Scores<'_>) -> Result<Vec<usize>, AnswerError> {
    let Scores { groups, samples, ghosts } = *scores;
    if groups.len() > usize::from(GROUPS_MAX) {
        return Err(AnswerError::TooManyGroups { groups: groups.len() });
    }
    for samples in [samples.len(), ghosts.len()] {
        if samples > SAMPLES_MAX {
            return Err(AnswerError::TooManySamples { samples });
        }
    }
    if let Some(SampleScore { id, group, .. }) = samples.iter().find(|sample| usize::from(sample.group) >= groups.len())
    {
        return Err(AnswerError::UnknownGroup { sample: *id, group: *group });
    }
    let mut keyed: Vec<(&SampleScore, usize)> = samples.iter().zip(0..).collect();
    keyed.sort_unstable_by_key(|(sample, _)| sample.id);
    if let Some([(twice, _), _]) = keyed.array_windows().find(|[(a, _), (b, _)]| a.id == b.id) {
        return Err(AnswerError::Twice { sample: twice.id });
    }
    keyed.sort_unstable_by_key(|(sample, _)| (sample.cluster, sample.group));
    if let Some([(torn, _), _]) =
        keyed.array_windows().find(|[(a, _), (b, _)]| a.cluster == b.cluster && a.group != b.group)
    {
        return Err(AnswerError::TornCluster { cluster: torn.cluster });
    }
    keyed.sort_unstable_by_key(|(sample, _)| key(sample));
    Ok(keyed.into_iter().map(|(_, place)| place).collect())
}

fn key(sample: &SampleScore) -> (u16, ContentHash, ContentHash) {
    (sample.group, sample.cluster, sample.id)
}

/// The score at the quantile by nearest rank, and not below 0.
fn floor_of(ghosts: &[i64], quantile: Ppm) -> i64 {
    let mut sorted = ghosts.to_vec();
    sorted.sort_unstable();
    let rank = Ppm::of(quantile, sorted.len() as u128);
    // `of` rounds down; the nearest rank is the first that has the quantile at or below it.
    let whole = rank.checked_mul(1_000_000) == (sorted.len() as u128).checked_mul(quantile.parts().into());
    let rank = if whole { rank.saturating_sub(1) } else { rank };
    let at = usize::try_from(rank).ok().and_then(|rank| sorted.get(rank)).or(sorted.last());
    at.copied().unwrap_or(0).max(0)
}

/// What each group's score has above a third of the highest, in thirds.
fn group_weights(scores: &[i64]) -> Option<Vec<u128>> {
    let best = scores.iter().map(|score| positive(*score)).max().unwrap_or(0);
    let weight = |score: &i64| Some(positive(*score).checked_mul(GROUP_PART)?.saturating_sub(best));
    scores.iter().map(weight).collect()
}

/// Twice a score, 0 below 0: at most 2^64 - 2, whose square is below 2^128. Halves then need no rounding.
fn twice(score: i64) -> u128 {
    positive(score).saturating_mul(2)
}

/// What each sample of a cluster adds to those before it. None adds nothing at all, so that somebody gets the units.
fn novelty<'a>(samples: impl Iterator<Item = &'a SampleScore> + Clone) -> Vec<u128> {
    let is_first = |sample: &SampleScore| sample.similarity == Ppm::ZERO;
    let of = |sample: &SampleScore| Ppm::ONE.parts().saturating_sub(sample.similarity.parts()).max(1);
    let others = samples.clone().filter(|sample| !is_first(sample));
    let others = others.fold(0u128, |sum, sample| sum.saturating_add(of(sample).into()));
    let of_first = others.max(Ppm::ONE.parts().into());
    samples.map(|sample| if is_first(sample) { of_first } else { of(sample).into() }).collect()
}

fn positive(score: i64) -> u128 {
    u128::try_from(score).unwrap_or(0)
}

fn part_of_units(part: Ppm, units: u64) -> Result<u64, AnswerError> {
    u64::try_from(part.of(units.into())).map_err(|_| AnswerError::Overflow)
}

fn put(units: &mut [u64], place: usize, value: u64) -> Result<(), AnswerError> {
    *units.get_mut(place).ok_or(AnswerError::Overflow)? = value;
    Ok(())
}

/// A measured figure between -1 and 1 with its interval, in millionths.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Measured {
    /// The figure.
    pub value: i32,
    /// Where the 95 % interval begins.
    pub low: i32,
    /// Where it ends.
    pub high: i32,
}

/// How accurate a model's attribution was found to be. It stands in the model's record, beside every payout.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Accuracy {
    /// Rank correlation of predicted and true losses on coalitions that the estimate was not made from.
    pub coalitions: Measured,
    /// The highest that any additive prediction was found to reach on them.
    pub ceiling: i32,
    /// Area under the curve by which the mislabel screen finds planted wrong labels; `None` if none were planted.
    pub mislabel: Option<Measured>,
    /// The part of the units that samples get which were never trained on.
    pub ghost_share: Ppm,
    /// Number of coalitions that were trained.
    pub coalition_count: u32,
    /// Number of queries that were asked of each.
    pub query_count: u32,
}

/// The correlation up to which nothing is attributed: 0.2.
pub const CORRELATION_NONE: i32 = 200_000;
/// The correlation from which everything is: 0.8.
pub const CORRELATION_ALL: i32 = 800_000;

/// The part of an answer's revenue that follows the answer's own shares; the rest goes to the base pool.
///
/// With `low` the lower end of the interval of the correlation on held-out coalitions, it is
/// `(low - 0.2) / (0.8 - 0.2)`, between 0 and 1, rounded down, less the ghost share. It is 0 without a measurement, or with
/// one whose interval is none: who does not measure cannot be paid for accuracy.
pub fn attributed_part(accuracy: Option<&Accuracy>) -> Ppm {
    let Some(Accuracy { coalitions: Measured { low, value, high }, ghost_share, .. }) = accuracy else {
        return Ppm::ZERO;
    };
    if low > value || value > high || *high > 1_000_000 {
        return Ppm::ZERO;
    }
    let above = low.saturating_sub(CORRELATION_NONE).clamp(0, CORRELATION_ALL.saturating_sub(CORRELATION_NONE));
    let span = u64::from(CORRELATION_ALL.abs_diff(CORRELATION_NONE));
    let ramp = u64::from(above.unsigned_abs()).saturating_mul(1_000_000).checked_div(span).unwrap_or(0);
    let part = ramp.saturating_sub(ghost_share.parts().into());
    u32::try_from(part).ok().and_then(Ppm::new).unwrap_or(Ppm::ZERO)
}
