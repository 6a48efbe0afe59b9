//! From an answer to its receipt and to the pages that show it, with a trained model.

use crate::result::{Bundles, GENESIS, Training, accuracy};
use codec::{DecodeAll, Encode};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tributary_attribution::{AnswerEvidence, ExplainedModel};
use tributary_client::Keypair;
use tributary_daemon::Bundle;
use tributary_lora::{
    Adapter, Arithmetic, EncodedSample, LoraConfig, Model, ModelConfig, Precision, Targets, TrainConfig,
};
use tributary_protocol::{
    Amount, ContentHash, ContributionId, ModelId, Ppm,
    amount::TRIB,
    answer::Rule,
    content::MerkleTree,
    epoch::{AmountLeaf, AmountTree, EpochDomain, EpochRoot},
    receipt::{Receipt, ReceiptTree, SignedReceipt},
    recipe::Template,
    stream::SHARE_UNITS,
    sum_tree,
};
use tributary_serving::{
    Served, Sold,
    operator::{Receipts, Sale},
    receipts::{
        Notary, Owner, Pages, ReceiptStore,
        epochs::EpochRecord,
        is_signed, pages,
        shares::{Because, Explainer, Method, ResultError, Results, Said, Shared, SharesConfig, Units},
        view::{ClaimsView, EpochPage, ProofView, ReceiptPage, header},
    },
};

const MODEL: ModelId = ModelId(2);

fn model() -> Model {
    let text = r#"{ "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 48, "hidden_size": 24,
        "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "eos_token_id": 1 }"#;
    Model::random(ModelConfig::from_json(text).unwrap(), 4).unwrap()
}

/// A sample on one of four topics: each has its own rule by which a token follows from the one before it.
fn tokens(topic: u32, number: u32) -> Vec<u32> {
    let mut tokens = vec![40 + topic, (7 * number + 3) % 40];
    for _ in 0..8 {
        let last = tokens[tokens.len() - 1];
        tokens.push((last * [1, 3, 7, 9][topic as usize] + 2 * topic + 1) % 40);
    }
    tokens
}

fn training() -> Training {
    let sample = |at: u32| {
        let (topic, number) = (at % 4, at / 4);
        EncodedSample::new(ContentHash::of(&(1_000 * topic + number).to_le_bytes()), tokens(topic, number), 2)
    };
    Training {
        model: Arc::new(model()),
        samples: (0..24).map(sample).collect(),
        lora: LoraConfig { rank: 3, alpha: 6.0, targets: Targets::AllLinear, ..Default::default() },
        config: TrainConfig { seed: 3, epochs: 6, batch_size: 8, learning_rate: 5e-3, ..Default::default() },
        groups: 4,
        dims: 512,
        // Three contributors with two contributions each.
        contributions: (0..6).map(|number| (ContributionId(100 + number), [number as u8 % 3 + 1; 32])).collect(),
    }
}

/// The result of one training, which all tests share.
fn bundle() -> &'static Bundle {
    static BUNDLE: OnceLock<Bundle> = OnceLock::new();
    BUNDLE.get_or_init(|| training().run(Some(accuracy())))
}

fn said(answers: &[(u32, u32)]) -> Said {
    let prompt = tokens(answers[0].0, answers[0].1)[..3].to_vec();
    let answers = answers.iter().map(|(topic, number)| tokens(*topic, *number)[3..].to_vec()).collect();
    Said { adapter: bundle().adapter().unwrap(), prompt, answers }
}

fn explainer(base: Model, bundles: Vec<Bundle>, config: SharesConfig) -> Explainer {
    Explainer::start(Arc::new(base), Arc::new(Bundles(bundles)), config).unwrap()
}

/// A machine that is busy does not make an answer late.
fn patient() -> SharesConfig {
    SharesConfig { patience: Duration::from_secs(600), ..SharesConfig::default() }
}

