//! What the calls do once they are allowed.

use crate::{
    Channels, Config, Ending, Error, Event, HoldReason, NextChannel, Offers, Pallet,
    types::{Batch, Payment},
};
use alloc::{collections::BTreeMap, vec::Vec};
use frame_support::{
    BoundedVec,
    dispatch::DispatchResult,
    ensure,
    traits::{
        Get,
        fungible::MutateHold,
        tokens::{Fortitude, Precision, Restriction},
    },
};
use frame_system::pallet_prelude::BlockNumberFor;
use pallet_support::{AnswerSink, ServedModels, now};
use sp_core::sr25519;
use sp_runtime::{ArithmeticError, DispatchError, traits::Zero};
use tributary_protocol::{
    Amount, BlockNumber, ChannelId, ModelId,
    channel::{Channel, ChannelState, Offer},
    model::Prices,
    voucher::{SignedVoucher, Voucher, VoucherRefusal},
};

impl<T: Config> Pallet<T> {
    /// The hash of this chain's genesis block.
    fn genesis() -> [u8; 32] {
        frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()).into()
    }

    /// The bytes that a channel's key signs, on this chain for this operator.
    pub fn voucher_payload(voucher: &Voucher, operator: &T::AccountId) -> Vec<u8> {
        voucher.payload(Self::genesis(), operator.clone().into())
    }

    /// Stores an offer with the deposit that is on hold for it, which it takes if there is none.
    pub(crate) fn do_offer(model: ModelId, operator: &T::AccountId, mut offer: Offer) -> Result<Offer, DispatchError> {
        offer.deposit = match Offers::<T>::get(model, operator) {
            Some(earlier) => earlier.deposit,
            None => {
                let deposit = T::OfferDeposit::get();
                T::Currency::hold(&HoldReason::Offer.into(), operator, deposit)?;
                deposit
            }
        };
        Offers::<T>::insert(model, operator, offer);
        Ok(offer)
    }

    /// Removes an offer and gives its deposit back.
    pub(crate) fn do_withdraw_offer(model: ModelId, operator: &T::AccountId, offer: &Offer) -> DispatchResult {
        T::Currency::release(&HoldReason::Offer.into(), operator, offer.deposit, Precision::Exact)?;
        Offers::<T>::remove(model, operator);
        Ok(())
    }

    /// Puts escrow and deposit on hold and stores the channel under the next number.
    pub(crate) fn do_open(
        app: &T::AccountId,
        operator: &T::AccountId,
        key: [u8; 32],
        amount: Amount,
        deposit: Amount,
    ) -> Result<ChannelId, DispatchError> {
        let id = NextChannel::<T>::get();
        NextChannel::<T>::put(id.next().ok_or(ArithmeticError::Overflow)?);
        T::Currency::hold(&HoldReason::Channel.into(), app, deposit).map_err(|_| Error::<T>::EscrowUnaffordable)?;
        T::Currency::hold(&HoldReason::Escrow.into(), app, amount).map_err(|_| Error::<T>::EscrowUnaffordable)?;
        let channel = Channel {
            app: app.clone(),
            operator: operator.clone(),
            key,
            funded: amount,
            redeemed: 0,
            paid: BoundedVec::new(),
            state: ChannelState::Open,
            deposit,
            opened_at: now::<T>(),
        };
        Channels::<T>::insert(id, channel);
        Ok(id)
    }

    /// Puts more on hold for a channel; returns all that was put in.
    pub(crate) fn do_top_up(
        id: ChannelId,
        mut channel: Channel<T::AccountId>,
        amount: Amount,
    ) -> Result<Amount, DispatchError> {
        let funded = channel.funded.checked_add(amount).ok_or(ArithmeticError::Overflow)?;
        T::Currency::hold(&HoldReason::Escrow.into(), &channel.app, amount)
            .map_err(|_| Error::<T>::EscrowUnaffordable)?;
        channel.funded = funded;
        Channels::<T>::insert(id, channel);
        Ok(funded)
    }

    /// What of a voucher's amount is the model's: by the operator's offer while it holds, else by what the model costs now.
    pub(crate) fn model_prices(model: ModelId, operator: &T::AccountId) -> Option<Prices> {
        let prices = T::Models::prices(model)?;
        let offer = Offers::<T>::get(model, operator).filter(|offer| now::<T>() <= offer.until);
        Some(offer.map_or(prices, |offer| offer.model_prices))
    }

    /// Checks vouchers of an operator's channels, one after the other. Writes nothing.
    pub(crate) fn check_vouchers(
        operator: &T::AccountId,
        vouchers: &[SignedVoucher],
    ) -> Result<Batch<T::AccountId>, DispatchError> {
        let mut batch = Batch { channels: BTreeMap::new(), payments: Vec::new(), sales: BTreeMap::new() };
        for SignedVoucher { voucher, signature } in vouchers {
            // A channel may have several vouchers in the batch: the later ones see what the earlier ones made of it.
            let mut channel = match batch.channels.remove(&voucher.channel) {
                Some(channel) => channel,
                None => Channels::<T>::get(voucher.channel).ok_or(Error::<T>::UnknownChannel)?,
            };
            ensure!(channel.operator == *operator, Error::<T>::NotOperator);
            let due = channel.redeem(voucher, now::<T>()).map_err(Error::<T>::from)?;
            let prices = Self::model_prices(voucher.model, operator).ok_or(Error::<T>::UnknownModel)?;
            let payload = Self::voucher_payload(voucher, operator);
            let (signature, key) = (sr25519::Signature::from(*signature), sr25519::Public::from(channel.key));
            ensure!(sp_io::crypto::sr25519_verify(&signature, &payload, &key), Error::<T>::BadSignature);
            let (model_part, _) = due.divide(&prices);
            let sale = batch.sales.entry(voucher.model).or_default();
            *sale = sale.checked_add(model_part).ok_or(ArithmeticError::Overflow)?;
            let app = channel.app.clone();
            batch.payments.push(Payment { app, voucher: *voucher, amount: due.amount, model_part });
            batch.channels.insert(voucher.channel, channel);
        }
        Ok(batch)
    }

    /// Moves what vouchers pay to the operator, and from there the models' parts to their streams. Returns how many models were
    /// paid.
    pub(crate) fn do_redeem(operator: &T::AccountId, batch: Batch<T::AccountId>) -> Result<u32, DispatchError> {
        for (id, channel) in batch.channels {
            Channels::<T>::insert(id, channel);
        }
        for Payment { app, voucher, amount, model_part } in batch.payments {
            // By force: no lock of the app's keeps from the operator what the app signed.
            T::Currency::transfer_on_hold(
                &HoldReason::Escrow.into(),
                &app,
                operator,
                amount,
                Precision::Exact,
                Restriction::Free,
                Fortitude::Force,
            )?;
            Self::deposit_event(Event::VoucherRedeemed { voucher, operator: operator.clone(), amount, model_part });
        }
        let mut models = 0u32;
        for (model, amount) in batch.sales.into_iter().filter(|(_, amount)| !amount.is_zero()) {
            T::Answers::sell(model, operator, amount)?;
            models = models.checked_add(1).ok_or(ArithmeticError::Overflow)?;
        }
        Ok(models)
    }

    /// Begins a channel's window; returns its last block.
    pub(crate) fn do_begin_closing(
        id: ChannelId,
        mut channel: Channel<T::AccountId>,
    ) -> Result<BlockNumber, DispatchError> {
        let until = later::<T>(T::DisputeWindow::get())?;
        channel.state = ChannelState::Closing { until };
        Channels::<T>::insert(id, channel);
        Ok(until)
    }

    /// Removes a channel and gives back what is left and the deposit.
    pub(crate) fn do_end(id: ChannelId, channel: Channel<T::AccountId>, ending: Ending) -> DispatchResult {
        let Channel { app, operator, funded, redeemed, deposit, .. } = channel;
        let returned = funded.checked_sub(redeemed).ok_or(ArithmeticError::Underflow)?;
        T::Currency::release(&HoldReason::Escrow.into(), &app, returned, Precision::Exact)?;
        T::Currency::release(&HoldReason::Channel.into(), &app, deposit, Precision::Exact)?;
        Channels::<T>::remove(id);
        Self::deposit_event(Event::ChannelClosed { channel: id, ending, app, operator, redeemed, returned, deposit });
        Ok(())
    }
}

/// The block `blocks` from now.
pub(crate) fn later<T: Config>(blocks: BlockNumber) -> Result<BlockNumber, DispatchError> {
    Ok(now::<T>().checked_add(blocks).ok_or(ArithmeticError::Overflow)?)
}

impl<T> From<VoucherRefusal> for Error<T> {
    fn from(refusal: VoucherRefusal) -> Self {
        match refusal {
            VoucherRefusal::WindowOver => Self::WindowOver,
            VoucherRefusal::Stale => Self::StaleVoucher,
            VoucherRefusal::TokensTakenBack => Self::TokensTakenBack,
            VoucherRefusal::Overdrawn => Self::Overdrawn,
            VoucherRefusal::TooManyModels => Self::TooManyModels,
        }
    }
}
