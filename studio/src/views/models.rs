//! Models, with whom they pay and who offers them.

use super::{
    Hex, Money, Page, When,
    jobs::{BaseRef, DataUseView, base_ref, data_uses},
    lineage::{Lineage, lineage},
    money::{LeafMoney, SeriesPoint, series, share_ppm},
    recipe::{AccuracyView, MetricsView, SplitView},
};
use crate::{
    db::{Row, WorkError, params},
    index::{
        codes::{account, record, text},
        reader::{Filter, List, Order, Reader, Want},
        words,
    },
};
use serde::{Deserialize, Serialize};
use tributary_client::{Account, AnswerLedger, Model, Stream};
use tributary_protocol::{
    BaseModelId, ContributionId, DatanetId, JobId, ModelId,
    channel::Offer,
    datanet::Purpose,
    model::{Deployment, ModelStatus, Prices},
};

/// Contributors that a model's page shows, at most.
const CONTRIBUTORS_MAX: u32 = 1_000;

/// Prices per 1,000 tokens.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PricesView {
    input_per_1000: Money,
    output_per_1000: Money,
}

impl From<Prices> for PricesView {
    fn from(prices: Prices) -> Self {
        Self { input_per_1000: Money(prices.input_per_1000), output_per_1000: Money(prices.output_per_1000) }
    }
}

/// A model.
#[derive(Clone, Debug, Serialize)]
pub struct ModelView {
    pub(super) id: ModelId,
    pub(super) title: String,
    pub(super) owner: Account,
    status: ModelStatus,
    pub(super) adapter: Hex,
    first_with_adapter: Option<ModelId>,
    pub(super) base: BaseRef,
    base_licence: String,
    pub(super) job: JobId,
    pub(super) trainer: Account,
    pub(super) data: Vec<DataUseView>,
    purpose: Purpose,
    metrics: MetricsView,
    accuracy: Option<AccuracyView>,
    prices: PricesView,
    split: SplitView,
    deployments: u32,
    offers: u64,
    is_affected: bool,
    created: When,
    paid_in: Money,
    earned_by_contributors: Money,
    claimed: Money,
}

impl ModelView {
    /// The job that made it.
    pub fn job(&self) -> JobId {
        self.job
    }
}

/// Which models.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ModelQuery {
    /// Words of title, domains, adapter, accounts.
    pub q: Option<String>,
    /// Whether it is offered.
    pub status: Option<ModelStatus>,
    /// Owned by.
    pub owner: Option<Account>,
    /// Tuned from.
    pub base: Option<BaseModelId>,
    /// Trained on data of.
    pub datanet: Option<DatanetId>,
    /// Deployed by.
    pub operator: Option<Account>,
    /// In which order.
    #[serde(default)]
    pub sort: ModelSort,
}

/// In which order models come.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSort {
    /// The newest first.
    #[default]
    Newest,
    /// The best paid first.
    PaidIn,
    /// The lowest validation loss first.
    Loss,
}

/// Models.
pub fn list(reader: &Reader<'_>, query: &ModelQuery, want: &Want) -> Result<Page<ModelView>, WorkError> {
    let mut filter = Filter::default();
    words::filter(&mut filter, "model", query.q.as_deref())?;
    if let Some(status) = query.status {
        filter.and("status = ?", [crate::index::codes::word(&status)?])?;
    }
    if let Some(owner) = query.owner {
        filter.and("owner = ?", [owner.0])?;
    }
    if let Some(base) = query.base {
        filter.and("base = ?", [base.0])?;
    }
    if let Some(datanet) = query.datanet {
        filter.and("id IN (SELECT model FROM model_data WHERE datanet = ?)", [datanet.0])?;
    }
    if let Some(operator) = query.operator {
        let clause = "id IN (SELECT model FROM deployments WHERE operator = ?)";
        filter.and(clause, [operator.0])?;
    }
    let order = match query.sort {
        ModelSort::Newest => Order::NEWEST,
        ModelSort::PaidIn => Order { key: "paid_in", is_text: true, id: "id", is_account: false, is_descending: true },
        ModelSort::Loss => Order { key: "loss", is_text: false, id: "id", is_account: false, is_descending: false },
    };
    reader.page(&List { table: "models", filter, order }, want, |row| view(reader, row))
}

