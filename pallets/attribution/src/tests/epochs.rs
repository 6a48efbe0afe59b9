//! Operators' epochs, from payment to claim, and every way in which they end.

use crate::{Against, Error, Event, HoldReason, Ledgers, Rejection, mock::*};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult, traits::fungible::Mutate};
use proptest::prelude::*;
use sp_runtime::DispatchError;
use tributary_protocol::{
    Amount, ContentHash, ContributionId, JobId, ModelId, Ppm,
    amount::TRIB,
    content::TreeHead,
    epoch::{AUDIT_DRAWS, AmountLeaf, AmountProof, AmountTree, EpochRoot, Ledger, covers},
    stream::{ContributionRoot, Split},
    sum_tree,
};

/// Who answers.
const OPERATOR: Account = BUYER;
/// Who demands openings.
const CHALLENGER: Account = contributor(7);

/// The tree of an operator's epoch over the contributions of [`tree`], with these cumulative amounts.
fn amounts(model: ModelId, operator: &Account, epoch: u32, amounts: &[Amount]) -> AmountTree {
    let leaves = (0u8..).zip(amounts).map(|(n, amount)| AmountLeaf {
        index: n.into(),
        contribution: ContributionId(u64::from(n) + 1_000),
        contributor: contributor(n).into(),
        units: *amount,
        evidence: ContentHash::of(&[n, 1]),
    });
    AmountTree::new(&Attribution::epoch_domain(model, operator, epoch), leaves.collect()).unwrap()
}

fn posted(tree: &AmountTree, receipts: u64) -> EpochRoot {
    EpochRoot {
        amounts: tree.root(),
        receipts: TreeHead { root: ContentHash::of(&receipts.to_le_bytes()), leaves: receipts },
        method: ContentHash::of(b"method"),
    }
}

fn publish(root: EpochRoot) -> DispatchResult {
    Attribution::publish_epoch(RuntimeOrigin::signed(OPERATOR), MODEL, root)
}

fn pay(amount: Amount) -> Amount {
    assert_ok!(Attribution::fund_answers(RuntimeOrigin::signed(OPERATOR), MODEL, amount));
    ledger().funded
}

fn ledger() -> Ledger<Account> {
    Ledgers::<Test>::get(MODEL, OPERATOR).unwrap()
}

fn pass(blocks: u32) {
    System::set_block_number(System::block_number() + blocks);
}

fn resolve() -> DispatchResult {
    Attribution::resolve(RuntimeOrigin::signed(contributor(5)), MODEL, OPERATOR)
}

fn challenge(epoch: u32) -> DispatchResult {
    Attribution::challenge(RuntimeOrigin::signed(CHALLENGER), MODEL, OPERATOR, epoch)
}

fn draw() -> DispatchResult {
    Attribution::draw(RuntimeOrigin::signed(contributor(5)), MODEL, OPERATOR)
}

/// Challenges the epoch, and draws by randomness of the next block.
fn audit(epoch: u32) {
    assert_ok!(challenge(epoch));
    pass(1);
    randomness(epoch as u8, System::block_number());
    assert_ok!(draw());
}

fn shown_amount(tree: &AmountTree, index: u32) -> (AmountLeaf, AmountProof) {
    (*tree.leaves().get(usize::try_from(index).unwrap()).unwrap(), tree.prove(index).unwrap())
}

/// The draws of the running audit that the leaf at `index` covers.
fn draws_of(tree: &AmountTree, index: u32) -> Vec<u16> {
    let pending = ledger().pending.unwrap();
    let audit = pending.challenge.unwrap().audit.unwrap();
    let before: Amount = tree.leaves().iter().take(usize::try_from(index).unwrap()).map(|leaf| leaf.units).sum();
    let units = shown_amount(tree, index).0.units;
    (0..AUDIT_DRAWS)
        .filter(|draw| covers(before, units, audit.point(*draw, pending.root.amounts.total).unwrap()))
        .collect()
}

