//! How right an attribution is, by comparison with runs that it was not made from.
//!
//! The linear datamodelling score (LDS; Park et al., "TRAK", arXiv 2303.14186, section 3): train on subsets of the samples,
//! and ask how well the sums of the subset's scores rank the true losses of a query. The subsets here are coalitions of
//! contributors or groups ([`crate::random_coalitions`]).

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use std::collections::HashSet;
use tributary_lora::EncodedSample;
use tributary_protocol::{
    ContentHash, Ppm,
    answer::{Accuracy, AnswerError, Measured, Rule, SampleScore, Scores, share},
};

/// Resamplings of which an interval is made.
pub const BOOTSTRAP_ROUNDS: usize = 1_000;

/// Why accuracy could not be measured.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AccuracyError {
    /// Predictions and observations do not fit each other.
    #[error("{what}: {found} instead of {expected}")]
    Size {
        /// What does not fit.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A prediction or an observation is not a number.
    #[error("{what} of query {query} is not finite")]
    NotFinite {
        /// "a prediction" or "a loss".
        what: &'static str,
        /// The query.
        query: usize,
    },
    /// There is nothing to correlate.
    #[error("no query tells the coalitions apart; hint: at least 2 coalitions with different losses are needed")]
    Constant,
    /// The rule refused the samples.
    #[error(transparent)]
    Rule(#[from] AnswerError),
}

/// The places of `values` in ascending order, from 1; equal values share the mean of their places.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0f64; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|place| ranks[*place] = rank);
        before += equal.len();
    }
    ranks
}

/// Spearman's rank correlation: Pearson's of the ranks. `None` if it is not defined: numbers that are none, lists of different
/// lengths, or one that does not vary.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() || a.iter().chain(b).any(|value| value.is_nan()) {
        return None;
    }
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 + 1.0) / 2.0;
    let sum = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    let (aa, bb) = (sum(&a, &a), sum(&b, &b));
    (aa > 0.0 && bb > 0.0).then(|| sum(&a, &b) / (aa * bb).sqrt())
}

/// Area under the ROC curve: how often a marked value is above an unmarked one, ties counted half. `None` without both
/// kinds, for different lengths, or for a number that is none.
pub fn auc(values: &[f64], marked: &[bool]) -> Option<f64> {
    let count = marked.iter().filter(|marked| **marked).count();
    let others = marked.len() - count;
    if values.len() != marked.len() || count == 0 || others == 0 || values.iter().any(|value| value.is_nan()) {
        return None;
    }
    let sum: f64 = ranks(values).iter().zip(marked).filter(|(_, marked)| **marked).map(|(rank, _)| rank).sum();
    let (count, others) = (count as f64, others as f64);
    Some((sum - count * (count + 1.0) / 2.0) / (count * others))
}

/// A statistic with the interval that holds 95 % of its values on resampled data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The statistic of the data.
    pub value: f64,
    /// The 2.5th percentile of the resampled ones, or the value if that is lower.
    pub low: f64,
    /// The 97.5th percentile, or the value if that is higher.
    pub high: f64,
}

impl Interval {
    /// In millionths, for the chain. The ends are rounded outwards.
    pub fn measured(&self) -> Measured {
        let millionths = |value: f64| (value.clamp(-1.0, 1.0) * 1e6) as i32;
        Measured {
            value: millionths(self.value),
            low: (self.low.clamp(-1.0, 1.0) * 1e6).floor() as i32,
            high: (self.high.clamp(-1.0, 1.0) * 1e6).ceil() as i32,
        }
    }
}

