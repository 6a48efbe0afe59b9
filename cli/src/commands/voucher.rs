//! `tributary voucher`.

use crate::{
    amounts::Money,
    args::parse,
    commands::channel,
    context::Context,
    output::Output,
    purse::{Count, Line, Purse, sign},
};
use anyhow::ensure;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use tributary_client::{KeySource, Keypair};
use tributary_protocol::{ChannelId, ModelId, voucher::SignedVoucher};

/// Commands on vouchers.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign a voucher: what all answers of a model that a channel bought may have cost so far
    Sign(SignArgs),
    /// Show what a voucher says, and what the chain would pay for it
    Show {
        /// Its text: 224 hexadecimal digits
        voucher: SignedVoucher,
    },
}

/// What signs vouchers, and where it is noted.
#[derive(Args, Clone, Debug)]
pub struct PurseArgs {
    /// File with the secret that signs vouchers, if the channel has a key of its own
    #[arg(long, value_name = "FILE")]
    pub voucher_key_file: Option<PathBuf>,
    /// Where it is noted what was signed and bought; the user's data folder if left out
    #[arg(long, value_name = "DIR", env = "TRIBUTARY_PURSE")]
    pub purse: Option<PathBuf>,
}

impl PurseArgs {
    /// The key that signs vouchers.
    pub fn voucher_key(&self, context: &Context) -> anyhow::Result<Keypair> {
        match &self.voucher_key_file {
            Some(path) => Ok(Keypair::load(&KeySource::File(path.clone()))?),
            None => context.key(),
        }
    }
}

/// What to sign.
#[derive(Args, Clone, Debug)]
pub struct SignArgs {
    /// The channel that pays
    #[arg(long, value_parser = parse::channel)]
    channel: ChannelId,
    /// The model that answers
    #[arg(long, value_parser = parse::model)]
    model: ModelId,
    /// Tokens of all requests so far, and of those that are paid ahead
    #[arg(long, value_name = "TOKENS")]
    input: u64,
    /// Tokens of all answers, likewise
    #[arg(long, value_name = "TOKENS")]
    output: u64,
    /// What they cost together
    #[arg(long, value_name = "AMOUNT")]
    amount: Money,
    #[command(flatten)]
    purse: PurseArgs,
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::Sign(args) => args.sign(context).await,
            Self::Show { voucher } => show(context, &voucher).await,
        }
    }
}

impl SignArgs {
    async fn sign(self, context: &Context) -> anyhow::Result<Output> {
        let Self { channel: id, model, input, output, amount, purse: args } = self;
        let client = context.client().await?;
        let found = channel::find(&client.latest(), id).await?;
        let key = args.voucher_key(context)?;
        let genesis = client.genesis().0;
        let mut purse = Purse::open(args.purse.as_deref(), genesis, id)?;
        let count = Count { input_tokens: input, output_tokens: output, amount: amount.0 };
        let left = purse.left_for(model, &found);
        ensure!(
            amount.0 <= left,
            "channel {id} has {} for model {model}, and the voucher would say {amount}\nhint: tributary channel top-up",
            Money(left)
        );
        let Line { signed, used } = purse.line(model, &found);
        ensure!(
            signed.fits(&count),
            "a voucher over {} was signed before, which counts {} and {} tokens: a newer one says no less in any part",
            Money(signed.amount),
            signed.input_tokens,
            signed.output_tokens
        );
        let voucher = sign(&key, genesis, &found, (id, model), count)?;
        purse.keep(model, Line { signed: count, used })?;
        let json = json!({ "voucher": voucher.to_string(), "says": count, "channel": id, "model": model });
        Ok(Output::new(json, voucher.to_string()))
    }
}

async fn show(context: &Context, signed: &SignedVoucher) -> anyhow::Result<Output> {
    let voucher = signed.voucher;
    let due = context.client().await?.latest().due(voucher).await?;
    let pays = match due {
        None => "nothing: there is no such channel".to_owned(),
        Some(Err(refusal)) => format!("nothing: {refusal}"),
        Some(Ok(due)) => format!("{} if its signature holds", Money(due.amount)),
    };
    let fields = [
        ("channel", voucher.channel.to_string()),
        ("model", voucher.model.to_string()),
        ("tokens in", voucher.input_tokens.to_string()),
        ("tokens out", voucher.output_tokens.to_string()),
        ("amount", Money(voucher.amount).to_string()),
        ("would newly pay", pays),
    ];
    let due = due.and_then(Result::ok).map(|due| Money(due.amount));
    let json = json!({
        "channel": voucher.channel, "model": voucher.model, "input_tokens": voucher.input_tokens,
        "output_tokens": voucher.output_tokens, "amount": Money(voucher.amount), "due": due,
    });
    Ok(Output::new(json, crate::output::fields(&fields)))
}
