//! Grants.

use super::{short, text, word};
use crate::{amounts::Money, output::Record};
use serde::Serialize;
use tributary_client::{Account, Grant};
use tributary_protocol::{
    DatanetId, GrantId,
    grant::{BaseModelScope, GrantStatus, GrantTerms, VersionScope},
};

/// A grant.
#[derive(Clone, Debug, Serialize)]
pub struct GrantView {
    id: GrantId,
    datanet: DatanetId,
    grantee: Account,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    terms: GrantTerms,
    used: u32,
    deposit: Money,
    requested_at: u32,
}

impl GrantView {
    /// A grant as the chain has it.
    pub fn new(id: GrantId, grant: Grant) -> Self {
        let (status, reason) = match &grant.status {
            GrantStatus::Requested => ("requested", None),
            GrantStatus::Active => ("active", None),
            GrantStatus::Denied { reason } => ("denied", Some(text(reason))),
            GrantStatus::Revoked { reason, .. } => ("revoked", Some(text(reason))),
            GrantStatus::Renounced => ("renounced", None),
        };
        Self {
            id,
            datanet: grant.datanet,
            grantee: grant.grantee,
            status,
            reason,
            terms: grant.terms,
            used: grant.used,
            deposit: Money(grant.deposit),
            requested_at: grant.requested_at,
        }
    }

    /// Where it stands.
    pub fn status(&self) -> &'static str {
        self.status
    }

    fn versions(&self) -> String {
        match self.terms.versions {
            VersionScope::All => "all".to_owned(),
            VersionScope::UpTo(last) => format!("up to {last}"),
            VersionScope::Only(one) => format!("only {one}"),
        }
    }
}

impl Record for GrantView {
    const COLUMNS: &'static [&'static str] =
        &["id", "datanet", "grantee", "status", "purpose", "versions", "used", "uses", "last block", "reason"];

    fn row(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.datanet.to_string(),
            short(&self.grantee),
            self.status.to_owned(),
            word(&self.terms.purpose),
            self.versions(),
            self.used.to_string(),
            self.terms.uses.to_string(),
            self.terms.expires_at.to_string(),
            self.reason.clone().unwrap_or_default(),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let bases = match self.terms.base_models {
            BaseModelScope::Any => "any".to_owned(),
            BaseModelScope::Only(one) => format!("only {one}"),
        };
        let mut fields = vec![
            ("grant", self.id.to_string()),
            ("datanet", self.datanet.to_string()),
            ("grantee", self.grantee.to_string()),
            ("status", self.status.to_owned()),
            ("purpose", word(&self.terms.purpose)),
            ("versions", self.versions()),
            ("base models", bases),
            ("jobs", format!("{} of {} used", self.used, self.terms.uses)),
            ("last block", self.terms.expires_at.to_string()),
            ("deposit", self.deposit.to_string()),
            ("asked for in block", self.requested_at.to_string()),
        ];
        if let Some(reason) = &self.reason {
            fields.insert(4, ("reason", reason.clone()));
        }
        fields
    }
}
