//! Epochs: from time to time an operator posts what its answers have earned each contribution, and answers for it.
//!
//! # Reading order
//! [`EpochRecord`] (how one is made and checked), [`openings`] (what an audit demands), [`EpochChain`] (what the chain is
//! asked and told), [`EpochKeeper`] (when what is done), [`PostedEpoch`] (computing
//! somebody else's again).

mod audit;
mod chain;
mod keeper;
mod recompute;
mod record;
#[cfg(test)]
mod tests;

pub use audit::{OPENINGS_MAX, Opening, openings};
pub use chain::{Action, EpochChain, Position};
pub use keeper::{EpochConfig, EpochError, EpochKeeper, ModelShares, Step};
pub use recompute::{PostedEpoch, Recount, Wrong};
pub use record::{EpochFault, EpochInputs, EpochRecord};
pub(crate) use record::{domain, receipts_tree};
