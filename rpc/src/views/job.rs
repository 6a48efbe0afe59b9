//! Jobs and trainers as JSON.

use super::{AmountText, ContributionRootView, HashText, SplitView};
use serde::{Deserialize, Serialize};
use sp_runtime::AccountId32;
use tributary_protocol::{
    BaseModelId, BlockNumber, GrantId, JobId, ModelId, Ppm, VersionRef,
    access::{ReadRequest, Scope},
    answer::{Accuracy, Measured},
    datanet::Purpose,
    job::{Job, JobSpec, JobState, Metrics, Progress, Report, Stage, TrainerRecord},
    model::DataUse,
    recipe::{Arithmetic, AttributionMethod, Hyperparameters, Method, Schedule, TangentWay, TargetLayers, Template},
};

/// A job.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::job::Job")]
pub struct JobView {
    pub id: JobId,
    pub requester: AccountId32,
    pub spec: JobSpecView,
    pub data_fees: Vec<AmountText>,
    pub escrow: AmountText,
    pub deposit: AmountText,
    pub stage: Stage,
    pub state: JobStateView,
    pub leases: u32,
    pub posted_at: BlockNumber,
}

impl JobView {
    pub(crate) fn new(id: JobId, job: Job<AccountId32>) -> Self {
        Self {
            id,
            requester: job.requester,
            spec: JobSpecView::from(&job.spec),
            data_fees: job.data_fees.into_iter().map(AmountText).collect(),
            escrow: AmountText(job.escrow),
            deposit: AmountText(job.deposit),
            stage: job.state.stage(),
            state: job.state.into(),
            leases: job.leases,
            posted_at: job.posted_at,
        }
    }
}

/// A job that a final block changed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobChange<Hash> {
    /// The block's height.
    pub block_number: BlockNumber,
    /// The block's hash.
    pub block_hash: Hash,
    /// The job's number.
    pub id: JobId,
    /// The job after that block; null if its record was removed.
    pub job: Option<JobView>,
}

/// What a requester asks for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::job::JobSpec")]
pub struct JobSpecView {
    pub base: BaseModelId,
    pub data: Vec<DataUseView>,
    pub purpose: Purpose,
    pub method: MethodView,
    pub hyperparameters: HyperparametersView,
    pub attribution: AttributionMethodView,
    pub split: SplitView,
    pub price: AmountText,
    pub deadline: BlockNumber,
    pub acceptance_blocks: BlockNumber,
}

impl From<&JobSpec> for JobSpecView {
    fn from(spec: &JobSpec) -> Self {
        Self {
            base: spec.base,
            data: spec.data.iter().map(DataUseView::from).collect(),
            purpose: spec.purpose,
            method: spec.method.into(),
            hyperparameters: spec.hyperparameters.into(),
            attribution: spec.attribution.into(),
            split: spec.split.into(),
            price: AmountText(spec.price),
            deadline: spec.deadline,
            acceptance_blocks: spec.acceptance_blocks,
        }
    }
}

/// A version and the grant that opens it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::model::DataUse")]
pub struct DataUseView {
    pub version: VersionRef,
    pub grant: GrantId,
}

impl From<&DataUse> for DataUseView {
    fn from(data: &DataUse) -> Self {
        Self { version: data.version, grant: data.grant }
    }
}

/// How the base model is tuned.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum MethodView {
    /// Over an f32 base.
    Lora,
    /// Over a base in four bits.
    Qlora {
        /// Whether the scales are quantised too.
        double_quantisation: bool,
    },
}

impl From<Method> for MethodView {
    fn from(method: Method) -> Self {
        match method {
            Method::Lora => Self::Lora,
            Method::Qlora { double_quantisation } => Self::Qlora { double_quantisation },
        }
    }
}

/// The recipe of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::recipe::Hyperparameters")]
pub struct HyperparametersView {
    pub rank: u16,
    pub alpha: u16,
    pub targets: TargetLayersView,
    pub rank_stabilised: bool,
    pub weight_decomposed: bool,
    pub dropout_ppm: Ppm,
    pub learning_rate_nano: u64,
    pub lora_plus_ratio_milli: u32,
    pub epochs: u16,
    pub batch_size: u16,
    pub accumulation: u16,
    pub sequence_tokens: u32,
    pub packing: bool,
    pub template: Template,
    pub schedule: Schedule,
    pub warmup_ppm: Ppm,
    pub floor_ppm: Ppm,
    pub weight_decay_micro: u32,
    pub adam_epsilon_pico: u32,
    pub gradient_norm_max_micro: u32,
    pub neftune_alpha_milli: u32,
    pub validation_ppm: Ppm,
    pub evaluation_steps: u32,
    pub patience: u16,
    pub arithmetic: Arithmetic,
    pub seed: SeedText,
}

