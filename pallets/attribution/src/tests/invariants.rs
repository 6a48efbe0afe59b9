//! Random sequences of calls against a plain ledger that keeps exact fractions.

use crate::{Call, Distribution, Event, mock::*};
use frame_support::traits::UnfilteredDispatchable;
use proptest::{prelude::*, sample::Index, test_runner::RngSeed};
use std::collections::BTreeMap;
use tributary_protocol::{
    Amount, JobId, ModelId, share,
    stream::{SHARE_UNITS, Split},
    sum_tree::SumTree,
};

type AccountId = Account;
/// What each account gains or loses by a call.
type Changes = BTreeMap<AccountId, i128>;

fn signed(amount: Amount) -> i128 {
    amount.try_into().unwrap()
}

const STREAMS: u64 = 3;

/// One step: who acts, and on what. Wrong on purpose now and then: `stream` is the stream called on, `of` the one whose
/// leaf and proof are shown.
#[derive(Clone, Debug)]
enum Step {
    Fund { payer: Index, stream: u64, amount: Amount },
    Claim { signer: Option<Index>, stream: u64, of: u64, leaf: Index, proof_of: Option<Index> },
}

fn step() -> impl Strategy<Value = Step> {
    let amount = prop_oneof![
        2 => FUND_MIN - 1..FUND_MIN + 100,
        3 => 1_000_000u128..10_000_000_000_000,
        1 => 10u128.pow(14)..10u128.pow(16),
    ];
    let fund = (any::<Index>(), 0..STREAMS + 1, amount).prop_map(|(payer, stream, amount)| Step::Fund {
        payer,
        stream,
        amount,
    });
    // Mostly the true owner with the true proof on the true stream.
    let claim = (
        prop_oneof![5 => Just(None), 1 => any::<Index>().prop_map(Some)],
        0..STREAMS,
        prop_oneof![5 => Just(None), 1 => (0..STREAMS).prop_map(Some)],
        any::<Index>(),
        prop_oneof![5 => Just(None), 1 => any::<Index>().prop_map(Some)],
    )
        .prop_map(|(signer, stream, of, leaf, proof_of)| Step::Claim {
            signer,
            stream,
            of: of.unwrap_or(stream),
            leaf,
            proof_of,
        });
    prop_oneof![2 => fund, 3 => claim]
}

/// Units of each stream's leaves. Leaves of nothing, of little, and of nearly everything are all likely.
fn units() -> impl Strategy<Value = Vec<u64>> {
    let score =
        prop_oneof![1 => Just(0u128), 2 => 1u128..4, 3 => 1u128..1_000_000, 1 => 10u128.pow(12)..10u128.pow(15)];
    prop::collection::vec(score, 1..=8).prop_map(|scores| share::apportion(&scores, SHARE_UNITS).unwrap().units)
}

/// What a leaf should have, as an exact fraction with the denominator [`SHARE_UNITS`], and what it got.
#[derive(Default)]
struct Part {
    earned: Amount,
    paid: Amount,
}

#[derive(Default)]
struct Ledger {
    funded: Amount,
    pooled: Amount,
    leaves: Vec<Part>,
}

struct World {
    trees: BTreeMap<u64, SumTree>,
    ledgers: BTreeMap<u64, Ledger>,
}

/// The share of the amount that each party gets, by the textbook.
fn parts(amount: Amount) -> Distribution {
    let of = |ppm: tributary_protocol::Ppm| amount * Amount::from(ppm.parts()) / 1_000_000;
    let split = Split::DEFAULT;
    let mut parts = Distribution {
        treasury: of(split.treasury),
        base_owner: of(split.base_owner),
        trainer: of(split.trainer),
        model_owner: of(split.model_owner),
        datanet_owners: of(split.datanet_owners) / 3 * 3,
        contributors: 0,
    };
    parts.contributors =
        amount - parts.treasury - parts.base_owner - parts.trainer - parts.model_owner - parts.datanet_owners;
    parts
}

impl World {
    fn new(units: &[Vec<u64>]) -> Self {
        let trees: BTreeMap<_, _> =
            (0..).zip(units).map(|(n, units)| (n, open(ModelId(n), JobId(50 - n), units))).collect();
        let ledgers = trees
            .iter()
            .map(|(n, tree)| {
                let leaves = tree.leaves().iter().map(|_| Part::default()).collect();
                (*n, Ledger { leaves, ..Default::default() })
            })
            .collect();
        Self { trees, ledgers }
    }

