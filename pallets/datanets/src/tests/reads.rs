use crate::mock::*;
use frame_support::assert_ok;
use pallet_support::DatanetInspect;
use tributary_protocol::{ContributionId, DatanetId, VersionRef};

fn page(from: u32, limit: u32) -> Vec<u64> {
    Nets::contributions(DATANET, from, limit).into_iter().map(|(id, _)| id.0).collect()
}

#[test]
fn pages_of_contributions_count_only_what_is_stored() {
    ExtBuilder::default().build_and_execute(|| {
        let ids: Vec<ContributionId> = (0..10).map(|file| accepted(ANN, file)).collect();
        assert_eq!(page(0, 3), [0, 1, 2]);
        assert_eq!(page(8, 5), [8, 9]);
        assert_ok!(Nets::withdraw(signed(ANN), ids[1]));
        assert_ok!(Nets::withdraw(signed(ANN), ids[4]));
        assert_eq!(page(0, 3), [0, 2, 3]);
        assert_eq!(page(3, 3), [5, 6, 7]);
        assert_eq!(page(6, 3), [8, 9]);
        assert_eq!(page(8, 3), [0u64; 0]);
        assert_eq!(page(u32::MAX, u32::MAX), [0u64; 0]);
    });
}

#[test]
fn datanets_and_entries_are_read() {
    ExtBuilder::default().build_and_execute(|| {
        let (one, two) = (accepted(ANN, 1), accepted(BOB, 2));
        let version = published();
        assert_eq!(Nets::datanets(DatanetId(0), 10).len(), 1);
        assert!(Nets::datanets(DatanetId(1), 10).is_empty());
        let entries = Nets::entries(version);
        let listed: Vec<_> = entries.iter().map(|(entry, who)| (entry.contribution, *who)).collect();
        assert_eq!(listed, [(one, ANN), (two, BOB)]);
        assert_eq!(Nets::contribution(one).unwrap().contributor, ANN);
        for number in [0, 2] {
            let none = VersionRef { number, ..version };
            assert!(Nets::entries(none).is_empty());
            assert!(<Nets as DatanetInspect<_>>::version(none).is_none());
            assert!(!Nets::holds(none, samples(1).blob));
        }
        let facts = <Nets as DatanetInspect<_>>::version(version).unwrap();
        assert_eq!((facts.owner, facts.active, facts.terms), (OWNER, true, terms()));
    });
}
