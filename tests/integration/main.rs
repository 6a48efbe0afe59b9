//! Tests over several crates, without a chain process.
#![allow(clippy::unwrap_used, missing_docs)]

mod attacks;
mod dependencies;
mod layering;
mod metadata;
