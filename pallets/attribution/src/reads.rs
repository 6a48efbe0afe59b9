//! What the runtime API reads.

use crate::{AnswerClaims, Config, Ledgers, Pallet, Streams};
use tributary_protocol::{Amount, ModelId, epoch::Ledger, stream::Stream, sum_tree::Domain};

impl<T: Config> Pallet<T> {
    /// A model's stream.
    pub fn stream(model: ModelId) -> Option<Stream<T::AccountId>> {
        Streams::<T>::get(model)
    }

    /// What a leaf of `units` at `index` could claim now. `None` where there is no such stream, or no such leaf could be in
    /// its root.
    pub fn claimable(model: ModelId, index: u32, units: u64) -> Option<Amount> {
        let stream = Streams::<T>::get(model)?;
        let shares = stream.contributions.shares;
        if index >= shares.leaves || units > shares.total {
            return None;
        }
        Self::due(model, &stream, index, units).ok()
    }

    /// What the proofs of a model's leaves are bound to. `None` where there is no such stream.
    pub fn stream_domain(model: ModelId) -> Option<Domain> {
        Streams::<T>::get(model).map(|stream| Self::proof_domain(stream.job))
    }

    /// What an operator owes a model's contributors, and its epochs.
    pub fn ledger(model: ModelId, operator: T::AccountId) -> Option<Ledger<T::AccountId>> {
        Ledgers::<T>::get(model, operator)
    }

    /// What the leaf at `index` of an operator's epochs has been paid. `None` where there is no such ledger.
    pub fn answers_paid(model: ModelId, operator: T::AccountId, index: u32) -> Option<Amount> {
        Ledgers::<T>::get(model, &operator)?;
        Some(AnswerClaims::<T>::get((model, operator), index).map(|claim| claim.paid).unwrap_or_default())
    }
}
