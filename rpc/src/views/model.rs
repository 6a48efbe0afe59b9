//! Base models, models and deployments as JSON.

use super::{AccuracyView, AmountText, DataUseView, HashText, MetricsView, SplitView, text};
use serde::Serialize;
use sp_runtime::AccountId32;
use tributary_protocol::{
    BaseModelId, BlockNumber, JobId, ModelId,
    datanet::Purpose,
    model::{BaseModel, Deployment, Lineage, Model, ModelFamily, ModelStatus, Prices},
};

/// A base model.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::model::BaseModel")]
pub struct BaseModelView {
    pub id: BaseModelId,
    pub owner: AccountId32,
    pub name: String,
    pub family: &'static str,
    pub content: HashText,
    pub parameters: u64,
    pub licence: String,
    pub deposit: AmountText,
    pub registered_at: BlockNumber,
}

impl BaseModelView {
    pub(crate) fn new(id: BaseModelId, base: BaseModel<AccountId32>) -> Self {
        Self {
            id,
            owner: base.owner,
            name: text(&base.name),
            family: match base.family {
                ModelFamily::Llama => "llama",
                ModelFamily::Mistral => "mistral",
                ModelFamily::Qwen => "qwen",
                ModelFamily::DeepSeek => "deepSeek",
                ModelFamily::Gemma => "gemma",
                ModelFamily::Phi => "phi",
            },
            content: HashText(base.content),
            parameters: base.parameters,
            licence: text(&base.licence),
            deposit: AmountText(base.deposit),
            registered_at: base.registered_at,
        }
    }
}

/// A tuned model.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::model::Model")]
pub struct ModelView {
    pub id: ModelId,
    pub owner: AccountId32,
    pub adapter: HashText,
    pub lineage: LineageView,
    pub metrics: MetricsView,
    pub accuracy: Option<AccuracyView>,
    pub prices: PricesView,
    pub split: SplitView,
    pub status: ModelStatus,
    pub deployments: u32,
    pub created_at: BlockNumber,
}

impl ModelView {
    pub(crate) fn new(id: ModelId, model: Model<AccountId32>) -> Self {
        Self {
            id,
            owner: model.owner,
            adapter: HashText(model.adapter),
            lineage: model.lineage.into(),
            metrics: model.metrics.into(),
            accuracy: model.accuracy.map(AccuracyView::from),
            prices: model.prices.into(),
            split: model.split.into(),
            status: model.status,
            deployments: model.deployments,
            created_at: model.created_at,
        }
    }
}

/// Where a model came from.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::model::Lineage")]
pub struct LineageView {
    pub base: BaseModelId,
    pub job: JobId,
    pub trainer: AccountId32,
    pub data: Vec<DataUseView>,
    pub purpose: Purpose,
}

impl From<Lineage<AccountId32>> for LineageView {
    fn from(lineage: Lineage<AccountId32>) -> Self {
        Self {
            base: lineage.base,
            job: lineage.job,
            trainer: lineage.trainer,
            data: lineage.data.iter().map(DataUseView::from).collect(),
            purpose: lineage.purpose,
        }
    }
}

/// What a model costs.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::model::Prices")]
pub struct PricesView {
    #[serde(rename = "inputPer1000")]
    pub input_per_1000: AmountText,
    #[serde(rename = "outputPer1000")]
    pub output_per_1000: AmountText,
}

impl From<Prices> for PricesView {
    fn from(prices: Prices) -> Self {
        Self { input_per_1000: AmountText(prices.input_per_1000), output_per_1000: AmountText(prices.output_per_1000) }
    }
}

/// A serving operator's offer of a model.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::model::Deployment")]
pub struct DeploymentView {
    pub operator: AccountId32,
    pub endpoint: String,
    pub deposit: AmountText,
    pub deployed_at: BlockNumber,
}

impl DeploymentView {
    pub(crate) fn new(operator: AccountId32, deployment: Deployment) -> Self {
        Self {
            operator,
            endpoint: text(&deployment.endpoint),
            deposit: AmountText(deployment.deposit),
            deployed_at: deployment.deployed_at,
        }
    }
}
