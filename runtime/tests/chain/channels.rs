//! Payment channels on the real runtime: an app prepays, vouchers are redeemed, contributors claim what answers earned, the
//! rest goes back; and who lost the permission may not answer any more.

use crate::common::{account, world::*};
use codec::MaxEncodedLen;
use frame_support::{assert_noop, assert_ok, traits::fungible::InspectHold};
use sp_core::Pair;
use sp_keyring::Sr25519Keyring as Person;
use sp_runtime::DispatchResult;
use tributary_protocol::{
    Amount, BaseModelId, ChannelId, ContentHash, ContributionId, DatanetId, GrantId, JobId, ModelId, Ppm, VersionRef,
    amount::TRIB,
    answer::{Accuracy, Measured, attributed_part},
    channel::{Channel, Offer},
    content::MerkleTree,
    datanet::AccessPolicy,
    epoch::{AmountLeaf, AmountTree, EpochDomain, EpochRoot},
    job::Progress,
    model::Prices,
    receipt::{Receipt, ReceiptShare, ReceiptTree},
    recipe::{AttributionMethod, TangentWay},
    stream::{ContributionRoot, SHARE_UNITS},
    sum_tree::SumTree,
    voucher::{SignedVoucher, Voucher},
};
use tributary_runtime::{
    AccountId, Attribution, Balances, Channels, Runtime, System,
    configs::balances::TreasuryAccount,
    constants::{DEPOSIT_PER_BYTE, DEPOSIT_PER_ITEM},
};

const OWNER: Person = Person::Alice;
const CONTRIBUTORS: [Person; 3] = [Person::Charlie, Person::Dave, Person::Eve];
const REQUESTER: Person = Person::Ferdie;
const TRAINER: Person = Person::AliceStash;
const BASE_OWNER: Person = Person::CharlieStash;
const OPERATOR: Person = Person::DaveStash;
const APP: Person = Person::EveStash;
/// Signs vouchers, and has no money.
const KEY: Person = Person::One;
const MODEL: ModelId = ModelId(0);
const UNITS: [u64; 3] = [500_000_000, 300_000_000, 200_000_000];
/// What the model costs.
const PRICES: Prices = Prices { input_per_1000: TRIB, output_per_1000: 2 * TRIB };

/// So accurate that four fifths are attributed.
fn accurate() -> Accuracy {
    let coalitions = Measured { value: 750_000, low: 680_000, high: 800_000 };
    let accuracy = Accuracy { coalitions, coalition_count: 12, query_count: 10, ..Accuracy::default() };
    assert_eq!(attributed_part(Some(&accuracy)), Ppm::from_percent(80));
    accuracy
}

/// A published model that three contributions shaped, deployed by the operator; its attribution follows from `accuracy`.
fn model(accuracy: Option<Accuracy>) -> SumTree {
    assert_ok!(register(OWNER, AccessPolicy::Open));
    for (n, contributor) in (0u8..).zip(CONTRIBUTORS) {
        assert_ok!(submit(contributor, DatanetId(0), n + 1));
        assert_ok!(send(OWNER, pallet_datanets::Call::accept { contribution: ContributionId(n.into()) }));
    }
    assert_ok!(send(OWNER, pallet_datanets::Call::publish_version { datanet: DatanetId(0) }));
    assert_ok!(register_base(BASE_OWNER, 9));
    assert_ok!(send(REQUESTER, pallet_grants::Call::request { datanet: DatanetId(0), terms: grant_terms(1) }));
    let version = VersionRef { datanet: DatanetId(0), number: 1 };
    let mut spec = spec(BaseModelId(0), version, GrantId(0));
    if let Some(Accuracy { coalition_count, .. }) = accuracy {
        let (groups, halves, coalitions, way) = (16, 0, u8::try_from(coalition_count).unwrap(), TangentWay::Loss);
        spec.attribution = AttributionMethod::GroupTangents { groups, halves, coalitions, way };
    }
    assert_ok!(send(REQUESTER, pallet_jobs::Call::post { spec, data_fees_max: Amount::MAX }));
    assert_ok!(send(TRAINER, pallet_jobs::Call::bond { amount: 200 * TRIB }));
    let job = JobId(0);
    assert_ok!(send(TRAINER, pallet_jobs::Call::claim { job }));
    let progress = Progress { step: 100, steps: 100 };
    assert_ok!(send(TRAINER, pallet_jobs::Call::heartbeat { job, progress }));
    let shares: Vec<_> = (0u64..)
        .zip(CONTRIBUTORS)
        .zip(UNITS)
        .map(|((n, contributor), units)| (ContributionId(n), account(contributor), units))
        .collect();
    let tree = tree(job, &shares);
    let mut report = report(&tree, 5);
    let attributed = attributed_part(accuracy.as_ref());
    (report.accuracy, report.contributions) = (accuracy, ContributionRoot { attributed, ..report.contributions });
    assert_ok!(send(TRAINER, pallet_jobs::Call::report { job, report }));
    advance(<Runtime as pallet_jobs::Config>::AcceptanceBlocksMin::get() + 1);
    assert_ok!(send(REQUESTER, pallet_models::Call::publish { model: MODEL, prices: PRICES }));
    assert_ok!(deploy());
    check();
    tree
}

