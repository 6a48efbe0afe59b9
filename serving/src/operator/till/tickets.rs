//! Admitted requests until they are charged.

use super::{Change, Desk, Key, KeyDay, Record, Terms, Usage, refused};
use crate::door::{Refusal, Settled, Sold, Ticket, Wanted};
use crate::operator::receipts::Sale;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

/// A request that a voucher pays.
pub struct VoucherTicket(Open<Voucher>);

/// A request of a key's holder.
pub struct KeyTicket(Open<KeyHolder>);

/// A request of a key's holder to the base itself: counted, and paid to nobody.
pub struct BaseTicket {
    desk: Arc<Desk>,
    record: Record,
    /// Tokens of the key's day; `None` once they are counted.
    reserved: Option<u64>,
}

struct Voucher {
    key: Key,
    reserved: Usage,
}

struct KeyHolder {
    record: Record,
    reserved: u64,
}

/// What was admitted, and gives back what was set aside if it is dropped before it is charged.
struct Open<P: Payer> {
    desk: Arc<Desk>,
    wanted: Wanted,
    terms: Terms,
    /// `None` once it is charged.
    payer: Option<P>,
}

trait Payer: Send + 'static {
    /// Gives back what was set aside.
    fn release(&self, desk: &Desk);

    /// Charges a sale with the next number, and orders that and the sale to be written. Returns the sale, and what the client
    /// is told beside it.
    fn charge(&self, desk: &Desk, wanted: &Wanted, terms: &Terms, sold: Sold) -> Charged;
}

struct Charged {
    sale: Sale,
    object: Value,
    written: super::store::Written,
}

impl VoucherTicket {
    pub fn new(desk: Arc<Desk>, key: Key, reserved: Usage, wanted: Wanted, terms: Terms) -> Self {
        Self(Open { desk, wanted, terms, payer: Some(Voucher { key, reserved }) })
    }
}

impl KeyTicket {
    pub fn new(desk: Arc<Desk>, record: Record, reserved: u64, wanted: Wanted, terms: Terms) -> Self {
        Self(Open { desk, wanted, terms, payer: Some(KeyHolder { record, reserved }) })
    }
}

impl BaseTicket {
    pub fn new(desk: Arc<Desk>, record: Record, reserved: u64) -> Self {
        Self { desk, record, reserved: Some(reserved) }
    }
}

impl Drop for BaseTicket {
    fn drop(&mut self) {
        if let Some(reserved) = self.reserved.take() {
            self.desk.state().days.entry(self.record.id.clone()).or_default().release(reserved);
        }
    }
}

#[async_trait]
impl Ticket for BaseTicket {
    async fn settle(mut self: Box<Self>, sold: Sold) -> Result<Settled, Refusal> {
        let Some(reserved) = self.reserved.take() else { return Ok(Settled::default()) };
        let (written, used) = {
            let mut state = self.desk.state();
            let day = state.days.entry(self.record.id.clone()).or_default();
            let used = day.count(reserved, sold.prompt_tokens.into(), sold.answer_tokens.into());
            (self.desk.store.write(vec![Change::Day(self.record.id.clone(), used)]), used)
        };
        written.wait().await.map_err(refused)?;
        let object = json!({
            "operator": self.desk.chain.operator(),
            "key": self.record.id,
            "model": null,
            "price": "0",
            "tokens_today": used.tokens,
            "tokens_per_day": self.record.tokens_per_day,
            "receipt": null,
        });
        Ok(Settled { object: Some(object), header: None })
    }
}

impl<P: Payer> Drop for Open<P> {
    fn drop(&mut self) {
        if let Some(payer) = self.payer.take() {
            payer.release(&self.desk);
        }
    }
}

impl<P: Payer> Open<P> {
    async fn settle(mut self, sold: Sold) -> Result<Settled, Refusal> {
        let Some(payer) = self.payer.take() else { return Ok(Settled::default()) };
        let desk = self.desk.clone();
        let Charged { sale, mut object, written } = payer.charge(&desk, &self.wanted, &self.terms, sold);
        // A client that goes away now must not keep its receipt from being written.
        let settling = tokio::spawn(async move {
            written.wait().await.map_err(refused)?;
            Ok(desk.issue(sale).await)
        });
        let failed = |error: tokio::task::JoinError| Refusal::Unavailable { reason: error.to_string() };
        let issued = settling.await.map_err(failed)??;
        object["receipt"] = issued.as_ref().map_or(Value::Null, |issued| issued.json.clone());
        Ok(Settled { object: Some(object), header: issued.map(|issued| issued.header) })
    }
}

