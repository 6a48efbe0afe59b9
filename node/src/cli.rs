//! The command line.

use sc_cli::RunCmd;
use std::path::PathBuf;

/// The node's command line: the options of every Substrate node, and these subcommands.
#[derive(Debug, clap::Parser)]
pub struct Cli {
    /// What to do instead of running the node.
    #[command(subcommand)]
    pub subcommand: Option<Subcommand>,

    /// How to run the node.
    #[command(flatten)]
    pub run: RunCmd,
}

/// What the node can do beside running.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Generate, inspect and insert keys.
    #[command(subcommand)]
    Key(sc_cli::KeySubcommand),

    /// Write the chain's specification.
    ExportChainSpec(sc_cli::ExportChainSpecCmd),

    /// Check that blocks can be imported again.
    CheckBlock(sc_cli::CheckBlockCmd),

    /// Write blocks to a file.
    ExportBlocks(sc_cli::ExportBlocksCmd),

    /// Write the state of a block into a chain specification.
    ExportState(sc_cli::ExportStateCmd),

    /// Read blocks from a file.
    ImportBlocks(sc_cli::ImportBlocksCmd),

    /// Remove the chain's data from this machine.
    PurgeChain(sc_cli::PurgeChainCmd),

    /// Take the newest blocks back, as far as they are not final.
    Revert(sc_cli::RevertCmd),

    /// Show what the database knows about the chain.
    ChainInfo(sc_cli::ChainInfoCmd),

    /// Write the runtime's metadata, as clients pin it.
    ExportMetadata(ExportMetadataCmd),
}

/// Writes the runtime's metadata in SCALE.
#[derive(Debug, clap::Args)]
pub struct ExportMetadataCmd {
    /// The metadata's version. From 15 on it lists the runtime APIs.
    #[arg(long, value_name = "NUMBER", default_value_t = 15)]
    pub format: u32,

    /// Where to write it; standard output if left out.
    #[arg(value_name = "FILE")]
    pub output: Option<PathBuf>,
}
