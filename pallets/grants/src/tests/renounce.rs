use crate::{Error, Event, OpenRequests, mock::*};
use frame_support::{assert_noop, assert_ok};
use pallet_support::GrantGate;
use tributary_protocol::grant::GrantRefusal;

#[test]
fn renounce_ends_requests_and_grants() {
    ExtBuilder::default().build_and_execute(|| {
        let request = asked(Who::Ann, GUARDED);
        assert_ok!(Permits::renounce(signed(Who::Ann), request));
        assert!(!OpenRequests::<Test>::contains_key(GUARDED, Who::Ann.id()));

        let grant = asked(Who::Ann, OPEN);
        assert_ok!(Permits::renounce(signed(Who::Ann), grant));
        assert_eq!(last_event(), Event::GrantRenounced { grant, datanet: OPEN, grantee: Who::Ann.id() });
        assert_eq!(Permits::check(grant, &wanted(Who::Ann, OPEN)), Err(GrantRefusal::Renounced));
    });
}

#[test]
fn renounce_fails_when_it_is_over_or_anothers() {
    ExtBuilder::default().build_and_execute(|| {
        let id = asked(Who::Ann, OPEN);
        for who in [Who::Owner, Who::Bob] {
            assert_noop!(Permits::renounce(signed(who), id), Error::<Test>::NotGrantee);
        }
        assert_ok!(Permits::revoke(signed(Who::Owner), id, text("no")));
        assert_noop!(Permits::renounce(signed(Who::Ann), id), Error::<Test>::AlreadyOver);
    });
}
