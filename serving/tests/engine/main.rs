//! The engine: what it answers, from which adapters, on its thread. One program, because each takes its time to link.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod adapters;
#[path = "../common/mod.rs"]
mod common;
mod engine;
mod thread;