#[async_trait]
impl Ticket for VoucherTicket {
    async fn settle(self: Box<Self>, sold: Sold) -> Result<Settled, Refusal> {
        self.0.settle(sold).await
    }
}

#[async_trait]
impl Ticket for KeyTicket {
    async fn settle(self: Box<Self>, sold: Sold) -> Result<Settled, Refusal> {
        self.0.settle(sold).await
    }
}

impl Payer for Voucher {
    fn release(&self, desk: &Desk) {
        desk.state().book.release(self.key, &self.reserved);
    }

    fn charge(&self, desk: &Desk, wanted: &Wanted, terms: &Terms, sold: Sold) -> Charged {
        let usage = Usage::priced(&terms.offer.prices, sold.prompt_tokens.into(), sold.answer_tokens.into());
        let usage = usage.filter(|usage| usage.fits(&self.reserved)).unwrap_or_else(|| {
            tracing::error!(?sold.prompt_tokens, ?sold.answer_tokens, "more was answered than was paid for");
            self.reserved
        });
        let (mut state, (channel, model)) = (desk.state(), self.key);
        let sale = sale(state.next_sale, wanted, terms, sold, usage.amount);
        let kept = state.book.settle(self.key, &self.reserved, &usage);
        let account = state.book.account(self.key);
        let part = |usage: Option<Usage>| usage.map_or(Value::Null, |usage| usage.json());
        let object = json!({
            "operator": desk.chain.operator(),
            "channel": channel,
            "model": model,
            "sale": sale.number,
            "price": usage.amount.to_string(),
            "used": part(kept.map(|kept| kept.used)),
            "promised": part(kept.map(|kept| kept.promised())),
            "left": part(account.map(|account| account.cover())),
        });
        let changes = kept.map(|kept| Change::Account(self.key, kept)).into_iter().collect();
        let written = state.sell(desk, &sale, changes);
        Charged { sale, object, written }
    }
}

impl Payer for KeyHolder {
    fn release(&self, desk: &Desk) {
        let mut state = desk.state();
        state.days.entry(self.record.id.clone()).or_default().release(self.reserved);
    }

    fn charge(&self, desk: &Desk, wanted: &Wanted, terms: &Terms, sold: Sold) -> Charged {
        let (input, output) = (u64::from(sold.prompt_tokens), u64::from(sold.answer_tokens));
        // Both fitted the numbers when the request was admitted.
        let price = |prices: &tributary_protocol::model::Prices| prices.of(input, output).unwrap_or_default();
        let mut state = desk.state();
        let day = state.days.entry(self.record.id.clone()).or_default();
        let used = day.count(self.reserved, input, output);
        let owed = state.owed.entry(terms.entry.model).or_default();
        owed.input_tokens = owed.input_tokens.saturating_add(input);
        owed.output_tokens = owed.output_tokens.saturating_add(output);
        owed.amount = owed.amount.checked_add(price(&terms.offer.model_prices)).unwrap_or(owed.amount);
        let owed = *owed;
        let sale = sale(state.next_sale, wanted, terms, sold, price(&terms.offer.prices));
        let object = json!({
            "operator": desk.chain.operator(),
            "key": self.record.id,
            "model": sale.model,
            "sale": sale.number,
            "price": sale.price.to_string(),
            "tokens_today": used.tokens,
            "tokens_per_day": self.record.tokens_per_day,
        });
        let changes = vec![Change::Day(self.record.id.clone(), used), Change::Owed(sale.model, owed)];
        let written = state.sell(desk, &sale, changes);
        Charged { sale, object, written }
    }
}

impl KeyDay {
    fn release(&mut self, reserved: u64) {
        self.reserved = self.reserved.saturating_sub(reserved);
    }

    /// Counts what was used of what was set aside, today.
    fn count(&mut self, reserved: u64, input: u64, output: u64) -> super::store::Day {
        self.release(reserved);
        self.turn(super::today().0);
        self.used.tokens = self.used.tokens.saturating_add(input).saturating_add(output);
        self.used
    }
}

impl super::State {
    /// Orders a sale to be written, with what it changes.
    fn sell(&mut self, desk: &Desk, sale: &Sale, mut changes: Vec<Change>) -> super::store::Written {
        let row = super::SaleRow::from(sale);
        self.next_sale = sale.number + 1;
        self.unissued.insert(sale.number, row.clone());
        changes.push(Change::Sale(Box::new(row)));
        desk.store.write(changes)
    }
}

fn sale(number: u64, wanted: &Wanted, terms: &Terms, sold: Sold, price: tributary_protocol::Amount) -> Sale {
    Sale {
        number,
        served: wanted.served.clone(),
        model: terms.entry.model,
        adapter: terms.entry.adapter,
        request: wanted.request,
        sold,
        price,
    }
}
