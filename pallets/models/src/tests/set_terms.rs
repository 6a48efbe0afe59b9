use crate::{Error, Event, mock::*};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;
use tributary_protocol::{ModelId, model::ModelStatus};

fn set_terms(signer: Account, model: ModelId) -> frame_support::dispatch::DispatchResult {
    ModelsPallet::set_terms(RuntimeOrigin::signed(signer), model, prices(7, 8))
}

#[test]
fn set_terms_changes_prices_only() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        let before = model(id);
        assert_ok!(set_terms(OWNER, id));
        assert_eq!(model(id), tributary_protocol::model::Model { prices: prices(7, 8), ..before });
        assert_eq!(last_event(), Event::TermsSet { model: id, owner: OWNER, prices: prices(7, 8) });
    });
}

#[test]
fn set_terms_fails_when_unsigned() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        for origin in [RuntimeOrigin::none(), RuntimeOrigin::root()] {
            assert_noop!(ModelsPallet::set_terms(origin, id, prices(0, 0)), DispatchError::BadOrigin);
        }
    });
}

#[test]
fn set_terms_fails_when_there_is_no_such_model() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(set_terms(OWNER, ModelId(0)), Error::<Test>::UnknownModel);
    });
}

#[test]
fn set_terms_fails_when_the_signer_is_not_the_owner() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        assert_noop!(set_terms(STRANGER, id), Error::<Test>::NotOwner);
    });
}

#[test]
fn set_terms_fails_when_the_model_is_not_published() {
    ExtBuilder.build_and_execute(|| {
        let id = recorded();
        assert_noop!(set_terms(OWNER, id), Error::<Test>::NotPublished);
        assert_ok!(ModelsPallet::publish(RuntimeOrigin::signed(OWNER), id, prices(1, 2)));
        assert_ok!(ModelsPallet::withdraw(RuntimeOrigin::signed(OWNER), id));
        assert_eq!(model(id).status, ModelStatus::Withdrawn);
        assert_noop!(set_terms(OWNER, id), Error::<Test>::NotPublished);
    });
}
