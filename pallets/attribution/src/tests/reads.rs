use crate::mock::*;
use frame_support::assert_ok;
use tributary_protocol::{ModelId, amount::TRIB, stream::SHARE_UNITS};

#[test]
fn claimable_is_what_a_claim_pays() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = open(MODEL, JOB, &THREE);
        assert_eq!(Attribution::claimable(MODEL, 0, THREE[0]), Some(0));
        assert_ok!(Attribution::fund(RuntimeOrigin::signed(BUYER), MODEL, 3 * TRIB + 17));
        let due = Attribution::claimable(MODEL, 0, THREE[0]).unwrap();
        let (leaf, proof) = shown(&tree, 0);
        assert_ok!(Attribution::claim(RuntimeOrigin::signed(contributor(0)), MODEL, leaf, proof));
        assert_eq!(stream(MODEL).claimed, due);
        assert_eq!(Attribution::claimable(MODEL, 0, THREE[0]), Some(0));
    });
}

#[test]
fn reads_answer_nothing_about_what_is_not_there() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        assert_eq!(Attribution::stream(ModelId(99)), None);
        assert_eq!(Attribution::stream_domain(ModelId(99)), None);
        assert_eq!(Attribution::claimable(ModelId(99), 0, 1), None);
        assert_eq!(Attribution::claimable(MODEL, 3, 1), None);
        assert_eq!(Attribution::claimable(MODEL, 0, SHARE_UNITS + 1), None);
        assert_eq!(Attribution::stream_domain(MODEL), Some(Attribution::proof_domain(JOB)));
    });
}
