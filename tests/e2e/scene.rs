//! A chain with data, a job over it, and the daemons that do it: what tests of the daemons begin with.

use harness::{Daemon, Node, free_port, get};
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tributary_client::{ChainClient, Journal, Keypair, Submitter, calls};
use tributary_daemon::KeySigner;
use tributary_exchange::{FetchRequest, Identity, Multiaddr, Node as Exchange, NodeConfig, Reader, Scope, Store};
use tributary_lora::base_model_hash;
use tributary_protocol::{
    Amount, BaseModelId, ContentHash, GrantId, JobId, Ppm,
    amount::TRIB,
    datanet::{AccessPolicy, Admission, Name, Purpose, PurposeSet, Schema, Terms},
    grant::{BaseModelScope, GrantTerms, VersionScope},
    job::JobSpec,
    model::{DataUse, ModelFamily},
    recipe::{AttributionMethod, Hyperparameters, Method, Schedule, TargetLayers},
    sample::{Limits, ParsedSamples},
    stream::Split,
};

/// How long the test waits for what must come before it fails.
const LIMIT: Duration = Duration::from_secs(180);
pub const PRICE: Amount = 100 * TRIB;
pub const BOND: Amount = 100 * TRIB;

/// Who plays, each a rich account of the development chain.
pub const OWNER: &str = "Bob";
pub const REQUESTER: &str = "Charlie";
pub const TRAINER: &str = "Dave";
/// Contributors and their files.
const CONTRIBUTORS: [(&str, &str); 2] = [("Eve", "harbour-a"), ("Ferdie", "harbour-b")];

/// A job over two contributions, the trainer that will do it, and the provider that has its data.
pub struct Scene {
    pub client: ChainClient,
    pub requester: Submitter,
    pub daemons: Vec<Daemon>,
    pub provider: Multiaddr,
    pub trainer_port: u16,
    /// A file of the provider's, and by which version the chain opens it.
    pub data: (Scope, ContentHash),
    pub job: JobId,
    /// What opened the data.
    pub grant: GrantId,
    pub folder: TempDir,
}

impl Scene {
    pub async fn set(node: &Node) -> Self {
        let folder = TempDir::new().unwrap();
        let base = harness::repository().join("models/tributary-tiny");
        let store = folder.path().join("provider");
        let client = ChainClient::connect(&node.url()).await.unwrap();
        let [owner, requester, trainer] = [OWNER, REQUESTER, TRAINER].map(|name| actor(&client, name));

        let register = calls::utility::batch_all(vec![
            calls::models::register_base(
                &name("tributary-tiny"),
                ModelFamily::Llama,
                base_model_hash(&base).unwrap(),
                1_054_080,
                &name("Apache-2.0"),
            ),
            calls::datanets::register(
                &name("Saltmere"),
                &name("local knowledge"),
                &b"Questions and answers".to_vec().try_into().unwrap(),
                Schema::PromptCompletion,
                &terms(),
            ),
        ]);
        let bond = calls::jobs::bond(BOND);
        let (registered, bonded) =
            tokio::join!(owner.submit_in_block("register", &register), trainer.submit_in_block("bond", &bond));
        let (registered, _) = (registered.unwrap(), bonded.unwrap());
        let (base_id, datanet) = (registered.base_model().unwrap(), registered.datanet().unwrap());

        let files: Vec<ParsedSamples> = CONTRIBUTORS
            .iter()
            .map(|(_, file)| {
                let path = harness::repository().join(format!("cli/demo-data/{file}.jsonl"));
                import(&path, &store);
                ParsedSamples::parse(&fs::read(path).unwrap(), &Limits::DEFAULT).unwrap()
            })
            .collect();
        let mut daemons = vec![start_provider(&node.url(), &store, folder.path())];
        let submissions = CONTRIBUTORS.iter().zip(&files).map(|((contributor, _), samples)| {
            let submit = calls::datanets::submit_contribution(datanet, &samples.commitment(), &name("CC-BY-4.0"));
            let contributor = actor(&client, contributor);
            async move { contributor.submit_in_block("contribution", &submit).await.unwrap().contribution().unwrap() }
        });
        let request = calls::grants::request(datanet, &grant_terms());
        let (contributions, granted) =
            tokio::join!(futures::future::join_all(submissions), requester.submit_in_block("grant", &request));
        let grant = granted.unwrap().grant().unwrap();
        let accepts = contributions.into_iter().map(calls::datanets::accept);
        let publish = calls::utility::batch_all(accepts.chain([calls::datanets::publish_version(datanet)]).collect());
        let version = owner.submit_in_block("publish", &publish).await.unwrap().version().unwrap();

        let provider: Multiaddr = wait_for("the provider's address", &mut daemons, async || {
            let addresses = fs::read_to_string(store.join("addresses")).ok()?;
            Some(addresses.split_once('\n')?.0.parse().unwrap())
        })
        .await;
        let trainer_port = free_port().unwrap();
        daemons.push(start_trainer(&node.url(), &base, &provider, trainer_port, folder.path()));
        let post = calls::jobs::post(&spec(base_id, DataUse { version, grant }), TRIB);
        let job = requester.submit_in_block("post", &post).await.unwrap().job().unwrap();
        let scope = Scope::Version { datanet: version.datanet.0, version: version.number };
        let data = (scope, files[0].commitment().blob);
        Self { client, requester, daemons, provider, trainer_port, data, job, grant, folder }
    }

