//! The Tributary node: writes, checks, stores and serves the chain.

#![expect(clippy::result_large_err, reason = "the SDK's error types, which its traits ask for")]

mod chain_spec;
mod cli;
mod command;
mod rpc;
mod service;

fn main() -> sc_cli::Result<()> {
    command::run()
}
