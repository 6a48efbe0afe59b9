//! The real runtime: its genesis, its transactions, and people's stories on it.
#![allow(clippy::unwrap_used, reason = "test code")]

mod answers;
mod channels;
mod common;
mod genesis;
mod market;
mod story;
mod transactions;
