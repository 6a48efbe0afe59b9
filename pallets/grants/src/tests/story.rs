use crate::mock::*;
use frame_support::assert_ok;
use pallet_support::GrantGate;
use tributary_protocol::{GrantId, grant::GrantRefusal};

/// A request is issued, serves a job and is revoked; it stays, since a model may rest on it.
#[test]
fn a_grant_from_request_to_revocation() {
    ExtBuilder::default().build_and_execute(|| {
        let id = asked(Who::Ann, GUARDED);
        let wanted = wanted(Who::Ann, GUARDED);
        assert_eq!(Permits::check(id, &wanted), Err(GrantRefusal::NotIssued));
        assert_ok!(Permits::issue(signed(Who::Owner), id));
        assert_ok!(Permits::take(id, &wanted));
        assert_ok!(Permits::revoke(signed(Who::Owner), id, text("consent was withdrawn")));
        assert_eq!(Permits::check(id, &wanted), Err(GrantRefusal::Revoked));
        assert!(Permits::prune(signed(Who::Ann), id).is_err());
    });
}

/// An owner signs an offer, its grantee presents it, never uses it, and gets every deposit back.
#[test]
fn a_grant_from_an_offer_to_its_pruning() {
    ExtBuilder::default().build_and_execute(|| {
        let offer = offer(Who::Bob, 1);
        assert_ok!(Permits::present(signed(Who::Bob), offer.clone(), sign(Who::Owner, &offer)));
        assert_ok!(Permits::check(GrantId(0), &wanted(Who::Bob, GUARDED)));
        System::set_block_number(51);
        assert_ok!(Permits::prune(signed(Who::Bob), GrantId(0)));
        assert_eq!(free(Who::Bob), ENDOWMENT);
    });
}
