//! Datanets and their versions.

use super::{Hex, Money, Page, When, money::SeriesPoint};
use crate::{
    db::{Row, WorkError, params},
    index::{
        codes::{account, record, text},
        reader::{Filter, List, Order, Reader, Want},
        words,
    },
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tributary_client::{Account, Datanet};
use tributary_protocol::{
    ContributionId, DatanetId, VersionRef,
    datanet::{AccessPolicy, Admission, DatanetStatus, Purpose, PurposeSet, Schema, Version},
};

/// On what terms.
#[derive(Clone, Debug, Serialize)]
pub struct TermsView {
    price: Money,
    purposes: Vec<Purpose>,
    royalty_floor_ppm: u32,
    admission: Admission,
    access: AccessPolicy,
    grant_blocks_max: u32,
    grant_uses_max: u32,
    licence: String,
}

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
    terms: TermsView,
    versions: u32,
    deposit: Money,
    registered: When,
    updated: When,
    counts: Counts,
    latest: Option<Latest>,
    earned: Earned,
}

#[derive(Clone, Debug, Serialize)]
struct Counts {
    contributions: u64,
    pending: u64,
    accepted: u64,
    rejected: u64,
    withdrawn: u64,
    contributors: u64,
    models: u64,
    jobs: u64,
    grants_active: u64,
    grants_requested: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Latest {
    number: u32,
    samples: u64,
    bytes: u64,
    contributions: usize,
    published: When,
}

#[derive(Clone, Debug, Serialize)]
struct Earned {
    fees: Money,
    owner_part: Money,
    contributors: Money,
}

/// Which Datanets.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct DatanetQuery {
    /// Words of name, domain, licence, description.
    pub q: Option<String>,
    /// This licence.
    pub licence: Option<String>,
    /// This domain.
    pub domain: Option<String>,
    /// Owned by.
    pub owner: Option<Account>,
    /// Owned or curated by.
    pub account: Option<Account>,
    /// Usable for.
    pub purpose: Option<Purpose>,
    /// How grants are given.
    pub access: Option<AccessPolicy>,
    /// Whether it takes part.
    pub status: Option<DatanetStatus>,
    /// In which order.
    #[serde(default)]
    pub sort: DatanetSort,
}

/// In which order Datanets come.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatanetSort {
    /// The newest first.
    #[default]
    Newest,
    /// By name.
    Name,
    /// The cheapest first.
    Price,
    /// The largest newest version first.
    Samples,
    /// The most used first.
    Models,
}

/// Datanets.
pub fn list(reader: &Reader<'_>, query: &DatanetQuery, want: &Want) -> Result<Page<DatanetView>, WorkError> {
    let mut filter = Filter::default();
    words::filter(&mut filter, "datanet", query.q.as_deref())?;
    for (column, value) in [("licence", &query.licence), ("domain", &query.domain)] {
        if let Some(value) = value {
            filter.and(format!("{column} = ?"), [value])?;
        }
    }
    if let Some(owner) = query.owner {
        filter.and("owner = ?", [owner.0])?;
    }
    if let Some(member) = query.account {
        let clause = "(owner = ? OR id IN (SELECT datanet FROM curators WHERE account = ?))";
        filter.and(clause, [member.0, member.0])?;
    }
    if let Some(access) = query.access {
        filter.and("access = ?", [crate::index::codes::word(&access)?])?;
    }
    if let Some(status) = query.status {
        filter.and("status = ?", [crate::index::codes::word(&status)?])?;
    }
    if let Some(purpose) = query.purpose {
        let mut wanted = Vec::new();
        // Purposes stand in the record only; there are few Datanets that differ by nothing else.
        reader.all("SELECT id, record FROM datanets", (), |row| {
            let datanet: Datanet = record(row, "record")?;
            if datanet.terms.purposes.contains(purpose) {
                wanted.push(row.get::<_, u32>("id")?.to_string());
            }
            Ok(())
        })?;
        let clause = match wanted.as_slice() {
            [] => "1 = 0".to_owned(),
            wanted => format!("id IN ({})", wanted.join(",")),
        };
        filter.and(clause, ())?;
    }
    let order = match query.sort {
        DatanetSort::Newest => Order::NEWEST,
        DatanetSort::Name => Order { key: "name", is_text: true, id: "id", is_account: false, is_descending: false },
        DatanetSort::Price => Order { key: "price", is_text: true, id: "id", is_account: false, is_descending: false },
        DatanetSort::Samples => Order {
            key: "coalesce((SELECT samples FROM versions v WHERE v.datanet = datanets.id ORDER BY number DESC LIMIT 1), 0)",
            ..Order::NEWEST
        },
        DatanetSort::Models => {
            Order { key: "(SELECT count(*) FROM model_data m WHERE m.datanet = datanets.id)", ..Order::NEWEST }
        }
    };
    reader.page(&List { table: "datanets", filter, order }, want, |row| view(reader, row))
}

