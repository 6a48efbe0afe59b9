//! Typed chain client for every off-chain process.