/// The percentile bootstrap (Efron, 1979) over data that is a table: `statistic` is asked with the rows and columns that were
/// drawn, with repetition; where it is not defined, that draw does not count. `None` if it is not defined for the data
/// itself. The same seed gives the same interval.
///
/// Both sides are drawn anew, since both are samples of what could have been asked: with few coalitions, it is they that make
/// the figure uncertain, however many queries there are.
pub fn bootstrap(
    rows: usize,
    columns: usize,
    seed: u64,
    statistic: impl Fn(&[usize], &[usize]) -> Option<f64>,
) -> Option<Interval> {
    let all = |count: usize| (0..count).collect::<Vec<usize>>();
    let value = statistic(&all(rows), &all(columns))?;
    let mut key = blake3::Hasher::new_derive_key("tributary.network 2026-11 bootstrap v1");
    key.update(&seed.to_le_bytes());
    let mut random = ChaCha8Rng::from_seed(*key.finalize().as_bytes());
    let mut draw = |count: usize| -> Vec<usize> {
        (0..count).map(|_| ((u128::from(random.next_u64()) * count as u128) >> 64) as usize).collect()
    };
    let mut found: Vec<f64> = (0..BOOTSTRAP_ROUNDS)
        .filter_map(|_| {
            let (rows, columns) = (draw(rows), draw(columns));
            statistic(&rows, &columns)
        })
        .collect();
    found.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| found.get((part * found.len() as f64) as usize).copied().unwrap_or(value);
    Some(Interval { value, low: at(0.025).min(value), high: at(0.975).max(value) })
}

/// Predicted and true effects of coalitions on queries.
#[derive(Clone, Copy, Debug)]
pub struct Predictions<'a> {
    /// For each query, what each coalition's scores sum to: more is better.
    pub predicted: &'a [Vec<f64>],
    /// For each query, its loss after training on each coalition: less is better.
    pub losses: &'a [Vec<f64>],
}

impl Predictions<'_> {
    /// Sums scores over coalitions: for each query, each coalition's sum of the scores of its members.
    pub fn sums(scores: &[Vec<f64>], coalitions: &[Vec<bool>]) -> Vec<Vec<f64>> {
        let sum = |scores: &[f64], members: &[bool]| {
            scores.iter().zip(members).filter(|(_, is_in)| **is_in).map(|(score, _)| score).sum::<f64>()
        };
        scores.iter().map(|scores| coalitions.iter().map(|members| sum(scores, members)).collect()).collect()
    }

    fn check(&self) -> Result<usize, AccuracyError> {
        let size = |what, found, expected| match found == expected {
            true => Ok(()),
            false => Err(AccuracyError::Size { what, found, expected }),
        };
        size("queries with losses", self.losses.len(), self.predicted.len())?;
        let coalitions = self.predicted.first().map_or(0, Vec::len);
        for (query, (predicted, losses)) in self.predicted.iter().zip(self.losses).enumerate() {
            size("predictions of a query", predicted.len(), coalitions)?;
            size("losses of a query", losses.len(), coalitions)?;
            for (what, values) in [("a prediction", predicted), ("a loss", losses)] {
                if values.iter().any(|value| !value.is_finite()) {
                    return Err(AccuracyError::NotFinite { what, query });
                }
            }
        }
        Ok(coalitions)
    }

    /// The linear datamodelling score: the mean over the queries of the rank correlation, over the coalitions, of prediction
    /// and negative loss. A query whose losses do not vary says nothing and does not count; one whose predictions do not
    /// vary counts as 0. The interval is over queries and coalitions.
    pub fn lds(&self, seed: u64) -> Result<Interval, AccuracyError> {
        let coalitions = self.check()?;
        let of = |queries: &[usize], coalitions: &[usize]| {
            mean(queries.iter().filter_map(|query| {
                let drawn = |values: &[f64]| coalitions.iter().map(|at| values[*at]).collect::<Vec<f64>>();
                let (predicted, losses) = (drawn(&self.predicted[*query]), drawn(&self.losses[*query]));
                let gains: Vec<f64> = losses.iter().map(|loss| -loss).collect();
                let varies = losses.iter().any(|loss| *loss != losses[0]);
                varies.then(|| spearman(&predicted, &gains).unwrap_or(0.0))
            }))
        };
        bootstrap(self.predicted.len(), coalitions, seed, of).ok_or(AccuracyError::Constant)
    }
}

