//! The till: who pays for an answer, by voucher or by key, and what is charged.
//!
//! ```text
//! admit:   check the voucher -> keep it on the disk -> set aside what the answer may cost
//! settle:  charge what it did cost, on the disk -> sign the receipt -> the answer's end goes out
//! ```
//!
//! # Invariants
//! - What is set aside for one request is not there for another: what all requests of an account bought and may still buy is
//!   never more than its newest voucher says.
//! - A voucher is on the disk before anything is given out for it, and a charge before the end of the answer is. So a kill loses
//!   no voucher, and charges nothing twice; what was being answered is not charged.
//! - What is charged has a receipt, at the latest after the next start.

mod account;
mod book;
mod refusals;
mod sale;
mod store;
mod tickets;

pub use account::{Kept, Usage};
pub use book::{Key, prices_json};
#[cfg(test)]
pub use store::failing;
pub use store::{Contents, LedgerError, Owed, Store};

use super::catalogue::{ChainCatalogue, Entry};
use super::chain::OperatorChain;
use super::keys::{KeyRecord, KeyRing};
use super::pulse::Pulse;
use super::receipts::{ReceiptError, Receipts, Sale};
use crate::door::{Admission, Credentials, Refusal, Till, TillHealth, Wanted};
use account::Account;
use async_trait::async_trait;
use book::{Book, Order, Taken};
use refusals::{fault, missing, refused};
use sale::SaleRow;
use schnorrkel::{PublicKey, Signature};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use store::{Change, Day};
use tickets::{BaseTicket, KeyTicket, VoucherTicket};
use tokio::time::timeout;
use tributary_client::Channel;
use tributary_protocol::{Amount, BlockNumber, ChannelId, ModelId, channel::Offer, voucher::SignedVoucher};

/// How long a request waits for the chain, before it is answered from what is known.
const CHAIN_PATIENCE: Duration = Duration::from_secs(5);
/// Most channels that are remembered beside those with accounts.
const CHANNELS_MAX: usize = 10_000;
/// sr25519 signing context of every key that signs vouchers.
const SIGNING_CONTEXT: &[u8] = b"substrate";
const DAY_S: u64 = 86_400;

/// What the till works with.
pub struct DeskParts {
    /// The chain.
    pub chain: Arc<dyn OperatorChain>,
    /// What is served.
    pub catalogue: Arc<ChainCatalogue>,
    /// How long ago the chain was seen.
    pub pulse: Arc<Pulse>,
    /// The keys.
    pub keys: KeyRing,
    /// Who signs receipts; `None`: nobody does, and sales are only counted.
    pub receipts: Option<Arc<dyn Receipts>>,
    /// The ledger.
    pub store: Store,
    /// What lay in it.
    pub contents: Contents,
}

/// An operator's accounts, and all that is done to them. Handles are the API's till, the redeemer, and the operator's pages.
pub struct Desk {
    chain: Arc<dyn OperatorChain>,
    catalogue: Arc<ChainCatalogue>,
    pulse: Arc<Pulse>,
    keys: KeyRing,
    receipts: Option<Arc<dyn Receipts>>,
    store: Store,
    state: Mutex<State>,
    /// Channels as they were at a block.
    channels: Mutex<HashMap<ChannelId, (BlockNumber, Channel)>>,
}

/// What changes. It goes to the disk in the order in which it changes here, because writes are ordered under its lock.
struct State {
    book: Book,
    owed: BTreeMap<ModelId, Owed>,
    days: HashMap<String, KeyDay>,
    next_sale: u64,
    /// Charged, and without a receipt.
    unissued: BTreeMap<u64, SaleRow>,
}

/// A key's use today.
#[derive(Clone, Copy, Debug, Default)]
struct KeyDay {
    used: Day,
    reserved: u64,
}

impl KeyDay {
    /// Begins a new day, if it is one.
    fn turn(&mut self, today: u64) {
        if self.used.day != today {
            self.used = Day { day: today, tokens: 0 };
        }
    }
}

