use crate::{Error, Event, GrantPlaces, Grants, OfferNonces, mock::*};
use frame_support::{assert_noop, assert_ok};
use pallet_support::GrantGate;
use tributary_protocol::GrantId;

#[test]
fn prune_returns_the_deposit_of_whatever_is_over() {
    ExtBuilder::default().build_and_execute(|| {
        let denied = asked(Who::Ann, GUARDED);
        assert_ok!(Permits::deny(signed(Who::Owner), denied, text("no")));
        let revoked = asked(Who::Ann, OPEN);
        assert_ok!(Permits::revoke(signed(Who::Owner), revoked, text("no")));
        let renounced = asked(Who::Ann, OPEN);
        assert_ok!(Permits::renounce(signed(Who::Ann), renounced));
        let expired = asked(Who::Ann, OPEN);
        System::set_block_number(51);
        for grant in [denied, revoked, renounced, expired] {
            let datanet = Grants::<Test>::get(grant).unwrap().datanet;
            assert_ok!(Permits::prune(signed(Who::Ann), grant));
            let released = Permits::grant_deposit();
            assert_eq!(last_event(), Event::GrantPruned { grant, datanet, grantee: Who::Ann.id(), released });
        }
        assert_eq!((held(Who::Ann), free(Who::Ann)), (0, ENDOWMENT));
        assert_eq!(GrantPlaces::<Test>::iter().count(), 0, "nothing is left behind");
    });
}

#[test]
fn prune_fails_when_the_grant_runs_or_waits() {
    ExtBuilder::default().build_and_execute(|| {
        let (active, waiting) = (asked(Who::Ann, OPEN), asked(Who::Ann, GUARDED));
        System::set_block_number(50);
        for id in [active, waiting] {
            assert_noop!(Permits::prune(signed(Who::Ann), id), Error::<Test>::StillActive);
        }
        assert_noop!(Permits::prune(signed(Who::Bob), active), Error::<Test>::NotGrantee);
        assert_noop!(Permits::prune(signed(Who::Ann), GrantId(7)), Error::<Test>::NoSuchGrant);
    });
}

#[test]
fn prune_fails_when_something_rests_on_the_grant() {
    ExtBuilder::default().build_and_execute(|| {
        let id = asked(Who::Ann, OPEN);
        assert_ok!(Permits::take(id, &wanted(Who::Ann, OPEN)));
        assert_ok!(Permits::revoke(signed(Who::Owner), id, text("no")));
        assert_noop!(Permits::prune(signed(Who::Ann), id), Error::<Test>::InUse);
        Permits::give_back(id);
        assert_ok!(Permits::prune(signed(Who::Ann), id));
    });
}

#[test]
fn prune_fails_when_the_offer_could_be_presented_again() {
    ExtBuilder::default().build_and_execute(|| {
        let offer = offer(Who::Ann, 7);
        let signature = sign(Who::Owner, &offer);
        assert_ok!(Permits::present(signed(Who::Ann), offer.clone(), signature.clone()));
        let id = GrantId(0);
        assert_ok!(Permits::revoke(signed(Who::Owner), id, text("no")));
        System::set_block_number(20);
        assert_noop!(Permits::prune(signed(Who::Ann), id), Error::<Test>::OfferStillValid);
        System::set_block_number(21);
        assert_ok!(Permits::prune(signed(Who::Ann), id));
        assert_eq!(free(Who::Ann), ENDOWMENT);
        assert!(!OfferNonces::<Test>::contains_key(GUARDED, 7));
        assert_noop!(Permits::present(signed(Who::Ann), offer, signature), Error::<Test>::OfferExpired);
    });
}
