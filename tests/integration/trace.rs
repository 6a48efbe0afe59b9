//! One answer after the other, from the request to what a contributor claims: receipts of a trained model, vouchers and an
//! epoch on the real runtime, and every number on the way.

#[path = "../../serving/tests/common/result.rs"]
mod result;

use crate::common::{account, world::*};
use codec::{Decode, Encode};
use frame_support::assert_ok;
use result::{Bundles, Training, accuracy};
use sp_core::Pair;
use sp_keyring::Sr25519Keyring as Person;
use std::{sync::Arc, time::Duration};
use tributary_client::Keypair;
use tributary_daemon::Bundle;
use tributary_lora::{EncodedSample, LoraConfig, Model, ModelConfig, Targets, TrainConfig};
use tributary_protocol::{
    Amount, BaseModelId, ChannelId, ContentHash, ContributionId, DatanetId, GrantId, ModelId, Ppm, VersionRef,
    amount::TRIB,
    answer::attributed_part,
    content::MerkleTree,
    datanet::AccessPolicy,
    epoch::{AmountTree, EpochDomain},
    job::Progress,
    model::Prices,
    receipt::{Receipt, ReceiptTree, SignedReceipt},
    recipe::Template,
    stream::{ContributionRoot, SHARE_UNITS},
    sum_tree::{Domain, SumLeaf},
    voucher::{SignedVoucher, Voucher},
};
use tributary_runtime::{Attribution, Balances, Channels, Models, Runtime, System};
use tributary_serving::{
    Served, Sold,
    operator::{Receipts, Sale},
    receipts::{
        ChainFacts, Notary, Outcome, Owner, ReceiptStore, ShownPlace,
        epochs::{EpochInputs, EpochRecord, openings},
        shares::{Explainer, Method, SharesConfig},
        verify_receipt,
    },
};

const OWNER: Person = Person::Alice;
const CONTRIBUTORS: [Person; 3] = [Person::Charlie, Person::Dave, Person::Eve];
const REQUESTER: Person = Person::Ferdie;
const TRAINER: Person = Person::AliceStash;
const BASE_OWNER: Person = Person::CharlieStash;
const OPERATOR: Person = Person::Bob;
const APP: Person = Person::EveStash;
/// Signs vouchers, and has no money.
const KEY: Person = Person::One;
const CHALLENGER: Person = Person::DaveStash;
const MODEL: ModelId = ModelId(0);
const JOB: tributary_protocol::JobId = result::JOB;
const CONTRIBUTIONS: u64 = 6;
const ANSWERS: u64 = 16;
/// What the model costs, and what the operator asks: half as much again.
const MODEL_PRICES: Prices = Prices { input_per_1000: 100 * TRIB, output_per_1000: 200 * TRIB };
const ASKED: Prices = Prices { input_per_1000: 150 * TRIB, output_per_1000: 300 * TRIB };

fn contributor(contribution: u64) -> Person {
    CONTRIBUTORS[usize::try_from(contribution % 3).unwrap()]
}

fn model() -> Model {
    let text = r#"{ "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 48, "hidden_size": 24,
        "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "eos_token_id": 1 }"#;
    Model::random(ModelConfig::from_json(text).unwrap(), 4).unwrap()
}

/// A text on one of four topics: each has its own rule by which a token follows from the one before it.
fn tokens(topic: u32, number: u32) -> Vec<u32> {
    let mut tokens = vec![40 + topic, (7 * number + 3) % 40];
    for _ in 0..8 {
        let last = tokens[tokens.len() - 1];
        tokens.push((last * [1, 3, 7, 9][topic as usize] + 2 * topic + 1) % 40);
    }
    tokens
}

/// What the job made: four fifths of its answers are attributed.
fn trained() -> Bundle {
    let sample = |at: u32| {
        let (topic, number) = (at % 4, at / 4);
        EncodedSample::new(ContentHash::of(&(1_000 * topic + number).to_le_bytes()), tokens(topic, number), 2)
    };
    let training = Training {
        model: Arc::new(model()),
        samples: (0..24).map(sample).collect(),
        lora: LoraConfig { rank: 3, alpha: 6.0, targets: Targets::AllLinear, ..Default::default() },
        config: TrainConfig { seed: 3, epochs: 6, batch_size: 8, learning_rate: 5e-3, ..Default::default() },
        groups: 4,
        dims: 512,
        contributions: (0..CONTRIBUTIONS)
            .map(|number| (ContributionId(number), account(contributor(number)).into()))
            .collect(),
    };
    training.run(Some(accuracy()))
}

