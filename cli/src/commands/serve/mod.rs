//! `tributary serve`.

mod keys;
mod local;
mod run;
mod tune;

use crate::{
    amounts::Money,
    args::{BaseArgs, parse},
    context::Context,
    embedded,
    output::{self, Output},
};
use anyhow::{Context as _, ensure};
use candle_core::Device;
use clap::{Args as Arguments, Subcommand};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpListener;
use tributary_exchange::Multiaddr;
use tributary_lora::{Model, Tokenizer, base_model_hash};
use tributary_protocol::{ContentHash, ModelId, recipe::Template};
use tributary_serving::operator::ModelChoice;

/// Answers with models, or looks after keys.
#[derive(Arguments, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// What there is beside serving.
#[derive(Debug, Subcommand)]
enum Command {
    /// Keys for people without wallets: you pay the models for them
    #[command(subcommand)]
    Keys(keys::Command),
}

/// What to serve, for whom and at which price.
#[derive(Arguments, Clone, Debug)]
struct ServeArgs {
    #[command(flatten)]
    base: BaseArgs,
    /// A model to serve, by its number on the chain, and what clients may call it too; may be given several times
    #[arg(long = "model", value_name = "ID[=NAME]", value_parser = choice)]
    models: Vec<ModelChoice>,
    /// Serve all models on this base that you have deployed
    #[arg(long, conflicts_with = "models")]
    all_deployed: bool,
    /// Serve what anybody publishes on this base, too: it is deployed and offered when it is seen, which holds deposits of yours
    #[arg(long, conflicts_with_all = ["models", "all_deployed"], requires = "endpoint")]
    all_published: bool,
    /// Serve so many models at most
    #[arg(long, value_name = "NUMBER", default_value_t = 100, requires = "all_published")]
    published_max: usize,
    /// Do not let holders of keys ask the base itself, for which nobody is paid
    #[arg(long)]
    no_base: bool,
    /// Serve adapters from folders on this machine, without chain or money; a folder of such folders counts too
    #[arg(long, value_name = "DIR", num_args = 0.., conflicts_with_all = ["models", "all_deployed", "all_published"])]
    local: Option<Vec<PathBuf>>,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where everything is kept: ledger, journal, keys, bundles, adapters, receipts
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Trainer or other provider to fetch bundles from, ending in /p2p/PEER; may be given several times
    #[arg(long = "provider", value_name = "MULTIADDR")]
    providers: Vec<Multiaddr>,
    /// The URL by which clients reach this server. With it, models are deployed and offered on the chain where they are not;
    /// without it, nothing is written there at the start
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// What 1,000 tokens of a request cost, the model's own price included; the model's own price if left out
    #[arg(long, value_name = "AMOUNT", requires = "price_out")]
    price_in: Option<Money>,
    /// What 1,000 tokens of an answer cost, likewise
    #[arg(long, value_name = "AMOUNT", requires = "price_in")]
    price_out: Option<Money>,
    /// Redeem vouchers as soon as they come to so much
    #[arg(long, value_name = "AMOUNT", default_value = "1")]
    redeem_at: Money,
    /// Redeem vouchers after so many blocks of 3 s at the latest
    #[arg(long, value_name = "BLOCKS", default_value_t = 28_800)]
    redeem_after: u32,
    /// For how many seconds to sell while no block of the chain comes
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    blind_seconds: u64,
    /// For how much to sell meanwhile
    #[arg(long, value_name = "AMOUNT", default_value = "10")]
    blind_amount: Money,
    #[command(flatten)]
    tune: tune::TuneArgs,
}

impl Args {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self.command {
            Some(Command::Keys(command)) => command.run(),
            None => match self.serve.local.clone() {
                Some(folders) => local::serve(self.serve, folders, context.json()).await,
                None => run::serve(self.serve, context).await,
            },
        }
    }

    /// Whether it runs until it is stopped.
    pub fn is_daemon(&self) -> bool {
        self.command.is_none()
    }
}

/// A model and its name: `5` or `5=harbour`.
fn choice(text: &str) -> Result<ModelChoice, String> {
    let (number, alias) = match text.split_once('=') {
        Some((number, name)) => (number, Some(name)),
        None => (text, None),
    };
    let model: ModelId = parse::model(number)?;
    let is_name = |name: &str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
    };
    match alias {
        Some(name) if !is_name(name) => {
            Err(format!("no name: {name:?}; 1 to 64 letters, digits and -_.: are accepted"))
        }
        alias => Ok(ModelChoice { model, alias: alias.map(str::to_owned) }),
    }
}

/// A base model in memory, with its hash.
struct Base {
    model: Arc<Model>,
    tokenizer: Arc<Tokenizer>,
    content: ContentHash,
    /// What clients call it.
    name: String,
    /// How it is asked: by its own chat template if it has one, as `tributary model chat` does.
    template: Template,
}

impl Base {
    /// Called as its folder is, and the embedded one by its name: that one's folder is in a cache, and named by a hash. Blocks.
    fn load(folder: &Path) -> anyhow::Result<Self> {
        let model = Model::load(folder, &Device::Cpu).with_context(|| format!("cannot load {}", folder.display()))?;
        let tokenizer = Tokenizer::from_dir(folder, model.config())?;
        let content = base_model_hash(folder)?;
        let template = if tokenizer.chat_template()?.is_some() { Template::Chat } else { Template::Plain };
        let name = match folder == embedded::base_model()? {
            true => embedded::BASE_NAME.to_owned(),
            false => folder_name(folder),
        };
        Ok(Self { model: Arc::new(model), tokenizer: Arc::new(tokenizer), content, name, template })
    }
}

fn folder_name(folder: &Path) -> String {
    let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    folder.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Threads that read adapters.
const LOADERS: usize = 2;
/// Bytes that adapters may take on the disk.
const ADAPTER_DISK_BYTES: u64 = 4 << 30;

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on {address}; hint: does another program? --listen"))
}

/// Says what is served where, for people or programs.
fn announce(context_json: bool, json: &serde_json::Value, lines: &[String]) {
    if context_json {
        output::json_line(json);
    } else {
        lines.iter().for_each(|line| output::line(line));
    }
}

impl ServeArgs {
    fn exposure(&self) -> tributary_serving::operator::Exposure {
        tributary_serving::operator::Exposure {
            time: Duration::from_secs(self.blind_seconds),
            amount: self.blind_amount.0,
        }
    }

    fn state(&self) -> anyhow::Result<PathBuf> {
        let state = self.state.clone();
        state.context(
            "where is the operator's state?\nhint: --state DIR; or --local DIR to serve without chain and money",
        )
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            !self.models.is_empty() || self.all_deployed || self.all_published,
            "which models?\nhint: --model ID, --all-deployed, --all-published, or --local DIR for adapters on this machine"
        );
        ensure!(
            self.price_in.is_none() || self.endpoint.is_some(),
            "prices are offered on the chain together with an endpoint\nhint: --endpoint URL"
        );
        self.tune.check()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_have_numbers_and_perhaps_names() {
        assert_eq!(choice("5"), Ok(ModelChoice { model: ModelId(5), alias: None }));
        assert_eq!(choice("5=harbour-1"), Ok(ModelChoice { model: ModelId(5), alias: Some("harbour-1".into()) }));
        for text in ["", "x", "5=", "5=a b", "=a", "5=a/b"] {
            assert!(choice(text).is_err(), "{text}");
        }
    }
}
