use super::*;
use crate::{Error, Event, HoldReason};
use frame_support::assert_noop;

#[test]
fn cancel_returns_escrow_and_uses() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        events();
        assert_ok!(cancel(REQUESTER, id));
        assert_eq!(stage(id), Stage::Cancelled);
        assert_eq!(held(HoldReason::Escrow, REQUESTER), 0);
        assert_eq!(held(HoldReason::Job, REQUESTER), job(id).deposit);
        assert_eq!(uses(GRANT), 0);
        assert_eq!(events(), [Event::JobCancelled { job: id, requester: REQUESTER, escrow: PRICE + FEE }]);
    });
}

#[test]
fn cancel_of_a_lapsed_job_makes_the_trainer_pay() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        run_to(lease_until(id) + 1);
        assert_ok!(cancel(REQUESTER, id));
        assert_eq!(worth(REQUESTER), ENDOWMENT + SLASH);
        assert_eq!(record(TRAINER).lapsed, 1);
    });
}

#[test]
fn anyone_may_cancel_when_a_grant_was_revoked_and_the_trainer_loses_nothing() {
    for who in PEOPLE {
        ExtBuilder.build_and_execute(|| {
            let id = leased();
            revoke(GRANT);
            assert_ok!(cancel(who, id));
            assert_eq!(stage(id), Stage::Cancelled);
            assert_eq!(worth(REQUESTER), ENDOWMENT);
            assert_eq!(record(TRAINER), TrainerRecord { bonded: BOND, ..TrainerRecord::default() });
        });
    }
}

#[test]
fn a_lease_that_lapsed_on_a_revoked_grant_costs_nothing() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        revoke(GRANT);
        run_to(lease_until(id) + 1);
        events();
        assert_ok!(cancel(STRANGER, id));
        assert_eq!(
            events(),
            [
                Event::LeaseLapsed { job: id, trainer: TRAINER, slashed: 0 },
                Event::JobCancelled { job: id, requester: REQUESTER, escrow: PRICE + FEE },
            ]
        );
        assert_eq!(record(TRAINER), TrainerRecord { bonded: BOND, ..TrainerRecord::default() });
    });
}

#[test]
fn the_trainer_may_cancel_when_the_requester_renounced_its_grant() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        renounce(GRANT);
        assert_noop!(cancel(REQUESTER, id), Error::<Test>::NotOpen);
        assert_noop!(cancel(STRANGER, id), Error::<Test>::NotOpen);
        assert_ok!(cancel(TRAINER, id));
        assert_eq!(record(TRAINER), TrainerRecord { bonded: BOND, ..TrainerRecord::default() });
    });
}

#[test]
fn cancel_fails_when_not_the_requester() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_noop!(cancel(STRANGER, id), Error::<Test>::NotRequester);
    });
}

#[test]
fn cancel_fails_when_a_lease_is_live() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_noop!(cancel(REQUESTER, id), Error::<Test>::NotOpen);
        assert_noop!(cancel(TRAINER, id), Error::<Test>::NotRequester);
    });
}

#[test]
fn cancel_fails_when_already_cancelled() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_ok!(cancel(REQUESTER, id));
        assert_noop!(cancel(REQUESTER, id), Error::<Test>::NotOpen);
    });
}
