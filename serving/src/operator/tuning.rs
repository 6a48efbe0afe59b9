//! Fine-tuning for the holders of an operator's keys: see [`crate::tuning`].

use super::catalogue::ChainCatalogue;
use super::chain::OperatorChain;
use super::config::{ModelChoice, OfferTerms, TuningNetwork};
use super::setup;
use super::source::Bundles;
use super::till::Desk;
use crate::door::{Credentials, Refusal};
use crate::tuning::{Holder, Inspection, Outside};
use async_trait::async_trait;
use serde::Deserialize;
use std::sync::Arc;
use tributary_client::{Account, Job};
use tributary_daemon::{Recipe, http, verify_bundle};
use tributary_exchange::{FetchRequest, Multiaddr, Node, Scope};
use tributary_lora::Record;
use tributary_protocol::{JobId, ModelId, job::Report, sum_tree::Domain};

/// The operator's side: keys, the exchange, trainers' pages, and what is served.
pub(super) struct TuningSide {
    pub desk: Arc<Desk>,
    /// Where what was made is served from.
    pub bundles: Arc<Bundles>,
    /// Gives data out, and fetches what was made.
    pub node: Node,
    /// Trainers to fetch it from.
    pub providers: Vec<Multiaddr>,
    pub network: TuningNetwork,
    pub offer: Option<OfferTerms>,
}

/// What a trainer says of itself.
#[derive(Deserialize)]
struct Health {
    account: Account,
    #[serde(default)]
    exchange: Vec<Multiaddr>,
}

impl TuningSide {
    /// The trainer's address, and where it gives bundles out, if it is one of those known.
    async fn trainer(&self, account: Account) -> Option<(&str, Vec<Multiaddr>)> {
        for url in &self.network.trainers {
            let url = url.trim_end_matches('/');
            let asked = http::get(&format!("{url}/healthz")).await;
            let health = asked.map_err(|error| error.to_string()).and_then(|body| {
                serde_json::from_slice::<Health>(&body).map_err(|error| format!("{url}/healthz: {error}"))
            });
            match health {
                Ok(health) if health.account == account => return Some((url, health.exchange)),
                Ok(_) => {}
                Err(error) => tracing::debug!("{error}"),
            }
        }
        None
    }
}

#[async_trait]
impl Outside for TuningSide {
    fn holder(&self, who: &Credentials) -> Result<Holder, Refusal> {
        let record = self.desk.key(who)?;
        Ok(Holder { id: record.id.clone(), budget: record.tuning_budget.unwrap_or(0) })
    }

    fn provide(&self, canonical: &[u8]) -> Result<(), String> {
        self.node.store().import_bytes(canonical).map(|_| ()).map_err(|error| error.to_string())
    }

    async fn told(&self, trainer: Account, job: JobId, after: u64) -> Option<Vec<Record>> {
        let (url, _) = self.trainer(trainer).await?;
        let body = http::get_if_there(&format!("{url}/jobs/{job}/events?after={after}")).await;
        let body = body.inspect_err(|error| tracing::debug!("{error}")).ok()??;
        // A line that is no event is passed over.
        Some(body.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    async fn inspect(&self, id: JobId, job: &Job, report: &Report) -> Result<(), Inspection> {
        let unavailable = |reason: String| Inspection::Unavailable { reason };
        let mut providers = self.providers.clone();
        if let Some(account) = job.state.trainer()
            && let Some((_, exchange)) = self.trainer(*account).await
        {
            providers.extend(exchange);
        }
        let blob = report.bundle.0;
        let request = FetchRequest { scope: Scope::Bundle { job: id.0 }, blob, bytes: None };
        self.node.fetch(&providers, request, |_| {}).await.map_err(|error| unavailable(error.to_string()))?;
        let (store, bundles) = (self.node.store().clone(), self.bundles.clone());
        let (report, recipe) = (*report, Recipe::from(&job.spec));
        let domain = Domain { genesis: self.desk.chain().genesis(), job: id };
        let look = move || {
            let bytes = store.read(&blob).map_err(|error| unavailable(error.to_string()))?;
            let checked = verify_bundle(&bytes, &report, &recipe, &domain);
            // It is served from here, so that nobody is asked for it again.
            if checked.is_ok()
                && let Err(error) = bundles.keep(&report.bundle, &bytes)
            {
                tracing::warn!(job = %id, "what was made is not kept, and fetched again later: {error}");
            }
            if let Err(error) = store.remove(&blob) {
                tracing::warn!("a checked bundle stays in the store: {error}");
            }
            checked.map(|_| ()).map_err(|error| Inspection::Mismatch { reason: error.to_string() })
        };
        tokio::task::spawn_blocking(look)
            .await
            .map_err(|error| Inspection::Unavailable { reason: error.to_string() })?
    }

    async fn serve(&self, model: ModelId) -> Result<(), String> {
        let chain: &dyn OperatorChain = self.desk.chain().as_ref();
        let catalogue: &ChainCatalogue = self.desk.catalogue();
        let terms = self.offer.as_ref().ok_or("its operator has to deploy and offer it; hint: serve --endpoint URL")?;
        let at = *chain.heads().borrow();
        catalogue.take_in(chain, at, ModelChoice { model, alias: None }).await.map_err(|error| error.to_string())?;
        setup::offer_one(chain, at, model, terms).await.map_err(|error| error.to_string())?;
        let at = *chain.heads().borrow();
        catalogue.refresh(chain, at).await.map_err(|error| error.to_string())
    }
}
