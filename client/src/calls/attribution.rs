//! Revenue streams and operators' epochs: pay in, divide, challenge, claim.

use crate::{account::Account, call::Call};
use codec::Compact;
use tributary_protocol::{
    Amount, ContentHash, ModelId,
    epoch::{Against, AmountLeaf, AmountProof, EpochRoot},
    sum_tree::{SumLeaf, SumProof},
};

const PALLET: &str = "Attribution";

/// Pays into a model's stream, as a sale does.
pub fn fund(model: ModelId, amount: Amount) -> Call {
    Call::new(PALLET, "fund").with(model).with(Compact(amount))
}

/// Claims what a leaf of the model's contribution tree has earned since the last claim.
pub fn claim(model: ModelId, leaf: SumLeaf, proof: &SumProof) -> Call {
    Call::new(PALLET, "claim").with(model).with(leaf).with(proof)
}

/// Pays for answers that the signer gave with a model.
pub fn fund_answers(model: ModelId, amount: Amount) -> Call {
    Call::new(PALLET, "fund_answers").with(model).with(Compact(amount))
}

/// Posts what the signer's answers with a model have earned each contribution so far.
pub fn publish_epoch(model: ModelId, root: &EpochRoot) -> Call {
    Call::new(PALLET, "publish_epoch").with(model).with(root)
}

/// Demands that drawn leaves of an operator's newest epoch be opened.
pub fn challenge(model: ModelId, operator: Account, epoch: u32) -> Call {
    Call::new(PALLET, "challenge").with(model).with(operator).with(Compact(epoch))
}

/// Draws the points that a challenged operator must open.
pub fn draw(model: ModelId, operator: Account) -> Call {
    Call::new(PALLET, "draw").with(model).with(operator)
}

/// Opens a leaf of a challenged epoch at the draws that it covers, at most
/// [`AUDIT_DRAWS`](tributary_protocol::epoch::AUDIT_DRAWS).
pub fn open_leaf(model: ModelId, operator: Account, leaf: AmountLeaf, proof: &AmountProof, draws: &[u16]) -> Call {
    Call::new(PALLET, "open_leaf").with(model).with(operator).with(leaf).with(proof).with(draws)
}

/// Rejects a pending epoch by two leaves that contradict each other.
pub fn refute(model: ModelId, operator: Account, leaf: AmountLeaf, proof: &AmountProof, against: &Against) -> Call {
    Call::new(PALLET, "refute").with(model).with(operator).with(leaf).with(proof).with(against)
}

/// Ends an operator's pending epoch as its state says.
pub fn resolve(model: ModelId, operator: Account) -> Call {
    Call::new(PALLET, "resolve").with(model).with(operator)
}

/// Rejects an operator's pending epoch; for those who decide disputes.
pub fn overturn(model: ModelId, operator: Account, evidence: ContentHash) -> Call {
    Call::new(PALLET, "overturn").with(model).with(operator).with(evidence)
}

/// Claims what the accepted epoch adds to a leaf.
pub fn claim_answers(model: ModelId, operator: Account, leaf: AmountLeaf, proof: &AmountProof) -> Call {
    Call::new(PALLET, "claim_answers").with(model).with(operator).with(leaf).with(proof)
}

/// Gives what an operator never divided to the model's contributors by their shares.
pub fn release(model: ModelId, operator: Account) -> Call {
    Call::new(PALLET, "release").with(model).with(operator)
}
