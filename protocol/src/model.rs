//! Base models, the models that jobs make of them, and where a model is offered.

use crate::{
    amount::{Amount, BlockNumber},
    answer::Accuracy,
    datanet::{Name, Purpose},
    ids::{BaseModelId, ContentHash, GrantId, JobId, VersionRef},
    job::{JOB_VERSIONS_MAX, Metrics},
    stream::Split,
};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Longest endpoint address of a deployment, in bytes.
pub const ENDPOINT_BYTES_MAX: u32 = 256;

/// The architecture family of a base model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum ModelFamily {
    /// LLaMA.
    Llama,
    /// Mistral and Mixtral.
    Mistral,
    /// Qwen.
    Qwen,
    /// DeepSeek.
    DeepSeek,
    /// Gemma.
    Gemma,
    /// Phi.
    Phi,
}

/// A frozen base model.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct BaseModel<AccountId> {
    /// Who registered it, and is paid its part of a sale.
    pub owner: AccountId,
    /// Its name, such as `tributary-tiny`.
    pub name: Name,
    /// Its family.
    pub family: ModelFamily,
    /// Hash of its folder: configuration, weights and tokenizer. Unique on the chain.
    pub content: ContentHash,
    /// How many parameters it has.
    pub parameters: u64,
    /// Its licence: an SPDX expression.
    pub licence: Name,
    /// What the owner has on hold for it.
    pub deposit: Amount,
    /// When it was registered.
    pub registered_at: BlockNumber,
}

/// A permission under which a model was trained: the version and the grant that opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct DataUse {
    /// The data.
    pub version: VersionRef,
    /// The grant that opened it.
    pub grant: GrantId,
}

/// Where a model came from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Lineage<AccountId> {
    /// The base model.
    pub base: BaseModelId,
    /// The job that made it.
    pub job: JobId,
    /// Who trained it.
    pub trainer: AccountId,
    /// The data it was trained on, and by which grants.
    pub data: BoundedVec<DataUse, ConstU32<JOB_VERSIONS_MAX>>,
    /// For what the data was granted; the model may be used for nothing wider.
    pub purpose: Purpose,
}

/// What a model costs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Prices {
    /// Per 1,000 tokens of a request.
    pub input_per_1000: Amount,
    /// Per 1,000 tokens of an answer.
    pub output_per_1000: Amount,
}

/// Whether a model is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum ModelStatus {
    /// Known to the chain, offered to nobody.
    Private,
    /// Offered on its terms.
    Published,
    /// No longer offered. Its record and its stream stay.
    Withdrawn,
}

/// A tuned model.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Model<AccountId> {
    /// Who paid for it, sets its terms and is paid the owner's part of a sale.
    pub owner: AccountId,
    /// BLAKE3 of `adapter_model.safetensors`.
    pub adapter: ContentHash,
    /// Where it came from.
    pub lineage: Lineage<AccountId>,
    /// What its training measured.
    pub metrics: Metrics,
    /// How right its attribution was found to be, if that was measured.
    pub accuracy: Option<Accuracy>,
    /// What it costs.
    pub prices: Prices,
    /// How a sale splits. Fixed when the model is made.
    pub split: Split,
    /// Whether it is offered.
    pub status: ModelStatus,
    /// How many deployments offer it.
    pub deployments: u32,
    /// When it was made.
    pub created_at: BlockNumber,
}

/// A serving operator's offer of a model.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Deployment {
    /// Where to reach it: a URL.
    pub endpoint: BoundedVec<u8, ConstU32<ENDPOINT_BYTES_MAX>>,
    /// What the operator has on hold for it.
    pub deposit: Amount,
    /// Since when.
    pub deployed_at: BlockNumber,
}
