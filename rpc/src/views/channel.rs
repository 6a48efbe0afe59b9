//! Payment channels, offers and vouchers as JSON.

use super::{AmountText, HashText, PricesView};
use serde::{Deserialize, Serialize};
use sp_runtime::AccountId32;
use tributary_protocol::{
    BlockNumber, ChannelId, ContentHash, ModelId,
    channel::{Channel, ChannelState, Due, Offer, Paid},
    voucher::{Voucher, VoucherRefusal},
};

/// A payment channel.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::channel::Channel")]
pub struct ChannelView {
    pub id: ChannelId,
    pub app: AccountId32,
    pub operator: AccountId32,
    /// The sr25519 public key that signs vouchers.
    pub key: HashText,
    pub funded: AmountText,
    pub redeemed: AmountText,
    /// What is left to redeem.
    pub left: AmountText,
    pub paid: Vec<PaidView>,
    /// The last block in which the operator may redeem, if the channel is closing.
    pub closing_until: Option<BlockNumber>,
    pub deposit: AmountText,
    pub opened_at: BlockNumber,
}

impl ChannelView {
    pub(crate) fn new(id: ChannelId, channel: Channel<AccountId32>) -> Self {
        Self {
            id,
            key: HashText(ContentHash(channel.key)),
            funded: AmountText(channel.funded),
            redeemed: AmountText(channel.redeemed),
            left: AmountText(channel.left()),
            paid: channel.paid.iter().copied().map(Into::into).collect(),
            closing_until: match channel.state {
                ChannelState::Open => None,
                ChannelState::Closing { until } => Some(until),
            },
            deposit: AmountText(channel.deposit),
            opened_at: channel.opened_at,
            app: channel.app,
            operator: channel.operator,
        }
    }
}

/// What a channel has paid for one model.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::channel::Paid")]
pub struct PaidView {
    pub model: ModelId,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub amount: AmountText,
}

impl From<Paid> for PaidView {
    fn from(paid: Paid) -> Self {
        let Paid { model, input_tokens, output_tokens, amount } = paid;
        Self { model, input_tokens, output_tokens, amount: AmountText(amount) }
    }
}

/// An operator's offer to answer with a model.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in tributary_protocol::channel::Offer")]
pub struct OfferView {
    pub model: ModelId,
    pub operator: AccountId32,
    pub prices: PricesView,
    pub model_prices: PricesView,
    pub until: BlockNumber,
    pub deposit: AmountText,
}

impl OfferView {
    pub(crate) fn new(model: ModelId, operator: AccountId32, offer: Offer) -> Self {
        let Offer { prices, model_prices, until, deposit } = offer;
        let (prices, model_prices) = (prices.into(), model_prices.into());
        Self { model, operator, prices, model_prices, until, deposit: AmountText(deposit) }
    }
}

/// What a voucher says.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "as in tributary_protocol::voucher::Voucher")]
pub struct VoucherView {
    pub channel: ChannelId,
    pub model: ModelId,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub amount: AmountText,
}

impl From<VoucherView> for Voucher {
    fn from(view: VoucherView) -> Self {
        let VoucherView { channel, model, input_tokens, output_tokens, amount } = view;
        Self { channel, model, input_tokens, output_tokens, amount: amount.0 }
    }
}

/// What a voucher would newly pay, or why it would not.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DueView {
    /// Why it pays nothing, or null.
    pub refusal: Option<VoucherRefusal>,
    /// Tokens of requests.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// What they cost.
    pub amount: AmountText,
}

impl From<Result<Due, VoucherRefusal>> for DueView {
    fn from(due: Result<Due, VoucherRefusal>) -> Self {
        match due {
            Ok(Due { input_tokens, output_tokens, amount }) => {
                Self { refusal: None, input_tokens, output_tokens, amount: AmountText(amount) }
            }
            Err(refusal) => Self { refusal: Some(refusal), input_tokens: 0, output_tokens: 0, amount: AmountText(0) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_named_and_pays_nothing() {
        let json = serde_json::to_string(&DueView::from(Err(VoucherRefusal::TokensTakenBack))).unwrap();
        assert_eq!(json, r#"{"refusal":"tokens_taken_back","inputTokens":0,"outputTokens":0,"amount":"0"}"#);
        let due = Due { input_tokens: 1, output_tokens: 2, amount: 3 };
        let json = serde_json::to_string(&DueView::from(Ok(due))).unwrap();
        assert_eq!(json, r#"{"refusal":null,"inputTokens":1,"outputTokens":2,"amount":"3"}"#);
    }

    #[test]
    fn a_voucher_is_read_by_its_names() {
        let text = r#"{"channel":1,"model":2,"inputTokens":3,"outputTokens":4,"amount":"5"}"#;
        let view: VoucherView = serde_json::from_str(text).unwrap();
        let expected =
            Voucher { channel: ChannelId(1), model: ModelId(2), input_tokens: 3, output_tokens: 4, amount: 5 };
        assert_eq!(Voucher::from(view), expected);
        assert!(serde_json::from_str::<VoucherView>(&text.replace("\"5\"", "5")).is_err());
        assert!(serde_json::from_str::<VoucherView>(&text.replace("model", "modell")).is_err());
    }
}