/// The highest correlation with losses that any prediction can be expected to reach, where the same coalitions were trained a
/// second time with another seed: the square root of the mean correlation of both measurements (Spearman, 1904). 0 if they
/// do not agree at all.
pub fn noise_ceiling(first: &[Vec<f64>], second: &[Vec<f64>]) -> Option<f64> {
    if first.len() != second.len() {
        return None;
    }
    let agreement = mean(first.iter().zip(second).filter_map(|(a, b)| spearman(a, b)))?;
    Some(agreement.max(0.0).sqrt())
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0usize, 0f64), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

/// A sample that was never trained on, with the group that its content would have put it into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ghost {
    /// Its hash.
    pub id: ContentHash,
    /// What it teaches: [`says`].
    pub says: ContentHash,
    /// Its group.
    pub group: u16,
    /// Its score, in the unit of the samples'.
    pub score: i64,
}

/// Parts that ghosts are dealt out to: each part poses once, while the others make the floor.
pub const GHOST_PARTS: usize = 10;

/// The part of the units that ghosts would be paid if they posed as training samples, as if there were as many of them
/// as of these: 1/2 if the scores cannot tell, 0 if they can.
///
/// The ghosts, in ascending order of hash, are dealt out to [`GHOST_PARTS`] parts. Each part poses in its turn, and the others
/// make the noise floor: those that make the floor would not exceed it. 0 without two ghosts.
///
/// `says` is of the training samples, in their order: what each teaches. A ghost stands for a sample that had no part in the
/// answer, and one that teaches the very same as a sample that is paid for it does not: it is left out of that answer.
pub fn ghost_share(
    rule: &Rule,
    groups: &[i64],
    samples: &[SampleScore],
    says: &[ContentHash],
    ghosts: &[Ghost],
) -> Result<Ppm, AccuracyError> {
    Ok(ghost_units(rule, groups, samples, says, ghosts)?.share())
}

/// The units of posing ghosts beside those of samples, of one answer or summed over several.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GhostUnits {
    /// Units that a ghost gets on average.
    pub of_ghosts: f64,
    /// Units that a sample gets on average.
    pub of_samples: f64,
}

impl GhostUnits {
    /// What the ghosts would get, as if there were as many of them as samples. Rounded up.
    pub fn share(self) -> Ppm {
        let Self { of_ghosts, of_samples } = self;
        let part = if of_ghosts > 0.0 { of_ghosts / (of_ghosts + of_samples) } else { 0.0 };
        Ppm::new((part * 1e6).ceil() as u32).unwrap_or(Ppm::ONE)
    }
}

impl std::ops::AddAssign for GhostUnits {
    fn add_assign(&mut self, other: Self) {
        self.of_ghosts += other.of_ghosts;
        self.of_samples += other.of_samples;
    }
}

