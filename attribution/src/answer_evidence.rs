//! The evidence of one answer: what its shares follow from, and checking that they do.

use crate::{
    answer::{Answer, AnswerShares, SampleScores},
    corpus::Corpus,
    embedding::Embeddings,
    error::EvidenceError,
    explain::{AnswerScores, ExplainError, answer_groups, answer_query},
    report::AttributionReport,
    tangents::Tangents,
};
use serde::{Deserialize, Serialize};
use tributary_lora::{Adapter, EncodedSample, Model};
use tributary_protocol::{
    ContentHash, ContributionId,
    answer::{Fallback, Rule},
    recipe::{AttributionMethod, TangentWay},
};

/// The format of evidence of answers that this program writes and reads.
const FORMAT: u32 = 3;

/// A contribution's part of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnsweredContribution {
    /// The contribution.
    pub contribution: ContributionId,
    /// The account that made it, in hexadecimal digits.
    pub contributor: ContentHash,
    /// Its units of the answer's 10^9.
    pub units: u64,
}

/// What the shares of one answer follow from: what an operator keeps beside the receipt, and what anybody checks.
///
/// As bytes it is JSON without spaces, the fields in the order of declaration; there is no float in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerEvidence {
    format: u32,
    /// BLAKE3 of the adapter's weights file.
    pub adapter: ContentHash,
    /// BLAKE3 of the evidence of the model's training, which names the samples' owners and clusters.
    pub training: ContentHash,
    /// All tokens: what was asked, then what was answered.
    pub tokens: Vec<u32>,
    /// Where each part of the answer begins and ends among them.
    pub answered: Vec<(u32, u32)>,
    /// The answer's [`crate::query_gradient`], sketched and rounded to int8, in hexadecimal digits; empty if a score was no
    /// number.
    pub query: String,
    /// How much each group of samples helped.
    pub groups: Vec<i64>,
    /// The rule that the units follow by.
    pub rule: Rule,
    /// The units that go by the training's shares.
    pub base: u64,
    /// Why those are all, if they are.
    pub fallback: Option<Fallback>,
    /// The contributions that get units, the largest first.
    pub contributions: Vec<AnsweredContribution>,
}

/// An answer with everything that is known of why.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What is kept.
    pub evidence: AnswerEvidence,
    /// Each contribution with the samples behind it, the largest first.
    pub contributions: Vec<crate::ContributionShare>,
}

/// A model whose answers can be explained.
#[derive(Clone, Copy, Debug)]
pub struct ExplainedModel<'a> {
    /// The evidence of its training.
    pub report: &'a AttributionReport,
    /// The rows of its samples.
    pub embeddings: &'a Embeddings,
    /// The tangents of its groups, if its job asked for them.
    pub tangents: Option<&'a Tangents>,
}

