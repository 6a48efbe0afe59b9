//! The accounts of all channels, and what each voucher adds to them. Pure: no disk, no clock, no chain.

use super::account::{Account, Kept, Usage, affordable};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tributary_client::Channel;
use tributary_protocol::{
    Amount, BlockNumber, ChannelId, ModelId,
    channel::{CHANNEL_MODELS_MAX, ChannelState},
    model::Prices,
    voucher::{SignedVoucher, Voucher, VoucherRefusal},
};

/// An account's name: who pays, and for what.
pub type Key = (ChannelId, ModelId);

/// The accounts of all channels.
#[derive(Clone, Debug, Default)]
pub struct Book {
    accounts: BTreeMap<Key, Account>,
}

/// What became of an account when a voucher was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it is looked at where it is made, and kept nowhere")]
pub enum Taken {
    /// Nothing: the voucher is known, or says what was paid already.
    Known,
    /// This, which has to be kept before anything is sold for it.
    Changed(Kept),
}

/// Why a voucher is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The channel is closing: what was sold is paid, nothing more is sold.
    Closing,
    /// The chain would not pay it.
    Refused(VoucherRefusal),
}

impl From<VoucherRefusal> for Fault {
    fn from(refusal: VoucherRefusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What is to be sold at which prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Prices per 1,000 tokens.
    pub prices: Prices,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Most tokens of all answers together.
    pub answer_tokens_max: u32,
    /// How many answers share them.
    pub choices: u32,
}

/// What was set aside for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Most tokens of all answers together.
    pub answer_tokens_max: u32,
    /// What they would cost, with the prompt.
    pub usage: Usage,
}

/// What a voucher would have to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// What is to be sold.
    pub order: Order,
    /// What the newest voucher says.
    pub promised: Usage,
    /// What was sold, and what is set aside for other requests.
    pub bound: Usage,
    /// For an answer of one token; `None` if that is too large a number.
    pub least: Option<Usage>,
    /// For the whole answer.
    pub whole: Option<Usage>,
}

impl Quote {
    fn new(order: Order, promised: Usage, bound: Usage) -> Self {
        // A voucher never says less than the one before, in no part: the chain would not take it.
        let voucher = |answer_tokens: u32| {
            let wanted = Usage::priced(&order.prices, order.prompt_tokens.into(), answer_tokens.into())?;
            Some(bound.plus(&wanted)?.or_more(&promised))
        };
        let (least, whole) = (voucher(order.answer_tokens_least()), voucher(order.answer_tokens_max));
        Self { order, promised, bound, least, whole }
    }

    /// For clients.
    pub fn json(&self, (channel, model): Key) -> Value {
        let Order { prices, prompt_tokens, answer_tokens_max, .. } = self.order;
        json!({
            "channel": channel,
            "model": model,
            "prompt_tokens": prompt_tokens,
            "answer_tokens_max": answer_tokens_max,
            "prices": prices_json(&prices),
            "promised": self.promised.json(),
            "used": self.bound.json(),
            "voucher_least": self.least.map(|usage| usage.json()),
            "voucher_whole": self.whole.map(|usage| usage.json()),
        })
    }
}

/// Prices for clients.
pub fn prices_json(prices: &Prices) -> Value {
    let Prices { input_per_1000, output_per_1000 } = prices;
    json!({ "input_per_1000": input_per_1000.to_string(), "output_per_1000": output_per_1000.to_string() })
}

impl Order {
    /// The least that is worth beginning for: a token of each answer, if so many are wanted.
    fn answer_tokens_least(&self) -> u32 {
        self.choices.max(1).min(self.answer_tokens_max)
    }
}

impl Book {
    /// The accounts as they lay on the disk.
    pub fn new(kept: impl IntoIterator<Item = (Key, Kept)>) -> Self {
        Self { accounts: kept.into_iter().map(|(key, kept)| (key, Account::new(kept))).collect() }
    }

    /// An account.
    pub fn account(&self, key: Key) -> Option<&Account> {
        self.accounts.get(&key)
    }

    /// The accounts of a channel, by model.
    pub fn of_channel(&self, channel: ChannelId) -> impl Iterator<Item = (ModelId, &Account)> {
        let range = (channel, ModelId(0))..=(channel, ModelId(u64::MAX));
        self.accounts.range(range).map(|((_, model), account)| (*model, account))
    }

