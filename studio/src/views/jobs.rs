//! Jobs, their steps, and base models.

use super::{
    Hex, Money, Page, When,
    recipe::{AttributionView, MethodView, ReportView, SplitView},
};
use crate::{
    db::{Row, ToValue as _, WorkError},
    index::{
        codes::{account, amount, record, text},
        reader::{Filter, List, Order, Reader, Want},
        words,
    },
};
use serde::{Deserialize, Serialize};
use tributary_client::{Account, BaseModel, Job, JobState};
use tributary_protocol::{
    Amount, BaseModelId, DatanetId, GrantId, JobId, ModelId,
    datanet::Purpose,
    job::{Progress, Stage},
    model::{DataUse, ModelFamily},
    recipe::Hyperparameters,
};

/// A base model, as whatever rests on it names it.
#[derive(Clone, Debug, Serialize)]
pub struct BaseRef {
    id: BaseModelId,
    name: String,
    family: Option<ModelFamily>,
}

impl BaseRef {
    /// Its number.
    pub fn id(&self) -> BaseModelId {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A base model by its number.
pub fn base_ref(reader: &Reader<'_>, id: BaseModelId) -> Result<(BaseRef, String), WorkError> {
    let base = base_record(reader, id)?;
    let licence = base.as_ref().map(|base| text(&base.licence)).unwrap_or_default();
    let name = base.as_ref().map_or_else(|| format!("base model {id}"), |base| text(&base.name));
    Ok((BaseRef { id, name, family: base.map(|base| base.family) }, licence))
}

/// A base model's record.
pub fn base_record(reader: &Reader<'_>, id: BaseModelId) -> Result<Option<BaseModel>, WorkError> {
    reader.record("SELECT record FROM base_models WHERE id = ?", [id.0])
}

/// Data that is used, and by which grant.
#[derive(Clone, Debug, Serialize)]
pub struct DataUseView {
    pub(super) datanet: DatanetId,
    pub(super) datanet_name: String,
    pub(super) version: u32,
    grant: GrantId,
    licence: String,
}

/// Data with the names of its Datanets.
pub fn data_uses(reader: &Reader<'_>, data: &[DataUse]) -> Result<Vec<DataUseView>, WorkError> {
    data.iter()
        .map(|used| {
            let id = used.version.datanet;
            let datanet = super::datanets::record_of(reader, id)?;
            Ok(DataUseView {
                datanet: id,
                datanet_name: datanet.as_ref().map_or_else(|| format!("Datanet {id}"), |datanet| text(&datanet.name)),
                version: used.version.number,
                grant: used.grant,
                licence: datanet.map(|datanet| text(&datanet.terms.licence)).unwrap_or_default(),
            })
        })
        .collect()
}

/// A job.
#[derive(Clone, Debug, Serialize)]
pub struct JobView {
    id: JobId,
    stage: Stage,
    requester: Account,
    base: BaseRef,
    data: Vec<DataUseView>,
    purpose: Purpose,
    method: MethodView,
    hyperparameters: Hyperparameters,
    attribution: AttributionView,
    split: SplitView,
    price: Money,
    data_fees: Vec<Money>,
    escrow: Money,
    deposit: Money,
    deadline: When,
    acceptance_blocks: u32,
    posted: When,
    changed: When,
    leases: u32,
    trainer: Option<Account>,
    progress: Option<Progress>,
    until: Option<When>,
    at_risk: Option<Money>,
    report: Option<ReportView>,
    evidence: Option<Hex>,
    model: Option<ModelId>,
    queue_position: Option<u64>,
    is_forgotten: bool,
}

impl JobView {
    /// Where it stands.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Who has it.
    pub fn trainer(&self) -> Option<Account> {
        self.trainer
    }

    /// Who wants it.
    pub fn requester(&self) -> Account {
        self.requester
    }

    /// How far it is while somebody works on it, and what all of it costs.
    pub fn in_work(&self) -> Option<(Progress, Amount)> {
        let progress = self.progress.filter(|_| self.stage == Stage::Leased);
        progress.map(|progress| (progress, self.price.0))
    }
}

/// A step of a job's life.
#[derive(Clone, Debug, Serialize)]
pub struct JobEvent {
    at: When,
    event: String,
    stage: String,
    account: Option<Account>,
    amount: Option<Money>,
    detail: Option<String>,
}

/// Where a run's events come from.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RunSource {
    /// Whether a configured trainer shows them.
    pub is_available: bool,
    /// The trainer.
    pub trainer_url: Option<String>,
    /// Whether more will come.
    pub is_live: bool,
    /// Whether the trainer keeps it waiting at the requester's word.
    pub is_paused: bool,
}

/// A job with its history.
#[derive(Clone, Debug, Serialize)]
pub struct JobDetail {
    /// It.
    pub job: JobView,
    /// The steps of its life.
    pub history: Vec<JobEvent>,
    /// Where its run can be watched.
    pub run: RunSource,
    /// What the requester pays to stop it now; `None` if nobody works on it.
    pub stop_cost: Option<Money>,
}

/// Which jobs.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct JobQuery {
    /// Of this requester or trainer.
    pub account: Option<Account>,
    /// Of this requester.
    pub requester: Option<Account>,
    /// Of this trainer.
    pub trainer: Option<Account>,
    /// In one of these stages, with commas between.
    pub stage: Option<String>,
    /// On this base model.
    pub base: Option<BaseModelId>,
    /// On data of this Datanet.
    pub datanet: Option<DatanetId>,
}

