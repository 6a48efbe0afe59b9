//! Tests, one file per call.

mod claim;
mod fund;
mod invariants;
mod open_stream;
mod reads;