fn open_leaf(tree: &AmountTree, index: u32, draws: Vec<u16>) -> DispatchResult {
    let (leaf, proof) = shown_amount(tree, index);
    let draws = draws.try_into().unwrap();
    Attribution::open_leaf(RuntimeOrigin::signed(OPERATOR), MODEL, OPERATOR, leaf, proof, draws)
}

fn open_all(tree: &AmountTree) {
    for index in 0..tree.root().leaves {
        assert_ok!(open_leaf(tree, index, draws_of(tree, index)));
    }
}

fn claim(tree: &AmountTree, index: u32) -> DispatchResult {
    let (leaf, proof) = shown_amount(tree, index);
    Attribution::claim_answers(RuntimeOrigin::signed(leaf.contributor.into()), MODEL, OPERATOR, leaf, proof)
}

/// Publishes these amounts and lets the window pass.
fn accepted(amounts_: &[Amount], receipts: u64) -> AmountTree {
    let epoch = ledger().epoch + 1;
    let tree = amounts(MODEL, &OPERATOR, epoch, amounts_);
    assert_ok!(publish(posted(&tree, receipts)));
    pass(CHALLENGE_WINDOW + 1);
    assert_ok!(resolve());
    assert_eq!(last_event(), Event::EpochAccepted { model: MODEL, operator: OPERATOR, epoch });
    tree
}

#[test]
fn an_accepted_epoch_pays_by_answers_and_the_rest_goes_by_shares() {
    ExtBuilder::default().build_and_execute(|| {
        let shares = open(MODEL, JOB, &THREE);
        // Half of a sale is the contributors', four fifths of that are divided by answers.
        assert_eq!(pay(100 * TRIB), 40 * TRIB);
        // And what dividing a tenth among three Datanets' owners leaves over.
        assert_eq!(stream(MODEL).contributors_funded, 10 * TRIB + 1);
        assert_eq!(held(HoldReason::AnswerPool, &Attribution::pool_account()), 40 * TRIB);
        assert_eq!(held(HoldReason::Ledger, &OPERATOR), LEDGER_DEPOSIT);

        let first = accepted(&[40 * TRIB, 0, 0], 10);
        assert_ok!(claim(&first, 0));
        assert_eq!(free(&contributor(0)), ENDOWMENT + 40 * TRIB - CLAIM_DEPOSIT);
        assert_noop!(claim(&first, 0), Error::<Test>::NothingToClaim);
        assert_noop!(claim(&first, 1), Error::<Test>::NothingToClaim);

        // The next epoch counts on from there, and a leaf that claimed gets the difference.
        assert_eq!(pay(100 * TRIB), 80 * TRIB);
        let second = accepted(&[50 * TRIB, 20 * TRIB, 10 * TRIB], 25);
        for n in 0..3 {
            assert_ok!(claim(&second, n));
        }
        assert_eq!(free(&contributor(0)), ENDOWMENT + 50 * TRIB - CLAIM_DEPOSIT);
        assert_eq!(free(&contributor(1)), ENDOWMENT + 20 * TRIB - CLAIM_DEPOSIT);
        assert_eq!(free(&contributor(2)), ENDOWMENT + 10 * TRIB - CLAIM_DEPOSIT);
        assert_eq!(held(HoldReason::AnswerPool, &Attribution::pool_account()), 0);
        assert_eq!(held(HoldReason::Epoch, &OPERATOR), 0);

        // The other part is claimed by the shares, as ever.
        let (leaf, proof) = shown(&shares, 0);
        assert_ok!(Attribution::claim(RuntimeOrigin::signed(contributor(0)), MODEL, leaf, proof));
        assert_eq!(free(&contributor(0)), ENDOWMENT + 60 * TRIB - 2 * CLAIM_DEPOSIT);
    });
}