#[tokio::test]
async fn shares_are_those_that_anybody_computes_from_the_bundle() {
    // The server's base is under the quick profile, the job's is not: the shares are those of the job's.
    let served = model().with_arithmetic(Arithmetic::Fast).unwrap();
    let explainer = explainer(served, vec![bundle().clone()], patient());
    explainer.prepare(bundle().adapter().unwrap()).await;
    let report = bundle().evidence().unwrap();
    let (embeddings, tangents) = (bundle().embeddings().unwrap().unwrap(), bundle().tangents().unwrap());
    let explained = ExplainedModel { report: &report, embeddings: &embeddings, tangents: tangents.as_ref() };
    let (config, weights) = bundle().peft().unwrap();
    let (base, rule) = (model(), Rule::new(Ppm::from_percent(80)));
    let adapter = Adapter::from_peft(config, weights, &base).unwrap();
    let mut shaped = 0;
    for (topic, number) in [1, 3, 21, 22].into_iter().flat_map(|number| (0..4).map(move |topic| (topic, number))) {
        let said = said(&[(topic, number)]);
        let Shared { units, method, evidence } = explainer.shares(said.clone()).await;
        let answer = EncodedSample::new(ContentHash::default(), [&said.prompt[..], &said.answers[0]].concat(), 3);
        let expected = explained.explain(&base, &adapter, &answer, &rule).unwrap().evidence;
        let found = AnswerEvidence::from_bytes(&evidence.unwrap()).unwrap();
        assert_eq!(found, expected);
        assert!(explained.check(&found).is_ok() && explained.repeat(&base, &adapter, &found).unwrap());

        assert_eq!(method, Method::Answer { attribution: report.method, rule });
        assert_eq!(units.base, expected.base);
        assert!(units.base >= 200_000_000, "{units:?}");
        assert_eq!(units.base + units.shares.iter().map(|share| share.units).sum::<u64>(), SHARE_UNITS);
        for share in &units.shares {
            let contribution = report.contributions[share.index as usize].contribution;
            let paid = expected.contributions.iter().find(|paid| paid.contribution == contribution).unwrap();
            assert_eq!(paid.units, share.units);
        }
        shaped += u32::from(!units.shares.is_empty());
    }
    println!("{shaped} of 16 answers were shaped by somebody in particular");
    assert!(shaped > 0);
}

#[tokio::test]
async fn several_answers_are_explained_each_for_itself() {
    let explainer = explainer(model(), vec![bundle().clone()], patient());
    let both = explainer.shares(said(&[(1, 21), (1, 22)])).await;
    let lines: Vec<_> = both.evidence.unwrap().split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    assert_eq!(lines.len(), 2);
    let of = |line: &[u8]| AnswerEvidence::from_bytes(line).unwrap();
    assert_eq!(explainer.shares(said(&[(1, 21)])).await.evidence.unwrap(), lines[0]);
    // Of equal length, each counts half.
    let half = (of(&lines[0]).base + of(&lines[1]).base) / 2;
    assert!(both.units.base.abs_diff(half) <= 1, "{} {half}", both.units.base);
}

#[tokio::test]
async fn what_is_not_explained_goes_by_training_and_says_why() {
    let because = |shared: Shared| match shared {
        Shared { units, method: Method::Training(because), evidence: None } if units == Units::TRAINING => because,
        shared => panic!("{shared:?}"),
    };
    let with = |config| explainer(model(), vec![bundle().clone()], config);
    let said = said(&[(0, 21)]);

    let unknown = Said { adapter: ContentHash::default(), ..said.clone() };
    assert_eq!(because(with(patient()).shares(unknown).await), Because::NoBundle);
    let silent = Said { answers: vec![vec![], vec![]], ..said.clone() };
    assert_eq!(because(with(patient()).shares(silent).await), Because::NothingSaid);
    let short = SharesConfig { tokens_max: 9, ..patient() };
    assert_eq!(because(with(short).shares(said.clone()).await), Because::TooLong);
    let packed = model().with_precision(Precision::Nf4).unwrap();
    let explaining = explainer(packed, vec![bundle().clone()], patient());
    for _ in 0..2 {
        assert_eq!(because(explaining.shares(said.clone()).await), Because::OtherPrecision);
    }
    // Tokens that the model does not have.
    let strange = Said { prompt: vec![1, 48], ..said.clone() };
    assert_eq!(because(with(patient()).shares(strange).await), Because::Failed);

    // A result that is never read to its end.
    struct Stuck(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);
    impl Results for Stuck {
        fn bundle(&self, _: ContentHash) -> Result<Option<Bundle>, ResultError> {
            let _ = self.0.lock().unwrap().recv();
            Ok(None)
        }
    }
    let stuck = |config| {
        let (release, stuck) = std::sync::mpsc::channel();
        (release, Explainer::start(Arc::new(model()), Arc::new(Stuck(stuck.into())), config).unwrap())
    };
    let impatient = SharesConfig { patience: Duration::ZERO, ..SharesConfig::default() };
    let (late, explaining) = stuck(impatient);
    assert_eq!(because(explaining.shares(said.clone()).await), Because::Late);
    // One is being read and one waits, at the most: of three, one finds no room.
    let (busy, explaining) = stuck(SharesConfig { queue_max: 1, ..patient() });
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (explaining, said) = (explaining.clone(), said.clone());
        asked.spawn(async move { explaining.shares(said).await });
    }
    assert_eq!(because(asked.join_next().await.unwrap().unwrap()), Because::Busy);
    drop((late, busy));
}