/// Answers of different lengths, each with its receipt.
fn answer(bundle: &Bundle, store: &Arc<ReceiptStore>) -> Vec<SignedReceipt> {
    let config = SharesConfig { patience: Duration::from_secs(600), ..SharesConfig::default() };
    let explainer = Explainer::start(Arc::new(model()), Arc::new(Bundles(vec![bundle.clone()])), config).unwrap();
    let notary = Notary::new(store.clone(), Keypair::development("Bob").unwrap(), explainer, true).unwrap();
    let adapter = bundle.adapter().unwrap();
    let served = Served {
        id: "tributary-model-0".into(),
        model: Some(MODEL),
        adapter: Some(adapter),
        template: Template::Plain,
        created_s: 0,
        owner: String::new(),
    };
    let served = Arc::new(served);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let issue = |number: u64| {
        let at = u32::try_from(number).unwrap();
        // Of every topic four: two as in the training, two in other words.
        let text = tokens(at % 4, [1, 3, 21, 22][at as usize / 4]);
        let (prompt, answer) = text.split_at(3);
        let length = 4 + at % 4;
        let answer = &answer[..length as usize];
        let sold = Sold {
            prompt_tokens: 3,
            answer_tokens: length,
            prompt: prompt.to_vec(),
            answers: vec![answer.to_vec()],
            answer: ContentHash::of(&number.to_le_bytes()),
        };
        let price = ASKED.of(3, length.into()).unwrap();
        let request = ContentHash::of(b"request");
        let sale = Sale { number, served: served.clone(), model: MODEL, adapter, request, sold, price };
        let issued = runtime.block_on(notary.issue(sale)).unwrap();
        let receipt = Receipt::decode(&mut issued.receipt.as_slice()).unwrap();
        SignedReceipt { receipt, signature: issued.signature }
    };
    (0..ANSWERS).map(issue).collect()
}

/// The job on the chain, its model published, deployed and offered.
fn publish(bundle: &Bundle) {
    assert_ok!(register(OWNER, AccessPolicy::Open));
    for number in 0..CONTRIBUTIONS {
        assert_ok!(submit(contributor(number), DatanetId(0), number as u8 + 1));
        assert_ok!(send(OWNER, pallet_datanets::Call::accept { contribution: ContributionId(number) }));
    }
    assert_ok!(send(OWNER, pallet_datanets::Call::publish_version { datanet: DatanetId(0) }));
    assert_ok!(register_base(BASE_OWNER, 9));
    assert_ok!(send(REQUESTER, pallet_grants::Call::request { datanet: DatanetId(0), terms: grant_terms(1) }));
    let version = VersionRef { datanet: DatanetId(0), number: 1 };
    let attribution = bundle.evidence().unwrap();
    let mut spec = spec(BaseModelId(0), version, GrantId(0));
    spec.attribution = attribution.method;
    assert_ok!(send(REQUESTER, pallet_jobs::Call::post { spec, data_fees_max: Amount::MAX }));
    assert_ok!(send(TRAINER, pallet_jobs::Call::bond { amount: 200 * TRIB }));
    assert_ok!(send(TRAINER, pallet_jobs::Call::claim { job: JOB }));
    let progress = Progress { step: 100, steps: 100 };
    assert_ok!(send(TRAINER, pallet_jobs::Call::heartbeat { job: JOB, progress }));
    let domain = Domain { genesis: GENESIS.0, job: JOB };
    let mut report = report(&bundle.shares().unwrap().tree().unwrap(), 5);
    let contributions: ContributionRoot = attribution.contribution_root(&domain).unwrap();
    (report.adapter, report.accuracy) = (bundle.adapter().unwrap(), attribution.accuracy);
    report.contributions = contributions;
    assert_eq!(contributions.attributed, attributed_part(report.accuracy.as_ref()));
    assert_ok!(send(TRAINER, pallet_jobs::Call::report { job: JOB, report }));
    advance(<Runtime as pallet_jobs::Config>::AcceptanceBlocksMin::get() + 1);
    assert_ok!(send(REQUESTER, pallet_models::Call::publish { model: MODEL, prices: MODEL_PRICES }));
    let endpoint = b"https://answers.example/v1".to_vec().try_into().unwrap();
    assert_ok!(send(OPERATOR, pallet_models::Call::deploy { model: MODEL, endpoint }));
    let until = System::block_number() + 1_000;
    assert_ok!(send(OPERATOR, pallet_channels::Call::offer { model: MODEL, prices: ASKED, until }));
    check();
}