/// A model.
pub fn one(reader: &Reader<'_>, id: ModelId) -> Result<Option<ModelView>, WorkError> {
    reader.one("SELECT * FROM models WHERE id = ?", [id.0], |row| view(reader, row))
}

/// A model's stream.
pub fn stream_of(reader: &Reader<'_>, id: ModelId) -> Result<Option<Stream>, WorkError> {
    reader.record("SELECT record FROM streams WHERE model = ?", [id.0])
}

fn view(reader: &Reader<'_>, row: &Row) -> Result<ModelView, WorkError> {
    let id = ModelId(row.get("id")?);
    let model: Model = record(row, "record")?;
    let stream = stream_of(reader, id)?;
    let (base, base_licence) = base_ref(reader, model.lineage.base)?;
    let affected = "SELECT count(*) FROM model_data d JOIN grants g ON g.id = d.\"grant\"
        WHERE d.model = ? AND g.status = 'revoked'";
    Ok(ModelView {
        id,
        title: row.get("title")?,
        owner: model.owner,
        status: model.status,
        adapter: model.adapter.into(),
        first_with_adapter: row.get::<_, Option<u64>>("first_with_adapter")?.map(ModelId),
        base,
        base_licence,
        job: model.lineage.job,
        trainer: model.lineage.trainer,
        data: data_uses(reader, &model.lineage.data)?,
        purpose: model.lineage.purpose,
        metrics: model.metrics.into(),
        accuracy: model.accuracy.map(AccuracyView::from),
        prices: model.prices.into(),
        split: model.split.into(),
        deployments: model.deployments,
        offers: reader.count("SELECT count(*) FROM offers WHERE model = ?", [id.0])?,
        is_affected: reader.count(affected, [id.0])? > 0,
        created: reader.when(model.created_at)?,
        paid_in: Money(stream.as_ref().map_or(0, |stream| stream.funded)),
        earned_by_contributors: Money(stream.as_ref().map_or(0, |stream| stream.contributors_funded)),
        claimed: Money(stream.as_ref().map_or(0, |stream| stream.claimed)),
    })
}

/// One leaf of a model's contribution root.
#[derive(Clone, Debug, Serialize)]
pub struct ContributorView {
    index: u32,
    pub(super) contribution: ContributionId,
    pub(super) contributor: Account,
    datanet: Option<DatanetId>,
    units: u64,
    pub(super) share_ppm: u32,
    earned: Money,
    claimed: Money,
    claimable: Money,
    evidence: Hex,
}

#[derive(Clone, Debug, Serialize)]
struct StreamView {
    contribution_root: Hex,
    leaves: u32,
    evidence: Hex,
    attributed_ppm: u32,
    parties: PartiesView,
    carry: String,
    revenue_per_unit: String,
}

#[derive(Clone, Debug, Serialize)]
struct PartiesView {
    base_owner: Account,
    trainer: Account,
    model_owner: Account,
    datanet_owners: Vec<DatanetOwner>,
}

#[derive(Clone, Debug, Serialize)]
struct DatanetOwner {
    datanet: DatanetId,
    owner: Account,
}

#[derive(Clone, Debug, Serialize)]
struct DeploymentView {
    operator: Account,
    endpoint: String,
    deposit: Money,
    deployed: When,
}

#[derive(Clone, Debug, Serialize)]
struct OfferView {
    operator: Account,
    prices: PricesView,
    model_prices: PricesView,
    until: When,
    holds: bool,
    deposit: Money,
}

#[derive(Clone, Debug, Serialize)]
struct LedgerView {
    operator: Account,
    funded: Money,
    claimed: Money,
    epoch: u32,
    accepted_epoch: Option<u32>,
    is_pending: bool,
    pending_until: Option<When>,
    is_challenged: bool,
}

/// A model with everything around it.
#[derive(Clone, Debug, Serialize)]
pub struct ModelDetail {
    model: ModelView,
    stream: Option<StreamView>,
    contributors: Option<Vec<ContributorView>>,
    contributor_count: u32,
    deployments: Vec<DeploymentView>,
    offers: Vec<OfferView>,
    ledgers: Vec<LedgerView>,
    lineage: Lineage,
    sales: Vec<SeriesPoint>,
}

