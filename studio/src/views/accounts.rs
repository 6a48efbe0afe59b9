//! Accounts: what they have, what they do, what they earned.

use super::{
    Money, When,
    contributions::{ContributionQuery, ContributionView},
    money::{ContributionModel, PayoutView, SeriesPoint, models_of, payouts_to, series},
};
use crate::{
    db::WorkError,
    index::reader::{Reader, Want},
};
use serde::Serialize;
use std::collections::BTreeMap;
use tributary_client::{Account, Balance};
use tributary_protocol::{Amount, ContributionId, DatanetId, ModelId};

/// Payouts that an account's earnings show.
const PAYOUTS_SHOWN: usize = 200;
/// Contributions that an account's earnings list, at most.
const CONTRIBUTIONS_MAX: usize = 1_000;

/// What an account has.
#[derive(Clone, Debug, Serialize)]
pub struct BalanceView {
    free: Money,
    reserved: Money,
    total: Money,
    nonce: u32,
    holds: Vec<HoldView>,
}

#[derive(Clone, Debug, Serialize)]
struct HoldView {
    pallet: String,
    reason: String,
    amount: Money,
}

impl From<Balance> for BalanceView {
    fn from(balance: Balance) -> Self {
        Self {
            free: Money(balance.free),
            reserved: Money(balance.reserved),
            total: Money(balance.total()),
            nonce: balance.nonce,
            holds: balance
                .holds
                .into_iter()
                .map(|hold| HoldView { pallet: hold.pallet, reason: hold.reason, amount: Money(hold.amount) })
                .collect(),
        }
    }
}

/// What an account does.
#[derive(Clone, Debug, Serialize)]
pub struct Roles {
    owns_datanets: Vec<u32>,
    curates: Vec<u32>,
    contributions: u64,
    grants: u64,
    jobs: u64,
    models: Vec<u64>,
    base_models: Vec<u32>,
    is_trainer: bool,
    deploys: Vec<u64>,
    channels: Vec<u64>,
}

/// An account.
#[derive(Clone, Debug, Serialize)]
pub struct AccountInfo {
    /// Its address.
    pub address: Account,
    /// What it has.
    pub balance: BalanceView,
    /// What a development chain calls it.
    pub name: Option<String>,
    /// What it does.
    pub roles: Roles,
}

/// What an account does.
pub fn roles(reader: &Reader<'_>, account: Account) -> Result<Roles, WorkError> {
    let ids = |query: &str| reader.all(query, [account.0], |row| row.get::<_, u64>(0));
    let small = |query: &str| reader.all(query, [account.0], |row| row.get::<_, u32>(0));
    let count = |query: &str| reader.count(query, [account.0]);
    Ok(Roles {
        owns_datanets: small("SELECT id FROM datanets WHERE owner = ? ORDER BY id")?,
        curates: small("SELECT datanet FROM curators WHERE account = ? ORDER BY datanet")?,
        contributions: count("SELECT count(*) FROM contributions WHERE contributor = ?")?,
        grants: count("SELECT count(*) FROM grants WHERE grantee = ? AND is_pruned = 0")?,
        jobs: count("SELECT count(*) FROM jobs WHERE requester = ?")?,
        models: ids("SELECT id FROM models WHERE owner = ? ORDER BY id")?,
        base_models: small("SELECT id FROM base_models WHERE owner = ? ORDER BY id")?,
        is_trainer: count("SELECT count(*) FROM trainers WHERE account = ?")? > 0,
        deploys: ids("SELECT model FROM deployments WHERE operator = ? ORDER BY model")?,
        channels: ids("SELECT id FROM channels WHERE app = ?1 OR operator = ?1 ORDER BY id")?,
    })
}

/// What one contribution earned.
#[derive(Clone, Debug, Serialize)]
pub struct EarningsContribution {
    contribution: ContributionId,
    datanet: DatanetId,
    datanet_name: String,
    samples: u32,
    status: String,
    submitted: When,
    models: Vec<ContributionModel>,
    earned: Option<Money>,
    claimed: Money,
    claimable: Option<Money>,
}

