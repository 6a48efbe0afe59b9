use super::*;
use crate::{Error, Event};
use frame_support::assert_noop;
use sp_runtime::DispatchError;

#[test]
fn heartbeat_records_progress_and_prolongs_the_lease() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        run_to(15);
        events();
        assert_ok!(send(TRAINER, Call::heartbeat { job: id, progress: Progress::default() }));
        let progress = Progress { step: 30, steps: 100 };
        assert_ok!(send(TRAINER, Call::heartbeat { job: id, progress }));
        assert_eq!(job(id).state, JobState::Leased { trainer: TRAINER, until: 15 + LEASE, progress, at_risk: AT_RISK });
        assert_eq!(
            events().last(),
            Some(&Event::HeartbeatRecorded { job: id, trainer: TRAINER, progress, until: 15 + LEASE })
        );
    });
}

#[test]
fn heartbeats_keep_a_lease_until_the_deadline_and_no_longer() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        while now() < DEADLINE {
            assert_ok!(beat(TRAINER, id, 1));
            run_to(lease_until(id));
        }
        assert_ok!(beat(TRAINER, id, 1));
        assert_eq!(lease_until(id), DEADLINE);
        run_on(1);
        assert_noop!(beat(TRAINER, id, 1), Error::<Test>::LeaseLapsed);
    });
}

#[test]
fn heartbeat_fails_when_the_lease_has_lapsed() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        run_to(lease_until(id) + 1);
        assert_noop!(beat(TRAINER, id, 1), Error::<Test>::LeaseLapsed);
    });
}

#[test]
fn heartbeat_fails_when_not_leased() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_noop!(beat(TRAINER, id, 1), Error::<Test>::NotLeased);
    });
}

#[test]
fn heartbeat_fails_when_not_the_lease_holder() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_noop!(beat(RIVAL, id, 1), Error::<Test>::NotLeaseHolder);
        assert_noop!(beat(REQUESTER, id, 1), Error::<Test>::NotLeaseHolder);
    });
}

#[test]
fn heartbeat_fails_when_the_progress_makes_no_sense() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_noop!(beat(TRAINER, id, 101), Error::<Test>::ProgressInvalid);
        assert_ok!(beat(TRAINER, id, 50));
        assert_noop!(beat(TRAINER, id, 49), Error::<Test>::ProgressFellBack);
        let progress = Progress { step: 60, steps: 200 };
        assert_noop!(send(TRAINER, Call::heartbeat { job: id, progress }), Error::<Test>::ProgressInvalid);
    });
}

#[test]
fn heartbeat_fails_when_a_grant_was_revoked() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        revoke(GRANT);
        assert_noop!(beat(TRAINER, id, 1), DispatchError::Other("Revoked"));
    });
}

#[test]
fn a_requester_cannot_stop_a_run_by_renouncing_its_grant() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        renounce(GRANT);
        assert_ok!(beat(TRAINER, id, 1));
        assert_noop!(cancel(REQUESTER, id), Error::<Test>::NotOpen);
        assert_ok!(hand_in(TRAINER, id, report()));
        assert_ok!(accept(REQUESTER, id));
        assert_eq!(worth(TRAINER), ENDOWMENT + PRICE);
    });
}