#[test]
fn fund_answers_refuses_a_model_whose_attribution_was_not_measured() {
    ExtBuilder::default().build_and_execute(|| {
        let tree = tree(JOB, &THREE);
        let unmeasured = ContributionRoot { attributed: Ppm::ZERO, ..root(&tree) };
        assert_ok!(<Attribution as pallet_support::RewardSink<_>>::open_stream(
            MODEL,
            JOB,
            parties(),
            Split::DEFAULT,
            unmeasured
        ));
        let fund = |amount| Attribution::fund_answers(RuntimeOrigin::signed(OPERATOR), MODEL, amount);
        assert_noop!(fund(TRIB), Error::<Test>::NotAttributed);
        open(ModelId(8), JobId(80), &THREE);
        let fund = |model, amount| Attribution::fund_answers(RuntimeOrigin::signed(OPERATOR), model, amount);
        assert_noop!(fund(ModelId(9), TRIB), Error::<Test>::UnknownStream);
        assert_noop!(fund(ModelId(8), FUND_MIN - 1), Error::<Test>::AmountBelowMinimum);
        assert_noop!(fund(ModelId(8), ENDOWMENT), Error::<Test>::BalanceTooLow);
        Balances::set_balance(&OPERATOR, FUND_MIN + ED);
        assert_noop!(fund(ModelId(8), FUND_MIN), Error::<Test>::DepositUnaffordable);
    });
}

#[test]
fn publish_epoch_takes_no_root_that_gives_out_what_did_not_come_in() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        let tree = |epoch, parts: &[Amount]| amounts(MODEL, &OPERATOR, epoch, parts);
        assert_noop!(publish(posted(&tree(1, &[1, 1, 1]), 1)), Error::<Test>::UnknownLedger);
        assert_eq!(pay(100 * TRIB), 40 * TRIB);
        for total in [40 * TRIB + 1, 40 * TRIB - 1, 0, Amount::MAX] {
            assert_noop!(publish(posted(&tree(1, &[total, 0, 0]), 1)), Error::<Test>::TotalNotFunded);
        }
        // A root may claim any total, but then no leaf of it proves: the sum is hashed.
        assert_noop!(publish(posted(&tree(1, &[40 * TRIB, 0]), 1)), Error::<Test>::LeavesDiffer);
        assert_noop!(publish(posted(&tree(1, &[40 * TRIB, 0, 0, 0]), 1)), Error::<Test>::LeavesDiffer);

        accepted(&[40 * TRIB, 0, 0], 10);
        assert_noop!(publish(posted(&tree(2, &[40 * TRIB, 0, 0]), 10)), Error::<Test>::NothingNew);
        pay(100 * TRIB);
        assert_noop!(publish(posted(&tree(2, &[80 * TRIB, 0, 0]), 9)), Error::<Test>::ReceiptsTakenBack);
        assert_noop!(publish(posted(&tree(2, &[40 * TRIB, 0, 0]), 11)), Error::<Test>::TotalNotFunded);

        Balances::set_balance(&OPERATOR, 40 * TRIB);
        assert_noop!(publish(posted(&tree(2, &[80 * TRIB, 0, 0]), 11)), Error::<Test>::BondUnaffordable);
        Balances::set_balance(&OPERATOR, ENDOWMENT);
        assert_ok!(publish(posted(&tree(2, &[80 * TRIB, 0, 0]), 11)));
        assert_eq!(held(HoldReason::Epoch, &OPERATOR), 40 * TRIB);
        assert_noop!(publish(posted(&tree(3, &[80 * TRIB, 0, 0]), 11)), Error::<Test>::EpochPending);
    });
}

