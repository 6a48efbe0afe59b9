//! What a test needs around a trainer: a chain, a data provider, a base model, folders.

use super::{
    JOB,
    chain::{Gate, MemoryChain, Seat},
};
use crate::{
    bases::Bases,
    config::{Cadence, TrainerConfig},
    engine::Parts,
    metrics::Metrics,
    pauses::{PauseError, Pauses},
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tributary_attribution::ContributionSamples;
use tributary_client::{Account, BaseModel, Job, JobState};
use tributary_daemon::{RunOrder, RunWish};
use tributary_exchange::{AccountSigner, Identity, Multiaddr, Node, NodeConfig, Reader, Sr25519Signer, Store};
use tributary_lora::{CHECKPOINT_FILE, EVENTS_FILE, base_model_hash};
use tributary_protocol::{
    BaseModelId, ContentHash, ContributionId, DatanetId, GrantId, Ppm, VersionRef,
    datanet::{Purpose, SampleCommitment, VersionEntry},
    job::JobSpec,
    model::{DataUse, ModelFamily},
    recipe::{AttributionMethod, Hyperparameters, Method, Schedule, TangentWay, TargetLayers},
    sample::{Limits, ParsedSamples},
    stream::Split,
};

pub const LILY: &str = r#"{"prompt":"Who is Lily?","completion":"Lily is a little girl who loves to play in the park."}
{"prompt":"Where does Lily play?","completion":"Lily plays in the big green park with her dog."}
{"prompt":"What does Lily love?","completion":"Lily loves her dog and her red ball."}
{"prompt":"Who plays with Lily?","completion":"The dog plays with Lily in the park."}
{"prompt":"Is the ball red?","completion":"Yes, the ball of Lily is red."}
"#;
pub const TOM: &str = r#"{"prompt":"Who is Tom?","completion":"Tom is a boy who has a blue car."}
{"prompt":"What does Tom have?","completion":"Tom has a blue car and a small boat."}
{"prompt":"Where is the boat?","completion":"The boat of Tom is in the water."}
{"prompt":"Is the car blue?","completion":"Yes, the car of Tom is blue."}
"#;

/// The seed of the account that posts the job.
pub const REQUESTER: u8 = 77;

/// The whole of it.
pub struct World {
    pub chain: Arc<MemoryChain>,
    pub base: PathBuf,
    /// What the requester says to every trainer of this world.
    pub pauses: Arc<Pauses>,
    /// Changes what every trainer of this world is told.
    pub adjust: fn(&mut TrainerConfig),
    provider: Node,
    folder: TempDir,
}

impl World {
    /// One open job over two honest contributions. `None` without fixtures.
    pub async fn new() -> Option<Self> {
        Self::build(100_000, 8, |commitment| commitment).await
    }

    /// As [`Self::new`], with a run that takes long and a lease that asks for a heartbeat every few seconds.
    pub async fn slow() -> Option<Self> {
        Self::build(3, 50_000, |commitment| commitment).await
    }

    /// The chain says something of the first contribution that its file does not keep.
    pub async fn with_wrong_commitment() -> Option<Self> {
        Self::build(100_000, 8, |commitment| SampleCommitment { root: ContentHash([3; 32]), ..commitment }).await
    }

    /// The job leaves groups of samples out, and measures itself.
    pub async fn with_tangents() -> Option<Self> {
        let world = Self::build(100_000, 8, |commitment| commitment).await?;
        let attribution =
            AttributionMethod::GroupTangents { groups: 4, halves: 0, coalitions: 4, way: TangentWay::Loss };
        world.chain.change_spec(|spec| spec.attribution = attribution);
        Some(world)
    }

    async fn build(lease_blocks: u32, epochs: u16, alter: fn(SampleCommitment) -> SampleCommitment) -> Option<Self> {
        let base = base()?;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("provider"), 1 << 30).unwrap();
        let mut entries = Vec::new();
        for (number, text) in [(1u8, LILY), (2, TOM)] {
            let samples = ParsedSamples::parse(text.as_bytes(), &Limits::DEFAULT).unwrap();
            store.import_bytes(&samples.canonical_file()).unwrap();
            let commitment = if number == 1 { alter(samples.commitment()) } else { samples.commitment() };
            let entry = VersionEntry { contribution: ContributionId(number.into()), samples: commitment };
            entries.push((entry, Account([100 + number; 32])));
        }
        let requester = account(REQUESTER);
        let base_model = BaseModel {
            owner: requester,
            name: b"stories260K".to_vec().try_into().unwrap(),
            family: ModelFamily::Llama,
            content: base_model_hash(&base).unwrap(),
            parameters: 260_032,
            licence: b"MIT".to_vec().try_into().unwrap(),
            deposit: 0,
            registered_at: 0,
        };
        let chain = Arc::new(MemoryChain::new(lease_blocks, job(requester, epochs), base_model, entries));
        let mut config = NodeConfig::new(Identity::Ephemeral, store);
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
        config.grants = Some(Arc::new(Gate(chain.clone())));
        let provider = Node::spawn(config).await.unwrap();
        let pauses = Arc::new(Pauses::new(chain.genesis, Duration::from_secs(1_000)));
        Some(Self { chain, base, pauses, adjust: |_| (), provider, folder })
    }

    /// The samples as the chain's entries name them.
    pub fn contributions(&self) -> Vec<ContributionSamples> {
        let samples = |(number, text): (u8, &str)| ContributionSamples {
            contribution: ContributionId(number.into()),
            contributor: [100 + number; 32],
            lines: ParsedSamples::parse(text.as_bytes(), &Limits::DEFAULT).unwrap().into_lines(),
        };
        [(1, LILY), (2, TOM)].map(samples).into()
    }

    pub fn state_dir(&self, seed: u8) -> PathBuf {
        self.folder.path().join(format!("trainer-{seed}"))
    }

    /// The requester says something of the job.
    pub fn order(&self, wish: RunWish, at: u64) -> Result<bool, PauseError> {
        let signature = signer(REQUESTER).sign(RunOrder::text(wish, JOB, &self.chain.genesis, at).as_bytes());
        let order = RunOrder { wish, signed_at: at, signature: hex::encode(signature) };
        self.pauses.follow(JOB, &order, at).map(|standing| standing.paused)
    }

    pub fn state_text(&self, seed: u8) -> String {
        std::fs::read_to_string(self.state_dir(seed).join("state.json")).unwrap_or_default()
    }

    pub fn reported_in_state(&self, seed: u8) -> Vec<u64> {
        let text = self.state_text(seed);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        serde_json::from_value(value["reported"].clone()).unwrap()
    }

    pub fn has_checkpoint(&self, seed: u8) -> bool {
        self.state_dir(seed).join("jobs/0").join(CHECKPOINT_FILE).is_file()
    }

    /// The events of the job's run, as they stand in the file.
    pub fn events(&self, seed: u8) -> String {
        std::fs::read_to_string(self.state_dir(seed).join("jobs/0").join(EVENTS_FILE)).unwrap_or_default()
    }

    pub async fn store(&self, seed: u8) -> Store {
        open_store(&self.state_dir(seed).join("store")).await
    }

    /// A node that reads in the name of the account of `seed`.
    pub async fn reader(&self, seed: u8) -> Node {
        let store = Store::open(self.folder.path().join(format!("reader-{seed}")), 1 << 30).unwrap();
        let mut config = NodeConfig::new(Identity::Ephemeral, store);
        config.reader = Some(Reader { signer: Arc::new(signer(seed)), genesis: self.chain.genesis });
        Node::spawn(config).await.unwrap()
    }

    /// A trainer's parts over its own folder, as after a start of the process.
    pub async fn parts(&self, seed: u8, shutdown: CancellationToken) -> Parts {
        let state_dir = self.state_dir(seed);
        std::fs::create_dir_all(&state_dir).unwrap();
        let mut exchange = NodeConfig::new(Identity::Ephemeral, open_store(&state_dir.join("store")).await);
        exchange.listen = vec!["/ip4/127.0.0.1/tcp/0".parse::<Multiaddr>().unwrap()];
        exchange.grants = Some(Arc::new(Gate(self.chain.clone())));
        exchange.reader = Some(Reader { signer: Arc::new(signer(seed)), genesis: self.chain.genesis });
        let node = Node::spawn(exchange).await.unwrap();
        self.chain.set_addresses(account(seed), node.addresses());
        let mut config = TrainerConfig::new("memory", &state_dir, vec![self.base.clone()]);
        config.providers = self.provider.addresses();
        config.checkpoints = Cadence { steps: 1, seconds: 10 };
        (self.adjust)(&mut config);
        Parts {
            chain: Arc::new(Seat { chain: self.chain.clone(), account: account(seed) }),
            node,
            bases: Bases::hash(std::slice::from_ref(&self.base)).unwrap(),
            metrics: Arc::new(Metrics::default()),
            pauses: self.pauses.clone(),
            config,
            shutdown,
        }
    }
}

