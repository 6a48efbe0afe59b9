//! Base models, models and where they come from.

use super::{loss, short, text, word};
use crate::{amounts::Money, args::parse::show_percent, output::Record};
use serde::Serialize;
use tributary_client::{Account, BaseModel, Model};
use tributary_protocol::{
    BaseModelId, ContentHash, ContributionId, JobId, ModelId,
    answer::{Accuracy, attributed_part},
    datanet::Purpose,
    job::Metrics,
    model::{DataUse, ModelFamily, ModelStatus},
    stream::Split,
};

/// A base model.
#[derive(Clone, Debug, Serialize)]
pub struct BaseModelView {
    id: BaseModelId,
    name: String,
    family: ModelFamily,
    parameters: u64,
    content: ContentHash,
    licence: String,
    owner: Account,
    deposit: Money,
    registered_at: u32,
}

impl BaseModelView {
    /// A base model as the chain has it.
    pub fn new(id: BaseModelId, base: BaseModel) -> Self {
        Self {
            id,
            name: text(&base.name),
            family: base.family,
            parameters: base.parameters,
            content: base.content,
            licence: text(&base.licence),
            owner: base.owner,
            deposit: Money(base.deposit),
            registered_at: base.registered_at,
        }
    }
}

impl Record for BaseModelView {
    const COLUMNS: &'static [&'static str] = &["id", "name", "family", "parameters", "licence", "owner", "content"];

    fn row(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.name.clone(),
            word(&self.family),
            self.parameters.to_string(),
            self.licence.clone(),
            short(&self.owner),
            short(&self.content),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("base model", self.id.to_string()),
            ("name", self.name.clone()),
            ("family", word(&self.family)),
            ("parameters", self.parameters.to_string()),
            ("content", self.content.to_string()),
            ("licence", self.licence.clone()),
            ("owner", self.owner.to_string()),
            ("deposit", self.deposit.to_string()),
            ("registered in block", self.registered_at.to_string()),
        ]
    }
}

/// A tuned model.
#[derive(Clone, Debug, Serialize)]
pub struct ModelView {
    id: ModelId,
    status: ModelStatus,
    /// Whether a grant it was trained under has been revoked since.
    affected: bool,
    owner: Account,
    adapter: ContentHash,
    base: BaseModelId,
    job: JobId,
    trainer: Account,
    data: Vec<DataUse>,
    purpose: Purpose,
    metrics: Metrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<Accuracy>,
    input_per_1000: Money,
    output_per_1000: Money,
    split: Split,
    deployments: u32,
    created_at: u32,
}

impl ModelView {
    /// A model as the chain has it.
    pub fn new(id: ModelId, model: Model, affected: bool) -> Self {
        Self {
            id,
            status: model.status,
            affected,
            owner: model.owner,
            adapter: model.adapter,
            base: model.lineage.base,
            job: model.lineage.job,
            trainer: model.lineage.trainer,
            data: model.lineage.data.into_inner(),
            purpose: model.lineage.purpose,
            metrics: model.metrics,
            accuracy: model.accuracy,
            input_per_1000: Money(model.prices.input_per_1000),
            output_per_1000: Money(model.prices.output_per_1000),
            split: model.split,
            deployments: model.deployments,
            created_at: model.created_at,
        }
    }

    fn data(&self) -> Vec<String> {
        self.data.iter().map(|used| format!("version {} under grant {}", used.version, used.grant)).collect()
    }
}

/// How a sale splits, in words.
pub(super) fn split_text(split: &Split) -> String {
    [
        ("treasury", split.treasury),
        ("base model's owner", split.base_owner),
        ("trainer", split.trainer),
        ("model's owner", split.model_owner),
        ("Datanets' owners", split.datanet_owners),
        ("contributors", split.contributors),
    ]
    .map(|(name, part)| format!("{} {name}", show_percent(part)))
    .join(", ")
}

