use crate::{Deployments, Error, Event, HoldReason, mock::*};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;
use tributary_protocol::{GrantId, ModelId, grant::GrantRefusal};

fn deployed() -> ModelId {
    let id = published();
    let endpoint = b"https://serve.example".to_vec().try_into().unwrap();
    assert_ok!(ModelsPallet::deploy(RuntimeOrigin::signed(OPERATOR), id, endpoint));
    id
}

#[test]
fn undeploy_removes_the_deployment_and_returns_the_deposit() {
    ExtBuilder.build_and_execute(|| {
        let id = deployed();
        let deposit = held(HoldReason::Deployment, OPERATOR);
        assert_ok!(ModelsPallet::undeploy(RuntimeOrigin::signed(OPERATOR), id));
        assert_eq!((free(OPERATOR), held(HoldReason::Deployment, OPERATOR)), (ENDOWMENT, 0));
        assert!(!Deployments::<Test>::contains_key(id, OPERATOR));
        assert_eq!(model(id).deployments, 0);
        assert_eq!(last_event(), Event::ModelUndeployed { model: id, operator: OPERATOR, deposit });
    });
}

#[test]
fn undeploy_works_when_the_model_was_withdrawn_and_affected() {
    ExtBuilder.build_and_execute(|| {
        let id = deployed();
        assert_ok!(ModelsPallet::withdraw(RuntimeOrigin::signed(OWNER), id));
        refuse(GrantId(0), GrantRefusal::Revoked);
        assert_ok!(ModelsPallet::undeploy(RuntimeOrigin::signed(OPERATOR), id));
        assert_eq!(free(OPERATOR), ENDOWMENT);
    });
}

#[test]
fn undeploy_fails_when_unsigned() {
    ExtBuilder.build_and_execute(|| {
        let id = deployed();
        for origin in [RuntimeOrigin::none(), RuntimeOrigin::root()] {
            assert_noop!(ModelsPallet::undeploy(origin, id), DispatchError::BadOrigin);
        }
    });
}

#[test]
fn undeploy_fails_when_the_signer_does_not_offer_it() {
    ExtBuilder.build_and_execute(|| {
        let id = deployed();
        for other in [OWNER, STRANGER] {
            assert_noop!(ModelsPallet::undeploy(RuntimeOrigin::signed(other), id), Error::<Test>::NotDeployed);
        }
        assert_ok!(ModelsPallet::undeploy(RuntimeOrigin::signed(OPERATOR), id));
        assert_noop!(ModelsPallet::undeploy(RuntimeOrigin::signed(OPERATOR), id), Error::<Test>::NotDeployed);
    });
}
