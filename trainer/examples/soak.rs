//! Kills trainers at random moments on a real chain, and checks that every job is settled once and the money adds up.
//!
//! ```text
//! cargo run --release -p tributary-trainer --example soak -- NODE_BINARY MODEL_FOLDER [JOBS [KILLS [SEED]]]
//! ```
//! Starts a one-validator chain, a data provider (in this process) and two trainers (this executable again), posts JOBS
//! jobs, and kills one of the trainers with SIGKILL every few seconds, KILLS times in all. Most start again at once, some
//! only after their lease has lapsed.

use std::{
    collections::BTreeMap,
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tributary_client::{ChainClient, JobState, Journal, Keypair, Submitter, calls};
use tributary_daemon::{ChainGrants, shutdown_on_signals};
use tributary_exchange::{Identity, Node, NodeConfig, Store};
use tributary_lora::{Model, base_model_hash};
use tributary_protocol::{
    Amount, DatanetId, GrantId, JobId, ModelId, Ppm, VersionRef,
    amount::TRIB,
    datanet::{AccessPolicy, Admission, Purpose, PurposeSet, Schema, Terms},
    grant::{BaseModelScope, GrantTerms, VersionScope},
    job::JobSpec,
    model::{DataUse, ModelFamily},
    recipe::{AttributionMethod, Hyperparameters, Method, Schedule, TargetLayers},
    sample::{Limits, ParsedSamples},
    stream::Split,
};
use tributary_trainer::{Trainer, TrainerConfig};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const TRAINERS: [&str; 2] = ["TrainerOne", "TrainerTwo"];
const BOND: Amount = 5_000 * TRIB;
const PRICE: Amount = 100 * TRIB;
/// Longer than a lease of ten blocks, and the time until its end is final.
const LAPSE: Duration = Duration::from_secs(45);

/// A child that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Already ended is as good as ended now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a trainer runs.
enum Up {
    /// It does.
    Now(Process),
    /// It will, from this moment.
    At(Instant),
}

/// A small generator of moments; any quality will do.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("trainer") => trainer(&arguments[1], Path::new(&arguments[2])).await,
        Some(node) if arguments.len() >= 2 => {
            let number = |index: usize, usual: u64| arguments.get(index).map_or(Ok(usual), |text| text.parse::<u64>());
            soak(Path::new(node), Path::new(&arguments[1]), number(2, 20)?, number(3, 20)?, number(4, 1)?).await
        }
        _ => Err("usage: soak NODE_BINARY MODEL_FOLDER [JOBS [KILLS [SEED]]]".into()),
    }
}

/// The child: a trainer with a development key.
async fn trainer(name: &str, config: &Path) -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info,libp2p=warn,subxt=warn").with_ansi(false).init();
    let config: TrainerConfig = serde_json::from_slice(&fs::read(config)?)?;
    let key = Keypair::development(name).ok_or("no such development key")?;
    Ok(Trainer::run(config, key, shutdown_on_signals()?).await?)
}

