use crate::{HoldReason, Versions, mock::*};
use frame_support::assert_ok;

/// Three contributions are accepted and published, a bad one is rejected, one is taken back, and a second version says so.
#[test]
fn a_datanet_from_registration_to_its_second_version() {
    ExtBuilder::default().build_and_execute(|| {
        let [a, b, c] = [submit(ANN, 1), submit(BOB, 2), submit(STRANGER, 3)];
        let bad = submit(BOB, 4);
        for id in [a, b, c] {
            assert_ok!(Nets::accept(signed(CURATOR), id));
        }
        assert_ok!(Nets::reject(signed(CURATOR), bad, text("answers do not fit their questions")));
        let first = published();

        assert_ok!(Nets::withdraw(signed(ANN), a));
        assert_ok!(Nets::withdraw(signed(BOB), bad));
        let second = published();

        assert_eq!(Versions::<Test>::get(first).unwrap().contributions.to_vec(), [a, b, c]);
        assert_eq!(Versions::<Test>::get(second).unwrap().contributions.to_vec(), [b, c]);
        for contributor in [ANN, BOB, STRANGER] {
            assert_eq!(held(HoldReason::Contribution, contributor), Nets::record_deposit());
        }
    });
}
