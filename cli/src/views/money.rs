//! Balances, streams, shares and claims.

use super::{models::split_text, units_percent};
use crate::{amounts::Money, output::Record};
use serde::Serialize;
use tributary_client::{Account, Balance, Stream};
use tributary_protocol::{ContentHash, ContributionId, JobId, ModelId, stream::Split, sum_tree::SumLeaf};

/// What an account has.
#[derive(Clone, Debug, Serialize)]
pub struct BalanceView {
    account: Account,
    free: Money,
    held: Money,
    total: Money,
    holds: Vec<HoldView>,
    nonce: u32,
}

#[derive(Clone, Debug, Serialize)]
struct HoldView {
    pallet: String,
    reason: String,
    amount: Money,
}

impl BalanceView {
    /// A balance as the chain has it.
    pub fn new(account: Account, balance: Balance) -> Self {
        let hold = |hold: tributary_client::Hold| HoldView {
            pallet: hold.pallet,
            reason: hold.reason,
            amount: Money(hold.amount),
        };
        Self {
            account,
            free: Money(balance.free),
            held: Money(balance.reserved),
            total: Money(balance.total()),
            nonce: balance.nonce,
            holds: balance.holds.into_iter().map(hold).collect(),
        }
    }
}

impl Record for BalanceView {
    const COLUMNS: &'static [&'static str] = &["account", "free", "held", "total"];

    fn row(&self) -> Vec<String> {
        vec![self.account.to_string(), self.free.to_string(), self.held.to_string(), self.total.to_string()]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let holds: Vec<String> =
            self.holds.iter().map(|hold| format!("{} for {}.{}", hold.amount, hold.pallet, hold.reason)).collect();
        let mut fields: Vec<_> = Self::COLUMNS.iter().copied().zip(self.row()).collect();
        if !holds.is_empty() {
            fields.push(("on hold", holds.join("\n")));
        }
        fields.push(("transactions", self.nonce.to_string()));
        fields
    }
}

/// A model's revenue stream.
#[derive(Clone, Debug, Serialize)]
pub struct StreamView {
    model: ModelId,
    job: JobId,
    funded: Money,
    contributors_funded: Money,
    claimed: Money,
    split: Split,
    base_owner: Account,
    trainer: Account,
    model_owner: Account,
    datanet_owners: Vec<Account>,
    leaves: u32,
    root: ContentHash,
    evidence: ContentHash,
}

impl StreamView {
    /// A stream as the chain has it.
    pub fn new(model: ModelId, stream: Stream) -> Self {
        Self {
            model,
            job: stream.job,
            funded: Money(stream.funded),
            contributors_funded: Money(stream.contributors_funded),
            claimed: Money(stream.claimed),
            split: stream.split,
            base_owner: stream.parties.base_owner,
            trainer: stream.parties.trainer,
            model_owner: stream.parties.model_owner,
            datanet_owners: stream.parties.datanet_owners.iter().map(|(_, owner)| *owner).collect(),
            leaves: stream.contributions.shares.leaves,
            root: stream.contributions.shares.root,
            evidence: stream.contributions.evidence,
        }
    }
}

impl Record for StreamView {
    const COLUMNS: &'static [&'static str] = &["model", "job", "paid in", "to contributors", "claimed", "leaves"];

    fn row(&self) -> Vec<String> {
        vec![
            self.model.to_string(),
            self.job.to_string(),
            self.funded.to_string(),
            self.contributors_funded.to_string(),
            self.claimed.to_string(),
            self.leaves.to_string(),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields: Vec<_> = Self::COLUMNS.iter().copied().zip(self.row()).collect();
        let owners: Vec<String> = self.datanet_owners.iter().map(Account::to_string).collect();
        fields.extend([
            ("a sale splits", split_text(&self.split)),
            ("base model's owner", self.base_owner.to_string()),
            ("trainer", self.trainer.to_string()),
            ("model's owner", self.model_owner.to_string()),
            ("Datanets' owners", owners.join("\n")),
            ("contribution root", self.root.to_string()),
            ("evidence", self.evidence.to_string()),
        ]);
        fields
    }
}

/// A contribution's part in a model.
#[derive(Clone, Debug, Serialize)]
pub struct ShareView {
    /// Its place in the tree.
    pub index: u32,
    /// The contribution.
    pub contribution: ContributionId,
    /// Who claims for it.
    pub contributor: Account,
    /// Its units of 10^9.
    pub units: u64,
}

impl From<&SumLeaf> for ShareView {
    fn from(leaf: &SumLeaf) -> Self {
        Self {
            index: leaf.index,
            contribution: leaf.contribution,
            contributor: Account(leaf.contributor),
            units: leaf.units,
        }
    }
}

impl Record for ShareView {
    const COLUMNS: &'static [&'static str] = &["index", "contribution", "contributor", "units", "part"];

    fn row(&self) -> Vec<String> {
        vec![
            self.index.to_string(),
            self.contribution.to_string(),
            self.contributor.to_string(),
            self.units.to_string(),
            units_percent(self.units),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        Self::COLUMNS.iter().copied().zip(self.row()).collect()
    }
}

/// A claim that can be, or was, made.
#[derive(Clone, Debug, Serialize)]
pub struct ClaimView {
    /// The model.
    pub model: ModelId,
    /// The leaf's place in the tree.
    pub index: u32,
    /// The contribution.
    pub contribution: ContributionId,
    /// Who claims.
    pub contributor: Account,
    /// The leaf's units of 10^9.
    pub units: u64,
    /// How much.
    pub amount: Money,
}

impl Record for ClaimView {
    const COLUMNS: &'static [&'static str] = &["model", "index", "contribution", "contributor", "units", "amount"];

    fn row(&self) -> Vec<String> {
        vec![
            self.model.to_string(),
            self.index.to_string(),
            self.contribution.to_string(),
            self.contributor.to_string(),
            self.units.to_string(),
            self.amount.to_string(),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        Self::COLUMNS.iter().copied().zip(self.row()).collect()
    }
}
