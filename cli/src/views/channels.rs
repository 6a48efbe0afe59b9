//! Channels and operators' offers.

use super::short;
use crate::{amounts::Money, output::Record};
use serde::Serialize;
use tributary_client::{Account, Channel};
use tributary_protocol::{
    ChannelId, ModelId,
    channel::{ChannelState, Offer},
};

/// A payment channel.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelView {
    id: ChannelId,
    state: ChannelState,
    app: Account,
    operator: Account,
    /// Signs vouchers.
    voucher_key: Account,
    funded: Money,
    redeemed: Money,
    left: Money,
    deposit: Money,
    paid: Vec<PaidView>,
    opened_at: u32,
}

#[derive(Clone, Debug, Serialize)]
struct PaidView {
    model: ModelId,
    input_tokens: u64,
    output_tokens: u64,
    amount: Money,
}

impl ChannelView {
    /// A channel as the chain has it.
    pub fn new(id: ChannelId, channel: Channel) -> Self {
        let left = Money(channel.left());
        let paid = |paid: &tributary_protocol::channel::Paid| PaidView {
            model: paid.model,
            input_tokens: paid.input_tokens,
            output_tokens: paid.output_tokens,
            amount: Money(paid.amount),
        };
        Self {
            id,
            state: channel.state,
            app: channel.app,
            operator: channel.operator,
            voucher_key: Account(channel.key),
            funded: Money(channel.funded),
            redeemed: Money(channel.redeemed),
            left,
            deposit: Money(channel.deposit),
            paid: channel.paid.iter().map(paid).collect(),
            opened_at: channel.opened_at,
        }
    }

    fn state(&self) -> String {
        match self.state {
            ChannelState::Open => "open".to_owned(),
            ChannelState::Closing { until } => format!("closing, to be redeemed until block {until}"),
        }
    }
}

impl Record for ChannelView {
    const COLUMNS: &'static [&'static str] = &["id", "state", "app", "operator", "put in", "redeemed", "left"];

    fn row(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.state(),
            short(&self.app),
            short(&self.operator),
            self.funded.to_string(),
            self.redeemed.to_string(),
            self.left.to_string(),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let line = |paid: &PaidView| {
            format!(
                "{} for model {}: {} tokens in, {} out",
                paid.amount, paid.model, paid.input_tokens, paid.output_tokens
            )
        };
        let paid: Vec<String> = self.paid.iter().map(line).collect();
        vec![
            ("channel", self.id.to_string()),
            ("state", self.state()),
            ("app", self.app.to_string()),
            ("operator", self.operator.to_string()),
            ("signs vouchers", self.voucher_key.to_string()),
            ("put in", self.funded.to_string()),
            ("redeemed", if paid.is_empty() { "nothing".to_owned() } else { paid.join("\n") }),
            ("left", self.left.to_string()),
            ("deposit", self.deposit.to_string()),
            ("opened in block", self.opened_at.to_string()),
        ]
    }
}

/// Who answers with a model, where and at which prices.
#[derive(Clone, Debug, Serialize)]
pub struct OperatorView {
    model: ModelId,
    operator: Account,
    endpoint: Option<String>,
    input_per_1000: Money,
    output_per_1000: Money,
    /// The last block of the offer.
    until: u32,
    holds: bool,
}

impl OperatorView {
    /// An offer as the chain has it at block `now`.
    pub fn new(model: ModelId, operator: Account, endpoint: Option<String>, offer: Offer, now: u32) -> Self {
        Self {
            model,
            operator,
            endpoint,
            input_per_1000: Money(offer.prices.input_per_1000),
            output_per_1000: Money(offer.prices.output_per_1000),
            until: offer.until,
            holds: offer.until > now,
        }
    }
}

impl Record for OperatorView {
    const COLUMNS: &'static [&'static str] = &["operator", "in, per 1,000", "out, per 1,000", "until", "endpoint"];

    fn row(&self) -> Vec<String> {
        vec![
            self.operator.to_string(),
            self.input_per_1000.to_string(),
            self.output_per_1000.to_string(),
            if self.holds { self.until.to_string() } else { format!("{} (over)", self.until) },
            self.endpoint.clone().unwrap_or_else(|| "not deployed".to_owned()),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        Self::COLUMNS.iter().copied().zip(self.row()).collect()
    }
}
