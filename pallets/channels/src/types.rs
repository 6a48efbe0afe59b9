//! What the pallet reports and passes on beside the protocol's types.

use alloc::{collections::BTreeMap, vec::Vec};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use tributary_protocol::{Amount, ChannelId, ModelId, channel::Channel, voucher::Voucher};

/// How a channel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Ending {
    /// The operator closed it.
    ByOperator,
    /// The app wanted its money back, and the window is over.
    AfterWindow,
    /// It was forced.
    Forced,
}

/// A voucher that was found good.
pub(crate) struct Payment<AccountId> {
    pub app: AccountId,
    pub voucher: Voucher,
    /// What it newly pays.
    pub amount: Amount,
    /// How much of that is the model's.
    pub model_part: Amount,
}

/// Vouchers that were found good, and what they make of the channels and the models.
pub(crate) struct Batch<AccountId> {
    /// The channels as they will be.
    pub channels: BTreeMap<ChannelId, Channel<AccountId>>,
    pub payments: Vec<Payment<AccountId>>,
    /// What each model gets.
    pub sales: BTreeMap<ModelId, Amount>,
}
