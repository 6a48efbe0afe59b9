//! Groups of training samples that say similar things, for leaving out together.
//!
//! Leaving out single samples measures nothing where others say the same; leaving out all that say it does. So the groups
//! are made by content: texts are put into a space of [`DIMENSIONS`] directions by a weighted SimHash (Charikar, STOC 2002)
//! without its last step, and that space is cut in two, and each half again, across the direction in which its samples
//! differ most.
//!
//! # What a contributor can and cannot do about it
//! Everything is a function of the training samples and a seed, in integers, so anybody can repeat it. The seed is the
//! job's, posted after the data's version is closed: who writes a sample does not know the directions it will be projected
//! on. Nor is there much to win: a group's total is divided by the samples' own scores, so that standing beside good samples
//! earns nothing by itself, and owners appear nowhere.

use std::{cmp::Reverse, collections::HashMap};
use tributary_lora::EncodedSample;
use tributary_protocol::{ContentHash, answer::GROUPS_MAX};

/// Directions that texts are projected on.
pub const DIMENSIONS: usize = 256;
/// Length of a text's point, before rounding.
const LENGTH: i64 = 1 << 14;
/// Largest component of a direction.
const DIRECTION_MAX: i128 = 1 << 14;
/// Rounds of the power method, and of cutting. They need not converge: any good cut serves.
const ROUNDS: usize = 8;

/// How groups are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// Number of groups; there are fewer if there are fewer clusters. From 1 to [`GROUPS_MAX`].
    pub count: u16,
    /// The seed of the projections: the job's.
    pub seed: u64,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self { count: 32, seed: 0 }
    }
}

/// Which group each training sample is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    ids: Vec<ContentHash>,
    of_sample: Vec<u16>,
    count: u16,
}

/// Why no groups could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// There are no samples.
    #[error("there is no training sample to put into a group")]
    Empty,
    /// The number of groups is out of range.
    #[error("{count} groups are not possible: 1 to {GROUPS_MAX}")]
    Count {
        /// The number asked for.
        count: u16,
    },
    /// The clusters are not those of these samples.
    #[error("{clusters} clusters are named for {samples} samples: one for each is needed")]
    Clusters {
        /// How many are named.
        clusters: usize,
        /// How many samples there are.
        samples: usize,
    },
    /// Samples and groups cannot belong together.
    #[error("sample {sample} is in group {group} of {count}")]
    Unknown {
        /// The sample.
        sample: ContentHash,
        /// Its group.
        group: u16,
        /// How many groups there are.
        count: u16,
    },
    /// A group has no sample.
    #[error("group {group} has no sample")]
    Vacant {
        /// The group.
        group: u16,
    },
}

type Point = [i64; DIMENSIONS];
/// One bit for each direction.
type Signs = [u64; DIMENSIONS / 64];

/// Samples that stay together.
struct Cluster {
    samples: Vec<usize>,
    id: ContentHash,
    point: Point,
}

impl Groups {
    /// Groups of near-equal sizes. `cluster_of` names the cluster of paraphrases that each sample belongs to, by the
    /// hash of its first sample; clusters are not torn. `None`: every sample for itself.
    ///
    /// A cut lies where the gap is widest within a sixteenth of the samples from where it would make the sizes equal.
    /// The order of the samples does not matter. Cost: a BLAKE3 hash for each different pair of neighbouring tokens, and
    /// `O(n log n)` additions of [`DIMENSIONS`] numbers.
    pub fn new(
        samples: &[EncodedSample],
        cluster_of: Option<&[ContentHash]>,
        settings: GroupSettings,
    ) -> Result<Self, GroupError> {
        let GroupSettings { count, seed } = settings;
        if !(1..=GROUPS_MAX).contains(&count) {
            return Err(GroupError::Count { count });
        }
        if samples.is_empty() {
            return Err(GroupError::Empty);
        }
        if let Some(clusters) = cluster_of.filter(|clusters| clusters.len() != samples.len()) {
            return Err(GroupError::Clusters { clusters: clusters.len(), samples: samples.len() });
        }
        let clusters = clusters(samples, cluster_of, seed);
        let count = usize::from(count).min(clusters.len());
        let mut of_sample = vec![0u16; samples.len()];
        let mut open = vec![(clusters, count, 0u16)];
        while let Some((clusters, count, first)) = open.pop() {
            if count == 1 {
                clusters.iter().flat_map(|cluster| &cluster.samples).for_each(|sample| of_sample[*sample] = first);
                continue;
            }
            let left_count = count / 2;
            let (left, right) = cut(clusters, left_count, count);
            open.push((left, left_count, first));
            open.push((right, count - left_count, first + left_count as u16));
        }
        let ids = samples.iter().map(EncodedSample::id).collect();
        Ok(Self { ids, of_sample, count: count as u16 })
    }

