//! Receipts, proofs and epochs as JSON: amounts are strings of decimal digits, since JSON's numbers end at 2^53; accounts are
//! SS58 addresses; hashes and bytes are hexadecimal digits.

use codec::{DecodeAll, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tributary_client::Account;
use tributary_protocol::{
    Amount, ContentHash, ContributionId, ModelId,
    content::{InclusionProof, TreeHead},
    epoch::{AmountLeaf, AmountProof, AmountRoot, EpochRoot},
    receipt::{ReceiptShare, SignedReceipt},
    sum_tree::Node,
};

/// The HTTP header of an answer that carries its receipt; see [`header`].
pub const RECEIPT_HEADER: &str = "x-tributary-receipt";
/// Longest header, in characters. Servers on the way commonly allow 8,192 for all headers together.
pub const HEADER_CHARS_MAX: usize = 4_096;
/// Most shares that the response's object names; all are at the receipt's address.
pub const SHARES_INLINE_MAX: usize = 64;

/// Where an operator shows a receipt.
pub fn receipt_path(model: ModelId, number: u64) -> String {
    format!("/v1/receipts/{model}/{number}")
}

/// The header of a receipt: the SCALE bytes of the signed receipt in hexadecimal digits, if those are at most
/// [`HEADER_CHARS_MAX`], which they are for up to 147 shares; else the receipt's leaf, a space, and [`receipt_path`].
pub fn header(signed: &SignedReceipt, genesis: [u8; 32]) -> String {
    let bytes = signed.encode();
    match bytes.len() * 2 <= HEADER_CHARS_MAX {
        true => hex::encode(bytes),
        false => {
            let receipt = &signed.receipt;
            format!("{} {}", receipt.leaf(genesis), receipt_path(receipt.model, receipt.number))
        }
    }
}

/// An amount, in 10^-12 TRIB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmountText(pub Amount);

impl Serialize for AmountText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AmountText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| D::Error::custom("an amount is a string of decimal digits"))
    }
}

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptView {
    /// Who answered.
    pub operator: Account,
    /// The model.
    pub model: ModelId,
    /// The receipt's number among the operator's of this model.
    pub number: u64,
    /// BLAKE3 of the adapter's file.
    pub adapter: ContentHash,
    /// BLAKE3 of the request's body.
    pub request: ContentHash,
    /// BLAKE3 of the answer's text.
    pub response: ContentHash,
    /// Tokens of the request.
    pub input_tokens: u32,
    /// Tokens of the answer.
    pub output_tokens: u32,
    /// What it cost.
    pub price: AmountText,
    /// BLAKE3 of how the shares were made.
    pub method: ContentHash,
    /// Units that go by the shares of training.
    pub base: u64,
    /// How many contributions have the others.
    pub share_count: usize,
    /// Which; absent if they are too many for the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<Vec<ReceiptShare>>,
    /// The receipt's leaf in the tree that epochs count it in.
    pub leaf: ContentHash,
    /// The operator's signature.
    pub signature: String,
    /// Where the receipt is, and with `/proof` behind it its place in an epoch.
    pub path: String,
    /// SCALE of the signed receipt; absent where the shares are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
}

impl ReceiptView {
    /// A receipt with at most `shares_max` shares named.
    pub fn new(signed: &SignedReceipt, genesis: [u8; 32], shares_max: usize) -> Self {
        let SignedReceipt { receipt, signature } = signed;
        let whole = receipt.shares.len() <= shares_max;
        Self {
            operator: Account(receipt.operator),
            model: receipt.model,
            number: receipt.number,
            adapter: receipt.adapter,
            request: receipt.request,
            response: receipt.response,
            input_tokens: receipt.input_tokens,
            output_tokens: receipt.output_tokens,
            price: AmountText(receipt.price),
            method: receipt.method,
            base: receipt.base,
            share_count: receipt.shares.len(),
            shares: whole.then(|| receipt.shares.to_vec()),
            leaf: receipt.leaf(genesis),
            signature: hex::encode(signature),
            path: receipt_path(receipt.model, receipt.number),
            signed: whole.then(|| hex::encode(signed.encode())),
        }
    }
}

