//! The story, act by act. Each act is what somebody would do at a terminal; the order is the loop of the project.

use super::{
    cast::{Actor, Cast},
    ending::Ending,
    ledger::Ledger,
    material::{ANSWER_TOKENS, DataFile, Material},
    narrator::Narrator,
    processes::{Processes, free_port},
};
use crate::{
    args::KEY_VARIABLE,
    chat::Chat,
    commands::{blocking, model as models, reward},
    context::Signer,
    fetching::Fetching,
    inbox, views,
};
use anyhow::{Context as _, bail, ensure};
use futures::future::{try_join, try_join_all, try_join3};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tributary_client::{ChainClient, ChainError, calls};
use tributary_daemon::http;
use tributary_daemon::{Shares, verify_bundle};
use tributary_exchange::Multiaddr;
use tributary_protocol::{
    Amount, BaseModelId, ContributionId, DatanetId, GrantId, JobId, ModelId, Ppm, VersionRef,
    access::Scope,
    amount::TRIB,
    datanet::{AccessPolicy, Admission, Purpose, PurposeSet, Schema, Terms},
    grant::{BaseModelScope, GrantTerms, VersionScope},
    job::JobSpec,
    model::{DataUse, ModelFamily},
    stream::Split,
    sum_tree::Domain,
};

/// Paid to the Datanet's owner by the job.
const DATA_PRICE: Amount = 20 * TRIB;
/// Paid to the trainer.
const JOB_PRICE: Amount = 100 * TRIB;
/// What each trainer bonds: twice what the job puts at risk.
const BOND: Amount = 100 * TRIB;
/// Paid into the model's stream, as a sale would.
const SALE: Amount = 100 * TRIB;
/// The processes' names, which are their logs' too.
const NODE: &str = "node";
const PROVIDER: &str = "provider";
pub(super) const TRAINERS: [&str; 2] = ["trainer-one", "trainer-two"];
/// How many threads a trainer computes with. One for the embedded model: its matrices are so small that waiting for a second
/// thread costs more than that one brings, most of all beside a busy node. The results are the same bits either way.
const THREADS_VARIABLE: &str = "RAYON_NUM_THREADS";
/// How long a process may take to come up. The node makes its genesis and compiles its runtime in that time.
pub(super) const START_PATIENCE: Duration = Duration::from_secs(120);
/// How long one attempt to reach the node waits: its first answers take seconds on a busy machine, while it compiles.
const ATTEMPT: Duration = Duration::from_secs(8);
/// How often processes are looked at.
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// The story's state: who and what there is so far.
pub struct Story {
    pub(super) folder: PathBuf,
    node_binary: PathBuf,
    pub(super) material: Material,
    pub(super) processes: Processes,
    pub(super) narrator: Narrator,
    pub(super) node_url: String,
    pub(super) http: Vec<String>,
}

/// What the curator's work leads to.
struct Data {
    datanet: DatanetId,
    base: BaseModelId,
    version: VersionRef,
    grant: GrantId,
}

impl Story {
    /// A story that has not begun.
    pub fn new(
        folder: &Path,
        node_binary: PathBuf,
        material: Material,
        processes: Processes,
        narrator: Narrator,
    ) -> Self {
        Self {
            folder: folder.to_owned(),
            node_binary,
            material,
            processes,
            narrator,
            node_url: String::new(),
            http: Vec::new(),
        }
    }

    /// The processes, for whatever is to become of them.
    pub fn into_processes(self) -> Processes {
        self.processes
    }

    /// Plays it.
    pub async fn play(&mut self) -> anyhow::Result<Ending> {
        let (client, cast, before) = self.start_chain().await?;
        let (datanet, base) = self.register(&cast).await?;
        let contributions = self.contribute(&cast, datanet).await?;
        self.curate(&cast, &contributions).await?;
        let data = self.publish_and_grant(&client, &cast, datanet, base).await?;
        let job = self.post(&client, &cast, &data).await?;
        let first = self.train_halfway(&client, &cast, job).await?;
        let second = self.train_to_the_end(&client, &cast, job, first).await?;
        let (model, adapter_folder) = self.settle(&client, &cast, job, second).await?;
        self.sell_and_claim(&client, &cast, job, model, second).await?;
        self.end(&client, &cast, Made { model, job, adapter_folder, trainer: second }, before).await
    }

