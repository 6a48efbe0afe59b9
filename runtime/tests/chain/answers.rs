//! An operator's answers on the real runtime: paid for, divided, audited with BABE's randomness, slashed and claimed.

use crate::common::{account, world::*};
use frame_support::{assert_noop, assert_ok};
use sp_keyring::Sr25519Keyring as Person;
use sp_runtime::DispatchResult;
use tributary_protocol::{
    Amount, BaseModelId, ContentHash, ContributionId, DatanetId, GrantId, JobId, ModelId, Ppm, VersionRef,
    amount::TRIB,
    answer::{Accuracy, Measured, attributed_part},
    content::TreeHead,
    datanet::AccessPolicy,
    epoch::{AUDIT_DRAWS, AmountLeaf, AmountTree, EpochDomain, EpochRoot, covers},
    job::Progress,
    recipe::{AttributionMethod, TangentWay},
    stream::ContributionRoot,
};
use tributary_runtime::{Attribution, Runtime, System, configs::balances::TreasuryAccount};

const OWNER: Person = Person::Alice;
const CONTRIBUTORS: [Person; 3] = [Person::Charlie, Person::Dave, Person::Eve];
const REQUESTER: Person = Person::Ferdie;
const TRAINER: Person = Person::AliceStash;
const BASE_OWNER: Person = Person::CharlieStash;
const OPERATOR: Person = Person::DaveStash;
const CHALLENGER: Person = Person::EveStash;
const MODEL: ModelId = ModelId(0);

/// A model that three contributions shaped, whose attribution is trusted with four fifths.
fn model() {
    assert_ok!(register(OWNER, AccessPolicy::Open));
    for (n, contributor) in (0u8..).zip(CONTRIBUTORS) {
        assert_ok!(submit(contributor, DatanetId(0), n + 1));
        let contribution = ContributionId(n.into());
        assert_ok!(send(OWNER, pallet_datanets::Call::accept { contribution }));
    }
    assert_ok!(send(OWNER, pallet_datanets::Call::publish_version { datanet: DatanetId(0) }));
    assert_ok!(register_base(BASE_OWNER, 9));
    assert_ok!(send(REQUESTER, pallet_grants::Call::request { datanet: DatanetId(0), terms: grant_terms(1) }));
    let version = VersionRef { datanet: DatanetId(0), number: 1 };
    let mut spec = spec(BaseModelId(0), version, GrantId(0));
    let (groups, halves, coalitions, way) = (16, 0, 12, TangentWay::Loss);
    spec.attribution = AttributionMethod::GroupTangents { groups, halves, coalitions, way };
    assert_ok!(send(REQUESTER, pallet_jobs::Call::post { spec, data_fees_max: Amount::MAX }));
    assert_ok!(send(TRAINER, pallet_jobs::Call::bond { amount: 200 * TRIB }));
    let job = JobId(0);
    assert_ok!(send(TRAINER, pallet_jobs::Call::claim { job }));
    let progress = Progress { step: 100, steps: 100 };
    assert_ok!(send(TRAINER, pallet_jobs::Call::heartbeat { job, progress }));
    let shares = [(0, 500_000_000), (1, 300_000_000), (2, 200_000_000)]
        .map(|(place, units)| (ContributionId(place as u64), account(CONTRIBUTORS[place]), units));
    let mut report = report(&tree(job, &shares), 5);
    let coalitions = Measured { value: 750_000, low: 680_000, high: 800_000 };
    report.accuracy = Some(Accuracy { coalitions, coalition_count: 12, query_count: 10, ..Accuracy::default() });
    let attributed = attributed_part(report.accuracy.as_ref());
    assert_eq!(attributed, Ppm::from_percent(80));
    report.contributions = ContributionRoot { attributed, ..report.contributions };
    assert_ok!(send(TRAINER, pallet_jobs::Call::report { job, report }));
    advance(<Runtime as pallet_jobs::Config>::AcceptanceBlocksMin::get() + 1);
    assert!(Attribution::stream(MODEL).is_some());
    check();
}

fn epoch(number: u32, amounts: [Amount; 3]) -> AmountTree {
    let leaves = (0u32..).zip(amounts).map(|(index, units)| AmountLeaf {
        index,
        contribution: ContributionId(index.into()),
        contributor: account(CONTRIBUTORS[index as usize]).into(),
        units,
        evidence: ContentHash::of(&index.to_le_bytes()),
    });
    let operator = account(OPERATOR).into();
    let domain = EpochDomain { genesis: GENESIS.0, model: MODEL, operator, epoch: number };
    AmountTree::new(&domain, leaves.collect()).unwrap()
}

fn publish(tree: &AmountTree, answers: u64) -> DispatchResult {
    let receipts = TreeHead { root: ContentHash::of(b"receipts"), leaves: answers };
    let root = EpochRoot { amounts: tree.root(), receipts, method: ContentHash::of(b"method") };
    send(OPERATOR, pallet_attribution::Call::publish_epoch { model: MODEL, root })
}