/// Jobs, the newest first.
pub fn list(reader: &Reader<'_>, query: &JobQuery, want: &Want) -> Result<Page<JobView>, WorkError> {
    let mut filter = Filter::default();
    if let Some(account) = query.account {
        filter.and("(requester = ? OR trainer = ?)", [account.0, account.0])?;
    }
    if let Some(requester) = query.requester {
        filter.and("requester = ?", [requester.0])?;
    }
    if let Some(trainer) = query.trainer {
        filter.and("trainer = ?", [trainer.0])?;
    }
    if let Some(stages) = &query.stage {
        let stages = stages.split(',').take(7).map(|stage| stage.trim().to_value());
        let stages = stages.collect::<Result<Vec<_>, _>>()?;
        filter.and(format!("stage IN ({})", vec!["?"; stages.len()].join(",")), stages)?;
    }
    if let Some(base) = query.base {
        filter.and("base = ?", [base.0])?;
    }
    if let Some(datanet) = query.datanet {
        filter.and("id IN (SELECT job FROM job_data WHERE datanet = ?)", [datanet.0])?;
    }
    reader.page(&List { table: "jobs", filter, order: Order::NEWEST }, want, |row| view(reader, row))
}

/// A job.
pub fn one(reader: &Reader<'_>, id: JobId) -> Result<Option<JobView>, WorkError> {
    reader.one("SELECT * FROM jobs WHERE id = ?", [id.0], |row| view(reader, row))
}

/// A job's record.
pub fn record_of(reader: &Reader<'_>, id: JobId) -> Result<Option<Job>, WorkError> {
    reader.record("SELECT record FROM jobs WHERE id = ?", [id.0])
}

/// The steps of a job's life.
pub fn history(reader: &Reader<'_>, id: JobId) -> Result<Vec<JobEvent>, WorkError> {
    reader.all("SELECT * FROM job_history WHERE job = ? ORDER BY block, place", [id.0], |row| {
        let paid: Option<String> = row.get("amount")?;
        Ok(JobEvent {
            at: reader.when(row.get("block")?)?,
            event: row.get("event")?,
            stage: row.get("stage")?,
            account: account(row, "account")?,
            amount: paid.as_deref().map(amount).transpose()?.map(Money),
            detail: row.get("detail")?,
        })
    })
}

