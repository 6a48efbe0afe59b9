//! Grants as JSON.

use super::{AmountText, text};
use serde::{Deserialize, Serialize};
use sp_runtime::AccountId32;
use tributary_protocol::{
    BaseModelId, BlockNumber, DatanetId, GrantId, VersionRef,
    datanet::Purpose,
    grant::{BaseModelScope, Grant, GrantRefusal, GrantStatus, GrantTerms, Use, VersionScope},
};

/// A grant.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::grant::Grant")]
pub struct GrantView {
    pub id: GrantId,
    pub datanet: DatanetId,
    pub grantee: AccountId32,
    pub terms: GrantTermsView,
    pub used: u32,
    pub status: GrantStatusView,
    pub deposit: AmountText,
    pub requested_at: BlockNumber,
}

impl GrantView {
    pub(crate) fn new(id: GrantId, grant: Grant<AccountId32>) -> Self {
        Self {
            id,
            datanet: grant.datanet,
            grantee: grant.grantee,
            terms: grant.terms.into(),
            used: grant.used,
            status: grant.status.into(),
            deposit: AmountText(grant.deposit),
            requested_at: grant.requested_at,
        }
    }
}

/// What a grant allows.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::grant::GrantTerms")]
pub struct GrantTermsView {
    pub versions: ScopeOfVersionsView,
    pub purpose: Purpose,
    pub base_models: ScopeOfBasesView,
    pub uses: u32,
    pub expires_at: BlockNumber,
}

impl From<GrantTerms> for GrantTermsView {
    fn from(terms: GrantTerms) -> Self {
        Self {
            versions: match terms.versions {
                VersionScope::All => ScopeOfVersionsView::All,
                VersionScope::UpTo(number) => ScopeOfVersionsView::UpTo { number },
                VersionScope::Only(number) => ScopeOfVersionsView::Only { number },
            },
            purpose: terms.purpose,
            base_models: match terms.base_models {
                BaseModelScope::Any => ScopeOfBasesView::Any,
                BaseModelScope::Only(base) => ScopeOfBasesView::Only { base },
            },
            uses: terms.uses,
            expires_at: terms.expires_at,
        }
    }
}

/// Which versions a grant opens.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::grant::VersionScope")]
pub enum ScopeOfVersionsView {
    All,
    UpTo { number: u32 },
    Only { number: u32 },
}

/// Which base models a grant's data may train.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::grant::BaseModelScope")]
pub enum ScopeOfBasesView {
    Any,
    Only { base: BaseModelId },
}

/// Where a grant stands.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::grant::GrantStatus")]
pub enum GrantStatusView {
    Requested,
    Active,
    Denied { reason: String },
    Revoked { reason: String, at: BlockNumber },
    Renounced,
}

impl From<GrantStatus> for GrantStatusView {
    fn from(status: GrantStatus) -> Self {
        match status {
            GrantStatus::Requested => Self::Requested,
            GrantStatus::Active => Self::Active,
            GrantStatus::Denied { reason } => Self::Denied { reason: text(&reason) },
            GrantStatus::Revoked { reason, at } => Self::Revoked { reason: text(&reason), at },
            GrantStatus::Renounced => Self::Renounced,
        }
    }
}

/// One use of a Datanet's version that somebody wants to make: a parameter.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "as in tributary_protocol::grant::Use")]
pub struct UseView {
    pub grantee: AccountId32,
    pub version: VersionRef,
    pub purpose: Purpose,
    pub base_model: BaseModelId,
}

impl From<UseView> for Use<AccountId32> {
    fn from(wanted: UseView) -> Self {
        Self {
            grantee: wanted.grantee,
            version: wanted.version,
            purpose: wanted.purpose,
            base_model: wanted.base_model,
        }
    }
}

/// Whether a use is allowed, and why not.
#[derive(Clone, Debug, Serialize)]
pub struct RefusalView {
    /// Whether it is.
    pub allowed: bool,
    /// Why not: null if it is allowed.
    pub refusal: Option<String>,
}

impl From<Result<(), GrantRefusal>> for RefusalView {
    fn from(answer: Result<(), GrantRefusal>) -> Self {
        let refusal = answer.err().map(|refusal| refusal.to_string());
        Self { allowed: refusal.is_none(), refusal }
    }
}
