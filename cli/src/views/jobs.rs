//! Jobs and trainers.

use super::{accuracy, attribution, loss, short, word};
use crate::{amounts::Money, output::Record};
use serde::Serialize;
use tributary_client::{Account, Job, JobState};
use tributary_protocol::{
    BaseModelId, ContentHash, JobId, ModelId,
    datanet::Purpose,
    job::{Progress, Report, Stage, TrainerRecord},
    model::DataUse,
    recipe::{AttributionMethod, Hyperparameters, Method},
    stream::Split,
};

/// A job.
#[derive(Clone, Debug, Serialize)]
pub struct JobView {
    /// Its number.
    pub id: JobId,
    /// Where it stands.
    pub stage: Stage,
    requester: Account,
    base: BaseModelId,
    data: Vec<DataUse>,
    purpose: Purpose,
    method: Method,
    hyperparameters: Hyperparameters,
    attribution: AttributionMethod,
    split: Split,
    price: Money,
    data_fees: Vec<Money>,
    escrow: Money,
    deposit: Money,
    deadline: u32,
    acceptance_blocks: u32,
    posted_at: u32,
    leases: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    trainer: Option<Account>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    /// The last block of the lease, or of the acceptance window.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_risk: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<ContentHash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelId>,
}

impl JobView {
    /// A job as the chain has it.
    pub fn new(id: JobId, job: Job) -> Self {
        let stage = job.state.stage();
        let trainer = job.state.trainer().copied();
        let (mut progress, mut until, mut risk, mut reported, mut disputed, mut made) =
            (None, None, None, None, None, None);
        match job.state {
            JobState::Leased { until: last, progress: done, at_risk, .. } => {
                (progress, until, risk) = (Some(done), Some(last), Some(Money(at_risk)));
            }
            JobState::Reported { report, accept_until, at_risk, .. } => {
                (reported, until, risk) = (Some(report), Some(accept_until), Some(Money(at_risk)));
            }
            JobState::Disputed { report, evidence, at_risk, .. } => {
                (reported, disputed, risk) = (Some(report), Some(evidence), Some(Money(at_risk)));
            }
            JobState::Settled { report, model, .. } => (reported, made) = (Some(report), Some(model)),
            JobState::Open | JobState::Cancelled | JobState::Expired => {}
        }
        let spec = job.spec;
        Self {
            id,
            stage,
            requester: job.requester,
            base: spec.base,
            data: spec.data.into_inner(),
            purpose: spec.purpose,
            method: spec.method,
            hyperparameters: spec.hyperparameters,
            attribution: spec.attribution,
            split: spec.split,
            price: Money(spec.price),
            data_fees: job.data_fees.iter().copied().map(Money).collect(),
            escrow: Money(job.escrow),
            deposit: Money(job.deposit),
            deadline: spec.deadline,
            acceptance_blocks: spec.acceptance_blocks,
            posted_at: job.posted_at,
            leases: job.leases,
            trainer,
            progress,
            until,
            at_risk: risk,
            report: reported,
            evidence: disputed,
            model: made,
        }
    }

    /// Its data as the command line takes it.
    fn data(&self) -> Vec<String> {
        self.data.iter().map(|used| format!("{}:{}", used.version, used.grant)).collect()
    }

    fn progress(&self) -> String {
        self.progress.map_or_else(String::new, |done| format!("step {} of {}", done.step, done.steps))
    }

    /// One sentence on where it stands.
    pub fn headline(&self) -> String {
        let mut text = format!("job {} is {}", self.id, self.stage);
        if let Some(trainer) = &self.trainer {
            text = format!("{text}, trainer {trainer}");
        }
        if self.progress.is_some() {
            text = format!("{text}, {}", self.progress());
        }
        if let Some(model) = self.model {
            text = format!("{text}, model {model}");
        }
        text
    }
}

/// Kind and shape of the adapter, in words.
fn adapter(method: Method, h: &Hyperparameters) -> String {
    let kind = match method {
        Method::Lora => "LoRA",
        Method::Qlora { double_quantisation: true } => "QLoRA",
        Method::Qlora { double_quantisation: false } => "QLoRA without quantised scales",
    };
    let mut text = format!("{kind}, rank {}, alpha {}", h.rank, h.alpha);
    for (chosen, name) in [(h.rank_stabilised, "rank-stabilised"), (h.weight_decomposed, "weight-decomposed")] {
        if chosen {
            text = format!("{text}, {name}");
        }
    }
    text
}

