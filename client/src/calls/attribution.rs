//! Revenue streams: pay in, claim.

use crate::call::Call;
use codec::Compact;
use tributary_protocol::{
    Amount, ModelId,
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