    /// Waits until the trainer says of its phase and its step what `wanted` looks for.
    pub async fn wait_for_trainer(&mut self, what: &str, wanted: impl Fn(&str, u64) -> bool) {
        let port = self.trainer_port;
        wait_for(what, &mut self.daemons, async || {
            let health = get(port, "/healthz").ok()?;
            wanted(health["phase"].as_str()?, health["step"].as_u64()?).then_some(())
        })
        .await;
    }

    /// What `reader` gets of a daemon, which asks the chain whether it may.
    pub async fn fetch(&mut self, reader: &str, from: Multiaddr, scope: Scope, blob: ContentHash) -> Vec<u8> {
        let store = Store::open(self.folder.path().join(reader), 1 << 30).unwrap();
        let mut config = NodeConfig::new(Identity::Ephemeral, store.clone());
        config.reader = Some(Reader { signer: Arc::new(KeySigner(key(reader))), genesis: self.client.genesis().0 });
        let exchange = Exchange::spawn(config).await.unwrap();
        let request = FetchRequest { scope, blob: blob.0, bytes: None };
        // Refused until the daemon has seen the block that says yes.
        wait_for("a fetched file", &mut self.daemons, async || {
            exchange.fetch(std::slice::from_ref(&from), request, |_| ()).await.ok()
        })
        .await;
        exchange.shutdown().await;
        store.read(&blob.0).unwrap()
    }
}

/// Looks until there is what is looked for; fails if a daemon ends before.
pub async fn wait_for<T>(what: &str, daemons: &mut [Daemon], mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        for daemon in daemons.iter_mut() {
            assert!(daemon.is_running().unwrap(), "a daemon ended:\n{}", daemon.log_tail());
        }
        if let Some(found) = look().await {
            return found;
        }
        if start.elapsed() > LIMIT {
            let logs: Vec<String> = daemons.iter().map(Daemon::log_tail).collect();
            panic!("{what} does not come:\n{}", logs.join("\n"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn import(file: &Path, store: &Path) {
    let arguments = ["provider", "import", file.to_str().unwrap(), "--store", store.to_str().unwrap()];
    let output = std::process::Command::new(harness::binary("tributary").unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn start_provider(node: &str, store: &Path, folder: &Path) -> Daemon {
    let arguments = [
        "provider".to_owned(),
        "run".to_owned(),
        format!("--node={node}"),
        format!("--store={}", store.display()),
        "--listen=/ip4/127.0.0.1/tcp/0".to_owned(),
    ];
    Daemon::start("provider", folder, arguments).unwrap()
}

fn start_trainer(node: &str, base: &Path, provider: &Multiaddr, port: u16, folder: &Path) -> Daemon {
    let arguments = [
        "trainer".to_owned(),
        "run".to_owned(),
        format!("--node={node}"),
        format!("--dev-account={}", TRAINER.to_lowercase()),
        format!("--state={}", folder.join("trainer").display()),
        format!("--base={}", base.display()),
        format!("--provider={provider}"),
        "--listen=/ip4/127.0.0.1/tcp/0".to_owned(),
        format!("--http=127.0.0.1:{port}"),
    ];
    Daemon::start("trainer", folder, arguments).unwrap()
}

pub fn key(name: &str) -> Keypair {
    Keypair::development(name).unwrap()
}

pub fn actor(client: &ChainClient, name: &str) -> Submitter {
    Submitter::new(client.clone(), key(name), Journal::in_memory().unwrap()).unwrap()
}

fn name(text: &str) -> Name {
    text.as_bytes().to_vec().try_into().unwrap()
}

fn terms() -> Terms {
    Terms {
        price: TRIB,
        purposes: PurposeSet::ALL,
        royalty_floor: Ppm::from_percent(30),
        admission: Admission::Anyone,
        access: AccessPolicy::Open,
        grant_blocks_max: 10_000,
        grant_uses_max: 1,
        licence: name("CC-BY-4.0"),
    }
}

fn grant_terms() -> GrantTerms {
    GrantTerms {
        versions: VersionScope::All,
        purpose: Purpose::Research,
        base_models: BaseModelScope::Any,
        uses: 1,
        expires_at: 5_000,
    }
}

fn spec(base: BaseModelId, data: DataUse) -> JobSpec {
    JobSpec {
        base,
        data: vec![data].try_into().unwrap(),
        purpose: Purpose::Research,
        method: Method::Lora,
        hyperparameters: Hyperparameters {
            rank: 8,
            alpha: 16,
            targets: TargetLayers::ALL,
            learning_rate_nano: 1_000_000,
            epochs: 40,
            batch_size: 8,
            accumulation: 1,
            sequence_tokens: 64,
            schedule: Schedule::Cosine,
            warmup: Ppm::from_percent(5),
            weight_decay_micro: 0,
            gradient_norm_max_micro: 1_000_000,
            validation: Ppm::from_percent(20),
            seed: 1,
            ..Hyperparameters::DEFAULT
        },
        attribution: AttributionMethod::TracInCp { checkpoints: 2 },
        split: Split::DEFAULT,
        price: PRICE,
        deadline: 5_000,
        acceptance_blocks: 1_000,
    }
}