#[derive(Clone, Debug, Serialize)]
struct RoleSum {
    role: String,
    amount: Money,
    payouts: u64,
}

/// What an account earned.
#[derive(Clone, Debug, Serialize)]
pub struct Earnings {
    account: Account,
    claimed: Money,
    claimable: Money,
    is_complete: bool,
    missing_models: Vec<ModelId>,
    contributions: Vec<EarningsContribution>,
    by_role: Vec<RoleSum>,
    series: Vec<SeriesPoint>,
    payouts: Vec<PayoutView>,
}

/// What an account earned.
pub fn earnings(reader: &Reader<'_>, account: Account) -> Result<Earnings, WorkError> {
    let mut contributions = Vec::new();
    let mut claimable: Amount = 0;
    for contribution in own_contributions(reader, account)? {
        let one = of_contribution(reader, contribution)?;
        claimable = claimable.saturating_add(one.claimable.map_or(0, |money| money.0));
        contributions.push(one);
    }
    let missing = "SELECT DISTINCT m.id FROM contributions c JOIN version_contributions v ON v.contribution = c.id
        JOIN model_data d ON d.datanet = v.datanet AND d.version = v.number JOIN models m ON m.id = d.model
        WHERE c.contributor = ? AND NOT EXISTS (SELECT 1 FROM leaf_sets l WHERE l.model = m.id) ORDER BY m.id";
    let missing_models = reader.all(missing, [account.0], |row| Ok(ModelId(row.get(0)?)))?;
    let mut payouts = payouts_to(reader, account)?;
    let mut sums: BTreeMap<String, (Amount, u64)> = BTreeMap::new();
    for payout in &payouts {
        let (sum, count) = sums.entry(payout.role.clone()).or_default();
        *sum = sum.saturating_add(payout.amount.0);
        *count = count.saturating_add(1);
    }
    payouts.reverse();
    payouts.truncate(PAYOUTS_SHOWN);
    let query = "SELECT block, amount FROM payouts WHERE account = ? ORDER BY block, place, part";
    Ok(Earnings {
        account,
        claimed: Money(sums.get("contributor").map_or(0, |(sum, _)| *sum)),
        claimable: Money(claimable),
        is_complete: missing_models.is_empty(),
        missing_models,
        contributions,
        by_role: sums
            .into_iter()
            .map(|(role, (amount, payouts))| RoleSum { role, amount: Money(amount), payouts })
            .collect(),
        series: series(reader, query, [account.0])?,
        payouts,
    })
}

fn own_contributions(reader: &Reader<'_>, account: Account) -> Result<Vec<ContributionView>, WorkError> {
    let query = ContributionQuery { contributor: Some(account), ..ContributionQuery::default() };
    let mut want = Want { cursor: None, limit: Some(crate::index::reader::PAGE_MAX) };
    let mut all = Vec::new();
    loop {
        let page = super::contributions::list(reader, &query, &want)?;
        all.extend(page.items);
        match page.next {
            Some(next) if all.len() < CONTRIBUTIONS_MAX => want.cursor = Some(next),
            _ => return Ok(all),
        }
    }
}

fn of_contribution(reader: &Reader<'_>, contribution: ContributionView) -> Result<EarningsContribution, WorkError> {
    let models = models_of(reader, contribution.id())?;
    let add = |sum: Option<Amount>, part: Option<Amount>| Some(sum?.saturating_add(part?));
    let mut sums = (Some(0), 0u128, Some(0));
    for model in &models {
        let (earned, claimed, claimable) = model.sums();
        sums = (add(sums.0, earned), sums.1.saturating_add(claimed), add(sums.2, claimable));
    }
    let (datanet, name, samples, status) = contribution.facts();
    Ok(EarningsContribution {
        contribution: contribution.id(),
        datanet,
        datanet_name: name.to_owned(),
        samples,
        status: status.to_owned(),
        submitted: contribution.submitted().clone(),
        models,
        earned: sums.0.map(Money),
        claimed: Money(sums.1),
        claimable: sums.2.map(Money),
    })
}
