use crate::{Contributions, Error, Event, HoldReason, mock::*};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::TokenError;
use tributary_protocol::{
    ContributionId, DatanetId,
    datanet::{Admission, ContributionStatus, SampleCommitment, Terms},
};

fn submit_samples(who: AccountId, samples: SampleCommitment) -> frame_support::dispatch::DispatchResult {
    Nets::submit_contribution(signed(who), DATANET, samples, name("MIT"))
}

#[test]
fn submit_contribution_holds_for_the_record_and_by_size() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(submit_samples(ANN, samples(1)));
        let record = Contributions::<Test>::get(ContributionId(0)).unwrap();
        assert_eq!(record.status, ContributionStatus::Pending);
        // 3,000 bytes are three started kibibytes.
        assert_eq!(record.deposit, Nets::record_deposit() + 6 * ED);
        assert_eq!(held(HoldReason::Contribution, ANN), record.deposit);
        assert_eq!(
            last_event(),
            Event::ContributionSubmitted {
                contribution: ContributionId(0),
                datanet: DATANET,
                samples: samples(1),
                licence: name("MIT"),
                contributor: ANN,
                deposit: record.deposit,
            }
        );
    });
}

#[test]
fn submit_contribution_caps_the_deposit_by_size() {
    ExtBuilder::default().build_and_execute(|| {
        assert_eq!(Nets::size_deposit(1), 2 * ED);
        assert_eq!(Nets::size_deposit(1024), 2 * ED);
        assert_eq!(Nets::size_deposit(1025), 4 * ED);
        assert_eq!(Nets::size_deposit(u64::MAX), 100 * UNIT);
        let bytes = 1 << 30;
        assert_ok!(submit_samples(ANN, SampleCommitment { bytes, ..samples(1) }));
        assert_eq!(held(HoldReason::Contribution, ANN), Nets::record_deposit() + 100 * UNIT);
        let bytes = bytes + 1;
        assert_noop!(submit_samples(ANN, SampleCommitment { bytes, ..samples(2) }), Error::<Test>::TooManyBytes);
    });
}

#[test]
fn submit_contribution_fails_when_the_terms_do_not_admit() {
    ExtBuilder::default().build_and_execute(|| {
        let members = Terms { admission: Admission::Members, ..terms() };
        assert_ok!(Nets::update_terms(signed(OWNER), DATANET, members));
        assert_noop!(submit_samples(ANN, samples(1)), Error::<Test>::NotAdmitted);
        assert_ok!(submit_samples(OWNER, samples(1)));
        assert_ok!(submit_samples(CURATOR, samples(2)));
    });
}

#[test]
fn submit_contribution_fails_when_there_are_no_samples() {
    ExtBuilder::default().build_and_execute(|| {
        let cases = [SampleCommitment { samples: 0, ..samples(1) }, SampleCommitment { bytes: 0, ..samples(1) }];
        for empty in cases {
            assert_noop!(submit_samples(ANN, empty), Error::<Test>::NoSamples);
        }
    });
}

#[test]
fn submit_contribution_fails_when_the_licence_is_bad() {
    ExtBuilder::default().build_and_execute(|| {
        for licence in [vec![], vec![0xc3]] {
            assert_noop!(
                Nets::submit_contribution(signed(ANN), DATANET, samples(1), licence.try_into().unwrap()),
                Error::<Test>::BadName
            );
        }
    });
}

#[test]
fn submit_contribution_fails_when_the_file_is_there_already() {
    ExtBuilder::default().build_and_execute(|| {
        let id = submit(ANN, 1);
        assert_noop!(submit_samples(BOB, samples(1)), Error::<Test>::DuplicateBlob);
        assert_ok!(Nets::accept(signed(OWNER), id));
        assert_noop!(submit_samples(BOB, samples(1)), Error::<Test>::DuplicateBlob);
        assert_ok!(Nets::withdraw(signed(ANN), id));
        assert_ok!(submit_samples(BOB, samples(1)));
    });
}

#[test]
fn submit_contribution_fails_when_the_queue_is_full() {
    ExtBuilder::default().build_and_execute(|| {
        let first = submit(ANN, 0);
        (1..4).for_each(|file| {
            submit(ANN, file);
        });
        assert_noop!(submit_samples(BOB, samples(9)), Error::<Test>::QueueFull);
        assert_ok!(Nets::reject(signed(CURATOR), first, text("off topic")));
        assert_ok!(submit_samples(BOB, samples(9)));
    });
}

#[test]
fn submit_contribution_fails_when_the_datanet_is_unknown_or_the_deposit_missing() {
    ExtBuilder::default().balance(BOB, UNIT).build_and_execute(|| {
        assert_noop!(
            Nets::submit_contribution(signed(ANN), DatanetId(7), samples(1), name("MIT")),
            Error::<Test>::NoSuchDatanet
        );
        assert_noop!(submit_samples(BOB, samples(1)), TokenError::FundsUnavailable);
    });
}
