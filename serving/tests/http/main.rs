//! What is seen over HTTP: OpenAI's API, receipts, fine-tuning. One program, because each takes its time to link.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod api;
mod api_edges;
mod api_jobs;
mod api_json;
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod harness;
mod receipts;
#[path = "../common/result.rs"]
mod result;
mod tuning;
mod tuning_world;