#[test]
fn an_epoch_that_is_opened_stands_and_the_challenger_pays_for_it() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        pay(100 * TRIB);
        let tree = amounts(MODEL, &OPERATOR, 1, &[30 * TRIB, 0, 10 * TRIB]);
        assert_ok!(publish(posted(&tree, 10)));
        assert_noop!(challenge(2), Error::<Test>::OtherEpoch);
        assert_noop!(draw(), Error::<Test>::NotChallenged);
        assert_noop!(open_leaf(&tree, 0, vec![0]), Error::<Test>::NotChallenged);
        assert_ok!(challenge(1));
        assert_eq!(held(HoldReason::Challenge, &CHALLENGER), CHALLENGE_BOND);
        assert_noop!(challenge(1), Error::<Test>::ChallengedAlready);
        assert_noop!(resolve(), Error::<Test>::NotDrawn);

        // Nobody can choose the points: the randomness must be younger than the challenge.
        randomness(1, System::block_number());
        assert_noop!(draw(), Error::<Test>::RandomnessTooOld);
        assert_noop!(open_leaf(&tree, 0, vec![0]), Error::<Test>::NotDrawn);
        pass(1);
        randomness(1, System::block_number());
        assert_ok!(draw());
        assert_noop!(draw(), Error::<Test>::DrawnAlready);

        // A leaf opens what it covers, no more; one without an amount covers nothing.
        let (first, third) = (draws_of(&tree, 0), draws_of(&tree, 2));
        assert_eq!(first.len() + third.len(), usize::from(AUDIT_DRAWS));
        assert!((190..=260).contains(&first.len()), "three quarters of 300, or so: {}", first.len());
        assert_noop!(open_leaf(&tree, 2, vec![first[0]]), Error::<Test>::DrawNotCovered);
        assert_noop!(open_leaf(&tree, 1, vec![first[0]]), Error::<Test>::DrawNotCovered);
        assert_noop!(open_leaf(&tree, 0, vec![AUDIT_DRAWS]), Error::<Test>::UnknownDraw);
        let forged = amounts(MODEL, &OPERATOR, 1, &[40 * TRIB, 0, 0]);
        assert_noop!(open_leaf(&forged, 0, vec![third[0]]), Error::<Test>::ProofRootWrong);
        assert_ok!(open_leaf(&tree, 0, first.clone()));
        assert_ok!(open_leaf(&tree, 0, first));
        assert_noop!(resolve(), Error::<Test>::WindowOpen);
        assert_ok!(open_leaf(&tree, 2, third));
        assert_noop!(resolve(), Error::<Test>::WindowOpen);
        let before = free(&OPERATOR);
        pass(CHALLENGE_WINDOW + 1);
        assert_ok!(resolve());
        assert_eq!(free(&OPERATOR), before + 40 * TRIB + CHALLENGE_BOND);
        assert_eq!(free(&CHALLENGER), ENDOWMENT - CHALLENGE_BOND);
        assert_noop!(resolve(), Error::<Test>::NothingPending);
        assert_ok!(claim(&tree, 2));
    });
}

#[test]
fn an_epoch_that_is_not_opened_falls_and_is_slashed_once() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        pay(100 * TRIB);
        let tree = amounts(MODEL, &OPERATOR, 1, &[30 * TRIB, 0, 10 * TRIB]);
        assert_ok!(publish(posted(&tree, 10)));
        audit(1);
        // The operator hides one leaf.
        assert_ok!(open_leaf(&tree, 0, draws_of(&tree, 0)));
        pass(OPEN_WINDOW);
        assert_noop!(resolve(), Error::<Test>::WindowOpen);
        pass(1);
        let late = draws_of(&tree, 2);
        assert_noop!(open_leaf(&tree, 2, late), Error::<Test>::WindowOver);
        let (operator, treasury) = (free(&OPERATOR), free(&TREASURY));
        assert_ok!(resolve());
        let event = Event::EpochRejected {
            model: MODEL,
            operator: OPERATOR,
            epoch: 1,
            reason: Rejection::Unopened,
            slashed: 40 * TRIB,
            reward: 10 * TRIB,
        };
        assert_eq!(last_event(), event);
        assert_eq!(free(&OPERATOR), operator);
        assert_eq!(held(HoldReason::Epoch, &OPERATOR), 0);
        assert_eq!(free(&CHALLENGER), ENDOWMENT + 10 * TRIB);
        assert_eq!(free(&TREASURY), treasury + 30 * TRIB);
        assert_noop!(resolve(), Error::<Test>::NothingPending);
        assert_noop!(claim(&tree, 0), Error::<Test>::NothingAccepted);
        assert_noop!(
            Attribution::overturn(RuntimeOrigin::root(), MODEL, OPERATOR, ContentHash::default()),
            Error::<Test>::NothingPending
        );
        // Contributors lost nothing: the next epoch divides the same.
        let again = accepted(&[20 * TRIB, 10 * TRIB, 10 * TRIB], 10);
        assert_eq!(ledger().epoch, 2);
        assert_ok!(claim(&again, 1));
    });
}

