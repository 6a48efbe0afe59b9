//! The trainers that the gateway may ask: who they are, what they do, and the leaves and suspects that they show.

use crate::{
    db::DbError,
    index::{Index, leaves, suspects},
    outbound::{Outbound, below},
};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tributary_client::Account;
use tributary_daemon::{Shares, Suspects};
use tributary_protocol::{JobId, ModelId};
use url::Url;

/// How often trainers are asked how they are.
const PERIOD: Duration = Duration::from_secs(3);
/// Longest answer about health.
const HEALTH_BYTES_MAX: usize = 64 << 10;
/// Longest list of leaves: some hundred thousand.
const SHARES_BYTES_MAX: usize = 64 << 20;
/// Longest list of samples that look wrong: a hundred.
const SUSPECTS_BYTES_MAX: usize = 64 << 10;
/// How often a trainer that can be reached is asked for such a list before it is taken to have none.
const SUSPECTS_ASKED_MAX: u8 = 5;

/// What a trainer says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct Live {
    /// Where it is asked.
    pub url: String,
    phase: String,
    job: Option<u64>,
    step: i64,
    steps: i64,
    exchange: Vec<String>,
}

impl Live {
    /// Whether it keeps a job's run waiting at its requester's word.
    pub fn pauses(&self, job: JobId) -> bool {
        self.job == Some(job.0) && self.phase == "pause"
    }

    /// Where its bundles can be fetched.
    pub fn exchange(&self) -> &[String] {
        &self.exchange
    }
}

#[derive(Deserialize)]
struct Health {
    account: Account,
    phase: String,
    job: Option<u64>,
    #[serde(default)]
    step: i64,
    #[serde(default)]
    steps: i64,
    #[serde(default)]
    exchange: Vec<String>,
}

/// The configured trainers. Clones share what is known of them.
#[derive(Clone, Debug)]
pub struct Trainers {
    outbound: Outbound,
    urls: Arc<[Url]>,
    live: Arc<RwLock<BTreeMap<Account, Live>>>,
}

impl Trainers {
    /// None has been asked yet.
    pub fn new(outbound: Outbound, urls: Vec<Url>) -> Self {
        Self { outbound, urls: urls.into(), live: Arc::default() }
    }

    /// How many are configured.
    pub fn count(&self) -> usize {
        self.urls.len()
    }

    /// What a trainer said of itself last, if it can be reached.
    pub fn live(&self, account: Account) -> Option<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).get(&account).cloned()
    }

    /// Where a trainer is asked.
    pub fn url(&self, account: Account) -> Option<Url> {
        self.live(account)?.url.parse().ok()
    }

    /// All that can be reached.
    pub fn all_live(&self) -> Vec<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Asks the trainers from time to time, and fetches the leaves and suspects of models that have none yet, until `shutdown`.
    pub async fn watch(self, index: Index, genesis: [u8; 32], shutdown: CancellationToken) {
        let mut asked = HashMap::new();
        loop {
            self.ask_all().await;
            let fetched = match self.fetch_leaves(&index, genesis).await {
                Ok(()) => self.fetch_suspects(&index, &mut asked).await,
                failed => failed,
            };
            if let Err(error) = fetched {
                tracing::error!("{error}");
            }
            if shutdown.run_until_cancelled(sleep(PERIOD)).await.is_none() {
                return;
            }
        }
    }

    async fn ask_all(&self) {
        let asked = join_all(self.urls.iter().map(|url| async move {
            let health: Result<Health, _> = self.outbound.json(&below(url, "healthz"), HEALTH_BYTES_MAX).await;
            health.inspect_err(|error| tracing::debug!("{error}")).ok().map(|health| (url, health))
        }));
        let live = asked.await.into_iter().flatten().map(|(url, health)| {
            let Health { account, phase, job, step, steps, exchange } = health;
            (account, Live { url: url.to_string(), phase, job, step, steps, exchange })
        });
        let live = live.collect();
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
    }

    async fn fetch_leaves(&self, index: &Index, genesis: [u8; 32]) -> Result<(), DbError> {
        for (model, job) in index.db().read(leaves::missing).await? {
            for shares in self.shares(job).await {
                if index.db().write(move |db| leaves::put(db, model, genesis, &shares)).await? {
                    tracing::info!("the leaves of model {model} make the chain's root");
                    break;
                }
            }
        }
        Ok(())
    }

    /// Asks the trainer of each model for its suspects; `asked` is how often.
    async fn fetch_suspects(&self, index: &Index, asked: &mut HashMap<ModelId, u8>) -> Result<(), DbError> {
        for suspects::Unheard { model, job, trainer } in index.db().read(suspects::missing).await? {
            let times = asked.entry(model).or_default();
            let Some(url) = self.url(trainer).filter(|_| *times < SUSPECTS_ASKED_MAX) else { continue };
            *times += 1;
            let url = below(&url, &format!("jobs/{job}/suspects"));
            match self.outbound.json::<Suspects>(&url, SUSPECTS_BYTES_MAX).await {
                Ok(said) => index.db().write(move |db| suspects::put(db, model, &said)).await?,
                Err(error) => tracing::debug!("{error}"),
            }
        }
        Ok(())
    }

    /// What trainers show of a job's leaves. Nothing of it is checked.
    async fn shares(&self, job: JobId) -> Vec<Shares> {
        let path = format!("jobs/{job}/shares");
        let live = self.all_live();
        let urls = live.iter().filter_map(|live| live.url.parse::<Url>().ok());
        let asked = urls.map(|url| {
            let url = below(&url, &path);
            async move { self.outbound.json::<Shares>(&url, SHARES_BYTES_MAX).await.ok() }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}