fn view(reader: &Reader<'_>, row: &Row) -> Result<JobView, WorkError> {
    let id = JobId(row.get("id")?);
    let job: Job = record(row, "record")?;
    let stage = job.state.stage();
    let (mut progress, mut until, mut at_risk, mut report, mut evidence, mut model) =
        (None, None, None, None, None, None);
    match job.state {
        JobState::Leased { until: last, progress: done, at_risk: risk, .. } => {
            (progress, until, at_risk) = (Some(done), Some(last), Some(risk));
        }
        JobState::Reported { report: reported, accept_until, at_risk: risk, .. } => {
            (report, until, at_risk) = (Some(reported), Some(accept_until), Some(risk));
        }
        JobState::Disputed { report: reported, evidence: shown, at_risk: risk, .. } => {
            (report, evidence, at_risk) = (Some(reported), Some(shown), Some(risk));
        }
        JobState::Settled { report: reported, model: made, .. } => (report, model) = (Some(reported), Some(made)),
        JobState::Open | JobState::Cancelled | JobState::Expired => {}
    }
    let queue_position = match stage {
        Stage::Open => Some(
            reader.count("SELECT count(*) FROM jobs WHERE stage = 'open' AND id < ? AND is_forgotten = 0", [id.0])?,
        ),
        _ => None,
    };
    let spec = job.spec;
    Ok(JobView {
        id,
        stage,
        requester: job.requester,
        base: base_ref(reader, spec.base)?.0,
        data: data_uses(reader, &spec.data)?,
        purpose: spec.purpose,
        method: spec.method.into(),
        hyperparameters: spec.hyperparameters,
        attribution: spec.attribution.into(),
        split: spec.split.into(),
        price: Money(spec.price),
        data_fees: job.data_fees.iter().copied().map(Money).collect(),
        escrow: Money(job.escrow),
        deposit: Money(job.deposit),
        deadline: reader.when(spec.deadline)?,
        acceptance_blocks: spec.acceptance_blocks,
        posted: reader.when(job.posted_at)?,
        changed: reader.when(row.get("changed_block")?)?,
        leases: job.leases,
        trainer: account(row, "trainer")?,
        progress,
        until: reader.maybe(until)?,
        at_risk: at_risk.map(Money),
        report: report.map(ReportView::from),
        evidence: evidence.map(Hex::from),
        model,
        queue_position,
        is_forgotten: row.get("is_forgotten")?,
    })
}

/// Prices of settled jobs with the seconds from claim to report, the newest first.
pub fn paid_per_second(reader: &Reader<'_>) -> Result<Vec<(u128, f64)>, WorkError> {
    let query = "SELECT j.record AS record,
            (SELECT max(b.time_ms) FROM job_history h JOIN blocks b ON b.number = h.block
                WHERE h.job = j.id AND h.event = 'reported') -
            (SELECT max(b.time_ms) FROM job_history h JOIN blocks b ON b.number = h.block
                WHERE h.job = j.id AND h.event = 'claimed') AS took
        FROM jobs j WHERE j.stage = 'settled' ORDER BY j.id DESC LIMIT ?";
    let all = reader.all(query, [50u32], |row| {
        let job: Job = record(row, "record")?;
        let took: Option<i64> = row.get("took")?;
        Ok(took.filter(|took| *took > 0).map(|took| (job.spec.price, took as f64 / 1e3)))
    })?;
    Ok(all.into_iter().flatten().collect())
}

/// A base model.
#[derive(Clone, Debug, Serialize)]
pub struct BaseModelView {
    id: BaseModelId,
    owner: Account,
    name: String,
    family: ModelFamily,
    content: Hex,
    parameters: u64,
    licence: String,
    deposit: Money,
    registered: When,
    models: u64,
    /// Whether runs on it can be estimated here: filled in by the route.
    pub can_estimate: bool,
}

impl BaseModelView {
    /// The hash of its folder.
    pub fn content(&self) -> [u8; 32] {
        self.content.0
    }
}

/// Which base models.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct BaseModelQuery {
    /// Words of name, family, licence.
    pub q: Option<String>,
}

/// Base models, the newest first.
pub fn bases(reader: &Reader<'_>, query: &BaseModelQuery, want: &Want) -> Result<Page<BaseModelView>, WorkError> {
    let mut filter = Filter::default();
    words::filter(&mut filter, "base_model", query.q.as_deref())?;
    reader.page(&List { table: "base_models", filter, order: Order::NEWEST }, want, |row| base_view(reader, row))
}

/// A base model.
pub fn base(reader: &Reader<'_>, id: BaseModelId) -> Result<Option<BaseModelView>, WorkError> {
    reader.one("SELECT * FROM base_models WHERE id = ?", [id.0], |row| base_view(reader, row))
}

fn base_view(reader: &Reader<'_>, row: &Row) -> Result<BaseModelView, WorkError> {
    let id = BaseModelId(row.get("id")?);
    let base: BaseModel = record(row, "record")?;
    Ok(BaseModelView {
        id,
        owner: base.owner,
        name: text(&base.name),
        family: base.family,
        content: base.content.into(),
        parameters: base.parameters,
        licence: text(&base.licence),
        deposit: Money(base.deposit),
        registered: reader.when(base.registered_at)?,
        models: reader.count("SELECT count(*) FROM models WHERE base = ?", [id.0])?,
        can_estimate: false,
    })
}
