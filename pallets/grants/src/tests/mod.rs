//! Tests by call, a story, and random sequences against a reference ledger.

mod decide;
mod gate;
mod invariants;
mod present;
mod prune;
mod reads;
mod renounce;
mod request;
mod revoke;
mod story;
