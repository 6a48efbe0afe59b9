//! The exchange over real sockets on 127.0.0.1, with honest and hostile peers.
#![allow(clippy::unwrap_used, missing_docs)]

mod access;
mod chain;
mod hostile;
mod storage;
mod support;
mod transfer;
mod vectors;