/// The app prepays, and its newest voucher pays for all answers.
fn pay(receipts: &[SignedReceipt]) -> Voucher {
    let channel = Channels::next_channel();
    let key = KEY.public().0;
    assert_ok!(send(APP, pallet_channels::Call::open { operator: account(OPERATOR), key, amount: 1_000 * TRIB }));
    let mut voucher = Voucher { channel, model: MODEL, input_tokens: 0, output_tokens: 0, amount: 0 };
    for SignedReceipt { receipt, .. } in receipts {
        voucher.input_tokens += u64::from(receipt.input_tokens);
        voucher.output_tokens += u64::from(receipt.output_tokens);
        voucher.amount += receipt.price;
    }
    let payload = voucher.payload(GENESIS.0, account(OPERATOR).into());
    let signed = SignedVoucher { voucher, signature: KEY.pair().sign(&payload).0 };
    assert_ok!(send(OPERATOR, pallet_channels::Call::redeem { vouchers: vec![signed].try_into().unwrap() }));
    assert_eq!(voucher.channel, ChannelId(0));
    voucher
}

/// The same record with the clients' accounts.
fn of_client<T: Decode>(record: impl Encode) -> T {
    T::decode(&mut record.encode().as_slice()).unwrap()
}

/// What each contribution is due of `funded`, by the receipts alone and without the code under test: each answer counts by its
/// price; the fifth of it that is not attributed was paid by shares already; the rest of the base pool goes by training.
fn due(receipts: &[SignedReceipt], shares: &[SumLeaf], funded: Amount) -> Vec<Amount> {
    let mut proportions = vec![0u128; shares.len()];
    for SignedReceipt { receipt, .. } in receipts {
        // In whole thousandths of a TRIB, which prices here are, so that products fit.
        let price = receipt.price / (TRIB / 1_000);
        assert_eq!(price * (TRIB / 1_000), receipt.price);
        for share in &receipt.shares {
            proportions[share.index as usize] += price * u128::from(share.units) * u128::from(SHARE_UNITS);
        }
        let by_training = u128::from(receipt.base - 200_000_000);
        for (proportion, leaf) in proportions.iter_mut().zip(shares) {
            *proportion += price * by_training * u128::from(leaf.units);
        }
    }
    let sum: u128 = proportions.iter().sum();
    // Rounded down, with the quotient taken apart so that nothing overflows.
    let part = |proportion: &u128| {
        let shift = 1u128 << 40;
        let part = proportion / (sum / shift);
        part * (funded / shift) + part * (funded % shift) / shift
    };
    proportions.iter().map(part).collect()
}

