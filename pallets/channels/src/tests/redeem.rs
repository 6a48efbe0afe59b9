use crate::{Error, Event, HoldReason, mock::*};
use frame_support::{assert_noop, assert_ok, traits::fungible::Mutate};
use sp_core::{Pair, sr25519};
use sp_runtime::DispatchError;
use tributary_protocol::{
    Amount, ChannelId, ModelId,
    channel::{CHANNEL_MODELS_MAX, Paid},
    model::Prices,
    voucher::{REDEEM_MAX, SignedVoucher, Voucher},
};

#[test]
fn redeem_pays_the_model_its_price_and_the_operator_the_rest() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, 500 * ED);
        // 300 tokens of requests at 1 and 400 of answers at 2 are 1,100 for the model.
        let first = voucher(id, MODEL, (300, 400), 5_000);
        assert_ok!(redeem(&OPERATOR, &[sign(first, &OPERATOR)]));
        assert_eq!(sales(), [(MODEL, OPERATOR, 1_100)]);
        assert_eq!(free(&OPERATOR), ENDOWMENT + 3_900);
        assert_eq!(free(&STREAMS), ENDOWMENT + 1_100);
        assert_eq!(held(HoldReason::Escrow, &APP), 500 * ED - 5_000);
        let event = Event::VoucherRedeemed { voucher: first, operator: OPERATOR, amount: 5_000, model_part: 1_100 };
        assert_eq!(last_event(), event);

        // The next one pays the difference.
        assert_ok!(redeem_one(id, MODEL, (310, 400), 5_015));
        assert_eq!(sales(), [(MODEL, OPERATOR, 10)]);
        assert_eq!(free(&OPERATOR), ENDOWMENT + 3_905);
        let record = channel(id);
        let paid = Paid { model: MODEL, input_tokens: 310, output_tokens: 400, amount: 5_015 };
        assert_eq!((record.redeemed, record.paid.to_vec()), (5_015, vec![paid]));
    });
}

#[test]
fn redeem_pays_each_models_stream_once_for_a_whole_batch() {
    ExtBuilder::default().build_and_execute(|| {
        let (first, second) = (open(&APP, &OPERATOR, ESCROW_MIN), open(&OTHER_APP, &OPERATOR, ESCROW_MIN));
        let vouchers = [
            voucher(first, MODEL, (100, 0), 150),
            voucher(second, MODEL, (0, 100), 250),
            voucher(first, OTHER_MODEL, (10, 10), 31),
            // The same channel and model once more: pays the difference.
            voucher(first, MODEL, (120, 0), 180),
        ]
        .map(|voucher| sign(voucher, &OPERATOR));
        assert_ok!(redeem(&OPERATOR, &vouchers));
        assert_eq!(sales(), [(MODEL, OPERATOR, 100 + 200 + 20), (OTHER_MODEL, OPERATOR, 30)]);
        assert_eq!(free(&OPERATOR), ENDOWMENT + 180 + 250 + 31 - 350);
        assert_eq!((channel(first).redeemed, channel(second).redeemed), (211, 250));
        let parts: Vec<_> = events()
            .into_iter()
            .filter_map(|event| match event {
                Event::VoucherRedeemed { amount, model_part, .. } => Some((amount, model_part)),
                _ => None,
            })
            .collect();
        assert_eq!(parts, [(150, 100), (250, 200), (31, 30), (30, 20)]);
    });
}

#[test]
fn redeem_takes_all_vouchers_or_none() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        let good = sign(voucher(id, MODEL, (1, 1), 10), &OPERATOR);
        let unknown = sign(voucher(ChannelId(9), MODEL, (1, 1), 10), &OPERATOR);
        assert_noop!(redeem(&OPERATOR, &[good, unknown]), Error::<Test>::UnknownChannel);
        assert_noop!(redeem(&OPERATOR, &[good, good]), Error::<Test>::StaleVoucher);
        assert_noop!(redeem(&OPERATOR, &[]), Error::<Test>::NoVouchers);
        assert_ok!(redeem(&OPERATOR, &[good]));
    });
}

