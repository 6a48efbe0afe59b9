//! Revenue streams as JSON.

use super::{AmountText, HashText};
use serde::Serialize;
use sp_runtime::AccountId32;
use tributary_protocol::{
    DatanetId, JobId, ModelId, Ppm,
    stream::{ContributionRoot, Parties, Split, Stream},
    sum_tree::SumRoot,
};

/// Where a model's revenue flows.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::stream::Stream")]
pub struct StreamView {
    pub model: ModelId,
    pub job: JobId,
    pub parties: PartiesView,
    pub split: SplitView,
    pub contributions: ContributionRootView,
    /// What every unit has earned, times 2^64: a string of decimal digits.
    pub revenue_per_unit: String,
    /// What dividing has left over, times 2^64: a string of decimal digits.
    pub carry: String,
    pub funded: AmountText,
    pub contributors_funded: AmountText,
    pub claimed: AmountText,
}

impl StreamView {
    pub(crate) fn new(model: ModelId, stream: Stream<AccountId32>) -> Self {
        Self {
            model,
            job: stream.job,
            parties: stream.parties.into(),
            split: stream.split.into(),
            contributions: stream.contributions.into(),
            revenue_per_unit: stream.revenue_per_unit.to_string(),
            carry: stream.carry.to_string(),
            funded: AmountText(stream.funded),
            contributors_funded: AmountText(stream.contributors_funded),
            claimed: AmountText(stream.claimed),
        }
    }
}

/// Who a stream pays beside the contributors.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::stream::Parties")]
pub struct PartiesView {
    pub base_owner: AccountId32,
    pub trainer: AccountId32,
    pub model_owner: AccountId32,
    pub datanet_owners: Vec<DatanetOwnerView>,
}

impl From<Parties<AccountId32>> for PartiesView {
    fn from(parties: Parties<AccountId32>) -> Self {
        Self {
            base_owner: parties.base_owner,
            trainer: parties.trainer,
            model_owner: parties.model_owner,
            datanet_owners: parties
                .datanet_owners
                .into_iter()
                .map(|(datanet, owner)| DatanetOwnerView { datanet, owner })
                .collect(),
        }
    }
}

/// A Datanet and who is paid for it.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct DatanetOwnerView {
    pub datanet: DatanetId,
    pub owner: AccountId32,
}

/// How a sale splits, in millionths.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::stream::Split")]
pub struct SplitView {
    pub treasury_ppm: Ppm,
    pub base_owner_ppm: Ppm,
    pub trainer_ppm: Ppm,
    pub model_owner_ppm: Ppm,
    pub datanet_owners_ppm: Ppm,
    pub contributors_ppm: Ppm,
}

impl From<Split> for SplitView {
    fn from(split: Split) -> Self {
        Self {
            treasury_ppm: split.treasury,
            base_owner_ppm: split.base_owner,
            trainer_ppm: split.trainer,
            model_owner_ppm: split.model_owner,
            datanet_owners_ppm: split.datanet_owners,
            contributors_ppm: split.contributors,
        }
    }
}

/// What a trainer commits to about who shaped a model.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::stream::ContributionRoot")]
pub struct ContributionRootView {
    pub shares: SumRootView,
    pub evidence: HashText,
    pub attributed_ppm: Ppm,
}

impl From<ContributionRoot> for ContributionRootView {
    fn from(root: ContributionRoot) -> Self {
        Self { shares: root.shares.into(), evidence: HashText(root.evidence), attributed_ppm: root.attributed }
    }
}

/// The root of a Merkle-sum tree.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "as in tributary_protocol::sum_tree::SumRoot")]
pub struct SumRootView {
    pub root: HashText,
    pub total: u64,
    pub leaves: u32,
}

impl From<SumRoot> for SumRootView {
    fn from(root: SumRoot) -> Self {
        Self { root: HashText(root.root), total: root.total, leaves: root.leaves }
    }
}

/// What a contribution root is bound to.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "as in tributary_protocol::sum_tree::Domain")]
pub struct DomainView {
    pub genesis: HashText,
    pub job: JobId,
}
