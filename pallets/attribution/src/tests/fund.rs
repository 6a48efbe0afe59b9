use crate::{Distribution, Error, Event, HoldReason, mock::*};
use frame_support::{assert_noop, assert_ok, traits::fungible::Mutate};
use pallet_support::RewardSink;
use sp_runtime::{DispatchError, bounded_vec};
use tributary_protocol::{
    Amount, ModelId, Ppm,
    amount::TRIB,
    stream::{Parties, Split},
};

fn funded(amount: Amount) -> Distribution {
    assert_ok!(Attribution::fund(RuntimeOrigin::signed(BUYER), MODEL, amount));
    match last_event() {
        Event::StreamFunded { distribution, model: MODEL, payer: BUYER, amount: paid } if paid == amount => {
            distribution
        }
        other => panic!("not this funding: {other:?}"),
    }
}

fn sum(d: &Distribution) -> Amount {
    d.treasury + d.base_owner + d.trainer + d.model_owner + d.datanet_owners + d.contributors
}

#[test]
fn fund_pays_every_party_its_part() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        let paid = funded(300 * TRIB);
        let expected = Distribution {
            treasury: 6 * TRIB,
            base_owner: 24 * TRIB,
            trainer: 30 * TRIB,
            model_owner: 60 * TRIB,
            datanet_owners: 30 * TRIB,
            contributors: 150 * TRIB,
        };
        assert_eq!(paid, expected);
        assert_eq!(free(&TREASURY), ENDOWMENT + 6 * TRIB);
        assert_eq!(free(&BASE_OWNER), ENDOWMENT + 24 * TRIB);
        assert_eq!(free(&TRAINER), ENDOWMENT + 30 * TRIB);
        assert_eq!(free(&OWNER), ENDOWMENT + 60 * TRIB);
        for owner in DATANET_OWNERS {
            assert_eq!(free(&owner), ENDOWMENT + 10 * TRIB);
        }
        assert_eq!(held(HoldReason::ContributorPool, &Attribution::pool_account()), 150 * TRIB);
        assert_eq!(free(&BUYER), ENDOWMENT - 300 * TRIB);
        let stream = stream(MODEL);
        assert_eq!((stream.funded, stream.contributors_funded), (300 * TRIB, 150 * TRIB));
    });
}

#[test]
fn fund_gives_what_rounding_leaves_to_contributors() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        // 2, 8, 10, 20, 10 and 50 per cent of 1,001,003 leave fractions; 100,100 do not divide by three.
        let paid = funded(1_001_003);
        assert_eq!(paid.treasury, 20_020);
        assert_eq!(paid.base_owner, 80_080);
        assert_eq!(paid.trainer, 100_100);
        assert_eq!(paid.model_owner, 200_200);
        assert_eq!(paid.datanet_owners, 100_098);
        assert_eq!(paid.contributors, 1_001_003 - 20_020 - 80_080 - 100_100 - 200_200 - 100_098);
    });
}

#[test]
fn fund_conserves_amounts_of_any_size() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        Balances::set_balance(&BUYER, Amount::MAX / 4);
        for amount in [FUND_MIN, FUND_MIN + 1, 999_999, TRIB + 7, 10u128.pow(30), Amount::MAX / 8] {
            assert_eq!(sum(&funded(amount)), amount);
            check();
        }
    });
}

#[test]
fn fund_sends_the_part_of_an_account_that_cannot_receive_to_the_treasury() {
    ExtBuilder::default().without(&TRAINER).without(&DATANET_OWNERS[1]).build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        let amount = 5 * ED;
        let paid = funded(amount);
        assert_eq!((paid.trainer, free(&TRAINER)), (0, 0));
        // A tenth for the trainer, a third of a tenth for one Datanet's owner, and the treasury's own fiftieth.
        assert_eq!(paid.treasury, amount / 50 + amount / 10 + amount / 10 / 3);
        assert_eq!(sum(&paid), amount);
        // Large enough a part makes the account.
        let paid = funded(10 * ED);
        assert_eq!((paid.trainer, free(&TRAINER)), (ED, ED));
    });
}

#[test]
fn fund_gives_what_the_treasury_cannot_receive_to_contributors() {
    ExtBuilder::default().without(&TREASURY).build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        let paid = funded(10 * ED);
        assert_eq!((paid.treasury, free(&TREASURY)), (0, 0));
        assert_eq!(sum(&paid), 10 * ED);
        assert_eq!(paid.contributors, 5 * ED + ED / 5 + 1, "one unit is left of dividing among three owners");
    });
}

#[test]
fn fund_gives_the_datanets_part_to_contributors_when_there_are_none() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = tree(JOB, &THREE);
        let parties = Parties { datanet_owners: bounded_vec![], ..parties() };
        assert_ok!(Attribution::open_stream(MODEL, JOB, parties, Split::DEFAULT, root(&tree)));
        let paid = funded(100 * TRIB);
        assert_eq!((paid.datanet_owners, paid.contributors), (0, 60 * TRIB));
    });
}

#[test]
fn fund_works_when_contributors_get_nothing() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = tree(JOB, &THREE);
        let split = Split {
            treasury: Ppm::ONE,
            base_owner: Ppm::ZERO,
            trainer: Ppm::ZERO,
            model_owner: Ppm::ZERO,
            datanet_owners: Ppm::ZERO,
            contributors: Ppm::ZERO,
        };
        assert_ok!(Attribution::open_stream(MODEL, JOB, parties(), split, root(&tree)));
        assert_eq!(funded(TRIB), Distribution { treasury: TRIB, ..Default::default() });
    });
}

#[test]
fn fund_works_when_the_payer_is_a_party() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        assert_ok!(Attribution::fund(RuntimeOrigin::signed(OWNER), MODEL, 100 * TRIB));
        assert_eq!(free(&OWNER), ENDOWMENT - 80 * TRIB);
    });
}

#[test]
fn fund_fails_when_unsigned() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        for origin in [RuntimeOrigin::none(), RuntimeOrigin::root()] {
            assert_noop!(Attribution::fund(origin, MODEL, TRIB), DispatchError::BadOrigin);
        }
    });
}

#[test]
fn fund_fails_when_there_is_no_stream() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(Attribution::fund(RuntimeOrigin::signed(BUYER), ModelId(99), TRIB), Error::<Test>::UnknownStream);
    });
}

#[test]
fn fund_fails_when_the_amount_is_below_the_minimum() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        assert_noop!(
            Attribution::fund(RuntimeOrigin::signed(BUYER), MODEL, FUND_MIN - 1),
            Error::<Test>::AmountBelowMinimum
        );
    });
}

#[test]
fn fund_fails_when_the_payer_would_not_stay_alive() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        assert_noop!(
            Attribution::fund(RuntimeOrigin::signed(BUYER), MODEL, ENDOWMENT - ED + 1),
            Error::<Test>::BalanceTooLow
        );
        assert_ok!(Attribution::fund(RuntimeOrigin::signed(BUYER), MODEL, ENDOWMENT - ED));
        assert_eq!(free(&BUYER), ED);
    });
}

#[test]
fn fund_fails_when_the_pool_is_not_endowed() {
    let pool = Attribution::pool_account();
    ExtBuilder::default().without(&pool).build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        let fund = || Attribution::fund(RuntimeOrigin::signed(BUYER), MODEL, TRIB);
        assert_noop!(fund(), Error::<Test>::PoolNotEndowed);
        assert_ok!(Balances::transfer_keep_alive(RuntimeOrigin::signed(BUYER), pool.clone(), ED));
        assert_ok!(fund());
    });
}
