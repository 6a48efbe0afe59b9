//! Sales of answers, as payment channels make them.

use crate::{Error, Event, HoldReason, Ledgers, mock::*};
use frame_support::{
    assert_noop, assert_ok, dispatch::DispatchResult, storage::with_storage_layer, traits::fungible::Mutate,
};
use pallet_support::{AnswerSink, RewardSink};
use tributary_protocol::{
    Amount, JobId, ModelId, Ppm,
    amount::TRIB,
    stream::{ContributionRoot, Split},
};

/// Whose attribution was not measured.
const UNMEASURED: ModelId = ModelId(8);

fn sell(model: ModelId, amount: Amount) -> DispatchResult {
    <Attribution as AnswerSink<_>>::sell(model, &BUYER, amount)
}

fn open_both() {
    open(MODEL, JOB, &THREE);
    let tree = tree(JobId(80), &THREE);
    let unmeasured = ContributionRoot { attributed: Ppm::ZERO, ..root(&tree) };
    assert_ok!(Attribution::open_stream(UNMEASURED, JobId(80), parties(), Split::DEFAULT, unmeasured));
}

#[test]
fn sell_fills_the_ledger_of_a_measured_model() {
    ExtBuilder::default().build_and_execute(|| {
        open_both();
        assert_ok!(sell(MODEL, 300 * TRIB));
        // Half is the contributors', four fifths of that go by answers.
        assert_eq!(Ledgers::<Test>::get(MODEL, BUYER).unwrap().funded, 120 * TRIB);
        assert_eq!(stream(MODEL).contributors_funded, 30 * TRIB);
        match last_event() {
            Event::AnswersFunded { model: MODEL, operator: BUYER, amount, payment } => {
                assert_eq!((amount, payment.by_answers), (300 * TRIB, 120 * TRIB));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(free(&BUYER), ENDOWMENT - 300 * TRIB - LEDGER_DEPOSIT);
    });
}

#[test]
fn sell_divides_by_shares_what_an_unmeasured_model_earns() {
    ExtBuilder::default().build_and_execute(|| {
        open_both();
        assert_ok!(sell(UNMEASURED, 300 * TRIB));
        assert_eq!(Ledgers::<Test>::get(UNMEASURED, BUYER), None);
        assert_eq!(stream(UNMEASURED).contributors_funded, 150 * TRIB);
        let event = last_event();
        assert!(matches!(event, Event::StreamFunded { model: UNMEASURED, payer: BUYER, .. }), "{event:?}");
    });
}

#[test]
fn sell_takes_however_little() {
    ExtBuilder::default().build_and_execute(|| {
        open_both();
        for amount in 1..=FUND_MIN {
            assert_ok!(sell(UNMEASURED, amount));
            assert_ok!(sell(MODEL, amount));
        }
        let all: Amount = (1..=FUND_MIN).sum();
        assert_eq!((stream(UNMEASURED).funded, stream(MODEL).funded), (all, all));
    });
}

#[test]
fn sell_fails_without_a_stream_or_money() {
    ExtBuilder::default().build_and_execute(|| {
        open_both();
        assert_noop!(sell(ModelId(9), TRIB), Error::<Test>::UnknownStream);
        assert_noop!(sell(UNMEASURED, ENDOWMENT), Error::<Test>::BalanceTooLow);
        Balances::set_balance(&BUYER, FUND_MIN + ED);
        // Within a call, which takes back what was begun.
        assert_noop!(with_storage_layer(|| sell(MODEL, FUND_MIN)), Error::<Test>::DepositUnaffordable);
        assert_eq!(held(HoldReason::Ledger, &BUYER), 0);
    });
    ExtBuilder::default().without(&Attribution::pool_account()).build_and_execute(|| {
        open_both();
        assert_noop!(sell(MODEL, TRIB), Error::<Test>::PoolNotEndowed);
    });
}
