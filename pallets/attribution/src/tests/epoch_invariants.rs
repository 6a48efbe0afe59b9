//! Random sequences of the calls of operators' epochs: money is conserved, and contributors never get more than came in.

use crate::{Against, Event, Ledgers, mock::*};
use proptest::{prelude::*, sample::Index, test_runner::RngSeed};
use std::collections::BTreeMap;
use tributary_protocol::{
    Amount, ContentHash, ContributionId,
    amount::TRIB,
    content::TreeHead,
    epoch::{AUDIT_DRAWS, AmountLeaf, AmountTree, EpochRoot, Ledger, covers},
};

const OPERATORS: [Account; 2] = [BUYER, OWNER];

/// One call, with an operator to whom it applies.
#[derive(Clone, Debug)]
enum Step {
    Pay(Amount),
    /// Divides what was paid in, by these parts of what is new; with a wrong total or something taken back now and then.
    Publish {
        parts: [u8; 3],
        is_short: bool,
        takes_back: bool,
    },
    Challenge,
    Draw,
    /// Opens the first so many of the leaves that are needed.
    Open(usize),
    Refute(Index),
    Resolve,
    Overturn,
    Claim(Index),
    Release,
    Pass(u32),
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        3 => prop_oneof![FUND_MIN..FUND_MIN + 50, TRIB..100 * TRIB].prop_map(Step::Pay),
        4 => (any::<[u8; 3]>(), prop::bool::weighted(0.1), prop::bool::weighted(0.2))
            .prop_map(|(parts, is_short, takes_back)| Step::Publish { parts, is_short, takes_back }),
        2 => Just(Step::Challenge),
        3 => Just(Step::Draw),
        4 => (1usize..=3).prop_map(Step::Open),
        1 => any::<Index>().prop_map(Step::Refute),
        5 => Just(Step::Resolve),
        1 => Just(Step::Overturn),
        5 => any::<Index>().prop_map(Step::Claim),
        1 => Just(Step::Release),
        6 => prop_oneof![1u32..4, CHALLENGE_WINDOW..CHALLENGE_WINDOW + 3, Just(EPOCH_TIMEOUT)].prop_map(Step::Pass),
    ];
    (0..OPERATORS.len(), step)
}

/// What is known outside the chain: the trees that were posted.
#[derive(Default)]
struct World {
    trees: BTreeMap<(Account, u32), AmountTree>,
    paid_in: Amount,
    claimed: Amount,
    released: Amount,
}

fn ledger(operator: &Account) -> Option<Ledger<Account>> {
    Ledgers::<Test>::get(MODEL, operator)
}

fn tree(operator: &Account, epoch: u32, amounts: &[Amount]) -> AmountTree {
    let leaves = (0u8..).zip(amounts).map(|(n, amount)| AmountLeaf {
        index: n.into(),
        contribution: ContributionId(u64::from(n) + 1_000),
        contributor: contributor(n).into(),
        units: *amount,
        evidence: ContentHash::default(),
    });
    AmountTree::new(&Attribution::epoch_domain(MODEL, operator, epoch), leaves.collect()).unwrap()
}

impl World {
    /// The tree of the operator's accepted epoch.
    fn accepted(&self, operator: &Account) -> Option<&AmountTree> {
        self.trees.get(&(operator.clone(), ledger(operator)?.accepted?.epoch))
    }

    /// The tree of the operator's pending epoch.
    fn pending(&self, operator: &Account) -> Option<&AmountTree> {
        let ledger = ledger(operator)?;
        ledger.pending?;
        self.trees.get(&(operator.clone(), ledger.epoch))
    }