fn deploy() -> DispatchResult {
    let endpoint = b"https://answers.example/v1".to_vec().try_into().unwrap();
    send(OPERATOR, pallet_models::Call::deploy { model: MODEL, endpoint })
}

fn offer(prices: Prices) -> DispatchResult {
    let until = System::block_number() + 1_000;
    send(OPERATOR, pallet_channels::Call::offer { model: MODEL, prices, until })
}

fn open(amount: Amount) -> ChannelId {
    let id = Channels::next_channel();
    let key = KEY.public().0;
    assert_ok!(send(APP, pallet_channels::Call::open { operator: account(OPERATOR), key, amount }));
    id
}

fn sign(voucher: Voucher) -> SignedVoucher {
    let payload = voucher.payload(GENESIS.0, account(OPERATOR).into());
    SignedVoucher { voucher, signature: KEY.pair().sign(&payload).0 }
}

fn redeem(voucher: SignedVoucher) -> DispatchResult {
    send(OPERATOR, pallet_channels::Call::redeem { vouchers: vec![voucher].try_into().unwrap() })
}

/// Everybody whom an answer pays, but for the contributors, and the app that pays.
fn parties() -> [AccountId; 7] {
    let [owner, base, trainer, requester, operator, app] =
        [OWNER, BASE_OWNER, TRAINER, REQUESTER, OPERATOR, APP].map(account);
    [TreasuryAccount::get(), base, trainer, requester, owner, operator, app]
}

