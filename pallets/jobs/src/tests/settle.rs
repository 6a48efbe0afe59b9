use super::*;
use crate::{Agenda, Error, Event, HoldReason, SettlesAt};
use frame_support::assert_noop;
use sp_runtime::DispatchError;
use tributary_protocol::{DatanetId, GrantId, ModelId, VersionRef, model::DataUse};

#[test]
fn accept_pays_records_the_model_and_frees_the_bond() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        events();
        assert_ok!(accept(REQUESTER, id));
        let model = ModelId(1);
        assert_eq!(
            events(),
            [Event::JobSettled {
                job: id,
                model,
                requester: REQUESTER,
                trainer: TRAINER,
                price: PRICE,
                data_fees: FEE,
            }]
        );
        assert_eq!(job(id).state, JobState::Settled { trainer: TRAINER, report: report(), model });
        assert_eq!(job(id).escrow, 0);
        assert_eq!(Models::get(), [(id, REQUESTER, report().adapter)]);
        assert_eq!(worth(TRAINER), ENDOWMENT + PRICE);
        assert_eq!(worth(OWNER), ENDOWMENT + FEE);
        assert_eq!(worth(REQUESTER), ENDOWMENT - PRICE - FEE);
        assert_eq!(held(HoldReason::Escrow, REQUESTER), 0);
        assert_eq!(held(HoldReason::Job, REQUESTER), job(id).deposit);
        let record = record(TRAINER);
        assert_eq!((record.at_risk, record.active, record.settled), (0, 0, 1));
        assert_eq!(SettlesAt::<Test>::get(id), None);
        assert_eq!(uses(GRANT), 1, "a use that made a model stays taken");
    });
}

#[test]
fn accept_fails_when_not_the_requester() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        assert_noop!(accept(TRAINER, id), Error::<Test>::NotRequester);
    });
}

#[test]
fn accept_fails_when_not_reported() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_noop!(accept(REQUESTER, id), Error::<Test>::NotReported);
        let id = disputed();
        assert_noop!(accept(REQUESTER, id), Error::<Test>::NotReported);
    });
}

#[test]
fn accept_fails_when_already_settled() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        assert_ok!(accept(REQUESTER, id));
        assert_noop!(accept(REQUESTER, id), Error::<Test>::NotReported);
        run_on(WINDOW + 2);
        assert_noop!(settle(TRAINER, id), Error::<Test>::NotReported);
        assert_eq!(worth(TRAINER), ENDOWMENT + PRICE);
    });
}

#[test]
fn a_report_settles_by_itself_in_the_block_after_the_window() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        run_on(WINDOW);
        assert_eq!(stage(id), Stage::Reported);
        run_on(1);
        assert_eq!(stage(id), Stage::Settled);
        assert_eq!(worth(TRAINER), ENDOWMENT + PRICE);
    });
}

#[test]
fn a_failing_settlement_halts_nothing_and_can_be_tried_again() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        RegistryBroken::set(&true);
        events();
        run_on(WINDOW + 1);
        let [Event::SettlementFailed { job: failed, .. }] = events()[..] else { panic!("not announced") };
        assert_eq!(failed, id);
        assert_eq!(stage(id), Stage::Reported);
        assert_eq!(worth(TRAINER), ENDOWMENT);
        assert_eq!(held(HoldReason::Escrow, REQUESTER), PRICE + FEE);
        assert_noop!(settle(STRANGER, id), DispatchError::Other("RegistryBroken"));

        RegistryBroken::set(&false);
        run_on(1);
        assert_ok!(settle(STRANGER, id));
        assert_eq!(worth(TRAINER), ENDOWMENT + PRICE);
    });
}