    /// The signed call of a step.
    fn call(&self, step: &Step) -> (AccountId, Call<Test>) {
        match step {
            Step::Fund { payer, stream, amount } => {
                let payers = [BUYER, OWNER, TRAINER, TREASURY];
                (payer.get(&payers).clone(), Call::fund { model: ModelId(*stream), amount: *amount })
            }
            Step::Claim { signer, stream, of, leaf, proof_of } => {
                let tree = &self.trees[of];
                let leaf = *leaf.get(tree.leaves());
                let shown = proof_of.as_ref().map_or(leaf.index, |other| other.get(tree.leaves()).index);
                let signer = match signer {
                    Some(signer) => contributor(u8::try_from(signer.index(8)).unwrap()),
                    None => leaf.contributor.into(),
                };
                let proof = tree.prove(shown).unwrap();
                (signer, Call::claim { model: ModelId(*stream), leaf, proof })
            }
        }
    }

    /// Makes the call on the chain and in the ledger, and compares.
    fn play(&mut self, step: &Step) {
        let (signer, call) = self.call(step);
        let before: BTreeMap<_, _> = everyone().into_iter().map(|a| (a.clone(), total(&a))).collect();
        System::reset_events();
        let done = frame_support::storage::with_storage_layer(|| {
            call.clone().dispatch_bypass_filter(RuntimeOrigin::signed(signer.clone())).map_err(|e| e.error)
        });
        // Every call of the pallet, so that a new one cannot be forgotten here.
        let gained: Changes = match call {
            Call::fund { model, amount } => {
                let may = model.0 < STREAMS && amount >= FUND_MIN && before[&signer] - locked(&signer) >= amount + ED;
                assert_eq!(done.is_ok(), may, "{done:?}");
                if may { self.fund(model, amount, &signer) } else { BTreeMap::new() }
            }
            Call::claim { model, leaf, proof } => {
                let tree = &self.trees[&model.0];
                let own = signer == leaf.contributor.into();
                let here = tree.leaves().get(usize::try_from(leaf.index).unwrap()) == Some(&leaf)
                    && tree.prove(leaf.index) == Some(proof);
                if done.is_ok() {
                    assert!(own && here, "a claim on what is not one's own went through");
                    self.claim(model, leaf.index, &signer)
                } else {
                    assert!(!(own && here) || self.owed(model, leaf.index) <= 1, "an owner was refused: {done:?}");
                    BTreeMap::new()
                }
            }
            // Operators' epochs have a model of their own: `epoch_invariants.rs`.
            Call::fund_answers { .. }
            | Call::publish_epoch { .. }
            | Call::challenge { .. }
            | Call::draw { .. }
            | Call::open_leaf { .. }
            | Call::refute { .. }
            | Call::resolve { .. }
            | Call::overturn { .. }
            | Call::claim_answers { .. }
            | Call::release { .. }
            | Call::__Ignore(..) => unreachable!(),
        };
        for (account, had) in before {
            let change = signed(total(&account)) - signed(had);
            assert_eq!(change, gained.get(&account).copied().unwrap_or(0), "{account:?}");
        }
        check();
    }

    fn fund(&mut self, model: ModelId, amount: Amount, payer: &AccountId) -> Changes {
        let parts = parts(amount);
        match last_event() {
            Event::StreamFunded { distribution, .. } => assert_eq!(distribution, parts),
            other => panic!("{other:?}"),
        }
        let ledger = self.ledgers.get_mut(&model.0).unwrap();
        ledger.funded += amount;
        ledger.pooled += parts.contributors;
        for (account, leaf) in ledger.leaves.iter_mut().zip(self.trees[&model.0].leaves()) {
            account.earned += parts.contributors * Amount::from(leaf.units);
        }
        let mut gained = BTreeMap::from([
            (TREASURY, signed(parts.treasury)),
            (BASE_OWNER, signed(parts.base_owner)),
            (TRAINER, signed(parts.trainer)),
            (OWNER, signed(parts.model_owner)),
            (Attribution::pool_account(), signed(parts.contributors)),
        ]);
        for owner in DATANET_OWNERS {
            gained.insert(owner, signed(parts.datanet_owners / 3));
        }
        *gained.entry(payer.clone()).or_default() -= signed(amount);
        gained
    }

