use super::*;
use crate::{Error, Event, HoldReason};
use frame_support::assert_noop;
use sp_runtime::DispatchError;

#[test]
fn claim_leases_the_job_and_puts_bond_at_risk() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_ok!(bond(TRAINER, BOND));
        events();
        assert_ok!(claim(TRAINER, id));
        assert_eq!(
            job(id).state,
            JobState::Leased { trainer: TRAINER, until: 1 + LEASE, progress: Progress::default(), at_risk: AT_RISK }
        );
        assert_eq!(job(id).leases, 1);
        let record = record(TRAINER);
        assert_eq!((record.at_risk, record.active), (AT_RISK, 1));
        assert_eq!(events(), [Event::JobClaimed { job: id, trainer: TRAINER, until: 1 + LEASE }]);
    });
}

#[test]
fn claim_puts_at_least_the_least_bond_at_risk() {
    ExtBuilder.build_and_execute(|| {
        assert_eq!(JobMarket::bond_required(UNIT), 10 * UNIT);
        assert_eq!(JobMarket::bond_required(PRICE), AT_RISK);
        assert_eq!(JobMarket::bond_required(Amount::MAX), Amount::MAX / 2);
    });
}

#[test]
fn a_lease_ends_with_the_deadline() {
    ExtBuilder.build_and_execute(|| {
        run_to(DEADLINE - 3 - 100);
        let id = posted();
        assert_ok!(bond(TRAINER, BOND));
        run_to(DEADLINE - 3);
        assert_ok!(claim(TRAINER, id));
        assert_eq!(lease_until(id), DEADLINE);
    });
}

#[test]
fn claim_of_a_lapsed_job_makes_the_former_trainer_pay() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_ok!(beat(TRAINER, id, 40));
        assert_ok!(bond(RIVAL, BOND));
        run_to(lease_until(id) + 1);
        events();
        let requester = worth(REQUESTER);
        assert_ok!(claim(RIVAL, id));
        assert_eq!(
            events(),
            [
                Event::LeaseLapsed { job: id, trainer: TRAINER, slashed: SLASH },
                Event::JobClaimed { job: id, trainer: RIVAL, until: now() + LEASE },
            ]
        );
        assert_eq!(worth(REQUESTER), requester + SLASH);
        assert_eq!(held(HoldReason::Bond, TRAINER), BOND - SLASH);
        let former = record(TRAINER);
        assert_eq!((former.at_risk, former.active, former.lapsed), (0, 0, 1));
        let JobState::Leased { progress, .. } = job(id).state else { panic!("not leased") };
        assert_eq!(progress, Progress::default());
        assert_eq!(job(id).leases, 2);
    });
}

#[test]
fn the_trainer_of_a_lapsed_lease_may_claim_again() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        run_to(lease_until(id) + 1);
        assert_ok!(claim(TRAINER, id));
        let record = record(TRAINER);
        assert_eq!((record.bonded, record.at_risk, record.active, record.lapsed), (BOND - SLASH, AT_RISK, 1, 1));
    });
}

#[test]
fn claim_fails_when_the_lapsed_trainer_cannot_afford_it_any_more() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_ok!(bond(TRAINER, AT_RISK));
        assert_ok!(claim(TRAINER, id));
        run_to(lease_until(id) + 1);
        assert_noop!(claim(TRAINER, id), Error::<Test>::BondShort);
    });
}

#[test]
fn claim_fails_when_not_bonded() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_noop!(claim(TRAINER, id), Error::<Test>::NotBonded);
    });
}

#[test]
fn claim_fails_when_the_bond_is_short() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_ok!(bond(TRAINER, AT_RISK - 1));
        assert_noop!(claim(TRAINER, id), Error::<Test>::BondShort);
        assert_ok!(bond(TRAINER, 1));
        assert_ok!(claim(TRAINER, id));
        let other = posted();
        assert_noop!(claim(TRAINER, other), Error::<Test>::BondShort);
    });
}

#[test]
fn claim_fails_when_the_trainer_has_too_many_jobs() {
    ExtBuilder.build_and_execute(|| {
        assert_ok!(bond(TRAINER, 10 * BOND));
        for _ in 0..4 {
            leased();
        }
        let fifth = posted();
        assert_noop!(claim(TRAINER, fifth), Error::<Test>::TooManyJobs);
    });
}

#[test]
fn claim_fails_when_it_is_ones_own_job() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_ok!(bond(REQUESTER, BOND));
        assert_noop!(claim(REQUESTER, id), Error::<Test>::OwnJob);
    });
}

#[test]
fn claim_fails_when_the_job_is_unknown() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(claim(TRAINER, JobId(0)), Error::<Test>::JobUnknown);
    });
}

#[test]
fn claim_fails_when_a_lease_is_live() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_ok!(bond(RIVAL, BOND));
        run_to(lease_until(id));
        assert_noop!(claim(RIVAL, id), Error::<Test>::NotOpen);
    });
}

#[test]
fn claim_fails_when_the_deadline_has_come() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_ok!(bond(TRAINER, BOND));
        run_to(DEADLINE);
        assert_noop!(claim(TRAINER, id), Error::<Test>::DeadlinePassed);
    });
}

#[test]
fn claim_fails_when_a_grant_no_longer_covers() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_ok!(bond(TRAINER, BOND));
        revoke(GRANT);
        assert_noop!(claim(TRAINER, id), DispatchError::Other("Revoked"));
        assert_eq!(stage(id), Stage::Open);
    });
}
