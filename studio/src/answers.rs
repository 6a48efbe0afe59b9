//! What an operator's answers have earned an account: asked of the operator, and checked against what the chain accepted.

use crate::outbound::{Outbound, OutboundError, below};
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::collections::BTreeMap;
use tributary_client::Account;
use tributary_protocol::{
    Amount, ContentHash, ContributionId, ModelId,
    content::TreeHead,
    epoch::{AcceptedEpoch, AmountLeaf, AmountProof, AmountRoot, EpochDomain, EpochRoot},
    sum_tree::{self, Node},
};
use url::Url;

/// Longest answer: an operator shows 1,000 leaves at once, each with at most 24 siblings of some 140 bytes.
const CLAIMS_BYTES_MAX: usize = 4 << 20;

/// Why an operator's leaves cannot be claimed with.
#[derive(Debug, thiserror::Error)]
pub enum AnswersError {
    /// The chain says no address that can be asked.
    #[error("the operator's address on the chain is none that can be asked")]
    Address,
    /// It does not answer.
    #[error("the operator does not answer")]
    Away(#[source] OutboundError),
    /// It refuses.
    #[error("the operator answers {0}")]
    Refused(StatusCode),
    /// What it says cannot be read.
    #[error("the operator's answer cannot be read")]
    Malformed(#[source] OutboundError),
    /// It shows no epoch that was accepted.
    #[error("the operator shows no accepted epoch, and the chain has accepted epoch {accepted}")]
    NoEpoch {
        /// What the chain accepted.
        accepted: u32,
    },
    /// It shows another epoch, or what another operator or model earned.
    #[error("the operator shows epoch {shown}, which is not epoch {accepted} as the chain has accepted it")]
    OtherEpoch {
        /// What it shows.
        shown: u32,
        /// What the chain accepted.
        accepted: u32,
    },
    /// A leaf's proof does not hold.
    #[error("the operator shows a leaf that is not in the epoch which the chain accepted: leaf {0}")]
    WrongLeaf(u32),
}

/// A leaf with its proof, which holds.
pub type Proven = (AmountLeaf, AmountProof);

/// Whose leaves of which epoch.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Hash of the chain's genesis block.
    pub genesis: [u8; 32],
    /// The model that answered.
    pub model: ModelId,
    /// Who answered with it.
    pub operator: Account,
    /// Who contributed.
    pub account: Account,
    /// What the chain accepted.
    pub accepted: AcceptedEpoch,
}

impl Question {
    /// Asks the operator at `endpoint`; returns the account's leaves in the order of the tree.
    pub async fn ask(&self, outbound: &Outbound, endpoint: &str) -> Result<Vec<Proven>, AnswersError> {
        let url = below(&address(endpoint)?, &format!("v1/claims/{}/{}", self.model, self.account));
        let shown: Shown = match outbound.json(&url, CLAIMS_BYTES_MAX).await {
            Ok(shown) => shown,
            Err(OutboundError::Refused { status: StatusCode::NOT_FOUND, .. }) => {
                return Err(AnswersError::NoEpoch { accepted: self.accepted.epoch });
            }
            Err(OutboundError::Refused { status, .. }) => return Err(AnswersError::Refused(status)),
            Err(error @ OutboundError::Unreachable { .. }) => return Err(AnswersError::Away(error)),
            Err(error @ OutboundError::Malformed { .. }) => return Err(AnswersError::Malformed(error)),
        };
        self.proven(shown)
    }

