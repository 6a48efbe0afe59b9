use super::*;
use proptest::prelude::*;

fn sample(prompt: &str, completion: &str) -> Sample {
    Sample { prompt: prompt.into(), completion: completion.into() }
}

/// A text of words that no other text of another number has, with the words at `changed` replaced.
fn text(number: usize, words: usize, changed: &[usize], by: &str) -> Sample {
    let word = |index: usize| {
        let by = if changed.contains(&index) { by } else { "" };
        format!("w{number}x{index}{by}")
    };
    let words: Vec<String> = (0..words).map(word).collect();
    sample("Tell me.", &words.join(" "))
}

#[test]
fn each_kind_is_told_apart() {
    let samples = [
        text(1, 60, &[], ""),
        text(2, 60, &[], ""),
        sample(" Tell me.", &format!("{} ", text(1, 60, &[], "").completion)),
        text(1, 60, &[30], "a"),
        text(1, 60, &[10, 20, 30, 40], "b"),
        text(1, 60, &[30], "a"),
        text(1, 60, &[5, 15, 25, 35, 45, 55], "c"),
    ];
    let found = find_duplicates(&samples);
    let Verdict::NearCopy { of: 0, similarity: near } = found.verdicts[3] else { panic!("{:?}", found.verdicts) };
    let Verdict::Paraphrase { of: 0, similarity: said_again } = found.verdicts[4] else {
        panic!("{:?}", found.verdicts)
    };
    // Of 61 shingles 58 and 49 are the same.
    assert_eq!((near.parts(), said_again.parts()), (58_000_000 / 64, 49_000_000 / 73));
    assert_eq!(found.verdicts[..3], [Verdict::Kept, Verdict::Kept, Verdict::ExactCopy { of: 0 }]);
    assert_eq!(found.verdicts[5], Verdict::ExactCopy { of: 0 }, "a copy of what was not kept");
    // 43 of 61 are the same, 43/79 > 0.5.
    let last = Member { sample: 6, similarity: Ppm::new(43_000_000 / 79).unwrap() };
    let members = [Member { sample: 0, similarity: Ppm::ZERO }, Member { sample: 4, similarity: said_again }, last];
    assert_eq!(found.clusters, [members.to_vec()]);
}

#[test]
fn what_was_not_kept_hides_nothing() {
    // Each differs from the one before in one word. A text that drifted far enough from what is kept is kept again.
    let samples: Vec<Sample> = (0..7).map(|n| text(1, 60, &(0..n).map(|i| i * 6).collect::<Vec<_>>(), "z")).collect();
    let found = find_duplicates(&samples);
    let of = |verdict: &Verdict| match *verdict {
        Verdict::Kept => ("kept", 0),
        Verdict::ExactCopy { of } => ("exact", of),
        Verdict::NearCopy { of, .. } => ("near", of),
        Verdict::Paraphrase { of, .. } => ("paraphrase", of),
    };
    let expected =
        [("kept", 0), ("near", 0), ("near", 0), ("paraphrase", 0), ("near", 3), ("near", 3), ("paraphrase", 3)];
    assert_eq!(found.verdicts.iter().map(of).collect::<Vec<_>>(), expected);
    assert_eq!(found.clusters.len(), 1);
}

#[test]
fn texts_without_words_are_copies_only_if_equal() {
    let samples = [sample("?", "!"), sample("!", "?"), sample("?", "!")];
    let found = find_duplicates(&samples);
    assert_eq!(found.verdicts, [Verdict::Kept, Verdict::Kept, Verdict::ExactCopy { of: 0 }]);
    assert_eq!(find_duplicates([]), Duplicates::default());
}

#[test]
fn many_near_copies_of_one_text_are_one() {
    let samples: Vec<Sample> = (0..300).map(|n| text(1, 80, &[n % 80], &format!("v{n}"))).collect();
    let found = find_duplicates(&samples);
    assert_eq!(found.verdicts.iter().filter(|verdict| verdict.is_kept()).count(), 1);
}

