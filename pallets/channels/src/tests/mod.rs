//! Tests, one file per call.

mod close;
mod invariants;
mod offer;
mod open;
mod reads;
mod redeem;