#[test]
fn an_epoch_that_takes_back_or_names_another_is_refuted_by_anyone() {
    ExtBuilder::default().build_and_execute(|| {
        let shares = open(MODEL, JOB, &THREE);
        pay(100 * TRIB);
        let old = accepted(&[30 * TRIB, 5 * TRIB, 5 * TRIB], 10);
        pay(100 * TRIB);
        let new = amounts(MODEL, &OPERATOR, 2, &[20 * TRIB, 50 * TRIB, 10 * TRIB]);
        assert_ok!(publish(posted(&new, 20)));
        let refute = |new: &AmountTree, index, against| {
            let (leaf, proof) = shown_amount(new, index);
            Attribution::refute(RuntimeOrigin::signed(contributor(0)), MODEL, OPERATOR, leaf, proof, against)
        };
        let by_old = |index| {
            let (leaf, proof) = shown_amount(&old, index);
            Against::Accepted { leaf, proof }
        };
        let by_share = |index| {
            let (leaf, proof) = shown(&shares, index);
            Against::Shares { leaf, proof }
        };
        // More than before, another place, the same owner, or a leaf that nobody accepted contradicts nothing.
        assert_noop!(refute(&new, 1, by_old(1)), Error::<Test>::NoContradiction);
        assert_noop!(refute(&new, 0, by_old(1)), Error::<Test>::NoContradiction);
        assert_noop!(refute(&new, 0, by_share(0)), Error::<Test>::NoContradiction);
        let made_up = amounts(MODEL, &OPERATOR, 1, &[40 * TRIB, 0, 0]);
        let (leaf, proof) = shown_amount(&made_up, 0);
        assert_noop!(refute(&new, 0, Against::Accepted { leaf, proof }), Error::<Test>::ProofRootWrong);
        let before = free(&contributor(0));
        assert_ok!(refute(&new, 0, by_old(0)));
        assert!(matches!(last_event(), Event::EpochRejected { reason: Rejection::Contradiction, .. }));
        assert_eq!(free(&contributor(0)), before + 10 * TRIB);
        // What was accepted before still pays.
        assert_ok!(claim(&old, 0));

        // A leaf that names another account than the model's shares do.
        let mut leaves = amounts(MODEL, &OPERATOR, 3, &[40 * TRIB, 20 * TRIB, 20 * TRIB]).leaves().to_vec();
        leaves[2].contributor = OPERATOR.into();
        let stolen = AmountTree::new(&Attribution::epoch_domain(MODEL, &OPERATOR, 3), leaves).unwrap();
        assert_ok!(publish(posted(&stolen, 20)));
        assert_ok!(refute(&stolen, 2, by_share(2)));
        assert!(matches!(last_event(), Event::EpochRejected { epoch: 3, .. }));
    });
}

#[test]
fn no_proof_serves_in_another_epoch_stream_or_ledger() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        open(ModelId(8), JobId(80), &THREE);
        pay(100 * TRIB);
        let parts = [20 * TRIB, 10 * TRIB, 10 * TRIB];
        accepted(&parts, 10);
        let other_epoch = amounts(MODEL, &OPERATOR, 2, &parts);
        let other_model = amounts(ModelId(8), &OPERATOR, 1, &parts);
        let other_operator = amounts(MODEL, &CHALLENGER, 1, &parts);
        for tree in [other_epoch, other_model, other_operator] {
            assert_noop!(claim(&tree, 0), Error::<Test>::ProofRootWrong);
        }
        let right = amounts(MODEL, &OPERATOR, 1, &parts);
        let (leaf, proof) = shown_amount(&right, 0);
        let forged = |leaf| {
            Attribution::claim_answers(RuntimeOrigin::signed(contributor(0)), MODEL, OPERATOR, leaf, proof.clone())
        };
        assert_noop!(forged(AmountLeaf { units: leaf.units + 1, ..leaf }), Error::<Test>::ProofTotalWrong);
        assert_noop!(forged(AmountLeaf { evidence: ContentHash::default(), ..leaf }), Error::<Test>::ProofRootWrong);
        assert_noop!(forged(AmountLeaf { index: 3, ..leaf }), Error::<Test>::LeafOutOfRange);
        assert_noop!(
            Attribution::claim_answers(RuntimeOrigin::signed(CHALLENGER), MODEL, OPERATOR, leaf, proof.clone()),
            Error::<Test>::NotTheContributor
        );
        assert_ok!(forged(leaf));
    });
}

