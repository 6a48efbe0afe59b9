//! Choosing one token after the other.

use super::penalties::Occurrences;
use super::{Chosen, Logprob, Mask, NotFinite, Sampling, draw};
use std::sync::Arc;

/// Chooses the tokens of one answer.
#[derive(Clone, Debug)]
pub(crate) struct Chooser {
    sampling: Arc<Sampling>,
    choice: u32,
    /// Tokens that were chosen.
    place: u64,
    occurrences: Option<Occurrences>,
}

/// Weights below `e^-40` of the largest are nothing: a vocabulary of them together stays below 10^-11.
const LEAST: f64 = -40.0;

impl Chooser {
    /// For the answer with this number among several to `prompt`.
    pub(crate) fn new(sampling: Arc<Sampling>, choice: u32, prompt: &[u32]) -> Self {
        let occurrences = sampling.has_penalties().then(|| Occurrences::of_prompt(prompt));
        Self { sampling, choice, place: 0, occurrences }
    }

    /// The next token, of those that are allowed if it is said which; not none. Ties go to the lower number.
    ///
    /// Errors: a logit that is not finite; the answer is not longer then.
    pub(crate) fn choose(&mut self, logits: &[f32], allowed: Option<&Mask>) -> Result<Chosen, NotFinite> {
        // A product with zero is zero, or not a number.
        if logits.is_empty() || logits.iter().map(|logit| logit * 0.0).sum::<f32>() != 0.0 {
            return Err(NotFinite);
        }
        let token = match self.sampling.is_plain() && allowed.is_none() {
            true => self.pick(logits),
            false => {
                let mut changed = logits.to_vec();
                if let Some(occurrences) = &self.occurrences {
                    occurrences.apply(&self.sampling, &mut changed);
                }
                for (token, bias) in &self.sampling.logit_bias {
                    changed[*token as usize] += bias;
                }
                if let Some(allowed) = allowed {
                    let others = (0..).zip(&mut changed).filter(|(token, _)| !allowed.contains(*token));
                    others.for_each(|(_, logit)| *logit = f32::NEG_INFINITY);
                }
                self.pick(&changed)
            }
        };
        self.place += 1;
        if let Some(occurrences) = &mut self.occurrences {
            occurrences.push(token);
        }
        Ok(self.with_logprobs(token, logits))
    }

    fn with_logprobs(&self, token: u32, logits: &[f32]) -> Chosen {
        let Some(count) = self.sampling.top_logprobs else {
            return Chosen { token, logprob: None, top: Vec::new() };
        };
        let largest = f64::from(logits[largest(logits) as usize]);
        let total: f64 = logits.iter().map(|logit| libm::exp(f64::from(*logit) - largest)).sum();
        let logprob = |token: u32| (f64::from(logits[token as usize]) - largest - libm::log(total)) as f32;
        let top = best(logits, count).into_iter().map(|token| Logprob { token, logprob: logprob(token) }).collect();
        Chosen { token, logprob: Some(logprob(token)), top }
    }

    fn pick(&self, logits: &[f32]) -> u32 {
        if self.sampling.temperature == 0.0 {
            return largest(logits);
        }
        let candidates = self.candidates(logits);
        let total: f64 = candidates.iter().map(|(_, weight)| weight).sum();
        let mut left = draw(self.sampling.seed, self.choice, self.place) * total;
        let chosen = candidates.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        // Rounding can leave a rest behind the last one.
        chosen.or(candidates.last()).map_or_else(|| largest(logits), |(token, _)| *token)
    }

    /// Tokens that may be chosen, with their weights; the most likely one has 1.
    fn candidates(&self, logits: &[f32]) -> Vec<(u32, f64)> {
        let Sampling { temperature, top_k, top_p, min_p, .. } = *self.sampling;
        let top = f64::from(logits[largest(logits) as usize]);
        let weight = |token: u32| {
            let shifted = (f64::from(logits[token as usize]) - top) / f64::from(temperature);
            if shifted < LEAST { 0.0 } else { libm::exp(shifted) }
        };
        let weighed = |token: u32| (token, weight(token));
        let all = logits.len();
        let mut candidates: Vec<(u32, f64)> = match top_k.filter(|k| *k < all) {
            Some(k) => best(logits, k).into_iter().map(weighed).collect(),
            None => (0..all as u32).map(weighed).collect(),
        };
        // What may not be chosen weighs nothing.
        candidates.retain(|(_, weight)| *weight > 0.0);
        if top_p < 1.0 {
            let wanted = f64::from(top_p) * candidates.iter().map(|(_, weight)| weight).sum::<f64>();
            candidates = reaching(candidates, wanted);
        }
        candidates.retain(|(_, weight)| *weight >= f64::from(min_p));
        candidates
    }
}

