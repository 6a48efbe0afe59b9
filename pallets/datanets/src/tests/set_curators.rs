use crate::{Error, Event, HoldReason, mock::*};
use frame_support::{assert_noop, assert_ok};

#[test]
fn set_curators_replaces_those_before() {
    ExtBuilder::default().build_and_execute(|| {
        let before = held(HoldReason::Datanet, OWNER);
        let curators = vec![ANN, BOB].try_into().unwrap();
        assert_ok!(Nets::set_curators(signed(OWNER), DATANET, curators));
        let deposit = held(HoldReason::Datanet, OWNER);
        assert_eq!(deposit, before + 8 * ED, "one more account of eight bytes");
        let curators = vec![ANN, BOB].try_into().unwrap();
        assert_eq!(last_event(), Event::CuratorsSet { datanet: DATANET, curators, deposit });

        let id = submit(STRANGER, 1);
        assert_noop!(Nets::accept(signed(CURATOR), id), Error::<Test>::NotCurator);
        assert_ok!(Nets::accept(signed(BOB), id));
    });
}

#[test]
fn set_curators_fails_when_one_is_named_twice() {
    ExtBuilder::default().build_and_execute(|| {
        let twice = vec![ANN, BOB, ANN].try_into().unwrap();
        assert_noop!(Nets::set_curators(signed(OWNER), DATANET, twice), Error::<Test>::DuplicateCurator);
    });
}

#[test]
fn set_curators_fails_when_the_caller_is_not_the_owner() {
    ExtBuilder::default().build_and_execute(|| {
        let curators = vec![CURATOR, ANN].try_into().unwrap();
        assert_noop!(Nets::set_curators(signed(CURATOR), DATANET, curators), Error::<Test>::NotOwner);
    });
}