    /// Makes the call. Many are refused, which must change nothing: calls are transactional.
    fn play(&mut self, operator: &Account, step: &Step) -> Option<()> {
        let origin = RuntimeOrigin::signed(operator.clone());
        let anyone = RuntimeOrigin::signed(contributor(5));
        match step {
            Step::Pay(amount) => {
                let before = ledger(operator).map(|ledger| ledger.funded).unwrap_or_default();
                Attribution::fund_answers(origin, MODEL, *amount).ok()?;
                self.paid_in += ledger(operator)?.funded - before;
            }
            Step::Publish { parts, is_short, takes_back } => {
                let ledger = ledger(operator)?;
                let mut amounts: Vec<Amount> = match self.accepted(operator) {
                    Some(tree) => tree.leaves().iter().map(|leaf| leaf.units).collect(),
                    None => vec![0; 3],
                };
                let new = ledger.funded - amounts.iter().sum::<Amount>();
                let new = new.saturating_sub((*is_short).into());
                let total = parts.iter().map(|part| Amount::from(*part) + 1).sum::<Amount>();
                let mut rest = new;
                for (amount, part) in amounts.iter_mut().zip(parts) {
                    let more = new * (Amount::from(*part) + 1) / total;
                    *amount += more;
                    rest -= more;
                }
                amounts[2] += rest;
                if *takes_back {
                    let moved = amounts[0] / 2;
                    amounts[0] -= moved;
                    amounts[1] += moved;
                }
                let epoch = ledger.epoch + 1;
                let tree = tree(operator, epoch, &amounts);
                let receipts = TreeHead { root: ContentHash::default(), leaves: epoch.into() };
                let root = EpochRoot { amounts: tree.root(), receipts, method: ContentHash::default() };
                Attribution::publish_epoch(origin, MODEL, root).ok()?;
                assert!(!is_short, "a total that is not what was paid in was taken");
                self.trees.insert((operator.clone(), epoch), tree);
            }
            Step::Challenge => {
                let epoch = ledger(operator)?.epoch;
                Attribution::challenge(anyone, MODEL, operator.clone(), epoch).ok()?;
            }
            Step::Draw => {
                randomness(3, System::block_number());
                Attribution::draw(anyone, MODEL, operator.clone()).ok()?;
            }
            Step::Open(count) => {
                let tree = self.pending(operator)?;
                let audit = ledger(operator)?.pending?.challenge?.audit?;
                let mut before = 0;
                for leaf in tree.leaves().iter().take(*count) {
                    let covered =
                        |draw: &u16| covers(before, leaf.units, audit.point(*draw, tree.root().total).unwrap());
                    let draws: Vec<u16> = (0..AUDIT_DRAWS).filter(covered).collect();
                    let (proof, draws) = (tree.prove(leaf.index)?, draws.try_into().unwrap());
                    Attribution::open_leaf(anyone.clone(), MODEL, operator.clone(), *leaf, proof, draws).ok()?;
                    before += leaf.units;
                }
            }
            Step::Refute(at) => {
                let (new, old) = (self.pending(operator)?, self.accepted(operator)?);
                let index = u32::try_from(at.index(3)).unwrap();
                let at = usize::try_from(index).unwrap();
                let (new_leaf, old_leaf) = (new.leaves()[at], old.leaves()[at]);
                let against = Against::Accepted { leaf: old_leaf, proof: old.prove(index)? };
                let done = Attribution::refute(anyone, MODEL, operator.clone(), new_leaf, new.prove(index)?, against);
                assert_eq!(done.is_ok(), new_leaf.units < old_leaf.units);
            }
            Step::Resolve => Attribution::resolve(anyone, MODEL, operator.clone()).ok()?,
            Step::Overturn => {
                let done =
                    Attribution::overturn(RuntimeOrigin::root(), MODEL, operator.clone(), ContentHash::default());
                done.ok()?;
            }
            Step::Claim(at) => {
                let tree = self.accepted(operator)?;
                let leaf = *at.get(tree.leaves());
                let proof = tree.prove(leaf.index)?;
                let signer = RuntimeOrigin::signed(leaf.contributor.into());
                System::reset_events();
                Attribution::claim_answers(signer, MODEL, operator.clone(), leaf, proof).ok()?;
                match last_event() {
                    Event::AnswerRewardClaimed { amount, .. } => self.claimed += amount,
                    other => panic!("{other:?}"),
                }
            }
            Step::Release => {
                System::reset_events();
                Attribution::release(anyone, MODEL, operator.clone()).ok()?;
                match last_event() {
                    Event::AnswersReleased { amount, .. } => self.released += amount,
                    other => panic!("{other:?}"),
                }
            }
            Step::Pass(blocks) => System::set_block_number(System::block_number() + blocks),
        }
        Some(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn contributors_never_get_more_than_came_in(steps in prop::collection::vec(step(), 80)) {
        ExtBuilder::default().build_and_execute(|| {
            open(MODEL, JOB, &THREE);
            let mut world = World::default();
            for (operator, step) in &steps {
                let operator = &OPERATORS[*operator];
                // Many calls are refused; what they began is rolled back, as in a block.
                let _ = frame_support::storage::with_storage_layer(|| {
                    world.play(operator, step).ok_or(sp_runtime::DispatchError::Other("refused"))
                });
                assert!(world.claimed + world.released <= world.paid_in);
                let pool = held(crate::HoldReason::AnswerPool, &Attribution::pool_account());
                assert_eq!(pool, world.paid_in - world.claimed - world.released);
                check();
            }
        });
    }
}
