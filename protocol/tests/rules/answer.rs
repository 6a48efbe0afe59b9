//! The rule of per-answer shares: its properties, and its fallbacks.

use proptest::prelude::*;
use std::collections::BTreeMap;
use tributary_protocol::{
    ContentHash, Ppm,
    answer::{
        Accuracy, AnswerError, Fallback, Measured, Rule, SampleScore, Scores, Shares, attributed_part, by_owner,
        leading_group, not_finite, share,
    },
    stream::SHARE_UNITS,
};

fn id(number: usize) -> ContentHash {
    ContentHash::of(&number.to_le_bytes())
}

/// Samples of (group, score), each its own cluster.
fn alone(samples: &[(u16, i64)]) -> Vec<SampleScore> {
    let sample = |(number, (group, score)): (usize, &(u16, i64))| SampleScore {
        id: id(number),
        cluster: id(number),
        similarity: Ppm::ZERO,
        group: *group,
        score: *score,
    };
    samples.iter().enumerate().map(sample).collect()
}

const ALL: Rule = Rule { floor_quantile: Ppm::from_percent(99), sample_max: Ppm::ONE, attributed: Ppm::ONE };

fn shared(rule: &Rule, groups: &[i64], samples: &[SampleScore], ghosts: &[i64]) -> Shares {
    share(rule, &Scores { groups, samples, ghosts }).unwrap()
}

/// Samples in groups and clusters that lie in one group each.
fn answers() -> impl Strategy<Value = (Vec<i64>, Vec<SampleScore>, Vec<i64>)> {
    let score = prop_oneof![-50i64..50, -1_000_000i64..1_000_000, any::<i64>(), Just(0i64)];
    let groups = prop::collection::vec(score.clone(), 1..6);
    groups.prop_flat_map(move |groups| {
        let clusters = prop::collection::vec(0..groups.len(), 1..12);
        let (groups, score) = (Just(groups), score.clone());
        (
            groups,
            clusters,
            prop::collection::vec((0usize..1_000, 0u32..=1_000_000, score.clone()), 0..30),
            prop::collection::vec(score, 0..20),
        )
            .prop_map(|(groups, clusters, samples, ghosts)| {
                let sample = |(number, (cluster, similarity, score)): (usize, (usize, u32, i64))| {
                    let cluster = cluster % clusters.len();
                    let group = clusters[cluster] as u16;
                    let similarity = Ppm::new(similarity).unwrap();
                    SampleScore { id: id(number), cluster: id(10_000 + cluster), similarity, group, score }
                };
                (groups, samples.into_iter().enumerate().map(sample).collect(), ghosts)
            })
    })
}

fn rules() -> impl Strategy<Value = Rule> {
    let part = || (0u32..=1_000_000).prop_map(|parts| Ppm::new(parts).unwrap());
    let rule = (part(), part(), part());
    rule.prop_map(|(floor_quantile, sample_max, attributed)| Rule { floor_quantile, sample_max, attributed })
}

