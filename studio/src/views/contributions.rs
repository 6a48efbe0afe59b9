//! Contributions, with what curators said and what they have in models.

use super::{Hex, Money, Page, When};
use crate::{
    db::{Row, WorkError, params},
    index::{
        codes::{account, record, text},
        reader::{Filter, List, Order, Reader, Want},
    },
};
use serde::{Deserialize, Serialize};
use tributary_client::{Account, Contribution};
use tributary_protocol::{
    ContentHash, ContributionId, DatanetId,
    datanet::{ContributionStatus, SampleCommitment},
};

/// The samples as the chain knows them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CommitmentView {
    root: Hex,
    blob: Hex,
    samples: u32,
    bytes: u64,
}

impl From<SampleCommitment> for CommitmentView {
    fn from(samples: SampleCommitment) -> Self {
        Self { root: samples.root.into(), blob: samples.blob.into(), samples: samples.samples, bytes: samples.bytes }
    }
}

/// A contribution.
#[derive(Clone, Debug, Serialize)]
pub struct ContributionView {
    id: ContributionId,
    datanet: DatanetId,
    datanet_name: String,
    contributor: Account,
    status: String,
    reason: Option<String>,
    licence: String,
    commitment: CommitmentView,
    deposit: Money,
    submitted: When,
    decided: Option<When>,
    curator: Option<Account>,
    versions: Vec<u32>,
    /// Whether this gateway holds the file: filled in by the route, which knows the store.
    pub is_held: bool,
    claimed: Money,
    /// How many of its samples look wrong to the training of a model.
    suspects: u64,
}

impl ContributionView {
    /// The hash of its file.
    pub fn blob(&self) -> ContentHash {
        ContentHash(self.commitment.blob.0)
    }

    /// Its number.
    pub fn id(&self) -> ContributionId {
        self.id
    }

    /// When it came.
    pub fn submitted(&self) -> &When {
        &self.submitted
    }

    /// Its Datanet with its name, samples and status.
    pub fn facts(&self) -> (DatanetId, &str, u32, &str) {
        (self.datanet, &self.datanet_name, self.commitment.samples, &self.status)
    }
}

/// Which contributions.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ContributionQuery {
    /// Made by.
    pub contributor: Option<Account>,
    /// To this Datanet.
    pub datanet: Option<DatanetId>,
    /// In this state.
    pub status: Option<String>,
    /// To Datanets that this account owns or curates.
    pub curator: Option<Account>,
    /// With or without samples that look wrong.
    pub suspects: Option<bool>,
}

/// Contributions, the newest first.
pub fn list(reader: &Reader<'_>, query: &ContributionQuery, want: &Want) -> Result<Page<ContributionView>, WorkError> {
    let mut filter = Filter::default();
    if let Some(contributor) = query.contributor {
        filter.and("contributor = ?", [contributor.0])?;
    }
    if let Some(datanet) = query.datanet {
        filter.and("datanet = ?", [datanet.0])?;
    }
    if let Some(status) = &query.status {
        filter.and("status = ?", [status])?;
    }
    if let Some(curator) = query.curator {
        let clause =
            "datanet IN (SELECT id FROM datanets WHERE owner = ? UNION SELECT datanet FROM curators WHERE account = ?)";
        filter.and(clause, [curator.0, curator.0])?;
    }
    if let Some(suspects) = query.suspects {
        let clause = match suspects {
            true => "id IN (SELECT contribution FROM suspects)",
            false => "id NOT IN (SELECT contribution FROM suspects)",
        };
        filter.and(clause, ())?;
    }
    let list = List { table: "contributions", filter, order: Order::NEWEST };
    reader.page(&list, want, |row| view(reader, row))
}

/// A contribution.
pub fn one(reader: &Reader<'_>, id: ContributionId) -> Result<Option<ContributionView>, WorkError> {
    reader.one("SELECT * FROM contributions WHERE id = ?", [id.0], |row| view(reader, row))
}

/// Its record.
pub fn record_of(reader: &Reader<'_>, id: ContributionId) -> Result<Option<Contribution>, WorkError> {
    reader.record("SELECT record FROM contributions WHERE id = ?", [id.0])
}

/// The first contribution with these very samples, in this Datanet or, without one, in any.
pub fn with_root(
    reader: &Reader<'_>,
    root: ContentHash,
    datanet: Option<DatanetId>,
) -> Result<Option<ContributionId>, WorkError> {
    let found = match datanet {
        Some(datanet) => {
            let query = "SELECT id FROM contributions WHERE root = ? AND datanet = ? ORDER BY id LIMIT 1";
            reader.one(query, params![root.0, datanet.0], |row| row.get(0))?
        }
        None => {
            reader.one("SELECT id FROM contributions WHERE root = ? ORDER BY id LIMIT 1", [root.0], |row| row.get(0))?
        }
    };
    Ok(found.map(ContributionId))
}

fn view(reader: &Reader<'_>, row: &Row) -> Result<ContributionView, WorkError> {
    let id = ContributionId(row.get("id")?);
    let contribution: Contribution = record(row, "record")?;
    let reason = match &contribution.status {
        ContributionStatus::Rejected { reason } => Some(text(reason)),
        _ => None,
    };
    Ok(ContributionView {
        id,
        datanet: contribution.datanet,
        datanet_name: super::datanets::name(reader, contribution.datanet)?,
        contributor: contribution.contributor,
        status: row.get("status")?,
        reason,
        licence: text(&contribution.licence),
        commitment: contribution.samples.into(),
        deposit: Money(if row.get("is_removed")? { 0 } else { contribution.deposit }),
        submitted: reader.when(contribution.submitted_at)?,
        decided: reader.maybe(row.get("decided_block")?)?,
        curator: account(row, "curator")?,
        versions: reader.all(
            "SELECT number FROM version_contributions WHERE contribution = ? ORDER BY number",
            [id.0],
            |row| row.get(0),
        )?,
        is_held: false,
        claimed: Money(reader.total("contribution", id.0.to_string(), "contributor")?),
        suspects: reader.count("SELECT count(DISTINCT place) FROM suspects WHERE contribution = ?", [id.0])?,
    })
}

/// A contribution with the models that it shaped.
#[derive(Clone, Debug, Serialize)]
pub struct ContributionDetail {
    /// It.
    pub contribution: ContributionView,
    /// What it has in models.
    pub models: Vec<super::money::ContributionModel>,
}