    fn claim(&mut self, model: ModelId, index: u32, signer: &AccountId) -> Changes {
        let amount = match last_event() {
            Event::RewardClaimed { amount, .. } => amount,
            other => panic!("{other:?}"),
        };
        let ledger = self.ledgers.get_mut(&model.0).unwrap();
        let account = ledger.leaves.get_mut(usize::try_from(index).unwrap()).unwrap();
        account.paid += amount;
        let exact = account.earned;
        let paid = account.paid * Amount::from(SHARE_UNITS);
        assert!(paid <= exact, "a leaf got more than its exact part");
        // Right after a claim the leaf lacks at most one smallest unit of its exact part, rounded down.
        assert!(self.owed(model, index) <= 1, "a leaf lacks more than rounding");
        let pool = Attribution::pool_account();
        assert_eq!(total(&pool), ED + self.ledgers.values().map(Ledger::left).sum::<Amount>());
        BTreeMap::from([(signer.clone(), signed(amount)), (pool, -signed(amount))])
    }

    /// The whole smallest units that a leaf's exact part exceeds what it got.
    fn owed(&self, model: ModelId, index: u32) -> Amount {
        let account = &self.ledgers[&model.0].leaves[usize::try_from(index).unwrap()];
        account.earned / Amount::from(SHARE_UNITS) - account.paid
    }

    /// At the end everybody claims. What is left is dust: at most one smallest unit per leaf.
    fn settle(&mut self) {
        let all: Vec<_> = self.trees.iter().map(|(n, tree)| (*n, tree.leaves().to_vec())).collect();
        for (model, leaves) in all {
            for leaf in &leaves {
                let proof = self.trees[&model].prove(leaf.index).unwrap();
                let done =
                    Attribution::claim(RuntimeOrigin::signed(leaf.contributor.into()), ModelId(model), *leaf, proof);
                if done.is_ok() {
                    self.claim(ModelId(model), leaf.index, &leaf.contributor.into());
                }
            }
            let ledger = &self.ledgers[&model];
            let stream = stream(ModelId(model));
            assert_eq!((stream.funded, stream.contributors_funded), (ledger.funded, ledger.pooled));
            assert_eq!(stream.claimed, ledger.leaves.iter().map(|leaf| leaf.paid).sum::<Amount>());
            assert!(ledger.left() <= Amount::try_from(leaves.len()).unwrap(), "more dust than one unit per leaf");
        }
    }
}

impl Ledger {
    fn left(&self) -> Amount {
        self.pooled - self.leaves.iter().map(|leaf| leaf.paid).sum::<Amount>()
    }
}

fn everyone() -> Vec<AccountId> {
    let named = [TREASURY, BASE_OWNER, TRAINER, OWNER, BUYER, Attribution::pool_account()];
    named.into_iter().chain(DATANET_OWNERS).chain((0..8).map(contributor)).collect()
}

/// Free and on hold.
fn total(account: &AccountId) -> Amount {
    let data = frame_system::Account::<Test>::get(account).data;
    data.free + data.reserved
}

fn locked(account: &AccountId) -> Amount {
    frame_system::Account::<Test>::get(account).data.reserved
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn money_is_conserved_and_nobody_gains_by_any_sequence_of_calls(
        units in prop::collection::vec(units(), 3),
        steps in prop::collection::vec(step(), 60),
    ) {
        ExtBuilder::default().build_and_execute(|| {
            let mut world = World::new(&units);
            for step in &steps {
                world.play(step);
            }
            world.settle();
        });
    }

    #[test]
    fn a_claim_split_in_time_pays_what_one_claim_pays(
        units in units(),
        amounts in prop::collection::vec(FUND_MIN..10u128.pow(13), 1..30),
        claims in prop::collection::vec(any::<bool>(), 30),
    ) {
        ExtBuilder::default().build_and_execute(|| {
            let often = open(MODEL, JOB, &units);
            let once = open(ModelId(8), JobId(80), &units);
            let claim = |model, tree: &SumTree| {
                for leaf in tree.leaves() {
                    let proof = tree.prove(leaf.index).unwrap();
                    // Refused where nothing is due.
                    let _ = Attribution::claim(RuntimeOrigin::signed(leaf.contributor.into()), model, *leaf, proof);
                }
            };
            for (amount, now) in amounts.iter().zip(claims) {
                for model in [MODEL, ModelId(8)] {
                    Attribution::fund(RuntimeOrigin::signed(BUYER), model, *amount).unwrap();
                }
                if now {
                    claim(MODEL, &often);
                }
            }
            claim(MODEL, &often);
            claim(ModelId(8), &once);
            assert_eq!(stream(MODEL).claimed, stream(ModelId(8)).claimed);
        });
    }
}
