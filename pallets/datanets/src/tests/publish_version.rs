use crate::{Error, Event, HoldReason, Versions, mock::*};
use frame_support::{assert_noop, assert_ok};
use pallet_support::DatanetInspect;
use tributary_protocol::{VersionRef, content::version_root, datanet::VersionEntry};

#[test]
fn publish_version_snapshots_what_is_accepted() {
    ExtBuilder::default().build_and_execute(|| {
        let (one, two) = (accepted(ANN, 1), accepted(BOB, 2));
        submit(ANN, 3);
        let before = held(HoldReason::Datanet, OWNER);
        assert_ok!(Nets::publish_version(signed(CURATOR), DATANET));
        let version = VersionRef { datanet: DATANET, number: 1 };
        let record = Versions::<Test>::get(version).unwrap();
        assert_eq!(record.contributions.to_vec(), vec![one, two]);
        assert_eq!((record.samples, record.bytes), (20, 6_000));
        let entry = |contribution, file| VersionEntry { contribution, samples: samples(file) };
        assert_eq!(record.root, version_root([entry(one, 1), entry(two, 2)]));
        assert_eq!(held(HoldReason::Datanet, OWNER), before + 5 * UNIT, "the owner pays, whoever publishes");
        assert_eq!(
            last_event(),
            Event::VersionPublished {
                version,
                root: record.root,
                contributions: 2,
                samples: 20,
                bytes: 6_000,
                publisher: CURATOR,
                deposit: before + 5 * UNIT,
            }
        );
    });
}

#[test]
fn publish_version_leaves_older_versions_as_they_were() {
    ExtBuilder::default().build_and_execute(|| {
        let one = accepted(ANN, 1);
        let first = published();
        let two = accepted(BOB, 2);
        let second = published();
        assert_ok!(Nets::withdraw(signed(ANN), one));
        let third = published();
        let listed = |version| Versions::<Test>::get(version).unwrap().contributions.into_inner();
        assert_eq!(listed(first), vec![one]);
        assert_eq!(listed(second), vec![one, two]);
        assert_eq!(listed(third), vec![two]);
        for (version, holds) in [(first, true), (second, true), (third, false)] {
            assert_eq!(Nets::holds(version, samples(1).blob), holds);
        }
    });
}

#[test]
fn publish_version_fails_when_nothing_is_accepted_or_new() {
    ExtBuilder::default().build_and_execute(|| {
        submit(ANN, 1);
        assert_noop!(Nets::publish_version(signed(OWNER), DATANET), Error::<Test>::NothingAccepted);
        accepted(ANN, 2);
        published();
        assert_noop!(Nets::publish_version(signed(OWNER), DATANET), Error::<Test>::NothingNew);
    });
}

#[test]
fn publish_version_fails_when_the_caller_is_no_curator() {
    ExtBuilder::default().build_and_execute(|| {
        accepted(ANN, 1);
        assert_noop!(Nets::publish_version(signed(ANN), DATANET), Error::<Test>::NotCurator);
    });
}

#[test]
fn publish_version_fails_when_the_owner_cannot_pay() {
    ExtBuilder::default().balance(OWNER, 13 * UNIT).build_and_execute(|| {
        accepted(ANN, 1);
        assert_noop!(Nets::publish_version(signed(CURATOR), DATANET), sp_runtime::TokenError::FundsUnavailable);
    });
}