    /// Groups that are known already.
    ///
    /// Errors: a group beyond `count`, or without a sample.
    pub fn of_samples(samples: &[(ContentHash, u16)], count: u16) -> Result<Self, GroupError> {
        if !(1..=GROUPS_MAX).contains(&count) {
            return Err(GroupError::Count { count });
        }
        if let Some((sample, group)) = samples.iter().copied().find(|(_, group)| *group >= count) {
            return Err(GroupError::Unknown { sample, group, count });
        }
        let (ids, of_sample): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
        let groups = Self { ids, of_sample, count };
        match groups.sizes().iter().zip(0u16..).find(|(size, _)| **size == 0) {
            Some((_, group)) => Err(GroupError::Vacant { group }),
            None => Ok(groups),
        }
    }

    /// How many groups.
    pub fn count(&self) -> usize {
        self.count.into()
    }

    /// The group of each sample, in the samples' order.
    pub fn of_sample(&self) -> &[u16] {
        &self.of_sample
    }

    /// The samples' hashes, in their order.
    pub fn ids(&self) -> &[ContentHash] {
        &self.ids
    }

    /// How many samples each group has.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.count()];
        self.of_sample.iter().for_each(|group| sizes[usize::from(*group)] += 1);
        sizes
    }

    /// Whether each sample takes part in a run that `is_in` says of every group.
    pub fn included(&self, is_in: impl Fn(usize) -> bool) -> Vec<bool> {
        self.of_sample.iter().map(|group| is_in(usize::from(*group))).collect()
    }
}

/// The clusters with their points, in ascending order of their hashes.
fn clusters(samples: &[EncodedSample], cluster_of: Option<&[ContentHash]>, seed: u64) -> Vec<Cluster> {
    let mut members: HashMap<ContentHash, Vec<usize>> = HashMap::new();
    for (place, sample) in samples.iter().enumerate() {
        members.entry(cluster_of.map_or(sample.id(), |clusters| clusters[place])).or_default().push(place);
    }
    let mut clusters: Vec<Cluster> =
        members.into_iter().map(|(id, samples)| Cluster { samples, id, point: [0; DIMENSIONS] }).collect();
    clusters.sort_unstable_by_key(|cluster| cluster.id);
    // Its samples say the same; the one with the smallest hash speaks for all.
    let speaker = |cluster: &Cluster| cluster.samples.iter().min_by_key(|place| samples[**place].id()).copied();
    let shingles: Vec<Vec<[u32; 2]>> =
        clusters.iter().map(|cluster| speaker(cluster).map_or(Vec::new(), |place| shingles(&samples[place]))).collect();
    let mut seen_in: HashMap<[u32; 2], usize> = HashMap::new();
    shingles.iter().flatten().for_each(|shingle| *seen_in.entry(*shingle).or_default() += 1);
    let count = clusters.len();
    let signs: HashMap<[u32; 2], Signs> = seen_in.keys().map(|shingle| (*shingle, signs(*shingle, seed))).collect();
    for (cluster, shingles) in clusters.iter_mut().zip(&shingles) {
        let mut squares = 0i64;
        for shingle in shingles {
            // What one text has tells nothing about who is like it, and what all have does not either: the logarithm of
            // the number of texts that have it times that of the part of all that they are, both rounded down.
            let texts = seen_in[shingle];
            let weight = i64::from(texts.ilog2() * (count / texts).ilog2());
            squares += weight * weight;
            let signs = signs[shingle];
            for (bit, value) in cluster.point.iter_mut().enumerate() {
                *value += if signs[bit / 64] >> (bit % 64) & 1 == 1 { weight } else { -weight };
            }
        }
        let length = squares.isqrt().max(1);
        cluster.point.iter_mut().for_each(|value| *value = *value * LENGTH / length);
    }
    clusters
}

