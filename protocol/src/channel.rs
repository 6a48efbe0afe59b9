//! Payment channels: what an app has prepaid to a serving operator, what of it was paid, and when it ends.
//!
//! The app puts money into the channel once, and signs a voucher with each answer ([`crate::voucher`]). A voucher says what
//! all answers of one model so far have cost, so the operator needs to keep only the newest of each model, and redeems them
//! whenever it likes. Whatever an operator holds, all models of a channel together are never paid more than was put in.

use crate::{
    amount::{Amount, BlockNumber},
    ids::{ChannelId, ModelId},
    model::Prices,
    voucher::{Voucher, VoucherRefusal},
};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use primitive_types::U256;
use scale_info::TypeInfo;

/// Most models that one channel pays for. More need another channel.
pub const CHANNEL_MODELS_MAX: u32 = 16;

/// Tokens that a price is for.
const PRICED_TOKENS: u32 = 1_000;

impl Prices {
    /// What so many tokens cost, rounded up to the smallest unit; `None` if it is too large a number.
    pub fn of(&self, input_tokens: u64, output_tokens: u64) -> Option<Amount> {
        // 128 bits times 64 bits fit twice into 256 bits.
        let input = U256::from(self.input_per_1000).checked_mul(input_tokens.into())?;
        let output = U256::from(self.output_per_1000).checked_mul(output_tokens.into())?;
        let thousandths = input.checked_add(output)?;
        let up = U256::from(PRICED_TOKENS.saturating_sub(1));
        thousandths.checked_add(up)?.checked_div(PRICED_TOKENS.into())?.try_into().ok()
    }

    /// Whether no kind of token is cheaper here than there.
    pub fn covers(&self, other: &Self) -> bool {
        self.input_per_1000 >= other.input_per_1000 && self.output_per_1000 >= other.output_per_1000
    }
}

/// An operator's offer to answer with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Offer {
    /// What the operator asks of apps, the model's own price included.
    pub prices: Prices,
    /// What of it is the model's: what the model cost when the offer was made. Holds until the offer ends, whatever the
    /// model's owner asks meanwhile.
    pub model_prices: Prices,
    /// The last block in which it holds.
    pub until: BlockNumber,
    /// What the operator has on hold for this record.
    pub deposit: Amount,
}

/// Whether a channel takes new money and vouchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum ChannelState {
    /// Until somebody closes it.
    Open,
    /// The app wants its money back.
    Closing {
        /// The last block in which the operator may redeem.
        until: BlockNumber,
    },
}

/// What a channel has paid for one model.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Paid {
    /// The model.
    pub model: ModelId,
    /// Tokens of all requests, as the newest redeemed voucher counts them.
    pub input_tokens: u64,
    /// Tokens of all answers.
    pub output_tokens: u64,
    /// What they cost.
    pub amount: Amount,
}

/// A prepaid channel from an app to a serving operator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Channel<AccountId> {
    /// Who pays, and has what is not redeemed on hold.
    pub app: AccountId,
    /// Who answers, and redeems.
    pub operator: AccountId,
    /// The sr25519 key that signs vouchers. It can spend what the channel holds, with this operator, and nothing else.
    pub key: [u8; 32],
    /// All that was put in.
    pub funded: Amount,
    /// What of it was redeemed: the sum over [`Self::paid`].
    pub redeemed: Amount,
    /// What was paid for each model, in ascending order of the models.
    pub paid: BoundedVec<Paid, ConstU32<CHANNEL_MODELS_MAX>>,
    /// Whether it goes on.
    pub state: ChannelState,
    /// What the app has on hold for this record.
    pub deposit: Amount,
    /// When it was opened.
    pub opened_at: BlockNumber,
}

/// What a voucher adds to what the channel has paid for its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Due {
    /// Tokens of requests.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// What they cost. Above 0.
    pub amount: Amount,
}

impl Due {
    /// What of the amount is the model's at these prices, and what is left for the operator. They sum to the amount; where
    /// the model's price is above it, all is the model's.
    pub fn divide(&self, model_prices: &Prices) -> (Amount, Amount) {
        let price = model_prices.of(self.input_tokens, self.output_tokens).unwrap_or(Amount::MAX);
        let model = price.min(self.amount);
        (model, self.amount.saturating_sub(model))
    }
}