/// The units that [`ghost_share`] is a ratio of. Over several answers they are summed first: an answer of which little is
/// paid counts little. Cost: [`share`] for each part.
pub fn ghost_units(
    rule: &Rule,
    groups: &[i64],
    samples: &[SampleScore],
    says: &[ContentHash],
    ghosts: &[Ghost],
) -> Result<GhostUnits, AccuracyError> {
    if says.len() != samples.len() {
        let (what, found, expected) = ("samples of which it is known what they say", says.len(), samples.len());
        return Err(AccuracyError::Size { what, found, expected });
    }
    let mut sum = GhostUnits::default();
    if ghosts.len() < 2 {
        return Ok(sum);
    }
    let mut ghosts = ghosts.to_vec();
    ghosts.sort_unstable_by_key(|ghost| ghost.id);
    let parts = GHOST_PARTS.min(ghosts.len());
    for part in 0..parts {
        let poses = |place: &usize| place % parts == part;
        let floor = ghosts.iter().enumerate().filter(|(place, _)| !poses(place));
        let floor: Vec<i64> = floor.map(|(_, ghost)| ghost.score).collect();
        let posing: Vec<&Ghost> = ghosts.iter().skip(part).step_by(parts).collect();
        let mut all = samples.to_vec();
        all.extend(posing.iter().map(|ghost| {
            let Ghost { id, group, score, .. } = **ghost;
            // Not its hash: what was held out can be the first sample of a cluster that was trained on in another group.
            let cluster = ContentHash::of(&[b"posing".as_slice(), &id.0].concat());
            SampleScore { id, cluster, similarity: Ppm::ZERO, group, score }
        }));
        let shares = share(rule, &Scores { groups, samples: &all, ghosts: &floor })?;
        let (of_samples, of_ghosts) = shares.units.split_at(samples.len());
        let paid: HashSet<ContentHash> =
            says.iter().zip(of_samples).filter(|(_, units)| **units > 0).map(|(says, _)| *says).collect();
        let strangers = posing.iter().zip(of_ghosts).filter(|(ghost, _)| !paid.contains(&ghost.says));
        let units = strangers.map(|(_, units)| *units as f64);
        sum += GhostUnits {
            of_ghosts: mean(units).unwrap_or(0.0),
            of_samples: mean(of_samples.iter().map(|units| *units as f64)).unwrap_or(0.0),
        };
    }
    Ok(sum)
}

/// What a sample teaches: the hash of its trained tokens.
pub fn says(sample: &EncodedSample) -> ContentHash {
    let tokens = sample.trained_ranges().iter().flat_map(|range| &sample.tokens()[range.clone()]);
    ContentHash::of(&tokens.flat_map(|token| token.to_le_bytes()).collect::<Vec<u8>>())
}

/// What was measured of one model's attribution.
#[derive(Clone, Copy, Debug)]
pub struct Measurement<'a> {
    /// On coalitions that the estimate was not made from.
    pub coalitions: Predictions<'a>,
    /// For the same queries and coalitions, the sums of the true effects of leaving each member out, if these are known: the
    /// best that an additive prediction from such effects can do.
    pub exact: Option<&'a [Vec<f64>]>,
    /// Scores of the mislabel screen, and which samples were given a wrong label on purpose.
    pub mislabel: Option<(&'a [f64], &'a [bool])>,
    /// The result of [`ghost_share`] over all queries: their mean, or the worst.
    pub ghost_share: Ppm,
    /// Of the intervals.
    pub seed: u64,
}

impl Measurement<'_> {
    /// The record for the chain. Without exact effects, the ceiling is 1.
    pub fn accuracy(&self) -> Result<Accuracy, AccuracyError> {
        let lds = self.coalitions.lds(self.seed)?;
        let ceiling = match self.exact {
            Some(predicted) => Predictions { predicted, ..self.coalitions }.lds(self.seed)?.measured().value,
            None => 1_000_000,
        };
        let mislabel = match self.mislabel {
            None => None,
            Some((values, marked)) => {
                let of = |rows: &[usize], _: &[usize]| {
                    let values: Vec<f64> = rows.iter().map(|row| values[*row]).collect();
                    let marked: Vec<bool> = rows.iter().map(|row| marked[*row]).collect();
                    auc(&values, &marked)
                };
                let (found, expected) = (values.len(), marked.len());
                if found != expected {
                    return Err(AccuracyError::Size { what: "scores of the mislabel screen", found, expected });
                }
                Some(bootstrap(found, 1, self.seed, of).ok_or(AccuracyError::Constant)?.measured())
            }
        };
        let coalitions = self.coalitions.losses.first().map_or(0, Vec::len);
        Ok(Accuracy {
            coalitions: lds.measured(),
            ceiling,
            mislabel,
            ghost_share: self.ghost_share,
            coalition_count: u32::try_from(coalitions).unwrap_or(u32::MAX),
            query_count: u32::try_from(self.coalitions.losses.len()).unwrap_or(u32::MAX),
        })
    }
}
