//! What the engine computes, and what it does with interrupted runs and bad input, on small models made here.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[macro_use]
#[path = "../common/devices.rs"]
mod devices;

mod behaviour;
#[path = "../common/mod.rs"]
mod common;
mod demonstration;
mod determinism;
mod families;
mod gradients;
mod methods;
mod packed_base;
mod per_sample;
mod rows;