    async fn start_chain(&mut self) -> anyhow::Result<(ChainClient, Cast, Ledger)> {
        let task = self.narrator.step("A chain of one validator starts, and everybody gets 1,000 TRIB");
        let (rpc, p2p) = (free_port()?, free_port()?);
        let arguments = [
            "--dev".to_owned(),
            format!("--base-path={}", self.folder.join("chain").display()),
            format!("--rpc-port={rpc}"),
            format!("--listen-addr=/ip4/127.0.0.1/tcp/{p2p}"),
            "--no-prometheus".to_owned(),
            "--no-telemetry".to_owned(),
            "--no-mdns".to_owned(),
            // The ModelFactory's index begins at block 0, whenever it is opened.
            "--state-pruning=archive".to_owned(),
        ];
        self.processes.start(NODE, &self.node_binary, arguments, &[])?;
        self.node_url = format!("ws://127.0.0.1:{rpc}");
        let client = self.connect().await?;
        task.note("waiting for the first blocks");
        let cast = Cast::new(&client)?;
        cast.endow(&client).await?;
        let before = Ledger::read(&client, &cast).await?;
        drop(task);
        self.narrator.tell(&format!("{} at {}, genesis {}", client.chain_name(), self.node_url, client.genesis()));
        Ok((client, cast, before))
    }

