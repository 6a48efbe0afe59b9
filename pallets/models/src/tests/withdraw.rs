use crate::{Error, Event, mock::*};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;
use tributary_protocol::{GrantId, ModelId, grant::GrantRefusal, model::ModelStatus};

fn withdraw(signer: Account, model: ModelId) -> frame_support::dispatch::DispatchResult {
    ModelsPallet::withdraw(RuntimeOrigin::signed(signer), model)
}

#[test]
fn withdraw_stops_offering_and_keeps_the_record() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        let before = model(id);
        assert_ok!(withdraw(OWNER, id));
        assert_eq!(model(id), tributary_protocol::model::Model { status: ModelStatus::Withdrawn, ..before });
        assert_eq!(last_event(), Event::ModelWithdrawn { model: id, owner: OWNER });
    });
}

#[test]
fn withdraw_works_when_a_grant_was_revoked_and_cannot_be_undone_then() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        refuse(GrantId(0), GrantRefusal::Revoked);
        assert_ok!(withdraw(OWNER, id));
        assert_noop!(
            ModelsPallet::publish(RuntimeOrigin::signed(OWNER), id, prices(1, 1)),
            Error::<Test>::ModelAffected
        );
    });
}

#[test]
fn withdraw_fails_when_unsigned() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        for origin in [RuntimeOrigin::none(), RuntimeOrigin::root()] {
            assert_noop!(ModelsPallet::withdraw(origin, id), DispatchError::BadOrigin);
        }
    });
}

#[test]
fn withdraw_fails_when_there_is_no_such_model() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(withdraw(OWNER, ModelId(0)), Error::<Test>::UnknownModel);
    });
}

#[test]
fn withdraw_fails_when_the_signer_is_not_the_owner() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        assert_noop!(withdraw(STRANGER, id), Error::<Test>::NotOwner);
    });
}

#[test]
fn withdraw_fails_when_the_model_is_not_published() {
    ExtBuilder.build_and_execute(|| {
        let id = recorded();
        assert_noop!(withdraw(OWNER, id), Error::<Test>::NotPublished);
        assert_ok!(ModelsPallet::publish(RuntimeOrigin::signed(OWNER), id, prices(1, 2)));
        assert_ok!(withdraw(OWNER, id));
        assert_noop!(withdraw(OWNER, id), Error::<Test>::NotPublished);
    });
}
