use crate::{Accepted, Contributions, Error, Event, HoldReason, Tallies, mock::*};
use frame_support::{assert_noop, assert_ok};
use tributary_protocol::{ContributionId, datanet::ContributionStatus};

#[test]
fn withdraw_removes_a_waiting_contribution_and_returns_all() {
    ExtBuilder::default().build_and_execute(|| {
        let id = submit(ANN, 1);
        let released = held(HoldReason::Contribution, ANN);
        assert_ok!(Nets::withdraw(signed(ANN), id));
        assert!(!Contributions::<Test>::contains_key(id));
        assert!(!Tallies::<Test>::contains_key(DATANET), "nothing is left behind");
        assert_eq!(free(ANN), ENDOWMENT);
        assert_eq!(
            last_event(),
            Event::ContributionWithdrawn {
                contribution: id,
                datanet: DATANET,
                removed: true,
                contributor: ANN,
                released
            }
        );
    });
}

#[test]
fn withdraw_removes_an_accepted_contribution_that_no_version_lists() {
    ExtBuilder::default().build_and_execute(|| {
        accepted(BOB, 1);
        published();
        let id = accepted(ANN, 2);
        assert_ok!(Nets::withdraw(signed(ANN), id));
        assert_eq!(free(ANN), ENDOWMENT);
        assert_noop!(Nets::publish_version(signed(OWNER), DATANET), Error::<Test>::NothingNew);
    });
}

#[test]
fn withdraw_keeps_the_record_and_its_deposit_where_a_version_lists_it() {
    ExtBuilder::default().build_and_execute(|| {
        let id = accepted(ANN, 1);
        published();
        assert_ok!(Nets::withdraw(signed(ANN), id));
        assert_eq!(Contributions::<Test>::get(id).unwrap().status, ContributionStatus::Withdrawn);
        assert_eq!(held(HoldReason::Contribution, ANN), Nets::record_deposit());
        assert!(!Accepted::<Test>::contains_key(DATANET));
        assert_eq!(
            last_event(),
            Event::ContributionWithdrawn {
                contribution: id,
                datanet: DATANET,
                removed: false,
                contributor: ANN,
                released: 0
            }
        );
        assert_noop!(Nets::withdraw(signed(ANN), id), Error::<Test>::AlreadyWithdrawn);
    });
}

#[test]
fn withdraw_fails_when_the_caller_did_not_make_it() {
    ExtBuilder::default().build_and_execute(|| {
        let id = submit(ANN, 1);
        for who in [OWNER, CURATOR, BOB] {
            assert_noop!(Nets::withdraw(signed(who), id), Error::<Test>::NotContributor);
        }
        assert_noop!(Nets::withdraw(signed(ANN), ContributionId(5)), Error::<Test>::NoSuchContribution);
    });
}
