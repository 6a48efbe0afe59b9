use super::*;
use crate::{AGENDA_SEARCH_BLOCKS, Agenda, Error, Event, SettlesAt};
use frame_support::assert_noop;
use tributary_protocol::{
    Ppm,
    answer::{Accuracy, Measured, attributed_part},
    recipe::{AttributionMethod, TangentWay},
    stream::SHARE_LEAVES_MAX,
};

/// An accuracy by which something is attributed, measured on so many coalitions.
fn accuracy(coalitions: u32) -> Accuracy {
    Accuracy {
        coalitions: Measured { value: 700_000, low: 500_000, high: 800_000 },
        ceiling: 900_000,
        mislabel: None,
        ghost_share: Ppm::from_percent(1),
        coalition_count: coalitions,
        query_count: 10,
    }
}

/// A report changed by `change`.
fn changed(change: impl FnOnce(&mut Report)) -> Report {
    let mut report = report();
    change(&mut report);
    report
}

#[test]
fn report_starts_the_window_and_schedules_settlement() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        run_to(7);
        events();
        assert_ok!(hand_in(TRAINER, id, report()));
        let accept_until = 7 + WINDOW;
        assert_eq!(
            job(id).state,
            JobState::Reported { trainer: TRAINER, report: report(), accept_until, at_risk: AT_RISK }
        );
        assert_eq!(record(TRAINER).at_risk, AT_RISK);
        assert_eq!(SettlesAt::<Test>::get(id), Some(accept_until + 1));
        assert_eq!(Agenda::<Test>::get(accept_until + 1).into_inner(), [id]);
        assert_eq!(
            events(),
            [Event::JobReported { job: id, trainer: TRAINER, adapter: report().adapter, accept_until }]
        );
    });
}

#[test]
fn a_full_agenda_moves_settlement_on_and_at_last_leaves_it_to_callers() {
    ExtBuilder.build_and_execute(|| {
        let after_window = now() + WINDOW + 1;
        SettlementsMax::set(1);
        for who in 100..=100 + u64::from(AGENDA_SEARCH_BLOCKS) {
            Balances::force_set_balance(RuntimeOrigin::root(), who, ENDOWMENT).unwrap();
            let id = posted();
            assert_ok!(bond(who, BOND));
            assert_ok!(claim(who, id));
            assert_ok!(hand_in(who, id, report()));
        }
        for offset in 0..AGENDA_SEARCH_BLOCKS {
            assert_eq!(SettlesAt::<Test>::get(JobId(offset.into())), Some(after_window + offset));
        }
        let last = JobId(AGENDA_SEARCH_BLOCKS.into());
        assert_eq!(SettlesAt::<Test>::get(last), None);

        run_to(after_window + AGENDA_SEARCH_BLOCKS);
        for offset in 0..AGENDA_SEARCH_BLOCKS {
            assert_eq!(stage(JobId(offset.into())), Stage::Settled);
        }
        assert_eq!(stage(last), Stage::Reported);
        assert_ok!(settle(STRANGER, last));
        assert_eq!(stage(last), Stage::Settled);
    });
}

#[test]
fn a_report_within_the_lease_stands_although_a_grant_was_revoked_meanwhile() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        revoke(GRANT);
        assert_ok!(hand_in(TRAINER, id, report()));
        assert_noop!(cancel(REQUESTER, id), Error::<Test>::NotOpen);
        assert_ok!(accept(REQUESTER, id));
    });
}

#[test]
fn report_fails_when_the_lease_has_lapsed() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        run_to(lease_until(id) + 1);
        assert_noop!(hand_in(TRAINER, id, report()), Error::<Test>::LeaseLapsed);
    });
}

#[test]
fn report_fails_when_another_trainer_has_the_lease() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        assert_ok!(bond(RIVAL, BOND));
        run_to(lease_until(id) + 1);
        assert_ok!(claim(RIVAL, id));
        assert_noop!(hand_in(TRAINER, id, report()), Error::<Test>::NotLeaseHolder);
    });
}

#[test]
fn report_fails_when_it_is_the_second() {
    ExtBuilder.build_and_execute(|| {
        let id = reported();
        assert_noop!(hand_in(TRAINER, id, report()), Error::<Test>::NotLeased);
        assert_ok!(accept(REQUESTER, id));
        assert_noop!(hand_in(TRAINER, id, report()), Error::<Test>::NotLeased);
    });
}

#[test]
fn what_is_attributed_follows_from_the_accuracy_that_the_job_asked_for() {
    ExtBuilder.build_and_execute(|| {
        let mut spec = spec();
        let (groups, halves, coalitions, way) = (16, 0, 12, TangentWay::Loss);
        spec.attribution = AttributionMethod::GroupTangents { groups, halves, coalitions, way };
        let id = JobMarket::next_job();
        assert_ok!(post(spec));
        assert_ok!(bond(TRAINER, BOND));
        assert_ok!(claim(TRAINER, id));

        let attributed = attributed_part(Some(&accuracy(12)));
        assert_eq!(attributed, Ppm::from_percent(49));
        let of = |measured: Option<Accuracy>, attributed| {
            changed(|report| (report.accuracy, report.contributions.attributed) = (measured, attributed))
        };
        for wrong in [
            of(None, Ppm::ZERO),
            of(None, attributed),
            of(Some(accuracy(11)), attributed),
            of(Some(accuracy(12)), Ppm::from_percent(50)),
            of(Some(accuracy(12)), Ppm::ZERO),
        ] {
            assert_noop!(hand_in(TRAINER, id, wrong), Error::<Test>::AccuracyInvalid);
        }
        assert_ok!(hand_in(TRAINER, id, of(Some(accuracy(12)), attributed)));
        assert_ok!(accept(REQUESTER, id));
        assert_eq!(Accuracies::get(), [Some(accuracy(12))]);
    });
}

#[test]
fn report_fails_when_it_claims_an_accuracy_that_was_not_asked_for() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        let attributed = attributed_part(Some(&accuracy(12)));
        for attributed in [attributed, Ppm::ZERO] {
            let report = changed(|report| {
                (report.accuracy, report.contributions.attributed) = (Some(accuracy(12)), attributed);
            });
            assert_noop!(hand_in(TRAINER, id, report), Error::<Test>::AccuracyInvalid);
        }
    });
}

#[test]
fn report_fails_when_incomplete() {
    ExtBuilder.build_and_execute(|| {
        let id = leased();
        let cases = [
            (changed(|report| report.adapter = ContentHash::default()), Error::<Test>::NoAdapter),
            (changed(|report| report.metrics.steps = 0), Error::<Test>::NoSteps),
            (changed(|report| report.contributions.shares.total -= 1), Error::<Test>::SharesInvalid),
            (changed(|report| report.contributions.shares.total += 1), Error::<Test>::SharesInvalid),
            (changed(|report| report.contributions.shares.leaves = 0), Error::<Test>::SharesInvalid),
            (changed(|report| report.contributions.shares.leaves = SHARE_LEAVES_MAX + 1), Error::<Test>::SharesInvalid),
        ];
        for (report, error) in cases {
            assert_noop!(hand_in(TRAINER, id, report), error);
        }
    });
}