/// A model with everything around it.
pub fn detail(reader: &Reader<'_>, id: ModelId) -> Result<Option<ModelDetail>, WorkError> {
    let Some(model) = one(reader, id)? else { return Ok(None) };
    let stream = stream_of(reader, id)?;
    let contributors = match &stream {
        Some(stream) => contributors(reader, id, stream)?,
        None => None,
    };
    let lineage = lineage(reader, &model, contributors.as_deref())?;
    let newest = reader.newest().number;
    let status = model.status;
    Ok(Some(ModelDetail {
        contributor_count: stream.as_ref().map_or(0, |stream| stream.contributions.shares.leaves),
        stream: stream.map(stream_view),
        contributors,
        deployments: reader.all("SELECT * FROM deployments WHERE model = ? ORDER BY operator", [id.0], |row| {
            let deployment: Deployment = record(row, "record")?;
            Ok(DeploymentView {
                operator: operator(row)?,
                endpoint: text(&deployment.endpoint),
                deposit: Money(deployment.deposit),
                deployed: reader.when(deployment.deployed_at)?,
            })
        })?,
        offers: reader.all("SELECT * FROM offers WHERE model = ? ORDER BY operator", [id.0], |row| {
            let offer: Offer = record(row, "record")?;
            Ok(OfferView {
                operator: operator(row)?,
                prices: offer.prices.into(),
                model_prices: offer.model_prices.into(),
                until: reader.when(offer.until)?,
                holds: offer.until > newest && status == ModelStatus::Published,
                deposit: Money(offer.deposit),
            })
        })?,
        ledgers: reader.all("SELECT * FROM ledgers WHERE model = ? ORDER BY operator", [id.0], |row| {
            let ledger: AnswerLedger = record(row, "record")?;
            let pending = ledger.pending;
            Ok(LedgerView {
                operator: operator(row)?,
                funded: Money(ledger.funded),
                claimed: Money(ledger.claimed),
                epoch: ledger.epoch,
                accepted_epoch: ledger.accepted.map(|accepted| accepted.epoch),
                is_pending: pending.is_some(),
                pending_until: reader.maybe(pending.as_ref().map(|pending| pending.until))?,
                is_challenged: pending.is_some_and(|pending| pending.challenge.is_some()),
            })
        })?,
        lineage,
        sales: series(reader, "SELECT block, amount FROM sales WHERE model = ? ORDER BY block, place", [id.0])?,
        model,
    }))
}

fn operator(row: &Row) -> Result<Account, WorkError> {
    account(row, "operator")?.ok_or_else(|| WorkError::damaged("an operator"))
}

fn stream_view(stream: Stream) -> StreamView {
    let owners = stream.parties.datanet_owners.into_iter();
    StreamView {
        contribution_root: stream.contributions.shares.root.into(),
        leaves: stream.contributions.shares.leaves,
        evidence: stream.contributions.evidence.into(),
        attributed_ppm: stream.contributions.attributed.parts(),
        parties: PartiesView {
            base_owner: stream.parties.base_owner,
            trainer: stream.parties.trainer,
            model_owner: stream.parties.model_owner,
            datanet_owners: owners.map(|(datanet, owner)| DatanetOwner { datanet, owner }).collect(),
        },
        carry: stream.carry.to_string(),
        revenue_per_unit: stream.revenue_per_unit.to_string(),
    }
}

fn contributors(reader: &Reader<'_>, id: ModelId, stream: &Stream) -> Result<Option<Vec<ContributorView>>, WorkError> {
    if reader.count("SELECT count(*) FROM leaf_sets WHERE model = ?", [id.0])? == 0 {
        return Ok(None);
    }
    let query = "SELECT l.*, c.datanet AS datanet FROM leaves l LEFT JOIN contributions c ON c.id = l.contribution
        WHERE l.model = ? ORDER BY l.units DESC, l.place LIMIT ?";
    let all = reader.all(query, params![id.0, CONTRIBUTORS_MAX], |row| {
        let (index, units): (u32, u64) = (row.get("place")?, row.get("units")?);
        let money = LeafMoney::of(reader, id, stream, index, units)?;
        Ok(ContributorView {
            index,
            contribution: ContributionId(row.get("contribution")?),
            contributor: account(row, "contributor")?.ok_or_else(|| WorkError::damaged("a contributor"))?,
            datanet: row.get::<_, Option<u32>>("datanet")?.map(DatanetId),
            units,
            share_ppm: share_ppm(units),
            earned: Money(money.earned),
            claimed: Money(money.claimed),
            claimable: Money(money.claimable()),
            evidence: Hex(row.get("evidence")?),
        })
    })?;
    Ok(Some(all))
}
