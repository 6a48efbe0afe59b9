use crate::{Accepted, Contributions, Error, Event, HoldReason, mock::*};
use frame_support::{assert_noop, assert_ok};
use tributary_protocol::{
    ContributionId,
    datanet::{ContributionStatus, VERSION_CONTRIBUTIONS_MAX},
};

#[test]
fn accept_returns_the_deposit_by_size_and_enters_the_set_in_order() {
    ExtBuilder::default().build_and_execute(|| {
        let (first, second) = (submit(ANN, 1), submit(BOB, 2));
        assert_ok!(Nets::accept(signed(CURATOR), second));
        assert_ok!(Nets::accept(signed(OWNER), first));
        assert_eq!(Accepted::<Test>::get(DATANET).into_inner(), vec![first, second]);
        assert_eq!(held(HoldReason::Contribution, ANN), Nets::record_deposit());
        assert_eq!(Contributions::<Test>::get(first).unwrap().status, ContributionStatus::Accepted);
        assert_eq!(
            last_event(),
            Event::ContributionAccepted { contribution: first, datanet: DATANET, curator: OWNER, released: 6 * ED }
        );
    });
}

#[test]
fn accept_fails_when_the_caller_may_not_judge() {
    ExtBuilder::default().build_and_execute(|| {
        let id = submit(ANN, 1);
        for who in [ANN, BOB, STRANGER] {
            assert_noop!(Nets::accept(signed(who), id), Error::<Test>::NotCurator);
        }
    });
}

#[test]
fn accept_fails_when_a_curator_made_it_unless_it_is_the_owner() {
    ExtBuilder::default().build_and_execute(|| {
        let of_curator = submit(CURATOR, 1);
        assert_noop!(Nets::accept(signed(CURATOR), of_curator), Error::<Test>::OwnContribution);
        assert_ok!(Nets::accept(signed(OWNER), of_curator));
        let of_owner = submit(OWNER, 2);
        assert_ok!(Nets::accept(signed(OWNER), of_owner));
    });
}

#[test]
fn accept_fails_when_it_was_judged_before() {
    ExtBuilder::default().build_and_execute(|| {
        let id = accepted(ANN, 1);
        assert_noop!(Nets::accept(signed(CURATOR), id), Error::<Test>::NotPending);
        let rejected = submit(ANN, 2);
        assert_ok!(Nets::reject(signed(CURATOR), rejected, text("no")));
        assert_noop!(Nets::accept(signed(CURATOR), rejected), Error::<Test>::NotPending);
        assert_noop!(Nets::accept(signed(CURATOR), ContributionId(9)), Error::<Test>::NoSuchContribution);
    });
}

#[test]
fn accept_fails_when_the_next_version_is_full() {
    ExtBuilder::default().build_and_execute(|| {
        let last = u8::try_from(VERSION_CONTRIBUTIONS_MAX - 1).unwrap();
        for file in 0..=last {
            accepted(ANN, file);
        }
        let mut more = samples(0);
        more.blob.0 = [7; 32];
        assert_ok!(Nets::submit_contribution(signed(BOB), DATANET, more, name("MIT")));
        let id = ContributionId(VERSION_CONTRIBUTIONS_MAX.into());
        assert_noop!(Nets::accept(signed(OWNER), id), Error::<Test>::VersionFull);
        assert_eq!(published().number, 1);
        assert_ok!(Nets::withdraw(signed(ANN), ContributionId(100)));
        assert_ok!(Nets::accept(signed(OWNER), id));
    });
}
