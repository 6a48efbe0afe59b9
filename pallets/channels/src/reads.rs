//! What the runtime API reads. A page has at most [`PAGE_MAX`] entries.

use crate::{Channels, Config, NextChannel, Offers, Pallet};
use alloc::vec::Vec;
use pallet_support::{ServedModels, now};
use tributary_protocol::{
    ChannelId, ModelId,
    channel::{Channel, Due, Offer},
    voucher::{Voucher, VoucherRefusal},
};

/// Most entries of a page, as the runtime API has it.
const PAGE_MAX: u32 = 100;
/// Most channels that a page looks at.
const CHANNELS_LOOKED_AT: u64 = 1_000;

impl<T: Config> Pallet<T> {
    /// A channel that has not ended.
    pub fn channel(id: ChannelId) -> Option<Channel<T::AccountId>> {
        Channels::<T>::get(id)
    }

    /// A page of the channels that have not ended. Looks at no more than 1,000 numbers.
    pub fn channels(from: ChannelId, limit: u32) -> Vec<(ChannelId, Channel<T::AccountId>)> {
        // A number beyond the last that there can be looks at nothing.
        let end = NextChannel::<T>::get().0.min(from.0.saturating_add(CHANNELS_LOOKED_AT));
        (from.0..end)
            .map(ChannelId)
            .filter_map(|id| Channels::<T>::get(id).map(|channel| (id, channel)))
            .take(usize::try_from(limit.min(PAGE_MAX)).unwrap_or_default())
            .collect()
    }

    /// The number that the next channel will have.
    pub fn next_channel() -> ChannelId {
        NextChannel::<T>::get()
    }

    /// An operator's offer, whether it still holds or not.
    pub fn offer_of(model: ModelId, operator: T::AccountId) -> Option<Offer> {
        Offers::<T>::get(model, operator)
    }

    /// The first offers of a model, in the order of storage.
    pub fn offers(model: ModelId, limit: u32) -> Vec<(T::AccountId, Offer)> {
        let limit = usize::try_from(limit.min(PAGE_MAX)).unwrap_or_default();
        Offers::<T>::iter_prefix(model).take(limit).collect()
    }

    /// Whether an operator may answer with a model: the question that servers ask at each finalised block.
    pub fn may_serve(model: ModelId, operator: T::AccountId) -> bool {
        T::Models::may_serve(model, &operator)
    }

    /// What a voucher would newly pay if it were redeemed in this block and rightly signed. `None` where there is no such channel.
    pub fn due(voucher: Voucher) -> Option<Result<Due, VoucherRefusal>> {
        Channels::<T>::get(voucher.channel).map(|channel| channel.due(&voucher, now::<T>()))
    }
}
