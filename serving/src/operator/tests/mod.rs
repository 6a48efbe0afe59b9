//! The operator over a chain in memory.

mod catalogue;
mod keys;
mod redeem;
mod till;
mod world;