#[test]
fn what_an_app_prepays_reaches_contributors_and_the_rest_comes_back() {
    chain().execute_with(|| {
        let shares = model(Some(accurate()));
        let issued = Balances::total_issuance();
        let asked = Prices { input_per_1000: 2 * TRIB, output_per_1000: 3 * TRIB };
        assert_ok!(offer(asked));
        let before = parties().each_ref().map(wealth);
        let channel = open(1_000 * TRIB);
        check();

        // Two answers; only the newer voucher is shown. 100,000 tokens of requests and 200,000 of answers.
        let first = Voucher { channel, model: MODEL, input_tokens: 100, output_tokens: 50, amount: TRIB };
        let newest = Voucher { input_tokens: 100_000, output_tokens: 200_000, amount: 800 * TRIB, ..first };
        assert_ok!(redeem(sign(newest)));
        for stale in [first, newest] {
            assert_noop!(redeem(sign(stale)), pallet_channels::Error::<Runtime>::StaleVoucher);
        }
        let overdrawn = Voucher { amount: 1_001 * TRIB, ..newest };
        assert_noop!(redeem(sign(overdrawn)), pallet_channels::Error::<Runtime>::Overdrawn);
        check();
        // 500 TRIB are the model's, by its prices. Of these 2, 8, 10, 20 and 10 % go to those, the operator keeps 300.
        let after = parties().each_ref().map(wealth);
        let gained: Vec<Amount> = before.iter().zip(after).take(6).map(|(before, after)| after - before).collect();
        assert_eq!(gained, [10, 40, 50, 100, 50, 300].map(|amount| amount * TRIB));
        assert_eq!(before[6] - after[6], 800 * TRIB);
        // The contributors' half: a fifth by shares, the rest by answers.
        let stream = Attribution::stream(MODEL).unwrap();
        assert_eq!((stream.funded, stream.contributors_funded), (500 * TRIB, 50 * TRIB));
        let operator = account(OPERATOR);
        assert_eq!(Attribution::ledger(MODEL, operator.clone()).unwrap().funded, 200 * TRIB);

        // The operator's epoch with its receipts.
        let receipts: Vec<_> = (0..2u64).map(receipt).collect();
        let tree =
            MerkleTree::<ReceiptTree>::from_hashes(receipts.iter().map(|receipt| receipt.leaf(GENESIS.0)).collect());
        let amounts = epoch([100 * TRIB, 60 * TRIB, 40 * TRIB]);
        let root = EpochRoot { amounts: amounts.root(), receipts: tree.head(), method: ContentHash::of(b"method") };
        assert_ok!(send(OPERATOR, pallet_attribution::Call::publish_epoch { model: MODEL, root }));
        assert_ok!(send(APP, pallet_channels::Call::close { channel }));
        assert_noop!(
            send(TRAINER, pallet_channels::Call::finalise { channel }),
            pallet_channels::Error::<Runtime>::WindowOpen
        );
        advance(<Runtime as pallet_attribution::Config>::ChallengeWindow::get() + 1);
        assert_ok!(send(APP, pallet_attribution::Call::resolve { model: MODEL, operator: operator.clone() }));
        let accepted = Attribution::ledger(MODEL, operator.clone()).unwrap().accepted.unwrap().root.receipts;
        for receipt in &receipts {
            assert_eq!(receipt.check(), Ok(()));
            let proof = tree.prove_inclusion(receipt.number).unwrap();
            assert_eq!(receipt.verify(GENESIS.0, &accepted, &proof), Ok(()));
        }

        // Each contributor claims by shares and by answers: all 250 TRIB.
        for (index, expected) in (0u32..).zip([125, 75, 50]) {
            let person = CONTRIBUTORS[index as usize];
            let before = wealth(&account(person));
            assert_ok!(claim_leaf(person, MODEL, &shares, index));
            let (leaf, proof) = (amounts.leaves()[index as usize], amounts.prove(index).unwrap());
            let operator = operator.clone();
            let claim = pallet_attribution::Call::claim_answers { model: MODEL, operator, leaf, proof };
            assert_ok!(send(person, claim));
            assert_eq!(wealth(&account(person)) - before, expected * TRIB);
        }
        check();

        // What is left comes back when the window is over, whoever says so.
        assert_noop!(
            redeem(sign(Voucher { amount: 900 * TRIB, ..newest })),
            pallet_channels::Error::<Runtime>::WindowOver
        );
        assert_ok!(send(TRAINER, pallet_channels::Call::finalise { channel }));
        assert_eq!(before[6] - wealth(&account(APP)), 800 * TRIB);
        assert_eq!(<Balances as InspectHold<AccountId>>::total_balance_on_hold(&account(APP)), 0);
        check();
        assert_eq!(Balances::total_issuance(), issued);
    });
}

#[test]
fn a_model_whose_attribution_is_not_measured_is_sold_by_its_shares() {
    chain().execute_with(|| {
        let shares = model(None);
        let channel = open(10 * TRIB);
        // A token of a request costs a thousandth of a TRIB; half of it is the contributors'.
        let first = Voucher { channel, model: MODEL, input_tokens: 1, output_tokens: 0, amount: 2 * TRIB / 1_000 };
        assert_ok!(redeem(sign(first)));
        assert_eq!(Attribution::stream(MODEL).unwrap().contributors_funded, TRIB / 2_000);
        assert_eq!(Attribution::ledger(MODEL, account(OPERATOR)), None);
        assert_ok!(claim_leaf(CONTRIBUTORS[0], MODEL, &shares, 0));
        // Two of the smallest units, far below what a sale must come to elsewhere: rounding leaves both to the contributors.
        let prices = Prices { input_per_1000: 2, output_per_1000: 2 };
        assert_ok!(send(REQUESTER, pallet_models::Call::set_terms { model: MODEL, prices }));
        assert_ok!(redeem(sign(Voucher { input_tokens: 1_001, amount: first.amount + 5, ..first })));
        assert_eq!(Attribution::stream(MODEL).unwrap().contributors_funded, TRIB / 2_000 + 2);
        check();
    });
}

