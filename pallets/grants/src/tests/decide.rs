//! `issue` and `deny`.

use crate::{Error, Event, Grants, mock::*};
use frame_support::{assert_noop, assert_ok};
use tributary_protocol::{
    GrantId,
    datanet::{DatanetStatus, PurposeSet},
    grant::GrantStatus,
};

#[test]
fn issue_makes_a_request_active() {
    ExtBuilder::default().build_and_execute(|| {
        let grant = asked(Who::Ann, GUARDED);
        assert_ok!(Permits::issue(signed(Who::Owner), grant));
        assert_eq!(Grants::<Test>::get(grant).unwrap().status, GrantStatus::Active);
        assert_eq!(
            last_event(),
            Event::GrantIssued {
                grant,
                datanet: GUARDED,
                nonce: None,
                terms: terms(),
                grantee: Who::Ann.id(),
                deposit: held(Who::Ann)
            }
        );
    });
}

#[test]
fn issue_fails_when_the_request_does_not_fit_the_terms_of_today() {
    ExtBuilder::default().build_and_execute(|| {
        let id = asked(Who::Ann, GUARDED);
        change_datanet(GUARDED, |net| net.terms.purposes = PurposeSet { commercial: true, ..PurposeSet::default() });
        assert_noop!(Permits::issue(signed(Who::Owner), id), Error::<Test>::PurposeNotOffered);
        change_datanet(GUARDED, |net| net.terms.purposes = PurposeSet::ALL);
        System::set_block_number(50);
        assert_noop!(Permits::issue(signed(Who::Owner), id), Error::<Test>::ExpiresTooSoon);
    });
}

#[test]
fn issue_and_deny_fail_when_it_is_not_the_owner() {
    ExtBuilder::default().build_and_execute(|| {
        let id = asked(Who::Ann, GUARDED);
        for who in [Who::Ann, Who::Bob] {
            assert_noop!(Permits::issue(signed(who), id), Error::<Test>::NotOwner);
            assert_noop!(Permits::deny(signed(who), id, text("no")), Error::<Test>::NotOwner);
        }
        assert_noop!(Permits::issue(signed(Who::Owner), GrantId(9)), Error::<Test>::NoSuchGrant);
    });
}

#[test]
fn issue_and_deny_fail_when_it_was_decided_before() {
    ExtBuilder::default().build_and_execute(|| {
        let (issued, denied, renounced) =
            (asked(Who::Ann, GUARDED), asked(Who::Ann, GUARDED), asked(Who::Ann, GUARDED));
        assert_ok!(Permits::issue(signed(Who::Owner), issued));
        assert_ok!(Permits::deny(signed(Who::Owner), denied, text("no")));
        assert_ok!(Permits::renounce(signed(Who::Ann), renounced));
        for id in [issued, denied, renounced] {
            assert_noop!(Permits::issue(signed(Who::Owner), id), Error::<Test>::NotRequested);
            assert_noop!(Permits::deny(signed(Who::Owner), id, text("no")), Error::<Test>::NotRequested);
        }
    });
}

#[test]
fn issue_fails_when_the_datanet_is_retired_but_deny_works() {
    ExtBuilder::default().build_and_execute(|| {
        let grant = asked(Who::Ann, GUARDED);
        change_datanet(GUARDED, |net| net.status = DatanetStatus::Retired);
        assert_noop!(Permits::issue(signed(Who::Owner), grant), Error::<Test>::DatanetRetired);
        let reason = text("the Datanet is closed");
        assert_ok!(Permits::deny(signed(Who::Owner), grant, reason.clone()));
        assert_eq!(Grants::<Test>::get(grant).unwrap().status, GrantStatus::Denied { reason: reason.clone() });
        assert_eq!(held(Who::Ann), Permits::grant_deposit(), "until the grantee prunes it");
        assert_eq!(last_event(), Event::GrantDenied { grant, datanet: GUARDED, reason, grantee: Who::Ann.id() });
    });
}

#[test]
fn deny_fails_when_no_reason_is_given() {
    ExtBuilder::default().build_and_execute(|| {
        let id = asked(Who::Ann, GUARDED);
        for reason in [vec![], b" ".to_vec(), vec![0xff]] {
            assert_noop!(Permits::deny(signed(Who::Owner), id, reason.try_into().unwrap()), Error::<Test>::BadReason);
        }
    });
}