#[test]
fn redeem_fails_when_a_voucher_is_replayed_or_old() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        assert_ok!(redeem_one(id, MODEL, (10, 10), 100));
        assert_noop!(redeem_one(id, MODEL, (10, 10), 100), Error::<Test>::StaleVoucher);
        assert_noop!(redeem_one(id, MODEL, (9, 9), 90), Error::<Test>::StaleVoucher);
        assert_noop!(redeem_one(id, MODEL, (99, 99), 100), Error::<Test>::StaleVoucher);
        assert_noop!(redeem_one(id, MODEL, (9, 10), 110), Error::<Test>::TokensTakenBack);
        assert_noop!(redeem_one(id, MODEL, (10, 9), 110), Error::<Test>::TokensTakenBack);

        // A channel's vouchers die with it: the next has another number.
        let old = sign(voucher(id, MODEL, (20, 20), 200), &OPERATOR);
        assert_ok!(ChannelsPallet::close(RuntimeOrigin::signed(OPERATOR), id));
        open(&APP, &OPERATOR, ESCROW_MIN);
        assert_noop!(redeem(&OPERATOR, &[old]), Error::<Test>::UnknownChannel);
    });
}

#[test]
fn redeem_fails_when_the_signature_is_for_something_else() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        let second = open(&APP, &OPERATOR, ESCROW_MIN);
        let right = voucher(id, MODEL, (10, 10), 100);
        let operator: [u8; 32] = OPERATOR.into();
        let signed = |signed: Voucher, genesis, operator| {
            let signature = voucher_key().sign(&signed.payload(genesis, operator)).0;
            SignedVoucher { voucher: right, signature }
        };
        let (here, other) = (GENESIS.0, OTHER_OPERATOR.into());
        let forged = [
            // Another chain's, another operator's, another channel's, another model's, of other tokens, of less.
            signed(right, [8; 32], operator),
            signed(right, here, other),
            signed(Voucher { channel: second, ..right }, here, operator),
            signed(Voucher { model: OTHER_MODEL, ..right }, here, operator),
            signed(Voucher { input_tokens: 9, ..right }, here, operator),
            signed(Voucher { output_tokens: 11, ..right }, here, operator),
            signed(Voucher { amount: 99, ..right }, here, operator),
            // Signed by another key, and by nobody.
            SignedVoucher {
                voucher: right,
                signature: sr25519::Pair::from_seed(&[8; 32]).sign(&right.payload(here, operator)).0,
            },
            SignedVoucher { voucher: right, signature: [0; 64] },
        ];
        for forged in forged {
            assert_noop!(redeem(&OPERATOR, &[forged]), Error::<Test>::BadSignature);
        }
        assert_ok!(redeem(&OPERATOR, &[signed(right, here, operator)]));
    });
}

#[test]
fn redeem_fails_for_anyone_but_the_operator() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        let signed = sign(voucher(id, MODEL, (10, 10), 100), &OPERATOR);
        for other in [OTHER_OPERATOR, APP, ANYONE] {
            assert_noop!(redeem(&other, &[signed]), Error::<Test>::NotOperator);
        }
        let root = ChannelsPallet::redeem(RuntimeOrigin::root(), vec![signed].try_into().unwrap());
        assert_noop!(root, DispatchError::BadOrigin);
    });
}

#[test]
fn redeem_fails_when_the_channel_does_not_hold_so_much() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        // The app has more on hold for another channel: that is not this one's.
        open(&APP, &OTHER_OPERATOR, 100 * ESCROW_MIN);
        assert_noop!(redeem_one(id, MODEL, (1, 1), ESCROW_MIN + 1), Error::<Test>::Overdrawn);
        assert_noop!(redeem_one(id, MODEL, (1, 1), Amount::MAX), Error::<Test>::Overdrawn);
        assert_ok!(redeem_one(id, OTHER_MODEL, (1, 1), 100));
        assert_noop!(redeem_one(id, MODEL, (1, 1), ESCROW_MIN - 99), Error::<Test>::Overdrawn);
        assert_ok!(redeem_one(id, MODEL, (1, 1), ESCROW_MIN - 100));
        assert_eq!(channel(id).left(), 0);
    });
}