#[test]
fn a_claim_during_a_challenge_is_paid_from_the_accepted_epoch() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        pay(100 * TRIB);
        let old = accepted(&[40 * TRIB, 0, 0], 10);
        pay(100 * TRIB);
        let new = amounts(MODEL, &OPERATOR, 2, &[40 * TRIB, 40 * TRIB, 0]);
        assert_ok!(publish(posted(&new, 20)));
        assert_ok!(challenge(2));
        assert_noop!(claim(&new, 1), Error::<Test>::ProofTotalWrong);
        assert_ok!(claim(&old, 0));
    });
}

#[test]
fn whatever_is_accepted_a_ledger_pays_out_no_more_than_came_in() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        pay(100 * TRIB);
        let old = accepted(&[40 * TRIB, 0, 0], 10);
        assert_ok!(claim(&old, 0));
        pay(100 * TRIB);
        // Nobody watched: the first leaf's amount was taken back after it had been claimed.
        let new = accepted(&[0, 80 * TRIB, 0], 20);
        assert_noop!(claim(&new, 1), Error::<Test>::LedgerEmpty);
        assert_noop!(claim(&new, 0), Error::<Test>::NothingToClaim);
    });
}

#[test]
fn only_those_who_decide_disputes_overturn() {
    ExtBuilder::default().build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        pay(100 * TRIB);
        let tree = amounts(MODEL, &OPERATOR, 1, &[0, 40 * TRIB, 0]);
        assert_ok!(publish(posted(&tree, 10)));
        audit(1);
        open_all(&tree);
        let overturn = |origin| Attribution::overturn(origin, MODEL, OPERATOR, ContentHash::of(b"shown"));
        assert_noop!(overturn(RuntimeOrigin::signed(CHALLENGER)), DispatchError::BadOrigin);
        let treasury = free(&TREASURY);
        assert_ok!(overturn(RuntimeOrigin::root()));
        assert!(matches!(last_event(), Event::EpochRejected { reason: Rejection::Overturned, .. }));
        assert_eq!(free(&CHALLENGER), ENDOWMENT + 10 * TRIB);
        assert_eq!(free(&TREASURY), treasury + 30 * TRIB);
    });
}

#[test]
fn what_an_operator_never_divides_goes_by_the_shares() {
    ExtBuilder::default().build_and_execute(|| {
        let shares = open(MODEL, JOB, &THREE);
        let release = || Attribution::release(RuntimeOrigin::signed(contributor(5)), MODEL, OPERATOR);
        assert_noop!(release(), Error::<Test>::UnknownLedger);
        pay(100 * TRIB);
        pass(EPOCH_TIMEOUT);
        assert_noop!(release(), Error::<Test>::WindowOpen);
        pass(1);
        assert_ok!(release());
        assert_noop!(release(), Error::<Test>::NothingNew);
        assert_eq!(held(HoldReason::AnswerPool, &Attribution::pool_account()), 0);
        assert_eq!(stream(MODEL).contributors_funded, 50 * TRIB + 1);
        let (leaf, proof) = shown(&shares, 0);
        assert_ok!(Attribution::claim(RuntimeOrigin::signed(contributor(0)), MODEL, leaf, proof));
        assert_eq!(free(&contributor(0)), ENDOWMENT + 25 * TRIB - CLAIM_DEPOSIT);

        // The clock starts anew with the next payment, and an epoch in its window is left alone.
        assert_eq!(pay(100 * TRIB), 40 * TRIB);
        assert_noop!(release(), Error::<Test>::WindowOpen);
        assert_ok!(publish(posted(&amounts(MODEL, &OPERATOR, 1, &[40 * TRIB, 0, 0]), 1)));
        pass(EPOCH_TIMEOUT + 1);
        assert_noop!(release(), Error::<Test>::EpochPending);
        assert_noop!(challenge(1), Error::<Test>::WindowOver);
    });
}

