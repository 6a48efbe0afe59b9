//! Recipes, splits, measurements and reports.

use super::Hex;
use serde::{Deserialize, Serialize};
use tributary_protocol::{
    answer::{Accuracy, Measured},
    job::{Metrics, Report},
    recipe::{AttributionMethod, Method, TangentWay},
    stream::Split,
};

const MILLION: f64 = 1e6;

/// How the base is tuned, in one shape for both methods.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodView {
    kind: MethodKind,
    #[serde(default)]
    double_quantisation: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MethodKind {
    Lora,
    Qlora,
}

impl From<Method> for MethodView {
    fn from(method: Method) -> Self {
        match method {
            Method::Lora => Self { kind: MethodKind::Lora, double_quantisation: false },
            Method::Qlora { double_quantisation } => Self { kind: MethodKind::Qlora, double_quantisation },
        }
    }
}

impl From<MethodView> for Method {
    fn from(view: MethodView) -> Self {
        match view.kind {
            MethodKind::Lora => Self::Lora,
            MethodKind::Qlora => Self::Qlora { double_quantisation: view.double_quantisation },
        }
    }
}

/// How contributions are scored, in one shape for all methods.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributionView {
    kind: AttributionKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoints: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    groups: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    halves: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    coalitions: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    way: Option<TangentWay>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AttributionKind {
    TracInCp,
    DataValueEmbedding,
    GroupTangents,
}

impl From<AttributionMethod> for AttributionView {
    fn from(method: AttributionMethod) -> Self {
        let none = Self {
            kind: AttributionKind::DataValueEmbedding,
            checkpoints: None,
            groups: None,
            halves: None,
            coalitions: None,
            way: None,
        };
        match method {
            AttributionMethod::TracInCp { checkpoints } => {
                Self { kind: AttributionKind::TracInCp, checkpoints: Some(checkpoints), ..none }
            }
            AttributionMethod::DataValueEmbedding => none,
            AttributionMethod::GroupTangents { groups, halves, coalitions, way } => Self {
                kind: AttributionKind::GroupTangents,
                groups: Some(groups),
                halves: Some(halves),
                coalitions: Some(coalitions),
                way: Some(way),
                ..none
            },
        }
    }
}

impl From<AttributionView> for AttributionMethod {
    fn from(view: AttributionView) -> Self {
        match view.kind {
            AttributionKind::TracInCp => Self::TracInCp { checkpoints: view.checkpoints.unwrap_or(1) },
            AttributionKind::DataValueEmbedding => Self::DataValueEmbedding,
            AttributionKind::GroupTangents => Self::GroupTangents {
                groups: view.groups.unwrap_or(2),
                halves: view.halves.unwrap_or(0),
                coalitions: view.coalitions.unwrap_or(0),
                way: view.way.unwrap_or_default(),
            },
        }
    }
}

/// How a sale splits, in 10^-6.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SplitView {
    treasury: u32,
    base_owner: u32,
    trainer: u32,
    model_owner: u32,
    datanet_owners: u32,
    contributors: u32,
}

impl From<Split> for SplitView {
    fn from(split: Split) -> Self {
        Self {
            treasury: split.treasury.parts(),
            base_owner: split.base_owner.parts(),
            trainer: split.trainer.parts(),
            model_owner: split.model_owner.parts(),
            datanet_owners: split.datanet_owners.parts(),
            contributors: split.contributors.parts(),
        }
    }
}

/// What a run measured. Losses in nats per token.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MetricsView {
    steps: u32,
    tokens: u64,
    training_loss: f64,
    validation_loss_before: f64,
    validation_loss: f64,
}

impl From<Metrics> for MetricsView {
    fn from(metrics: Metrics) -> Self {
        let nats = |micro: u32| f64::from(micro) / MILLION;
        Self {
            steps: metrics.steps,
            tokens: metrics.tokens,
            training_loss: nats(metrics.training_loss_micro),
            validation_loss_before: nats(metrics.validation_loss_before_micro),
            validation_loss: nats(metrics.validation_loss_micro),
        }
    }
}

/// A figure with its interval.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MeasuredView {
    value: f64,
    low: f64,
    high: f64,
}

impl From<Measured> for MeasuredView {
    fn from(measured: Measured) -> Self {
        let real = |millionths: i32| f64::from(millionths) / MILLION;
        Self { value: real(measured.value), low: real(measured.low), high: real(measured.high) }
    }
}

/// How right an attribution was found to be.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AccuracyView {
    coalitions: MeasuredView,
    ceiling: f64,
    mislabel: Option<MeasuredView>,
    ghost_share_ppm: u32,
    coalition_count: u32,
    query_count: u32,
}

impl From<Accuracy> for AccuracyView {
    fn from(accuracy: Accuracy) -> Self {
        Self {
            coalitions: accuracy.coalitions.into(),
            ceiling: f64::from(accuracy.ceiling) / MILLION,
            mislabel: accuracy.mislabel.map(MeasuredView::from),
            ghost_share_ppm: accuracy.ghost_share.parts(),
            coalition_count: accuracy.coalition_count,
            query_count: accuracy.query_count,
        }
    }
}

/// What a trainer reported.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ReportView {
    adapter: Hex,
    bundle: Hex,
    trace: Hex,
    metrics: MetricsView,
    contributions: RootView,
    accuracy: Option<AccuracyView>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct RootView {
    root: Hex,
    leaves: u32,
    evidence: Hex,
    attributed_ppm: u32,
}

impl From<Report> for ReportView {
    fn from(report: Report) -> Self {
        let root = report.contributions;
        Self {
            adapter: report.adapter.into(),
            bundle: report.bundle.into(),
            trace: report.trace.into(),
            metrics: report.metrics.into(),
            contributions: RootView {
                root: root.shares.root.into(),
                leaves: root.shares.leaves,
                evidence: root.evidence.into(),
                attributed_ppm: root.attributed.parts(),
            },
            accuracy: report.accuracy.map(AccuracyView::from),
        }
    }
}