proptest! {
    #[test]
    fn units_sum_exactly_and_only_help_above_the_floor_is_paid((groups, samples, ghosts) in answers(), rule in rules()) {
        let shares = shared(&rule, &groups, &samples, &ghosts);
        let paid: u64 = shares.units.iter().sum();
        prop_assert_eq!(paid + shares.base, SHARE_UNITS);
        prop_assert!(paid <= u64::try_from(rule.attributed.of(SHARE_UNITS.into())).unwrap());
        prop_assert_eq!(shares.fallback.is_some(), paid == 0);
        let most = rule.sample_max.of(rule.attributed.of(SHARE_UNITS.into()));
        let mut of_clusters: BTreeMap<ContentHash, u128> = BTreeMap::new();
        for (sample, units) in samples.iter().zip(&shares.units) {
            if *units > 0 {
                let of_group = samples.iter().filter(|other| other.group == sample.group).map(|other| other.score);
                let best = of_group.max().unwrap();
                prop_assert!(sample.score > 0 && groups[usize::from(sample.group)] > 0);
                prop_assert!(sample.score > shares.floor || sample.score > best / 2);
            }
            *of_clusters.entry(sample.cluster).or_default() += u128::from(*units);
        }
        prop_assert!(of_clusters.values().all(|units| *units <= most));
    }

    #[test]
    fn the_order_of_samples_and_ghosts_does_not_matter(
        (groups, samples, ghosts) in answers(),
        rule in rules(),
        keys in prop::collection::vec(any::<u32>(), 30),
    ) {
        let before = shared(&rule, &groups, &samples, &ghosts);
        let mut places: Vec<usize> = (0..samples.len()).collect();
        places.sort_by_key(|place| keys[*place]);
        let moved: Vec<SampleScore> = places.iter().map(|place| samples[*place]).collect();
        let ghosts: Vec<i64> = ghosts.into_iter().rev().collect();
        let after = shared(&rule, &groups, &moved, &ghosts);
        let back: BTreeMap<usize, u64> = places.into_iter().zip(after.units.iter().copied()).collect();
        prop_assert_eq!(back.into_values().collect::<Vec<_>>(), before.units);
        prop_assert_eq!((after.base, after.floor, after.fallback), (before.base, before.floor, before.fallback));
    }

    #[test]
    fn dividing_or_joining_accounts_changes_nothing(
        (groups, samples, ghosts) in answers(),
        rule in rules(),
        owners in prop::collection::vec(0usize..6, 30),
        joined in prop::collection::vec(0usize..3, 6),
    ) {
        let shares = shared(&rule, &groups, &samples, &ghosts);
        let fine: Vec<usize> = owners[..samples.len()].to_vec();
        let coarse: Vec<usize> = fine.iter().map(|owner| joined[*owner]).collect();
        let apart = by_owner(&shares, &fine, 6).unwrap();
        let mut sums = vec![0; 3];
        apart.iter().zip(&joined).for_each(|(units, owner)| sums[*owner] += units);
        prop_assert_eq!(sums, by_owner(&shares, &coarse, 3).unwrap());
    }

    #[test]
    fn the_first_to_say_something_keeps_half_of_it_whoever_repeats_it(
        similarities in prop::collection::vec(1u32..=1_000_000, 1..9),
        scores in prop::collection::vec(1i64..1_000_000, 9),
    ) {
        let first = alone(&[(0, scores[8])])[0];
        let mut samples = vec![first];
        samples.extend(similarities.iter().zip(&scores).enumerate().map(|(number, (similarity, score))| SampleScore {
            id: id(1 + number),
            similarity: Ppm::new(*similarity).unwrap(),
            score: *score,
            ..first
        }));
        let shares = shared(&ALL, &[1], &samples, &[]);
        prop_assert_eq!(shares.units.iter().sum::<u64>(), SHARE_UNITS);
        prop_assert!(shares.units[0] >= SHARE_UNITS / 2, "{:?}", shares.units);
        // What one adds, in proportion.
        for ((a, units_a), (b, units_b)) in similarities.iter().zip(&shares.units[1..]).zip(similarities.iter().zip(&shares.units[1..]).skip(1)) {
            prop_assert!(a >= b || units_a + 1 >= *units_b);
        }
    }

    #[test]
    fn a_paraphrase_adds_nothing_to_its_cluster_and_takes_nothing_from_others(
        (groups, samples, ghosts) in answers().prop_filter("a sample", |(_, samples, _)| !samples.is_empty()),
        rule in rules(),
        which in any::<prop::sample::Index>(),
        copies in 1usize..8,
        worse in 0i64..1_000,
    ) {
        let before = shared(&rule, &groups, &samples, &ghosts);
        let copied = samples[which.index(samples.len())];
        let mut more = samples.clone();
        more.extend((0..copies).map(|number| SampleScore {
            id: id(50_000 + number),
            score: copied.score.saturating_sub(worse),
            ..copied
        }));
        let after = shared(&rule, &groups, &more, &ghosts);
        let of_cluster = |samples: &[SampleScore], shares: &Shares| -> u64 {
            samples.iter().zip(&shares.units).filter(|(s, _)| s.cluster == copied.cluster).map(|(_, units)| units).sum()
        };
        prop_assert_eq!(of_cluster(&samples, &before), of_cluster(&more, &after));
        for ((sample, before), after) in samples.iter().zip(&before.units).zip(&after.units) {
            prop_assert!(sample.cluster == copied.cluster || before == after);
        }
        prop_assert_eq!(before.base, after.base);
    }

    #[test]
    fn the_unit_of_the_scores_does_not_matter(
        groups in prop::collection::vec(-1_000i64..1_000, 1..5),
        scores in prop::collection::vec((0u16..1_000, -1_000i64..1_000), 1..20),
        ghosts in prop::collection::vec(-100i64..100, 0..10),
        (a, b) in (1i64..1_000_000, 1i64..1_000_000),
    ) {
        let scores: Vec<(u16, i64)> = scores.into_iter().map(|(g, score)| (g % groups.len() as u16, score)).collect();
        let plain = shared(&ALL, &groups, &alone(&scores), &ghosts);
        let groups: Vec<i64> = groups.iter().map(|score| a * score).collect();
        let scores: Vec<(u16, i64)> = scores.iter().map(|(group, score)| (*group, b * score)).collect();
        let ghosts: Vec<i64> = ghosts.iter().map(|score| b * score).collect();
        prop_assert_eq!(shared(&ALL, &groups, &alone(&scores), &ghosts).units, plain.units);
    }
}