impl Record for ModelView {
    const COLUMNS: &'static [&'static str] = &["id", "status", "base", "job", "data", "loss", "owner", "adapter"];

    fn row(&self) -> Vec<String> {
        let data: Vec<String> = self.data.iter().map(|used| used.version.to_string()).collect();
        vec![
            self.id.to_string(),
            if self.affected { format!("{} (grant revoked)", word(&self.status)) } else { word(&self.status) },
            self.base.to_string(),
            self.job.to_string(),
            data.join(" "),
            loss(self.metrics.validation_loss_micro),
            short(&self.owner),
            short(&self.adapter),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let m = &self.metrics;
        vec![
            ("model", self.id.to_string()),
            ("status", word(&self.status)),
            ("grants", if self.affected { "one was revoked" } else { "all stand" }.to_owned()),
            ("owner", self.owner.to_string()),
            ("adapter", self.adapter.to_string()),
            ("base model", self.base.to_string()),
            ("job", self.job.to_string()),
            ("trainer", self.trainer.to_string()),
            ("data", self.data().join("\n")),
            ("purpose", word(&self.purpose)),
            ("steps, tokens", format!("{}, {}", m.steps, m.tokens)),
            (
                "validation loss",
                format!("{} before, {} after", loss(m.validation_loss_before_micro), loss(m.validation_loss_micro)),
            ),
            ("attributed to answers", super::accuracy(self.accuracy.as_ref(), attributed_part(self.accuracy.as_ref()))),
            ("price", format!("{} in, {} out, per 1,000 tokens", self.input_per_1000, self.output_per_1000)),
            ("a sale splits", split_text(&self.split)),
            ("deployments", self.deployments.to_string()),
            ("made in block", self.created_at.to_string()),
        ]
    }
}

/// A contribution in a model's lineage.
#[derive(Clone, Debug, Serialize)]
pub struct LineagePart {
    /// The contribution.
    pub contribution: ContributionId,
    /// Who made it.
    pub contributor: Account,
    /// How many samples it has.
    pub samples: u32,
    /// Its file.
    pub blob: ContentHash,
}

/// A version in a model's lineage.
#[derive(Clone, Debug, Serialize)]
pub struct LineageData {
    /// The data and the grant.
    #[serde(flatten)]
    pub used: DataUse,
    /// The Datanet's name.
    pub datanet_name: String,
    /// The grant's status now.
    pub grant_status: String,
    /// What the version holds.
    pub contributions: Vec<LineagePart>,
}

/// Everything a model came from.
#[derive(Clone, Debug, Serialize)]
pub struct LineageView {
    /// The model.
    pub model: ModelId,
    /// The adapter.
    pub adapter: ContentHash,
    /// The job that made it.
    pub job: JobId,
    /// Who trained it.
    pub trainer: Account,
    /// The base model's number.
    pub base: BaseModelId,
    /// The base model's name.
    pub base_name: String,
    /// The hash of the base model's folder.
    pub base_content: ContentHash,
    /// For what the data was granted.
    pub purpose: Purpose,
    /// The data.
    pub data: Vec<LineageData>,
}

impl LineageView {
    /// The lineage as a tree.
    pub fn tree(&self) -> String {
        let mut lines = vec![
            format!("model {} (adapter {})", self.model, short(&self.adapter)),
            format!("├─ base model {} {} (content {})", self.base, self.base_name, short(&self.base_content)),
            format!("├─ job {}, trained by {}, for {} use", self.job, self.trainer, word(&self.purpose)),
        ];
        for (place, data) in self.data.iter().enumerate() {
            let (branch, stem) = if place + 1 == self.data.len() { ("└─", "   ") } else { ("├─", "│  ") };
            lines.push(format!(
                "{branch} {} version {} under grant {} ({})",
                data.datanet_name, data.used.version, data.used.grant, data.grant_status
            ));
            for (place, part) in data.contributions.iter().enumerate() {
                let branch = if place + 1 == data.contributions.len() { "└─" } else { "├─" };
                lines.push(format!(
                    "{stem}{branch} contribution {}, {} samples, by {}",
                    part.contribution, part.samples, part.contributor
                ));
            }
        }
        lines.join("\n")
    }
}