    /// Connects as soon as the node answers; fails at once if it has ended.
    async fn connect(&mut self) -> anyhow::Result<ChainClient> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            self.processes.check()?;
            match ChainClient::connect_with(&self.node_url, ATTEMPT).await {
                // From here on the client waits as long as daemons do.
                Ok(_) => return Ok(ChainClient::connect(&self.node_url).await?),
                Err(ChainError::Unreachable { .. }) if Instant::now() < deadline => sleep(LOOK).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What does not depend on each other goes into the same block.
    async fn register(&mut self, cast: &Cast) -> anyhow::Result<(DatanetId, BaseModelId)> {
        let task =
            self.narrator.step("An owner registers a Datanet; a base model is registered; two trainers place bonds");
        let parse = |text: &str| crate::args::parse::name(text).map_err(anyhow::Error::msg);
        let terms = Terms {
            price: DATA_PRICE,
            purposes: PurposeSet { research: true, evaluation: true, commercial: true },
            royalty_floor: Ppm::from_percent(30),
            admission: Admission::Anyone,
            access: AccessPolicy::OnRequest,
            grant_blocks_max: 28_800,
            grant_uses_max: 5,
            licence: parse("CC-BY-4.0")?,
        };
        let description =
            crate::args::parse::text("Questions and answers, checked by people").map_err(anyhow::Error::msg)?;
        let name = if self.material.questions.is_empty() { "Your data" } else { "The harbour town of Saltmere" };
        let register = calls::datanets::register(
            &parse(name)?,
            &parse("local knowledge")?,
            &description,
            Schema::PromptCompletion,
            &terms,
        );
        let base_name = parse(&self.material.base_name)?;
        let licence = parse(crate::embedded::BASE_LICENCE)?;
        let Material { base_content, parameters, .. } = self.material;
        let register_base =
            calls::models::register_base(&base_name, ModelFamily::Llama, base_content, parameters, &licence);
        let bond = calls::jobs::bond(BOND);
        let bonds = try_join_all(cast.trainers.iter().map(|trainer| trainer.does(&bond)));
        let (registered, base, _) =
            try_join3(cast.owner.does(&register), cast.base_owner.does(&register_base), bonds).await?;
        let (datanet, base) = (registered.datanet()?, base.base_model()?);

        // The provider comes up while the contributors prepare their files.
        let arguments = [
            "provider".to_owned(),
            "run".to_owned(),
            format!("--node={}", self.node_url),
            format!("--store={}", self.store().display()),
            "--listen=/ip4/127.0.0.1/tcp/0".to_owned(),
            "--listen=/ip4/127.0.0.1/udp/0/quic-v1".to_owned(),
        ];
        let own = own_program()?;
        self.processes.start(PROVIDER, &own, arguments, &[])?;
        drop(task);
        self.narrator.tell(&format!(
            "Datanet {datanet} \"{name}\": {} a job, at least 30% of revenue to contributors, grants on request",
            money(DATA_PRICE)
        ));
        self.narrator.tell(&format!("base model {base} \"{}\": {parameters} parameters", self.material.base_name));
        self.narrator.tell(&format!(
            "{} and {} bond {} each",
            cast.trainers[0].name,
            cast.trainers[1].name,
            money(BOND)
        ));
        Ok((datanet, base))
    }

    pub(super) fn bundle_file(&self) -> PathBuf {
        self.folder.join("bundle.tar")
    }

    pub(super) fn store(&self) -> PathBuf {
        self.folder.join("provider")
    }

    /// The good contributions, and then the bad one.
    async fn contribute(&mut self, cast: &Cast, datanet: DatanetId) -> anyhow::Result<Vec<ContributionId>> {
        let task = self.narrator.step("A curator is named; contributors submit their files, one of them a bad one");
        let files: Vec<(&Actor, &DataFile)> = cast
            .contributors
            .iter()
            .cycle()
            .zip(&self.material.good)
            .chain(cast.contributors.last().map(|last| (last, &self.material.bad)))
            .collect();
        let licence = crate::args::parse::name("CC-BY-4.0").map_err(anyhow::Error::msg)?;
        let mut submissions = Vec::new();
        for (contributor, file) in &files {
            let (store, content) = (self.store(), file.samples.canonical_file());
            blocking(move || inbox::put(&store, &content)).await??;
            let call = calls::datanets::submit_contribution(datanet, &file.samples.commitment(), &licence);
            submissions.push(async move { contributor.does(&call).await?.contribution().map_err(anyhow::Error::from) });
        }
        let set_curators = calls::datanets::set_curators(datanet, &[cast.curator.account()]);
        let (_, ids) = try_join(cast.owner.does(&set_curators), try_join_all(submissions)).await?;
        drop(task);
        for ((contributor, file), id) in files.iter().zip(&ids) {
            let commitment = file.samples.commitment();
            self.narrator.tell(&format!(
                "{} submits {} as contribution {id}: {} samples, root {}",
                contributor.name,
                file.name,
                commitment.samples,
                views::short(&commitment.root)
            ));
        }
        Ok(ids)
    }

    async fn curate(&mut self, cast: &Cast, contributions: &[ContributionId]) -> anyhow::Result<()> {
        const REASON: &str = "advertising, and answers that are wrong";
        let task =
            self.narrator.step("The curator accepts the good contributions and rejects the bad one, with a reason");
        let (bad, good) = contributions.split_last().context("there are contributions")?;
        let accepts = calls::utility::batch_all(good.iter().map(|id| calls::datanets::accept(*id)).collect());
        let reason = crate::args::parse::text(REASON).map_err(anyhow::Error::msg)?;
        let reject = calls::datanets::reject(*bad, &reason);
        try_join(cast.curator.does(&accepts), cast.curator.does(&reject)).await?;
        drop(task);
        let mut good = good.to_vec();
        good.sort_unstable();
        self.narrator
            .tell(&format!("accepted: {}", good.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
        self.narrator.tell(&format!("rejected: {bad} ({REASON})"));
        Ok(())
    }

    async fn publish_and_grant(
        &mut self,
        client: &ChainClient,
        cast: &Cast,
        datanet: DatanetId,
        base: BaseModelId,
    ) -> anyhow::Result<Data> {
        let task =
            self.narrator.step("A version is published; a requester without a grant is refused, asks for one, gets it");
        let version = cast.owner.does(&calls::datanets::publish_version(datanet)).await?.version()?;
        task.note("posting without a grant");
        let attempt = self.spec(client, &Data { datanet, base, version, grant: GrantId(0) })?;
        let refusal = match cast.requester.tries(&calls::jobs::post(&attempt, DATA_PRICE)).await {
            Ok(_) => bail!("the chain took a job without a grant"),
            Err(error) => error.failure().context("the job was refused, but not by the chain")?.to_string(),
        };
        task.note("asking for a grant");
        let terms = GrantTerms {
            versions: VersionScope::All,
            purpose: Purpose::Commercial,
            base_models: BaseModelScope::Only(base),
            uses: 1,
            expires_at: client.finalised_head().number.saturating_add(14_400),
        };
        let grant = cast.requester.does(&calls::grants::request(datanet, &terms)).await?.grant()?;
        task.note("waiting for the owner's decision");
        cast.owner.does(&calls::grants::issue(grant)).await?;
        drop(task);
        self.narrator.tell(&format!("version {version} is immutable from now on"));
        self.narrator.tell(&format!("without a grant: refused by {refusal}"));
        self.narrator.tell(&format!("grant {grant}: one job for commercial use, on this base model, for half a day"));
        Ok(Data { datanet, base, version, grant })
    }

    fn spec(&self, client: &ChainClient, data: &Data) -> anyhow::Result<JobSpec> {
        let used = DataUse { version: data.version, grant: data.grant };
        Ok(JobSpec {
            base: data.base,
            data: vec![used].try_into().map_err(|_| anyhow::anyhow!("a job takes one version"))?,
            purpose: Purpose::Commercial,
            method: self.material.recipe.method,
            hyperparameters: self.material.recipe.hyperparameters,
            attribution: self.material.recipe.attribution,
            split: Split::DEFAULT,
            price: JOB_PRICE,
            deadline: client.finalised_head().number.saturating_add(28_800),
            acceptance_blocks: 100,
        })
    }

    async fn post(&mut self, client: &ChainClient, cast: &Cast, data: &Data) -> anyhow::Result<JobId> {
        let task = self.narrator.step("The requester posts a LoRA job; its price goes into escrow");
        let provider = self.provider_address().await?;
        for (place, (name, actor)) in TRAINERS.into_iter().zip(&cast.trainers).enumerate() {
            let port = free_port()?;
            let arguments = [
                "trainer".to_owned(),
                "run".to_owned(),
                format!("--node={}", self.node_url),
                format!("--state={}", self.folder.join(name).display()),
                format!("--base={}", self.material.base.display()),
                format!("--provider={provider}"),
                "--listen=/ip4/127.0.0.1/tcp/0".to_owned(),
                format!("--http=127.0.0.1:{port}"),
            ];
            let own = own_program()?;
            let secret = actor.secret();
            let mut environment = vec![(KEY_VARIABLE, secret.as_str())];
            if self.material.is_embedded_base && std::env::var_os(THREADS_VARIABLE).is_none() {
                environment.push((THREADS_VARIABLE, "1"));
            }
            self.processes.start(name, &own, arguments, &environment)?;
            self.http.insert(place, format!("http://127.0.0.1:{port}"));
        }
        let job = cast.requester.does(&calls::jobs::post(&self.spec(client, data)?, DATA_PRICE)).await?.job()?;
        drop(task);
        self.narrator.tell(&format!(
            "job {job} on Datanet {}: {} for the trainer and {} for the data, in escrow",
            data.datanet,
            money(JOB_PRICE),
            money(DATA_PRICE)
        ));
        Ok(job)
    }

    /// Where the provider listens.
    async fn provider_address(&mut self) -> anyhow::Result<String> {
        let path = self.store().join("addresses");
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            self.processes.check()?;
            // Written whole, but not atomically: a line that ends is complete.
            let addresses = std::fs::read_to_string(&path).unwrap_or_default();
            if let Some((first, _)) = addresses.split_once('\n') {
                return Ok(first.to_owned());
            }
            ensure!(Instant::now() < deadline, "the data provider does not come up");
            sleep(LOOK).await;
        }
    }

    async fn settle(
        &mut self,
        client: &ChainClient,
        cast: &Cast,
        job: JobId,
        trainer: usize,
    ) -> anyhow::Result<(ModelId, PathBuf)> {
        let task = self
            .narrator
            .step("The requester fetches the bundle, checks it, and accepts: trainer and Datanet are paid");
        let addresses: Vec<Multiaddr> =
            self.health(trainer).await?.exchange.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        let (report, recipe) = models::report(client, job).await?;
        let signer = Signer::new(client.clone(), cast.requester.key().clone())?;
        let fetching = Fetching::start(&signer, addresses).await?;
        let fetched = fetching.get("the bundle", Scope::Bundle(job), report.bundle, None).await;
        fetching.stop().await;
        let (bytes, folder) = (fetched?, self.folder.join("model"));
        let (to, domain) = (folder.clone(), Domain { genesis: client.genesis().0, job });
        let size = bytes.len();
        let file = self.bundle_file();
        blocking(move || -> anyhow::Result<()> {
            verify_bundle(&bytes, &report, &recipe, &domain)?.extract(&to)?;
            std::fs::write(&file, &bytes).with_context(|| format!("cannot write {}", file.display()))
        })
        .await??;
        let receipt = cast.requester.does_for_good(&calls::jobs::accept(job)).await?;
        let (_, model) = receipt.settled()?;
        drop(task);
        self.narrator.tell(&format!("{size} bytes fetched and checked against the report"));
        self.narrator.tell(&format!(
            "{} gets {}, {} gets {}, and model {model} is recorded",
            cast.trainers[trainer].name,
            money(JOB_PRICE),
            cast.owner.name,
            money(DATA_PRICE)
        ));
        Ok((model, folder))
    }

    async fn sell_and_claim(
        &mut self,
        client: &ChainClient,
        cast: &Cast,
        job: JobId,
        model: ModelId,
        trainer: usize,
    ) -> anyhow::Result<()> {
        let task =
            self.narrator.step("The model's stream is funded as a sale would; each contributor claims with a proof");
        // Final, because claims are made from what is final.
        cast.buyer.does_for_good(&calls::attribution::fund(model, SALE)).await?;
        let stream = reward::stream(client, model).await?;
        let shares: Shares =
            serde_json::from_slice(&http::get(&format!("{}/jobs/{job}/shares", self.http[trainer])).await?)?;
        let mut claims = Vec::new();
        for contributor in &cast.contributors {
            let Some(own) = shares.claims(&contributor.account(), &stream.contributions.shares)? else {
                bail!("the trainer's shares are not those on chain");
            };
            for (leaf, proof) in own.into_iter().filter(|(leaf, _)| leaf.units > 0) {
                let call = calls::attribution::claim(model, leaf, &proof);
                claims.push(async move {
                    let receipt = contributor.does_for_good(&call).await?;
                    let paid = receipt.events.iter().find_map(reward::paid).unwrap_or_default();
                    anyhow::Ok((contributor.name, leaf, paid))
                });
            }
        }
        let claims = try_join_all(claims).await?;
        drop(task);
        self.narrator.tell(&format!("{} pays {}; half of it is the contributors'", cast.buyer.name, money(SALE)));
        for (name, leaf, paid) in claims {
            self.narrator.tell(&format!(
                "{name} claims {} for contribution {}, {} of the units",
                money(paid),
                leaf.contribution,
                views::units_percent(leaf.units)
            ));
        }
        Ok(())
    }

    async fn end(&mut self, client: &ChainClient, cast: &Cast, made: Made, before: Ledger) -> anyhow::Result<Ending> {
        let Made { model, job, adapter_folder, trainer } = made;
        let task = self.narrator.step("The base model and the tuned model are asked");
        let after = Ledger::read(client, cast).await?;
        ensure!(
            after.same_issuance(&before),
            "money was made or lost: {} before, {} after",
            before.issuance(),
            after.issuance()
        );
        let (base, adapter) = (self.material.base.clone(), adapter_folder.clone());
        let (prompt, questions) = (self.material.prompt.clone(), self.material.questions.clone());
        let (asked, template) = (prompt.clone(), self.material.recipe.hyperparameters.template);
        let (answers, score) = blocking(move || -> anyhow::Result<_> {
            let chat = Chat::load(&base, template)?;
            let adapter = chat.adapter(&adapter)?;
            let config = tributary_lora::SamplingConfig { tokens_max: ANSWER_TOKENS, ..Default::default() };
            let answers =
                (chat.answer(None, &asked, config, |_| {})?, chat.answer(Some(&adapter), &asked, config, |_| {})?);
            let right = |adapter| -> anyhow::Result<usize> {
                Ok(chat.examine(adapter, &questions)?.iter().filter(|(_, right)| *right).count())
            };
            let score =
                if questions.is_empty() { None } else { Some((right(None)?, right(Some(&adapter))?, questions.len())) };
            Ok((answers, score))
        })
        .await??;
        let (record, lineage) = (models::show(client, model).await?, models::lineage(client, model).await?);
        let provider = self.provider_address().await?;
        let trainer_exchange =
            self.health(trainer).await?.exchange.into_iter().next().context("the trainer listens nowhere")?;
        drop(task);
        self.narrator.tell(&prompt);
        self.narrator.tell(&format!("  base   {}", answers.0));
        self.narrator.tell(&format!("  tuned  {}", answers.1));
        if let Some((base, tuned, all)) = score {
            self.narrator.tell(&format!("of {all} questions: base {base} right, tuned {tuned} right"));
        }
        self.narrator.finish_step();
        Ok(Ending {
            model,
            job,
            adapter_folder,
            record,
            lineage,
            before,
            after,
            answers,
            score,
            seconds: self.narrator.elapsed().as_secs_f64(),
            prompt,
            provider,
            trainer_http: self.http[trainer].clone(),
            trainer_exchange,
        })
    }
}

/// What the story has made when it comes to its end.
struct Made {
    model: ModelId,
    job: JobId,
    adapter_folder: PathBuf,
    trainer: usize,
}

fn money(amount: Amount) -> String {
    crate::amounts::Money(amount).to_string()
}

/// This program's file.
pub(super) fn own_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("this program cannot find itself")
}