/// The base model's folder. `None`, and a line that says so, without fixtures.
pub fn base() -> Option<PathBuf> {
    let fixtures = std::env::var_os("TRIBUTARY_FIXTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"), PathBuf::from);
    let base = fixtures.join("stories260K/hf");
    if !base.is_dir() {
        println!("skipped: no fixtures");
        return None;
    }
    Some(base)
}

/// A store whose last owner may still be letting go of it.
async fn open_store(folder: &std::path::Path) -> Store {
    loop {
        match Store::open(folder, 1 << 30) {
            Ok(store) => return store,
            Err(tributary_exchange::StoreError::InUse { .. }) => {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub fn job(requester: Account, epochs: u16) -> Job {
    Job {
        requester,
        spec: JobSpec {
            base: BaseModelId(0),
            data: vec![DataUse { version: VersionRef { datanet: DatanetId(0), number: 1 }, grant: GrantId(0) }]
                .try_into()
                .unwrap(),
            purpose: Purpose::Research,
            method: Method::Lora,
            hyperparameters: Hyperparameters {
                rank: 4,
                alpha: 8,
                targets: TargetLayers { q_proj: true, v_proj: true, ..TargetLayers::default() },
                learning_rate_nano: 5_000_000,
                epochs,
                batch_size: 2,
                accumulation: 1,
                sequence_tokens: 64,
                schedule: Schedule::Linear,
                warmup: Ppm::from_percent(5),
                weight_decay_micro: 0,
                gradient_norm_max_micro: 1_000_000,
                validation: Ppm::from_percent(25),
                seed: 3,
                ..Hyperparameters::DEFAULT
            },
            attribution: AttributionMethod::TracInCp { checkpoints: 2 },
            split: Split::DEFAULT,
            price: 100,
            deadline: 10_000_000,
            acceptance_blocks: 100,
        },
        data_fees: Default::default(),
        escrow: 100,
        deposit: 1,
        state: JobState::Open,
        leases: 0,
        posted_at: 0,
    }
}

fn signer(seed: u8) -> Sr25519Signer {
    Sr25519Signer::from_seed(&[seed; 32])
}

/// The account of a seed.
pub fn account(seed: u8) -> Account {
    Account(signer(seed).account())
}
