//! `tributary studio`.

use crate::{
    context::Context,
    output::{self, Output},
};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    convert::Infallible,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};
use tributary_daemon::shutdown_on_signals;
use tributary_exchange::Multiaddr;
use tributary_studio::{Database, Index, Studio, StudioConfig, UploadsConfig};
use url::Url;

/// The gateway of the web app, and what belongs to it.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct StudioArgs {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

/// Commands beside running it.
#[derive(Debug, Subcommand)]
enum Command {
    /// Remove the index and make it anew from block 0; nothing else of the folder is touched
    Reindex {
        /// The gateway's folder; it must not be running
        #[arg(long, value_name = "DIR", default_value = "studio-data")]
        data: PathBuf,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// Where the index is.
#[derive(Args, Clone, Debug)]
struct DatabaseArgs {
    /// Database of a PostgreSQL server for the index, such as postgres://user:password@host/name; a file in --data if left out. What
    /// the variable says stands in no list of processes
    #[arg(long, value_name = "URL", env = "TRIBUTARY_DATABASE", hide_env_values = true)]
    database: Option<Secret>,
}

impl DatabaseArgs {
    fn database(&self, data: &Path) -> anyhow::Result<Database> {
        match &self.database {
            Some(Secret(url)) if !url.is_empty() => Ok(url.parse()?),
            _ => Ok(Database::in_folder(data)),
        }
    }
}

/// Text that may hold a password. It is read later, so that nothing which is wrong with it can show it.
#[derive(Clone)]
struct Secret(String);

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How to run the gateway.
#[derive(Args, Clone, Debug)]
struct RunArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Where uploads, fetched bundles and, without --database, the index are kept
    #[arg(long, value_name = "DIR", default_value = "studio-data")]
    data: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
    /// The node's address for browsers, if it is another than --node
    #[arg(long, value_name = "URL")]
    public_node: Option<String>,
    /// A trainer's --http address, such as http://127.0.0.1:9955; may be given several times
    #[arg(long = "trainer", value_name = "URL")]
    trainers: Vec<Url>,
    /// A serving API to pass /v1 to; may be given several times, the first that can be reached answers
    #[arg(long = "serving", value_name = "URL")]
    serving: Vec<Url>,
    /// Folder of the built pages (studio/web/dist)
    #[arg(long, value_name = "DIR")]
    web: Option<PathBuf>,
    /// Base model's folder, to count tokens and estimate runs; may be given several times; the embedded tributary-tiny if left
    /// out
    #[arg(long = "base", value_name = "DIR")]
    bases: Vec<PathBuf>,
    /// Store folder of a data provider on this machine: uploads go to its inbox. Without it the gateway is a provider itself
    #[arg(long, value_name = "DIR", conflicts_with_all = ["exchange_listen", "quota_gb"])]
    store: Option<PathBuf>,
    /// Where the gateway's own provider listens for trainers; may be given several times
    #[arg(long, value_name = "MULTIADDR", default_values = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"])]
    exchange_listen: Vec<Multiaddr>,
    /// Most gigabytes of uploads in the gateway's own store
    #[arg(long, value_name = "GB", default_value_t = 20)]
    quota_gb: u64,
    /// Give the adapters of the jobs that the signing account requested or trained to whoever asks
    #[arg(long)]
    bundles: bool,
    /// Provider or trainer to fetch bundles from, beside the trainers named; ends in /p2p/PEER; may be given several times
    #[arg(long = "provider", value_name = "MULTIADDR")]
    providers: Vec<Multiaddr>,
}

impl RunArgs {
    fn config(self, context: &Context) -> anyhow::Result<StudioConfig> {
        let uploads = match self.store {
            Some(store) => UploadsConfig::Provider { store },
            None => {
                let quota = self.quota_gb.saturating_mul(1_000_000_000);
                UploadsConfig::Own { listen: self.exchange_listen, quota }
            }
        };
        let bases = if self.bases.is_empty() { vec![crate::embedded::base_model()?] } else { self.bases };
        Ok(StudioConfig {
            node: context.node().to_owned(),
            public_node: self.public_node.unwrap_or_else(|| context.node().to_owned()),
            listen: self.listen,
            database: self.database.database(&self.data)?,
            data: self.data,
            trainers: self.trainers,
            serving: self.serving,
            web: self.web,
            bases,
            uploads,
            providers: self.providers,
            reader: if self.bundles { Some(context.key()?) } else { None },
        })
    }
}

impl StudioArgs {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self.command {
            None => run(context, self.run).await,
            Some(Command::Reindex { data, database }) => reindex(context, &database.database(&data)?).await,
        }
    }

    /// Whether it runs until it is stopped.
    pub fn is_daemon(&self) -> bool {
        self.command.is_none()
    }
}

async fn run(context: &Context, args: RunArgs) -> anyhow::Result<Output> {
    let shutdown = shutdown_on_signals()?;
    let json = context.json();
    let config = args.config(context)?;
    let told = move |address: SocketAddr| match json {
        true => output::json_line(&json!({ "address": format!("http://{address}") })),
        false => output::line(&format!("serving at http://{address}")),
    };
    Studio::run(config, shutdown, told).await?;
    Ok(Output::default())
}

async fn reindex(context: &Context, database: &Database) -> anyhow::Result<Output> {
    let client = context.client().await?;
    Index::remove(database).await?;
    let index = Index::open(database).await?;
    let last = client.finalised_head().number;
    index.catch_up(&client, last).await?;
    let text = format!("indexed blocks 0 to {last} of {}", client.chain_name());
    Ok(Output::new(json!({ "blocks": u64::from(last) + 1 }), text))
}
