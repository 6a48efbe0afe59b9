//! How an operator gets its money: vouchers are redeemed, and models are paid for holders of keys.
//!
//! # Invariants
//! - A voucher is redeemed for what was sold, not for what was promised ahead: of those that pay for all that was sold, the
//!   one that says least; none, while nothing was sold since the last.
//! - What is paid to a model for holders of keys is noted with its number before it is sent, and the number is the intent by
//!   which it happens once.

use super::chain::Action;
use super::config::Redeeming;
use super::till::{Desk, Kept, LedgerError, Owed};
use std::sync::Arc;
use tributary_client::{ChainError, Channel, Head, SubmitError};
use tributary_protocol::{
    Amount, BlockNumber, ChannelId, ContentHash, ModelId,
    channel::ChannelState,
    voucher::{REDEEM_MAX, SignedVoucher},
};

/// Why money could not be fetched. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The chain did not take it.
    #[error(transparent)]
    Submit(Box<SubmitError>),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(Box<LedgerError>),
}

impl From<SubmitError> for RedeemError {
    fn from(error: SubmitError) -> Self {
        Self::Submit(Box::new(error))
    }
}

impl From<LedgerError> for RedeemError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(Box::new(error))
    }
}

/// A voucher that would pay something.
#[derive(Clone, Copy, Debug)]
struct Claim {
    signed: SignedVoucher,
    due: Amount,
    /// The last block for it, if the channel is closing.
    until: Option<BlockNumber>,
}

/// Fetches an operator's money.
pub struct Redeemer {
    desk: Arc<Desk>,
    policy: Redeeming,
    /// When all that was due was last fetched.
    last: BlockNumber,
}

impl Redeemer {
    /// Begins at a block; from there the policy's time counts.
    pub fn new(desk: Arc<Desk>, policy: Redeeming, at: Head) -> Self {
        Self { desk, policy, last: at.number }
    }

    /// Looks at every channel and at what is owed to models, and does what is due at this block. Returns how much was redeemed.
    pub async fn review(&mut self, at: Head) -> Result<Amount, RedeemError> {
        let claims = self.claims(at).await?;
        let owed = self.desk.owed();
        let sum = claims.iter().fold(0, |sum: Amount, (_, claim)| sum.saturating_add(claim.due));
        let sum = owed.iter().fold(sum, |sum, (_, owed)| sum.saturating_add(open(owed)));
        let is_time = at.number.saturating_sub(self.last) >= self.policy.blocks;
        let all = sum > 0 && (sum >= self.policy.amount || is_time);
        if is_time || all {
            self.last = at.number;
        }
        let wanted = claims.into_iter().filter(|(_, claim)| all || claim.until.is_some()).collect();
        let redeemed = self.redeem(at, wanted).await?;
        if all {
            for (model, owed) in owed {
                self.pay(at, model, owed).await?;
            }
        }
        Ok(redeemed)
    }

    /// Goes on with payments that an earlier process began. To be called before the journal forgets what it knows of them.
    pub async fn finish_payments(&self) -> Result<(), RedeemError> {
        let at = *self.desk.chain().heads().borrow();
        let begun = self.desk.owed().into_iter().filter(|(_, owed)| owed.paying.is_some());
        let paying = begun.map(|(model, owed)| self.pay(at, model, owed));
        futures::future::try_join_all(paying).await?;
        Ok(())
    }

    /// Every voucher that would pay something, those of closing channels first. Accounts of channels that have ended go.
    async fn claims(&self, at: Head) -> Result<Vec<(Channel, Claim)>, RedeemError> {
        let mut claims = Vec::new();
        for id in self.desk.account_channels() {
            let channel = self.desk.chain().channel(at, id).await?;
            let accounts = self.desk.accounts(id);
            if channel.is_none() {
                let sold: Amount = accounts.iter().map(|(_, kept)| kept.used.amount).sum();
                tracing::info!(channel = %id, sold, "the channel has ended");
            }
            self.desk.channel_seen(id, at.number, channel.as_ref()).await?;
            let Some(channel) = channel else { continue };
            for (model, kept) in accounts {
                claims.extend(claim(id, model, &kept, &channel).map(|claim| (channel.clone(), claim)));
            }
        }
        // Those whose time ends first, then the largest.
        claims.sort_by_key(|(_, claim)| (claim.until.unwrap_or(BlockNumber::MAX), std::cmp::Reverse(claim.due)));
        Ok(claims)
    }

