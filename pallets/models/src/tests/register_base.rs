use crate::{BaseModels, Error, Event, HoldReason, NextBase, mock::*};
use frame_support::{assert_noop, assert_ok};
use pallet_support::BaseModelInspect;
use sp_runtime::{DispatchError, TokenError};
use tributary_protocol::{BaseModelId, ContentHash, datanet::Name, model::ModelFamily};

fn call(name: Name, content: ContentHash, parameters: u64, licence: Name) -> frame_support::dispatch::DispatchResult {
    let origin = RuntimeOrigin::signed(BASE_OWNER);
    ModelsPallet::register_base(origin, name, ModelFamily::Qwen, content, parameters, licence)
}

#[test]
fn register_base_makes_it_known_for_a_deposit() {
    ExtBuilder.build_and_execute(|| {
        let content = ContentHash::of(b"files");
        assert_ok!(call(name("base"), content, 7, name("MIT")));
        let deposit = BASE_DEPOSIT + 7 * BYTE_DEPOSIT;
        assert_eq!(held(HoldReason::BaseModel, BASE_OWNER), deposit);
        assert_eq!(ModelsPallet::base_owner(BaseModelId(0)), Some(BASE_OWNER));
        assert_eq!(NextBase::<Test>::get(), BaseModelId(1));
        let record = BaseModels::<Test>::get(BaseModelId(0)).unwrap();
        assert_eq!((record.content, record.parameters, record.deposit), (content, 7, deposit));
        assert_eq!(
            last_event(),
            Event::BaseRegistered {
                base: BaseModelId(0),
                content,
                name: name("base"),
                family: ModelFamily::Qwen,
                parameters: 7,
                licence: name("MIT"),
                owner: BASE_OWNER,
                deposit,
            }
        );
    });
}

#[test]
fn register_base_fails_when_unsigned() {
    ExtBuilder.build_and_execute(|| {
        for origin in [RuntimeOrigin::none(), RuntimeOrigin::root()] {
            let content = ContentHash::of(b"files");
            assert_noop!(
                ModelsPallet::register_base(origin, name("a"), ModelFamily::Llama, content, 1, name("MIT")),
                DispatchError::BadOrigin
            );
        }
    });
}

#[test]
fn register_base_fails_when_a_text_is_empty_or_not_utf8() {
    ExtBuilder.build_and_execute(|| {
        let content = ContentHash::of(b"files");
        let bad: Name = vec![0xff, 0xfe].try_into().unwrap();
        for (title, licence) in
            [(name(""), name("MIT")), (name("a"), name("")), (bad.clone(), name("MIT")), (name("a"), bad)]
        {
            assert_noop!(call(title, content, 1, licence), Error::<Test>::TextInvalid);
        }
    });
}

#[test]
fn register_base_fails_when_it_has_no_parameters() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(call(name("a"), ContentHash::of(b"x"), 0, name("MIT")), Error::<Test>::NoParameters);
    });
}

#[test]
fn register_base_fails_when_the_content_is_zero() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(call(name("a"), ContentHash::default(), 1, name("MIT")), Error::<Test>::ContentInvalid);
    });
}

#[test]
fn register_base_fails_when_the_content_is_registered() {
    ExtBuilder.build_and_execute(|| {
        assert_ok!(register(STRANGER, "files"));
        assert_noop!(call(name("a"), ContentHash::of(b"files"), 1, name("MIT")), Error::<Test>::ContentTaken);
    });
}

#[test]
fn register_base_fails_when_the_deposit_is_not_affordable() {
    ExtBuilder.build_and_execute(|| {
        let poor = RuntimeOrigin::signed(BASE_OWNER);
        assert_ok!(Balances::transfer_allow_death(poor, OWNER, ENDOWMENT - BASE_DEPOSIT));
        assert_noop!(register(BASE_OWNER, "files"), TokenError::FundsUnavailable);
    });
}
