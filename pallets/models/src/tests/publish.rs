use crate::{Error, Event, mock::*};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;
use tributary_protocol::{GrantId, ModelId, grant::GrantRefusal, model::ModelStatus};

fn publish(signer: Account, model: ModelId) -> frame_support::dispatch::DispatchResult {
    ModelsPallet::publish(RuntimeOrigin::signed(signer), model, prices(3, 4))
}

#[test]
fn publish_offers_a_private_model() {
    ExtBuilder.build_and_execute(|| {
        let id = recorded();
        assert_ok!(publish(OWNER, id));
        assert_eq!((model(id).status, model(id).prices), (ModelStatus::Published, prices(3, 4)));
        assert_eq!(last_event(), Event::ModelPublished { model: id, owner: OWNER, prices: prices(3, 4) });
    });
}

#[test]
fn publish_offers_a_withdrawn_model_again() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        assert_ok!(ModelsPallet::withdraw(RuntimeOrigin::signed(OWNER), id));
        assert_ok!(publish(OWNER, id));
        assert_eq!((model(id).status, model(id).prices), (ModelStatus::Published, prices(3, 4)));
    });
}

#[test]
fn publish_works_when_a_grant_merely_expired_or_was_given_back() {
    ExtBuilder.build_and_execute(|| {
        let id = recorded();
        refuse(GrantId(0), GrantRefusal::Expired);
        refuse(GrantId(1), GrantRefusal::Renounced);
        assert_ok!(publish(OWNER, id));
    });
}

#[test]
fn publish_fails_when_unsigned() {
    ExtBuilder.build_and_execute(|| {
        let id = recorded();
        for origin in [RuntimeOrigin::none(), RuntimeOrigin::root()] {
            assert_noop!(ModelsPallet::publish(origin, id, prices(0, 0)), DispatchError::BadOrigin);
        }
    });
}

#[test]
fn publish_fails_when_there_is_no_such_model() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(publish(OWNER, ModelId(0)), Error::<Test>::UnknownModel);
    });
}

#[test]
fn publish_fails_when_the_signer_is_not_the_owner() {
    ExtBuilder.build_and_execute(|| {
        let id = recorded();
        for other in [BASE_OWNER, TRAINER, STRANGER] {
            assert_noop!(publish(other, id), Error::<Test>::NotOwner);
        }
    });
}

#[test]
fn publish_fails_when_published_already() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        assert_noop!(publish(OWNER, id), Error::<Test>::AlreadyPublished);
    });
}

#[test]
fn publish_fails_when_any_grant_was_revoked() {
    ExtBuilder.build_and_execute(|| {
        let id = recorded();
        // The second of the lineage's two grants.
        refuse(GrantId(1), GrantRefusal::Revoked);
        assert_noop!(publish(OWNER, id), Error::<Test>::ModelAffected);
    });
}