    /// The account's leaves, if they are in the epoch that the chain accepted; each once, whatever is shown. Leaves of others
    /// are left out.
    fn proven(&self, shown: Shown) -> Result<Vec<Proven>, AnswersError> {
        let Self { genesis, model, operator, account, accepted } = *self;
        let is_meant = shown.model == model && shown.operator == operator;
        if !is_meant || shown.epoch != accepted.epoch || EpochRoot::from(shown.root) != accepted.root {
            return Err(AnswersError::OtherEpoch { shown: shown.epoch, accepted: accepted.epoch });
        }
        let domain = EpochDomain { genesis, model, operator: operator.0, epoch: accepted.epoch };
        let mut proven = BTreeMap::new();
        for claim in shown.claims.into_iter().filter(|claim| claim.leaf.contributor == account) {
            let wrong = AnswersError::WrongLeaf(claim.leaf.index);
            let leaf = AmountLeaf::from(claim.leaf);
            let siblings: Vec<_> = claim.siblings.into_iter().map(Node::from).collect();
            let Ok(siblings) = siblings.try_into() else { return Err(wrong) };
            let proof = AmountProof { siblings };
            if sum_tree::verify(&domain, &accepted.root.amounts, &leaf, &proof).is_err() {
                return Err(wrong);
            }
            proven.insert(leaf.index, (leaf, proof));
        }
        Ok(proven.into_values().collect())
    }
}

/// What an operator wrote on the chain as its address, with or without the API's version behind it.
fn address(endpoint: &str) -> Result<Url, AnswersError> {
    let endpoint = endpoint.trim_end_matches('/');
    let url = Url::parse(endpoint.strip_suffix("/v1").unwrap_or(endpoint)).map_err(|_| AnswersError::Address)?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (is_web && is_bare).then_some(url).ok_or(AnswersError::Address)
}

/// `GET /v1/claims/..` of an operator; its own types are `receipts::view` of `tributary-serving`.
#[derive(Deserialize)]
struct Shown {
    model: ModelId,
    operator: Account,
    epoch: u32,
    root: ShownRoot,
    claims: Vec<ShownClaim>,
}

#[derive(Deserialize)]
struct ShownRoot {
    root: ContentHash,
    #[serde(deserialize_with = "digits")]
    total: Amount,
    leaves: u32,
    receipts: TreeHead,
    method: ContentHash,
}

impl From<ShownRoot> for EpochRoot {
    fn from(ShownRoot { root, total, leaves, receipts, method }: ShownRoot) -> Self {
        Self { amounts: AmountRoot { root, total, leaves }, receipts, method }
    }
}

#[derive(Deserialize)]
struct ShownClaim {
    leaf: ShownLeaf,
    siblings: Vec<ShownSibling>,
}

#[derive(Deserialize)]
struct ShownLeaf {
    index: u32,
    contribution: ContributionId,
    contributor: Account,
    #[serde(deserialize_with = "digits")]
    amount: Amount,
    evidence: ContentHash,
}

impl From<ShownLeaf> for AmountLeaf {
    fn from(ShownLeaf { index, contribution, contributor, amount, evidence }: ShownLeaf) -> Self {
        Self { index, contribution, contributor: contributor.0, units: amount, evidence }
    }
}

#[derive(Deserialize)]
struct ShownSibling {
    hash: ContentHash,
    #[serde(deserialize_with = "digits")]
    sum: Amount,
}

impl From<ShownSibling> for Node<Amount> {
    fn from(ShownSibling { hash, sum }: ShownSibling) -> Self {
        Self { hash, sum }
    }
}

/// An amount as a string of decimal digits.
fn digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("an amount is a string of decimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tributary_protocol::epoch::AmountTree;

    const ADA: Account = Account([1; 32]);
    const BOB: Account = Account([2; 32]);

    /// Three leaves, of Ada, Bob and Ada, and the question after Ada's.
    fn scene() -> (Question, AmountTree) {
        let (genesis, model, operator) = ([7; 32], ModelId(3), Account([9; 32]));
        let domain = EpochDomain { genesis, model, operator: operator.0, epoch: 2 };
        let leaf = |index: u32, contributor: Account| AmountLeaf {
            index,
            contribution: ContributionId(index.into()),
            contributor: contributor.0,
            units: 100 + Amount::from(index),
            evidence: ContentHash::default(),
        };
        let tree = AmountTree::new(&domain, vec![leaf(0, ADA), leaf(1, BOB), leaf(2, ADA)]).unwrap();
        let accepted = AcceptedEpoch { epoch: 2, root: EpochRoot { amounts: tree.root(), ..EpochRoot::default() } };
        (Question { genesis, model, operator, account: ADA, accepted }, tree)
    }

    fn claim(tree: &AmountTree, index: u32) -> Value {
        let (leaf, proof) = (tree.leaves()[index as usize], tree.prove(index).unwrap());
        let sibling = |node: &Node<Amount>| json!({ "hash": node.hash, "sum": node.sum.to_string() });
        json!({
            "leaf": {
                "index": leaf.index,
                "contribution": leaf.contribution,
                "contributor": Account(leaf.contributor),
                "amount": leaf.units.to_string(),
                "evidence": leaf.evidence,
            },
            "siblings": proof.siblings.iter().map(sibling).collect::<Vec<_>>(),
        })
    }

    fn shown(question: &Question, claims: Vec<Value>) -> Value {
        let root = question.accepted.root;
        json!({
            "model": question.model,
            "operator": question.operator,
            "epoch": question.accepted.epoch,
            "root": {
                "root": root.amounts.root,
                "total": root.amounts.total.to_string(),
                "leaves": root.amounts.leaves,
                "receipts": root.receipts,
                "method": root.method,
            },
            "claims": claims,
        })
    }

    fn proven(question: &Question, shown: Value) -> Result<Vec<u32>, AnswersError> {
        let proven = question.proven(serde_json::from_value(shown).unwrap())?;
        Ok(proven.into_iter().map(|(leaf, _)| leaf.index).collect())
    }

    #[test]
    fn only_ones_own_leaves_are_taken_and_each_once() {
        let (question, tree) = scene();
        let all = [2, 0, 1, 2].map(|index| claim(&tree, index)).to_vec();
        assert_eq!(proven(&question, shown(&question, all)).unwrap(), [0, 2]);
        assert_eq!(proven(&question, shown(&question, vec![])).unwrap(), [0; 0]);
    }

    #[test]
    fn what_the_chain_did_not_accept_is_refused() {
        let (question, tree) = scene();
        let whole = shown(&question, vec![claim(&tree, 0)]);
        for (place, other) in [
            ("/epoch", json!(3)),
            ("/model", json!(4)),
            ("/operator", json!(BOB)),
            ("/root/total", json!("304")),
            ("/root/method", json!(ContentHash([1; 32]))),
        ] {
            let mut changed = whole.clone();
            *changed.pointer_mut(place).unwrap() = other;
            assert!(matches!(proven(&question, changed), Err(AnswersError::OtherEpoch { accepted: 2, .. })), "{place}");
        }
        let mut greedy = whole.clone();
        greedy["claims"][0]["leaf"]["amount"] = json!("101");
        assert!(matches!(proven(&question, greedy), Err(AnswersError::WrongLeaf(0))));
        let mut long = whole;
        long["claims"][0]["siblings"] = json!(vec![long["claims"][0]["siblings"][0].clone(); 25]);
        assert!(matches!(proven(&question, long), Err(AnswersError::WrongLeaf(0))));
    }

    #[test]
    fn addresses_are_of_the_web_and_hold_no_secrets() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("https://models.example.org/", "https://models.example.org/"),
            ("https://models.example.org/v1/", "https://models.example.org/"),
            ("https://example.org/models/v1", "https://example.org/models"),
        ] {
            assert_eq!(address(endpoint).unwrap().as_str(), expected);
        }
        for endpoint in ["", "models.example.org", "file:///etc/passwd", "http://", "http://a:b@h", "http://h/?x=1"] {
            assert!(address(endpoint).is_err(), "{endpoint}");
        }
    }
}