/// The heaviest candidates that together reach `wanted`, in order of weight.
fn reaching(mut candidates: Vec<(u32, f64)>, wanted: f64) -> Vec<(u32, f64)> {
    let order = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    // Mostly few are enough, and putting all in order is what costs.
    let mut count = 64.min(candidates.len());
    loop {
        if count < candidates.len() {
            candidates.select_nth_unstable_by(count, order);
        }
        candidates[..count].sort_unstable_by(order);
        let mut reached = 0.0;
        let enough = candidates[..count].iter().position(|(_, weight)| {
            reached += weight;
            reached >= wanted
        });
        if enough.is_some() || count == candidates.len() {
            candidates.truncate(enough.map_or(count, |last| last + 1));
            return candidates;
        }
        count = (count * 8).min(candidates.len());
    }
}

/// The token with the largest logit.
fn largest(logits: &[f32]) -> u32 {
    (0..logits.len()).reduce(|best, i| if logits[i] > logits[best] { i } else { best }).unwrap_or_default() as u32
}

/// So many tokens with the largest logits, the largest first.
fn best(logits: &[f32], count: usize) -> Vec<u32> {
    let order = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    let mut tokens: Vec<u32> = (0..logits.len() as u32).collect();
    if count < tokens.len() {
        tokens.select_nth_unstable_by(count, order);
        tokens.truncate(count);
    }
    tokens.sort_unstable_by(order);
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, 2.0, 3.0, -5.0];

    fn drawn(sampling: Sampling) -> Vec<u32> {
        let mut chooser = Chooser::new(Arc::new(sampling), 0, &[]);
        (0..400).map(|_| chooser.choose(&LOGITS, None).unwrap().token).collect()
    }

    fn hot() -> Sampling {
        Sampling { temperature: 1.0, seed: 3, ..Default::default() }
    }

    fn only(tokens: &[u32], allowed: &[u32]) -> bool {
        allowed.iter().all(|token| tokens.contains(token)) && tokens.iter().all(|token| allowed.contains(token))
    }

    #[test]
    fn settings_narrow_the_choice() {
        assert!(only(&drawn(Sampling::default()), &[1]));
        assert!(only(&drawn(Sampling { top_k: Some(2), ..hot() }), &[1, 3]));
        assert!(only(&drawn(Sampling { top_p: 0.5, ..hot() }), &[1, 3]));
        assert!(only(&drawn(Sampling { top_p: 1e-3, ..hot() }), &[1]));
        // e^-1 = 0.37 of the largest for token 2, e^-2 = 0.14 for token 0.
        assert!(only(&drawn(Sampling { min_p: 0.3, ..hot() }), &[1, 2, 3]));
        assert!(only(&drawn(Sampling { min_p: 0.1, ..hot() }), &[0, 1, 2, 3]));
        assert!(only(&drawn(Sampling { logit_bias: [(1, -100.0)].into(), ..Default::default() }), &[3]));
        assert!(only(&drawn(Sampling { logit_bias: [(4, 100.0)].into(), ..hot() }), &[4]));
    }

    #[test]
    fn what_is_not_allowed_is_never_chosen() {
        let mut mask = Mask::none(5);
        [0, 4].into_iter().for_each(|token| mask.set(token, true));
        for sampling in [
            Sampling::default(),
            hot(),
            Sampling { top_k: Some(4), ..hot() },
            Sampling { top_p: 0.99, min_p: 0.001, ..hot() },
            Sampling { logit_bias: [(1, 100.0)].into(), repetition_penalty: 2.0, ..hot() },
        ] {
            let mut chooser = Chooser::new(Arc::new(sampling), 0, &[]);
            for _ in 0..200 {
                assert!(mask.contains(chooser.choose(&LOGITS, Some(&mask)).unwrap().token));
            }
        }
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let sampling = Sampling { seed: 11, ..hot() };
        let mut chooser = Chooser::new(Arc::new(sampling), 0, &[]);
        let mut counts = [0u32; 5];
        for _ in 0..20_000 {
            counts[chooser.choose(&LOGITS, None).unwrap().token as usize] += 1;
        }
        let total: f64 = LOGITS.iter().map(|logit| f64::from(*logit).exp()).sum();
        for (count, logit) in counts.iter().zip(LOGITS) {
            let p = f64::from(logit).exp() / total;
            // Five deviations of a binomial count.
            let bound = 5.0 * (20_000.0 * p * (1.0 - p)).sqrt() + 1.0;
            assert!((f64::from(*count) - 20_000.0 * p).abs() < bound, "{counts:?}");
        }
    }

    #[test]
    fn seeds_and_choices_draw_apart_and_again_the_same() {
        let with = |seed, choice| {
            let mut chooser = Chooser::new(Arc::new(Sampling { seed, ..hot() }), choice, &[]);
            (0..64).map(|_| chooser.choose(&LOGITS, None).unwrap().token).collect::<Vec<u32>>()
        };
        assert_eq!(with(1, 0), with(1, 0));
        assert_ne!(with(1, 0), with(2, 0));
        assert_ne!(with(1, 0), with(1, 1));
    }

    #[test]
    fn penalties_count_what_is_there() {
        // Greedy alternates once a repetition costs more than the distance of 1 between the best and the next.
        let greedy = |sampling: Sampling, prompt: &[u32]| {
            let mut chooser = Chooser::new(Arc::new(sampling), 0, prompt);
            (0..4).map(|_| chooser.choose(&LOGITS, None).unwrap().token).collect::<Vec<u32>>()
        };
        let presence = Sampling { presence_penalty: 1.5, ..Default::default() };
        // 1, 3 at 1.5 each then, 2 at 2, then 0.5: 1 again.
        assert_eq!(greedy(presence, &[1]), [1, 3, 2, 1]);
        let frequency = Sampling { frequency_penalty: 0.6, ..Default::default() };
        // 3 and 2.4: 3; 2.4 both: 1; 1.8, 2.4 and 2: 3.
        assert_eq!(greedy(frequency, &[]), [1, 3, 1, 3]);
        let repetition = Sampling { repetition_penalty: 2.0, ..Default::default() };
        // The prompt counts: 1 has 1.5 from the beginning; then 3 has that too, then 2 has 1; among equals the lower number.
        assert_eq!(greedy(repetition.clone(), &[1]), [3, 2, 1, 1]);
        // A negative logit becomes more so.
        let mut logits = [-1.0, -3.0];
        Occurrences::of_prompt(&[0]).apply(&repetition, &mut logits);
        assert_eq!(logits, [-2.0, -3.0]);
    }

    #[test]
    fn logprobs_are_the_models_own() {
        let sampling = Sampling { temperature: 5.0, top_logprobs: Some(3), presence_penalty: 1.0, ..hot() };
        let mut chooser = Chooser::new(Arc::new(sampling), 0, &[]);
        let total: f64 = LOGITS.iter().map(|logit| f64::from(*logit).exp()).sum();
        for _ in 0..5 {
            let chosen = chooser.choose(&LOGITS, None).unwrap();
            assert_eq!(chosen.top.iter().map(|top| top.token).collect::<Vec<_>>(), [1, 3, 2]);
            let expected = f64::from(LOGITS[chosen.token as usize]) - total.ln();
            assert!((f64::from(chosen.logprob.unwrap()) - expected).abs() < 1e-6);
            assert!((f64::from(chosen.top[0].logprob) - (3.0 - total.ln())).abs() < 1e-6);
        }
        assert_eq!(Chooser::new(Arc::default(), 0, &[]).choose(&LOGITS, None).unwrap().logprob, None);
    }

    #[test]
    fn long_tails_are_cut_where_they_should_be() {
        // 1000 equal tokens: the heaviest reaching 0.5 are the first 500.
        let candidates: Vec<(u32, f64)> = (0..1000).map(|token| (token, 1.0)).collect();
        let kept = reaching(candidates, 500.0);
        assert_eq!(kept.iter().map(|(token, _)| *token).collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
    }

    #[test]
    fn broken_logits_and_settings_are_errors() {
        for broken in [f32::NAN, f32::INFINITY] {
            assert_eq!(Chooser::new(Arc::default(), 0, &[]).choose(&[0.0, broken], None), Err(NotFinite));
        }
        let wrong = [
            Sampling { temperature: -1.0, ..Default::default() },
            Sampling { temperature: f32::NAN, ..Default::default() },
            Sampling { top_k: Some(0), ..Default::default() },
            Sampling { top_p: 0.0, ..Default::default() },
            Sampling { min_p: 1.5, ..Default::default() },
            Sampling { presence_penalty: 2.5, ..Default::default() },
            Sampling { frequency_penalty: -2.5, ..Default::default() },
            Sampling { repetition_penalty: 0.0, ..Default::default() },
            Sampling { top_logprobs: Some(21), ..Default::default() },
            Sampling { logit_bias: [(5, 1.0)].into(), ..Default::default() },
            Sampling { logit_bias: [(4, 101.0)].into(), ..Default::default() },
        ];
        for sampling in wrong {
            assert!(sampling.check(5).is_err(), "{sampling:?}");
        }
        assert_eq!(Sampling::default().check(5), Ok(()));
    }
}
