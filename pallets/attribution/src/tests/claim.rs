use crate::{Claims, Error, Event, HoldReason, mock::*};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult, traits::fungible::Mutate};
use pallet_support::RewardSink;
use sp_runtime::DispatchError;
use tributary_protocol::{
    Amount, ContributionId, JobId, ModelId,
    amount::TRIB,
    stream::{SHARE_UNITS, Split},
    sum_tree::{Domain, SumLeaf, SumTree},
};

fn fund(model: ModelId, amount: Amount) {
    assert_ok!(Attribution::fund(RuntimeOrigin::signed(BUYER), model, amount));
}

fn claim(model: ModelId, tree: &SumTree, index: u32) -> DispatchResult {
    let (leaf, proof) = shown(tree, index);
    Attribution::claim(RuntimeOrigin::signed(leaf.contributor.into()), model, leaf, proof)
}

#[test]
fn claim_pays_each_contributor_by_units() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = open(MODEL, JOB, &THREE);
        // Half of a sale goes to contributors.
        fund(MODEL, 200 * TRIB);
        let parts = [50 * TRIB, 30 * TRIB, 20 * TRIB];
        for (n, part) in (0u8..).zip(parts) {
            assert_ok!(claim(MODEL, &tree, n.into()));
            let event = Event::RewardClaimed {
                model: MODEL,
                index: n.into(),
                contribution: ContributionId(1_000 + u64::from(n)),
                contributor: contributor(n),
                units: THREE[usize::from(n)],
                // A fifth of 10^9 units is not exact in units of 2^-64, so rounding may keep one.
                amount: free(&contributor(n)) + CLAIM_DEPOSIT - ENDOWMENT,
            };
            assert_eq!(last_event(), event);
            let paid = free(&contributor(n)) + CLAIM_DEPOSIT - ENDOWMENT;
            assert!(paid == part || paid == part - 1, "{paid} is not {part}");
        }
        let stream = stream(MODEL);
        assert!(stream.contributors_funded - stream.claimed <= 3, "at most one unit of dust per leaf");
    });
}

#[test]
fn claim_takes_one_deposit_per_leaf() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = open(MODEL, JOB, &THREE);
        for _ in 0..3 {
            fund(MODEL, TRIB);
            assert_ok!(claim(MODEL, &tree, 0));
            assert_eq!(held(HoldReason::Claim, &contributor(0)), CLAIM_DEPOSIT);
        }
    });
}

#[test]
fn claim_pays_the_same_whether_often_or_seldom() {
    ExtBuilder::default().build_and_execute(|| {
        let often = open(MODEL, JOB, &[333_333_333, SHARE_UNITS - 333_333_333]);
        let seldom = open(ModelId(8), JobId(80), &[333_333_333, SHARE_UNITS - 333_333_333]);
        for amount in [1_001, 77_777, 3 * TRIB + 1, 1_003, 2_222_222] {
            for model in [MODEL, ModelId(8)] {
                fund(model, amount);
            }
            assert_ok!(claim(MODEL, &often, 0));
        }
        assert_ok!(claim(ModelId(8), &seldom, 0));
        assert_eq!(stream(MODEL).claimed, stream(ModelId(8)).claimed);
    });
}

#[test]
fn claim_lets_the_payout_serve_as_deposit() {
    let newcomer = contributor(0);
    ExtBuilder::default().without(&newcomer).build_and_execute(|| {
        let tree = open(MODEL, JOB, &THREE);
        fund(MODEL, TRIB);
        assert_ok!(claim(MODEL, &tree, 0));
        assert_eq!(free(&newcomer), TRIB / 4 - CLAIM_DEPOSIT);
    });
}

#[test]
fn claim_pays_a_single_unit_of_a_billion() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = open(MODEL, JOB, &[1, SHARE_UNITS - 1]);
        // Half of this is one smallest unit per share unit.
        fund(MODEL, 2 * Amount::from(SHARE_UNITS));
        assert_ok!(claim(MODEL, &tree, 0));
        assert_eq!(free(&contributor(0)), ENDOWMENT - CLAIM_DEPOSIT + 1);
    });
}

#[test]
fn claim_fails_when_unsigned() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = open(MODEL, JOB, &THREE);
        fund(MODEL, TRIB);
        let (leaf, proof) = shown(&tree, 0);
        for origin in [RuntimeOrigin::none(), RuntimeOrigin::root()] {
            assert_noop!(Attribution::claim(origin, MODEL, leaf, proof.clone()), DispatchError::BadOrigin);
        }
    });
}

#[test]
fn claim_fails_when_there_is_no_stream() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = tree(JOB, &THREE);
        assert_noop!(claim(MODEL, &tree, 0), Error::<Test>::UnknownStream);
    });
}

#[test]
fn claim_fails_when_the_leaf_belongs_to_another() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = open(MODEL, JOB, &THREE);
        fund(MODEL, TRIB);
        let (leaf, proof) = shown(&tree, 0);
        let thief = RuntimeOrigin::signed(contributor(1));
        assert_noop!(Attribution::claim(thief.clone(), MODEL, leaf, proof.clone()), Error::<Test>::NotTheContributor);
        // Writing oneself into the leaf makes it another leaf.
        let forged = SumLeaf { contributor: contributor(1).into(), ..leaf };
        assert_noop!(Attribution::claim(thief, MODEL, forged, proof), Error::<Test>::ProofRootWrong);
    });
}

