use crate::{Error, Event, Grants, mock::*};
use frame_support::{assert_noop, assert_ok};
use pallet_support::GrantGate;
use tributary_protocol::grant::{GrantRefusal, GrantStatus};

#[test]
fn revoke_stops_new_uses_and_the_cover_of_taken_ones() {
    ExtBuilder::default().build_and_execute(|| {
        let grant = asked(Who::Ann, OPEN);
        let wanted = wanted(Who::Ann, OPEN);
        assert_ok!(Permits::take(grant, &wanted));
        assert_ok!(Permits::check(grant, &wanted));
        let reason = text("the contributor withdrew consent");
        assert_ok!(Permits::revoke(signed(Who::Owner), grant, reason.clone()));
        assert_eq!(Grants::<Test>::get(grant).unwrap().status, GrantStatus::Revoked { reason: reason.clone(), at: 1 });
        assert_eq!(last_event(), Event::GrantRevoked { grant, datanet: OPEN, reason, grantee: Who::Ann.id() });
        assert_eq!(Permits::check(grant, &wanted), Err(GrantRefusal::Revoked));
        assert_noop!(Permits::take(grant, &wanted), Error::<Test>::Revoked);
    });
}

#[test]
fn revoke_works_on_an_expired_grant() {
    ExtBuilder::default().build_and_execute(|| {
        let id = asked(Who::Ann, OPEN);
        assert_ok!(Permits::take(id, &wanted(Who::Ann, OPEN)));
        System::set_block_number(51);
        assert_ok!(Permits::revoke(signed(Who::Owner), id, text("found out later")));
        assert_eq!(Permits::check(id, &wanted(Who::Ann, OPEN)), Err(GrantRefusal::Revoked));
    });
}

#[test]
fn revoke_fails_when_the_grant_is_not_active() {
    ExtBuilder::default().build_and_execute(|| {
        let requested = asked(Who::Ann, GUARDED);
        assert_noop!(Permits::revoke(signed(Who::Owner), requested, text("no")), Error::<Test>::NotActive);
        let id = asked(Who::Ann, OPEN);
        assert_ok!(Permits::revoke(signed(Who::Owner), id, text("no")));
        assert_noop!(Permits::revoke(signed(Who::Owner), id, text("no")), Error::<Test>::NotActive);
    });
}

#[test]
fn revoke_fails_when_it_is_not_the_owner_or_without_a_reason() {
    ExtBuilder::default().build_and_execute(|| {
        let id = asked(Who::Ann, OPEN);
        assert_noop!(Permits::revoke(signed(Who::Ann), id, text("no")), Error::<Test>::NotOwner);
        assert_noop!(Permits::revoke(signed(Who::Owner), id, text("")), Error::<Test>::BadReason);
    });
}