#[test]
fn redeem_fails_when_the_model_is_one_too_many_or_unknown() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        assert_noop!(redeem_one(id, ModelId(99), (1, 1), 10), Error::<Test>::UnknownModel);
        for model in (100..).take(CHANNEL_MODELS_MAX as usize).map(ModelId) {
            set_prices(model, 0, 0);
            assert_ok!(redeem_one(id, model, (1, 1), 10));
        }
        assert_noop!(redeem_one(id, MODEL, (1, 1), 10), Error::<Test>::TooManyModels);
        // Models that cost nothing are not sold.
        assert!(sales().is_empty());
    });
}

#[test]
fn redeem_holds_the_model_to_its_price_while_the_offer_lasts() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        let prices = Prices { input_per_1000: 5_000, output_per_1000: 5_000 };
        assert_ok!(ChannelsPallet::offer(RuntimeOrigin::signed(OPERATOR), MODEL, prices, 50));
        set_prices(MODEL, 4_000, 4_000);
        assert_ok!(redeem_one(id, MODEL, (10, 10), 100));
        assert_eq!(sales(), [(MODEL, OPERATOR, 30)]);
        // The operator's last block at that price.
        pass(49);
        assert_ok!(redeem_one(id, MODEL, (20, 20), 200));
        assert_eq!(sales(), [(MODEL, OPERATOR, 30)]);
        pass(1);
        assert_ok!(redeem_one(id, MODEL, (30, 30), 300));
        assert_eq!(sales(), [(MODEL, OPERATOR, 80)]);
        // A price above what the app paid takes all, and not more.
        set_prices(MODEL, Amount::MAX, Amount::MAX);
        let before = free(&OPERATOR);
        assert_ok!(redeem_one(id, MODEL, (40, 40), 400));
        assert_eq!(sales(), [(MODEL, OPERATOR, 100)]);
        assert_eq!(free(&OPERATOR), before);
    });
}

#[test]
fn redeem_pays_for_models_that_are_no_longer_served() {
    ExtBuilder::default().build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        serve(MODEL, &OPERATOR, false);
        assert_ok!(redeem_one(id, MODEL, (10, 10), 100));
    });
}

#[test]
fn redeem_fails_when_the_operators_account_cannot_take_it() {
    ExtBuilder::default().without(&OPERATOR).build_and_execute(|| {
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        assert!(redeem_one(id, MODEL, (0, 0), ED - 1).is_err());
        // All would be the model's, and the account would die with it.
        assert!(redeem_one(id, MODEL, (ED as u64, 0), ED).is_err());
        assert_eq!(channel(id).redeemed, 0);
        Balances::set_balance(&OPERATOR, ED);
        assert_ok!(redeem_one(id, MODEL, (ED as u64, 0), ED));
    });
}

#[test]
fn redeem_is_charged_for_the_models_there_are() {
    ExtBuilder::default().build_and_execute(|| {
        use crate::WeightInfo;
        let id = open(&APP, &OPERATOR, ESCROW_MIN);
        let vouchers: Vec<_> = (1..=u64::from(REDEEM_MAX))
            .map(|n| sign(voucher(id, MODEL, (n, n), Amount::from(10 * n)), &OPERATOR))
            .collect();
        let done = ChannelsPallet::redeem(RuntimeOrigin::signed(OPERATOR), vouchers.try_into().unwrap()).unwrap();
        assert_eq!(done.actual_weight, Some(<()>::redeem(REDEEM_MAX, 1)));
        assert!(<()>::redeem(REDEEM_MAX, 1).all_lt(<()>::redeem(REDEEM_MAX, REDEEM_MAX)));
    });
}