/// A page of receipts, each as the SCALE bytes of the signed receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptPage {
    /// How many receipts the model has now.
    pub count: u64,
    /// The number of the first.
    pub from: u64,
    /// The receipts, ascending.
    pub receipts: Vec<SignedText>,
}

/// A signed receipt as its SCALE bytes in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedText(pub SignedReceipt);

impl Serialize for SignedText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0.encode()))
    }
}

impl<'de> Deserialize<'de> for SignedText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = hex::decode(text).map_err(D::Error::custom)?;
        SignedReceipt::decode_all(&mut bytes.as_slice()).map(Self).map_err(D::Error::custom)
    }
}

/// A receipt's place in the tree of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofView {
    /// The model.
    pub model: ModelId,
    /// The operator.
    pub operator: Account,
    /// The epoch.
    pub epoch: u32,
    /// Root and size of the tree, as the epoch posted them.
    pub receipts: TreeHead,
    /// The path.
    pub proof: InclusionProof,
}

/// An epoch's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRootView {
    /// The root over the amounts.
    pub root: ContentHash,
    /// Their sum.
    pub total: AmountText,
    /// How many leaves.
    pub leaves: u32,
    /// The tree over the receipts.
    pub receipts: TreeHead,
    /// BLAKE3 of how the receipts' shares were made.
    pub method: ContentHash,
}

impl From<EpochRoot> for EpochRootView {
    fn from(root: EpochRoot) -> Self {
        let AmountRoot { root: amounts, total, leaves } = root.amounts;
        Self { root: amounts, total: AmountText(total), leaves, receipts: root.receipts, method: root.method }
    }
}

impl From<EpochRootView> for EpochRoot {
    fn from(view: EpochRootView) -> Self {
        let EpochRootView { root, total: AmountText(total), leaves, receipts, method } = view;
        Self { amounts: AmountRoot { root, total, leaves }, receipts, method }
    }
}

/// A leaf of an epoch: what a contribution has earned with all answers so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafView {
    /// Its place.
    pub index: u32,
    /// The contribution.
    pub contribution: ContributionId,
    /// Who made it, and claims for it.
    pub contributor: Account,
    /// How much.
    pub amount: AmountText,
    /// The root over the receipts, from which the amounts follow.
    pub evidence: ContentHash,
}

impl From<AmountLeaf> for LeafView {
    fn from(leaf: AmountLeaf) -> Self {
        let AmountLeaf { index, contribution, contributor, units, evidence } = leaf;
        Self { index, contribution, contributor: Account(contributor), amount: AmountText(units), evidence }
    }
}

impl From<LeafView> for AmountLeaf {
    fn from(view: LeafView) -> Self {
        let LeafView { index, contribution, contributor, amount: AmountText(units), evidence } = view;
        Self { index, contribution, contributor: contributor.0, units, evidence }
    }
}

/// A page of an epoch's leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochPage {
    /// Hash of the chain's genesis block.
    pub genesis: ContentHash,
    /// The model.
    pub model: ModelId,
    /// The operator.
    pub operator: Account,
    /// The epoch's number.
    pub epoch: u32,
    /// What was posted.
    pub root: EpochRootView,
    /// The place of the first leaf.
    pub from: u32,
    /// The leaves, ascending.
    pub leaves: Vec<LeafView>,
}

/// Which epochs an operator shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochList {
    /// The model.
    pub model: ModelId,
    /// The operator.
    pub operator: Account,
    /// The one that contributors claim from.
    pub accepted: Option<u32>,
    /// All that are kept, ascending.
    pub epochs: Vec<u32>,
}

/// A sibling on a leaf's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiblingView {
    /// Its hash.
    pub hash: ContentHash,
    /// What its leaves hold.
    pub sum: AmountText,
}

/// What one contribution can claim with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerClaim {
    /// The leaf.
    pub leaf: LeafView,
    /// Its path, from the leaf up.
    pub siblings: Vec<SiblingView>,
}

impl AnswerClaim {
    /// A leaf with its proof.
    pub fn new(leaf: AmountLeaf, proof: &AmountProof) -> Self {
        let sibling = |node: &Node<Amount>| SiblingView { hash: node.hash, sum: AmountText(node.sum) };
        Self { leaf: leaf.into(), siblings: proof.siblings.iter().map(sibling).collect() }
    }

