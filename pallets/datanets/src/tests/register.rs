use crate::{Datanets, Error, Event, HoldReason, NextDatanet, mock::*};
use codec::Encode;
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchError, TokenError};
use tributary_protocol::{
    DatanetId,
    datanet::{DatanetStatus, PurposeSet, Schema, Terms},
};

fn register(who: AccountId, called: &str, about: Vec<u8>, terms: Terms) -> frame_support::dispatch::DispatchResult {
    Nets::register(signed(who), name(called), name("law"), about.try_into().unwrap(), Schema::PromptCompletion, terms)
}

#[test]
fn register_makes_a_datanet_and_holds_for_each_byte() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(register(ANN, "Court", b"Rulings.".to_vec(), terms()));
        let record = Datanets::<Test>::get(DatanetId(1)).unwrap();
        assert_eq!((record.owner, record.status, record.versions), (ANN, DatanetStatus::Active, 0));
        assert_eq!(record.deposit, 10 * UNIT + u128::try_from(record.encoded_size()).unwrap() * ED);
        assert_eq!(held(HoldReason::Datanet, ANN), record.deposit);
        assert_eq!(NextDatanet::<Test>::get(), DatanetId(2));
        assert_eq!(
            last_event(),
            Event::DatanetRegistered {
                datanet: DatanetId(1),
                owner: ANN,
                name: record.name,
                domain: record.domain,
                description: record.description,
                schema: record.schema,
                terms: record.terms,
                deposit: record.deposit,
            }
        );
    });
}

#[test]
fn register_takes_an_empty_description() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(register(ANN, "Court", Vec::new(), terms()));
    });
}

#[test]
fn register_fails_when_a_text_is_bad() {
    ExtBuilder::default().build_and_execute(|| {
        for bad in ["", "   "] {
            assert_noop!(register(ANN, bad, Vec::new(), terms()), Error::<Test>::BadName);
        }
        assert_noop!(register(ANN, "Court", vec![0xff], terms()), Error::<Test>::BadDescription);
        let unlicensed = Terms { licence: name(""), ..terms() };
        assert_noop!(register(ANN, "Court", Vec::new(), unlicensed), Error::<Test>::BadName);
    });
}

#[test]
fn register_fails_when_the_terms_grant_nothing() {
    ExtBuilder::default().build_and_execute(|| {
        let cases = [
            (Terms { purposes: PurposeSet::default(), ..terms() }, Error::<Test>::NoPurpose),
            (Terms { grant_blocks_max: 0, ..terms() }, Error::<Test>::NoGrantBlocks),
            (Terms { grant_uses_max: 0, ..terms() }, Error::<Test>::NoGrantUses),
        ];
        for (terms, error) in cases {
            assert_noop!(register(ANN, "Court", Vec::new(), terms), error);
        }
    });
}

#[test]
fn register_fails_when_the_deposit_is_missing() {
    ExtBuilder::default().balance(ANN, 10 * UNIT).build_and_execute(|| {
        assert_noop!(register(ANN, "Court", Vec::new(), terms()), TokenError::FundsUnavailable);
    });
}

#[test]
fn register_fails_when_nobody_signs() {
    ExtBuilder::default().build_and_execute(|| {
        for origin in [RuntimeOrigin::root(), RuntimeOrigin::none()] {
            assert_noop!(
                Nets::register(origin, name("a"), name("b"), text("c"), Schema::PromptCompletion, terms()),
                DispatchError::BadOrigin
            );
        }
    });
}