impl ExplainedModel<'_> {
    /// Explains an answer, whose trained tokens are what the model said, by `rule`.
    ///
    /// Cost: a gradient, what the job's way of scoring groups costs, and a product of int8 with each sample's row.
    pub fn explain(
        &self,
        model: &Model,
        adapter: &Adapter,
        answer: &EncodedSample,
        rule: &Rule,
    ) -> Result<Explained, EvidenceError> {
        let query = answer_query(model, adapter, self.tangents, self.embeddings, answer, self.way())?;
        let (query, groups) = query.map_or_else(Default::default, |query| (query.sketch, query.groups));
        let (shares, contributions) = self.divide(&query, &groups, rule)?;
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let evidence = AnswerEvidence {
            format: FORMAT,
            adapter: adapter.content_hash().map_err(crate::AttributionError::from)?,
            training: self.report.hash(),
            tokens: answer.tokens().to_vec(),
            answered: answer.trained_ranges().iter().map(|range| (number(range.start), number(range.end))).collect(),
            query: query.iter().map(|value| format!("{:02x}", value.cast_unsigned())).collect(),
            groups,
            rule: *rule,
            base: shares.shares.base,
            fallback: shares.shares.fallback,
            contributions: paid(&contributions),
        };
        Ok(Explained { evidence, contributions })
    }

    /// Checks that an answer's units follow from its query and its groups' scores: exact integers, the same for everybody. Cost:
    /// a product of int8 with each sample's row.
    ///
    /// Errors: evidence of another model, or with other units than follow.
    pub fn check(&self, evidence: &AnswerEvidence) -> Result<Explained, EvidenceError> {
        let other = |what| Err(EvidenceError::OtherInputs { what });
        if evidence.training != self.report.hash() {
            return other("training");
        }
        if self.report.checkpoints.last().map(|last| last.adapter) != Some(evidence.adapter) {
            return other("adapter");
        }
        let Some(query) = from_hex(&evidence.query) else { return other("query") };
        let (shares, contributions) = self.divide(&query, &evidence.groups, &evidence.rule)?;
        let expected = AnswerEvidence {
            base: shares.shares.base,
            fallback: shares.shares.fallback,
            contributions: paid(&contributions),
            ..evidence.clone()
        };
        if expected.contributions != evidence.contributions {
            return other("contributions' units");
        }
        if expected != *evidence {
            return other("base pool");
        }
        Ok(Explained { evidence: expected, contributions })
    }

    /// Does everything again from the answer's tokens, and says whether the same comes out. On a model under `det-f32-v1` it
    /// does, bit for bit.
    pub fn repeat(&self, model: &Model, adapter: &Adapter, evidence: &AnswerEvidence) -> Result<bool, EvidenceError> {
        let ranges = evidence.answered.iter().map(|(start, end)| *start as usize..*end as usize);
        let answer = EncodedSample::with_ranges(ContentHash::default(), evidence.tokens.clone(), ranges);
        Ok(self.explain(model, adapter, &answer, &evidence.rule)?.evidence == *evidence)
    }

    fn way(&self) -> TangentWay {
        match self.report.method {
            AttributionMethod::GroupTangents { way, .. } => way,
            AttributionMethod::TracInCp { .. } | AttributionMethod::DataValueEmbedding => TangentWay::default(),
        }
    }

    fn divide(
        &self,
        query: &[i8],
        group_scores: &[i64],
        rule: &Rule,
    ) -> Result<(AnswerShares, Vec<crate::ContributionShare>), EvidenceError> {
        let corpus = Corpus::of_report(self.report);
        let groups = answer_groups(self.tangents, self.embeddings)?;
        let clusters = corpus.standings(self.embeddings.samples());
        let shares = match self.embeddings.integer_scores(query).zip(self.embeddings.integer_ghost_scores(query)) {
            Some((samples, ghosts)) => {
                let scores = AnswerScores { groups: group_scores.to_vec(), samples, ghosts };
                scores.share(&groups, Some(&clusters), rule)?
            }
            None if query.is_empty() => AnswerShares::not_finite(groups.ids().len()),
            None => return Err(EvidenceError::OtherInputs { what: "query's dimensions" }),
        };
        let sample_scores = SampleScores::Integers { samples: &[], ghosts: &[] };
        let answer = Answer { groups: &groups, clusters: None, group_scores: &[], sample_scores };
        let contributions = answer.by_contribution(&shares.shares, &corpus).map_err(ExplainError::from)?;
        Ok((shares, contributions))
    }
}

fn paid(contributions: &[crate::ContributionShare]) -> Vec<AnsweredContribution> {
    let part = |share: &crate::ContributionShare| AnsweredContribution {
        contribution: share.contribution,
        contributor: ContentHash(share.contributor),
        units: share.units,
    };
    contributions.iter().filter(|share| share.units > 0).map(part).collect()
}

impl AnswerEvidence {
    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and lists have a JSON form")
    }

    /// BLAKE3 of the file: what a leaf or a receipt names.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&self.to_bytes())
    }

    /// Reads a file. What it says is checked by [`ExplainedModel::check`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let evidence: Self = serde_json::from_slice(bytes)?;
        match evidence.format {
            FORMAT => Ok(evidence),
            found => Err(EvidenceError::Format { found, expected: FORMAT }),
        }
    }
}

fn from_hex(text: &str) -> Option<Vec<i8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok().map(u8::cast_signed);
    (0..text.len()).step_by(2).map(byte).collect()
}
