//! Datanets, contributions and versions as JSON.

use super::{AmountText, HashText, text};
use serde::Serialize;
use sp_runtime::AccountId32;
use tributary_protocol::{
    BlockNumber, ContributionId, DatanetId, Ppm, VersionRef,
    datanet::{
        AccessPolicy, Admission, Contribution, ContributionStatus, Datanet, DatanetStatus, PurposeSet,
        SampleCommitment, Schema, Terms, Version, VersionEntry,
    },
};

/// A Datanet.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::datanet::Datanet")]
pub struct DatanetView {
    pub id: DatanetId,
    pub owner: AccountId32,
    pub name: String,
    pub domain: String,
    pub description: String,
    pub schema: &'static str,
    pub terms: TermsView,
    pub curators: Vec<AccountId32>,
    pub status: DatanetStatus,
    pub versions: u32,
    pub deposit: AmountText,
    pub registered_at: BlockNumber,
}

impl DatanetView {
    pub(crate) fn new(id: DatanetId, datanet: Datanet<AccountId32>) -> Self {
        Self {
            id,
            owner: datanet.owner,
            name: text(&datanet.name),
            domain: text(&datanet.domain),
            description: text(&datanet.description),
            schema: match datanet.schema {
                Schema::PromptCompletion => "promptCompletion",
            },
            terms: TermsView::from(&datanet.terms),
            curators: datanet.curators.into_inner(),
            status: datanet.status,
            versions: datanet.versions,
            deposit: AmountText(datanet.deposit),
            registered_at: datanet.registered_at,
        }
    }
}

/// On what terms a Datanet may be contributed to and used.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::datanet::Terms")]
pub struct TermsView {
    pub price: AmountText,
    pub purposes: PurposeSet,
    pub royalty_floor_ppm: Ppm,
    pub admission: Admission,
    pub access: &'static str,
    pub grant_blocks_max: BlockNumber,
    pub grant_uses_max: u32,
    pub licence: String,
}

impl From<&Terms> for TermsView {
    fn from(terms: &Terms) -> Self {
        Self {
            price: AmountText(terms.price),
            purposes: terms.purposes,
            royalty_floor_ppm: terms.royalty_floor,
            admission: terms.admission,
            access: match terms.access {
                AccessPolicy::Open => "open",
                AccessPolicy::OnRequest => "onRequest",
            },
            grant_blocks_max: terms.grant_blocks_max,
            grant_uses_max: terms.grant_uses_max,
            licence: text(&terms.licence),
        }
    }
}

/// A contribution.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::datanet::Contribution")]
pub struct ContributionView {
    pub id: ContributionId,
    pub datanet: DatanetId,
    pub contributor: AccountId32,
    pub samples: SamplesView,
    pub licence: String,
    pub status: ContributionStatusView,
    pub deposit: AmountText,
    pub submitted_at: BlockNumber,
}

impl ContributionView {
    pub(crate) fn new(id: ContributionId, contribution: Contribution<AccountId32>) -> Self {
        Self {
            id,
            datanet: contribution.datanet,
            contributor: contribution.contributor,
            samples: contribution.samples.into(),
            licence: text(&contribution.licence),
            status: contribution.status.into(),
            deposit: AmountText(contribution.deposit),
            submitted_at: contribution.submitted_at,
        }
    }
}

/// The samples of a contribution as the chain knows them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::datanet::SampleCommitment")]
pub struct SamplesView {
    pub root: HashText,
    pub blob: HashText,
    pub samples: u32,
    pub bytes: u64,
}

impl From<SampleCommitment> for SamplesView {
    fn from(samples: SampleCommitment) -> Self {
        Self {
            root: HashText(samples.root),
            blob: HashText(samples.blob),
            samples: samples.samples,
            bytes: samples.bytes,
        }
    }
}

/// Where a contribution stands.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::datanet::ContributionStatus")]
pub enum ContributionStatusView {
    Pending,
    Accepted,
    Rejected { reason: String },
    Withdrawn,
}

impl From<ContributionStatus> for ContributionStatusView {
    fn from(status: ContributionStatus) -> Self {
        match status {
            ContributionStatus::Pending => Self::Pending,
            ContributionStatus::Accepted => Self::Accepted,
            ContributionStatus::Rejected { reason } => Self::Rejected { reason: text(&reason) },
            ContributionStatus::Withdrawn => Self::Withdrawn,
        }
    }
}

/// An immutable snapshot of a Datanet's accepted contributions.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::datanet::Version")]
pub struct VersionView {
    pub datanet: DatanetId,
    pub number: u32,
    pub root: HashText,
    pub contributions: Vec<ContributionId>,
    pub samples: u64,
    pub bytes: u64,
    pub published_at: BlockNumber,
}

impl VersionView {
    pub(crate) fn new(reference: VersionRef, version: Version) -> Self {
        Self {
            datanet: reference.datanet,
            number: reference.number,
            root: HashText(version.root),
            contributions: version.contributions.into_inner(),
            samples: version.samples,
            bytes: version.bytes,
            published_at: version.published_at,
        }
    }
}

/// One contribution of a version, with who made it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::datanet::VersionEntry")]
pub struct EntryView {
    pub contribution: ContributionId,
    pub contributor: AccountId32,
    pub samples: SamplesView,
}

impl EntryView {
    pub(crate) fn new(entry: VersionEntry, contributor: AccountId32) -> Self {
        Self { contribution: entry.contribution, contributor, samples: entry.samples.into() }
    }
}