#[test]
fn groups_divide_by_what_was_measured_and_samples_inside_by_their_scores() {
    // The second group's samples score far higher, and share what the group was measured to be worth: 3 x 20 - 30 beside 3 x 30
    // - 30.
    let samples = alone(&[(0, 3), (0, 1), (1, 9_000), (1, -4_000), (2, 50)]);
    let shares = shared(&ALL, &[30, 20, -5], &samples, &[]);
    assert_eq!(shares.units, [600_000_000, 66_666_667, 333_333_333, 0, 0]);
    assert_eq!((shares.base, shares.floor, shares.fallback), (0, 0, None));
}

#[test]
fn the_noise_floor_is_taken_off_and_what_is_below_it_goes_to_the_base() {
    let samples = alone(&[(0, 110), (0, 130), (1, 99)]);
    let ghosts: Vec<i64> = (1..=100).map(|score| score - 1).rev().collect();
    let shares = shared(&ALL, &[1, 1], &samples, &ghosts);
    // 99 of 100 ghosts lie at or below 98.
    assert_eq!(shares.floor, 98);
    assert_eq!(shares.units, [61_643_836, 438_356_164, 500_000_000]);
    let shares = shared(&Rule { floor_quantile: Ppm::ONE, ..ALL }, &[1, 1], &samples, &ghosts);
    assert_eq!((shares.floor, shares.base), (99, 500_000_000));
    assert_eq!(shared(&ALL, &[1, 1], &samples, &[-7, -3]).floor, 0, "a floor below 0 would pay for harm");
}

#[test]
fn a_group_with_a_third_of_the_best_score_is_taken_for_noise() {
    let samples = alone(&[(0, 1), (1, 1), (2, 1)]);
    let units = |groups: &[i64]| shared(&ALL, groups, &samples, &[]).units;
    assert_eq!(units(&[90, 30, 29]), [SHARE_UNITS, 0, 0]);
    assert_eq!(units(&[100, 50, -60]), [800_000_000, 200_000_000, 0]);
}

#[test]
fn in_the_group_that_has_most_the_floor_is_at_most_half_the_best() {
    let samples = alone(&[(0, 40), (0, 20), (0, 30), (1, 45)]);
    let shares = shared(&ALL, &[100, 50], &samples, &[50]);
    // 20 and 10 above 20; the other group's sample is below 50, and leaves its units.
    assert_eq!(shares.units, [640_000_000, 0, 160_000_000, 0]);
    assert_eq!((shares.base, shares.floor), (200_000_000, 50));
    // Half of the weights is not most of them.
    assert_eq!(shared(&ALL, &[100, 100], &samples, &[50]).fallback, Some(Fallback::NoSample));
    // A lower floor stays as it is.
    assert_eq!(shared(&ALL, &[100, 10], &samples, &[10]).units[..3], [642_857_143, 71_428_571, 285_714_286]);
}

#[test]
fn a_single_group_is_no_measurement() {
    let samples = alone(&[(0, 40), (0, 20), (0, 10)]);
    assert_eq!(shared(&ALL, &[7], &samples, &[]).units, [571_428_571, 285_714_286, 142_857_143]);
    assert_eq!(shared(&ALL, &[7], &samples, &[50]).fallback, Some(Fallback::NoSample));
    assert_eq!(leading_group(&[7]), None);
    assert_eq!(leading_group(&[0, 0]), None);
    // Each three times, less 10: 14, 8 and 20; 8, 2 and 20.
    assert_eq!((leading_group(&[8, 6, 10]), leading_group(&[6, 4, 10])), (None, Some(2)));
}

#[test]
fn nobody_gets_more_than_the_most_and_less_accuracy_pays_less() {
    let samples = alone(&[(0, 1_000), (0, 1)]);
    let half = Rule::new(Ppm::ONE);
    let shares = shared(&half, &[1], &samples, &[]);
    assert_eq!((shares.units.as_slice(), shares.base), ([500_000_000, 999_001].as_slice(), 499_000_999));
    let shares = shared(&Rule::new(Ppm::from_percent(10)), &[1], &samples, &[]);
    assert_eq!((shares.units.as_slice(), shares.base), ([50_000_000, 99_900].as_slice(), 949_900_100));
}