#[test]
fn one_failing_settlement_does_not_touch_the_others_of_its_block() {
    ExtBuilder.build_and_execute(|| {
        let (first, second) = (reported(), reported());
        // The first costs more than its escrow holds, as no call could bring about.
        crate::Jobs::<Test>::mutate(first, |job| job.as_mut().unwrap().spec.price = ENDOWMENT);
        run_on(WINDOW + 1);
        assert_eq!((stage(first), stage(second)), (Stage::Reported, Stage::Settled));
        crate::Jobs::<Test>::mutate(first, |job| job.as_mut().unwrap().spec.price = PRICE);
    });
}

#[test]
fn the_hook_weighs_what_is_due() {
    use crate::WeightInfo;
    use frame_support::traits::OnInitialize;
    ExtBuilder.build_and_execute(|| {
        reported();
        let due = now() + WINDOW + 1;
        run_to(due - 1);
        System::set_block_number(due);
        assert_eq!(JobMarket::on_initialize(due), <() as WeightInfo>::on_initialize(1));
        assert_eq!(JobMarket::on_initialize(due), <() as WeightInfo>::on_initialize(0));
        assert_eq!(Agenda::<Test>::iter().count(), 0);
    });
}

#[test]
fn settle_fails_when_the_window_is_open() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        run_on(WINDOW);
        assert_noop!(settle(TRAINER, id), Error::<Test>::WindowOpen);
    });
}

#[test]
fn settle_fails_when_not_reported() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_noop!(settle(TRAINER, id), Error::<Test>::NotReported);
    });
}

#[test]
fn fees_are_those_of_the_day_of_posting_and_go_to_the_owner_of_the_day_of_settlement() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        change_datanet(DATANET, |datanet| {
            datanet.terms.price = 1_000 * FEE;
            datanet.owner = STRANGER;
        });
        assert_ok!(accept(REQUESTER, id));
        assert_eq!(worth(OWNER), ENDOWMENT);
        assert_eq!(worth(STRANGER), ENDOWMENT + FEE);
    });
}

#[test]
fn a_requester_that_owns_the_data_pays_itself() {
    ExtBuilder.build_and_execute(|| {
        change_datanet(DATANET, |datanet| datanet.owner = REQUESTER);
        let id = reported();
        assert_ok!(accept(REQUESTER, id));
        assert_eq!(worth(REQUESTER), ENDOWMENT - PRICE);
        assert_eq!(held(HoldReason::Escrow, REQUESTER), 0);
    });
}

#[test]
fn a_fee_too_small_to_make_its_owners_account_stays_with_the_requester() {
    const NOBODY: AccountId = 77;
    ExtBuilder.build_and_execute(|| {
        let (small, big) = (DatanetId(2), DatanetId(3));
        add_datanet(small, NOBODY, ED - 1, 1);
        add_datanet(big, NOBODY + 1, ED, 1);
        let mut spec = spec();
        for (datanet, grant) in [(small, GrantId(2)), (big, GrantId(3))] {
            add_grant(grant, datanet, REQUESTER);
            spec.data.try_push(DataUse { version: VersionRef { datanet, number: 1 }, grant }).unwrap();
        }
        assert_ok!(post(spec));
        assert_ok!(bond(TRAINER, BOND));
        assert_ok!(claim(TRAINER, JobId(0)));
        assert_ok!(hand_in(TRAINER, JobId(0), report()));
        events();
        assert_ok!(accept(REQUESTER, JobId(0)));
        let [Event::JobSettled { data_fees, .. }] = events()[..] else { panic!("not settled") };
        assert_eq!(data_fees, FEE + ED);
        assert_eq!((worth(NOBODY), worth(NOBODY + 1)), (0, ED));
        assert_eq!(worth(REQUESTER), ENDOWMENT - PRICE - FEE - ED);
    });
}

#[test]
fn frozen_balance_does_not_block_payment() {
    use frame_support::traits::{LockableCurrency, WithdrawReasons};
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        Balances::set_lock(*b"tests/lo", &REQUESTER, ENDOWMENT, WithdrawReasons::all());
        assert_ok!(accept(REQUESTER, id));
        assert_eq!(worth(TRAINER), ENDOWMENT + PRICE);
    });
}