fn open(tree: &AmountTree, index: u32) -> DispatchResult {
    let ledger = Attribution::ledger(MODEL, account(OPERATOR)).unwrap();
    let audit = ledger.pending.unwrap().challenge.unwrap().audit.unwrap();
    let leaf = tree.leaves()[index as usize];
    let before: Amount = tree.leaves().iter().take(index as usize).map(|leaf| leaf.units).sum();
    let covered = |draw: &u16| covers(before, leaf.units, audit.point(*draw, tree.root().total).unwrap());
    let draws: Vec<u16> = (0..AUDIT_DRAWS).filter(covered).collect();
    let (proof, draws) = (tree.prove(index).unwrap(), draws.try_into().unwrap());
    send(
        OPERATOR,
        pallet_attribution::Call::open_leaf { model: MODEL, operator: account(OPERATOR), leaf, proof, draws },
    )
}

fn claim(tree: &AmountTree, index: u32) -> DispatchResult {
    let (leaf, proof) = (tree.leaves()[index as usize], tree.prove(index).unwrap());
    let operator = account(OPERATOR);
    let call = pallet_attribution::Call::claim_answers { model: MODEL, operator, leaf, proof };
    send(CONTRIBUTORS[index as usize], call)
}

#[test]
fn a_hidden_leaf_costs_the_operator_its_bond_and_contributors_nothing() {
    chain().execute_with(|| {
        model();
        let issued = tributary_runtime::Balances::total_issuance();
        let operator = account(OPERATOR);
        assert_ok!(send(OPERATOR, pallet_attribution::Call::fund_answers { model: MODEL, amount: 1_000 * TRIB }));
        // Half is the contributors', four fifths of that go by answers.
        assert_eq!(Attribution::ledger(MODEL, operator.clone()).unwrap().funded, 400 * TRIB);
        check();

        // The second leaf is wrong, and the operator will not show it.
        let false_epoch = epoch(1, [100 * TRIB, 290 * TRIB, 10 * TRIB]);
        assert_ok!(publish(&false_epoch, 40));
        let challenge = pallet_attribution::Call::challenge { model: MODEL, operator: operator.clone(), epoch: 1 };
        assert_ok!(send(CHALLENGER, challenge));
        let draw = || pallet_attribution::Call::draw { model: MODEL, operator: operator.clone() };
        assert_noop!(send(CHALLENGER, draw()), pallet_attribution::Error::<Runtime>::RandomnessTooOld);
        // A session ends.
        advance(1);
        let start = pallet_babe::EpochStart::<Runtime>::get();
        pallet_babe::EpochStart::<Runtime>::put((start.1, System::block_number()));
        pallet_babe::NextRandomness::<Runtime>::put([11; 32]);
        assert_ok!(send(CHALLENGER, draw()));
        assert_ok!(open(&false_epoch, 0));
        assert_ok!(open(&false_epoch, 2));
        check();
        let before = [&operator, &account(CHALLENGER), &TreasuryAccount::get()].map(wealth);
        let resolve = || pallet_attribution::Call::resolve { model: MODEL, operator: operator.clone() };
        assert_noop!(send(CHALLENGER, resolve()), pallet_attribution::Error::<Runtime>::WindowOpen);
        advance(<Runtime as pallet_attribution::Config>::OpenWindow::get() + 1);
        assert_ok!(send(CHALLENGER, resolve()));
        let after = [&operator, &account(CHALLENGER), &TreasuryAccount::get()].map(wealth);
        for (who, (before, after)) in ["operator", "challenger", "treasury"].iter().zip(before.iter().zip(&after)) {
            println!("a leaf is hidden: {who} had {} TRIB, has {}", before / TRIB, after / TRIB);
        }
        assert_eq!(before[0] - after[0], 400 * TRIB);
        assert_eq!(after[1] - before[1], 100 * TRIB);
        assert_eq!(after[2] - before[2], 300 * TRIB);
        assert_noop!(send(CHALLENGER, resolve()), pallet_attribution::Error::<Runtime>::NothingPending);
        check();

        // What was paid in is divided rightly by the next one, and claimed.
        let right = epoch(2, [100 * TRIB, 200 * TRIB, 100 * TRIB]);
        assert_ok!(publish(&right, 40));
        advance(<Runtime as pallet_attribution::Config>::ChallengeWindow::get() + 1);
        assert_ok!(send(CHALLENGER, resolve()));
        for (index, amount) in (0u32..).zip([100, 200, 100]) {
            assert_noop!(claim(&false_epoch, index), pallet_attribution::Error::<Runtime>::ProofRootWrong);
            let who = account(CONTRIBUTORS[index as usize]);
            let before = wealth(&who);
            assert_ok!(claim(&right, index));
            println!("by the right epoch: contributor {index} had {} TRIB, has {}", before / TRIB, wealth(&who) / TRIB);
            assert_eq!(wealth(&who) - before, amount * TRIB);
            assert_eq!(Attribution::answers_paid(MODEL, operator.clone(), index), Some(amount * TRIB));
        }
        check();
        assert_eq!(tributary_runtime::Balances::total_issuance(), issued);
    });
}