/// The different tokens and pairs of neighbouring tokens.
fn shingles(sample: &EncodedSample) -> Vec<[u32; 2]> {
    let tokens = sample.tokens();
    let single = tokens.iter().map(|token| [*token, u32::MAX]);
    let mut shingles: Vec<_> = single.chain(tokens.array_windows().copied()).collect();
    shingles.sort_unstable();
    shingles.dedup();
    shingles
}

fn signs(shingle: [u32; 2], seed: u64) -> Signs {
    let mut hash = blake3::Hasher::new_derive_key("tributary.network 2026-11 group projection v1");
    hash.update(&seed.to_le_bytes());
    shingle.iter().for_each(|token| {
        hash.update(&token.to_le_bytes());
    });
    let words = hash.finalize();
    let words = words.as_bytes().as_chunks::<8>().0;
    std::array::from_fn(|word| u64::from_le_bytes(words[word]))
}

/// Cuts clusters in two, for `left_count` of `count` groups and for the others. There are at least `count` of them.
///
/// The first cut is across the direction of the largest spread. Then, as two-means does, each next one is across the line
/// between the middles of the two sides, which draws it away from between those that are alike.
fn cut(clusters: Vec<Cluster>, left_count: usize, count: usize) -> (Vec<Cluster>, Vec<Cluster>) {
    let mut direction = widest(&clusters);
    let mut placed: Vec<(i64, Cluster)> = clusters.into_iter().map(|cluster| (0, cluster)).collect();
    let mut at = left_count;
    for _ in 0..ROUNDS {
        placed.iter_mut().for_each(|(place, cluster)| *place = dot(&direction, &cluster.point));
        placed.sort_unstable_by_key(|(place, cluster)| (*place, cluster.id));
        at = gap(&placed, left_count, count);
        let (left, right) = placed.split_at(at);
        let Some(between) = between(left, right) else { break };
        direction = between;
    }
    let right = placed.split_off(at);
    let only = |placed: Vec<(i64, Cluster)>| placed.into_iter().map(|(_, cluster)| cluster).collect();
    (only(placed), only(right))
}

/// How many clusters, in their order, lie before the cut.
fn gap(placed: &[(i64, Cluster)], left_count: usize, count: usize) -> usize {
    let samples: usize = placed.iter().map(|(_, cluster)| cluster.samples.len()).sum();
    // In units of 1 / count samples, so that nothing is rounded.
    let (wanted, tolerance) = (samples * left_count, samples * count / 16);
    let mut before = 0;
    let mut best: Option<(bool, Reverse<i64>, usize, usize)> = None;
    for at in 1..placed.len() {
        before += placed[at - 1].1.samples.len();
        if at < left_count || placed.len() - at < count - left_count {
            continue;
        }
        let distance = (before * count).abs_diff(wanted);
        let is_near = distance <= tolerance;
        let gap = placed[at].0 - placed[at - 1].0;
        // Near ones first, the widest gap first among them, and else the one that is least away.
        let key = (!is_near, Reverse(if is_near { gap } else { 0 }), distance, at);
        if best.is_none_or(|best| key < best) {
            best = Some(key);
        }
    }
    best.map_or(left_count, |(_, _, _, at)| at)
}