#[test]
fn a_slash_reaches_nobody_twice_where_the_treasury_is_gone() {
    ExtBuilder::default().without(&TREASURY).build_and_execute(|| {
        open(MODEL, JOB, &THREE);
        // Below the existential deposit as a part of it, and above it as a whole.
        assert_ok!(Attribution::fund_answers(RuntimeOrigin::signed(OPERATOR), MODEL, FUND_MIN));
        let total = ledger().funded;
        let tree = amounts(MODEL, &OPERATOR, 1, &[total, 0, 0]);
        assert_ok!(publish(posted(&tree, 1)));
        assert_eq!(held(HoldReason::Epoch, &OPERATOR), EPOCH_BOND_MIN);
        audit(1);
        pass(OPEN_WINDOW + 1);
        assert_ok!(resolve());
        assert_eq!(free(&CHALLENGER), ENDOWMENT + EPOCH_BOND_MIN / 4);
        assert_eq!(free(&TREASURY), EPOCH_BOND_MIN - EPOCH_BOND_MIN / 4);
    });
}

#[test]
fn three_hundred_draws_find_a_hundredth() {
    // Of many audits of a tree of which one percent cannot be opened, about 95 % draw from it.
    let total: Amount = 1_000_000;
    let caught = (0u32..400)
        .filter(|seed| {
            let audit = tributary_protocol::epoch::Audit::new(sp_io::hashing::blake2_256(&seed.to_le_bytes()), 0);
            (0..AUDIT_DRAWS).any(|draw| covers(500_000, 10_000, audit.point(draw, total).unwrap()))
        })
        .count();
    assert!((364..=396).contains(&caught), "{caught} of 400");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever operators pay and divide, contributors get all of it and nobody more.
    #[test]
    fn all_that_is_paid_in_is_claimed(
        rounds in prop::collection::vec((1_000u64..1_000_000_000_000, 0u64..=100, 0u64..=100, any::<bool>()), 1..5)
    ) {
        ExtBuilder::default().build_and_execute(|| {
            open(MODEL, JOB, &THREE);
            let mut given = [0; 3];
            let mut last = None;
            for (n, (amount, first, second, is_claimed)) in (1u64..).zip(rounds) {
                let new = pay(amount.into()) - given.iter().sum::<Amount>();
                let part = |percent: u64| new * Amount::from(percent) / 200;
                given[0] += part(first);
                given[1] += part(second);
                given[2] += new - part(first) - part(second);
                let tree = accepted(&given, n);
                if is_claimed {
                    for index in 0..3 {
                        // A leaf may have earned nothing, or too little for an account's first deposit.
                        let _ = claim(&tree, index);
                    }
                }
                check();
                last = Some(tree);
            }
            let tree = last.unwrap();
            for index in 0..3 {
                let _ = claim(&tree, index);
            }
            prop_assert_eq!(ledger().claimed, given.iter().sum::<Amount>());
            prop_assert_eq!(held(HoldReason::AnswerPool, &Attribution::pool_account()), 0);
            Ok(())
        })?;
    }
}

/// The leaf before which the tree holds `before` is found by its proof alone.
#[test]
fn a_proof_says_what_comes_before_its_leaf() {
    ExtBuilder::default().build_and_execute(|| {
        let parts = [3, 0, 5, 7, 11];
        let tree = amounts(MODEL, &OPERATOR, 1, &parts);
        let domain = Attribution::epoch_domain(MODEL, &OPERATOR, 1);
        for (index, before) in (0u32..).zip([0, 3, 3, 8, 15]) {
            let (leaf, proof) = shown_amount(&tree, index);
            assert_eq!(sum_tree::verify(&domain, &tree.root(), &leaf, &proof), Ok(before));
        }
    });
}