    /// The channels that have accounts, ascending.
    pub fn channels(&self) -> Vec<ChannelId> {
        let mut channels: Vec<_> = self.accounts.keys().map(|(channel, _)| *channel).collect();
        channels.dedup();
        channels
    }

    /// Takes the voucher that a request shows, of which channel, operator and signature were checked; `now` is the next block.
    /// It is the newest one again, or says more than the newest in money, and not less in tokens.
    pub fn take(&mut self, signed: &SignedVoucher, channel: &Channel, now: BlockNumber) -> Result<Taken, Fault> {
        if channel.state != ChannelState::Open {
            return Err(Fault::Closing);
        }
        let (key, says) = ((signed.voucher.channel, signed.voucher.model), Usage::from(&signed.voucher));
        let paid = Usage::from(&channel.paid_for(signed.voucher.model));
        self.catch_up(key, &paid);
        let promised = self.accounts.get(&key).map_or(paid, |account| account.kept().promised());
        if says == promised {
            return Ok(Taken::Known);
        }
        if says.amount <= promised.amount {
            return Err(VoucherRefusal::Stale.into());
        }
        if !promised.fits(&says) {
            return Err(VoucherRefusal::TokensTakenBack.into());
        }
        channel.due(&signed.voucher, now)?;
        self.check_together(signed, channel)?;
        // Whatever was paid was sold, even if this book does not know of it: it may be younger than the channel.
        let fresh = Kept { newest: *signed, least: *signed, used: paid };
        let account = self.accounts.entry(key).or_insert_with(|| Account::new(fresh));
        account.renew(*signed);
        Ok(Taken::Changed(*account.kept()))
    }

    /// Lets an account know what its channel has paid, where that is more than was ever promised here: the book is a copy from
    /// before. Not while answers are being given, which such a book begins without.
    fn catch_up(&mut self, key: Key, paid: &Usage) {
        if let Some(account) = self.accounts.get_mut(&key)
            && account.kept().promised().amount < paid.amount
            && account.bound() == account.kept().used
        {
            let (channel, model) = key;
            let Usage { input_tokens, output_tokens, amount } = *paid;
            // Nobody signed it here, and nobody needs to: it is paid already.
            let voucher = Voucher { channel, model, input_tokens, output_tokens, amount };
            let redeemed = SignedVoucher { voucher, signature: [0; 64] };
            *account = Account::new(Kept { newest: redeemed, least: redeemed, used: *paid });
        }
    }

    /// Takes a voucher by which the app says what it owes by now, and no more: redeemed instead of a newer one that promised
    /// more. A newer one is taken as [`Self::take`] does. Also while the channel is closing.
    pub fn take_exact(&mut self, signed: &SignedVoucher, channel: &Channel, now: BlockNumber) -> Result<Taken, Fault> {
        let key = (signed.voucher.channel, signed.voucher.model);
        let says = Usage::from(&signed.voucher);
        match self.accounts.get_mut(&key) {
            Some(account) if says == account.kept().promised() => Ok(Taken::Known),
            Some(account) if says.amount < account.kept().promised().amount => {
                channel.due(&signed.voucher, now)?;
                if account.lower(*signed) {
                    Ok(Taken::Changed(*account.kept()))
                } else {
                    Err(VoucherRefusal::Stale.into())
                }
            }
            _ => self.take(signed, channel, now),
        }
    }

    /// Whether the channel holds what all its models' vouchers say, with this one, and has room for its model.
    fn check_together(&self, signed: &SignedVoucher, channel: &Channel) -> Result<(), VoucherRefusal> {
        let mut models: BTreeMap<ModelId, Amount> = BTreeMap::new();
        models.extend(channel.paid.iter().map(|paid| (paid.model, paid.amount)));
        for (model, account) in self.of_channel(signed.voucher.channel) {
            let amount = models.entry(model).or_default();
            *amount = account.kept().promised().amount.max(*amount);
        }
        models.insert(signed.voucher.model, signed.voucher.amount);
        let all = models.values().try_fold(Amount::default(), |sum, amount| sum.checked_add(*amount));
        if all.is_none_or(|all| all > channel.funded) {
            return Err(VoucherRefusal::Overdrawn);
        }
        if models.len() > CHANNEL_MODELS_MAX as usize {
            return Err(VoucherRefusal::TooManyModels);
        }
        Ok(())
    }

