//! Receipts: what an operator signs for each answer, and how it is shown that an epoch counts it.
//!
//! A receipt says which model answered with which adapter, to what and with what (by hash), how many tokens that was and what
//! it cost, and which contributions shaped the answer. An operator numbers its receipts of a model from 0; the number is the
//! receipt's place in the tree whose root the operator's epochs post ([`crate::epoch::EpochRoot::receipts`]). So whoever has
//! a receipt can demand to see it in the tree, and whoever has them all can compute the epoch again.

use crate::{
    amount::Amount,
    content::{Contexts, InclusionProof, ProofError, TreeHasher, TreeHead, verify_inclusion},
    ids::{ContentHash, ModelId},
    stream::SHARE_UNITS,
};
use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode};
use core::fmt;
use scale_info::TypeInfo;

/// What the bytes that an operator signs begin with, so that no other signature can be taken for a receipt's.
pub const RECEIPT_CONTEXT: [u8; 20] = *b"tributary receipt v1";
/// Most contributions that one receipt names.
pub const RECEIPT_SHARES_MAX: u32 = 65_536;

/// The tree over the receipts of an operator with a model.
#[derive(Clone, Copy, Debug)]
pub enum ReceiptTree {}

impl Contexts for ReceiptTree {
    const EMPTY: &'static str = "tributary.network 2026-11 receipt-tree empty v1";
    const LEAF: &'static str = "tributary.network 2026-11 receipt-tree leaf v1";
    const NODE: &'static str = "tributary.network 2026-11 receipt-tree node v1";
}

/// What one contribution has of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct ReceiptShare {
    /// Its place among the model's shares: the leaf's index.
    pub index: u32,
    /// Its units of the answer's [`SHARE_UNITS`]. Above 0.
    pub units: u64,
}

/// What an operator says about one answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Receipt {
    /// The operator's account: its 32 bytes.
    pub operator: [u8; 32],
    /// The model that answered.
    pub model: ModelId,
    /// The receipt's number among the operator's of this model, from 0.
    pub number: u64,
    /// BLAKE3 of the adapter's file.
    pub adapter: ContentHash,
    /// BLAKE3 of the request's body.
    pub request: ContentHash,
    /// BLAKE3 of the answer's text, in UTF-8.
    pub response: ContentHash,
    /// Tokens of the request.
    pub input_tokens: u32,
    /// Tokens of the answer.
    pub output_tokens: u32,
    /// What the answer cost the app.
    pub price: Amount,
    /// BLAKE3 of the method of attribution with all its parameters, as in the epoch.
    pub method: ContentHash,
    /// What the base pool has of the answer: it goes by the shares of training.
    pub base: u64,
    /// What contributions have of it, ascending by index. With `base` they sum to [`SHARE_UNITS`].
    pub shares: BoundedVec<ReceiptShare, ConstU32<RECEIPT_SHARES_MAX>>,
}

/// Why a receipt's shares are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptFault {
    /// Two shares are out of order, or of the same contribution.
    OutOfOrder {
        /// The second one's index.
        index: u32,
    },
    /// A share has no units.
    NoUnits {
        /// Its index.
        index: u32,
    },
    /// The units are not [`SHARE_UNITS`] in all.
    NotWhole {
        /// What they sum to; `None` if that overflows.
        sum: Option<u64>,
    },
}

impl fmt::Display for ReceiptFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrder { index } => write!(f, "the share of leaf {index} does not follow in ascending order"),
            Self::NoUnits { index } => write!(f, "the share of leaf {index} has no units"),
            Self::NotWhole { sum: Some(sum) } => write!(f, "the units sum to {sum}, not {SHARE_UNITS}"),
            Self::NotWhole { sum: None } => write!(f, "the units sum to too large a number, not {SHARE_UNITS}"),
        }
    }
}

impl core::error::Error for ReceiptFault {}

impl Receipt {
    /// Whether the shares are in order and whole.
    pub fn check(&self) -> Result<(), ReceiptFault> {
        let mut sum = self.base;
        let mut last = None;
        for ReceiptShare { index, units } in &self.shares {
            if last.is_some_and(|last| last >= *index) {
                return Err(ReceiptFault::OutOfOrder { index: *index });
            }
            if *units == 0 {
                return Err(ReceiptFault::NoUnits { index: *index });
            }
            sum = sum.checked_add(*units).ok_or(ReceiptFault::NotWhole { sum: None })?;
            last = Some(*index);
        }
        if sum == SHARE_UNITS { Ok(()) } else { Err(ReceiptFault::NotWhole { sum: Some(sum) }) }
    }

    /// Its leaf in the tree of receipts, on the chain with this genesis: over the genesis hash and the SCALE bytes.
    pub fn leaf(&self, genesis: [u8; 32]) -> ContentHash {
        ReceiptTree::leaf(&(genesis, self).encode())
    }

