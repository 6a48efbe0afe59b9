//! Grants.

use super::{Money, Page, When};
use crate::{
    db::{Row, WorkError},
    index::{
        codes::{record, text},
        reader::{Filter, List, Order, Reader, Want},
    },
};
use serde::{Deserialize, Serialize};
use tributary_client::{Account, Grant};
use tributary_protocol::{
    BaseModelId, DatanetId, GrantId,
    datanet::Purpose,
    grant::{BaseModelScope, GrantStatus, VersionScope},
};

/// A grant.
#[derive(Clone, Debug, Serialize)]
pub struct GrantView {
    id: GrantId,
    datanet: DatanetId,
    datanet_name: String,
    owner: Account,
    grantee: Account,
    status: &'static str,
    reason: Option<String>,
    terms: GrantTermsView,
    used: u32,
    is_usable: bool,
    deposit: Money,
    requested: When,
    decided: Option<When>,
}

#[derive(Clone, Debug, Serialize)]
struct GrantTermsView {
    versions: VersionScopeView,
    purpose: Purpose,
    base_models: BaseScopeView,
    uses: u32,
    expires: When,
}

#[derive(Clone, Debug, Serialize)]
struct VersionScopeView {
    kind: &'static str,
    number: Option<u32>,
}

#[derive(Clone, Debug, Serialize)]
struct BaseScopeView {
    kind: &'static str,
    base: Option<BaseModelId>,
}

/// Which grants.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct GrantQuery {
    /// Of this grantee.
    pub account: Option<Account>,
    /// On Datanets of this owner.
    pub owner: Option<Account>,
    /// On this Datanet.
    pub datanet: Option<DatanetId>,
    /// In this state.
    pub status: Option<String>,
}

/// Grants, the newest first. Those that their grantees removed are left out.
pub fn list(reader: &Reader<'_>, query: &GrantQuery, want: &Want) -> Result<Page<GrantView>, WorkError> {
    let mut filter = Filter::default();
    filter.and("is_pruned = 0", ())?;
    if let Some(grantee) = query.account {
        filter.and("grantee = ?", [grantee.0])?;
    }
    if let Some(owner) = query.owner {
        let clause = "datanet IN (SELECT id FROM datanets WHERE owner = ?)";
        filter.and(clause, [owner.0])?;
    }
    if let Some(datanet) = query.datanet {
        filter.and("datanet = ?", [datanet.0])?;
    }
    if let Some(status) = &query.status {
        filter.and("status = ?", [status])?;
    }
    reader.page(&List { table: "grants", filter, order: Order::NEWEST }, want, |row| view(reader, row))
}

/// A grant.
pub fn one(reader: &Reader<'_>, id: GrantId) -> Result<Option<GrantView>, WorkError> {
    reader.one("SELECT * FROM grants WHERE id = ?", [id.0], |row| view(reader, row))
}

/// All active grants of an account, as the chain has them.
pub fn active_of(reader: &Reader<'_>, grantee: Account) -> Result<Vec<(GrantId, Grant)>, WorkError> {
    let query = "SELECT id, record FROM grants WHERE grantee = ? AND status = 'active' AND is_pruned = 0 ORDER BY id";
    reader.all(query, [grantee.0], |row| Ok((GrantId(row.get("id")?), record(row, "record")?)))
}

fn view(reader: &Reader<'_>, row: &Row) -> Result<GrantView, WorkError> {
    let grant: Grant = record(row, "record")?;
    let datanet = super::datanets::record_of(reader, grant.datanet)?
        .ok_or_else(|| WorkError::damaged(format!("a grant on Datanet {}, which is not there", grant.datanet)))?;
    let (status, reason) = match &grant.status {
        GrantStatus::Requested => ("requested", None),
        GrantStatus::Active => ("active", None),
        GrantStatus::Denied { reason } => ("denied", Some(text(reason))),
        GrantStatus::Revoked { reason, .. } => ("revoked", Some(text(reason))),
        GrantStatus::Renounced => ("renounced", None),
    };
    let terms = grant.terms;
    let is_usable = status == "active"
        && grant.used < terms.uses
        && terms.expires_at > reader.newest().number
        && !row.get::<_, bool>("is_pruned")?;
    Ok(GrantView {
        id: GrantId(row.get("id")?),
        datanet: grant.datanet,
        datanet_name: text(&datanet.name),
        owner: datanet.owner,
        grantee: grant.grantee,
        status,
        reason,
        terms: GrantTermsView {
            versions: match terms.versions {
                VersionScope::All => VersionScopeView { kind: "all", number: None },
                VersionScope::UpTo(last) => VersionScopeView { kind: "up_to", number: Some(last) },
                VersionScope::Only(one) => VersionScopeView { kind: "only", number: Some(one) },
            },
            purpose: terms.purpose,
            base_models: match terms.base_models {
                BaseModelScope::Any => BaseScopeView { kind: "any", base: None },
                BaseModelScope::Only(base) => BaseScopeView { kind: "only", base: Some(base) },
            },
            uses: terms.uses,
            expires: reader.when(terms.expires_at)?,
        },
        used: grant.used,
        is_usable,
        deposit: Money(grant.deposit),
        requested: reader.when(grant.requested_at)?,
        decided: reader.maybe(row.get("decided_block")?)?,
    })
}
