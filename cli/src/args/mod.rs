//! Options that several commands share, and how their values are read.

pub mod choices;
pub mod parse;
pub mod reading;
pub mod recipe;

pub use reading::{ReadingArgs, named};
pub use recipe::RecipeArgs;

use clap::Args;
use std::path::PathBuf;
use tributary_exchange::Multiaddr;

/// The environment variable that may hold the secret itself.
pub const KEY_VARIABLE: &str = "TRIBUTARY_KEY";

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub struct Globals {
    /// Print one JSON value instead of text; errors become {"error", "hint"} on standard error
    #[arg(long, global = true)]
    pub json: bool,

    /// The node to talk to
    #[arg(long, global = true, value_name = "URL", env = "TRIBUTARY_NODE", default_value = "ws://127.0.0.1:9944")]
    pub node: String,

    /// File whose only line is the secret of the account to sign with; without it, the environment variable TRIBUTARY_KEY
    /// holds the secret itself
    #[arg(long, global = true, value_name = "FILE", env = "TRIBUTARY_KEY_FILE")]
    pub key_file: Option<PathBuf>,

    /// Sign with a well-known account, such as alice; on development chains only
    #[arg(long, global = true, value_name = "NAME")]
    pub dev_account: Option<String>,
}

/// Where to fetch data and bundles from.
#[derive(Args, Clone, Debug)]
pub struct ProviderArgs {
    /// Address of a data provider or trainer, ending in /p2p/PEER; may be given several times, they are tried in order
    #[arg(long = "provider", value_name = "MULTIADDR", required = true)]
    pub providers: Vec<Multiaddr>,
}

/// A base model's folder.
#[derive(Args, Clone, Debug)]
pub struct BaseArgs {
    /// Hugging Face folder of the base model; without it, the embedded tributary-tiny
    #[arg(long, value_name = "DIR")]
    pub base: Option<PathBuf>,
}

impl BaseArgs {
    /// The folder. The embedded model is written to the cache folder first.
    pub fn folder(&self) -> anyhow::Result<PathBuf> {
        match &self.base {
            Some(folder) => Ok(folder.clone()),
            None => crate::embedded::base_model(),
        }
    }
}