    /// What a voucher would have to say for the order.
    pub fn quote(&self, key: Key, channel: &Channel, order: Order) -> Quote {
        match self.accounts.get(&key) {
            Some(account) => Quote::new(order, account.kept().promised(), account.bound()),
            None => {
                let paid = Usage::from(&channel.paid_for(key.1));
                Quote::new(order, paid, paid)
            }
        }
    }

    /// Sets aside what the order costs, or as much of its answer as is paid for. If that is not a token of each answer: what a
    /// voucher would have to say.
    pub fn reserve(&mut self, key: Key, channel: &Channel, order: Order) -> Result<Reserved, Box<Quote>> {
        let short = self.quote(key, channel, order);
        let account = self.accounts.get_mut(&key);
        let Some(account) = account else { return Err(Box::new(short)) };
        let Order { prices, prompt_tokens, answer_tokens_max, .. } = order;
        let tokens = affordable(&account.cover(), &prices, prompt_tokens, answer_tokens_max);
        let tokens = tokens.filter(|tokens| *tokens >= order.answer_tokens_least());
        let usage = tokens.and_then(|tokens| Usage::priced(&prices, prompt_tokens.into(), tokens.into()));
        match (tokens, usage) {
            (Some(answer_tokens_max), Some(usage)) if account.reserve(&usage) => {
                Ok(Reserved { answer_tokens_max, usage })
            }
            _ => Err(Box::new(short)),
        }
    }

    /// Gives back what was set aside.
    pub fn release(&mut self, key: Key, reserved: &Usage) {
        // An account whose channel ended meanwhile is gone.
        if let Some(account) = self.accounts.get_mut(&key) {
            account.release(reserved);
        }
    }

    /// Sells `sold` of what was set aside; returns the account as it has to be kept. `None` if its channel has ended meanwhile.
    pub fn settle(&mut self, key: Key, reserved: &Usage, sold: &Usage) -> Option<Kept> {
        let account = self.accounts.get_mut(&key)?;
        account.settle(reserved, sold);
        Some(*account.kept())
    }

