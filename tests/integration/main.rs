//! Tests over several crates, without a chain process.
#![allow(clippy::unwrap_used, missing_docs)]

mod attacks;
#[path = "../../runtime/tests/chain/common/mod.rs"]
mod common;
mod dependencies;
mod layering;
mod metadata;
mod trace;
