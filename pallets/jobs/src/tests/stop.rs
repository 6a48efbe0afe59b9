use super::*;
use crate::{Error, Event, HoldReason};
use frame_support::assert_noop;

#[test]
fn stop_pays_for_what_was_done_and_returns_the_rest() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_ok!(beat(TRAINER, id, 30));
        events();
        assert_ok!(stop(REQUESTER, id, PRICE));
        let paid = PRICE / 100 * 30;
        let event =
            Event::JobStopped { job: id, requester: REQUESTER, trainer: TRAINER, paid, escrow: PRICE - paid + FEE };
        assert_eq!(events(), [event]);
        assert_eq!(stage(id), Stage::Cancelled);
        assert_eq!(worth(TRAINER), ENDOWMENT + paid);
        assert_eq!(worth(REQUESTER), ENDOWMENT - paid);
        assert_eq!(held(HoldReason::Escrow, REQUESTER), 0);
        assert_eq!(uses(GRANT), 0);
        // Neither praise nor blame, and free for the next.
        assert_eq!(record(TRAINER), TrainerRecord { bonded: BOND, ..TrainerRecord::default() });
        assert_ok!(forget(REQUESTER, id));
    });
}

#[test]
fn who_has_said_nothing_yet_gets_the_least_part() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_ok!(stop(REQUESTER, id, PRICE));
        assert_eq!(worth(TRAINER), ENDOWMENT + PRICE / 20);
    });
}

#[test]
fn who_is_done_gets_all_of_the_price_and_no_data_is_paid() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_ok!(beat(TRAINER, id, 100));
        assert_ok!(stop(REQUESTER, id, PRICE));
        assert_eq!(worth(TRAINER), ENDOWMENT + PRICE);
        assert_eq!(worth(REQUESTER), ENDOWMENT - PRICE);
        assert_eq!(worth(OWNER), ENDOWMENT);
    });
}

#[test]
fn a_requester_who_renounced_its_grant_pays_all_the_same() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_ok!(beat(TRAINER, id, 50));
        renounce(GRANT);
        assert_ok!(stop(REQUESTER, id, PRICE));
        assert_eq!(worth(TRAINER), ENDOWMENT + PRICE / 2);
    });
}

#[test]
fn stop_fails_when_more_is_done_than_is_allowed() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_noop!(stop(REQUESTER, id, PRICE / 20 - 1), Error::<Test>::StopCostsMore);
        assert_ok!(beat(TRAINER, id, 31));
        assert_noop!(stop(REQUESTER, id, PRICE / 100 * 30), Error::<Test>::StopCostsMore);
        assert_ok!(stop(REQUESTER, id, PRICE / 100 * 31));
    });
}

#[test]
fn stop_fails_when_nobody_works_on_the_job() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(stop(REQUESTER, JobId(0), PRICE), Error::<Test>::JobUnknown);
        let id = posted();
        assert_noop!(stop(REQUESTER, id, PRICE), Error::<Test>::NotLeased);
        let id = reported();
        assert_noop!(stop(REQUESTER, id, PRICE), Error::<Test>::NotLeased);
        let id = leased();
        run_to(lease_until(id) + 1);
        assert_noop!(stop(REQUESTER, id, PRICE), Error::<Test>::LeaseLapsed);
    });
}

#[test]
fn stop_fails_when_not_the_requester() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_noop!(stop(STRANGER, id, PRICE), Error::<Test>::NotRequester);
        assert_noop!(stop(TRAINER, id, PRICE), Error::<Test>::NotRequester);
        assert_ok!(stop(REQUESTER, id, PRICE));
        assert_noop!(stop(REQUESTER, id, PRICE), Error::<Test>::NotLeased);
    });
}