    /// Forgets a channel that has ended.
    pub fn forget(&mut self, channel: ChannelId) {
        self.accounts.retain(|(own, _), _| *own != channel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tributary_client::Account as Person;

    const CHANNEL: ChannelId = ChannelId(1);
    const PRICES: Prices = Prices { input_per_1000: 1_000, output_per_1000: 2_500 };

    fn channel(funded: Amount) -> Channel {
        Channel {
            app: Person([1; 32]),
            operator: Person([2; 32]),
            key: [3; 32],
            funded,
            redeemed: 0,
            paid: Vec::new().try_into().unwrap(),
            state: ChannelState::Open,
            deposit: 0,
            opened_at: 0,
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// A voucher is shown with a request.
        Show { model: u64, input: u64, output: u64, amount: u128 },
        /// A voucher is shown alone.
        Exact { model: u64, less: u128 },
        /// Something is asked for.
        Ask { model: u64, prompt: u32, answer: u32, choices: u32 },
        /// An answer is complete, or the client went away.
        Answer { which: usize, tokens: u32 },
        /// The client was never there.
        Drop { which: usize },
        /// The operator redeems what it holds for a model.
        Redeem { model: u64 },
        /// The process is killed.
        Kill,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u64..3, 0u64..60, 0u64..60, 0u128..200).prop_map(|(model, input, output, amount)| {
                Step::Show { model, input, output, amount }
            }),
            2 => (0u64..3, 0u128..50).prop_map(|(model, less)| Step::Exact { model, less }),
            6 => (0u64..3, 0u32..12, 0u32..20, 1u32..3).prop_map(|(model, prompt, answer, choices)| {
                Step::Ask { model, prompt, answer, choices }
            }),
            6 => (0usize..8, 0u32..20).prop_map(|(which, tokens)| Step::Answer { which, tokens }),
            2 => (0usize..8).prop_map(|which| Step::Drop { which }),
            2 => (0u64..3).prop_map(|model| Step::Redeem { model }),
            1 => Just(Step::Kill),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn whatever_happens_in_any_order_no_more_is_sold_than_is_covered(
            steps in prop::collection::vec(step(), 0..60),
            funded in 0u128..400,
        ) {
            let mut chain = channel(funded);
            let mut book = Book::default();
            // What is on the disk, what is being answered, and what was really given out.
            let mut disk: BTreeMap<Key, Kept> = BTreeMap::new();
            let mut open: Vec<(Key, Order, Reserved)> = Vec::new();
            let mut given: BTreeMap<Key, Usage> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Show { model, input, output, amount } => {
                        let voucher = Voucher {
                            channel: CHANNEL, model: ModelId(model), input_tokens: input, output_tokens: output, amount,
                        };
                        let signed = SignedVoucher { voucher, signature: [0; 64] };
                        if let Ok(Taken::Changed(kept)) = book.take(&signed, &chain, 1) {
                            disk.insert((CHANNEL, ModelId(model)), kept);
                        }
                    }
                    Step::Exact { model, less } => {
                        let key = (CHANNEL, ModelId(model));
                        let Some(account) = book.account(key) else { continue };
                        let used = account.kept().used;
                        let amount = account.kept().newest.voucher.amount.saturating_sub(less);
                        let voucher = Voucher {
                            channel: CHANNEL, model: ModelId(model), input_tokens: used.input_tokens,
                            output_tokens: used.output_tokens, amount,
                        };
                        let signed = SignedVoucher { voucher, signature: [0; 64] };
                        if let Ok(Taken::Changed(kept)) = book.take_exact(&signed, &chain, 1) {
                            disk.insert(key, kept);
                        }
                    }
                    Step::Ask { model, prompt, answer, choices } => {
                        let key = (CHANNEL, ModelId(model));
                        let order =
                            Order { prices: PRICES, prompt_tokens: prompt, answer_tokens_max: answer, choices };
                        match book.reserve(key, &chain, order) {
                            Ok(reserved) => {
                                prop_assert!(reserved.answer_tokens_max <= answer);
                                open.push((key, order, reserved));
                            }
                            // The quote would do, if the channel held it.
                            Err(quote) => {
                                let whole = quote.whole.unwrap();
                                prop_assert!(quote.promised.fits(&whole));
                                prop_assert!(!whole.fits(&quote.promised) || quote.order.answer_tokens_max == 0);
                            }
                        }
                    }
                    Step::Answer { which, tokens } => {
                        if open.is_empty() { continue }
                        let (key, order, reserved) = open.remove(which % open.len());
                        let tokens = tokens.min(reserved.answer_tokens_max);
                        let sold = Usage::priced(&PRICES, order.prompt_tokens.into(), tokens.into()).unwrap();
                        let kept = book.settle(key, &reserved.usage, &sold).unwrap();
                        disk.insert(key, kept);
                        let all = given.entry(key).or_default();
                        *all = all.plus(&sold).unwrap();
                    }
                    Step::Drop { which } => {
                        if open.is_empty() { continue }
                        let (key, _, reserved) = open.remove(which % open.len());
                        book.release(key, &reserved.usage);
                    }
                    Step::Redeem { model } => {
                        if let Some(account) = book.account((CHANNEL, ModelId(model))) {
                            let _ = chain.redeem(&account.kept().least.voucher, 1);
                        }
                    }
                    Step::Kill => {
                        open.clear();
                        book = Book::new(disk.iter().map(|(key, kept)| (*key, *kept)));
                    }
                }
                let mut promised: Amount = 0;
                for (model, account) in book.of_channel(CHANNEL) {
                    let key = (CHANNEL, model);
                    let kept = account.kept();
                    // Never more than the newest voucher says, in no part; and the one that is redeemed pays for all of it.
                    prop_assert!(account.bound().fits(&kept.promised()));
                    prop_assert!(kept.used.fits(&Usage::from(&kept.least.voucher)));
                    prop_assert!(Usage::from(&kept.least.voucher).fits(&kept.promised()));
                    // What is charged is what was given out: nothing twice, nothing lost.
                    prop_assert_eq!(kept.used, given.get(&key).copied().unwrap_or_default());
                    prop_assert_eq!(disk.get(&key), Some(kept));
                    promised += kept.promised().amount;
                }
                prop_assert!(promised <= funded, "all models together: {} of {}", promised, funded);
                // Whatever is kept can be redeemed, in any order.
                let mut chain = chain.clone();
                for (_, account) in book.of_channel(CHANNEL) {
                    let least = account.kept().least.voucher;
                    if least.amount > chain.paid_for(least.model).amount {
                        prop_assert!(chain.redeem(&least, 1).is_ok());
                    }
                }
            }
        }
    }
}