    async fn redeem(&self, at: Head, claims: Vec<(Channel, Claim)>) -> Result<Amount, RedeemError> {
        let mut redeemed: Amount = 0;
        for batch in claims.chunks(REDEEM_MAX as usize) {
            // One that the chain would refuse would take the others with it.
            let now = at.number.saturating_add(1);
            let good: Vec<&Claim> = batch
                .iter()
                .filter_map(|(channel, claim)| match channel.due(&claim.signed.voucher, now) {
                    Ok(_) => Some(claim),
                    Err(refusal) => {
                        tracing::warn!(channel = %claim.signed.voucher.channel, "a voucher is not redeemed: {refusal}");
                        None
                    }
                })
                .collect();
            let vouchers: Vec<SignedVoucher> = good.iter().map(|claim| claim.signed).collect();
            if vouchers.is_empty() {
                continue;
            }
            let amount: Amount = good.iter().map(|claim| claim.due).sum();
            let receipt = self.act(&Action::Redeem(vouchers.clone())).await?;
            tracing::info!(vouchers = vouchers.len(), amount, block = receipt, "vouchers redeemed");
            redeemed = redeemed.saturating_add(amount);
        }
        Ok(redeemed)
    }

    /// Redeems, named by what is redeemed: the same vouchers are redeemed once, whatever crashes.
    async fn act(&self, action: &Action) -> Result<BlockNumber, RedeemError> {
        let Action::Redeem(vouchers) = action else { return Ok(0) };
        let name = ContentHash::of(&codec::Encode::encode(vouchers));
        let receipt = self.desk.chain().act(&format!("redeem/{name}"), action).await?;
        Ok(receipt.block.number)
    }

    /// Pays a model what is owed for holders of keys, or goes on with that.
    async fn pay(&self, at: Head, model: ModelId, owed: Owed) -> Result<(), RedeemError> {
        let owed = match owed.paying {
            Some(_) => owed,
            None if open(&owed) < self.policy.payment_min => return Ok(()),
            None => {
                self.desk
                    .change_owed(model, |owed| {
                        owed.payments = owed.payments.saturating_add(1);
                        owed.paying = Some(open(owed));
                    })
                    .await?
            }
        };
        let Some(amount) = owed.paying else { return Ok(()) };
        let is_attributed = self.desk.chain().is_attributed(at, model).await?;
        let action = Action::Pay { model, amount, is_attributed };
        let receipt = self.desk.chain().act(&format!("pay/{model}/{}", owed.payments), &action).await?;
        self.desk
            .change_owed(model, |owed| {
                owed.paid = owed.paid.saturating_add(amount);
                owed.paying = None;
            })
            .await?;
        tracing::info!(%model, amount, block = receipt.block.number, "the model is paid for holders of keys");
        Ok(())
    }
}

/// What is owed and not paid.
fn open(owed: &Owed) -> Amount {
    owed.amount.saturating_sub(owed.paid)
}

/// What an account's voucher would pay, if anything was sold since the last that was redeemed.
fn claim(channel_id: ChannelId, model: ModelId, kept: &Kept, channel: &Channel) -> Option<Claim> {
    debug_assert_eq!((kept.least.voucher.channel, kept.least.voucher.model), (channel_id, model));
    let paid = channel.paid_for(model).amount;
    if kept.used.amount <= paid {
        return None;
    }
    let due = kept.least.voucher.amount.checked_sub(paid).filter(|due| *due > 0)?;
    let until = match channel.state {
        ChannelState::Open => None,
        ChannelState::Closing { until } => Some(until),
    };
    Some(Claim { signed: kept.least, due, until })
}
