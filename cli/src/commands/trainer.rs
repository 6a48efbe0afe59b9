//! `tributary trainer`.

use super::done;
use crate::{amounts::Money, context::Context, output::Output, views::TrainerView};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use std::{net::SocketAddr, path::PathBuf};
use tributary_client::{Account, calls::jobs};
use tributary_daemon::shutdown_on_signals;
use tributary_exchange::Multiaddr;
use tributary_trainer::{Trainer, TrainerConfig};

/// Commands for trainers.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add to your bond; claiming a job puts a part of it at risk
    Bond {
        /// How much
        amount: Money,
    },
    /// Take back what of your bond is not at risk
    Unbond {
        /// How much
        amount: Money,
    },
    /// Show a trainer's bond and record
    Show {
        /// Whose; yours if left out
        account: Option<Account>,
    },
    /// Claim jobs, train and report, until stopped
    Run(RunArgs),
}

/// How to run a trainer.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Settings as JSON, the node's address included; the options below override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where everything is kept: state, journal, node key, data, work under way
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Model folder that you can tune; may be given several times; the embedded tributary-tiny if left out
    #[arg(long = "base", value_name = "DIR")]
    bases: Vec<PathBuf>,
    /// Data provider to ask, ending in /p2p/PEER; may be given several times
    #[arg(long = "provider", value_name = "MULTIADDR")]
    providers: Vec<Multiaddr>,
    /// Where to listen for readers of finished bundles; may be given several times
    #[arg(long = "listen", value_name = "MULTIADDR")]
    listen: Vec<Multiaddr>,
    /// Least price to claim a job for
    #[arg(long, value_name = "AMOUNT")]
    price_min: Option<Money>,
    /// Where to serve /metrics, /healthz and /jobs/ID/shares
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
}

impl RunArgs {
    fn config(self, context: &Context) -> anyhow::Result<TrainerConfig> {
        let mut config = match &self.config {
            Some(path) => {
                let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                serde_json::from_slice(&text).with_context(|| format!("{} holds no settings", path.display()))?
            }
            None => {
                let state =
                    self.state.clone().context("where is the trainer's state?\nhint: --state DIR or --config FILE")?;
                TrainerConfig::new(context.node(), state, Vec::new())
            }
        };
        if let Some(state) = self.state {
            config.state_dir = state;
        }
        if !self.bases.is_empty() {
            config.bases = self.bases;
        }
        if config.bases.is_empty() {
            config.bases = vec![crate::embedded::base_model()?];
        }
        if !self.providers.is_empty() {
            config.providers = self.providers;
        }
        if !self.listen.is_empty() {
            config.listen = self.listen;
        }
        if let Some(price) = self.price_min {
            config.price_min = price.0;
        }
        config.http = self.http.or(config.http);
        Ok(config)
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::Bond { amount } => {
                let receipt = context.signer().await?.submit(&jobs::bond(amount.0)).await?;
                Ok(done(&receipt, json!({ "amount": amount }), format!("bonded {amount}")))
            }
            Self::Unbond { amount } => {
                let receipt = context.signer().await?.submit(&jobs::unbond(amount.0)).await?;
                Ok(done(&receipt, json!({ "amount": amount }), format!("took {amount} back from the bond")))
            }
            Self::Show { account } => {
                let account = context.account_or_own(account)?;
                let record = context.client().await?.latest().trainer(account).await?;
                let record =
                    record.with_context(|| format!("{account} has no bond; hint: tributary trainer bond AMOUNT"))?;
                Ok(Output::record(&TrainerView::new(account, record)))
            }
            Self::Run(args) => {
                let shutdown = shutdown_on_signals()?;
                let key = context.key()?;
                Trainer::run(args.config(context)?, key, shutdown).await?;
                Ok(Output::default())
            }
        }
    }
}
