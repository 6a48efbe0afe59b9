//! Money that moved, and what contributions earn.

use super::{Money, Page, When};
use crate::{
    db::{Params, Row, WorkError},
    index::{
        codes::{account, amount},
        reader::{Filter, List, Order, Reader, Want},
    },
};
use serde::{Deserialize, Serialize};
use tributary_client::{Account, Stream};
use tributary_protocol::{Amount, ContributionId, DatanetId, JobId, ModelId, share, stream::SHARE_UNITS};

/// An amount at a block, and the sum up to it.
#[derive(Clone, Debug, Serialize)]
pub struct SeriesPoint {
    at: When,
    amount: Money,
    total: Money,
}

/// The amounts of a query over `block, amount` as a series: one point a block.
pub fn series(reader: &Reader<'_>, query: &str, values: impl Params) -> Result<Vec<SeriesPoint>, WorkError> {
    let mut points: Vec<(u32, Amount)> = Vec::new();
    reader.all(query, values, |row| {
        let (block, paid): (u32, String) = (row.get("block")?, row.get("amount")?);
        let paid = amount(&paid)?;
        match points.last_mut() {
            Some((last, sum)) if *last == block => *sum = sum.saturating_add(paid),
            _ => points.push((block, paid)),
        }
        Ok(())
    })?;
    let mut total: Amount = 0;
    points
        .into_iter()
        .map(|(block, amount)| {
            total = total.saturating_add(amount);
            Ok(SeriesPoint { at: reader.when(block)?, amount: Money(amount), total: Money(total) })
        })
        .collect()
}

/// Money that moved to somebody.
#[derive(Clone, Debug, Serialize)]
pub struct PayoutView {
    /// When.
    pub at: When,
    account: Option<Account>,
    /// As what.
    pub role: String,
    /// For what.
    pub reason: String,
    /// The model that earned it.
    pub model: Option<ModelId>,
    /// The job that was paid.
    pub job: Option<JobId>,
    /// The Datanet.
    pub datanet: Option<DatanetId>,
    /// The contribution.
    pub contribution: Option<ContributionId>,
    /// How much.
    pub amount: Money,
    /// From whom.
    pub payer: Option<Account>,
}

/// Which payouts.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PayoutQuery {
    /// To this account.
    pub account: Option<Account>,
    /// Earned by this model.
    pub model: Option<ModelId>,
    /// In this role.
    pub role: Option<String>,
}

/// Payouts, the newest first.
pub fn payouts(reader: &Reader<'_>, query: &PayoutQuery, want: &Want) -> Result<Page<PayoutView>, WorkError> {
    let mut filter = Filter::default();
    if let Some(account) = query.account {
        filter.and("account = ?", [account.0])?;
    }
    if let Some(model) = query.model {
        filter.and("model = ?", [model.0])?;
    }
    if let Some(role) = &query.role {
        filter.and("role = ?", [role])?;
    }
    // Place and part in one number: a block has fewer than 2^20 events, and an event fewer than 2^10 receivers.
    let order =
        Order { key: "block", is_text: false, id: "(place * 1024 + part)", is_account: false, is_descending: true };
    reader.page(&List { table: "payouts", filter, order }, want, |row| payout(reader, row))
}

/// All payouts to an account, the oldest first.
pub fn payouts_to(reader: &Reader<'_>, to: Account) -> Result<Vec<PayoutView>, WorkError> {
    let query = "SELECT * FROM payouts WHERE account = ? ORDER BY block, place, part";
    reader.all(query, [to.0], |row| payout(reader, row))
}

fn payout(reader: &Reader<'_>, row: &Row) -> Result<PayoutView, WorkError> {
    let paid: String = row.get("amount")?;
    Ok(PayoutView {
        at: reader.when(row.get("block")?)?,
        account: account(row, "account")?,
        role: row.get("role")?,
        reason: row.get("reason")?,
        model: row.get::<_, Option<u64>>("model")?.map(ModelId),
        job: row.get::<_, Option<u64>>("job")?.map(JobId),
        datanet: row.get::<_, Option<u32>>("datanet")?.map(DatanetId),
        contribution: row.get::<_, Option<u64>>("contribution")?.map(ContributionId),
        amount: Money(amount(&paid)?),
        payer: account(row, "payer")?,
    })
}

/// What a contribution has in a model.
#[derive(Clone, Debug, Serialize)]
pub struct ContributionModel {
    model: ModelId,
    title: String,
    units: Option<u64>,
    share_ppm: Option<u32>,
    earned: Option<Money>,
    claimed: Money,
    claimable: Option<Money>,
}

impl ContributionModel {
    /// Earned and claimable, where the leaf is known; claimed.
    pub fn sums(&self) -> (Option<Amount>, Amount, Option<Amount>) {
        (self.earned.map(|money| money.0), self.claimed.0, self.claimable.map(|money| money.0))
    }
}

/// What a leaf has earned by the shares since its stream was opened, and what of it was claimed.
pub struct LeafMoney {
    /// Earned.
    pub earned: Amount,
    /// Claimed.
    pub claimed: Amount,
}

