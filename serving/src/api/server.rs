//! The server: what it is made of, how it begins and how it ends.

use super::clients::Clients;
use super::metrics::Metrics;
use super::pieces::Pieces;
use super::routes;
use crate::constraint::{Constraint, Schema, Vocabulary};
use crate::door::{Catalogue, Till};
use crate::jobs::Jobs;
use crate::thread::EngineThread;
use axum::Router;
use axum::serve::ListenerExt as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tributary_lora::{Model, Tokenizer, TokenizerError};
use tributary_protocol::ContentHash;

/// What an API answers with.
#[derive(Clone)]
pub struct Api {
    /// Computes answers.
    pub engine: EngineThread,
    /// The base model.
    pub model: Arc<Model>,
    /// Its tokenizer; the engine has the same.
    pub tokenizer: Arc<Tokenizer>,
    /// The base's hash ([`tributary_lora::base_model_hash`]), for `system_fingerprint`.
    pub base: ContentHash,
    /// Which models there are.
    pub catalogue: Arc<dyn Catalogue>,
    /// Who pays.
    pub till: Arc<dyn Till>,
    /// Who has models trained; `None`: nobody, and routes that need somebody say so.
    pub jobs: Option<Arc<dyn Jobs>>,
    /// What clients may ask for.
    pub limits: ApiLimits,
    /// Pages beside the API's own: the operator's, if there is one.
    pub pages: Router,
}

/// What clients may ask for. The engine has limits of its own ([`EngineConfig`](crate::EngineConfig)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiLimits {
    /// Bytes of a request's body.
    pub body_bytes_max: usize,
    /// Bytes of an uploaded file, with the form around it.
    pub file_bytes_max: usize,
    /// How long a body may take to arrive.
    pub body_patience: Duration,
    /// Requests for answers in progress, those that wait included.
    pub requests_max: usize,
    /// Of these, requests with one key, or without a key from one address.
    pub requests_per_client_max: usize,
    /// How long what runs may go on when the server ends; the rest is cut off with an error.
    pub drain_max: Duration,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 4 << 20,
            file_bytes_max: 64 << 20,
            body_patience: Duration::from_secs(30),
            requests_max: 1024,
            requests_per_client_max: 64,
            drain_max: Duration::from_secs(120),
        }
    }
}

/// How long connections have to close after what they carried was cut off.
const CLOSING: Duration = Duration::from_secs(5);

/// A server that has not begun to listen, or that does.
pub struct Server {
    api: Api,
    pieces: Arc<Pieces>,
    vocabulary: Arc<Vocabulary>,
    /// Any object: what was found out about it serves all who ask for it.
    any_object: Constraint,
    fingerprint: String,
    metrics: Arc<Metrics>,
    clients: Clients,
    work: TaskTracker,
    /// No new requests.
    draining: CancellationToken,
    /// No requests at all.
    ended: CancellationToken,
}

impl Server {
    /// Errors: a tokenizer that does not say what its tokens are.
    pub fn new(api: Api) -> Result<Arc<Self>, TokenizerError> {
        let mut build = blake3::Hasher::new_derive_key("tributary.network 2026-11 serving fingerprint v1");
        build.update(&api.base.0).update(env!("CARGO_PKG_VERSION").as_bytes());
        let fingerprint: String = build.finalize().to_hex().chars().take(10).collect();
        let pieces = api.tokenizer.pieces()?;
        let vocabulary = Arc::new(Vocabulary::new(&pieces));
        Ok(Arc::new(Self {
            pieces: Arc::new(Pieces::new(pieces)),
            any_object: Constraint::new(Schema::any_object(), vocabulary.clone()),
            vocabulary,
            fingerprint: format!("fp_{fingerprint}"),
            metrics: Arc::default(),
            clients: Clients::default(),
            work: TaskTracker::new(),
            draining: CancellationToken::new(),
            ended: CancellationToken::new(),
            api,
        }))
    }

    /// All routes. Clients are told apart by address only if the router is served with connection info of [`SocketAddr`].
    pub fn router(self: &Arc<Self>) -> Router {
        routes::router(self.clone())
    }

    /// Serves until `shutdown`, and then until what runs has ended: new requests are refused with 503, answers that run are
    /// completed for [`ApiLimits::drain_max`] and cut off with an error afterwards, and every account is settled.
    ///
    /// Errors: the listener fails.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
        // A token is a small packet, and nobody waits for the next one.
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot turn off the delay of small packets");
            }
        });
        let service = self.router().into_make_service_with_connect_info::<SocketAddr>();
        let server = self.clone();
        let end = async move {
            shutdown.cancelled().await;
            server.drain().await;
        };
        tokio::select! {
            served = async { axum::serve(listener, service).with_graceful_shutdown(end).await } => served?,
            // Connections whose other side does not read never close.
            () = async { self.ended.cancelled().await; tokio::time::sleep(CLOSING).await } => {}
        }
        self.work.close();
        self.work.wait().await;
        Ok(())
    }

    /// Lets what runs end, for a while.
    async fn drain(&self) {
        self.draining.cancel();
        self.work.close();
        let (running, drain_max) = (self.clients.count(), self.api.limits.drain_max);
        tracing::info!(running, "shutting down: no new requests, those that run are completed");
        if tokio::time::timeout(drain_max, self.work.wait()).await.is_err() {
            tracing::warn!(running = self.clients.count(), "requests that still run are cut off");
        }
        self.ended.cancel();
    }

    pub(super) fn api(&self) -> &Api {
        &self.api
    }

    pub(super) fn pieces(&self) -> &Arc<Pieces> {
        &self.pieces
    }

    /// Answers that are an object.
    pub(super) fn any_object(&self) -> Constraint {
        self.any_object.clone()
    }

    /// Answers of a schema.
    pub(super) fn constraint(&self, schema: Schema) -> Constraint {
        Constraint::new(schema, self.vocabulary.clone())
    }

    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.clients
    }

    pub(super) fn work(&self) -> &TaskTracker {
        &self.work
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Done when nothing may go on.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}
