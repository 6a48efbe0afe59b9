//! `tributary reward`.

use super::{
    answers::{self, AnswersArgs},
    done,
};
use crate::{
    amounts::Money,
    args::parse,
    context::Context,
    output::Output,
    views::{ClaimView, StreamView},
};
use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::json;
use tributary_client::{Account, ChainClient, Event, Stream, calls::attribution};
use tributary_daemon::http;
use tributary_daemon::{Bundle, Shares};
use tributary_protocol::{
    Amount, ContributionId, ModelId,
    sum_tree::{SumLeaf, SumProof},
};

/// Commands on revenue streams.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a model's stream: who is paid, and what was paid
    Stream {
        /// The model
        #[arg(value_parser = parse::model)]
        model: ModelId,
    },
    /// Pay into a model's stream, as a sale does; it splits at once
    Fund {
        /// The model
        #[arg(value_parser = parse::model)]
        model: ModelId,
        /// How much
        amount: Money,
    },
    /// Show what an account's contributions could claim now
    Claimable {
        /// The model
        #[arg(value_parser = parse::model)]
        model: ModelId,
        #[command(flatten)]
        shares: SharesArgs,
        /// Whose; yours if left out
        #[arg(long)]
        account: Option<Account>,
    },
    /// Claim what your contributions have earned, each with its proof
    Claim {
        /// The model
        #[arg(value_parser = parse::model)]
        model: ModelId,
        #[command(flatten)]
        shares: SharesArgs,
    },
    /// Show what an account's contributions could claim now by an operator's answers
    ClaimableAnswers {
        /// The model
        #[arg(value_parser = parse::model)]
        model: ModelId,
        #[command(flatten)]
        answers: AnswersArgs,
        /// Whose; yours if left out
        #[arg(long)]
        account: Option<Account>,
    },
    /// Claim what your contributions have earned by an operator's answers, each with its proof
    ClaimAnswers {
        /// The model
        #[arg(value_parser = parse::model)]
        model: ModelId,
        #[command(flatten)]
        answers: AnswersArgs,
    },
    /// List all streams
    List,
}

/// Where the leaves of a model's contribution root come from. They are checked against the chain, whoever gives them.
#[derive(Args, Clone, Debug)]
pub struct SharesArgs {
    /// The leaves: http://TRAINER/jobs/JOB/shares, a shares.json, or a bundle's file
    #[arg(long, value_name = "URL|FILE")]
    pub shares: String,
}

impl SharesArgs {
    /// Reads the leaves.
    pub async fn read(&self) -> anyhow::Result<Shares> {
        let bytes = if self.shares.starts_with("http://") {
            http::get(&self.shares).await?
        } else {
            std::fs::read(&self.shares).with_context(|| format!("cannot read {}", self.shares))?
        };
        match serde_json::from_slice(&bytes) {
            Ok(shares) => Ok(shares),
            Err(_) => Ok(Bundle::from_bytes(&bytes)
                .with_context(|| format!("{} holds neither shares nor a bundle", self.shares))?
                .shares()?),
        }
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::Stream { model } => {
                Ok(Output::record(&StreamView::new(model, stream(&context.client().await?, model).await?)))
            }
            Self::Fund { model, amount } => {
                let receipt = context.signer().await?.submit(&attribution::fund(model, amount.0)).await?;
                let json = json!({ "model": model, "amount": amount });
                Ok(done(&receipt, json, format!("paid {amount} into the stream of model {model}")))
            }
            Self::Claimable { model, shares, account } => {
                let client = context.client().await?;
                let account = context.account_or_own(account)?;
                let stream = stream(&client, model).await?;
                let mut claims = Vec::new();
                for (leaf, _) in leaves(&shares.read().await?, &stream, &account)? {
                    claims.push(claim_view(&client, model, &leaf).await?);
                }
                Ok(Output::list(&claims))
            }
            Self::Claim { model, shares } => claim(context, model, &shares).await,
            Self::ClaimableAnswers { model, answers, account } => {
                answers::claimable(context, model, &answers, account).await
            }
            Self::ClaimAnswers { model, answers } => answers::claim(context, model, &answers).await,
            Self::List => {
                let view = context.client().await?.latest();
                let mut streams = Vec::new();
                for (model, _) in view.all_models().await? {
                    streams.extend(view.stream(model).await?.map(|stream| StreamView::new(model, stream)));
                }
                Ok(Output::list(&streams))
            }
        }
    }
}

async fn claim(context: &Context, model: ModelId, shares: &SharesArgs) -> anyhow::Result<Output> {
    let signer = context.signer().await?;
    let stream = stream(signer.client(), model).await?;
    let own = leaves(&shares.read().await?, &stream, &signer.account())?;
    let mut claimed = Vec::new();
    for (leaf, proof) in own {
        let mut view = claim_view(signer.client(), model, &leaf).await?;
        if view.amount.0 == 0 {
            continue;
        }
        let receipt = signer.submit(&attribution::claim(model, leaf, &proof)).await?;
        if let Some(paid) = receipt.events.iter().find_map(paid) {
            view.amount = Money(paid);
        }
        claimed.push(view);
    }
    ensure!(!claimed.is_empty(), "there is nothing to claim from model {model} now");
    Ok(Output::list(&claimed))
}

/// What a claim's event says was paid.
pub fn paid(event: &Event) -> Option<Amount> {
    if !event.is("Attribution", "RewardClaimed") {
        return None;
    }
    let fields: (ModelId, u32, ContributionId, Account, u64, Amount) = event.first().ok()?;
    Some(fields.5)
}

/// The leaves of one account, with proofs that hold against the chain's root.
pub fn leaves(shares: &Shares, stream: &Stream, account: &Account) -> anyhow::Result<Vec<(SumLeaf, SumProof)>> {
    let Some(own) = shares.claims(account, &stream.contributions.shares)? else {
        bail!("these shares are not those of job {}: their root is another than the chain's", stream.job);
    };
    ensure!(!own.is_empty(), "{account} has no contribution in this model");
    Ok(own)
}

/// A model's stream.
pub async fn stream(client: &ChainClient, model: ModelId) -> anyhow::Result<Stream> {
    client
        .latest()
        .stream(model)
        .await?
        .with_context(|| format!("there is no model {model}; hint: tributary model list"))
}

async fn claim_view(client: &ChainClient, model: ModelId, leaf: &SumLeaf) -> anyhow::Result<ClaimView> {
    let amount = client.latest().claimable(model, leaf.index, leaf.units).await?.unwrap_or_default();
    Ok(ClaimView {
        model,
        index: leaf.index,
        contribution: leaf.contribution,
        contributor: Account(leaf.contributor),
        units: leaf.units,
        amount: Money(amount),
    })
}
