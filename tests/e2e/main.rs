//! Real binaries, few tests, by module path.
#![allow(clippy::unwrap_used, missing_docs)]

mod independent_client;
