//! Payment channels and operators' offers.

use super::{PAGE, View};
use crate::{account::Account, error::ChainError, records::Channel};
use tributary_protocol::{
    ChannelId, ModelId,
    channel::{Due, Offer},
    voucher::{Voucher, VoucherRefusal},
};

impl View {
    /// A channel; `None` if there never was one of this number, or it has ended.
    pub async fn channel(&self, id: ChannelId) -> Result<Option<Channel>, ChainError> {
        self.call("ChannelsApi_channel", (id,)).await
    }

    /// The channels that have not ended, from `from` on: at most `limit`, and at most [`PAGE`]. Of 1,000 numbers only.
    pub async fn channels(&self, from: ChannelId, limit: u32) -> Result<Vec<(ChannelId, Channel)>, ChainError> {
        self.call("ChannelsApi_channels", (from, limit.min(PAGE))).await
    }

    /// The number that the next channel will have.
    pub async fn next_channel(&self) -> Result<ChannelId, ChainError> {
        self.call("ChannelsApi_next_channel", ()).await
    }

    /// An operator's offer to answer with a model, whether it still holds or not.
    pub async fn offer(&self, model: ModelId, operator: Account) -> Result<Option<Offer>, ChainError> {
        self.call("ChannelsApi_offer", (model, operator)).await
    }

    /// The first `limit` offers of a model, at most [`PAGE`].
    pub async fn offers(&self, model: ModelId, limit: u32) -> Result<Vec<(Account, Offer)>, ChainError> {
        self.call("ChannelsApi_offers", (model, limit.min(PAGE))).await
    }

    /// Whether an operator may answer with a model.
    pub async fn may_serve(&self, model: ModelId, operator: Account) -> Result<bool, ChainError> {
        self.call("ChannelsApi_may_serve", (model, operator)).await
    }

    /// What a voucher would newly pay if it were redeemed and rightly signed; `None` if there is no such channel.
    pub async fn due(&self, voucher: Voucher) -> Result<Option<Result<Due, VoucherRefusal>>, ChainError> {
        self.call("ChannelsApi_due", (voucher,)).await
    }
}
