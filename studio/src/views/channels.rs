//! Payment channels that have not ended.

use super::{Hex, Money, Page, When};
use crate::{
    db::{Row, WorkError},
    index::{
        codes::record,
        reader::{Filter, List, Order, Reader, Want},
    },
};
use serde::{Deserialize, Serialize};
use tributary_client::{Account, Channel};
use tributary_protocol::{ChannelId, ModelId, channel::ChannelState};

/// A channel.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelView {
    id: ChannelId,
    app: Account,
    operator: Account,
    key: Hex,
    funded: Money,
    redeemed: Money,
    left: Money,
    state: &'static str,
    until: Option<When>,
    deposit: Money,
    opened: When,
    paid: Vec<PaidView>,
}

#[derive(Clone, Debug, Serialize)]
struct PaidView {
    model: ModelId,
    input_tokens: u64,
    output_tokens: u64,
    amount: Money,
}

/// Which channels.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ChannelQuery {
    /// Of this app or operator.
    pub account: Option<Account>,
}

/// Channels, the newest first.
pub fn list(reader: &Reader<'_>, query: &ChannelQuery, want: &Want) -> Result<Page<ChannelView>, WorkError> {
    let mut filter = Filter::default();
    if let Some(account) = query.account {
        filter.and("(app = ? OR operator = ?)", [account.0, account.0])?;
    }
    reader.page(&List { table: "channels", filter, order: Order::NEWEST }, want, |row| view(reader, row))
}

/// A channel.
pub fn one(reader: &Reader<'_>, id: ChannelId) -> Result<Option<ChannelView>, WorkError> {
    reader.one("SELECT * FROM channels WHERE id = ?", [id.0], |row| view(reader, row))
}

fn view(reader: &Reader<'_>, row: &Row) -> Result<ChannelView, WorkError> {
    let channel: Channel = record(row, "record")?;
    let (state, until) = match channel.state {
        ChannelState::Open => ("open", None),
        ChannelState::Closing { until } => ("closing", Some(until)),
    };
    let left = channel.left();
    Ok(ChannelView {
        id: ChannelId(row.get("id")?),
        app: channel.app,
        operator: channel.operator,
        key: Hex(channel.key),
        funded: Money(channel.funded),
        redeemed: Money(channel.redeemed),
        left: Money(left),
        state,
        until: reader.maybe(until)?,
        deposit: Money(channel.deposit),
        opened: reader.when(channel.opened_at)?,
        paid: channel
            .paid
            .into_iter()
            .map(|paid| PaidView {
                model: paid.model,
                input_tokens: paid.input_tokens,
                output_tokens: paid.output_tokens,
                amount: Money(paid.amount),
            })
            .collect(),
    })
}
