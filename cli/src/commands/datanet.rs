//! `tributary datanet`.

use super::done;
use crate::{
    amounts::Money,
    args::{choices, parse},
    context::Context,
    output::Output,
    views::{DatanetView, VersionView},
};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use tributary_client::{Account, calls::datanets};
use tributary_protocol::{
    DatanetId, Ppm, VersionRef,
    amount::TRIB,
    datanet::{AccessPolicy, Admission, Name, Purpose, PurposeSet, Schema, Terms, Text},
};

/// A day of 3-second blocks.
const DAY_BLOCKS: u32 = 28_800;

/// Commands on Datanets.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register a Datanet that you own
    Register {
        /// Its name
        #[arg(long, value_parser = parse::name)]
        name: Name,
        /// Its field, such as medical
        #[arg(long, value_parser = parse::name)]
        domain: Name,
        /// What it holds, for people
        #[arg(long, value_parser = parse::text)]
        description: Text,
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// List all Datanets
    List,
    /// Show one Datanet, with its versions
    Show {
        /// Its number
        #[arg(value_parser = parse::datanet)]
        datanet: DatanetId,
    },
    /// Change terms, for later grants and jobs; what is not given stays
    UpdateTerms {
        /// Its number
        #[arg(value_parser = parse::datanet)]
        datanet: DatanetId,
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// Replace the curators
    SetCurators {
        /// Its number
        #[arg(value_parser = parse::datanet)]
        datanet: DatanetId,
        /// Their addresses; none leaves the owner alone to judge
        curators: Vec<Account>,
    },
    /// End the Datanet for anything new; versions, running jobs and revenue stay
    Retire {
        /// Its number
        #[arg(value_parser = parse::datanet)]
        datanet: DatanetId,
    },
    /// Publish the accepted contributions as the next version
    Publish {
        /// Its number
        #[arg(value_parser = parse::datanet)]
        datanet: DatanetId,
    },
}

/// Terms, as far as they are given.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Terms")]
pub struct TermsArgs {
    /// Paid to you by each job that uses a version [default: 10 TRIB]
    #[arg(long, value_name = "AMOUNT")]
    pub price: Option<Money>,
    /// What the data may be used for [default: all purposes]
    #[arg(long = "purpose", value_delimiter = ',', value_parser = choices::purpose())]
    pub purposes: Vec<Purpose>,
    /// Least percentage of a model's revenue for contributors [default: 30]
    #[arg(long, value_name = "PERCENT", value_parser = parse::percent)]
    pub royalty_floor: Option<Ppm>,
    /// Who may contribute [default: anyone]
    #[arg(long, value_parser = choices::admission())]
    pub admission: Option<Admission>,
    /// How grants are given [default: on-request]
    #[arg(long, value_parser = choices::access())]
    pub access: Option<AccessPolicy>,
    /// Longest life of a grant, in blocks of 3 s [default: 30 days]
    #[arg(long, value_name = "BLOCKS")]
    pub grant_blocks_max: Option<u32>,
    /// Most jobs of one grant [default: 10]
    #[arg(long, value_name = "JOBS")]
    pub grant_uses_max: Option<u32>,
    /// Licence of the data, an SPDX expression [default: CC-BY-4.0]
    #[arg(long, value_name = "SPDX", value_parser = parse::name)]
    pub licence: Option<Name>,
}

impl TermsArgs {
    /// What a Datanet gets that says nothing else.
    pub fn defaults() -> anyhow::Result<Terms> {
        Ok(Terms {
            price: 10 * TRIB,
            purposes: PurposeSet::ALL,
            royalty_floor: Ppm::from_percent(30),
            admission: Admission::Anyone,
            access: AccessPolicy::OnRequest,
            grant_blocks_max: 30 * DAY_BLOCKS,
            grant_uses_max: 10,
            licence: parse::name("CC-BY-4.0").map_err(anyhow::Error::msg)?,
        })
    }

    fn over(self, terms: Terms) -> Terms {
        let purposes = match self.purposes.as_slice() {
            [] => terms.purposes,
            given => PurposeSet {
                research: given.contains(&Purpose::Research),
                evaluation: given.contains(&Purpose::Evaluation),
                commercial: given.contains(&Purpose::Commercial),
            },
        };
        Terms {
            price: self.price.map_or(terms.price, |price| price.0),
            purposes,
            royalty_floor: self.royalty_floor.unwrap_or(terms.royalty_floor),
            admission: self.admission.unwrap_or(terms.admission),
            access: self.access.unwrap_or(terms.access),
            grant_blocks_max: self.grant_blocks_max.unwrap_or(terms.grant_blocks_max),
            grant_uses_max: self.grant_uses_max.unwrap_or(terms.grant_uses_max),
            licence: self.licence.unwrap_or(terms.licence),
        }
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::Register { name, domain, description, terms } => {
                let terms = terms.over(TermsArgs::defaults()?);
                let call = datanets::register(&name, &domain, &description, Schema::PromptCompletion, &terms);
                let receipt = context.signer().await?.submit(&call).await?;
                let datanet = receipt.datanet()?;
                Ok(done(&receipt, json!({ "datanet": datanet }), format!("registered Datanet {datanet}")))
            }
            Self::List => {
                let all = context.client().await?.latest().all_datanets().await?;
                let views: Vec<_> = all.into_iter().map(|(id, datanet)| DatanetView::new(id, datanet)).collect();
                Ok(Output::list(&views))
            }
            Self::Show { datanet } => show(context, datanet).await,
            Self::UpdateTerms { datanet, terms } => {
                let signer = context.signer().await?;
                let found = signer.client().latest().datanet(datanet).await?.with_context(|| absent(datanet))?;
                let receipt = signer.submit(&datanets::update_terms(datanet, &terms.over(found.terms))).await?;
                Ok(done(&receipt, json!({ "datanet": datanet }), format!("changed the terms of Datanet {datanet}")))
            }
            Self::SetCurators { datanet, curators } => {
                let receipt = context.signer().await?.submit(&datanets::set_curators(datanet, &curators)).await?;
                let json = json!({ "datanet": datanet, "curators": curators });
                Ok(done(&receipt, json, format!("Datanet {datanet} has {} curators", curators.len())))
            }
            Self::Retire { datanet } => {
                let receipt = context.signer().await?.submit(&datanets::retire(datanet)).await?;
                Ok(done(&receipt, json!({ "datanet": datanet }), format!("retired Datanet {datanet}")))
            }
            Self::Publish { datanet } => {
                let receipt = context.signer().await?.submit(&datanets::publish_version(datanet)).await?;
                let version = receipt.version()?;
                Ok(done(&receipt, json!({ "version": version }), format!("published version {version}")))
            }
        }
    }
}

async fn show(context: &Context, id: DatanetId) -> anyhow::Result<Output> {
    let view = context.client().await?.latest();
    let datanet = view.datanet(id).await?.with_context(|| absent(id))?;
    let mut versions = Vec::new();
    for number in 1..=datanet.versions {
        let at = VersionRef { datanet: id, number };
        versions.extend(view.version(at).await?.map(|version| VersionView::new(at, version)));
    }
    let datanet = DatanetView::new(id, datanet);
    let text = format!(
        "{}\n\n{}",
        crate::output::fields(&crate::output::Record::fields(&datanet)),
        Output::list(&versions).text()
    );
    Ok(Output::new(json!({ "datanet": datanet, "versions": versions }), text))
}

fn absent(id: DatanetId) -> String {
    format!("there is no Datanet {id}; hint: tributary datanet list")
}
