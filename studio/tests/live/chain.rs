//! A development chain of its own with a short story on it, or one that runs already.

use codec::Encode as _;
use std::{
    env,
    fs::File,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tributary_client::{Account, Call, ChainClient, Journal, Keypair, Receipt, Submitter, calls};
use tributary_protocol::{
    Amount, ContentHash, ContributionId, DatanetId, JobId, Ppm, VersionRef,
    amount::TRIB,
    datanet::{AccessPolicy, Admission, Name, Purpose, PurposeSet, SampleCommitment, Schema, Terms, Text},
    grant::{BaseModelScope, GrantTerms, VersionScope},
    job::{JobSpec, Metrics, Progress, Report},
    model::{DataUse, ModelFamily, Prices},
    recipe::{AttributionMethod, Hyperparameters, Method},
    sample::{Limits, ParsedSamples},
    stream::{ContributionRoot, SHARE_UNITS, Split},
    sum_tree::{Domain, SumLeaf, SumTree},
};

/// How long a node may take to compile its runtime on a busy machine.
const START_TIME: Duration = Duration::from_secs(180);

/// A chain. Its node ends with it.
pub struct Chain {
    /// Where it is asked.
    pub url: String,
    /// Whether [`play`] has its own names and numbers on it.
    pub is_own: bool,
    node: Option<(Child, TempDir)>,
}

impl Drop for Chain {
    fn drop(&mut self) {
        if let Some((node, _)) = &mut self.node {
            // Already ended is as good as ended now.
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

/// The chain of `TRIBUTARY_STUDIO_NODE`, or a new one; `None` where there is no node's program.
pub async fn start() -> Option<Chain> {
    if let Ok(url) = env::var("TRIBUTARY_STUDIO_NODE") {
        return Some(Chain { url, is_own: false, node: None });
    }
    let program = program()?;
    let folder = tempfile::tempdir().unwrap();
    let log = File::create(folder.path().join("node.log")).unwrap();
    let (rpc, p2p) = (free_port(), free_port());
    let node = Command::new(program)
        .args(["--dev", "--state-pruning=archive", "--no-prometheus", "--no-telemetry", "--no-mdns"])
        .arg(format!("--base-path={}", folder.path().join("chain").display()))
        .arg(format!("--rpc-port={rpc}"))
        .arg(format!("--listen-addr=/ip4/127.0.0.1/tcp/{p2p}"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    Some(Chain { url: format!("ws://127.0.0.1:{rpc}"), is_own: true, node: Some((node, folder)) })
}

/// A client of it.
pub async fn connect(url: &str) -> ChainClient {
    ChainClient::connect_with(url, START_TIME).await.unwrap()
}

/// The node's program: named, or built beside the test.
fn program() -> Option<PathBuf> {
    let named = env::var_os("TRIBUTARY_NODE_BINARY").map(PathBuf::from);
    let beside = || Some(env::current_exe().ok()?.parent()?.parent()?.join("tributary-node"));
    named.or_else(beside).filter(|path| path.is_file())
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Somebody of the story.
struct Actor(Submitter);

impl Actor {
    fn new(client: &ChainClient, name: &str) -> Self {
        let key = Keypair::development(name).unwrap();
        Self(Submitter::new(client.clone(), key, Journal::in_memory().unwrap()).unwrap())
    }

    fn account(&self) -> Account {
        self.0.account()
    }

    async fn does(&self, call: Call) -> Receipt {
        let intent = format!("{call} {}", hex::encode(ContentHash::of(&format!("{call:?}").encode()).0));
        self.0.submit(&intent, &call).await.unwrap()
    }
}

/// What came of the story.
pub struct Outcome {
    /// Who made the contribution that claimed, and how much that was.
    pub claimed: (Account, Amount),
    /// What was paid into the stream.
    pub funded: Amount,
}

/// Every kind of event that an index follows, in as few blocks as it takes.
pub async fn play(client: &ChainClient) -> Outcome {
    let [alice, bob, charlie, dave, eve, ferdie] =
        ["Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie"].map(|name| Actor::new(client, name));
    let (harbour, village) = (DatanetId(0), DatanetId(1));
    let register = |title: &str, access| {
        let text = Text::try_from(b"Who answers when a ship calls".to_vec()).unwrap();
        calls::datanets::register(&name(title), &name("shipping"), &text, Schema::PromptCompletion, &terms(access))
    };
    let base = calls::models::register_base(
        &name("tiny"),
        ModelFamily::Llama,
        ContentHash([9; 32]),
        1_000,
        &name("Apache-2.0"),
    );
    tokio::join!(
        alice.does(calls::utility::batch_all(vec![
            register("Harbour questions", AccessPolicy::Open),
            register("Village talk", AccessPolicy::OnRequest),
        ])),
        bob.does(base),
        ferdie.does(calls::jobs::bond(100 * TRIB)),
    );
    let submit = |text: &str| calls::datanets::submit_contribution(harbour, &samples(text), &name("CC-BY-4.0"));
    tokio::join!(
        alice.does(calls::datanets::set_curators(harbour, &[bob.account()])),
        charlie.does(calls::utility::batch_all(vec![submit("pilot"), submit("bad")])),
    );
    dave.does(calls::utility::batch_all(vec![submit("tide"), submit("regretted")])).await;
    let reason = Text::try_from(b"no answers in it".to_vec()).unwrap();
    tokio::join!(
        bob.does(calls::utility::batch_all(vec![
            calls::datanets::accept(ContributionId(0)),
            calls::datanets::reject(ContributionId(1), &reason),
            calls::datanets::accept(ContributionId(2)),
        ])),
        dave.does(calls::datanets::withdraw(ContributionId(3))),
        eve.does(calls::grants::request(village, &grant(client))),
    );
    tokio::join!(
        alice.does(calls::utility::batch_all(vec![
            calls::datanets::publish_version(harbour),
            calls::grants::deny(tributary_protocol::GrantId(0), &reason),
        ])),
        eve.does(calls::grants::request(harbour, &grant(client))),
    );
    let spec = spec(client, harbour);
    let post = calls::jobs::post(&spec, 100 * TRIB);
    eve.does(post.clone()).await;
    ferdie.does(calls::jobs::claim(JobId(0))).await;
    let (report, tree) = report(client, charlie.account(), dave.account());
    ferdie.does(calls::jobs::heartbeat(JobId(0), Progress { step: 3, steps: 9 })).await;
    ferdie.does(calls::jobs::report(JobId(0), &report)).await;
    eve.does(calls::utility::batch_all(vec![calls::jobs::accept(JobId(0)), post])).await;
    let model = tributary_protocol::ModelId(0);
    let prices = Prices { input_per_1000: 10, output_per_1000: 20 };
    let funded = 7 * TRIB;
    tokio::join!(
        eve.does(calls::utility::batch_all(
            vec![calls::models::publish(model, prices), calls::jobs::cancel(JobId(1)),]
        )),
        bob.does(calls::attribution::fund(model, funded)),
    );
    let leaf = tree.leaves()[0];
    let claim = calls::attribution::claim(model, leaf, &tree.prove(0).unwrap());
    let (claimed, ..) = tokio::join!(
        charlie.does(claim),
        eve.does(calls::jobs::forget(JobId(1))),
        dave.does(calls::models::deploy(model, "http://127.0.0.1:1")),
    );
    let fields: (u64, u32, u64, Account, u64, Amount) = claimed.expect("Attribution", "RewardClaimed").unwrap();
    tokio::join!(
        alice.does(calls::utility::batch_all(vec![
            calls::grants::revoke(tributary_protocol::GrantId(1), &reason),
            calls::datanets::update_terms(harbour, &Terms { price: 2 * TRIB, ..terms(AccessPolicy::Open) }),
            calls::datanets::retire(village),
        ])),
        ferdie.does(calls::jobs::unbond(TRIB)),
    );
    Outcome { claimed: (fields.3, fields.5), funded }
}

fn name(text: &str) -> Name {
    Name::try_from(text.as_bytes().to_vec()).unwrap()
}

fn terms(access: AccessPolicy) -> Terms {
    Terms {
        price: TRIB,
        purposes: PurposeSet::ALL,
        royalty_floor: Ppm::from_percent(20),
        admission: Admission::Anyone,
        access,
        grant_blocks_max: 10_000,
        grant_uses_max: 5,
        licence: name("CC-BY-4.0"),
    }
}

fn samples(text: &str) -> SampleCommitment {
    let line = format!("{{\"prompt\":\"What of the {text}?\",\"completion\":\"Ask the {text}.\"}}\n");
    ParsedSamples::parse(line.as_bytes(), &Limits::DEFAULT).unwrap().commitment()
}

fn grant(client: &ChainClient) -> GrantTerms {
    GrantTerms {
        versions: VersionScope::All,
        purpose: Purpose::Research,
        base_models: BaseModelScope::Any,
        uses: 5,
        expires_at: client.finalised_head().number + 5_000,
    }
}

fn spec(client: &ChainClient, datanet: DatanetId) -> JobSpec {
    let used = DataUse { version: VersionRef { datanet, number: 1 }, grant: tributary_protocol::GrantId(1) };
    JobSpec {
        base: tributary_protocol::BaseModelId(0),
        data: vec![used].try_into().unwrap(),
        purpose: Purpose::Research,
        method: Method::Lora,
        hyperparameters: Hyperparameters::DEFAULT,
        attribution: AttributionMethod::TracInCp { checkpoints: 1 },
        split: Split::DEFAULT,
        price: 20 * TRIB,
        deadline: client.finalised_head().number + 1_000,
        acceptance_blocks: 100,
    }
}

fn report(client: &ChainClient, first: Account, second: Account) -> (Report, SumTree) {
    let leaf = |index: u32, contribution, contributor: Account, units| SumLeaf {
        index,
        contribution: ContributionId(contribution),
        contributor: contributor.0,
        units,
        evidence: ContentHash([3; 32]),
    };
    let leaves = vec![leaf(0, 0, first, SHARE_UNITS / 4), leaf(1, 2, second, SHARE_UNITS - SHARE_UNITS / 4)];
    let tree = SumTree::new(&Domain { genesis: client.genesis().0, job: JobId(0) }, leaves).unwrap();
    let report = Report {
        adapter: ContentHash([4; 32]),
        bundle: ContentHash([5; 32]),
        trace: ContentHash([6; 32]),
        metrics: Metrics { steps: 9, tokens: 900, training_loss_micro: 1_500_000, ..Metrics::default() },
        contributions: ContributionRoot { shares: tree.root(), evidence: ContentHash([7; 32]), attributed: Ppm::ZERO },
        accuracy: None,
    };
    (report, tree)
}