impl Desk {
    /// A desk with what lay in the ledger.
    pub fn new(parts: DeskParts) -> Self {
        let DeskParts { chain, catalogue, pulse, keys, receipts, store, contents } = parts;
        let Contents { accounts, sales, owed, days, next_sale } = contents;
        let state = State {
            book: Book::new(accounts),
            owed: owed.into_iter().collect(),
            days: days.into_iter().map(|(id, used)| (id, KeyDay { used, reserved: 0 })).collect(),
            next_sale,
            unissued: sales.into_iter().map(|row| (row.number, row)).collect(),
        };
        let channels = Mutex::default();
        Self { chain, catalogue, pulse, keys, receipts, store, state: Mutex::new(state), channels }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A channel to this operator, as it is now; as it was last seen where the chain is away.
    async fn channel(&self, id: ChannelId) -> Result<Channel, Refusal> {
        let head = *self.chain.heads().borrow();
        let known = self.channels().get(&id).cloned();
        match known {
            Some((at, channel)) if at == head.number || !self.pulse.is_live(Instant::now()) => return Ok(channel),
            _ => {}
        }
        let asked = timeout(CHAIN_PATIENCE, self.chain.channel(head, id)).await;
        let reason = match asked {
            Ok(Ok(Some(channel))) if channel.operator == self.chain.operator() => {
                self.remember(id, head.number, &channel);
                return Ok(channel);
            }
            Ok(Ok(Some(channel))) => return Err(refusals::other_operator(id, channel.operator)),
            Ok(Ok(None)) => {
                self.channels().remove(&id);
                return Err(refusals::unknown_channel(id));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer".to_owned(),
        };
        let reason = format!("channel {id} cannot be looked up on the chain: {reason}");
        known.map(|(_, channel)| channel).ok_or(Refusal::Unavailable { reason })
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<ChannelId, (BlockNumber, Channel)>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, id: ChannelId, at: BlockNumber, channel: &Channel) {
        let accounts = if self.channels().len() >= CHANNELS_MAX { Some(self.state().book.channels()) } else { None };
        let mut channels = self.channels();
        if let Some(accounts) = accounts {
            channels.retain(|id, _| accounts.binary_search(id).is_ok());
        }
        channels.insert(id, (at, channel.clone()));
    }

    /// A voucher that a channel's key signed for this operator on this chain, with the channel.
    async fn voucher(&self, text: &str) -> Result<(SignedVoucher, Channel), Refusal> {
        let signed: SignedVoucher = text.trim().parse().map_err(refusals::unreadable)?;
        let channel = self.channel(signed.voucher.channel).await?;
        let payload = signed.voucher.payload(self.chain.genesis(), self.chain.operator().0);
        let holds = match (PublicKey::from_bytes(&channel.key), Signature::from_bytes(&signed.signature)) {
            (Ok(key), Ok(signature)) => key.verify_simple(SIGNING_CONTEXT, &payload, &signature).is_ok(),
            _ => false,
        };
        if holds { Ok((signed, channel)) } else { Err(refusals::bad_signature(&channel)) }
    }

    /// The next block, by which vouchers are judged.
    fn now(&self) -> BlockNumber {
        self.pulse.last().block.saturating_add(1)
    }

    async fn admit_voucher(self: &Arc<Self>, text: &str, wanted: Wanted, terms: Terms) -> Result<Admission, Refusal> {
        let (signed, channel) = self.voucher(text).await?;
        let key = (signed.voucher.channel, signed.voucher.model);
        if key.1 != terms.entry.model {
            return Err(refusals::other_model(key.1, terms.entry.model));
        }
        let order = Order {
            prices: terms.offer.prices,
            prompt_tokens: wanted.prompt_tokens,
            answer_tokens_max: wanted.answer_tokens_max,
            choices: wanted.choices,
        };
        let taken = {
            let mut state = self.state();
            match state.book.take(&signed, &channel, self.now()) {
                Ok(Taken::Known) => None,
                Ok(Taken::Changed(kept)) => Some(self.store.write(vec![Change::Account(key, kept)])),
                Err(why) => return Err(fault(why, Some(state.book.quote(key, &channel, order).json(key)))),
            }
        };
        if let Some(written) = taken {
            written.wait().await.map_err(refused)?;
        }
        let reserved = {
            let mut state = self.state();
            let reserved =
                state.book.reserve(key, &channel, order).map_err(|quote| refusals::too_small(&quote, key))?;
            if let Err(blind) = self.pulse.expose(reserved.usage.amount, Instant::now()) {
                state.book.release(key, &reserved.usage);
                return Err(refused(blind));
            }
            reserved
        };
        let ticket = VoucherTicket::new(self.clone(), key, reserved.usage, wanted, terms);
        Ok(Admission { answer_tokens_max: reserved.answer_tokens_max, ticket: Box::new(ticket) })
    }

    fn admit_key(self: &Arc<Self>, key: &str, wanted: Wanted, terms: Terms) -> Result<Admission, Refusal> {
        let record = self.keys.find(key).ok_or_else(refusals::unknown_key)?;
        let set_aside = self.set_aside(&record, &wanted, Some(&terms))?;
        let ticket = KeyTicket::new(self.clone(), record, set_aside.tokens, wanted, terms);
        Ok(Admission { answer_tokens_max: set_aside.answer_tokens_max, ticket: Box::new(ticket) })
    }

    /// The base itself answers holders of keys. Nobody has to be paid for it, so that there is no sale and no receipt.
    fn admit_base(self: &Arc<Self>, who: &Credentials, wanted: Wanted) -> Result<Admission, Refusal> {
        self.store.check().map_err(refused)?;
        let key = who.bearer.as_deref().ok_or_else(refusals::base_without_key)?;
        let record = self.keys.find(key).ok_or_else(|| match who.voucher {
            // Clients of OpenAI's API always send some key: who shows a voucher did not mean to pay by it.
            Some(_) => refusals::base_without_key(),
            None => refusals::unknown_key(),
        })?;
        let set_aside = self.set_aside(&record, &wanted, None)?;
        let ticket = BaseTicket::new(self.clone(), record, set_aside.tokens);
        Ok(Admission { answer_tokens_max: set_aside.answer_tokens_max, ticket: Box::new(ticket) })
    }

    /// Counts a request of a key, and sets aside what it may use of the key's day, and of what is sold without the chain.
    fn set_aside(&self, record: &Record, wanted: &Wanted, terms: Option<&Terms>) -> Result<SetAside, Refusal> {
        let mut answer_tokens_max = wanted.answer_tokens_max;
        let mut state = self.state();
        let day = state.days.entry(record.id.clone()).or_default();
        let (today, left_s) = today();
        day.turn(today);
        if let Some(max) = record.tokens_per_day {
            let left = max.saturating_sub(day.used.tokens).saturating_sub(day.reserved);
            let for_answers = left.checked_sub(wanted.prompt_tokens.into());
            let least = u64::from(wanted.choices.max(1).min(answer_tokens_max));
            match for_answers.filter(|left| *left >= least) {
                Some(left) => answer_tokens_max = answer_tokens_max.min(u32::try_from(left).unwrap_or(u32::MAX)),
                None => return Err(refusals::day_is_over(max, left, left_s)),
            }
        }
        self.keys.count(record, Instant::now()).map_err(|pause| refusals::too_often(record, pause))?;
        if let Some(terms) = terms {
            let usage = Usage::priced(&terms.offer.model_prices, wanted.prompt_tokens.into(), answer_tokens_max.into());
            let amount = usage.map_or(Amount::MAX, |usage| usage.amount);
            self.pulse.expose(amount, Instant::now()).map_err(refused)?;
        }
        let tokens = u64::from(wanted.prompt_tokens) + u64::from(answer_tokens_max);
        day.reserved += tokens;
        Ok(SetAside { answer_tokens_max, tokens })
    }

    /// What would be sold, and at which prices.
    fn terms(&self, wanted: &Wanted) -> Result<Terms, Refusal> {
        let gone = || Refusal::Gone { id: wanted.served.id.clone() };
        self.store.check().map_err(refused)?;
        let model = wanted.served.model.ok_or_else(gone)?;
        let entry = self.catalogue.entry(model).ok_or_else(gone)?;
        let offer = entry.offer(self.pulse.last().block).ok_or_else(|| Refusal::Unavailable {
            reason: format!("the operator has no offer for model {model} at the moment"),
        })?;
        Ok(Terms { entry, offer })
    }

    /// Gives the receipt for a sale. One that cannot be given now is given later, see [`Desk::issue_again`].
    async fn issue(&self, sale: Sale) -> Option<super::receipts::Issued> {
        let number = sale.number;
        let issued = match &self.receipts {
            Some(receipts) => receipts.issue(sale).await,
            None => {
                self.issued(number);
                return None;
            }
        };
        match issued {
            Ok(issued) => {
                self.issued(number);
                Some(issued)
            }
            Err(error @ ReceiptError::Impossible { .. }) => {
                tracing::error!(sale = number, "{error}");
                self.issued(number);
                None
            }
            Err(error) => {
                tracing::error!(sale = number, "{error}; it is tried again");
                None
            }
        }
    }

    fn issued(&self, number: u64) {
        let mut state = self.state();
        state.unissued.remove(&number);
        // If this is lost in a crash, the receipt is asked for again, which gives the same one.
        self.store.write_soon(vec![Change::Issued(number)]);
    }

    /// Gives the receipts that are missing: after a crash, or where giving them failed. Only sales before `before`, so that
    /// those in work are left alone.
    pub async fn issue_again(&self, before: u64) {
        let rows: Vec<SaleRow> = self.state().unissued.range(..before).map(|(_, row)| row.clone()).collect();
        for row in rows {
            self.issue(row.into()).await;
        }
    }

    /// The key that is shown, for what only holders of keys may.
    pub fn key(&self, who: &Credentials) -> Result<Arc<KeyRecord>, Refusal> {
        let key = who.bearer.as_deref().ok_or_else(refusals::key_missing)?;
        self.keys.find(key).ok_or_else(refusals::unknown_key)
    }

    /// The number of the next sale.
    pub fn next_sale(&self) -> u64 {
        self.state().next_sale
    }

    /// Takes a voucher that comes without a request, and says how its account stands.
    pub async fn show(&self, text: &str) -> Result<Value, Refusal> {
        let (signed, channel) = self.voucher(text).await?;
        let key = (signed.voucher.channel, signed.voucher.model);
        let written = {
            let mut state = self.state();
            match state.book.take_exact(&signed, &channel, self.now()) {
                Ok(Taken::Changed(kept)) => Some(self.store.write(vec![Change::Account(key, kept)])),
                // How it stands is the answer to a voucher that says nothing new.
                Ok(Taken::Known) => None,
                Err(book::Fault::Refused(tributary_protocol::voucher::VoucherRefusal::Stale)) => None,
                Err(why) => return Err(fault(why, None)),
            }
        };
        if let Some(written) = written {
            written.wait().await.map_err(refused)?;
        }
        let state = self.state();
        let paid = Usage::from(&channel.paid_for(key.1));
        let (used, promised, least, left) = match state.book.account(key) {
            Some(account) => {
                let Kept { newest, least, used } = account.kept();
                let [newest, least] = [newest, least].map(|signed| Usage::from(&signed.voucher));
                (*used, newest, least, account.cover())
            }
            None => (paid, paid, paid, Usage::default()),
        };
        Ok(json!({
            "object": "tributary.account",
            "channel": key.0,
            "model": key.1,
            "used": used.json(),
            "promised": promised.json(),
            "redeems": least.json(),
            "redeemed": paid.json(),
            "left": left.json(),
        }))
    }

    /// Whether anything is sold at the moment, and what that hangs on.
    pub fn health(&self) -> Value {
        let (now, last, limits) = (Instant::now(), self.pulse.last(), self.pulse.limits());
        let age = now.saturating_duration_since(last.seen);
        let (unissued, next_sale) = {
            let state = self.state();
            (state.unissued.len(), state.next_sale)
        };
        let blind = self.pulse.expose(0, now).err().map(|blind| blind.to_string());
        let reason = self.store.check().err().map(|error| error.to_string()).or(blind);
        json!({
            "sells": reason.is_none(),
            "reason": reason,
            "block": last.block,
            "block_seen_s_ago": age.as_secs(),
            "without_chain": {
                "seconds_max": limits.time.as_secs(),
                "amount_max": limits.amount.to_string(),
                "sold": last.sold.to_string(),
            },
            "sales": next_sale,
            "sales_without_receipt": unissued,
        })
    }

    /// The ledger is written, and nothing more will be.
    pub async fn flush(&self) -> Result<(), LedgerError> {
        self.store.write(Vec::new()).wait().await
    }
}

/// What was set aside of a key's day.
struct SetAside {
    answer_tokens_max: u32,
    tokens: u64,
}

/// What is sold, and at which prices.
pub(super) struct Terms {
    entry: Arc<Entry>,
    offer: Offer,
}

/// The till of an operator.
#[derive(Clone)]
pub struct OperatorTill(pub Arc<Desk>);

#[async_trait]
impl Till for OperatorTill {
    async fn admit(&self, credentials: &Credentials, wanted: Wanted) -> Result<Admission, Refusal> {
        if wanted.served.adapter.is_none() {
            return self.0.admit_base(credentials, wanted);
        }
        let terms = self.0.terms(&wanted)?;
        self.0.pulse.expose(0, Instant::now()).map_err(refused)?;
        match (&credentials.voucher, &credentials.bearer) {
            // Clients of OpenAI's API always send some key, so that the voucher counts where there is one.
            (Some(voucher), _) => self.0.admit_voucher(voucher, wanted, terms).await,
            (None, Some(key)) => self.0.admit_key(key, wanted, terms),
            (None, None) => Err(missing()),
        }
    }

    async fn recognise(&self, credentials: &Credentials) -> Result<(), Refusal> {
        match (&credentials.voucher, &credentials.bearer) {
            (Some(voucher), _) => self.0.voucher(voucher).await.map(|_| ()),
            (None, Some(key)) => self.0.keys.find(key).map(|_| ()).ok_or_else(refusals::unknown_key),
            (None, None) => Err(missing()),
        }
    }

    fn health(&self) -> TillHealth {
        let details = self.0.health();
        TillHealth { sells: details["sells"] == true, details: Some(details) }
    }
}

/// Today, counted from 1970 in UTC, and how many seconds are left of it.
fn today() -> (u64, u64) {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    (now_s / DAY_S, DAY_S - now_s % DAY_S)
}

/// The key's record, for tickets.
type Record = Arc<KeyRecord>;

/// What the redeemer does with the accounts.
impl Desk {
    /// The chain.
    pub fn chain(&self) -> &Arc<dyn OperatorChain> {
        &self.chain
    }

    /// The catalogue.
    pub fn catalogue(&self) -> &Arc<ChainCatalogue> {
        &self.catalogue
    }

    /// How long ago the chain was seen.
    pub(super) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// The channels that have accounts.
    pub(super) fn account_channels(&self) -> Vec<ChannelId> {
        self.state().book.channels()
    }

    /// The accounts of a channel.
    pub(super) fn accounts(&self, channel: ChannelId) -> Vec<(ModelId, Kept)> {
        self.state().book.of_channel(channel).map(|(model, account): (_, &Account)| (model, *account.kept())).collect()
    }

    /// A channel was read at a block: `None` if it has ended, and its accounts are forgotten.
    pub(super) async fn channel_seen(
        &self,
        id: ChannelId,
        at: BlockNumber,
        channel: Option<&Channel>,
    ) -> Result<(), LedgerError> {
        match channel {
            Some(channel) => {
                self.remember(id, at, channel);
                Ok(())
            }
            None => {
                self.channels().remove(&id);
                let written = {
                    let mut state = self.state();
                    state.book.forget(id);
                    self.store.write(vec![Change::Forget(id)])
                };
                written.wait().await
            }
        }
    }

    /// What is owed to models for holders of keys.
    pub(super) fn owed(&self) -> Vec<(ModelId, Owed)> {
        self.state().owed.iter().map(|(model, owed)| (*model, *owed)).collect()
    }

    /// Changes what is owed to a model, and waits until that is on the disk.
    pub(super) async fn change_owed(
        &self,
        model: ModelId,
        change: impl FnOnce(&mut Owed),
    ) -> Result<Owed, LedgerError> {
        let (owed, written) = {
            let mut state = self.state();
            let owed = state.owed.entry(model).or_default();
            change(owed);
            let owed = *owed;
            (owed, self.store.write(vec![Change::Owed(model, owed)]))
        };
        written.wait().await?;
        Ok(owed)
    }
}
