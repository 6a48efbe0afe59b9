use crate::{Contributions, Error, Event, HoldReason, mock::*};
use frame_support::{assert_noop, assert_ok};
use tributary_protocol::datanet::ContributionStatus;

#[test]
fn reject_keeps_the_record_with_its_reason_and_its_deposit() {
    ExtBuilder::default().build_and_execute(|| {
        let id = submit(ANN, 1);
        let reason = text("half of the lines are advertising");
        assert_ok!(Nets::reject(signed(CURATOR), id, reason.clone()));
        let record = Contributions::<Test>::get(id).unwrap();
        assert_eq!(record.status, ContributionStatus::Rejected { reason: reason.clone() });
        assert_eq!(record.deposit, Nets::record_deposit());
        assert_eq!(held(HoldReason::Contribution, ANN), record.deposit);
        assert_eq!(
            last_event(),
            Event::ContributionRejected {
                contribution: id,
                datanet: DATANET,
                reason,
                curator: CURATOR,
                released: 6 * ED
            }
        );
        assert_noop!(Nets::reject(signed(OWNER), id, text("again")), Error::<Test>::NotPending);

        assert_ok!(Nets::withdraw(signed(ANN), id));
        assert_eq!(held(HoldReason::Contribution, ANN), 0);
        assert_eq!(free(ANN), ENDOWMENT);
    });
}

#[test]
fn reject_fails_when_no_reason_is_given() {
    ExtBuilder::default().build_and_execute(|| {
        let id = submit(ANN, 1);
        for reason in [vec![], b"  ".to_vec(), vec![0xff]] {
            assert_noop!(Nets::reject(signed(CURATOR), id, reason.try_into().unwrap()), Error::<Test>::BadReason);
        }
    });
}

#[test]
fn reject_fails_when_the_caller_may_not_judge() {
    ExtBuilder::default().build_and_execute(|| {
        let id = submit(ANN, 1);
        assert_noop!(Nets::reject(signed(BOB), id, text("rival")), Error::<Test>::NotCurator);
    });
}