    /// The bytes that the operator signs: the context and the leaf, which binds chain and receipt. 52 of them.
    pub fn payload(&self, genesis: [u8; 32]) -> Vec<u8> {
        (RECEIPT_CONTEXT, self.leaf(genesis)).encode()
    }

    /// Checks that the receipt stands at its number in the tree `receipts` of an epoch.
    pub fn verify(&self, genesis: [u8; 32], receipts: &TreeHead, proof: &InclusionProof) -> Result<(), ProofError> {
        if proof.index != self.number {
            return Err(ProofError::OutOfRange);
        }
        verify_inclusion::<ReceiptTree>(receipts, &self.leaf(genesis), proof)
    }
}

/// A receipt with the operator's signature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SignedReceipt {
    /// What is signed.
    pub receipt: Receipt,
    /// The sr25519 signature of the operator's account over [`Receipt::payload`] (signing context `substrate`).
    pub signature: [u8; 64],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::MerkleTree;
    use std::{string::ToString, vec};

    const GENESIS: [u8; 32] = [7; 32];

    fn receipt(number: u64) -> Receipt {
        let shares = vec![ReceiptShare { index: 2, units: 300 }, ReceiptShare { index: 5, units: 700 }];
        Receipt {
            operator: [9; 32],
            model: ModelId(4),
            number,
            adapter: ContentHash::of(b"adapter"),
            request: ContentHash::of(b"request"),
            response: ContentHash::of(&number.to_le_bytes()),
            input_tokens: 12,
            output_tokens: 34,
            price: 56,
            method: ContentHash::of(b"method"),
            base: SHARE_UNITS - 1_000,
            shares: shares.try_into().unwrap(),
        }
    }

    fn with(shares: &[(u32, u64)], base: u64) -> Receipt {
        let shares: Vec<_> =
            shares.iter().map(|(index, units)| ReceiptShare { index: *index, units: *units }).collect();
        Receipt { shares: shares.try_into().unwrap(), base, ..receipt(0) }
    }

    #[test]
    fn shares_are_ascending_and_whole() {
        assert_eq!(receipt(0).check(), Ok(()));
        assert_eq!(with(&[], SHARE_UNITS).check(), Ok(()));
        assert_eq!(with(&[(2, 5), (2, 5)], SHARE_UNITS - 10).check(), Err(ReceiptFault::OutOfOrder { index: 2 }));
        assert_eq!(with(&[(2, 5), (1, 5)], SHARE_UNITS - 10).check(), Err(ReceiptFault::OutOfOrder { index: 1 }));
        assert_eq!(with(&[(2, 0)], SHARE_UNITS).check(), Err(ReceiptFault::NoUnits { index: 2 }));
        let short = with(&[(2, 1)], 0).check().unwrap_err();
        assert_eq!(short, ReceiptFault::NotWhole { sum: Some(1) });
        assert_eq!(short.to_string(), "the units sum to 1, not 1000000000");
        assert_eq!(with(&[(2, u64::MAX)], 1).check(), Err(ReceiptFault::NotWhole { sum: None }));
    }

    #[test]
    fn a_receipt_is_found_in_the_epochs_root_and_no_other_is() {
        let receipts: Vec<_> = (0..7).map(receipt).collect();
        let leaves = receipts.iter().map(|receipt| receipt.leaf(GENESIS)).collect();
        let tree = MerkleTree::<ReceiptTree>::from_hashes(leaves);
        let head = tree.head();
        for receipt in &receipts {
            let proof = tree.prove_inclusion(receipt.number).unwrap();
            assert_eq!(receipt.verify(GENESIS, &head, &proof), Ok(()));
            assert_eq!(receipt.verify([8; 32], &head, &proof), Err(ProofError::WrongRoot));
            let dearer = Receipt { price: 57, ..receipt.clone() };
            assert_eq!(dearer.verify(GENESIS, &head, &proof), Err(ProofError::WrongRoot));
            // Another number would let one receipt stand for two answers.
            let renumbered = Receipt { number: receipt.number + 1, ..receipt.clone() };
            assert_eq!(renumbered.verify(GENESIS, &head, &proof), Err(ProofError::OutOfRange));
        }
        let beyond = InclusionProof { index: 7, ..Default::default() };
        assert_eq!(receipt(7).verify(GENESIS, &head, &beyond), Err(ProofError::OutOfRange));
    }

    #[test]
    fn the_payload_binds_chain_and_receipt() {
        let payload = receipt(0).payload(GENESIS);
        assert_eq!(payload.len(), 52);
        assert_eq!(payload[..20], RECEIPT_CONTEXT);
        assert_ne!(payload, receipt(1).payload(GENESIS));
        assert_ne!(payload, receipt(0).payload([8; 32]));
    }
}
