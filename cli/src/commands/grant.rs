//! `tributary grant`.

use super::done;
use crate::{
    args::{choices, parse},
    context::Context,
    output::Output,
    views::GrantView,
};
use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::PathBuf;
use tributary_client::{Account, GrantOffer, Receipt, calls::grants};
use tributary_protocol::{
    ContentHash, DatanetId, GrantId,
    datanet::{Purpose, Text},
    grant::{BaseModelScope, GrantTerms, VersionScope},
};

/// Commands on grants.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask for a grant; under open terms it is issued at once
    Request {
        /// The Datanet
        #[arg(value_parser = parse::datanet)]
        datanet: DatanetId,
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// Give a requested grant on your Datanet
    Issue {
        /// Its number
        #[arg(value_parser = parse::grant)]
        grant: GrantId,
    },
    /// Refuse a requested grant, and say why
    Deny {
        /// Its number
        #[arg(value_parser = parse::grant)]
        grant: GrantId,
        /// Why
        #[arg(long, value_parser = parse::text)]
        reason: Text,
    },
    /// Take a grant back, and say why: no new jobs, and running transfers stop
    Revoke {
        /// Its number
        #[arg(value_parser = parse::grant)]
        grant: GrantId,
        /// Why
        #[arg(long, value_parser = parse::text)]
        reason: Text,
    },
    /// Give your grant back
    Renounce {
        /// Its number
        #[arg(value_parser = parse::grant)]
        grant: GrantId,
    },
    /// Remove a grant that can serve no more, and get its deposit back
    Prune {
        /// Its number
        #[arg(value_parser = parse::grant)]
        grant: GrantId,
    },
    /// List grants: all, an account's, or a Datanet's
    List {
        /// Only this account's
        #[arg(long, value_name = "ACCOUNT")]
        of: Option<Account>,
        /// Only your own
        #[arg(long, conflicts_with = "of")]
        mine: bool,
        /// Only on this Datanet
        #[arg(long, value_name = "DATANET", value_parser = parse::datanet, conflicts_with_all = ["of", "mine"])]
        on: Option<DatanetId>,
    },
    /// Show one grant
    Show {
        /// Its number
        #[arg(value_parser = parse::grant)]
        grant: GrantId,
    },
    /// Sign an offer for a grantee as the Datanet's owner; sends nothing, prints the offer to hand over
    Offer {
        /// The Datanet
        #[arg(value_parser = parse::datanet)]
        datanet: DatanetId,
        /// Who may present it
        #[arg(long, value_name = "ACCOUNT")]
        to: Account,
        /// A number of your choice; each makes at most one grant
        #[arg(long)]
        nonce: u64,
        /// For how many blocks it may be presented
        #[arg(long, value_name = "BLOCKS", default_value_t = 28_800)]
        valid_for: u32,
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// Present an offer that an owner signed for you
    Present {
        /// The offer's file, as `grant offer --json` printed it
        file: PathBuf,
    },
}

/// What a grant shall allow.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Terms")]
pub struct TermsArgs {
    /// For what
    #[arg(long, value_parser = choices::purpose())]
    pub purpose: Purpose,
    /// For how many jobs
    #[arg(long, default_value_t = 1)]
    pub uses: u32,
    /// Which versions: all, up-to:N or only:N
    #[arg(long, default_value = "all", value_parser = parse::version_scope)]
    pub versions: VersionScope,
    /// Which base models: any, or a number
    #[arg(long, default_value = "any", value_parser = parse::base_scope)]
    pub base_models: BaseModelScope,
    /// For how many blocks of 3 s from now
    #[arg(long, value_name = "BLOCKS", default_value_t = 28_800)]
    pub lasts: u32,
}

impl TermsArgs {
    fn at(self, height: u32) -> GrantTerms {
        GrantTerms {
            versions: self.versions,
            purpose: self.purpose,
            base_models: self.base_models,
            uses: self.uses,
            expires_at: height.saturating_add(self.lasts),
        }
    }
}

/// A signed offer, as it is handed over.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedOffer {
    /// The chain it is for.
    genesis: ContentHash,
    offer: GrantOffer,
    /// sr25519, hexadecimal.
    signature: String,
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::Request { datanet, terms } => {
                let signer = context.signer().await?;
                let terms = terms.at(signer.client().finalised_head().number);
                let receipt = signer.submit(&grants::request(datanet, &terms)).await?;
                let (grant, issued) = (receipt.grant()?, is_issued(&receipt));
                let sentence = if issued {
                    format!("grant {grant} is issued")
                } else {
                    format!("asked for grant {grant}; the owner of Datanet {datanet} decides")
                };
                Ok(done(&receipt, json!({ "grant": grant, "issued": issued }), sentence))
            }
            Self::Issue { grant } => {
                let receipt = context.signer().await?.submit(&grants::issue(grant)).await?;
                Ok(done(&receipt, json!({ "grant": grant }), format!("issued grant {grant}")))
            }
            Self::Deny { grant, reason } => {
                let receipt = context.signer().await?.submit(&grants::deny(grant, &reason)).await?;
                Ok(done(&receipt, json!({ "grant": grant }), format!("denied grant {grant}")))
            }
            Self::Revoke { grant, reason } => {
                let receipt = context.signer().await?.submit(&grants::revoke(grant, &reason)).await?;
                Ok(done(&receipt, json!({ "grant": grant }), format!("revoked grant {grant}")))
            }
            Self::Renounce { grant } => {
                let receipt = context.signer().await?.submit(&grants::renounce(grant)).await?;
                Ok(done(&receipt, json!({ "grant": grant }), format!("gave grant {grant} back")))
            }
            Self::Prune { grant } => {
                let receipt = context.signer().await?.submit(&grants::prune(grant)).await?;
                Ok(done(&receipt, json!({ "grant": grant }), format!("removed grant {grant}")))
            }
            Self::List { of, mine, on } => list(context, of, mine, on).await,
            Self::Show { grant } => {
                let found = context.client().await?.latest().grant(grant).await?;
                let found = found.with_context(|| format!("there is no grant {grant}"))?;
                Ok(Output::record(&GrantView::new(grant, found)))
            }
            Self::Offer { datanet, to, nonce, valid_for, terms } => {
                let client = context.client().await?;
                let key = context.key_for(&client)?;
                let height = client.finalised_head().number;
                let valid_until = height.saturating_add(valid_for);
                let offer = GrantOffer { datanet, grantee: to, terms: terms.at(height), nonce, valid_until };
                let signature = grants::sign_offer(&key, &offer, client.genesis());
                let signed =
                    SignedOffer { genesis: ContentHash(client.genesis().0), offer, signature: hex::encode(signature) };
                let text = serde_json::to_string_pretty(&signed)?;
                Ok(Output::new(signed, text))
            }
            Self::Present { file } => {
                let text = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
                let signed: SignedOffer =
                    serde_json::from_slice(&text).with_context(|| format!("{} is no signed offer", file.display()))?;
                let mut signature = [0; 64];
                hex::decode_to_slice(&signed.signature, &mut signature).context("the offer's signature is damaged")?;
                let signer = context.signer().await?;
                ensure!(
                    signed.genesis.0 == signer.client().genesis().0,
                    "the offer is for another chain, with genesis {}",
                    signed.genesis
                );
                let receipt = signer.submit(&grants::present(&signed.offer, signature)).await?;
                let grant = receipt.grant()?;
                Ok(done(&receipt, json!({ "grant": grant, "issued": true }), format!("grant {grant} is issued")))
            }
        }
    }
}

fn is_issued(receipt: &Receipt) -> bool {
    receipt.events.iter().any(|event| event.is("Grants", "GrantIssued"))
}

async fn list(context: &Context, of: Option<Account>, mine: bool, on: Option<DatanetId>) -> anyhow::Result<Output> {
    let view = context.client().await?.latest();
    let grants = match (of, on) {
        (_, Some(datanet)) => view.all_grants_on(datanet).await?,
        (Some(account), None) => view.all_grants_of(account).await?,
        (None, None) if mine => view.all_grants_of(context.key()?.account()).await?,
        (None, None) => {
            let (mut all, mut from) = (Vec::new(), GrantId(0));
            loop {
                let page = view.grants(from, tributary_client::PAGE).await?;
                let after = page.last().and_then(|(id, _)| id.next());
                all.extend(page);
                match after {
                    Some(after) => from = after,
                    None => break all,
                }
            }
        }
    };
    let views: Vec<_> = grants.into_iter().map(|(id, grant)| GrantView::new(id, grant)).collect();
    Ok(Output::list(&views))
}
