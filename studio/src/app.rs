//! What every route works with.

use crate::{
    bases::Bases,
    bundles::Bundles,
    chain::Constants,
    config::StudioConfig,
    db::WorkError,
    error::ApiError,
    index::{Index, reader::Reader},
    outbound::Outbound,
    pages::Packed,
    security::{self, Limiter},
    trainers::Trainers,
    uploads::Uploads,
};
use axum::http::StatusCode;
use std::{path::Path, sync::Arc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tributary_client::{ChainClient, ChainKind};
use url::Url;

/// Files that are checked at a time: each takes memory of several times its size.
const CHECKS_AT_ONCE: usize = 2;
/// Streams of events that are open at a time.
const STREAMS_AT_ONCE: usize = 1_024;

/// What the gateway is made of.
pub struct Parts {
    /// The settings.
    pub config: StudioConfig,
    /// The node.
    pub client: ChainClient,
    /// What finalised blocks say.
    pub index: Index,
    /// What the runtime fixes.
    pub constants: Constants,
    /// The configured trainers.
    pub trainers: Trainers,
    /// The way to other servers.
    pub outbound: Outbound,
    /// The way to servers that anybody may have named, on the chain.
    pub strangers: Outbound,
    /// Base models at hand.
    pub bases: Bases,
    /// Where uploads go.
    pub uploads: Uploads,
    /// What fetches bundles.
    pub bundles: Bundles,
}

/// The gateway. Clones share it.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    parts: Parts,
    limiter: Limiter,
    checks: Semaphore,
    streams: Arc<Semaphore>,
    packed: Packed,
    policy: String,
}

impl App {
    /// Of these parts.
    pub fn new(parts: Parts) -> Self {
        let policy = security::policy(&parts.config.public_node);
        let (limiter, checks) = (Limiter::default(), Semaphore::new(CHECKS_AT_ONCE));
        let streams = Arc::new(Semaphore::new(STREAMS_AT_ONCE));
        Self(Arc::new(Shared { parts, limiter, checks, streams, packed: Packed::default(), policy }))
    }

    pub(crate) fn config(&self) -> &StudioConfig {
        &self.0.parts.config
    }

    pub(crate) fn client(&self) -> &ChainClient {
        &self.0.parts.client
    }

    pub(crate) fn index(&self) -> &Index {
        &self.0.parts.index
    }

    pub(crate) fn constants(&self) -> &Constants {
        &self.0.parts.constants
    }

    pub(crate) fn trainers(&self) -> &Trainers {
        &self.0.parts.trainers
    }

    pub(crate) fn outbound(&self) -> &Outbound {
        &self.0.parts.outbound
    }

    pub(crate) fn strangers(&self) -> &Outbound {
        &self.0.parts.strangers
    }

    pub(crate) fn bases(&self) -> &Bases {
        &self.0.parts.bases
    }

    pub(crate) fn uploads(&self) -> &Uploads {
        &self.0.parts.uploads
    }

    pub(crate) fn bundles(&self) -> &Bundles {
        &self.0.parts.bundles
    }

    pub(crate) fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    pub(crate) fn checks(&self) -> &Semaphore {
        &self.0.checks
    }

    /// A place for one more stream of events, for as long as it is open.
    pub(crate) fn stream_place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.0.streams.clone().try_acquire_owned().map_err(|_| {
            let text = "too many streams of events are open";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", text).hint("try again in a moment")
        })
    }

    pub(crate) fn packed(&self) -> &Packed {
        &self.0.packed
    }

    pub(crate) fn policy(&self) -> &str {
        &self.0.policy
    }

    pub(crate) fn serving(&self) -> &[Url] {
        &self.config().serving
    }

    pub(crate) fn web(&self) -> Option<&Path> {
        self.config().web.as_deref()
    }

    pub(crate) fn genesis(&self) -> [u8; 32] {
        self.client().genesis().0
    }

    pub(crate) fn is_development(&self) -> bool {
        *self.client().kind() != ChainKind::Live
    }

    /// Reads the index, all at one block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader<'_>) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, ApiError> {
        Ok(self.index().db().read(move |db| work(&Reader::new(db)?)).await?)
    }
}