/// The direction from the middle of `left` to that of `right`; `None` if they are the same.
fn between(left: &[(i64, Cluster)], right: &[(i64, Cluster)]) -> Option<Point> {
    let sum = |side: &[(i64, Cluster)], coordinate: usize| -> i128 {
        side.iter().map(|(_, cluster)| i128::from(cluster.point[coordinate])).sum()
    };
    let (of_left, of_right) = (left.len() as i128, right.len() as i128);
    scaled(std::array::from_fn(|at| of_left * sum(right, at) - of_right * sum(left, at)))
}

/// The direction with components of at most [`DIRECTION_MAX`]; `None` if it has no length.
fn scaled(direction: [i128; DIMENSIONS]) -> Option<Point> {
    let largest = direction.iter().map(|value| value.unsigned_abs()).max().filter(|largest| *largest > 0)?;
    let scale = (largest / DIRECTION_MAX as u128 + 1) as i128;
    // Small ones are brought up first, so that they do not vanish.
    let up = if scale == 1 { DIRECTION_MAX / largest as i128 } else { 1 };
    Some(direction.map(|value| (value * up / scale) as i64))
}

/// A direction in which the points differ much: some rounds of the power method on their covariance, from the coordinate
/// with the largest variance.
///
/// No overflow: a point's coordinates are below 2^14 times the square root of its number of shingles, so below 2^31 for
/// any text that fits a model; a product with a direction is below 2^53, and the sums of a round are of 128 bits.
fn widest(clusters: &[Cluster]) -> Point {
    let count = clusters.len() as i128;
    let mut mean = [0i64; DIMENSIONS];
    for (coordinate, mean) in mean.iter_mut().enumerate() {
        let sum: i128 = clusters.iter().map(|cluster| i128::from(cluster.point[coordinate])).sum();
        *mean = (sum / count) as i64;
    }
    let centred = |cluster: &Cluster| -> Point { std::array::from_fn(|at| cluster.point[at] - mean[at]) };
    let mut spread = [0i128; DIMENSIONS];
    for point in clusters.iter().map(centred) {
        spread.iter_mut().zip(point).for_each(|(spread, value)| *spread += i128::from(value).pow(2));
    }
    let widest = (0..DIMENSIONS).max_by_key(|at| (spread[*at], Reverse(*at))).unwrap_or(0);
    let mut direction = [0i64; DIMENSIONS];
    direction[widest] = DIRECTION_MAX as i64;
    for _ in 0..ROUNDS {
        let mut next = [0i128; DIMENSIONS];
        for point in clusters.iter().map(centred) {
            let along = i128::from(dot(&direction, &point));
            next.iter_mut().zip(point).for_each(|(next, value)| *next += along * i128::from(value));
        }
        let Some(next) = scaled(next) else { break };
        direction = next;
    }
    direction
}

