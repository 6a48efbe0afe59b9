use super::*;
use crate::{Error, Event, HoldReason};
use frame_support::assert_noop;

#[test]
fn expire_reopens_a_lapsed_job() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        run_to(lease_until(id) + 1);
        events();
        assert_ok!(expire(STRANGER, id));
        assert_eq!(stage(id), Stage::Open);
        assert_eq!(events(), [Event::LeaseLapsed { job: id, trainer: TRAINER, slashed: SLASH }]);
        assert_noop!(expire(STRANGER, id), Error::<Test>::NotDue);
    });
}

#[test]
fn expire_ends_an_open_job_after_its_deadline() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        run_to(DEADLINE + 1);
        events();
        assert_ok!(expire(STRANGER, id));
        assert_eq!(stage(id), Stage::Expired);
        assert_eq!(held(HoldReason::Escrow, REQUESTER), 0);
        assert_eq!(uses(GRANT), 0);
        assert_eq!(events(), [Event::JobExpired { job: id, requester: REQUESTER, escrow: PRICE + FEE }]);
    });
}

#[test]
fn expire_ends_a_lapsed_job_after_its_deadline() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        run_to(DEADLINE + 1);
        events();
        assert_ok!(expire(STRANGER, id));
        assert_eq!(stage(id), Stage::Expired);
        assert_eq!(
            events(),
            [
                Event::LeaseLapsed { job: id, trainer: TRAINER, slashed: SLASH },
                Event::JobExpired { job: id, requester: REQUESTER, escrow: PRICE + FEE },
            ]
        );
        assert_eq!(worth(REQUESTER), ENDOWMENT + SLASH);
    });
}

#[test]
fn expire_fails_when_nothing_is_due() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        run_to(DEADLINE);
        assert_noop!(expire(REQUESTER, id), Error::<Test>::NotDue);
    });
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        run_to(lease_until(id));
        assert_noop!(expire(REQUESTER, id), Error::<Test>::NotDue);
    });
}

#[test]
fn expire_fails_when_reported_or_over() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        assert_noop!(expire(REQUESTER, id), Error::<Test>::NotOpen);
        assert_ok!(accept(REQUESTER, id));
        run_to(DEADLINE + 1);
        assert_noop!(expire(REQUESTER, id), Error::<Test>::NotOpen);
    });
}

#[test]
fn forget_returns_the_deposit() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_ok!(cancel(REQUESTER, id));
        let deposit = job(id).deposit;
        events();
        assert_ok!(forget(REQUESTER, id));
        assert_eq!(events(), [Event::JobForgotten { job: id, requester: REQUESTER, deposit }]);
        assert_eq!(Balances::free_balance(REQUESTER), ENDOWMENT);
        assert_noop!(forget(REQUESTER, id), Error::<Test>::JobUnknown);
    });
}

#[test]
fn forget_fails_when_not_the_requester() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_ok!(cancel(REQUESTER, id));
        assert_noop!(forget(STRANGER, id), Error::<Test>::NotRequester);
    });
}

#[test]
fn forget_fails_when_the_record_is_needed() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_noop!(forget(REQUESTER, id), Error::<Test>::RecordNeeded);
        let id = reported();
        assert_noop!(forget(REQUESTER, id), Error::<Test>::RecordNeeded);
        assert_ok!(accept(REQUESTER, id));
        assert_noop!(forget(REQUESTER, id), Error::<Test>::RecordNeeded);
    });
}