impl Record for JobView {
    const COLUMNS: &'static [&'static str] =
        &["id", "stage", "base", "data", "price", "leases", "trainer", "progress", "model"];

    fn row(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.stage.to_string(),
            self.base.to_string(),
            self.data().join(" "),
            self.price.to_string(),
            self.leases.to_string(),
            self.trainer.as_ref().map(short).unwrap_or_default(),
            self.progress(),
            self.model.map_or_else(String::new, |model| model.to_string()),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let h = &self.hyperparameters;
        let fees: Vec<String> = self.data_fees.iter().map(Money::to_string).collect();
        let mut fields = vec![
            ("job", self.id.to_string()),
            ("stage", self.stage.to_string()),
            ("requester", self.requester.to_string()),
            ("base model", self.base.to_string()),
            ("data", self.data().join("\n")),
            ("purpose", word(&self.purpose)),
            ("adapter", adapter(self.method, h)),
            (
                "training",
                format!(
                    "{} epochs in batches of {} x {}, rate {:e} {}, seed {}",
                    h.epochs,
                    h.batch_size,
                    h.accumulation,
                    h.learning_rate_nano as f64 / 1e9,
                    word(&h.schedule),
                    h.seed
                ),
            ),
            ("arithmetic", word(&h.arithmetic)),
            ("attribution", attribution(self.attribution)),
            ("price", self.price.to_string()),
            ("data fees", fees.join("\n")),
            ("in escrow", self.escrow.to_string()),
            ("deadline", format!("block {}", self.deadline)),
            ("leases so far", self.leases.to_string()),
        ];
        if let Some(trainer) = self.trainer {
            fields.push(("trainer", trainer.to_string()));
        }
        if let Some(until) = self.until {
            let name = if self.stage == Stage::Leased { "lease until" } else { "window until" };
            fields.push((name, format!("block {until}")));
        }
        if self.progress.is_some() {
            fields.push(("progress", self.progress()));
        }
        if let Some(report) = &self.report {
            let m = &report.metrics;
            fields.extend([
                ("adapter hash", report.adapter.to_string()),
                ("bundle hash", report.bundle.to_string()),
                ("trace root", report.trace.to_string()),
                ("contribution root", report.contributions.shares.root.to_string()),
                ("attributed to answers", accuracy(report.accuracy.as_ref(), report.contributions.attributed)),
                ("steps, tokens", format!("{}, {}", m.steps, m.tokens)),
                ("training loss", loss(m.training_loss_micro)),
                (
                    "validation loss",
                    format!("{} before, {} after", loss(m.validation_loss_before_micro), loss(m.validation_loss_micro)),
                ),
            ]);
        }
        if let Some(model) = self.model {
            fields.push(("model", model.to_string()));
        }
        fields
    }
}

/// A trainer's bond and record.
#[derive(Clone, Debug, Serialize)]
pub struct TrainerView {
    account: Account,
    bonded: Money,
    at_risk: Money,
    active: u32,
    settled: u32,
    lapsed: u32,
    overturned: u32,
}

impl TrainerView {
    /// A trainer as the chain has it.
    pub fn new(account: Account, record: TrainerRecord) -> Self {
        Self {
            account,
            bonded: Money(record.bonded),
            at_risk: Money(record.at_risk),
            active: record.active,
            settled: record.settled,
            lapsed: record.lapsed,
            overturned: record.overturned,
        }
    }
}

impl Record for TrainerView {
    const COLUMNS: &'static [&'static str] =
        &["account", "bonded", "at risk", "active", "settled", "lapsed", "overturned"];

    fn row(&self) -> Vec<String> {
        vec![
            self.account.to_string(),
            self.bonded.to_string(),
            self.at_risk.to_string(),
            self.active.to_string(),
            self.settled.to_string(),
            self.lapsed.to_string(),
            self.overturned.to_string(),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        Self::COLUMNS.iter().copied().zip(self.row()).collect()
    }
}
