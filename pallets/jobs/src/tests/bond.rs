use super::*;
use crate::{Error, Event, HoldReason};
use frame_support::assert_noop;
use sp_runtime::TokenError;

#[test]
fn bond_holds_the_amount_and_adds_up() {
    ExtBuilder.build_and_execute(|| {
        assert_ok!(bond(TRAINER, 10 * UNIT));
        assert_ok!(bond(TRAINER, UNIT));
        assert_eq!(held(HoldReason::Bond, TRAINER), 11 * UNIT);
        assert_eq!(record(TRAINER), TrainerRecord { bonded: 11 * UNIT, ..TrainerRecord::default() });
        assert_eq!(
            events(),
            [
                Event::Bonded { trainer: TRAINER, amount: 10 * UNIT, bonded: 10 * UNIT },
                Event::Bonded { trainer: TRAINER, amount: UNIT, bonded: 11 * UNIT },
            ]
        );
    });
}

#[test]
fn bond_fails_when_too_small() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(bond(TRAINER, 10 * UNIT - 1), Error::<Test>::BondTooSmall);
    });
}

#[test]
fn bond_fails_when_the_money_is_not_there() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(bond(TRAINER, ENDOWMENT), TokenError::FundsUnavailable);
    });
}

#[test]
fn bond_fails_when_the_sum_overflows() {
    ExtBuilder.build_and_execute(|| {
        assert_ok!(bond(TRAINER, BOND));
        assert_noop!(bond(TRAINER, Amount::MAX), sp_runtime::ArithmeticError::Overflow);
    });
}

#[test]
fn unbond_returns_what_is_free_and_drops_an_empty_record() {
    ExtBuilder.build_and_execute(|| {
        assert_ok!(bond(TRAINER, BOND));
        assert_ok!(unbond(TRAINER, BOND - 10 * UNIT));
        assert_eq!(record(TRAINER).bonded, 10 * UNIT);
        assert_ok!(unbond(TRAINER, 10 * UNIT));
        assert!(!Trainers::<Test>::contains_key(TRAINER));
        assert_eq!(Balances::free_balance(TRAINER), ENDOWMENT);
    });
}

#[test]
fn unbond_fails_when_not_bonded() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(unbond(TRAINER, 0), Error::<Test>::NotBonded);
    });
}

#[test]
fn unbond_fails_when_at_risk() {
    ExtBuilder.build_and_execute(|| {
        leased();
        assert_noop!(unbond(TRAINER, BOND - AT_RISK + 1), Error::<Test>::BondAtRisk);
        assert_noop!(unbond(TRAINER, BOND + 1), Error::<Test>::BondAtRisk);
        assert_ok!(unbond(TRAINER, BOND - AT_RISK));
    });
}

#[test]
fn unbond_fails_when_too_little_would_stay() {
    ExtBuilder.build_and_execute(|| {
        assert_ok!(bond(TRAINER, 10 * UNIT));
        assert_noop!(unbond(TRAINER, 1), Error::<Test>::BondTooSmall);
    });
}