#[test]
fn a_revoked_grant_and_a_withdrawn_model_end_serving_in_that_block() {
    chain().execute_with(|| {
        model(None);
        let may_serve = || Channels::may_serve(MODEL, account(OPERATOR));
        assert!(may_serve());
        assert!(!Channels::may_serve(MODEL, account(TRAINER)), "only who deployed it may");
        let channel = open(10 * TRIB);
        let voucher = Voucher { channel, model: MODEL, input_tokens: 1_000, output_tokens: 0, amount: 2 * TRIB };

        assert_ok!(send(REQUESTER, pallet_models::Call::withdraw { model: MODEL }));
        assert!(!may_serve());
        assert_noop!(offer(PRICES), pallet_channels::Error::<Runtime>::NotServed);
        assert_ok!(send(REQUESTER, pallet_models::Call::publish { model: MODEL, prices: PRICES }));
        assert!(may_serve());
        assert_ok!(send(OPERATOR, pallet_models::Call::undeploy { model: MODEL }));
        assert!(!may_serve());
        assert_ok!(deploy());
        assert!(may_serve());
        assert_ok!(send(OWNER, pallet_grants::Call::revoke { grant: GrantId(0), reason: text("no more") }));
        assert!(!may_serve());
        assert_noop!(offer(PRICES), pallet_channels::Error::<Runtime>::NotServed);
        // What was answered before is paid.
        assert_ok!(redeem(sign(voucher)));
        check();
    });
}

#[test]
fn deposits_cover_the_largest_records() {
    let bytes = |deposit: Amount| (deposit - DEPOSIT_PER_ITEM) / DEPOSIT_PER_BYTE;
    // A channel's key is its number and that number's hash; an offer's a model's too, and an account's with its hash.
    let channel = Channel::<AccountId>::max_encoded_len() + 16;
    let offer = Offer::max_encoded_len() + 16 + 48;
    assert!(bytes(<Runtime as pallet_channels::Config>::ChannelDeposit::get()) >= channel as Amount);
    assert!(bytes(<Runtime as pallet_channels::Config>::OfferDeposit::get()) >= offer as Amount);
}

/// The receipt of the `number`th answer.
fn receipt(number: u64) -> Receipt {
    let shares = vec![ReceiptShare { index: 0, units: 300_000_000 }, ReceiptShare { index: 2, units: 500_000_000 }];
    Receipt {
        operator: account(OPERATOR).into(),
        model: MODEL,
        number,
        adapter: ContentHash([5; 32]),
        request: ContentHash::of(b"How deep is the harbour?"),
        response: ContentHash::of(&number.to_le_bytes()),
        input_tokens: 50_000,
        output_tokens: 100_000,
        price: 400 * TRIB,
        method: ContentHash::of(b"method"),
        base: SHARE_UNITS - 800_000_000,
        shares: shares.try_into().unwrap(),
    }
}

/// The operator's first epoch.
fn epoch(amounts: [Amount; 3]) -> AmountTree {
    let leaves = (0u32..).zip(amounts).map(|(index, units)| AmountLeaf {
        index,
        contribution: ContributionId(index.into()),
        contributor: account(CONTRIBUTORS[index as usize]).into(),
        units,
        evidence: ContentHash::of(&index.to_le_bytes()),
    });
    let domain = EpochDomain { genesis: GENESIS.0, model: MODEL, operator: account(OPERATOR).into(), epoch: 1 };
    AmountTree::new(&domain, leaves.collect()).unwrap()
}