#[test]
fn claim_fails_when_the_leaf_is_altered() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = open(MODEL, JOB, &THREE);
        fund(MODEL, TRIB);
        let (leaf, proof) = shown(&tree, 0);
        let try_leaf = |leaf| Attribution::claim(RuntimeOrigin::signed(contributor(0)), MODEL, leaf, proof.clone());
        assert_noop!(try_leaf(SumLeaf { units: leaf.units + 1, ..leaf }), Error::<Test>::ProofTotalWrong);
        assert_noop!(try_leaf(SumLeaf { units: u64::MAX, ..leaf }), Error::<Test>::ProofTotalWrong);
        assert_noop!(try_leaf(SumLeaf { contribution: ContributionId(0), ..leaf }), Error::<Test>::ProofRootWrong);
        assert_noop!(try_leaf(SumLeaf { index: 1, ..leaf }), Error::<Test>::ProofRootWrong);
        assert_noop!(try_leaf(SumLeaf { index: 2, ..leaf }), Error::<Test>::ProofLengthWrong);
        assert_noop!(try_leaf(SumLeaf { index: 3, ..leaf }), Error::<Test>::LeafOutOfRange);
    });
}

#[test]
fn claim_fails_when_the_proof_is_of_another_leaf() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = open(MODEL, JOB, &THREE);
        fund(MODEL, TRIB);
        let (leaf, _) = shown(&tree, 0);
        let (_, other) = shown(&tree, 1);
        assert_noop!(
            Attribution::claim(RuntimeOrigin::signed(contributor(0)), MODEL, leaf, other),
            Error::<Test>::ProofTotalWrong
        );
    });
}

#[test]
fn claim_fails_when_the_proof_is_of_another_leaf_with_the_same_units() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = open(MODEL, JOB, &[SHARE_UNITS / 4; 4]);
        fund(MODEL, TRIB);
        let (leaf, _) = shown(&tree, 0);
        for other in 1..4 {
            let (_, proof) = shown(&tree, other);
            let signer = RuntimeOrigin::signed(contributor(0));
            assert_noop!(Attribution::claim(signer, MODEL, leaf, proof), Error::<Test>::ProofRootWrong);
        }
    });
}

#[test]
fn claim_fails_when_the_proof_is_of_another_stream() {
    ExtBuilder::default().build_and_execute(|| {
        // The same contributors and units: only the job differs.
        open(MODEL, JOB, &THREE);
        let other = open(ModelId(8), JobId(80), &THREE);
        fund(MODEL, TRIB);
        fund(ModelId(8), TRIB);
        assert_noop!(claim(MODEL, &other, 0), Error::<Test>::ProofRootWrong);
        assert_ok!(claim(ModelId(8), &other, 0));
    });
}

#[test]
fn claim_fails_when_the_root_was_made_for_another_chain() {
    ExtBuilder::default().build_and_execute(|| {
        let here = Attribution::proof_domain(JOB);
        let elsewhere = Domain { genesis: [9; 32], ..here };
        let there = SumTree::new(&elsewhere, tree(JOB, &THREE).leaves().to_vec()).unwrap();
        assert_ok!(Attribution::open_stream(MODEL, JOB, parties(), Split::DEFAULT, root(&there)));
        fund(MODEL, TRIB);
        assert_noop!(claim(MODEL, &there, 0), Error::<Test>::ProofRootWrong);
    });
}

#[test]
fn claim_fails_when_nothing_is_due() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = open(MODEL, JOB, &THREE);
        assert_noop!(claim(MODEL, &tree, 0), Error::<Test>::NothingToClaim);
        fund(MODEL, TRIB);
        assert_ok!(claim(MODEL, &tree, 0));
        assert_noop!(claim(MODEL, &tree, 0), Error::<Test>::NothingToClaim);
    });
}

#[test]
fn claim_fails_when_the_leaf_has_no_units() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = open(MODEL, JOB, &[0, SHARE_UNITS]);
        fund(MODEL, TRIB);
        assert_noop!(claim(MODEL, &tree, 0), Error::<Test>::NothingToClaim);
    });
}

#[test]
fn claim_fails_when_the_account_would_stay_below_the_existential_deposit() {
    ExtBuilder::default().without(&contributor(0)).build_and_execute(|| {
        let tree = open(MODEL, JOB, &THREE);
        // A quarter of this is due.
        fund(MODEL, 4 * ED - 40);
        assert_noop!(claim(MODEL, &tree, 0), Error::<Test>::PayoutBelowExistentialDeposit);
        // Nothing is lost: it adds up until it suffices.
        fund(MODEL, TRIB);
        assert_ok!(claim(MODEL, &tree, 0));
    });
}

#[test]
fn claim_fails_when_the_deposit_is_not_affordable() {
    ExtBuilder::default().without(&contributor(0)).build_and_execute(|| {
        let tree = open(MODEL, JOB, &THREE);
        fund(MODEL, 8 * ED);
        assert_noop!(claim(MODEL, &tree, 0), Error::<Test>::DepositUnaffordable);
        assert!(!Claims::<Test>::contains_key(MODEL, 0));
        Balances::set_balance(&contributor(0), CLAIM_DEPOSIT);
        assert_ok!(claim(MODEL, &tree, 0));
    });
}
