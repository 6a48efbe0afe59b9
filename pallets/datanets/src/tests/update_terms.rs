use crate::{Datanets, Error, Event, HoldReason, mock::*};
use frame_support::{assert_noop, assert_ok};
use tributary_protocol::{
    DatanetId,
    datanet::{PurposeSet, Terms},
};

#[test]
fn update_terms_prices_the_deposit_anew() {
    ExtBuilder::default().build_and_execute(|| {
        let before = held(HoldReason::Datanet, OWNER);
        let longer = Terms { licence: name("CC-BY-4.0 OR MIT"), price: 9, ..terms() };
        assert_ok!(Nets::update_terms(signed(OWNER), DATANET, longer.clone()));
        let deposit = held(HoldReason::Datanet, OWNER);
        assert_eq!(deposit, before + 7 * ED);
        assert_eq!(Datanets::<Test>::get(DATANET).unwrap().terms, longer);
        assert_eq!(last_event(), Event::TermsUpdated { datanet: DATANET, terms: longer, deposit });

        assert_ok!(Nets::update_terms(signed(OWNER), DATANET, terms()));
        assert_eq!(held(HoldReason::Datanet, OWNER), before);
    });
}

#[test]
fn update_terms_fails_when_the_caller_is_not_the_owner() {
    ExtBuilder::default().build_and_execute(|| {
        for who in [CURATOR, ANN] {
            assert_noop!(Nets::update_terms(signed(who), DATANET, terms()), Error::<Test>::NotOwner);
        }
    });
}

#[test]
fn update_terms_fails_when_the_datanet_is_unknown_or_retired() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(Nets::update_terms(signed(OWNER), DatanetId(9), terms()), Error::<Test>::NoSuchDatanet);
        assert_ok!(Nets::retire(signed(OWNER), DATANET));
        assert_noop!(Nets::update_terms(signed(OWNER), DATANET, terms()), Error::<Test>::DatanetRetired);
    });
}

#[test]
fn update_terms_fails_when_the_terms_grant_nothing() {
    ExtBuilder::default().build_and_execute(|| {
        let none = Terms { purposes: PurposeSet::default(), ..terms() };
        assert_noop!(Nets::update_terms(signed(OWNER), DATANET, none), Error::<Test>::NoPurpose);
    });
}
