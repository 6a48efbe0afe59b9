//! How accurate the attribution of one job is, by training coalitions that it was not made from.

use crate::{
    accuracy::{AccuracyError, Ghost, GhostUnits, Measurement, Predictions, ghost_units, says},
    corpus::{Corpus, Standing},
    embedding::Embeddings,
    error::AttributionError,
    estimator::unobserved,
    explain::{AnswerScores, ExplainError, answer_groups, answer_scores},
    groups::Groups,
    mislabel::{ScreenSettings, screen},
    planted::Planted,
    tangents::{RetrainObserver, Retrainer, TangentError, Tangents, random_coalitions},
};
use std::collections::HashMap;
use tributary_lora::{Adapter, EncodedSample, TrainError, sample_loss};
use tributary_protocol::{
    ContentHash, Ppm,
    answer::{Accuracy, Rule, SampleScore, Scores, leading_group, share},
    recipe::TangentWay,
    stream::SHARE_UNITS,
};

/// With fewer contributors than these, coalitions are of groups: there would be too few different ones.
pub const CONTRIBUTORS_MIN: usize = 5;
/// Fewer groups make no coalition that leaves two of them out.
const GROUPS_MIN: usize = 3;

/// How the accuracy is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeasureSettings {
    /// Coalitions that are trained. Each costs four fifths of a run.
    pub coalitions: u16,
    /// The seed of the coalitions, and of the intervals.
    pub seed: u64,
    /// How groups are scored, as the job's answers are.
    pub way: TangentWay,
    /// Whether every contributor is left out once as well, a run for each, so that the record says how right any sum of
    /// single effects could be. Of groups it is known anyway.
    pub ceiling: bool,
    /// Whether a run is trained with planted wrong labels, to see whether the screen finds them.
    pub mislabel: bool,
}

impl Default for MeasureSettings {
    fn default() -> Self {
        Self { coalitions: 16, seed: 0, way: TangentWay::default(), ceiling: false, mislabel: true }
    }
}