/// A seed, as a string of decimal digits: it uses all 64 bits.
#[derive(Clone, Copy, Debug)]
pub struct SeedText(pub u64);

impl Serialize for SeedText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl From<Hyperparameters> for HyperparametersView {
    fn from(recipe: Hyperparameters) -> Self {
        Self {
            rank: recipe.rank,
            alpha: recipe.alpha,
            targets: recipe.targets.into(),
            rank_stabilised: recipe.rank_stabilised,
            weight_decomposed: recipe.weight_decomposed,
            dropout_ppm: recipe.dropout,
            learning_rate_nano: recipe.learning_rate_nano,
            lora_plus_ratio_milli: recipe.lora_plus_ratio_milli,
            epochs: recipe.epochs,
            batch_size: recipe.batch_size,
            accumulation: recipe.accumulation,
            sequence_tokens: recipe.sequence_tokens,
            packing: recipe.packing,
            template: recipe.template,
            schedule: recipe.schedule,
            warmup_ppm: recipe.warmup,
            floor_ppm: recipe.floor,
            weight_decay_micro: recipe.weight_decay_micro,
            adam_epsilon_pico: recipe.adam_epsilon_pico,
            gradient_norm_max_micro: recipe.gradient_norm_max_micro,
            neftune_alpha_milli: recipe.neftune_alpha_milli,
            validation_ppm: recipe.validation,
            evaluation_steps: recipe.evaluation_steps,
            patience: recipe.patience,
            arithmetic: recipe.arithmetic,
            seed: SeedText(recipe.seed),
        }
    }
}

/// The linear layers that get an adapter: their names in the model's files, which are not ours to rename.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct TargetLayersView(pub Vec<&'static str>);

impl From<TargetLayers> for TargetLayersView {
    fn from(targets: TargetLayers) -> Self {
        Self(targets.named().into_iter().filter(|(_, chosen)| *chosen).map(|(name, _)| name).collect())
    }
}

/// How contributions are scored.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::recipe::AttributionMethod")]
pub enum AttributionMethodView {
    TracInCp { checkpoints: u8 },
    DataValueEmbedding,
    GroupTangents { groups: u8, halves: u8, coalitions: u8, way: TangentWay },
}

impl From<AttributionMethod> for AttributionMethodView {
    fn from(method: AttributionMethod) -> Self {
        match method {
            AttributionMethod::TracInCp { checkpoints } => Self::TracInCp { checkpoints },
            AttributionMethod::DataValueEmbedding => Self::DataValueEmbedding,
            AttributionMethod::GroupTangents { groups, halves, coalitions, way } => {
                Self::GroupTangents { groups, halves, coalitions, way }
            }
        }
    }
}

/// What a training run measured.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::job::Metrics")]
pub struct MetricsView {
    pub steps: u32,
    pub tokens: u64,
    pub training_loss_micro: u32,
    pub validation_loss_before_micro: u32,
    pub validation_loss_micro: u32,
}

impl From<Metrics> for MetricsView {
    fn from(metrics: Metrics) -> Self {
        Self {
            steps: metrics.steps,
            tokens: metrics.tokens,
            training_loss_micro: metrics.training_loss_micro,
            validation_loss_before_micro: metrics.validation_loss_before_micro,
            validation_loss_micro: metrics.validation_loss_micro,
        }
    }
}

/// How right an attribution was found to be. Correlations are in 10^-6.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::answer::Accuracy")]
pub struct AccuracyView {
    pub coalitions: Measured,
    pub ceiling: i32,
    pub mislabel: Option<Measured>,
    pub ghost_share_ppm: Ppm,
    pub coalition_count: u32,
    pub query_count: u32,
}

