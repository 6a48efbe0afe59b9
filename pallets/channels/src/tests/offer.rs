use crate::{Error, Event, HoldReason, Offers, mock::*};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use sp_runtime::{DispatchError, TokenError};
use tributary_protocol::{Amount, ModelId, channel::Offer, model::Prices};

const PRICES: Prices = Prices { input_per_1000: 1_500, output_per_1000: 3_000 };

fn offer(model: ModelId, input_per_1000: Amount, output_per_1000: Amount, until: u32) -> DispatchResult {
    let prices = Prices { input_per_1000, output_per_1000 };
    ChannelsPallet::offer(RuntimeOrigin::signed(OPERATOR), model, prices, until)
}

#[test]
fn offer_keeps_the_models_price_of_now() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(offer(MODEL, 1_500, 3_000, 50));
        let model_prices = Prices { input_per_1000: 1_000, output_per_1000: 2_000 };
        let expected = Offer { prices: PRICES, model_prices, until: 50, deposit: OFFER_DEPOSIT };
        assert_eq!(Offers::<Test>::get(MODEL, OPERATOR), Some(expected));
        assert_eq!(last_event(), Event::OfferMade { model: MODEL, operator: OPERATOR, offer: expected });
        assert_eq!(held(HoldReason::Offer, &OPERATOR), OFFER_DEPOSIT);

        // A later one replaces it, without a second deposit.
        set_prices(MODEL, 1_200, 2_000);
        assert_ok!(offer(MODEL, 1_200, 2_000, 60));
        let later = Offers::<Test>::get(MODEL, OPERATOR).unwrap();
        assert_eq!((later.prices, later.until), (later.model_prices, 60));
        assert_eq!(held(HoldReason::Offer, &OPERATOR), OFFER_DEPOSIT);
    });
}

#[test]
fn offer_fails_when_the_model_is_unknown_or_not_served() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(offer(ModelId(99), 9, 9, 50), Error::<Test>::UnknownModel);
        serve(MODEL, &OPERATOR, false);
        assert_noop!(offer(MODEL, 1_500, 3_000, 50), Error::<Test>::NotServed);
        assert_noop!(ChannelsPallet::offer(RuntimeOrigin::root(), MODEL, PRICES, 50), DispatchError::BadOrigin);
    });
}

#[test]
fn offer_fails_when_a_price_is_below_the_models() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(offer(MODEL, 999, 9_000, 50), Error::<Test>::PriceBelowModels);
        assert_noop!(offer(MODEL, 9_000, 1_999, 50), Error::<Test>::PriceBelowModels);
    });
}

#[test]
fn offer_fails_when_it_ends_too_soon_or_too_late() {
    ExtBuilder::default().build_and_execute(|| {
        pass(9);
        assert_noop!(offer(MODEL, 1_500, 3_000, 10), Error::<Test>::OfferEndInvalid);
        assert_noop!(offer(MODEL, 1_500, 3_000, 11 + OFFER_BLOCKS), Error::<Test>::OfferEndInvalid);
        assert_ok!(offer(MODEL, 1_500, 3_000, 11));
        assert_ok!(offer(MODEL, 1_500, 3_000, 10 + OFFER_BLOCKS));
    });
}

#[test]
fn offer_fails_when_the_deposit_is_not_affordable() {
    ExtBuilder::default().without(&OPERATOR).build_and_execute(|| {
        assert_noop!(offer(MODEL, 1_500, 3_000, 50), TokenError::FundsUnavailable);
    });
}

#[test]
fn withdraw_offer_gives_the_deposit_back() {
    ExtBuilder::default().build_and_execute(|| {
        let withdraw = || ChannelsPallet::withdraw_offer(RuntimeOrigin::signed(OPERATOR), MODEL);
        assert_noop!(withdraw(), Error::<Test>::UnknownOffer);
        assert_ok!(offer(MODEL, 1_500, 3_000, 50));
        let other = ChannelsPallet::withdraw_offer(RuntimeOrigin::signed(OTHER_OPERATOR), MODEL);
        assert_noop!(other, Error::<Test>::UnknownOffer);
        // Also where the model may no longer be served.
        serve(MODEL, &OPERATOR, false);
        assert_ok!(withdraw());
        let event = Event::OfferWithdrawn { model: MODEL, operator: OPERATOR, deposit: OFFER_DEPOSIT };
        assert_eq!(last_event(), event);
        assert_eq!(free(&OPERATOR), ENDOWMENT);
        assert_noop!(withdraw(), Error::<Test>::UnknownOffer);
    });
}