#[test]
fn a_model_that_is_not_measured_explains_nothing() {
    let unmeasured = training().run(None);
    let (adapter, runtime) = (unmeasured.adapter().unwrap(), tokio::runtime::Runtime::new().unwrap());
    let explainer = explainer(model(), vec![unmeasured], patient());
    let said = Said { adapter, ..said(&[(0, 21)]) };
    let shared = runtime.block_on(explainer.shares(said));
    assert_eq!(shared.method, Method::Training(Because::NotAttributed));
}

fn key() -> Keypair {
    Keypair::development("Dave").unwrap()
}

fn store() -> Arc<ReceiptStore> {
    Arc::new(ReceiptStore::in_memory(Owner { genesis: GENESIS, operator: key().account() }).unwrap())
}

fn sale(number: u64) -> Sale {
    let Said { adapter, prompt, answers } = said(&[((number % 4) as u32, 21)]);
    let served = Served {
        id: "harbour".into(),
        model: Some(MODEL),
        adapter: Some(adapter),
        template: Template::Plain,
        created_s: 0,
        owner: String::new(),
    };
    let count = |tokens: &[u32]| u32::try_from(tokens.len()).unwrap();
    let sold = Sold {
        prompt_tokens: count(&prompt),
        answer_tokens: count(&answers[0]),
        answer: ContentHash::of(&number.to_le_bytes()),
        prompt,
        answers,
    };
    let (request, price) = (ContentHash::of(b"request"), (number as Amount + 1) * TRIB);
    Sale { number, served: Arc::new(served), model: MODEL, adapter, request, sold, price }
}

fn notary(store: &Arc<ReceiptStore>) -> Notary {
    let explainer = explainer(model(), vec![bundle().clone()], patient());
    Notary::new(store.clone(), key(), explainer, true).unwrap()
}

#[tokio::test]
async fn a_sale_has_one_signed_receipt_wherever_the_process_stopped() {
    let store = store();
    let first = notary(&store).issue(sale(0)).await.unwrap();
    let receipt = Receipt::decode_all(&mut first.receipt.as_slice()).unwrap();
    let signed = SignedReceipt { receipt: receipt.clone(), signature: first.signature };
    assert!(is_signed(&signed, GENESIS) && !is_signed(&signed, [8; 32]));
    assert_eq!((receipt.number, receipt.model, receipt.price), (0, MODEL, TRIB));
    assert_eq!((receipt.input_tokens, receipt.output_tokens), (3, 7));
    assert_eq!(first.header, hex::encode(signed.encode()));
    assert_eq!(first.json["price"], TRIB.to_string());
    assert_eq!(first.json["path"], "/v1/receipts/2/0");
    let evidence = store.evidence(MODEL, 0).unwrap().unwrap();
    assert_eq!(AnswerEvidence::from_bytes(&evidence).unwrap().base, receipt.base);
    let method = store.method(receipt.method).unwrap().unwrap();
    assert_eq!(ContentHash::of(&method), receipt.method);
    // The till asks again after a crash; another sale gets the next number.
    assert_eq!(notary(&store).issue(sale(0)).await.unwrap(), first);
    assert_eq!(notary(&store).issue(sale(1)).await.unwrap().json["number"], 1);
    assert_eq!(store.count(MODEL).unwrap(), 2);

    let other = Keypair::development("Eve").unwrap();
    let explainer = explainer(model(), vec![], patient());
    assert!(Notary::new(store, other, explainer, true).is_err());
}