/// A Datanet.
pub fn one(reader: &Reader<'_>, id: DatanetId) -> Result<Option<DatanetView>, WorkError> {
    reader.one("SELECT * FROM datanets WHERE id = ?", [id.0], |row| view(reader, row))
}

/// Its name.
pub fn name(reader: &Reader<'_>, id: DatanetId) -> Result<String, WorkError> {
    let name = reader.one("SELECT name FROM datanets WHERE id = ?", [id.0], |row| row.get(0))?;
    Ok(name.unwrap_or_else(|| format!("Datanet {id}")))
}

/// Its record.
pub fn record_of(reader: &Reader<'_>, id: DatanetId) -> Result<Option<Datanet>, WorkError> {
    reader.record("SELECT record FROM datanets WHERE id = ?", [id.0])
}

fn view(reader: &Reader<'_>, row: &Row) -> Result<DatanetView, WorkError> {
    let id = DatanetId(row.get("id")?);
    let datanet: Datanet = record(row, "record")?;
    let terms = datanet.terms;
    let statuses = reader.all(
        "SELECT status, count(*) AS n FROM contributions WHERE datanet = ? GROUP BY status",
        [id.0],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)),
    )?;
    let of = |name: &str| statuses.iter().find(|(status, _)| status == name).map_or(0, |(_, count)| *count);
    let count = |query: &str| reader.count(query, [id.0]);
    let latest = match datanet.versions {
        0 => None,
        number => version_record(reader, VersionRef { datanet: id, number })?,
    };
    Ok(DatanetView {
        id,
        name: text(&datanet.name),
        domain: text(&datanet.domain),
        description: text(&datanet.description),
        owner: datanet.owner,
        curators: datanet.curators.into_inner(),
        status: datanet.status,
        schema: datanet.schema,
        terms: TermsView {
            price: Money(terms.price),
            purposes: purposes(&terms.purposes),
            royalty_floor_ppm: terms.royalty_floor.parts(),
            admission: terms.admission,
            access: terms.access,
            grant_blocks_max: terms.grant_blocks_max,
            grant_uses_max: terms.grant_uses_max,
            licence: text(&terms.licence),
        },
        versions: datanet.versions,
        deposit: Money(datanet.deposit),
        registered: reader.when(datanet.registered_at)?,
        updated: reader.when(row.get("updated_block")?)?,
        counts: Counts {
            contributions: statuses.iter().map(|(_, count)| count).sum(),
            pending: of("pending"),
            accepted: of("accepted"),
            rejected: of("rejected"),
            withdrawn: of("withdrawn"),
            contributors: count("SELECT count(DISTINCT contributor) FROM contributions WHERE datanet = ?")?,
            models: count("SELECT count(DISTINCT model) FROM model_data WHERE datanet = ?")?,
            jobs: count("SELECT count(DISTINCT job) FROM job_data WHERE datanet = ?")?,
            grants_active: count(
                "SELECT count(*) FROM grants WHERE datanet = ? AND status = 'active' AND is_pruned = 0",
            )?,
            grants_requested: count(
                "SELECT count(*) FROM grants WHERE datanet = ? AND status = 'requested' AND is_pruned = 0",
            )?,
        },
        latest: latest
            .map(|version| {
                Ok::<_, WorkError>(Latest {
                    number: datanet.versions,
                    samples: version.samples,
                    bytes: version.bytes,
                    contributions: version.contributions.len(),
                    published: reader.when(version.published_at)?,
                })
            })
            .transpose()?,
        earned: Earned {
            fees: Money(reader.total("datanet", id.0.to_string(), "data_fee")?),
            owner_part: Money(reader.total("datanet", id.0.to_string(), "datanet_owner")?),
            contributors: Money(reader.total("datanet", id.0.to_string(), "contributor")?),
        },
    })
}