#[test]
fn an_answer_that_nobody_can_be_shown_to_have_shaped_pays_the_base_and_says_why() {
    let samples = alone(&[(0, 5), (1, 0)]);
    let why = |rule: &Rule, groups: &[i64], samples: &[SampleScore], ghosts: &[i64]| {
        let shares = shared(rule, groups, samples, ghosts);
        assert_eq!((shares.base, shares.units.iter().sum::<u64>()), (SHARE_UNITS, 0));
        shares.fallback
    };
    assert_eq!(why(&ALL, &[0, 0], &samples, &[]), Some(Fallback::NoGroup));
    assert_eq!(why(&ALL, &[-4, -1], &samples, &[]), Some(Fallback::NoGroup));
    assert_eq!(why(&ALL, &[0, 3], &samples, &[]), Some(Fallback::NoSample));
    assert_eq!(why(&ALL, &[3, 3], &samples, &[5]), Some(Fallback::NoSample));
    assert_eq!(why(&ALL, &[3, 3], &[], &[]), Some(Fallback::NoSample));
    assert_eq!(why(&ALL, &[], &[], &[]), Some(Fallback::NoGroup));
    assert_eq!(why(&Rule::new(Ppm::ZERO), &[3, 3], &samples, &[]), Some(Fallback::NotAttributed));
    assert_eq!(not_finite(2).fallback, Some(Fallback::NotFinite));
}

#[test]
fn one_sample_gets_what_is_attributed_and_extremes_do_not_overflow() {
    let one = alone(&[(0, i64::MAX)]);
    assert_eq!(shared(&ALL, &[i64::MAX], &one, &[i64::MIN]).units, [SHARE_UNITS]);
    let many = alone(&[(0, i64::MAX), (0, i64::MAX), (1, i64::MIN), (1, i64::MAX)]);
    let shares = shared(&ALL, &[i64::MAX, i64::MAX], &many, &[i64::MIN]);
    assert_eq!(shares.units, [250_000_000, 250_000_000, 0, 500_000_000]);
}

#[test]
fn impossible_answers_are_refused() {
    let samples = alone(&[(0, 1), (1, 1)]);
    let error =
        |groups: &[i64], samples: &[SampleScore]| share(&ALL, &Scores { groups, samples, ghosts: &[] }).unwrap_err();
    assert_eq!(error(&[1], &samples), AnswerError::UnknownGroup { sample: samples[1].id, group: 1 });
    assert_eq!(error(&[1; 65], &samples), AnswerError::TooManyGroups { groups: 65 });
    assert_eq!(error(&[1; 2], &[samples[0], samples[0]]), AnswerError::Twice { sample: samples[0].id });
    let torn = SampleScore { cluster: samples[0].cluster, ..samples[1] };
    assert_eq!(error(&[1; 2], &[samples[0], torn]), AnswerError::TornCluster { cluster: samples[0].cluster });
    let shares = shared(&ALL, &[1, 1], &samples, &[]);
    assert_eq!(by_owner(&shares, &[0], 1), None);
    assert_eq!(by_owner(&shares, &[0, 2], 2), None);
}

#[test]
fn revenue_follows_the_answer_as_far_as_it_was_measured_to_be_right() {
    let part = |low: i32, value: i32, ghosts: u32| {
        let coalitions = Measured { low, value, high: 1_000_000 };
        let ghost_share = Ppm::new(ghosts).unwrap();
        attributed_part(Some(&Accuracy { coalitions, ghost_share, ..Default::default() })).parts()
    };
    assert_eq!(part(800_000, 850_000, 0), 1_000_000);
    assert_eq!(part(990_000, 995_000, 10_000), 990_000);
    assert_eq!(part(500_000, 700_000, 0), 500_000);
    assert_eq!(part(500_000, 700_000, 600_000), 0);
    assert_eq!(part(200_000, 700_000, 0), 0);
    assert_eq!(part(i32::MIN, 0, 0), 0);
    assert_eq!(part(900_000, 800_000, 0), 0, "an interval that does not hold its figure");
    assert_eq!(part(900_000, 1_000_001, 0), 0);
    assert_eq!(attributed_part(None), Ppm::ZERO);
}
