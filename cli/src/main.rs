//! The `tributary` command: a thin door to the libraries of this workspace.
//!
//! [`commands`] holds one file per group; [`args`] the options they share; [`views`] how the chain's records look to people
//! and programs; [`output`] the two forms of every result; [`demo`] the whole story with real processes.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod amounts;
mod args;
mod chat;
mod commands;
mod context;
mod demo;
mod embedded;
mod fetching;
mod inbox;
mod output;
mod progress;
mod purse;
mod views;

use args::Globals;
use clap::Parser;
use commands::Command;
use context::Context;
use std::{io::IsTerminal as _, process::ExitCode};
use tracing_subscriber::EnvFilter;

/// An open, working, verifiable loop from data to models to pay.
#[derive(Debug, Parser)]
#[command(name = "tributary", version, propagate_version = true, max_term_width = 120)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let json = cli.globals.json;
    start_log(&cli);
    let context = Context::new(cli.globals);
    let result =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from).and_then(
            |runtime| {
                let result = runtime.block_on(cli.command.run(&context));
                // A line that a person is typing, or a training step, must not hold the process up.
                runtime.shutdown_background();
                result
            },
        );
    match result {
        Ok(output) => {
            output.print(json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::print_error(&error, json);
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the command line, or what was asked about it: help, version.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        output::print_error(&anyhow::anyhow!("{text}\nhint: see --help"), true);
    } else {
        // Nobody is left to tell if this fails.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
}

/// Logs to standard error: daemons what they do, other commands only what is wrong. `RUST_LOG` says otherwise.
fn start_log(cli: &Cli) {
    let usual = if cli.command.is_daemon() { "info,libp2p=warn,subxt=warn" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if cli.globals.json {
        log.json().try_init()
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    started.expect("nothing else starts a log in this process");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_option_takes_a_secret() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                assert!(
                    !["suri", "secret", "seed_phrase", "mnemonic", "key"].contains(&id),
                    "{id} in {}",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