fn purposes(set: &PurposeSet) -> Vec<Purpose> {
    [Purpose::Research, Purpose::Evaluation, Purpose::Commercial]
        .into_iter()
        .filter(|purpose| set.contains(*purpose))
        .collect()
}

/// A version.
#[derive(Clone, Debug, Serialize)]
pub struct VersionView {
    datanet: DatanetId,
    number: u32,
    root: Hex,
    contributions: Vec<ContributionId>,
    samples: u64,
    bytes: u64,
    published: When,
    publisher: Account,
    added: Vec<ContributionId>,
    removed: Vec<ContributionId>,
    models: Vec<u64>,
}

/// A Datanet's versions, the newest first.
pub fn versions(reader: &Reader<'_>, id: DatanetId, want: &Want) -> Result<Page<VersionView>, WorkError> {
    let mut filter = Filter::default();
    filter.and("datanet = ?", [id.0])?;
    let order = Order { key: "number", is_text: false, id: "datanet", is_account: false, is_descending: true };
    reader.page(&List { table: "versions", filter, order }, want, |row| {
        let number: u32 = row.get("number")?;
        let version: Version = record(row, "record")?;
        let own: BTreeSet<_> = version.contributions.iter().copied().collect();
        let before = match number {
            0 | 1 => None,
            number => version_record(reader, VersionRef { datanet: id, number: number - 1 })?,
        };
        let before: BTreeSet<_> = before.iter().flat_map(|version| version.contributions.iter().copied()).collect();
        Ok(VersionView {
            datanet: id,
            number,
            root: version.root.into(),
            samples: version.samples,
            bytes: version.bytes,
            published: reader.when(version.published_at)?,
            publisher: account(row, "publisher")?.unwrap_or(Account([0; 32])),
            added: own.difference(&before).copied().collect(),
            removed: before.difference(&own).copied().collect(),
            contributions: version.contributions.into_inner(),
            models: reader.all(
                "SELECT model FROM model_data WHERE datanet = ? AND version = ? ORDER BY model",
                [id.0, number],
                |row| row.get(0),
            )?,
        })
    })
}

/// A version's record.
pub fn version_record(reader: &Reader<'_>, version: VersionRef) -> Result<Option<Version>, WorkError> {
    let find = "SELECT record FROM versions WHERE datanet = ? AND number = ?";
    reader.record(find, [version.datanet.0, version.number])
}

/// A value and how many Datanets have it.
#[derive(Clone, Debug, Serialize)]
pub struct Facet {
    value: String,
    datanets: u64,
}

/// What Datanets can be filtered by.
#[derive(Clone, Debug, Serialize)]
pub struct Facets {
    domains: Vec<Facet>,
    licences: Vec<Facet>,
}

/// The domains and licences there are, the most frequent first.
pub fn facets(reader: &Reader<'_>) -> Result<Facets, WorkError> {
    let of = |column: &str| {
        let query = format!("SELECT {column}, count(*) AS n FROM datanets GROUP BY 1 ORDER BY n DESC, 1 LIMIT 200");
        reader.all(&query, (), |row| Ok(Facet { value: row.get(0)?, datanets: row.get(1)? }))
    };
    Ok(Facets { domains: of("domain")?, licences: of("licence")? })
}

/// What a Datanet has earned.
#[derive(Clone, Debug, Serialize)]
pub struct DatanetEarnings {
    datanet: DatanetId,
    fees: Vec<SeriesPoint>,
    owner_part: Vec<SeriesPoint>,
    contributors: Vec<SeriesPoint>,
    sales: Vec<SeriesPoint>,
}

/// What a Datanet has earned over time.
pub fn earnings(reader: &Reader<'_>, id: DatanetId) -> Result<DatanetEarnings, WorkError> {
    let of = |role: &str| {
        let query = "SELECT block, amount FROM payouts WHERE datanet = ? AND role = ? ORDER BY block, place, part";
        super::money::series(reader, query, params![id.0, role])
    };
    let sales = "SELECT block, amount FROM sales WHERE model IN (SELECT model FROM model_data WHERE datanet = ?)
        ORDER BY block, place";
    Ok(DatanetEarnings {
        datanet: id,
        fees: of("data_fee")?,
        owner_part: of("datanet_owner")?,
        contributors: of("contributor")?,
        sales: super::money::series(reader, sales, [id.0])?,
    })
}
