//! The training trace: one record per step, committed to by a Merkle root before anybody asks to see a step.
//!
//! A re-execution that disagrees finds the first differing step by bisection: the two sides compare roots over the first
//! `k` steps, each shown by a consistency proof to be a prefix of the reported trace, and halve `k` until one step is left.

use crate::{
    content::{self, ConsistencyProof, Contexts, InclusionProof, MerkleTree, ProofError, TreeHasher, TreeHead},
    ids::ContentHash,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The tree over the steps of a training run. Its shape and proofs are those of [`crate::content`].
#[derive(Clone, Copy, Debug)]
pub enum TraceTree {}

impl Contexts for TraceTree {
    const EMPTY: &'static str = "tributary.network 2026-11 trace-tree empty v1";
    const LEAF: &'static str = "tributary.network 2026-11 trace-tree leaf v1";
    const NODE: &'static str = "tributary.network 2026-11 trace-tree node v1";
}

/// What one optimiser step did. Floats appear as their bits: equal means bit for bit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct StepRecord {
    /// The step, from 1.
    pub step: u32,
    /// Bits of the loss as an IEEE 754 binary32.
    pub loss_bits: u32,
    /// Bits of the gradient norm before clipping, as an IEEE 754 binary32.
    pub gradient_norm_bits: u32,
    /// [`batch_hash`] of the samples in the batch.
    pub batch: ContentHash,
    /// Hash of the adapter's parameters and optimiser state after the step, at the steps that keep one.
    pub state: Option<ContentHash>,
}

impl StepRecord {
    /// The step's leaf hash: over its SCALE encoding.
    pub fn leaf(&self) -> ContentHash {
        TraceTree::leaf(&self.encode())
    }
}

/// The hash of a batch: over the leaf hashes of its samples, in the batch's order.
pub fn batch_hash<'a>(samples: impl IntoIterator<Item = &'a ContentHash>) -> ContentHash {
    let mut bytes = Vec::new();
    for sample in samples {
        bytes.extend_from_slice(&sample.0);
    }
    content::derive("tributary.network 2026-11 trace-tree batch v1", &[&bytes])
}

/// The root over the leaf hashes of a run's steps, in order.
pub fn trace_root(steps: impl IntoIterator<Item = ContentHash>) -> TreeHead {
    let mut tree = content::TreeAccumulator::<TraceTree>::new();
    for step in steps {
        tree.push_hash(step);
    }
    tree.head()
}

/// The tree over the leaf hashes of a run's steps, for proofs.
pub fn trace_tree(steps: Vec<ContentHash>) -> MerkleTree<TraceTree> {
    MerkleTree::from_hashes(steps)
}

/// Checks that `step` is the record at the proof's index of the trace.
pub fn verify_step(trace: &TreeHead, step: &StepRecord, proof: &InclusionProof) -> Result<(), ProofError> {
    content::verify_inclusion::<TraceTree>(trace, &step.leaf(), proof)
}

/// Checks that `prefix` is the trace's own root over its first steps.
pub fn verify_prefix(prefix: &TreeHead, trace: &TreeHead, proof: &ConsistencyProof) -> Result<(), ProofError> {
    content::verify_consistency::<TraceTree>(prefix, trace, proof)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u32) -> StepRecord {
        StepRecord { step, loss_bits: 0x3f80_0000, ..StepRecord::default() }
    }

    #[test]
    fn a_step_proves_and_an_altered_one_does_not() {
        let tree = trace_tree((1..=11).map(|n| step(n).leaf()).collect());
        let head = tree.head();
        assert_eq!(head, trace_root((1..=11).map(|n| step(n).leaf())));
        let proof = tree.prove_inclusion(6).unwrap();
        assert_eq!(verify_step(&head, &step(7), &proof), Ok(()));
        let altered = StepRecord { loss_bits: 0x3f80_0001, ..step(7) };
        assert_eq!(verify_step(&head, &altered, &proof), Err(ProofError::WrongRoot));
    }

    #[test]
    fn a_prefix_of_the_trace_proves_and_of_another_does_not() {
        let tree = trace_tree((1..=11).map(|n| step(n).leaf()).collect());
        let proof = tree.prove_consistency(6).unwrap();
        let prefix = trace_root((1..=6).map(|n| step(n).leaf()));
        assert_eq!(verify_prefix(&prefix, &tree.head(), &proof), Ok(()));
        let other = trace_root((2..=7).map(|n| step(n).leaf()));
        assert_eq!(verify_prefix(&other, &tree.head(), &proof), Err(ProofError::WrongRoot));
    }
}