impl<AccountId> Channel<AccountId> {
    /// What is left to redeem.
    pub fn left(&self) -> Amount {
        // `redeem` never lets more out than came in.
        self.funded.saturating_sub(self.redeemed)
    }

    /// What was paid for a model so far.
    pub fn paid_for(&self, model: ModelId) -> Paid {
        match self.place(model) {
            Ok(place) => self.paid.get(place).copied().unwrap_or(Paid { model, ..Paid::default() }),
            Err(_) => Paid { model, ..Paid::default() },
        }
    }

    /// What a voucher of this channel would newly pay in block `now`; why not, if it would not. The most telling refusal
    /// comes first. Signature and operator are the caller's to check: see [`Voucher::payload`].
    pub fn due(&self, voucher: &Voucher, now: BlockNumber) -> Result<Due, VoucherRefusal> {
        if let ChannelState::Closing { until } = self.state
            && now > until
        {
            return Err(VoucherRefusal::WindowOver);
        }
        let paid = self.paid_for(voucher.model);
        let amount = voucher.amount.checked_sub(paid.amount).filter(|due| *due > 0).ok_or(VoucherRefusal::Stale)?;
        let tokens = |now: u64, before: u64| now.checked_sub(before).ok_or(VoucherRefusal::TokensTakenBack);
        let due = Due {
            input_tokens: tokens(voucher.input_tokens, paid.input_tokens)?,
            output_tokens: tokens(voucher.output_tokens, paid.output_tokens)?,
            amount,
        };
        if amount > self.left() {
            return Err(VoucherRefusal::Overdrawn);
        }
        if self.place(voucher.model).is_err() && self.paid.is_full() {
            return Err(VoucherRefusal::TooManyModels);
        }
        Ok(due)
    }

    /// Takes a voucher: notes that it is paid, and returns what it newly pays. Changes nothing if it is refused.
    pub fn redeem(&mut self, voucher: &Voucher, now: BlockNumber) -> Result<Due, VoucherRefusal> {
        let due = self.due(voucher, now)?;
        let Voucher { model, input_tokens, output_tokens, amount, .. } = *voucher;
        let paid = Paid { model, input_tokens, output_tokens, amount };
        let redeemed = self.redeemed.checked_add(due.amount).ok_or(VoucherRefusal::Overdrawn)?;
        match self.place(model) {
            Ok(place) => {
                if let Some(line) = self.paid.get_mut(place) {
                    *line = paid;
                }
            }
            Err(place) => self.paid.try_insert(place, paid).map_err(|_| VoucherRefusal::TooManyModels)?,
        }
        self.redeemed = redeemed;
        Ok(due)
    }

    /// Where a model's line is, or would be.
    fn place(&self, model: ModelId) -> Result<usize, usize> {
        self.paid.binary_search_by_key(&model, |paid| paid.model)
    }
}

