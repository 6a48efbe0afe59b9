//! What each call costs at worst: vouchers that each need a channel, a model and a stream of their own.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot set itself up must stop")]
#![allow(clippy::arithmetic_side_effects, reason = "small numbers")]

use super::*;
use crate::Pallet as ChannelsPallet;
use alloc::vec::Vec;
use frame_benchmarking::v2::*;
use frame_support::traits::{EnsureOrigin, Get, fungible::Mutate};
use frame_system::RawOrigin;
use pallet_support::ServedModels;
use sp_core::{crypto::KeyTypeId, sr25519};
use tributary_protocol::{
    Amount, ChannelId, ModelId,
    amount::TRIB,
    channel::{CHANNEL_MODELS_MAX, ChannelState, Paid},
    model::Prices,
    voucher::{REDEEM_MAX, SignedVoucher, Voucher},
};

/// What every account of a benchmark has: far more than any escrow or deposit.
const WEALTH: Amount = 1_000_000_000 * TRIB;
/// What every channel holds.
const ESCROW: Amount = 1_000 * TRIB;
const KEYS: KeyTypeId = KeyTypeId(*b"chan");

fn rich<T: Config>(name: &'static str, index: u32) -> T::AccountId {
    let who = account(name, index, 0);
    T::Currency::set_balance(&who, WEALTH);
    who
}

/// A channel of an app of its own, whose record is as large as it gets: but for one, its models are paid already.
fn opened<T: Config>(index: u32, operator: &T::AccountId, key: sr25519::Public) -> (T::AccountId, ChannelId) {
    let app = rich::<T>("app", index);
    let id = ChannelsPallet::<T>::next_channel();
    ChannelsPallet::<T>::open(RawOrigin::Signed(app.clone()).into(), operator.clone(), key.0, ESCROW).unwrap();
    Channels::<T>::mutate(id, |channel| {
        let channel = channel.as_mut().unwrap();
        for model in (1..CHANNEL_MODELS_MAX).map(|n| ModelId(u64::MAX - u64::from(n))).rev() {
            channel.paid.try_push(Paid { model, input_tokens: 1, output_tokens: 1, amount: 1 }).unwrap();
            // As if it had been paid: the escrow's hold stays larger by that, which no benchmark minds.
            channel.redeemed += 1;
        }
    });
    (app, id)
}

fn any_key() -> sr25519::Public {
    sr25519::Public::from([1; 32])
}

/// A channel that its app wants to close.
fn closing<T: Config>(operator: &T::AccountId) -> (T::AccountId, ChannelId) {
    let (app, id) = opened::<T>(0, operator, any_key());
    ChannelsPallet::<T>::close(RawOrigin::Signed(app.clone()).into(), id).unwrap();
    (app, id)
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn offer() {
        let operator = rich::<T>("operator", 0);
        let model = T::Models::benchmark_served(&operator);
        let prices = Prices { input_per_1000: Amount::MAX, output_per_1000: Amount::MAX };
        let until = pallet_support::now::<T>() + T::OfferBlocksMax::get();

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()), model, prices, until);

        assert!(Offers::<T>::contains_key(model, operator));
    }

    #[benchmark]
    fn withdraw_offer() {
        let operator = rich::<T>("operator", 0);
        let model = T::Models::benchmark_served(&operator);
        let prices = Prices { input_per_1000: Amount::MAX, output_per_1000: Amount::MAX };
        let until = pallet_support::now::<T>() + T::OfferBlocksMax::get();
        ChannelsPallet::<T>::offer(RawOrigin::Signed(operator.clone()).into(), model, prices, until).unwrap();

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()), model);

        assert!(!Offers::<T>::contains_key(model, operator));
    }

    #[benchmark]
    fn open() {
        let (app, operator) = (rich::<T>("app", 0), rich::<T>("operator", 0));

        #[extrinsic_call]
        _(RawOrigin::Signed(app), operator, [1; 32], ESCROW);

        assert!(Channels::<T>::contains_key(ChannelId(0)));
    }

    #[benchmark]
    fn top_up() {
        let (app, id) = opened::<T>(0, &rich::<T>("operator", 0), any_key());

        #[extrinsic_call]
        _(RawOrigin::Signed(app), id, ESCROW);

        assert_eq!(Channels::<T>::get(id).unwrap().funded, 2 * ESCROW);
    }

    /// `v`: the vouchers, each of its own channel; `m`: the models, at most as many.
    #[benchmark]
    fn redeem(v: Linear<1, { REDEEM_MAX }>, m: Linear<0, { REDEEM_MAX }>) {
        let operator = rich::<T>("operator", 0);
        let key = sp_io::crypto::sr25519_generate(KEYS, None);
        // At least one model is asked for; `m = 0` is where it costs nothing, which no benchmark can make of any model.
        let models: Vec<_> = (0..m.clamp(1, v)).map(|_| T::Models::benchmark_served(&operator)).collect();
        let vouchers: Vec<_> = (0..v)
            .zip(models.iter().cycle())
            .map(|(index, model)| {
                let (_, channel) = opened::<T>(index, &operator, key);
                // So many tokens that all is the model's, whatever it costs.
                let voucher =
                    Voucher { channel, model: *model, input_tokens: u64::MAX, output_tokens: u64::MAX, amount: TRIB };
                let payload = ChannelsPallet::<T>::voucher_payload(&voucher, &operator);
                let signature = sp_io::crypto::sr25519_sign(KEYS, &key, &payload).unwrap();
                SignedVoucher { voucher, signature: signature.0 }
            })
            .collect();

        #[extrinsic_call]
        _(RawOrigin::Signed(operator), vouchers.try_into().unwrap());

        let paid = Amount::from(CHANNEL_MODELS_MAX - 1) + TRIB;
        assert_eq!(Channels::<T>::get(ChannelId(0)).unwrap().redeemed, paid);
    }

    #[benchmark]
    fn close_by_app() {
        let (app, id) = opened::<T>(0, &rich::<T>("operator", 0), any_key());

        #[extrinsic_call]
        close(RawOrigin::Signed(app), id);

        assert!(matches!(Channels::<T>::get(id).unwrap().state, ChannelState::Closing { .. }));
    }

    #[benchmark]
    fn close_by_operator() {
        let operator = rich::<T>("operator", 0);
        let (_, id) = closing::<T>(&operator);

        #[extrinsic_call]
        close(RawOrigin::Signed(operator), id);

        assert!(!Channels::<T>::contains_key(id));
    }

    #[benchmark]
    fn finalise() {
        let (app, id) = closing::<T>(&rich::<T>("operator", 0));
        let after = pallet_support::now::<T>() + T::DisputeWindow::get() + 1;
        frame_system::Pallet::<T>::set_block_number(after.into());

        #[extrinsic_call]
        _(RawOrigin::Signed(app), id);

        assert!(!Channels::<T>::contains_key(id));
    }

    #[benchmark]
    fn force_close() -> Result<(), BenchmarkError> {
        let (_, id) = closing::<T>(&rich::<T>("operator", 0));
        let origin = T::ForceOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, id);

        assert!(!Channels::<T>::contains_key(id));
        Ok(())
    }
}
