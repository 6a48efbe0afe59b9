use crate::{Error, Event, Grants, mock::*};
use frame_support::{assert_noop, assert_ok};
use pallet_support::GrantGate;
use sp_runtime::DispatchError;
use std::collections::BTreeSet;
use tributary_protocol::{
    BaseModelId, GrantId, VersionRef,
    datanet::Purpose,
    grant::{BaseModelScope, GrantRefusal, GrantTerms, Use, VersionScope},
};

#[test]
fn uses_are_taken_up_to_the_terms_and_given_back() {
    ExtBuilder::default().build_and_execute(|| {
        let grant = asked(Who::Ann, OPEN);
        let wanted = wanted(Who::Ann, OPEN);
        assert_ok!(Permits::take(grant, &wanted));
        assert_ok!(Permits::take(grant, &wanted));
        assert_eq!(last_event(), Event::UseTaken { grant, used: 2 });
        assert_noop!(Permits::take(grant, &wanted), Error::<Test>::UsedUp);
        Permits::give_back(grant);
        assert_eq!(last_event(), Event::UseGivenBack { grant, used: 1 });
        assert_ok!(Permits::take(grant, &wanted));
        Permits::give_back(grant);
        Permits::give_back(grant);
        assert_eq!(Grants::<Test>::get(grant).unwrap().used, 0);
        Permits::give_back(grant);
        Permits::give_back(GrantId(9));
        assert_eq!(Grants::<Test>::get(grant).unwrap().used, 0, "no more than was taken");
    });
}

#[test]
fn a_use_that_does_not_fit_is_refused_by_name_and_takes_nothing() {
    ExtBuilder::default().build_and_execute(|| {
        let narrow = GrantTerms {
            versions: VersionScope::UpTo(2),
            base_models: BaseModelScope::Only(BaseModelId(0)),
            ..terms()
        };
        assert_ok!(Permits::request(signed(Who::Ann), OPEN, narrow));
        let id = GrantId(0);
        let fits = wanted(Who::Ann, OPEN);
        let version = |datanet, number| VersionRef { datanet, number };
        let cases = [
            (Use { version: version(GUARDED, 1), ..fits.clone() }, Error::<Test>::OtherDatanet),
            (Use { grantee: Who::Bob.id(), ..fits.clone() }, Error::<Test>::OtherGrantee),
            (Use { version: version(OPEN, 3), ..fits.clone() }, Error::<Test>::OtherVersion),
            (Use { purpose: Purpose::Commercial, ..fits.clone() }, Error::<Test>::OtherPurpose),
            (Use { base_model: BaseModelId(1), ..fits.clone() }, Error::<Test>::OtherBaseModel),
        ];
        for (wanted, error) in cases {
            assert_noop!(Permits::take(id, &wanted), error);
        }
        assert_noop!(Permits::take(GrantId(1), &fits), Error::<Test>::NoSuchGrant);
        assert_eq!(Permits::check(GrantId(1), &fits), Err(GrantRefusal::NotIssued));
        System::set_block_number(51);
        assert_noop!(Permits::take(id, &fits), Error::<Test>::Expired);
        assert_eq!(Permits::check(id, &fits), Err(GrantRefusal::Expired));

        System::set_block_number(1);
        let waiting = asked(Who::Ann, GUARDED);
        assert_noop!(Permits::take(waiting, &wanted(Who::Ann, GUARDED)), Error::<Test>::NotIssued);
        assert_ok!(Permits::renounce(signed(Who::Ann), waiting));
        assert_noop!(Permits::take(waiting, &wanted(Who::Ann, GUARDED)), Error::<Test>::Renounced);
    });
}

#[test]
fn every_refusal_has_an_error_of_its_own() {
    let refusals = [
        GrantRefusal::OtherDatanet,
        GrantRefusal::OtherGrantee,
        GrantRefusal::NotIssued,
        GrantRefusal::Revoked,
        GrantRefusal::Renounced,
        GrantRefusal::Expired,
        GrantRefusal::OtherVersion,
        GrantRefusal::OtherPurpose,
        GrantRefusal::OtherBaseModel,
        GrantRefusal::UsedUp,
    ];
    let names: BTreeSet<_> = refusals
        .iter()
        .map(|refusal| match Permits::refuse(*refusal) {
            DispatchError::Module(error) => {
                assert_eq!(error.message, Some(format!("{refusal:?}").as_str()));
                error.error
            }
            other => panic!("{other:?} names no error of the pallet"),
        })
        .collect();
    assert_eq!(names.len(), refusals.len());
}