async fn soak(node: &Path, base: &Path, jobs: u64, kills: u64, seed: u64) -> Result<()> {
    let folder = env::temp_dir().join(format!("tributary-soak-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    println!("folder {}", folder.display());
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let log = fs::File::create(folder.join("node.log"))?;
    let _node = Process(
        Command::new(node)
            .args(["--dev", "--no-prometheus", "--no-telemetry", "--no-mdns", "--base-path"])
            .arg(folder.join("chain"))
            .args([format!("--rpc-port={port}"), "--port=0".to_owned()])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?,
    );
    let url = format!("ws://127.0.0.1:{port}");
    let client = ChainClient::connect(&url).await?;
    let actor = |name: &str| -> Result<Submitter> {
        let key = Keypair::development(name).ok_or("no such development key")?;
        Ok(Submitter::new(client.clone(), key, Journal::in_memory()?)?)
    };
    let (alice, owner, requester) = (actor("Alice")?, actor("Owner")?, actor("Requester")?);
    let trainers = [actor(TRAINERS[0])?, actor(TRAINERS[1])?];
    let issuance = client.latest().total_issuance().await?;

    let pay = [owner.account(), requester.account(), trainers[0].account(), trainers[1].account()];
    let pay = pay.map(|account| calls::balances::transfer_keep_alive(account, 20_000 * TRIB));
    alice.submit("fund", &calls::utility::batch_all(pay.into())).await?;
    let model = Model::load(base, &candle_core::Device::Cpu)?;
    let name = |text: &str| text.as_bytes().to_vec().try_into().map_err(|_| "too long");
    let register = calls::models::register_base(
        &name("soak")?,
        ModelFamily::Llama,
        base_model_hash(base)?,
        model.parameter_count() as u64,
        &name("MIT")?,
    );
    let base_id = owner.submit("base", &register).await?.base_model()?;
    let terms = Terms {
        price: TRIB,
        purposes: PurposeSet::ALL,
        royalty_floor: Ppm::from_percent(30),
        admission: Admission::Anyone,
        access: AccessPolicy::Open,
        grant_blocks_max: 1_000_000,
        grant_uses_max: 1_000,
        licence: name("CC-BY-4.0")?,
    };
    let text = b"arithmetic for toddlers".to_vec().try_into().map_err(|_| "too long")?;
    let register = calls::datanets::register(&name("sums")?, &name("maths")?, &text, Schema::PromptCompletion, &terms);
    let datanet: DatanetId = owner.submit("datanet", &register).await?.datanet()?;

    let store = Store::open(folder.join("provider"), 1 << 30)?;
    let provider = {
        let mut config = NodeConfig::new(Identity::Ephemeral, store.clone());
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse()?];
        config.grants = Some(Arc::new(ChainGrants(client.clone())));
        Node::spawn(config).await?
    };
    for from in [0, 10, 20] {
        let rows: String = (from..from + 10)
            .map(|n| format!("{{\"prompt\":\"What is {n} and one?\",\"completion\":\"It is {}.\"}}\n", n + 1))
            .collect();
        let samples = ParsedSamples::parse(rows.as_bytes(), &Limits::DEFAULT)?;
        store.import_bytes(&samples.canonical_file())?;
        let submit = calls::datanets::submit_contribution(datanet, &samples.commitment(), &name("CC-BY-4.0")?);
        let contribution = alice.submit(&format!("contribution/{from}"), &submit).await?.contribution()?;
        owner.submit(&format!("accept/{from}"), &calls::datanets::accept(contribution)).await?;
    }
    let version: VersionRef = owner.submit("version", &calls::datanets::publish_version(datanet)).await?.version()?;
    let terms = GrantTerms {
        versions: VersionScope::All,
        purpose: Purpose::Research,
        base_models: BaseModelScope::Any,
        uses: 1_000,
        expires_at: 900_000,
    };
    let grant: GrantId = requester.submit("grant", &calls::grants::request(datanet, &terms)).await?.grant()?;
    for trainer in &trainers {
        trainer.submit("bond", &calls::jobs::bond(BOND)).await?;
    }

    let start = Instant::now();
    // Four at a time, so that the trainers always have a choice and a claim can come too late.
    let mut posted = jobs.min(4);
    for number in 0..posted {
        let spec = spec(base_id, DataUse { version, grant }, number)?;
        requester.submit(&format!("post/{number}"), &calls::jobs::post(&spec, TRIB)).await?;
    }
    println!("set-up done; {posted} jobs posted");

    let configs: Vec<PathBuf> = TRAINERS
        .iter()
        .map(|name| {
            let mut config = TrainerConfig::new(&url, folder.join(name), vec![base.to_owned()]);
            config.providers = provider.addresses();
            config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse()?];
            config.checkpoints.steps = 20;
            let path = folder.join(format!("{name}.json"));
            fs::write(&path, serde_json::to_vec(&config)?)?;
            Ok(path)
        })
        .collect::<Result<_>>()?;
    let launch = |index: usize| -> Result<Process> {
        let log =
            fs::File::options().create(true).append(true).open(folder.join(format!("{}.log", TRAINERS[index])))?;
        let child = Command::new(env::current_exe()?)
            .args(["trainer", TRAINERS[index]])
            .arg(&configs[index])
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Process(child))
    };
    let mut processes = [Up::Now(launch(0)?), Up::Now(launch(1)?)];

    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut killed, mut seen) = (0, 0);
    let mut settled = BTreeMap::<JobId, ModelId>::new();
    let mut next_kill = Instant::now() + Duration::from_secs(5);
    while settled.len() < usize::try_from(jobs)? {
        tokio::time::sleep(Duration::from_millis(200)).await;
        for (index, up) in processes.iter_mut().enumerate() {
            match up {
                Up::Now(process) => check(process.0.try_wait()?.is_none(), "a trainer runs until it is killed")?,
                Up::At(moment) if Instant::now() >= *moment => *up = Up::Now(launch(index)?),
                Up::At(_) => {}
            }
        }
        if killed < kills && Instant::now() >= next_kill {
            let index = usize::try_from(random.below(2))?;
            // Most are back at once and keep their lease; some stay away until it has lapsed.
            let away = if random.below(4) == 0 { LAPSE } else { Duration::ZERO };
            if let Up::Now(_) = processes[index] {
                // Dropping a process kills it.
                processes[index] = Up::At(Instant::now() + away);
                killed += 1;
                let (name, seconds) = (TRAINERS[index], away.as_secs());
                println!("{:>4} s: killed {name} for {seconds} s ({killed} of {kills})", start.elapsed().as_secs());
            }
            next_kill = Instant::now() + Duration::from_millis(1_000 + random.below(19_000));
        }
        let head = client.finalised_head().number;
        if head == seen {
            continue;
        }
        seen = head;
        for (id, job) in client.latest().all_jobs(JobId(0), None).await? {
            match job.state {
                JobState::Reported { .. } => {
                    requester.submit(&format!("accept/{id}"), &calls::jobs::accept(id)).await?;
                    println!("{:>4} s: job {id} accepted", start.elapsed().as_secs());
                }
                JobState::Settled { model, .. } if settled.insert(id, model).is_none() && posted < jobs => {
                    let spec = spec(base_id, DataUse { version, grant }, posted)?;
                    requester.submit(&format!("post/{posted}"), &calls::jobs::post(&spec, TRIB)).await?;
                    posted += 1;
                }
                _ => {}
            }
        }
        if start.elapsed() > Duration::from_secs(60 * (jobs + 5)) {
            return Err(format!("only {} of {jobs} jobs are settled; see {}", settled.len(), folder.display()).into());
        }
    }
    drop(processes);

    let view = client.latest();
    println!("{} of {jobs} jobs settled, {killed} kills, {} s", settled.len(), start.elapsed().as_secs());
    let mut paid = 0;
    for (name, trainer) in TRAINERS.iter().zip(&trainers) {
        let record = view.trainer(trainer.account()).await?.ok_or("a trainer's record is gone")?;
        let balance = view.balance(trainer.account()).await?;
        println!("{name}: {record:?}");
        paid += record.settled;
        // A claim puts half the price at risk, and a lapsed lease costs a tenth of that.
        let slashed = Amount::from(record.lapsed) * PRICE / 2 / 10;
        check(record.bonded + slashed == BOND, "a bond is what was bonded less what was slashed")?;
        check(balance.held("Jobs", "Bond") == record.bonded, "a bond is on hold")?;
        check((record.at_risk, record.active) == (0, 0), "nothing is at risk any more")?;
    }
    check(u64::from(paid) == jobs, "each job is paid once")?;
    check(view.all_models().await?.len() as u64 == jobs, "each job made one model")?;
    check(view.balance(requester.account()).await?.held("Jobs", "Escrow") == 0, "no escrow is left")?;
    let now = view.total_issuance().await?;
    println!("issuance {issuance} before, {now} after");
    fs::remove_dir_all(&folder)?;
    Ok(())
}

fn spec(base: tributary_protocol::BaseModelId, data: DataUse, seed: u64) -> Result<JobSpec> {
    Ok(JobSpec {
        base,
        data: vec![data].try_into().map_err(|_| "too many versions")?,
        purpose: Purpose::Research,
        method: Method::Lora,
        hyperparameters: Hyperparameters {
            rank: 4,
            alpha: 8,
            targets: TargetLayers::ALL,
            learning_rate_nano: 1_000_000,
            epochs: 60,
            batch_size: 4,
            accumulation: 1,
            sequence_tokens: 64,
            schedule: Schedule::Cosine,
            warmup: Ppm::from_percent(5),
            weight_decay_micro: 0,
            gradient_norm_max_micro: 1_000_000,
            validation: Ppm::from_percent(20),
            seed,
            ..Hyperparameters::DEFAULT
        },
        attribution: AttributionMethod::TracInCp { checkpoints: 3 },
        split: Split::DEFAULT,
        price: PRICE,
        deadline: 500_000,
        acceptance_blocks: 5_000,
    })
}

fn check(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("this does not hold: {what}").into()) }
}
