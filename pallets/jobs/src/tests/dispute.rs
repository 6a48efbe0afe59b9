use super::*;
use crate::{Disputes, Error, Event, HoldReason, SettlesAt};
use frame_support::assert_noop;
use sp_runtime::{DispatchError, TokenError};
use tributary_protocol::ModelId;

const DEPOSIT: Amount = 5 * UNIT;

#[test]
fn dispute_freezes_the_job() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        run_on(WINDOW);
        events();
        assert_ok!(dispute(REQUESTER, id));
        assert_eq!(
            job(id).state,
            JobState::Disputed { trainer: TRAINER, report: report(), evidence: EVIDENCE, at_risk: AT_RISK }
        );
        assert_eq!(held(HoldReason::Dispute, REQUESTER), DEPOSIT);
        assert_eq!(SettlesAt::<Test>::get(id), None);
        assert_eq!(
            events(),
            [Event::JobDisputed { job: id, requester: REQUESTER, evidence: EVIDENCE, deposit: DEPOSIT }]
        );
        run_on(3 * WINDOW);
        assert_eq!(stage(id), Stage::Disputed);
        assert_noop!(settle(TRAINER, id), Error::<Test>::NotReported);
        assert_noop!(cancel(REQUESTER, id), Error::<Test>::NotOpen);
        assert_noop!(expire(REQUESTER, id), Error::<Test>::NotOpen);
    });
}

#[test]
fn dispute_fails_when_not_the_requester() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        assert_noop!(dispute(RIVAL, id), Error::<Test>::NotRequester);
    });
}

#[test]
fn dispute_fails_when_the_window_has_closed() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        RegistryBroken::set(&true);
        run_on(WINDOW + 1);
        assert_noop!(dispute(REQUESTER, id), Error::<Test>::WindowClosed);
    });
}

#[test]
fn dispute_fails_when_not_reported() {
    ExtBuilder.build_and_execute(|| {
        let id = disputed();
        assert_noop!(dispute(REQUESTER, id), Error::<Test>::NotReported);
        let id = leased();
        assert_noop!(dispute(REQUESTER, id), Error::<Test>::NotReported);
    });
}

#[test]
fn dispute_fails_when_the_deposit_is_not_there() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        let free = Balances::free_balance(REQUESTER);
        assert_ok!(Balances::transfer_keep_alive(RuntimeOrigin::signed(REQUESTER), STRANGER, free - DEPOSIT));
        assert_noop!(dispute(REQUESTER, id), TokenError::FundsUnavailable);
    });
}

#[test]
fn upheld_reports_are_paid_and_win_the_deposit() {
    ExtBuilder.build_and_execute(|| {
        let id = disputed();
        events();
        assert_ok!(resolve(id, Verdict::Uphold));
        assert_eq!(stage(id), Stage::Settled);
        assert_eq!(worth(TRAINER), ENDOWMENT + PRICE + DEPOSIT);
        assert_eq!(worth(OWNER), ENDOWMENT + FEE);
        assert_eq!(worth(REQUESTER), ENDOWMENT - PRICE - FEE - DEPOSIT);
        assert_eq!(record(TRAINER).settled, 1);
        assert!(!Disputes::<Test>::contains_key(id));
        assert_eq!(
            events(),
            [
                Event::JobSettled {
                    job: id,
                    model: ModelId(1),
                    requester: REQUESTER,
                    trainer: TRAINER,
                    price: PRICE,
                    data_fees: FEE,
                },
                Event::DisputeResolved {
                    job: id,
                    verdict: Verdict::Uphold,
                    requester: REQUESTER,
                    trainer: TRAINER,
                    slashed: 0,
                },
            ]
        );
    });
}

#[test]
fn overturned_reports_cost_what_was_at_risk() {
    ExtBuilder.build_and_execute(|| {
        let id = disputed();
        events();
        assert_ok!(resolve(id, Verdict::Overturn));
        assert_eq!(stage(id), Stage::Cancelled);
        assert_eq!(worth(TRAINER), ENDOWMENT - AT_RISK);
        assert_eq!(worth(REQUESTER), ENDOWMENT + AT_RISK);
        assert_eq!(worth(OWNER), ENDOWMENT);
        assert_eq!(held(HoldReason::Escrow, REQUESTER), 0);
        assert_eq!(held(HoldReason::Dispute, REQUESTER), 0);
        assert_eq!(uses(GRANT), 0);
        assert!(Models::get().is_empty());
        let record = record(TRAINER);
        assert_eq!((record.bonded, record.at_risk, record.active), (BOND - AT_RISK, 0, 0));
        assert_eq!((record.overturned, record.settled), (1, 0));
        assert_eq!(
            events(),
            [
                Event::JobCancelled { job: id, requester: REQUESTER, escrow: PRICE + FEE },
                Event::DisputeResolved {
                    job: id,
                    verdict: Verdict::Overturn,
                    requester: REQUESTER,
                    trainer: TRAINER,
                    slashed: AT_RISK,
                },
            ]
        );
    });
}

#[test]
fn a_trainer_that_lost_its_whole_bond_keeps_its_record_and_can_bond_again() {
    ExtBuilder.build_and_execute(|| {
        let id = posted();
        assert_ok!(bond(TRAINER, AT_RISK));
        assert_ok!(claim(TRAINER, id));
        assert_ok!(hand_in(TRAINER, id, report()));
        assert_ok!(dispute(REQUESTER, id));
        assert_ok!(resolve(id, Verdict::Overturn));
        assert_eq!(record(TRAINER), TrainerRecord { overturned: 1, ..TrainerRecord::default() });
        assert_ok!(bond(TRAINER, BOND));
        assert_eq!(record(TRAINER).overturned, 1);
    });
}

#[test]
fn resolve_fails_when_not_the_dispute_origin() {
    ExtBuilder.build_and_execute(|| {
        let id = disputed();
        for who in [REQUESTER, TRAINER, STRANGER] {
            let call = Call::resolve { job: id, verdict: Verdict::Uphold };
            assert_noop!(send(who, call), DispatchError::BadOrigin);
        }
    });
}

#[test]
fn resolve_fails_when_not_disputed() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        assert_noop!(resolve(id, Verdict::Overturn), Error::<Test>::NotDisputed);
    });
}

#[test]
fn resolve_fails_when_already_decided() {
    ExtBuilder.build_and_execute(|| {
        let id = disputed();
        assert_ok!(resolve(id, Verdict::Overturn));
        for verdict in [Verdict::Overturn, Verdict::Uphold] {
            assert_noop!(resolve(id, verdict), Error::<Test>::NotDisputed);
        }
        assert_eq!(worth(TRAINER), ENDOWMENT - AT_RISK, "slashed once");
    });
}

#[test]
fn resolve_fails_when_the_model_cannot_be_recorded() {
    ExtBuilder.build_and_execute(|| {
        let id = disputed();
        RegistryBroken::set(&true);
        assert_noop!(resolve(id, Verdict::Uphold), DispatchError::Other("RegistryBroken"));
    });
}
