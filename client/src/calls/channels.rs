//! Payment channels: operators' offers, apps' escrow, vouchers.

use crate::{account::Account, call::Call};
use codec::Compact;
use tributary_protocol::{Amount, BlockNumber, ChannelId, ModelId, model::Prices, voucher::SignedVoucher};

const PALLET: &str = "Channels";

/// Says at which prices the signer answers with a model, until which block.
pub fn offer(model: ModelId, prices: Prices, until: BlockNumber) -> Call {
    Call::new(PALLET, "offer").with(model).with(prices).with(until)
}

/// Takes the signer's offer for a model back.
pub fn withdraw_offer(model: ModelId) -> Call {
    Call::new(PALLET, "withdraw_offer").with(model)
}

/// Puts money aside for an operator; the sr25519 public key `key` signs vouchers.
pub fn open(operator: Account, key: [u8; 32], amount: Amount) -> Call {
    Call::new(PALLET, "open").with(operator).with(key).with(Compact(amount))
}

/// Adds to the signer's channel.
pub fn top_up(channel: ChannelId, amount: Amount) -> Call {
    Call::new(PALLET, "top_up").with(channel).with(Compact(amount))
}

/// Pays the signer, an operator, what vouchers newly say: at most
/// [`REDEEM_MAX`](tributary_protocol::voucher::REDEEM_MAX) of them, all or none.
pub fn redeem(vouchers: &[SignedVoucher]) -> Call {
    Call::new(PALLET, "redeem").with(vouchers)
}

/// Closes a channel of the signer's: at once if it is the operator, after the window if it is the app.
pub fn close(channel: ChannelId) -> Call {
    Call::new(PALLET, "close").with(channel)
}

/// Ends a channel whose window is over.
pub fn finalise(channel: ChannelId) -> Call {
    Call::new(PALLET, "finalise").with(channel)
}

/// Ends a channel at once; for governance.
pub fn force_close(channel: ChannelId) -> Call {
    Call::new(PALLET, "force_close").with(channel)
}
