//! From the evidence of the answers to one request to the units of its receipt.

use std::collections::{BTreeMap, HashMap};
use tributary_attribution::AnswerEvidence;
use tributary_protocol::{
    ContributionId,
    receipt::{RECEIPT_SHARES_MAX, ReceiptShare},
    share::apportion,
    stream::SHARE_UNITS,
};

/// An answer's units: what a receipt says of them. They sum to [`SHARE_UNITS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    /// Of the base pool.
    pub base: u64,
    /// Of contributions, ascending by leaf; none is 0.
    pub shares: Vec<ReceiptShare>,
}

impl Units {
    /// All by the shares of the model's training.
    pub const TRAINING: Self = Self { base: SHARE_UNITS, shares: Vec::new() };

    /// The units of the answers to one request, each counted by its tokens, where `places` has the leaf of each contribution.
    /// Those of a single answer are its own. Where more than [`RECEIPT_SHARES_MAX`] contributions have a share, the smallest
    /// go to the base pool. `None` if the evidence names a contribution that the model does not have.
    pub fn of_answers(answers: &[(u32, AnswerEvidence)], places: &HashMap<ContributionId, u32>) -> Option<Self> {
        let mut base = 0u128;
        let mut scores: BTreeMap<u32, u128> = BTreeMap::new();
        for (tokens, evidence) in answers {
            // 32 bits of tokens times 30 of units, for fewer than 2^64 answers.
            let tokens = u128::from(*tokens);
            base += tokens * u128::from(evidence.base);
            for paid in &evidence.contributions {
                *scores.entry(*places.get(&paid.contribution)?).or_default() += tokens * u128::from(paid.units);
            }
        }
        let of_leaves: Vec<u32> = scores.keys().copied().collect();
        let scores: Vec<u128> = std::iter::once(base).chain(scores.into_values()).collect();
        let units = apportion(&scores, SHARE_UNITS).filter(|units| !units.equal_split)?.units;
        let (base, units) = units.split_first()?;
        let shares = of_leaves.into_iter().zip(units).filter(|(_, units)| **units > 0);
        let shares = shares.map(|(index, units)| ReceiptShare { index, units: *units }).collect();
        Some(Self { base: *base, shares }.bounded(RECEIPT_SHARES_MAX as usize))
    }

    fn bounded(mut self, shares_max: usize) -> Self {
        if self.shares.len() > shares_max {
            self.shares.sort_unstable_by_key(|share| (std::cmp::Reverse(share.units), share.index));
            self.base += self.shares.drain(shares_max..).map(|share| share.units).sum::<u64>();
            self.shares.sort_unstable_by_key(|share| share.index);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tributary_protocol::ContentHash;

    fn evidence(base: u64, units: &[(u64, u64)]) -> AnswerEvidence {
        let hash = ContentHash::default();
        let contributions: Vec<_> = units
            .iter()
            .map(|(contribution, units)| json!({"contribution": contribution, "contributor": hash, "units": units}))
            .collect();
        let evidence = json!({
            "format": 3, "adapter": hash, "training": hash, "tokens": [1, 2], "answered": [[1, 2]], "query": "",
            "groups": [], "rule": {"floor_quantile": 900_000, "sample_max": 500_000, "attributed": 800_000},
            "base": base, "fallback": null, "contributions": contributions,
        });
        AnswerEvidence::from_bytes(evidence.to_string().as_bytes()).unwrap()
    }

    fn places() -> HashMap<ContributionId, u32> {
        [(ContributionId(10), 0), (ContributionId(20), 1), (ContributionId(30), 2)].into()
    }

    fn shares(of: &[(u32, u64)]) -> Vec<ReceiptShare> {
        of.iter().map(|(index, units)| ReceiptShare { index: *index, units: *units }).collect()
    }

    #[test]
    fn one_answers_units_are_its_own_by_leaf() {
        let one = [(7, evidence(300_000_000, &[(30, 600_000_000), (10, 100_000_000)]))];
        let expected = Units { base: 300_000_000, shares: shares(&[(0, 100_000_000), (2, 600_000_000)]) };
        assert_eq!(Units::of_answers(&one, &places()), Some(expected));
        assert_eq!(Units::of_answers(&[(1, evidence(SHARE_UNITS, &[]))], &places()), Some(Units::TRAINING));
        let strange = [(7, evidence(0, &[(40, SHARE_UNITS)]))];
        assert_eq!(Units::of_answers(&strange, &places()), None);
        assert_eq!(Units::of_answers(&[], &places()), None);
    }

    #[test]
    fn several_answers_count_by_their_tokens_and_stay_whole() {
        let answers = [(2, evidence(200_000_000, &[(10, 800_000_000)])), (1, evidence(SHARE_UNITS, &[]))];
        let units = Units::of_answers(&answers, &places()).unwrap();
        assert_eq!(units, Units { base: 466_666_667, shares: shares(&[(0, 533_333_333)]) });
    }

    #[test]
    fn too_many_shares_leave_the_smallest_to_the_base_pool() {
        let units = Units { base: 10, shares: shares(&[(0, 5), (3, 1), (4, 9), (8, 5)]) };
        assert_eq!(units.bounded(2), Units { base: 16, shares: shares(&[(0, 5), (4, 9)]) });
    }
}
