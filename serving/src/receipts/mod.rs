//! Receipts: what an operator signs for each answer, who shaped the answer, and the epochs by which that is paid.
//!
//! # Reading order
//! [`Notary`] (from a sale to a receipt), [`shares`] (which contributions shaped an answer), [`ReceiptStore`] (numbered without
//! gaps), [`epochs`] (what contributors get), [`view`] (how all that looks as JSON), [`pages`] (where everybody can read
//! it), [`verify_receipt`] (whether one holds).
//! docs/protocol/channels.md and docs/protocol/epochs.md say what receipts and epochs mean.

pub mod epochs;
#[cfg(test)]
mod fixtures;
mod http;
mod notary;
pub mod shares;
mod store;
mod verify;
pub mod view;

pub use http::{Pages, pages};
pub use notary::{Notary, OtherKey};
pub use store::{Draft, Owner, ReceiptStore, StoreError};
pub use verify::{ChainFacts, Check, Outcome, ShownPlace, is_signed, read_receipt, read_reference, verify_receipt};