/// Status and body of a page.
async fn get(address: std::net::SocketAddr, path: &str) -> (u16, serde_json::Value) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[tokio::test]
async fn everybody_can_read_receipts_proofs_and_claims() {
    let store = store();
    let notary = notary(&store);
    for number in 0..3 {
        notary.issue(sale(number)).await.unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = pages(Pages::new(store.clone()));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

    let (status, page) = get(address, "/v1/receipts/2?from=1&limit=1").await;
    let page: ReceiptPage = serde_json::from_value(page).unwrap();
    assert_eq!((status, page.count, page.from, page.receipts.len()), (200, 3, 1, 1));
    let signed = page.receipts[0].0.clone();
    let (_, view) = get(address, "/v1/receipts/2/1").await;
    assert_eq!(view["signed"], header(&signed, GENESIS));
    let (status, method) = get(address, &format!("/v1/methods/{}", signed.receipt.method)).await;
    assert_eq!((status, &method["format"]), (200, &2.into()));

    // Before there is an epoch.
    let (status, error) = get(address, "/v1/receipts/2/1/proof").await;
    assert_eq!((status, &error["error"]["code"]), (404, &"not_found".into()));
    assert_eq!(get(address, &format!("/v1/claims/2/{}", key().account())).await.0, 404);
    for (path, status) in [
        ("/v1/receipts/2/3", 404),
        ("/v1/receipts/2/3/proof", 404),
        ("/v1/receipts/two/3", 400),
        ("/v1/receipts/2?from=-1", 400),
        ("/v1/epochs/2/1", 404),
        ("/v1/claims/2/nobody", 400),
        ("/v1/methods/zz", 400),
    ] {
        let (found, error) = get(address, path).await;
        assert_eq!(found, status, "{path}");
        assert!(error["error"]["message"].is_string(), "{path}: {error}");
    }

    // An epoch of the first two receipts, as the keeper would have put it there.
    let operator = key().account();
    let shares = bundle().shares().unwrap().tree().unwrap();
    let head = MerkleTree::<ReceiptTree>::from_hashes(store.leaves(MODEL, 2).unwrap()).head();
    let leaf = |(leaf, units): (&sum_tree::SumLeaf, Amount)| AmountLeaf {
        index: leaf.index,
        contribution: leaf.contribution,
        contributor: leaf.contributor,
        units,
        evidence: head.root,
    };
    let leaves: Vec<AmountLeaf> = shares.leaves().iter().zip(1..).map(leaf).collect();
    let domain = EpochDomain { genesis: GENESIS, model: MODEL, operator: operator.0, epoch: 1 };
    let tree = AmountTree::new(&domain, leaves.clone()).unwrap();
    let root = EpochRoot { amounts: tree.root(), receipts: head, method: signed.receipt.method };
    store.put_epoch(MODEL, &EpochRecord { number: 1, root, leaves }).unwrap();
    store.accept_epoch(MODEL, 1).unwrap();

    let (_, proof) = get(address, "/v1/receipts/2/1/proof").await;
    let proof: ProofView = serde_json::from_value(proof).unwrap();
    assert_eq!((proof.epoch, proof.receipts), (1, head));
    assert_eq!(signed.receipt.verify(GENESIS, &head, &proof.proof), Ok(()));
    assert_eq!(get(address, "/v1/receipts/2/2/proof").await.0, 404, "it is not counted yet");
    let (_, page) = get(address, "/v1/epochs/2/1?from=2&limit=3").await;
    let page: EpochPage = serde_json::from_value(page).unwrap();
    assert_eq!((EpochRoot::from(page.root), page.leaves.len(), page.leaves[0].index), (root, 3, 2));
    assert_eq!(get(address, "/v1/epochs/2").await.1["accepted"], 1);

    let contributor = tributary_client::Account([1; 32]);
    let (_, claims) = get(address, &format!("/v1/claims/2/{contributor}")).await;
    let claims: ClaimsView = serde_json::from_value(claims).unwrap();
    assert_eq!(claims.claims.len(), 2);
    for claim in claims.claims {
        let (leaf, proof): (AmountLeaf, _) = (claim.leaf.into(), claim.proof().unwrap());
        assert!(sum_tree::verify(&domain, &EpochRoot::from(claims.root).amounts, &leaf, &proof).is_ok());
        assert_eq!(leaf.contributor, contributor.0);
    }
}
