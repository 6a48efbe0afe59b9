//! Datanets, contributions, versions.

use super::{short, text, word};
use crate::{amounts::Money, args::parse::show_percent, output::Record};
use serde::Serialize;
use tributary_client::{Account, Contribution, Datanet};
use tributary_protocol::{
    ContentHash, ContributionId, DatanetId, Ppm, VersionRef,
    datanet::{AccessPolicy, Admission, ContributionStatus, DatanetStatus, PurposeSet, Schema, Version},
};

/// A Datanet.
#[derive(Clone, Debug, Serialize)]
pub struct DatanetView {
    id: DatanetId,
    name: String,
    domain: String,
    description: String,
    owner: Account,
    curators: Vec<Account>,
    status: DatanetStatus,
    schema: Schema,
    versions: u32,
    price: Money,
    purposes: Vec<&'static str>,
    royalty_floor: Ppm,
    admission: Admission,
    access: AccessPolicy,
    grant_blocks_max: u32,
    grant_uses_max: u32,
    licence: String,
    deposit: Money,
    registered_at: u32,
}

impl DatanetView {
    /// A Datanet as the chain has it.
    pub fn new(id: DatanetId, datanet: Datanet) -> Self {
        let terms = datanet.terms;
        Self {
            id,
            name: text(&datanet.name),
            domain: text(&datanet.domain),
            description: text(&datanet.description),
            owner: datanet.owner,
            curators: datanet.curators.into_inner(),
            status: datanet.status,
            schema: datanet.schema,
            versions: datanet.versions,
            price: Money(terms.price),
            purposes: purposes(&terms.purposes),
            royalty_floor: terms.royalty_floor,
            admission: terms.admission,
            access: terms.access,
            grant_blocks_max: terms.grant_blocks_max,
            grant_uses_max: terms.grant_uses_max,
            licence: text(&terms.licence),
            deposit: Money(datanet.deposit),
            registered_at: datanet.registered_at,
        }
    }
}

fn purposes(set: &PurposeSet) -> Vec<&'static str> {
    [(set.research, "research"), (set.evaluation, "evaluation"), (set.commercial, "commercial")]
        .into_iter()
        .filter_map(|(there, name)| there.then_some(name))
        .collect()
}

impl Record for DatanetView {
    const COLUMNS: &'static [&'static str] =
        &["id", "name", "domain", "status", "versions", "price", "access", "owner"];

    fn row(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.name.clone(),
            self.domain.clone(),
            word(&self.status),
            self.versions.to_string(),
            self.price.to_string(),
            word(&self.access),
            short(&self.owner),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let curators: Vec<String> = self.curators.iter().map(Account::to_string).collect();
        vec![
            ("datanet", self.id.to_string()),
            ("name", self.name.clone()),
            ("domain", self.domain.clone()),
            ("description", self.description.clone()),
            ("status", word(&self.status)),
            ("owner", self.owner.to_string()),
            ("curators", curators.join("\n")),
            ("versions", self.versions.to_string()),
            ("price per job", self.price.to_string()),
            ("purposes", self.purposes.join(", ")),
            ("royalty floor", show_percent(self.royalty_floor)),
            ("may contribute", word(&self.admission)),
            ("grants", word(&self.access)),
            ("a grant lasts", format!("at most {} blocks and {} jobs", self.grant_blocks_max, self.grant_uses_max)),
            ("licence", self.licence.clone()),
            ("deposit", self.deposit.to_string()),
            ("registered in block", self.registered_at.to_string()),
        ]
    }
}

/// A contribution.
#[derive(Clone, Debug, Serialize)]
pub struct ContributionView {
    id: ContributionId,
    datanet: DatanetId,
    contributor: Account,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    samples: u32,
    bytes: u64,
    root: ContentHash,
    blob: ContentHash,
    licence: String,
    deposit: Money,
    submitted_at: u32,
}

impl ContributionView {
    /// A contribution as the chain has it.
    pub fn new(id: ContributionId, contribution: Contribution) -> Self {
        let (status, reason) = match &contribution.status {
            ContributionStatus::Pending => ("pending", None),
            ContributionStatus::Accepted => ("accepted", None),
            ContributionStatus::Rejected { reason } => ("rejected", Some(text(reason))),
            ContributionStatus::Withdrawn => ("withdrawn", None),
        };
        Self {
            id,
            datanet: contribution.datanet,
            contributor: contribution.contributor,
            status,
            reason,
            samples: contribution.samples.samples,
            bytes: contribution.samples.bytes,
            root: contribution.samples.root,
            blob: contribution.samples.blob,
            licence: text(&contribution.licence),
            deposit: Money(contribution.deposit),
            submitted_at: contribution.submitted_at,
        }
    }
}

impl Record for ContributionView {
    const COLUMNS: &'static [&'static str] =
        &["id", "datanet", "status", "samples", "bytes", "contributor", "blob", "reason"];

    fn row(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.datanet.to_string(),
            self.status.to_owned(),
            self.samples.to_string(),
            self.bytes.to_string(),
            short(&self.contributor),
            short(&self.blob),
            self.reason.clone().unwrap_or_default(),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("contribution", self.id.to_string()),
            ("datanet", self.datanet.to_string()),
            ("contributor", self.contributor.to_string()),
            ("status", self.status.to_owned()),
            ("samples", self.samples.to_string()),
            ("bytes", self.bytes.to_string()),
            ("sample root", self.root.to_string()),
            ("blob", self.blob.to_string()),
            ("licence", self.licence.clone()),
            ("deposit", self.deposit.to_string()),
            ("submitted in block", self.submitted_at.to_string()),
        ];
        if let Some(reason) = &self.reason {
            fields.insert(4, ("reason", reason.clone()));
        }
        fields
    }
}

/// A version of a Datanet.
#[derive(Clone, Debug, Serialize)]
pub struct VersionView {
    version: VersionRef,
    root: ContentHash,
    contributions: Vec<ContributionId>,
    samples: u64,
    bytes: u64,
    published_at: u32,
}

impl VersionView {
    /// A version as the chain has it.
    pub fn new(at: VersionRef, version: Version) -> Self {
        Self {
            version: at,
            root: version.root,
            contributions: version.contributions.into_inner(),
            samples: version.samples,
            bytes: version.bytes,
            published_at: version.published_at,
        }
    }
}

impl Record for VersionView {
    const COLUMNS: &'static [&'static str] = &["version", "contributions", "samples", "bytes", "block", "root"];

    fn row(&self) -> Vec<String> {
        vec![
            self.version.to_string(),
            self.contributions.len().to_string(),
            self.samples.to_string(),
            self.bytes.to_string(),
            self.published_at.to_string(),
            short(&self.root),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let contributions: Vec<String> = self.contributions.iter().map(ToString::to_string).collect();
        vec![
            ("version", self.version.to_string()),
            ("contributions", contributions.join(", ")),
            ("samples", self.samples.to_string()),
            ("bytes", self.bytes.to_string()),
            ("root", self.root.to_string()),
            ("published in block", self.published_at.to_string()),
        ]
    }
}
