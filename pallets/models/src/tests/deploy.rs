use crate::{Deployments, Error, Event, HoldReason, logic::is_endpoint, mock::*};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use sp_runtime::{DispatchError, TokenError};
use tributary_protocol::{GrantId, ModelId, grant::GrantRefusal};

const URL: &str = "https://serve.example:8443/v1";

fn deploy(signer: Account, model: ModelId, endpoint: &str) -> DispatchResult {
    let endpoint = endpoint.as_bytes().to_vec().try_into().unwrap();
    ModelsPallet::deploy(RuntimeOrigin::signed(signer), model, endpoint)
}

#[test]
fn deploy_offers_a_published_model_for_a_deposit() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        assert_ok!(deploy(OPERATOR, id, URL));
        let deposit = DEPLOYMENT_DEPOSIT + 29 * BYTE_DEPOSIT;
        assert_eq!(held(HoldReason::Deployment, OPERATOR), deposit);
        let deployment = Deployments::<Test>::get(id, OPERATOR).unwrap();
        assert_eq!((&deployment.endpoint[..], deployment.deposit), (URL.as_bytes(), deposit));
        let endpoint = deployment.endpoint;
        assert_eq!(last_event(), Event::ModelDeployed { model: id, operator: OPERATOR, endpoint });
        assert_ok!(deploy(STRANGER, id, "http://[::1]:80"));
        assert_eq!(model(id).deployments, 2);
    });
}

#[test]
fn deploy_fails_when_unsigned() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        for origin in [RuntimeOrigin::none(), RuntimeOrigin::root()] {
            let endpoint = URL.as_bytes().to_vec().try_into().unwrap();
            assert_noop!(ModelsPallet::deploy(origin, id, endpoint), DispatchError::BadOrigin);
        }
    });
}

#[test]
fn deploy_fails_when_there_is_no_such_model() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(deploy(OPERATOR, ModelId(0), URL), Error::<Test>::UnknownModel);
    });
}

#[test]
fn deploy_fails_when_the_model_is_not_published() {
    ExtBuilder.build_and_execute(|| {
        let id = recorded();
        assert_noop!(deploy(OPERATOR, id, URL), Error::<Test>::NotPublished);
        assert_ok!(ModelsPallet::publish(RuntimeOrigin::signed(OWNER), id, prices(1, 2)));
        assert_ok!(ModelsPallet::withdraw(RuntimeOrigin::signed(OWNER), id));
        assert_noop!(deploy(OPERATOR, id, URL), Error::<Test>::NotPublished);
    });
}

#[test]
fn deploy_fails_when_the_endpoint_is_not_a_url() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        for endpoint in ["", "https://", "http:///path", "ftp://host", "host:80", "https://a b", "https://a\n"] {
            assert_noop!(deploy(OPERATOR, id, endpoint), Error::<Test>::EndpointInvalid);
        }
        assert!(!is_endpoint(b"https://\xff"));
    });
}

#[test]
fn deploy_fails_when_the_operator_offers_it_already() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        assert_ok!(deploy(OPERATOR, id, URL));
        assert_noop!(deploy(OPERATOR, id, "https://elsewhere"), Error::<Test>::AlreadyDeployed);
    });
}

#[test]
fn deploy_fails_when_a_grant_was_revoked() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        refuse(GrantId(0), GrantRefusal::Revoked);
        assert_noop!(deploy(OPERATOR, id, URL), Error::<Test>::ModelAffected);
    });
}

#[test]
fn deploy_fails_when_the_deposit_is_not_affordable() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        let poor = RuntimeOrigin::signed(OPERATOR);
        assert_ok!(Balances::transfer_allow_death(poor, OWNER, ENDOWMENT - DEPLOYMENT_DEPOSIT));
        assert_noop!(deploy(OPERATOR, id, URL), TokenError::FundsUnavailable);
    });
}
