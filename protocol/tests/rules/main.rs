//! The rules of the protocol: beside oracles, under random input, and as the golden cases that other clients read.
#![allow(clippy::unwrap_used, reason = "tests")]

mod answer;
mod samples;
mod share;
mod sum_tree;
mod tree_shape;
mod vectors;