impl From<Accuracy> for AccuracyView {
    fn from(accuracy: Accuracy) -> Self {
        Self {
            coalitions: accuracy.coalitions,
            ceiling: accuracy.ceiling,
            mislabel: accuracy.mislabel,
            ghost_share_ppm: accuracy.ghost_share,
            coalition_count: accuracy.coalition_count,
            query_count: accuracy.query_count,
        }
    }
}

/// What a trainer reported.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::job::Report")]
pub struct ReportView {
    pub adapter: HashText,
    pub bundle: HashText,
    pub trace: HashText,
    pub metrics: MetricsView,
    pub contributions: ContributionRootView,
    pub accuracy: Option<AccuracyView>,
}

impl From<Report> for ReportView {
    fn from(report: Report) -> Self {
        Self {
            adapter: HashText(report.adapter),
            bundle: HashText(report.bundle),
            trace: HashText(report.trace),
            metrics: report.metrics.into(),
            contributions: report.contributions.into(),
            accuracy: report.accuracy.map(AccuracyView::from),
        }
    }
}

/// How far a lease holder says it is.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "as in tributary_protocol::job::Progress")]
pub struct ProgressView {
    pub step: u32,
    pub steps: u32,
}

impl From<Progress> for ProgressView {
    fn from(progress: Progress) -> Self {
        Self { step: progress.step, steps: progress.steps }
    }
}

/// What a job's stage carries; the stage itself is [`JobView::stage`].
#[derive(Clone, Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::job::JobState")]
pub enum JobStateView {
    Leased { trainer: AccountId32, until: BlockNumber, progress: ProgressView, at_risk: AmountText },
    Reported { trainer: AccountId32, report: ReportView, accept_until: BlockNumber, at_risk: AmountText },
    Disputed { trainer: AccountId32, report: ReportView, evidence: HashText, at_risk: AmountText },
    Settled { trainer: AccountId32, report: ReportView, model: ModelId },
    Bare {},
}

impl From<JobState<AccountId32>> for JobStateView {
    fn from(state: JobState<AccountId32>) -> Self {
        match state {
            JobState::Leased { trainer, until, progress, at_risk } => {
                Self::Leased { trainer, until, progress: progress.into(), at_risk: AmountText(at_risk) }
            }
            JobState::Reported { trainer, report, accept_until, at_risk } => {
                Self::Reported { trainer, report: report.into(), accept_until, at_risk: AmountText(at_risk) }
            }
            JobState::Disputed { trainer, report, evidence, at_risk } => Self::Disputed {
                trainer,
                report: report.into(),
                evidence: HashText(evidence),
                at_risk: AmountText(at_risk),
            },
            JobState::Settled { trainer, report, model } => Self::Settled { trainer, report: report.into(), model },
            JobState::Open | JobState::Cancelled | JobState::Expired => Self::Bare {},
        }
    }
}

/// A trainer's bond and record.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::job::TrainerRecord")]
pub struct TrainerView {
    pub account: AccountId32,
    pub bonded: AmountText,
    pub at_risk: AmountText,
    pub active: u32,
    pub settled: u32,
    pub lapsed: u32,
    pub overturned: u32,
}

impl TrainerView {
    pub(crate) fn new(account: AccountId32, record: TrainerRecord) -> Self {
        Self {
            account,
            bonded: AmountText(record.bonded),
            at_risk: AmountText(record.at_risk),
            active: record.active,
            settled: record.settled,
            lapsed: record.lapsed,
            overturned: record.overturned,
        }
    }
}

/// A reader's question: a parameter.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadRequestView {
    /// Who wants to read.
    pub account: AccountId32,
    /// Under what.
    pub scope: ReadScopeView,
    /// Which file.
    pub blob: HashText,
}

/// What is read under: `{"version": {"datanet": 0, "number": 1}}` or `{"bundle": 0}`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReadScopeView {
    /// A contribution's file in a Datanet's version.
    Version(VersionRef),
    /// The bundle of a reported job.
    Bundle(JobId),
}

impl From<ReadRequestView> for ReadRequest<AccountId32> {
    fn from(request: ReadRequestView) -> Self {
        Self {
            account: request.account,
            scope: match request.scope {
                ReadScopeView::Version(version) => Scope::Version(version),
                ReadScopeView::Bundle(job) => Scope::Bundle(job),
            },
            blob: request.blob.0,
        }
    }
}