#[test]
fn every_number_from_a_request_to_a_contributors_claim_adds_up() {
    let bundle = trained();
    let operator = Keypair::development("Bob").unwrap().account();
    assert_eq!(operator.0, <[u8; 32]>::from(account(OPERATOR)));
    let store = Arc::new(ReceiptStore::in_memory(Owner { genesis: GENESIS.0, operator }).unwrap());
    let receipts = answer(&bundle, &store);
    let explained: Vec<_> = receipts.iter().filter(|signed| !signed.receipt.shares.is_empty()).collect();
    println!("{} of {ANSWERS} answers were shaped by somebody in particular", explained.len());
    assert!(explained.iter().any(|signed| signed.receipt.shares != explained[0].receipt.shares));

    chain().execute_with(|| {
        publish(&bundle);
        let issued = Balances::total_issuance();
        let before = [APP, OPERATOR].map(|person| wealth(&account(person)));
        let voucher = pay(&receipts);
        check();
        // The app pays what the receipts say; the model gets its price for the same tokens, the operator the rest.
        let of_model = MODEL_PRICES.of(voucher.input_tokens, voucher.output_tokens).unwrap();
        let after = [APP, OPERATOR].map(|person| wealth(&account(person)));
        assert_eq!(before[0] - after[0], voucher.amount);
        assert_eq!(after[1] - before[1], voucher.amount - of_model);
        // Half is the contributors', four fifths of it by answers. All prices divide evenly here.
        let stream = Attribution::stream(MODEL).unwrap();
        let ledger = Attribution::ledger(MODEL, account(OPERATOR)).unwrap();
        assert_eq!(ledger.funded, Ppm::from_percent(40).of(of_model));
        assert_eq!(stream.contributors_funded, of_model / 2 - ledger.funded);

        // The epoch, made from receipts and ledger, checked and posted.
        let shares = bundle.shares().unwrap().tree().unwrap();
        let (stream, ledger): (tributary_client::Stream, tributary_client::AnswerLedger) =
            (of_client(stream), of_client(ledger));
        let inputs = EpochInputs { model: MODEL, stream: &stream, ledger: &ledger, shares: shares.leaves() };
        let evidence = bundle.evidence().unwrap();
        let method = Method::of_model(evidence.method, stream.contributions.attributed);
        let record = EpochRecord::make(&store, &inputs, method.hash(bundle.adapter().unwrap())).unwrap();
        assert_eq!(record.root.receipts.leaves, ANSWERS);
        store.put_epoch(MODEL, &record).unwrap();
        assert_ok!(send(OPERATOR, pallet_attribution::Call::publish_epoch { model: MODEL, root: record.root }));

        // It is challenged, and its leaves are opened.
        let challenge = pallet_attribution::Call::challenge { model: MODEL, operator: account(OPERATOR), epoch: 1 };
        assert_ok!(send(CHALLENGER, challenge));
        advance(1);
        let start = pallet_babe::EpochStart::<Runtime>::get();
        pallet_babe::EpochStart::<Runtime>::put((start.1, System::block_number()));
        pallet_babe::NextRandomness::<Runtime>::put([11; 32]);
        assert_ok!(send(CHALLENGER, pallet_attribution::Call::draw { model: MODEL, operator: account(OPERATOR) }));
        let domain = EpochDomain { genesis: GENESIS.0, model: MODEL, operator: operator.0, epoch: 1 };
        let tree = AmountTree::new(&domain, record.leaves.clone()).unwrap();
        let audit = || {
            let pending = Attribution::ledger(MODEL, account(OPERATOR)).unwrap().pending.unwrap();
            pending.challenge.unwrap().audit.unwrap()
        };
        for opening in openings(&tree, &audit()) {
            let (operator, leaf, proof) = (account(OPERATOR), opening.leaf, opening.proof);
            let draws = opening.draws.try_into().unwrap();
            assert_ok!(send(
                OPERATOR,
                pallet_attribution::Call::open_leaf { model: MODEL, operator, leaf, proof, draws }
            ));
        }
        assert!(audit().is_complete());
        advance(<Runtime as pallet_attribution::Config>::ChallengeWindow::get() + 1);
        assert_ok!(send(APP, pallet_attribution::Call::resolve { model: MODEL, operator: account(OPERATOR) }));
        check();

        // Every receipt holds against the chain.
        let ledger: tributary_client::AnswerLedger = of_client(Attribution::ledger(MODEL, account(OPERATOR)).unwrap());
        let facts = ChainFacts {
            genesis: GENESIS.0,
            model: Some(of_client(Models::model(MODEL).unwrap())),
            attribution: Some(evidence.method),
            attributed: stream.contributions.attributed,
            offer: Channels::offer_of(MODEL, account(OPERATOR)),
            ledger: Some(ledger.clone()),
        };
        let leaves = store.leaves(MODEL, ANSWERS).unwrap();
        let of_receipts = MerkleTree::<ReceiptTree>::from_hashes(leaves);
        for signed in &receipts {
            let proof = of_receipts.prove_inclusion(signed.receipt.number).unwrap();
            let checks = verify_receipt(signed, &facts, Some(&ShownPlace { epoch: 1, proof }));
            assert!(checks.iter().all(|check| check.outcome == Outcome::Holds), "{checks:?}");
        }

        // And every contribution gets what the receipts say.
        let expected = due(&receipts, shares.leaves(), ledger.funded);
        let mut claimed = 0;
        for (leaf, expected) in tree.leaves().iter().zip(expected) {
            // The reference's quotient has 40 bits.
            assert!(leaf.units.abs_diff(expected) <= (ledger.funded >> 30), "{} {expected}", leaf.units);
            let person = contributor(leaf.contribution.0);
            let before = wealth(&account(person));
            if leaf.units > 0 {
                let (operator, leaf, proof) = (account(OPERATOR), *leaf, tree.prove(leaf.index).unwrap());
                let call = pallet_attribution::Call::claim_answers { model: MODEL, operator, leaf, proof };
                assert_ok!(send(person, call));
            }
            assert_eq!(wealth(&account(person)) - before, leaf.units);
            claimed += leaf.units;
        }
        assert_eq!(claimed, ledger.funded, "all that came in went out");
        check();
        assert_eq!(Balances::total_issuance(), issued);
    });
}
