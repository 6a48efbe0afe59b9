//! `tributary channel`.

use super::done;
use crate::{
    amounts::Money,
    args::parse,
    context::Context,
    output::Output,
    views::{ChannelView, OperatorView, text},
};
use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;
use tributary_client::{Account, ChainClient, Channel, PAGE, View, calls::channels};
use tributary_protocol::{ChannelId, ModelId};

/// Commands on payment channels.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List who answers with a model, where and at which prices
    Operators {
        /// The model's number
        #[arg(value_parser = parse::model)]
        model: ModelId,
    },
    /// Put money aside for an operator; what is not redeemed comes back when the channel ends
    Open {
        /// How much
        amount: Money,
        /// Whom to pay
        #[arg(long, value_name = "ACCOUNT")]
        operator: Account,
        /// The account whose key signs vouchers; yours if left out. It needs no money, and can spend nothing but this
        #[arg(long, value_name = "ACCOUNT")]
        signs: Option<Account>,
    },
    /// Add to your channel
    TopUp {
        /// Its number
        #[arg(value_parser = parse::channel)]
        channel: ChannelId,
        /// How much
        amount: Money,
    },
    /// Close a channel: as its operator at once, as its app after a day in which the operator may redeem
    Close {
        /// Its number
        #[arg(value_parser = parse::channel)]
        channel: ChannelId,
    },
    /// End a channel whose window is over; anyone may
    Finalise {
        /// Its number
        #[arg(value_parser = parse::channel)]
        channel: ChannelId,
    },
    /// List channels that have not ended
    List {
        /// Only those that this account pays, or is paid by
        #[arg(long)]
        account: Option<Account>,
    },
    /// Show one channel
    Show {
        /// Its number
        #[arg(value_parser = parse::channel)]
        channel: ChannelId,
    },
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::Operators { model } => operators(&context.client().await?, model).await,
            Self::Open { amount, operator, signs } => {
                let signer = context.signer().await?;
                let key = signs.unwrap_or(signer.account());
                let receipt = signer.submit(&channels::open(operator, key.0, amount.0)).await?;
                let channel = receipt.channel()?;
                let json = json!({ "channel": channel, "amount": amount, "operator": operator });
                Ok(done(&receipt, json, format!("opened channel {channel} to {operator} with {amount}")))
            }
            Self::TopUp { channel, amount } => {
                let receipt = context.signer().await?.submit(&channels::top_up(channel, amount.0)).await?;
                let json = json!({ "channel": channel, "amount": amount });
                Ok(done(&receipt, json, format!("added {amount} to channel {channel}")))
            }
            Self::Close { channel } => {
                let signer = context.signer().await?;
                let receipt = signer.submit(&channels::close(channel)).await?;
                let left = signer.client().at(receipt.block.hash).channel(channel).await?;
                let sentence = match left {
                    Some(_) => format!(
                        "channel {channel} is closing: the operator may redeem for a day, then tributary channel finalise {channel}"
                    ),
                    None => format!("channel {channel} has ended"),
                };
                Ok(done(&receipt, json!({ "channel": channel, "ended": left.is_none() }), sentence))
            }
            Self::Finalise { channel } => {
                let receipt = context.signer().await?.submit(&channels::finalise(channel)).await?;
                Ok(done(&receipt, json!({ "channel": channel }), format!("channel {channel} has ended")))
            }
            Self::List { account } => {
                let all = all(&context.client().await?.latest()).await?;
                let is_theirs = |channel: &Channel| {
                    account.is_none_or(|account| channel.app == account || channel.operator == account)
                };
                let views: Vec<_> = all
                    .into_iter()
                    .filter(|(_, channel)| is_theirs(channel))
                    .map(|(id, channel)| ChannelView::new(id, channel))
                    .collect();
                Ok(Output::list(&views))
            }
            Self::Show { channel } => {
                let found = find(&context.client().await?.latest(), channel).await?;
                Ok(Output::record(&ChannelView::new(channel, found)))
            }
        }
    }
}

/// A channel that has not ended.
pub async fn find(view: &View, id: ChannelId) -> anyhow::Result<Channel> {
    let found = view.channel(id).await?;
    found.with_context(|| format!("there is no channel {id}: it has ended, or never was; hint: tributary channel list"))
}

/// Every channel that has not ended.
pub async fn all(view: &View) -> anyhow::Result<Vec<(ChannelId, Channel)>> {
    let end = view.next_channel().await?;
    let mut all = Vec::new();
    let mut from = ChannelId(0);
    while from < end {
        let page = view.channels(from, PAGE).await?;
        // A page looks at 1,000 numbers; a full one ends with its last channel.
        from = match page.last() {
            Some((last, _)) if page.len() >= PAGE as usize => ChannelId(last.0.saturating_add(1)),
            _ => ChannelId(from.0.saturating_add(1_000)),
        };
        all.extend(page);
    }
    Ok(all)
}

async fn operators(client: &ChainClient, model: ModelId) -> anyhow::Result<Output> {
    let (head, view) = client.latest_with_head();
    let deployments = view.deployments(model, PAGE).await?;
    let offers = view.offers(model, PAGE).await?;
    let views: Vec<_> = offers
        .into_iter()
        .map(|(operator, offer)| {
            let deployed = deployments.iter().find(|(account, _)| *account == operator);
            let endpoint = deployed.map(|(_, deployment)| text(&deployment.endpoint));
            OperatorView::new(model, operator, endpoint, offer, head.number)
        })
        .collect();
    Ok(Output::list(&views))
}
