//! The commands, one group a file.

mod account;
mod answers;
mod ask;
mod attribution;
mod channel;
mod contribution;
mod data;
mod datanet;
mod explain;
mod grant;
mod inputs;
mod job;
pub(crate) mod model;
mod pretrain;
mod provider;
mod receipt;
mod recount;
pub(crate) mod reward;
mod serve;
mod studio;
mod suspects;
mod train;
mod trainer;
mod voucher;

pub(crate) use contribution::read as read_samples;

use crate::{context::Context, demo, output::Output};
use clap::Subcommand;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Curated data networks: register, set terms and curators, publish versions
    #[command(subcommand)]
    Datanet(datanet::Command),
    /// Batches of samples: check, submit, accept or reject
    #[command(subcommand)]
    Contribution(contribution::Command),
    /// Training data in files: check it before a run
    #[command(subcommand)]
    Data(data::Command),
    /// Revocable permissions to use a Datanet
    #[command(subcommand)]
    Grant(grant::Command),
    /// Training jobs: post, watch, accept or dispute
    #[command(subcommand)]
    Job(job::Command),
    /// Base models and tuned models: publish, fetch, chat, compare
    #[command(subcommand)]
    Model(model::Command),
    /// Revenue streams: pay in, claim
    #[command(subcommand)]
    Reward(reward::Command),
    /// What operators sign for each answer: show, verify
    #[command(subcommand)]
    Receipt(receipt::Command),
    /// Who shaped a model, and checking that
    #[command(subcommand)]
    Attribution(attribution::Command),
    /// Serve data files to those who may read them
    #[command(subcommand)]
    Provider(provider::Command),
    /// Train for pay: bond, run the daemon
    #[command(subcommand)]
    Trainer(trainer::Command),
    /// Answer with models for pay, or with your own adapters for nobody's money
    Serve(serve::Args),
    /// Payment channels: find an operator, put money aside, close
    #[command(subcommand)]
    Channel(channel::Command),
    /// Vouchers: sign, look at one
    #[command(subcommand)]
    Voucher(voucher::Command),
    /// Ask an operator's model, and pay for the answer from a channel
    Ask(ask::Args),
    /// Tune a model on your own files, without a chain
    Train(train::Args),
    /// Make the embedded base model from nothing
    Pretrain(pretrain::Args),
    /// Serve the ModelFactory: the web app's pages, its API, uploads
    Studio(Box<studio::StudioArgs>),
    /// Keys and money
    #[command(subcommand)]
    Account(account::Command),
    /// Play the whole story on this machine, with real processes
    Demo(demo::Args),
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::Datanet(command) => command.run(context).await,
            Self::Contribution(command) => command.run(context).await,
            Self::Data(command) => command.run(context).await,
            Self::Grant(command) => command.run(context).await,
            Self::Job(command) => command.run(context).await,
            Self::Model(command) => command.run(context).await,
            Self::Reward(command) => command.run(context).await,
            Self::Receipt(command) => command.run(context).await,
            Self::Attribution(command) => command.run(context).await,
            Self::Provider(command) => command.run(context).await,
            Self::Trainer(command) => command.run(context).await,
            Self::Serve(args) => args.run(context).await,
            Self::Channel(command) => command.run(context).await,
            Self::Voucher(command) => command.run(context).await,
            Self::Ask(args) => args.run(context).await,
            Self::Train(args) => args.run(context).await,
            Self::Pretrain(args) => args.run().await,
            Self::Studio(args) => args.run(context).await,
            Self::Account(command) => command.run(context).await,
            Self::Demo(args) => demo::run(args, context).await,
        }
    }

    /// Whether it runs until it is stopped, and logs what it does.
    pub fn is_daemon(&self) -> bool {
        match self {
            Self::Provider(provider::Command::Run(_)) | Self::Trainer(trainer::Command::Run(_)) => true,
            Self::Serve(args) => args.is_daemon(),
            Self::Studio(args) => args.is_daemon(),
            _ => false,
        }
    }
}

/// What a command that changed one record on the chain says.
pub(crate) fn done(
    receipt: &tributary_client::Receipt,
    json: serde_json::Value,
    sentence: impl Into<String>,
) -> Output {
    let mut json = json;
    json["block"] = receipt.block.number.into();
    json["extrinsic"] = format!("0x{}", hex::encode(receipt.extrinsic_hash)).into();
    Output::new(json, format!("{} (block {})", sentence.into(), receipt.block.number))
}

/// Runs work that blocks beside the async tasks.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    Ok(tokio::task::spawn_blocking(work).await?)
}
