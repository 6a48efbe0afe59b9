use crate::{Error, Event, HoldReason, mock::*};
use frame_support::{assert_noop, assert_ok};
use pallet_support::DatanetInspect;

#[test]
fn retire_ends_everything_new_and_nothing_old() {
    ExtBuilder::default().build_and_execute(|| {
        let old = accepted(ANN, 1);
        let waiting = submit(BOB, 2);
        let version = published();
        let deposit = held(HoldReason::Datanet, OWNER);
        assert_ok!(Nets::retire(signed(OWNER), DATANET));
        assert_eq!(last_event(), Event::DatanetRetired { datanet: DATANET });

        assert_noop!(
            Nets::submit_contribution(signed(ANN), DATANET, samples(3), name("MIT")),
            Error::<Test>::DatanetRetired
        );
        assert_noop!(Nets::accept(signed(OWNER), waiting), Error::<Test>::DatanetRetired);
        assert_noop!(Nets::publish_version(signed(OWNER), DATANET), Error::<Test>::DatanetRetired);
        assert_eq!(held(HoldReason::Datanet, OWNER), deposit, "the records stay, and so does what pays for them");
        let facts = <Nets as DatanetInspect<_>>::version(version).unwrap();
        assert!(!facts.active);

        assert_ok!(Nets::reject(signed(CURATOR), waiting, text("too late")));
        assert_ok!(Nets::withdraw(signed(ANN), old));
    });
}

#[test]
fn retire_fails_when_it_is_not_the_owner_or_done_before() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(Nets::retire(signed(CURATOR), DATANET), Error::<Test>::NotOwner);
        assert_ok!(Nets::retire(signed(OWNER), DATANET));
        assert_noop!(Nets::retire(signed(OWNER), DATANET), Error::<Test>::DatanetRetired);
    });
}