impl LeafMoney {
    /// Of the leaf at `index`.
    pub fn of(reader: &Reader<'_>, model: ModelId, stream: &Stream, index: u32, units: u64) -> Result<Self, WorkError> {
        let earned = share::claimable(units, stream.revenue_per_unit, Default::default())
            .ok_or_else(|| WorkError::damaged(format!("the stream of model {model}")))?;
        Ok(Self { earned, claimed: reader.total("leaf", format!("{model}/{index}"), "contributor")? })
    }

    /// What is left. Each claim rounds down, so that the chain may pay less: by one planck for each claim made before.
    pub fn claimable(&self) -> Amount {
        self.earned.saturating_sub(self.claimed)
    }
}

/// Units as a part of the whole, in 10^-6.
pub fn share_ppm(units: u64) -> u32 {
    let ppm = u128::from(units).saturating_mul(1_000_000) / u128::from(SHARE_UNITS);
    u32::try_from(ppm).unwrap_or(1_000_000)
}

/// The models that a contribution is in, by the versions that they were trained on.
pub fn models_of(reader: &Reader<'_>, contribution: ContributionId) -> Result<Vec<ContributionModel>, WorkError> {
    let query = "SELECT DISTINCT m.id AS id, m.title AS title FROM version_contributions v
        JOIN model_data d ON d.datanet = v.datanet AND d.version = v.number JOIN models m ON m.id = d.model
        WHERE v.contribution = ? ORDER BY m.id";
    let models =
        reader.all(query, [contribution.0], |row| Ok((ModelId(row.get("id")?), row.get::<_, String>("title")?)))?;
    models.into_iter().map(|(model, title)| in_model(reader, contribution, model, title)).collect()
}

fn in_model(
    reader: &Reader<'_>,
    contribution: ContributionId,
    model: ModelId,
    title: String,
) -> Result<ContributionModel, WorkError> {
    let is_known = reader.count("SELECT count(*) FROM leaf_sets WHERE model = ?", [model.0])? > 0;
    let stream: Option<Stream> = reader.record("SELECT record FROM streams WHERE model = ?", [model.0])?;
    let claimed_answers = "SELECT amount FROM payouts
        WHERE model = ? AND contribution = ? AND reason = 'answer_claim'";
    let mut claimed: Amount = 0;
    reader.all(claimed_answers, [model.0, contribution.0], |row| {
        claimed = claimed.saturating_add(amount(&row.get::<_, String>(0)?)?);
        Ok(())
    })?;
    let (Some(stream), true) = (stream, is_known) else {
        let by_shares = "SELECT amount FROM payouts WHERE model = ? AND contribution = ? AND reason = 'claim'";
        reader.all(by_shares, [model.0, contribution.0], |row| {
            claimed = claimed.saturating_add(amount(&row.get::<_, String>(0)?)?);
            Ok(())
        })?;
        let (units, share_ppm, earned, claimable) = (None, None, None, None);
        return Ok(ContributionModel { model, title, units, share_ppm, earned, claimed: Money(claimed), claimable });
    };
    let leaves = reader.all(
        "SELECT place, units FROM leaves WHERE contribution = ? AND model = ?",
        [contribution.0, model.0],
        |row| Ok((row.get::<_, u32>(0)?, row.get::<_, u64>(1)?)),
    )?;
    let (mut units, mut earned, mut claimable) = (0u64, claimed, 0u128);
    for (index, leaf_units) in leaves {
        let money = LeafMoney::of(reader, model, &stream, index, leaf_units)?;
        units = units.saturating_add(leaf_units);
        earned = earned.saturating_add(money.earned);
        claimed = claimed.saturating_add(money.claimed);
        claimable = claimable.saturating_add(money.claimable());
    }
    Ok(ContributionModel {
        model,
        title,
        units: Some(units),
        share_ppm: Some(share_ppm(units)),
        earned: Some(Money(earned)),
        claimed: Money(claimed),
        claimable: Some(Money(claimable)),
    })
}

/// Payouts as CSV: one line each, amounts in TRIB.
pub fn csv(payouts: &[PayoutView]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("time,block,role,reason,amount_trib,model,job,datanet,contribution,payer\r\n");
    let id = |id: Option<String>| id.unwrap_or_default();
    for payout in payouts {
        // No field of ours holds a comma, a quote or a line end. Writing to a string does not fail.
        let _ = write!(
            text,
            "{},{},{},{},{},{},{},{},{},{}\r\n",
            payout.at.time.as_deref().unwrap_or_default(),
            payout.at.block,
            payout.role,
            payout.reason,
            trib(payout.amount.0),
            id(payout.model.map(|id| id.to_string())),
            id(payout.job.map(|id| id.to_string())),
            id(payout.datanet.map(|id| id.to_string())),
            id(payout.contribution.map(|id| id.to_string())),
            id(payout.payer.map(|account| account.to_string())),
        );
    }
    text
}

/// An amount in TRIB, with every digit.
fn trib(amount: Amount) -> String {
    use tributary_protocol::amount::{TOKEN_DECIMALS, TRIB};
    format!("{}.{:0width$}", amount / TRIB, amount % TRIB, width = usize::from(TOKEN_DECIMALS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_amounts_are_exact() {
        assert_eq!((share_ppm(SHARE_UNITS), share_ppm(1_999), share_ppm(0)), (1_000_000, 1, 0));
        assert_eq!(trib(1_500_000_000_001), "1.500000000001");
    }
}
