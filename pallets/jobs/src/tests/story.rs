use super::*;

/// A job from post to settlement, with a trainer that falls silent on the way.
#[test]
fn a_job_survives_a_silent_trainer_and_is_paid_once() {
    ExtBuilder.build_and_execute(|| {
        // The requester puts price and data fee aside.
        let id = JobMarket::next_job();
        assert_ok!(post(spec()));
        assert_eq!(job(id).escrow, PRICE + FEE);

        // A trainer claims, works, and falls silent.
        assert_ok!(bond(TRAINER, BOND));
        assert_ok!(claim(TRAINER, id));
        run_on(10);
        assert_ok!(beat(TRAINER, id, 50));
        run_to(lease_until(id) + 1);

        // Another one takes over; the first pays the requester for the delay.
        assert_ok!(bond(RIVAL, BOND));
        assert_ok!(claim(RIVAL, id));
        run_on(5);
        assert_ok!(beat(RIVAL, id, 100));
        assert_ok!(hand_in(RIVAL, id, report()));

        // The requester says nothing; the job settles by itself.
        run_on(WINDOW + 1);
        assert_eq!(stage(id), Stage::Settled);
        assert_eq!(worth(TRAINER), ENDOWMENT - SLASH);
        assert_eq!(worth(RIVAL), ENDOWMENT + PRICE);
        assert_eq!(worth(OWNER), ENDOWMENT + FEE);
        assert_eq!(worth(REQUESTER), ENDOWMENT + SLASH - PRICE - FEE);

        // Both trainers can take their bonds back.
        assert_ok!(unbond(TRAINER, BOND - SLASH));
        assert_ok!(unbond(RIVAL, BOND));
        assert_eq!(Balances::free_balance(RIVAL), ENDOWMENT + PRICE);
    });
}
