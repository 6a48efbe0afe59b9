//! Tests, one file per call.

mod claim;
mod epoch_invariants;
mod epochs;
mod fund;
mod invariants;
mod open_stream;
mod reads;
mod sell;