/// Why a job could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// There is nobody to leave out.
    #[error(
        "{contributors} contributors and {groups} groups make no coalitions; hint: {CONTRIBUTORS_MIN} contributors, or tangents \
         of {GROUPS_MIN} groups, are needed"
    )]
    TooFew {
        /// Contributors with training samples.
        contributors: usize,
        /// Groups.
        groups: usize,
    },
    /// The run keeps no sample for validation.
    #[error("there is no validation sample to ask; hint: keep a part of the samples for validation")]
    NoQueries,
    /// The embeddings are not those of the retrained run.
    #[error("the embeddings are of other {what} than the run's")]
    OtherRun {
        /// "training samples" or "validation samples".
        what: &'static str,
    },
    /// A score of a query is no number.
    #[error("a score of validation sample {sample} is not finite; hint: the training has diverged")]
    NotFinite {
        /// The sample.
        sample: ContentHash,
    },
    /// A query could not be scored.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// A coalition could not be trained.
    #[error(transparent)]
    Retrain(#[from] TangentError),
    /// A loss could not be computed.
    #[error(transparent)]
    Loss(#[from] TrainError),
    /// A training sample belongs to no contribution, or has a loss that is no number under planted labels.
    #[error(transparent)]
    Owner(#[from] AttributionError),
    /// The predictions could not be compared with the losses.
    #[error(transparent)]
    Accuracy(#[from] AccuracyError),
}

/// Who forms coalitions.
struct Members {
    count: usize,
    /// The member that each training sample belongs to.
    of_sample: Vec<usize>,
    are_groups: bool,
}

impl Members {
    fn new(corpus: &Corpus, groups: &Groups) -> Result<Self, MeasureError> {
        let mut numbers: HashMap<[u8; 32], usize> = HashMap::new();
        let mut of_sample = Vec::with_capacity(groups.ids().len());
        for sample in groups.ids() {
            let contributor = corpus.parts()[corpus.owner(sample)?].contributor;
            let next = numbers.len();
            of_sample.push(*numbers.entry(contributor).or_insert(next));
        }
        let contributors = numbers.len();
        match groups.count() {
            _ if contributors >= CONTRIBUTORS_MIN => Ok(Self { count: contributors, of_sample, are_groups: false }),
            count @ GROUPS_MIN.. => {
                let of_sample = groups.of_sample().iter().map(|group| usize::from(*group)).collect();
                Ok(Self { count, of_sample, are_groups: true })
            }
            groups => Err(MeasureError::TooFew { contributors, groups }),
        }
    }

    /// Members of a coalition: four fifths, and of groups never all but one, since that is what tangents are made from.
    fn of_coalition(&self) -> usize {
        let most = if self.are_groups { self.count - 2 } else { self.count };
        (self.count * 4 / 5).min(most)
    }

    /// Which training samples take part in a coalition.
    fn included(&self, is_in: &[bool]) -> Vec<bool> {
        self.of_sample.iter().map(|member| is_in[*member]).collect()
    }

    /// Each member's effect on an answer, as payment has it: a group's effect divided as the group's units would be.
    fn effects(&self, rule: &Rule, scores: &AnswerScores, samples: &[SampleScore]) -> Result<Vec<f64>, AccuracyError> {
        let groups = scores.groups.len();
        if self.are_groups {
            return Ok(scores.groups.iter().map(|score| *score as f64).collect());
        }
        let rule = Rule { sample_max: Ppm::ONE, attributed: Ppm::ONE, ..*rule };
        let units = |groups: &[i64]| {
            Ok::<_, AccuracyError>(share(&rule, &Scores { groups, samples, ghosts: &scores.ghosts })?.units)
        };
        // As if all groups had helped as much, so that the units are parts of a group's.
        let mut parts: Vec<f64> =
            units(&vec![1; groups])?.into_iter().map(|units| units as f64 * groups as f64).collect();
        // One that has most of an answer is divided by a lower floor.
        if let Some(leader) = leading_group(&scores.groups) {
            let alone: Vec<i64> = (0..groups).map(|group| i64::from(group == leader)).collect();
            let of_leader = samples.iter().zip(units(&alone)?).zip(&mut parts);
            of_leader
                .filter(|((sample, _), _)| usize::from(sample.group) == leader)
                .for_each(|((_, units), part)| *part = units as f64);
        }
        let mut effects = vec![0f64; self.count];
        for ((sample, part), member) in samples.iter().zip(parts).zip(&self.of_sample) {
            effects[*member] += scores.groups[usize::from(sample.group)] as f64 * part / SHARE_UNITS as f64;
        }
        Ok(effects)
    }
}

/// Whether coalitions can be made of these contributions' contributors, or else of these groups: to be asked before the runs that
/// would come to nothing.
pub fn check_coalitions(corpus: &Corpus, groups: &Groups) -> Result<(), MeasureError> {
    Members::new(corpus, groups).map(|_| ())
}

/// What the screen says of samples, and which of them have wrong labels.
struct Screened {
    scores: Vec<f64>,
    is_wrong: Vec<bool>,
}

/// Trains on samples of which some have wrong labels, and screens them. `None` if too few can have one.
fn screened(
    retrainer: &Retrainer<'_>,
    groups: &Groups,
    seed: u64,
    observer: RetrainObserver<'_>,
) -> Result<Option<Screened>, MeasureError> {
    let training = retrainer.dataset().training();
    let Some(Planted { samples, is_wrong }) = Planted::new(training, groups.of_sample(), seed) else { return Ok(None) };
    let planted = retrainer.with_samples(samples)?;
    let mut scores = vec![0f64; is_wrong.len()];
    for retrained in planted.run(&[vec![true; is_wrong.len()]], observer)? {
        let adapter = retrained.load(retrainer.model())?;
        for suspicion in
            screen(retrainer.model(), &adapter, planted.dataset().training(), ScreenSettings::default(), &unobserved)?
        {
            scores[suspicion.place] = suspicion.score;
        }
    }
    Ok(Some(Screened { scores, is_wrong }))
}

/// Measures how accurate the attribution of a job is: the record that stands on chain beside its payouts.
///
/// Trains random coalitions of 80 % of the contributors (of the groups, with fewer than five, and never all but one), asks the
/// run's validation samples as queries, and compares their losses with what the coalitions' members are predicted to do:
/// the scores of groups, divided inside each as units are ([`share`]). The same queries say what ghosts would be paid. One more
/// run, with wrong labels, says how many of them the screen finds.
/// `clusters` are those of the training samples ([`Corpus::standings`]), and `result` the adapter that tangents and
/// embeddings are of.
///
/// A function of its inputs: the same are measured the same. What was trained is kept in the retrainer's folder, so that a
/// process that is killed goes on. Cost: the coalitions, a run, an explained answer for each query, and of that run a gradient
/// for each sample.
#[expect(clippy::too_many_arguments, reason = "each is a thing of its own that a job has")]
pub fn measure(
    retrainer: &Retrainer<'_>,
    corpus: &Corpus,
    clusters: Option<&[Standing]>,
    tangents: Option<&Tangents>,
    embeddings: &Embeddings,
    result: &Adapter,
    settings: MeasureSettings,
    observer: RetrainObserver<'_>,
) -> Result<Accuracy, MeasureError> {
    let (model, queries) = (retrainer.model(), retrainer.validation());
    if queries.is_empty() {
        return Err(MeasureError::NoQueries);
    }
    let same =
        |samples: &[EncodedSample], ids: &[ContentHash]| samples.iter().map(EncodedSample::id).eq(ids.iter().copied());
    if !same(retrainer.dataset().training(), embeddings.samples()) {
        return Err(MeasureError::OtherRun { what: "training samples" });
    }
    if !same(queries, embeddings.ghosts()) {
        return Err(MeasureError::OtherRun { what: "validation samples" });
    }
    let groups = answer_groups(tangents, embeddings)?;
    let members = Members::new(corpus, &groups)?;

    let MeasureSettings { coalitions, seed, way, ceiling, mislabel } = settings;
    let coalitions = random_coalitions(members.count, members.of_coalition(), coalitions.into(), seed);
    let mut runs: Vec<Vec<bool>> = coalitions.iter().map(|is_in| members.included(is_in)).collect();
    if ceiling && !members.are_groups {
        let all_but = |out: usize| members.of_sample.iter().map(|member| *member != out).collect();
        runs.extend((0..members.count).map(all_but));
    }
    let mut losses: Vec<Vec<f64>> = vec![Vec::with_capacity(runs.len()); queries.len()];
    for retrained in retrainer.run(&runs, observer)? {
        let adapter = retrained.load(model)?;
        for (losses, query) in losses.iter_mut().zip(queries) {
            losses.push(f64::from(sample_loss(model, Some(&adapter), query)?));
        }
    }

    let rule = Rule::new(Ppm::ONE);
    let neighbours = embeddings.ghost_neighbours();
    let said: Vec<ContentHash> = retrainer.dataset().training().iter().map(says).collect();
    let (mut effects, mut exact) = (Vec::with_capacity(queries.len()), Vec::with_capacity(queries.len()));
    let mut of_ghosts = GhostUnits::default();
    for (at, (query, losses)) in queries.iter().zip(&mut losses).enumerate() {
        let scores = answer_scores(model, result, tangents, embeddings, query, way)?;
        let Some(mut scores) = scores else { return Err(MeasureError::NotFinite { sample: query.id() }) };
        // The query is a ghost itself, and says what it says.
        scores.ghosts.remove(at);
        let others = queries.iter().zip(&neighbours).enumerate().filter(|(place, _)| *place != at);
        let posing: Vec<Ghost> = (others.zip(&scores.ghosts))
            .map(|((_, (ghost, neighbour)), score)| Ghost {
                id: ghost.id(),
                says: says(ghost),
                group: groups.of_sample()[*neighbour],
                score: *score,
            })
            .collect();
        let shared = scores.share(&groups, clusters, &rule)?;
        of_ghosts += ghost_units(&rule, &shared.groups, &shared.samples, &said, &posing)?;
        effects.push(members.effects(&rule, &scores, &shared.samples)?);

        let of_coalitions = losses.len().min(coalitions.len());
        let without = losses.split_off(of_coalitions);
        exact.push(match tangents {
            Some(tangents) if members.are_groups => tangents.loss_differences(model, result, query)?,
            _ if ceiling => {
                let with = f64::from(sample_loss(model, Some(result), query)?);
                without.into_iter().map(|loss| loss - with).collect()
            }
            _ => Vec::new(),
        });
    }
    let screened = if mislabel { screened(retrainer, &groups, seed, observer)? } else { None };
    let exact = (ceiling || members.are_groups).then(|| Predictions::sums(&exact, &coalitions));
    let measurement = Measurement {
        coalitions: Predictions { predicted: &Predictions::sums(&effects, &coalitions), losses: &losses },
        exact: exact.as_deref(),
        mislabel: screened.as_ref().map(|found| (found.scores.as_slice(), found.is_wrong.as_slice())),
        ghost_share: of_ghosts.share(),
        seed,
    };
    Ok(measurement.accuracy()?)
}