#[test]
fn different_facts_in_one_short_form_are_no_copies() {
    let fact = |land: &str, town: &str| sample(&format!("What is the capital of {land}?"), town);
    let found = find_duplicates(&[fact("France", "Paris"), fact("Italy", "Rome"), fact("Italy", "Milan")]);
    assert!(found.verdicts.iter().all(Verdict::is_kept), "{:?}", found.verdicts);
}

#[test]
fn a_short_text_with_a_few_words_put_in_is_a_near_copy() {
    let asked = |question: &str, answer: &str| sample(question, answer);
    let found = find_duplicates(&[
        asked("When is the fair of Oldton?", "June"),
        asked("Now, when is the fair of Oldton then?", "In June."),
        asked("Now, when is the fair of Redstead then?", "In June."),
        // The first with words put in that it has: of what was not kept nothing is a copy.
        asked("Now, tell me, when is the fair of Oldton then?", "In June."),
        asked("When is the old fair of Redstead?", "June"),
    ]);
    let similarity = Ppm::new(7_000_000 / 10).unwrap();
    assert_eq!(found.verdicts[1], Verdict::NearCopy { of: 0, similarity });
    assert!([0, 2, 4].iter().all(|place| found.verdicts[*place].is_kept()), "{:?}", found.verdicts);
    assert!(!matches!(found.verdicts[3], Verdict::ExactCopy { .. } | Verdict::NearCopy { .. }), "{:?}", found.verdicts);
}

#[test]
fn many_questions_about_one_text_are_no_copies() {
    let passage = text(1, 100, &[], "").completion;
    let asked = |question: &str, answer: &str| sample(&format!("{question} {passage}"), answer);
    let found = find_duplicates(&[
        asked("Who was it?", "it was the gardener"),
        asked("When was that?", "on the eve of Saint John"),
        asked("Who, then, was it?", "It was the gardener!"),
    ]);
    let Verdict::NearCopy { of: 0, .. } = found.verdicts[2] else { panic!("{:?}", found.verdicts) };
    assert_eq!(found.verdicts[..2], [Verdict::Kept, Verdict::Kept]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn verdicts_agree_with_comparing_everything(
        rows in prop::collection::vec((0usize..4, prop::collection::vec(0usize..24, 0..5), 0usize..3), 1..30),
    ) {
        let samples: Vec<Sample> =
            rows.iter().map(|(number, changed, by)| text(*number, 24, changed, &"q".repeat(*by))).collect();
        let found = find_duplicates(&samples);
        let sets: Vec<SampleSets> = samples.iter().map(SampleSets::of).collect();
        for (index, verdict) in found.verdicts.iter().enumerate() {
            let similarity = |other: usize| sets[index].similarity(&sets[other], 1).unwrap_or(0);
            match *verdict {
                Verdict::Kept => {}
                Verdict::ExactCopy { of } => prop_assert!(of < index && found.verdicts[of].is_kept()),
                Verdict::NearCopy { of, similarity: found_similarity } => {
                    prop_assert!(of < index && found.verdicts[of].is_kept());
                    prop_assert!(found_similarity >= COPY && found_similarity.parts() == similarity(of));
                }
                Verdict::Paraphrase { of, similarity: found_similarity } => {
                    prop_assert!(of < index && found.verdicts[of].is_kept());
                    prop_assert!((PARAPHRASE..COPY).contains(&found_similarity));
                    prop_assert_eq!(found_similarity.parts(), similarity(of));
                }
            }
            // Above 0.8 a pair of candidates is missed once in ten million times; the few kept here fill no bucket.
            if verdict.is_kept() {
                let kept = (0..index).filter(|other| found.verdicts[*other].is_kept());
                prop_assert!(kept.into_iter().all(|other| similarity(other) < COPY.parts()), "{:?}", found.verdicts);
            }
        }
        let members: usize = found.clusters.iter().map(Vec::len).sum();
        prop_assert!(members <= found.verdicts.iter().filter(|verdict| verdict.is_kept()).count());
        for cluster in &found.clusters {
            prop_assert!(cluster.is_sorted_by_key(|member| member.sample) && cluster.len() > 1);
        }
        // Verdicts on the first samples do not depend on later ones.
        let half = samples.len() / 2;
        let first = find_duplicates(&samples[..half]);
        prop_assert_eq!(&first.verdicts[..], &found.verdicts[..half]);
    }
}