    /// The proof; `None` if it is longer than any.
    pub fn proof(&self) -> Option<AmountProof> {
        let node = |view: &SiblingView| Node { hash: view.hash, sum: view.sum.0 };
        let siblings: Vec<_> = self.siblings.iter().map(node).collect();
        Some(AmountProof { siblings: siblings.try_into().ok()? })
    }
}

/// What an account can claim with, from one operator's accepted epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimsView {
    /// The model.
    pub model: ModelId,
    /// The operator.
    pub operator: Account,
    /// The epoch.
    pub epoch: u32,
    /// What was posted.
    pub root: EpochRootView,
    /// One for each of the account's contributions.
    pub claims: Vec<AnswerClaim>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::{receipt::Receipt, stream::SHARE_UNITS};

    fn signed(shares: u32) -> SignedReceipt {
        let shares: Vec<_> = (0..shares).map(|index| ReceiptShare { index, units: 1 }).collect();
        let receipt = Receipt {
            operator: [1; 32],
            model: ModelId(2),
            number: 3,
            adapter: ContentHash([4; 32]),
            request: ContentHash([5; 32]),
            response: ContentHash([6; 32]),
            input_tokens: 7,
            output_tokens: 8,
            price: Amount::MAX,
            method: ContentHash([9; 32]),
            base: SHARE_UNITS - shares.len() as u64,
            shares: shares.try_into().unwrap(),
        };
        SignedReceipt { receipt, signature: [10; 64] }
    }

    #[test]
    fn a_header_holds_the_receipt_while_it_is_short() {
        for (shares, whole) in [(0, true), (147, true), (148, false), (65_536, false)] {
            let signed = signed(shares);
            let text = header(&signed, [0; 32]);
            assert!(text.len() <= HEADER_CHARS_MAX, "{shares}: {}", text.len());
            match whole {
                true => {
                    let SignedText(read) = serde_json::from_value(text.into()).unwrap();
                    assert_eq!(read, signed);
                }
                false => assert_eq!(text, format!("{} /v1/receipts/2/3", signed.receipt.leaf([0; 32]))),
            }
        }
    }

    #[test]
    fn amounts_are_text_and_many_shares_are_left_out() {
        let view = serde_json::to_value(ReceiptView::new(&signed(65), [0; 32], SHARES_INLINE_MAX)).unwrap();
        assert_eq!(view["price"], Amount::MAX.to_string());
        assert_eq!((&view["share_count"], view.get("shares"), view.get("signed")), (&65.into(), None, None));
        let view = serde_json::to_value(ReceiptView::new(&signed(2), [0; 32], SHARES_INLINE_MAX)).unwrap();
        assert_eq!(view["shares"][1]["index"], 1);
        assert!(serde_json::from_str::<AmountText>("12").is_err());
    }

    #[test]
    fn claims_and_roots_read_back() {
        let leaf = AmountLeaf { index: 1, contributor: [2; 32], units: Amount::MAX, ..AmountLeaf::default() };
        let siblings = vec![Node { hash: ContentHash([3; 32]), sum: 4 }].try_into().unwrap();
        let proof = AmountProof { siblings };
        let text = serde_json::to_string(&AnswerClaim::new(leaf, &proof)).unwrap();
        let read: AnswerClaim = serde_json::from_str(&text).unwrap();
        assert_eq!((AmountLeaf::from(read.leaf), read.proof()), (leaf, Some(proof)));
        let long = AnswerClaim { siblings: vec![read.siblings[0]; 25], ..read };
        assert_eq!(long.proof(), None);
        let amounts = AmountRoot { root: ContentHash([5; 32]), total: Amount::MAX, leaves: 6 };
        let receipts = TreeHead { root: ContentHash([7; 32]), leaves: 8 };
        let root = EpochRoot { amounts, receipts, method: ContentHash([9; 32]) };
        let text = serde_json::to_string(&EpochRootView::from(root)).unwrap();
        assert_eq!(EpochRoot::from(serde_json::from_str::<EpochRootView>(&text).unwrap()), root);
    }
}
