//! Real binaries, few tests, by module path.
#![allow(clippy::unwrap_used, missing_docs)]

mod demo;
mod independent_client;
mod restart;
mod scene;
mod serving;
mod tuning;
