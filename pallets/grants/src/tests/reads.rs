use crate::mock::*;
use frame_support::assert_ok;
use pallet_support::GrantGate;
use tributary_protocol::{GrantId, grant::GrantRefusal};

fn ids(page: Vec<(GrantId, crate::GrantOf<Test>)>) -> Vec<u64> {
    page.into_iter().map(|(id, _)| id.0).collect()
}

#[test]
fn pages_count_only_what_is_stored() {
    ExtBuilder::default().build_and_execute(|| {
        for who in [Who::Ann, Who::Bob, Who::Ann, Who::Ann, Who::Bob] {
            asked(who, OPEN);
        }
        let of_ann = |from, limit| ids(Permits::grants_of(Who::Ann.id(), from, limit));
        let on_open = |from, limit| ids(Permits::grants_on(OPEN, from, limit));
        assert_eq!((of_ann(0, 2), of_ann(2, 2)), (vec![0, 2], vec![3]));
        assert_eq!((on_open(0, 3), on_open(3, 3)), (vec![0, 1, 2], vec![3, 4]));
        assert_ok!(Permits::renounce(signed(Who::Ann), GrantId(2)));
        assert_ok!(Permits::prune(signed(Who::Ann), GrantId(2)));
        assert_eq!((of_ann(0, 1), of_ann(1, 2)), (vec![0], vec![3]));
        assert_eq!((on_open(0, 3), on_open(3, 3)), (vec![0, 1, 3], vec![4]));
        assert_eq!(ids(Permits::grants(GrantId(1), 2)), [1, 3]);
        assert!(on_open(u32::MAX, u32::MAX).is_empty() && of_ann(2, 5).is_empty());
        assert!(Permits::grant(GrantId(2)).is_none());
    });
}

#[test]
fn allows_speaks_of_the_next_block() {
    ExtBuilder::default().build_and_execute(|| {
        let id = asked(Who::Ann, OPEN);
        let wanted = wanted(Who::Ann, OPEN);
        System::set_block_number(49);
        assert_eq!(Permits::allows(id, wanted.clone()), Some(Ok(())));
        System::set_block_number(50);
        assert_eq!(Permits::allows(id, wanted.clone()), Some(Err(GrantRefusal::Expired)));
        assert_ok!(Permits::check(id, &wanted));
        assert_eq!(Permits::allows(GrantId(9), wanted), None);
    });
}
