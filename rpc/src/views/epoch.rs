//! Operators' epochs as JSON.

use super::{AmountText, HashText};
use serde::Serialize;
use sp_runtime::AccountId32;
use tributary_protocol::{
    BlockNumber, ModelId,
    epoch::{AUDIT_DRAWS, AcceptedEpoch, Audit, Challenge, EpochRoot, Ledger, PendingEpoch},
};

/// What an operator owes a model's contributors, and its epochs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::epoch::Ledger")]
pub struct LedgerView {
    pub model: ModelId,
    pub operator: AccountId32,
    pub funded: AmountText,
    pub claimed: AmountText,
    /// The number of the newest epoch, accepted or not; 0 if there is none.
    pub epoch: u32,
    pub accepted: Option<AcceptedEpochView>,
    pub pending: Option<PendingEpochView>,
    pub owed_since: BlockNumber,
    pub deposit: AmountText,
}

impl LedgerView {
    pub(crate) fn new(model: ModelId, operator: AccountId32, ledger: Ledger<AccountId32>) -> Self {
        Self {
            model,
            operator,
            funded: AmountText(ledger.funded),
            claimed: AmountText(ledger.claimed),
            epoch: ledger.epoch,
            accepted: ledger.accepted.map(Into::into),
            pending: ledger.pending.map(Into::into),
            owed_since: ledger.owed_since,
            deposit: AmountText(ledger.deposit),
        }
    }
}

/// An epoch from which contributors claim.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "as in tributary_protocol::epoch::AcceptedEpoch")]
pub struct AcceptedEpochView {
    pub epoch: u32,
    pub root: EpochRootView,
}

impl From<AcceptedEpoch> for AcceptedEpochView {
    fn from(accepted: AcceptedEpoch) -> Self {
        Self { epoch: accepted.epoch, root: accepted.root.into() }
    }
}

/// What an operator posts.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::epoch::EpochRoot")]
pub struct EpochRootView {
    pub amounts: HashText,
    pub total: AmountText,
    pub leaves: u32,
    pub receipts: HashText,
    pub answers: u64,
    pub method: HashText,
}

impl From<EpochRoot> for EpochRootView {
    fn from(root: EpochRoot) -> Self {
        Self {
            amounts: HashText(root.amounts.root),
            total: AmountText(root.amounts.total),
            leaves: root.amounts.leaves,
            receipts: HashText(root.receipts.root),
            answers: root.receipts.leaves,
            method: HashText(root.method),
        }
    }
}

/// An epoch in its challenge window.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "as in tributary_protocol::epoch::PendingEpoch")]
pub struct PendingEpochView {
    pub root: EpochRootView,
    pub bond: AmountText,
    pub until: BlockNumber,
    pub challenge: Option<ChallengeView>,
}

impl From<PendingEpoch<AccountId32>> for PendingEpochView {
    fn from(pending: PendingEpoch<AccountId32>) -> Self {
        Self {
            root: pending.root.into(),
            bond: AmountText(pending.bond),
            until: pending.until,
            challenge: pending.challenge.map(Into::into),
        }
    }
}

/// A demand to open leaves.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "as in tributary_protocol::epoch::Challenge")]
pub struct ChallengeView {
    pub challenger: AccountId32,
    pub bond: AmountText,
    pub at: BlockNumber,
    pub audit: Option<AuditView>,
}

impl From<Challenge<AccountId32>> for ChallengeView {
    fn from(challenge: Challenge<AccountId32>) -> Self {
        Self {
            challenger: challenge.challenger,
            bond: AmountText(challenge.bond),
            at: challenge.at,
            audit: challenge.audit.map(Into::into),
        }
    }
}

/// Which leaves must be opened.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "as in tributary_protocol::epoch::Audit")]
pub struct AuditView {
    /// From which the points follow, as `0x` and hexadecimal digits.
    pub seed: HashText,
    pub until: BlockNumber,
    /// The draws whose points no opened leaf covers yet.
    pub unopened: Vec<u16>,
}

impl From<Audit> for AuditView {
    fn from(audit: Audit) -> Self {
        let unopened = (0..AUDIT_DRAWS).filter(|draw| !audit.is_opened(*draw)).collect();
        Self { seed: HashText(audit.seed.into()), until: audit.until, unopened }
    }
}