/// A channel with its number, as pages return it.
pub type NumberedChannel<AccountId> = (ChannelId, Channel<AccountId>);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn channel(funded: Amount) -> Channel<u8> {
        Channel {
            app: 1,
            operator: 2,
            key: [3; 32],
            funded,
            redeemed: 0,
            paid: BoundedVec::new(),
            state: ChannelState::Open,
            deposit: 0,
            opened_at: 0,
        }
    }

    fn voucher(model: u64, tokens: u64, amount: Amount) -> Voucher {
        Voucher {
            channel: ChannelId(0),
            model: ModelId(model),
            input_tokens: tokens,
            output_tokens: 2 * tokens,
            amount,
        }
    }

    #[test]
    fn prices_round_up_once() {
        let prices = Prices { input_per_1000: 1, output_per_1000: 999 };
        assert_eq!(prices.of(0, 0), Some(0));
        assert_eq!(prices.of(1, 0), Some(1));
        assert_eq!(prices.of(1, 1), Some(1));
        assert_eq!(prices.of(2, 1), Some(2));
        assert_eq!(prices.of(1_000, 1_000), Some(1_000));
        let dear = Prices { input_per_1000: Amount::MAX, output_per_1000: Amount::MAX };
        assert_eq!(dear.of(500, 500), Some(Amount::MAX));
        assert_eq!(dear.of(501, 500), None);
        assert_eq!(dear.of(u64::MAX, u64::MAX), None);
    }

    #[test]
    fn a_price_covers_another_only_in_both_parts() {
        let prices = |input_per_1000, output_per_1000| Prices { input_per_1000, output_per_1000 };
        assert!(prices(2, 3).covers(&prices(2, 3)));
        assert!(!prices(1, 9).covers(&prices(2, 3)));
        assert!(!prices(9, 2).covers(&prices(2, 3)));
    }

    #[test]
    fn the_model_is_paid_first() {
        let prices = Prices { input_per_1000: 1_000, output_per_1000: 2_000 };
        let due = |amount| Due { input_tokens: 10, output_tokens: 20, amount };
        assert_eq!(due(80).divide(&prices), (50, 30));
        assert_eq!(due(50).divide(&prices), (50, 0));
        assert_eq!(due(49).divide(&prices), (49, 0));
        let dear = Prices { input_per_1000: Amount::MAX, output_per_1000: Amount::MAX };
        let all = Due { input_tokens: u64::MAX, output_tokens: u64::MAX, amount: 7 };
        assert_eq!(all.divide(&dear), (7, 0));
    }

    #[test]
    fn vouchers_pay_the_difference_and_old_ones_nothing() {
        let mut channel = channel(100);
        assert_eq!(channel.redeem(&voucher(5, 1, 30), 9).unwrap().amount, 30);
        let due = channel.redeem(&voucher(5, 3, 40), 9).unwrap();
        assert_eq!(due, Due { input_tokens: 2, output_tokens: 4, amount: 10 });
        for stale in [voucher(5, 3, 40), voucher(5, 1, 30), voucher(5, 4, 40), voucher(6, 1, 0)] {
            assert_eq!(channel.due(&stale, 9), Err(VoucherRefusal::Stale));
        }
        assert_eq!(channel.due(&voucher(5, 2, 41), 9), Err(VoucherRefusal::TokensTakenBack));
        assert_eq!((channel.redeemed, channel.left()), (40, 60));
    }

    #[test]
    fn all_models_together_get_no_more_than_was_put_in() {
        let mut channel = channel(100);
        channel.redeem(&voucher(5, 1, 60), 9).unwrap();
        let before = channel.clone();
        assert_eq!(channel.redeem(&voucher(4, 1, 41), 9), Err(VoucherRefusal::Overdrawn));
        assert_eq!(channel, before);
        channel.redeem(&voucher(4, 1, 40), 9).unwrap();
        assert_eq!(channel.paid.iter().map(|paid| paid.model.0).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(channel.due(&voucher(4, 1, Amount::MAX), 9), Err(VoucherRefusal::Overdrawn));
    }

    #[test]
    fn a_closing_channel_pays_until_its_window_ends() {
        let channel = Channel { state: ChannelState::Closing { until: 20 }, ..channel(100) };
        assert!(channel.due(&voucher(5, 1, 1), 20).is_ok());
        assert_eq!(channel.due(&voucher(5, 1, 1), 21), Err(VoucherRefusal::WindowOver));
    }

    #[test]
    fn a_channel_pays_for_so_many_models_and_no_more() {
        let mut channel = channel(100);
        for model in (0..u64::from(CHANNEL_MODELS_MAX)).rev() {
            channel.redeem(&voucher(2 * model, 1, 1), 9).unwrap();
        }
        assert_eq!(channel.redeem(&voucher(3, 1, 1), 9), Err(VoucherRefusal::TooManyModels));
        assert!(channel.redeem(&voucher(4, 1, 2), 9).is_ok());
    }

    proptest! {
        #[test]
        fn any_order_of_vouchers_pays_each_models_largest(
            drawn in prop::collection::vec((0u64..5, 0u64..9, 0u128..60), 0..40),
            funded in 0u128..200,
        ) {
            let mut channel = channel(funded);
            let mut largest: BTreeMap<u64, Amount> = BTreeMap::new();
            let mut paid_out = 0;
            for (model, tokens, amount) in drawn {
                if let Ok(due) = channel.redeem(&voucher(model, tokens, amount), 0) {
                    paid_out += due.amount;
                    prop_assert!(largest.insert(model, amount).unwrap_or_default() < amount);
                }
            }
            prop_assert_eq!(paid_out, largest.values().sum::<Amount>());
            prop_assert_eq!(paid_out, channel.redeemed);
            prop_assert!(paid_out <= funded);
            prop_assert!(channel.paid.is_sorted_by(|a, b| a.model < b.model));
        }
    }
}
