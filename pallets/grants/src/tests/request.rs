use crate::{Error, Event, Grants, mock::*};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchError, TokenError};
use tributary_protocol::{
    DatanetId, GrantId,
    datanet::{DatanetStatus, Purpose},
    grant::{GrantStatus, GrantTerms, VersionScope},
};

#[test]
fn request_is_issued_at_once_under_open_terms() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(Permits::request(signed(Who::Ann), OPEN, terms()));
        let record = Grants::<Test>::get(GrantId(0)).unwrap();
        assert_eq!((record.status, record.used, record.requested_at), (GrantStatus::Active, 0, 1));
        assert_eq!((record.deposit, held(Who::Ann)), (Permits::grant_deposit(), Permits::grant_deposit()));
        assert_eq!(
            last_event(),
            Event::GrantIssued {
                grant: GrantId(0),
                datanet: OPEN,
                nonce: None,
                terms: terms(),
                grantee: Who::Ann.id(),
                deposit: record.deposit
            }
        );
    });
}

#[test]
fn request_waits_for_an_owner_who_decides() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(Permits::request(signed(Who::Ann), GUARDED, terms()));
        assert_eq!(Grants::<Test>::get(GrantId(0)).unwrap().status, GrantStatus::Requested);
        assert_eq!(
            last_event(),
            Event::GrantRequested {
                grant: GrantId(0),
                datanet: GUARDED,
                terms: terms(),
                grantee: Who::Ann.id(),
                deposit: Permits::grant_deposit()
            }
        );
    });
}

#[test]
fn request_of_the_owner_is_issued_at_once() {
    ExtBuilder::default().build_and_execute(|| {
        let id = asked(Who::Owner, GUARDED);
        assert_eq!(Grants::<Test>::get(id).unwrap().status, GrantStatus::Active);
    });
}

#[test]
fn request_fails_when_the_terms_do_not_fit() {
    ExtBuilder::default().build_and_execute(|| {
        let cases = [
            (GrantTerms { purpose: Purpose::Evaluation, ..terms() }, Error::<Test>::PurposeNotOffered),
            (GrantTerms { versions: VersionScope::Only(0), ..terms() }, Error::<Test>::NoVersions),
            (GrantTerms { versions: VersionScope::UpTo(0), ..terms() }, Error::<Test>::NoVersions),
            (GrantTerms { uses: 0, ..terms() }, Error::<Test>::NoUses),
            (GrantTerms { uses: USES_MAX + 1, ..terms() }, Error::<Test>::TooManyUses),
            (GrantTerms { expires_at: 0, ..terms() }, Error::<Test>::ExpiresTooSoon),
            (GrantTerms { expires_at: 1, ..terms() }, Error::<Test>::ExpiresTooSoon),
            (GrantTerms { expires_at: BLOCKS_MAX + 2, ..terms() }, Error::<Test>::ExpiresTooLate),
            (GrantTerms { expires_at: u32::MAX, ..terms() }, Error::<Test>::ExpiresTooLate),
        ];
        for (terms, error) in cases {
            let error = DispatchError::from(error);
            for datanet in [OPEN, GUARDED] {
                assert_noop!(Permits::request(signed(Who::Ann), datanet, terms), error);
            }
        }
        let widest = GrantTerms { uses: USES_MAX, expires_at: BLOCKS_MAX + 1, ..terms() };
        assert_ok!(Permits::request(signed(Who::Ann), OPEN, widest));
    });
}

#[test]
fn request_fails_when_the_datanet_is_unknown_or_retired() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(Permits::request(signed(Who::Ann), DatanetId(9), terms()), Error::<Test>::NoSuchDatanet);
        change_datanet(OPEN, |net| net.status = DatanetStatus::Retired);
        assert_noop!(Permits::request(signed(Who::Ann), OPEN, terms()), Error::<Test>::DatanetRetired);
    });
}

#[test]
fn request_fails_when_too_many_wait() {
    ExtBuilder::default().build_and_execute(|| {
        let first = asked(Who::Ann, GUARDED);
        (1..REQUESTS_MAX).for_each(|_| {
            asked(Who::Ann, GUARDED);
        });
        assert_noop!(Permits::request(signed(Who::Ann), GUARDED, terms()), Error::<Test>::TooManyRequests);
        asked(Who::Bob, GUARDED);
        asked(Who::Ann, OPEN);
        assert_ok!(Permits::renounce(signed(Who::Ann), first));
        asked(Who::Ann, GUARDED);
    });
}

#[test]
fn request_fails_when_nobody_signs_or_the_deposit_is_missing() {
    ExtBuilder::default().balance(Who::Ann, UNIT).build_and_execute(|| {
        assert_noop!(Permits::request(RuntimeOrigin::root(), OPEN, terms()), DispatchError::BadOrigin);
        assert_noop!(Permits::request(signed(Who::Ann), OPEN, terms()), TokenError::FundsUnavailable);
    });
}