fn dot(a: &Point, b: &Point) -> i64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A text on one of several topics: tokens of its own topic, among tokens that all have.
    fn text(topic: u32, number: u32) -> EncodedSample {
        let word = |i: u32| {
            let drawn = (number * 7919 + i * 104_729) % 97;
            if i.is_multiple_of(3) { drawn % 11 } else { 100 + 50 * topic + drawn % 20 }
        };
        let id = ContentHash::of(&(1_000 * topic + number).to_le_bytes());
        EncodedSample::new(id, (0..24).map(word).collect(), 1)
    }

    fn texts(topics: u32, each: u32) -> Vec<EncodedSample> {
        (0..topics * each).map(|at| text(at % topics, at / topics)).collect()
    }

    fn settings(count: u16, seed: u64) -> GroupSettings {
        GroupSettings { count, seed }
    }

    #[test]
    fn what_says_the_same_is_together() {
        let samples = texts(8, 20);
        for seed in 0..5 {
            let groups = Groups::new(&samples, None, settings(8, seed)).unwrap();
            assert!(groups.sizes().iter().all(|size| (10..=30).contains(size)), "{:?}", groups.sizes());
            // The part of samples that are of their group's most frequent topic; 1/8 by chance.
            let mut same = 0;
            for group in 0..8 {
                let mut of_topic = [0; 8];
                for (at, of) in groups.of_sample().iter().enumerate() {
                    of_topic[at % 8] += usize::from(*of == group);
                }
                same += of_topic.iter().max().unwrap();
            }
            println!("seed {seed}: {same} of 160, sizes {:?}", groups.sizes());
            assert!(same > 110, "{same}");
        }
    }

    #[test]
    fn few_samples_make_few_groups() {
        let samples = texts(1, 5);
        let groups = Groups::new(&samples, None, settings(32, 1)).unwrap();
        assert_eq!((groups.count(), groups.sizes()), (5, vec![1; 5]));
        let one = Groups::new(&samples[..1], None, settings(32, 1)).unwrap();
        assert_eq!((one.count(), one.of_sample()), (1, [0].as_slice()));
    }

    #[test]
    fn what_cannot_be_grouped_is_refused() {
        let samples = texts(1, 5);
        let error = |samples: &[EncodedSample], clusters, count| {
            Groups::new(samples, clusters, settings(count, 1)).unwrap_err()
        };
        assert_eq!(error(&[], None, 4), GroupError::Empty);
        assert_eq!(error(&samples, None, 0), GroupError::Count { count: 0 });
        assert_eq!(error(&samples, None, 65), GroupError::Count { count: 65 });
        assert_eq!(error(&samples, Some(&[]), 4), GroupError::Clusters { clusters: 0, samples: 5 });
        let id = ContentHash::of(b"x");
        assert_eq!(Groups::of_samples(&[(id, 2)], 2), Err(GroupError::Unknown { sample: id, group: 2, count: 2 }));
        assert_eq!(Groups::of_samples(&[(id, 1)], 2), Err(GroupError::Vacant { group: 0 }));
    }

    proptest! {
        #[test]
        fn groups_are_whole_and_independent_of_the_order(
            each in 1u32..30,
            topics in 1u32..5,
            count in 1u16..40,
            seed: u64,
            clusters in prop::collection::vec(0usize..20, 120),
            keys in prop::collection::vec(any::<u32>(), 120),
        ) {
            let samples = texts(topics, each);
            let cluster_of: Vec<ContentHash> = clusters[..samples.len()]
                .iter()
                .map(|cluster| samples[cluster % samples.len()].id())
                .collect();
            let groups = Groups::new(&samples, Some(&cluster_of), settings(count, seed)).unwrap();
            let mut group_of: HashMap<ContentHash, u16> = HashMap::new();
            for (cluster, group) in cluster_of.iter().zip(groups.of_sample()) {
                prop_assert_eq!(*group_of.entry(*cluster).or_insert(*group), *group);
            }
            prop_assert_eq!(groups.count(), usize::from(count).min(group_of.len()));
            prop_assert!(groups.sizes().iter().all(|size| *size > 0));

            let mut order: Vec<usize> = (0..samples.len()).collect();
            order.sort_by_key(|at| keys[*at]);
            let moved: Vec<EncodedSample> = order.iter().map(|at| samples[*at].clone()).collect();
            let moved_clusters: Vec<ContentHash> = order.iter().map(|at| cluster_of[*at]).collect();
            let again = Groups::new(&moved, Some(&moved_clusters), settings(count, seed)).unwrap();
            for (place, at) in order.into_iter().enumerate() {
                prop_assert_eq!(again.of_sample()[place], groups.of_sample()[at]);
            }
        }
    }
}
