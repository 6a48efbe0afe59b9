//! Tests by call, a story, and random sequences against a reference ledger.

mod accept;
mod invariants;
mod publish_version;
mod reads;
mod register;
mod reject;
mod retire;
mod set_curators;
mod story;
mod submit_contribution;
mod update_terms;
mod withdraw;
